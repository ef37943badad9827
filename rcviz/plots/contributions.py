"""Contributions of filters to a prediction, ranked, and of one filter in positives and negatives."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rcviz._core.checks import as_numbers, check_choice, check_positive, check_table
from rcviz.plots._axes import FAINT, INK, despine, legend_below, plain_title, resolve_axes, signed_number
from rcviz.plots.colors import NEGATIVE, POSITIVE, UNKNOWN
from rcviz.plots.results import table_of

_COLUMNS = ("filter", "score", "mean_positive", "mean_negative")
_KINDS = ("ecdf", "histogram")
_BINS = 40
_BAR = "#dcdfe4"


def plot_contributions(table: Any, ax: Axes | None = None, *, top: int | None = None) -> Axes:
    """Rank filters by contribution score, the best on top (section 3.5).

    Parameters
    ----------
    table
        A FilterContributions, or its table: a DataFrame with columns ``filter``, ``score``, ``mean_positive`` and
        ``mean_negative``, all but the first in units of the logit; `score` is the mean over positives minus the mean
        over negatives. The rows are ranked here; missing scores come last.
    ax
        Axes to draw into; None makes a figure that grows with the number of filters.
    top
        Draw only this many of the best; None draws all.

    Returns
    -------
    Axes
        One bar per filter, with a dot for each of the two means; the score is written at the right.

    Raises
    ------
    ValueError
        If a column is missing, the table is empty, or `top` is below 1.

    Examples
    --------
    >>> ax = rcviz.plot_contributions(rcviz.filter_contributions(model, parts.test), top=5)
    """
    table = table_of(table)
    check_table(table, _COLUMNS, "filter")
    if top is not None:
        check_positive("top", top)
    ranked = table.sort_values("score", ascending=False, na_position="last", kind="stable").head(top)
    scores, positive, negative = (np.asarray(ranked[column], dtype=float) for column in _COLUMNS[1:])
    rank = np.arange(len(ranked))

    ax = resolve_axes(ax, 5.6, min(0.24 * len(ranked) + 1.0, 40.0))
    bars = ax.barh(rank, np.nan_to_num(scores), height=0.72, color=_BAR, zorder=1, label="score")
    ax.axvline(0.0, color=FAINT, linewidth=0.8, zorder=1.5)
    # Open circles below filled ones, so that two equal means are both seen.
    (below,) = ax.plot(
        negative,
        rank,
        "o",
        markersize=6.5,
        markerfacecolor="none",
        markeredgecolor=NEGATIVE,
        markeredgewidth=1.8,
        label="mean of negatives",
    )
    (above,) = ax.plot(
        positive,
        rank,
        "o",
        markersize=5.5,
        markerfacecolor=POSITIVE,
        markeredgecolor="white",
        markeredgewidth=0.5,
        label="mean of positives",
    )
    at_right = ax.get_yaxis_transform()
    for i, text in enumerate(_score_texts(scores)):
        ax.text(1.02, i, text, transform=at_right, fontsize="small", color=INK, verticalalignment="center")
    ax.set_ylim(len(ranked) - 0.4, -0.6)
    despine(ax)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    labels = [name if isinstance(name, str) else f"filter {name}" for name in ranked["filter"].tolist()]
    ax.set_yticks(rank, labels, parse_math=False)
    ax.set_xlabel("contribution to the logit", fontsize="small", color=INK)
    legend_below(ax, [bars, above, below], 3)
    return ax


def _score_texts(scores: Float[np.ndarray, " n"]) -> list[str]:
    """Format scores with three significant digits of the largest, so that their decimals line up."""
    largest = np.abs(scores[~np.isnan(scores)]).max(initial=0.0)
    decimals = 2 - math.floor(math.log10(largest)) if largest > 0 else 0
    return [
        "unknown" if np.isnan(score) else signed_number(f"{score:+.{min(max(decimals, 0), 9)}f}")
        for score in scores.tolist()
    ]


def plot_contribution_distribution(
    positive: Any,
    negative: Any,
    ax: Axes | None = None,
    *,
    kind: str = "ecdf",
    title: str | None = None,
) -> Axes:
    """Compare one filter's contributions in positive and in negative sequences (section 3.5).

    Each class is drawn as shares of its own sequences, so that classes of different sizes can be compared.

    Parameters
    ----------
    positive, negative
        One contribution per sequence, in units of the logit: (P,) and (M,) arrays. Either may be empty; NaN are
        excluded and counted in the legend.
    ax
        Axes to draw into; None makes a figure.
    kind
        "ecdf": share of sequences up to each value, which needs no bins and shows ties, such as the many zeros
        after a ReLU, as jumps; "histogram": share of sequences in each of 40 common bins.
    title
        Title, such as the filter's name.

    Returns
    -------
    Axes
        Dashed lines show the medians.

    Raises
    ------
    ValueError
        If an array is not one-dimensional or holds an infinite value, both are empty, or `kind` is unknown.
    """
    check_choice("kind", kind, _KINDS)
    classes = [
        ("positives", POSITIVE, *_without_nan("positive", positive)),
        ("negatives", NEGATIVE, *_without_nan("negative", negative)),
    ]
    pooled = np.concatenate([scores for _, _, scores, _ in classes])
    if pooled.size == 0:
        raise ValueError("expected contributions of at least one sequence, got none in positive and negative")
    ax = resolve_axes(ax, 5.2, 3.2)
    # numpy itself widens the range where all values are equal.
    edges = np.histogram_bin_edges(pooled, bins=_BINS)
    handles = []
    for name, color, scores, unknown in classes:
        label = f"{name}: {scores.size:,}"
        if scores.size:
            median = float(np.median(scores))
            _draw_class(ax, scores, edges, color, kind)
            ax.axvline(median, color=color, linewidth=1.2, linestyle=(0, (4, 2)))
            label += f", median {median:.3g}"
        if unknown:
            label += f" ({unknown:,} NaN excluded)"
        handles.append(Line2D([], [], color=color if scores.size else UNKNOWN, linewidth=2, label=label))
    despine(ax)
    ax.set_xlim(edges[0] - 0.02 * np.ptp(edges), edges[-1] + 0.02 * np.ptp(edges))
    ax.set_ylim(0.0, None if kind == "histogram" else 1.02)
    ax.locator_params(axis="x", nbins=6)
    ax.set_xlabel("contribution to the logit", fontsize="small", color=INK)
    what = "share" if kind == "histogram" else "cumulative share"
    ax.set_ylabel(what, fontsize="small", color=INK)
    legend_below(ax, handles, 1)
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


def _draw_class(
    ax: Axes, scores: Float[np.ndarray, " n"], edges: Float[np.ndarray, " e"], color: str, kind: str
) -> None:
    if kind == "ecdf":
        ax.ecdf(scores, color=color, linewidth=1.6)
        return
    share = np.histogram(scores, edges)[0] / scores.size
    ax.stairs(share, edges, color=color, alpha=0.22, fill=True)
    ax.stairs(share, edges, color=color, linewidth=1.6)
