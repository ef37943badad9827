"""One filter as a matplotlib figure, and the first filters as a still picture."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from rcviz._core.markup import escaped
from rcviz.analysis.filters import FilterBank
from rcviz.plots._axes import new_figure
from rcviz.plots.contributions import plot_contribution_distribution
from rcviz.plots.logo import logo_svg, plot_logo
from rcviz.plots.profiles import plot_profile
from rcviz.sequences.alphabet import reverse_complement
from rcviz.widgets.filter_results import FilterResults
from rcviz.widgets.state import Question

_STILL = 12
"""Filters on the still picture."""


def picture(results: FilterResults, question: Question, index: int, colors: Any) -> Figure:
    """Draw weights, motif of the sites, contributions and profile of one filter as one matplotlib figure."""
    contributions, sites = results.contributions(*question), results.sites(question)
    weights, motif = results.bank(question.layer).weights[index], results.motifs(question).get(index)
    figure = new_figure(10, 7.5)
    axes = figure.subplots(3, 2)
    limits = _limits(weights)
    plot_logo(weights, axes[0, 0], y_range=limits, colors=colors, title=f"filter {index}, mean-centred")
    plot_logo(reverse_complement(weights), axes[0, 1], y_range=limits, colors=colors, title="its reverse complement")
    if motif is None:
        for ax in axes[1]:
            ax.set_axis_off()
        axes[1, 0].set_title("no sites: it does not fire where it would have them", fontsize="medium")
    else:
        title = f"motif of {len(sites.sequences(index)):,} sites"
        plot_logo(motif, axes[1, 0], colors=colors, title=title)
        plot_logo(motif.reverse_complement(), axes[1, 1], colors=colors, title="its reverse complement")
    labelled = contributions.labels is not None
    positive = contributions.positive(index) if labelled else contributions.per_sequence[:, index]
    negative = contributions.negative(index) if labelled else None
    plot_contribution_distribution(positive, negative, axes[2, 0], scale=contributions.scale)
    curves = {name: curve[index] for name, curve in results.curves(question).items()}
    plot_profile(results.profiles(question.layer).edges, curves, axes[2, 1])
    axes[2, 1].set_title(results.sample(question.layer), fontsize="small")
    title = f"filter {index}: score {contributions.scores[index]:+z.3f} for {contributions.task}"
    figure.suptitle(title, fontsize="medium", parse_math=False)
    return figure


def still(bank: FilterBank, order: tuple[int, ...], colors: Any, sentence: str) -> str:
    """Draw the first filters of a list as one SVG below a sentence, which takes milliseconds."""
    width, height, columns = 220, 76, 4
    shown = order[:_STILL]
    rows = -(-len(shown) // columns)
    parts = []
    for place, index in enumerate(shown):
        logo = logo_svg(bank.weights[index], width=width - 20, height=height - 26, colors=colors)
        logo = logo.replace("<svg ", '<svg y="14" ', 1)
        at = f"translate({width * (place % columns)} {30 + height * (place // columns)})"
        parts.append(f'<g transform="{at}"><text y="10">filter {index}</text>{logo}</g>')
    total = f'width="{width * columns}" height="{30 + height * rows}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {total} font-family="sans-serif" font-size="11">'
        f'<rect width="100%" height="100%" fill="white"/><text y="16" font-size="13">{escaped(sentence)}</text>'
        f"{''.join(parts)}</svg>"
    )


def _limits(weights: Float[np.ndarray, "4 width"]) -> tuple[float, float] | None:
    low, high = float(np.minimum(weights, 0).sum(axis=0).min()), float(np.maximum(weights, 0).sum(axis=0).max())
    return (low, high) if low < high else None
