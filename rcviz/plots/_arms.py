"""Arms of a comparison: their runs, colours and names, and how seeds, means and brackets are drawn."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rcviz.metrics import rank_sum_test
from rcviz.plots._axes import ink, paper
from rcviz.plots._layout import text_in_level
from rcviz.plots._style import PageFigure, dot, stroke
from rcviz.plots._text import ELLIPSIS, LINE, axes_size, points, wrapped
from rcviz.plots.colors import model_colors
from rcviz.plots.results import table_of

MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1, 1.3)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)), (0, (3, 1)))
"""Dashes and markers separate the arms where colours do not, as in print."""

RANGE = ("pi", 100)
"""seaborn's words for the least to the greatest."""

WIDTH = 0.8
"""Width of a group of arms, where groups are 1 apart."""

DODGE = 1.03
"""Factor between the positions of two arms at one size of the training set."""

_SPREAD = 0.22  # half the width over which the seeds of an arm are spread, where arms are 1 apart
_MOST_LINES = 3  # of a tick label: below them is the note


def checked_runs(
    table: Any, keys: list[str], metric: str, rows: str = "trained network", *, hue: str | None = None
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the checked table of runs, and by which name each arm has its colour; names of arms may be numbers.

    With `hue`, an arm is one for each value of that column.
    """
    more = [] if hue is None or hue in keys else [hue]
    table = table_of(table, [*keys, *more, metric], rows, keys=[*keys, *more], finite=[metric])
    table = table.assign(arm=table["arm"].astype(str))
    if hue is None or hue == "arm":
        return table, {arm: arm for arm in table["arm"].unique()}
    shade = table[hue].astype(str)
    table = table.assign(arm=table["arm"] + ", " + shade)
    return table, dict(zip(table["arm"], shade, strict=True))


def arm_colors(ax: Axes, shades: Mapping[str, str], palette: Any) -> dict[str, Any]:
    """Return a colour for each shade: those given, those of the caller's theme, or our own."""
    names = list(dict.fromkeys(shades.values()))
    own = matplotlib.rcParamsDefault["axes.prop_cycle"]
    if isinstance(palette, Mapping):
        missing = [name for name in names if name not in palette]
        if missing:
            raise ValueError(f"palette has no colour for {', '.join(missing)}: give one for each of {', '.join(names)}")
        return {name: palette[name] for name in names}
    if palette is not None:
        import seaborn

        return dict(zip(names, seaborn.color_palette(palette, len(names)), strict=True))
    cycle = matplotlib.rcParams["axes.prop_cycle"]
    theme = cycle.by_key().get("color", [])
    dark = cycle == matplotlib.style.library["dark_background"].get("axes.prop_cycle")
    if isinstance(ax.figure.figure, PageFigure) or cycle == own or dark or len(theme) < len(names):
        return dict(model_colors(names, paper(ax)))
    return dict(zip(names, theme, strict=False))


def legend_keys(
    arms: Sequence[str], shades: Mapping[str, str], colors: Mapping[str, Any], *, dashed: bool = True
) -> list[Line2D]:
    """Return the entries of the legend."""
    return [
        Line2D(
            [],
            [],
            color=colors[shades[arm]],
            marker=MARKERS[place % len(MARKERS)],
            linestyle=DASHES[place % len(DASHES)] if dashed else "solid",
            linewidth=stroke(2),
            label=arm,
        )
        for place, arm in enumerate(arms)
    ]


def tick_names(ax: Axes, names: Sequence[str]) -> list[str] | None:
    """Wrap names into what each has below the Axes; None where they need a legend instead."""
    size = points("xtick.labelsize")
    width = 0.9 * axes_size(ax)[0] / (len(names) + 0.2)
    lines = [wrapped(name, width, size) for name in names]
    fits = all(text.count("\n") < _MOST_LINES for text in lines)
    whole = all(text.replace("\n", " ") == name.replace("\n", " ") for text, name in zip(lines, names, strict=True))
    return lines if fits and whole and not any(ELLIPSIS in text for text in lines) else None


def sparse_sizes(ax: Axes, sizes: Sequence[float]) -> list[str]:
    """Write sizes as per cent; those too close to the one before are left blank."""
    size, width = points("xtick.labelsize"), axes_size(ax)[0]
    low, high = np.log(sizes[0] / DODGE), np.log(sizes[-1] * DODGE)
    texts, end = [], -np.inf
    for value in sizes:
        text = f"{100 * value:g}"
        middle = width * (np.log(value) - low) / (high - low)
        half = 0.35 * size * len(text)
        texts.append(text if middle - half > end else "")
        end = middle + half + 0.5 * size if texts[-1] else end
    return texts


def draw_arms(
    ax: Axes,
    table: pd.DataFrame,
    metric: str,
    x: str,
    order: Sequence[Any],
    colors: Mapping[str, Any],
    styles: Mapping[str, Any],
) -> None:
    """Draw the seeds, the mean and the range of each arm."""
    import seaborn  # a second to import, and only for these plots

    arms = list(colors)
    several = x != "arm" and len(arms) > 1
    for place, arm in enumerate(arms):
        part = table[table["arm"] == arm]
        color = colors[arm]
        shared: dict[str, Any] = {"x": x, "y": metric, "order": order, "ax": ax, "legend": False}
        if x != "arm":
            shared |= {"hue": "arm", "hue_order": arms, "palette": dict.fromkeys(arms, color)}
        else:
            shared |= {"color": color}
        drawn = len(ax.collections)
        # seaborn's own jitter draws from numpy's global generator.
        seeds = {"marker": MARKERS[place % len(MARKERS)], "size": dot(5.5), "linewidth": stroke(0.4), "alpha": 0.85}
        seeds |= {"edgecolor": paper(ax), "zorder": 2.5, "jitter": False, **styles["seeds"]}
        seaborn.stripplot(part, dodge=several, **shared, **seeds)
        for points_of_seeds in ax.collections[drawn:]:
            offsets = np.asarray(points_of_seeds.get_offsets())
            if len(offsets):
                spread = _SPREAD * (WIDTH / len(arms) if several else 1.0)
                aside = np.linspace(-spread, spread, len(offsets)) if len(offsets) > 1 else np.zeros(1)
                points_of_seeds.set_offsets(offsets + np.column_stack([aside, np.zeros(len(offsets))]))
        means = {"errorbar": RANGE, "linestyle": "none", "marker": "_", "markersize": dot(26 / max(1.0, len(arms) / 4))}
        means |= {
            "markeredgewidth": stroke(3),
            "linewidth": stroke(1.2),
            "capsize": 0.18,
            "zorder": 2.2,
            **styles["means"],
        }
        dodge = WIDTH * (len(arms) - 1) / len(arms) if several else False
        seaborn.pointplot(part, dodge=dodge, **shared, **means)


def seed_style(ax: Axes, color: Any) -> dict[str, Any]:
    return {
        "color": color,
        "markersize": dot(5.5),
        "markeredgecolor": paper(ax),
        "markeredgewidth": stroke(0.4),
        "alpha": 0.85,
    }


def draw_brackets(
    ax: Axes,
    runs: pd.DataFrame,
    metric: str,
    places: Mapping[str, float],
    pairs: Sequence[tuple[str, str]],
    alternative: str,
    style: Mapping[str, Any],
) -> float:
    """Draw a bracket with its p-value for each pair, above each other; return where they end."""
    seeds = {str(arm): part.to_numpy(float) for arm, part in runs.groupby("arm", sort=False)[metric]}
    both = [pair for pair in pairs if seeds.keys() >= set(pair)]
    size = points("xtick.labelsize")
    values = ax.dataLim.intervaly
    # One bracket takes two lines of text, of the height that the data leave.
    share = min(2.0 * LINE * size / (0.55 * axes_size(ax)[1]), 0.6 / max(len(both), 1))
    scale = float(np.ptp(values)) or 0.01
    size = min(size, 0.55 * share * axes_size(ax)[1] / (2.0 * LINE))
    level = scale * share / (1 - share * len(both)) if both else 0.0
    base = float(runs[metric].max())
    line = {"color": ink(ax), "linewidth": stroke(0.8), **style}
    for place, (better, other) in enumerate(both):
        height = base + (place + 0.45) * level
        left, right = sorted((places[better], places[other]))
        drop = 0.15 * level
        ax.plot([left, left, right, right], [height - drop, height, height, height - drop], **line)
        text = f"p = {rank_sum_test(seeds[better], seeds[other], alternative=alternative):.2g}"
        text_in_level(
            ax,
            (left + right) / 2,
            height + drop / 2,
            text,
            0.8 * level,
            size,
            color=line["color"],
            ha="center",
            va="bottom",
            visible=bool(style.get("visible", True)),
        )
    return base + len(both) * level + 0.05 * scale


def counted(table: pd.DataFrame, by: str | None = None, expected: Sequence[str] = ()) -> str:
    """Write how many seeds the arms have, and which arm has none, in a group or at all."""
    groups = {"": table} if by is None else {f" ({by} {key})": table[table[by] == key] for key in table[by].unique()}
    arms = dict.fromkeys([*table["arm"], *expected])
    counts = {f"{arm}{where}": int((part["arm"] == arm).sum()) for where, part in groups.items() for arm in arms}
    least, most = min(filter(None, counts.values())), max(counts.values())
    text = f"{least} to {most} seeds" if least < most else f"{most} seed{'s' if most > 1 else ''}"
    absent = [name for name, count in counts.items() if not count]
    return f"{text}\nno run of {', '.join(absent)}" if absent else text


def metric_by_seed(sweep: Any, column: str) -> pd.DataFrame:
    """Return a metric of a Sweep, such as "test_auroc", by arm and seed, averaged over tasks."""
    part, _, metric = column.partition("_")
    if part not in ("valid", "test"):
        raise ValueError(f"metric of a Sweep must be a part and a metric, such as test_auroc, got {column!r}")
    runs = table_of(getattr(sweep, part), ["arm", "seed", metric], "finished run")
    tasks = runs.groupby(["arm", "seed"], sort=False)[metric]
    if tasks.count().min() < tasks.count().max():
        raise ValueError(f"{metric} is known for more tasks in some runs than in others: their means do not compare")
    return tasks.mean().rename(column).reset_index()


def directions(pairs: Sequence[tuple[str, str]], alternative: str) -> str:
    """Write which arm of each pair is tested to be higher, or lower."""
    word = "below" if alternative == "less" else "above"
    is_one = len({better for better, _ in pairs}) == 1
    return f"{pairs[0][0]} {word} the other" if is_one else "; ".join(f"{a} {word} {b}" for a, b in pairs)
