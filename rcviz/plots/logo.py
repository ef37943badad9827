"""One sequence logo, drawn with matplotlib or written as SVG text."""

from collections.abc import Iterable, Mapping
from typing import Any, SupportsFloat

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba_array
from matplotlib.ticker import FixedLocator, FuncFormatter

from rcviz._core.checks import as_numbers, check_choice, check_positive, shown
from rcviz._core.markup import escaped
from rcviz._core.shapes import Float
from rcviz.plots._axes import (
    check_title,
    despine,
    ink,
    label_axes,
    paper,
    plain_title,
    plotting,
    resolve_axes,
    signed_number,
)
from rcviz.plots._highlights import (
    Span,
    check_inside,
    draw_spans,
    headroom,
    rows_of_labels,
    spans_in_row,
    spans_of,
    write_labels,
)
from rcviz.plots._style import checked_visuals, may_grow, stroke
from rcviz.plots._svg import TITLE_ROOM, position_text, svg_labels, svg_margin, svg_row, title_line
from rcviz.plots._text import LINE, points
from rcviz.plots._ticks import PositionLocator, RoomyLocator
from rcviz.plots.colors import letter_colors
from rcviz.plots.glyphs import LogoLayout, letter_paths, logo_layout
from rcviz.plots.heights import FULL_RANGE, UNITS, Limits, letter_heights, logo_positions, motif_name, y_limits

_AXIS = ("none", "y", "both")
_FADED = 0.25  # opacity of letters that are faded
_ROW_GAP = 0.18  # between the rows of a wrapped logo, as a share of the height of one
_PARTS_OF_LOGO = ("letters", "zero", "highlight")


def letter_collection(
    layouts: Iterable[LogoLayout], palette: Mapping[str, str], *, fade_below: float = 0.0
) -> PathCollection:
    """Return all letters of all layouts as one artist, one outline and one face colour each."""
    layouts = list(layouts)
    paths = [path for layout in layouts for path in letter_paths(layout)]
    faces: Any = [palette[letter] for layout in layouts for letter in layout.letters.tolist()]
    if fade_below > 0 and faces:
        faces = to_rgba_array(faces)
        faces[np.concatenate([layout.height for layout in layouts]) < fade_below, 3] = _FADED
    return PathCollection(paths, facecolors=faces, linewidths=0)


