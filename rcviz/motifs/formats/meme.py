"""Motifs in MEME's text format, as written and read by tools and databases."""

import os
import re
from collections.abc import Iterable

import numpy as np

from rcviz._core.checks import quoted
from rcviz._core.text_files import read_text
from rcviz.motifs.formats.common import is_number, line_error, parse_numbers, write_records
from rcviz.motifs.motif import Motif, normalise_columns
from rcviz.sequences.alphabet import BASES

# Databases print as few as two decimals; a larger deviation means counts or scores.
_PRINTED_ROUNDING = 0.02
_MATRIX = "letter-probability matrix"


def read_meme(path: str | os.PathLike[str]) -> list[Motif]:
    """Read all DNA motifs of a MEME file.

    Reads minimal files and full outputs of MEME versions 4 and 5, plain or gzipped; ``alength``, ``w``, ``nsites``,
    background, strands and URL lines are optional. Rows are normalised to an exact sum of 1.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    list of Motif
        In the order of the file, with the first name as ``name`` and the second, if any, as ``alternative_name``.

    Raises
    ------
    ValueError
        When the file is not MEME text or a motif is malformed, naming file and line.

    Examples
    --------
    >>> import rcviz
    >>> rcviz.write_meme([rcviz.load_motif("CTCF_known1")], "motifs.meme")
    >>> [motif.name for motif in rcviz.read_meme("motifs.meme")]
    ['CTCF_known1']
    """
    lines = read_text(path).split("\n")
    motifs: list[Motif] = []
    pending: tuple[int, str, str] | None = None  # line and names of a motif whose matrix has not been read
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if words[:1] == ["MOTIF"]:
            if pending:
                break
            if len(words) < 2:
                raise line_error(path, number, "a MOTIF line without a name: write 'MOTIF name'")
            pending = (number, words[1], words[2] if len(words) > 2 and words[2] != "width" else "")
        elif line.startswith("ALPHABET="):
            letters = line.partition("=")[2].strip()
            if letters != BASES:
                expected = f"expected ALPHABET= {BASES}, got {quoted(letters)}"
                raise line_error(path, number, f"{expected}: only DNA motifs can be read")
        elif line.startswith(_MATRIX):
            if not pending:
                raise line_error(path, number, "a matrix before the first MOTIF line: put 'MOTIF name' above it")
            _, name, alternative_name = pending
            motifs.append(Motif(name, _read_matrix(path, lines, number), alternative_name))
            pending = None
    if pending:
        raise line_error(path, pending[0], f"motif {quoted(pending[1])} has no '{_MATRIX}': the file may be truncated")
    if not motifs:
        raise ValueError(f"{path} has no MEME motif: expected 'MOTIF name' and '{_MATRIX}: w= ...' lines")
    return motifs


def write_meme(motifs: Iterable[Motif], path: str | os.PathLike[str]) -> None:
    """Write motifs as a minimal MEME file (version 4), atomically.

    Probabilities are written in full precision, so that :func:`read_meme` returns equal motifs.

    Parameters
    ----------
    motifs : iterable of Motif
    path : path-like
        Text file with any ending; the folder must exist.

    Raises
    ------
    ValueError
        When there are no motifs, two have the same name, or a name is empty or has spaces.

    Examples
    --------
    >>> import rcviz
    >>> motif = rcviz.load_motif("CTCF_known1")
    >>> rcviz.write_meme([motif], "motifs.meme")
    >>> rcviz.read_meme("motifs.meme") == [motif]
    True
    """
    head = (
        f"MEME version 4\n\nALPHABET= {BASES}\n\nstrands: + -\n\n"
        "Background letter frequencies\nA 0.25 C 0.25 G 0.25 T 0.25\n\n"
    )

    def record(motif: Motif) -> str:
        rows = "".join(" " + " ".join(map(repr, row)) + "\n" for row in motif.probabilities.T.tolist())
        title = f"MOTIF {motif.name} {motif.alternative_name}".rstrip()
        return f"{title}\n{_MATRIX}: alength= {len(BASES)} w= {motif.width}\n{rows}"

    write_records(motifs, path, "MEME", record, head=head, between="\n")


def _read_matrix(path: str | os.PathLike[str], lines: list[str], header: int) -> np.ndarray:
    """Read the rows below line ``header`` (1-based) up to the first line that does not start with a number."""
    fields = dict(re.findall(r"(\w+)\s*=\s*(\S+)", lines[header - 1]))
    if fields.get("alength", "4") != "4":
        got = quoted(fields["alength"])
        raise line_error(path, header, f"expected alength= 4, got {got}: only DNA motifs can be read")

    rows: list[list[float]] = []
    for number, line in enumerate(lines[header:], start=header + 1):
        words = line.split()
        if not words and not rows:
            continue  # some tools write a blank line below the header
        if not words or not is_number(words[0]):
            break
        rows.append(_read_row(path, number, words))
    if not rows:
        raise line_error(path, header, "a matrix without rows: the file may be truncated")
    if "w" in fields and fields["w"] != str(len(rows)):
        got = quoted(fields["w"])
        raise line_error(path, header, f"expected w= {len(rows)}, the number of rows, got {got}: correct w or the rows")
    return normalise_columns(np.array(rows).T)


def _read_row(path: str | os.PathLike[str], number: int, words: list[str]) -> list[float]:
    row = parse_numbers(path, number, words, "four probabilities", len(BASES))
    if not (min(row) >= 0 and abs(sum(row) - 1) <= _PRINTED_ROUNDING):
        got = quoted(" ".join(words))
        raise line_error(path, number, f"expected probabilities that sum to 1, got {got}: divide by the sum")
    return row
