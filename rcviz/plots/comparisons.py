"""Comparison of arms, such as two architectures, over seeds (Figures 2, 3, 6 and 7)."""

import itertools
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from rcviz._core.checks import check_choice
from rcviz.metrics import LOWER_IS_BETTER, METRIC_NAMES, rank_sum_test
from rcviz.plots._axes import INK, despine, integer_ticks, label_axes, legend_below, resolve_axes
from rcviz.plots.colors import model_colors
from rcviz.plots.results import has, table_of

_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1, 1.3)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)), (0, (3, 1)))
"""Dashes and markers separate the arms where colours do not, as in print."""

_SPREAD = 0.22  # half the width over which the seeds of an arm are spread, where arms are 1 apart
_LEVEL = 0.13  # height of one bracket with its p-value, in units of the range of the data
_DODGE = 1.03  # factor between the positions of two arms at one size of the training set
_NOTE_WIDTH = 48  # characters: a legend wider than its Axes would squeeze them
_CHARACTER = 0.075  # inches, of a small tick label
_LONGEST_WORD = 10  # characters of a tick label that has little room
_MOST_LINES = 3  # of a tick label: below them is the note
_WORDS = {**METRIC_NAMES, "valid": "validation", "test": "test", "train": "training"}
_PHRASES = {
    "gap_max": "largest gap between the strands",
    "gap_mean": "mean gap between the strands",
    "ctcf_similarity": "similarity to CTCF_known1",
}


