"""A sequence explorer as a matplotlib figure, and as a still picture."""

import numpy as np
from matplotlib.figure import Figure

from rcviz._core.markup import escaped
from rcviz.plots._axes import new_figure
from rcviz.plots.logo import logo_svg
from rcviz.plots.mutagenesis import plot_mutagenesis
from rcviz.sequences.alphabet import one_hot
from rcviz.widgets.sequence_results import Question, SequenceResults

_WIDEST = 120
"""Positions of a figure."""
_STILL = 60
"""Positions of the still picture."""


def picture(results: SequenceResults, question: Question, model: str, window: tuple[int, int] | None) -> Figure:
    """Draw the effects of all changes of one base on both strands of a model, and their difference."""
    found = results.mutations(model, question)
    first, last = found.region if window is None else window
    first, last = max(first, found.region[0]), min(last, found.region[1])
    if last <= first:
        first, last = found.region
    if last - first > _WIDEST:
        sizes = np.nan_to_num(np.abs(np.concatenate([found.forward[0], found.reverse[0]]))).max(axis=0)
        totals = np.convolve(sizes[first:last], np.ones(_WIDEST), mode="valid")
        first += int(totals.argmax())
        last = first + _WIDEST
    figure = new_figure(min(max(0.09 * (last - first) + 1.6, 5.0), 14.0), 3.9)
    plot_mutagenesis(found, figure.subplots(), window=(first, last), title=model)
    return figure


def still(results: SequenceResults, question: Question, sentences: list[str]) -> str:
    """Draw the sequence below sentences and its predictions as SVG; it does not wait for the analysis."""
    codes, sentences = results.codes(question), list(sentences)
    for name, each in results.models.items():
        known = results.known_predictions(name, question)
        if known is not None:
            sentences.append(f"{name}: {each.scale} {known[0]:.3g} forward, {known[1]:.3g} reverse")
    first = max(0, len(codes) // 2 - _STILL // 2)
    letters = one_hot(codes[None, first : first + _STILL])[0]
    logo = logo_svg(letters, kind="weights", height=26, width=840, label="sequence")
    top = 20
    lines = []
    for number, sentence in enumerate(sentences):
        size = 13 if number == 0 else 11
        lines.append(f'<text x="10" y="{top}" font-size="{size}">{escaped(sentence)}</text>')
        top += 18
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="860" height="{top + 30}" font-family="sans-serif">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(lines)}'
        f'<g transform="translate(10 {top - 8})">{logo}</g></svg>'
    )
