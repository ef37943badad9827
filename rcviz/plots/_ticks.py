"""Ticks of numeric axes, as many as have room for their labels."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import AutoLocator, MaxNLocator

from rcviz.plots._text import LINE, text_width


class RoomyLocator(MaxNLocator):
    """Ticks of a numeric axis, as many as have room for their labels."""

    def __init__(self, most: int = 9, **options: Any) -> None:
        self._most = most
        super().__init__(nbins=most, **options)

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return the positions of the ticks."""
        if self.axis is None:
            return super().tick_values(vmin, vmax)
        low, high = min(vmin, vmax), max(vmin, vmax)
        axis: Any = self.axis
        across = axis.axis_name == "x"
        length, size = _axis_length(axis), label_size(axis)
        for count in range(self._most, 0, -1):
            self.set_params(nbins=count)
            ticks: Any = super().tick_values(vmin, vmax)
            shown = [tick for tick in ticks if low <= tick <= high]
            spacing = length * (shown[1] - shown[0]) / (high - low) if len(shown) > 1 and high > low else length
            if not across:
                if 0.95 * LINE * size <= spacing:
                    break
                continue
            texts = axis.get_major_formatter().format_ticks(shown)
            widest = max((text_width(text.strip("$"), size) for text in texts), default=0.0)
            if widest + 0.6 * size <= spacing:
                break
        if across and len(shown) > 2 and high > low:
            reach = 0.5 * text_width(texts[0].strip("$"), size) - length * (shown[0] - low) / (high - low)
            if reach > _beside(axis, "y") and _meets_corner(axis.axes, size, _beside(axis, "x")):
                ticks = np.asarray(ticks)[np.asarray(ticks) > shown[0]]
        return ticks


def _beside(axis: Any, name: str) -> float:
    """Return the points between the Axes and the labels of ticks."""
    tick = getattr(axis.axes, f"{name}axis").get_major_ticks(1)[0]
    return float(tick.get_tick_padding() + tick.get_pad())


def _meets_corner(ax: Axes, size: float, below: float) -> bool:
    """Whether the lowest label of the y axis reaches down to the labels of the x axis."""
    low, high = sorted(ax.get_ylim())
    inside = [place for place in ax.yaxis.get_majorticklocs() if low <= place <= high]
    if not inside or not ax.yaxis.get_visible():
        return False
    height = ax.bbox.height * 72 / ax.figure.figure.dpi
    return bool(height * (min(inside) - low) / (high - low) < 0.6 * size - below)


class UpToOneLocator(AutoLocator):
    """Ticks of a metric that is at most 1, where brackets take the room above."""

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return the positions of the ticks."""
        ticks = np.asarray(super().tick_values(vmin, vmax))
        return ticks[ticks < 1 + 1e-9]


class PositionLocator(RoomyLocator):
    """Ticks on whole positions of a logo, none beyond its ends."""

    def __init__(self, first: float, last: float) -> None:
        self._ends = first, last
        super().__init__(12, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return the positions of the ticks."""
        low, high = max(vmin, self._ends[0]), min(vmax, self._ends[1])
        ticks = np.asarray(super().tick_values(low, high))
        return ticks[(ticks >= low) & (ticks <= high)]


def _axis_length(axis: Any) -> float:
    box = axis.axes.bbox
    return float((box.width if axis.axis_name == "x" else box.height) * 72 / axis.axes.figure.figure.dpi)


def label_size(axis: Any) -> float:
    """Return the size of the labels of ticks in points."""
    return float(axis.get_major_ticks(1)[0].label1.get_fontsize())
