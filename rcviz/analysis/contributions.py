"""Gradient times activation: how much each filter adds to a model's logit (section 3.5)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from rcviz._core.checks import check_choice, check_positive
from rcviz.analysis.neurons import At, Neurons, Use, find_neurons
from rcviz.analysis.tasks import Task, resolve_task
from rcviz.models.outputs import gradients, logits_of, no_gradient, warn_of_nan
from rcviz.models.prediction import concatenate_batches, map_batches, one_hot_batch, to_numpy
from rcviz.models.runtime import differentiating, evaluating
from rcviz.models.scale import one_warning, returned_scale
from rcviz.models.settings import in_batches
from rcviz.sequences.checks import check_both_classes, check_classes, check_not_empty
from rcviz.sequences.sequence_set import SequenceSet, as_sequence_set


@dataclass(frozen=True)
class FilterContributions:
    """Contribution of each filter to one task's logit, by sequence.

    Attributes
    ----------
    per_sequence : ndarray (N, F)
        Gradient times activation, summed over positions, over all uses of the layer and, under RC sharing, over the
        filter's two channels.
    labels : ndarray (N,) or None
        1 positive, 0 negative, NaN unknown; None where all sequences were treated alike.
    task : str
    layer : str
        The module whose output the contributions belong to.
    at : str
        Begins with "activation" or "convolution", for the neurons that were taken, and says why.
    scale : "logit" or "value"
        Kind of number that contributions add to; ``"value"`` if the model declares ``output_is="value"``.
    fires : ndarray (N, F) of bool or None
        Whether any of the filter's activations is above zero in a sequence; None where the neurons are those of the
        convolution, before the nonlinearity.

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
    at: str = ""
    scale: Literal["logit", "value"] = "logit"
    fires: Bool[np.ndarray, "sequences filters"] | None = None

    def positive(self, index: int | np.integer) -> Float[np.ndarray, " positives"]:
        """Contributions of one filter in the positives."""
        return self._of_class(1)[:, index]

    def negative(self, index: int | np.integer) -> Float[np.ndarray, " negatives"]:
        """Contributions of one filter in the negatives."""
        return self._of_class(0)[:, index]

    def _of_class(self, label: int) -> Float[np.ndarray, "n filters"]:
        return self.per_sequence[:0] if self.labels is None else self.per_sequence[self.labels == label]

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
        """One row per filter, largest score first: filter, score, mean_positive, mean_negative, fires_in.

        ``fires_in`` is the share of the sequences in which the model's filter fires; NaN where that was not read.
        """
        missing = np.full(self.per_sequence.shape[1], np.nan)
        means = [missing if self.labels is None else self._of_class(label).mean(axis=0) for label in (1, 0)]
        columns = {
            "filter": np.arange(len(missing)),
            "score": self.scores,
            "mean_positive": means[0],
            "mean_negative": means[1],
            "fires_in": missing if self.fires is None else self.fires.mean(axis=0),
        }
        return pd.DataFrame(columns).iloc[self.ranking].reset_index(drop=True)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the ranked filters; ``options`` are those of :func:`rcviz.plot_contributions`."""
        from rcviz.plots.contributions import plot_contributions
        from rcviz.plots.results import draw

        return draw(plot_contributions, self, ax, options)


@in_batches
def filter_contributions(
    model: nn.Module,
    data: Any,
    *,
    task: int | np.integer | str = 0,
    layer: nn.Module | str | None = None,
    at: At = "auto",
    positives: Any = None,
    batch_size: int = 100,
) -> FilterContributions:
    """Compute the contribution of every filter to a task's logit: gradient times activation, summed (section 3.5).

    The product is the first-order Taylor estimate of how much the logit would fall if the neuron were set to zero. A
    layer that the model uses several times, for example once per strand, has the sum over its uses.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``; it is not modified.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
        Without labels, scores are means over all sequences. Labels that are values need ``positives``.
    task : int or str
        Task whose logit is used, by index or by name; without labels the names are ``task_0`` and so on.
    layer : nn.Module or str, optional
        A convolution, or any module with outputs ``(batch, channels, length)``; by default the first convolution.
        An axis of length one, as in an :class:`torch.nn.Conv2d` over sequences, does not count.
    at : "auto", "activation" or "convolution"
        Which neurons of a convolution: the output of the nonlinearity that follows it, or the convolution's own output.
        ``"auto"`` takes the nonlinearity if all that the convolution computes goes through it, and otherwise, as
        where a shortcut passes it by, the convolution. ``"activation"`` takes it even then: the contributions are those
        of that path alone.
    positives : ndarray (N,) of bool, optional
        Sequences to compare with the others, in place of the labels; for values for example
        ``data.upper_part(0.25, task=task)``. Sequences whose value is unknown are in neither class unless selected.
    batch_size : int
        Number of sequences that are in memory as floats at a time.

    Returns
    -------
    FilterContributions
        Scores are in the unit of the logit, or of the value.

    Raises
    ------
    ValueError
        If the task or the layer does not exist, the labels or ``positives`` hold one class only, labels are values and
        ``positives`` is missing, or no nonlinearity follows with ``at="activation"``.

    Examples
    --------
    >>> contributions = rcviz.filter_contributions(model, parts.test)
    >>> contributions.table.columns.tolist()
    ['filter', 'score', 'mean_positive', 'mean_negative', 'fires_in']
    >>> ax = contributions.plot()
    """
    check_choice("at", at, get_args(At))
    check_positive("batch_size", batch_size)
    data = as_sequence_set(data)
    asked = resolve_classes(data, task, positives)
    with evaluating(model), one_warning():
        neurons = find_neurons(model, layer, at, one_hot_batch(data.codes[:1], model))
        return measure_contributions(model, data, neurons, asked, batch_size)


def measure_contributions(
    model: nn.Module, data: SequenceSet, neurons: Neurons, task: Task, batch_size: int
) -> FilterContributions:
    """Contributions of neurons that have been found; the model must be in evaluation mode."""
    n_nan = [0]
    batches = map_batches(partial(_contributions, model, neurons, task, n_nan), model, data.codes, batch_size)
    per_sequence, fires = np.split(to_numpy(concatenate_batches(batches, len(data))), 2, axis=1)
    scale = returned_scale(model)
    warn_of_nan(n_nan[0], len(data), f"{scale}s or contributions")
    active = fires > 0 if neurons.at.startswith("activation") else None
    return FilterContributions(per_sequence, task.labels, task.name, neurons.name, neurons.at, scale, active)


def resolve_classes(data: SequenceSet, task: int | np.integer | str, positives: Any = None) -> Task:
    """Find a task, with labels 1, 0 and NaN for the classes that scores compare, or None for all sequences alike."""
    check_not_empty(data)
    asked = resolve_task(data, task)
    if positives is not None:
        classes = _as_labels(positives, len(data))
        if data.label_kind == "value" and asked.labels is not None:
            classes[(classes == 0) & np.isnan(asked.labels)] = np.nan
            check_classes(classes, "positives", asked.name, fix="select some, but not all, of the known values")
        return replace(asked, labels=classes)
    if data.label_kind == "value" and asked.labels is not None:
        raise ValueError(
            "positives is missing: the labels are values, so choose which sequences are compared with the others, for "
            f"example positives=data.upper_part(0.25, task={asked.name!r}); SequenceSet(data.codes) uses all alike"
        )
    if asked.labels is not None:
        check_both_classes(data, tasks=[asked.index])
    return asked


def _as_labels(positives: Any, n: int) -> Float[np.ndarray, " sequences"]:
    mask = np.asarray(positives)
    if mask.dtype != bool or mask.shape != (n,):
        raise ValueError(
            f"positives must be True or False for each of {n:,} sequences, got {mask.dtype} of shape {mask.shape}"
        )
    if mask.all() or not mask.any():
        raise ValueError(f"positives selects {mask.sum():,} of {n:,} sequences, and scores need some of each kind")
    return mask.astype(np.float32)


def _contributions(
    model: nn.Module, neurons: Neurons, task: Task, n_nan: list[int], x: Float[Tensor, "batch 4 length"]
) -> Float[Tensor, "batch twice_filters"]:
    """Contributions of a batch, then whether each filter fires.

    ``n_nan`` counts the sequences for which these or the logits are NaN.
    """
    differentiated = differentiate(model, neurons, task, x)
    contributions = differentiated.contributions()
    n_nan[0] += int((task.logits(differentiated.logits).isnan() | contributions.isnan().any(dim=1)).sum())
    parts = [
        part.amax(dim=2) > 0
        for use, values in zip(differentiated.uses, differentiated.activations, strict=True)
        for part in neurons.by_filter(use, values, len(x))
    ]
    return torch.cat([contributions, torch.stack(parts).any(dim=0).to(contributions)], dim=1)


@dataclass(frozen=True)
class Differentiated:
    """One batch, forwards and backwards: what the neurons of each use are, and how a logit changes with them.

    Attributes
    ----------
    neurons : Neurons
    uses : list of Use
    activations : list of Tensor (rows, channels, positions)
        Without a graph.
    slopes : sequence of Tensor or None
        Gradient of the task's logit with respect to each; None where the logit does not depend on it.
    logits : Tensor (batch, tasks)
    """

    neurons: Neurons
    uses: list[Use]
    activations: list[Tensor]
    slopes: Sequence[Tensor | None]
    logits: Float[Tensor, "batch tasks"]

    def contributions(self) -> Float[Tensor, "batch filters"]:
        """Gradient times activation, summed over positions and uses, and over the two channels of a tied filter."""
        return torch.stack(
            [
                part[:, :, 0]
                for use, values, slope in zip(self.uses, self.activations, self.slopes, strict=True)
                if slope is not None
                for part in self.neurons.by_filter(use, _summed_product(slope, values), len(self.logits))
            ]
        ).sum(dim=0)


def _summed_product(
    one: Float[Tensor, "rows channels *positions"], other: Float[Tensor, "rows channels *positions"]
) -> Float[Tensor, "rows channels"]:
    """Product, summed over positions, without an array of all products."""
    return torch.einsum("rcp,rcp->rc", *(each.reshape(*each.shape[:2], -1) for each in (one, other)))


def differentiate(model: nn.Module, neurons: Neurons, task: Task, x: Float[Tensor, "batch 4 length"]) -> Differentiated:
    """Run a model forwards and backwards on one batch; the model must be in evaluation mode."""
    uses: list[Use] = []
    activations: list[Tensor] = []

    def begin(use: Use, neurons: Tensor) -> Tensor:
        # The graph starts at the first use: nothing before it is differentiated. Later ones may depend on it. The rest
        # of the model gets a copy, so that its in-place operations do not change the activations.
        copied = neurons.clone() if uses and neurons.requires_grad else neurons.detach().clone().requires_grad_()
        uses.append(use)
        activations.append(copied)
        return copied.clone()

    with differentiating(model), neurons.tapped(begin):
        logits = logits_of(model, x)
        slopes = gradients(task.logits(logits), activations)
    if all(slope is None for slope in slopes):
        raise no_gradient(neurons.name)
    return Differentiated(neurons, uses, [values.detach() for values in activations], slopes, logits.detach())
