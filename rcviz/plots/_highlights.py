"""Spans of a logo that are marked, with their labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rcviz._core.checks import as_numbers
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
    spans = []
    for given in () if highlight is None else highlight:
        parts = list(given) if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) else []
        if len(parts) not in (2, 3):
            raise ValueError(f"highlight must be a list of (start, end) or (start, end, label), got {given!r:.100}")
        bounds = as_numbers("highlight", parts[:2])
        if not np.isfinite(bounds).all() or bounds[0] >= bounds[1]:
            raise ValueError(f"highlight must hold finite spans, start below end, got {given!r:.100}")
        spans.append(Span(float(bounds[0]), float(bounds[1]), "" if len(parts) == 2 else str(parts[2])))
    return spans


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


def rows_of_labels(ax: Axes, spans: Sequence[Span], width: float) -> list[tuple[Span, str, int]]:
    """Return each labelled span with its fitted label and the line above the logo where nothing overlaps it.

    `width` is the number of positions across the Axes.
    """
    size, across = points("xtick.labelsize"), axes_size(ax)[0]
    ends: list[float] = []
    placed = []
    for span in sorted((span for span in spans if span.label), key=lambda span: span.start):
        label = shortened(span.label, 0.45 * across, size)
        half = text_width(label, size) / across * width / 2 * 1.1
        middle = (span.start + span.end) / 2 - 0.5
        line = next((i for i, end in enumerate(ends) if middle - half > end), len(ends))
        ends[line : line + 1] = [middle + half]
        placed.append((span, label, line))
    return placed


def headroom(ax: Axes, lines: int) -> float:
    """Return the share of the height of the Axes that lines of labels take."""
    return min(lines * LINE * 1.1 * points("xtick.labelsize") / (0.8 * axes_size(ax)[1]), 0.6)


def draw_spans(
    ax: Axes, spans: Sequence[Span], low: float, high: float, options: dict[str, Any], first: float, last: float
) -> None:
    """Shade spans between two heights, cut to the positions that are drawn."""
    shade: dict[str, Any] = {"facecolor": faint(ax), "alpha": 0.22, "linewidth": 0, "zorder": 0.4, **options}
    for span in spans:
        left, right = max(span.start, first) - 0.5, min(span.end - 1, last) + 0.5
        if right > left:
            ax.fill_between([left, right], low, high, **shade)


def write_labels(ax: Axes, placed: Sequence[tuple[Span, str, int]], foot: float, line_height: float) -> None:
    """Write the labels of spans above the logo."""
    left, right = ax.get_xlim()
    for span, label, line in placed:
        middle = (span.start + span.end) / 2 - 0.5
        share = (middle - left) / (right - left)
        ax.text(
            min(max(middle, left), right),
            foot + line * line_height,
            label,
            fontsize=points("xtick.labelsize"),
            color=ink(ax),
            ha="left" if share < 0.15 else "right" if share > 0.85 else "center",
            va="bottom",
            parse_math=False,
        )
