"""FASTA files of windows: names, sequences of one length, and the coordinates that the names tell."""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rcviz._core.checks import quoted
from rcviz._core.text_files import LONGEST_LINE, read_lines
from rcviz.sequences.nucleotides import MOSTLY_CODES, foreign, unusual

# chr21:100-300, as bedtools writes it also as peak7::chr21:100-300(+)
_COORDINATES = re.compile(r"(?:.*::)?([^\s:]+):(\d{1,18})-(\d{1,18})(?:\([+-]\))?")


class Windows(NamedTuple):
    """Records of a FASTA file, in its order."""

    names: list[str]
    sequences: list[str]


class Coordinates(NamedTuple):
    """Where windows lie: chromosome, and half-open positions from zero."""

    chrom: list[str]
    start: np.ndarray
    end: np.ndarray


def read_windows(path: str | os.PathLike[str]) -> Windows:
    """Read a FASTA file, plain, gzipped or bgzipped, whose records all have one length.

    Raises
    ------
    ValueError
        When the file is no FASTA, is empty or cut off, or a record is empty, of another length than the first, too
        long for a window or
        no DNA (see :class:`rcviz.genome.fasta.Genome`), naming its line.
    """
    names, sequences = [], []
    for line, name, sequence in _records(path):
        names.append(name)
        sequences.append(sequence)
        if fault := _fault(sequence, names[0], len(sequences[0])):
            raise ValueError(f"{path}, line {line}: record {quoted(name)} {fault}")
    return Windows(names, sequences)


def _records(path: str | os.PathLike[str]) -> Iterator[tuple[int, str, str]]:
    """Go through a file: the line at which each record begins, its name and its letters."""
    first, name, pieces, length = 0, "", list[str](), 0
    for number, line in enumerate(read_lines(path), start=1):
        if (line if first else line.lstrip()).startswith(">"):  # blanks may stand above the first
            if first:
                yield first, name, "".join(pieces)
            first, name, pieces, length = number, next(iter(line.lstrip()[1:].split()), ""), [], 0
        elif first:
            pieces.append("".join(line.split()))
            length += len(pieces[-1])
            if length > LONGEST_LINE:
                raise ValueError(
                    f"{path}, line {first}: record {quoted(name)} has more than {LONGEST_LINE:,} bp, which is no "
                    f"window: cut windows out of a genome with rcviz windows or rcviz.peak_windows"
                )
        elif line.strip():
            raise ValueError(f"{path} is not FASTA: expected '>' at its start, got {line.strip()[:20]!r}")
    if not first:
        raise ValueError(f"{path} is empty: expected FASTA records, '>name' and its sequence below")
    yield first, name, "".join(pieces)


def _fault(sequence: str, first: str, length: int) -> str | None:
    """Tell what keeps a record from being a window of DNA, and how to mend it."""
    if not sequence:
        return "has no sequence: remove it or fill it in"
    if len(sequence) != length:
        return f"has {len(sequence)} bp but the first, {quoted(first)}, has {length}: cut all records to one length"
    n_others, odd = unusual(sequence.encode("ascii", "replace"))
    return foreign(odd) or (MOSTLY_CODES if len(odd) > length - n_others else None)


def parse_coordinates(names: list[str], length: int) -> Coordinates | None:
    """Read coordinates out of names like ``chr21:9439500-9439700``, when all names tell them.

    A span of ``length`` is half-open from zero (bedtools); a span one shorter counts from one and includes
    its end (samtools), and its start is brought to zero. ``None`` when any name fits neither.
    """
    matches = [match for match in map(_COORDINATES.fullmatch, names) if match]
    if len(matches) < len(names):
        return None
    start = np.array([int(match[2]) for match in matches], dtype=np.int64)
    end = np.array([int(match[3]) for match in matches], dtype=np.int64)
    if np.all(end - start == length - 1) and np.all(start > 0):
        start -= 1
    if not np.all(end - start == length):
        return None
    return Coordinates([match[1] for match in matches], start, end)
