"""The analyses that a filter explorer shows of one model and one data set, each computed once."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from torch import nn

from rcviz.analysis.ablation import effects_by_batch
from rcviz.analysis.contributions import FilterContributions
from rcviz.analysis.filter_pass import FilterPass
from rcviz.analysis.filters import FilterBank, filter_bank
from rcviz.analysis.neurons import At, find_neurons, sequence_layers
from rcviz.analysis.palindromes import palindromes
from rcviz.analysis.profiles import ActivationProfiles
from rcviz.analysis.searched import SearchedSequences, search_classes
from rcviz.analysis.sites import ActivatingSites
from rcviz.analysis.tasks import Task, model_tasks
from rcviz.models.prediction import count_outputs, one_hot_batch, to_numpy
from rcviz.models.runtime import evaluating
from rcviz.models.scale import one_warning, returned_scale, uncounted
from rcviz.models.settings import in_batches, self_contained
from rcviz.motifs.motif import Motif
from rcviz.motifs.palindromicity import palindromicity
from rcviz.motifs.similarity import match_motifs
from rcviz.sequences.checks import check_classes
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.widgets.state import Question, upper_share

Stored = TypeVar("Stored")
Tick = Callable[[float], None]

TOP_SITES = 500
BINS = 40
PROFILE_NUMBERS = 1 << 26
"""Most numbers stored for profiles, as float32: 268 MB, or 40 bins of 64 filters in 26,000 sequences."""

_NAMES = ("filter", "motif", "alternative_name", "strand", "offset", "overlap", "similarity", "p_value")

NAMED_FROM = 0.5
"""Least similarity to a known motif that gives a filter its name."""

NAMED_CHANCE = 0.05
"""Most E-value of that motif: how many of the known motifs would match a motif of random columns as well."""

NAMED_SITES = 5
"""Fewest sites that give a filter a name: the columns of fewer look certain, and are not."""

POSITIVES = {
    "all": "no comparison",
    "labelled": "labelled",
    "predicted": "predicted \N{GREATER-THAN OR EQUAL TO} 0.5",
    "agreed": "labelled and predicted alike",
    "own": "own selection",
}
"""Choices of the sequences that are treated as positive: name in the state, and text in the control."""

UPPER_PARTS = ("upper 25%", "upper 5%", "upper 10%", "upper 50%")
"""Choices that are offered where labels are values."""


def describe_positives(positives: str) -> str:
    """Write a choice of positives as text."""
    return POSITIVES.get(positives) or f"{positives} of the values"


class FilterResults:
    """Analyses of a model's filters on sequences, stored once computed.

    Parameters
    ----------
    model : nn.Module
        Nobody else may change it.
    data : SequenceSet
        Without labels, scores are means over all sequences until there is an own selection. Of labels that are values
        an upper part is compared with the rest.
    at : "auto", "activation" or "convolution"
    batch_size : int

    Attributes
    ----------
    task_names : tuple of str
    positives : tuple of str
        Names of the choices that there are for these data.
    scale : "logit" or "value"
        Kind of number that contributions add to.
    """

    def __init__(self, model: nn.Module, data: SequenceSet, at: At, batch_size: int) -> None:
        self.task_names = model_tasks(data, count_outputs(model, data.length))
        self.model, self.data, self._at, self._batch_size = model, data, at, batch_size
        self.scale = returned_scale(model)
        self.positives = ("all", "predicted", "own") if data.labels is None else tuple(POSITIVES)[1:]
        if data.labels is not None and data.label_kind == "value":
            self.positives = (*UPPER_PARTS, "all", "own")
        elif self.scale == "value":  # values have no threshold above which they are positive
            self.positives = tuple(name for name in self.positives if name not in ("predicted", "agreed"))
        self._own: Bool[np.ndarray, " sequences"] | None = None
        self._results: dict[tuple[Any, ...], Any] = {}
        self._begun: dict[tuple[str, int], tuple[FilterPass, Iterator[int]]] = {}

    def set_positives(self, mask: Any) -> None:
        """Store the sequences that are treated as positive under "own"; results of another selection are discarded."""
        mask = np.asarray(mask)
        if mask.shape != (len(self.data),) or mask.dtype != bool:
            raise ValueError(
                f"mask must be True or False for each of {len(self.data):,} sequences, got {mask.dtype} of shape "
                f"{mask.shape}: use mask.astype(bool)"
            )
        if mask.all() or not mask.any():
            raise ValueError(f"mask selects {mask.sum():,} of {len(mask):,} sequences, and both classes are needed")
        self._own = mask
        self._results = {key: value for key, value in self._results.items() if "own" not in key}

    def keep_selection(self, other: "FilterResults") -> None:
        """Take over the own selection of other results on the same data."""
        self._own = other._own

    @self_contained
    def layers(self) -> list[str]:
        """List the convolutions in use that read the four bases, so that their filters have logos."""
        with evaluating(self.model):
            return sequence_layers(self.model, one_hot_batch(self.data.codes[:1], self.model))

    def bank(self, layer: str) -> FilterBank:
        """The filters of a layer."""
        return self._stored(("bank", layer), lambda: filter_bank(self.model, layer=layer, length=self.data.length))

    def palindromicity(self, layer: str) -> Float[np.ndarray, " filters"]:
        """How palindromic the weights of each filter are."""
        return self._stored(
            ("palindromicity", layer),
            lambda: np.array([palindromicity(weights).score for weights in self.bank(layer).weights]),
        )

    @in_batches
    def begin(self, layer: str, task: int) -> None:
        """Run the model on the first batch, so that a model that cannot be analysed is refused now."""
        if ("contributions", layer, task) not in self._results:
            self._pass(layer, task)

    @in_batches
    def compute(self, layer: str, task: int, tick: Tick) -> None:
        """Run the model on all data, if this layer and task need it; ``tick`` is given the share that is done."""
        if ("contributions", layer, task) in self._results:
            return
        begun, batches = self._pass(layer, task)
        with one_warning():
            for done in batches:
                tick(done / len(self.data))
        if ("profiles", layer) not in self._results:
            self._results["windows", layer] = begun.sites(TOP_SITES)
            self._results["fires", layer] = begun.fires
            self._results["profiles", layer] = begun.profiles()
            self._results["logits",] = begun.logits()
        self._results["contributions", layer, task] = begun.contributions()
        del self._begun[layer, task]

    def has_logits(self) -> bool:
        """Whether the predictions are known."""
        return ("logits",) in self._results

    def _pass(self, layer: str, task: int) -> tuple[FilterPass, Iterator[int]]:
        if (layer, task) not in self._begun:
            begun = FilterPass(
                self.model,
                self.data,
                self.bank(layer),
                task=task,
                at=self._at,
                bins=BINS,
                profiled=self.profiled(layer),
                batch_size=self._batch_size,
                contributions_only=("profiles", layer) in self._results,
            )
            batches = begun.batches()
            next(batches)
            self._begun[layer, task] = begun, batches
        return self._begun[layer, task]

    def profiled(self, layer: str) -> Int[np.ndarray, " sampled"]:
        """Sequences whose profiles are stored: all, or a random sample where all would need too much memory."""
        most = max(1, PROFILE_NUMBERS // (BINS * len(self.bank(layer))))
        return self._stored(
            ("profiled", layer),
            lambda: np.sort(np.random.default_rng(0).permutation(len(self.data))[:most]),
        )

    def profiles(self, layer: str) -> ActivationProfiles:
        """Activation profiles in the sequences of :meth:`profiled`."""
        profiles: ActivationProfiles = self._results["profiles", layer]
        return profiles

    def sample(self, layer: str) -> str:
        """Size of the sample of :meth:`profiled` as text; empty where it holds all sequences."""
        profiled, n = len(self.profiled(layer)), len(self.data)
        return "" if profiled == n else f"of {profiled:,} of the {n:,} sequences"

    def curves(self, question: Question) -> dict[str, Float[np.ndarray, "filters bins"]]:
        """Mean profiles in positives and in negatives; in all where neither was sampled."""
        binned, labels = self.profiles(question.layer).binned, self.contributions(*question).labels
        classes: dict[str, Any] = {}
        if labels is not None:
            sampled = labels[self.profiled(question.layer)]
            classes = {"positives": sampled == 1, "negatives": sampled == 0}
        curves = {name: binned[mask].mean(axis=0, dtype=np.float64) for name, mask in classes.items() if mask.any()}
        return curves or {"all": binned.mean(axis=0, dtype=np.float64)}

    def contributions(self, layer: str, task: int, positives: str) -> FilterContributions:
        """Contributions to a task's logit or value, compared between positives and negatives."""
        contributions: FilterContributions = self._results["contributions", layer, task]
        return self._stored(
            ("contributions", layer, task, positives),
            lambda: dataclasses.replace(contributions, labels=self.labels(task, positives), task=self.task_names[task]),
        )

    @in_batches
    def knock_outs(self, question: Question, tick: Tick) -> Float[np.ndarray, " filters"]:
        """Score of each filter's knock-out, computed when first asked for: a pass behind the layer per filter."""
        key = "effects", question.layer, question.task
        if key not in self._results:
            task, codes, parts, done = Task(question.task, "", None), self.data.codes, [], 0
            with evaluating(self.model), uncounted():
                neurons = find_neurons(self.model, question.layer, self._at, one_hot_batch(codes[:1], self.model))
                batches = effects_by_batch(self.model, neurons, task, codes, batch_size=min(100, self._batch_size))
                for batch in batches:
                    parts.append(to_numpy(batch))
                    done += len(batch)
                    tick(done / len(codes))
            self._results[key] = np.concatenate(parts)
        contributions = self.contributions(*question)
        return dataclasses.replace(contributions, per_sequence=self._results[key]).scores

    def has_knock_outs(self, question: Question) -> bool:
        """Whether the knock-outs of a layer and task are known."""
        return ("effects", question.layer, question.task) in self._results

    def first_positives(self, task: int) -> str:
        """Choice to start with; "all" where so many values are equal that no upper part leaves a rest."""
        if upper_share(self.positives[0]) is None:
            return self.positives[0]
        for positives in UPPER_PARTS:
            with contextlib.suppress(ValueError):
                self.labels(task, positives)
                return positives
        return "all"

    def labels(self, task: int, positives: str) -> Float[np.ndarray, " sequences"] | None:
        """1 for positives, 0 for negatives, NaN for sequences that are neither; None without a comparison."""
        if positives == "all":
            return None
        given = None if self.data.labels is None else self.data.labels[:, task]
        if positives == "own":
            if self._own is None:
                raise ValueError("there is no own selection yet; call set_positives with a mask")
            labels = self._own.astype(np.float32)
        elif (share := upper_share(positives)) is not None and given is not None:
            labels = np.where(np.isnan(given), np.nan, self.data.upper_part(share, task=task))
        elif positives == "labelled" and given is not None:
            labels = given
        else:
            labels = (self._results["logits",][:, task] >= 0) * 1.0
            if positives == "agreed" and given is not None:
                labels = np.where(labels == given, given, np.nan)
        check_classes(labels, f"the selection ({describe_positives(positives)})", self.task_names[task])
        return labels.astype(np.float32)

    def sites(self, question: Question) -> ActivatingSites:
        """Sites among what is treated as positive, at most as many as positives, and only where a filter fires.

        Filters with a negative score have theirs among the negatives.
        """

        def chosen() -> ActivatingSites:
            windows: ActivatingSites = self._results["windows", question.layer]
            contributions = self.contributions(*question)
            allowed = self._results["fires", question.layer].copy()
            top = TOP_SITES
            if contributions.labels is not None:
                positive, negative = contributions.labels == 1, contributions.labels == 0
                allowed &= np.where(contributions.scores < 0, negative[:, None], positive[:, None])
                top = min(top, int(positive.sum()))
            return dataclasses.replace(windows, best=np.where(allowed, windows.best, -np.inf), top=top)

        return self._stored(("sites", *question), chosen)

    def firing(self, layer: str) -> Float[np.ndarray, " filters"]:
        """Share of the sequences in which each filter fires."""
        return self._stored(("firing", layer), lambda: self._results["fires", layer].mean(axis=0))

    def motifs(self, question: Question) -> dict[int, Motif]:
        """The motif of each filter's sites; a filter without sites has none."""
        sites = self.sites(question)
        active = np.flatnonzero(sites.fires.any(axis=0)).tolist()
        return self._stored(("motifs", *question), lambda: {index: sites.motif(index) for index in active})

    def names(self, question: Question, targets: list[Motif], tick: Tick) -> pd.DataFrame:
        """Known motifs that name filters, at most five each, nearest first.

        Their similarity to the motif of at least five sites is at least 0.5, and chance does not explain it.
        """
        key = ("names", *question)
        if key not in self._results:
            enough = self.sites(question).fires.sum(axis=0) >= NAMED_SITES
            motifs = {index: motif for index, motif in self.motifs(question).items() if enough[index]}
            tables, at_once = [], 16
            numbers = np.array(list(motifs), dtype=int)
            for first in range(0, len(motifs), at_once):
                part = numbers[first : first + at_once]
                found = match_motifs([motifs[index] for index in part], targets)
                tables.append(found.assign(filter=part[found["query"]]))
                tick(min(1.0, (first + at_once) / len(motifs)))
            none = pd.DataFrame({name: [] for name in _NAMES}).astype({"filter": int, "similarity": float})
            table = pd.concat(tables, ignore_index=True) if tables else none
            named = (table["similarity"] >= NAMED_FROM) & (table["p_value"] * len(targets) <= NAMED_CHANCE)
            self._results[key] = table[named].reset_index(drop=True)
        names: pd.DataFrame = self._results[key]
        return names

    def verdict(self, question: Question, index: int) -> dict[str, Any]:
        """One filter's row of the palindrome table, from its sites in the class that it speaks for."""
        labels, score = self.contributions(*question).labels, self.contributions(*question).scores[index]
        speaks_for = None if labels is None else int(score >= 0)

        def searched() -> SearchedSequences:
            # Shuffled sequences once for all filters: one at a time they would be made and read for each.
            windows: ActivatingSites = self._results["windows", question.layer]
            of_class = windows if labels is None else windows.subset(labels == speaks_for)
            return search_classes(self.bank(question.layer), of_class, None)

        def judged() -> dict[str, Any]:
            found = self._stored(("searched", *question, speaks_for), searched)
            row = palindromes(self.bank(question.layer), found, filters=[index]).table.iloc[0]
            return {str(name): value for name, value in row.items()}

        return self._stored(("palindrome", *question, index), judged)

    def _stored(self, key: tuple[Any, ...], compute: Callable[[], Stored]) -> Stored:
        if key not in self._results:
            self._results[key] = compute()
        stored: Stored = self._results[key]
        return stored
