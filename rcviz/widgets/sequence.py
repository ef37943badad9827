"""Explore one sequence on both strands: what its bases do to predictions, and what changes of them do."""

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import traitlets
from matplotlib.figure import Figure

from rcviz._core.checks import check_index, task_index
from rcviz._core.files import atomic_write, check_target
from rcviz._core.tables import ENDINGS as TABLES
from rcviz._core.tables import save_table
from rcviz.analysis.neurons import At
from rcviz.genome.fasta import FastaPaths
from rcviz.models.scale import Scale
from rcviz.sequences.alphabet import decode
from rcviz.widgets.data import places
from rcviz.widgets.explorer import Explorer
from rcviz.widgets.runs import Run
from rcviz.widgets.sequence_arguments import checked_options, given_sequences, reference_codes, variant_sequences
from rcviz.widgets.sequence_data import (
    key_of,
    pack_about,
    pack_bases,
    pack_mutations,
    pack_predictions,
    pack_tracks,
    pack_visited,
    sequence_label,
)
from rcviz.widgets.sequence_picture import picture, still
from rcviz.widgets.sequence_results import Question, SequenceResults
from rcviz.widgets.sequence_state import SequenceState
from rcviz.widgets.strand_arguments import named_models

VISITED = 40
"""Sequences that were looked at and are in a page without a kernel."""


