"""Several peak files as one set of positives: replicates merged, tasks named, labels by overlap, values as targets."""

import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rcviz._core.checks import shown
from rcviz._core.shapes import Bool, Float32
from rcviz._core.text_files import read_lines
from rcviz.genome.intervals import overlaps, window_intervals
from rcviz.genome.peaks import centers, read_peaks

if TYPE_CHECKING:
    import pandas as pd

_LINES_AT_ONCE = 500_000
_BLOCK_COLUMNS = ["chrom", "start", "end", "value"]


class PeakSets(NamedTuple):
    """Peaks of every task, all of them in one table of positives, and where they are from.

    Attributes
    ----------
    tasks : dict of str to DataFrame
    positives : DataFrame
        The peaks of the first task, then those of each other task that are not centred in a window of an earlier one.
    counts : dict
        Per task, and per replicate, how many peaks were read and kept; empty for one file.
    origin : str, list or dict
        For the provenance.
    """

    tasks: "dict[str, pd.DataFrame]"
    positives: "pd.DataFrame"
    counts: dict[str, dict[str, int]]
    origin: Any

    @property
    def all_peaks(self) -> "pd.DataFrame":
        """The peaks of all tasks, which negatives must not overlap."""
        return _joined(list(self.tasks.values()))


def read_peak_sets(peaks: Any, *, width: int, min_replicates: int, task_name: str | None) -> PeakSets:
    """Read the ``peaks`` of :func:`rcviz.peak_windows`: one source, a list of replicates, or tasks by name."""
    is_mapping = isinstance(peaks, Mapping)
    if is_mapping and task_name is not None:
        raise ValueError("task_name names the task of one set of peaks: leave it out, as peaks has names")
    named = dict(peaks) if is_mapping else {task_name or _task_name(peaks): peaks}
    if not named:
        raise ValueError("peaks is empty: give at least one file of peaks")
    for name in named:
        if not isinstance(name, str) or not name:
            raise ValueError(f"peaks must have the names of tasks as text, got {shown(name)}")
    counts: dict[str, dict[str, int]] = {}
    tasks = {
        name: _read_replicates(source, name if is_mapping else "peaks", min_replicates, counts)
        for name, source in named.items()
    }
    positives = next(iter(tasks.values()))
    for name, table in list(tasks.items())[1:]:
        inside = _centred_in(table, positives, width)
        counts.setdefault(name, {"read": len(table)})["centred_in_other_task"] = int(inside.sum())
        positives = _joined([positives, table.loc[~inside]])
    return PeakSets(tasks, positives, counts, _origin(peaks))


def label_matrix(windows: "pd.DataFrame", sets: PeakSets, width: int) -> Float32[np.ndarray, "windows tasks"]:
    """Label each window 1 in the tasks whose peaks it overlaps, else 0; the only task of a set is always 1."""
    if len(sets.tasks) == 1:
        return np.ones((len(windows), 1), dtype=np.float32)
    intervals = window_intervals(windows, width)
    return np.stack([overlaps(intervals, table) for table in sets.tasks.values()], axis=1).astype(np.float32)


def signal_matrix(windows: "pd.DataFrame", sets: PeakSets, width: int) -> Float32[np.ndarray, "windows tasks"]:
    """Return the signal of the peak of each window; of several tasks the largest of the peaks it overlaps, else 0."""
    for name, table in sets.tasks.items():
        missing = int(np.count_nonzero(~np.isfinite(table["signal"])))
        if missing:
            raise ValueError(
                f"values='signal' needs a finite signal for every peak, but {missing:,} of {len(table):,} of {name} "
                f"have none: give a narrowPeak file, or a bedGraph as values"
            )
    if len(sets.tasks) == 1:
        return windows["signal"].to_numpy(dtype=np.float32)[:, None]
    import bioframe

    values = np.zeros((len(windows), len(sets.tasks)), dtype=np.float32)
    intervals = window_intervals(windows, width).reset_index(drop=True).assign(row=np.arange(len(windows)))
    for task, table in enumerate(sets.tasks.values()):
        table = table.loc[table["chrom"].isin(intervals["chrom"].unique())]
        if len(table) and len(intervals):
            pairs = bioframe.overlap(intervals, table, how="inner", suffixes=("", "_peak"))
            largest = pairs.groupby("row")["signal_peak"].max()
            values[largest.index.to_numpy(dtype=int), task] = largest.to_numpy()
    return values


