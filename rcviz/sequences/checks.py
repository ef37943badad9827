"""Requirements that training, evaluation and analysis have on their data: sequences, labels, both classes."""

from collections.abc import Sequence

import numpy as np

from rcviz._core.shapes import Bool, Float
from rcviz.sequences.sequence_set import SequenceSet


def check_not_empty(data: SequenceSet, name: str = "data") -> None:
    """Refuse a set without sequences."""
    if not len(data):
        raise ValueError(f"{name} has no sequences: check the selection that made it")


def labels_of(data: SequenceSet, name: str = "data") -> Float[np.ndarray, "n tasks"]:
    """Return the labels of a set; an error if it has none."""
    if not isinstance(data, SequenceSet):
        raise ValueError(
            f"{name} must be a SequenceSet with labels, got {type(data).__name__}: make one from your sequences with "
            f"rcviz.SequenceSet(sequences, labels)"
        )
    if data.labels is None:
        raise ValueError(f"{name} has no labels; make it with rcviz.SequenceSet(sequences, labels)")
    return data.labels


def positive_rows(data: SequenceSet) -> Bool[np.ndarray, " n"]:
    """Mark the sequences that are positive for any task; none where labels are missing or values."""
    if data.labels is None or data.label_kind == "value":
        return np.zeros(len(data), dtype=bool)
    rows: np.ndarray = (data.labels == 1).any(axis=1)
    return rows


def check_both_classes(data: SequenceSet, name: str = "data", *, tasks: Sequence[int] | None = None) -> None:
    """Refuse labels without a positive and a negative for each task, or for the tasks with the given indices.

    Values must differ, because no correlation exists otherwise.
    """
    labels = labels_of(data, name)
    for task in range(len(data.task_names)) if tasks is None else tasks:
        check_classes(labels[:, task], name, data.task_names[task], data.label_kind)


def check_classes(
    labels: Float[np.ndarray, " n"],
    name: str,
    task: str,
    kind: str = "binary",
    *,
    fix: str = "choose other sequences, or another task",
) -> None:
    """Refuse labels of one task without a positive and a negative, or values that are all equal.

    ``fix`` is what the error recommends.
    """
    if kind == "value":
        if len(np.unique(labels[~np.isnan(labels)])) < 2:
            raise ValueError(f"{name} has no two different values for task {task}, and a regression needs them: {fix}")
        return
    for value, kind in ((1, "positives"), (0, "negatives")):
        if not (labels == value).any():
            raise ValueError(f"{name} has no {kind} for task {task}, and both classes are needed: {fix}")


def check_output_count(n_outputs: int, data: SequenceSet) -> None:
    """Refuse a number of outputs that is not the number of tasks of ``data``."""
    n_tasks = len(data.task_names)
    if n_outputs != n_tasks:
        raise ValueError(
            f"expected one output of the model per task, got {n_outputs} outputs for {n_tasks} tasks "
            f"({', '.join(data.task_names)}); build the model with n_tasks={n_tasks}, or choose the labels that belong "
            f"to its outputs"
        )
