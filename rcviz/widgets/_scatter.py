"""Forward against reverse predictions as points to click or lasso; as a picture without jupyter-scatter."""

import asyncio
import html
import importlib
import importlib.util
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from rcviz.plots._axes import FAINT, new_figure
from rcviz.plots.colors import NEGATIVE, POSITIVE, UNKNOWN, VALUE_COLORS
from rcviz.plots.strands import plot_strands, prediction_range
from rcviz.widgets._pane import FigurePane, MarkupPane

LABELS = {"positive": POSITIVE, "negative": NEGATIVE, "unknown": UNKNOWN}
"""Name and colour of each label."""
_STEPS = 6
"""Colours of labels that are values; each has about the same number of sequences."""

MISSING = (
    'Points cannot be clicked because jupyter-scatter is not installed (pip install "rcviz[lab]"); '
    "choose a sequence from the list."
)
_SIZE = 245
"""Side in pixels: three panels with their axes fit beside each other in a notebook 1400 pixels wide."""

_PAUSE = 0.15
"""Seconds."""


def label_names(labels: Any, count: int, kind: str = "binary") -> Any:
    """Name each label: 1 positive, 0 negative, NaN or no labels at all unknown; values by their number."""
    values = np.full(count, np.nan) if labels is None else np.asarray(labels)
    if kind == "value":
        return np.array(["unknown" if np.isnan(value) else f"label {value:.4g}" for value in values], dtype=object)
    return np.select([values == 1, values == 0], ["positive", "negative"], "unknown").astype(object)


def label_groups(labels: Any, count: int, kind: str = "binary") -> tuple[Any, dict[str, str]]:
    """Group sequences by label: the group of each, and the colour of each group; of many values, ranges."""
    if labels is None or kind == "binary" or np.isnan(labels).all():
        return label_names(labels, count), LABELS
    values = np.asarray(labels, dtype=float)
    starts = np.unique(values[~np.isnan(values)])
    texts = [f"{value:.3g}" for value in starts]
    if len(starts) > _STEPS:
        edges = np.unique(np.nanquantile(values, np.linspace(0, 1, _STEPS + 1)))
        starts, texts = edges[:-1], [f"{low:.3g} to {high:.3g}" for low, high in itertools.pairwise(edges)]
    colors = map(to_hex, VALUE_COLORS(np.linspace(0, 1, len(texts))))
    which = np.array(texts, dtype=object)[np.searchsorted(starts, values, side="right") - 1]
    groups = {**dict(zip(texts, colors, strict=True)), "unknown": UNKNOWN}
    return np.where(np.isnan(values), "unknown", which), groups


def can_select() -> bool:
    """Whether jupyter-scatter is installed."""
    return importlib.util.find_spec("jscatter") is not None


def legend_html(labels: Any, kind: str = "binary") -> str:
    """Write what the colours mean, and how to choose points."""
    names, groups = label_groups(labels, 1 if labels is None else len(labels), kind)
    keys = " &nbsp; ".join(
        f'<span style="color:{color}">\N{BLACK CIRCLE}</span> {name}' for name, color in groups.items() if name in names
    )
    how = "Click a point, or draw around some." if can_select() else html.escape(MISSING)
    return f'<div class="rcviz-legend" style="line-height:1.4">{keys} &nbsp; {how}</div>'


