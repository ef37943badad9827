"""The paper's figures, drawn from the tables alone."""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper import rivals, rules_chipseq, rules_filters, rules_simulated
from paper.claims import unlike_the_paper
from paper.tables import TRAINED_AGAIN, Results, trained_again
from paper.verdicts import METRICS, by_seed
from rcviz.motifs.bundled import load_motif
from rcviz.plots._axes import INK, figure_png, new_figure
from rcviz.plots.comparisons import plot_architectures, plot_learning_curves, plot_training_size
from rcviz.plots.filters import plot_filters
from rcviz.plots.strands import plot_strands

SHOWN = 4
"""Best filters of a network that Figure 5 shows, as in the paper."""

DPI = 130
"""Dots per inch of every picture."""


@dataclass(frozen=True)
class Drawing:
    """A figure of the page.

    `name` is that of its file, without the ending; `figure` that in the paper, such as "Figure 3". `draw` gets the
    paper's arms in the tables that it `needs`, in this order, then the tables that it `adds`, None for those that are
    missing, and returns None where they lack what it shows.
    """

    name: str
    figure: str
    caption: str
    needs: tuple[str, ...]
    draw: Callable[..., Figure | None]
    adds: tuple[str, ...] = ()


def drawn(results: Results) -> Iterator[tuple[Drawing, str, bytes]]:
    """Draw every picture whose tables are present: drawing, caption with what differs from the paper, PNG."""
    yield from _drawn(DRAWINGS, results)
    yield from _drawn(DRAWN_AGAIN, trained_again(results))


def _drawn(drawings: Iterable[Drawing], results: Results) -> Iterator[tuple[Drawing, str, bytes]]:
    for drawing in drawings:
        # Rivals have a picture of their own.
        tables = [results[name] for name in drawing.needs if name in results]
        shown = [table[table["paper"]] for table in tables]
        if len(shown) < len(drawing.needs) or any(table.empty for table in shown):
            continue
        figure = drawing.draw(*shown, *(results.get(name) for name in drawing.adds))
        if figure is None:
            continue
        figure.set_dpi(DPI)
        sentences = dict.fromkeys(sentence for table in shown for sentence in unlike_the_paper(table))
        yield drawing, " ".join([drawing.caption, *sentences]), figure_png(figure)


def _curves(history: pd.DataFrame) -> Figure:
    def draw(metric: str, axes: Any) -> None:
        plot_learning_curves(history, axes, metric=metric)

    return _side_by_side(new_figure(11, 4.4), draw, ("auroc", "auprc"))


def _simulated(runs: pd.DataFrame, perfect: pd.DataFrame | None) -> Figure:
    """Draw best validation scores below those of a perfect predictor, of seed 0's data set, which is Figure 3's."""
    rc, same, double = rules_simulated.RC, rules_simulated.SAME, rules_simulated.DOUBLE
    pairs = _present(runs, [(rc, same), (rc, double), (double, same)])

    def draw(metric: str, axes: Any) -> None:
        plot_architectures(runs, axes, metric=metric, compare=pairs)
        if perfect is not None:
            rows = perfect[(perfect["seed"] == 0) & (perfect["part"] == "valid")]
            draw_ceiling(axes, float(rows[metric.removeprefix("valid_")].mean()))

    return _side_by_side(new_figure(9, 5.6), draw)


def draw_ceiling(axes: Axes, height: float) -> None:
    """Draw the score of a perfect predictor as a dashed line with its name, and make room for both."""
    bottom, top = axes.get_ylim()
    axes.axhline(height, color=INK, linestyle=(0, (5, 2)), linewidth=1.0)
    axes.text(
        0.01,
        height,
        f"a perfect predictor: {height:.3f}",
        transform=axes.get_yaxis_transform(),
        color=INK,
        fontsize="small",
        va="bottom",
    )
    axes.set_ylim(bottom, max(top, height + 0.08 * (max(top, height) - bottom)))


