"""What a training run recorded, epoch by epoch."""

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rcviz._core.checks import brief
from rcviz._core.files import atomic_write
from rcviz.training.config import TrainConfig


@dataclass(frozen=True)
class Scores:
    """Loss, auROC and auPRC of one split, averaged over tasks."""

    loss: float
    auroc: float
    auprc: float


@dataclass(frozen=True)
class EpochRecord:
    """One finished epoch.

    Attributes
    ----------
    epoch : int
        Counted from one.
    train : Scores
        From the logits that training itself computed, each before the step that learned from it.
    valid : Scores
        Of the whole validation set after the epoch, in evaluation mode.
    best_epoch : int
        The best one so far.
    n_samples : int
        Training samples shown in this epoch.
    seconds : float
        Wall time of the epoch.

    Examples
    --------
    >>> training = rcviz.TrainConfig(epochs=1, batch_size=100, samples_per_epoch=200)
    >>> (record,) = rcviz.train_epochs(model, parts.train, parts.valid, training)
    >>> record.epoch, record.n_samples
    (1, 200)
    """

    epoch: int
    train: Scores
    valid: Scores
    best_epoch: int
    n_samples: int
    seconds: float

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "EpochRecord":
        """Undo :func:`dataclasses.asdict`; anything else is a ValueError."""
        try:
            record = cls(**{**values, "train": Scores(**values["train"]), "valid": Scores(**values["valid"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"it lacks what an epoch has: {brief(error)}") from error
        counted = (record.epoch, record.best_epoch, record.n_samples)
        measured = (*dataclasses.astuple(record.train), *dataclasses.astuple(record.valid), record.seconds)
        if not all(type(value) is int for value in counted) or not all(type(value) is float for value in measured):
            raise ValueError("an epoch is counted and measured in something else than numbers")
        if not 1 <= record.best_epoch <= record.epoch:
            raise ValueError(f"epoch {record.epoch} comes before its best, or is none")
        return record


@dataclass(frozen=True)
class History:
    """All epochs of a training run and the configuration that made them.

    Examples
    --------
    >>> training = rcviz.TrainConfig(epochs=2, batch_size=100, samples_per_epoch=200)
    >>> history = rcviz.fit(model, parts.train, parts.valid, training, progress=False)
    >>> history.table.columns.tolist()
    ['epoch', 'split', 'loss', 'auroc', 'auprc']
    >>> ax = history.plot()
    """

    config: TrainConfig
    records: tuple[EpochRecord, ...]

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights were kept, counted from one."""
        return self.records[-1].best_epoch

    @property
    def best(self) -> EpochRecord:
        """The record of the best epoch."""
        return self.records[self.best_epoch - 1]

    @property
    def table(self) -> pd.DataFrame:
        """Tidy table, see :func:`epoch_table`."""
        return epoch_table(self.records)

    def plot(self, ax: Any = None, *, metric: str = "auroc") -> Any:
        """Draw the learning curves, see :func:`rcviz.plot_history`."""
        from rcviz.plots.training import plot_history

        return plot_history(self.table, ax, metric=metric)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the history as JSON."""
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps({"format": "rcviz.history", **dataclasses.asdict(self)}, indent=1))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "History":
        """Read a history that :meth:`save` wrote."""
        try:
            content = json.loads(Path(path).read_text())
            if content["format"] != "rcviz.history":
                raise KeyError("format")
            return cls(TrainConfig(**content["config"]), epochs_in_order(content["records"]))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{path} is not a history that rcviz wrote ({brief(error)})") from error


def epochs_in_order(content: Any) -> tuple[EpochRecord, ...]:
    """Undo :func:`dataclasses.asdict` for all epochs of a run, the first of which is 1; else a ValueError."""
    if not isinstance(content, list):
        raise ValueError("its epochs are no list")
    records = tuple(EpochRecord.from_dict(record) for record in content)
    if [record.epoch for record in records] != list(range(1, len(records) + 1)):
        raise ValueError("its epochs are not in order")
    return records


def epoch_table(records: Sequence[EpochRecord]) -> pd.DataFrame:
    """One row per epoch and split: epoch, split ("train" or "valid"), loss, auroc, auprc."""
    rows = [
        {"epoch": record.epoch, "split": split, **dataclasses.asdict(scores)}
        for record in records
        for split, scores in (("train", record.train), ("valid", record.valid))
    ]
    return pd.DataFrame(rows, columns=["epoch", "split", "loss", "auroc", "auprc"])