class StrandScatters(ipywidgets.HBox):
    """One panel per model, side by side (Figure 4 a, b, c); a selection in one is shown in all.

    Parameters
    ----------
    on_select : function of a tuple of int
        Called with the points that the user clicked or lassoed, possibly none.
    """

    def __init__(self, on_select: Callable[[tuple[int, ...]], None]) -> None:
        self._on_select = on_select
        self._scatters: dict[str, Any] = {}
        self._points: dict[str, pd.DataFrame] = {}
        self._panes: dict[str, FigurePane] = {}
        self._shown: tuple[int, ...] = ()
        self._waiting: asyncio.TimerHandle | None = None
        self._ranges: dict[str, tuple[float, float]] = {}
        self._panels: list[ipywidgets.VBox] = []
        super().__init__(layout=ipywidgets.Layout(flex_flow="row wrap"))
        self.add_class("rcviz-strand-scatters")

    def show(
        self,
        predictions: Mapping[str, tuple[Any, Any]],
        labels: Any,
        scales: Mapping[str, str],
        label_kind: str = "binary",
    ) -> None:
        """Draw forward and reverse predictions of each model on its scale, coloured by label."""
        for name, (forward, reverse) in predictions.items():
            self._ranges[name] = limits = prediction_range(forward, reverse, scales[name])
            if can_select():
                named, groups = label_groups(labels, len(forward), label_kind)
                # jscatter numbers only the categories that occur, in their order: colours are given for those.
                present = [label for label in groups if label in named]
                category = pd.Categorical(named, categories=present)
                frame = pd.DataFrame({"forward": forward, "reverse complement": reverse, "label": category})
                self._points[name] = frame
                if name not in self._scatters:
                    self._scatters[name] = self._scatter(frame, limits)
                    self._add(name, scales[name], self._scatters[name].widget)
                else:
                    self._scatters[name].data(frame)
                    self._scatters[name].x(scale=limits).y(scale=limits)
                self._scatters[name].color(by="label", map=[groups[label] for label in present])
            else:
                if name not in self._panes:
                    self._panes[name] = FigurePane()
                    self._add(name, scales[name], self._panes[name])
                figure = new_figure(3.2, 3.9)
                ax = figure.add_subplot()
                plot_strands(forward, reverse, labels, ax, scale=scales[name], label_kind=label_kind)
                described = f"{name}: predictions for the reverse complement against those for the forward strand"
                self._panes[name].show_figure(figure, described)

    def highlight(self, sequences: tuple[int, ...], marked: int) -> None:
        """Highlight the chosen sequences, and mark the one that is shown."""
        changed, self._shown = sequences != self._shown, sequences
        for scatter in self._scatters.values():
            if changed or len(scatter.widget.selection) != len(sequences):
                scatter.selection(list(sequences))
        # With a cross the browser redraws all points, which without a GPU takes longer than everything else: it is
        # drawn after a pause.
        if self._waiting is not None:
            self._waiting.cancel()
        try:
            self._waiting = asyncio.get_running_loop().call_later(_PAUSE, self._mark, marked)
        except RuntimeError:  # no event loop is running, so there is no front end to wait for
            self._mark(marked)

    def _mark(self, sequence: int) -> None:
        for name, scatter in self._scatters.items():
            point = self._points[name].iloc[sequence]
            forward, reverse = float(point["forward"]), float(point["reverse complement"])
            scatter.annotations(_lines(forward, reverse, self._ranges[name]))

    def _add(self, name: str, scale: str, view: ipywidgets.DOMWidget) -> None:
        title = MarkupPane()
        title.show(
            f'<div class="rcviz-panel-title"><b>{html.escape(name)}</b> ({scale})<br>'
            f"\N{UPWARDS ARROW} reverse complement</div>"
        )
        panel = ipywidgets.VBox([title, view], layout=ipywidgets.Layout(width="320px", overflow="hidden"))
        self._panels.append(panel)
        self.children = tuple(self._panels)

    def _scatter(self, frame: pd.DataFrame, limits: tuple[float, float]) -> Any:
        jscatter = importlib.import_module("jscatter")
        scatter = jscatter.Scatter(
            data=frame,
            x="forward",
            y="reverse complement",
            x_scale=limits,
            y_scale=limits,
            opacity=0.7,
            size=4,
            opacity_unselected=0.15,
            width=_SIZE,
            height=_SIZE,
            axes_labels=["forward", ""],
            mouse_mode="lasso",
            lasso_color=FAINT,
            zoom_on_selection=False,
        )
        widget = scatter.widget
        widget.toolbar_buttons = ["lasso", "pan_zoom", "reset", "full_screen"]
        widget.observe(self._selected, "selection")
        return scatter

    def _selected(self, change: Any) -> None:
        chosen = tuple(sorted(int(index) for index in (() if change["new"] is None else change["new"])))
        if chosen != tuple(sorted(self._shown)):  # else it is the echo of our own highlight
            self._on_select(chosen)


def _lines(forward: float, reverse: float, limits: tuple[float, float]) -> list[Any]:
    """Draw the diagonal, on which both strands agree, and a cross on one point."""
    jscatter = importlib.import_module("jscatter")
    low, high = limits
    return [
        jscatter.Line([(low, low), (high, high)], line_color=FAINT),
        jscatter.VLine(forward, line_color="#00000066"),
        jscatter.HLine(reverse, line_color="#00000066"),
    ]
