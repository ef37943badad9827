"""Which windows are one sequence, read on either strand."""

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64, UInt8, UInt64

from rcviz.sequences.alphabet import reverse_complement

if TYPE_CHECKING:
    import pandas as pd

_ROWS_AT_ONCE = 4096
_BASES_OF_AN_END = 27  # 5**27 is the largest power of five below 2**64
_ODD = np.uint64(0x9E3779B97F4A7C15)
# Bytes are translated several times faster than arrays are indexed.
_COMPLEMENTS = bytes.maketrans(bytes(range(5)), reverse_complement(np.arange(5, dtype=np.uint8)[:, None]).tobytes())


def strand_free_keys(codes: UInt8[np.ndarray, "n length"]) -> Int64[np.ndarray, " n"]:
    """Key of each sequence, the same for its reverse complement.

    Equal sequences have equal keys; different ones differ but for a chance of about one in 2**64. Keys hold within one
    process only.
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
    """Cheap key of both ends of each sequence, the same for its reverse complement: equal for all that are equal.

    It sorts out, many times faster than :func:`strand_free_keys`, the sequences that cannot be found elsewhere.
    """
    n_bases = min(_BASES_OF_AN_END, codes.shape[1])
    powers = np.uint64(5) ** np.arange(n_bases, dtype=np.uint64)
    head = codes[:, :n_bases].astype(np.uint64) @ powers
    tail = reverse_complement(codes[:, -n_bases:]).astype(np.uint64) @ powers
    keys: np.ndarray = np.minimum(head, tail) * _ODD + np.maximum(head, tail)  # modulo 2**64
    return keys


class KnownSequences:
    """Sequences that are looked up later, on either strand."""

    def __init__(self) -> None:
        self._row_of_key: dict[int, int] = {}
        self._ends: set[int] = set()
        self._n = 0

    def add(self, codes: UInt8[np.ndarray, "n length"]) -> None:
        """Know some more."""
        self._ends.update(strand_free_ends(codes).tolist())
        for row, key in enumerate(strand_free_keys(codes).tolist(), start=self._n):
            self._row_of_key.setdefault(key, row)
        self._n += len(codes)

    def find(self, codes: UInt8[np.ndarray, "n length"]) -> Int64[np.ndarray, " n"]:
        """Row of the first known sequence that equals each of these or its reverse complement; -1 where none does."""
        rows = np.full(len(codes), -1)
        candidates = np.flatnonzero([ends in self._ends for ends in strand_free_ends(codes).tolist()])
        rows[candidates] = [self._row_of_key.get(key, -1) for key in strand_free_keys(codes[candidates]).tolist()]
        return rows


def find_leaks(splits: Any) -> "pd.DataFrame":
    """Find sequences of one part that are in another, as they are or reverse-complemented.

    To a network that treats both strands alike, a window and its reverse complement are one and the same.

    Parameters
    ----------
    splits : Splits, or mapping of str to SequenceSet

    Returns
    -------
    DataFrame, one row per sequence of a part and earlier part that has it
        ``part``, ``row`` (its place there), ``other_part``, ``other_row`` (of the first that equals it), ``strand``
        ("same" or "other").

    Notes
    -----
    Windows that only overlap are not found; chromosomes keep these apart.

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
        known = KnownSequences()
        known.add(parts[other].codes)
        found = known.find(parts[part].codes)
        for row in np.flatnonzero(found >= 0).tolist():
            same = np.array_equal(parts[part].codes[row], parts[other].codes[found[row]])
            rows.append((part, row, other, int(found[row]), "same" if same else "other"))
    return pd.DataFrame(rows, columns=["part", "row", "other_part", "other_row", "strand"])
