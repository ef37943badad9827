"""Legends that lie inside the box that matplotlib measures, and wrap to the room they have."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from matplotlib.axes import Axes
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox, IdentityTransform

from rcviz._core.checks import check_choice
from rcviz.plots._style import ink, may_grow
from rcviz.plots._text import LINE, cell, cell_size, points, text_width, wrapped

LEGENDS = ("outside", "inside", "none")

_HANDLE = 2.9  # width of a handle and its space, in units of the size of the text
_BETWEEN = 1.4
_BETWEEN_ROWS = 0.5
_LARGEST_SHARE = 0.36  # of the height of the Axes' part of the figure; a longer legend takes smaller type
_SMALLEST = 4.5  # points
_SHRINK = 0.88
_TICKS = ("_update_ticks", "_get_ticklabel_bboxes")  # matplotlib has no public name for either


class OutsideLegend(Legend):
    """Legend right below the tick labels and the axis label, wherever fonts and layout put these."""

    height_in_points: float = 0.0
    measured: Mapping[Any, Bbox] = MappingProxyType({})
    """Boxes of the axes, while somebody else measures them."""

    arranged: Any = None
    """Makes the options of the legend for the room that there is now."""

    def _move(self, renderer: Any) -> None:
        axes = self.axes
        room = cell(axes).transformed(axes.figure.transSubfigure)
        width = super().get_window_extent(renderer).width
        if self.arranged is not None and width > room.width:
            options, self.height_in_points = self.arranged()  # the figure has become smaller
            _write(self, axes, options)
            width = super().get_window_extent(renderer).width
        below, beside = (
            (self.measured.get(axis) or axis.get_tightbbox(renderer)) if axis.get_visible() else None
            for axis in (axes.xaxis, axes.yaxis)
        )
        foot = min(axes.bbox.y0, axes.bbox.y0 if below is None else below.y0)
        left = min(axes.bbox.x0, axes.bbox.x0 if beside is None else beside.x0)
        if width > axes.bbox.width and beside is not None:
            foot = min(foot, beside.y0)  # the lowest label of a tick
        # Aligned with the Axes where it is not wider than they are.
        start = axes.bbox.x0 if width <= axes.bbox.width else max(left, axes.bbox.x1 - width)
        start = max(room.x0, min(start, room.x1 - width))
        gap = 0.4 * points("legend.fontsize") * axes.figure.figure.dpi / 72
        self.set_bbox_to_anchor(Bbox.from_extents(start, foot - gap, start, foot - gap), IdentityTransform())

    def draw(self, renderer: Any) -> None:
        """Draw below what is there at the moment."""
        if self.get_visible():
            self._move(renderer)
        super().draw(renderer)

    def get_window_extent(self, renderer: Any = None) -> Any:
        """Return the box of the legend where it is drawn."""
        self._move(renderer)
        return super().get_window_extent(renderer)

    def get_tightbbox(self, renderer: Any = None) -> Any:
        """Return the box that layouts measure."""
        self._move(renderer)
        return super().get_tightbbox(renderer)

    def remember(self, axis: Any, measure: Callable[..., Bbox | None], renderer: Any, **options: Any) -> Bbox | None:
        """Measure the x or the y axis, and use the box for the legend as well."""
        box = measure(renderer, **options)
        if box is not None:
            # Layouts leave out the length of a label, which the legend has to know.
            whole = options.get("for_layout_only") and axis.label.get_visible()
            label = [axis.label.get_window_extent(renderer)] if whole else []
            self.measured = {**self.measured, axis: Bbox.union([box, *label])}
        return box


def tight_box(ax: Any, renderer: Any, *, layout_only: bool = False) -> Bbox | None:
    """Return the box of ``ax.get_tightbbox``, for which ticks are measured once, also for spines, labels and legend."""
    legend, axes = ax.get_legend(), (ax.xaxis, ax.yaxis)
    for axis in axes:
        for name in _TICKS:
            if hasattr(axis, name):
                setattr(axis, name, _first(getattr(axis, name)))
        if isinstance(legend, OutsideLegend):
            axis.get_tightbbox = partial(legend.remember, axis, axis.get_tightbbox)
    try:
        return ax.get_tightbbox(renderer, for_layout_only=layout_only)
    finally:
        if isinstance(legend, OutsideLegend):
            legend.measured = {}
        for axis in axes:
            for name in (*_TICKS, "get_tightbbox"):
                vars(axis).pop(name, None)


def _first(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls a method once and gives its first result each time."""
    results: list[Any] = []

    def first(*args: Any, **options: Any) -> Any:
        if not results:
            results.append(method(*args, **options))
        return results[0]

    return first


