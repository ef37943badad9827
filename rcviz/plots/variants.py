"""Effects of variants on the two strands, and the variants whose sign depends on the strand."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import OffsetFrom

from rcviz._core.checks import check_choice, check_whole, task_index
from rcviz.plots._axes import (
    check_title,
    despine,
    faint,
    ink,
    label_axes,
    number_ticks,
    paper,
    plain_title,
    plotting,
    resolve_axes,
)
from rcviz.plots._layout import RoomyText
from rcviz.plots._legend import LEGENDS, add_legend
from rcviz.plots._style import checked_visuals, dot, stroke
from rcviz.plots._text import LINE, axes_size, points, shortened, text_width
from rcviz.plots.colors import NEGATIVE, POSITIVE, on_paper
from rcviz.plots.results import scale_of, table_of

_COLUMNS = ["chrom", "pos", "id", "ref", "alt", "task", "effect_forward", "effect_reverse", "gap"]
_NUMBERS = ["effect_forward", "effect_reverse", "gap"]
_RASTERIZE_ABOVE = 1000
_SAME, _OPPOSITE = "same sign", "opposite signs"


@plotting
def plot_variants(
    table: Any,
    ax: Axes | None = None,
    *,
    task: int | np.integer | str = 0,
    names: int = 5,
    scale: str | None = None,
    legend: str = "outside",
    title: str | None = None,
    visuals: Mapping[str, Any] | None = None,
) -> Axes:
    """Draw the effect of each variant on the reverse strand against that on the forward strand.

    Parameters
    ----------
    table
        A VariantEffects, or a DataFrame with its columns.
    ax
        Axes to draw into; None makes a figure.
    task
        Task to draw, by its name or by its index in the order of the table.
    names
        Name so many of the variants whose sign depends on the strand, those with the largest gap.
    scale
        "logit" or "value", for the labels of the axes.
    legend
        "outside" (below the Axes, with the numbers of variants), "inside" or "none".
    title
        Title; by default the name of the task, if there are several.
    visuals
        Options of matplotlib for each part: "points", "diagonal" and "names"; False hides one.

    Returns
    -------
    Axes
        On the diagonal both strands agree; in the upper left and lower right the sign depends on the strand.

    Raises
    ------
    ValueError
        If a column is missing, there are no rows, a number is not finite, or the task does not exist.

    Examples
    --------
    >>> import pandas as pd
    >>> row = {"chrom": "chr1", "pos": 7, "id": "rs1", "ref": "A", "alt": "C", "task": "CTCF"}
    >>> table = pd.DataFrame([row | {"effect_forward": 0.4, "effect_reverse": -0.2, "gap": 0.6}])
    >>> ax = rcviz.plot_variants(table)
    """
    from matplotlib.lines import Line2D

    check_title(title)
    check_whole("names", names, 0)
    check_choice("legend", legend, LEGENDS)
    styles = checked_visuals("plot_variants", visuals, ("points", "diagonal", "names"))
    scale = scale_of(table, scale)
    table = table_of(table, _COLUMNS, "variant", finite=_NUMBERS)
    tasks = list(dict.fromkeys(table["task"].astype(str)))
    chosen = tasks[task_index(task, tasks)]
    table = table[table["task"].astype(str) == chosen]
    x, y = (table[name].to_numpy(dtype=float) for name in _NUMBERS[:2])
    opposite = x * y < 0

    ax = resolve_axes(ax, 5.0, 4.4)
    colors = {name: on_paper(color, paper(ax)) for name, color in ((_SAME, POSITIVE), (_OPPOSITE, NEGATIVE))}
    reach = 1.08 * (float(max(np.abs(x).max(), np.abs(y).max())) or 1.0)
    line: dict[str, Any] = {"color": faint(ax), "linewidth": stroke(0.8), "zorder": 1}
    ax.plot([-reach, reach], [-reach, reach], **{**line, **styles["diagonal"]})
    for draw in (ax.axhline, ax.axvline):
        draw(0.0, **{**line, "linestyle": ":"})
    size = float(np.clip(4000 / len(x), 5.0, 26.0)) * dot(1.0) ** 2
    for name, part, marker in ((_SAME, ~opposite, "o"), (_OPPOSITE, opposite, "D")):
        marks = {"s": size, "color": colors[name], "alpha": 0.75, "linewidths": 0, "marker": marker, "zorder": 2}
        marks["rasterized"] = len(x) > _RASTERIZE_ABOVE
        ax.scatter(x[part], y[part], **{**marks, **styles["points"]})
    ranked = np.flatnonzero(opposite)[np.argsort(-table["gap"].to_numpy()[opposite], kind="stable")][:names]
    _write_names(ax, x, y, ranked, [_name(table.iloc[row]) for row in ranked], styles["names"])
    ax.set_xlim(-reach, reach)
    ax.set_ylim(-reach, reach)
    ax.set_aspect("equal", adjustable="box")
    despine(ax)
    number_ticks(ax, 5)
    number_ticks(ax, 5, axis="y")
    keys = [
        Line2D([], [], linestyle="", marker=marker, color=colors[name], markersize=dot(5), label=name)
        for name, marker in ((_SAME, "o"), (_OPPOSITE, "D"))
    ]
    note = f"n = {len(x):,}, {int(opposite.sum()):,} with opposite signs\n"
    note += f"largest gap {table['gap'].max():.2g}, mean gap {table['gap'].mean():.2g}"
    add_legend(ax, legend, keys, 2, note=note)
    what = f"effect ({scale})" if scale else "effect"
    label_axes(ax, f"{what}, forward strand", f"{what}, reverse complement")
    plain_title(ax, title or (chosen if len(tasks) > 1 else None))
    return ax


def _corner_name_fits(line: int, name: RoomyText) -> bool:
    """Whether a line of names lies in the corner's part of the Axes."""
    axes: Any = name.axes
    size = float(name.get_fontsize())
    width, height = (length * 72 / axes.figure.figure.dpi for length in axes.bbox.size)
    return bool((line + 1) * LINE * size < 0.46 * height and text_width(name.get_text(), size) < 0.5 * width)


