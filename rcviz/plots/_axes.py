"""Helpers of all plots: new Axes and figures, their style, and figures as SVG, PNG or PDF."""

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from rcviz._core.checks import shown
from rcviz._core.markup import legal_xml
from rcviz.plots._layout import InsideCell, twins
from rcviz.plots._legend import OutsideLegend
from rcviz.plots._rows import name_rows, text_beside_rows
from rcviz.plots._style import (
    FAINT,
    INK,
    PageFigure,
    faint,
    ink,
    mark_as_growing,
    may_grow,
    mix,
    page_style,
    paper,
    plotting,
    stroke,
)
from rcviz.plots._text import LINE, axes_size, cell_size, points, text_width, wrapped
from rcviz.plots._ticks import RoomyLocator

__all__ = ["FAINT", "INK", "faint", "ink", "page_style", "paper", "plotting"]

_STYLE_SHEET = re.compile(r"<style[^>]*>\*\{stroke-linejoin: round; stroke-linecap: butt\}</style>")
_DECIMALS = re.compile(r"(\d\.\d{3})\d+")  # of a point: a screen shows fewer than three
_SALT = "rcviz"
_RASTER_DPI = 150
TRUETYPE = 42  # matplotlib's default, Type 3 fonts, cannot be edited
_LAYOUT_PASSES = 3
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_USUAL_SIZE = 10.0
"""Points of a tick label for which the sizes of figures are written; larger type makes larger figures."""

_INVISIBLE = 0.01  # inches beyond the edge of a figure that nobody sees, such as half a line
_EDGE = 0.02  # inches around what lies beyond the edge
_LARGEST = 40.0  # inches of a figure that grows
_TITLE_SHARE = 0.22
"""Largest share of the height of their part of the figure that a title of two lines takes."""

_NAME_SHARE = 0.36
"""Largest share of the width of their part of the figure that the names of rows take."""


def resolve_axes(ax: Any, width: float | int, height: float | int, *, names: Sequence[str] = ()) -> Axes:
    """Return the Axes that were given; for None those of a new pyplot figure (inches), which a notebook shows.

    The current Axes are never taken. A new figure is larger for larger type and for longer `names` beside the Axes.
    """
    if ax is None:
        # Imported here, as pyplot chooses a backend when it is imported.
        import matplotlib.pyplot as plt

        size = points("ytick.labelsize")
        factor = max(1.0, size / _USUAL_SIZE)
        beside = max((text_width(name, size) for name in names), default=0.0) / 72
        wide = min(max(float(width) * factor, float(width) * factor * (1 - _NAME_SHARE) + beside), _LARGEST)
        figure = plt.figure(figsize=(wide, min(float(height) * factor, _LARGEST)), layout="constrained")
        mark_as_growing(figure)
        ax = figure.add_subplot()
        ax.set_axes_locator(InsideCell(ax))  # for callers who choose another layout afterwards
        return ax
    if not isinstance(ax, Axes):
        raise TypeError(
            f"ax must be one matplotlib Axes or None, got {type(ax).__name__}: pick one, as in axes[0, 1], "
            "or make one with figure.add_subplot()"
        )
    if ax.name != "rectilinear":
        raise ValueError(f"ax must be ordinary Axes, got {ax.name} ones: make them without projection={ax.name!r}")
    if ax.get_axes_locator() is None and not isinstance(ax.figure.figure, PageFigure):
        locator = InsideCell(ax)
        for twin in twins(ax):
            twin.set_axes_locator(locator)
    return ax


def new_figure(width: float | int, height: float | int) -> Figure:
    """Return a figure that pyplot does not manage, so that it need not be closed (for widgets).

    Sizes are inches, at 100 dots per inch. Margins are fitted to the text, and it is drawn in the fixed style.
    """
    with page_style():
        return PageFigure(figsize=(width, height), dpi=100, layout="constrained")


def figure_svg(figure: Figure, dpi: float | int | None = None) -> str:
    """Return a figure as an ``<svg>`` element to be placed in an HTML page.

    Text stays text. Every id has a prefix that is a hash of the drawing, so that the same figure always gives the same
    string and two different figures in one page do not share ids. XML declaration, doctype, metadata and the style
    sheet, which would apply to the whole page, are removed.
    """
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": _SALT}):
        content = saved(figure, "svg", dpi=dpi or _RASTER_DPI, metadata=_NO_METADATA)
    text = legal_xml(content.decode())  # a name may hold control characters
    text = text[text.index("<svg") :]
    # matplotlib's style sheet applies to every element of the page; on the root both properties are inherited.
    text, n_removed = _STYLE_SHEET.subn("", text, count=1)
    if n_removed:
        text = text.replace("<svg", '<svg style="stroke-linejoin: round; stroke-linecap: butt"', 1)
    prefix = "f" + hashlib.sha256(text.encode()).hexdigest()[:10] + "-"
    # Only inside tags: a label that looks like a reference is text and is not changed.
    return re.sub(r"<[^>]+>", lambda tag: _tidied(tag.group(), prefix), text)


def figure_png(figure: Figure, dpi: float | int | None = None) -> bytes:
    """Return a figure as PNG bytes, by default at its own resolution, the same bytes for the same drawing."""
    return saved(figure, "png", dpi=dpi or "figure", metadata={"Software": None})


def figure_pdf(figure: Figure, dpi: float | int | None = None) -> bytes:
    """Return a figure as PDF bytes, the same for the same drawing; text stays text, in embedded fonts."""
    with matplotlib.rc_context({"pdf.fonttype": TRUETYPE}):
        return saved(figure, "pdf", dpi=dpi or _RASTER_DPI, metadata={"CreationDate": None})


