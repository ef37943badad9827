"""Activation of filters along the sequences."""

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from rcviz._core.checks import check_choice, check_index, check_positive
from rcviz.analysis.filters import layer_of
from rcviz.analysis.neurons import At, Neurons, Strand, Use, find_neurons, window_centers
from rcviz.layers.facts import is_convolution, windows_of
from rcviz.models.outputs import check_weights, warn_of_nan
from rcviz.models.prediction import concatenate_batches, map_batches, one_hot_batch, to_numpy
from rcviz.models.runtime import evaluating, uncompiled
from rcviz.models.settings import in_batches
from rcviz.sequences.annotations import as_index
from rcviz.sequences.checks import check_not_empty
from rcviz.sequences.sequence_set import as_sequence_set

_AT_ONCE = 16


@dataclass(frozen=True)
class ActivationProfiles:
    """Mean activation of every filter in every bin of every sequence.

    Attributes
    ----------
    binned : ndarray (N, F, bins) of float32
        Mean activation of the neurons whose windows are centred in each bin; under RC sharing, of a filter's two
        channels together, and where a model reads both strands, of both together. A neuron that is centred on the
        bound of two bins counts half in each.
    edges : ndarray (bins + 1,)
        Bounds of the bins on the sequence as given, in bp from its start. They reach half a stride beyond the first
        and the last centre, so that the reverse complement of the data has the same bounds mirrored.
    at : str
        Begins with "activation" or "convolution", for the neurons that were taken, and says why.

    Examples
    --------
    >>> profiles = rcviz.activation_profiles(model, parts.test, bins=10)
    >>> profiles.binned.shape, profiles.edges.shape
    ((375, 8, 10), (11,))
    """

    binned: Float[np.ndarray, "sequences filters bins"]
    edges: Float[np.ndarray, " bounds"]
    at: str = ""

    def mean(
        self, index: int | np.integer, mask: Bool[np.ndarray, " sequences"] | None = None
    ) -> Float[np.ndarray, " bins"]:
        """One filter's mean over all sequences, or over those where ``mask`` is True (at least one)."""
        check_index("filter", index, self.binned.shape[1])
        binned = self.binned[:, index]
        if mask is not None:
            binned = binned[as_index(mask, len(binned))]
            if not len(binned):
                raise ValueError("mask selects no sequences; a mean needs at least one")
        return binned.mean(axis=0, dtype=np.float64)

    @property
    def table(self) -> pd.DataFrame:
        """One row per filter and bin: filter, start, end (bp), activation (mean over all sequences)."""
        n_filters, n_bins = self.binned.shape[1:]
        return pd.DataFrame(
            {
                "filter": np.repeat(np.arange(n_filters), n_bins),
                "start": np.tile(self.edges[:-1], n_filters),
                "end": np.tile(self.edges[1:], n_filters),
                "activation": self.binned.mean(axis=0, dtype=np.float64).ravel(),
            }
        )

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the profile of one ``filter``; ``options`` are those of :func:`rcviz.plot_profile`."""
        from rcviz.plots.profiles import plot_profile
        from rcviz.plots.results import draw

        return draw(plot_profile, self, ax, options)


@in_batches
def activation_profiles(
    model: nn.Module,
    data: Any,
    *,
    layer: nn.Module | str | None = None,
    at: At = "auto",
    bins: int = 40,
    batch_size: int = 100,
) -> ActivationProfiles:
    """Compute the mean activation of every filter along every sequence.

    Parameters
    ----------
    model, data, layer, at
        As in :func:`rcviz.filter_contributions`; ``layer`` must be a convolution that reads the sequence itself.
    bins : int
        Largest number of bins that a sequence is divided into.
    batch_size : int
        Number of sequences that are in memory as floats at a time.

    Returns
    -------
    ActivationProfiles

    Raises
    ------
    ValueError
        If there are no sequences, or the layer does not exist, is not a convolution, or does not read the sequence
        itself: its positions are then not those of the sequence.

    Examples
    --------
    >>> profiles = rcviz.activation_profiles(model, parts.test)
    >>> ax = profiles.plot(filter=2)
    """
    check_choice("at", at, get_args(At))
    check_positive("bins", bins)
    check_positive("batch_size", batch_size)
    data = as_sequence_set(data)
    check_not_empty(data)
    codes = data.codes
    with evaluating(model):
        neurons = find_neurons(model, layer, at, one_hot_batch(codes[:1], model))
        binning = Binning(model, neurons, layer, codes.shape[1], bins)

        def binned_activations(x: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "batch filters bins"]:
            uses, activations = _activations(model, neurons, x)
            return binning(uses, [neurons.by_filter(*each, len(x)) for each in zip(uses, activations, strict=True)])

        binned = concatenate_batches(map_batches(binned_activations, model, codes, batch_size), len(codes))
    if binned.isnan().any():
        check_weights(model)
    warn_of_nan(int(binned.isnan().flatten(1).any(dim=1).sum()), len(data), "activations")
    return ActivationProfiles(to_numpy(binned), binning.edges, neurons.at)


class Binning:
    """Mean activation in bins along the sequence, for the neurons of a convolution that reads the sequence.

    Parameters
    ----------
    model, neurons, layer
        The neurons of a layer of a model.
    length : int
        Length of the sequences.
    bins : int
        Largest number of bins.

    Attributes
    ----------
    edges : ndarray (bins + 1,)
        As in :class:`ActivationProfiles`.
    """

    def __init__(
        self, model: nn.Module, neurons: Neurons, layer: nn.Module | str | None, length: int, bins: int
    ) -> None:
        self._name, convolution = layer_of(model, layer)
        if not is_convolution(convolution):
            raise ValueError(f"{self._name} is a {type(convolution).__name__}; choose a convolution")
        self._neurons = neurons
        centers = {
            use: [
                window_centers(convolution, strand, length) for strand in _strands_of(neurons, use, length, self._name)
            ]
            for use in neurons.uses
        }
        self.edges, self._weights = _bins(centers, windows_of(convolution).stride, bins)

    def __call__(self, uses: list[Use], activations: list[list[Tensor]]) -> Float[Tensor, "batch filters bins"]:
        """Average the activations of each use, as :meth:`Neurons.by_filter` gives them, in the bins; uses are added."""
        binned: Any = 0.0
        for use, parts in zip(uses, activations, strict=True):
            for part, of_bins in zip(parts, self._weights[use], strict=True):
                if part.shape[2] != len(of_bins):
                    raise ValueError(
                        f"{self._name} does not read the sequence itself but the output of other layers, whose "
                        f"positions are not those of the sequence; give a convolution that reads the bases"
                    )
                weights = torch.from_numpy(of_bins)
                # A few sequences at a time: float64 copies of all would not stay in the processor's cache.
                binned = binned + torch.cat([few.cpu().double() @ weights for few in part.split(_AT_ONCE)])
        return torch.as_tensor(binned, dtype=torch.float32)


def _strands_of(neurons: Neurons, use: Use, length: int, name: str) -> list[Strand]:
    """Strands that a use reads; a layer that reads something else is taken to read the forward strand."""
    strands = [strand for strand in use.strands if strand is not None]
    if len(strands) == len(use.strands):
        return strands
    if len(neurons.uses) > 1 or len(use.strands) > 1:
        raise ValueError(
            f"{name} is used several times in a forward pass, and not everywhere on one of the two strands of the "
            f"sequence, so that its positions are not known; give a convolution that reads the bases"
        )
    return [Strand(reverse=False, start=0, length=length)]


def _bins(
    centers: dict[Use, list[Float[np.ndarray, " windows"]]], stride: int, bins: int
) -> tuple[Float[np.ndarray, " bounds"], dict[Use, list[Float[np.ndarray, "windows bins"]]]]:
    """Bounds of the bins, and the weight of each window in the mean of each bin."""
    every = [strand for strands in centers.values() for strand in strands]
    low, high = min(map(np.min, every)) - stride / 2, max(map(np.max, every)) + stride / 2
    bins = min(bins, len(every[0]))

    def weights(strand: Float[np.ndarray, " windows"]) -> Float[np.ndarray, "windows bins"]:
        # In halves of a bp all are whole numbers, so that a window is on a bound or is not, without rounding.
        first, rest = np.divmod((2 * (strand - low)).astype(np.int64) * bins, int(2 * (high - low)))
        share = np.zeros((len(strand), bins))
        windows = np.arange(len(strand))
        on_bound = rest == 0
        share[windows, first] = np.where(on_bound, 0.5, 1.0)
        share[windows[on_bound], first[on_bound] - 1] = 0.5
        return share / np.maximum(share.sum(axis=0), 0.5)

    return np.linspace(low, high, bins + 1), {use: [weights(s) for s in strands] for use, strands in centers.items()}


def _activations(
    model: nn.Module, neurons: Neurons, x: Float[Tensor, "batch 4 length"]
) -> tuple[list[Use], list[Float[Tensor, "rows channels *positions"]]]:
    uses: list[Use] = []
    activations: list[Tensor] = []

    def record(use: Use, values: Tensor) -> None:
        uses.append(use)
        activations.append(values.detach().clone())

    with uncompiled(model), neurons.tapped(record):
        model(x)
    return uses, activations
