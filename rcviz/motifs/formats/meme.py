"""Motifs in MEME's text format, as written and read by tools and databases."""

import os
import re
from collections.abc import Iterable, Iterator

import numpy as np

from rcviz._core.checks import improper_column, is_number, quoted
from rcviz.motifs.formats import common, xml
from rcviz.motifs.formats.common import LineError, Lines
from rcviz.motifs.motif import Motif, normalise_columns
from rcviz.sequences.alphabet import BASES

MATRIX = "letter-probability matrix"


def read_meme(path: str | os.PathLike[str]) -> list[Motif]:
    """Read all DNA motifs of a MEME file.

    Reads minimal files, full outputs and the XML of MEME versions 4 and 5, plain or gzipped; ``alength``, ``w``,
    ``nsites``, background, strands and URL lines are optional. Rows are normalised to an exact sum of 1.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    list of Motif
        In the order of the file, with the first name as ``name`` and the second, if any, as ``alternative_name``.

    Warns
    -----
    UserWarning
        For a motif without a matrix, which is left out.

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
    return common.read_records(path, motifs_of, f"MEME motif: expected 'MOTIF name' and '{MATRIX}: w= ...' lines")


def motifs_of(lines: Lines) -> Iterator[Motif]:
    """Iterate over the motifs of a MEME file."""
    if next((line for _, line in lines if line.strip()), "").lstrip().startswith("<"):
        yield from xml.motifs_of(lines)
        return
    _check_alphabet(lines)
    above, *records = common.blocks(lines, lambda line: line.split(None, 1)[:1] == ["MOTIF"])
    for number, line in above:
        if line.startswith(MATRIX):
            raise LineError(number, "a matrix before the first MOTIF line: put 'MOTIF name' above it")
    for (first, title), *rows in records:
        words = title.split()
        if len(words) < 2:
            raise LineError(first, "a MOTIF line without a name: write 'MOTIF name'")
        _, *matrices = common.blocks(rows, lambda line: line.startswith(MATRIX))
        if not matrices:
            common.warn_without_matrix(first, words[1])
            continue
        if len(matrices) > 1:
            raise LineError(matrices[1][0][0], "a second matrix for one motif: put 'MOTIF name' above it")
        alternative_name = words[2] if len(words) > 2 and words[2] != "width" else ""
        yield Motif(words[1], _read_matrix(matrices[0]), alternative_name)


def _check_alphabet(lines: Lines) -> None:
    """Refuse an alphabet other than that of DNA: one word, or a list of letters, some of them with complements."""
    for place, (number, line) in enumerate(lines):
        words = line.split()
        if line.startswith("ALPHABET="):
            letters = line.partition("=")[2].strip()
            if letters.upper() != BASES:
                problem = f"expected ALPHABET= {BASES}, got {quoted(letters)}: only DNA motifs can be read"
                raise LineError(number, problem)
        elif words[:1] == ["ALPHABET"]:
            below = [line.split() for _, line in lines[place + 1 :]]
            end = next(
                (at for at, row in enumerate(below) if row[:2] == ["END", "ALPHABET"] or row[:1] == ["MOTIF"]), 0
            )
            # A line with "=" names an ambiguous letter; behind "~" is the complement.
            rows = [row for row in below[:end] if row and "=" not in row]
            core = {row[0].upper() for row in rows} | {
                row[row.index("~") + 1].upper() for row in rows if "~" in row[:-1]
            }
            if core != set(BASES):
                listed = ", ".join(sorted(core)) or "none"
                raise LineError(
                    number, f"expected an alphabet of A, C, G and T, got {quoted(listed)}: only DNA motifs can be read"
                )


def write_meme(motifs: Iterable[Motif], path: str | os.PathLike[str]) -> None:
    """Write motifs as a minimal MEME file (version 4), atomically.

    Probabilities are written in full precision, so that :func:`read_meme` returns equal motifs.

    Parameters
    ----------
    motifs, path
        As in :func:`rcviz.write_jaspar`, as are the errors.

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
        return f"{title}\n{MATRIX}: alength= {len(BASES)} w= {motif.width}\n{rows}"

    common.write_records(motifs, path, "MEME", record, head=head, between="\n")


def _read_matrix(lines: Lines) -> np.ndarray:
    """Read the rows below the header, the first line, up to one that does not start with a number."""
    (header, line), *below = lines
    fields = dict(re.findall(r"(\w+)\s*=\s*(\S+)", line))
    if fields.get("alength", "4") != "4":
        problem = f"expected alength= 4, got {quoted(fields['alength'])}: only DNA motifs can be read"
        raise LineError(header, problem)
    rows: list[list[float]] = []
    numbers: list[int] = []
    for number, line in below:
        words = line.split()
        if not words and not rows:
            continue  # some tools write a blank line below the header
        if not words or not is_number(words[0]):
            break
        row = common.parse_numbers(number, words, "four probabilities", len(BASES))
        rows.append(row)
        numbers.append(number)
    if not rows:
        raise LineError(header, "a matrix without rows: the file may be truncated")
    if fields.get("w", str(len(rows))) != str(len(rows)):
        got = quoted(fields["w"])
        raise LineError(header, f"expected w= {len(rows)}, the number of rows, got {got}: correct w or the rows")
    matrix = np.array(rows).T
    wrong = improper_column(matrix)
    if wrong is not None:
        raise LineError(numbers[wrong[0]], wrong[1])
    return normalise_columns(matrix)
