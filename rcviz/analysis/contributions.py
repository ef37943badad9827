"""Gradient x activation: what each filter adds to a model's logit (section 3.5)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from rcviz._core.checks import check_choice, check_positive
from rcviz._core.memory import reuse_memory
from rcviz.analysis.neurons import At, Neurons, find_neurons
from rcviz.models.batches import concatenate_batches, one_hot_batch, to_numpy
from rcviz.models.outputs import gradient, logits_of
from rcviz.models.runtime import differentiating, evaluating, exact_arithmetic
from rcviz.sequences.sequence_set import as_sequence_set


@dataclass(frozen=True)
class FilterContributions:
    """What each filter adds to one task's logit, by sequence.

    Attributes
    ----------
    per_sequence : ndarray (N, F)
        Gradient x activation, summed over positions and, under RC sharing, over the filter's two channels.
    labels : ndarray (N,) or None
        1 positive, 0 negative, NaN unknown.
    task : str
    layer : str
        The module whose output the contributions belong to.

    Examples
    --------
    >>> contributions = rcviz.filter_contributions(model, parts.test)
    >>> contributions.per_sequence.shape, len(contributions.scores)
    ((375, 8), 8)
    >>> best = contributions.ranking[0]
    """

    per_sequence: Float[np.ndarray, "sequences filters"]
    labels: Float[np.ndarray, " sequences"] | None
    task: str
    layer: str

    def positive(self, index: int | np.integer) -> Float[np.ndarray, " positives"]:
        """Contributions of one filter in the positives."""
        return self.per_sequence[self._chosen(1), index]

    def negative(self, index: int | np.integer) -> Float[np.ndarray, " negatives"]:
        """Contributions of one filter in the negatives."""
        return self.per_sequence[self._chosen(0), index]

    def _chosen(self, label: int) -> Bool[np.ndarray, " sequences"]:
        return np.zeros(len(self.per_sequence), bool) if self.labels is None else self.labels == label

    def _of_class(self, label: int) -> Float[np.ndarray, "n filters"]:
        return self.per_sequence[self._chosen(label)]

    @cached_property
    def scores(self) -> Float[np.ndarray, " filters"]:
        """Mean over positives minus mean over negatives; without labels, the mean over all sequences."""
        if self.labels is None:
            return self.per_sequence.mean(axis=0)
        return self._of_class(1).mean(axis=0) - self._of_class(0).mean(axis=0)

    @cached_property
    def ranking(self) -> Int[np.ndarray, " filters"]:
        """Filters, largest score first."""
        return np.argsort(-self.scores, kind="stable")

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per filter, largest score first: filter, score, mean_positive, mean_negative."""
        missing = np.full(self.per_sequence.shape[1], np.nan)
        means = [missing if self.labels is None else self._of_class(label).mean(axis=0) for label in (1, 0)]
        columns = {
            "filter": np.arange(len(missing)),
            "score": self.scores,
            "mean_positive": means[0],
            "mean_negative": means[1],
        }
        return pd.DataFrame(columns).iloc[self.ranking].reset_index(drop=True)

    def plot(self, ax: Any = None) -> Any:
        """Draw the ranked filters, see :func:`rcviz.plot_contributions`."""
        from rcviz.plots.contributions import plot_contributions

        return plot_contributions(self.table, ax)


@reuse_memory()
def filter_contributions(
    model: nn.Module,
    data: Any,
    *,
    task: int | str = 0,
    layer: nn.Module | str | None = None,
    at: At = "activation",
    batch_size: int = 100,
) -> FilterContributions:
    """Contribution of every filter to a task's logit: gradient times activation, summed (section 3.5).

    The product is the first-order Taylor estimate of how much the logit would fall if the neuron were set to zero.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``; left as found.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
        Without labels, scores are means over all sequences.
    task : int or str
        Which logit, by index or by name.
    layer : nn.Module or str, optional
        A convolution, or any module with outputs ``(batch, channels, length)``; by default the first convolution.
    at : "activation" or "convolution"
        Which neurons of a convolution: its block's output after the nonlinearity that follows (the activation whose
        setting to zero the Taylor argument speaks of), or the convolution's own output.
    batch_size : int
        Sequences in memory at a time.

    Returns
    -------
    FilterContributions
        Scores are in the unit of the logit.

    Raises
    ------
    ValueError
        For a task, layer or class that is not there.

    Examples
    --------
    >>> contributions = rcviz.filter_contributions(model, parts.test)
    >>> contributions.table.columns.tolist()
    ['filter', 'score', 'mean_positive', 'mean_negative']
    >>> ax = contributions.plot()
    """
    check_choice("at", at, get_args(At))
    check_positive("batch_size", batch_size)
    data = as_sequence_set(data)
    if not len(data):
        raise ValueError("there are no sequences; the selection that made the data is empty")
    labels, index, name = _task(data, task)
    with evaluating(model), exact_arithmetic():
        neurons = find_neurons(model, layer, at, one_hot_batch(data.codes[:1], model))
        batches = (
            _contributions(model, neurons, one_hot_batch(data.codes[start : start + batch_size], model), index)
            for start in range(0, len(data), batch_size)
        )
        per_sequence = to_numpy(concatenate_batches(batches, len(data)))
    return FilterContributions(per_sequence, labels, name, neurons.name)


def _contributions(
    model: nn.Module, neurons: Neurons, x: Float[Tensor, "batch 4 length"], task: int
) -> Float[Tensor, "batch filters"]:
    leaves: list[Tensor] = []

    def cut(neurons: Tensor) -> Tensor:
        # The graph starts here: nothing before the neurons is differentiated. What goes on is a copy, so that
        # operations in place further on leave the activations alone.
        leaves.append(neurons.detach().clone().requires_grad_())
        return leaves[0].clone()

    with differentiating(model), neurons.tapped(cut):
        logits = logits_of(model, x)
        if task >= logits.shape[1]:
            raise ValueError(f"there is no task {task}; the model has {logits.shape[1]}, counted from 0")
        slopes = gradient(logits[:, task], leaves[0], neurons.name)
    return neurons.by_filter(slopes * leaves[0].detach(), len(x)).sum(dim=2)


def _task(data: Any, task: int | str) -> tuple[Float[np.ndarray, " n"] | None, int, str]:
    """Labels, index and name of a task; both classes must be there, or no labels at all."""
    if data.labels is None:
        if isinstance(task, str):
            raise ValueError(f"the data has no labels and so no task named {task!r}; give the task's index")
        if task < 0:
            raise ValueError(f"there is no task {task}; tasks are counted from 0")
        return None, task, f"task {task}"
    index = data.task_index(task)
    labels = data.labels[:, index]
    for value, kind in ((1, "positives"), (0, "negatives")):
        if not (labels == value).any():
            raise ValueError(
                f"there are no {kind} for task {data.task_names[index]}, and a score compares both classes"
            )
    return labels, index, data.task_names[index]
