"""Explore the sequences for which a model's two strands disagree, and the filters that cause it."""

import html
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rcviz._core.checks import check_positive, task_index
from rcviz._core.files import check_ending
from rcviz._core.tables import ENDINGS as TABLES
from rcviz._core.tables import save_table
from rcviz.analysis.neurons import At
from rcviz.plots.saving import ENDINGS as PICTURES
from rcviz.plots.saving import save_figure
from rcviz.sequences.sequence_set import as_sequence_set
from rcviz.widgets._box import ExplorerBox
from rcviz.widgets._export import ExportBox
from rcviz.widgets._keyboard import KeyboardGuard
from rcviz.widgets._pane import ErrorPane, MarkupPane
from rcviz.widgets._scatter import StrandScatters, label_names, legend_html
from rcviz.widgets._strand_results import StrandResults
from rcviz.widgets._strand_views import STYLE, WINDOW, best_window, gap_markup, logo_pair
from rcviz.widgets.state import StrandState

_LISTED = 200


class StrandExplorer(ExplorerBox):
    """Forward against reverse predictions of several models, and the causes of each gap (Figure 4).

    Click or lasso points in any panel, choose from the list (arrow keys work), or set ``explorer.state``.

    Parameters
    ----------
    models : dict of name to nn.Module, sequence of nn.Module, or nn.Module
        Each maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``; it is not modified. For other
        inputs and outputs see :func:`rcviz.as_sequence_model`.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
        Labels colour the points; those that are values by ranges with about the same number of sequences.
    task : int or str
        Task to start with, by index or by name.
    layer : nn.Module, str or dict of these by model, optional
        Layer whose filters the gap is split by; by default each model's first convolution.
    at : "auto", "activation" or "convolution"
        Which neurons of the layer; see :func:`rcviz.filter_contributions`.
    batch_size : int
        Number of sequences that are in memory as floats at a time.

    Attributes
    ----------
    state : StrandState
        ``task``, ``model``, ``selection``, ``sequence`` and ``position`` can be read, set and observed.

    Raises
    ------
    ValueError
        If there is no model or no sequence, a task or layer does not exist, or no model accepts the data. A model that
        fails while others work is named in the error pane and excluded.

    Examples
    --------
    >>> explorer = rcviz.StrandExplorer({"RC": model, "standard": standard}, parts.test)
    >>> explorer.state.selection = (3, 14)
    >>> explorer.export("strands.csv")
    >>> explorer.close()
    """

    def __init__(
        self,
        models: Any,
        data: Any,
        *,
        task: int | np.integer | str = 0,
        layer: Any = None,
        at: At = "auto",
        batch_size: int = 500,
    ) -> None:
        check_positive("batch_size", batch_size)
        self._data = as_sequence_set(data)
        self._results = StrandResults(models, self._data, at, layer, batch_size)
        first_task = task_index(task, self._results.task_names)
        self.state = StrandState(
            task_names=self._results.task_names,
            models=tuple(self._results.models),
            n_sequences=len(self._data),
            last_position=max(self._data.length - WINDOW, 0),
        )
        self.state.task = first_task
        self.state.model = self._results.largest_gap_model(first_task)
        self._following = False
        self._build()
        super().__init__(self._parts())
        self.add_class("rcviz-box").add_class("rcviz-strand-explorer")
        with self._error.reporting():
            self.state.sequence = int(self._order()[0])
            self._on_task()
            if self._results.refused:
                raise ValueError(self._results.refused)
        for name in ("task", "model", "selection", "sequence", "position"):
            self.state.observe(getattr(self, f"_on_{name}"), name)

    def __repr__(self) -> str:
        return f"StrandExplorer({len(self.state.models)} models, {len(self._data):,} sequences)"

    @property
    def table(self) -> pd.DataFrame:
        """The chosen sequences, or all, the largest gap of the sorting model first.

        One row per sequence and model: model, sequence, the columns of ``data.table``, label, forward, reverse
        (probabilities, or values of a model that declares ``output_is="value"``), gap.
        """
        return self._results.table(self.state.task, self._order())

    @property
    def gap_table(self) -> pd.DataFrame:
        """The shown sequence's difference by filter: model, sequence, filter, forward, reverse, difference.

        The rows of a model add up to its two logits, or values, and their difference: the part that no filter explains,
        such as the output's bias, is in the row whose filter is "rest".
        """
        return self._results.gap_table(self.state.task, self.state.sequence)

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write :attr:`table` (``.csv``, ``.parquet``) or the panels as one figure (``.svg``, ``.pdf``, ``.png``)."""
        if check_ending(os.fspath(path), TABLES + PICTURES) in TABLES:
            self.export_table(path)
        else:
            self.export_figure(path)

    def export_table(self, path: str | os.PathLike[str]) -> None:
        """Write :attr:`table` as ``.csv`` or ``.parquet``."""
        save_table(self.table, path)

    def export_gap(self, path: str | os.PathLike[str]) -> None:
        """Write :attr:`gap_table` as ``.csv`` or ``.parquet``."""
        save_table(self.gap_table, path)

    def export_figure(self, path: str | os.PathLike[str]) -> None:
        """Write the panels as one figure (Figure 4 a, b, c), ``.svg``, ``.pdf`` or ``.png``."""
        check_ending(path, PICTURES)
        save_figure(self.picture(), path)

    def picture(self) -> Figure:
        """Draw the panels as a matplotlib figure (Figure 4 a, b, c), which a notebook shows without a kernel."""
        return self._results.figure(self.state.task)

    def select_all(self) -> None:
        """Clear the selection: the list offers all sequences again."""
        self._write("selection", ())

    def _build(self) -> None:
        state = self.state
        self._task = ipywidgets.Dropdown(
            options=[(name, index) for index, name in enumerate(state.task_names)],
            value=state.task,
            description="Task",
            disabled=len(state.task_names) == 1,
            layout=ipywidgets.Layout(width="230px"),
            tooltip="The task whose predictions are compared",
        )
        self._model = ipywidgets.Dropdown(
            options=state.models,
            value=state.model,
            description="Sort by",
            layout=ipywidgets.Layout(width="320px"),
            tooltip="The model whose gaps sort the sequences",
        )
        self._all = ipywidgets.Button(
            description="All sequences", tooltip="Clear the selection: the list offers all sequences again"
        )
        self._list = ipywidgets.Select(
            description="Sequence",
            layout=ipywidgets.Layout(width="250px", height="520px", flex_flow="column", align_items="stretch"),
            tooltip="Sequences, largest gap between the strands first",
        )
        self._position = ipywidgets.IntSlider(
            min=0,
            max=state.last_position,
            description="Position",
            disabled=state.last_position == 0,
            layout=ipywidgets.Layout(width="500px"),
            tooltip="First position that is drawn",
        )
        self._error, self._listed, self._caption = ErrorPane(), MarkupPane(), MarkupPane()
        self._logos, self._gaps, self._legend = MarkupPane(), MarkupPane(), MarkupPane()
        self._scatters = StrandScatters(self._on_points)
        self._export = ExportBox(self.export, "strands.csv", TABLES + PICTURES, self._error)
        self._export_gap = ExportBox(self.export_gap, "gap_by_filter.csv", TABLES, self._error)
        controls = {"task": self._task, "model": self._model, "sequence": self._list, "position": self._position}
        for name, control in controls.items():
            control.observe(lambda change, name=name: self._write(name, change["new"]), "value")
        self._all.on_click(lambda button: self.select_all())

    def _parts(self) -> list[ipywidgets.Widget]:
        chosen = ipywidgets.VBox([self._listed, self._list], layout=ipywidgets.Layout(margin="0 16px 0 0"))
        view = ipywidgets.VBox([self._caption, self._logos, self._position])
        view.layout = ipywidgets.Layout(flex="1 1 0", min_width="0")
        return [
            ipywidgets.HBox([self._task, self._model, self._all]),
            self._legend,
            self._scatters,
            self._export,
            self._error,
            ipywidgets.HBox([chosen, view]),
            self._gaps,
            self._export_gap,
            KeyboardGuard(),
        ]

    def _write(self, name: str, value: Any) -> None:
        if self._following or value is None:
            return
        with self._error.reporting():
            setattr(self.state, name, value)
        if getattr(self.state, name) != value:  # refused: the control shows the state again
            self._follow()

    def _on_points(self, chosen: tuple[int, ...]) -> None:
        with self._error.reporting():
            if not chosen:
                self._highlight()
                raise ValueError(
                    "no point was chosen, so the view has not changed: click a point, draw around some, or press "
                    "'All sequences'"
                )
            self.state.selection = chosen

    def _on_task(self, change: Any = None) -> None:
        task, kind = self.state.task, self._results.label_kind
        labels = self._results.labels(task)
        self._legend.show(STYLE + legend_html(labels, kind))
        self._scatters.show(self._results.predictions(task), labels, self._results.scales(), kind)
        self._draw()

    def _on_model(self, change: Any) -> None:
        self._follow()

    def _on_selection(self, change: Any) -> None:
        self._highlight()
        self._follow()
        if self.state.selection:
            self.state.sequence = int(self._order()[0])

    def _on_sequence(self, change: Any) -> None:
        try:
            self._draw()
        except Exception:
            self.state.sequence = change["old"]
            raise

    def _on_position(self, change: Any) -> None:
        if not self._following:
            self._show_logos()
            self._follow()

    def _draw(self) -> None:
        """Draw the sequence of the state; everything is computed before anything is shown."""
        details = self._results.sequence(self.state.task, self.state.sequence)
        gaps = gap_markup(details.splits)
        with self._quietly():
            self.state.position = best_window(list(details.attributions.values()), self._data.length)
        self._show_logos()
        self._gaps.show(gaps)
        self._caption.show(self._caption_text())
        self._highlight()
        self._follow()

    def _show_logos(self) -> None:
        attributions = self._results.sequence(self.state.task, self.state.sequence).attributions
        logos = (logo_pair(name, each, self.state.position) for name, each in attributions.items())
        self._logos.show("".join(logos))

    def _highlight(self) -> None:
        self._scatters.highlight(self.state.selection, self.state.sequence)

    def _order(self) -> np.ndarray:
        return self._results.order(self.state.model, self.state.task, self.state.selection)

    def _label_names(self) -> Any:
        return label_names(self._results.labels(self.state.task), len(self._data), self._results.label_kind)

    def _follow(self) -> None:
        """Set the controls to the values of the state, without writing them back."""
        order = self._order()
        gap, names = self._results.gap(self.state.model, self.state.task), self._label_names()
        options = tuple(
            (f"{rank}.  sequence {i}  {_short(gap[i])}  {names[i]}", i)
            for rank, i in enumerate(order[:_LISTED].tolist(), start=1)
        )
        which = "chosen" if self.state.selection else "all"
        counted = f"{which} {len(order):,} sequences"
        with self._quietly():
            if self._list.options != options:
                self._list.options = options
            listed = any(i == self.state.sequence for _, i in options)
            self._list.value = self.state.sequence if listed else None
            self._listed.show(
                f"The {len(options)} largest gaps of {counted}"
                if len(order) > len(options)
                else f"{counted.capitalize()}, largest gap first"
            )
            self._task.value, self._model.value = self.state.task, self.state.model
            self._position.value = self.state.position

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        before, self._following = self._following, True
        try:
            yield
        finally:
            self._following = before

    def _caption_text(self) -> str:
        i, task, scales = self.state.sequence, self.state.task, self._results.scales()
        names = self._data.table.get("name")
        name = "" if names is None else f" ({html.escape(str(names[i]))})"
        predictions = "; ".join(
            f"{html.escape(model)} {forward[i]:.3f} forward, {reverse[i]:.3f} reverse ({scales[model]})"
            for model, (forward, reverse) in self._results.predictions(task).items()
        )
        return (
            f'<div class="rcviz-caption" aria-live="polite"><b>Sequence {i}</b>{name}, {self._label_names()[i]} for '
            f"{html.escape(self.state.task_names[task])}. Predictions: {predictions}.</div>"
        )


def _short(gap: float | np.floating) -> str:
    return f"{gap:.3f}" if gap >= 0.0005 or gap == 0 else f"{gap:.0e}"
