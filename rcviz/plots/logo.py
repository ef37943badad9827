"""One sequence logo, drawn with matplotlib or written as SVG text."""

from collections.abc import Iterable, Mapping
from typing import Any, SupportsFloat

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.ticker import FixedLocator, MaxNLocator

from rcviz._core.checks import check_choice
from rcviz._core.markup import escaped
from rcviz.plots._axes import INK, despine, label_axes, plain_title, resolve_axes, signed_number
from rcviz.plots.colors import letter_colors
from rcviz.plots.glyphs import LogoLayout, letter_paths, logo_layout, svg_letters
from rcviz.plots.heights import FULL_RANGE, UNITS, Limits, letter_heights, motif_name, y_limits

_AXIS = ("none", "y", "both")
_FONT_SIZE = 10
_LEAST_PIXELS = 0.2
_PARTS = 20  # of a pixel, so that coordinates can be whole numbers
# Characters that XML 1.0 does not allow, not even escaped.


def letter_collection(layouts: Iterable[LogoLayout], palette: Mapping[str, str]) -> PathCollection:
    """Return all letters of all layouts as one artist, one outline and one face colour each."""
    layouts = list(layouts)
    paths = [path for layout in layouts for path in letter_paths(layout)]
    faces = [palette[letter] for layout in layouts for letter in layout.letters.tolist()]
    return PathCollection(paths, facecolors=faces, linewidths=0)


def plot_logo(
    matrix: Any,
    ax: Axes | None = None,
    *,
    kind: str | None = None,
    stack: str = "big_on_top",
    below: str = "flipped",
    colors: str | Mapping[str, Any] = "colorblind",
    y_range: Limits | None = None,
    title: str | None = None,
) -> Axes:
    """Draw a sequence logo, as in the paper's Figure 5.

    Parameters
    ----------
    matrix
        (4, W) array, rows A, C, G, T; or a DataFrame with one row per position and columns A, C, G and T (or
        U); or a Motif.
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
    y_range
        Lowest and highest value of the y axis; None: 0 to 2 bits, 0 to 1, or the range of the weights.
    title
        Title; None takes the name of a Motif.

    Returns
    -------
    Axes
        Position i, 0-based, is centred on x = i. The letters are one PathCollection.

    Raises
    ------
    ValueError
        If the shape is not (4, W), a value is not finite, a position of probabilities has a value outside [0, 1] or
        does not sum to 1, or an option is not among its choices.

    Examples
    --------
    >>> import rcviz
    >>> ax = rcviz.plot_logo(rcviz.load_motif("CTCF_known1"), title="CTCF")
    >>> rcviz.save_figure(ax, "ctcf.svg")
    """
    heights, kind, letters = letter_heights(matrix, kind)
    layout = logo_layout(heights, stack=stack, below=below, letters=letters)
    palette = letter_colors(colors)
    low, high = y_limits(heights, kind, y_range)
    width = heights.shape[1]

    ax = resolve_axes(ax, min(max(0.32 * width + 1.0, 3.0), 16.0), 2.2)
    ax.add_collection(letter_collection([layout], palette), autolim=False)
    if kind == "weights":
        ax.axhline(0.0, color=INK, linewidth=0.8, zorder=1.5)
    room = 0.0 if y_range is not None or kind in FULL_RANGE else 0.04 * (high - low)
    ax.set_ylim(low - (room if low < 0 else 0.0), high + (room if high > 0 else 0.0))
    ax.set_xlim(-0.6, width - 0.4)
    despine(ax)
    ax.xaxis.set_major_locator(FixedLocator(_position_ticks(width, 12)))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    label_axes(ax, "position", UNITS[kind])
    plain_title(ax, motif_name(matrix) if title is None else title)
    return ax


def _position_ticks(positions: int, most: int) -> list[int]:
    steps = (digit * 10**power for power in range(len(str(positions)) + 1) for digit in (1, 2, 5))
    return list(range(0, positions, next(step for step in steps if positions <= most * step)))