@plotting
def plot_logo(
    matrix: Any,
    ax: Axes | None = None,
    *,
    kind: str | None = None,
    stack: str = "big_on_top",
    below: str = "flipped",
    colors: str | Mapping[str, Any] = "colorblind",
    alphabet: str | None = None,
    start: SupportsFloat = 0,
    positions: Any = None,
    window: tuple[SupportsFloat, SupportsFloat] | None = None,
    highlight: Iterable[Any] | None = None,
    wrap: int | np.integer | None = None,
    fade_below: SupportsFloat = 0.0,
    y_range: Limits | None = None,
    title: str | None = None,
    visuals: Mapping[str, Any] | None = None,
) -> Axes:
    """Draw a sequence logo, as in the paper's Figure 5.

    Parameters
    ----------
    matrix
        (4, W) array, rows A, C, G, T; or a DataFrame with one row per position and columns A, C, G and T (or
        U), of which an index of numbers gives the positions; or a Motif.
    ax
        Axes to draw into; None makes a figure.
    kind
        Kind of the values: "weights" (drawn as they are), "information" (probabilities, drawn in bits) or
        "probability". None: "information" for a Motif, "weights" for anything else.
    stack
        "big_on_top", "small_on_top" or "fixed" (A on top); see `rcviz.plots.glyphs.logo_layout`.
    below
        "flipped" draws the letters of negative weights upside down; "upright" does not.
    colors
        "colorblind", "classic", the name of a logomaker scheme, or a dict from letter to colour.
    alphabet
        "DNA" or "RNA" (U for T). Only nucleotides can be drawn.
    start
        Position of the first column.
    positions
        Position of each column, (W,) numbers, instead of `start`.
    window
        First position that is drawn, and the first that is not any more; None draws all.
    highlight
        Positions to shade: a list of (start, end) or (start, end, label), the end not included. A span that continues
        in the next row has its label in both.
    wrap
        Positions in a row; a longer logo continues in the next row. None: one row.
    fade_below
        Letters that are less tall than this are pale.
    y_range
        Lowest and highest value of the y axis; None: 0 to 2 bits, 0 to 1, or the range of the weights.
    title
        Title; None takes the name of a Motif.
    visuals
        Options of matplotlib for each part: "letters", "zero" (line) and "highlight"; False hides one.

    Returns
    -------
    Axes
        Each position is centred on its own number. The letters are one PathCollection.

    Raises
    ------
    ValueError
        If the shape is not (4, W), a value is not finite, a position of probabilities has a value outside [0, 1] or
        does not sum to 1 but for rounding, values without a `kind` look like counts, a highlight reaches beyond the
        matrix, or an option is not among its choices.

    Examples
    --------
    >>> import rcviz
    >>> ax = rcviz.plot_logo(rcviz.load_motif("CTCF_known1"), title="CTCF")
    >>> rcviz.save_figure(ax, "ctcf.svg")
    """
    check_title(title)
    styles = checked_visuals("plot_logo", visuals, _PARTS_OF_LOGO)
    spans = spans_of(highlight)
    heights, kind, letters, places = _window(matrix, kind, alphabet, start, positions, window, spans)
    logo_layout(heights[:, :1], stack=stack, below=below, letters=letters)
    letter_colors(colors)
    faded = _fade(fade_below)
    low, high = y_limits(heights, kind, y_range)
    rows = _rows_of(heights.shape[1], wrap)
    longest = max(stop - begin for begin, stop in rows)

    ax = resolve_axes(ax, min(max(0.32 * longest + 1.0, 3.0), 16.0), 2.2 if len(rows) == 1 else 0.9 * len(rows) + 0.9)
    room = 0.0 if y_range is not None or kind in FULL_RANGE else 0.04 * (high - low)
    bottom, top = low - (room if low < 0 else 0.0), high + (room if high > 0 else 0.0)
    step = (high - low) * (1 + _ROW_GAP)
    layouts, zeros = [], []
    in_rows = [spans_in_row(spans, places[begin:stop]) if len(rows) > 1 else [] for begin, stop in rows]
    labels_of_rows = [rows_of_labels(ax, part, -0.6, longest - 0.4) for part in in_rows]
    lines = max((label.line + 1 for labels in labels_of_rows for label in labels), default=0)
    if lines and may_grow(ax):
        more = len(rows) * lines * LINE * 1.1 * points("xtick.labelsize") / 72
        ax.figure.figure.set_size_inches(ax.figure.figure.get_figwidth(), ax.figure.figure.get_figheight() + more)
    above = step * headroom(ax, lines, len(rows)) / (1 - headroom(ax, lines, len(rows)))
    step += above
    for row, (begin, stop) in enumerate(rows):
        here = places[begin:stop] if len(rows) == 1 else np.arange(float(stop - begin))
        part = heights[:, begin:stop]
        zero = -row * step
        layouts.append(logo_layout(part, stack=stack, below=below, letters=letters, left=here, baseline=zero))
        zeros.append([(here.min() - 0.5, zero), (here.max() + 0.5, zero)])
        draw_spans(ax, in_rows[row], low + zero, high + zero, styles["highlight"], 0.0, float(stop - begin))
    drawn = letter_collection(layouts, letter_colors(colors, paper(ax)), fade_below=faded)
    drawn.set(**styles["letters"])
    ax.add_collection(drawn, autolim=False)
    despine(ax)
    if len(rows) > 1:
        _wrapped_axes(ax, rows, places, (low, high), step, kind, zeros, styles["zero"], above)
        for row, labels in enumerate(labels_of_rows):
            write_labels(ax, labels, high - row * step, above / max(lines, 1))
    else:
        first, last = float(places.min()), float(places.max())
        ax.set_xlim(first - 0.6, last + 0.6)
        if kind == "weights":
            ax.axhline(0.0, **{"color": ink(ax), "linewidth": stroke(0.8), "zorder": 1.5, **styles["zero"]})
        shown = [span for span in spans if span.end > first and span.start <= last]
        labels = rows_of_labels(ax, shown, first - 0.6, last + 0.6)
        lines = max((label.line + 1 for label in labels), default=0)
        share = headroom(ax, lines)
        roof = top + (top - bottom) * share / (1 - share)
        draw_spans(ax, shown, bottom, top, styles["highlight"], first, last)
        ax.set_ylim(bottom, roof)
        write_labels(ax, labels, top, (roof - top) / max(lines, 1))
        ax.xaxis.set_major_locator(PositionLocator(first, last))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: position_text(value, last)))
        ax.yaxis.set_major_locator(RoomyLocator(4, steps=[1, 2, 5, 10]))
        label_axes(ax, "position", UNITS[kind])
    plain_title(ax, motif_name(matrix) if title is None else title)
    return ax