def plot_architectures(
    table: Any,
    ax: Axes | None = None,
    *,
    metric: str | None = None,
    group: str | None = None,
    compare: Sequence[tuple[Any, Any]] | None = None,
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

    Returns
    -------
    Axes
        A line at the mean, a whisker from the least to the greatest seed, a marker for each seed. The note names arms
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
    keys = ["arm", "seed", *([] if group is None else [group])]
    expected = []
    if has(table, "arms", "valid", "test"):
        metric = metric or ("test_auroc" if "auroc" in table.test else "test_pearson")
        expected = [str(arm) for arm in table.arms]
        table = _by_seed(table, metric)
    metric = metric or "valid_auroc"
    table = _runs(table, keys, metric)
    alternative = "less" if metric.rpartition("_")[2] in LOWER_IS_BETTER else "greater"
    arms = list(table["arm"].unique())
    pairs = [(arms[0], arm) for arm in arms[1:]] if compare is None else [(str(a), str(b)) for a, b in compare]
    for name in itertools.chain.from_iterable(pairs):
        if name not in arms:
            raise ValueError(f"compare names the arm {name!r}, but the arms are {', '.join(arms)}")
    groups = [("", table)] if group is None else [(key, table[table[group] == key]) for key in table[group].unique()]
    palette = model_colors(arms)

    width = max(4.2, 1.2 + 0.62 * len(groups) * (len(arms) + 1))
    room = width - 0.7 if ax is None else ax.get_window_extent().width / ax.figure.dpi
    labels = _wrapped_names(arms, room) if group is None else None
    legend_names = [textwrap.fill(arm, _NOTE_WIDTH) for arm in arms]
    # A legend of long names must not squeeze the Axes.
    more = 0.2 * sum(len(name.splitlines()) for name in legend_names) if group is None and labels is None else 0.0
    ax = resolve_axes(ax, width, 4.2 + more)
    low, high = float(table[metric].min()), float(table[metric].max())
    scale = (high - low) or 0.01
    top = high
    for index, (_, part) in enumerate(groups):
        seeds = {str(arm): runs.to_numpy(float) for arm, runs in part.groupby("arm", sort=False)[metric]}
        places = {arm: float(index * (len(arms) + 1) + place) for place, arm in enumerate(arms)}
        for arm, values in seeds.items():
            _draw_arm(ax, places[arm], values, palette[arm], _MARKERS[arms.index(arm) % len(_MARKERS)])
        base = float(part[metric].max())
        for level, (better, other) in enumerate(pair for pair in pairs if seeds.keys() >= set(pair)):
            height = base + (0.07 + level * _LEVEL) * scale
            p_value = rank_sum_test(seeds[better], seeds[other], alternative=alternative)
            _draw_bracket(ax, places[better], places[other], height, 0.02 * scale, p_value)
            top = max(top, height + _LEVEL * scale)
    despine(ax)
    label_axes(ax, None if group is None else group.replace("_", " "), metric_words(metric), grid=True)
    ax.set_xlim(-0.75, len(groups) * (len(arms) + 1) - 1.25)
    ax.set_ylim(low - 0.06 * scale, top + 0.03 * scale)
    if high <= 1 < top:  # brackets need the room above 1, no metric does
        bottom = ax.get_ylim()[0]
        ax.set_yticks([tick for tick in ax.get_yticks() if bottom <= tick < 1 + 1e-9])
    ax.tick_params(axis="x", length=0)
    if group is None:
        ax.set_xticks(range(len(arms)), labels or [""] * len(arms), parse_math=False)
    else:
        middle = (len(arms) - 1) / 2
        places_of_groups = [index * (len(arms) + 1) + middle for index in range(len(groups))]
        ax.set_xticks(places_of_groups, [str(name) for name, _ in groups], parse_math=False)
    note = f"mean, and least to greatest of {_counted(table, group, expected)}"
    if pairs:
        note += "\n" + textwrap.fill(
            f"p: exact one-sided rank-sum test, {_directions(pairs, alternative)}", _NOTE_WIDTH
        )
    handles = [
        Line2D([], [], color=palette[arm], marker=_MARKERS[place % len(_MARKERS)], linewidth=2, label=name)
        for place, (arm, name) in enumerate(zip(arms, legend_names, strict=True))
    ]
    n_columns = min(len(arms), 3) if max(map(len, arms)) < 2 * _LONGEST_WORD else 1
    legend_below(ax, [] if labels else handles, n_columns, note=note)
    return ax


def plot_training_size(table: Any, ax: Axes | None = None, *, metric: str = "valid_auroc") -> Axes:
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
    table = _runs(table, ["arm", "fraction", "seed"], metric)
    fractions = np.asarray(table["fraction"], dtype=float)
    wrong = ~((fractions > 0) & (fractions <= 1))
    if wrong.any():
        raise ValueError(f"fraction must be in (0, 1], got {fractions[wrong][0]:g}: 1 is the whole training set")
    arms = list(table["arm"].unique())
    palette = model_colors(arms)

    ax = resolve_axes(ax, 6.0, 4.2)
    keys = []
    for place, arm in enumerate(arms):
        part = table[table["arm"] == arm].sort_values("fraction")
        aside = _DODGE ** (place - (len(arms) - 1) / 2)
        marker, color = _MARKERS[place % len(_MARKERS)], palette[arm]
        medians = part.groupby("fraction")[metric].median()
        ax.plot(medians.index * aside, medians, color=color, linestyle=_DASHES[place % len(_DASHES)], linewidth=1.8)
        ax.plot(
            part["fraction"] * aside, part[metric], linestyle="none", marker=marker, zorder=2.5, **_seed_style(color)
        )
        keys.append(Line2D([], [], color=color, linestyle=_DASHES[place % len(_DASHES)], marker=marker, label=arm))
    ax.set_xscale("log")
    sizes = sorted(set(fractions.tolist()))
    ax.xaxis.set_major_locator(FixedLocator(sizes))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(sizes, [f"{100 * size:g}" for size in sizes])
    despine(ax)
    label_axes(ax, "share of the training set (%)", metric_words(metric), grid=True)
    legend_below(ax, keys, min(len(arms), 3), note=f"median of {_counted(table, 'fraction')}")
    return ax


def plot_learning_curves(table: Any, ax: Axes | None = None, *, metric: str = "auroc") -> Axes:
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
    table = _runs(table, ["arm", "seed", "epoch", "split"], metric, "epoch and split")
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
    palette = model_colors(arms)

    ax = resolve_axes(ax, 7.0, 4.4)
    keys = []
    for place, (arm, part) in enumerate(zip(arms, parts, strict=True)):
        color, marker = palette[arm], _MARKERS[place % len(_MARKERS)]
        spread = part.groupby(["split", "epoch"])[metric].agg(["min", "median", "max"])
        if "valid" in spread.index:
            valid = spread.loc["valid"]
            ax.fill_between(valid.index, valid["min"], valid["max"], color=color, alpha=0.18, linewidth=0)
            # Markers separate the arms without colour, at different epochs for each arm.
            first = 3 * place % min(len(valid), 10)
            ax.plot(valid.index, valid["median"], color=color, marker=marker, markevery=(first, 10), markersize=5)
        if "train" in spread.index:
            ax.plot(spread.loc["train"].index, spread.loc["train"]["median"], color=color, linestyle="dotted")
        keys.append(Line2D([], [], color=color, marker=marker, label=arm))
    despine(ax)
    integer_ticks(ax, 10)
    label_axes(ax, "epoch", metric_words(metric), grid=True)
    seeds = _counted(table.drop_duplicates(["arm", "seed"]))
    note = f"median of {seeds}; solid: validation, with least to greatest; dotted: training"
    note += "\nup to the last epoch that all seeds reached" if sum(map(len, parts)) < len(table) else ""
    note += "\n" + textwrap.fill(f"not drawn: {', '.join(missing)}", _NOTE_WIDTH) if missing else ""
    legend_below(ax, keys, min(len(arms), 3), note=note)
    return ax


def common_epochs(table: pd.DataFrame) -> int:
    """Return the last epoch that every run in a table of epochs reached; a run is one ``arm`` and ``seed``."""
    return int(table.groupby(["arm", "seed"])["epoch"].max().min())


def metric_words(metric: str) -> str:
    """Write a column such as "valid_auroc" as text: "validation auROC"."""
    return _PHRASES.get(metric) or " ".join(_WORDS.get(part, part) for part in metric.split("_"))


def _runs(table: Any, keys: list[str], metric: str, rows: str = "trained network") -> pd.DataFrame:
    """Return the checked table of runs; names of arms may be numbers."""
    table = table_of(table, [*keys, metric], rows, keys=keys, finite=[metric])
    return table.assign(arm=table["arm"].astype(str))


def _wrapped_names(arms: Sequence[str], room: float) -> list[str] | None:
    """Wrap the arms' names into what each has below Axes of ``room`` inches; None where they need a legend instead."""
    n_characters = max(_LONGEST_WORD, int(room / (len(arms) + 0.5) / _CHARACTER))
    names = [textwrap.fill(arm, n_characters, break_long_words=False) for arm in arms]
    lines = [name.splitlines() for name in names]
    fits = max(map(len, lines)) <= _MOST_LINES and max(len(line) for name in lines for line in name) <= n_characters
    return names if fits else None


def _by_seed(sweep: Any, column: str) -> pd.DataFrame:
    """Return a metric of a Sweep, such as "test_auroc", by arm and seed, averaged over tasks."""
    part, _, metric = column.partition("_")
    if part not in ("valid", "test"):
        raise ValueError(f"metric of a Sweep must be a part and a metric, such as test_auroc, got {column!r}")
    runs = table_of(getattr(sweep, part), ["arm", "seed", metric], "finished run")
    tasks = runs.groupby(["arm", "seed"], sort=False)[metric]
    if tasks.count().min() < tasks.count().max():
        raise ValueError(f"{metric} is known for more tasks in some runs than in others: their means do not compare")
    return tasks.mean().rename(column).reset_index()


def _draw_arm(ax: Axes, place: float, values: Float[np.ndarray, " seeds"], color: str, marker: str) -> None:
    ax.vlines(place, values.min(), values.max(), color=color, linewidth=1.2, zorder=2)
    ends = [place - 0.09, place + 0.09]
    for end in (values.min(), values.max()):
        ax.plot(ends, [end, end], color=color, linewidth=1.2, zorder=2)
    ax.plot([place - 0.32, place + 0.32], [values.mean()] * 2, color=color, linewidth=3, zorder=2.2)
    aside = np.linspace(-_SPREAD, _SPREAD, len(values)) if len(values) > 1 else np.zeros(1)
    ax.plot(place + aside, values, linestyle="none", marker=marker, zorder=2.5, **_seed_style(color))


def _seed_style(color: str) -> dict[str, Any]:
    return {"color": color, "markersize": 5.5, "markeredgecolor": "white", "markeredgewidth": 0.4, "alpha": 0.85}


def _draw_bracket(ax: Axes, one: float, other: float, height: float, drop: float, p_value: float) -> None:
    left, right = sorted([one, other])
    ax.plot([left, left, right, right], [height - drop, height, height, height - drop], color=INK, linewidth=0.8)
    text = f"p = {p_value:.2g}"
    ax.text((left + right) / 2, height + drop / 2, text, fontsize="small", color=INK, ha="center", va="bottom")


def _directions(pairs: Sequence[tuple[str, str]], alternative: str) -> str:
    """Write which arm of each pair is tested to be higher, or lower."""
    word = "below" if alternative == "less" else "above"
    is_one = len({better for better, _ in pairs}) == 1
    return f"{pairs[0][0]} {word} the other" if is_one else "; ".join(f"{a} {word} {b}" for a, b in pairs)


def _counted(table: pd.DataFrame, by: str | None = None, expected: Sequence[str] = ()) -> str:
    """Write how many seeds the arms have, and which arm has none, in a group or at all."""
    groups = {"": table} if by is None else {f" ({by} {key})": table[table[by] == key] for key in table[by].unique()}
    arms = dict.fromkeys([*table["arm"], *expected])
    counts = {f"{arm}{where}": int((part["arm"] == arm).sum()) for where, part in groups.items() for arm in arms}
    least, most = min(filter(None, counts.values())), max(counts.values())
    text = f"{least} to {most} seeds" if least < most else f"{most} seed{'s' if most > 1 else ''}"
    absent = [name for name, count in counts.items() if not count]
    return "\n".join([text, *textwrap.wrap(f"no run of {', '.join(absent)}", _NOTE_WIDTH)]) if absent else text