def logo_svg(
    matrix: Any,
    *,
    kind: str | None = None,
    stack: str = "big_on_top",
    below: str = "flipped",
    colors: str | Mapping[str, Any] = "colorblind",
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
    matrix, kind, stack, below, colors, y_range
        As in `plot_logo`.
    width, height
        Size in pixels; `width` None: 14 pixels per position, plus the axis.
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
    heights, kind, letters = letter_heights(matrix, kind)
    layout = logo_layout(heights, stack=stack, below=below, letters=letters)
    palette = letter_colors(colors)
    low, high = y_limits(heights, kind, y_range)
    positions = heights.shape[1]

    left = 1.0 if axis == "none" else 44.0
    top = (18.0 if title else 0.0) + (2.0 if axis == "none" else 6.0)
    height = float(height)
    bottom = height - (18.0 if axis == "both" else 2.0 if axis == "none" else 6.0)
    width = left + 14.0 * positions + 1.0 if width is None else float(width)
    if not (np.isfinite([width, height]).all() and width - left - 1.0 > 0 and bottom - top > 0):
        raise ValueError(f"width={width}, height={height} pixels leave no room for a logo: make it larger")
    step = (width - left - 1.0) / positions
    scale = (bottom - top) / (high - low)
    name = label or title or getattr(matrix, "name", None) or f"sequence logo of {positions} positions"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}"><title>{escaped(str(name))}</title>'
    ]
    drawn = _svg_letters(layout, palette, left, bottom + low * scale, step, scale)
    if y_range is not None:
        # Letters may be outside a given range; an inner viewport clips them without an id.
        box = f"{left:g} {top:g} {width - left - 1:g} {bottom - top:g}"
        x, y, across, down = box.split()
        drawn = [f'<svg x="{x}" y="{y}" width="{across}" height="{down}" viewBox="{box}">', *drawn, "</svg>"]
    parts += drawn
    if kind == "weights" and low <= 0 <= high:
        zero = f"{bottom + low * scale:.2f}"
        parts.append(
            f'<path d="M{left:.2f} {zero}H{width - 1:.2f}" fill="none" stroke="currentColor" stroke-width=".8"/>'
        )
    if axis != "none" or title:
        parts.append(f'<g font-family="sans-serif" font-size="{_FONT_SIZE}" fill="currentColor">')
        if title:
            parts.append(f'<text x="{left:g}" y="12">{escaped(_cut(title, width - left))}</text>')
        if axis != "none":
            parts += _svg_y_axis(low, high, UNITS[kind], left, top, bottom)
        if axis == "both":
            parts += [
                f'<text x="{left + step * (i + 0.5):.2f}" y="{bottom + 13:.2f}" text-anchor="middle">{i}</text>'
                for i in _position_ticks(positions, max(int(width / 20), 1))
            ]
        parts.append("</g>")
    parts.append("</svg>")
    return "".join(parts)


def _svg_letters(
    layout: LogoLayout, palette: Mapping[str, str], left: float, zero: float, step: float, scale: float
) -> list[str]:
    """Write one ``<path>`` for all places of a letter, in whole parts of a pixel."""
    seen = layout.height * scale >= _LEAST_PIXELS
    across, up = _PARTS * step, _PARTS * scale
    height = up * layout.height[seen]
    hanging = np.where(layout.flipped[seen], height, 0.0)
    outlines = svg_letters(
        layout.letters[seen],
        _PARTS * left + across * (layout.left[seen] + 0.5),
        _PARTS * zero - up * layout.bottom[seen] - hanging,
        across * layout.width,
        2 * hanging - height,
    )
    paths = [f'<path fill="{palette[letter]}" d="{data}"/>' for letter, data in outlines.items()]
    return [f'<g transform="scale({1 / _PARTS:g})">', *paths, "</g>"] if paths else []


def _svg_y_axis(low: float, high: float, unit: str, left: float, top: float, bottom: float) -> list[str]:
    ticks = [
        tick
        for tick in MaxNLocator(nbins=max(1, int((bottom - top) / 24)), steps=[1, 2, 5, 10]).tick_values(low, high)
        if low - 1e-9 * (high - low) <= tick <= high + 1e-9 * (high - low)
    ]
    parts = [f'<path d="M{left:.2f} {top:.2f}V{bottom:.2f}" fill="none" stroke="currentColor" opacity=".5"/>']
    for tick in ticks:
        y = bottom - (tick - low) * (bottom - top) / (high - low)
        parts.append(f'<path d="M{left - 4:.2f} {y:.2f}h4" fill="none" stroke="currentColor" opacity=".5"/>')
        number = signed_number(f"{tick:.4g}")
        parts.append(f'<text x="{left - 6:.2f}" y="{y + 3.5:.2f}" text-anchor="end">{number}</text>')
    middle = f"{(top + bottom) / 2:.2f}"
    parts.append(f'<text transform="translate(10 {middle}) rotate(-90)" text-anchor="middle">{unit}</text>')
    return parts


def _cut(text: str, width: float) -> str:
    most = max(int(width / (0.6 * _FONT_SIZE)), 1)
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"