def mean_of_bedgraph(
    path: str | os.PathLike[str], windows: "pd.DataFrame", width: int, what: str = "values"
) -> Float32[np.ndarray, " windows"]:
    """Average a bedGraph over each window, with 0 where it has no line; read in blocks, as it may be large."""
    import bioframe
    import pandas as pd

    intervals = window_intervals(windows, width).reset_index(drop=True).assign(row=np.arange(len(windows)))
    total = np.zeros(len(intervals))
    n_lines = 0
    for number, lines in _blocks(path):
        try:
            block = pd.read_csv(
                io.StringIO("\n".join(lines)), sep=r"\s+", header=None, names=_BLOCK_COLUMNS,
                usecols=range(4), dtype={"chrom": str, "start": np.int64, "end": np.int64, "value": float},
            )  # fmt: skip
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{path}, from line {number}: expected a bedGraph (chromosome, start, end, value): {str(error)[:100]}"
            ) from error
        if not np.isfinite(block["value"]).all() or (block["end"] <= block["start"]).any():
            row = int(np.argmax(~np.isfinite(block["value"]) | (block["end"] <= block["start"])))
            raise ValueError(f"{path}, about line {number + row}: a bedGraph needs start < end and a finite value")
        n_lines += len(block)
        block = block.loc[block["chrom"].isin(intervals["chrom"].unique())]
        if block.empty or intervals.empty:
            continue
        pairs = bioframe.overlap(intervals, block, how="inner", suffixes=("", "_signal"))
        shared = np.minimum(pairs["end"], pairs["end_signal"]) - np.maximum(pairs["start"], pairs["start_signal"])
        np.add.at(total, pairs["row"].to_numpy(dtype=int), (shared * pairs["value_signal"]).to_numpy(dtype=float))
    if not n_lines:
        raise ValueError(f"{path} ({what}) has no lines: expected a bedGraph of chromosome, start, end and value")
    return (total / width).astype(np.float32)


def _blocks(path: str | os.PathLike[str]) -> Iterable[tuple[int, list[str]]]:
    first, lines = 1, list[str]()
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip() and not line.startswith(("#", "track ", "browser ")):
            first = number if not lines else first
            lines.append(line)
            if len(lines) == _LINES_AT_ONCE:
                yield first, lines
                lines = []
    if lines:
        yield first, lines


def _read_replicates(source: Any, name: str, min_replicates: int, counts: dict[str, dict[str, int]]) -> "pd.DataFrame":
    """Read one source, or merge replicates: peaks of each that overlap none of an earlier one, found in enough."""
    if not isinstance(source, Sequence) or isinstance(source, str | bytes):
        if min_replicates > 1:
            raise ValueError(
                f"min_replicates={min_replicates} needs a list of replicates as peaks, got one: leave it out"
            )
        return read_peaks(source, what=name)
    if not 0 < min_replicates <= len(source):
        raise ValueError(
            f"min_replicates must be from 1 to the number of replicates, {len(source)}, got {min_replicates}"
        )
    tables = [read_peaks(each, what=f"{name}[{at}]") for at, each in enumerate(source)]
    merged = tables[0][:0]
    for at, table in enumerate(tables):
        known = overlaps(table, merged)
        found_in = sum(
            (np.ones(len(table), dtype=int) if other is table else overlaps(table, other).astype(int))
            for other in tables
        )
        kept = ~known & (found_in >= min_replicates)
        counts[f"{name}[{at}]"] = {
            "read": len(table),
            "in_earlier_replicate": int(known.sum()),
            "not_reproducible": int((~known & (found_in < min_replicates)).sum()),
            "kept": int(kept.sum()),
        }
        merged = _joined([merged, table.loc[kept]])
    if merged.empty:
        raise ValueError(
            f"no peak of {name} is in {min_replicates} of {len(source)} replicates: use a smaller min_replicates"
        )
    return merged


def _centred_in(table: "pd.DataFrame", others: "pd.DataFrame", width: int) -> Bool[np.ndarray, " n"]:
    """Mark peaks whose centre is inside a window around one of the others."""
    centre = centers(table)
    at = table[["chrom"]].assign(start=centre, end=centre + 1)
    return overlaps(at, window_intervals(others.assign(window=centers(others) - width // 2), width))


def _joined(tables: "list[pd.DataFrame]") -> "pd.DataFrame":
    import pandas as pd

    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def _origin(source: Any) -> Any:
    if isinstance(source, Mapping):
        return {name: _origin(each) for name, each in source.items()}
    if isinstance(source, Sequence) and not isinstance(source, str):
        return [_origin(each) for each in source]
    return str(source) if isinstance(source, str | os.PathLike) else type(source).__name__


def _task_name(peaks: Any) -> str:
    first = peaks[0] if isinstance(peaks, Sequence) and not isinstance(peaks, str) and peaks else peaks
    if not isinstance(first, str | os.PathLike) or (Path(first).exists() and not Path(first).is_file()):
        return "bound"
    return Path(first).name.split(".")[0] or "bound"


def paths_of(source: Any) -> list[Any]:
    """List the paths in peaks of any form."""
    if isinstance(source, str | os.PathLike):
        return [source]
    parts = source.values() if isinstance(source, Mapping) else source if isinstance(source, list | tuple) else ()
    return [path for part in parts for path in paths_of(part)]
