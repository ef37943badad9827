"""Labels of points: checked, and as colours, entries of a legend and a colour bar."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, to_rgba_array
from matplotlib.lines import Line2D

from rcviz._core.checks import as_numbers
from rcviz._core.shapes import Bool, Float
from rcviz.plots._style import dot
from rcviz.plots._ticks import RoomyLocator
from rcviz.plots.colors import NEGATIVE, POSITIVE, UNKNOWN

CLASSES = {"positive": POSITIVE, "negative": NEGATIVE, "unknown": UNKNOWN}
"""Colour of each class of labels on light paper."""


def one_task(name: str, values: Any) -> Float[np.ndarray, " N"]:
    array = as_numbers(name, values)
    if array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    if array.ndim == 2:
        raise ValueError(f"{name} holds {array.shape[1]} tasks, shape {array.shape}: choose one, as in {name}[:, 0]")
    if array.ndim != 1:
        raise ValueError(f"{name} must be of shape (N,) or (N, 1), got {array.shape}")
    return array


def hidden_values(given: Any, values: Float[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
    return (
        np.ma.getmaskarray(given).reshape(values.shape) if np.ma.isMaskedArray(given) else np.zeros(len(values), bool)
    )


def checked_labels(labels: Any, count: int, kind: str) -> Float[np.ndarray, " N"] | None:
    """Return the checked labels; None without any."""
    if labels is None:
        return None
    values = one_task("labels", labels)
    if len(values) != count:
        raise ValueError(f"labels must be one per sequence, got {len(values)} for {count} sequences")
    if np.isinf(values).any():
        raise ValueError("labels must be finite, or NaN (unknown), got an infinite one")
    odd = values[~(np.isnan(values) | np.isin(values, (0, 1)))]
    if odd.size and kind == "binary":
        raise ValueError(
            f"labels must be 1 (positive), 0 (negative) or NaN (unknown), got {odd[0]:g}; pass label_kind='value' for "
            f"labels that are values"
        )
    return values


def label_colors(
    values: Float[np.ndarray, " N"] | None,
    count: int,
    kind: str,
    palette: Mapping[str, Any],
    shades_of_values: ListedColormap,
) -> tuple[Float[np.ndarray, "N 4"], list[Line2D], ScalarMappable | None]:
    """Return the colours of the points, the keys of the legend and, for values, what the colour bar shows."""
    if values is None:
        return to_rgba_array([palette["positive"]] * count), [], None
    shades = None
    groups = [("unknown", np.isnan(values))]
    if kind == "value":
        known = values[~np.isnan(values)]
        if known.size:
            shades = ScalarMappable(Normalize(float(known.min()), float(known.max())), shades_of_values)
    else:
        groups = [("positive", values == 1), ("negative", values == 0), *groups]
    colors = np.empty((count, 4)) if shades is None else shades.to_rgba(values)
    keys = []
    for name, member in groups:
        colors[member] = to_rgba_array(palette[name])[0]
        if member.any():
            label = f"{name}: {int(member.sum()):,}"
            keys.append(
                Line2D([], [], color=palette[name], marker="o", linestyle="none", markersize=dot(6), label=label)
            )
    return colors, keys, shades


def draw_color_bar(ax: Axes, shades: ScalarMappable) -> None:
    """Draw a narrow colour bar of the labels, right of the points."""
    ax.tick_params(axis="y", right=False, labelright=False)  # whatever the caller's settings are
    bar = ax.figure.colorbar(shades, cax=ax.inset_axes((1.03, 0.0, 0.03, 1.0)))
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2)
    bar.locator = RoomyLocator(5)
    bar.set_label("label")
