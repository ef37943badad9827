"""Comparison of arms, such as two architectures, over seeds (Figures 2, 3, 6 and 7), drawn by seaborn."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from rcviz._core.checks import check_choice
from rcviz.metrics import LOWER_IS_BETTER, METRIC_NAMES
from rcviz.plots._arms import (
    DASHES,
    DODGE,
    MARKERS,
    RANGE,
    WIDTH,
    arm_colors,
    checked_runs,
    counted,
    directions,
    draw_arms,
    draw_brackets,
    legend_keys,
    metric_by_seed,
    seed_style,
    sparse_sizes,
    tick_names,
)
from rcviz.plots._axes import despine, integer_ticks, label_axes, paper, plotting, resolve_axes
from rcviz.plots._legend import LEGENDS, add_legend
from rcviz.plots._style import checked_visuals, dot, stroke
from rcviz.plots._text import cell_size, distinct_short, points
from rcviz.plots._ticks import UpToOneLocator
from rcviz.plots.results import has

_UPRIGHT_SHARE = 0.25
"""Largest share of the height of their part of the figure that upright names of groups take."""

_WORDS = {**METRIC_NAMES, "valid": "validation", "test": "test", "train": "training"}
_PHRASES = {
    "gap_max": "largest gap between the strands",
    "gap_mean": "mean gap between the strands",
    "ctcf_similarity": "similarity to CTCF_known1",
}


@plotting
def plot_architectures(
    table: Any,
    ax: Axes | None = None,
    *,
    metric: str | None = None,
    group: str | None = None,
    compare: Sequence[tuple[Any, Any]] | None = None,
    hue: str | None = None,
    palette: Any = None,
    legend: str = "outside",
    visuals: Mapping[str, Any] | None = None,
) -> Axes:
    """Draw a metric of each arm: mean, least and greatest, and every seed (Figures 3 and 7).

    Parameters
    ----------
    table
        DataFrame with one row for each trained network: ``arm``, ``seed`` and the metric; or a Sweep, whose metrics
        are averaged over tasks. Arms are drawn in their order in the table.
    ax
        Axes to draw into; None makes a figure.
    metric
        Column to draw, such as "valid_auroc" or "valid_auprc"; of a Sweep, part and metric, such as "test_auprc". None:
        "valid_auroc", of a Sweep "test_auroc", or "test_pearson" where labels are values.
    group
        Column by which arms are grouped side by side, such as "dataset"; None draws one group.
    compare
        Pairs of arms, the one expected to be better first (errors such as "test_mse" are better when lower); None
        compares the first arm with every other one. A bracket shows a pair's p-value, exact and one-sided.

    hue
        Column by which colours are chosen, such as "dataset"; markers then tell the arms apart. None: the arm.
    palette
        A dict from arm (or value of `hue`) to colour, or a palette of seaborn. None: that of the caller's theme if it
        is not matplotlib's default, else rcviz's own, which stays distinct in print.
    legend
        "outside" (below the Axes), "inside" or "none".
    visuals
        Options of matplotlib for each part: "seeds" (markers), "means" (marks and whiskers) and "brackets";
        False hides one.

    Returns
    -------
    Axes
        A mark at the mean, a whisker from the least to the greatest seed, a marker for each seed. The note names arms
        without a run, in a group or at all.

    Raises
    ------
    ValueError
        If a column is missing, the table is empty, an arm, seed, group or value is missing, an arm has a seed twice in
        one group, or `compare` names an unknown arm.

    Examples
    --------
    >>> import pandas as pd, rcviz
    >>> runs = pd.DataFrame({"arm": ["RC-20", "standard-20"] * 3, "seed": [0, 0, 1, 1, 2, 2]})
    >>> runs["valid_auprc"] = [0.81, 0.75, 0.80, 0.77, 0.82, 0.76]
    >>> ax = rcviz.plot_architectures(runs, metric="valid_auprc", compare=[("RC-20", "standard-20")])
    """
    check_choice("legend", legend, LEGENDS)
    styles = checked_visuals("plot_architectures", visuals, ("seeds", "means", "brackets"))
    keys = ["arm", "seed", *([] if group is None else [group])]
    expected = []
    if has(table, "arms", "valid", "test"):
        metric = metric or ("test_auroc" if "auroc" in table.test else "test_pearson")
        expected = [str(arm) for arm in table.arms]
        table = metric_by_seed(table, metric)
    metric = metric or "valid_auroc"
    table, shades = checked_runs(table, keys, metric, hue=hue)
    alternative = "less" if metric.rpartition("_")[2] in LOWER_IS_BETTER else "greater"
    arms = list(table["arm"].unique())
    if compare is None:
        pairs = [] if hue is not None else [(arms[0], arm) for arm in arms[1:]]
    else:
        pairs = [(str(a), str(b)) for a, b in compare]
    for name in itertools.chain.from_iterable(pairs):
        if name not in arms:
            raise ValueError(f"compare names the arm {name!r}, but the arms are {', '.join(arms)}")
    x = "arm" if group is None else group
    order = arms if group is None else list(table[group].unique())

    ax = resolve_axes(ax, max(4.2, 1.2 + 0.62 * len(order) * (1 if group is None else len(arms) + 1)), 4.0)
    colors = arm_colors(ax, shades, palette)
    of_arms = {arm: colors[shade] for arm, shade in shades.items()}
    draw_arms(ax, table, metric, x, order, of_arms, styles)
    offsets = [0.0] if group is None else np.linspace(-1, 1, len(arms)) * WIDTH * (len(arms) - 1) / len(arms) / 2
    tops = []
    for index, key in enumerate([None] if group is None else order):
        part = table if key is None else table[table[group] == key]
        places = {arm: float(i) if key is None else index + float(offsets[i]) for i, arm in enumerate(arms)}
        tops.append(draw_brackets(ax, part, metric, places, pairs, alternative, styles["brackets"]))
    despine(ax)
    low, high = float(table[metric].min()), float(table[metric].max())
    scale, top = (high - low) or 0.01, max(tops)
    ax.set_xlim(-0.6, len(order) - 0.4)
    ax.set_ylim(low - 0.06 * scale, top + 0.03 * scale)
    if high <= 1 < top:
        ax.yaxis.set_major_locator(UpToOneLocator())
    ax.tick_params(axis="x", length=0)
    labels = tick_names(ax, [str(name) for name in order])
    ax.set_xticks(range(len(order)), labels or [""] * len(order), parse_math=False)
    if labels is None and group is not None:
        size = points("xtick.labelsize")
        upright = distinct_short([str(name) for name in order], _UPRIGHT_SHARE * cell_size(ax)[1], size)
        ax.set_xticks(range(len(order)), upright, parse_math=False, rotation=90)
    note = f"mean, and least to greatest of {counted(table, group, expected)}"
    if pairs:
        note += f"\np: exact one-sided rank-sum test, {directions(pairs, alternative)}"
    named_below = labels is not None and group is None and hue is None
    handles = [] if named_below else legend_keys(arms, shades, colors, dashed=False)
    add_legend(ax, legend, handles, 3, note=note)
    label_axes(ax, "" if group is None else group.replace("_", " "), metric_words(metric), grid=True)
    return ax


@plotting
def plot_training_size(
    table: Any,
    ax: Axes | None = None,
    *,
    metric: str = "valid_auroc",
    hue: str | None = None,
    palette: Any = None,
    legend: str = "outside",
    visuals: Mapping[str, Any] | None = None,
) -> Axes:
    """Draw a metric of each arm against the training set's size: median line, a marker per seed (Figure 6).

    Parameters
    ----------
    table
        DataFrame with one row for each trained network: ``arm``, ``fraction`` of the training set in (0, 1], ``seed``
        and the metric; or a result with such a table.
    ax
        Axes to draw into; None makes a figure.
    metric
        Column to draw, such as "valid_auroc" or "valid_auprc".

    hue
        Column by which colours are chosen, such as "dataset"; markers then tell the arms apart. None: the arm.
    palette
        A dict from arm (or value of `hue`) to colour, or a palette of seaborn. None: that of the caller's theme if it
        is not matplotlib's default, else rcviz's own, which stays distinct in print.
    legend
        "outside" (below the Axes), "inside" or "none".
    visuals
        Options of matplotlib for each part: "seeds" (markers) and "medians" (lines);
        False hides one.

    Returns
    -------
    Axes
        Fractions on a logarithmic axis; arms are slightly offset so that none hides another. The note names fractions
        at which an arm has no run.

    Raises
    ------
    ValueError
        If a column is missing, the table is empty, an arm, seed or value is missing, a fraction is not in (0, 1], or an
        arm has a seed twice at one fraction.

    Examples
    --------
    >>> import pandas as pd, rcviz
    >>> runs = pd.DataFrame({"arm": ["RC-16", "standard-16"] * 2, "seed": 0, "fraction": [0.5, 0.5, 1.0, 1.0]})
    >>> ax = rcviz.plot_training_size(runs.assign(valid_auroc=[0.82, 0.78, 0.88, 0.87]))
    """
    check_choice("legend", legend, LEGENDS)
    styles = checked_visuals("plot_training_size", visuals, ("seeds", "medians"))
    table, shades = checked_runs(table, ["arm", "fraction", "seed"], metric, hue=hue)
    fractions = np.asarray(table["fraction"], dtype=float)
    wrong = ~((fractions > 0) & (fractions <= 1))
    if wrong.any():
        raise ValueError(f"fraction must be in (0, 1], got {fractions[wrong][0]:g}: 1 is the whole training set")
    arms = list(table["arm"].unique())
    import seaborn  # a second to import, and only for these plots

    ax = resolve_axes(ax, 6.0, 4.0)
    ax.set_xscale("log")
    colors = arm_colors(ax, shades, palette)
    for place, arm in enumerate(arms):
        part = table[table["arm"] == arm]
        part = part.assign(fraction=part["fraction"] * DODGE ** (place - (len(arms) - 1) / 2))
        color, dashes = colors[shades[arm]], DASHES[place % len(DASHES)]
        line = {"color": color, "linestyle": dashes, "linewidth": stroke(1.8), **styles["medians"]}
        middle = part.groupby("fraction", as_index=False)[metric].median()
        seaborn.lineplot(middle, x="fraction", y=metric, errorbar=None, ax=ax, legend=False, **line)
        # Markers as a line without a line: seaborn's scatter has no marker that is larger than another's.
        marks = {"linestyle": "none", "marker": MARKERS[place % len(MARKERS)], "zorder": 2.5, **seed_style(ax, color)}
        ax.plot(part["fraction"], part[metric], **{**marks, **styles["seeds"]})
    sizes = sorted(set(fractions.tolist()))
    ax.xaxis.set_major_locator(FixedLocator(sizes))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(sizes, sparse_sizes(ax, sizes))
    despine(ax)
    add_legend(ax, legend, legend_keys(arms, shades, colors), 3, note=f"median of {counted(table, 'fraction')}")
    label_axes(ax, "share of the training set (%)", metric_words(metric), grid=True)
    return ax


@plotting
def plot_learning_curves(
    table: Any,
    ax: Axes | None = None,
    *,
    metric: str = "auroc",
    hue: str | None = None,
    palette: Any = None,
    legend: str = "outside",
    visuals: Mapping[str, Any] | None = None,
) -> Axes:
    """Draw each arm's learning curves over its seeds: medians, validation solid and training dotted (Figure 2).

    Parameters
    ----------
    table
        DataFrame with one row for each epoch and split of each run: ``arm``, ``seed``, ``epoch``, ``split`` ("train"
        or "valid") and the metric; or a result with such a table. `rcviz.plot_history` draws every run separately.
    ax
        Axes to draw into; None makes a figure.
    metric
        "loss", "auroc" or "auprc"; "loss", "pearson", "spearman" or "mse" where labels are values.

    hue
        Column by which colours are chosen, such as "dataset"; markers then tell the arms apart. None: the arm.
    palette
        A dict from arm (or value of `hue`) to colour, or a palette of seaborn. None: that of the caller's theme if it
        is not matplotlib's default, else rcviz's own, which stays distinct in print.
    legend
        "outside" (below the Axes), "inside" or "none".
    visuals
        Options of matplotlib for each part: "validation", "training" (lines) and "bands";
        False hides one.

    Returns
    -------
    Axes
        A band from the least to the greatest seed in validation. An arm's curves end at the last epoch that all of
        its seeds reached, as the median beyond it would be that of fewer runs. The note states this, and names
        what is not drawn.

    Raises
    ------
    ValueError
        If a column is missing, the table is empty, `metric` or a split is unknown, an arm, seed or value is missing, or
        a seed has two rows for an epoch and split, or lacks one that the arm's other seeds have.

    Examples
    --------
    >>> import pandas as pd, rcviz
    >>> epochs = pd.DataFrame({"arm": "RC-20", "seed": 0, "epoch": [1, 1, 2, 2], "split": ["train", "valid"] * 2})
    >>> ax = rcviz.plot_learning_curves(epochs.assign(auroc=[0.60, 0.58, 0.80, 0.75]))
    """
    check_choice("metric", metric, tuple(METRIC_NAMES))
    check_choice("legend", legend, LEGENDS)
    styles = checked_visuals("plot_learning_curves", visuals, ("validation", "training", "bands"))
    table, shades = checked_runs(table, ["arm", "seed", "epoch", "split"], metric, "epoch and split", hue=hue)
    for split in table["split"].unique():
        check_choice("split", split, ("train", "valid"))
    arms = list(table["arm"].unique())
    parts: list[pd.DataFrame] = []
    missing: list[str] = []
    for arm in arms:
        part = table[table["arm"] == arm]
        last = common_epochs(part)
        missing += [f"{_WORDS[split]} of {arm}" for split in table["split"].unique() if (part["split"] != split).all()]
        part = part[part["epoch"] <= last]
        parts.append(part)
        if part.groupby(["split", "epoch"]).size().min() < part["seed"].nunique():
            raise ValueError(
                f"a seed of arm {arm!r} lacks an epoch or split of the others: drop the seed or complete it"
            )
    import seaborn  # a second to import, and only for these plots

    ax = resolve_axes(ax, 7.0, 4.2)
    colors = arm_colors(ax, shades, palette)
    for place, (arm, part) in enumerate(zip(arms, parts, strict=True)):
        shared: dict[str, Any] = {"x": "epoch", "y": metric, "estimator": "median", "ax": ax, "legend": False}
        color = colors[shades[arm]]
        valid, train = (part[part["split"] == split] for split in ("valid", "train"))
        if len(valid):
            # Markers separate the arms without colour, at different epochs for each arm.
            first = 3 * place % min(valid["epoch"].nunique(), 10)
            line = {
                "color": color,
                "marker": MARKERS[place % len(MARKERS)],
                "markevery": (first, 10),
                "markersize": dot(5),
                "markeredgecolor": paper(ax),
                **styles["validation"],
            }
            bands = {"alpha": 0.18, "linewidth": 0, **styles["bands"]}
            seaborn.lineplot(valid, errorbar=RANGE, err_kws=bands, **shared, **line)
        if len(train):
            dotted = {"color": color, "linestyle": "dotted", **styles["training"]}
            seaborn.lineplot(train, errorbar=None, **shared, **dotted)
    despine(ax)
    integer_ticks(ax, 10)
    seeds = counted(table.drop_duplicates(["arm", "seed"]))
    note = f"median of {seeds}; solid: validation, with least to greatest; dotted: training"
    note += "\nup to the last epoch that all seeds reached" if sum(map(len, parts)) < len(table) else ""
    note += f"\nnot drawn: {', '.join(missing)}" if missing else ""
    add_legend(ax, legend, legend_keys(arms, shades, colors, dashed=False), 3, note=note)
    label_axes(ax, "epoch", metric_words(metric), grid=True)
    return ax


def common_epochs(table: pd.DataFrame) -> int:
    """Return the last epoch that every run in a table of epochs reached; a run is one ``arm`` and ``seed``."""
    return int(table.groupby(["arm", "seed"])["epoch"].max().min())


def metric_words(metric: str) -> str:
    """Write a column such as "valid_auroc" as text: "validation auROC"."""
    return _PHRASES.get(metric) or " ".join(_WORDS.get(part, part) for part in metric.split("_"))
