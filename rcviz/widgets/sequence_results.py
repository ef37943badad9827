"""What a sequence explorer shows of a sequence: predictions, attributions, hits, and the effects of all changes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8
from torch import nn

from rcviz.analysis.attributions import StrandAttributions
from rcviz.analysis.filters import FilterBank
from rcviz.analysis.flips import LETTERS, flips, rank_changes
from rcviz.analysis.hits import FilterHit, filter_hits
from rcviz.analysis.mutagenesis import Mutagenesis, mutagenesis
from rcviz.analysis.neurons import At
from rcviz.analysis.strand_pass import StrandPass
from rcviz.models.runtime import copy_module
from rcviz.models.scale import Scale, one_warning, resolve_output, returned_scale
from rcviz.models.settings import in_batches
from rcviz.motifs.bundled import read_collection
from rcviz.motifs.hits import MotifHit, motif_hits
from rcviz.motifs.motif import Motif
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.widgets.sequence_arguments import output_threshold
from rcviz.widgets.sequence_models import ReadModel, tasks_of
from rcviz.widgets.strand_splits import Split, bank_or_reason, own_attributions, split_by_filter

CACHED = 64
"""Sequences whose details are kept; fewer of long ones, with about _BASES bases in all."""
_BASES = 1 << 21
MUTATED = 2000
"""Positions that are changed in longer sequences, around the middle, unless a region is given."""
LISTED = 40
"""Changes of single bases that are predicted one by one for the list."""
_FILTERS = 6
"""Filters whose hits are shown: those that add most to the output of the sequence."""


class Question(NamedTuple):
    """A sequence, as it is read: which one, which allele, and its changes; and the task."""

    task: int
    sequence: int
    allele: str
    edits: tuple[tuple[int, str], ...]


class SequenceResults:
    """Predictions and effects of a few sequences by every model, each computed once.

    Parameters
    ----------
    models : dict of name to nn.Module
        They are copied.
    data : SequenceSet
    reference : uint8 array (N, L) or None
        What the sequences are compared with.
    output : "probability", "logit" or "value", optional
    layers : dict of name to str
        Layer whose filters are searched, for some of the models; others use their first convolution.
    at : "auto", "activation" or "convolution"
    batch_size : int
    own : dict of name to StrandAttributions
    motifs : sequence of Motif or None
        None for those that ship with rcviz.
    region : (int, int) or None
        Positions that are changed.
    threshold : float or None
        On the scale of the predictions.

    Raises
    ------
    ValueError
        If a model does not read the sequences, or the models have different tasks.
    """

    @in_batches
    def __init__(
        self,
        models: Mapping[str, nn.Module],
        data: SequenceSet,
        reference: UInt8[np.ndarray, "n length"] | None,
        *,
        output: Scale | None,
        layers: Mapping[str, str],
        at: At,
        batch_size: int,
        own: Mapping[str, StrandAttributions],
        motifs: Sequence[Motif] | None,
        region: tuple[int, int] | None,
        threshold: float | None,
    ) -> None:
        self.data, self.reference, self.motifs = data, reference, motifs
        self._at, self._batch_size = at, batch_size
        middle = data.length // 2
        short = data.length <= MUTATED
        usual = (0, data.length) if short else (middle - MUTATED // 2, middle + MUTATED // 2)
        self.region = usual if region is None else region
        self.models: dict[str, ReadModel] = {}
        tasks: dict[str, tuple[str, ...]] = {}
        for name, model in models.items():
            tasks[name] = tasks_of(name, model, data)
            scale = resolve_output(model, output)
            self.models[name] = ReadModel(
                copy_module(model),
                layers.get(name),
                scale,
                returned_scale(model),
                output_threshold(threshold, scale),
                own.get(name),
            )
        if len(set(tasks.values())) > 1:
            listed = ", ".join(f"{name} {len(names)}" for name, names in tasks.items())
            raise ValueError(f"models must have the same tasks, got different numbers of outputs: {listed}")
        self.task_names = next(iter(tasks.values()))
        self._banks: dict[str, FilterBank | str] = {}
        self._known: OrderedDict[Any, Any] = OrderedDict()
        cached = max(4, min(CACHED, _BASES // data.length))
        self._most = 5 * len(self.models) * cached
        self._changing = threading.Lock()

    # Sequences

    def start(self, sequence: int) -> UInt8[np.ndarray, " length"]:
        """Codes of what a sequence is compared with: its reference, or the sequence as given."""
        codes: np.ndarray = (self.data.codes if self.reference is None else self.reference)[sequence]
        return codes

    def codes(self, question: Question) -> UInt8[np.ndarray, " length"]:
        """Codes of the allele with its changes."""
        whole = self.data.codes if question.allele == "alternative" else self.reference
        assert whole is not None
        codes = np.array(whole[question.sequence])
        for position, base in question.edits:
            codes[position] = LETTERS.tolist().index(base)
        return codes

    # Numbers

    def _once(self, key: Any, compute: Callable[[], Any]) -> Any:
        """Compute what is not known yet; what was not used for the longest time is dropped."""
        with self._changing:
            value = self._known.get(key)
        if value is None:
            value = compute()  # two threads may both compute it: neither waits for the other
        with self._changing:
            self._known[key] = value
            self._known.move_to_end(key)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return value

    def known_predictions(self, name: str, question: Question) -> Float[np.ndarray, " 2"] | None:
        """Predictions of both strands, if they have been computed."""
        outputs = self._known.get(("outputs", name, self.codes(question).tobytes()))
        return None if outputs is None else self.models[name].scaled(outputs[:, question.task])

    def outputs(self, name: str, codes: UInt8[np.ndarray, " length"]) -> Float[np.ndarray, "2 tasks"]:
        """Logits, or values, of both strands of a sequence."""
        return self._once(("outputs", name, codes.tobytes()), lambda: self._predicted(name, codes[None])[:, 0])

    @in_batches
    def _predicted(self, name: str, codes: UInt8[np.ndarray, "n length"]) -> Float[np.ndarray, "2 n tasks"]:
        each = self.models[name]
        output: Any = each.unit
        with one_warning():
            strands = StrandPass(each.model, SequenceSet(codes), output=output, batch_size=self._batch_size)
            for _ in strands.batches():
                pass
        return np.stack([strands.forward, strands.reverse])

    def split(self, name: str, question: Question) -> Split:
        """Attributions to bases and to filters; of the user's own, those of the sequence without changes."""
        each, codes = self.models[name], self.codes(question)
        own: Any = None
        if each.own is not None:
            own = own_attributions(each.own, [question.sequence], self.task_names[question.task])
            if question.allele == "reference":
                own = "those that were given are of the alternative allele"
        options: dict[str, Any] = {"layer": each.layer, "at": self._at, "batch_size": self._batch_size}
        found = self._once(
            ("split", name, question.task, question.sequence if own is not None else None, codes.tobytes()),
            lambda: self._splits(each.model, codes[None], question.task, own=own, **options)[0],
        )
        split: Split = found
        return split

    @staticmethod
    @in_batches
    def _splits(*arguments: Any, **options: Any) -> list[Split]:
        return split_by_filter(*arguments, **options)

    def bank(self, name: str) -> FilterBank | str:
        """Filters of a model's layer; a reason where they have no logos."""
        if name not in self._banks:
            each = self.models[name]
            self._banks[name] = bank_or_reason(each.model, each.layer, self.data.length)
        return self._banks[name]

    def filter_hits(self, name: str, question: Question) -> list[FilterHit]:
        """Windows where the filters fire that add most to the output of this sequence."""
        bank, split = self.bank(name), self.split(name, question)
        if isinstance(bank, str) or split.filters is None:
            return []
        size = np.abs(split.filters).max(axis=0)
        largest = [index for index in np.argsort(-size, kind="stable")[:_FILTERS].tolist() if size[index] > 0]
        return filter_hits(bank, self.codes(question), largest)

    def motif_hits(self, codes: UInt8[np.ndarray, " length"]) -> list[MotifHit]:
        """Places that match known motifs."""
        motifs = read_collection("JASPAR2024") if self.motifs is None else self.motifs
        return self._once(("motifs", codes.tobytes()), lambda: motif_hits(motifs, codes))

    # Changes of single bases

    def mutations(
        self, name: str, question: Question, tick: Callable[[float], None] = lambda share: None
    ) -> Mutagenesis:
        """Effects of all changes of one base; ``tick`` is given the share that is done, and may raise to stop."""
        codes = self.codes(question)
        return self._once(
            ("mutations", name, question.task, codes.tobytes()), lambda: self._mutated(name, codes, question.task, tick)
        )

    def _mutated(
        self, name: str, codes: UInt8[np.ndarray, " length"], task: int, tick: Callable[[float], None]
    ) -> Mutagenesis:
        first, last = self.region
        step = max(16, self._batch_size // 3)
        options: dict[str, Any] = {"task": task, "batch_size": self._batch_size}
        parts = []
        for start in range(first, last, step):
            region = (start, min(start + step, last))
            parts.append(mutagenesis(self.models[name].model, codes[None], region=region, **options))
            tick((region[1] - first) / (last - first))
        if len(parts) == 1:
            return parts[0]
        forward, reverse = np.full_like(parts[0].forward, np.nan), np.full_like(parts[0].reverse, np.nan)
        for part in parts:
            forward[:, :, slice(*part.region)] = part.forward[:, :, slice(*part.region)]
            reverse[:, :, slice(*part.region)] = part.reverse[:, :, slice(*part.region)]
        return Mutagenesis(forward, reverse, codes[None], self.task_names[task], parts[0].scale, (first, last))

    def changes(self, name: str, question: Question) -> pd.DataFrame:
        """All changes of one base by one model, those that flip the decision first; see ``rank_changes``."""
        codes, found = self.codes(question), self.mutations(name, question)
        position, base = _changes(codes, self.region)
        now = self.outputs(name, codes)[:, question.task]
        changed = np.stack([each[0, base, position] for each in (found.forward, found.reverse)]) + now[:, None]
        return rank_changes(codes, position, base, now, changed, self.models[name].threshold)

    def nearest(self, name: str, question: Question) -> pd.DataFrame:
        """The first rows of :meth:`changes`, each predicted as a sequence of its own, as it would be when typed."""
        return self._once(
            ("nearest", name, question.task, self.codes(question).tobytes()), lambda: self._nearest(name, question)
        )

    def _nearest(self, name: str, question: Question) -> pd.DataFrame:
        codes, table = self.codes(question), self.changes(name, question).head(LISTED)
        position = table["position"].to_numpy()
        base = np.array([LETTERS.tolist().index(letter) for letter in table["alternative"]], dtype=np.uint8)
        changed = np.repeat(codes[None], len(table), axis=0)
        changed[np.arange(len(table)), position] = base
        if not len(table):
            return table
        each, now = self.models[name], self.outputs(name, codes)[:, question.task]
        outputs = self._predicted(name, changed)[:, :, question.task]
        ranked = rank_changes(codes, position, base, now, outputs, each.threshold)
        for strand, before in zip(("forward", "reverse"), each.scaled(now), strict=True):
            ranked[f"{strand}_before"] = before
            ranked[f"{strand}_after"] = each.scaled(ranked[f"output_{strand}"].to_numpy())
        return ranked

    def flip_mask(self, name: str, question: Question) -> UInt8[np.ndarray, "4 length"]:
        """Which changes flip the decision: 1 on the forward strand, 2 on the reverse strand, 3 on both."""
        found, now = self.mutations(name, question), self.outputs(name, self.codes(question))[:, question.task]
        effects = np.stack([found.forward[0], found.reverse[0]])
        both = flips(now[:, None, None], effects + now[:, None, None], self.models[name].threshold)
        return (both[0] + 2 * both[1]).astype(np.uint8)

    # Tables

    def of_models(self, table: Callable[[str, Question], pd.DataFrame], question: Question) -> pd.DataFrame:
        """Join the tables of all models."""
        parts = {name: table(name, question) for name in self.models}
        return pd.concat([part.assign(model=name)[["model", *part]] for name, part in parts.items()], ignore_index=True)

    def hits(self, question: Question) -> pd.DataFrame:
        """Join the hits of known motifs and of every model's filters."""
        rows: list[tuple[Any, ...]] = [("", *hit[:5]) for hit in self.motif_hits(self.codes(question))]
        for name in self.models:
            rows += [(name, str(hit.filter), *hit[1:]) for hit in self.filter_hits(name, question)]
        return pd.DataFrame(rows, columns=["model", "name", "start", "end", "strand", "score"])

    def predictions(self, question: Question) -> pd.DataFrame:
        """One row per model and task: predictions of both strands, and those of the start."""
        parts = []
        for name, each in self.models.items():
            codes, start = self.codes(question), self.start(question.sequence)
            now, before = self.outputs(name, codes), self.outputs(name, start)
            (forward, reverse), (first, second) = each.scaled(now), each.scaled(before)
            flipped = flips(before, now, each.threshold)
            columns = {
                "model": name,
                "task": self.task_names,
                "forward": forward,
                "reverse": reverse,
                "gap": np.abs(forward - reverse),
                "start_forward": first,
                "start_reverse": second,
                "change_forward": forward - first,
                "change_reverse": reverse - second,
                "flips_forward": flipped[0],
                "flips_reverse": flipped[1],
            }
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True)


def _changes(codes: UInt8[np.ndarray, " length"], region: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Position and new base of all changes of one base."""
    position, base = np.nonzero(codes[slice(*region), None] != np.arange(4))
    return position + region[0], base.astype(np.uint8)
