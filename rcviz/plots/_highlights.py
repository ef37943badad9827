"""Spans of a logo that are marked, with their labels."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rcviz._core.checks import as_numbers, shown
from rcviz._core.shapes import Float
from rcviz.plots._layout import text_in_level
from rcviz.plots._style import faint, ink
from rcviz.plots._text import LINE, axes_size, points, shortened, text_width


@dataclass(frozen=True)
class Span:
    """Positions from `start` up to, but without, `end`."""

    start: float
    end: float
    label: str = ""


def spans_of(highlight: Iterable[Any] | None) -> list[Span]:
    """Return the spans that were given as (start, end) or (start, end, label)."""
    if highlight is None:
        return []
    if isinstance(highlight, str | Mapping) or hasattr(highlight, "columns") or not isinstance(highlight, Iterable):
        raise ValueError(f"highlight must be a list of (start, end[, label]), got {shown(highlight)}")
    given = list(highlight)
    spans = []
    for one in given:
        if isinstance(one, Span):
            spans.append(one)
            continue
        parts = list(one) if isinstance(one, Sequence | np.ndarray) and not isinstance(one, str) else []
        if len(parts) not in (2, 3):
            raise ValueError(f"highlight must be a list of (start, end[, label]), got {shown(given)}")
        bounds = as_numbers("highlight", parts[:2])
        if bounds.shape != (2,) or not np.isfinite(bounds).all() or bounds[0] >= bounds[1]:
            raise ValueError(f"highlight must hold finite spans, start below end, got {shown(one)}")
        spans.append(Span(float(bounds[0]), float(bounds[1]), "" if len(parts) == 2 else str(parts[2])))
    return spans


def check_inside(spans: Iterable[Span], places: Float[np.ndarray, " W"]) -> None:
    """Refuse spans that reach beyond the positions of a logo: they would be cut without a word."""
    first, last = float(places.min()), float(places.max())
    for span in spans:
        if span.start < first or span.end > last + 1:
            raise ValueError(
                f"highlight ({span.start:g}, {span.end:g}) reaches beyond the logo, whose positions are {first:g} to "
                f"{last:g}: the end is not included, so at most {last + 1:g}"
            )


def spans_of_hits(hits: Any) -> list[Span]:
    """Return the spans of motif hits: a table with start, end or width, and where it has them motif and strand."""
    if hits is None:
        return []
    table = hits if hasattr(hits, "columns") else getattr(hits, "table", None)
    if table is None:
        return spans_of(hits)
    columns = list(table.columns)
    if "start" not in columns or ("end" not in columns and "width" not in columns):
        raise ValueError(f"hits must have columns start and end, got {', '.join(map(str, columns))}")
    ends = table["end"] if "end" in columns else table["start"] + table["width"]
    name = next((column for column in ("motif", "motif_name", "name") if column in columns), None)
    names = [""] * len(table) if name is None else table[name].astype(str).tolist()
    strands = table["strand"].astype(str).tolist() if "strand" in columns else [""] * len(table)
    labels = [f"{one} {strand}".strip() for one, strand in zip(names, strands, strict=True)]
    return spans_of(zip(table["start"].tolist(), ends.tolist(), labels, strict=True))


def spans_in_row(spans: Iterable[Span], places: Float[np.ndarray, " W"]) -> list[Span]:
    """Return the parts of spans in one row of a logo, in columns of the row."""
    parts = []
    for span in spans:
        inside = np.flatnonzero((places >= span.start) & (places < span.end))
        if len(inside):
            parts.append(Span(float(inside[0]), float(inside[-1] + 1), span.label))
    return parts


@dataclass(frozen=True)
class Label:
    """Label of a span: its text, the position of its middle, and its line above the logo."""

    text: str
    middle: float
    line: int


def hits_inside(hits: Sequence[Span], places: Float[np.ndarray, " W"]) -> list[Span]:
    """Return the hits that lie on a track, cut to it; an error if none does."""
    first, end = float(places.min()), float(places.max()) + 1
    inside = [hit for hit in hits if hit.start < end and hit.end > first]
    if hits and not inside:
        raise ValueError(
            f"none of {len(hits)} hits lies on the track, whose positions are {first:g} to {end - 1:g}: give the "
            f"position of its first base, start=..., in the coordinates of the hits"
        )
    return [Span(max(hit.start, first), min(hit.end, end), hit.label) for hit in inside]


def rows_of_labels(ax: Axes, spans: Sequence[Span], left: float, right: float) -> list[Label]:
    """Fit the labels of spans between two positions at the ends of the Axes, in lines where none overlaps another."""
    size = points("xtick.labelsize")
    return lines_of_labels(spans, left, right, axes_size(ax)[0], lambda text: text_width(text, size), size)


def lines_of_labels(
    spans: Sequence[Span], left: float, right: float, across: float, width_of: Callable[[str], float], size: float
) -> list[Label]:
    """Fit labels into a width `across`, in the units of `width_of` and of the `size` of the type."""
    per_unit = (right - left) / across
    ends: list[float] = []
    placed = []
    for span in sorted((span for span in spans if span.label), key=lambda span: span.start):
        text = shortened(span.label.replace("\n", " "), 0.45 * across, size, width_of)
        half = width_of(text) * per_unit / 2
        middle = (span.start + span.end) / 2 - 0.5
        middle = max(left + half, min(middle, right - half))
        line = next((i for i, end in enumerate(ends) if middle - half > end), len(ends))
        ends[line : line + 1] = [middle + half + 0.4 * size * per_unit]
        placed.append(Label(text, middle, line))
    return placed


def headroom(ax: Axes, lines: int, rows: int = 1) -> float:
    """Return the share of the height of a row that lines of labels take."""
    return min(lines * LINE * 1.1 * points("xtick.labelsize") / (0.8 * axes_size(ax)[1] / rows), 0.6)


def draw_spans(
    ax: Axes, spans: Sequence[Span], low: float, high: float, options: dict[str, Any], first: float, last: float
) -> None:
    """Shade spans between two heights, cut to the positions that are drawn."""
    shade: dict[str, Any] = {"facecolor": faint(ax), "alpha": 0.22, "linewidth": 0, "zorder": 0.4, **options}
    for span in spans:
        left, right = max(span.start, first) - 0.5, min(span.end - 1, last) + 0.5
        if right > left:
            ax.fill_between([left, right], low, high, **shade)


def write_labels(ax: Axes, placed: Sequence[Label], foot: float, line_height: float) -> None:
    """Write the labels of spans above the logo."""
    options: dict[str, Any] = {"color": ink(ax), "ha": "center", "va": "bottom", "parse_math": False}
    size = points("xtick.labelsize")
    for label in placed:
        height = foot + label.line * line_height
        text_in_level(ax, label.middle, height, label.text, line_height, size, **options)
