"""FASTA files of windows: names, sequences of one length, and the coordinates that the names tell."""

import os
import re
from typing import NamedTuple

import numpy as np

from rcviz.sequences._reading import read_text
from rcviz.sequences.letters import MOSTLY_CODES, foreign, unusual

# chr21:100-300, as bedtools writes it also as peak7::chr21:100-300(+)
_COORDINATES = re.compile(r"(?:.*::)?([^\s:]+):(\d+)-(\d+)(?:\([+-]\))?")


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
        When the file is no FASTA, is empty or cut off, or a record is empty, of another length than the first or
        no DNA (see :class:`rcviz.sequences.genome.Genome`), naming its line.
    """
    text = read_text(path)
    body = text.strip()
    if not body:
        raise ValueError(f"{path} is empty: expected FASTA records, '>name' and its sequence below")
    if not body.startswith(">"):
        raise ValueError(f"{path} is not FASTA: expected '>' at its start, got {body[:20]!r}")
    records = body[1:].split("\n>")
    names, sequences = [], []
    for record in records:
        header, _, lines = record.partition("\n")
        names.append(next(iter(header.split()), ""))
        sequences.append("".join(lines.split()))

    length = len(sequences[0])
    for row, (name, sequence) in enumerate(zip(names, sequences, strict=True)):
        if fault := _fault(sequence, names[0], length):
            line = text[: text.index(">")].count("\n") + sum(record.count("\n") + 1 for record in records[:row]) + 1
            raise ValueError(f"{path}, line {line}: record {name!r} {fault}")
    return Windows(names, sequences)


def _fault(sequence: str, first: str, length: int) -> str | None:
    """Tell what keeps a record from being a window of DNA, and how to mend it."""
    if not sequence:
        return "has no sequence: remove it or fill it in"
    if len(sequence) != length:
        return f"has {len(sequence)} bp but the first, {first!r}, has {length}: cut all records to one length"
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
