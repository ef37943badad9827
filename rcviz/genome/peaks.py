"""Tables of peaks: BED, narrowPeak and broadPeak files or DataFrames, converted to one form and checked line by line.

Lines are split here and not by pandas, so that an error can name the line.
"""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rcviz._core.changes import with_default_errors
from rcviz._core.checks import is_number, quoted
from rcviz._core.text_files import read_lines

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("chrom", "start", "end", "summit", "signal")
_NO_SUMMIT = -1
_OTHER_NAMES = {
    "summit": ("summit", "peak", "relSummit"),
    "signal": ("signal", "signalValue", "fc", "score"),
}


@with_default_errors
def read_peaks(source: Any, *, what: str = "peaks") -> "pd.DataFrame":
    """Read peaks from a file or a DataFrame.

    Parameters
    ----------
    source : path or DataFrame
        A file may be gzipped and have any line ends; comments, ``track`` and ``browser`` lines and empty lines are
        skipped. Fields are separated by tabs, or by spaces in a line without tabs. Ten columns are read as narrowPeak,
        nine columns in a file named .broadPeak as broadPeak, any other number as BED, with the fifth column as signal
        if it is a number. A DataFrame needs the columns ``chrom``, ``start``, ``end`` and may have ``summit`` and
        ``signal`` (or their names in bioframe and ENCODE).
    what : str
        Name of a DataFrame in error messages.

    Returns
    -------
    DataFrame, one row per peak, in the order of the source
        ``chrom``, ``start``, ``end`` (zero-based, half-open), ``summit`` (bp from start, -1 if there is none),
        ``signal`` (NaN if there is none).

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the table is empty or a line is not a peak, naming file and line.

    Notes
    -----
    A summit at the end of its peak is accepted: SPP, which called the paper's peaks, writes such summits.

    Examples
    --------
    >>> import rcviz
    >>> rcviz.read_peaks("peaks.narrowPeak")[["chrom", "start", "end", "summit"]].head(2)
      chrom  start   end  summit
    0  chr1    500   700     100
    1  chr1   1500  1700     100
    """
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        return _from_frame(source, what)
    if isinstance(source, str | os.PathLike):
        return _from_file(Path(source))
    raise ValueError(f"{what}: expected the path of a peak file or a DataFrame, got {type(source).__name__}")


