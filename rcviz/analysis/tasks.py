"""Selection of a task, by name or by index, for labelled or unlabelled data and for a model."""

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from rcviz._core.checks import task_index
from rcviz.sequences.annotations import numbered_tasks
from rcviz.sequences.checks import check_output_count
from rcviz.sequences.sequence_set import SequenceSet

_NUMBERED = re.compile(r"task_(\d+)")


@dataclass(frozen=True)
class Task:
    """One task of some sequences.

    Attributes
    ----------
    index : int
        Index of the model's output and of the column of the labels.
    name : str
        ``task_0``, ``task_1`` and so on where the data has no labels.
    labels : ndarray (N,) or None
        1 positive, 0 negative, NaN unknown, or values; None where the data has no labels.
    """

    index: int
    name: str
    labels: Float[np.ndarray, " sequences"] | None

    def logits(self, logits: Float[Tensor, "batch tasks"]) -> Float[Tensor, " batch"]:
        """Take this task's column of a model's logits; an error lists the tasks that the model has."""
        n_tasks = logits.shape[1]
        if self.index >= n_tasks:
            task_index(self.index, numbered_tasks(n_tasks))
        return logits[:, self.index]


def resolve_task(data: SequenceSet, task: int | np.integer | str) -> Task:
    """Find a task of sequences by its name or by its index.

    Without labels the tasks are those of the model, which is not asked here: any index from 0 and its name, such as
    ``"task_3"``, is taken, and :meth:`Task.logits` checks it.
    """
    if data.labels is not None:
        index = data.task_index(task)
        return Task(index, data.task_names[index], data.labels[:, index])
    numbered = _NUMBERED.fullmatch(task) if isinstance(task, str) else None
    if numbered is not None:
        task = int(numbered[1])
    if isinstance(task, str | bool) or not isinstance(task, int | np.integer) or task < 0:
        raise ValueError(
            f"there is no task {task!r}: the data has no labels, so choose a 0-based index, or task_0, task_1 and so on"
        )
    return Task(int(task), numbered_tasks(int(task) + 1)[-1], None)


def model_tasks(data: SequenceSet, n_outputs: int) -> tuple[str, ...]:
    """Name the outputs of a model: the tasks of labelled data, which must be as many, or task_0, task_1 and so on."""
    if data.labels is None:
        return numbered_tasks(n_outputs)
    check_output_count(n_outputs, data)
    return data.task_names
