"""One row of a logo as SVG elements."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from rcviz._core.markup import escaped
from rcviz._core.shapes import Float
from rcviz.plots._axes import signed_number
from rcviz.plots._highlights import Label, Span, lines_of_labels
from rcviz.plots.glyphs import LogoLayout, svg_letters

TITLE_ROOM = 18.0
"""Pixels of a title above a logo."""

_FONT_SIZE = 10
_LABEL_SIZE = 9.0  # of spans
_LABEL_LINE = 11.0
_LABEL_SHARE = 0.5  # largest part of a row for the labels of spans
_LEAST_PIXELS = 0.2
_PARTS = 20  # of a pixel, so that coordinates can be whole numbers


def position_text(value: float, largest: float) -> str:
    """Write a position; those of genomes with thousands separators."""
    if value != round(value):
        return signed_number(f"{value:g}")
    return signed_number(f"{value:,.0f}" if abs(largest) >= 10_000 else f"{value:.0f}")


def svg_margin(axis: str, title: str | None) -> float:
    """Return the pixels above and below a logo."""
    below = 18.0 if axis == "both" else 2.0 if axis == "none" else 6.0
    return (TITLE_ROOM if title else 0.0) + (2.0 if axis == "none" else 6.0) + below


def svg_row(
    layout: LogoLayout,
    places: Float[np.ndarray, " W"],
    palette: Mapping[str, str],
    *,
    size: tuple[float, float],
    limits: tuple[float, float],
    unit: str,
    zero: bool,
    clipped: bool,
    axis: str,
    title: str | None,
    spans: Sequence[Span],
    labels: Sequence[Label],
    lines: int,
    faded: float,
) -> list[str]:
    """Return the elements of one row: shaded spans, letters, zero line, title and axes."""
    (width, height), (low, high) = size, limits
    left = 1.0 if axis == "none" else 44.0
    top = (TITLE_ROOM if title else 0.0) + (2.0 if axis == "none" else 6.0)
    bottom = height - (svg_margin(axis, title) - top)
    step = (width - left - 1.0) / len(places)
    line = min(_LABEL_LINE, _LABEL_SHARE * (bottom - top) / max(lines, 1))
    head, top = top, top + line * lines
    scale = (bottom - top) / (high - low)
    floor = bottom + low * scale
    parts = _spans(spans, left, step, top, bottom)
    parts += [
        f'<text x="{left + step * (label.middle + 0.5):.2f}" y="{head + line * (lines - label.line) - 0.2 * line:.2f}" '
        f'font-family="sans-serif" font-size="{line * _LABEL_SIZE / _LABEL_LINE:.3g}" text-anchor="middle" '
        f'fill="currentColor">{escaped(label.text)}</text>'
        for label in labels
    ]
    drawn = _letters(layout, palette, left, floor, step, scale, faded)
    if clipped:
        # Letters may be outside a given range; an inner viewport clips them without an id.
        box = f"{left:g} {top:g} {width - left - 1:g} {bottom - top:g}"
        x, y, across, down = box.split()
        drawn = [f'<svg x="{x}" y="{y}" width="{across}" height="{down}" viewBox="{box}">', *drawn, "</svg>"]
    parts += drawn
    if zero and low <= 0 <= high:
        parts.append(
            f'<path d="M{left:.2f} {floor:.2f}H{width - 1:.2f}" fill="none" stroke="currentColor" stroke-width=".8"/>'
        )
    parts += title_line(title, width - left, left)
    if axis != "none":
        parts.append(f'<g font-family="sans-serif" font-size="{_FONT_SIZE}" fill="currentColor">')
        parts += _y_axis(low, high, unit, left, top, bottom)
        if axis == "both":
            parts += [
                f'<text x="{left + step * (i + 0.5):.2f}" y="{bottom + 13:.2f}" text-anchor="middle">'
                f"{position_text(places[i], places[-1])}</text>"
                for i in _ticks(places, width)
            ]
        parts.append("</g>")
    return parts


def title_line(title: str | None, width: float, left: float) -> list[str]:
    """Write a title above a logo, cut to a width."""
    style = f'font-family="sans-serif" font-size="{_FONT_SIZE}" fill="currentColor"'
    return [f'<text x="{left:g}" y="12" {style}>{escaped(_cut(title, width))}</text>'] if title else []


def svg_labels(spans: Sequence[Span], columns: int, across: float) -> list[Label]:
    """Fit the labels of the spans of a row, whose columns take `across` pixels."""
    return lines_of_labels(
        spans,
        -0.5,
        columns - 0.5,
        across,
        lambda text: 0.6 * _LABEL_SIZE * len(text),
        _LABEL_SIZE,
    )


def _spans(spans: Sequence[Span], left: float, step: float, top: float, bottom: float) -> list[str]:
    parts = []
    for span in spans:
        x, across = left + step * span.start, step * (span.end - span.start)
        name = f"<title>{escaped(span.label)}</title>" if span.label else ""
        parts.append(
            f'<rect x="{x:.2f}" y="{top:.2f}" width="{across:.2f}" height="{bottom - top:.2f}" fill="currentColor" '
            f'opacity=".14">{name}</rect>'
        )
    return parts


def _letters(
    layout: LogoLayout,
    palette: Mapping[str, str],
    left: float,
    zero: float,
    step: float,
    scale: float,
    faded: float,
) -> list[str]:
    """Write one ``<path>`` for all places of a letter, in whole parts of a pixel."""
    across, up = _PARTS * step, _PARTS * scale
    paths = []
    large = layout.height * scale >= _LEAST_PIXELS
    pale = layout.height < faded
    kinds = [(large & ~pale, ""), (large & pale, ' fill-opacity=".25"')] if faded > 0 else [(large, "")]
    for seen, opacity in kinds:
        if not seen.any():
            continue
        height = up * layout.height[seen]
        hanging = np.where(layout.flipped[seen], height, 0.0)
        outlines = svg_letters(
            layout.letters[seen],
            _PARTS * left + across * (layout.left[seen] + 0.5),
            _PARTS * zero - up * layout.bottom[seen] - hanging,
            across * layout.width,
            2 * hanging - height,
        )
        paths += [f'<path fill="{palette[letter]}"{opacity} d="{data}"/>' for letter, data in outlines.items()]
    return [f'<g transform="scale({1 / _PARTS:g})">', *paths, "</g>"] if paths else []


def _ticks(places: Float[np.ndarray, " W"], width: float) -> list[int]:
    """Return the columns that are numbered: those of whole multiples of 1, 2 or 5 times a power of ten."""
    longest = max(len(position_text(place, places[-1])) for place in (places[0], places[-1]))
    most = max(int(width / max(20, 6.5 * longest + 6)), 1)
    span = float(np.ptp(places)) + 1
    step = next(
        size for power in range(16) for size in (10**power, 2 * 10**power, 5 * 10**power) if span <= most * size
    )
    return [i for i, place in enumerate(places.tolist()) if place % step == 0]


def _y_axis(low: float, high: float, unit: str, left: float, top: float, bottom: float) -> list[str]:
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
