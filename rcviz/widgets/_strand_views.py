"""What the strand explorer shows of one sequence: aligned logos and the gap by filter, as SVG and HTML."""

import html

import numpy as np
from jaxtyping import Float

from rcviz.analysis.attributions import StrandAttributions
from rcviz.analysis.strands import GapByFilter
from rcviz.plots._axes import signed_number
from rcviz.plots.logo import logo_svg

WINDOW = 80
"""Positions drawn at a time: narrower letters could not be read."""

_WIDTH, _HEIGHT = 800, 64
_TOP = 8
_BAR = "#5f6f86"


def best_window(found: list[StrandAttributions], length: int) -> int:
    """Return where the window with the largest attributions begins, each model weighing the same."""
    size = np.zeros(length)
    for one in found:
        here = np.abs(one.forward[0]).sum(axis=0) + np.abs(one.reverse[0]).sum(axis=0)
        size += here / (here.sum() or 1.0)
    if length <= WINDOW:
        return 0
    return int(np.convolve(size, np.ones(WINDOW), "valid").argmax())


def logo_pair(name: str, found: StrandAttributions, start: int) -> str:
    """Draw the two strands of one sequence under each other, on one scale that holds for all positions."""
    strands = (("forward", found.forward[0]), ("reverse complement, turned back", found.reverse[0]))
    low = min(float(np.minimum(values, 0).min()) for _, values in strands)
    high = max(float(np.maximum(values, 0).max()) for _, values in strands)
    limits = (low, high) if high > low else (-1.0, 1.0)
    stop = min(start + WINDOW, found.codes.shape[1])
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


def gap_markup(name: str, split: GapByFilter | str) -> str:
    """List the filters whose contributions differ most between the strands, each with a bar; or say why not."""
    if isinstance(split, str):
        return f'<div class="rcviz-gap"><b>{html.escape(name)}</b><br>{html.escape(split)}</div>'
    table = split.table
    columns = ["forward", "reverse", "difference"]
    rows = [
        (f"filter {index}", values) for index, values in zip(table["filter"], table[columns].to_numpy(), strict=True)
    ]
    if len(rows) > _TOP:
        others = [values for _, values in rows[_TOP:]]
        rows = [*rows[:_TOP], (f"{len(others)} other{'s' if len(others) > 1 else ''}", np.sum(others, axis=0))]
    whole = np.array([split.logits_forward.mean(), split.logits_reverse.mean(), split.logit_gap.mean()])
    rows.append(("rest", whole - table[columns].sum().to_numpy()))
    largest = float(np.abs([values[2] for _, values in rows]).max()) or 1.0
    body = "".join(_row(label, values, largest) for label, values in rows)
    forward, reverse, gap = map(_number, whole)
    return (
        f'<table class="rcviz-gap"><caption><b>{html.escape(name)}</b><br>'
        f"logit {forward} forward, {reverse} reverse; gap {gap}</caption>"
        '<thead><tr><th scope="col"></th><th scope="col">forward</th><th scope="col">reverse</th>'
        '<th scope="col">difference</th><th aria-hidden="true"></th></tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _row(label: str, values: Float[np.ndarray, " 3"], largest: float) -> str:
    cells = "".join(f"<td>{_number(value)}</td>" for value in values)
    difference = float(values[2])
    # Half of the cell is the largest difference; forward goes to the right, as in plot_gap_by_filter.
    width = 50 * abs(difference) / largest
    left = 50.0 if difference >= 0 else 50 - width
    bar = f'<div style="margin-left:{left:.1f}%;width:{width:.1f}%;height:.8em;background:{_BAR}"></div>'
    return f'<tr><th scope="row">{label}</th>{cells}<td aria-hidden="true">{bar}</td></tr>'


def _number(value: float | np.floating) -> str:
    """Two decimals; what is of rounding size is written as such."""
    if 0 < abs(value) < 0.005:
        return signed_number(f"{value:+.0e}")
    return signed_number(f"{value:+.2f}")


STYLE = """<style>
.rcviz-strand-explorer .rcviz-logo svg { max-width: 100%; height: auto; display: block; }
.rcviz-strand-explorer .rcviz-panel-title { text-align: center; line-height: 1.4; }
.rcviz-strand-explorer .rcviz-gaps { display: flex; gap: 16px; flex-wrap: wrap; }
.rcviz-strand-explorer .rcviz-gap { flex: 1 1 0; border-collapse: collapse; line-height: 1.35; font-size: 12px;
  font-variant-numeric: tabular-nums; }
.rcviz-strand-explorer .rcviz-gap caption { text-align: left; padding-bottom: 4px; }
.rcviz-strand-explorer .rcviz-gap th, .rcviz-strand-explorer .rcviz-gap td { padding: 1px 6px 1px 0; text-align: right;
  font-weight: normal; white-space: nowrap; }
.rcviz-strand-explorer .rcviz-gap th[scope=row] { text-align: left; }
.rcviz-strand-explorer .rcviz-gap td:last-child { min-width: 90px; width: 40%; }
</style>"""
