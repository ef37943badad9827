"""Tables of peaks: BED, narrowPeak and broadPeak files or DataFrames, converted to one form and checked row by row."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rcviz._core.changes import with_default_errors
from rcviz._core.checks import quoted
from rcviz.genome.peak_files import read_fields
from rcviz.genome.peak_formats import is_missing, is_plain_number, whole

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
        A file may be gzipped, a pipe, and have any line ends; comments, ``track`` and ``browser`` lines and empty lines
        are skipped. Fields are separated by tabs, or by spaces in a line without tabs. The format is recognised by what
        the columns hold: narrowPeak (also with columns behind it, as from IDR), broadPeak, gappedPeak, else BED with
        the fifth column as signal if it holds numbers. Other columns, and a second region as from ``bedtools intersect
        -wo``, are not used. A DataFrame needs the columns ``chrom``, ``start``, ``end`` and may have ``summit`` and
        ``signal`` (or their names in bioframe and ENCODE).
    what : str
        Name of a DataFrame in error messages.

    Returns
    -------
    DataFrame, one row per peak, in the order of the source
        ``chrom``, ``start``, ``end`` (zero-based, half-open), ``summit`` (bp from start, -1 if there is none),
        ``signal`` (NaN if there is none).

    Warns
    -----
    UserWarning
        When every summit of a file named .narrowPeak is 0, which some converters write for an unknown one.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the table is empty or a line is not a peak, naming file and line; and for BEDPE, SAF, GFF and the tables of
        HOMER and MACS, by name and with what converts them.

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
    if missing := int(peaks["signal"].isna().sum()):
        lacks = "no signal" if missing == len(peaks) else f"no signal for {missing:,} of them"
        raise ValueError(
            f"{what} has {len(peaks):,} peaks but {lacks} to select the strongest {n:,}: "
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
    chrom = [str(chrom) for chrom in frame["chrom"].to_numpy(dtype=object)]
    return _table(chrom, frame["start"], frame["end"], summit, signal, location)


def _from_file(path: Path) -> "pd.DataFrame":
    fields = read_fields(path)
    table = _table(*fields)
    summits = table["summit"].to_numpy()
    if fields.summit is not None and not summits.any():
        warnings.warn(
            f"{path}: every summit is 0, the start of its peak, which some converters write for an unknown one: write "
            f"-1 for an unknown summit",
            UserWarning,
            stacklevel=4,
        )
    return table


def _whole_numbers(values: Any, name: str, location: Callable[[int], str], *, missing: int | None = None) -> np.ndarray:
    """Convert values to int64; ``missing`` is the number for one that is not there, if there may be such."""
    array = np.asarray(values) if hasattr(values, "dtype") else np.empty(0)
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    numbers = np.empty(len(values), dtype=np.int64)
    for row, value in enumerate(values):
        text = str(value)
        number = missing if missing is not None and is_missing(text) else whole(text)
        if number is None:
            raise ValueError(
                f"{location(row)}: {name} must be a whole number, got {quoted(value)}: {_fix(name, text, row)}"
            )
        numbers[row] = number
    return numbers


def _fix(name: str, text: str, row: int) -> str:
    if row == 0 and text and not any(map(str.isdigit, text)):
        return "put # before a line of column names"
    if "," in text:
        return "write numbers without commas"
    if name == "summit" and row == 0:
        return "if the table is not a narrowPeak, keep only its first three columns"
    return "correct or remove it"


def _numbers(values: Any, location: Callable[[int], str]) -> np.ndarray:
    """Convert signals to floats; NaN for a missing one."""
    numbers = np.full(len(values), np.nan)
    for row, value in enumerate(values):
        text = str(value)
        if not is_missing(text):
            if not is_plain_number(text):
                raise ValueError(f"{location(row)}: signal must be a number, got {quoted(value)}: write . for none")
            numbers[row] = float(text)
    return numbers


def _table(
    chrom: list[str], start: Any, end: Any, summit: Any, signal: Any, location: Callable[[int], str]
) -> "pd.DataFrame":
    """Make the table of peaks; an error names the first peak whose start, end, summit or signal is impossible."""
    import pandas as pd

    start, end = _whole_numbers(start, "start", location), _whole_numbers(end, "end", location)
    summit = (
        np.full(len(chrom), _NO_SUMMIT)
        if summit is None
        else _whole_numbers(summit, "summit", location, missing=_NO_SUMMIT)
    )
    signal = np.nan if signal is None else _numbers(signal, location)

    def refuse(wrong: np.ndarray, sentence: Callable[[int], str]) -> None:
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(f"{location(row)}: {sentence(row)}")

    refuse(np.array([not name.strip() for name in chrom]), lambda row: "the chromosome has no name: fill it in")
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
