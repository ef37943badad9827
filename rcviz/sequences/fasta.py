"""FASTA files of windows: names, sequences of one length, and the coordinates that the names tell."""

import os
import re
from typing import NamedTuple

import numpy as np

from rcviz.sequences._reading import read_text

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
        When the file is no FASTA, is empty or cut off, or a record is empty or of another length than the
        first, naming it.
    """
    text = read_text(path).strip()
    if not text:
        raise ValueError(f"{path} is empty: expected FASTA records, '>name' and its sequence below")
    if not text.startswith(">"):
        raise ValueError(f"{path} is not FASTA: expected '>' at its start, got {text[:20]!r}")
    names, sequences = [], []
    for record in text[1:].split("\n>"):
        header, _, body = record.partition("\n")
        names.append(next(iter(header.split()), ""))
        sequences.append("".join(body.split()))

    length = len(sequences[0])
    for name, sequence in zip(names, sequences, strict=True):
        if not sequence:
            raise ValueError(f"{path}: record {name!r} has no sequence; remove it or fill it in")
        if len(sequence) != length:
            raise ValueError(
                f"{path}: record {name!r} has {len(sequence)} bp but the first, {names[0]!r}, has {length}; "
                f"cut all records to one length"
            )
    return Windows(names, sequences)


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
