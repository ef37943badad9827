"""The panels of a strand explorer as a matplotlib figure, and as a still picture."""

import numpy as np
from matplotlib.figure import Figure

from rcviz._core.markup import escaped
from rcviz.plots._axes import new_figure
from rcviz.plots.colors import NEGATIVE, POSITIVE, UNKNOWN
from rcviz.plots.strands import plot_strands, prediction_range
from rcviz.widgets.strand_results import StrandResults

_STILL = 600
"""Points of a panel of the still picture."""


def picture(results: StrandResults, task: int) -> Figure:
    """Draw the predictions of each model as one matplotlib figure."""
    figure = new_figure(4.2 * len(results.models), 5.0)
    panels = figure.subplots(1, len(results.models), squeeze=False)[0]
    for ax, (name, each) in zip(panels, results.models.items(), strict=True):
        forward, reverse = results.predictions(name, task)
        kind = results.data.label_kind
        plot_strands(
            forward, reverse, results.labels(task), ax, task_name=name, scale=each.strands.scale, label_kind=kind
        )
    return figure


def still(results: StrandResults, task: int, sentence: str) -> str:
    """Draw a sample of the points that are known as one SVG below a sentence, which takes milliseconds."""
    side, gap = 200, 40
    chosen = np.unique(np.linspace(0, results.known - 1, min(_STILL, results.known)).astype(int))
    labels = results.labels(task)
    classes = labels is not None and results.data.label_kind == "binary"
    shown = labels[chosen] if labels is not None and classes else np.ones(len(chosen))
    colors = np.select([shown == 1, shown == 0], [POSITIVE, NEGATIVE], UNKNOWN)
    parts = []
    for place, (name, each) in enumerate(results.models.items()):
        forward, reverse = results.predictions(name, task)
        low, high = prediction_range(forward, reverse, each.strands.scale)
        x, y = ((side * (values[chosen] - low) / (high - low)).round(1) for values in (forward, reverse))
        dots = "".join(
            f'<circle cx="{one}" cy="{round(side - two, 1)}" r="1.8" fill="{color}"/>'
            for one, two, color in zip(x.tolist(), y.tolist(), colors.tolist(), strict=True)
        )
        parts.append(
            f'<g transform="translate({10 + (side + gap) * place} 44)"><text y="-6">{escaped(name)}</text>'
            f'<path d="M0 0H{side}V{side}H0ZM0 {side}L{side} 0" fill="none" stroke="#bbb"/>'
            f'<g fill-opacity=".6">{dots}</g>'
            f'<text x="{side / 2}" y="{side + 14}" text-anchor="middle">forward</text></g>'
        )
    width, height = 10 + (side + gap) * max(2, len(results.models)), side + 70
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="10" y="18" font-size="13">{escaped(sentence)}</text>{"".join(parts)}</svg>'
    )
