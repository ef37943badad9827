"""Knock-outs: how much a model's output changes when one filter is silent."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dataclasses import replace as with_changes
from functools import cached_property, partial
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from rcviz._core.checks import check_choice, check_positive
from rcviz.analysis.contributions import FilterContributions, measure_contributions, resolve_classes
from rcviz.analysis.neurons import At, Neurons, Use, find_neurons
from rcviz.analysis.replay import Edit, RecordedPass, RepeatError, can_repeat, whole_pass
from rcviz.analysis.tasks import Task
from rcviz.analysis.trial import random_sequences
from rcviz.models.outputs import warn_of_nan
from rcviz.models.prediction import concatenate_batches, map_batches, one_hot_batch, to_numpy
from rcviz.models.runtime import evaluating
from rcviz.models.scale import one_warning, returned_scale, uncounted
from rcviz.models.settings import in_batches
from rcviz.sequences.sequence_set import SequenceSet, as_sequence_set

Replacement = Literal["zero", "mean"]


@dataclass(frozen=True)
class FilterAblation:
    """Effect of each filter on one task's logit, or value: the output as it is minus the output without the filter.

    Attributes
    ----------
    effects : ndarray (N, F)
        By sequence; positive where the filter increases the output. Under RC sharing a filter is silenced together with
        its RC partner, and a layer that is used several times in all its uses.
    contributions : FilterContributions
        Gradient times activation of the same neurons, which estimates the effects; NaN where the model has no gradient.
    replaced_by : "zero" or "mean"
        What a silent filter returns.

    Examples
    --------
    >>> ablation = rcviz.filter_ablation(model, parts.test)
    >>> ablation.effects.shape, len(ablation.scores)
    ((375, 8), 8)
    >>> best = ablation.ranking[0]
    """

    effects: Float[np.ndarray, "sequences filters"]
    contributions: FilterContributions
    replaced_by: Replacement = "zero"

    @property
    def labels(self) -> Float[np.ndarray, " sequences"] | None:
        """1 positive, 0 negative, NaN unknown; None where all sequences were treated alike."""
        return self.contributions.labels

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.contributions.task

    @property
    def layer(self) -> str:
        """The module whose output was replaced."""
        return self.contributions.layer

    @property
    def at(self) -> str:
        """Begins with "activation" or "convolution", for the neurons that were replaced, and says why."""
        return self.contributions.at

    @property
    def scale(self) -> Literal["logit", "value"]:
        """Kind of number that changes; ``"value"`` if the model declares ``output_is="value"``."""
        return self.contributions.scale

    @cached_property
    def _as_contributions(self) -> FilterContributions:
        return with_changes(self.contributions, per_sequence=self.effects)

    @property
    def scores(self) -> Float[np.ndarray, " filters"]:
        """Mean effect in positives minus that in negatives; without labels, the mean over all sequences.

        These are the scores of :class:`FilterContributions`, with effects in place of gradient times activation.
        """
        return self._as_contributions.scores

    @property
    def ranking(self) -> Int[np.ndarray, " filters"]:
        """Filters, largest score first."""
        return self._as_contributions.ranking

    @property
    def rank_correlation(self) -> float:
        """Spearman's correlation of the scores with those of gradient times activation; NaN if one is constant."""
        ranks = (pd.Series(scores).rank() for scores in (self.scores, self.contributions.scores))
        one, other = (rank - rank.mean() for rank in ranks)
        size = float(np.sqrt((one**2).sum() * (other**2).sum()))
        return float((one * other).sum()) / size if size > 0 else float("nan")

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per filter, largest score first.

        Columns: filter, score, gradient_x_activation (the score of the contributions), rank, gradient_x_activation_rank
        (both from 1), mean_positive, mean_negative (mean effects).
        """
        means = self._as_contributions.table
        estimate = self.contributions.scores
        estimated_rank = np.empty(len(estimate), dtype=int)
        estimated_rank[self.contributions.ranking] = np.arange(1, len(estimate) + 1)
        ranking = self.ranking
        columns = {
            "filter": ranking,
            "score": self.scores[ranking],
            "gradient_x_activation": estimate[ranking],
            "rank": np.arange(1, len(ranking) + 1),
            "gradient_x_activation_rank": estimated_rank[ranking],
            "mean_positive": means["mean_positive"],
            "mean_negative": means["mean_negative"],
        }
        return pd.DataFrame(columns)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw knock-outs against gradient times activation; ``options`` are those of :func:`rcviz.plot_ablation`."""
        from rcviz.plots.ablation import plot_ablation
        from rcviz.plots.results import draw

        return draw(plot_ablation, self, ax, options)