class SequenceExplorer(Explorer):
    """One sequence on both strands in one or several models: what each base does, and which change flips a prediction.

    It shows predictions, attributions as logos on one scale, the effect of every change of one base as heat maps, hits
    of filters and known motifs, and the changes that flip the decision, or come nearest to it. Type a base at the
    chosen position, or set ``explorer.state``. Weights are those at the time of the call, until :meth:`refresh`.

    Parameters
    ----------
    models : dict of name to nn.Module, sequence of nn.Module, or nn.Module
        Each maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``.
    data : SequenceSet, str, list of str, codes (N, L) or one-hot (N, 4, L)
        One sequence, or several to choose from. Positions are those of the genome if the set has intervals.
    task : int or str
        Task to start with, by index or by name.
    sequence : int
        Sequence to start with.
    reference : as data, optional
        A sequence of the same length for each, that predictions are compared with, such as the reference allele; by
        default the sequence without changes. For variants see :meth:`of_variants`.
    motifs : list of Motif, optional
        Known motifs that are searched, by default JASPAR 2024. Hits have p at most 0.0001, and at
        most one is expected by chance.
    layer, output, at, batch_size
        As in :class:`rcviz.StrandExplorer`; the filters of the layer are searched.
    threshold : float, optional
        Decision threshold; by default 0.5 of probabilities, 0 of logits, and none of values, which then flip nothing.
    region : (int, int), optional
        Positions that are changed; by default all of a sequence of up to 2,000 bp, else the 2,000 in its middle.
    attributions : dict of name to (forward, reverse), optional
        Your own attributions, as in :class:`rcviz.StrandExplorer`. They are of the sequence without changes, which is
        written beside them.

    Attributes
    ----------
    state : SequenceState
        ``task``, ``sequence``, ``allele``, ``edits``, ``model``, ``cursor``, ``position`` and ``window`` can be read,
        set and observed.

    Raises
    ------
    ValueError
        If there is no model or no sequence, a text has other letters than A, C, G, T and N, a model does not read
        sequences of this length, models have different tasks, or arrays have other shapes.

    Examples
    --------
    >>> explorer = rcviz.SequenceExplorer({"RC": model, "standard": standard}, parts.test, sequence=3)
    >>> explorer.flips[["model", "position", "reference", "alternative"]].columns.tolist()
    ['model', 'position', 'reference', 'alternative']
    >>> explorer.edit(100, "A")
    >>> explorer.letters[100]
    'A'
    >>> explorer.undo()
    >>> explorer.close()
    """

    kind = "sequence"
    entry = "sequence.js"
    sheets = ("explorer.css", "strands.css", "sequence.css")
    title = "Sequence"
    kinds: ClassVar[dict[str, str]] = {
        ".html": "page that needs no kernel",
        ".csv": "effects of all changes",
        ".parquet": "effects of all changes",
        ".flips.csv": "changes that flip it, or nearly",
        ".predictions.csv": "predictions",
        ".fa": "the sequence as it is now",
        ".svg": "picture of the effects",
        ".pdf": "picture of the effects",
        ".png": "picture of the effects",
    }

    _sequences = traitlets.Dict().tag(sync=True)
    _bases = traitlets.Dict().tag(sync=True)
    _predictions = traitlets.Dict().tag(sync=True)
    _tracks = traitlets.Dict().tag(sync=True)
    _mutations = traitlets.Dict().tag(sync=True)
    _visited = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        models: Any,
        data: Any,
        *,
        task: int | np.integer | str = 0,
        sequence: int | np.integer = 0,
        reference: Any = None,
        motifs: Any = None,
        layer: Any = None,
        output: Scale | None = None,
        at: At = "auto",
        threshold: float | int | None = None,
        region: tuple[int, int] | None = None,
        batch_size: int = 500,
        attributions: Any = None,
    ) -> None:
        named, data = named_models(models), given_sequences(data)
        check_index("sequence", sequence, len(data))
        self._named, self._data, self._reference = named, data, reference_codes(reference, data)
        given = {"motifs": motifs, "layer": layer, "output": output, "at": at, "threshold": threshold}
        given |= {"region": region, "batch_size": batch_size, "attributions": attributions}
        self._options = checked_options(named, data, task, given)
        self._results = SequenceResults(named, data, self._reference, **self._options)
        state = SequenceState(
            task_names=self._results.task_names,
            models=tuple(named),
            n_sequences=len(data),
            length=data.length,
            alleles=("alternative",) if self._reference is None else ("alternative", "reference"),
        )
        state.task, state.sequence = task_index(task, self._results.task_names), int(sequence)
        super().__init__(named.values(), state)
        state.observe(self._on_question, ["task", "sequence", "allele", "edits"])
        self._wanted = self._question()
        self._visits: dict[Question, None] = {}
        self._sequences = places(np.arange(len(data)), data.table)
        kinds = [[ending, text] for ending, text in self.kinds.items()]
        self._about = {"kind": self.kind, "model_id": self.model_id, "kinds": kinds, **pack_about(self._results)}
        self._bases = pack_bases(self._results, state.sequence)
        self._start()

    @classmethod
    def of_variants(
        cls, models: Any, variants: Any, fasta: FastaPaths, *, width: int | None = None, **options: Any
    ) -> "SequenceExplorer":
        """Open variants of a genome: the alternative allele of each, compared with its reference allele.

        Parameters
        ----------
        variants : path, DataFrame, or a row of one
            Such as a row of ``effects.table``; see :func:`rcviz.variant_effects`, also for ``fasta`` and ``width``.
        **options
            Of the explorer.

        Returns
        -------
        SequenceExplorer
            ``state.sequence`` chooses one of the variants, and ``state.allele`` the reference.

        Examples
        --------
        >>> import pandas as pd
        >>> letter = rcviz.decode(rcviz.SequenceSet.from_fasta("genome.fa").codes[:1, 3999:4000])[0]
        >>> variant = {"chrom": "chr1", "pos": 4000, "ref": letter, "alt": "A" if letter != "A" else "C"}
        >>> explorer = rcviz.SequenceExplorer.of_variants(standard, variant, "genome.fa")
        >>> explorer.predictions[["change_forward", "change_reverse"]].shape
        (1, 2)
        >>> explorer.close()
        """
        if "reference" in options:
            raise ValueError("reference cannot be given: variants bring it")
        data, reference, shifted = variant_sequences(named_models(models).values(), variants, fasta, width)
        explorer = cls(models, data, reference=reference, **options)
        explorer.state.cursor = min(data.length // 2, data.length - 1)
        explorer._sequences = {**explorer._sequences, "shifted": shifted, "variants": True}
        return explorer

    def __repr__(self) -> str:
        if not self._models:
            return "SequenceExplorer(closed)"
        models, n = len(self.state.models), len(self._data)
        return f"SequenceExplorer({models} model{'s'[: models != 1]}, {n:,} sequence{'s'[: n != 1]})"

    # Results

    @property
    def letters(self) -> str:
        """The sequence as it is shown, with its changes."""
        self._check_open()
        return decode(self._results.codes(self._question())[None])[0]

    @property
    def predictions(self) -> pd.DataFrame:
        """Predictions of the sequence, one row per model and task. Waits for the analysis.

        Columns: model, task, forward, reverse, gap; start_forward and so on, of the sequence without changes, or of its
        reference; change_forward and so on; flips_forward and so on, whether the decision is another.
        """
        self.wait()
        return self._results.predictions(self._question())

    @property
    def table(self) -> pd.DataFrame:
        """Effects of all changes of one base, those that flip the decision first. Waits for the analysis.

        One row per model and change: model, position, reference (the base that is there), alternative; forward and
        reverse, the change of the logit or value; output_forward and output_reverse, the logit or value of the changed
        sequence; flips_forward and flips_reverse. Positions are 0-based within the sequence.
        """
        self.wait()
        return self._results.of_models(self._results.changes, self._question())

    @property
    def flips(self) -> pd.DataFrame:
        """The changes of one base that flip the decision on a strand, or come nearest to it, by every model.

        The first 40 rows of :attr:`table` of each model, with the predictions of both strands before and after, as the
        models give them for each changed sequence: forward_before, forward_after and so on. Waits for the analysis.
        """
        self.wait()
        return self._results.of_models(self._results.nearest, self._question())

    @property
    def hits(self) -> pd.DataFrame:
        """Hits of filters and known motifs: model (none of a motif), name, start, end, strand, score. Waits.

        The score of a filter is by how much it is beyond the value from which it fires, that of a motif its p-value.
        """
        self.wait()
        return self._results.hits(self._question())

    # Changes

    def edit(self, position: int, base: str) -> None:
        """Change one base; nothing happens if it is there already."""
        self._check_open()
        edits = (*self.state.edits, (position, base.upper() if isinstance(base, str) else base))
        check_index("position", position, self._data.length)
        if self.letters[position] != edits[-1][1]:
            self.state.edits = edits

    def undo(self) -> None:
        """Take the last change back."""
        self._check_open()
        self.state.edits = self.state.edits[:-1]

    def reset(self) -> None:
        """Take all changes back."""
        self._check_open()
        self.state.edits = ()

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write what is on screen; the ending of the path chooses what."""
        own = {".flips": "flips", ".predictions": "predictions"}.get(Path(Path(path).stem).suffix.lower())
        if own is None or Path(path).suffix.lower() not in TABLES:
            super().export(path)
            return
        check_target(path, "the export")
        save_table(getattr(self, own), path)

    def _export_other(self, ending: str, path: str | os.PathLike[str]) -> None:
        title = f"{self._label()} {' '.join(f'{position}{base}' for position, base in self.state.edits)}".strip()
        with atomic_write(Path(path)) as temporary:
            temporary.write_text(f">{' '.join(title.split())}\n{self.letters}\n", encoding="utf-8")

    def picture(self) -> Figure:
        """Draw the effects of all changes by the chosen model as a matplotlib figure. Waits for the analysis."""
        self.wait()
        state = self.state
        window = None if state.position is None else (state.position, state.position + state.window)
        return picture(self._results, self._question(), state.model, window)

    def _label(self) -> str:
        return sequence_label(self._data.table, self.state.sequence, self._data.length)

    def _still(self) -> str:
        sentence = f"{self!r}: the explorer itself needs a running kernel; run this cell again."
        return still(self._results, self._question(), [sentence, self._label()])

    # Computing

    def _question(self) -> Question:
        state = self.state
        return Question(state.task, state.sequence, state.allele, state.edits)

    def _on_question(self, change: Any) -> None:
        question = self._question()
        if question == self._wanted:
            return
        if question.sequence != self._wanted.sequence:
            self._bases = pack_bases(self._results, question.sequence)
        self._wanted = question
        self._start()

    def _compute(self, run: Run) -> None:
        results, question = self._results, self._wanted
        run.tick(0.0, "Predicting both strands")
        if self._predictions.get("key") != key_of(question):
            self._predictions = pack_predictions(results, question)
        run.tick(0.1, "Attributing the bases, searching filters and motifs")
        self._tracks = pack_tracks(results, question)
        names = sorted(self.state.models, key=lambda name: name != self.state.model)
        for number, name in enumerate(names):
            first, share = 0.2 + 0.8 * number / len(names), 0.8 / len(names)
            run.tick(first, f"Changing every base ({name})")
            results.mutations(name, question, run.part(first, first + 0.9 * share))
            results.nearest(name, question)
            run.tick(first + share)
            self._mutations = pack_mutations(results, question, names[: number + 1])
        if not question.edits:
            self._visits = {**{visit: None for visit in self._visits if visit != question}, question: None}

    def _clear(self) -> None:
        self._results = SequenceResults(self._named, self._data, self._reference, **self._options)
        self._visits = {}
        with self.hold_sync():
            self._predictions, self._tracks, self._mutations = {}, {}, {}

    def _release(self) -> None:
        del self._results, self._named, self._data, self._reference, self._options

    # Sending

    def _page_data(self, place: str) -> dict[str, Any]:
        """What was looked at is in the page, so that it can be chosen there."""
        visited = [visit for visit in self._visits if visit.task == self.state.task][-VISITED:]
        return {**super()._page_data(place), "_visited": pack_visited(self._results, visited)}
