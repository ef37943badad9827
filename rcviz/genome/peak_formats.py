"""Formats of peak files, recognised by what the columns hold; the number of columns alone does not distinguish them.

A narrowPeak has a strand, three numbers and a summit that is a whole number; tools append columns to it (IDR,
``bedtools intersect -c``). A second region behind the first (``bedtools intersect -wo``, ``closest``) is not read.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rcviz._core.checks import is_number, quoted

Row = Sequence[str]

_STRANDS = {"+", "-", ".", "*", ""}
_MISSING = {"", ".", "na", "n/a", "nan", "null", "none"}
_MOST = 0.5  # share of lines that decide on the format; the others are then refused by their number
_COUNT = 10
_COUNT_SHARE = 0.02

_TO_BED = "awk -v OFS='\\t' '$3 ~ /^[0-9]+$/ {print $2, $3 - 1, $4, $1}' FILE > peaks.bed"
_MACS = (
    "this is the .xls table of MACS, whose positions are 1-based: "
    "give the .narrowPeak file of the same MACS run, or its .broadPeak file"
)
_HOMER = (
    "this is a peak file of HOMER, whose positions are 1-based: convert it with pos2bed.pl FILE > peaks.bed, "
    f"or without HOMER with {_TO_BED}"
)


class Layout(NamedTuple):
    """Name of a format, and which columns have the signal and the summit, if any; 0-based."""

    kind: str
    signal: int | None = None
    summit: int | None = None


def is_missing(text: str) -> bool:
    """Return True for a field without a value, as ``.`` or ``NA``."""
    return text.strip().lower() in _MISSING


def is_plain_number(text: str) -> bool:
    """Return True for a number without ``_``, which Python alone accepts."""
    return is_number(text) and "_" not in text


def whole(text: str) -> int | None:
    """Parse a whole number of 64 bits, also as R writes it (``1e+05``, ``40.0``); None if it is none."""
    try:
        number = int(text)
    except ValueError:
        value = float(text) if is_plain_number(text) else 0.5
        if abs(value) > 2**53 or value != value or not value.is_integer():
            return None
        number = int(value)
    return number if "_" not in text and abs(number) < 2**63 else None


def layout_of(path: Path, rows: Sequence[Row], where: str) -> Layout:
    """Find the format of lines that all have the same number of columns; ``where`` is the place of the first."""
    name = path.name.lower()
    narrow, broad = "narrowpeak" in name, "broadpeak" in name
    if at := _second_region(rows):
        rows = [row[:at] for row in rows]
    n = len(rows[0])
    if narrow and n < 10:
        raise ValueError(
            f"{where} has {n} columns{' before a second region' if at else ''} but a narrowPeak has 10, the last of "
            f"them the summit: name a broadPeak file .broadPeak and any other table of regions .bed"
        )
    has_strand = n > 5 and _mostly(rows, lambda row: row[5].strip() in _STRANDS)
    score = 4 if (n == 5 or has_strand) and _has_numbers(rows, 4) else None
    bed = Layout("BED", score)
    if n >= 12 and not narrow and all(map(_has_blocks, rows)):
        return Layout("gappedPeak", 12) if n == 15 and _has_numbers(rows, 12) else bed
    if n < 9 or not has_strand:
        if narrow:
            raise ValueError(
                f"{where}: column 6 of a narrowPeak is a strand (+, - or .), got {quoted(rows[0][5])}: name the file "
                f".bed if it is another table of regions"
            )
        return bed
    if not (narrow or broad) and all(map(_is_thick, rows)):
        return bed
    signal = 6 if any(not is_missing(row[6]) for row in rows) else None
    if n >= 10 and (narrow or (not broad and _are_narrow(rows))):
        if not narrow:
            _refuse_counts(rows, where)
        return Layout("narrowPeak", signal, 9)
    if _mostly(rows, lambda row: _n_numbers(row) == 3):
        return Layout("broadPeak", signal if signal is not None else score)
    return bed


def _mostly(rows: Sequence[Row], holds: Callable[[Row], bool]) -> bool:
    return sum(map(holds, rows)) >= _MOST * len(rows)


def _has_numbers(rows: Sequence[Row], column: int) -> bool:
    """Return True for a column of numbers, of which some may be missing but not all."""
    texts = [row[column] for row in rows if not is_missing(row[column])]
    return bool(texts) and all(map(is_plain_number, texts))


def _n_numbers(row: Row) -> int:
    """Count the numbers in the columns of signal, p-value and q-value, where they may be missing."""
    return sum(is_missing(text) or is_plain_number(text) for text in row[6:9])


def _are_narrow(rows: Sequence[Row]) -> bool:
    return (
        _mostly(rows, lambda row: (is_missing(row[9]) or whole(row[9]) is not None) and _n_numbers(row) >= 2)
        and not all(map(_is_joined_to_nothing, rows))
        and not _is_broad_idr(rows)
    )


def _second_region(rows: Sequence[Row]) -> int | None:
    """Find the column where a second region on the same chromosome begins; missing ones are ``. -1 -1``."""
    for at in (3, 4, 5, 6, 9):
        if at + 2 >= len(rows[0]):
            break
        joined = [row for row in rows if list(row[at : at + 3]) != [".", "-1", "-1"]]
        if joined and all(row[at] == row[0] and _is_region(row[at + 1], row[at + 2]) for row in joined):
            return at
    return None


def _is_region(start: str, end: str) -> bool:
    first, last = whole(start), whole(end)
    return first is not None and last is not None and 0 <= first < last


def _is_joined_to_nothing(row: Row) -> bool:
    """Return True for a BED6 line without an overlap, as ``bedtools intersect -wao`` writes it."""
    return list(row[6:10]) == [".", "-1", "-1", "0"]


def _has_blocks(row: Row) -> bool:
    """Return True for BED12: a number of blocks, and as many sizes and starts."""
    sizes, starts = (row[column].strip().rstrip(",").split(",") for column in (10, 11))
    blocks = whole(row[9])
    return blocks == len(sizes) == len(starts) and all(whole(text) is not None for text in (*sizes, *starts))


def _is_thick(row: Row) -> bool:
    """Return True for the thick part and the colour of BED9: two positions in the region, or none."""
    first, last, begin, end = (whole(row[column]) for column in (6, 7, 1, 2))
    color = [whole(part) for part in row[8].strip().rstrip(",").split(",")]
    if not (is_missing(row[8]) or (len(color) in (1, 3) and all(part is not None for part in color))):
        return False
    if is_missing(row[6]) and is_missing(row[7]):
        return len(row) == 9
    if first is None or last is None or begin is None or end is None:
        return False
    return begin <= first <= last <= end or (first == last == 0 and len(row) == 9)


def _is_broad_idr(rows: Sequence[Row]) -> bool:
    """Return True for IDR of broadPeaks: 17 columns with the regions of two replicates, and no summit."""
    return len(rows[0]) == 17 and all(_is_region(row[11], row[12]) and _is_region(row[14], row[15]) for row in rows)


def _refuse_counts(rows: Sequence[Row], where: str) -> None:
    """Refuse a last column that is a count behind a broadPeak rather than a summit: small in every peak."""
    parsed = [[whole(row[column]) for column in (9, 1, 2)] for row in rows]
    known = [(row[0], row[2] - row[1]) for row in parsed if None not in row and row[0] != -1]  # type: ignore[operator]
    if known and all(0 <= at <= min(_COUNT, _COUNT_SHARE * width) for at, width in known):  # type: ignore[operator]
        raise ValueError(
            f"{where}: column 10 is the summit in a narrowPeak, but here it is at most {_COUNT} in every line, like a "
            f"count: name the file .narrowPeak if these are summits, or remove the column, for example with cut -f1-9"
        )


def refuse_other_tables(path: Path, rows: Sequence[Row], where: str) -> None:
    """Refuse tables that are not BED, by the name of their format and with what converts them."""
    first = [text.strip() for text in rows[0]]
    lower = [text.lower() for text in first]
    n = len(first)
    if path.suffix.lower() == ".xls" or lower[:4] == ["chr", "start", "end", "length"] or "abs_summit" in lower:
        raise ValueError(f"{where}: {_MACS}")
    if lower[:1] == ["seqnames"] or lower[1:2] == ["seqnames"]:
        raise ValueError(
            f"{where}: this is a table of R (GRanges), whose positions are 1-based: write it in R with "
            f"rtracklayer::export(peaks, 'peaks.bed')"
        )
    if lower[0] in ("geneid", "gene_id") and lower[1:4] == ["chr", "start", "end"]:
        raise ValueError(f"{where}: this is SAF, whose positions are 1-based: convert it with {_TO_BED}")
    if lower[0].startswith("peakid"):
        raise ValueError(f"{where}: {_HOMER}")
    if n >= 4 and whole(first[1]) is None and all(whole(text) is not None for text in first[2:4]):
        _refuse_shifted(first, where)
    if n >= 8 and not is_number(first[1]) and is_number(first[3]) and is_number(first[4]):
        raise ValueError(
            f"{where}: {' '.join(first)[:60]!r} looks like GFF: convert it to BED (columns 1, 4 minus one, and 5; BED "
            f"is 0-based)"
        )
    if n >= 8 and all(_is_macs(row) for row in rows):
        raise ValueError(f"{where}: {_MACS}")
    if _is_bedpe(path, rows):
        raise ValueError(
            f"{where}: this is BEDPE, pairs of regions: keep the columns of the one that you mean, with cut -f1-3 or "
            f"cut -f4-6"
        )


def _refuse_shifted(first: list[str], where: str) -> None:
    """Refuse lines whose chromosome is in the second column."""
    strand = first[4] if len(first) > 4 else ""
    if strand in ("+", "-", ".", "0", "1"):
        if len(first) > 5:
            raise ValueError(f"{where}: {_HOMER}")
        raise ValueError(
            f"{where}: this is SAF or a peak file of HOMER, whose positions are 1-based: convert it with {_TO_BED}"
        )
    raise ValueError(
        f"{where}: expected the chromosome in column 1, got {quoted(first[0])}, and the chromosome in column 2 (tables "
        f"of the UCSC database begin with a column 'bin'): remove the first column with cut -f2-"
    )


def _is_macs(row: Row) -> bool:
    """Return True for a line of MACS' .xls without its header: column 4 is the length of a 1-based region."""
    start, end, length = (whole(text) for text in row[1:4])
    if start is None or end is None or length is None or length != end - start + 1:
        return False
    return all(is_plain_number(text) for text in row[4:8])


def _is_bedpe(path: Path, rows: Sequence[Row]) -> bool:
    n, chroms = len(rows[0]), {row[0] for row in rows}
    if n < 6 or not all(_is_pair(row, chroms) for row in rows):
        return False
    if path.name.lower().removesuffix(".gz").endswith(".bedpe"):
        return True
    if n >= 10 and all(row[8].strip() in _STRANDS and row[9].strip() in _STRANDS for row in rows):
        return True
    # A second region that bedtools intersect appends overlaps the first; anchors of a loop do not.
    return n <= 8 and not any(map(_overlap, rows))


def _is_pair(row: Row, chroms: set[str]) -> bool:
    if list(row[3:6]) == [".", "-1", "-1"]:
        return True
    return (row[3] in chroms or row[3].startswith("chr")) and _is_region(row[4], row[5])


def _overlap(row: Row) -> bool:
    start, end, other, other_end = (whole(row[column]) or 0 for column in (1, 2, 4, 5))
    return row[0] == row[3] and start < other_end and other < end
