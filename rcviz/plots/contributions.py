"""Contributions of filters to a prediction, ranked, and of one filter in positives and negatives."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rcviz._core.checks import as_numbers, check_choice, check_positive
from rcviz._core.shapes import Float
from rcviz.plots._axes import (
    check_title,
    despine,
    ink,
    label_axes,
    number_ticks,
    paper,
    plain_title,
    plotting,
    ranked_bars,
    resolve_axes,
    signed_number,
)
from rcviz.plots._legend import LEGENDS, add_legend
from rcviz.plots._style import checked_visuals, dot, mix, stroke
from rcviz.plots.colors import NEGATIVE, POSITIVE, UNKNOWN, on_paper
from rcviz.plots.results import has, scale_of, table_of

_COLUMNS = ("filter", "score", "mean_positive", "mean_negative")
_BINS = 40


@plotting
def plot_contributions(
    table: Any,
    ax: Axes | None = None,
    *,
    top: int | None = None,
    scale: str | None = None,
    legend: str = "outside",
    visuals: Mapping[str, Any] | None = None,
) -> Axes:
    """Rank filters by contribution score, the best on top (section 3.5).

    Parameters
    ----------
    table
        A FilterContributions, or its table: a DataFrame with columns ``filter``, ``score``, ``mean_positive`` and
        ``mean_negative``, all but the first in units of the output; `score` is the mean over positives minus the mean
        over negatives. The rows are ranked here; missing scores come last.
    ax
        Axes to draw into; None makes a figure that grows with the number of filters.
    top
        Draw only this many of the best; None draws all.
    scale
        "logit" or "value", for the label of the axis; by default that of the FilterContributions, or "logit".
    legend
        "outside" (below the Axes), "inside" or "none".
    visuals
        Options of matplotlib for each part: "scores" (bars), "positives" and "negatives" (markers of the two means);
        False hides one.

    Returns
    -------
    Axes
        One bar per filter, its score, which is written at the right; a small mark for each of the two means, whose
        difference it is.

    Raises
    ------
    ValueError
        If a column is missing, the table is empty, or `top` is below 1.

    Examples
    --------
    >>> ax = rcviz.plot_contributions(rcviz.filter_contributions(model, parts.test), top=5)
    """
    if has(table, "effects", "contributions"):
        raise ValueError(
            "a FilterAblation holds knock-outs, not contributions: use plot_ablation, or its .contributions"
        )
    scale = scale_of(table, scale) or "logit"
    check_choice("legend", legend, LEGENDS)
    styles = checked_visuals("plot_contributions", visuals, ("scores", "positives", "negatives"))
    table = table_of(table, _COLUMNS, "filter", not_infinite=_COLUMNS[1:])
    if top is not None:
        check_positive("top", top)
    ranked = table.sort_values("score", ascending=False, na_position="last", kind="stable").head(top)
    scores, positive, negative = (np.asarray(ranked[column], dtype=float) for column in _COLUMNS[1:])

    names = [name if isinstance(name, str) else f"filter {name}" for name in ranked["filter"].tolist()]
    ax = resolve_axes(ax, 5.6, min(0.24 * len(ranked) + 1.0, 40.0), names=names)
    # The score that ranks the filters is the strongest mark, and the means are its context.
    bar = {"color": mix(ink(ax), paper(ax), 0.25), **styles["scores"]}
    bars = ranked_bars(ax, names, np.nan_to_num(scores), _score_texts(scores), bar.pop("color"), **bar)
    bars.set_label("score")
    marks = []
    for part, values, color, filled in (
        ("negatives", negative, NEGATIVE, False),
        ("positives", positive, POSITIVE, True),
    ):
        shade = on_paper(color, paper(ax))
        # Open circles below filled ones, so that two equal means are both seen; a rim keeps them apart from the bar.
        mark: dict[str, Any] = {
            "markersize": dot(4.0 if filled else 5.0),
            "markerfacecolor": shade if filled else paper(ax),
            "markeredgecolor": paper(ax) if filled else shade,
            "markeredgewidth": stroke(0.5 if filled else 1.2),
        }
        if "color" in styles[part]:
            mark = {key: value for key, value in mark.items() if not key.endswith("color")}
        (drawn,) = ax.plot(values, range(len(ranked)), "o", label=f"mean of {part}", **{**mark, **styles[part]})
        marks.append(drawn)
    number_ticks(ax, 6)
    add_legend(ax, legend, [bars, *marks[::-1]], 3)
    label_axes(ax, f"contribution to the {scale}")
    return ax


def _score_texts(scores: Float[np.ndarray, " n"]) -> list[str]:
    """Format scores with three significant digits of the largest, so that their decimals line up."""
    largest = np.abs(scores[~np.isnan(scores)]).max(initial=0.0)
    decimals = 2 - math.floor(math.log10(largest)) if largest > 0 else 0
    return [
        "unknown" if np.isnan(score) else signed_number(f"{score:+.{min(max(decimals, 0), 9)}f}")
        for score in scores.tolist()
    ]


@plotting
def plot_contribution_distribution(
    positive: Any,
    negative: Any,
    ax: Axes | None = None,
    *,
    kind: str = "ecdf",
    title: str | None = None,
    scale: str = "logit",
    legend: str = "outside",
    visuals: Mapping[str, Any] | None = None,
) -> Axes:
    """Compare one filter's contributions in positive and in negative sequences (section 3.5).

    Each class is drawn as shares of its own sequences, so that classes of different sizes can be compared.

    Parameters
    ----------
    positive, negative
        One contribution per sequence, in units of the output: (P,) and (M,) arrays. Either may be empty; NaN are
        excluded and counted in the legend. With None for ``negative``, the first are those of all sequences.
    ax
        Axes to draw into; None makes a figure.
    kind
        "ecdf": share of sequences up to each value, which needs no bins and shows ties, such as the many zeros
        after a ReLU, as jumps; "histogram": share of sequences in each of 40 common bins.
    title
        Title, such as the filter's name.
    scale
        "logit" or "value", for the label of the axis.
    legend
        "outside" (below the Axes), "inside" or "none".
    visuals
        Options of matplotlib for each part: "positives" (or "all"), "negatives" (curves) and "medians";
        False hides one.

    Returns
    -------
    Axes
        Dashed lines show the medians.

    Raises
    ------
    ValueError
        If an array is not one-dimensional or holds an infinite value, both are empty, or `kind` is unknown.
    """
    check_choice("kind", kind, ("ecdf", "histogram"))
    check_choice("legend", legend, LEGENDS)
    check_title(title)
    styles = checked_visuals("plot_contribution_distribution", visuals, ("all", "positives", "negatives", "medians"))
    if negative is None:
        classes = [("all", POSITIVE, *_without_nan("positive", positive))]
    else:
        classes = [
            ("positives", POSITIVE, *_without_nan("positive", positive)),
            ("negatives", NEGATIVE, *_without_nan("negative", negative)),
        ]
    pooled = np.concatenate([scores for _, _, scores, _ in classes])
    if pooled.size == 0:
        raise ValueError("expected contributions of at least one sequence, got none in positive and negative")
    ax = resolve_axes(ax, 5.2, 2.9)
    # numpy itself widens the range where all values are equal.
    edges = np.histogram_bin_edges(pooled, bins=_BINS)
    handles = []
    for name, base, scores, unknown in classes:
        color = styles[name].get("color", on_paper(base, paper(ax)))
        label = f"{name}: {scores.size:,}"
        if scores.size:
            median = float(np.median(scores))
            curve = {"linewidth": stroke(1.6), **styles[name], "color": color}
            if kind == "ecdf":
                ax.ecdf(scores, **curve)
            else:
                import seaborn  # two seconds to import, and only for histograms

                bins = {"stat": "probability", "bins": edges, "element": "step", "alpha": 0.22}
                seaborn.histplot(x=scores, ax=ax, **{**bins, **curve})
            middle: dict[str, Any] = {"color": color, "linewidth": stroke(1.2), "linestyle": (0, (4, 2))}
            ax.axvline(median, **{**middle, **styles["medians"]})
            label += signed_number(f", median {median:.3g}")
        if unknown:
            label += f" ({unknown:,} NaN excluded)"
        shade = color if scores.size else on_paper(UNKNOWN, paper(ax))
        handles.append(Line2D([], [], color=shade, linewidth=stroke(2), label=label))
    despine(ax)
    ax.set_xlim(edges[0] - 0.02 * np.ptp(edges), edges[-1] + 0.02 * np.ptp(edges))
    ax.set_ylim(0.0, None if kind == "histogram" else 1.02)
    number_ticks(ax, 6)
    add_legend(ax, legend, handles, 1)
    label_axes(ax, f"contribution to the {scale}", "share" if kind == "histogram" else "cumulative share")
    plain_title(ax, title)
    return ax


def _without_nan(name: str, contributions: Any) -> tuple[Float[np.ndarray, " _"], int]:
    values = as_numbers(name, contributions)
    if values.ndim != 1:
        raise ValueError(
            f"{name} must be one number per sequence, shape (N,), got {values.shape}: choose a filter, as in "
            "per_sequence[:, 3]"
        )
    if np.isinf(values).any():
        raise ValueError(f"{name} has {int(np.isinf(values).sum())} infinite values: contributions must be finite")
    unknown = np.isnan(values)
    return values[~unknown], int(unknown.sum())
