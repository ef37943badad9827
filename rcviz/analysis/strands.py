"""Does a model say the same about both strands of a molecule: predictions compared (section 2.2.1, Figure 4)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import nn

from rcviz.models.prediction import predict
from rcviz.sequences.dataset import as_sequence_set


@dataclass(frozen=True)
class StrandAgreement:
    """Predictions for both strands of the same sequences.

    Attributes
    ----------
    forward, reverse : ndarray (N, T)
        Predictions for the sequences as given and for their reverse complements.
    labels : ndarray (N, T) or None
    task_names : tuple of str
    """

    forward: Float[np.ndarray, "sequences tasks"]
    reverse: Float[np.ndarray, "sequences tasks"]
    labels: Float[np.ndarray, "sequences tasks"] | None
    task_names: tuple[str, ...]

    @cached_property
    def gap(self) -> Float[np.ndarray, "sequences tasks"]:
        """Absolute difference of the two strands."""
        return np.abs(self.forward - self.reverse)

    @property
    def max_gap(self) -> float:
        """Largest gap of all sequences and tasks."""
        return float(self.gap.max())

    @property
    def mean_gap(self) -> float:
        """Mean gap of all sequences and tasks."""
        return float(self.gap.mean())

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per sequence and task, largest gap first: sequence, task, label, forward, reverse, gap."""
        n_sequences, n_tasks = self.forward.shape
        labels = np.full(self.forward.shape, np.nan) if self.labels is None else self.labels
        columns = {
            "sequence": np.repeat(np.arange(n_sequences), n_tasks),
            "task": np.tile(np.array(self.task_names, dtype=object), n_sequences),
            "label": labels.ravel(),
            "forward": self.forward.ravel(),
            "reverse": self.reverse.ravel(),
            "gap": self.gap.ravel(),
        }
        return pd.DataFrame(columns).sort_values("gap", ascending=False, kind="stable").reset_index(drop=True)

    def plot(self, ax: Any = None, *, task: int | str = 0) -> Any:
        """Draw forward against reverse for one task, see :func:`rcviz.plot_strands`."""
        from rcviz.plots.strands import plot_strands

        index = self.task_names.index(task) if task in self.task_names else task
        if isinstance(index, str) or not 0 <= index < len(self.task_names):
            raise ValueError(f"there is no task {task}; the tasks are {', '.join(self.task_names)}, counted from 0")
        labels = None if self.labels is None else self.labels[:, index]
        return plot_strands(self.forward[:, index], self.reverse[:, index], labels, ax)


def strand_agreement(
    model: nn.Module,
    data: Any,
    *,
    output: Literal["probability", "logit"] = "probability",
    batch_size: int = 500,
) -> StrandAgreement:
    """Predict sequences and their reverse complements, and compare (Figure 4).

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``; left as found.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
    output : "probability" or "logit"
        What to compare.
    batch_size : int
        Sequences in memory at a time.

    Returns
    -------
    StrandAgreement
    """
    data = as_sequence_set(data)
    forward, reverse = (
        predict(model, strand, batch_size=batch_size, output=output) for strand in (data, data.reverse_complement())
    )
    if data.labels is not None and data.labels.shape[1] != forward.shape[1]:
        raise ValueError(
            f"the model gives {forward.shape[1]} outputs a sequence, but the data has {data.labels.shape[1]} tasks: "
            f"{', '.join(data.task_names)}"
        )
    names = data.task_names if data.labels is not None else tuple(f"task_{task}" for task in range(forward.shape[1]))
    return StrandAgreement(forward, reverse, data.labels, names)
