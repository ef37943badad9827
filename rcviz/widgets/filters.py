"""Explore the filters of a model: logos, sites, contributions, profiles, palindromes and similar motifs."""

import os
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import traitlets
from matplotlib.figure import Figure
from torch import nn

from rcviz._core.checks import check_positive, task_index
from rcviz.analysis.filters import layer_of
from rcviz.analysis.neurons import At
from rcviz.models.runtime import check_module, copy_module
from rcviz.motifs.formats.jaspar import write_jaspar
from rcviz.motifs.formats.meme import write_meme
from rcviz.motifs.formats.transfac import write_transfac
from rcviz.motifs.similarity import as_motifs
from rcviz.plots.colors import letter_colors
from rcviz.sequences.checks import check_not_empty
from rcviz.sequences.sequence_set import as_sequence_set
from rcviz.widgets.data import block, finite, pack_names, pack_scores, pack_sites, unpack
from rcviz.widgets.explorer import Explorer
from rcviz.widgets.filter_picture import picture, still
from rcviz.widgets.filter_results import NAMED_CHANCE, NAMED_FROM, NAMED_SITES, FilterResults, describe_positives
from rcviz.widgets.runs import Run
from rcviz.widgets.state import FilterState, Question

SORTS = ("score", "knock-out", "number", "palindromicity", "name")
MOTIFS = {".meme": write_meme, ".jaspar": write_jaspar, ".transfac": write_transfac}


