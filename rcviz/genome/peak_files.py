"""Peak files as text: which lines are peaks, their fields, and errors that name the line.

Lines are split here and not by pandas, so that an error can name the line.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rcviz._core.checks import is_number
from rcviz._core.text_files import read_lines
from rcviz.genome.peak_formats import layout_of, refuse_other_tables, whole

_SAMPLE = 1000  # lines that decide on the format


class PeakFields(NamedTuple):
    """Fields of the peaks as text, and a function that names the line of each; None for a column that is not there."""

    chrom: list[str]
    start: list[str]
    end: list[str]
    summit: list[str] | None
    signal: list[str] | None
    location: Callable[[int], str]


def read_fields(path: Path) -> PeakFields:
    """Read the fields of the peaks in a file; a ValueError for one that is not a table of peaks."""
    kept: list[tuple[int, str]] = []
    fourth_is_signal = False
    for number, line in enumerate(read_lines(path), start=1):
        if line.startswith("##fileformat=VCF"):
            raise ValueError(f"{path}, line {number}: this is VCF, a list of variants and not of peaks")
        if _is_track(line):
            fourth_is_signal = fourth_is_signal or "bedgraph" in line.lower().replace(" ", "")
        elif line.strip() and not line.startswith("#"):
            kept.append((number, line))
    if not kept:
        raise ValueError(f"{path} is empty: expected one peak per line: chromosome, start and end")

    def location(row: int) -> str:
        return f"{path}, line {kept[row][0]}"

    _check_kind(kept[0][1].strip(), location(0))
    rows = _rows([line for _, line in kept], location, kept[0][0])
    refuse_other_tables(path, rows[:_SAMPLE], location(0))
    layout = layout_of(path, rows[:_SAMPLE], location(0))
    signal = 3 if fourth_is_signal and len(rows[0]) == 4 else layout.signal
    if layout.kind == "BED" and len(rows[0]) >= 9:  # a narrowPeak in which a blank stands for a tab
        _check_blanks(kept[0][1], rows[0], location(0), name=None)
    for row, (_, line) in enumerate(kept):
        _check_blanks(line, rows[row], location(row))

    def column(at: int | None) -> list[str] | None:
        return None if at is None else [row[at].strip() for row in rows]

    chrom, start, end = ([row[at].strip() for row in rows] for at in range(3))
    return PeakFields(chrom, start, end, column(layout.summit), column(signal), location)


def _is_track(line: str) -> bool:
    """Return True for a ``track`` or ``browser`` line; a chromosome may have a name that begins so."""
    first, *others = line.split(None, 2) or [""]
    return first in ("track", "browser") and not (others and whole(others[0]) is not None)


def _rows(lines: list[str], location: Callable[[int], str], first_number: int) -> list[list[str]]:
    """Split lines into fields; empty fields at the end are filled up or dropped, so that all have one number."""
    rows = [_fields(line) for line in lines]
    filled = [len(row) - _n_empty(row) for row in rows]
    room, n = len(rows[0]), max(3, *filled)
    for at, row in enumerate(rows):
        if filled[at] > room or len(row) < min(n, room) or len(row) < 3:
            _refuse_fields(lines[at], row, location(at), room, first_number)
        rows[at] = row[:n]
    return rows


def _fields(line: str) -> list[str]:
    fields = line.split("\t") if "\t" in line else line.split()
    if '"' in line:  # as R and spreadsheets write text
        fields = [field.strip()[1:-1] if field.strip()[:1] == field.strip()[-1:] == '"' else field for field in fields]
    return fields


def _n_empty(row: list[str]) -> int:
    n = 0
    while n < len(row) and not row[-1 - n].strip():
        n += 1
    return n


def _check_kind(first: str, where: str) -> None:
    if first.startswith(("@HD\t", "@SQ\t", "@RG\t", "@PG\t", "@CO\t")):
        raise ValueError(f"{where}: this is SAM, aligned reads and not peaks: call peaks first")
    if first.startswith(("fixedStep ", "variableStep ")):
        raise ValueError(f"{where}: this is wiggle, a signal and not peaks: give the file of peaks of the same run")
    if first.startswith("<"):
        raise ValueError(f"{where}: {first[:60]!r} opens an HTML page, not a table of peaks: download the file again")
    if first.startswith(">"):
        raise ValueError(f"{where}: {first[:60]!r} opens a FASTA file, not a table of peaks: swap the two files")


def _check_blanks(line: str, fields: list[str], where: str, *, name: int | None = 3) -> None:
    """Refuse a line that uses both tabs and spaces as separators; only the column ``name`` may contain spaces."""
    if "\t" not in line or " " not in line:
        return
    for at, parts in enumerate(map(str.split, fields)):
        is_position = at < 3 or (at != name and all(part in {".", "+", "-"} or is_number(part) for part in parts))
        if (is_position and len(parts) > 1) or len(fields) < 3:
            raise ValueError(f"{where} mixes tabs and spaces between columns: use one of them")


def _refuse_fields(line: str, fields: list[str], where: str, n_columns: int, first_number: int) -> None:
    if len(fields) < 3:
        _check_blanks(line, fields, where)
        fix = (
            "separate them with tabs" if not fields[0].count(":") else "write chr1:100-200 as three columns, with tabs"
        )
        raise ValueError(f"{where}: expected chromosome, start and end, got {line.strip()[:60]!r}: {fix}")
    _check_blanks(line, fields, where, name=None)
    raise ValueError(
        f"{where} has {len(fields)} columns but line {first_number} has {n_columns}: "
        f"the file may be truncated, or joined from two kinds of files; copy it again"
    )