def saved(figure: Figure, kind: str, **options: Any) -> bytes:
    """Return a figure as a file of one kind, larger than the figure where something lies beyond its edge."""
    _settle(figure)
    content = _written(figure, kind, options)
    everything = _everything(figure)
    return content if everything is None else _written(figure, kind, {**options, "bbox_inches": everything})


def _written(figure: Figure, kind: str, options: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, **{"bbox_inches": None, **options})
    return buffer.getvalue()


def _everything(figure: Figure) -> Bbox | None:
    """Return a box in inches that holds a figure that was drawn and all of its artists; None if the figure does."""
    if isinstance(figure, PageFigure) or not (figure.axes or figure.texts):
        return None  # measuring takes an eighth of the time, and pages choose sizes that fit
    page = Bbox.from_bounds(0, 0, *figure.get_size_inches())
    drawn = figure.get_tightbbox()
    beyond = np.array([page.x0 - drawn.x0, page.y0 - drawn.y0, drawn.x1 - page.x1, drawn.y1 - page.y1])
    if not np.isfinite(beyond).all() or beyond.max() <= _INVISIBLE:
        return None
    return Bbox.union([page, drawn.padded(_EDGE)])


def _settle(figure: Figure) -> None:
    # With an equal aspect, constrained layout converges only after a few passes; before that a legend or a title may
    # be cut off at the edge. Each pass takes as long as drawing the text.
    engine = figure.get_layout_engine()
    if engine is not None and any(axes.get_aspect() != "auto" for axes in figure.axes):
        for _ in range(_LAYOUT_PASSES):
            before = [axes.get_position(original=True).extents for axes in figure.axes]
            engine.execute(figure)
            if np.allclose(before, [axes.get_position(original=True).extents for axes in figure.axes], 0.0, 1e-9):
                break


def _tidied(tag: str, prefix: str) -> str:
    return re.sub(r'(\bid="|\bhref="#|url\(#)', lambda start: start.group() + prefix, _DECIMALS.sub(r"\1", tag))


def despine(ax: Axes) -> None:
    """Remove the top and right spines."""
    ax.spines[["top", "right"]].set_visible(False)


def label_axes(ax: Axes, x: str | None = None, y: str | None = None, *, grid: bool = False) -> None:
    """Name the axes, wrapped to their length; `grid` draws faint horizontal lines below the data."""
    if grid:
        ax.grid(axis="y", color=mix(paper(ax), ink(ax), 0.08))
        ax.set_axisbelow(True)
    (width, height), (widest, highest) = axes_size(ax), cell_size(ax)
    size = points("axes.labelsize")
    if x is not None:
        ax.set_xlabel(x if may_grow(ax) else wrapped(x, width, size, longest=widest), parse_math=False)
    if y is not None:
        legend = ax.get_legend()
        lost = legend.height_in_points if isinstance(legend, OutsideLegend) else 0.0
        length = max(height - lost, 0.35 * height)
        room = highest if may_grow(ax) else length
        ax.set_ylabel(wrapped(y, room, size, longest=0.9 * highest), parse_math=False)


def ranked_bars(
    ax: Axes, names: Sequence[str], values: Any, texts: Sequence[str], color: Any, **bar: Any
) -> BarContainer:
    """Draw horizontal bars, the first on top, with a name at the left and a text at the right of each."""
    bars = ax.barh(range(len(names)), values, **{"height": 0.72, "color": color, "zorder": 1, **bar})
    ax.axvline(0.0, color=faint(ax), linewidth=stroke(0.8), zorder=1.5)
    text_beside_rows(ax, texts, ink(ax, outside=True), points("ytick.labelsize"))
    ax.set_ylim(len(names) - 0.4, -0.6)
    despine(ax)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0, labelright=False)  # the texts stand there, whatever the caller's settings are
    name_rows(ax, names, 0.6 if may_grow(ax) else _NAME_SHARE)
    return bars


def integer_ticks(ax: Axes, most: int) -> None:
    """Put ticks on whole numbers of the x axis, at most about `most`, as many as fit."""
    ax.xaxis.set_major_locator(RoomyLocator(most, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def number_ticks(ax: Axes, most: int, *, axis: str = "x") -> None:
    """Put at most about `most` ticks on an axis, as many as fit."""
    (ax.xaxis if axis == "x" else ax.yaxis).set_major_locator(RoomyLocator(most))


def signed_number(text: str) -> str:
    """Replace hyphens by minus signs, as matplotlib's tick labels have them."""
    return text.replace("-", "\N{MINUS SIGN}")


def check_title(title: Any, name: str = "title") -> None:
    """Refuse a title that is not text."""
    if title is not None and not isinstance(title, str):
        raise TypeError(f"{name} must be text or None, got {shown(title)}: use str(...)")


def plain_title(ax: Axes, title: str | None) -> None:
    """Set a title in up to two lines, without TeX: names of files and motifs may contain dollar signs."""
    if title:
        size = points("axes.titlesize")
        lines = 1 if not may_grow(ax) and 2 * LINE * size > _TITLE_SHARE * cell_size(ax)[1] else 2
        # Clear of the label of a tick at the top.
        pad = max(float(matplotlib.rcParams["axes.titlepad"]), 0.8 * points("ytick.labelsize"))
        ax.set_title(wrapped(title, axes_size(ax)[0], size, lines), parse_math=False, pad=pad)
        locator = ax.get_axes_locator()
        if isinstance(locator, InsideCell):
            locator.title = title, ax.get_title()
