"""Settings and status of a training monitor, without a front end and without drawing."""

import math
from collections.abc import Callable
from numbers import Integral
from typing import Any

import traitlets

from rcviz._core.checks import check_choice, check_positive
from rcviz.metrics import METRIC_NAMES

SETTINGS = ("architecture", "n_filters", "seed", "learning_rate", "augmentation", "epochs")


class TrainingState(traitlets.HasTraits):
    """The settings of the next run, and the status of the present one.

    Attributes
    ----------
    architecture, n_filters
        As in :class:`ModelConfig`; both are always None for a network that rcviz did not build.
    seed, learning_rate, augmentation, epochs
        As in :class:`TrainConfig`. Settings cannot change during a run.
    metric : str
        Metric of the table of epochs that is drawn.
    status : str
        As :attr:`TrainingSession.status`; "ready" before the first start.
    progress, records
        As in :class:`TrainingSession`, at most a second later.

    Examples
    --------
    >>> state = TrainingState(seed=0, learning_rate=1e-3, augmentation="none", epochs=30)
    >>> state.learning_rate = 0
    Traceback (most recent call last):
    ...
    ValueError: learning_rate must be a positive number, such as 0.001, got 0
    """

    # TraitType, as Any would accept None without a check.
    architecture: Any = traitlets.TraitType(None)
    n_filters: Any = traitlets.TraitType(None)
    seed: Any = traitlets.TraitType()
    learning_rate: Any = traitlets.TraitType()
    augmentation: Any = traitlets.TraitType()
    epochs: Any = traitlets.TraitType()
    metric: Any = traitlets.TraitType("auroc")
    status = traitlets.Any("ready")
    progress = traitlets.Any()
    records = traitlets.Tuple()

    def __init__(self, **settings: Any) -> None:
        self._foreign = settings.get("architecture") is None
        super().__init__(**settings)

    @property
    def active(self) -> bool:
        """Whether a run has started and not ended; it may be paused."""
        return self.status in ("running", "paused", "stopping")

    @traitlets.validate(*SETTINGS, "metric")
    def _fitting(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if self.active and name in SETTINGS:
            raise ValueError(f"{name} cannot change during a training; stop it first")
        if self._foreign and name in ("architecture", "n_filters"):
            if value is not None:
                raise ValueError(
                    f"{name} must be None for a network that rcviz did not build; give the monitor one of build_model"
                )
            return value
        _CHECKS[name](name, value)
        return value


def _whole(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < 0:
        raise ValueError(f"{name} must be a whole number of at least 0, got {value!r}")


def _number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a positive number, such as 0.001, got {value!r}")


_CHECKS: dict[str, Callable[[str, Any], None]] = {
    "architecture": lambda name, value: check_choice(name, value, ("revcomp", "standard")),
    "n_filters": check_positive,
    "seed": _whole,
    "learning_rate": _number,
    "augmentation": lambda name, value: check_choice(name, value, ("none", "revcomp")),
    "epochs": check_positive,
    "metric": lambda name, value: check_choice(name, value, tuple(METRIC_NAMES)),
}