def _strands(strands: pd.DataFrame, _: pd.DataFrame) -> Figure:
    arms = list(strands["arm"].unique())
    figure = new_figure(4.2 * len(arms), 5.0)
    for place, arm in enumerate(arms, start=1):
        part = strands[strands["arm"] == arm]
        axes = figure.add_subplot(1, len(arms), place)
        plot_strands(part["forward"], part["reverse"], part["label"], axes, task_name=arm)
    return figure


def _filters(filters: pd.DataFrame) -> Figure:
    motif = load_motif("CTCF_known1")
    first = filters[(filters["seed"] == filters["seed"].min()) & (filters["rank"] <= SHOWN)]
    rows = first.sort_values(["arm", "rank"]).to_dict("records")
    names = [f"{row['arm'].partition(',')[0]}: {row['verdict']}, score {row['score']:.2f}" for row in rows]
    height = len(rows) / SHOWN
    figure = new_figure(13, 0.6 + 1.25 * (height + 1))
    grid = figure.add_gridspec(2, 2, height_ratios=[1.1, height])
    both = [motif, motif.reverse_complement()]
    plot_filters(both, figure.add_subplot(grid[0, 0]), names=[motif.name, "its reverse complement"], columns=2)
    matrices = [weights_of(row) for row in rows]
    plot_filters(matrices, figure.add_subplot(grid[1, :]), names=names, columns=SHOWN, share_scale="none")
    return figure


def weights_of(row: dict[Any, Any]) -> np.ndarray:
    """Return the mean-centred weights (4, K) of a row of the table of filters, whose columns are A0, A1, ... T14."""
    width = 1 + max(int(name[1:]) for name in row if name[0] == "A" and name[1:].isdecimal())
    return np.array([[row[f"{base}{position}"] for position in range(width)] for base in "ACGT"], dtype=float)


def _palindromes(filters: pd.DataFrame) -> Figure:
    top = filters[filters["rank"] <= rules_filters.TOP]
    top = top.assign(share_of_hybrids=(top["verdict"] == "hybrid").astype(float))
    shares = top.groupby(["arm", "seed"], sort=False)[["share_of_hybrids", "palindromicity"]].mean().reset_index()
    rc, standard, few = rules_filters.RC_FILTERS, rules_filters.STANDARD_FILTERS, rules_filters.FEW_FILTERS
    pairs = _present(shares, [(standard, rc), (few, rc)])

    def draw(metric: str, axes: Any) -> None:
        plot_architectures(shares, axes, metric=metric, compare=pairs)
        axes.set_ylabel(f"{metric.replace('_', ' ')}, top {rules_filters.TOP} filters", fontsize="small")

    return _side_by_side(new_figure(9, 4.4), draw, ("share_of_hybrids", "palindromicity"))


def _sizes(runs: pd.DataFrame) -> Figure:
    return _side_by_side(new_figure(11, 4.4), lambda metric, axes: plot_training_size(runs, axes, metric=metric))


def _widths(runs: pd.DataFrame) -> Figure | None:
    groups = [
        runs[runs["arm"] == name].assign(arm=words, filters=str(n))
        for n in rules_chipseq.WIDTHS
        if (runs["arm"] == f"RC-{n}").any()
        for words, name in (
            ("RC", f"RC-{n}"),
            ("standard, as many filters", f"standard-{n}"),
            ("standard, twice as many", f"standard-{2 * n}"),
        )
    ]
    return _grouped(pd.concat(groups), "filters") if groups else None


def _grouped(table: pd.DataFrame, group: str = "dataset") -> Figure:
    return _side_by_side(
        new_figure(13, 4.8), lambda metric, axes: plot_architectures(table, axes, metric=metric, group=group)
    )


