"""How plots look: sizes and colours of the caller's settings; on pages and in explorers a fixed style."""

import functools
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure

from rcviz._core.checks import check_options, shown

Options = ParamSpec("Options")

INK = "#333333"
"""Text and lines of the fixed style that belong to the drawing rather than to the data."""

FAINT = "#8a8a8a"
"""Reference lines and notes of the fixed style."""

CONTRAST = 3.0
"""Least contrast of a letter, curve or fill with the paper, as WCAG asks of graphics."""

_USUAL_LINE, _USUAL_MARKER = 1.5, 6.0  # of matplotlib's own settings, for which widths and sizes are written
_THINNEST, _THICKEST = 0.5, 2.5  # times these

_FAMILIES = ("axes.", "figure.", "font.", "grid.", "hatch.", "image.", "legend.", "lines.", "markers.", "mathtext.")
_MORE_FAMILIES = ("patch.", "path.", "savefig.", "scatter.", "text.", "xtick.", "ytick.")
_KEPT = ("figure.max_open_warning", "savefig.directory", "figure.raise_window", "figure.hooks")
_GROWING: "weakref.WeakSet[Figure]" = weakref.WeakSet()
"""Figures that a plot has just made, and may enlarge."""


@functools.cache
def _page_settings() -> dict[str, Any]:
    """Settings of the fixed style: matplotlib's own, with small type in a soft black."""
    default: Any = matplotlib.rcParamsDefault
    names = [name for name in default if name.startswith(_FAMILIES + _MORE_FAMILIES)]
    settings: dict[str, Any] = {name: default[name] for name in names if name not in _KEPT}
    small = dict.fromkeys(("axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize"), "small")
    inks = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), INK)
    return {**settings, **small, **inks, "axes.titlesize": "medium", "axes.edgecolor": FAINT, "figure.dpi": 100.0}


@contextmanager
def page_style() -> Iterator[None]:
    """Draw in the fixed style, whatever the caller's settings are."""
    current: Any = matplotlib.rcParams
    changed: Any = {name: value for name, value in _page_settings().items() if current[name] != value}
    if not changed:
        yield
        return
    with matplotlib.rc_context(changed):
        yield


class PageFigure(Figure):
    """Figure of a page or an explorer: drawn in the fixed style."""

    def add_subplot(self, *args: Any, **options: Any) -> Any:
        """Add Axes in the fixed style."""
        with page_style():
            return super().add_subplot(*args, **options)

    def suptitle(self, *args: Any, **options: Any) -> Any:
        """Write a title in the fixed style."""
        with page_style():
            return super().suptitle(*args, **options)

    def savefig(self, *args: Any, **options: Any) -> None:
        """Save in the fixed style."""
        with page_style():
            super().savefig(*args, **options)

    def draw(self, renderer: Any) -> None:
        """Draw in the fixed style."""
        with page_style():
            super().draw(renderer)


def plotting(plot: Callable[Options, Any]) -> Callable[Options, Any]:
    """Let a plot function draw in the fixed style into Axes of a page, and fit what it drew to its text."""

    @functools.wraps(plot)
    def styled(*args: Options.args, **options: Options.kwargs) -> Any:
        given = next((each for each in (*args, options.get("ax")) if isinstance(each, Axes)), None)
        try:
            if given is not None and isinstance(given.figure.figure, PageFigure):
                with page_style():
                    return plot(*args, **options)
            return plot(*args, **options)
        finally:
            _GROWING.clear()

    return styled


def may_grow(ax: Axes) -> bool:
    """Whether the figure was made by the plot that is being drawn, which may enlarge it."""
    return ax.figure.figure in _GROWING


def mark_as_growing(figure: Figure) -> None:
    """Let the plot that is being drawn enlarge its figure."""
    _GROWING.add(figure)


def stroke(width: float | int) -> float:
    """Return the width of a line: wider where the caller's lines are wider than matplotlib's, as in a talk."""
    width_of_lines: Any = matplotlib.rcParams["lines.linewidth"]
    return width * min(max(float(width_of_lines) / _USUAL_LINE, _THINNEST), _THICKEST)


def dot(size: float | int) -> float:
    """Return the size of a marker: larger where the caller's markers are larger than matplotlib's."""
    size_of_markers: Any = matplotlib.rcParams["lines.markersize"]
    return size * min(max(float(size_of_markers) / _USUAL_MARKER, _THINNEST), _THICKEST)


def luminance(color: Any) -> float:
    """Return the relative luminance of a colour, by WCAG 2."""
    channels = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgba(color)[:3]]
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]


def contrast(one: Any, other: Any) -> float:
    """Return the contrast of two colours, from 1 to 21, by WCAG 2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mix(color: Any, other: Any, share: float) -> str:
    """Return a colour with a share of another one."""
    parts: Any = [(1 - share) * a + share * b for a, b in zip(to_rgba(color)[:3], to_rgba(other)[:3], strict=True)]
    return to_hex(parts)


def paper(ax: Axes, *, outside: bool = False) -> str:
    """Return the colour behind the data: of the Axes, else of the figure, else what the text is written for.

    With `outside`, the colour behind what stands beside the Axes.
    """
    around = (ax.figure.patch, ax.figure.figure.patch)
    for patch in around if outside else (ax.patch, *around):
        color: Any = patch.get_facecolor()
        if patch.get_visible() and color[3] > 0.5:
            return "white" if to_hex(color) == "#ffffff" else to_hex(color)
    return "white" if luminance(matplotlib.rcParams["text.color"]) < 0.4 else "#111111"


def ink(ax: Axes, *, outside: bool = False) -> str:
    """Return the colour of text and lines of the drawing: the caller's, or black or white where that is not seen."""
    behind = paper(ax, outside=outside)
    color = to_hex(matplotlib.rcParams["text.color"])
    if contrast(color, behind) >= CONTRAST:
        return color
    return "#000000" if luminance(behind) > 0.18 else "#ffffff"


def faint(ax: Axes, *, outside: bool = False) -> str:
    """Return the colour of reference lines and notes that are less important than the data."""
    if isinstance(ax.figure.figure, PageFigure):
        return FAINT
    behind = paper(ax, outside=outside)
    return readable(mix(ink(ax, outside=outside), behind, 0.4), behind)


@functools.lru_cache(maxsize=512)
def readable(color: str, behind: str) -> str:
    """Return a colour that is at least three times as light or dark as what is behind it, as near as possible."""
    end = "#000000" if luminance(behind) > 0.18 else "#ffffff"
    for share in range(20):
        nearer = mix(color, end, share / 20)
        if contrast(nearer, behind) >= CONTRAST:
            return nearer
    return end


def checked_visuals(plot: str, visuals: Mapping[str, Any] | None, parts: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return matplotlib's options of each part of a plot; False hides a part.

    Unknown parts are refused with a list of those there are.
    """
    given = {} if visuals is None else dict(visuals)
    check_options(f"visuals of {plot}", given, parts)
    for part, options in given.items():
        if options is not False and not isinstance(options, Mapping):
            raise TypeError(f"visuals[{part!r}] must be a dict of matplotlib options, or False, got {shown(options)}")
    return {part: {"visible": False} if given.get(part) is False else dict(given.get(part, {})) for part in parts}
