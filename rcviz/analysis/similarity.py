"""Similarity of filters, of two networks or within one, which may be shifted or reverse complemented."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from torch import nn

from rcviz.analysis.filters import FilterBank, as_filter_bank
from rcviz.sequences.alphabet import reverse_complement

SAME = 0.7
"""Similarity from which two filters of one network are treated as the same."""

_ROUNDING = 1e-12
_ROUNDING_STEPS = 64  # in units of the last place of the weights' dtype


@dataclass(frozen=True)
class FilterSimilarity:
    """Similarity of every filter of one bank to every filter of another, or of the same one.

    Attributes
    ----------
    similarity : ndarray (F, G)
        Cosine of the two matrices at their best shift on the better strand, in [-1, 1]; NaN where a filter is zero.
    shift : ndarray (F, G)
        Positions by which the second filter then lies to the right of the first.
    reverse : ndarray (F, G)
        Whether the second filter is reverse complemented.
    within : bool
        Whether the filters are compared with each other: G is F.
    threshold : float
        Similarity from which filters of one network are treated as the same, see :attr:`clusters`.

    Examples
    --------
    >>> result = rcviz.filter_similarity(model, standard)
    >>> result.similarity.shape
    (8, 16)
    >>> result.table.columns.tolist()
    ['filter', 'nearest', 'similarity', 'shift', 'strand']
    >>> rcviz.filter_similarity(standard).clusters.shape
    (16,)
    """

    similarity: Float[np.ndarray, "filters others"]
    shift: Int[np.ndarray, "filters others"]
    reverse: Bool[np.ndarray, "filters others"]
    within: bool = False
    threshold: float = SAME

    @cached_property
    def clusters(self) -> Int[np.ndarray, " filters"]:
        """Cluster of each filter of one network, 0 for the largest: filters that are one motif learned several times.

        Any two filters of a cluster have a similarity of at least ``threshold`` (complete linkage); shifts and strands
        do not matter. A filter that is like no other, or zero, has a cluster of its own.
        """
        if not self.within:
            raise ValueError("clusters are those of one network: give filter_similarity one model or bank")
        n = len(self.similarity)
        if n < 2:
            return np.zeros(n, dtype=int)
        from scipy.cluster.hierarchy import fcluster, linkage
        from scipy.spatial.distance import squareform

        distance = 1 - np.nan_to_num(np.maximum(self.similarity, self.similarity.T), nan=-1.0)
        np.fill_diagonal(distance, 0.0)
        tree = linkage(squareform(distance, checks=False), method="complete")
        found = fcluster(tree, 1 - self.threshold + _ROUNDING, criterion="distance")
        sizes = np.bincount(found)
        order = sorted(set(found.tolist()), key=lambda cluster: (-sizes[cluster], int(np.argmax(found == cluster))))
        renumbered = {cluster: number for number, cluster in enumerate(order)}
        return np.array([renumbered[cluster] for cluster in found.tolist()])

    @cached_property
    def redundant(self) -> Bool[np.ndarray, " filters"]:
        """Whether a filter is another copy of one in its cluster: all but one of each cluster, the most typical one."""
        return np.arange(len(self.similarity)) != self._typical

    @cached_property
    def reverse_copies(self) -> Bool[np.ndarray, " filters"]:
        """Which of the redundant filters are reverse complements of the most typical filter of their cluster."""
        rows = np.arange(len(self.similarity))
        return self.redundant & self.reverse[self._typical, rows]

    @cached_property
    def _typical(self) -> Int[np.ndarray, " filters"]:
        """For each filter that of its cluster which is most similar to the others, the first of several."""
        clusters, similarity = self.clusters, np.nan_to_num(self.similarity)
        typical = np.empty(len(clusters), dtype=int)
        for cluster in range(clusters.max(initial=-1) + 1):
            members = np.flatnonzero(clusters == cluster)
            total = similarity[np.ix_(members, members)].sum(axis=1)
            typical[members] = members[(total >= total.max() - _ROUNDING).argmax()]
        return typical

    @property
    def table(self) -> pd.DataFrame:
        """One row per filter of the first bank: filter, nearest (of the second), similarity, shift, strand.

        Of filters that are equally near, the first is taken. Within one network, ``nearest`` is another filter (-1 if
        there is none), and there are also: cluster, copy_of (the most typical filter of the cluster; the filter itself
        where it is that one) and copy_strand.
        """
        similarity = np.nan_to_num(self.similarity, nan=-np.inf)
        rows = np.arange(len(similarity))
        if self.within:
            similarity[rows, rows] = -np.inf
        nearest = (similarity >= similarity.max(axis=1, keepdims=True) - _ROUNDING).argmax(axis=1)
        alone = self.within & np.isneginf(similarity.max(axis=1))
        columns = {
            "filter": rows,
            "nearest": np.where(alone, -1, nearest),
            "similarity": np.where(alone, np.nan, self.similarity[rows, nearest]),
            "shift": self.shift[rows, nearest],
            "strand": np.where(self.reverse[rows, nearest], "-", "+"),
        }
        if self.within:
            columns |= {
                "cluster": self.clusters,
                "copy_of": self._typical,
                "copy_strand": np.where(self.reverse[self._typical, rows], "-", "+"),
            }
        return pd.DataFrame(columns)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the similarities as a heat map; ``options`` are those of :func:`rcviz.plot_similarity`.

        Within one network rows and columns are ordered by cluster, and clusters are framed.
        """
        from rcviz.plots.results import draw
        from rcviz.plots.similarity import plot_similarity

        return draw(plot_similarity, self, ax, options)


