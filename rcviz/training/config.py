"""Configuration of a training run, and its two presets (section 3.4)."""

import dataclasses
import re
import sys
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, get_args

from rcviz._core.checks import brief, check_choice, check_positive, check_settings, check_whole, shown

Loss = Literal["bce", "mse", "poisson"]
Monitor = Literal["auroc", "auprc", "loss", "pearson", "spearman", "mse"]
Augmentation = Literal["none", "revcomp"]
Precision = Literal["float32", "bfloat16"]

_MOST = 2**31 - 1  # epochs times samples must be numbers of 64 bits


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that determines a training run besides model and data (section 3.4).

    Parameters
    ----------
    epochs : int
        Largest number of epochs.
    batch_size : int
        Number of samples per step of Adam.
    samples_per_epoch : int
        Number of samples per epoch. The training set is shuffled once; each epoch takes the next samples and starts
        again at the beginning after the last one.
    learning_rate : float
        Learning rate of Adam; its other settings are torch's defaults.
    positive_weight : float
        Factor on the loss of positives, such as the ratio of negatives to positives.
    patience : int, optional
        Stop when the monitored validation metric has not improved for this many epochs; None trains all epochs.
    monitor : "auroc", "auprc", "loss", "pearson", "spearman" or "mse", optional
        Validation metric, averaged over tasks, that selects the best epoch; of equal values the earlier epoch. By
        default ``"auroc"``; ``"loss"`` for values, which have no auROC and auPRC.
    loss : "bce", "mse" or "poisson"
        ``"bce"``: binary cross-entropy of logits, for labels 0 and 1. For labels that are values
        (``label_kind="value"``) and a model that declares values: ``"mse"``, the mean squared error, or ``"poisson"``,
        the negative log-likelihood of counts, where the model's output is the logarithm of the expected count.
    augmentation : "none" or "revcomp"
        ``"revcomp"`` doubles the training set with the reverse complement of every sequence.
    seed : int
        Determines the order of the samples and what dropout draws. Starting weights have the seed of
        :func:`build_model`. The same seed gives the same result, bit for bit, on one machine. Small batches are
        computed with one thread, on any number of cores. Batches with more than 500 million multiply-adds (positions of
        all sequences times weights of the model) use several, at most ``torch.get_num_threads()``; another number
        changes the order of summation, so that weights agree only up to rounding.
    device : str
        ``"auto"`` takes a GPU if there is one; otherwise a torch device such as ``"cpu"`` or ``"cuda:1"``.
    precision : "float32" or "bfloat16"
        ``"bfloat16"`` computes with torch's autocast; weights keep their dtype. It is faster on hardware with bfloat16
        units, and many times slower on CPUs without them (a warning is given).

    Raises
    ------
    ValueError
        If a setting is of the wrong type or out of range.

    Examples
    --------
    >>> import rcviz
    >>> rcviz.TrainConfig.chipseq(epochs=10, seed=3).batch_size
    100
    """

    epochs: int
    batch_size: int
    samples_per_epoch: int = 5000
    learning_rate: float = 1e-3
    positive_weight: float = 1.0
    patience: int | None = None
    monitor: Monitor | None = None
    augmentation: Augmentation = "none"
    seed: int = 0
    device: str = "auto"
    precision: Precision = "float32"
    loss: Loss = "bce"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "samples_per_epoch"):
            check_positive(name, getattr(self, name), most=_MOST)
        if self.patience is not None:
            check_positive("patience", self.patience)
        for name in ("learning_rate", "positive_weight"):
            value = getattr(self, name)
            is_number = isinstance(value, Real) and not isinstance(value, bool)
            if not is_number or not 0 < value <= sys.float_info.max:
                raise ValueError(f"{name} must be a positive number, got {shown(value)}")
        check_whole("seed", self.seed, 0)
        if not isinstance(self.device, str) or not re.fullmatch(
            r"auto|cpu|mps|(cuda|xpu)(:(0|[1-9][0-9]?))?", self.device
        ):
            raise ValueError(f"device must be auto, cpu, cuda, cuda:N or mps, got {shown(self.device)}")
        check_choice("loss", self.loss, get_args(Loss))
        if self.monitor is None:
            object.__setattr__(self, "monitor", "auroc" if self.loss == "bce" else "loss")
        check_choice("monitor", self.monitor, get_args(Monitor))
        if self.monitor not in self.metrics:
            raise ValueError(
                f"monitor must be one of {', '.join(self.metrics)} for loss={self.loss!r}, got {self.monitor!r}"
            )
        if self.loss != "bce" and self.positive_weight != 1:
            raise ValueError(f"positive_weight needs loss='bce', got loss={self.loss!r}: values have no positives")
        check_choice("augmentation", self.augmentation, get_args(Augmentation))
        check_choice("precision", self.precision, get_args(Precision))

    @property
    def metrics(self) -> tuple[Monitor, ...]:
        """Metrics that are recorded in training: those of classes, or of values."""
        return ("auroc", "auprc", "loss") if self.loss == "bce" else ("pearson", "spearman", "mse", "loss")

    @classmethod
    def simulated(cls, **changes: Any) -> "TrainConfig":
        """Section 3.4.1: batches of 500, stop after 10 epochs without a better mean validation auROC."""
        return cls._preset({"epochs": 300, "batch_size": 500, "patience": 10}, changes)

    @classmethod
    def chipseq(cls, **changes: Any) -> "TrainConfig":
        """Section 3.4.2: 80 epochs in batches of 100, positives weighted 5 : 1 (MAX: ``positive_weight=16.5``)."""
        return cls._preset({"epochs": 80, "batch_size": 100, "positive_weight": 5.0}, changes)

    @classmethod
    def from_dict(cls, values: Any) -> "TrainConfig":
        """Undo :func:`dataclasses.asdict`; a ValueError if a setting is missing, unknown or not valid."""
        if not isinstance(values, dict):
            raise ValueError(f"a training configuration must be a mapping, got {type(values).__name__}")
        check_settings("training", values, [field.name for field in dataclasses.fields(cls)])
        try:
            return cls(**values)
        except TypeError as error:  # a setting without default is missing
            raise ValueError(f"a training configuration must be complete: {brief(error)}") from error

    @classmethod
    def _preset(cls, preset: dict[str, Any], changes: dict[str, Any]) -> "TrainConfig":
        check_settings("training", changes, [field.name for field in dataclasses.fields(cls)])
        return cls(**{**preset, **changes})
