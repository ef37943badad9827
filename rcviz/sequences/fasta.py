"""FASTA files: records of one length, the coordinates in their names, and the check that their letters are DNA."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rcviz._core.checks import quoted
from rcviz._core.text_files import LONGEST_LINE, check_file, read_lines

# chr21:100-300; bedtools also writes peak7::chr21:100-300(+)
_COORDINATES = re.compile(r"(?:.*::)?([^\s:]+):(\d{1,18})-(\d{1,18})(?:\([+-]\))?")

_AT_ONCE = 1 << 16
_BASES = b"ACGTacgt"
_UNKNOWN = b"NnXx"  # X is what some maskers write
_AMBIGUOUS = b"RYSWKMBDHVryswkmbdhv"  # IUPAC codes for two or three bases
_LINE_ENDS = b"\r\n"
_INVALID = re.compile(b"[^" + _BASES + _UNKNOWN + _AMBIGUOUS + _LINE_ENDS + b"]")
_PROTEIN = set("EFILPQ")  # amino acids whose letters are not IUPAC codes of DNA

MOSTLY_AMBIGUOUS = "has more ambiguous bases (R, Y, ...) than A, C, G and T, like protein: give a FASTA file of DNA"


class FastaRecords(NamedTuple):
    """Records of a FASTA file, in its order."""

    names: list[str]
    sequences: list[str]


class Coordinates(NamedTuple):
    """Chromosome, start and end of windows: 0-based, half-open."""

    chrom: list[str]
    start: np.ndarray
    end: np.ndarray


def read_records(path: str | os.PathLike[str]) -> FastaRecords:
    """Read a FASTA file, plain, gzipped or bgzipped, whose records all have one length.

    Raises
    ------
    ValueError
        When the file is not FASTA, is empty or truncated, or a record is empty, too long for a window, of another
        length than the first, or not DNA (see :class:`rcviz.genome.fasta.Genome`). The error names the line.
    """
    names, sequences = list[str](), list[str]()
    for block in read_blocks(path, _AT_ONCE):
        names += block.names
        sequences += block.sequences
    return FastaRecords(names, sequences)


def read_blocks(path: str | os.PathLike[str], n: int) -> Iterator[FastaRecords]:
    """Read a FASTA file as :func:`read_records` does, ``n`` records at a time."""
    names, sequences = list[str](), list[str]()
    first, length = "", 0
    for line, name, sequence in _records(path):
        first, length = (first, length) if length else (name, len(sequence))
        if problem := _problem(sequence, first, length):
            raise ValueError(f"{path}, line {line}: record {quoted(name)} {problem}")
        names.append(name)
        sequences.append(sequence)
        if len(names) == n:
            yield FastaRecords(names, sequences)
            names, sequences = [], []
    if names:
        yield FastaRecords(names, sequences)


def is_fasta(path: str | os.PathLike[str]) -> bool:
    """Return True for a file that is not a dataset: safetensors has a brace at its ninth byte; a pipe is FASTA."""
    check_file(path)
    if not Path(path).is_file():
        return True
    with Path(path).open("rb") as file:
        return file.read(9)[8:] != b"{"


def _records(path: str | os.PathLike[str]) -> Iterator[tuple[int, str, str]]:
    """Iterate over records: the number of the header line, the name and the sequence."""
    first, name, pieces, length = 0, "", list[str](), 0
    for number, line in enumerate(read_lines(path), start=1):
        if (line if first else line.lstrip()).startswith(">"):  # blank lines are allowed above the first
            if first:
                yield first, name, "".join(pieces)
            first, name, pieces, length = number, next(iter(line.lstrip()[1:].split()), ""), [], 0
        elif first:
            pieces.append("".join(line.split()))
            length += len(pieces[-1])
            if length > LONGEST_LINE:
                raise ValueError(
                    f"{path}, line {first}: record {quoted(name)} has more than {LONGEST_LINE:,} bp, too many "
                    f"for a window: cut windows from a genome with rcviz windows or rcviz.peak_windows"
                )
        elif line.strip():
            raise ValueError(f"{path} is not FASTA: expected '>' at its start, got {line.strip()[:20]!r}")
    if not first:
        raise ValueError(f"{path} is empty: expected FASTA records, '>name' and its sequence below")
    yield first, name, "".join(pieces)


def _problem(sequence: str, first: str, length: int) -> str | None:
    """Describe the problem of a record and how to fix it; None for a valid one."""
    if not sequence:
        return "has no sequence: remove it or fill it in"
    if len(sequence) != length:
        return f"has {len(sequence)} bp but the first, {quoted(first)}, has {length}: cut all records to one length"
    n_others, codes = non_bases(sequence.encode("ascii", "replace"))
    return invalid_nucleotides(codes) or (MOSTLY_AMBIGUOUS if len(codes) > length - n_others else None)


def non_bases(letters: bytes) -> tuple[int, bytes]:
    """Count the letters other than A, C, G and T, line ends aside, and return those of them that are not N or X."""
    others = letters.translate(None, _BASES + _LINE_ENDS)
    return len(others), others.translate(None, _UNKNOWN)


def invalid_nucleotides(codes: bytes) -> str | None:
    """Describe invalid letters and how to fix them; None if all are IUPAC codes of DNA."""
    invalid = sorted({chr(letter) for letter in codes.translate(None, _AMBIGUOUS)})
    if not invalid:
        return None
    listed = f"has invalid nucleotide{'s' if len(invalid) > 1 else ''} {', '.join(map(repr, invalid[:5]))}"
    if _PROTEIN & {letter.upper() for letter in invalid}:
        return f"{listed}, like protein: give a FASTA file of DNA"
    if set(invalid) <= {"U", "u"}:
        return f"{listed}, like RNA: replace U by T"
    if all(letter.isspace() or letter == "\0" for letter in invalid):
        return f"{listed}: remove the blanks"
    if all(letter.isdigit() or letter.isspace() for letter in invalid):
        return f"{listed}: remove numbers and blanks, which count bases in GenBank files"
    if set(invalid) <= {"-", ".", "~"}:
        return f"{listed}, gaps of an alignment: remove them"
    return f"{listed}: write N for an unknown base"


def first_invalid(letters: bytes) -> int:
    """Return the position of the first invalid letter; there must be one."""
    match = _INVALID.search(letters)
    assert match is not None
    return match.start()


def parse_coordinates(names: list[str], length: int) -> Coordinates | None:
    """Read coordinates from names like ``chr21:9439500-9439700``; None unless every name has them.

    A span of ``length`` is 0-based and half-open (bedtools). A span one shorter is 1-based and includes its end
    (samtools); its start is converted.
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
