"""Panels of one filter as HTML, for the explorer and for the saved page."""

import html
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

from rcviz.analysis.contributions import FilterContributions
from rcviz.plots._axes import figure_svg, new_figure, short_lived
from rcviz.plots.colors import letter_colors
from rcviz.plots.contributions import plot_contribution_distribution
from rcviz.plots.logo import logo_svg, plot_logo
from rcviz.plots.profiles import plot_profile
from rcviz.sequences.alphabet import reverse_complement
from rcviz.widgets._filter_results import FilterResults
from rcviz.widgets.state import Question

_STYLE = """
.rcviz-panels { line-height: 1.35; max-width: 900px; }
.rcviz-panels h4 { margin: 10px 0 2px; font-size: 1em; }
.rcviz-panels p { margin: 2px 0; }
.rcviz-pair { contain: layout paint style; display: grid; gap: 4px 12px;
  grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); }
.rcviz-pair svg { max-width: 100%; height: auto; }
.rcviz-figure { background: white; border-radius: 4px; }
.rcviz-panels .rcviz-scroll { max-height: 190px; overflow-y: auto; }
.rcviz-panels table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.rcviz-panels th, .rcviz-panels td { padding: 0 14px 0 0; text-align: left; font-weight: normal; line-height: 1.5; }
.rcviz-panels th { position: sticky; top: 0; font-weight: bold; background: var(--jp-layout-color0, Canvas); }
.rcviz-panels td.rcviz-number { text-align: right; }
.rcviz-unlike { opacity: 0.5; }
.rcviz-panels code { letter-spacing: 1px; background: none; }
"""

_SITES_SHOWN = 30
_LEAST_SIMILARITY = 0.5


def caption(results: FilterResults, question: Question, index: int) -> str:
    """Write which filter it is, its rank and score."""
    contributions = results.contributions(*question)
    rank = int(np.flatnonzero(contributions.ranking == index)[0])
    row = contributions.table.iloc[rank]
    head = f"<b>Filter {index}</b>, rank {rank + 1} of {len(contributions.ranking)}: score {row['score']:+z.3f}"
    output = f"the {contributions.scale} of {html.escape(contributions.task)}"
    if contributions.labels is None:
        return f"{head}, which it adds to {output} on average."
    return (
        f"{head}. On average it adds {row['mean_positive']:+z.2f} to {output} in a positive, "
        f"{row['mean_negative']:+z.2f} in a negative."
    )


def logos(results: FilterResults, question: Question, index: int, colors: Any) -> str:
    """Draw the filter's weights and the motif of its sites."""
    return weight_logos(results, question.layer, index, colors) + site_logos(results, question.layer, index, colors)


def behaviour(results: FilterResults, question: Question, index: int) -> str:
    """Write the filter's palindrome verdict, contributions, profile and strongest sites."""
    return (
        palindrome(results, question.layer, index)
        + activity(results, question, index)
        + top_sites(results, question.layer, index)
    )


def weight_logos(results: FilterResults, layer: str, index: int, colors: Any) -> str:
    """Draw the mean-centred weights and their reverse complement, on one scale."""
    weights = results.bank(layer).weights[index]
    limits = _limits(weights)
    drawn = [
        _logo(matrix, colors, f"filter {index}, {strand}", y_range=limits)
        for strand, matrix in (("forward", weights), ("reverse complement", reverse_complement(weights)))
    ]
    return _section("Mean-centred weights: forward, reverse complement", _pair("rcviz-logo", drawn))


def site_logos(results: FilterResults, layer: str, index: int, colors: Any) -> str:
    """Draw the PWM of the activating sites on both strands."""
    sites = results.sites(layer)
    count = len(sites.sequences(index))
    motif = sites.motif(index)
    drawn = [
        _logo(read, colors, f"motif of {count} sites, {strand}")
        for strand, read in (("forward", motif), ("reverse complement", motif.reverse_complement()))
    ]
    title = f"Motif of its {count:,} activating sites: forward, reverse complement"
    return _section(title, _pair("rcviz-motif", drawn))


def activity(results: FilterResults, question: Question, index: int) -> str:
    """Draw contributions in positives and negatives, and activation along the sequence."""
    with short_lived():
        drawn = _activity_pictures(results, question, index)
    sample = results.sample(question.layer)
    suffix = f" ({sample})" if sample else ""
    return _section(f"Contributions; activation along the sequence{suffix}", _pair("rcviz-figure", drawn))


def _activity_pictures(results: FilterResults, question: Question, index: int) -> list[str]:
    contributions = results.contributions(*question)
    left, right = (new_figure(4.0, 2.5, margins=(0.62, 0.92, 0.08, 0.08)) for _ in range(2))
    _plot_distribution(contributions, index, left.add_subplot())
    plot_profile(results.profiles(question.layer).edges, results.curves(question, index), right.add_subplot())
    where = "all sequences" if contributions.labels is None else "positives and negatives"
    return [
        f'<div role="img" aria-label="{what} of filter {index} in {where}">{figure_svg(figure)}</div>'
        for what, figure in (("Contributions", left), ("Activation along the sequence", right))
    ]


def _plot_distribution(contributions: FilterContributions, index: int, ax: Any) -> None:
    labelled = contributions.labels is not None
    positive = contributions.positive(index) if labelled else contributions.per_sequence[:, index]
    negative = contributions.negative(index) if labelled else None
    plot_contribution_distribution(positive, negative, ax, scale=contributions.scale)