@in_batches
def filter_ablation(
    model: nn.Module,
    data: Any,
    *,
    task: int | np.integer | str = 0,
    layer: nn.Module | str | None = None,
    replace: Replacement = "zero",
    at: At = "auto",
    positives: Any = None,
    batch_size: int = 100,
) -> FilterAblation:
    """Silence each filter and measure how much a task's logit, or value, changes.

    This is what gradient times activation estimates, see :func:`rcviz.filter_contributions`: the two are equal where
    the rest of the network is linear, and are compared in the result. Each filter costs a forward pass of what depends
    on the layer; what does not is computed once. A first test compares with whole passes; networks that do not give
    the same, such as those that draw random numbers, are run as a whole for each filter.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``; it is not modified.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
        Without labels, scores are means over all sequences. Labels that are values need ``positives``.
    task, layer, at, positives
        As in :func:`rcviz.filter_contributions`: the same neurons are silenced.
    replace : "zero" or "mean"
        What a silent filter returns at every position: zero, or its mean over ``data``, as in Basset (Kelley et al.
        2016): one number per filter, over all sequences, positions and uses, and over both channels of a tied filter.
        The mean needs one more pass over the data.
    batch_size : int
        Number of sequences that are in memory as floats at a time.

    Returns
    -------
    FilterAblation
        Effects are the output as it is minus the output without the filter, in the unit of the logit, or of the value.

    Raises
    ------
    ValueError
        As in :func:`rcviz.filter_contributions`, or if ``replace`` is another word.

    Examples
    --------
    >>> ablation = rcviz.filter_ablation(model, parts.test)
    >>> ablation.table.columns.tolist()[:5]
    ['filter', 'score', 'gradient_x_activation', 'rank', 'gradient_x_activation_rank']
    >>> ax = ablation.plot()
    """
    check_choice("replace", replace, get_args(Replacement))
    check_choice("at", at, get_args(At))
    check_positive("batch_size", batch_size)
    data = as_sequence_set(data)
    asked = resolve_classes(data, task, positives)
    with evaluating(model), one_warning():
        neurons = find_neurons(model, layer, at, one_hot_batch(data.codes[:1], model))
        batches = effects_by_batch(model, neurons, asked, data.codes, replace=replace, batch_size=batch_size)
        effects = to_numpy(concatenate_batches(batches, len(data)))
        warn_of_nan(int(np.isnan(effects).any(axis=1).sum()), len(data), f"{returned_scale(model)}s or effects")
        with uncounted():
            contributions = _contributions(model, data, neurons, asked, effects, batch_size)
    return FilterAblation(effects, contributions, replace)


def _contributions(
    model: nn.Module,
    data: SequenceSet,
    neurons: Neurons,
    task: Task,
    effects: Float[np.ndarray, "sequences filters"],
    batch_size: int,
) -> FilterContributions:
    """Contributions of the same neurons, NaN where there is no gradient."""
    try:
        return measure_contributions(model, data, neurons, task, batch_size)
    except ValueError as error:  # not about an argument: the effects have been computed with the same ones
        warnings.warn(f"effects are without gradient x activation to compare them with: {error}", stacklevel=4)
        unknown = np.full_like(effects, np.nan)
        return FilterContributions(
            unknown, task.labels, task.name, neurons.name, neurons.at, returned_scale(model), None
        )


def effects_by_batch(
    model: nn.Module,
    neurons: Neurons,
    task: Task,
    codes: UInt8[np.ndarray, "sequences length"],
    *,
    replace: Replacement = "zero",
    batch_size: int,
) -> Iterator[Float[Tensor, "batch filters"]]:
    """Yield the effects of all filters, batch by batch; the model must be in evaluation mode."""
    means = _means(model, neurons, codes, batch_size) if replace == "mean" else None
    repeats = can_repeat(model, neurons, random_sequences(min(3, len(codes)), one_hot_batch(codes[:1], model)))

    def step(x: Float[Tensor, "batch 4 length"]) -> Tensor:
        if repeats:
            try:
                recorded = RecordedPass(model, neurons, x)
                n_filters = _n_filters(neurons, next(iter(recorded.neurons.values())))
                return _effects(recorded.output, recorded.repeat, neurons, task, n_filters, means)
            except RepeatError:  # this batch takes another way through the model
                pass
        shapes: list[int] = []
        output = whole_pass(model, neurons, x, lambda use, values: shapes.append(_n_filters(neurons, values)))
        return _effects(output, partial(whole_pass, model, neurons, x), neurons, task, shapes[0], means)

    yield from map_batches(step, model, codes, batch_size)


def _effects(
    output: Float[Tensor, "batch tasks"],
    output_with: Callable[[Edit], Tensor],
    neurons: Neurons,
    task: Task,
    n_filters: int,
    means: Float[Tensor, " filters"] | None,
) -> Float[Tensor, "batch filters"]:
    """Output minus that without each filter."""
    whole = task.logits(output)
    effects = whole.new_empty(len(whole), n_filters)
    for index in range(n_filters):

        def silence(_: Use, values: Tensor, index: int = index) -> Tensor:
            silenced = values.clone()
            partners = [index, values.shape[1] - 1 - index] if neurons.tied else [index]
            silenced[:, partners] = 0 if means is None else means[index].to(values)
            return silenced

        effects[:, index] = whole - task.logits(output_with(silence))
    return effects


def _n_filters(neurons: Neurons, values: Float[Tensor, "rows channels *positions"]) -> int:
    return values.shape[1] // 2 if neurons.tied else values.shape[1]


def _means(
    model: nn.Module, neurons: Neurons, codes: UInt8[np.ndarray, "sequences length"], batch_size: int
) -> Float[Tensor, " filters"]:
    """Mean of each filter's neurons over all sequences, positions and uses, and the channels of a tied filter."""
    sums: list[Tensor] = []
    counts: list[int] = []

    def add(use: Use, values: Tensor) -> None:
        filters = values.detach().transpose(0, 1).flatten(1)
        if neurons.tied:
            forward, reverse = filters.chunk(2)
            filters = torch.cat([forward, reverse.flip(0)], dim=1)
        sums.append(filters.sum(dim=1).cpu().double())
        counts.append(filters.shape[1])

    for _ in map_batches(lambda x: whole_pass(model, neurons, x, add), model, codes, batch_size):
        pass
    return torch.stack(sums).sum(dim=0) / sum(counts)
