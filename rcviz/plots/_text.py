"""Text that fits: its measured width, lines and short forms, and the room that Axes have."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Bbox

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_HINTED = 1.04  # bitmaps place letters on whole pixels, which makes small type a little wider
LINE = 1.25
"""Height of a line of text, in units of its size."""


def points(setting: str) -> float:
    """Return the size of a text in points, from the name of a setting such as "xtick.labelsize"."""
    settings: Any = matplotlib.rcParams
    return float(FontProperties(size=settings[setting]).get_size_in_points())


def text_width(text: str, size: float) -> float:
    """Return the width of the widest line in points, in the caller's font."""
    family = matplotlib.rcParams["font.family"]
    return max(
        _line_width(line, size, tuple([family] if isinstance(family, str) else family)) for line in text.split("\n")
    )


@lru_cache(maxsize=4096)
def _line_width(line: str, size: float, family: tuple[str, ...]) -> float:
    if not line:
        return 0.0
    width, _, _ = text_to_path.get_text_width_height_descent(
        line, FontProperties(family=list(family), size=size), False
    )
    return _HINTED * float(width)


def shortened(text: str, width: float, size: float, width_of: Callable[[str], float] | None = None) -> str:
    """Return a line that fits a width in points: what is too long loses its middle.

    `width_of` measures text in other units than points.
    """
    measure = width_of or partial(text_width, size=size)
    if len(text) * size <= width or measure(text) <= width:
        return text
    low, high = 1, len(text)  # characters that are kept
    while low < high:
        kept = (low + high + 1) // 2
        if measure(_without_middle(text, kept)) <= width:
            low = kept
        else:
            high = kept - 1
    return _without_middle(text, low)


def _without_middle(text: str, kept: int) -> str:
    head = (kept + 1) // 2
    return text[:head] + ELLIPSIS + text[len(text) - (kept - head) :]


def wrapped(text: str, width: float, size: float, most: int | None = None, *, longest: float | None = None) -> str:
    """Return text in lines that fit a width in points, at most so many; longer words and lines lose their middle.

    With `longest`, single words may be as long as that.
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if line and text_width(longer, size) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    if most is not None and len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    return "\n".join(shortened(line, max(width, longest or 0.0), size) for line in lines)


def distinct_short(names: Sequence[str], width: float, size: float) -> list[str]:
    """Shorten names to a width; where two would look the same, they also get their number."""
    short = [shortened(name, width, size) for name in names]
    if len(set(short)) == len(set(names)):
        return short
    return [
        name if short.count(text) == 1 else shortened(f"{i + 1}: {name}", width, size)
        for i, (name, text) in enumerate(zip(names, short, strict=True))
    ]


def cell(ax: Axes) -> Bbox:
    """Return the part of the figure that belongs to Axes, in its fractions: half-way to the neighbours of a grid."""
    spec = ax.get_subplotspec()
    if spec is not None:
        return _cell_of(spec, ax.figure)
    parent = next((each for each in ax.figure.axes if ax in each.child_axes), None)
    if parent is None:
        return Bbox.unit()
    return parent.bbox.transformed(ax.figure.transSubfigure.inverted())  # an inset stays within its Axes


def _cell_of(spec: Any, figure: Any) -> Bbox:
    grid = spec.get_gridspec()
    parent = getattr(grid, "_subplot_spec", None)  # a grid inside a cell of another one
    outer = Bbox.unit() if parent is None else _cell_of(parent, figure)
    bottoms, tops, lefts, rights = grid.get_grid_positions(figure)
    rows, columns = spec.rowspan, spec.colspan
    first, last = columns.start, columns.stop - 1
    upper, lower = rows.start, rows.stop - 1
    x0 = outer.x0 if first == 0 else (rights[first - 1] + lefts[first]) / 2
    x1 = outer.x1 if last == len(lefts) - 1 else (rights[last] + lefts[last + 1]) / 2
    y1 = outer.y1 if upper == 0 else (bottoms[upper - 1] + tops[upper]) / 2
    y0 = outer.y0 if lower == len(tops) - 1 else (bottoms[lower] + tops[lower + 1]) / 2
    return Bbox.from_extents(x0, y0, x1, y1)


def cell_size(ax: Axes) -> tuple[float, float]:
    """Return width and height of the part of the figure that belongs to Axes, in points."""
    box = cell(ax).transformed(ax.figure.transSubfigure)
    per_point = ax.figure.dpi / 72
    return box.width / per_point, box.height / per_point


def axes_size(ax: Axes) -> tuple[float, float]:
    """Return width and height of Axes in points, as far as they are known before the layout."""
    box = ax.get_position(original=True).transformed(ax.figure.transSubfigure)
    per_point = ax.figure.dpi / 72
    return box.width / per_point, box.height / per_point
