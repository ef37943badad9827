"""Names and texts of rows, as many and as long as have room."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, Formatter

from rcviz.plots._layout import RoomyText
from rcviz.plots._text import LINE, cell, cell_size, distinct_short
from rcviz.plots._ticks import label_size


class NamesFormatter(Formatter):
    """Names of rows, in the form that fits at the moment."""

    def __init__(self, shown: Callable[[], Sequence[str]]) -> None:
        self._shown = shown

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the name of a row."""
        return self.format_ticks([x])[0]

    def format_ticks(self, values: Any) -> list[str]:
        """Return the names of several rows, whose room is measured once."""
        names = self._shown()
        return [names[round(value)] if 0 <= round(value) < len(names) else "" for value in values]


class NamesLocator(FixedLocator):
    """Ticks of named rows: every one, or as many as have room for a line of text."""

    def __call__(self) -> Any:
        """Return the positions of the ticks."""
        axis: Any = self.axis
        locations = np.asarray(super().__call__())
        return locations[:: row_step(axis.axes, len(locations), label_size(axis))]


def row_step(ax: Axes, count: int, size: float) -> int:
    """Return how many rows share the height of a line of text."""
    height = ax.bbox.height * 72 / ax.figure.figure.dpi
    low, high = ax.get_ylim()
    span = abs(float(low - high)) or 1.0
    return max(1, math.ceil(0.95 * LINE * size * min(count, span) / max(height, 1e-9) * span / min(count, span)))


def name_rows(ax: Axes, names: Sequence[str], share: float) -> None:
    """Name rows 0, 1, ... at the left, without TeX, in a share of the width of the Axes' part of the figure."""
    fitted: dict[tuple[float, float], list[str]] = {}

    def shown() -> list[str]:
        size = float(label_size(ax.yaxis))
        key = round(min(share * cell_size(ax)[0], _room_beside(ax)), 1), size
        if key not in fitted:
            fitted.clear()
            fitted[key] = distinct_short(names, *key)
        return fitted[key]

    ax.set_yticks(range(len(names)), shown(), parse_math=False)
    locator = NamesLocator(list(range(len(names))))
    ax.yaxis.set_major_locator(locator)
    ax.yaxis.set_major_formatter(NamesFormatter(shown))


def _room_beside(ax: Axes) -> float:
    """Return the points left of Axes that nobody moves: insets, and those at a place of their own."""
    if ax.get_subplotspec() is not None:
        return math.inf
    room = cell(ax).transformed(ax.figure.transSubfigure)
    return max(ax.bbox.x0 - room.x0, 0.15 * room.width) * 72 / ax.figure.figure.dpi - 8.0


def text_beside_rows(ax: Axes, texts: Sequence[str], color: str, size: float) -> list[Text]:
    """Write a text at the right of each row."""
    written: list[Text] = []
    for row, content in enumerate(texts):
        place: Any = ax.get_yaxis_transform()
        text = RoomyText(content, (1.02, row), xycoords=place, fontsize=size, color=color, va="center")
        text.fits, text.shrinks = partial(_row_fits, row, len(texts)), True
        ax.add_artist(text)
        text.set_clip_on(False)  # what is clipped is not measured by layouts
        written.append(text)
    return written


def _row_fits(row: int, rows: int, text: RoomyText) -> bool:
    axes: Any = text.axes
    return row % row_step(axes, rows, float(text.get_fontsize())) == 0
