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

from rcviz._core.checks import check_choice, check_table
from rcviz.metrics import rank_sum_test
from rcviz.plots._axes import INK, despine, integer_ticks, legend_below, resolve_axes
from rcviz.plots.colors import model_colors
from rcviz.plots.results import has, table_of

_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1, 1.3)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)), (0, (3, 1)))
"""Dashes and markers separate the arms where colours do not, as in print."""

_SPREAD = 0.22
"""Half the width over which the seeds of an arm are spread, where arms are 1 apart."""

_LEVEL = 0.13
"""Height of one bracket with its p-value, in units of the range of the data."""

_DODGE = 1.03
"""Factor between the positions of two arms at one size of the training set."""

_NOTE_WIDTH = 48  # characters: a legend wider than its Axes would squeeze them

_CHARACTER = 0.075  # inches, of a small tick label
_LONGEST_WORD = 10  # characters of a tick label that has little room
_MOST_LINES = 3  # of a tick label: below them is the note

_METRICS = ("loss", "auroc", "auprc")

_WORDS = {"auroc": "auROC", "auprc": "auPRC", "valid": "validation", "test": "test", "train": "training"}
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
    compare: Sequence[tuple[str, str]] | None = None,
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
        "valid_auroc", of a Sweep "test_auroc".
    group
        Column by which arms are grouped side by side, such as "dataset"; None draws one group.
    compare
        Pairs of arms, the one expected to be higher first; None compares the first arm with every other one. In each
        group a bracket shows the p-value of a pair by the exact one-sided rank-sum test (section 3.8); a pair that a
        group does not have is skipped.

    Returns
    -------
    Axes
        A line at the mean, a whisker from the least to the greatest seed, a marker for each seed.

    Raises
    ------
    ValueError
        If a column is missing, the table is empty, a value is not finite, an arm has a seed twice in one group, or
        `compare` names an unknown arm.

    Examples
    --------
    >>> import pandas as pd, rcviz
    >>> runs = pd.DataFrame({"arm": ["RC-20", "standard-20"] * 3, "seed": [0, 0, 1, 1, 2, 2]})
    >>> runs["valid_auprc"] = [0.81, 0.75, 0.80, 0.77, 0.82, 0.76]
    >>> ax = rcviz.plot_architectures(runs, metric="valid_auprc", compare=[("RC-20", "standard-20")])
    """
    if has(table, "arms", "valid", "test"):
        metric = metric or "test_auroc"
        table = _by_seed(table, metric)
    metric = metric or "valid_auroc"
    columns = ["arm", "seed", metric, *([] if group is None else [group])]
    table = table_of(table)
    check_table(table, columns, "trained network")
    _check_runs(table, metric, ["arm", "seed", *([] if group is None else [group])])
    arms = [str(arm) for arm in table["arm"].unique()]
    pairs = [(arms[0], other) for other in arms[1:]] if compare is None else list(compare)
    for name in itertools.chain.from_iterable(pairs):
        if name not in arms:
            raise ValueError(f"compare names the arm {name!r}, but the arms are {', '.join(arms)}")
    groups = [("", table)] if group is None else [(str(key), part) for key, part in table.groupby(group, sort=False)]
    palette = model_colors(arms)

    width = max(4.2, 1.2 + 0.62 * len(groups) * (len(arms) + 1))
    room = width - 0.7 if ax is None else ax.get_window_extent().width / ax.figure.dpi
    labels = _wrapped_names(arms, room) if group is None else None
    legend_names = [textwrap.fill(arm, _NOTE_WIDTH) for arm in arms]
    # A legend of long names must not squeeze the Axes.
    more = 0.2 * sum(len(name.splitlines()) for name in legend_names) if group is None and labels is None else 0.0
    ax = resolve_axes(ax, width, 4.2 + more)
    values = np.asarray(table[metric], dtype=float)
    low, high = float(values.min()), float(values.max())
    scale = (high - low) or 0.01
    top = high
    for index, (_, part) in enumerate(groups):
        left = index * (len(arms) + 1)
        seeds = {arm: np.asarray(part.loc[part["arm"] == arm, metric], dtype=float) for arm in arms}
        places = {arm: float(left + place) for place, arm in enumerate(arms)}
        for place, arm in enumerate(arms):
            if len(seeds[arm]):
                _draw_arm(ax, places[arm], seeds[arm], palette[arm], _MARKERS[place % len(_MARKERS)])
        drawn = [pair for pair in pairs if all(len(seeds[arm]) for arm in pair)]
        base = max(float(each.max()) for each in seeds.values() if len(each))
        for level, (better, other) in enumerate(drawn):
            height = base + (0.07 + level * _LEVEL) * scale
            p_value = rank_sum_test(seeds[better], seeds[other])
            _draw_bracket(ax, places[better], places[other], height, 0.02 * scale, p_value)
            top = max(top, height + _LEVEL * scale)
    despine(ax)
    ax.grid(axis="y", color="#eeeeee")
    ax.set_axisbelow(True)
    ax.set_xlim(-0.75, len(groups) * (len(arms) + 1) - 1.25)
    ax.set_ylim(low - 0.06 * scale, top + 0.03 * scale)
    if high <= 1 < top:  # brackets need the room above 1, no metric does
        bottom = ax.get_ylim()[0]
        ax.set_yticks([tick for tick in ax.get_yticks() if bottom <= tick < 1 + 1e-9])
    ax.tick_params(axis="x", length=0)
    ax.set_ylabel(metric_words(metric), fontsize="small", color=INK)
    if group is None:
        ax.set_xticks(range(len(arms)), labels or [""] * len(arms), parse_math=False)
    else:
        middle = (len(arms) - 1) / 2
        places_of_groups = [index * (len(arms) + 1) + middle for index in range(len(groups))]
        ax.set_xticks(places_of_groups, [name for name, _ in groups], parse_math=False)
    note = f"mean, and least to greatest of {_counted(table, [*([] if group is None else [group]), 'arm'])}"
    if pairs:
        note += "\n" + textwrap.fill(f"p: exact one-sided rank-sum test, {_directions(pairs)}", _NOTE_WIDTH)
    keys = [
        Line2D([], [], color=palette[arm], marker=_MARKERS[place % len(_MARKERS)], linewidth=2, label=name)
        for place, (arm, name) in enumerate(zip(arms, legend_names, strict=True))
    ]
    if group is not None:
        ax.set_xlabel(group.replace("_", " "), fontsize="small", color=INK)
    n_columns = min(len(arms), 3) if max(map(len, arms)) < 2 * _LONGEST_WORD else 1
    legend_below(ax, [] if labels else keys, n_columns, note=note)
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
        Fractions on a logarithmic axis; arms are slightly offset so that none hides another.

    Raises
    ------
    ValueError
        If a column is missing, the table is empty, a value is not finite, a fraction is not in (0, 1], or an arm has
        a seed twice at one fraction.

    Examples
    --------
    >>> import pandas as pd, rcviz
    >>> runs = pd.DataFrame({"arm": ["RC-16", "standard-16"] * 2, "seed": 0, "fraction": [0.5, 0.5, 1.0, 1.0]})
    >>> ax = rcviz.plot_training_size(runs.assign(valid_auroc=[0.82, 0.78, 0.88, 0.87]))
    """
    table = table_of(table)
    check_table(table, ["arm", "fraction", "seed", metric], "trained network")
    fractions = np.asarray(table["fraction"], dtype=float)
    wrong = ~((fractions > 0) & (fractions <= 1))
    if wrong.any():
        raise ValueError(f"fraction must be in (0, 1], got {fractions[wrong][0]:g}: 1 is the whole training set")
    _check_runs(table, metric, ["arm", "fraction", "seed"])
    arms = [str(arm) for arm in table["arm"].unique()]
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
    ax.grid(axis="y", color="#eeeeee")
    ax.set_axisbelow(True)
    ax.set_xlabel("share of the training set (%)", fontsize="small", color=INK)
    ax.set_ylabel(metric_words(metric), fontsize="small", color=INK)
    legend_below(ax, keys, min(len(arms), 3), note=f"median of {_counted(table, ['arm', 'fraction'])}")
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
        "loss", "auroc" or "auprc".

    Returns
    -------
    Axes
        A band from the least to the greatest seed in validation. An arm's curves end at the last epoch that all of
        its seeds reached, as the median beyond it would be that of fewer runs.

    Raises
    ------
    ValueError
        If a column is missing, the table is empty, `metric` or a split is unknown, or a seed has two rows for an
        epoch and split.

    Examples
    --------
    >>> import pandas as pd, rcviz
    >>> epochs = pd.DataFrame({"arm": "RC-20", "seed": 0, "epoch": [1, 1, 2, 2], "split": ["train", "valid"] * 2})
    >>> ax = rcviz.plot_learning_curves(epochs.assign(auroc=[0.60, 0.58, 0.80, 0.75]))
    """
    check_choice("metric", metric, _METRICS)
    table = table_of(table)
    check_table(table, ["arm", "seed", "epoch", "split", metric], "epoch")
    for split in table["split"].unique():
        check_choice("split", split, ("train", "valid"))
    if table.duplicated(["arm", "seed", "epoch", "split"]).any():
        raise ValueError("an arm has a seed twice in one epoch and split: give one row per epoch and split of a run")
    arms = [str(arm) for arm in table["arm"].unique()]
    palette = model_colors(arms)

    ax = resolve_axes(ax, 7.0, 4.4)
    keys = []
    for place, arm in enumerate(arms):
        part = table[table["arm"] == arm]
        whole = part[part["epoch"] <= common_epochs(part)]
        color, marker = palette[arm], _MARKERS[place % len(_MARKERS)]
        spread = whole.groupby(["split", "epoch"])[metric].agg(["min", "median", "max"])
        if "valid" in spread.index:
            valid = spread.loc["valid"]
            ax.fill_between(valid.index, valid["min"], valid["max"], color=color, alpha=0.18, linewidth=0)
            # Markers separate the arms without colour, at different epochs for each arm.
            ax.plot(valid.index, valid["median"], color=color, marker=marker, markevery=(3 * place, 10), markersize=5)
        if "train" in spread.index:
            ax.plot(spread.loc["train"].index, spread.loc["train"]["median"], color=color, linestyle="dotted")
        keys.append(Line2D([], [], color=color, marker=marker, label=arm))
    despine(ax)
    ax.grid(axis="y", color="#eeeeee")
    ax.set_axisbelow(True)
    integer_ticks(ax, 10)
    ax.set_xlabel("epoch", fontsize="small", color=INK)
    ax.set_ylabel(metric_words(metric), fontsize="small", color=INK)
    seeds = _counted(table.drop_duplicates(["arm", "seed"]), ["arm"])
    note = f"median of {seeds}; solid: validation, with least to greatest; dotted: training"
    legend_below(ax, keys, min(len(arms), 3), note=note)
    return ax


def common_epochs(table: pd.DataFrame) -> int:
    """Return the last epoch that every run in a table of epochs reached; a run is one ``arm`` and ``seed``."""
    return int(table.groupby(["arm", "seed"])["epoch"].max().min())


def metric_words(metric: str) -> str:
    """Write a column such as "valid_auroc" as text: "validation auROC"."""
    return _PHRASES.get(metric) or " ".join(_WORDS.get(part, part) for part in metric.split("_"))


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
    runs = getattr(sweep, part)
    check_table(runs, ["arm", "seed", metric], "finished run")
    return runs.groupby(["arm", "seed"], sort=False)[metric].mean().rename(column).reset_index()


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


def _directions(pairs: Sequence[tuple[str, str]]) -> str:
    """Write which arm of each pair is tested to be higher."""
    higher = list(dict.fromkeys(better for better, _ in pairs))
    if len(higher) == 1:
        return f"{higher[0]} above the other"
    return "; ".join(f"{better} above {other}" for better, other in pairs)


def _counted(table: pd.DataFrame, keys: list[str]) -> str:
    counts = table.groupby(keys)["seed"].count()
    least, most = int(counts.min()), int(counts.max())
    if least < most:
        return f"{least} to {most} seeds"
    return f"{most} seed{'s' if most > 1 else ''}"


def _check_runs(table: pd.DataFrame, metric: str, keys: list[str]) -> None:
    unknown = table[~np.isfinite(np.asarray(table[metric], dtype=float))]
    if len(unknown):
        first = unknown.iloc[0]
        raise ValueError(
            f"{metric} is {first[metric]} for arm {first['arm']!r}, seed {first['seed']}: drop the runs that failed"
        )
    twice = table[table.duplicated(keys)]
    if len(twice):
        first = twice.iloc[0]
        raise ValueError(
            f"arm {first['arm']!r} has seed {first['seed']} twice: give one row for each trained network, and a group "
            f"or fraction that separates them"
        )
