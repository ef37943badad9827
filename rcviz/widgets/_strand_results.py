"""Results of the strand explorer: predictions of all sequences, and details of the latest few sequences."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from torch import nn

from rcviz.analysis.attributions import StrandAttributions, strand_attributions
from rcviz.analysis.neurons import At
from rcviz.analysis.strands import GapByFilter, StrandAgreement, gap_by_filter, strand_agreement
from rcviz.models.runtime import find_module
from rcviz.plots._axes import new_figure
from rcviz.plots.strands import plot_strands
from rcviz.sequences.checks import check_not_empty
from rcviz.sequences.sequence_set import SequenceSet

_CACHED = 64


@dataclass(frozen=True)
class SequenceResult:
    """Details of one sequence, by model; if a split is not possible, the reason instead."""

    attributions: dict[str, StrandAttributions]
    splits: dict[str, GapByFilter | str]


class StrandResults:
    """Both strands' predictions of every model that accepts the data, and details of a sequence on request.

    Attributes
    ----------
    models : dict of name to nn.Module
        Models that accept the data.
    refused : str
        A sentence about the models that do not, or an empty string.
    task_names : tuple of str
    """

    def __init__(self, models: Any, data: SequenceSet, at: At, layer: Any = None, batch_size: int = 500) -> None:
        check_not_empty(data)
        self._data, self._at = data, at
        self._agreements: dict[str, StrandAgreement] = {}
        refused = []
        named = _named(models)
        self._layers = _layers(named, layer)
        for name, model in named.items():
            try:
                self._agreements[name] = _finite(strand_agreement(model, data, batch_size=batch_size))
            except Exception as error:  # a user's model may raise anything
                reason = (str(error) or type(error).__name__).splitlines()[0]
                refused.append(
                    f"{name} has no predictions for sequences of {data.length:,} bp and is excluded: {reason}"
                )
        self.refused = "; ".join(refused)
        if not self._agreements:
            raise ValueError(self.refused)
        self.models = {name: named[name] for name in self._agreements}
        self.task_names = min((each.task_names for each in self._agreements.values()), key=len)
        self._sequences: OrderedDict[tuple[int, int], SequenceResult] = OrderedDict()

    def labels(self, task: int) -> Float[np.ndarray, " sequences"] | None:
        """1 positive, 0 negative, NaN unknown, or values, see :attr:`label_kind`; None for unlabelled data."""
        return None if self._data.labels is None else self._data.labels[:, task]

    @property
    def label_kind(self) -> str:
        """Kind of the labels: "binary" for classes, "value" for numbers."""
        return self._data.label_kind

    def predictions(self, task: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Forward and reverse predictions of each model, on its scale."""
        return {name: (each.forward[:, task], each.reverse[:, task]) for name, each in self._agreements.items()}

    def gap(self, model: str, task: int) -> Float[np.ndarray, " sequences"]:
        """Absolute difference of a model's two predictions."""
        return self._agreements[model].gap[:, task]

    def largest_gap_model(self, task: int) -> str:
        """Name of the model with the largest mean gap, among those on the scale of the first model."""
        scales = self.scales()
        comparable = [name for name in self.models if scales[name] == next(iter(scales.values()))]
        return max(comparable, key=lambda name: float(self.gap(name, task).mean()))

    def scales(self) -> dict[str, str]:
        """Scale of each model's predictions."""
        return {name: each.scale for name, each in self._agreements.items()}

    def order(self, model: str, task: int, selection: tuple[int, ...]) -> Int[np.ndarray, " n"]:
        """Order the selected sequences, or all, by a model's gap, largest first."""
        chosen = np.array(selection or range(len(self._data)), dtype=int)
        return chosen[np.argsort(-self.gap(model, task)[chosen], kind="stable")]

    def sequence(self, task: int, index: int) -> SequenceResult:
        """Compute the details of one sequence; those of the latest few are cached."""
        key = (task, index)
        if key not in self._sequences:
            self._sequences[key] = self._computed(*key)
            if len(self._sequences) > _CACHED:
                self._sequences.popitem(last=False)
        self._sequences.move_to_end(key)
        return self._sequences[key]

    def _computed(self, task: int, index: int) -> SequenceResult:
        codes = self._data.codes[index : index + 1]
        if (codes > 3).all():
            raise ValueError(f"sequence {index} has only unknown bases (N), so it has no attributions")
        attributions = {name: strand_attributions(model, codes, task=task) for name, model in self.models.items()}
        splits: dict[str, GapByFilter | str] = {}
        for name, model in self.models.items():
            try:
                splits[name] = gap_by_filter(model, codes, task=task, layer=self._layers.get(name), at=self._at)
            except ValueError as error:  # a network without such filters has predictions and attributions
                splits[name] = str(error)
        return SequenceResult(attributions, splits)

    def table(self, task: int, order: Int[np.ndarray, " n"]) -> pd.DataFrame:
        """One row per model and sequence, in the order given."""
        columns_of_data = self._data.table.iloc[order].reset_index(drop=True)
        labels = self.labels(task)
        parts = []
        for name, (forward, reverse) in self.predictions(task).items():
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

    def gap_table(self, task: int, index: int) -> pd.DataFrame:
        """One row per model and filter of one sequence, and one for the rest; their sums are logits and gap."""
        parts = []
        for name, split in self.sequence(task, index).splits.items():
            if isinstance(split, str):
                continue
            whole = {
                "forward": split.logits_forward,
                "reverse": split.logits_reverse,
                "difference": split.logit_difference,
            }
            rest = {"filter": ["rest"], **{key: logits - split.table[key].sum() for key, logits in whole.items()}}
            rows = pd.concat([split.table.astype({"filter": object}), pd.DataFrame(rest)], ignore_index=True)
            parts.append(rows.drop(columns="magnitude").assign(model=name, sequence=index))
        if not parts:
            raise ValueError("no model's gap could be split by filter; the panel of each model shows the reason")
        return pd.concat(parts, ignore_index=True)[["model", "sequence", "filter", "forward", "reverse", "difference"]]

    def figure(self, task: int) -> Figure:
        """Draw the panels with matplotlib."""
        figure = new_figure(4.2 * len(self.models), 5.0)
        panels = figure.subplots(1, len(self.models), squeeze=False)[0]
        for ax, (name, (forward, reverse)) in zip(panels, self.predictions(task).items(), strict=True):
            scale = self._agreements[name].scale
            kind = self.label_kind
            plot_strands(forward, reverse, self.labels(task), ax, task_name=name, scale=scale, label_kind=kind)
        return figure


def _finite(agreement: StrandAgreement) -> StrandAgreement:
    if agreement.forward.ndim == 3:
        raise ValueError("it returns profiles; select one number per task with rcviz.as_sequence_model(output=...)")
    if not (np.isfinite(agreement.forward).all() and np.isfinite(agreement.reverse).all()):
        raise ValueError("some of its predictions are not finite")
    return agreement


def _named(models: Any) -> dict[str, nn.Module]:
    """Name the models, given as a dict, a sequence or a single model."""
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


def _layers(models: dict[str, nn.Module], layer: Any) -> dict[str, str]:
    """Find the layer of each model; models without an entry use their first convolution."""
    given = {str(name): each for name, each in layer.items()} if isinstance(layer, Mapping) else None
    if given is None:
        given = {} if layer is None else dict.fromkeys(models, layer)
    for name in given:
        if name not in models:
            raise ValueError(f"layer names a model {name!r}, and the models are: {', '.join(models)}")
    return {name: find_module(models[name], each)[0] for name, each in given.items()}
