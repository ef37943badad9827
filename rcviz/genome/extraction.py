"""Windows read from a genome block by block and appended to a set, in memory or in a file."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from rcviz._core.shapes import Int64, UInt8
from rcviz.genome.intervals import CandidateWindows
from rcviz.sequences.alphabet import UNKNOWN
from rcviz.sequences.duplicates import SequenceLookup

if TYPE_CHECKING:
    import pandas as pd

    from rcviz.genome.fasta import Genome

_WINDOWS_AT_ONCE = 2048


def read_blocks(
    genome: "Genome", windows: "pd.DataFrame", width: int, *, soft_masked: bool = False
) -> Iterator[tuple[slice, UInt8[np.ndarray, "n width"]]]:
    """Read windows (``chrom``, ``window``) in their order; yield the rows and the codes of each block."""
    read = genome.soft_masked if soft_masked else genome.read
    chrom, start = windows["chrom"].to_numpy(dtype=object), windows["window"].to_numpy()
    for first in range(0, len(windows), _WINDOWS_AT_ONCE):
        rows = slice(first, first + _WINDOWS_AT_ONCE)
        yield rows, read(chrom[rows], start[rows], width)


def count_unknown(codes: UInt8[np.ndarray, "n width"]) -> Int64[np.ndarray, " n"]:
    """Count the unknown bases of each window."""
    counts = np.zeros(len(codes), dtype=np.int64)
    rows = np.flatnonzero(codes.max(axis=1) == UNKNOWN)  # few have any, and a maximum is fast
    counts[rows] = np.count_nonzero(codes[rows] == UNKNOWN, axis=1)
    return counts


class MemoryWriter:
    """Collects a set in memory block by block; :class:`rcviz.sequences.storage.SequenceWriter` does so in a file.

    Attributes
    ----------
    fields : dict
        All fields but the codes.
    """

    def __init__(self, capacity: int, length: int) -> None:
        self._codes = np.empty((capacity, length), dtype=np.uint8)  # only rows that are used take memory
        self._n = 0
        self.fields: dict[str, Any] = {}

    @property
    def codes(self) -> UInt8[np.ndarray, "n length"]:
        """The appended sequences."""
        return self._codes[: self._n]

    def append(self, codes: UInt8[np.ndarray, "n length"]) -> None:
        """Append a block of sequences."""
        self._codes[self._n : self._n + len(codes)] = codes
        self._n += len(codes)


class WindowExtractor:
    """Reads positives, then negatives, and collects their labels, names and coordinates in the same order.

    Parameters
    ----------
    genome : Genome
    width : int
    append : callable
        Called with each block of codes that is kept.
    max_n_share : float
        A window with a larger share of unknown bases is dropped.
    advance : callable
        Called after each block with its number of windows.
    """

    def __init__(
        self,
        genome: "Genome",
        width: int,
        append: Callable[[np.ndarray], object],
        *,
        max_n_share: float | int,
        advance: Callable[[int], object],
    ) -> None:
        self._genome, self._width, self._append, self._advance = genome, width, append, advance
        self._max_unknown = max_n_share * width
        self._positives = SequenceLookup()
        self._parts: list[tuple[pd.DataFrame, np.ndarray, int]] = []

    def extract(
        self,
        windows: CandidateWindows,
        *,
        label: int,
        transform: Callable[[np.ndarray], np.ndarray] | None = None,
        suffix: str = "",
        on_label_conflict: str = "drop",
    ) -> None:
        """Append windows, except those with unknown bases and negatives with the sequence of a positive.

        Raises
        ------
        ValueError
            When ``on_label_conflict`` is "raise" and a negative has the sequence of a positive on either strand.
        """
        names = self._names(windows.table, suffix)
        unknown, conflict = np.zeros(len(names), dtype=bool), np.zeros(len(names), dtype=bool)
        for rows, read in read_blocks(self._genome, windows.table, self._width):
            codes = read if transform is None else transform(read)
            unknown[rows] = count_unknown(codes) > self._max_unknown
            if label == 1:
                self._positives.add(codes[~unknown[rows]])
            else:
                matches = self._positives.find(codes)
                conflict[rows] = (matches >= 0) & ~unknown[rows]
                if on_label_conflict == "raise" and conflict[rows].any():
                    row = int(np.argmax(conflict[rows]))
                    positive = self._parts[0][1][matches[row]]
                    raise ValueError(
                        f"the negative {names[rows][row]} has the same sequence as the positive {positive}: "
                        f"drop such negatives with on_label_conflict='drop'"
                    )
            self._append(codes[~(unknown | conflict)[rows]])
            self._advance(len(codes))
        windows.drop("unknown_bases", unknown)
        if label == 0:
            windows.drop("label_conflict", conflict[~unknown])
        self._parts.append((windows.table, names[~(unknown | conflict)], label))

    def fields(self) -> dict[str, Any]:
        """Return labels, names and coordinates of the appended windows."""
        tables, names, labels = zip(*self._parts, strict=True)
        start = np.concatenate([table["window"].to_numpy() for table in tables])
        return {
            "labels": np.repeat(np.array(labels, dtype=np.float32), [len(table) for table in tables])[:, None],
            "names": np.concatenate(names),
            "chrom": np.concatenate([table["chrom"].to_numpy(dtype=object) for table in tables]),
            "start": start,
            "end": start + self._width,
        }

    def _names(self, windows: "pd.DataFrame", suffix: str) -> np.ndarray:
        pairs = zip(windows["chrom"].to_numpy(dtype=object), windows["window"].tolist(), strict=True)
        return np.array([f"{chrom}:{start}-{start + self._width}{suffix}" for chrom, start in pairs], dtype=object)