def palindrome(results: FilterResults, layer: str, index: int) -> str:
    """Write the palindrome verdict and its reason."""
    row = results.palindrome(layer, index)
    meaning = {
        "none": "not a palindrome",
        "genuine": "a genuine palindrome: its sites are their own reverse complements",
        "hybrid": "a hybrid: it holds both strands of one motif, and each site matches one of them better",
        "unknown": "palindromic, with too few sites to decide why",
    }[row["verdict"]]
    return _section(
        f"Palindrome: {row['verdict']}",
        f'<p class="rcviz-verdict">Filter {index} is {meaning}. Palindromicity {row["palindromicity"]:.2f} about '
        f"position {row['center']:g}, p = {row['p_value']:.2g} among permutations of its columns.</p>",
    )


def style(colors: Any) -> str:
    """Style sheet of the panels, with the letters' colours."""
    palette = letter_colors(colors)
    letters = "".join(f".rcviz-sites .{letter} {{ color: {palette[letter]}; }}\n" for letter in "ACGT")
    return f"<style>{_STYLE}{letters}</style>"


def top_sites(results: FilterResults, layer: str, index: int) -> str:
    """Write the strongest sites as a table."""
    table = results.sites(layer).filter_table(index).head(_SITES_SHOWN)
    names = results.data.table.get("name")
    rows = []
    for row in table.to_dict("records"):
        name = str(row["sequence"]) if names is None else f"{row['sequence']} ({names[row['sequence']]})"
        letters = "".join(f'<b class="{letter}">{letter}</b>' for letter in row["site"])
        cells = (html.escape(name), f"{row['start']}-{row['end']}", row["strand"], f"{row['activation']:.3f}")
        rows.append("".join(f"<td>{cell}</td>" for cell in cells) + f"<td><code>{letters}</code></td>")
    head = "<th>sequence</th><th>position</th><th>strand</th><th>activation</th><th>site</th>"
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    table_markup = f'<table class="rcviz-sites"><tr>{head}</tr>{body}</table>'
    return _section(f"Its {len(table)} strongest sites", f'<div class="rcviz-scroll" tabindex="0">{table_markup}</div>')


def nearest(matches: pd.DataFrame, index: int, n_targets: int) -> str:
    """Write the known motifs that are most similar to the motif of the filter's sites."""
    rows = []
    for row in matches[matches["filter"] == index].to_dict("records"):
        name = f"{row['alternative_name']} ({row['motif']})" if row["alternative_name"] else row["motif"]
        cells = (
            html.escape(name),
            row["strand"],
            f"{row['offset']:+d}",
            f"{row['similarity']:.2f}",
            f"{row['p_value']:.1e}",
        )
        unlike = ' class="rcviz-unlike"' if row["similarity"] < _LEAST_SIMILARITY else ""
        rows.append(f"<tr{unlike}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{name}</th>" for name in ("motif", "strand", "offset", "similarity", "p-value"))
    note = (
        f"<p>Faint: similarity below {_LEAST_SIMILARITY:g}, too low for a name. A filter with little information can "
        "have small p-values all the same.</p>"
    )
    table = f'<table class="rcviz-matches"><tr>{head}</tr>{"".join(rows)}</table>'
    return _section(f"Nearest of {n_targets:,} known motifs", table + (note if "rcviz-unlike" in table else ""))


def thumbnail(weights: Float[np.ndarray, "4 width"], colors: Any) -> str:
    """Draw one logo of the gallery."""
    return logo_svg(weights, width=100, height=30, colors=colors)


def picture(results: FilterResults, question: Question, index: int, colors: Any) -> Figure:
    """Draw the panels of one filter as one matplotlib figure."""
    contributions = results.contributions(*question)
    weights, motif = results.bank(question.layer).weights[index], results.sites(question.layer).motif(index)
    count = len(results.sites(question.layer).sequences(index))
    figure = new_figure(10, 7.5)
    axes = figure.subplots(3, 2)
    limits = _limits(weights)
    plot_logo(weights, axes[0, 0], y_range=limits, colors=colors, title=f"filter {index}, mean-centred")
    plot_logo(reverse_complement(weights), axes[0, 1], y_range=limits, colors=colors, title="its reverse complement")
    plot_logo(motif, axes[1, 0], colors=colors, title=f"motif of {count:,} activating sites")
    plot_logo(motif.reverse_complement(), axes[1, 1], colors=colors, title="its reverse complement")
    _plot_distribution(contributions, index, axes[2, 0])
    plot_profile(results.profiles(question.layer).edges, results.curves(question, index), axes[2, 1])
    axes[2, 1].set_title(results.sample(question.layer), fontsize="small")
    title = f"filter {index}: score {contributions.scores[index]:+z.3f} for {contributions.task}"
    figure.suptitle(title, fontsize="medium", parse_math=False)
    return figure


def _limits(weights: Float[np.ndarray, "4 width"]) -> tuple[float, float] | None:
    low, high = float(np.minimum(weights, 0).sum(axis=0).min()), float(np.maximum(weights, 0).sum(axis=0).max())
    return (low, high) if low < high else None


def _logo(matrix: Any, colors: Any, label: str, *, y_range: tuple[float, float] | None = None) -> str:
    return logo_svg(matrix, width=400, height=116, axis="both", y_range=y_range, colors=colors, label=label)


def _section(title: str, content: str) -> str:
    return f"<section><h4>{title}</h4>{content}</section>"


def _pair(kind: str, parts: list[str]) -> str:
    return '<div class="rcviz-pair">' + "".join(f'<div class="{kind}">{part}</div>' for part in parts) + "</div>"
