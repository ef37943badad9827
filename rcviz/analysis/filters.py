"""The filters of a model's first convolution, as matrices that can be drawn and compared with motifs."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import nn

from rcviz._core.checks import check_index
from rcviz.analysis.firing import Firing, measure_firing
from rcviz.analysis.sites import ActivatingSites, Strands, find_sites
from rcviz.analysis.trial import weights_used
from rcviz.layers.facts import (
    has_paired_channels,
    is_convolution,
    n_channels_read,
    position_axis,
    reads_bases,
    windows_of,
)
from rcviz.models.adapter import AdaptedModel, channel_of_each_base
from rcviz.models.outputs import check_weights
from rcviz.models.runtime import check_layers_visible, check_module, check_not_meta, find_module
from rcviz.models.settings import self_contained
from rcviz.motifs.motif import Motif, weights_as_motif
from rcviz.motifs.similarity import match_motifs
from rcviz.sequences.alphabet import reverse_complement

_MATCHES = (
    *("filter", "motif", "strand", "offset", "similarity", "p_value"),
    *("alternative_name", "overlap", "fires_in"),
)


def mean_center(
    weights: Float[np.ndarray, "..."], bias: Float[np.ndarray, "..."] | None = None
) -> tuple[Float[np.ndarray, "*filters 4 width"], Float[np.ndarray, "*filters"] | None]:
    """Subtract from each position its mean over the four bases and add those means to the bias (section 3.5).

    A convolution with the result gives the same values on every window whose columns are all one-hot: exactly one of
    the four bases is present, so that the mean is added once. Over an N or zero padding they differ.

    Parameters
    ----------
    weights : ndarray (..., 4, width)
        Filters that read one-hot DNA.
    bias : ndarray (...), optional

    Returns
    -------
    weights : ndarray (..., 4, width)
        Every column sums to zero: a positive weight is above that of the average base.
    bias : ndarray (...) or None

    Examples
    --------
    >>> import numpy as np, rcviz
    >>> weights, bias = rcviz.mean_center(np.array([[[1.0], [1.0], [1.0], [5.0]]]), np.array([0.5]))
    >>> weights[0, :, 0], bias
    (array([-1., -1., -1.,  3.]), array([2.5]))
    """
    weights = np.asarray(weights)
    if weights.ndim < 2 or weights.shape[-2] != 4:
        raise ValueError(
            f"expected filters (..., 4, width) that read one-hot DNA, got {weights.shape}; only a first layer has them"
        )
    means = weights.mean(axis=-2, keepdims=True)
    centered_bias = None if bias is None else np.asarray(bias) + means.sum(axis=(-2, -1))
    return weights - means, centered_bias


@dataclass(frozen=True)
class FilterBank:
    """Mean-centred filters of one convolution.

    Attributes
    ----------
    weights : ndarray (F, 4, K)
        One matrix per learned filter; bases in the order A, C, G, T.
    bias : ndarray (F,)
        Biases after mean-centring; zeros where the layer has none.
    layer : str
        Name of the convolution in the model.
    tied : bool
        Whether the layer also scans with every filter's reverse complement.
    stride : int
        Distance of the windows that the layer reads, in bp.
    padding : int
        Positions that the layer adds before the first base; its first window starts there.
    firing : Firing or None
        Value of the convolution from which each filter fires, behind normalisation and nonlinearity, as
        :func:`filter_bank` measures it. With None a filter fires where its weights and its bias give more than zero.

    Examples
    --------
    >>> bank = rcviz.filter_bank(model)
    >>> bank.weights.shape, bank.expanded.shape
    ((8, 4, 15), (16, 4, 15))
    >>> rcviz.write_meme(bank.motifs(parts.test.positives()), "filters.meme")
    """

    weights: Float[np.ndarray, "filters 4 width"]
    bias: Float[np.ndarray, " filters"]
    layer: str
    tied: bool
    stride: int = 1
    padding: int = 0
    firing: Firing | None = None

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def width(self) -> int:
        """Width of the filters, in bp."""
        return self.weights.shape[2]

    @property
    def expanded(self) -> Float[np.ndarray, "channels 4 width"]:
        """One matrix per channel: for a tied layer the filters, then their RCs in reverse order, else ``weights``."""
        if not self.tied:
            return self.weights
        return np.concatenate([self.weights, reverse_complement(self.weights)[::-1]])

    def of_filters(self, filters: list[int]) -> "FilterBank":
        """Select some of the filters, which are renumbered."""
        firing = None if self.firing is None else self.firing.of_filters(filters)
        return replace(self, weights=self.weights[filters], bias=self.bias[filters], firing=firing)

    def frame(self, index: int | np.integer) -> pd.DataFrame:
        """One filter in logomaker's format, positions by bases: ``logomaker.Logo(bank.frame(3))``."""
        check_index("filter", index, len(self))
        return pd.DataFrame(self.weights[index].T, columns=list("ACGT")).rename_axis("pos")

    @property
    def table(self) -> pd.DataFrame:
        """One row per filter: filter, consensus (largest weight of each position), norm, bias."""
        letters = np.array(list("ACGT"))[self.weights.argmax(axis=1)]
        return pd.DataFrame(
            {
                "filter": np.arange(len(self)),
                "consensus": ["".join(row) for row in letters],
                "norm": np.sqrt((self.weights**2).sum(axis=(1, 2))),
                "bias": self.bias,
            }
        )

    def activating_sites(self, data: Any, *, top: int = 500, strands: Strands = "both") -> ActivatingSites:
        """Find the windows that activate each filter most: the best one of each sequence, then the ``top`` of these.

        One window per sequence, so that a repeat in one sequence does not dominate the motif. Only windows that the
        layer reads are searched: every ``stride`` bp, on the reverse strand counted from its own start. Windows that
        reach into the padding or contain an N are excluded: a mean-centred filter is exact on known bases only. A site
        counts if the filter fires there, see :attr:`firing`; a filter that never fires has no sites.

        Parameters
        ----------
        data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
        top : int
            Largest number of sites per filter.
        strands : "both" or "forward"
            ``"both"`` also reads the reverse complement of every sequence, since both strands are one molecule; an
            untied layer of a network reads only the sequences as they are given, which is ``"forward"``.

        Returns
        -------
        ActivatingSites

        Raises
        ------
        ValueError
            If there are no sequences, they are shorter than the filters, or every window contains an N.
        """
        windows = {"stride": self.stride, "padding": self.padding}
        return find_sites(self.weights, self.bias, data, top=top, strands=strands, firing=self.firing, **windows)

    def motifs(self, data: Any = None, *, top: int = 500) -> list[Motif]:
        """Make a PWM of every filter, named ``filter_0`` and so on, for :meth:`match` or :func:`rcviz.write_meme`.

        Parameters
        ----------
        data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L), optional
            The PWM is that of the activating sites in these sequences, see :meth:`activating_sites`. Without data it is
            made of the weights: probabilities proportional to ``exp(scale * weight)``, where the scale gives the
            strongest column 1.5 bits, as a trained filter has no scale of its own. With data, filters that fire in no
            sequence have no motif and are left out.
        top : int
            Largest number of sites per filter.
        """
        if data is None:
            return [weights_as_motif(weights, f"filter_{index}") for index, weights in enumerate(self.weights)]
        sites = self.activating_sites(data, top=top)
        return [sites.motif(index) for index in np.flatnonzero(sites.fires.any(axis=0)).tolist()]

    def match(self, motifs: Any = None, *, data: Any = None, n_nearest: int = 5) -> pd.DataFrame:
        """Find the known motifs that are most similar to each filter, by Tomtom (Gupta et al. 2007).

        Parameters
        ----------
        motifs : list of Motif, path of a MEME file, or None
            None compares with the vertebrate motifs of JASPAR 2024.
        data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L), optional
            Compare the PWMs of the activating sites in these sequences; without data those of the weights, see
            :meth:`motifs`.
        n_nearest : int
            Rows per filter, the smallest p-value first.

        Returns
        -------
        DataFrame
            filter, motif, strand, offset, similarity, p_value, alternative_name and overlap; strand, offset and
            overlap describe the alignment of the motif to the filter, see :func:`rcviz.motifs.similarity.match_motifs`;
            and fires_in, the share of the sequences in which it fires (NaN without data), without those of no site.
        """
        shares, filters, queries = np.full(len(self), np.nan), np.arange(len(self)), self.motifs()
        if data is not None:
            sites = self.activating_sites(data)
            shares, filters = sites.fires_in, np.flatnonzero(sites.fires.any(axis=0))
            queries = [sites.motif(index) for index in filters]
        if not queries:
            return pd.DataFrame(columns=list(_MATCHES))
        matches = match_motifs(queries, motifs, n_nearest=n_nearest)
        index = filters[matches["query"]]
        return matches.assign(filter=index, fires_in=shares[index])[list(_MATCHES)]

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw all filters as logos in one Axes; ``options`` are those of :func:`rcviz.plot_filters`."""
        from rcviz.plots.filters import plot_filters
        from rcviz.plots.results import draw

        return draw(plot_filters, self, ax, options)


@self_contained
def filter_bank(model: nn.Module, *, layer: nn.Module | str | None = None, length: int | None = None) -> FilterBank:
    """Read the mean-centred filters of a model.

    The weights are those that the next forward pass in evaluation mode uses, also where weight normalisation, spectral
    normalisation or pruning of torch computes them.

    Parameters
    ----------
    model : nn.Module
        Any network; it is not modified.
    layer : nn.Module or str, optional
        A convolution over the four bases, or its dotted name; by default the model's first one. It may be an
        :class:`torch.nn.Conv2d` over sequences, or a grouped convolution over the repeated sequence (ExplaiNN).
    length : int, optional
        Length of the sequences, for a model that takes one length only: it runs on one sequence, as far as the
        activation behind the layer, to measure when each filter fires. By default the length that it declares, or 1 kb.

    Raises
    ------
    ValueError
        If there is no such layer, or it does not read one-hot DNA.

    Examples
    --------
    >>> bank = rcviz.filter_bank(model)
    >>> bank.layer, bank.tied
    ('conv1', True)
    >>> ax = bank.plot()
    """
    name, convolution = layer_of(model, layer)
    if not is_convolution(convolution):
        raise ValueError(
            f"{name} is a {type(convolution).__name__}; filters are the weights of a one-dimensional convolution, "
            f"nn.Conv1d, rcviz.RevCompConv1d, or nn.Conv2d whose kernel has one row or one column"
        )
    if not reads_bases(convolution):
        raise ValueError(
            f"{name} reads {n_channels_read(convolution)} channels of the layer before it, not the 4 bases, so its "
            f"filters have no logo; use the first convolution, or the contributions of {name}"
        )
    rows_are_bases = any(isinstance(part, AdaptedModel) and part.layout == "N1CL" for part in model.modules())
    if getattr(convolution, "kernel_size", None) == (4, 4) and convolution.in_channels == 1 and not rows_are_bases:
        raise ValueError(
            f"{name} has kernels of 4 x 4, which do not tell whether their rows are bases or positions; if they are "
            f"bases, declare the input with rcviz.as_sequence_model(model, layout='N1CL')"
        )
    check_not_meta(convolution)
    check_weights(convolution, name)
    windows, (used, biases) = windows_of(convolution), weights_used(convolution)
    matrices = _matrices(used.detach().cpu().double().numpy(), convolution)
    stored = _spread(matrices[:, channel_of_each_base(model, convolution)], windows.dilation)
    bias = np.zeros(len(stored)) if biases is None else biases.detach().cpu().double().numpy()
    weights, centered_bias = mean_center(stored, bias)
    assert centered_bias is not None
    tied = has_paired_channels(convolution)
    firing = measure_firing(model, convolution, len(weights), length=length)
    return FilterBank(weights, centered_bias, name, tied, windows.stride, windows.padding[0], firing)


def as_filter_bank(bank: Any, *, length: int | None = None) -> FilterBank:
    """Accept a model where a filter bank is expected: its first convolution over the bases is used."""
    if isinstance(bank, FilterBank):
        return bank
    if isinstance(bank, nn.Module):
        return filter_bank(bank, length=length)
    raise ValueError(f"expected a FilterBank or a model, got {type(bank).__name__}; rcviz.filter_bank(model) makes one")


def _matrices(weight: Float[np.ndarray, "filters channels *kernel"], convolution: Any) -> Float[np.ndarray, "f 4 w"]:
    """Weights as one matrix per filter, bases by positions."""
    if weight.ndim == 4 and weight.shape[1] == 1:
        return np.moveaxis(weight[:, 0], 1 + position_axis(convolution), 2)
    return weight.reshape(*weight.shape[:2], -1)


def _spread(weights: Float[np.ndarray, "filters 4 width"], dilation: int) -> Float[np.ndarray, "filters 4 reach"]:
    """Put weights at their positions on the sequence; those that a dilated convolution skips are zero."""
    spread = np.zeros((*weights.shape[:2], dilation * (weights.shape[2] - 1) + 1))
    spread[:, :, ::dilation] = weights
    return spread


def layer_of(model: nn.Module, layer: nn.Module | str | None) -> tuple[str, Any]:
    """Find a layer by its name or as a module; by default the first one-dimensional convolution over four channels.

    If there is none, the first one-dimensional convolution; in the order of registration.
    """
    if layer is not None:
        return find_module(model, layer)
    check_module(model)
    convolutions = [(name, module) for name, module in model.named_modules() if is_convolution(module)]
    if not convolutions:
        check_layers_visible(model)
        raise ValueError(
            f"{type(model).__name__} has no one-dimensional convolution; give the layer's name, or, for an exported "
            f"program, the module that it was made from"
        )
    over_bases = [(name, module) for name, module in convolutions if reads_bases(module)]
    ungrouped = [(name, module) for name, module in over_bases if getattr(module, "groups", 1) == 1]
    return (ungrouped or over_bases or convolutions)[0]