class FilterExplorer(Explorer):
    """All filters of a convolution over the four bases, and everything about the chosen one (section 3.5).

    The call returns once the model has read a first batch; the rest is computed in the background, and what is there
    can be used. Weights are those at the time of the call: :attr:`stale` says when the model has others, and
    :meth:`refresh` computes again.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``; it is not modified. For other
        inputs and outputs see :func:`rcviz.as_sequence_model`.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
        Sequences for contributions and sites; without labels, scores are means over all sequences, until
        :meth:`set_positives` selects some. Where labels are values, the upper 25% are compared with the rest. Profiles
        along the sequence use a random sample where all sequences would need too much memory, and the page then states
        its size.
    motifs : list of Motif, path of a MEME file, or None
        Known motifs to compare filters with; None takes the vertebrate motifs of JASPAR 2024.
    task : int or str
        Task to start with, by index or by name.
    layer, at
        Convolution over the four bases to start with, and which of its neurons; see
        :func:`rcviz.filter_contributions`.
    colors
        Colours of the letters, as in :func:`rcviz.plot_logo`: "colorblind", "classic", a scheme of logomaker or a
        dict.
    batch_size : int
        Number of sequences that are in memory as floats at a time.

    Attributes
    ----------
    state : FilterState
        ``state.filter``, ``state.task``, ``state.layer``, ``state.positives``, ``state.sort`` and others can be read,
        set and observed. Where labels are values, ``state.positives = "upper 10%"`` chooses another upper part.

    Examples
    --------
    >>> explorer = rcviz.FilterExplorer(model, parts.test)
    >>> explorer.wait()
    >>> explorer.state.select_rank(0)
    >>> explorer.export("best_filter.svg")
    >>> explorer.close()
    """

    kind = "filters"
    entry = "filters.js"
    sheets = ("explorer.css", "filters.css")
    title = "Filters"
    kinds: ClassVar[dict[str, str]] = {
        ".html": "page that needs no kernel",
        ".csv": "table of all filters",
        ".parquet": "table of all filters",
        ".meme": "motifs of the sites",
        ".jaspar": "motifs of the sites",
        ".transfac": "motifs of the sites",
        ".svg": "picture of this filter",
        ".pdf": "picture of this filter",
        ".png": "picture of this filter",
    }

    _weights = traitlets.Dict().tag(sync=True)
    _scores = traitlets.Dict().tag(sync=True)
    _sites = traitlets.Dict().tag(sync=True)
    _profiles = traitlets.Dict().tag(sync=True)
    _names = traitlets.Dict().tag(sync=True)
    _verdicts = traitlets.Dict().tag(sync=True)
    _knock_outs = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        *,
        motifs: Any = None,
        task: int | np.integer | str = 0,
        layer: nn.Module | str | None = None,
        at: At = "auto",
        colors: Any = "colorblind",
        batch_size: int = 500,
    ) -> None:
        check_positive("batch_size", batch_size)
        check_module(model)
        data = as_sequence_set(data)
        check_not_empty(data)
        self._targets, self._colors, self._options = as_motifs(motifs), colors, (at, batch_size)
        self._palette = letter_colors(colors)
        self._results = FilterResults(copy_module(model), data, at, batch_size)
        first_task = task_index(task, self._results.task_names)
        asked = layer if layer is None or isinstance(layer, str) else layer_of(model, layer)[0]
        layers = self._layers(asked)
        positives = self._results.first_positives(first_task)
        self._results.begin(layers[0], first_task)
        numbers = tuple(range(len(self._results.bank(layers[0]))))
        state = FilterState(
            layers=layers,
            task_names=self._results.task_names,
            positives=self._results.positives,
            sorts=SORTS,
            ranking=numbers,
            task=first_task,
            first_positives=positives,
            check=self._check,
        )
        super().__init__([model], state)
        state.observe(self._on_layer, "layer")
        state.observe(self._on_question, ["layer", "task", "positives"])
        state.observe(self._on_order, ["ranking", "sort"])
        state.observe(self._on_sort, "sort")
        self._send_weights()
        self._start()

    def __repr__(self) -> str:
        if not self._models:
            return "FilterExplorer(closed)"
        n_filters = len(self._results.bank(self.state.layer))
        return f"FilterExplorer({n_filters:,} filters of {self.state.layer}, {len(self._results.data):,} sequences)"

    @property
    def table(self) -> pd.DataFrame:
        """Contributions, consensus, palindromicity, firing and nearest known motif of every filter, best first.

        Once the list has been sorted by "knock-out", also ``knock_out``, see :func:`rcviz.filter_ablation`.
        A motif is given where that of at least 5 sites resembles it, with a similarity of at least 0.5 and an E-value
        (p-value times the number of known motifs) of at most 0.05. Waits for the analysis.
        """
        self.wait()
        question = self.state.question
        table = self._results.contributions(*question).table.drop(columns="fires_in")  # of either strand below
        bank = self._results.bank(question.layer).table[["filter", "consensus"]]
        bank["palindromicity"] = self._results.palindromicity(question.layer)
        bank["fires_in"] = self._results.firing(question.layer)
        if self._results.has_knock_outs(question):
            bank["knock_out"] = self._results.knock_outs(question, lambda share: None)
        table = table.merge(bank, on="filter")
        names = self._results.names(question, self._targets, lambda share: None)
        nearest = names.groupby("filter").first()[["motif", "alternative_name", "similarity", "p_value"]]
        return table.merge(nearest.reset_index(), on="filter", how="left")

    def set_positives(self, mask: Any) -> None:
        """Compare the sequences where ``mask`` (N,) is True with all others, whatever their labels."""
        self._results.set_positives(mask)
        if self.state.positives == "own":
            self._on_question()
        self.state.positives = "own"

    def picture(self) -> Figure:
        """Draw the chosen filter as a matplotlib figure, which a saved notebook shows without a kernel."""
        self.wait()
        return picture(self._results, self.state.question, self.state.filter, self._colors)

    def _export_other(self, ending: str, path: str | os.PathLike[str]) -> None:
        self.wait()
        motifs = self._results.motifs(self.state.question)
        MOTIFS[ending]([motifs[index] for index in self.state.order if index in motifs], path)

    def _still(self) -> str:
        bank = self._results.bank(self.state.layer)
        sentence = f"{self!r}: the explorer itself needs a running kernel; run this cell again."
        return still(bank, self.state.order, self._colors, sentence)

    def _layers(self, layer: str | None) -> tuple[str, ...]:
        """List the layers to choose from, the one to start with first."""
        layers = self._results.layers()
        if layer is not None or not layers:
            asked = layer_of(self._results.model, layer)[0]
            self._results.bank(asked)  # raises an error for a layer that has no logos
            layers = [asked, *(name for name in layers if name != asked)]
        return tuple(layers)

    def _check(self, question: Question) -> None:
        """Refuse a choice of positives that cannot be compared, as far as that is known already."""
        if question.positives in ("predicted", "agreed") and not self._results.has_logits():
            return
        self._results.labels(question.task, question.positives)

    # State

    def _on_layer(self, change: Any) -> None:
        numbers = tuple(range(len(self._results.bank(self.state.layer))))
        with self.state.hold_trait_notifications():
            if self.state.filter not in numbers:
                self.state.filter = 0
            if self.state.pinned not in numbers:
                self.state.pinned = None
            self.state.ranking = numbers
        self._send_weights()

    def _on_question(self, change: Any = None) -> None:
        self._forget("_scores", "_sites", "_profiles", "_names", "_verdicts", "_knock_outs")
        self._send_about()
        self._start()

    def _on_order(self, change: Any = None) -> None:
        state, layer = self.state, self.state.layer
        ranking = state.ranking
        if state.sort == "number":
            ranking = sorted(ranking)
        elif state.sort == "knock-out" and self._knock_outs:
            ranking = np.argsort(-unpack(self._knock_outs["scores"]), kind="stable").tolist()
        elif state.sort == "palindromicity":
            scores = np.nan_to_num(self._results.palindromicity(layer), nan=-2.0)
            ranking = np.argsort(-scores, kind="stable").tolist()
        elif state.sort == "name":
            names = self._nearest()
            ranking = sorted(ranking, key=lambda index: (index not in names, names.get(index, "").lower()))
        state.order = tuple(ranking)

    def _on_sort(self, change: Any) -> None:
        if self.state.sort == "knock-out" and not self._knock_outs:
            self._start()

    def _nearest(self) -> dict[int, str]:
        """Name of each filter that has one, as far as they are known."""
        motifs = self._names.get("motifs", [])
        rows = enumerate(self._names.get("rows", []))
        return {index: motifs[row[0]["motif"]]["name"] for index, row in rows if row}

    # Computing

    def _compute(self, run: Run) -> None:
        question, results = self.state.question, self._results
        run.tick(0.02, "Running the model on all sequences")
        results.begin(question.layer, question.task)
        results.compute(question.layer, question.task, run.part(0.02, 0.7))
        run.tick(0.7, "Comparing positives and negatives")
        contributions = results.contributions(*question)
        # Until filters are ranked, the first one is only where the page begins.
        unranked = self.state.filter == 0 and self.state.ranking == tuple(range(len(contributions.scores)))
        with self.hold_sync():
            self._scores = pack_scores(contributions)
            self.state.ranking = tuple(contributions.ranking.tolist())
            if unranked:
                self.state.filter = self.state.ranking[0]
        run.tick(0.72, "Collecting sites")
        sites, motifs = results.sites(question), results.motifs(question)
        run.tick(0.75)
        self._sites = pack_sites(sites, contributions, motifs, results.firing(question.layer), results.data.table)
        curves = results.curves(question)
        self._profiles = {
            "edges": block(results.profiles(question.layer).edges),
            "sample": results.sample(question.layer),
            **{name: block(curve) for name, curve in curves.items()},
        }
        run.tick(0.78, f"Comparing filters with {len(self._targets):,} known motifs")
        names = results.names(question, self._targets, run.part(0.78, 0.9))
        self._names = pack_names(names, self._targets, len(results.bank(question.layer)))
        self._on_order()
        if self.state.sort == "knock-out":  # only when it is asked for: a pass for every filter
            run.tick(0.9, "Silencing one filter after the other")
            scores = results.knock_outs(question, run.part(0.9, 0.95))
            self._knock_outs = {"scores": block(scores)}
            self._on_order()
        run.tick(run.progress, "Judging palindromes")
        self._judge(run, question)

    def _judge(self, run: Run, question: Question) -> None:
        """Send the palindrome verdicts, best filter first, a part at a time."""
        rows: dict[str, Any] = {}
        ranking = self.state.ranking
        for place, index in enumerate(ranking):
            row = self._results.verdict(question, index)
            rows[str(index)] = {key: finite(value) if isinstance(value, float) else value for key, value in row.items()}
            run.tick(max(run.progress, 0.9 + 0.1 * (place + 1) / len(ranking)))
            if place % 64 == 7 or place == len(ranking) - 1:
                self._verdicts = {"rows": dict(rows)}

    def _clear(self) -> None:
        at, batch_size = self._options
        results = FilterResults(copy_module(self._models[0]), self._results.data, at, batch_size)
        results.keep_selection(self._results)
        self._results = results
        self._forget("_scores", "_sites", "_profiles", "_names", "_verdicts", "_knock_outs")
        self._send_weights()

    def _forget(self, *names: str) -> None:
        with self.hold_sync():
            for name in names:
                setattr(self, name, {})

    def _release(self) -> None:
        del self._results, self._targets

    # Sending

    def _send_weights(self) -> None:
        layer = self.state.layer
        bank = self._results.bank(layer)
        with self.hold_sync():
            self._weights = {
                "layer": layer,
                "matrices": block(bank.weights),
                "palindromicity": block(self._results.palindromicity(layer)),
                "tied": bank.tied,
            }
            self._send_about()

    def _send_about(self) -> None:
        results, state = self._results, self.state
        choices = list(results.positives)
        if state.positives not in choices:  # another upper part
            choices.append(state.positives)
        self._about = {
            "kind": self.kind,
            "model_id": self.model_id,
            "n_sequences": len(results.data),
            "length": results.data.length,
            "layers": list(state.layers),
            "tasks": list(state.task_names),
            "positives": [[name, describe_positives(name)] for name in choices],
            "sorts": list(SORTS),
            "scale": results.scale,
            "letters": None if self._colors == "colorblind" else self._palette,
            "named": {"similarity": NAMED_FROM, "chance": NAMED_CHANCE, "sites": NAMED_SITES},
            "kinds": [[ending, text] for ending, text in self.kinds.items()],
        }
