"""Motifs in JASPAR's text format: a line ``>ID name`` and four rows of counts."""

import os
from collections.abc import Iterable, Iterator

import numpy as np

from rcviz._core.checks import quoted
from rcviz.motifs.formats import common
from rcviz.motifs.formats.common import LineError, Lines
from rcviz.motifs.motif import Motif
from rcviz.sequences.alphabet import BASES


def read_jaspar(path: str | os.PathLike[str]) -> list[Motif]:
    """Read all motifs of a JASPAR file.

    Rows may begin with their base and be in brackets, or be only numbers, in the order A, C, G, T. Counts and
    frequencies are divided by the sum of their column.

    Parameters
    ----------
    path : path-like
        Text, plain or gzipped.

    Returns
    -------
    list of Motif
        In the order of the file, with the matrix ID as ``name`` and the text after it as ``alternative_name``.

    Raises
    ------
    ValueError
        When the file is not JASPAR text or a matrix is malformed, naming file and line.

    Examples
    --------
    >>> import rcviz
    >>> rcviz.write_jaspar([rcviz.load_motif("CTCF_known1")], "motifs.jaspar")
    >>> [motif.name for motif in rcviz.read_jaspar("motifs.jaspar")]
    ['CTCF_known1']
    """
    expected = "JASPAR matrix: expected lines '>ID name' and four rows of counts below each"
    return common.read_records(path, _motifs, expected)


def _motifs(lines: Lines) -> Iterator[Motif]:
    above, *records = common.blocks(lines, lambda line: line.startswith(">"))
    for number, line in above:
        if line.strip():
            raise LineError(number, "a row before the first matrix: put '>ID name' above it")
    for (first, title), *rows in records:
        name, _, alternative_name = title[1:].strip().partition("\t" if "\t" in title else " ")
        if not name:
            raise LineError(first, "a '>' line without a name: write '>ID name'")
        matrix: dict[str, list[float]] = {}
        for number, line in rows:
            words = line.replace("[", " ").replace("]", " ").split()
            if not words:
                continue
            has_base = words[0].upper() in tuple(BASES)
            base = words.pop(0).upper() if has_base else BASES[len(matrix) % len(BASES)]
            row = common.parse_numbers(number, words, "a row of counts")
            if base in matrix or any(len(row) != len(other) for other in matrix.values()):
                raise LineError(number, "expected four rows of one length, one for each of A, C, G and T")
            matrix[base] = row
        if len(matrix) < len(BASES):
            raise LineError(first, f"matrix {quoted(name)} has {len(matrix)} of 4 rows: the file may be truncated")
        counts = np.array([matrix[base] for base in BASES])
        yield Motif(name, common.counts_to_probabilities(first, counts), alternative_name.strip())


def write_jaspar(
    motifs: Iterable[Motif], path: str | os.PathLike[str], *, n_sites: int | np.integer | None = None
) -> None:
    """Write motifs as a JASPAR file, atomically.

    Parameters
    ----------
    motifs : iterable of Motif
    path : path-like
        Text file with any ending; the folder must exist.
    n_sites : int, optional
        Write whole counts of this many sites, for tools that need counts. By default probabilities are written in
        full precision, so that :func:`read_jaspar` returns equal motifs.

    Raises
    ------
    ValueError
        When there are no motifs, two have the same name, or a name is empty or has spaces.

    Examples
    --------
    >>> import rcviz
    >>> motif = rcviz.load_motif("CTCF_known1")
    >>> rcviz.write_jaspar([motif], "motifs.jaspar")
    >>> rcviz.read_jaspar("motifs.jaspar") == [motif]
    True
    """

    def record(motif: Motif) -> str:
        numbers = common.format_numbers(motif, n_sites)
        rows = [f"{base}  [ {' '.join(row)} ]\n" for base, row in zip(BASES, numbers, strict=True)]
        return f">{motif.name}\t{motif.alternative_name}".rstrip() + "\n" + "".join(rows)

    common.write_records(motifs, path, "JASPAR", record, between="\n")
