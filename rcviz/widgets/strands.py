"""Explore the sequences for which a model's two strands disagree, and the filters that cause it."""

import os
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np
import pandas as pd
import traitlets
from matplotlib.figure import Figure

from rcviz._core.checks import check_choice, check_index, check_positive, task_index
from rcviz._core.files import check_ending, check_target
from rcviz._core.tables import ENDINGS as TABLES
from rcviz._core.tables import save_table
from rcviz.analysis.neurons import At
from rcviz.models.scale import Scale
from rcviz.plots.saving import ENDINGS as PICTURES
from rcviz.plots.saving import save_figure
from rcviz.sequences.checks import check_not_empty
from rcviz.sequences.sequence_set import as_sequence_set
from rcviz.widgets.explorer import Explorer
from rcviz.widgets.runs import Run
from rcviz.widgets.state import StrandState
from rcviz.widgets.strand_arguments import named_attributions, named_layers, named_models
from rcviz.widgets.strand_data import detail_bytes, pack_details, pack_filters, pack_points, pack_sequences
from rcviz.widgets.strand_picture import picture, still
from rcviz.widgets.strand_results import StrandResults

AHEAD = 32
"""Sequences of the list whose details are computed before they are chosen."""
SAVED = 300
"""Sequences whose details are in a page without a kernel."""
DETAIL_BYTES = 6 << 20
"""Most bytes for the details of several sequences."""


