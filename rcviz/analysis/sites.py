"""Activating sites: the windows of DNA that activate a filter most, and their motif."""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from rcviz._core.checks import check_choice, check_index, check_positive
from rcviz.analysis.firing import OWN_BIAS, Firing
from rcviz.models.settings import exact_arithmetic, in_batches
from rcviz.models.threads import enough_threads
from rcviz.motifs.motif import Motif
from rcviz.sequences.alphabet import decode, reverse_complement
from rcviz.sequences.annotations import as_index
from rcviz.sequences.checks import check_not_empty
from rcviz.sequences.sequence_set import as_sequence_set

Strands = Literal["both", "forward"]

_NUMBERS_PER_BATCH = 1 << 18  # a float32 per filter, or base, and position: 1 MB, which stays in the cache
_PSEUDOCOUNT = 1.0
_ROUNDING = 1e-12


@dataclass(frozen=True)
class ActivatingSites:
    """Best window of every sequence for every filter; those with the largest activations are a filter's sites.

    Attributes
    ----------
    codes : ndarray (N, L)
        The sequences that were searched.
    width : int
        Width of a site, in bp.
    best : ndarray (N, F)
        Activation of each filter at its best window of each sequence: mean-centred weights times bases plus bias,
        before normalisation and nonlinearity; minus infinity (infinity for a filter that fires below its threshold)
        where every window holds an N.
    start : ndarray (N, F)
        Start of that window on the sequence as given, 0-based.
    reverse : ndarray (N, F)
        Whether the filter reads it on the reverse strand.
    top : int
        Largest number of sites per filter.
    firing : Firing
        Activation from which each filter fires; a window where it does not fire is not a site.

    Examples
    --------
    >>> sites = rcviz.filter_bank(model).activating_sites(parts.test, top=50)
    >>> sites.motif(0).width, len(sites.sequences(0))
    (15, 50)
    >>> sites.filter_table(0)["activation"].is_monotonic_decreasing
    True
    """

    codes: UInt8[np.ndarray, "sequences length"]
    width: int
    best: Float[np.ndarray, "sequences filters"]
    start: Int[np.ndarray, "sequences filters"]
    reverse: Bool[np.ndarray, "sequences filters"]
    top: int
    firing: Firing

    @property
    def n_filters(self) -> int:
        """Number of filters."""
        return self.best.shape[1]

    def subset(self, mask_or_index: Any) -> "ActivatingSites":
        """Select the sites of some of the sequences, as :meth:`SequenceSet.subset` does; sequences are renumbered.

        Raises
        ------
        ValueError
            If a mask has the wrong length, an index is out of range, or the argument is neither.
        """
        rows = as_index(mask_or_index, len(self.codes))
        return replace(self, **{name: getattr(self, name)[rows] for name in ("codes", "best", "start", "reverse")})

    def of_filters(self, filters: list[int]) -> "ActivatingSites":
        """Select the sites of some of the filters; filters are renumbered."""
        columns = {name: getattr(self, name)[:, filters] for name in ("best", "start", "reverse")}
        return replace(self, **columns, firing=self.firing.of_filters(filters))

    @cached_property
    def strength(self) -> Float[np.ndarray, "sequences filters"]:
        """:attr:`best`, with its sign changed for filters that fire below their threshold: the larger the stronger."""
        return self.best * self.firing.sign

    @cached_property
    def fires(self) -> Bool[np.ndarray, "sequences filters"]:
        """Whether each filter fires anywhere in each sequence."""
        fires: np.ndarray = self.firing.fires(self.best) & np.isfinite(self.best)
        return fires

    @property
    def fires_in(self) -> Float[np.ndarray, " filters"]:
        """Share of the sequences in which each filter fires."""
        return self.fires.mean(axis=0)

    def sequences(self, index: int | np.integer) -> Int[np.ndarray, " sites"]:
        """Sequences that hold one filter's sites, strongest first; ties in the order of the data."""
        rows: np.ndarray = self.firing_sequences(index)[: self.top]
        return rows

    def firing_sequences(self, index: int | np.integer) -> Int[np.ndarray, " firing"]:
        """Every sequence in which one filter fires, also beyond ``top``, in the same order."""
        check_index("filter", index, self.n_filters)
        order = np.argsort(-self.strength[:, index], kind="stable")
        rows: np.ndarray = order[self.fires[order, index]]
        return rows

    def site_codes(self, index: int | np.integer) -> UInt8[np.ndarray, "sites width"]:
        """One filter's sites as it reads them: those on the reverse strand as their reverse complements."""
        rows = self.sequences(index)
        columns = self.start[rows, index][:, None] + np.arange(self.width)
        codes = self.codes[rows[:, None], columns]
        on_reverse = self.reverse[rows, index]
        codes[on_reverse] = reverse_complement(codes[on_reverse])
        return codes

    def motif(self, index: int | np.integer) -> Motif:
        """The PWM of one filter's sites, with a pseudocount of 1/4 for every base; of no sites all bases alike."""
        codes = self.site_codes(index)
        counts = (codes[:, None, :] == np.arange(4)[:, None]).sum(axis=0) + _PSEUDOCOUNT / 4
        return Motif(f"filter_{index}", counts / counts.sum(axis=0))

    def filter_table(self, index: int | np.integer) -> pd.DataFrame:
        """One filter's rows of :attr:`table`."""
        rows = self.sequences(index)
        return pd.DataFrame(
            {
                "filter": int(index),
                "rank": np.arange(1, len(rows) + 1),
                "sequence": rows,
                "start": self.start[rows, index],
                "end": self.start[rows, index] + self.width,
                "strand": np.where(self.reverse[rows, index], "-", "+"),
                "activation": self.best[rows, index],
                "site": decode(self.site_codes(index)),
                "fires_in": self.fires_in[index],
            }
        )

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per site: filter, rank (from 1), sequence, start, end, strand, activation, site, fires_in.

        Positions are on the sequence as given, zero-based and half-open; ``site`` is what the filter reads, and
        ``fires_in`` the share of the sequences in which it fires.
        """
        return pd.concat([self.filter_table(index) for index in range(self.n_filters)], ignore_index=True)

    def plot(self, ax: Any = None, *, filter: int | np.integer = 0, **options: Any) -> Any:  # noqa: A002
        """Draw the motif of one filter's sites; ``options`` are those of :func:`rcviz.plot_logo`."""
        from rcviz.plots.logo import plot_logo
        from rcviz.plots.results import draw

        title = f"filter {filter}, {len(self.sequences(filter)):,} sites"
        return draw(plot_logo, self.motif(filter), ax, {"title": title, **options})


