"""Motifs in JASPAR's text format: a line ``>ID name`` and four rows of counts."""

import os
from collections.abc import Iterable

import numpy as np

from rcviz._core.checks import quoted
from rcviz._core.text_files import read_text
from rcviz.motifs.formats.common import (
    counts_to_probabilities,
    format_numbers,
    line_error,
    parse_numbers,
    write_records,
)
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
    motifs: list[Motif] = []
    pending: tuple[int, str, str] | None = None  # line, ID and name of a matrix whose rows are not complete
    rows: dict[str, list[float]] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        words = line.replace("[", " ").replace("]", " ").split()
        if line.startswith(">"):
            if pending:
                break
            name, _, alternative_name = line[1:].strip().partition("\t" if "\t" in line else " ")
            if not name:
                raise line_error(path, number, "a '>' line without a name: write '>ID name'")
            pending = (number, name, alternative_name.strip())
        elif words:
            if not pending:
                raise line_error(path, number, "a row before the first matrix: put '>ID name' above it")
            base, row = _read_row(path, number, words, BASES[len(rows)])
            if base in rows or any(len(row) != len(other) for other in rows.values()):
                raise line_error(path, number, "expected four rows of one length, one for each of A, C, G and T")
            rows[base] = row
            if len(rows) == len(BASES):
                counts = np.array([rows[base] for base in BASES])
                motifs.append(Motif(pending[1], counts_to_probabilities(path, pending[0], counts), pending[2]))
                pending, rows = None, {}
    if pending:
        problem = f"matrix {quoted(pending[1])} has {len(rows)} of 4 rows: the file may be truncated"
        raise line_error(path, pending[0], problem)
    if not motifs:
        raise ValueError(f"{path} has no JASPAR matrix: expected lines '>ID name' and four rows of counts below each")
    return motifs


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
        numbers = format_numbers(motif, n_sites)
        rows = [f"{base}  [ {' '.join(row)} ]\n" for base, row in zip(BASES, numbers, strict=True)]
        return f">{motif.name}\t{motif.alternative_name}".rstrip() + "\n" + "".join(rows)

    write_records(motifs, path, "JASPAR", record, between="\n")


def _read_row(path: str | os.PathLike[str], number: int, words: list[str], base: str) -> tuple[str, list[float]]:
    """Parse the base and numbers of a row; ``base`` is used if the row does not begin with one."""
    if words[0].upper() in tuple(BASES):
        base, words = words[0].upper(), words[1:]
    return base, parse_numbers(path, number, words, "a row of counts")
