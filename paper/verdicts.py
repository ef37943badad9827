"""From seeds to a verdict: comparisons of two arms, and the rules by which several of them make one word.

The thresholds were fixed before there were results, and docs/paper.md states them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import comb

import numpy as np
import pandas as pd
from jaxtyping import Float

from rcviz.metrics import rank_sum_test
from rcviz.plots.comparisons import metric_words

ALPHA = 0.05
"""Largest p-value at which one arm is above another."""

PAPER_SEEDS = 10

SCORES = ("valid_auroc", "valid_auprc")
"""What the paper compares: of the best epoch, on the data that chose it."""


class Verdict(StrEnum):
    """What became of a claim."""

    HOLDS = "holds"
    IN_PART = "holds in part"
    NOT = "does not hold here"
    UNKNOWN = "not measured here"


@dataclass(frozen=True)
class Comparison:
    """One arm's seeds against another's, tested one-sided for lying above (section 3.8).

    Attributes
    ----------
    higher, lower : str
        Arms, the one expected above first.
    what : str
        What is compared, such as "validation auROC".
    where : str
        Of which dataset or size; empty where a figure has only one.
    a, b : array
        A value for each seed, in the order of `higher`, `lower`.
    """

    higher: str
    lower: str
    what: str
    where: str
    a: Float[np.ndarray, " seeds"] = field(repr=False)
    b: Float[np.ndarray, " others"] = field(repr=False)

    @property
    def p_value(self) -> float:
        """Exact one-sided rank-sum test."""
        return rank_sum_test(self.a, self.b)

    @property
    def smallest_p(self) -> float:
        """What so many seeds can reach: every one of `higher` above every one of `lower`."""
        return 1 / comb(len(self.a) + len(self.b), len(self.a))

    @property
    def separated(self) -> bool:
        """Whether every seed of `higher` lies above every seed of `lower`."""
        return float(self.a.min()) > float(self.b.max())

    @property
    def shown(self) -> bool:
        """Whether the test shows it."""
        return self.p_value <= ALPHA

    @property
    def difference(self) -> float:
        """Mean of `higher` minus mean of `lower`."""
        return float(self.a.mean() - self.b.mean())


def compare_scores(
    runs: pd.DataFrame, higher: str, lower: str, metric: str, *, where: str = "", what: str = ""
) -> Comparison | None:
    """Compare two arms of a table of trained networks in one of its columns; None where either has no seed."""
    return compare_seeds(
        by_seed(runs, higher, metric), by_seed(runs, lower, metric), higher, lower, what or metric_words(metric), where
    )


def compare_seeds(a: pd.Series, b: pd.Series, higher: str, lower: str, what: str, where: str = "") -> Comparison | None:
    """Compare values by seed, unknown ones left out; None where either side has none."""
    left, right = (np.asarray(side.dropna(), dtype=float) for side in (a, b))
    return Comparison(higher, lower, what, where, left, right) if len(left) and len(right) else None


def by_seed(runs: pd.DataFrame, arm: str, metric: str) -> pd.Series:
    """An arm's values, indexed by seed."""
    chosen = (runs["arm"] == arm).to_numpy()
    return runs[metric][chosen].set_axis(pd.Index(runs["seed"][chosen], name="seed")).sort_index()


def judge(comparisons: Sequence[Comparison | None]) -> Verdict:
    """Make one verdict of all the comparisons that a claim is about.

    It holds when every one is shown: claiming all of them at once needs no correction, since each would have to err.
    It holds in part when one or more are shown after Holm's correction for their number, or when more than half have
    all seeds in order where so few seeds could not show it after that correction. A comparison without data is not
    shown.
    """
    measured = [comparison for comparison in comparisons if comparison is not None]
    if not measured:
        return Verdict.UNKNOWN
    if len(measured) == len(comparisons) and all(comparison.shown for comparison in measured):
        return Verdict.HOLDS
    in_order = sum(comparison.separated and comparison.smallest_p > ALPHA / len(measured) for comparison in measured)
    return Verdict.IN_PART if n_shown_of_several(measured) or 2 * in_order > len(comparisons) else Verdict.NOT


def n_shown_of_several(comparisons: Sequence[Comparison]) -> int:
    """How many comparisons are shown after Holm's correction for their number."""
    ordered = sorted(comparison.p_value for comparison in comparisons)
    for place, p_value in enumerate(ordered):
        if p_value > ALPHA / (len(ordered) - place):
            return place
    return len(ordered)


def both_or_one(*halves: bool) -> Verdict:
    """Holds when every half of a claim does, in part when one does."""
    if all(halves):
        return Verdict.HOLDS
    return Verdict.IN_PART if any(halves) else Verdict.NOT