def _window(
    matrix: Any, kind: str | None, alphabet: str | None, start: Any, positions: Any, window: Any, spans: list[Span]
) -> tuple[Float[np.ndarray, "4 W"], str, str, Float[np.ndarray, " W"]]:
    """Return the heights that are drawn, their kind, their letters and their positions."""
    heights, kind, letters = letter_heights(matrix, kind, alphabet)
    places = logo_positions(matrix, heights.shape[1], start, positions)
    check_inside(spans, places)
    if window is None:
        return heights, kind, letters, places
    bounds = as_numbers("window", window)
    if bounds.shape != (2,) or not np.isfinite(bounds).all() or bounds[0] >= bounds[1]:
        raise ValueError(f"window must be two finite positions, the lower first, got {shown(window)}")
    inside = (places >= bounds[0]) & (places < bounds[1])
    if not inside.any():
        raise ValueError(f"window {window} holds none of the positions {places.min():g} to {places.max():g}")
    return heights[:, inside], kind, letters, places[inside]


def _fade(fade_below: Any) -> float:
    height = as_numbers("fade_below", fade_below)
    if height.ndim or not np.isfinite(height) or height < 0:
        raise ValueError(f"fade_below must be a finite height of at least 0, got {shown(fade_below)}")
    return float(height)


def _rows_of(count: int, wrap: Any) -> list[tuple[int, int]]:
    if wrap is None:
        return [(0, count)]
    check_positive("wrap", wrap)
    return [(begin, min(begin + int(wrap), count)) for begin in range(0, count, int(wrap))]


def _wrapped_axes(
    ax: Axes,
    rows: list[tuple[int, int]],
    places: Float[np.ndarray, " W"],
    limits: tuple[float, float],
    step: float,
    kind: str,
    zeros: list[Any],
    style: Mapping[str, Any],
    above: float,
) -> None:
    """Number the rows of a wrapped logo by their first position, as in an alignment."""
    low, high = limits
    ax.add_collection(LineCollection(zeros, **{"color": ink(ax), "linewidth": stroke(0.8), "zorder": 1.5, **style}))
    longest = max(stop - begin for begin, stop in rows)
    ax.set_xlim(-0.6, longest - 0.4)
    ax.set_ylim(low - (len(rows) - 1) * step - 0.04 * (high - low), high + above + 0.04 * (high - low))
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
    ax.xaxis.set_major_locator(FixedLocator([]))
    ax.yaxis.set_major_locator(FixedLocator([(low + high) / 2 - row * step for row in range(len(rows))]))
    ax.set_yticklabels([position_text(places[begin], places[-1]) for begin, _ in rows])
    scale = f"each row spans {signed_number(f'{low:.2g}')} to {signed_number(f'{high:.2g}')} {UNITS[kind]}"
    label_axes(ax, scale, "position")


