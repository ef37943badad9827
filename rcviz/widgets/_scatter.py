"""Forward against reverse predictions as points to click or lasso; as a picture without jupyter-scatter."""

import asyncio
import html
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd

from rcviz.plots._axes import FAINT, new_figure
from rcviz.plots.colors import NEGATIVE, POSITIVE, UNKNOWN, VALUE_COLORS
from rcviz.plots.strands import plot_strands, prediction_range
from rcviz.widgets._pane import FigurePane, MarkupPane

LABELS = {"positive": POSITIVE, "negative": NEGATIVE, "unknown": UNKNOWN}
"""Name and colour of each label."""

MISSING = (
    'Points cannot be clicked because jupyter-scatter is not installed (pip install "rcviz[lab]"); '
    "choose a sequence from the list."
)
_SIZE = 245
"""Side in pixels: three panels with their axes fit beside each other in a notebook 1400 pixels wide."""

_PAUSE = 0.15
"""Seconds."""


def label_names(labels: Any, count: int) -> Any:
    """Name each label: 1 positive, 0 negative, NaN or no labels at all unknown."""
    values = np.full(count, np.nan) if labels is None else np.asarray(labels)
    if are_values(labels):
        return np.array(["unknown" if np.isnan(value) else f"label {value:.3g}" for value in values.flat], dtype=object)
    return np.select([values == 1, values == 0], ["positive", "negative"], "unknown").astype(object)


def are_values(labels: Any) -> bool:
    """Whether labels are other numbers than 0 and 1."""
    return labels is not None and bool((~np.isin(labels, (0, 1)) & ~np.isnan(labels)).any())


def can_select() -> bool:
    """Whether jupyter-scatter is installed."""
    return importlib.util.find_spec("jscatter") is not None


def legend_html(labels: Any) -> str:
    """Write what the colours mean, and how to choose points."""
    names = label_names(labels, 1 if labels is None else len(labels))
    keys = " &nbsp; ".join(
        f'<span style="color:{color}">\N{BLACK CIRCLE}</span> {name}' for name, color in LABELS.items() if name in names
    )
    if are_values(labels):
        keys = f"labels from {np.nanmin(labels):.3g} (dark) to {np.nanmax(labels):.3g} (light)"
        keys += "; unknown ones are dark" if np.isnan(labels).any() else ""
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
        self._panes: dict[str, FigurePane] = {}
        self._shown: tuple[int, ...] = ()
        self._waiting: asyncio.TimerHandle | None = None
        self._ranges: dict[str, tuple[float, float]] = {}
        self._panels: list[ipywidgets.VBox] = []
        super().__init__(layout=ipywidgets.Layout(flex_flow="row wrap"))
        self.add_class("rcviz-strand-scatters")

    def show(self, predictions: Mapping[str, tuple[Any, Any]], labels: Any, scales: Mapping[str, str]) -> None:
        """Draw forward and reverse predictions of each model on its scale, coloured by label."""
        for name, (forward, reverse) in predictions.items():
            self._ranges[name] = limits = prediction_range(forward, reverse, scales[name])
            if can_select():
                label, colors = _label_colors(labels, len(forward))
                frame = pd.DataFrame({"forward": forward, "reverse complement": reverse, "label": label})
                if name not in self._scatters:
                    self._scatters[name] = self._scatter(frame, limits)
                    self._add(name, scales[name], self._scatters[name].widget)
                else:
                    self._scatters[name].data(frame)
                    self._scatters[name].x(scale=limits).y(scale=limits)
                self._scatters[name].color(by="label", map=colors)
            else:
                if name not in self._panes:
                    self._panes[name] = FigurePane()
                    self._add(name, scales[name], self._panes[name])
                figure = new_figure(3.2, 3.9)
                plot_strands(forward, reverse, labels, figure.add_subplot(), scale=scales[name])
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
            point = scatter._data.iloc[sequence]
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


def _label_colors(labels: Any, count: int) -> tuple[Any, Any]:
    """Column of labels, and the colours of its classes or of its values."""
    if are_values(labels):
        return labels, VALUE_COLORS.name
    named = label_names(labels, count)
    # jscatter numbers only the categories that occur, in their order: colours are given for those.
    present = [label for label in LABELS if label in named]
    return pd.Categorical(named, categories=present), [LABELS[label] for label in present]


def _lines(forward: float, reverse: float, limits: tuple[float, float]) -> list[Any]:
    """Draw the diagonal, on which both strands agree, and a cross on one point."""
    jscatter = importlib.import_module("jscatter")
    low, high = limits
    return [
        jscatter.Line([(low, low), (high, high)], line_color=FAINT),
        jscatter.VLine(forward, line_color="#00000066"),
        jscatter.HLine(reverse, line_color="#00000066"),
    ]
