"""A gallery of filters: many logos in one Axes, drawn as one collection."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from rcviz._core.checks import check_choice, check_positive
from rcviz._core.shapes import Float
from rcviz.plots._axes import faint, ink, paper, plotting, resolve_axes, signed_number
from rcviz.plots._layout import WidthText
from rcviz.plots._style import checked_visuals, may_grow, stroke
from rcviz.plots._text import LINE, axes_size, distinct_short, points, wrapped
from rcviz.plots.colors import letter_colors
from rcviz.plots.glyphs import logo_layout
from rcviz.plots.heights import UNITS, letter_heights, motif_name, y_limits
from rcviz.plots.logo import letter_collection
from rcviz.plots.results import has

SHARE_SCALE = ("all", "row", "none")

_ROW = 1.6
"""Least height of a row of the gallery in units of a logo's height; the rest is for the caption and white space."""

_CAPTION_SHARE = 0.55
"""Largest share of a row for its caption; below that its type becomes smaller."""

_GAP = 1.5
"""Empty positions between neighbouring logos."""

_MOST_POSITIONS = 140
"""Most positions in a row of a default gallery: more would make letters narrower than 9 pixels."""


@plotting
def plot_filters(
    matrices: Any,
    ax: Axes | None = None,
    *,
    names: Sequence[str] | None = None,
    columns: int | None = None,
    share_scale: str = "all",
    kind: str | None = None,
    unit: str | None = None,
    stack: str = "big_on_top",
    below: str = "flipped",
    colors: str | Mapping[str, Any] = "colorblind",
    visuals: Mapping[str, Any] | None = None,
) -> Axes:
    """Draw every filter as a logo under its name, row by row (Figure 5).

    Parameters
    ----------
    matrices
        (F, 4, W) array, a FilterBank, or a list of (4, W) arrays, DataFrames or Motifs, which may differ in width.
    ax
        Axes to draw into; None makes a figure large enough to read every logo.
    names
        F captions; None: the name of each Motif, and "filter 0", "filter 1" and so on for others.
    columns
        Logos in a row; None chooses.
    share_scale
        "all": one scale for every logo, so that weak filters look weak; "row": one for each row of the gallery;
        "none": each logo fills its cell.
    unit
        Unit of the letter heights, written below the gallery; None: "weight", "bits" or "probability", as `kind` is.
    kind, stack, below, colors
        As in `rcviz.plots.logo.plot_logo`, the same for all.
    visuals
        Options of matplotlib for each part: "letters", "zero" (lines) and "names" (captions); False hides one.

    Returns
    -------
    Axes
        Its letters are one PathCollection, its captions one Text each, in the order of the filters.

    Raises
    ------
    ValueError
        If there is nothing to draw, one matrix is given instead of several, a matrix does not suit `kind`, the
        names do not match, or an option is not among its choices.

    Examples
    --------
    >>> ax = rcviz.plot_filters(rcviz.filter_bank(model), columns=4)
    """
    check_choice("share_scale", share_scale, SHARE_SCALE)
    items = _as_list(matrices)
    drawn, kind, alphabets = _heights_of_all(items, kind)
    captions = _captions(items, names)
    letter_colors(colors)
    styles = checked_visuals("plot_filters", visuals, ("letters", "zero", "names"))

    widest = max(heights.shape[1] for heights in drawn)
    if columns is None:
        columns = _balanced_columns(len(drawn), max(1, int(_MOST_POSITIONS / (widest + _GAP))))
    check_positive("columns", columns)
    columns = min(columns, len(drawn))
    rows = math.ceil(len(drawn) / columns)
    limits = _limits(drawn, kind, share_scale, columns)

    cell = widest + _GAP
    width = min(max(columns * cell * 0.16, 3.2), 13.0)
    ax = resolve_axes(ax, width, rows * 1.05 + 0.35)
    size, row_height = _caption_size(ax, rows)
    layouts, zero_lines = [], []
    for i, (heights, alphabet, (low, high)) in enumerate(zip(drawn, alphabets, limits, strict=True)):
        row, column = divmod(i, columns)
        left, floor = column * cell, -(row + 1) * row_height
        zero = floor - low / (high - low)
        layouts.append(
            logo_layout(heights / (high - low), stack=stack, below=below, baseline=zero, left=left, letters=alphabet)
        )
        zero_lines.append([(left - 0.5, zero), (left + heights.shape[1] - 0.5, zero)])
    letters = letter_collection(layouts, letter_colors(colors, paper(ax)))
    letters.set(**styles["letters"])
    ax.add_collection(letters, autolim=False)
    # One artist for all zero lines takes no longer than a single line.
    color = ink(ax) if kind == "weights" else faint(ax)
    line: dict[str, Any] = {"colors": color, "linewidths": stroke(0.6), "zorder": 1.5}
    zeros = LineCollection(zero_lines, **line)
    zeros.set(**styles["zero"])
    ax.add_collection(zeros, autolim=False)
    above = 1.0 + 0.2 * (row_height - 1.0)
    share = 0.97 / columns
    for i, shown in enumerate(_short_captions(ax, captions, share, size)):
        row, column = divmod(i, columns)
        text = WidthText(
            column * cell - 0.5,
            above - (row + 1) * row_height,
            shown,
            **{
                "transform": ax.transData,
                "fontsize": size,
                "color": ink(ax),
                "verticalalignment": "bottom",
                "parse_math": False,
                **styles["names"],
            },
        )
        text.full = f"{i + 1}: {captions[i]}" if shown.startswith(f"{i + 1}: ") else captions[i]
        text.ours, text.share = shown, share
        ax.add_artist(text)
        text.set_clip_on(False)
        # Constrained layout would otherwise measure every caption, although all are inside the Axes.
        text.set_in_layout(False)
    ax.set_xlim(-0.7, columns * cell - _GAP - 0.3)
    ax.set_ylim(-rows * row_height - 0.03, 0.0)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    note = _scale_note(limits, unit or UNITS[kind], share_scale)
    label = points("axes.labelsize")
    ax.set_xlabel(wrapped(note, axes_size(ax)[0], label), color=faint(ax, outside=True), loc="left")
    return ax


