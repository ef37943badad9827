"""Where along the sequences a filter is active."""

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from rcviz._core.checks import check_choice, check_positive
from rcviz._core.memory import reuse_memory
from rcviz.analysis.filters import layer_of
from rcviz.analysis.neurons import At, Neurons, find_neurons
from rcviz.layers.facts import is_convolution
from rcviz.models.batches import one_hot_batch, to_numpy
from rcviz.models.runtime import evaluating, exact_arithmetic
from rcviz.sequences.sequence_set import as_sequence_set


@dataclass(frozen=True)
class ActivationProfiles:
    """Mean activation of every filter by stretch of every sequence.

    Attributes
    ----------
    binned : ndarray (N, F, bins)
        Mean activation of the neurons whose windows are centred in each stretch; under RC sharing, of a filter's two
        channels together. In half precision: it is for looking at.
    edges : ndarray (bins + 1,)
        Bounds of the stretches on the sequence as given, in bp from its start; they reach half a stride beyond the
        first and the last centre, so that the other strand of the data has the same bounds mirrored.

    Examples
    --------
    >>> profiles = rcviz.activation_profiles(model, parts.test, bins=10)
    >>> profiles.binned.shape, profiles.edges.shape
    ((375, 8, 10), (11,))
    """

    binned: Float[np.ndarray, "sequences filters bins"]
    edges: Float[np.ndarray, " bounds"]

    def mean(
        self, index: int | np.integer, chosen: Bool[np.ndarray, " sequences"] | None = None
    ) -> Float[np.ndarray, " bins"]:
        """One filter's mean over all sequences, or over those chosen (at least one)."""
        if not 0 <= index < self.binned.shape[1]:
            raise ValueError(f"there is no filter {index}; the filters are 0 to {self.binned.shape[1] - 1}")
        of_filter = self.binned[:, index]
        if chosen is not None:
            if not chosen.any():
                raise ValueError("no sequence is chosen, and a mean needs at least one")
            of_filter = of_filter[chosen]
        return of_filter.mean(axis=0, dtype=np.float64)

    @property
    def table(self) -> pd.DataFrame:
        """One row per filter and stretch: filter, start, end (bp), activation (mean over all sequences)."""
        n_filters, n_bins = self.binned.shape[1:]
        return pd.DataFrame(
            {
                "filter": np.repeat(np.arange(n_filters), n_bins),
                "start": np.tile(self.edges[:-1], n_filters),
                "end": np.tile(self.edges[1:], n_filters),
                "activation": self.binned.mean(axis=0, dtype=np.float64).ravel(),
            }
        )

    def plot(self, ax: Any = None, *, filter: int | np.integer = 0) -> Any:  # noqa: A002 - the glossary's word
        """Draw one filter's profile, see :func:`rcviz.plots.profiles.plot_profile`."""
        from rcviz.plots.profiles import plot_profile

        return plot_profile(self.edges, {"all": self.mean(filter)}, ax)


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
    """Mean activation of every filter along every sequence.

    Parameters
    ----------
    model, data, layer, at
        As in :func:`rcviz.filter_contributions`; ``layer`` must be a convolution that reads the sequence itself.
    bins : int
        Stretches that a sequence is divided into, at most.
    batch_size : int
        Sequences in memory as floats at a time.

    Returns
    -------
    ActivationProfiles

    Raises
    ------
    ValueError
        When there are no sequences, or the layer is not there, no convolution, or one further up in the network: its
        positions are not the sequence's.

    Examples
    --------
    >>> profiles = rcviz.activation_profiles(model, parts.test)
    >>> ax = profiles.plot(filter=2)
    """
    check_choice("at", at, get_args(At))
    check_positive("bins", bins)
    check_positive("batch_size", batch_size)
    codes = as_sequence_set(data).codes
    if not len(codes):
        raise ValueError("there are no sequences; the selection that made the data is empty")
    name, convolution = layer_of(model, layer)
    if not is_convolution(convolution):
        raise ValueError(f"{name} is a {type(convolution).__name__}; give the convolution whose filters are meant")
    with evaluating(model), exact_arithmetic(), torch.no_grad():
        neurons = find_neurons(model, layer, at, one_hot_batch(codes[:1], model))
        parts: list[np.ndarray] = []
        for start in range(0, len(codes), batch_size):
            activations = _activations(model, neurons, one_hot_batch(codes[start : start + batch_size], model))
            if not parts:
                centers = _centers(convolution, codes.shape[1])
                if len(centers) != activations.shape[2]:
                    raise ValueError(
                        f"{name} does not read the sequence itself but what was made of it, whose positions are other "
                        f"ones; give a convolution that reads the bases as they come"
                    )
                half = _number(convolution.stride) / 2
                edges = np.linspace(centers[0] - half, centers[-1] + half, min(bins, len(centers)) + 1)
                first = np.searchsorted(centers, edges[:-1])
            parts.append(_means(to_numpy(activations), first))
    return ActivationProfiles(np.concatenate(parts), edges)


def _activations(
    model: nn.Module, neurons: Neurons, x: Float[Tensor, "batch 4 length"]
) -> Float[Tensor, "batch filters positions"]:
    """Outputs of the neurons; where two channels are one filter, their sum."""
    seen: list[Tensor] = []
    with neurons.tapped(lambda output: seen.append(output.detach().clone())):
        model(x)
    return neurons.by_filter(seen[0], len(x))


def _means(
    activations: Float[np.ndarray, "batch filters positions"], first: Int[np.ndarray, " bins"]
) -> Float[np.ndarray, "batch filters bins"]:
    """Mean over the neurons of each stretch."""
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
    """A setting of a convolution: torch's layers hold tuples, the tied ones numbers."""
    return int(np.ravel(setting)[0])
