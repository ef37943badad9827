"""Duplicate sequences, on the same or the other strand: a lookup, and leaks between parts of a data set."""

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from rcviz._core.shapes import Int64, UInt8, UInt64
from rcviz.sequences.alphabet import reverse_complement

if TYPE_CHECKING:
    import pandas as pd

_ROWS_AT_ONCE = 4096
_BASES_OF_AN_END = 27  # 5**27 is the largest power of five below 2**64
_ODD = np.uint64(0x9E3779B97F4A7C15)
# Bytes are translated several times faster than arrays are indexed.
_COMPLEMENTS = bytes.maketrans(bytes(range(5)), reverse_complement(np.arange(5, dtype=np.uint8)[:, None]).tobytes())


def strand_free_keys(codes: UInt8[np.ndarray, "n length"]) -> Int64[np.ndarray, " n"]:
    """Compute a key of each sequence that is the same for its reverse complement.

    Equal sequences have equal keys; different ones have the same key with a chance of about one in 2**64. Keys are
    valid within one process only.
    """
    keys = np.empty(len(codes), dtype=np.int64)
    length = codes.shape[1]
    for first in range(0, len(codes), _ROWS_AT_ONCE):
        block = np.ascontiguousarray(codes[first : first + _ROWS_AT_ONCE])
        forward, reverse = block.tobytes(), block[:, ::-1].tobytes().translate(_COMPLEMENTS)
        for row in range(len(block)):
            span = slice(row * length, (row + 1) * length)
            keys[first + row] = hash(min(forward[span], reverse[span]))
    return keys


def strand_free_ends(codes: UInt8[np.ndarray, "n length"]) -> UInt64[np.ndarray, " n"]:
    """Compute a cheap key of the two ends of each sequence that is the same for its reverse complement.

    Sequences whose keys differ are different. Many times faster than :func:`strand_free_keys`, this excludes most
    sequences before they are compared in full.
    """
    n_bases = min(_BASES_OF_AN_END, codes.shape[1])
    powers = np.uint64(5) ** np.arange(n_bases, dtype=np.uint64)
    head = codes[:, :n_bases].astype(np.uint64) @ powers
    tail = reverse_complement(codes[:, -n_bases:]).astype(np.uint64) @ powers
    keys: np.ndarray = np.minimum(head, tail) * _ODD + np.maximum(head, tail)  # modulo 2**64
    return keys


class SequenceLookup:
    """A set of sequences in which others are looked up, on either strand."""

    def __init__(self) -> None:
        self._row_of_key: dict[int, int] = {}
        self._ends: set[int] = set()
        self._n = 0

    def add(self, codes: UInt8[np.ndarray, "n length"]) -> None:
        """Add sequences."""
        self._ends.update(strand_free_ends(codes).tolist())
        for row, key in enumerate(strand_free_keys(codes).tolist(), start=self._n):
            self._row_of_key.setdefault(key, row)
        self._n += len(codes)

    def find(self, codes: UInt8[np.ndarray, "n length"]) -> Int64[np.ndarray, " n"]:
        """Return for each sequence the row of the first added one that equals it or its reverse complement, else -1."""
        rows = np.full(len(codes), -1)
        candidates = np.flatnonzero([ends in self._ends for ends in strand_free_ends(codes).tolist()])
        rows[candidates] = [self._row_of_key.get(key, -1) for key in strand_free_keys(codes[candidates]).tolist()]
        return rows


def find_leaks(splits: Any) -> "pd.DataFrame":
    """Find sequences that are in more than one part of the data, also as reverse complements.

    For a network that treats both strands alike, a window and its reverse complement are the same input.

    Parameters
    ----------
    splits : Splits, or mapping of str to SequenceSet

    Returns
    -------
    DataFrame, one row per sequence of a part that is also in an earlier part
        ``part``, ``row`` (in that part), ``other_part``, ``other_row`` (the first equal sequence there), ``strand``
        ("same" or "other").

    Notes
    -----
    Windows that only overlap are not reported; split by chromosome to keep these apart.

    Examples
    --------
    >>> len(rcviz.find_leaks(parts))
    0
    >>> leaks = rcviz.find_leaks({"train": parts.test, "test": parts.test.reverse_complement()})
    >>> len(leaks)
    375
    """
    import pandas as pd

    if not isinstance(splits, Mapping) and not hasattr(splits, "_asdict"):
        raise ValueError(f"expected Splits or a dict of sets, got {type(splits).__name__}; make them with rcviz.split")
    parts: Mapping[str, Any] = splits if isinstance(splits, Mapping) else splits._asdict()
    rows = []
    for other, part in combinations(parts, 2):
        lookup = SequenceLookup()
        lookup.add(parts[other].codes)
        matches = lookup.find(parts[part].codes)
        for row in np.flatnonzero(matches >= 0).tolist():
            same = np.array_equal(parts[part].codes[row], parts[other].codes[matches[row]])
            rows.append((part, row, other, int(matches[row]), "same" if same else "other"))
    return pd.DataFrame(rows, columns=["part", "row", "other_part", "other_row", "strand"])