def _write_names(ax: Axes, x: np.ndarray, y: np.ndarray, rows: np.ndarray, names: list[str], style: Any) -> None:
    """Write names in the two corners where signs are opposite, which are nearly empty, with a line to each point."""
    size = min(points("xtick.labelsize"), 8.0)
    width = 0.44 * axes_size(ax)[0]
    for upper in (True, False):
        corner = [
            (y[row], x[row], name) for row, name in zip(rows.tolist(), names, strict=True) if (y[row] > 0) == upper
        ]
        place = OffsetFrom(ax.patch, (0.0, 1.0) if upper else (1.0, 0.0), unit="points")
        for line, (at_y, at_x, name) in enumerate(sorted(corner, reverse=upper)):
            text = RoomyText(
                shortened(name, width, size),
                (at_x, at_y),
                (3.0, -3.0 - line * LINE * size) if upper else (-3.0, 3.0 + line * LINE * size),
                textcoords=place,
                arrowprops={
                    "arrowstyle": "-",
                    "color": faint(ax),
                    "linewidth": stroke(0.5),
                    "shrinkA": 0.5,
                    "shrinkB": 2.0,
                },
                horizontalalignment="left" if upper else "right",
                verticalalignment="top" if upper else "bottom",
                **{"fontsize": size, "color": ink(ax), "parse_math": False, "zorder": 3, **style},
            )
            text.fits = partial(_corner_name_fits, line)
            text.set_in_layout(False)
            ax.add_artist(text)


def _name(row: Any) -> str:
    if isinstance(row["id"], str) and row["id"] not in ("", "."):
        return row["id"]
    return f"{row['chrom']}:{row['pos']} {row['ref']}>{row['alt']}"
