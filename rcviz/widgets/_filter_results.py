"""Everything that a filter explorer shows of one model and one data set, each part computed once."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from torch import nn

from rcviz.analysis.contributions import FilterContributions, filter_contributions
from rcviz.analysis.filters import FilterBank, filter_bank, reads_bases
from rcviz.analysis.neurons import At, reached
from rcviz.analysis.palindromes import Palindromes, palindromes
from rcviz.analysis.profiles import ActivationProfiles, activation_profiles
from rcviz.analysis.sites import ActivatingSites
from rcviz.models.batches import one_hot_batch
from rcviz.models.prediction import count_outputs, predict
from rcviz.models.runtime import evaluating
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.widgets.state import Question

Kept = TypeVar("Kept")

TOP_SITES = 500
BINS = 40
PROFILE_NUMBERS = 1 << 29
"""Most that are kept for profiles, in half precision: 1 GB, or 40 for each of 1,000 filters in 13,000 sequences."""

POSITIVES = {
    "labelled": "labelled positive",
    "predicted": "predicted at 0.5 or more",
    "agreed": "labelled and predicted alike",
    "own": "my own choice",
}
"""What may count as a positive, by name in the state, with the words that a person reads."""


class FilterResults:
    """Analyses of a model's filters on labelled sequences, kept once they are known.

    Parameters
    ----------
    model : nn.Module
    data : SequenceSet
        With labels.
    at : "activation" or "convolution"
    """

    def __init__(self, model: nn.Module, data: SequenceSet, at: At) -> None:
        n_outputs = count_outputs(model, data.length)
        if n_outputs != len(data.task_names):
            raise ValueError(
                f"the model gives {n_outputs} logits a sequence, but the data has {len(data.task_names)} tasks: "
                f"{', '.join(data.task_names)}; bring labels for each logit, and for no more"
            )
        self.model, self.data, self._at = model, data, at
        self._own: Bool[np.ndarray, " sequences"] | None = None
        self._kept: dict[tuple[Any, ...], Any] = {}

    def choose_own(self, chosen: Any) -> None:
        """Remember which sequences count as positive under "own"; what was computed with another choice is dropped."""
        mask = np.asarray(chosen)
        if mask.shape != (len(self.data),) or mask.dtype != bool:
            raise ValueError(
                f"expected True or False for each of {len(self.data):,} sequences, got {mask.dtype} of shape "
                f"{mask.shape}"
            )
        if mask.all() or not mask.any():
            raise ValueError(f"{mask.sum():,} of {len(mask):,} sequences are chosen; both classes need one at least")
        self._own = mask
        self._kept = {key: value for key, value in self._kept.items() if "own" not in key}

    def layers(self) -> list[str]:
        """Names of the convolutions that read the four bases, so that their filters have logos, and that are used."""
        with evaluating(self.model):
            used = set(reached(self.model, one_hot_batch(self.data.codes[:1], self.model)))
        return [name for name, module in self.model.named_modules() if reads_bases(module) and module in used]

    def bank(self, layer: str) -> FilterBank:
        """The filters of a layer."""
        return self._keep(("bank", layer), lambda: filter_bank(self.model, layer=layer))

    def sites(self, layer: str) -> ActivatingSites:
        """Their activating sites on both strands."""
        return self._keep(("sites", layer), lambda: self.bank(layer).activating_sites(self.data, top=TOP_SITES))

    def profiled(self, layer: str) -> Int[np.ndarray, " sampled"]:
        """Sequences whose profiles are kept: all of them, or a random sample where all would be too many numbers."""
        most = max(1, PROFILE_NUMBERS // (BINS * len(self.bank(layer))))
        return self._keep(
            ("profiled", layer),
            lambda: np.sort(np.random.default_rng(0).permutation(len(self.data))[:most]),
        )

    def profiles(self, layer: str) -> ActivationProfiles:
        """Where they are active, in the sequences of :meth:`profiled`."""

        def computed() -> ActivationProfiles:
            data = self.data.subset(self.profiled(layer))
            return activation_profiles(self.model, data, layer=layer, at=self._at, bins=BINS)

        return self._keep(("profiles", layer), computed)

    def sample(self, layer: str) -> str:
        """Of how many sequences profiles are, in words; empty where they are of all."""
        profiled, n = len(self.profiled(layer)), len(self.data)
        return "" if profiled == n else f"of {profiled:,} of the {n:,} sequences"

    def curves(self, question: Question, index: int) -> dict[str, Float[np.ndarray, " bins"]]:
        """One filter's mean profile in what counts as positive and as negative; in all where neither was sampled."""
        profiles, labels = self.profiles(question.layer), self.contributions(*question).labels
        assert labels is not None
        sampled = labels[self.profiled(question.layer)]
        classes = {"positives": sampled == 1, "negatives": sampled == 0}
        found = {name: profiles.mean(index, chosen) for name, chosen in classes.items() if chosen.any()}
        return found or {"all": profiles.mean(index)}

    def contributions(self, layer: str, task: int, positives: str) -> FilterContributions:
        """Contributions to a task's logit, compared between the sequences that count as positive and the others."""
        found = self._keep(
            ("contributions", layer, task),
            lambda: filter_contributions(self.model, self.data, task=task, layer=layer, at=self._at),
        )
        return self._keep(
            ("contributions", layer, task, positives),
            lambda: dataclasses.replace(found, labels=self.labels(task, positives)),
        )

    def labels(self, task: int, positives: str) -> Float[np.ndarray, " sequences"]:
        """1 for what counts as positive, 0 for what counts as negative, NaN for neither."""
        assert self.data.labels is not None
        given = self.data.labels[:, task]
        if positives == "own":
            if self._own is None:
                raise ValueError("there is no choice of your own yet; call set_positives with a mask")
            labels = self._own.astype(np.float32)
        elif positives == "labelled":
            labels = given
        else:
            predicted = (self._keep(("predictions",), lambda: predict(self.model, self.data))[:, task] >= 0.5) * 1.0
            labels = predicted if positives == "predicted" else np.where(predicted == given, given, np.nan)
        for value, kind in ((1, "positives"), (0, "negatives")):
            if not (labels == value).any():
                raise ValueError(
                    f"no sequence counts as one of the {kind} of task {self.data.task_names[task]} when these are "
                    f"those {POSITIVES[positives]}, and a score compares both; choose another way"
                )
        return labels.astype(np.float32)

    def palindromicity(self, layer: str) -> Palindromes:
        """How palindromic the weights are, with no verdict."""
        return self._keep(("palindromicity", layer), lambda: palindromes(self.bank(layer)))

    def palindrome(self, layer: str, index: int) -> pd.Series:
        """One filter's row of the palindrome table, with the verdict from its sites in the labelled positives."""
        assert self.data.labels is not None
        labels = self.data.labels
        sites = self._keep(("judged", layer), lambda: self.sites(layer).subset((labels == 1).any(axis=1)))
        return self._keep(
            ("palindrome", layer, index),
            lambda: palindromes(self.bank(layer), sites, filters=[index]).table.iloc[0],
        )

    def _keep(self, key: tuple[Any, ...], compute: Callable[[], Kept]) -> Kept:
        if key not in self._kept:
            self._kept[key] = compute()
        kept: Kept = self._kept[key]
        return kept
