"""Genomes: windows read out of FASTA files of any size, as codes, without loading a chromosome.

Letters and line ends are dealt with once: the first time a FASTA file is opened, its bases go into a cache, one byte
each, and a window is then a plain piece of that file. pyfaidx makes the index. Its handles keep a place in the file, so
that workers who share one read each other's sequence; nothing here keeps a place. Each call of :meth:`Genome.read` maps
what it needs anew, and gives it back to the system when it returns.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from rcviz._core.checks import quoted
from rcviz.genome.cache import SOFT_MASKED, encoded

_REGION = 1 << 24  # bytes mapped at a time: the system may count all of them as memory in use

FastaPaths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


class _Record(NamedTuple):
    """Where one chromosome lies: in which file of codes, from which byte."""

    file: int
    length: int
    offset: int


class Genome:
    """Chromosomes of one or several FASTA files.

    Parameters
    ----------
    fasta : path, or several
        Plain, gzipped or bgzipped, told by content; UCSC's one file per chromosome may be given as a list.
        Opened for the first time, a file is indexed and its bases are kept in
        :func:`rcviz.genome.cache.cache_folder`, one byte each; a file that changes is taken anew. Nothing is
        written beside it, and a ``.fai`` that lies there is not read.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ImportError
        When pyfaidx is missing, saying what to install.
    ValueError
        When a file is empty, no FASTA, cut off or unevenly wrapped, two records have one name, or it is no DNA: it
        holds a letter that is no IUPAC code of DNA (X counts as N), U among them, or one of its records has more codes
        for several bases than bases. Of single codes (R, Y, ...) each counts as unknown.
    """

    def __init__(self, fasta: FastaPaths) -> None:
        given = [fasta] if isinstance(fasta, str | os.PathLike) else fasta
        if not isinstance(given, Sequence) or not all(isinstance(path, str | os.PathLike) for path in given):
            raise ValueError(f"expected the path of a FASTA file or a list of paths, got {fasta!r:.100}")
        self.paths = [Path(path) for path in given]
        if not self.paths:
            raise ValueError("expected at least one FASTA file, got none")
        self._codes: list[Path] = []
        self._records: dict[str, _Record] = {}
        for file, path in enumerate(self.paths):
            codes, lengths = encoded(path)
            self._codes.append(codes)
            offset = 0
            for chrom, length in lengths.items():
                if chrom in self._records:
                    raise ValueError(
                        f"{path} holds {chrom} again, which {self.paths[self._records[chrom].file]} holds already: "
                        f"give each chromosome once"
                    )
                self._records[chrom] = _Record(file, length, offset)
                offset += length

    def __repr__(self) -> str:
        return f"Genome({len(self._records):,} chromosomes, {sum(self.lengths.values()):,} bp)"

    @property
    def lengths(self) -> dict[str, int]:
        """Length of each chromosome in bp, in the order of the files."""
        return {chrom: record.length for chrom, record in self._records.items()}

    def read(self, chrom: Any, start: Any, width: int | np.integer) -> UInt8[np.ndarray, "n width"]:
        """Read windows ``[start, start + width)`` as codes; any letter outside ACGT is 4, lower case counts as upper.

        Parameters
        ----------
        chrom : sequence of n str
        start : int array (n,)
            Zero-based. May be called from any number of threads and processes at once.
        width : int
            In bp, the same for all.

        Raises
        ------
        ValueError
            When a chromosome is not there, or a window leaves it.
        """
        windows = self._read(chrom, start, width)
        windows &= SOFT_MASKED - 1
        return windows

    def soft_masked(self, chrom: Any, start: Any, width: int | np.integer) -> UInt8[np.ndarray, "n width"]:
        """Tell for the same windows which letters are lower case (1), as genomes mark repeats."""
        return self._read(chrom, start, width) // SOFT_MASKED

    def _read(self, chrom: Any, start: Any, width: int | np.integer) -> np.ndarray:
        files, first = self._places(chrom, np.asarray(start, dtype=np.int64), int(width))
        windows = np.empty((len(first), width), dtype=np.uint8)
        regions, group = np.unique((files << 32) + first // _REGION, return_inverse=True)
        for which, (file, region) in enumerate(divmod(key, 1 << 32) for key in regions.tolist()):
            rows = np.flatnonzero(group == which)
            offset = region * _REGION
            size = min(_REGION + int(width), self._codes[file].stat().st_size - offset)
            # A view: slices of a memmap object are several times slower to make.
            bases = np.memmap(self._codes[file], dtype=np.uint8, mode="r", offset=offset, shape=(size,)).view(
                np.ndarray
            )
            windows[rows] = np.lib.stride_tricks.sliding_window_view(bases, int(width))[first[rows] - offset]
        return windows

    def _places(self, chrom: Any, start: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
        """File and first byte of each window."""
        import pandas as pd

        if width < 1:
            raise ValueError(f"width must be at least 1 bp, got {width}")
        which, names = pd.factorize(np.asarray(chrom, dtype=object))
        unknown = [name for name in names if name not in self._records]
        if unknown:
            raise ValueError(
                f"there is no chromosome {quoted(unknown[0])}: the FASTA has {', '.join(self._records):.400}"
            )
        records = np.array([self._records[name] for name in names], dtype=np.int64).reshape(-1, len(_Record._fields))
        files, lengths, offset = records[which].T
        outside = (start < 0) | (start + width > lengths)
        if outside.any():
            row = int(np.argmax(outside))
            raise ValueError(
                f"{names[which[row]]}:{start[row]}-{start[row] + width} leaves the chromosome of {lengths[row]:,} bp: "
                f"drop windows that do"
            )
        return files, offset + start
