"""Axes that keep all of their text inside their part of the figure, and ticks that fit."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine, TightLayoutEngine
from matplotlib.legend import Legend
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from rcviz.plots._legend import tight_box
from rcviz.plots._text import LINE, cell, points, shortened, text_width, wrapped
from rcviz.plots._ticks import label_size

_PAD = 3.0  # points between text and the edge of the Axes' part of the figure
_LEAST = 0.12  # of that part, which the Axes keep in each direction
_PASSES = 3
_ATTEMPTS = 2  # where the first one ends with text beyond the edge, as type and legend became smaller on the way
_ROOMY = 22.0  # sizes of the type: a larger part of the figure has room for every plot's labels
_DATA_SHARE = 0.3  # of the part of the figure, for which the type becomes smaller
_LEAST_POINTS = 3.0
_SMALLEST_TYPE = 0.45  # of the size that was asked for


class InsideCell:
    """Locator of Axes that makes room for their labels and legend where no layout engine does.

    Axes of ``plt.subplots()`` have fixed margins, and what is wider than these would be cut off. Where a layout engine
    is at work the Axes stay where it puts them. In both cases labels and title move along the Axes into their part of
    the figure, and their type becomes smaller where it would leave no room for the data. What the caller has placed or
    sized since then is not touched.
    """

    def __init__(self, ax: Axes) -> None:
        self._axes = ax
        self._trial: Bbox | None = None
        self._moved: dict[str, tuple[float, float]] = {}
        self._sizes: dict[Any, tuple[float, float]] = {}
        self._pad = 2 * _PAD
        self._small = False
        self._last: tuple[Any, Bbox] | None = None
        self.title: tuple[str, str] = "", ""
        """Title in full, and as it was written last."""

    def get_subplotspec(self) -> Any:
        """Return the place in the grid, for which tight_layout asks."""
        return self._axes.get_subplotspec()

    def __call__(self, ax: Any, renderer: Any) -> Bbox:
        """Return where the Axes are drawn, in fractions of the figure."""
        if self._trial is not None:
            return self._trial
        position = ax.get_position(original=True)
        if renderer is None:
            return position
        group = twins(self._axes)
        for twin in group:
            if twin.get_axes_locator() is None:
                twin.set_axes_locator(self)
        engine = ax.figure.figure.get_layout_engine()
        last, self._last = self._last, None
        if last is not None and last[0] == self._state(position, renderer):
            return last[1]
        if isinstance(engine, TightLayoutEngine):  # tight_layout() leaves wide margins, and then no engine
            self._pad = 2.2 * points("font.size")
        fixed = isinstance(engine, ConstrainedLayoutEngine | TightLayoutEngine)
        try:
            for _ in range(_ATTEMPTS):
                self._trial = position
                self._fit_type(renderer)
                fits = not fixed and self._fit(group, renderer)
                if self._small and not fits:  # matplotlib places labels where it measures them
                    tight_box(self._axes, renderer)
                self._move_labels(renderer)
                if fits or fixed:
                    break
            trial: Any = self._trial
            self._last = self._state(position, renderer), trial
            return trial
        finally:
            self._trial = None

    def _state(self, position: Bbox, renderer: Any) -> tuple[Any, ...]:
        """Return what a draw asks for twice: once for all Axes of the figure, and once before these are drawn.

        The second answer is the first one. It is given once, so that no draw uses that of an earlier draw for what it
        draws, whatever has changed since.
        """
        ax = self._axes
        figure, legend = ax.figure.figure, ax.get_legend()
        texts = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts, *(legend.get_texts() if legend else [])]
        return (
            position.bounds,
            cell(ax).bounds,
            tuple(figure.bbox.size),
            figure.dpi,
            renderer.points_to_pixels(1.0),
            type(figure.get_layout_engine()),
            len(twins(ax)),
            ax.get_xlim(),
            ax.get_ylim(),
            label_size(ax.xaxis),
            label_size(ax.yaxis),
            ax.title.get_position()[0],
            ax.xaxis.label.get_position()[0],
            ax.yaxis.label.get_position()[1],
            [(text.get_text(), text.get_fontsize()) for text in texts],
        )

    def _fit(self, group: Sequence[Axes], renderer: Any) -> bool:
        """Move the edges of the Axes inwards until all of their text lies in their part; return whether it does."""
        ax = self._axes
        room = cell(ax)
        to_figure = ax.figure.transSubfigure.inverted()
        pad = np.abs(np.subtract(*to_figure.transform([(0.0, 0.0), (_PAD * renderer.points_to_pixels(1.0),) * 2])))
        for _ in range(_PASSES):
            self._move_labels(renderer)
            boxes = [box for each in group if (box := tight_box(each, renderer)) is not None]
            trial: Any = self._trial
            if not boxes:
                return True
            used = Bbox.union(boxes).transformed(to_figure)
            beyond = np.array(
                [
                    room.x0 + pad[0] - used.x0,
                    room.y0 + pad[1] - used.y0,
                    used.x1 - room.x1 + pad[0],
                    used.y1 - room.y1 + pad[1],
                ]
            ).clip(min=0.0)
            if not beyond.any():
                return True
            x0, y0, x1, y1 = trial.extents + beyond * np.array([1, 1, -1, -1])
            x0, x1 = _at_least(x0, x1, _LEAST * room.width, room.x0, room.x1)
            y0, y1 = _at_least(y0, y1, _LEAST * room.height, room.y0, room.y1)
            self._trial = Bbox.from_extents(x0, y0, x1, y1)
        return False

    def _fit_type(self, renderer: Any) -> None:
        """Make the type smaller where title, labels and ticks would take most of the part of the figure."""
        ax = self._axes
        room = cell(ax).transformed(ax.figure.transSubfigure)
        self._scale_type(1.0)
        needed = _ROOMY * renderer.points_to_pixels(ax.xaxis.label.get_fontsize())
        self._small = min(room.width, room.height) < needed
        if not self._small:
            return
        box = tight_box(ax, renderer, layout_only=True)
        if box is None:
            return
        legend = ax.get_legend()
        below = 0.0
        if legend is not None and legend.get_visible():
            below = max(0.0, min(Legend.get_window_extent(legend, renderer).height, box.height - ax.bbox.height))
        pad = renderer.points_to_pixels(self._pad)
        across = (box.width - ax.bbox.width) / max((1 - _DATA_SHARE) * room.width - pad, 1.0)
        up = (box.height - ax.bbox.height - below) / max((1 - _DATA_SHARE) * room.height - pad - below, 1.0)
        if max(across, up) > 1:
            self._scale_type(max(1 / max(across, up), _SMALLEST_TYPE))

    def _scale_type(self, factor: float) -> None:
        ax = self._axes
        for text in (ax.title, *(each for each in ax.texts if isinstance(each, RoomyText) and each.shrinks)):
            self._scale(text, float(text.get_fontsize()), factor, text.set_fontsize)
        for each in (ax, *(child for child in ax.child_axes if child.get_label() == "<colorbar>")):
            for name, axis in (("x", each.xaxis), ("y", each.yaxis)):
                self._scale(axis.label, float(axis.label.get_fontsize()), factor, axis.label.set_fontsize)
                change = partial(_set_label_size, each, name)
                self._scale((each, name), label_size(axis), factor, change)

    def _scale(self, key: Any, size: float, factor: float, change: Callable[[float], Any]) -> None:
        given, ours = self._sizes.get(key, (size, size))
        if not math.isclose(size, ours):
            given = size  # the caller has chosen another
        self._sizes[key] = given, factor * given
        if not math.isclose(size, factor * given):
            change(factor * given)

    def _move_labels(self, renderer: Any) -> None:
        """Move title and labels along the Axes into the part of the figure."""
        ax = self._axes
        trial: Any = self._trial
        ax.apply_aspect(trial)
        room = cell(ax).transformed(ax.figure.transSubfigure).padded(-renderer.points_to_pixels(0.5 * _PAD))
        left, right = room.x0, room.x1
        per_point, size = renderer.points_to_pixels(1.0), float(ax.title.get_fontsize())
        if ax.get_title("left"):  # such as the letter of a panel
            left = ax.bbox.x0 + per_point * (1.15 * text_width(ax.get_title("left"), size) + 0.5 * size)
        if ax.get_title("right"):
            right = ax.bbox.x1 - per_point * (1.15 * text_width(ax.get_title("right"), size) + 0.5 * size)
        full, ours = self.title
        wide = per_point * text_width(ours, size) > right - left  # where the figure has become smaller
        if full and ax.get_title() == ours and (left > room.x0 or right < room.x1 or wide):
            lines = ours.count("\n") + 1
            again = wrapped(full, max(min(right - left, ax.bbox.width) / per_point, size), size, lines)
            self.title = full, again
            if again != ours:
                ax.title.set_text(again)
        self._move("title", ax.title, 0, left, right, renderer)
        self._move("x", ax.xaxis.label, 0, room.x0, room.x1, renderer)
        beside, low, high = ax.yaxis.label.get_window_extent(renderer), room.y0, room.y1
        for text, above in ((ax.title, True), (ax.xaxis.label, False)):
            box = text.get_window_extent(renderer)
            if text.get_text() and text.get_visible() and box.x0 < beside.x1 and box.x1 > beside.x0:
                low, high = (low, min(high, box.y0)) if above else (max(low, box.y1), high)
        self._move("y", ax.yaxis.label, 1, low, high, renderer)
        for each in ax.texts:
            if isinstance(each, LevelText | WidthText):
                each.fit(renderer)

    def _move(self, key: str, text: Text, along: int, low: float, high: float, renderer: Any) -> None:
        if not text.get_text() or not text.get_visible():
            return
        change = (text.set_x, text.set_y)[along]
        place: Any = text.get_position()[along]
        given, ours = self._moved.get(key, (place, place))
        if place != ours:
            given = place  # the caller has moved it
        if given != place:
            change(given)
        (begin, end), length = text.get_window_extent(renderer).get_points()[:, along], self._axes.bbox.size[along]
        away = max(low - begin, 0.0) if low - begin > 0 else -max(end - high, 0.0)
        moved = given + away / length if length > 0 else given
        self._moved[key] = given, moved
        if moved != given:
            change(moved)


def twins(ax: Axes) -> list[Axes]:
    """Return Axes and their twins, which lie on the same place and share an axis."""
    spec = ax.get_subplotspec()
    shared = [*ax.get_shared_x_axes().get_siblings(ax), *ax.get_shared_y_axes().get_siblings(ax)]
    return [ax, *{other: None for other in shared if other is not ax and spec and other.get_subplotspec() is spec}]


def _at_least(low: float, high: float, least: float, first: float, last: float) -> tuple[float, float]:
    if high - low >= least:
        return low, high
    middle = min(max((low + high) / 2, first + least / 2), last - least / 2)
    return middle - least / 2, middle + least / 2


class LevelText(Text):
    """Text that is at most as tall as a level of the data's heights."""

    level: float = 0.0
    given: float = 0.0

    def fit(self, renderer: Any) -> None:
        """Make the type smaller where the level is low."""
        axes: Any = self.axes
        per_point = renderer.points_to_pixels(1.0)
        height = axes.bbox.height * self.level / (abs(float(np.subtract(*axes.get_ylim()))) or 1.0) / per_point
        self.set_fontsize(min(self.given, max(height / LINE, _LEAST_POINTS)))