def _caption_size(ax: Axes, rows: int) -> tuple[float, float]:
    """Return the size of captions in points, and the height of a row in units of a logo's height."""
    size = points("xtick.labelsize")
    available = 0.92 * axes_size(ax)[1] / rows
    if may_grow(ax) and 1.6 * LINE * size > _CAPTION_SHARE * available:
        figure = ax.figure.figure
        figure.set_size_inches(figure.get_figwidth(), min(rows * (0.6 + 1.6 * LINE * size / 72), 60.0))
        available = 0.92 * axes_size(ax)[1] / rows
    size = min(size, _CAPTION_SHARE * available / (1.6 * LINE))
    return size, max(_ROW, available / (available - 1.6 * LINE * size))


def _short_captions(ax: Axes, captions: list[str], share: float, size: float) -> list[str]:
    """Shorten captions to the width of a logo; alone in a row they may use all of it."""
    width = share * axes_size(ax)[0]
    if all(len(caption) * size <= width for caption in captions):
        return captions
    return distinct_short(captions, width, size)


def _as_list(matrices: Any) -> list[Any]:
    if hasattr(matrices, "named_modules"):
        raise ValueError(
            f"expected matrices or a FilterBank, got the model {type(matrices).__name__}: use "
            "plot_filters(rcviz.filter_bank(model))"
        )
    if has(matrices, "weights", "table"):
        matrices = matrices.weights
    if hasattr(matrices, "probabilities") or hasattr(matrices, "columns"):
        raise ValueError("expected several matrices, got one: use plot_logo, or a list with one entry")
    items = list(matrices)
    if not items:
        raise ValueError("expected at least one matrix, got none")
    if np.ndim(items[0]) == 1:
        shape = (len(items), len(items[0]))
        raise ValueError(f"expected matrices of shape (F, 4, W), got {shape}: use plot_logo, or matrix[None]")
    return items


def _heights_of_all(items: list[Any], kind: str | None) -> tuple[list[Float[np.ndarray, "4 _"]], str, list[str]]:
    drawn, kinds, alphabets = [], [], []
    for i, item in enumerate(items):
        try:
            heights, item_kind, letters = letter_heights(item, kind)
        except ValueError as error:
            raise ValueError(f"matrix {i}: {error}") from error
        drawn.append(heights)
        kinds.append(item_kind)
        alphabets.append(letters)
    if len(set(kinds)) > 1:
        raise ValueError('got Motifs and weights together: choose how to draw both, as in kind="weights"')
    return drawn, kinds[0], alphabets


def _captions(items: list[Any], names: Sequence[str] | None) -> list[str]:
    if names is None:
        return [str(motif_name(item) or f"filter {i}") for i, item in enumerate(items)]
    if isinstance(names, str) or len(names) != len(items):
        raise ValueError(f"names must be a list with one name for each of {len(items)} matrices, got {len(names)}")
    return [str(name) for name in names]


def _balanced_columns(count: int, most: int) -> int:
    """Return a number of columns for an almost square gallery, with full rows if possible."""
    start = min(math.ceil(math.sqrt(count)), most)
    return next((c for c in (start, start + 1) if c <= most and count % c == 0), start)


def _limits(
    drawn: list[Float[np.ndarray, "4 _"]], kind: str, share_scale: str, columns: int
) -> list[tuple[float, float]]:
    own = [y_limits(heights, kind) for heights in drawn]
    size = {"all": len(own), "row": columns, "none": 1}[share_scale]
    groups = [own[i // size * size : (i // size + 1) * size] for i in range(len(own))]
    return [(min(low for low, _ in group), max(high for _, high in group)) for group in groups]


def _scale_note(limits: list[tuple[float, float]], unit: str, share_scale: str) -> str:
    if len(set(limits)) == 1:
        low, high = limits[0]
        logos = "every logo" if len(limits) > 1 else "the logo"
        return f"{logos} spans {signed_number(f'{low:.2g}')} to {signed_number(f'{high:.2g}')} {unit}"
    return f"{unit}; scale differs from {'row to row' if share_scale == 'row' else 'logo to logo'}"
