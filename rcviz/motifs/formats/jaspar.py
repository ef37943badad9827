"""Motifs below ``>`` lines: JASPAR, and what other tools write in its place, a position per row."""

import os
import re
from collections.abc import Iterable, Iterator

import numpy as np

from rcviz._core.checks import is_number
from rcviz.motifs.formats import common
from rcviz.motifs.formats.common import LineError, Lines
from rcviz.motifs.formats.matrices import is_wide, read_matrix
from rcviz.motifs.motif import Motif
from rcviz.sequences.alphabet import BASES

_HOMER = re.compile(r">([ACGTRYSWKMBDHVN]+)\t([^\t]+)\t([^\t]+)", re.IGNORECASE)


def read_jaspar(path: str | os.PathLike[str]) -> list[Motif]:
    """Read all motifs of a JASPAR file.

    Rows may begin with their base and be in brackets, or be only numbers, in the order A, C, G, T. Matrices with a
    position per row, as of cluster-buster, HOMER and ENCODE, are recognised by their letters, shape and sums. Counts
    and frequencies are divided by the sum of their position.

    Parameters
    ----------
    path : path-like
        Text, plain or gzipped.

    Returns
    -------
    list of Motif
        In the order of the file, with the matrix ID as ``name`` and the text after it as ``alternative_name``; of HOMER
        the name of the motif.

    Raises
    ------
    ValueError
        When the file is not JASPAR text, a matrix is malformed, or it is 4 x 4 and does not tell whether its rows are
        bases or positions, naming file and line.

    Examples
    --------
    >>> import rcviz
    >>> rcviz.write_jaspar([rcviz.load_motif("CTCF_known1")], "motifs.jaspar")
    >>> [motif.name for motif in rcviz.read_jaspar("motifs.jaspar")]
    ['CTCF_known1']
    """
    expected = "JASPAR matrix: expected lines '>ID name' and four rows of counts below each"
    return common.read_records(path, motifs_of, expected)


def is_homer(title: str) -> bool:
    """Return True for the first line of a HOMER motif: consensus, name and a number, separated by tabs."""
    match = _HOMER.match(title)
    return match is not None and is_number(match[3])


def motifs_of(lines: Lines) -> Iterator[Motif]:
    """Iterate over the motifs below ``>`` lines."""
    above, *records = common.blocks(lines, lambda line: line.startswith(">"))
    for number, line in above:
        if line.strip() and not line.startswith("#"):
            raise LineError(number, "a row before the first matrix: put '>ID name' above it")
    # A 4 x 4 matrix is as the others of its file.
    shapes = {is_wide(rows) for _, *rows in records} - {None}
    of_file = shapes.pop() if len(shapes) == 1 else None
    for (first, title), *rows in records:
        if is_homer(title):
            name, alternative_name = title[1:].split("\t")[1].strip(), ""
        else:
            name, _, alternative_name = title[1:].strip().partition("\t" if "\t" in title else " ")
        if not name:
            raise LineError(first, "a '>' line without a name: write '>ID name'")
        matrix = read_matrix(rows, name, first, rows="positions" if is_homer(title) else of_file)
        yield Motif(name, matrix, alternative_name.strip())


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
