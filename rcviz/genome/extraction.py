"""Windows cut out of a genome block by block, into memory or straight into a file."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64, UInt8

from rcviz.genome.intervals import Sieve
from rcviz.sequences.alphabet import UNKNOWN
from rcviz.sequences.duplicates import KnownSequences

if TYPE_CHECKING:
    import pandas as pd

    from rcviz.genome.fasta import Genome

_WINDOWS_AT_ONCE = 2048


def blocks(
    genome: "Genome", places: "pd.DataFrame", width: int, *, soft_masked: bool = False
) -> Iterator[tuple[slice, UInt8[np.ndarray, "n width"]]]:
    """Read the windows of places (``chrom``, ``window``) in their order, each block with its rows."""
    read = genome.soft_masked if soft_masked else genome.read
    chrom, window = places["chrom"].to_numpy(dtype=object), places["window"].to_numpy()
    for first in range(0, len(places), _WINDOWS_AT_ONCE):
        rows = slice(first, first + _WINDOWS_AT_ONCE)
        yield rows, read(chrom[rows], window[rows], width)


def n_unknown(codes: UInt8[np.ndarray, "n width"]) -> Int64[np.ndarray, " n"]:
    """Count the unknown bases of each window."""
    counts = np.zeros(len(codes), dtype=np.int64)
    some = np.flatnonzero(codes.max(axis=1) == UNKNOWN)  # few have any, and a maximum is quickly found
    counts[some] = np.count_nonzero(codes[some] == UNKNOWN, axis=1)
    return counts


class SetInMemory:
    """An array of known capacity that is filled block by block; :class:`.storage.GrowingSet` does it in a file.

    Attributes
    ----------
    fields : dict
        What shall stand beside the codes.
    """

    def __init__(self, capacity: int, length: int) -> None:
        self._codes = np.empty((capacity, length), dtype=np.uint8)  # the system gives memory only to rows that are used
        self._n = 0
        self.fields: dict[str, Any] = {}

    @property
    def codes(self) -> UInt8[np.ndarray, "n length"]:
        """What was appended."""
        return self._codes[: self._n]

    def append(self, codes: UInt8[np.ndarray, "n length"]) -> None:
        """Keep some more sequences."""
        self._codes[self._n : self._n + len(codes)] = codes
        self._n += len(codes)


class Cutter:
    """Cuts positives, then negatives, and keeps what stands beside them in the same order.

    Parameters
    ----------
    genome : Genome
    width : int
    append : callable
        Given each block of codes that is kept.
    max_n_share : float
        A window with a larger share of unknown bases is dropped.
    advance : callable
        Told after each block how many windows are done.
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
        self._positives = KnownSequences()
        self._parts: list[tuple[pd.DataFrame, np.ndarray, int]] = []

    def cut(
        self,
        sieve: Sieve,
        *,
        label: int,
        change: Callable[[np.ndarray], np.ndarray] | None = None,
        suffix: str = "",
        on_label_conflict: str = "drop",
    ) -> None:
        """Append the windows of a sieve, dropping from it those with unknown bases and negatives that are positives.

        Raises
        ------
        ValueError
            When ``on_label_conflict`` is "raise" and a negative has the sequence of a positive on either strand.
        """
        names = self._names(sieve.places, suffix)
        unknown, same = np.zeros(len(names), dtype=bool), np.zeros(len(names), dtype=bool)
        for rows, read in blocks(self._genome, sieve.places, self._width):
            codes = read if change is None else change(read)
            unknown[rows] = n_unknown(codes) > self._max_unknown
            if label == 1:
                self._positives.add(codes[~unknown[rows]])
            else:
                found = self._positives.find(codes)
                same[rows] = (found >= 0) & ~unknown[rows]
                if on_label_conflict == "raise" and same[rows].any():
                    row = int(np.argmax(same[rows]))
                    positive = self._parts[0][1][found[row]]
                    raise ValueError(
                        f"the negative {names[rows][row]} has the sequence of the positive {positive}: "
                        f"drop such negatives with on_label_conflict='drop'"
                    )
            self._append(codes[~(unknown | same)[rows]])
            self._advance(len(codes))
        sieve.drop("unknown_bases", unknown)
        if label == 0:
            sieve.drop("label_conflict", same[~unknown])
        self._parts.append((sieve.places, names[~(unknown | same)], label))

    def fields(self) -> dict[str, Any]:
        """Labels, names and coordinates of all that was appended."""
        tables, names, labels = zip(*self._parts, strict=True)
        start = np.concatenate([places["window"].to_numpy() for places in tables])
        return {
            "labels": np.repeat(np.array(labels, dtype=np.float32), [len(places) for places in tables])[:, None],
            "names": np.concatenate(names),
            "chrom": np.concatenate([places["chrom"].to_numpy(dtype=object) for places in tables]),
            "start": start,
            "end": start + self._width,
        }

    def _names(self, places: "pd.DataFrame", suffix: str) -> np.ndarray:
        pairs = zip(places["chrom"].to_numpy(dtype=object), places["window"].tolist(), strict=True)
        return np.array([f"{chrom}:{start}-{start + self._width}{suffix}" for chrom, start in pairs], dtype=object)
