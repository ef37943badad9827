"""Which filters of two networks are the same one: another seed orders, shifts and turns round what it learns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from rcviz.analysis.filters import FilterBank
from rcviz.sequences.alphabet import reverse_complement


@dataclass(frozen=True)
class FilterSimilarity:
    """How alike every filter of one bank and every filter of another are.

    Attributes
    ----------
    scores : ndarray (F, G)
        Cosine of the two matrices at their best shift on the better strand, in [-1, 1]; NaN where a filter is zero.
    shift : ndarray (F, G)
        Positions that the second filter, as it is read, then lies to the right of the first.
    reverse : ndarray (F, G)
        Whether the second is read as its reverse complement.

    Examples
    --------
    >>> found = rcviz.filter_similarity(rcviz.filter_bank(model), rcviz.filter_bank(standard))
    >>> found.scores.shape
    (8, 16)
    >>> found.table.columns.tolist()
    ['filter', 'nearest', 'similarity', 'shift', 'strand']
    """

    scores: Float[np.ndarray, "filters others"]
    shift: Int[np.ndarray, "filters others"]
    reverse: Bool[np.ndarray, "filters others"]

    @property
    def table(self) -> pd.DataFrame:
        """One row per filter of the first bank: filter, nearest (of the second), similarity, shift, strand."""
        nearest = np.nan_to_num(self.scores, nan=-np.inf).argmax(axis=1)
        rows = np.arange(len(nearest))
        columns = {
            "filter": rows,
            "nearest": nearest,
            "similarity": self.scores[rows, nearest],
            "shift": self.shift[rows, nearest],
            "strand": np.where(self.reverse[rows, nearest], "-", "+"),
        }
        return pd.DataFrame(columns)

    def plot(self, ax: Any = None) -> Any:
        """Draw the scores as a heat map; see :func:`rcviz.plot_similarity`."""
        from rcviz.plots.similarity import plot_similarity

        return plot_similarity(self.scores, ax)


def filter_similarity(bank: FilterBank, other: FilterBank) -> FilterSimilarity:
    """Compare every filter of a bank with every filter of another, at every shift and on both strands.

    Parameters
    ----------
    bank, other : FilterBank
        Mean-centred filters, of any widths and numbers; those of another seed, for example.

    Returns
    -------
    FilterSimilarity
        Columns that a shift brings in from outside count as zeros, so that a short overlap is never alike. Of equal
        scores the strand as stored and the least shift count.

    Raises
    ------
    ValueError
        When one is no filter bank.

    Examples
    --------
    >>> bank = rcviz.filter_bank(model)
    >>> bool((rcviz.filter_similarity(bank, bank).table["nearest"] == range(8)).all())
    True
    """
    for given in (bank, other):
        if not isinstance(given, FilterBank):
            raise ValueError(
                f"expected two filter banks, got {type(given).__name__}; rcviz.filter_bank(model) makes one"
            )
    first, second = bank.weights.astype(np.float64), other.weights.astype(np.float64)
    sizes = np.linalg.norm(first, axis=(1, 2))[:, None] * np.linalg.norm(second, axis=(1, 2))
    products = np.stack([_products(first, strand) for strand in (second, reverse_complement(second))], axis=2)
    n_shifts = products.shape[3]
    best = products.reshape(*sizes.shape, -1).argmax(axis=2)
    scores = np.divide(products.max(axis=(2, 3)), sizes, out=np.full(sizes.shape, np.nan), where=sizes > 0)
    # Rounding would let a filter be more like itself than one.
    return FilterSimilarity(np.clip(scores, -1, 1), best % n_shifts - (second.shape[2] - 1), best >= n_shifts)


def _products(
    first: Float[np.ndarray, "filters 4 width"], second: Float[np.ndarray, "others 4 other_width"]
) -> Float[np.ndarray, "filters others shifts"]:
    """Inner products, the second lying ``shift`` to the right of the first, from the least shift on."""
    margin = second.shape[2] - 1
    padded = np.pad(first, ((0, 0), (0, 0), (margin, margin)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, second.shape[2], axis=2)
    return np.einsum("fcsk,gck->fgs", windows, second, optimize=True)