class StrandExplorer(Explorer):
    """Forward against reverse predictions of several models, and the causes of each gap (Figure 4).

    The call returns once every model has read a first batch; the rest is computed in the background, and what is there
    can be used. Click a point or a row to look at a sequence, draw around points to list only these, or set
    ``explorer.state``. Weights are those at the time of the call: :attr:`stale` says when a model has others, and
    :meth:`refresh` computes again.

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
    output : "probability", "logit" or "value", optional
        Scale of the predictions; by default probabilities of a classifier, and values of a model that declares
        ``output_is="value"``.
    at : "auto", "activation" or "convolution"
        Which neurons of the layer; see :func:`rcviz.filter_contributions`.
    batch_size : int
        Number of sequences that are in memory as floats at a time.
    attributions : dict of name to (forward, reverse), optional
        Your own attributions for some of the models, for the task to start with, such as those of Captum or tangermeme:
        arrays (N, 4, L) or (N, L), both in forward coordinates, see :meth:`rcviz.StrandAttributions.from_arrays`, or a
        :class:`rcviz.StrandAttributions`. For a single model the pair alone. By default gradient times input.

    Attributes
    ----------
    state : StrandState
        ``task``, ``model``, ``selection``, ``sequence``, ``position``, ``window``, ``split`` and ``filter`` can be
        read, set and observed.

    Raises
    ------
    ValueError
        If there is no model or no sequence, a task or layer does not exist, or no model accepts the data. A model that
        fails while others work is named on the page and excluded.

    Examples
    --------
    >>> explorer = rcviz.StrandExplorer({"RC": model, "standard": standard}, parts.test)
    >>> explorer.wait()
    >>> explorer.state.selection = (3, 14)
    >>> explorer.export("strands.csv")
    >>> explorer.close()
    """

    kind = "strands"
    entry = "strands.js"
    sheets = ("explorer.css", "strands.css")
    title = "Strands"
    kinds: ClassVar[dict[str, str]] = {
        ".html": "page that needs no kernel",
        ".csv": "table of the listed sequences",
        ".parquet": "table of the listed sequences",
        ".gap.csv": "this sequence's gap by filter",
        ".gap.parquet": "this sequence's gap by filter",
        ".svg": "picture of the points",
        ".pdf": "picture of the points",
        ".png": "picture of the points",
    }

    _sequences = traitlets.Dict().tag(sync=True)
    _points = traitlets.Dict().tag(sync=True)
    _filters = traitlets.Dict().tag(sync=True)
    _chosen = traitlets.Dict().tag(sync=True)
    _ahead = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        models: Any,
        data: Any,
        *,
        task: int | np.integer | str = 0,
        layer: Any = None,
        output: Scale | None = None,
        at: At = "auto",
        batch_size: int = 500,
        attributions: Any = None,
    ) -> None:
        check_positive("batch_size", batch_size)
        if output is not None:
            check_choice("output", output, get_args(Scale))
        check_choice("at", at, get_args(At))
        data = as_sequence_set(data)
        check_not_empty(data)
        named = named_models(models)
        own = named_attributions(named, attributions, data, task)
        self._named, self._options = named, (output, named_layers(named, layer), at, batch_size, own)
        self._results = StrandResults(named, data, *self._options)
        self._results.begin()
        first_task = task_index(task, self._results.task_names)
        state = StrandState(
            task_names=self._results.task_names,
            models=tuple(self._results.models),
            n_sequences=len(data),
            length=data.length,
            check_sequence=self._check_sequence,
            check_filter=self._check_filter,
        )
        state.task = first_task
        self._settled: tuple[str, int] = state.model, state.sequence
        self._sent: tuple[int, int] = -1, 0
        self._settle(state)
        super().__init__(named.values(), state)
        state.observe(self._on_selection, "selection")
        state.observe(self._on_question, ["task", "sequence", "model", "selection"])
        self._wanted = self._question(state)
        self._sequences = pack_sequences(self._results)
        self._send_points()
        self._start()

    def __repr__(self) -> str:
        if not self._models:
            return "StrandExplorer(closed)"
        return f"StrandExplorer({len(self.state.models)} models, {len(self._results.data):,} sequences)"

    @property
    def table(self) -> pd.DataFrame:
        """The chosen sequences, or all, the largest gap of the sorting model first. Waits for the analysis.

        One row per sequence and model: model, sequence, the columns of ``data.table``, label, forward, reverse
        (on each model's scale), gap.
        """
        self.wait()
        return self._results.table(self.state.task, self._order())

    @property
    def gap_table(self) -> pd.DataFrame:
        """The shown sequence's difference by filter: model, sequence, filter, forward, reverse, difference.

        The rows of a model add up to its two logits, or values, and their difference: the part that no filter explains,
        such as the output's bias, is in the row whose filter is "rest". Waits for the analysis.
        """
        self.wait()
        return self._results.gap_table(self.state.task, self.state.sequence)

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write what is on screen; the ending of the path chooses what, ".gap.csv" the gap by filter."""
        if Path(path).stem.endswith(".gap") and Path(path).suffix.lower() in TABLES:
            self.export_gap(path)
        else:
            super().export(path)

    def export_table(self, path: str | os.PathLike[str]) -> None:
        """Write :attr:`table` as ``.csv`` or ``.parquet``."""
        check_ending(path, TABLES)
        check_target(path, "the export")
        save_table(self.table, path)

    def export_gap(self, path: str | os.PathLike[str]) -> None:
        """Write :attr:`gap_table` as ``.csv`` or ``.parquet``."""
        check_ending(path, TABLES)
        check_target(path, "the export")
        save_table(self.gap_table, path)

    def export_figure(self, path: str | os.PathLike[str]) -> None:
        """Write the panels as one figure (Figure 4 a, b, c), ``.svg``, ``.pdf`` or ``.png``."""
        check_ending(path, PICTURES)
        check_target(path, "the export")
        save_figure(self.picture(), path)

    def picture(self) -> Figure:
        """Draw the panels as a matplotlib figure (Figure 4 a, b, c), which a saved notebook shows without a kernel."""
        self.wait()
        return picture(self._results, self.state.task)

    def select_all(self) -> None:
        """Clear the selection: the list offers all sequences again."""
        self.state.selection = ()

    def _still(self) -> str:
        sentence = f"{self!r}: the explorer itself needs a running kernel; run this cell again."
        return still(self._results, self.state.task, sentence)

    # State

    def _check_sequence(self, sequence: int) -> None:
        if not self._results.has_bases[sequence]:
            raise ValueError(f"sequence {sequence} has only unknown bases (N), so it has no attributions")

    def _check_filter(self, index: int) -> None:
        bank = self._results.bank(self.state.split or self.state.model)
        check_index("filter", index, len(bank) if not isinstance(bank, str) else index + 1)

    def _order(self) -> np.ndarray:
        return self._results.order(self.state.model, self.state.task, self.state.selection)

    def _first(self, state: StrandState) -> int:
        """Sequence with the largest gap among those that are listed and can be shown."""
        order = self._results.order(state.model, state.task, state.selection)
        shown = order[self._results.has_bases[order]]
        return int(shown[0]) if len(shown) else state.sequence

    def _settle(self, state: StrandState) -> None:
        """Choose the model and the sequence with the largest gap, unless somebody has chosen others."""
        models = tuple(self._results.models)
        state.models, state.task_names = models, self._results.task_names
        if (state.model, state.sequence) == self._settled or state.model not in models:
            self._settled = self._results.largest_gap_model(state.task), state.sequence
            with state.hold_trait_notifications():
                state.model = self._settled[0]
                sequence = self._first(state)
                self._settled = state.model, sequence
                if sequence != state.sequence:
                    state.sequence = sequence
                self._wanted = self._question(state)
        if state.split not in models:
            state.split = None

    def _on_selection(self, change: Any) -> None:
        if self.state.selection:
            self.state.sequence = self._first(self.state)

    def _on_question(self, change: Any) -> None:
        if self._wanted != self._question(self.state):
            self._wanted = self._question(self.state)
            self._start()

    @staticmethod
    def _question(state: StrandState) -> tuple[Any, ...]:
        """What is shown, and what is listed after it."""
        return state.task, state.sequence, state.model, state.selection

    # Computing

    def _compute(self, run: Run) -> None:
        results = self._results
        run.tick(0.0, "Predicting both strands")
        results.begin()
        self._settle(self.state)
        self._send_points()
        self._look(run)
        if not results.complete:
            run.tick(0.05, "Predicting both strands")
            results.predict(lambda share: self._after_batch(run, share))
            self._settle(self.state)
            self._send_points()
            self._look(run)
        if self._filters == {}:
            self._filters = pack_filters(results)
        self._look_ahead(run)

    def _after_batch(self, run: Run, share: float) -> None:
        run.tick(0.05 + 0.75 * share)
        if self._results.known >= 2 * self._sent[1]:  # all that is sent is at most twice the data
            self._send_points()

    def _look(self, run: Run) -> None:
        """Compute and send the details of the chosen sequence."""
        task, sequence, *_ = self._wanted
        if self._results.details(task, sequence) is None:
            run.tick(run.progress, f"Attributing sequence {sequence}")
            self._results.detail(task, [sequence], lambda share: run.tick(run.progress))
        if self._chosen.get("task") != task or self._chosen.get("sequence") != sequence:
            self._chosen = {"sequence": sequence, **pack_details(self._results, task, [sequence])}

    def _look_ahead(self, run: Run) -> None:
        """Compute and send the details of the sequences that follow in the list."""
        task, sequence, *_ = self._wanted
        order = self._order()
        place = int(np.flatnonzero(order == sequence)[0]) if sequence in order else 0
        coming = self._affordable(order[place:], AHEAD)
        if all(self._results.details(task, i) is not None for i in coming[:4]) and self._ahead.get("task") == task:
            return
        run.tick(0.85, "Attributing the sequences that follow")
        self._results.detail(task, coming, run.part(0.85, 1.0))
        self._ahead = pack_details(self._results, task, coming)

    def _affordable(self, order: np.ndarray, most: int) -> list[int]:
        most = min(most, max(1, DETAIL_BYTES // detail_bytes(self._results)))
        shown: list[int] = order[self._results.has_bases[order]][:most].tolist()
        return shown

    def _clear(self) -> None:
        self._results = StrandResults(self._named, self._results.data, *self._options)
        self._settled, self._sent = (self.state.model, self.state.sequence), (-1, 0)
        with self.hold_sync():
            self._points, self._filters, self._chosen, self._ahead = {}, {}, {}, {}

    def _release(self) -> None:
        del self._results, self._named, self._options
        self.state._check_sequence = self.state._check_filter = lambda value: None  # they hold the explorer

    # Sending

    def _send_points(self) -> None:
        state, results = self.state, self._results
        if self._sent == (state.task, results.known):
            return
        self._sent = state.task, results.known
        with self.hold_sync():
            self._points = pack_points(results, state.task)
            self._about = {
                "kind": self.kind,
                "model_id": self.model_id,
                "n_sequences": len(results.data),
                "length": results.data.length,
                "tasks": list(state.task_names),
                "models": list(state.models),
                "refused": results.refusals(),
                "label_kind": results.data.label_kind,
                "labelled": results.data.labels is not None,
                "kinds": [[ending, text] for ending, text in self.kinds.items()],
            }

    def _page_data(self, place: str) -> dict[str, Any]:
        task, listed = self.state.task, self._affordable(self._order(), SAVED)
        rest = [i for i in (self.state.sequence,) if i not in listed]
        self._results.detail(task, [*rest, *listed], lambda share: None)
        return {**super()._page_data(place), "_ahead": pack_details(self._results, task, listed)}
