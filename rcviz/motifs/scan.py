"""The best hit of a scoring matrix in each sequence, on both strands."""

import numpy as np

from rcviz._core.shapes import Bool, Float, Float64, Int64, UInt8

# Four neighbouring letters form one word, so that a position needs one look-up per four columns of the motif.
_WORD = 4
_LETTERS = 5
_POSITIONS_PER_BLOCK = 1 << 20
_ROUNDING = 1e-12  # equal sums may differ in their last bits, as their terms are added in different orders


def best_hits(
    codes: UInt8[np.ndarray, "n length"], scores: Float64[np.ndarray, "4 width"]
) -> tuple[Float[np.ndarray, " n"], Int64[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Find the best-scoring position of each sequence on either strand.

    Works in blocks of about a million positions, so that memory use is small for whole chromosomes, too.

    Parameters
    ----------
    codes : uint8 array (n, length)
    scores : float64 array (4, width)
        Summed along the motif; an unknown base adds 0. ``width`` must not exceed ``length``.

    Returns
    -------
    best : (n,) highest sum
    start : (n,) leftmost position of the hit on the given sequence, 0-based; the first of equal hits
    reverse : (n,) True if the hit is on the reverse strand; of equal hits, the one on the forward strand is taken

    Hits are equal if their sums are, up to rounding.
    """
    n, length = codes.shape
    n_starts = length - scores.shape[1] + 1
    forward = _word_tables(scores)
    reverse = _word_tables(scores[::-1, ::-1])
    slack = _ROUNDING * np.abs(scores).sum()

    best = np.full(n, -np.inf)
    start = np.zeros(n, dtype=np.int64)
    is_reverse = np.zeros(n, dtype=bool)
    n_columns = min(n_starts, _POSITIONS_PER_BLOCK)
    n_rows = max(1, _POSITIONS_PER_BLOCK // n_columns)
    for row in range(0, n, n_rows):
        rows = slice(row, row + n_rows)
        for first in range(0, n_starts, n_columns):
            n_here = min(n_columns, n_starts - first)
            words = _words(codes[rows, first:], n_here + _WORD * (len(forward) - 1))
            on_forward = _sum_tables(forward, words, n_here)
            on_reverse = _sum_tables(reverse, words, n_here)
            either = np.maximum(on_forward, on_reverse)
            value = either.max(axis=1)
            at = (either >= value[:, None] - slack).argmax(axis=1)
            index = np.arange(len(at))
            better = value > best[rows] + slack
            best[rows] = np.where(better, value, best[rows])
            start[rows] = np.where(better, first + at, start[rows])
            on_other = on_reverse[index, at] > on_forward[index, at] + slack
            is_reverse[rows] = np.where(better, on_other, is_reverse[rows])
    return best, start, is_reverse


def _word_tables(scores: np.ndarray) -> list[np.ndarray]:
    """Tabulate the score of every word at every fourth column; columns beyond the motif add 0."""
    width = scores.shape[1]
    n_words = -(-width // _WORD)
    padded = np.zeros((_LETTERS, n_words * _WORD))
    padded[:4, :width] = scores
    tables = []
    for word in range(n_words):
        table = np.zeros(1)
        for column in range(word * _WORD, (word + 1) * _WORD):
            table = np.add.outer(table, padded[:, column]).ravel()
        tables.append(table)
    return tables


def _words(codes: np.ndarray, n_words: int) -> np.ndarray:
    """Number the words that start at the first ``n_words`` positions; letters beyond the end are unknown."""
    n_letters = n_words + _WORD - 1
    letters = codes[:, :n_letters]
    missing = n_letters - letters.shape[1]
    if missing > 0:
        letters = np.pad(letters, ((0, 0), (0, missing)), constant_values=_LETTERS - 1)
    words = np.zeros((len(codes), n_words), dtype=np.intp)
    for offset in range(_WORD):
        words *= _LETTERS
        words += letters[:, offset : offset + n_words]
    return words


def _sum_tables(tables: list[np.ndarray], words: np.ndarray, n_starts: int) -> np.ndarray:
    total: np.ndarray = tables[0].take(words[:, :n_starts])
    for i, table in enumerate(tables[1:], start=1):
        total += table.take(words[:, i * _WORD : i * _WORD + n_starts])
    return total
