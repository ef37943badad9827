"""Look through a model's filters, ranked by what they contribute."""

import html
from typing import Any

import ipywidgets
import numpy as np
from torch import nn

from rcviz.analysis.contributions import At, FilterContributions, filter_contributions
from rcviz.analysis.filters import filter_bank
from rcviz.plots._axes import new_figure
from rcviz.plots.contributions import plot_contribution_distribution
from rcviz.plots.logo import logo_svg
from rcviz.sequences.alphabet import reverse_complement
from rcviz.sequences.dataset import SequenceSet
from rcviz.widgets._keyboard import KeyboardGuard
from rcviz.widgets._pane import ErrorPane, FigurePane, MarkupPane
from rcviz.widgets.state import FilterState


class FilterExplorer(ipywidgets.VBox):
    """Ranked filters of a model's first convolution, each as logo and by its contribution (section 3.5).

    Choose a filter with the slider, the list (arrow keys work in both) or by setting ``explorer.state``.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``; left as found.
    data : SequenceSet
        Labelled sequences on which contributions are computed.
    layer, at
        Which convolution over the four bases, and which of its neurons; see :func:`filter_contributions`.

    Attributes
    ----------
    state : FilterState
        ``state.filter`` and ``state.task`` can be read, set and observed.

    Examples
    --------
    >>> explorer = FilterExplorer(model, parts.test)  # doctest: +SKIP
    >>> explorer.state.select_rank(0)  # doctest: +SKIP
    """

    def __init__(
        self,
        model: nn.Module,
        data: SequenceSet,
        *,
        layer: nn.Module | str | None = None,
        at: At = "activation",
    ) -> None:
        if getattr(data, "labels", None) is None:
            raise ValueError("the explorer compares positives with negatives; give it a SequenceSet with labels")
        self._model, self._data, self._at = model, data, at
        self._contributions: dict[int, FilterContributions] = {}
        self.bank = filter_bank(model, layer=layer)
        first = self.contributions(0)
        self.state = FilterState(task_names=data.task_names, ranking=_ranking(first))
        self._following = False
        self._build()
        self.state.observe(self._on_task, "task")
        self.state.observe(self._redraw, ["filter", "ranking"])
        self._redraw()
        chosen = ipywidgets.HBox([self._list, self._view])
        super().__init__([self._controls, self._error, chosen, KeyboardGuard()])
        self.add_class("rcviz-explorer").add_class("rcviz-filter-explorer")

    def contributions(self, task: int) -> FilterContributions:
        """Contributions to one task's logit; computed once."""
        if task not in self._contributions:
            self._contributions[task] = filter_contributions(
                self._model, self._data, task=task, layer=self.bank.layer, at=self._at
            )
        return self._contributions[task]

    def _build(self) -> None:
        count = len(self.bank)
        wide = ipywidgets.Layout(width="360px")
        self._task = ipywidgets.Dropdown(
            options=[(name, index) for index, name in enumerate(self.state.task_names)],
            description="Task",
            disabled=len(self.state.task_names) == 1,
            tooltip="The task whose logit the contributions belong to",
        )
        self._slider = ipywidgets.IntSlider(
            value=1, min=1, max=count, description="Rank", layout=wide, tooltip="Rank of the filter by its contribution"
        )
        self._list = ipywidgets.Select(
            description="",
            rows=min(count, 18),
            layout=ipywidgets.Layout(width="190px", height="auto"),
            tooltip="Filters, largest contribution first",
        )
        self._caption = MarkupPane()
        self._logos = MarkupPane()
        self._distribution = FigurePane()
        self._error = ErrorPane()
        self._controls = ipywidgets.HBox([self._slider, self._task])
        self._view = ipywidgets.VBox([self._caption, self._logos, self._distribution])
        self._task.observe(lambda change: self._write("task", change["new"]), "value")
        self._slider.observe(lambda change: self._write("filter", self.state.ranking[change["new"] - 1]), "value")
        self._list.observe(lambda change: self._write("filter", change["new"]), "value")

    def _write(self, name: str, value: Any) -> None:
        if not self._following:
            with self._error.reporting():
                setattr(self.state, name, value)
            if getattr(self.state, name) != value:  # refused: the control goes back to what is shown
                self._follow(self.contributions(self.state.task))

    def _on_task(self, change: Any) -> None:
        try:
            self.state.ranking = _ranking(self.contributions(change["new"]))
        except Exception:
            self.state.task = change["old"]
            raise

    def _redraw(self, change: Any = None) -> None:
        found = self.contributions(self.state.task)
        self._follow(found)
        self._show_filter(found)

    def _follow(self, found: FilterContributions) -> None:
        """Set the controls to what the state says, without their writing it back."""
        self._following = True
        try:
            options = [
                (f"{rank}.  filter {index}  {found.scores[index]:+.2f}", index)
                for rank, index in enumerate(self.state.ranking, start=1)
            ]
            if self._list.options != tuple(options):
                self._list.options = options
            self._list.value = self.state.filter
            self._slider.value = self.state.rank + 1
            self._task.value = self.state.task
        finally:
            self._following = False

    def _show_filter(self, found: FilterContributions) -> None:
        index, rank = self.state.filter, self.state.rank + 1
        row = found.table.iloc[self.state.rank]
        task = html.escape(found.task)
        positive, negative = f"{row['mean_positive']:+.2f}", f"{row['mean_negative']:+.2f}"
        self._caption.show(
            '<div class="rcviz-caption" aria-live="polite" style="line-height:1.4">'
            f"<b>Filter {index}</b>, rank {rank} of {len(self.bank)}: score {row['score']:+.3f}. "
            f"On average it adds {positive} to the logit of {task} in a positive, {negative} in a negative.</div>"
        )
        weights = self.bank.weights[index]
        limits = (float(np.minimum(weights, 0).sum(axis=0).min()), float(np.maximum(weights, 0).sum(axis=0).max()))
        self._logos.show(
            "".join(
                f'<div class="rcviz-logo">{logo_svg(matrix, width=560, height=130, y_range=limits, title=title)}</div>'
                for title, matrix in (
                    (f"Filter {index}, forward", weights),
                    (f"Filter {index}, reverse complement", reverse_complement(weights)),
                )
            )
        )
        figure = new_figure(5.6, 2.2)
        plot_contribution_distribution(found.positive(index), found.negative(index), figure.add_subplot())
        self._distribution.show_figure(figure, f"Contributions of filter {index} in positives and negatives")


def _ranking(found: FilterContributions) -> tuple[int, ...]:
    return tuple(int(index) for index in found.ranking)