@in_batches
def find_sites(
    weights: Float[np.ndarray, "filters 4 width"],
    bias: Float[np.ndarray, " filters"],
    data: Any,
    *,
    top: int = 500,
    strands: Strands = "both",
    stride: int = 1,
    padding: int = 0,
    firing: Firing | None = None,
) -> ActivatingSites:
    """Search sequences for the windows that activate filters most; see :meth:`FilterBank.activating_sites`."""
    check_positive("top", top)
    check_choice("strands", strands, get_args(Strands))
    data = as_sequence_set(data)
    check_not_empty(data)
    codes = data.codes
    windows = {"stride": stride, "padding": padding}
    search = SiteSearch(weights, bias, codes.shape[1], strands=strands, firing=firing, **windows)
    best, start, reverse = search(codes)
    check_sites(best, search.width)
    return ActivatingSites(codes, search.width, best, start, reverse, top, search.firing)


def check_sites(best: Float[np.ndarray, "sequences filters"], width: int) -> None:
    """Refuse sequences that have no window of known bases."""
    if not np.isfinite(best).any():
        raise ValueError(
            f"every window of {width} bp holds an N, and a filter is exact on known bases only; use other sequences"
        )


def check_windows(codes: UInt8[np.ndarray, "sequences length"], width: int) -> None:
    """Refuse sequences without a window of known bases; reads only as many as it takes to find one."""
    for first in range(0, len(codes), 256):
        known = np.lib.stride_tricks.sliding_window_view(codes[first : first + 256] < 4, width, axis=1)
        if known.all(axis=2).any():
            return
    check_sites(np.full((1, 1), -np.inf), width)


