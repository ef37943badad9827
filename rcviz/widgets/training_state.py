"""Settings and status of trainings, without a front end and without drawing."""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
import traitlets

from rcviz._core.checks import check_choice, check_positive, shown
from rcviz.metrics import METRIC_NAMES

OF_MODEL = ("architecture", "n_filters")
SETTINGS = (*OF_MODEL, "seed", "learning_rate", "augmentation", "epochs")
_LARGEST_OF_PAGE = 2**53 - 1  # JavaScript rounds larger whole numbers, so that the page has larger seeds as text


class CurvesState(traitlets.HasTraits):
    """What is drawn of learning curves.

    Attributes
    ----------
    metric : str
        Metric of the table of epochs that is drawn.
    hidden : list of int
        Runs that are not drawn, by their number; the first is 1.
    """

    # TraitType, as Any would accept None without a check.
    metric: Any = traitlets.TraitType("auroc")
    hidden = traitlets.List(traitlets.Int(min=1))

    def as_dict(self) -> dict[str, Any]:
        """The choices, as the page has them."""
        return {"metric": self.metric, "hidden": list(self.hidden)}

    @traitlets.validate("metric")
    def _known_metric(self, proposal: Any) -> Any:
        check_choice("metric", proposal["value"], tuple(METRIC_NAMES))
        return proposal["value"]


class TrainingState(CurvesState):
    """The settings of the next run, and the status of the present one.

    Attributes
    ----------
    architecture, n_filters
        As in :class:`ModelConfig`; both are always None for a network that rcviz did not build.
    seed, learning_rate, augmentation, epochs
        As in :class:`TrainConfig`. Settings cannot change during a run.
    metric : str
        Metric of the table of epochs that is drawn.
    hidden : list of int
        Runs that are not drawn, by their number; the first is 1.
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

    architecture: Any = traitlets.TraitType(None)
    n_filters: Any = traitlets.TraitType(None)
    seed: Any = traitlets.TraitType()
    learning_rate: Any = traitlets.TraitType()
    augmentation: Any = traitlets.TraitType()
    epochs: Any = traitlets.TraitType()
    status = traitlets.Any("ready")
    progress = traitlets.Any()
    records = traitlets.Tuple()

    def __init__(self, **settings: Any) -> None:
        self._foreign = settings.get("architecture") is None
        super().__init__(**settings)

    def as_dict(self) -> dict[str, Any]:
        """Settings and choices, as the page has them."""
        settings = {name: getattr(self, name) for name in SETTINGS}
        plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in settings.items()}
        if plain["seed"] > _LARGEST_OF_PAGE:
            plain["seed"] = str(plain["seed"])
        return {**super().as_dict(), **plain}

    @property
    def active(self) -> bool:
        """Whether a run has started and not ended; it may be paused."""
        return self.status in ("running", "paused", "stopping")

    @traitlets.validate(*SETTINGS)
    def _fitting(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if self.active:
            raise ValueError(f"{name} cannot change during a training; stop it first")
        if self._foreign and name in OF_MODEL:
            if value is not None:
                raise ValueError(
                    f"{name} must be None for a network that rcviz did not build; give the monitor one of build_model"
                )
            return value
        if name == "seed" and isinstance(value, str) and value.isdecimal():
            value = int(value)
        _CHECKS[name](name, value)
        return value


def _whole(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < 0:
        raise ValueError(f"{name} must be a whole number of at least 0, got {shown(value)}")


def _number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < math.inf:
        raise ValueError(f"{name} must be a positive number, such as 0.001, got {shown(value)}")


_CHECKS: dict[str, Callable[[str, Any], None]] = {
    "architecture": lambda name, value: check_choice(name, value, ("revcomp", "standard")),
    "n_filters": check_positive,
    "seed": _whole,
    "learning_rate": _number,
    "augmentation": lambda name, value: check_choice(name, value, ("none", "revcomp")),
    "epochs": check_positive,
}
