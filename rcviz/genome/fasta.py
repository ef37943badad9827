"""Genomes: windows read from FASTA files of any size, as codes, without loading a chromosome.

A FASTA file is parsed once, when it is first used: its bases are written to a cache, one byte each, and a window is
then a slice of that file. pyfaidx makes the index; its file handles have a position, which threads and processes that
share one would disturb. Nothing here has a position: each call of :meth:`Genome.read` maps the parts of the file that
it needs and releases them when it returns.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rcviz._core.checks import quoted, shown
from rcviz._core.shapes import UInt8
from rcviz.genome.cache import SOFT_MASKED, encoded_fasta

_REGION = 1 << 24  # bytes mapped at once: the system may count all of them as memory in use

FastaPaths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


class _Record(NamedTuple):
    """Position of a chromosome: the file of codes and the first byte."""

    file: int
    length: int
    offset: int


class Genome:
    """Chromosomes of one or several FASTA files.

    Parameters
    ----------
    fasta : path, or several
        Plain, gzipped or bgzipped, recognised by content. One file per chromosome, as from UCSC, may be given
        as a list. A file that is used for the first time, or has changed, is indexed and its bases are written to
        :func:`rcviz.genome.cache.cache_folder`, one byte each. Nothing is written beside the file, and a ``.fai``
        beside it is not read.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ImportError
        When pyfaidx is not installed.
    ValueError
        When a file is empty, not FASTA, truncated or has lines of different lengths within a record, when two records
        have the same name, or when it is not DNA: it has a letter, such as U, that is not an IUPAC code of DNA (X is
        read as N), or a record has more ambiguous bases (R, Y, ...) than bases. Ambiguous bases are read as unknown.
    """

    def __init__(self, fasta: FastaPaths) -> None:
        given = [fasta] if isinstance(fasta, str | os.PathLike) else fasta
        if not isinstance(given, Sequence) or not all(isinstance(path, str | os.PathLike) for path in given):
            raise ValueError(f"expected the path of a FASTA file or a list of paths, got {shown(fasta)}")
        self.paths = [Path(path) for path in given]
        if not self.paths:
            raise ValueError("expected at least one FASTA file, got none")
        self._codes: list[Path] = []
        self._records: dict[str, _Record] = {}
        for file, path in enumerate(self.paths):
            codes, lengths = encoded_fasta(path)
            self._codes.append(codes)
            offset = 0
            for chrom, length in lengths.items():
                if chrom in self._records:
                    raise ValueError(
                        f"{path} has {chrom}, which {self.paths[self._records[chrom].file]} also has: "
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
        """Read windows ``[start, start + width)`` as codes; any letter other than A, C, G, T is 4; case is ignored.

        Parameters
        ----------
        chrom : sequence of n str
        start : int array (n,)
            Zero-based.
        width : int
            In bp, the same for all.

        Raises
        ------
        ValueError
            When a chromosome does not exist, or a window extends beyond it.

        Notes
        -----
        May be called from several threads and processes at once.
        """
        windows = self._read(chrom, start, width)
        windows &= SOFT_MASKED - 1
        return windows

    def soft_masked(self, chrom: Any, start: Any, width: int | np.integer) -> UInt8[np.ndarray, "n width"]:
        """Return 1 for each lower-case base of the same windows, which marks repeats, and 0 for the others."""
        return self._read(chrom, start, width) // SOFT_MASKED

    def _read(self, chrom: Any, start: Any, width: int | np.integer) -> np.ndarray:
        files, first = self._locate(chrom, np.asarray(start, dtype=np.int64), int(width))
        windows = np.empty((len(first), width), dtype=np.uint8)
        regions, group = np.unique((files << 32) + first // _REGION, return_inverse=True)
        for which, (file, region) in enumerate(divmod(key, 1 << 32) for key in regions.tolist()):
            rows = np.flatnonzero(group == which)
            offset = region * _REGION
            size = min(_REGION + int(width), self._codes[file].stat().st_size - offset)
            # A plain array: slicing a memmap object is several times slower.
            bases = np.memmap(self._codes[file], dtype=np.uint8, mode="r", offset=offset, shape=(size,)).view(
                np.ndarray
            )
            windows[rows] = np.lib.stride_tricks.sliding_window_view(bases, int(width))[first[rows] - offset]
        return windows

    def _locate(self, chrom: Any, start: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the file and the first byte of each window."""
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
                f"{names[which[row]]}:{start[row]}-{start[row] + width} extends beyond the chromosome of "
                f"{lengths[row]:,} bp: drop such windows"
            )
        return files, offset + start