def add_legend(ax: Axes, where: str, handles: Sequence[Any], columns: int, *, note: str | None = None) -> None:
    """Add a legend under a note: below the axis label, inside the Axes, or none.

    Entries and note wrap to the width of the Axes' part of the figure; where they would take most of its height, their
    type becomes smaller. A figure that a plot made itself grows instead.
    """
    check_choice("legend", where, LEGENDS)
    if where == "none" or not (handles or note):
        return
    arranged = partial(_arranged, ax, where, handles, columns, note)
    options, tall = arranged()
    if where == "outside" and may_grow(ax):
        figure = ax.figure.figure
        figure.set_size_inches(figure.get_figwidth(), figure.get_figheight() + tall / 72)
    legend: Any
    if where == "outside":
        legend = OutsideLegend.__new__(OutsideLegend)
        _write(legend, ax, options)
        legend.arranged, legend.height_in_points = arranged, tall
    else:
        legend = Legend.__new__(Legend)
        _write(legend, ax, {**options, "loc": "best"})
    legend._remove_method = lambda _: setattr(ax, "legend_", None)
    ax.legend_ = legend


def _write(legend: Any, ax: Axes, options: dict[str, Any]) -> None:
    """Write a legend, or write it again."""
    Legend.__init__(legend, ax, **options)
    legend.get_title().set_color(options["labelcolor"])
    texts: list[Text] = [*legend.get_texts(), legend.get_title()]
    for text in texts:
        text.set_parse_math(False)


def _arranged(
    ax: Axes, where: str, handles: Sequence[Any], columns: int, note: str | None
) -> tuple[dict[str, Any], float]:
    """Return the options of a legend that fits its part of the figure, and its height in points."""
    width, height = cell_size(ax)
    width = 0.94 * width if where == "outside" else 0.7 * width
    size = points("legend.fontsize")
    while True:
        fitted, labels, title = _fitted(handles, columns, note, width, size)
        rows = -(-len(handles) // fitted)
        lines = [0] * rows
        for i, label in enumerate(labels):
            lines[i % rows] = max(lines[i % rows], label.count("\n") + 1)
        written = sum(lines) + (0 if title is None else title.count("\n") + 1)
        tall = size * (LINE * written + _BETWEEN_ROWS * (rows + 1))
        if tall <= _LARGEST_SHARE * height or may_grow(ax) or size * _SHRINK < _SMALLEST:
            break
        size *= _SHRINK
    options: dict[str, Any] = {
        "handles": list(handles),
        "labels": labels,
        "ncols": fitted,
        "fontsize": size,
        "labelcolor": ink(ax, outside=where == "outside"),
        "title": title,
        "title_fontsize": size,
        "alignment": "left",
        "handletextpad": 0.5,
        "columnspacing": _BETWEEN,
    }
    if where == "outside":
        options |= {"loc": "upper left", "frameon": False, "borderaxespad": 0.0, "borderpad": 0.0}
    return options, tall


def _fitted(
    handles: Sequence[Any], columns: int, note: str | None, width: float, size: float
) -> tuple[int, list[str], str | None]:
    """Return how many columns fit, the wrapped labels, and the wrapped note."""
    names = [str(handle.get_label()) for handle in handles]
    columns = max(1, min(columns, len(handles)))
    while columns > 1:
        widths = [text_width(name, size) for name in names]
        rows = -(-len(names) // columns)
        total = sum(max(widths[i : i + rows], default=0.0) + _HANDLE * size for i in range(0, len(names), rows))
        if total + (columns - 1) * _BETWEEN * size <= width:
            break
        columns -= 1
    labels = [wrapped(name, width / columns - _HANDLE * size, size) for name in names]
    return columns, labels, None if note is None else wrapped(note, width, size)