def centers(peaks: "pd.DataFrame") -> np.ndarray:
    """Return the position of each summit on its chromosome; the midpoint of a peak without summit."""
    start, end, summit = (peaks[column].to_numpy() for column in ("start", "end", "summit"))
    return start + np.where(summit == _NO_SUMMIT, (end - start) // 2, summit)


def strongest(peaks: "pd.DataFrame", n: int | np.integer | None, *, what: str = "peaks") -> "pd.DataFrame":
    """Keep the ``n`` peaks with the highest signal, or all if there are fewer; of equal ones the first.

    Raises
    ------
    ValueError
        When there are more than ``n`` peaks and they have no signal.
    """
    if n is None or len(peaks) <= n:
        return peaks
    if peaks["signal"].isna().any():
        raise ValueError(
            f"{what} has {len(peaks):,} peaks but no signal to select the strongest {n:,}: "
            f"give a narrowPeak file or a signal column, or n_relaxed=None for all of them"
        )
    return peaks.loc[np.sort(np.argsort(-peaks["signal"].to_numpy(), kind="stable")[:n])].reset_index(drop=True)


def _from_frame(frame: "pd.DataFrame", what: str) -> "pd.DataFrame":
    missing = [column for column in COLUMNS[:3] if column not in frame]
    if missing:
        raise ValueError(
            f"{what}: a DataFrame of peaks needs the columns chrom, start and end, got {', '.join(map(str, frame))}: "
            f"rename them"
        )
    if frame.empty:
        raise ValueError(f"{what}: the DataFrame is empty, expected one row per peak")

    def location(row: int) -> str:
        return f"{what}, row {frame.index[row]}"

    summit, signal = (
        next((frame[name] for name in _OTHER_NAMES[column] if name in frame), None) for column in ("summit", "signal")
    )
    if signal is not None and signal.isna().all():  # as this function returns a table without signals
        signal = None
    chrom = [str(chrom) for chrom in frame["chrom"].to_numpy(dtype=object)]
    return _table(chrom, frame["start"], frame["end"], summit, signal, location)


def _from_file(path: Path) -> "pd.DataFrame":
    kept = [
        (number, line)
        for number, line in enumerate(map(str.rstrip, read_lines(path)), start=1)
        if line.strip() and not line.startswith(("#", "track", "browser"))
    ]
    if not kept:
        raise ValueError(f"{path} is empty: expected one peak per line: chromosome, start and end")

    def location(row: int) -> str:
        return f"{path}, line {kept[row][0]}"

    _check_kind(path, kept[0][1].strip(), location(0))
    first = _fields(kept[0][1])
    _check_blanks(kept[0][1], first, location(0))
    signal, summit = _find_columns(path, kept[0][1], first, location(0))
    wanted = [column for column in (0, 1, 2, summit, signal) if column is not None]
    columns: dict[int | None, list[str]] = {column: [] for column in wanted}
    for row, (_, line) in enumerate(kept):
        fields = _fields(line)
        if " " in line:
            _check_blanks(line, fields, location(row))
        if len(fields) != len(first) or len(fields) < 3:
            _refuse_fields(line, fields, location(row), len(first), kept[0][0])
        for column in wanted:
            columns[column].append(fields[column])
    chrom = [chrom.strip() for chrom in columns[0]]
    # The column of a missing summit or signal is None, for which get() returns None.
    return _table(chrom, columns[1], columns[2], columns.get(summit), columns.get(signal), location)


def _fields(line: str) -> list[str]:
    return line.split("\t") if "\t" in line else line.split()


def _check_kind(path: Path, first: str, where: str) -> None:
    if first.startswith("<"):
        raise ValueError(f"{where}: {first[:60]!r} opens an HTML page, not a table of peaks: download the file again")
    if first.startswith(">"):
        raise ValueError(f"{where}: {first[:60]!r} opens a FASTA file, not a table of peaks: swap the two files")
    if path.suffix.lower() == ".xls" or "abs_summit" in first:
        raise ValueError(
            f"{where}: this is the .xls table of MACS, whose positions are 1-based: "
            f"give the .narrowPeak file of the same MACS run"
        )
    fields = _fields(first)
    if len(fields) >= 8 and not is_number(fields[1]) and is_number(fields[3]) and is_number(fields[4]):
        raise ValueError(
            f"{where}: {first[:60]!r} looks like GFF: convert it to BED (columns 1, 4 minus one, and 5; BED is 0-based)"
        )


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
        raise ValueError(f"{where}: expected chromosome, start and end, got {line[:60]!r}: separate them with tabs")
    _check_blanks(line, fields, where, name=None)
    raise ValueError(
        f"{where} has {len(fields)} columns but line {first_number} has {n_columns}: "
        f"the file may be truncated, or joined from two kinds of files; copy it again"
    )


def _find_columns(path: Path, line: str, row: list[str], where: str) -> tuple[int | None, int | None]:
    """Find the columns of signal and summit from the number of columns, else from the file's name."""
    narrow, broad = ("narrowpeak" in path.name.lower()), ("broadpeak" in path.name.lower())
    if len(row) == 10:
        return 6, 9
    if broad and len(row) == 9:
        return 6, None
    # BED9 has two positions (thickStart, thickEnd) where a narrowPeak has signal and p-value.
    if narrow or (len(row) == 9 and not (row[6].strip().isdigit() and row[7].strip().isdigit())):
        _check_blanks(line, row, where, name=None)
        raise ValueError(
            f"{where} has {len(row)} columns but a narrowPeak has 10, the last of them the summit: "
            f"name a broadPeak file .broadPeak, write -1 if there is no summit, "
            f"or keep only the first three columns"
        )
    return (4 if len(row) > 4 and is_number(row[4]) else None), None


def _whole_numbers(values: Any, name: str, location: Callable[[int], str]) -> np.ndarray:
    array = np.asarray(values) if hasattr(values, "dtype") else np.empty(0)
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    numbers = np.empty(len(values), dtype=np.int64)
    for row, value in enumerate(values):
        try:
            numbers[row] = int(value)
            whole = "_" not in value if isinstance(value, str) else numbers[row] == value
        except (ValueError, OverflowError, TypeError):
            whole = False
        if not whole:
            fix = "correct or remove it"
            if row == 0 and isinstance(value, str) and not any(map(str.isdigit, value)):
                fix = "put # before a line of column names"
            elif row == 0 and name == "summit":
                fix = "if the table is not a narrowPeak, keep only its first three columns"
            raise ValueError(f"{location(row)}: {name} must be a whole number, got {quoted(value)}: {fix}")
    return numbers


def _numbers(values: Any, location: Callable[[int], str]) -> np.ndarray:
    numbers = np.empty(len(values), dtype=np.float64)
    for row, value in enumerate(values):
        try:
            numbers[row] = float(value)
        except (ValueError, TypeError):
            numbers[row] = np.nan
        if not math.isfinite(numbers[row]) or (isinstance(value, str) and "_" in value):
            raise ValueError(f"{location(row)}: signal must be a number, got {quoted(value)}: correct or remove it")
    return numbers


def _table(
    chrom: list[str], start: Any, end: Any, summit: Any, signal: Any, location: Callable[[int], str]
) -> "pd.DataFrame":
    """Make the table of peaks; an error names the first peak whose start, end, summit or signal is impossible."""
    import pandas as pd

    start, end = _whole_numbers(start, "start", location), _whole_numbers(end, "end", location)
    summit = np.full(len(chrom), _NO_SUMMIT) if summit is None else _whole_numbers(summit, "summit", location)
    signal = np.nan if signal is None else _numbers(signal, location)

    def refuse(wrong: np.ndarray, sentence: Callable[[int], str]) -> None:
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(f"{location(row)}: {sentence(row)}")

    refuse(start < 0, lambda row: f"start must be at least 0, got {start[row]}: correct or remove the peak")
    refuse(
        end <= start,
        lambda row: (
            f"end must come after start, got {start[row]} to {end[row]}: positions are 0-based, half-open; "
            f"a peak of one base at {start[row]} ends at {start[row] + 1}"
        ),
    )
    refuse(
        (summit < _NO_SUMMIT) | (summit > end - start),
        lambda row: (
            f"summit {summit[row]} is outside the peak of {end[row] - start[row]} bp: "
            f"it counts from the start of the peak; -1 means no summit"
            + (f"; subtract {start[row]} from this position" if start[row] <= summit[row] <= end[row] else "")
        ),
    )
    return pd.DataFrame(dict(zip(COLUMNS, (chrom, start, end, summit, signal), strict=True)))
