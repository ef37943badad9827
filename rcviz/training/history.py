"""Records of a training run, one per epoch."""

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rcviz._core.checks import brief, quoted
from rcviz._core.files import atomic_write
from rcviz.metrics import METRIC_NAMES
from rcviz.training.config import TrainConfig


@dataclass(frozen=True)
class Metrics:
    """Loss, auROC and auPRC of one split, averaged over tasks."""

    loss: float
    auroc: float
    auprc: float


@dataclass(frozen=True)
class ValueMetrics:
    """Loss, Pearson's and Spearman's correlation and mean squared error of one split, averaged over tasks."""

    loss: float
    pearson: float
    spearman: float
    mse: float


@dataclass(frozen=True)
class EpochRecord:
    """One finished epoch.

    Attributes
    ----------
    epoch : int
        Number of the epoch, 1-based.
    train : Metrics, or ValueMetrics where labels are values
        From the logits of the training steps, each computed before the step changed the weights.
    valid : Metrics or ValueMetrics
        From the whole validation set after the epoch, in evaluation mode.
    best_epoch : int
        Number of the best epoch so far, 1-based; of equal values the earlier.
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
    train: Metrics | ValueMetrics
    valid: Metrics | ValueMetrics
    best_epoch: int
    n_samples: int
    seconds: float

    @classmethod
    def from_dict(cls, values: Any) -> "EpochRecord":
        """Undo :func:`dataclasses.asdict`; a ValueError if a field is missing, unknown or of another type."""
        _check_fields("an epoch", values, cls)
        metrics = {}
        for part in ("train", "valid"):
            of_values = isinstance(values[part], dict) and "mse" in values[part]
            kind: Any = ValueMetrics if of_values else Metrics
            _check_fields(part, values[part], kind)
            metrics[part] = kind(**values[part])
        if not 1 <= values["best_epoch"] <= values["epoch"]:
            raise ValueError(f"best_epoch must lie in 1 to {values['epoch']}, got {values['best_epoch']}")
        return cls(**{**values, **metrics})


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
        """Number of the epoch whose weights were kept; the first epoch is 1."""
        return self.records[-1].best_epoch

    @property
    def best(self) -> EpochRecord:
        """The record of the best epoch."""
        return self.records[self.best_epoch - 1]

    @property
    def table(self) -> pd.DataFrame:
        """Tidy table, see :func:`epoch_table`."""
        return epoch_table(self.records)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the learning curves; ``options`` are those of :func:`rcviz.plot_history`."""
        from rcviz.plots.results import draw
        from rcviz.plots.training import plot_history

        return draw(plot_history, self, ax, options)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the history as JSON."""
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps({"format": "rcviz.history", **dataclasses.asdict(self)}, indent=1))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "History":
        """Read a history that :meth:`save` wrote."""
        try:
            content = json.loads(Path(path).read_text())
            if not isinstance(content, dict) or content.get("format") != "rcviz.history":
                raise ValueError('"format" must be "rcviz.history"')
            return cls(TrainConfig.from_dict(content.get("config")), epochs_in_order(content.get("records")))
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"{path} is not a history that rcviz wrote ({brief(error)}); give a file that History.save wrote"
            ) from error


def progress_text(record: EpochRecord) -> str:
    """Describe an epoch for a progress bar."""
    metric = "pearson" if isinstance(record.valid, ValueMetrics) else "auroc"
    value = f"validation {METRIC_NAMES[metric]} {getattr(record.valid, metric):.4f}"
    return f"loss {record.train.loss:.3f}, {value}, best {record.best_epoch}"


def epochs_in_order(content: Any) -> tuple[EpochRecord, ...]:
    """Undo :func:`dataclasses.asdict` for all epochs of a run; a ValueError unless they count 1, 2, 3 ..."""
    if not isinstance(content, list):
        raise ValueError(f'"records" must be a list of epochs, got {type(content).__name__}')
    records = tuple(EpochRecord.from_dict(record) for record in content)
    numbers = [record.epoch for record in records]
    if numbers != list(range(1, len(records) + 1)):
        raise ValueError(f"epochs must be numbered from 1 without a gap, got {quoted(numbers)}")
    return records


def _check_fields(name: str, values: Any, kind: type) -> None:
    """Refuse anything but a mapping that has exactly the fields of a dataclass, numbers of the declared type."""
    if not isinstance(values, dict):
        raise ValueError(f"{name} must be a mapping, got {type(values).__name__}")
    fields = {field.name: field.type for field in dataclasses.fields(kind)}
    if values.keys() != fields.keys():
        raise ValueError(f"{name} must have the fields {', '.join(fields)}, got {quoted(', '.join(values))}")
    for field, expected in fields.items():
        value = values[field]
        if expected in (int, float) and type(value) is not expected:
            raise ValueError(f"{field} of {name} must be {expected.__name__}, got {quoted(value)}")
        if expected is int and value < 1:
            raise ValueError(f"{field} of {name} must be at least 1, got {value}")


def epoch_table(records: Sequence[EpochRecord]) -> pd.DataFrame:
    """One row per epoch and split: epoch, split ("train" or "valid"), loss, auroc, auprc.

    For values: loss, pearson, spearman, mse.
    """
    rows = [
        {"epoch": record.epoch, "split": split, **dataclasses.asdict(metrics)}
        for record in records
        for split, metrics in (("train", record.train), ("valid", record.valid))
    ]
    kind = type(records[0].valid) if records else Metrics
    names = [field.name for field in dataclasses.fields(kind)]
    return pd.DataFrame(rows, columns=["epoch", "split", *names])