def text_in_level(ax: Axes, x: float, y: float, content: str, level: float, size: float, **options: Any) -> LevelText:
    """Write text that is at most as tall as a level."""
    text = LevelText(x, y, content, fontsize=size, transform=ax.transData, **options)
    text.level, text.given = level, size
    ax.add_artist(text)
    text.set_clip_on(False)
    return text


class WidthText(Text):
    """Text that loses its middle where a share of the width of its Axes is too narrow for it."""

    full: str = ""
    ours: str = ""
    share: float = 1.0

    def fit(self, renderer: Any) -> None:
        """Shorten the text to the present width, unless somebody has written another one."""
        axes: Any = self.axes
        if self.get_text() == self.ours:
            width = self.share * axes.bbox.width / renderer.points_to_pixels(1.0)
            self.ours = shortened(self.full, width, float(self.get_fontsize()))
            self.set_text(self.ours)


class RoomyText(Annotation):
    """Text that is left out where it has no room: ``fits``, if there is one, is asked when it is drawn."""

    fits: Callable[["RoomyText"], bool] | None = None
    shrinks = False
    """Whether its type becomes smaller with that of the ticks."""

    def get_visible(self) -> bool:
        """Whether the text is to be drawn, and has room."""
        shown = bool(super().get_visible())
        return shown if not shown or self.axes is None or self.fits is None else self.fits(self)

    def extent(self) -> tuple[float, float, float, float]:
        """Return left, low, right and high end in pixels, of one line that is centred in its height."""
        axes: Any = self.axes
        per_point = axes.figure.figure.dpi / 72
        size = float(self.get_fontsize())
        (x, y), (right, up) = axes.transData.transform(self.xy), np.asarray(self.xyann, dtype=float) * per_point
        width, half = text_width(self.get_text(), size) * per_point, 0.6 * size * per_point
        left = x + right - (width if self.get_horizontalalignment() == "right" else 0.0)
        return left, y + up - half, left + width, y + up + half


def _set_label_size(ax: Any, name: Any, size: float) -> None:
    ax.tick_params(name, labelsize=size)
