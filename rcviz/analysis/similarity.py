"""Similarity of the filters of two networks, which may be in another order, shifted or reverse complemented."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from torch import nn

from rcviz.analysis.filters import FilterBank, as_filter_bank
from rcviz.sequences.alphabet import reverse_complement

_ROUNDING = 1e-12
_ROUNDING_STEPS = 64  # in units of the last place of the weights' dtype


@dataclass(frozen=True)
class FilterSimilarity:
    """Similarity of every filter of one bank to every filter of another.

    Attributes
    ----------
    similarity : ndarray (F, G)
        Cosine of the two matrices at their best shift on the better strand, in [-1, 1]; NaN where a filter is zero.
    shift : ndarray (F, G)
        Positions by which the second filter then lies to the right of the first.
    reverse : ndarray (F, G)
        Whether the second filter is reverse complemented.

    Examples
    --------
    >>> result = rcviz.filter_similarity(model, standard)
    >>> result.similarity.shape
    (8, 16)
    >>> result.table.columns.tolist()
    ['filter', 'nearest', 'similarity', 'shift', 'strand']
    """

    similarity: Float[np.ndarray, "filters others"]
    shift: Int[np.ndarray, "filters others"]
    reverse: Bool[np.ndarray, "filters others"]

    @property
    def table(self) -> pd.DataFrame:
        """One row per filter of the first bank: filter, nearest (of the second), similarity, shift, strand.

        Of filters that are equally near, the first is taken.
        """
        similarity = np.nan_to_num(self.similarity, nan=-np.inf)
        nearest = (similarity >= similarity.max(axis=1, keepdims=True) - _ROUNDING).argmax(axis=1)
        rows = np.arange(len(nearest))
        columns = {
            "filter": rows,
            "nearest": nearest,
            "similarity": self.similarity[rows, nearest],
            "shift": self.shift[rows, nearest],
            "strand": np.where(self.reverse[rows, nearest], "-", "+"),
        }
        return pd.DataFrame(columns)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the similarities as a heat map; ``options`` are those of :func:`rcviz.plot_similarity`."""
        from rcviz.plots.results import draw
        from rcviz.plots.similarity import plot_similarity

        return draw(plot_similarity, self, ax, options)


def filter_similarity(bank: FilterBank | nn.Module, other: FilterBank | nn.Module) -> FilterSimilarity:
    """Compare every filter of a bank with every filter of another, at every shift and on both strands.

    Parameters
    ----------
    bank, other : FilterBank or nn.Module
        Mean-centred filters, of any widths and numbers, such as those of two seeds. For a model, those of its first
        convolution over the bases are used.

    Returns
    -------
    FilterSimilarity
        Columns outside the overlap are treated as zeros, so that a short overlap has a low similarity. Ties: the strand
        as stored, then the least shift.

    Raises
    ------
    ValueError
        If an argument is neither a filter bank nor a model.

    Examples
    --------
    >>> bank = rcviz.filter_bank(model)
    >>> bool((rcviz.filter_similarity(bank, bank).table["nearest"] == range(8)).all())
    True
    """
    weights = [as_filter_bank(each).weights for each in (bank, other)]
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
    return FilterSimilarity(np.clip(similarity, -1, 1), best % n_shifts - (second.shape[2] - 1), best >= n_shifts)


def _products(
    first: Float[np.ndarray, "filters 4 width"], second: Float[np.ndarray, "others 4 other_width"]
) -> Float[np.ndarray, "filters others shifts"]:
    """Inner products of all pairs at every shift of the second to the right, from the least shift on."""
    margin = second.shape[2] - 1
    padded = np.pad(first, ((0, 0), (0, 0), (margin, margin)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, second.shape[2], axis=2)
    return np.einsum("fcsk,gck->fgs", windows, second, optimize=True)
