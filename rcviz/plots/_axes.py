"""Helpers of all plots: new Axes and figures, their style, and figures as SVG, PNG or PDF."""

import gc
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from rcviz._core.markup import legal_xml

INK = "#333333"
"""Text and lines that belong to the drawing rather than to the data."""

FAINT = "#8a8a8a"
"""Reference lines and notes that are less important than the data."""

_LEGEND_DROP = 38.0  # points below the Axes: room for tick labels and an axis label in small type
_STYLE_SHEET = re.compile(r"<style[^>]*>\*\{stroke-linejoin: round; stroke-linecap: butt\}</style>")
_DECIMALS = re.compile(r"(\d\.\d{3})\d+")  # of a point: a screen shows fewer than three
_SALT = "rcviz"
_RASTER_DPI = 150
_TRUETYPE = 42  # matplotlib's default, Type 3 fonts, cannot be edited
_LAYOUT_PASSES = 3
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def resolve_axes(ax: Any, width: float | int, height: float | int) -> Axes:
    """Return the Axes that were given; for None those of a new pyplot figure (inches), which a notebook shows.

    The current Axes are never taken.
    """
    if ax is None:
        # Imported here, as pyplot chooses a backend when it is imported.
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(width, height), layout="constrained")
        return figure.add_subplot()
    if not isinstance(ax, Axes):
        raise TypeError(
            f"ax must be one matplotlib Axes or None, got {type(ax).__name__}: pick one, as in axes[0, 1], "
            "or make one with figure.add_subplot()"
        )
    return ax


def new_figure(
    width: float | int, height: float | int, *, margins: tuple[float, float, float, float] | None = None
) -> Figure:
    """Return a figure that pyplot does not manage, so that it need not be closed (for widgets).

    Sizes are inches, at 100 dots per inch; `margins` are left of, below, right of and above the Axes. None fits the
    margins to the text, which doubles the time that the figure takes.
    """
    figure = Figure(figsize=(width, height), dpi=100, layout="constrained" if margins is None else None)
    if margins is not None:
        left, bottom, right, top = margins
        figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
    return figure


@contextmanager
def short_lived() -> Iterator[None]:
    """Draw figures that are discarded at once, without triggering Python's full garbage collection.

    A figure consists of some ten thousand objects in reference cycles. Collections that run while it is drawn move it
    to the generation of long-lived objects, so that after a few figures a full collection takes a quarter of a second.
    Here collection is off while drawing, and afterwards only the newest objects are collected.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
            gc.collect(0)


def figure_svg(figure: Figure) -> str:
    """Return a figure as an ``<svg>`` element to be placed in an HTML page.

    Text stays text. Every id has a prefix that is a hash of the drawing, so that the same figure always gives the same
    string and two different figures in one page do not share ids. XML declaration, doctype, metadata and the style
    sheet, which would apply to the whole page, are removed.
    """
    _settle(figure)
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": _SALT}):
        figure.savefig(buffer, format="svg", dpi=_RASTER_DPI, metadata=_NO_METADATA)
    text = legal_xml(buffer.getvalue())  # a name may hold control characters
    text = text[text.index("<svg") :]
    # matplotlib's style sheet applies to every element of the page; on the root both properties are inherited.
    text, n_removed = _STYLE_SHEET.subn("", text, count=1)
    if n_removed:
        text = text.replace("<svg", '<svg style="stroke-linejoin: round; stroke-linecap: butt"', 1)
    prefix = "f" + hashlib.sha256(text.encode()).hexdigest()[:10] + "-"
    # Only inside tags: a label that looks like a reference is text and is not changed.
    return re.sub(r"<[^>]+>", lambda tag: _tidied(tag.group(), prefix), text)


def _settle(figure: Figure) -> None:
    # With an equal aspect, constrained layout converges only after a few passes; before that a legend or a title may
    # be cut off at the edge. Each pass takes as long as drawing the text.
    engine = figure.get_layout_engine()
    if engine is not None and any(axes.get_aspect() != "auto" for axes in figure.axes):
        for _ in range(_LAYOUT_PASSES):
            engine.execute(figure)


def _tidied(tag: str, prefix: str) -> str:
    return re.sub(r'(\bid="|\bhref="#|url\(#)', lambda start: start.group() + prefix, _DECIMALS.sub(r"\1", tag))


def figure_png(figure: Figure) -> bytes:
    """Return a figure as PNG bytes at its own resolution, the same bytes for the same drawing."""
    _settle(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def figure_pdf(figure: Figure) -> bytes:
    """Return a figure as PDF bytes, the same for the same drawing; text stays text, in embedded fonts."""
    _settle(figure)
    buffer = io.BytesIO()
    with matplotlib.rc_context({"pdf.fonttype": _TRUETYPE}):
        figure.savefig(buffer, format="pdf", dpi=_RASTER_DPI, metadata={"CreationDate": None})
    return buffer.getvalue()


def despine(ax: Axes) -> None:
    """Remove the top and right spines and make ticks and their labels small."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize="small", colors=INK)
    for spine in ax.spines.values():
        spine.set_color(FAINT)


def label_axes(ax: Axes, x: str | None = None, y: str | None = None, *, grid: bool = False) -> None:
    """Name the axes in small type; `grid` draws faint horizontal lines below the data."""
    if grid:
        ax.grid(axis="y", color="#eeeeee")
        ax.set_axisbelow(True)
    if x is not None:
        ax.set_xlabel(x, fontsize="small", color=INK)
    if y is not None:
        ax.set_ylabel(y, fontsize="small", color=INK)


def ranked_bars(ax: Axes, names: Sequence[str], values: Any, texts: Sequence[str], color: Any) -> BarContainer:
    """Draw horizontal bars, the first on top, with a name at the left and a text at the right of each."""
    rank = range(len(names))
    bars = ax.barh(rank, values, height=0.72, color=color, zorder=1)
    ax.axvline(0.0, color=FAINT, linewidth=0.8, zorder=1.5)
    for place, text in zip(rank, texts, strict=True):
        ax.text(1.02, place, text, transform=ax.get_yaxis_transform(), fontsize="small", color=INK, va="center")
    ax.set_ylim(len(names) - 0.4, -0.6)
    despine(ax)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set_yticks(rank, names, parse_math=False)
    return bars


def integer_ticks(ax: Axes, most: int) -> None:
    """Put at most about `most` ticks on the x axis, all on whole numbers."""
    ax.xaxis.set_major_locator(MaxNLocator(nbins=most, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def legend_below(ax: Axes, handles: Sequence[Any], columns: int, *, note: str | None = None) -> None:
    """Put the legend, under a note, below the axis label, where it does not make the Axes narrower."""
    drop = ScaledTranslation(0.0, -_LEGEND_DROP / 72, ax.figure.dpi_scale_trans)
    legend = ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.0, 0.0),
        bbox_transform=ax.transAxes + drop,
        ncols=columns,
        frameon=False,
        fontsize="small",
        labelcolor=INK,
        borderaxespad=0.0,
        borderpad=0.0,
        title=note,
        title_fontsize="small",
        alignment="left",
        handletextpad=0.5,
        columnspacing=1.4,
    )
    legend.get_title().set_color(INK)
    for text in legend.get_texts():
        text.set_parse_math(False)


def signed_number(text: str) -> str:
    """Replace hyphens by minus signs, as matplotlib's tick labels have them."""
    return text.replace("-", "\N{MINUS SIGN}")


def plain_title(ax: Axes, title: str | None) -> None:
    """Set a title without TeX: names of files and motifs may contain dollar signs."""
    if title is not None:
        ax.set_title(title, fontsize="medium", color=INK, parse_math=False)
