"""The controls of a training monitor, each with a description and a tooltip."""

from collections.abc import Sequence
from typing import Any

import ipywidgets

from rcviz.metrics import METRIC_NAMES


def training_controls(*, built: bool, metrics: Sequence[str]) -> dict[str, Any]:
    """Make the controls, by the name of their setting; a model not ``built`` by rcviz has a fixed architecture."""
    architectures = [("RC", "revcomp"), ("standard", "standard")] if built else [("its own", None)]
    augmentations = [("none", "none"), ("reverse complement", "revcomp")]
    curves = [(METRIC_NAMES[name], name) for name in metrics]
    return {
        "architecture": _choice("Architecture", "RC or standard layers; a change builds a new model", architectures),
        "n_filters": _number("Filters", "Filters of every convolution; a change builds a new model"),
        "seed": _number("Seed", "Seed of the starting weights and of the order of the samples"),
        "learning_rate": _number("Learning rate", "Learning rate of Adam", ipywidgets.FloatText),
        "augmentation": _choice(
            "Augmentation", "Whether to train on the reverse complement of every sequence as well", augmentations
        ),
        "epochs": _number("Epochs", "Largest number of epochs of the next run"),
        "metric": _choice("Curve", "Metric that is drawn over the epochs", curves),
    }


def _look() -> dict[str, Any]:
    return {"layout": ipywidgets.Layout(width="222px"), "style": {"description_width": "100px"}}


def _choice(description: str, tooltip: str, options: list[tuple[str, Any]]) -> Any:
    return ipywidgets.Dropdown(description=description, tooltip=tooltip, options=options, **_look())


def _number(description: str, tooltip: str, kind: Any = ipywidgets.IntText) -> Any:
    return kind(description=description, tooltip=tooltip, **_look())
