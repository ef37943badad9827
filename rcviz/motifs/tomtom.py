"""Tomtom (Gupta et al. 2007): the best alignment of two motifs and the probability of one as good by chance."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rcviz._core.shapes import Bool, Float, Int
from rcviz.sequences.alphabet import reverse_complement

# P-values depend on these. They are memelite's defaults, so that its p-values are the same.
_STEPS = 100  # largest score of two columns
_MEDIAN_BINS = 1000
_COLUMN_BINS = 100  # of every base's range; target columns with equal bins are scored as the first of them


class Alignments(NamedTuple):
    """Best alignment of every query (row) with every target (column), on the better strand.

    Attributes
    ----------
    p_value : ndarray (queries, targets)
        Probability of a score as high, on either strand, of a target of random columns.
    offset : ndarray (queries, targets)
        Position in the query at which the target begins.
    overlap : ndarray (queries, targets)
        Number of aligned columns.
    reverse : ndarray (queries, targets)
        True if the target is reverse complemented.
    """

    p_value: Float[np.ndarray, "queries targets"]
    offset: Int[np.ndarray, "queries targets"]
    overlap: Int[np.ndarray, "queries targets"]
    reverse: Bool[np.ndarray, "queries targets"]


def tomtom(queries: Sequence[Float[np.ndarray, "4 _"]], targets: Sequence[Float[np.ndarray, "4 _"]]) -> Alignments:
    """Align every query with every target and compute p-values.

    The score of an alignment is the sum over the columns of the query: minus the Euclidean distance to the target's
    column, or the median over all target columns where the query overhangs. It is in integer steps, 100 over the
    query's range of column scores. Of alignments with equal scores, the one with the largest overlap is taken, then the
    one on the strand as given, then the one with the largest offset.

    Notes
    -----
    Columns of a random target are drawn from the columns of all targets on both strands, and its alignments are taken
    to be independent, as in the paper. The probability of the best score is then the complement of a product over
    alignments. It is computed from logarithms, so that small p-values keep their relative precision.
    """
    strands = [*targets, *(reverse_complement(target) for target in targets)]
    columns, which, counts = _merged(np.concatenate(strands, axis=1))
    widths = np.array([target.shape[1] for target in strands])
    layout = _Layout(which, widths, max(query.shape[1] for query in queries) - 1)
    rows = []
    for query in queries:
        scores, median = _column_scores(query, columns, counts)
        total, offset, overlap, reverse = layout.best(scores - median)
        frequencies = _sum_by_bin(scores, _STEPS + 1, counts) / counts.sum()
        p_value = _p_values(total + median * len(scores), widths[: len(targets)], frequencies, median)
        rows.append((p_value * (2 - p_value), offset, overlap, reverse))  # the better of two strands: 1 - (1 - p)^2
    return Alignments(*(np.stack(column) for column in zip(*rows, strict=True)))


def _merged(
    columns: Float[np.ndarray, "4 all"],
) -> tuple[Float[np.ndarray, "4 merged"], Int[np.ndarray, " all"], Int[np.ndarray, " merged"]]:
    """Return columns that differ, the index into them of each given column, and how many each stands for."""
    low, size = columns.min(axis=1, keepdims=True), np.ptp(columns, axis=1, keepdims=True)
    bins = np.around((columns - low) / np.where(size > 0, size, 1) * (_COLUMN_BINS - 1))
    keys = _COLUMN_BINS ** np.arange(4) @ bins
    _, first, which, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    return columns[:, first], which, counts


def _column_scores(
    query: Float[np.ndarray, "4 width"], columns: Float[np.ndarray, "4 merged"], counts: Int[np.ndarray, " merged"]
) -> tuple[Int[np.ndarray, "width merged"], int]:
    """Score all pairs of columns, from 0 to ``_STEPS``; also return the median's score, which is equal for all rows."""
    squares = (query**2).sum(axis=0)[:, None] + (columns**2).sum(axis=0)
    for one, other in zip(2 * query, columns, strict=True):  # a matrix product would round otherwise than memelite
        squares -= np.multiply.outer(one, other)
    closeness = -np.sqrt(np.maximum(squares, 0))
    low, high = closeness.min(axis=1), closeness.max(axis=1)
    median = _medians(closeness, counts, low, high)
    least = np.floor((low - median).min())
    scale = np.floor(_STEPS / max((high - median).max() - least, 1))
    return ((closeness - (median + least)[:, None]) * scale + 0.5).astype(np.intp), int(-least * scale)


def _medians(
    values: Float[np.ndarray, "rows n"],
    counts: Int[np.ndarray, " n"],
    low: Float[np.ndarray, " rows"],
    high: Float[np.ndarray, " rows"],
) -> Float[np.ndarray, " rows"]:
    """Return the mean of the histogram's bin with the median of each row."""
    size = np.where(high > low, high - low, 1)
    bins = ((values - low[:, None]) / size[:, None] * (_MEDIAN_BINS - 1)).astype(np.intp)
    numbers = _sum_by_bin(bins, _MEDIAN_BINS, counts)
    sums = _sum_by_bin(bins, _MEDIAN_BINS, values * counts)
    rows = np.arange(len(values))
    middle = (np.cumsum(numbers, axis=1) >= counts.sum() / 2).argmax(axis=1)
    return np.where(high > low, sums[rows, middle] / numbers[rows, middle], low)


