"""Predictions for both strands of any number of sequences, written as a table or a BED file block by block."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
from torch import nn

from rcviz._core.files import atomic_write, check_ending, check_target
from rcviz._core.tables import table_writer, warn_of_formulas
from rcviz.analysis.strands import strand_agreement
from rcviz.models.scale import Scale
from rcviz.sequences.checks import check_not_empty
from rcviz.sequences.export import bed_columns
from rcviz.sequences.fasta import is_fasta
from rcviz.sequences.sequence_set import SequenceSet, as_sequence_set

ENDINGS = (".csv", ".bed", ".parquet")
_AT_ONCE = 8192  # sequences between two writes
_BED_HEADER = "#chrom start end name score strand prediction forward reverse task gap"


def save_predictions(
    model: nn.Module,
    data: Any,
    path: str | os.PathLike[str],
    *,
    output: Scale | None = None,
    task_names: Sequence[str] | None = None,
    batch_size: int = 500,
    progress: bool = True,
) -> pd.DataFrame:
    """Predict both strands of every sequence and write the predictions, atomically and with one block in memory.

    Parameters
    ----------
    model : nn.Module
        As in :func:`rcviz.predict`; it is not modified.
    data : SequenceSet, sequences, or path
        Whatever :func:`rcviz.predict` takes; or the path of a dataset (``SequenceSet.save``) or of a FASTA file of
        sequences of the model's length, plain or gzipped, which are read while they are predicted.
    path : path-like
        Ending in ``.csv``, ``.parquet`` or ``.bed``: one row per sequence and task, with ``name``, ``chrom``, ``start``
        and ``end`` as far as the data has them, ``task``, ``label`` if there are labels, ``forward``, ``reverse``,
        ``prediction`` (the mean of the two strands) and ``gap`` (their absolute difference). A BED file needs
        coordinates; its first six columns are BED6 with 1000 times the probability as score, the others are named in
        its first line.
    output : "probability", "logit" or "value", optional
        Scale, as in :func:`rcviz.predict`.
    task_names : sequence of str, optional
        Names of the model's outputs, where the data has none.
    batch_size : int
    progress : bool
        Show a progress bar if it takes longer than a second.

    Returns
    -------
    DataFrame
        One row per task: ``task``, ``n`` (sequences), ``mean_prediction``, ``mean_gap``, ``max_gap``.

    Raises
    ------
    ValueError
        When the ending is another one, there are no sequences, or they do not fit the model.

    Examples
    --------
    >>> summary = rcviz.save_predictions(model, parts.test, "predictions.csv", progress=False)
    >>> summary.columns.tolist()
    ['task', 'n', 'mean_prediction', 'mean_gap', 'max_gap']
    """
    ending = check_ending(path, ENDINGS)
    is_path = isinstance(data, str | os.PathLike)
    check_target(path, "the predictions", inputs=[data] if is_path else [], ending=ending)
    blocks, n = _blocks(data)
    return _write(model, blocks, n, Path(path), ending, output, task_names, batch_size, progress=progress)


def _write(
    model: nn.Module,
    blocks: Iterable[SequenceSet],
    n: int | None,
    path: Path,
    ending: str,
    output: Scale | None,
    task_names: Sequence[str] | None,
    batch_size: int,
    *,
    progress: bool,
) -> pd.DataFrame:
    from tqdm.auto import tqdm

    sums: dict[str, list[np.ndarray]] = {}
    with (
        atomic_write(path) as temporary,
        _writer(temporary, ending) as write,
        tqdm(desc="predicting", unit=" sequences", total=n, delay=1, disable=not progress) as bar,
    ):
        for number, block in enumerate(blocks):
            _check_length(model, block)
            agreement = strand_agreement(model, block, output=output, batch_size=batch_size)
            if agreement.forward.ndim == 3:
                raise ValueError("the model returns profiles, of which there is no table: use rcviz.predict")
            names = agreement.task_names
            if task_names is not None and block.labels is None:
                if len(task_names) != len(names):
                    raise ValueError(f"expected {len(names)} task_names, one per output, got {len(task_names)}")
                names = tuple(task_names)
            if ending == ".bed":
                bed_columns(block.table)  # refuses a set without coordinates
            table = _table(block, agreement, names)
            if not number and ending == ".csv":
                warn_of_formulas(table, path)
            write(table, agreement.scale)
            for name, forward, reverse in zip(names, agreement.forward.T, agreement.reverse.T, strict=True):
                sums.setdefault(name, []).append(_sums(forward, reverse))
            bar.update(len(block))
    rows = [(name, *_summary(np.stack(parts))) for name, parts in sums.items()]
    return pd.DataFrame(rows, columns=["task", "n", "mean_prediction", "mean_gap", "max_gap"])


def _blocks(data: Any) -> tuple[Iterable[SequenceSet], int | None]:
    """Return the sequences in blocks, and how many there are if that is known."""
    if isinstance(data, str | os.PathLike):
        if is_fasta(data):
            return SequenceSet.stream_fasta(data, _AT_ONCE), None
        data = SequenceSet.load(data, memory_map=True)
    whole = as_sequence_set(data)
    check_not_empty(whole)
    return (whole.subset(slice(at, at + _AT_ONCE)) for at in range(0, len(whole), _AT_ONCE)), len(whole)


def _check_length(model: nn.Module, block: SequenceSet) -> None:
    wanted = getattr(getattr(model, "config", None), "sequence_length", None)
    if isinstance(wanted, int) and block.length != wanted:
        raise ValueError(
            f"the model reads sequences of {wanted:,} bp, but those given have {block.length:,}: cut windows of that "
            f"length, with rcviz windows --width {wanted} or rcviz.peak_windows"
        )


def _table(block: SequenceSet, agreement: Any, names: Sequence[str]) -> pd.DataFrame:
    n_sequences, n_tasks = agreement.forward.shape
    columns: dict[str, Any] = {str(name): np.repeat(values.to_numpy(), n_tasks) for name, values in block.table.items()}
    columns["task"] = np.tile(np.array(names, dtype=object), n_sequences)
    if block.labels is not None:
        columns["label"] = block.labels.ravel()
    columns |= {"forward": agreement.forward.ravel(), "reverse": agreement.reverse.ravel()}
    columns |= {"prediction": _mean(agreement.forward, agreement.reverse).ravel(), "gap": agreement.gap.ravel()}
    return pd.DataFrame(columns)


def _mean(forward: np.ndarray, reverse: np.ndarray) -> np.ndarray:
    mean: np.ndarray = forward + (reverse - forward) / 2
    return mean


def _sums(forward: np.ndarray, reverse: np.ndarray) -> np.ndarray:
    gap = np.abs(forward - reverse).astype(float)
    return np.array([len(forward), _mean(forward, reverse).sum(dtype=float), gap.sum(), gap.max()])


def _summary(parts: np.ndarray) -> tuple[int, float, float, float]:
    n = parts[:, 0].sum()
    return int(n), float(parts[:, 1].sum() / n), float(parts[:, 2].sum() / n), float(parts[:, 3].max())


@contextmanager
def _bed(path: Path) -> Iterator[Any]:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(_BED_HEADER.replace(" ", "\t") + "\n")

        def write(table: pd.DataFrame, scale: Scale) -> None:
            _write_bed(file, table, scale)

        yield write


def _write_bed(file: TextIO, table: pd.DataFrame, scale: Scale) -> None:
    probability = np.clip(np.nan_to_num(table["prediction"].to_numpy(dtype=float)), 0, 1)
    score = np.rint(1000 * probability).astype(int) if scale == "probability" else np.zeros(len(table), dtype=int)
    tasks = table["task"].astype(str).str.replace(r"[\t\r\n]", "_", regex=True)
    numbers = (table[column] for column in ("prediction", "forward", "reverse"))
    rows = zip(*bed_columns(table), score.tolist(), *numbers, tasks, table["gap"], strict=True)
    for chrom, start, end, name, points, mean, forward, reverse, task, gap in rows:
        file.write(f"{chrom}\t{start}\t{end}\t{name}\t{points}\t.\t{mean}\t{forward}\t{reverse}\t{task}\t{gap}\n")


@contextmanager
def _writer(path: Path, ending: str) -> Iterator[Any]:
    if ending == ".bed":
        with _bed(path) as write:
            yield write
    else:
        with table_writer(path, ending) as append:
            yield lambda table, scale: append(table)
