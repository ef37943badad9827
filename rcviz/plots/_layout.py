"""Axes that keep all of their text inside their part of the figure, and ticks that fit."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine, TightLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import AutoLocator, FixedLocator, FuncFormatter, MaxNLocator
from matplotlib.transforms import Bbox

from rcviz.plots._text import LINE, cell, text_width

_PAD = 3.0  # points between text and the edge of the Axes' part of the figure
_LEAST = 0.12  # of that part, which the Axes keep in each direction
_PASSES = 3


class InsideCell:
    """Locator of Axes that makes room for their labels and legend where no layout engine does.

    Axes of ``plt.subplots()`` have fixed margins, and what is wider than these would be cut off. Where a layout engine
    is at work nothing is changed.
    """

    def __init__(self) -> None:
        self._trial: Bbox | None = None

    def __call__(self, ax: Any, renderer: Any) -> Bbox:
        """Return where the Axes are drawn, in fractions of the figure."""
        if self._trial is not None:
            return self._trial
        position = ax.get_position(original=True)
        engine = ax.figure.figure.get_layout_engine()
        if renderer is None or isinstance(engine, ConstrainedLayoutEngine | TightLayoutEngine):
            return position
        try:
            return self._fitted(ax, position, renderer)
        finally:
            self._trial = None

    def _fitted(self, ax: Axes, position: Bbox, renderer: Any) -> Bbox:
        room = cell(ax)
        to_figure = ax.figure.transSubfigure.inverted()
        pad = np.abs(np.subtract(*to_figure.transform([(0.0, 0.0), (_PAD * renderer.points_to_pixels(1.0),) * 2])))
        self._trial = position
        for _ in range(_PASSES):
            ax.apply_aspect(self._trial)
            box = ax.get_tightbbox(renderer)
            if box is None:
                break
            used = box.transformed(to_figure)
            beyond = np.array(
                [
                    room.x0 + pad[0] - used.x0,
                    room.y0 + pad[1] - used.y0,
                    used.x1 - room.x1 + pad[0],
                    used.y1 - room.y1 + pad[1],
                ]
            ).clip(min=0.0)
            if not beyond.any():
                break
            x0, y0, x1, y1 = self._trial.extents + beyond * np.array([1, 1, -1, -1])
            x0, x1 = _at_least(x0, x1, _LEAST * room.width)
            y0, y1 = _at_least(y0, y1, _LEAST * room.height)
            self._trial = Bbox.from_extents(x0, y0, x1, y1)
        return self._trial


def _at_least(low: float, high: float, least: float) -> tuple[float, float]:
    if high - low >= least:
        return low, high
    middle = (low + high) / 2
    return middle - least / 2, middle + least / 2


class RoomyLocator(MaxNLocator):
    """Ticks of a numeric x axis, as many as have room for their labels."""

    def __init__(self, most: int = 9, **options: Any) -> None:
        self._most = most
        super().__init__(nbins=most, **options)

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return the positions of the ticks."""
        if self.axis is None:
            return super().tick_values(vmin, vmax)
        low, high = min(vmin, vmax), max(vmin, vmax)
        axis: Any = self.axis
        length, size = _axis_length(axis), _label_size(axis)
        for count in range(self._most, 0, -1):
            self.set_params(nbins=count)
            ticks = super().tick_values(vmin, vmax)
            shown = [tick for tick in ticks if low <= tick <= high]
            texts = axis.get_major_formatter().format_ticks(shown)
            widest = max((text_width(text.strip("$"), size) for text in texts), default=0.0)
            spacing = length * (shown[1] - shown[0]) / (high - low) if len(shown) > 1 and high > low else length
            if widest + 0.6 * size <= spacing:
                break
        return ticks


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


class NamesLocator(FixedLocator):
    """Ticks of named rows: every one, or as many as have room for a line of text."""

    def __call__(self) -> Any:
        """Return the positions of the ticks."""
        axis: Any = self.axis
        locations = np.asarray(super().__call__())
        return locations[:: row_step(axis.axes, len(locations), _label_size(axis))]


def row_step(ax: Axes, count: int, size: float) -> int:
    """Return how many rows share the height of a line of text."""
    height = ax.bbox.height * 72 / ax.figure.figure.dpi
    span = abs(float(np.subtract(*ax.get_ylim()))) or 1.0
    return max(1, math.ceil(0.95 * LINE * size * min(count, span) / max(height, 1e-9) * span / min(count, span)))


class RowText(Text):
    """Text beside a row, which is left out where the rows are too close together to name each."""

    row: int = 0
    rows: int = 1

    def get_visible(self) -> bool:
        """Whether the row has room for its text."""
        if not super().get_visible() or self.axes is None:
            return bool(super().get_visible())
        axes: Any = self.axes
        return self.row % row_step(axes, self.rows, float(self.get_fontsize())) == 0


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Name rows 0, 1, ... at the left, without TeX."""
    ax.set_yticks(range(len(names)), names, parse_math=False)
    locator = NamesLocator(list(range(len(names))))
    ax.yaxis.set_major_locator(locator)
    ax.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: names[round(value)] if 0 <= round(value) < len(names) else "")
    )


def text_beside_rows(ax: Axes, texts: Sequence[str], color: str, size: float) -> list[Text]:
    """Write a text at the right of each row."""
    written: list[Text] = []
    for row, content in enumerate(texts):
        text = RowText(1.02, row, content, transform=ax.get_yaxis_transform(), fontsize=size, color=color, va="center")
        text.row, text.rows = row, len(texts)
        ax.add_artist(text)
        text.set_clip_on(False)  # what is clipped is not measured by layouts
        written.append(text)
    return written


def _axis_length(axis: Any) -> float:
    return float(axis.axes.bbox.width * 72 / axis.axes.figure.figure.dpi)


def _label_size(axis: Any) -> float:
    return float(axis.get_major_ticks(1)[0].label1.get_fontsize())
