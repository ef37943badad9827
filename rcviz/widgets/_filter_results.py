"""The analyses that a filter explorer shows of one model and one data set, each computed once."""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from torch import nn

from rcviz.analysis.contributions import FilterContributions, filter_contributions
from rcviz.analysis.filters import FilterBank, filter_bank
from rcviz.analysis.neurons import At, sequence_layers
from rcviz.analysis.palindromes import Palindromes, palindromes
from rcviz.analysis.profiles import ActivationProfiles, activation_profiles
from rcviz.analysis.sites import ActivatingSites
from rcviz.analysis.tasks import model_tasks
from rcviz.models.prediction import count_outputs, one_hot_batch, predict
from rcviz.models.runtime import evaluating
from rcviz.models.scale import returned_scale
from rcviz.sequences.checks import check_classes, positive_rows
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.widgets.state import Question, upper_share

Stored = TypeVar("Stored")

TOP_SITES = 500
BINS = 40
PROFILE_NUMBERS = 1 << 28
"""Most numbers stored for profiles, as float32: 1 GB, or 40 bins of 1,000 filters in 6,700 sequences."""

POSITIVES = {
    "all": "no comparison: all sequences",
    "labelled": "labelled positive",
    "predicted": "predicted at 0.5 or more",
    "agreed": "labels that the predictions agree with",
    "own": "own selection",
}
"""Choices of the sequences that are treated as positive: name in the state, and text in the control."""

UPPER_PARTS = ("upper 25%", "upper 5%", "upper 10%", "upper 50%")
"""Choices that are offered where labels are values."""


def describe_positives(positives: str) -> str:
    """Write a choice of positives as text."""
    return POSITIVES.get(positives) or f"in the {positives} of the values"


class FilterResults:
    """Analyses of a model's filters on sequences, stored once computed.

    Parameters
    ----------
    model : nn.Module
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

    def layers(self) -> list[str]:
        """List the convolutions in use that read the four bases, so that their filters have logos."""
        with evaluating(self.model):
            return sequence_layers(self.model, one_hot_batch(self.data.codes[:1], self.model))

    def bank(self, layer: str) -> FilterBank:
        """The filters of a layer."""
        return self._stored(("bank", layer), lambda: filter_bank(self.model, layer=layer))

    def sites(self, layer: str) -> ActivatingSites:
        """Activating sites of a layer's filters on both strands."""
        return self._stored(("sites", layer), lambda: self.bank(layer).activating_sites(self.data, top=TOP_SITES))

    def profiled(self, layer: str) -> Int[np.ndarray, " sampled"]:
        """Sequences whose profiles are stored: all, or a random sample where all would need too much memory."""
        most = max(1, PROFILE_NUMBERS // (BINS * len(self.bank(layer))))
        return self._stored(
            ("profiled", layer),
            lambda: np.sort(np.random.default_rng(0).permutation(len(self.data))[:most]),
        )

    def profiles(self, layer: str) -> ActivationProfiles:
        """Activation profiles in the sequences of :meth:`profiled`."""

        def computed() -> ActivationProfiles:
            chosen = self.profiled(layer)
            data = self.data if len(chosen) == len(self.data) else self.data.subset(chosen)
            return activation_profiles(
                self.model, data, layer=layer, at=self._at, bins=BINS, batch_size=self._batch_size
            )

        return self._stored(("profiles", layer), computed)

    def sample(self, layer: str) -> str:
        """Size of the sample of :meth:`profiled` as text; empty where it holds all sequences."""
        profiled, n = len(self.profiled(layer)), len(self.data)
        return "" if profiled == n else f"of {profiled:,} of the {n:,} sequences"

    def curves(self, question: Question, index: int) -> dict[str, Float[np.ndarray, " bins"]]:
        """One filter's mean profile in positives and in negatives; in all where neither was sampled."""
        profiles, labels = self.profiles(question.layer), self.contributions(*question).labels
        if labels is None:
            return {"all": profiles.mean(index)}
        sampled = labels[self.profiled(question.layer)]
        classes = {"positives": sampled == 1, "negatives": sampled == 0}
        curves = {name: profiles.mean(index, mask) for name, mask in classes.items() if mask.any()}
        return curves or {"all": profiles.mean(index)}

    def contributions(self, layer: str, task: int, positives: str) -> FilterContributions:
        """Contributions to a task's logit or value, compared between positives and negatives."""
        labels = self.labels(task, positives)
        contributions = self._stored(
            ("contributions", layer, task),
            lambda: filter_contributions(
                self.model, self.data.codes, task=task, layer=layer, at=self._at, batch_size=self._batch_size
            ),
        )
        return self._stored(
            ("contributions", layer, task, positives),
            lambda: dataclasses.replace(contributions, labels=labels, task=self.task_names[task]),
        )

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
            predictions = self._stored(
                ("predictions",), lambda: predict(self.model, self.data, batch_size=self._batch_size)
            )
            labels = (predictions[:, task] >= 0.5) * 1.0
            if positives == "agreed" and given is not None:
                labels = np.where(labels == given, given, np.nan)
        check_classes(labels, f"the selection ({describe_positives(positives)})", self.task_names[task])
        return labels.astype(np.float32)

    def palindromicity(self, layer: str) -> Palindromes:
        """Palindromicity of the weights, without a verdict."""
        return self._stored(("palindromicity", layer), lambda: palindromes(self.bank(layer)))

    def palindrome(self, layer: str, index: int) -> pd.Series:
        """One filter's row of the palindrome table; the verdict is from sites in the positives, if there are any."""
        rows, sites = positive_rows(self.data), self.sites(layer)
        if rows.any():
            sites = self._stored(("positive sites", layer), lambda: sites.subset(rows))
        return self._stored(
            ("palindrome", layer, index),
            lambda: palindromes(self.bank(layer), sites, filters=[index]).table.iloc[0],
        )

    def _stored(self, key: tuple[Any, ...], compute: Callable[[], Stored]) -> Stored:
        if key not in self._results:
            self._results[key] = compute()
        stored: Stored = self._results[key]
        return stored
