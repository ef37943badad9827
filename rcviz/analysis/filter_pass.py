"""One pass over the data for everything that an explorer shows of a layer's filters."""

from collections.abc import Iterator
from itertools import chain

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from rcviz._core.checks import check_positive
from rcviz.analysis.contributions import Differentiated, FilterContributions, differentiate
from rcviz.analysis.filters import FilterBank
from rcviz.analysis.neurons import At, find_neurons
from rcviz.analysis.profiles import ActivationProfiles, Binning
from rcviz.analysis.sites import ActivatingSites, SiteSearch, check_windows
from rcviz.analysis.tasks import resolve_task
from rcviz.models.outputs import warn_of_nan
from rcviz.models.prediction import map_batches, one_hot_batch, to_numpy
from rcviz.models.runtime import evaluating
from rcviz.models.scale import returned_scale
from rcviz.models.settings import self_contained
from rcviz.sequences.sequence_set import SequenceSet

FIRST = 16
"""Sequences of the first batch, which shows whether the model can be analysed."""


class FilterPass:
    """Contributions, logits, activation profiles and best windows of a layer's filters, batch by batch.

    Each batch is run forwards and backwards once. The numbers are those of :func:`rcviz.filter_contributions`,
    :func:`rcviz.predict`, :func:`rcviz.activation_profiles` and :meth:`FilterBank.activating_sites`.

    Parameters
    ----------
    model : nn.Module
        It must not be trained during the pass.
    data : SequenceSet
    bank : FilterBank
        Filters of the layer.
    task : int
        Task whose logit is differentiated.
    at : "auto", "activation" or "convolution"
    bins : int
        Largest number of bins of a profile.
    profiled : ndarray of int
        Sequences whose profiles are kept, in increasing order.
    batch_size : int
    contributions_only : bool
        Compute contributions and logits alone, such as those of another task.

    Attributes
    ----------
    fires : ndarray (N, F) of bool
        Whether an activation of the filter is above zero somewhere in the sequence; True throughout where the neurons
        are those of a convolution, without nonlinearity.
    """

    @self_contained
    def __init__(
        self,
        model: nn.Module,
        data: SequenceSet,
        bank: FilterBank,
        *,
        task: int = 0,
        at: At = "auto",
        bins: int = 40,
        profiled: Int[np.ndarray, " sampled"] | None = None,
        batch_size: int = 500,
        contributions_only: bool = False,
    ) -> None:
        check_positive("batch_size", batch_size)
        self._model, self._data, self._bank, self._batch_size = model, data, bank, batch_size
        self._contributions_only = contributions_only
        self._task = resolve_task(data, task)
        n, length = data.codes.shape
        self._profiled = np.arange(n) if profiled is None else profiled
        with evaluating(model):
            self._neurons = find_neurons(model, bank.layer, at, one_hot_batch(data.codes[:1], model))
            self._contributions: np.ndarray = np.empty((n, len(bank)), np.float32)
            self._logits: np.ndarray | None = None
            if contributions_only:
                return
            self._binning = Binning(model, self._neurons, bank.layer, length, bins)
        self._search = SiteSearch(
            bank.weights, bank.bias, length, stride=bank.stride, padding=bank.padding, firing=bank.firing
        )
        check_windows(data.codes, bank.width)
        shape = (n, len(bank))
        self.fires: Bool[np.ndarray, "sequences filters"] = np.empty(shape, bool)
        self._windows = (np.empty(shape), np.empty(shape, np.int64), np.empty(shape, bool))
        self._binned = np.empty((len(self._profiled), len(bank), len(self._binning.edges) - 1), np.float32)

    def batches(self) -> Iterator[int]:
        """Compute batch by batch, the first one small; yields the number of sequences that are done."""
        codes = self._data.codes
        first = 0

        def step(x: Float[Tensor, "batch 4 length"]) -> Tensor:
            rows = slice(first, first + len(x))
            run = differentiate(self._model, self._neurons, self._task, x)
            contributions, logits = to_numpy(run.contributions()), to_numpy(run.logits)
            if self._logits is None:
                self._contributions = np.empty(self._contributions.shape, contributions.dtype)
                self._logits = np.empty((len(codes), logits.shape[1]), logits.dtype)
            self._contributions[rows], self._logits[rows] = contributions, logits
            if not self._contributions_only:
                self._follow(run, rows)
            return run.logits

        few = min(FIRST, self._batch_size)
        parts = (map_batches(step, self._model, part, self._batch_size) for part in (codes[:few], codes[few:]))
        for logits in chain.from_iterable(parts):
            last = first + len(logits)
            if not self._contributions_only:
                for window, found in zip(self._windows, self._search(codes[first:last]), strict=True):
                    window[first:last] = found
            first = last
            yield first

    def _follow(self, run: Differentiated, rows: slice) -> None:
        """Keep what the activations of a batch tell: where each filter fires, and the profiles."""
        n = rows.stop - rows.start
        activations = [self._neurons.by_filter(*each, n) for each in zip(run.uses, run.activations, strict=True)]
        self.fires[rows] = True
        if self._neurons.at.startswith("activation"):
            self.fires[rows] = np.any([to_numpy(part.amax(dim=2) > 0) for part in chain(*activations)], axis=0)
        inside = np.arange(*np.searchsorted(self._profiled, [rows.start, rows.stop]))
        if len(inside):
            binned = self._binning(run.uses, activations).numpy()
            self._binned[inside] = binned[self._profiled[inside] - rows.start]

    def contributions(self) -> FilterContributions:
        """Contributions of the filters, without labels."""
        if self._logits is not None:
            without = np.isnan(self._logits[:, self._task.index]) | np.isnan(self._contributions).any(axis=1)
            warn_of_nan(int(without.sum()), len(without), "logits or contributions")
        neurons = self._neurons
        scale = returned_scale(self._model)
        return FilterContributions(self._contributions, None, self._task.name, neurons.name, neurons.at, scale)

    def logits(self) -> Float[np.ndarray, "sequences tasks"]:
        """Logits of all tasks, or values."""
        assert self._logits is not None
        return self._logits

    def profiles(self) -> ActivationProfiles:
        """Profiles of the sequences that are kept."""
        return ActivationProfiles(self._binned, self._binning.edges, self._neurons.at)

    def sites(self, top: int) -> ActivatingSites:
        """Best window of every filter in every sequence."""
        return ActivatingSites(self._data.codes, self._bank.width, *self._windows, top, self._search.firing)