def _sum_by_bin(
    bins: Int[np.ndarray, "rows n"], n_bins: int, weights: Float[np.ndarray, "... n"] | Int[np.ndarray, " n"]
) -> Float[np.ndarray, "rows n_bins"]:
    n_rows = len(bins)
    places = (bins + n_bins * np.arange(n_rows)[:, None]).ravel()
    weights = np.broadcast_to(weights, bins.shape).ravel()
    return np.bincount(places, weights, minlength=n_rows * n_bins).reshape(n_rows, n_bins)


class _Layout:
    """All targets in one row, each followed by a margin for queries that overhang.

    Parameters
    ----------
    which : ndarray (all,)
        Index of every target column among the merged columns.
    widths : ndarray (targets,)
        Of the targets, then of their reverse complements.
    margin : int
        Width of the widest query, less 1.
    """

    def __init__(self, which: Int[np.ndarray, " all"], widths: Int[np.ndarray, " targets"], margin: int) -> None:
        sizes = widths + margin
        self._widest = int(widths.max())
        self._longest = int(sizes.max())
        self._starts = np.cumsum(sizes) - sizes
        places = np.arange(sizes.sum()) - np.repeat(self._starts, sizes)
        self._places_from_end = self._longest - 1 - places
        self._columns = np.full(len(places), -1)
        self._columns[places < np.repeat(widths, sizes)] = which

    def best(self, scores: Int[np.ndarray, "width merged"]) -> tuple[np.ndarray, ...]:
        """Return score, offset, overlap and strand of the best alignment with every target.

        Score, overlap and place are the digits of one number, the largest of which is the best alignment.
        """
        width = len(scores)
        unit = min(width, self._widest) + 1
        digits = np.zeros((width, scores.shape[1] + 1), dtype=np.int64)  # the last column is the margin's
        digits[:, :-1] = scores * unit + 1
        totals = np.zeros(len(self._columns), dtype=np.int64)
        for shift, row in enumerate(digits[::-1]):
            totals[shift:] += row[self._columns[: len(totals) - shift]]
        totals[totals == 0] = -(unit**2) * _STEPS  # no column is aligned
        best = np.maximum.reduceat(totals * self._longest + self._places_from_end, self._starts)
        given, turned = best.reshape(2, -1)
        reverse = turned // self._longest > given // self._longest
        aligned, place = np.divmod(np.where(reverse, turned, given), self._longest)
        score, overlap = np.divmod(aligned, unit)
        return score, place + width - self._longest, overlap, reverse


def _p_values(
    scores: Int[np.ndarray, " targets"],
    widths: Int[np.ndarray, " targets"],
    frequencies: Float[np.ndarray, "width steps"],
    median: int,
) -> Float[np.ndarray, " targets"]:
    """Compute the probability that the best alignment of a random target, on one strand, has these scores or more.

    Parameters
    ----------
    scores, widths : ndarray (targets,)
    frequencies : ndarray (width, steps)
        Of the scores of each column of the query.
    median : int
        Score of a column of the query that overhangs.
    """
    width = len(frequencies)
    # The sum over adjacent columns has the convolution of their frequencies, here by matrix products, which add up in
    # blocks of _STEPS scores what falls into the same block and what into the next. Row i begins with column i.
    padded = np.pad(frequencies, ((0, 0), (_STEPS - 1, _STEPS - 1)))
    shifted = np.lib.stride_tricks.sliding_window_view(padded, 2 * _STEPS, axis=1)[:, ::-1]
    same, following = np.ascontiguousarray(shifted[..., :_STEPS]), np.ascontiguousarray(shifted[..., _STEPS:])
    pdf = np.zeros((width, 2, _STEPS))
    pdf.reshape(width, -1)[:, : _STEPS + 1] = frequencies
    most = np.minimum(widths, width)  # columns that can be aligned; with fewer, the target hangs over either end
    log_none = np.zeros(len(scores))  # logarithm of the probability that no alignment has the score
    for span in range(1, width + 1):
        if span > 1:
            first, pdf = pdf[:-1], np.zeros((len(pdf) - 1, span + 1, _STEPS))
            pdf[:, :-1] = first @ same[span - 1 :]
            pdf[:, 1:] += first @ following[span - 1 :]
        rows = pdf.reshape(len(pdf), -1)
        aligned = scores - median * (width - span)
        overhanging, inside = most > span, most == span
        log_none[overhanging] += _log_below(rows[[0, -1]], aligned[overhanging])
        log_none[inside] += np.maximum(widths[inside] - width + 1, 1) * _log_below(rows, aligned[inside])
    return -np.expm1(log_none)


def _log_below(pdf: Float[np.ndarray, "rows n"], scores: Int[np.ndarray, " targets"]) -> Float[np.ndarray, " targets"]:
    """Return the logarithm of the probability that all rows are below a score."""
    from_here_on = np.minimum(np.cumsum(pdf[:, ::-1], axis=1)[:, ::-1], 1)
    with np.errstate(divide="ignore"):
        return np.log1p(-from_here_on[:, np.clip(scores, 0, pdf.shape[1] - 1)]).sum(axis=0)
