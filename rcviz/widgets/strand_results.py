"""What a strand explorer shows: both strands' predictions of all sequences, and details of some, computed once."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from torch import nn

from rcviz.analysis.attributions import StrandAttributions
from rcviz.analysis.filters import FilterBank
from rcviz.analysis.neurons import At
from rcviz.analysis.strand_pass import StrandPass
from rcviz.analysis.strands import THRESHOLDS
from rcviz.analysis.tasks import model_tasks
from rcviz.models.runtime import copy_module
from rcviz.models.scale import Scale, one_warning, returned_scale
from rcviz.models.settings import in_batches
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.widgets.strand_splits import Split, bank_or_reason, own_attributions, reason_of, split_by_filter

FIRST = 64
"""Sequences of the first batch, which shows whether a model can be analysed."""
CACHED = 512
"""Sequences whose details are kept."""
_AT_ONCE = 32
"""Sequences whose details are computed between two looks at whether they are still wanted."""


@dataclass
class Compared:
    """A model, its predictions so far, and the layer that its gap is split by."""

    model: nn.Module
    layer: str | None
    strands: StrandPass
    batches: Iterator[int]
    task_names: tuple[str, ...] = ()
    own: StrandAttributions | None = None

    @property
    def threshold(self) -> float | None:
        """Prediction from which on a sequence is positive; None on a scale without one."""
        return THRESHOLDS[self.strands.scale]

    @property
    def unit(self) -> str:
        """What attributions and contributions add to: "logit" or "value"."""
        return returned_scale(self.model)


class StrandResults:
    """Both strands' predictions of every model that accepts the data, and details of a sequence on request.

    Parameters
    ----------
    models : dict of name to nn.Module
        They are copied.
    data : SequenceSet
    output : "probability", "logit" or "value", optional
        Scale of the predictions; by default that of each model.
    layers : dict of name to str
        Layer whose filters the gap is split by, for some of the models; others use their first convolution.
    at : "auto", "activation" or "convolution"
    batch_size : int
    own : dict of name to StrandAttributions, optional
        Attributions that are shown in place of those computed here, for their task.

    Attributes
    ----------
    models : dict of name to Compared
        Models that have accepted the data so far.
    refused : dict of name to str
        Why the others do not.
    known : int
        Number of sequences whose predictions are known, from the first on.
    """

    def __init__(
        self,
        models: Mapping[str, nn.Module],
        data: SequenceSet,
        output: Scale | None,
        layers: Mapping[str, str],
        at: At,
        batch_size: int,
        own: Mapping[str, StrandAttributions] | None = None,
    ) -> None:
        self._own = own or {}
        self.data, self._at, self._batch_size, self._output = data, at, batch_size, output
        self.models: dict[str, Compared] = {}
        self.refused: dict[str, str] = {}
        self._waiting: dict[str, tuple[nn.Module, str | None]] = {}
        for name, model in models.items():
            with self._refusing(name):
                self._waiting[name] = copy_module(model), layers.get(name)
        self.known = 0
        self._details: OrderedDict[tuple[int, int], dict[str, Split]] = OrderedDict()
        self._banks: dict[str, FilterBank | str] = {}
        self._detailing = threading.Lock()

    @property
    def complete(self) -> bool:
        """Whether the predictions of all sequences are known."""
        return self.known == len(self.data)

    @cached_property
    def has_bases(self) -> Bool[np.ndarray, " sequences"]:
        """Whether a sequence has a base that is known, without which it has no attributions."""
        return np.any(self.data.codes < 4, axis=1)

    @property
    def task_names(self) -> tuple[str, ...]:
        """Tasks that all models have."""
        return min((each.task_names for each in self.models.values()), key=len)

    @in_batches
    def begin(self) -> None:
        """Run every model on a first batch, so that one that cannot be analysed is refused now.

        Raises
        ------
        ValueError
            If no model accepts the data.
        """
        while self._waiting:
            name, (model, layer) = next(iter(self._waiting.items()))
            with self._refusing(name), one_warning():
                strands = StrandPass(
                    model, self.data, output=self._output, batch_size=self._batch_size, first=min(FIRST, len(self.data))
                )
                if strands.profiles:
                    raise ValueError(
                        "it returns profiles; select one number per task with rcviz.as_sequence_model(output=...)"
                    )
                compared = Compared(model, layer, strands, strands.batches(), own=self._own.get(name))
                next(compared.batches)
                compared.task_names = model_tasks(self.data, strands.forward.shape[1])
                _check_finite(strands)
                self.models[name] = compared
            del self._waiting[name]
        self._count()

    @in_batches
    def predict(self, after_batch: Callable[[float], None]) -> None:
        """Predict the rest; ``after_batch`` is given the share that is done, and may raise to pause."""
        while not self.complete:
            for name, each in list(self.models.items()):
                if each.strands.known > self.known:  # the last time was interrupted between two models
                    continue
                with self._refusing(name), one_warning():
                    next(each.batches)
                    _check_finite(each.strands)
            self._count()
            after_batch(self.known / len(self.data))

    def _count(self) -> None:
        if not self.models:
            raise ValueError(self.refusals())
        self.known = min(each.strands.known for each in self.models.values())

    @contextmanager
    def _refusing(self, name: str) -> Iterator[None]:
        """Put a model that raises an error, whatever it is, among those that are refused."""
        try:
            yield
        except Exception as error:  # a user's model may raise anything
            self.refused[name] = reason_of(error)
            self.models.pop(name, None)

    def refusals(self) -> str:
        """Write why models were refused, as a sentence; empty if none was."""
        where = f"has no predictions for sequences of {self.data.length:,} bp and is excluded"
        return "; ".join(f"{name} {where}: {reason}" for name, reason in self.refused.items())

    def labels(self, task: int) -> Float[np.ndarray, " sequences"] | None:
        """1 positive, 0 negative, NaN unknown, or values; None for unlabelled data."""
        return None if self.data.labels is None else self.data.labels[:, task]

    def predictions(self, name: str, task: int) -> tuple[Float[np.ndarray, " known"], Float[np.ndarray, " known"]]:
        """Forward and reverse predictions of a model, on its scale."""
        strands = self.models[name].strands
        return strands.forward[: self.known, task], strands.reverse[: self.known, task]

    def gap(self, name: str, task: int) -> Float[np.ndarray, " known"]:
        """Absolute difference of a model's two predictions."""
        forward, reverse = self.predictions(name, task)
        return np.abs(forward - reverse)

    def largest_gap_model(self, task: int) -> str:
        """Name of the model with the largest mean gap, among those on the scale of the first model."""
        first = next(iter(self.models.values())).strands.scale
        comparable = [name for name, each in self.models.items() if each.strands.scale == first]
        return max(comparable, key=lambda name: float(self.gap(name, task).mean()))

    def order(self, name: str, task: int, selection: tuple[int, ...]) -> Int[np.ndarray, " n"]:
        """Order the selected sequences, or all, by a model's gap, largest first.

        In float32, as the page has the gaps, so that both have one order.
        """
        chosen = np.array(selection, dtype=int) if selection else np.arange(self.known)
        chosen = chosen[chosen < self.known]
        return chosen[np.argsort(-self.gap(name, task).astype(np.float32)[chosen], kind="stable")]

    # Details

    @in_batches
    def detail(self, task: int, sequences: Sequence[int], tick: Callable[[float], None]) -> None:
        """Compute the details of sequences, as far as they are not known."""
        with self._detailing:  # a page may be saved while another sequence is chosen
            missing = [i for i in dict.fromkeys(sequences) if (task, i) not in self._details and self.has_bases[i]]
            at_once = min(_AT_ONCE, self._batch_size)
            for first in range(0, len(missing), at_once):
                part = missing[first : first + at_once]
                splits = {name: self._split(each, task, part) for name, each in self.models.items()}
                for place, sequence in enumerate(part):
                    self._details[task, sequence] = {name: rows[place] for name, rows in splits.items()}
                tick(min(1.0, (first + at_once) / len(missing)))
            for sequence in sequences:
                if (task, sequence) in self._details:
                    self._details.move_to_end((task, sequence))
            while len(self._details) > max(CACHED, len(sequences)):
                self._details.popitem(last=False)

    def details(self, task: int, sequence: int) -> dict[str, Split] | None:
        """Details of one sequence by model, if they are known."""
        return self._details.get((task, sequence))

    def _split(self, each: Compared, task: int, sequences: list[int]) -> list[Split]:
        options: dict[str, Any] = {"layer": each.layer, "at": self._at, "batch_size": min(_AT_ONCE, self._batch_size)}
        own: Any = None
        if each.own is not None:
            own = own_attributions(each.own, sequences, self.task_names[task])
        return split_by_filter(each.model, self.data.codes[sequences], task, own=own, **options)

    def bank(self, name: str) -> FilterBank | str:
        """Filters of the layer that a model's gap is split by; a reason where they have no logos."""
        if name not in self._banks:
            each = self.models[name]
            self._banks[name] = bank_or_reason(each.model, each.layer, self.data.length)
        return self._banks[name]

    # Tables

    def table(self, task: int, order: Int[np.ndarray, " n"]) -> pd.DataFrame:
        """One row per model and sequence, in the order given."""
        columns_of_data = self.data.table.iloc[order].reset_index(drop=True)
        labels = self.labels(task)
        parts = []
        for name in self.models:
            forward, reverse = self.predictions(name, task)
            columns = {
                "model": name,
                "sequence": order,
                **columns_of_data,
                "label": np.nan if labels is None else labels[order],
                "forward": forward[order],
                "reverse": reverse[order],
                "gap": self.gap(name, task)[order],
            }
            parts.append(pd.DataFrame(columns))
        # A stable sort by the row number puts the models of a sequence next to each other.
        return pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)

    def gap_table(self, task: int, sequence: int) -> pd.DataFrame:
        """One row per model and filter of one sequence, and one for the rest; their sums are logits and gap."""
        parts = []
        for name, split in (self.details(task, sequence) or {}).items():
            if split.filters is None:
                continue
            forward, reverse = split.filters
            order = np.argsort(-np.abs(forward - reverse), kind="stable")
            rest = split.outputs - split.filters.sum(axis=1)
            columns = {
                "model": name,
                "sequence": sequence,
                "filter": np.array([*order.tolist(), "rest"], dtype=object),
                "forward": np.append(forward[order], rest[0]),
                "reverse": np.append(reverse[order], rest[1]),
            }
            rows = pd.DataFrame(columns)
            parts.append(rows.assign(difference=rows["forward"] - rows["reverse"]))
        if not parts:
            raise ValueError("no model's gap could be split by filter; the panel of each model shows the reason")
        return pd.concat(parts, ignore_index=True)


def _check_finite(strands: StrandPass) -> None:
    if not strands.finite:
        raise ValueError("some of its predictions are not finite")