class SiteSearch:
    """Search for the best window of each filter in each sequence; see :meth:`FilterBank.activating_sites`.

    Parameters
    ----------
    weights, bias
        Mean-centred filters.
    length : int
        Length of the sequences.
    strands, stride, padding
        Windows that are searched.
    firing : Firing, optional
        When filters fire; by default above zero.
    """

    def __init__(
        self,
        weights: Float[np.ndarray, "filters 4 width"],
        bias: Float[np.ndarray, " filters"],
        length: int,
        *,
        strands: Strands = "both",
        stride: int = 1,
        padding: int = 0,
        firing: Firing | None = None,
    ) -> None:
        self.firing = firing or Firing(np.zeros(len(weights)), np.zeros(len(weights), dtype=bool), OWN_BIAS)
        self.width = weights.shape[2]
        if not np.isfinite(weights).all():
            raise ValueError("a weight of a filter is NaN or infinite: training has diverged; lower the learning rate")
        if self.width > length:
            raise ValueError(
                f"the filters are {self.width} bp wide but the sequences have {length} bp; use longer ones"
            )
        self._kernels = torch.from_numpy(
            np.ascontiguousarray(weights * self.firing.sign[:, None, None], dtype=np.float64)
        )
        self._bias, self._strands = bias, strands
        self._at_once = max(1, _NUMBERS_PER_BATCH // (length * max(len(weights), 4)))
        self._read = torch.from_numpy((np.arange(length - self.width + 1) + padding) % stride == 0)
        if not self._read.any():
            raise ValueError(
                f"no window of {self.width} bp that the layer reads lies inside {length} bp: the first starts "
                f"{padding} bp before the sequence and the others follow every {stride} bp; use longer sequences"
            )

    def __call__(
        self, codes: UInt8[np.ndarray, "n length"]
    ) -> tuple[Float[np.ndarray, "n filters"], Int[np.ndarray, "n filters"], Bool[np.ndarray, "n filters"]]:
        """Find activation, start and strand (True: reverse) of the best window of each filter in each sequence."""
        # Allocated before the batches: results between their large arrays would let memory grow with every batch.
        shape = (len(codes), len(self._kernels))
        best, start, reverse = np.empty(shape), np.empty(shape, dtype=np.int64), np.empty(shape, dtype=bool)
        with exact_arithmetic():
            for first in range(0, len(codes), self._at_once):
                part = slice(first, first + self._at_once)
                with enough_threads(self._kernels.numel() * codes[part].size):
                    found = _best_windows(codes[part], self._kernels, self._strands, self._read)
                best[part], start[part], reverse[part] = found
        best *= self.firing.sign
        best += self._bias
        return best, start, reverse


def _best_windows(
    codes: UInt8[np.ndarray, "n length"],
    kernels: Float[Tensor, "filters 4 width"],
    strands: Strands,
    read: Bool[Tensor, " windows"],
) -> tuple[Float[np.ndarray, "n filters"], Int[np.ndarray, "n filters"], Bool[np.ndarray, "n filters"]]:
    """Find activation (without bias), start and strand of the best window; of ties the leftmost, then forward.

    ``read`` are the windows of a strand, by their start on it, that a layer reads. A scan in float32 finds the windows
    that may be the best, as near to the largest sum as rounding allows; among these float64 decides.
    """
    letters = torch.from_numpy(np.array(codes))  # a copy: torch accepts neither reversed views nor read-only arrays
    n, n_filters, width = len(letters), len(kernels), kernels.shape[2]
    size = kernels.abs().sum(dim=(1, 2))
    scanned = torch.cat([kernels, kernels.flip(1, 2)]) if strands == "both" else kernels
    scan = (kernels / size.where(size > 0, 1.0)[:, None, None]).float()
    scan = torch.cat([scan, scan.flip(1, 2)]) if strands == "both" else scan
    one_hot = (letters[:, :, None] == torch.arange(4, dtype=torch.uint8)).float()
    # Windows overlap in memory, and are copied to be the rows of a matrix: faster than a convolution of four channels.
    windows = one_hot.as_strided((n, len(read), 4 * width), (one_hot.stride(0), 4, 1)).flatten(0, 1)
    sums = (windows @ scan.permute(2, 1, 0).flatten(0, 1)).unflatten(0, (n, -1))
    unknown = F.max_pool1d((letters > 3).float()[:, None], width, 1)[:, 0, :, None] > 0
    sides = (read, read.flip(0))[: len(scanned) // n_filters]
    if unknown.any() or not read.all():
        for side, of_strand in zip(sides, sums.split(n_filters, dim=2), strict=True):
            of_strand.masked_fill_(unknown | ~side[:, None], -torch.inf)
    # Windows in the order in which they are taken of ties: the leftmost, then forward.
    sums = sums.view(n, -1, n_filters)
    largest, window = sums.max(dim=1)
    limit = (largest - 4 * width * torch.finfo(torch.float32).eps).where(largest > -torch.inf, torch.inf)
    sequence, index = (each.flatten() for each in torch.meshgrid(*map(torch.arange, largest.shape), indexing="ij"))
    exact = partial(_exact_sums, letters, scanned, len(sides))
    best = exact(sequence, index, window.flatten()).view(largest.shape).where(largest > -torch.inf, -torch.inf)
    sums.scatter_(1, window[:, None], -torch.inf)
    # Where another window is as near as that, all of them are looked at.
    several = torch.nonzero(sums.amax(dim=1) >= limit, as_tuple=True)
    if len(several[0]):
        sums.scatter_(1, window[:, None], largest[:, None])
        place, near = torch.nonzero(sums.transpose(1, 2)[several] >= limit[several][:, None], as_tuple=True)
        found = exact(several[0][place], several[1][place], near)
        most = torch.full(several[0].shape, -torch.inf, dtype=torch.float64).scatter_reduce(0, place, found, "amax")
        # Equal windows may differ in their last bits, as their products are added in different orders.
        tied = found >= (most - _ROUNDING * size[several[1]])[place]
        best[several] = most
        window[several] = torch.full_like(window[several], sums.shape[1]).scatter_reduce(
            0, place[tied], near[tied], "amin"
        )
    return best.numpy(), (window // len(sides)).numpy(), (window % len(sides) == 1).numpy()


def _exact_sums(
    letters: UInt8[Tensor, "n length"],
    kernels: Float[Tensor, "kernels 4 width"],
    n_strands: int,
    sequence: Int[Tensor, " sums"],
    index: Int[Tensor, " sums"],
    window: Int[Tensor, " sums"],
) -> Float[Tensor, " sums"]:
    """Sums of filters at windows of known bases, in float64."""
    start, kernel = window // n_strands, index + window % n_strands * (len(kernels) // n_strands)
    width = torch.arange(kernels.shape[2])
    bases = letters.flatten()[(sequence * letters.shape[1] + start)[:, None] + width].clamp(max=3)
    return kernels.flatten()[(4 * kernel[:, None] + bases) * len(width) + width].sum(dim=1)
