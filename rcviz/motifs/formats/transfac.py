"""Motifs in TRANSFAC's text format: two-letter keys, a matrix below ``P0``, records that end with ``//``."""

import os
from collections.abc import Iterable, Iterator

import numpy as np

from rcviz._core.checks import quoted
from rcviz.motifs.formats import common
from rcviz.motifs.formats.common import LineError, Lines
from rcviz.motifs.motif import Motif
from rcviz.sequences.alphabet import BASES

MATRIX = ("P0", "PO")  # older files have the letter O
_NO_DNA = tuple("DEFHIKLMNPQRSVWYU")  # letters of other alphabets behind A, C, G and T


def read_transfac(path: str | os.PathLike[str]) -> list[Motif]:
    """Read all DNA motifs of a TRANSFAC file.

    Counts and frequencies are divided by the sum of their position. Records without a matrix, such as the one with the
    version, are skipped; the ``//`` of the last record may be missing.

    Parameters
    ----------
    path : path-like
        Text, plain or gzipped.

    Returns
    -------
    list of Motif
        In the order of the file. ``name`` is the accession (AC), else the identifier (ID); ``alternative_name`` is the
        factor (NA), else the identifier if it differs from the name.

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
    expected = "TRANSFAC matrix: expected a line 'P0 A C G T', rows below it, and '//'"
    return common.read_records(path, motifs_of, expected)


def motifs_of(lines: Lines) -> Iterator[Motif]:
    """Iterate over the motifs of a TRANSFAC file."""
    names: dict[str, str] = {}
    rows: list[list[float]] = []
    header = first = 0  # line of the matrix header, 0 if the record has none; number of its first row
    is_open = False  # rows belong to the matrix up to the first line with another key
    for number, line in lines:
        key, value = (*line.split(None, 1), "", "")[:2]
        if key == "//" or (header and not is_open and key in ("AC", "ID")):
            if header:
                yield _motif(header, names, rows)
            names, rows, header, is_open = {}, [], 0, False
        if key.upper() in MATRIX:
            bases = value.upper().split()
            if bases[: len(BASES)] != list(BASES) or (len(bases) > len(BASES) and bases[len(BASES)] in _NO_DNA):
                problem = f"expected the bases A C G T, got {quoted(value.strip())}: only DNA motifs can be read"
                raise LineError(number, problem)
            if header:
                raise LineError(number, f"a second matrix below that of line {header}: end each record with '//'")
            header, is_open = number, True
        elif key.isdecimal() and (is_open or not header):
            place = int(key[:18])
            first = first if rows else place
            if not header or place != first + len(rows):
                problem = f"row {key[:20]} is out of place: number rows one by one below 'P0 A C G T'"
                raise LineError(number, problem)
            # The consensus may follow the four numbers.
            rows.append(common.parse_numbers(number, value.split()[: len(BASES)], "four counts", len(BASES)))
        elif key and not key.isdecimal():
            is_open = is_open and not rows
            if key in ("AC", "ID", "NA"):
                names.setdefault(key, value.strip())
    if header:
        yield _motif(header, names, rows)


def write_transfac(
    motifs: Iterable[Motif], path: str | os.PathLike[str], *, n_sites: int | np.integer | None = None
) -> None:
    """Write motifs as a TRANSFAC file, atomically.

    Parameters
    ----------
    motifs : iterable of Motif
        ``name`` becomes accession and identifier, ``alternative_name`` the factor.
    path, n_sites
        As in :func:`rcviz.write_jaspar`, as are the errors; :func:`read_transfac` returns equal motifs.

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
        positions = zip(*common.format_numbers(motif, n_sites), motif.consensus, strict=True)
        lines += [f"{place:02}  {'  '.join(position)}" for place, position in enumerate(positions, start=1)]
        return "\n".join([*lines, "XX", "//", ""])

    common.write_records(motifs, path, "TRANSFAC", record)


def _motif(header: int, by_key: dict[str, str], rows: list[list[float]]) -> Motif:
    names = [by_key[key] for key in ("AC", "ID", "NA") if by_key.get(key)]
    if not names:
        raise LineError(header, "a matrix without a name: put a line 'AC  name' above it")
    if not rows:
        raise LineError(header, "a matrix without rows: number them 01, 02 and so on")
    name, *others = names
    has_other = others and (others[-1] != name or by_key.get("NA"))
    return Motif(name, common.counts_to_probabilities(header, np.array(rows).T), others[-1] if has_other else "")
