"""The picture that opens the page: sharing and its rivals with both heads, the ceiling, and paired differences."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from paper.figures import HEADS
from paper.matched import SHARING, Matched, rivals
from rcviz.plots._axes import FAINT, INK, despine, label_axes, new_figure
from rcviz.plots.colors import MODEL_COLORS

NAME = "matched"
"""Name of its file, without the ending."""

_ASIDE = 0.2  # from the middle of an arm to each of its heads
_LOOK = dict(zip(HEADS, zip(MODEL_COLORS[:2], ("o", "s"), strict=True), strict=True))
_SPREAD = 0.07


def draw_matched(matched: Matched, metric: str = "test_auroc", *, dpi: float = 100) -> Figure:
    """Draw every arm's test auROC by head, joined within replicates, and by how much sharing is ahead of each rival."""
    figure = new_figure(11, 5.2)
    figure.set_dpi(dpi)
    grid = figure.add_gridspec(1, 2, width_ratios=[1.6, 1])
    _scores(figure.add_subplot(grid[0]), matched, metric)
    _differences(figure.add_subplot(grid[1]), matched, metric)
    n = len(matched.replicates)
    handles = [
        Line2D([], [], color=color, marker=marker, linewidth=2.5, label=f"{head}: mean, and each replicate")
        for head, (color, marker) in _LOOK.items()
    ]
    handles.append(Line2D([], [], color=INK, linestyle=(0, (5, 2)), label="a perfect predictor, mean and range"))
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=3,
        frameon=False,
        fontsize="small",
        labelcolor=INK,
        title=f"{n} replicates, each with a data set of its own; grey lines join a replicate's two heads",
        title_fontsize="small",
        alignment="left",
    )
    return figure


def _scores(ax: Axes, matched: Matched, metric: str) -> None:
    for place, treatment in enumerate(matched.treatments):
        columns = []
        for side, (head, (color, marker)) in zip((-_ASIDE, _ASIDE), _LOOK.items(), strict=True):
            values = matched.values(treatment, head, metric).to_numpy()
            columns.append((place + side + np.linspace(-_SPREAD, _SPREAD, len(values)), values))
            ax.plot([place + side - 0.17, place + side + 0.17], [values.mean()] * 2, color=color, linewidth=3, zorder=3)
            ax.plot(*columns[-1], linestyle="none", marker=marker, **_point(color))
        (left, before), (right, after) = columns
        ax.plot(np.stack([left, right]), np.stack([before, after]), color=FAINT, linewidth=0.6, alpha=0.6, zorder=1.5)
    ceiling = matched.ceiling(*metric.split("_"))
    ax.axhspan(ceiling.min(), ceiling.max(), color=INK, alpha=0.08, linewidth=0)
    ax.axhline(ceiling.mean(), color=INK, linestyle=(0, (5, 2)), linewidth=1.2)
    despine(ax)
    ax.set_xticks(range(len(matched.treatments)), [treatment.replace(", ", ",\n") for treatment in matched.treatments])
    ax.tick_params(axis="x", length=0)
    label_axes(ax, "treatment of the strands, and filters", "test auROC", grid=True)
    ax.set_title("Test auROC of every arm", fontsize="medium", loc="left", color=INK)


def _differences(ax: Axes, matched: Matched, metric: str) -> None:
    places = [treatment for treatment in matched.treatments if treatment != SHARING]
    for side, (head, (color, marker)) in zip((-0.14, 0.14), _LOOK.items(), strict=True):
        for contrast in rivals(matched, head):
            height = places.index(contrast.words) + side
            pair = matched.difference(contrast, metric)
            bounds = pair.interval
            if np.isfinite(bounds).all():
                ax.plot(bounds, [height] * 2, color=color, linewidth=2, zorder=2)
            ax.plot(pair.differences, [height] * len(pair.differences), linestyle="none", marker="|", **_tick(color))
            ax.plot([pair.effect], [height], marker=marker, markersize=7, color=color, zorder=3)
    ax.axvline(0, color=INK, linewidth=0.8)
    despine(ax)
    ax.set_yticks(range(len(places)), places)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(places) - 0.5, -0.5)
    ax.grid(axis="x", color="#eeeeee")
    ax.set_axisbelow(True)
    label_axes(ax, "difference of test auROC, mean and 95% interval")
    ax.set_title("Sharing minus each rival with the same head", fontsize="medium", loc="left", color=INK)


def _point(color: str) -> dict[str, Any]:
    return {"color": color, "markersize": 4.5, "markeredgecolor": "white", "markeredgewidth": 0.4, "alpha": 0.85}


def _tick(color: str) -> dict[str, Any]:
    return {"color": color, "markersize": 7, "alpha": 0.5, "zorder": 1.5}
