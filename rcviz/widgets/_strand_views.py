"""Views of one sequence in the strand explorer: aligned logos and the gap by filter, as SVG and HTML."""

import html
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from rcviz.analysis.attributions import StrandAttributions
from rcviz.analysis.strands import GapByFilter
from rcviz.plots.logo import logo_svg
from rcviz.plots.strands import FILTER_BAR, SMALLEST_SCALE, logit_text

WINDOW = 60
"""Positions drawn at a time; with more, letters would be too narrow to read."""

_WIDTH, _HEIGHT = 720, 76
_TOP = 8
_REVERSE = "reverse complement, in forward coordinates"
_Row = tuple[str, Float[np.ndarray, " 3"]]


def best_window(attributions: list[StrandAttributions], length: int) -> int:
    """Return the start of the window with the largest attributions, with equal weight for each model."""
    size = np.zeros(length)
    for each in attributions:
        here = np.abs(each.forward[0]).sum(axis=0) + np.abs(each.reverse[0]).sum(axis=0)
        size += here / (here.sum() or 1.0)
    if length <= WINDOW:
        return 0
    return int(np.convolve(size, np.ones(WINDOW), "valid").argmax())


def logo_pair(name: str, attributions: StrandAttributions, start: int) -> str:
    """Draw the two strands of one sequence one below the other, on one scale for all positions."""
    strands = (("forward", attributions.forward[0]), (_REVERSE, attributions.reverse[0]))
    low = min(float(np.minimum(values, 0).min()) for _, values in strands)
    high = max(float(np.maximum(values, 0).max()) for _, values in strands)
    limits = (low, high) if high > low else (-1.0, 1.0)
    stop = min(start + WINDOW, attributions.codes.shape[1])
    logos = [
        logo_svg(
            values[:, start:stop],
            width=_WIDTH,
            height=_HEIGHT,
            y_range=limits,
            title=f"{name}: {strand}",
            label=f"{name}: attributions on the {strand} strand, positions {start} to {stop - 1}",
        )
        for strand, values in strands
    ]
    return "".join(f'<div class="rcviz-logo">{logo}</div>' for logo in logos)


def gap_markup(splits: Mapping[str, GapByFilter | str]) -> str:
    """List for each model the filters whose contributions differ most between the strands, each with a bar.

    All bars are on one scale. If a split is not possible, the reason is shown instead.
    """
    tables = {name: split if isinstance(split, str) else _rows(split) for name, split in splits.items()}
    differences = [values[2] for rows in tables.values() if not isinstance(rows, str) for _, values in rows[1:]]
    scale = float(np.abs([SMALLEST_SCALE, *differences]).max())
    parts = [
        f'<div class="rcviz-gap"><b>{html.escape(name)}</b><br>{html.escape(rows)}</div>'
        if isinstance(rows, str)
        else _table(name, rows, scale)
        for name, rows in tables.items()
    ]
    return f'<div class="rcviz-gaps">{"".join(parts)}</div>'


def _rows(split: GapByFilter) -> list[_Row]:
    """List the logits, or values, and each filter's contribution to them: forward, reverse, difference."""
    columns = ["forward", "reverse", "difference"]
    of_filters = split.table[columns].to_numpy()
    whole = np.array([split.logits_forward.mean(), split.logits_reverse.mean(), split.logit_difference.mean()])
    rows: list[_Row] = [(split.scale, whole)]
    rows += [(f"filter {i}", values) for i, values in zip(split.table["filter"][:_TOP], of_filters, strict=False)]
    if len(of_filters) > _TOP:
        count = len(of_filters) - _TOP
        rows.append((f"{count} other{'s' if count > 1 else ''}", of_filters[_TOP:].sum(axis=0)))
    return [*rows, ("rest", whole - of_filters.sum(axis=0))]


def _table(name: str, rows: list[_Row], scale: float) -> str:
    head = "".join(f'<th scope="col">{column}</th>' for column in ("", "forward", "reverse", "difference"))
    body = "".join(_line(label, values, scale if i else None) for i, (label, values) in enumerate(rows))
    return (
        f'<table class="rcviz-gap"><caption><b>{html.escape(name)}</b></caption>'
        f'<thead><tr>{head}<th aria-hidden="true"></th></tr></thead><tbody>{body}</tbody></table>'
    )


def _line(label: str, values: Float[np.ndarray, " 3"], scale: float | None) -> str:
    cells = "".join(f"<td>{logit_text(float(value))}</td>" for value in values)
    bar = ""
    if scale is not None:
        # Half of the cell is the scale; forward is to the right, as in plot_gap_by_filter.
        width = 50 * abs(float(values[2])) / scale
        left = 50.0 if values[2] >= 0 else 50 - width
        bar = f'<div style="margin-left:{left:.1f}%;width:{width:.1f}%;height:.8em;background:{FILTER_BAR}"></div>'
    meaning = ' title="The part that no filter explains, such as the bias of the output"' if label == "rest" else ""
    return f'<tr{meaning}><th scope="row">{label}</th>{cells}<td aria-hidden="true">{bar}</td></tr>'


STYLE = """<style>
.rcviz-strand-explorer .widget-html-content { line-height: 1.4; }
.rcviz-strand-explorer .widget-select > label { text-align: left; width: auto; }
.rcviz-strand-explorer .rcviz-logo svg { max-width: 100%; height: auto; display: block; }
.rcviz-strand-explorer .rcviz-panel-title { padding-left: 34px; }
.rcviz-strand-explorer .rcviz-gaps { display: grid; grid-template-columns: repeat(auto-fit, minmax(290px, 1fr));
  column-gap: 24px; align-items: start; }
.rcviz-strand-explorer .rcviz-gap { border-collapse: collapse; line-height: 1.35; font-size: 12px;
  font-variant-numeric: tabular-nums; }
.rcviz-strand-explorer .rcviz-gap caption { text-align: left; padding-bottom: 4px; }
.rcviz-strand-explorer .rcviz-gap th, .rcviz-strand-explorer .rcviz-gap td { padding: 1px 6px 1px 0; text-align: right;
  font-weight: normal; white-space: nowrap; }
.rcviz-strand-explorer .rcviz-gap th[scope=row] { text-align: left; }
.rcviz-strand-explorer .rcviz-gap tbody tr:first-child > * { border-bottom: 1px solid #8886; }
.rcviz-strand-explorer .rcviz-gap td:last-child { width: 40%; }
</style>"""
