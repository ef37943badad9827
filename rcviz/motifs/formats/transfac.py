"""Motifs in TRANSFAC's text format: two-letter keys, a matrix below ``P0``, records closed by ``//``."""

import os
from collections.abc import Iterable

import numpy as np

from rcviz._core.checks import quoted
from rcviz._core.text_files import read_text
from rcviz.motifs.formats.common import as_probabilities, error, numbers_of, write_each, written_numbers
from rcviz.motifs.motif import Motif
from rcviz.sequences.alphabet import BASES

_MATRIX = ("P0", "PO")  # older files have the letter


def read_transfac(path: str | os.PathLike[str]) -> list[Motif]:
    """Read all DNA motifs of a TRANSFAC file.

    Counts and frequencies alike are divided by the sum of their position. Records without a matrix, such as the one
    that states the version, are passed over.

    Parameters
    ----------
    path : path-like
        Text, plain or gzipped.

    Returns
    -------
    list of Motif
        In the order of the file. ``name`` is the accession (AC), else the identifier (ID); ``alternative_name`` is the
        factor (NA), else an identifier that differs from the name.

    Raises
    ------
    ValueError
        When the file is not TRANSFAC text or a matrix is malformed, naming file and line.

    Examples
    --------
    >>> import rcviz
    >>> rcviz.write_transfac([rcviz.load_motif("CTCF_known1")], "motifs.transfac")
    >>> [motif.name for motif in rcviz.read_transfac("motifs.transfac")]
    ['CTCF_known1']
    """
    motifs: list[Motif] = []
    said: dict[str, str] = {}
    rows: list[list[float]] = []
    header = first = 0  # line of the matrix's letters, in a record that has one; number of its first row
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        key, value = (*line.split(None, 1), "", "")[:2]
        if key in _MATRIX:
            if value.split() != list(BASES):
                got = quoted(value.strip())
                raise error(path, number, f"expected the bases A C G T, got {got}; only DNA can be read")
            header = number
        elif key.isdecimal():
            place = int(key[:18])
            first = first if rows else place
            if not header or place != first + len(rows):
                raise error(
                    path, number, f"row {key[:20]} is out of place; rows are numbered one by one below 'P0 A C G T'"
                )
            rows.append(_read_row(path, number, value.split()))
        elif key == "//":
            if header:
                motifs.append(_motif(path, header, said, rows))
            said, rows, header = {}, [], 0
        elif key in ("AC", "ID", "NA"):
            said.setdefault(key, value.strip())
    if header:
        raise error(path, header, "no '//' closes the record of this matrix; the file may be cut off")
    if not motifs:
        raise ValueError(f"{path} holds no TRANSFAC matrix: expected a line 'P0 A C G T', rows below it, and '//'")
    return motifs


def write_transfac(
    motifs: Iterable[Motif], path: str | os.PathLike[str], *, n_sites: int | np.integer | None = None
) -> None:
    """Write motifs as a TRANSFAC file, whole or not at all.

    Parameters
    ----------
    motifs : iterable of Motif
        ``name`` becomes accession and identifier, ``alternative_name`` the factor.
    path, n_sites
        As in :func:`rcviz.write_jaspar`; :func:`read_transfac` reads probabilities back to the last bit.

    Raises
    ------
    ValueError
        For motifs whose names a file cannot hold, as :func:`rcviz.write_jaspar` does.

    Examples
    --------
    >>> import rcviz
    >>> motif = rcviz.load_motif("CTCF_known1")
    >>> rcviz.write_transfac([motif], "motifs.transfac")
    >>> rcviz.read_transfac("motifs.transfac") == [motif]
    True
    """

    def record(motif: Motif) -> str:
        lines = [f"AC  {motif.name}", "XX", f"ID  {motif.name}", "XX"]
        if motif.alternative_name:
            lines += [f"NA  {motif.alternative_name}", "XX"]
        lines.append("P0  " + "  ".join(BASES))
        positions = zip(*written_numbers(motif, n_sites), motif.consensus, strict=True)
        lines += [f"{place:02}  {'  '.join(position)}" for place, position in enumerate(positions, start=1)]
        return "\n".join([*lines, "XX", "//", ""])

    write_each(motifs, path, "TRANSFAC", record)


def _motif(path: str | os.PathLike[str], header: int, said: dict[str, str], rows: list[list[float]]) -> Motif:
    names = [said[key] for key in ("AC", "ID", "NA") if said.get(key)]
    if not names:
        raise error(path, header, "a matrix without a name; put a line 'AC  name' above it")
    if not rows:
        raise error(path, header, "a matrix without rows; number them 01, 02 and so on")
    name, *others = names
    tells = others and (others[-1] != name or said.get("NA"))
    return Motif(name, as_probabilities(path, header, np.array(rows).T), others[-1] if tells else "")


def _read_row(path: str | os.PathLike[str], number: int, words: list[str]) -> list[float]:
    """Four numbers, behind which may stand the consensus."""
    return numbers_of(path, number, words[: len(BASES)], "four counts", len(BASES))