def _present(table: pd.DataFrame, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    arms = set(table["arm"])
    return [pair for pair in pairs if arms.issuperset(pair)]


def _side_by_side(figure: Figure, draw: Callable[[str, Any], Any], metrics: Sequence[str] = METRICS) -> Figure:
    for place, metric in enumerate(metrics, start=1):
        draw(metric, figure.add_subplot(1, len(metrics), place))
    return figure


def draw_sharing(results: Results) -> bytes | None:
    """Draw sharing and its rivals at equal memory, every setting on its own scale."""
    panels = []
    for setting in rivals.SETTINGS:
        runs = rivals.runs_of_setting(setting, results)
        if runs is None:
            continue
        arms = {"sharing": setting.shared, **rivals.rivals_of(setting)}
        rows = [
            pd.DataFrame({"arm": words, "seed": values.index, "valid_auroc": values.to_numpy()})
            for words, arm in arms.items()
            if len(values := by_seed(runs, arm, "valid_auroc"))
        ]
        panels.append((setting, pd.concat(rows)))
    if not panels:
        return None
    figure = new_figure(max(2.6 * len(panels), 7.0), 4.6)
    for place, (setting, table) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), place)
        plot_architectures(table.assign(setting=textwrap.fill(setting.name, 18)), axes, group="setting", compare=[])
        axes.set_xlabel("")
        if place > 1:
            axes.set_ylabel("")
    counts = sorted(n for _, table in panels for n in table.groupby("arm").size())
    seeds = " to ".join(dict.fromkeys(map(str, (counts[0], counts[-1]))))
    _share_legend(figure, f"mean, and least to greatest of {seeds} seeds")
    figure.set_dpi(DPI)
    return figure_png(figure)


def _share_legend(figure: Figure, note: str) -> None:
    """Put the fullest legend of all Axes below them, under a note: a legend of its own would squeeze its Axes."""
    legends = [legend for axes in figure.axes if (legend := axes.get_legend()) is not None]
    fullest = max(legends, key=lambda legend: len(legend.get_texts()))
    handles = fullest.legend_handles
    labels = [text.get_text() for text in fullest.get_texts()]
    for legend in legends:
        legend.remove()
    figure.legend(
        handles=[handle for handle in handles if handle is not None],
        labels=labels,
        loc="outside lower left",
        ncols=3,
        frameon=False,
        fontsize="small",
        title=note,
        title_fontsize="small",
        alignment="left",
    )


DRAWINGS = (
    Drawing(
        "fig2", "Figure 2", "Learning curves on simulated data, each as far as all its seeds went.", ("fig2",), _curves
    ),
    Drawing(
        "fig3",
        "Figure 3",
        "Best validation scores on simulated data. A perfect predictor knows the labels before noise.",
        ("fig3_runs",),
        _simulated,
        ("matched_perfect",),
    ),
    Drawing(
        "fig4",
        "Figure 4",
        "Predictions for test sequences and for their reverse complements, one network of each kind.",
        ("fig4_strands", "fig4_runs"),
        _strands,
    ),
    Drawing(
        "fig5",
        "Figure 5",
        f"CTCF_known1 and the {SHOWN} best filters of each one-layer network, mean-centred, each on its own scale, "
        "with the verdict on their sites: a palindrome that is genuine, a hybrid of both strands of a motif, or none. "
        "The standard networks were trained on both strands. Networks of seed 0.",
        ("fig5_filters",),
        _filters,
    ),
    Drawing(
        "fig5_seeds",
        "Figure 5",
        f"Over seeds: how many of the {rules_filters.TOP} best filters are hybrids, and how palindromic they are.",
        ("fig5_filters",),
        _palindromes,
    ),
    Drawing("fig6", "Figure 6", "Best validation scores with less training data.", ("fig6_runs",), _sizes),
    Drawing(
        "fig7a",
        "Figure 7a",
        "Best validation scores for CTCF with 8, 16 and 32 RC filters.",
        ("fig7a_runs",),
        _widths,
    ),
    Drawing("fig7b", "Figure 7b", "Best validation scores for three factors.", ("fig7b_runs",), _grouped),
)

DRAWN_AGAIN = tuple(
    replace(
        drawing,
        name=f"{drawing.name}_gpu",
        caption=f"On a GPU: {drawing.caption[0].lower()}{drawing.caption[1:]}",
    )
    for drawing in DRAWINGS
    if drawing.name in TRAINED_AGAIN
)