def filter_similarity(
    bank: FilterBank | nn.Module, other: FilterBank | nn.Module | None = None, *, threshold: float = SAME
) -> FilterSimilarity:
    """Compare every filter of a bank with every filter of another, or of the same, at every shift on both strands.

    With one bank or model, the result also lists which of its filters are one motif learned several times, or its
    reverse complement: see :attr:`FilterSimilarity.clusters`.

    Parameters
    ----------
    bank, other : FilterBank or nn.Module
        Mean-centred filters, of any widths and numbers, such as those of two seeds. For a model, those of its first
        convolution over the bases are used. Without ``other``, the filters of ``bank`` are compared with each other.
    threshold : float
        Similarity, above 0 and at most 1, from which two filters of one network are treated as the same. At the default
        of 0.7 each accounts for half of the other's squared weights.

    Returns
    -------
    FilterSimilarity
        Columns outside the overlap are treated as zeros, so that a short overlap has a low similarity. Ties: the strand
        as stored, then the least shift.

    Raises
    ------
    ValueError
        If an argument is neither a filter bank nor a model, or the threshold is not above 0 and at most 1.

    Examples
    --------
    >>> bank = rcviz.filter_bank(model)
    >>> bool((rcviz.filter_similarity(bank, bank).table["nearest"] == range(8)).all())
    True
    """
    if isinstance(threshold, bool | str) or not 0 < threshold <= 1:
        raise ValueError(f"threshold must be a similarity above 0 and at most 1, got {threshold!r:.100}")
    weights = [as_filter_bank(bank).weights]
    weights.append(weights[0] if other is None else as_filter_bank(other).weights)
    first, second = (each.astype(np.float64) for each in weights)
    sizes = np.linalg.norm(first, axis=(1, 2))[:, None] * np.linalg.norm(second, axis=(1, 2))
    products = np.stack([_products(first, strand) for strand in (second, reverse_complement(second))], axis=2)
    n_shifts = products.shape[3]
    highest = products.max(axis=(2, 3))
    # Filters in float32 that are equal in theory, such as the two strands of a palindrome, differ in their last bits.
    slack = _ROUNDING_STEPS * max(np.finfo(each.dtype).eps for each in weights) * sizes
    best = (products.reshape(*sizes.shape, -1) >= (highest - slack)[..., None]).argmax(axis=2)
    similarity = np.divide(highest, sizes, out=np.full(sizes.shape, np.nan), where=sizes > 0)
    # Rounding can give slightly more than 1.
    shift = best % n_shifts - (second.shape[2] - 1)
    return FilterSimilarity(np.clip(similarity, -1, 1), shift, best >= n_shifts, other is None, float(threshold))


def _products(
    first: Float[np.ndarray, "filters 4 width"], second: Float[np.ndarray, "others 4 other_width"]
) -> Float[np.ndarray, "filters others shifts"]:
    """Inner products of all pairs at every shift of the second to the right, from the least shift on."""
    margin = second.shape[2] - 1
    padded = np.pad(first, ((0, 0), (0, 0), (margin, margin)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, second.shape[2], axis=2)
    return np.einsum("fcsk,gck->fgs", windows, second, optimize=True)
