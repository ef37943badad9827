"""Activation of filters along the sequences."""

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from rcviz._core.checks import check_choice, check_index, check_positive
from rcviz._core.memory import reuse_memory
from rcviz.analysis.filters import layer_of
from rcviz.analysis.neurons import At, Neurons, find_neurons
from rcviz.layers.facts import is_convolution
from rcviz.models.prediction import concatenate_batches, map_batches, one_hot_batch, to_numpy
from rcviz.models.runtime import evaluating, exact_arithmetic
from rcviz.sequences.annotations import as_index
from rcviz.sequences.checks import check_not_empty
from rcviz.sequences.sequence_set import as_sequence_set


@dataclass(frozen=True)
class ActivationProfiles:
    """Mean activation of every filter in every bin of every sequence.

    Attributes
    ----------
    binned : ndarray (N, F, bins)
        Mean activation of the neurons whose windows are centred in each bin; under RC sharing, of a filter's two
        channels together. In half precision, for display.
    edges : ndarray (bins + 1,)
        Bounds of the bins on the sequence as given, in bp from its start. They reach half a stride beyond the first
        and the last centre, so that the reverse complement of the data has the same bounds mirrored.

    Examples
    --------
    >>> profiles = rcviz.activation_profiles(model, parts.test, bins=10)
    >>> profiles.binned.shape, profiles.edges.shape
    ((375, 8, 10), (11,))
    """

    binned: Float[np.ndarray, "sequences filters bins"]
    edges: Float[np.ndarray, " bounds"]

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


@reuse_memory()
def activation_profiles(
    model: nn.Module,
    data: Any,
    *,
    layer: nn.Module | str | None = None,
    at: At = "activation",
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
    name, convolution = layer_of(model, layer)
    if not is_convolution(convolution):
        raise ValueError(f"{name} is a {type(convolution).__name__}; choose a convolution")
    centers = _centers(convolution, codes.shape[1])
    with evaluating(model), exact_arithmetic():
        neurons = find_neurons(model, layer, at, one_hot_batch(codes[:1], model))

        def binned_activations(x: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "batch filters bins"]:
            activations = _activations(model, neurons, x)
            if len(centers) != activations.shape[2]:
                raise ValueError(
                    f"{name} does not read the sequence itself but the output of other layers, whose positions are not "
                    f"those of the sequence; give a convolution that reads the bases"
                )
            first = np.searchsorted(centers, _edges(convolution, centers, bins)[:-1])
            return torch.from_numpy(_means(to_numpy(activations), first))

        binned = concatenate_batches(map_batches(binned_activations, model, codes, batch_size), len(codes))
    return ActivationProfiles(to_numpy(binned), _edges(convolution, centers, bins))


def _edges(convolution: Any, centers: Float[np.ndarray, " positions"], bins: int) -> Float[np.ndarray, " bounds"]:
    half = _number(convolution.stride) / 2
    return np.linspace(centers[0] - half, centers[-1] + half, min(bins, len(centers)) + 1)


def _activations(
    model: nn.Module, neurons: Neurons, x: Float[Tensor, "batch 4 length"]
) -> Float[Tensor, "batch filters positions"]:
    """Activations of the neurons; where two channels are one filter, their sum."""
    recorded: list[Tensor] = []
    with torch.no_grad(), neurons.tapped(lambda activations: recorded.append(activations.detach().clone())):
        model(x)
    return neurons.by_filter(recorded[0], len(x))


def _means(
    activations: Float[np.ndarray, "batch filters positions"], first: Int[np.ndarray, " bins"]
) -> Float[np.ndarray, "batch filters bins"]:
    """Mean over the neurons of each bin."""
    counts = np.diff([*first, activations.shape[2]])
    return (np.add.reduceat(activations, first, axis=2) / counts).astype(np.float16)


def _centers(convolution: Any, length: int) -> Float[np.ndarray, " positions"]:
    """Centre of each window of a convolution that reads the sequence, in bp."""
    stride, dilation = _number(convolution.stride), _number(convolution.dilation)
    reach = dilation * (_number(convolution.kernel_size) - 1) + 1
    if convolution.padding == "same":
        left, n_positions = (reach - 1) // 2, length
    else:
        left = 0 if convolution.padding == "valid" else _number(convolution.padding)
        n_positions = (length + 2 * left - reach) // stride + 1
    return np.arange(n_positions) * stride - left + reach / 2


def _number(setting: Any) -> int:
    """Read a setting of a convolution: torch's layers hold tuples, the tied ones numbers."""
    return int(np.ravel(setting)[0])
