"""Look for the sequences whose two strands a model tells apart, and for the filters that do it."""

import html
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch import nn

from rcviz.analysis.attributions import StrandAttributions, strand_attributions
from rcviz.analysis.contributions import At
from rcviz.analysis.strands import GapByFilter, StrandAgreement, gap_by_filter, strand_agreement, task_of
from rcviz.plots._axes import new_figure
from rcviz.plots.strands import plot_strands
from rcviz.sequences.dataset import SequenceSet, as_sequence_set
from rcviz.widgets._keyboard import KeyboardGuard
from rcviz.widgets._pane import ErrorPane, MarkupPane
from rcviz.widgets._scatter import StrandScatters, can_select, label_names, legend_html
from rcviz.widgets._strand_files import write_figure, write_table
from rcviz.widgets._strand_views import STYLE, WINDOW, best_window, gap_markup, logo_pair
from rcviz.widgets.state import StrandState

_LISTED = 200
_REMEMBERED = 64


class StrandExplorer(ipywidgets.VBox):
    """Forward against reverse predictions of several models, and what stands behind each gap (Figure 4).

    Click or lasso points in any panel, choose from the list (arrow keys work), or set ``explorer.state``.

    Parameters
    ----------
    models : dict of name to nn.Module, sequence of nn.Module, or nn.Module
        Each maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``; left as found.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
        Labels colour the points.
    task : int or str
        Which task to start with.
    at : "activation" or "convolution"
        Which neurons of the first convolution the gap is split by; see :func:`rcviz.filter_contributions`.

    Attributes
    ----------
    state : StrandState
        ``task``, ``model``, ``selection``, ``sequence`` and ``position`` can be read, set and observed.

    Raises
    ------
    ValueError
        When there is no model or no sequence, a task is not there, or no model takes the data. A model that fails
        beside others that work is named in the error pane and left out.

    Examples
    --------
    >>> explorer = StrandExplorer({"RC": rc, "standard": standard}, parts.test)  # doctest: +SKIP
    >>> explorer.state.selection = (3, 14)  # doctest: +SKIP
    >>> explorer.export_table("strands.csv")  # doctest: +SKIP
    """

    def __init__(self, models: Any, data: Any, *, task: int | np.integer | str = 0, at: At = "activation") -> None:
        self._data, self._at = as_sequence_set(data), at
        first_task, _ = task_of(self._data, task)
        self._models, self._agreements, refused = _ask(_named(models), self._data)
        self.state = StrandState(
            task_names=min((found.task_names for found in self._agreements.values()), key=len),
            models=tuple(self._models),
            n_sequences=len(self._data),
            last_position=max(self._data.length - WINDOW, 0),
        )
        self.state.task = first_task
        self.state.model = max(self._models, key=lambda name: float(self._gap(name).mean()))
        self._results: OrderedDict[tuple[int, int], _Result] = OrderedDict()
        self._following = False
        self._build()
        super().__init__(self._parts)
        self.add_class("rcviz-explorer").add_class("rcviz-strand-explorer")
        with self._error.reporting():
            self.state.sequence = int(self._ranked()[0])
            self._on_task()
            if refused:
                raise ValueError(refused)
        for name in ("task", "model", "selection", "sequence", "position"):
            self.state.observe(getattr(self, f"_on_{name}"), name)

    @property
    def table(self) -> pd.DataFrame:
        """The chosen sequences, or all, the most discrepant of the sorting model first.

        One row per sequence and model: model, sequence, what is known of name, chrom, start and end, label, forward,
        reverse (probabilities), gap.
        """
        order = self._ranked()
        known = self._data.table.iloc[order].reset_index(drop=True)
        label = self._labels()
        parts = []
        for name, found in self._agreements.items():
            columns = {
                "model": name,
                "sequence": order,
                **known,
                "label": np.nan if label is None else label[order],
                "forward": found.forward[order, self.state.task],
                "reverse": found.reverse[order, self.state.task],
                "gap": self._gap(name)[order],
            }
            parts.append(pd.DataFrame(columns))
        # A stable sort by the row number puts the models of a sequence beside each other.
        return pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)

    @property
    def gap_table(self) -> pd.DataFrame:
        """The shown sequence's logit gap by model and filter: model, sequence, filter, forward, reverse, difference.

        The rows of a model add up to its two logits and their gap: what no filter explains, such as the output's bias,
        is in the row whose filter is "rest".
        """
        parts = []
        for name, split in self._result().splits.items():
            if isinstance(split, str):
                continue
            whole = {
                "forward": split.logits_forward,
                "reverse": split.logits_reverse,
                "difference": split.logit_gap,
            }
            rest = {"filter": ["rest"], **{key: logits - split.table[key].sum() for key, logits in whole.items()}}
            rows = pd.concat([split.table.astype({"filter": object}), pd.DataFrame(rest)], ignore_index=True)
            parts.append(rows.drop(columns="magnitude").assign(model=name, sequence=self.state.sequence))
        if not parts:
            raise ValueError("no model's gap could be split by filter; the reason stands in the place of its table")
        return pd.concat(parts, ignore_index=True)[["model", "sequence", "filter", "forward", "reverse", "difference"]]

    def figure(self) -> Figure:
        """The panels as a matplotlib figure (Figure 4 a, b, c), unknown to pyplot."""
        figure = new_figure(4.2 * len(self._models), 5.0)
        for ax, (name, (forward, reverse)) in zip(
            figure.subplots(1, len(self._models), squeeze=False)[0], self._predictions().items(), strict=True
        ):
            plot_strands(forward, reverse, self._labels(), ax, task_name=name)
        return figure

    def export_table(self, path: str | os.PathLike[str]) -> Path:
        """Write :attr:`table` as .csv or .tsv."""
        return write_table(self.table, path)

    def export_gap_table(self, path: str | os.PathLike[str]) -> Path:
        """Write :attr:`gap_table` as .csv or .tsv."""
        return write_table(self.gap_table, path)

    def export_figure(self, path: str | os.PathLike[str]) -> Path:
        """Write :meth:`figure` as .svg or .png."""
        return write_figure(self.figure(), path)

    def select_all(self) -> None:
        """Let go of the selection: the list offers all sequences again."""
        self.state.selection = ()

    def _build(self) -> None:
        narrow = ipywidgets.Layout(width="230px")
        names = self.state.task_names
        self._task = ipywidgets.Dropdown(
            options=[(name, index) for index, name in enumerate(names)],
            value=self.state.task,
            description="Task",
            disabled=len(names) == 1,
            layout=narrow,
            tooltip="The task whose predictions are compared",
        )
        self._model = ipywidgets.Dropdown(
            options=self.state.models,
            value=self.state.model,
            description="Sort by",
            layout=ipywidgets.Layout(width="320px"),
            tooltip="The model whose gaps sort the sequences",
        )
        self._all = ipywidgets.Button(
            description="All sequences", tooltip="Let go of the selection: the list offers all sequences again"
        )
        self._list = ipywidgets.Select(
            description="",
            rows=18,
            layout=ipywidgets.Layout(width="230px"),
            tooltip="Sequences, largest gap between the strands first",
        )
        self._position = ipywidgets.IntSlider(
            min=0,
            max=self.state.last_position,
            description="Position",
            disabled=self.state.last_position == 0,
            layout=ipywidgets.Layout(width="500px"),
            tooltip="Where the part of the sequence that is drawn begins",
        )
        self._error, self._listed, self._caption, self._logos, self._gaps = (
            ErrorPane(),
            *(MarkupPane() for _ in range(4)),
        )
        self._scatters = StrandScatters(self._on_points)
        self._task.observe(lambda change: self._write("task", change["new"]), "value")
        self._model.observe(lambda change: self._write("model", change["new"]), "value")
        self._list.observe(lambda change: self._write("sequence", change["new"]), "value")
        self._position.observe(lambda change: self._write("position", change["new"]), "value")
        self._all.on_click(lambda _: self._write("selection", ()))

    @property
    def _parts(self) -> list[ipywidgets.Widget]:
        legend = MarkupPane()
        legend.show(STYLE + legend_html(self._labels(), clickable=can_select()))
        chosen = ipywidgets.VBox([self._listed, self._list])
        view = ipywidgets.VBox([self._caption, self._logos, self._position, self._gaps])
        view.layout = ipywidgets.Layout(flex="1 1 0", min_width="0")
        return [
            ipywidgets.HBox([self._task, self._model, self._all]),
            legend,
            self._scatters,
            self._error,
            ipywidgets.HBox([chosen, view]),
            KeyboardGuard(),
        ]

    def _write(self, name: str, value: Any) -> None:
        if self._following or value is None:
            return
        with self._error.reporting():
            setattr(self.state, name, value)
        if getattr(self.state, name) != value:  # refused: the control goes back to what is shown
            self._follow()

    def _on_points(self, chosen: tuple[int, ...]) -> None:
        with self._error.reporting():
            if not chosen:
                self._highlight()
                raise ValueError(
                    "no point was chosen, so what you see is kept: click a point, draw around some, or press "
                    "'All sequences'"
                )
            self.state.selection = chosen

    def _on_task(self, change: Any = None) -> None:
        self._scatters.show(self._predictions(), self._labels())
        self._draw()

    def _on_model(self, change: Any) -> None:
        self._follow()

    def _on_selection(self, change: Any) -> None:
        if self.state.selection:
            first = int(self._ranked()[0])
            if first != self.state.sequence:
                self.state.sequence = first
        self._highlight()
        self._follow()

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
        """Draw the sequence that the state names; everything is computed before anything is shown."""
        found = self._result()
        gaps = "".join(gap_markup(name, split) for name, split in found.splits.items())
        with self._quietly():
            self.state.position = best_window(list(found.attributions.values()), self._data.length)
        self._show_logos()
        self._gaps.show(f'<div class="rcviz-gaps">{gaps}</div>')
        self._caption.show(self._caption_text())
        self._highlight()
        self._follow()

    def _show_logos(self) -> None:
        found = self._result().attributions
        self._logos.show("".join(logo_pair(name, one, self.state.position) for name, one in found.items()))

    def _highlight(self) -> None:
        self._scatters.highlight(self.state.selection or (self.state.sequence,), self.state.sequence)

    def _follow(self) -> None:
        """Set the controls to what the state says, without their writing it back."""
        order = self._ranked()
        gap, names = self._gap(self.state.model), label_names(self._labels(), len(self._data))
        options = tuple(
            (f"{rank}.  sequence {i}  {gap[i]:.2g}  {names[i]}", i)
            for rank, i in enumerate(order[:_LISTED].tolist(), start=1)
        )
        kind = "chosen" if self.state.selection else "all"
        with self._quietly():
            if self._list.options != options:
                self._list.options = options
            listed = self.state.sequence in {i for _, i in options}
            self._list.value = self.state.sequence if listed else None
            self._listed.show(
                f"<div>The {len(options)} largest gaps of {kind} {len(order):,} sequences</div>"
                if len(order) > len(options)
                else f"<div>{kind.capitalize()} {len(order):,} sequences, largest gap first</div>"
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
        i = self.state.sequence
        label = str(label_names(self._labels(), len(self._data))[i])
        name = self._data.table.get("name")
        where = f" ({html.escape(str(name[i]))})" if name is not None else ""
        answers = "; ".join(
            f"{html.escape(model)} {forward[i]:.3f} forward, {reverse[i]:.3f} reverse"
            for model, (forward, reverse) in self._predictions().items()
        )
        return (
            f'<div class="rcviz-caption" aria-live="polite"><b>Sequence {i}</b>{where}, {label} '
            f"for {html.escape(self.state.task_names[self.state.task])}. Predictions: {answers}.</div>"
        )

    def _labels(self) -> Any:
        return None if self._data.labels is None else self._data.labels[:, self.state.task]

    def _predictions(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        task = self.state.task
        return {name: (found.forward[:, task], found.reverse[:, task]) for name, found in self._agreements.items()}

    def _gap(self, model: str) -> np.ndarray:
        return np.asarray(self._agreements[model].gap[:, self.state.task])

    def _ranked(self) -> np.ndarray:
        """The chosen sequences, or all, largest gap of the sorting model first."""
        chosen = np.array(self.state.selection or range(len(self._data)), dtype=int)
        return chosen[np.argsort(-self._gap(self.state.model)[chosen], kind="stable")]

    def _result(self) -> "_Result":
        """Attributions and gap of the sequence that is shown; computed once, the last few remembered."""
        key = (self.state.task, self.state.sequence)
        if key not in self._results:
            self._results[key] = self._computed(*key)
            while len(self._results) > _REMEMBERED:
                self._results.popitem(last=False)
        self._results.move_to_end(key)
        return self._results[key]

    def _computed(self, task: int, sequence: int) -> "_Result":
        codes = self._data.codes[sequence : sequence + 1]
        if (codes > 3).all():
            raise ValueError(f"sequence {sequence} has no known base (all N), so there is nothing to attribute")
        attributions = {name: strand_attributions(model, codes, task=task) for name, model in self._models.items()}
        splits: dict[str, GapByFilter | str] = {}
        for name, model in self._models.items():
            try:
                splits[name] = gap_by_filter(model, codes, task=task, at=self._at)
            except ValueError as error:  # a network without such filters still has predictions and attributions
                splits[name] = str(error)
        return _Result(attributions, splits)


@dataclass(frozen=True)
class _Result:
    attributions: dict[str, StrandAttributions]
    splits: dict[str, GapByFilter | str]


def _named(models: Any) -> dict[str, nn.Module]:
    """Models by name, in whatever form they come."""
    if isinstance(models, nn.Module):
        models = {"model": models}
    elif not isinstance(models, Mapping):
        given = list(models) if isinstance(models, Sequence) else [models]
        models = {f"model {number}": model for number, model in enumerate(given, start=1)}
    if not models:
        raise ValueError("there are no models; give a dict such as {'RC': model}")
    for name, model in models.items():
        if not isinstance(model, nn.Module):
            raise ValueError(f"{name} must be a torch.nn.Module, got {type(model).__name__}")
    return {str(name): model for name, model in models.items()}


def _ask(
    models: dict[str, nn.Module], data: SequenceSet
) -> tuple[dict[str, nn.Module], dict[str, StrandAgreement], str]:
    """Predict with every model; those that cannot are left out, in a sentence that says why."""
    found: dict[str, StrandAgreement] = {}
    refused = []
    if not len(data):
        raise ValueError("there are no sequences; the selection that made the data is empty")
    for name, model in models.items():
        try:
            agreement = strand_agreement(model, data)
            if not (np.isfinite(agreement.forward).all() and np.isfinite(agreement.reverse).all()):
                raise ValueError("some predictions are not finite numbers")
        except Exception as error:  # a model of one's own may raise anything
            reason = (str(error) or type(error).__name__).splitlines()[0]
            refused.append(f"{name} does not take these sequences of {data.length} bp and is left out: {reason}")
        else:
            found[name] = agreement
    if not found:
        raise ValueError("; ".join(refused))
    return {name: models[name] for name in found}, found, "; ".join(refused)
