"""Knock-outs of filters against what gradient times activation estimates."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rcviz._core.checks import check_choice
from rcviz._core.shapes import Float
from rcviz.plots._axes import despine, faint, ink, label_axes, number_ticks, paper, plotting, resolve_axes
from rcviz.plots._layout import RoomyText
from rcviz.plots._legend import LEGENDS, add_legend
from rcviz.plots._style import checked_visuals, dot, mix, stroke
from rcviz.plots._text import axes_size, points, shortened, text_width
from rcviz.plots.results import scale_of, table_of

_COLUMNS = ("filter", "score", "gradient_x_activation")


@plotting
def plot_ablation(
    table: Any,
    ax: Axes | None = None,
    *,
    named: int = 5,
    scale: str | None = None,
    legend: str = "outside",
    visuals: Mapping[str, Any] | None = None,
) -> Axes:
    """Draw the score of each filter's knock-out against that of gradient times activation.

    Parameters
    ----------
    table
        A FilterAblation, or its table: a DataFrame with columns ``filter``, ``score`` and ``gradient_x_activation``, in
        units of the output. Rows without a number in both are left out and counted.
    ax
        Axes to draw into; None makes a figure.
    named
        Number of filters to name, those with the largest absolute scores; of names that would overlap the first.
    scale
        "logit" or "value", for the labels of the axes; by default that of the FilterAblation, or "logit".
    legend
        "outside" or "inside": number of filters and Spearman's correlation; or "none".
    visuals
        Options of matplotlib for each part: "points", "names", "diagonal" and "zero" (lines); False hides one.

    Returns
    -------
    Axes
        On the diagonal the estimate is right: the two scores are equal.

    Raises
    ------
    ValueError
        If a column is missing, no row has both scores, one is infinite, or `named` is negative.

    Examples
    --------
    >>> ax = rcviz.plot_ablation(rcviz.filter_ablation(model, parts.test))
    """
    scale = scale_of(table, scale) or "logit"
    check_choice("legend", legend, LEGENDS)
    if isinstance(named, bool) or not isinstance(named, int | np.integer) or named < 0:
        raise ValueError(f"named must be a number of filters, 0 or more, got {named!r:.100}")
    styles = checked_visuals("plot_ablation", visuals, ("points", "names", "diagonal", "zero"))
    table = table_of(table, _COLUMNS, "filter", not_infinite=_COLUMNS[1:])
    known = table.dropna(subset=list(_COLUMNS[1:]))
    if known.empty:
        raise ValueError("no filter has a score and gradient_x_activation: there is nothing to compare")
    y, x = (known[column].to_numpy(dtype=float) for column in _COLUMNS[1:])

    ax = resolve_axes(ax, 4.4, 4.2)
    line: dict[str, Any] = {"color": faint(ax), "linewidth": stroke(0.8), "zorder": 1}
    for draw in (ax.axhline, ax.axvline):
        draw(0.0, **{**line, "linestyle": ":", **styles["zero"]})
    low, high = min(x.min(), y.min(), 0.0), max(x.max(), y.max(), 0.0)
    room = 0.05 * (high - low) or 0.5
    ends = [low - room, high + room]
    ax.plot(ends, ends, **{**line, **styles["diagonal"]})
    marks: dict[str, Any] = {
        "s": 18.0 * dot(1.0) ** 2,
        "color": mix(ink(ax), paper(ax), 0.25),
        "linewidths": 0,
        "zorder": 2,
    }
    if {"c", "facecolor", "facecolors"} & set(styles["points"]):
        del marks["color"]
    ax.scatter(x, y, **{**marks, **styles["points"]})
    ax.set_xlim(*ends)
    ax.set_ylim(*ends)
    despine(ax)
    number_ticks(ax, 5)
    number_ticks(ax, 5, axis="y")
    add_legend(ax, legend, [], 1, note=_summary(x, y, len(table) - len(known)))
    label_axes(ax, f"gradient \N{MULTIPLICATION SIGN} activation ({scale})", f"knock-out ({scale})")
    _name_points(ax, [str(name) for name in known["filter"]], x, y, named, styles["names"])
    return ax


def _summary(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], n_unknown: int) -> str:
    ranks = [np.unique(values, return_inverse=True)[1] for values in (x, y)]
    if len(x) > 1 and all(np.ptp(rank) for rank in ranks):
        from scipy.stats import spearmanr

        correlation = f"{spearmanr(x, y).statistic:.2f}"
    else:
        correlation = "undefined"
    unknown = f"\n{n_unknown:,} without a number left out" if n_unknown else ""
    return f"{len(x):,} filters, rank correlation {correlation}{unknown}"


def _point_name_fits(others: Sequence[RoomyText], name: RoomyText) -> bool:
    """Whether a name lies inside the Axes and covers none of the others that are drawn."""
    axes: Any = name.axes
    left, low, right, high = name.extent()
    if left < axes.bbox.x0 or right > axes.bbox.x1 or low < axes.bbox.y0 or high > axes.bbox.y1:
        return False
    boxes = [other.extent() for other in others if other.get_visible()]
    return not any(left < x1 and x0 < right and low < y1 and y0 < high for x0, y0, x1, y1 in boxes)


def _name_points(
    ax: Axes,
    names: list[str],
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    count: int,
    style: Mapping[str, Any],
) -> None:
    """Write names beside the strongest points where none is yet, away from the diagonal if there is room."""
    size = 0.9 * points("xtick.labelsize")
    (low, high), across = ax.get_xlim(), axes_size(ax)[0]
    middle, width = (low + high) / 2, 0.4 * across
    written: list[RoomyText] = []
    for index in np.argsort(-np.abs(y), kind="stable")[:count]:
        content = shortened(names[index], width, size)
        away = -1 if y[index] > x[index] else 1
        room = across * ((x[index] - low) if away < 0 else (high - x[index])) / (high - low)
        side = away if room > 0.95 * text_width(content, size) + 8.0 else -1 if x[index] > middle else 1
        text: dict[str, Any] = {"fontsize": size, "va": "center", "ha": "right" if side < 0 else "left"}
        text |= {"color": ink(ax), "parse_math": False}
        name = RoomyText(
            content, (x[index], y[index]), (side * 5.0, 0.0), textcoords="offset points", **{**text, **style}
        )
        name.fits = partial(_point_name_fits, tuple(written))
        ax.add_artist(name)
        name.set_in_layout(False)
        written.append(name)