def logo_svg(
    matrix: Any,
    *,
    kind: str | None = None,
    stack: str = "big_on_top",
    below: str = "flipped",
    colors: str | Mapping[str, Any] = "colorblind",
    alphabet: str | None = None,
    start: SupportsFloat = 0,
    positions: Any = None,
    window: tuple[SupportsFloat, SupportsFloat] | None = None,
    highlight: Iterable[Any] | None = None,
    wrap: int | np.integer | None = None,
    fade_below: SupportsFloat = 0.0,
    width: SupportsFloat | None = None,
    height: SupportsFloat = 80.0,
    y_range: Limits | None = None,
    axis: str = "none",
    title: str | None = None,
    label: str | None = None,
) -> str:
    """Write a sequence logo as one ``<svg>`` element, to be placed in an HTML page.

    It has no ids, so that a page can hold any number of logos, and takes its text colour from the page.

    Parameters
    ----------
    matrix, kind, stack, below, colors, alphabet, start, positions, window, highlight, wrap, fade_below, y_range
        As in `plot_logo`; columns stand side by side whatever their positions are.
    width, height
        Size in pixels, the height that of one row; `width` None: 14 pixels per position, plus the axis.
    axis
        "none", "y" (ticks and unit at the left) or "both" (also 0-based positions).
    title
        Line of text above the logo, truncated to its width; None: no line.
    label
        Text for screen readers and tooltips; None: the title, else a Motif's name, else a description.

    Returns
    -------
    str
        Letters smaller than a fifth of a pixel are omitted.

    Raises
    ------
    ValueError
        As `plot_logo`; also if the size leaves no room for the logo.

    Examples
    --------
    >>> import rcviz
    >>> rcviz.logo_svg(rcviz.load_motif("CTCF_known1"), height=60, title="CTCF")[:4]
    '<svg'
    """
    check_choice("axis", axis, _AXIS)
    check_title(title)
    spans, faded = spans_of(highlight), _fade(fade_below)
    heights, kind, letters, places = _window(matrix, kind, alphabet, start, positions, window, spans)
    low, high = y_limits(heights, kind, y_range)
    count = heights.shape[1]
    name = label or title or getattr(matrix, "name", None) or f"sequence logo of {count} positions"
    rows = _rows_of(count, wrap)
    longest = rows[0][1]
    left, height = 1.0 if axis == "none" else 44.0, float(height)
    across = left + 14.0 * longest + 1.0 if width is None else float(width)
    inner = title if len(rows) == 1 else None  # over several rows it stands above them, as all have one scale
    if not (np.isfinite([across, height]).all() and across - left - 1.0 > 0 and height > svg_margin(axis, inner)):
        raise ValueError(f"width={width}, height={height} pixels leave no room for a logo: make it larger")
    palette = letter_colors(colors)
    head = title_line(title if inner is None else None, across - left, left)
    above = TITLE_ROOM if head else 0.0
    total = above + height * len(rows)
    in_rows = [spans_in_row(spans, places[begin:stop]) for begin, stop in rows]
    labels = [svg_labels(part, longest, across - left - 1.0) for part in in_rows]
    lines = max((label.line + 1 for each in labels for label in each), default=0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{across:g}" height="{total:g}" '
        f'viewBox="0 0 {across:g} {total:g}"><title>{escaped(str(name))}</title>',
        *head,
    ]
    for row, (begin, stop) in enumerate(rows):
        drawn = svg_row(
            logo_layout(heights[:, begin:stop], stack=stack, below=below, letters=letters),
            places[begin:stop],
            palette,
            size=(left + 1.0 + (across - left - 1.0) * (stop - begin) / longest, height),
            limits=(low, high),
            unit=UNITS[kind],
            zero=kind == "weights",
            clipped=y_range is not None,
            axis=axis,
            title=inner,
            spans=in_rows[row],
            labels=labels[row],
            lines=lines,
            faded=faded,
        )
        down = above + row * height
        parts += [f'<g transform="translate(0 {down:g})">', *drawn, "</g>"] if down else drawn
    parts.append("</svg>")
    return "".join(parts)
