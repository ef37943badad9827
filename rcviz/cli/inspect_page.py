"""Everything that rcviz inspect tells about a model on one page: scores, strands, palindromes and filters."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from rcviz.analysis.filters import filter_bank
from rcviz.analysis.palindromes import palindromes
from rcviz.analysis.strands import strand_agreement
from rcviz.models.network import SequenceModel, count_parameters
from rcviz.plots import page
from rcviz.plots._axes import new_figure
from rcviz.plots.palindromes import plot_palindrome
from rcviz.plots.strands import plot_strands
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.training.loop import evaluate
from rcviz.widgets.filters import FilterExplorer

_SHOWN_OF_PALINDROMES = ["filter", "palindromicity", "center", "p_value", "verdict", "n_sites", "loss", "balance"]


@dataclass(frozen=True)
class Inspection:
    """The page and what stands on it.

    Attributes
    ----------
    page : str
        HTML that needs nothing else.
    scores : DataFrame
        As :func:`rcviz.evaluate` gives it.
    filters : DataFrame
        As :attr:`rcviz.FilterExplorer.table` gives it, best first.
    palindromes : DataFrame
        As :func:`rcviz.palindromes` gives it, most palindromic first.
    max_gap, mean_gap : float
        Between the two strands' predicted probabilities for the task.
    """

    page: str
    scores: pd.DataFrame
    filters: pd.DataFrame
    palindromes: pd.DataFrame
    max_gap: float
    mean_gap: float


def inspection(model: SequenceModel, data: SequenceSet, *, title: str, about: str, task: int) -> Inspection:
    """Compute it, with a progress bar on standard error.

    Parameters
    ----------
    model : SequenceModel
    data : SequenceSet
        With labels of both classes.
    title, about : str
        What the page says about model and data.
    task : int
        Whose strands and contributions.
    """
    name = data.task_names[task]
    with tqdm(total=5, unit="step", desc="scoring") as bar:
        scores = evaluate(model, data)
        _advance(bar, "comparing strands")
        agreement = strand_agreement(model, data)
        gap = agreement.gap[:, task]
        _advance(bar, "looking into filters")
        explorer = FilterExplorer(model, data)
        explorer.state.task = task
        _advance(bar, "judging palindromes")
        bank = filter_bank(model, layer=explorer.state.layer)
        found = palindromes(bank, data)
        order = found.table["palindromicity"].sort_values(ascending=False, kind="stable").index
        judged = found.table.loc[order]
        _advance(bar, "naming filters")
        filters = explorer.html_parts()
        bar.update()
    strands, mirrored = new_figure(5.2, 5.6), new_figure(6.4, 3.4)
    plot_strands(
        agreement.forward[:, task],
        agreement.reverse[:, task],
        None if data.labels is None else data.labels[:, task],
        strands.add_subplot(),
        task_name=name,
    )
    best = judged.iloc[0]
    plot_palindrome(
        bank.weights[best["filter"]],
        mirrored.add_subplot(),
        title=f"filter {best['filter']}: {best['verdict']} (p = {best['p_value']:.2g})",
    )
    parts = [
        "<style>figure { width: fit-content; }</style>",
        page.paragraph(f"{about} {_described(model)}"),
        page.heading("Scores"),
        page.paragraph(f"Of these {len(data):,} sequences; where the model was trained on them, they look too good."),
        page.table(scores),
        page.heading("Strands"),
        page.paragraph(
            f"The predicted probabilities for {name} of a sequence and of its reverse complement differ by up to "
            f"{gap.max():.2g}, by {gap.mean():.2g} in the mean."
        ),
        page.picture(strands, "Predictions for each sequence and for its reverse complement (Figure 4)."),
        page.heading("Filters"),
        *filters,
        page.heading("Palindromes"),
        page.paragraph(
            "Most palindromic first. genuine: the sites are their own reverse complements; hybrid: two strands of one "
            "motif share a filter. loss: share of the sites' information that a palindrome does not tell; balance: of "
            "the motif's two strands in the filter."
        ),
        f'<div style="overflow-x: auto">{page.table(judged[_SHOWN_OF_PALINDROMES], digits=3)}</div>',
        page.picture(mirrored, "The most palindromic filter above its reverse complement (Figure 5)."),
    ]
    table = explorer.table
    explorer.close()
    return Inspection(page.html_page(title, parts), scores, table, judged, float(gap.max()), float(gap.mean()))


def _advance(bar: Any, doing: str) -> None:
    bar.update()
    bar.set_description(doing)


def _described(model: SequenceModel) -> str:
    config = model.config
    kind = "RC" if config.architecture == "revcomp" else "Standard"
    widths = ", ".join(map(str, config.kernel_sizes))
    return (
        f"{kind} network of {config.n_filters} filters, convolutions of width {widths}, "
        f"{count_parameters(model):,} parameters."
    )
