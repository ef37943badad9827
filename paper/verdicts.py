"""From seeds to a verdict: comparisons of two arms, and the rules that make one verdict of several comparisons.

The thresholds were fixed before there were results, and docs/paper.md states them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pandas as pd

from rcviz.metrics import rank_sum_test
from rcviz.plots.comparisons import metric_words
from rcviz.sweeps import compare as sweeps
from rcviz.sweeps.compare import ALPHA

PAPER_SEEDS = 10

METRICS = ("valid_auroc", "valid_auprc")
"""What the paper compares: of the best epoch, on the data that chose it."""
TEST_METRICS = ("test_auroc", "test_auprc")


class Verdict(StrEnum):
    """The result for a claim."""

    HOLDS = "holds"
    IN_PART = "holds in part"
    NOT = "does not hold here"
    UNKNOWN = "not measured here"


@dataclass(frozen=True, eq=False)
class Comparison(sweeps.Comparison):
    """Comparison of two arms over their seeds, with a one-sided test (section 3.8); `metric` is a description.

    Attributes
    ----------
    where : str
        The data set or size; empty where a figure has only one.
    on_test : Comparison, optional
        The same comparison of scores on the test set, where the first is of validation.
    """

    where: str = ""
    on_test: "Comparison | None" = None

    @property
    def p_value(self) -> float:
        """Exact one-sided rank-sum test, however few seeds there are."""
        return rank_sum_test(self.values_a, self.values_b)

    @property
    def separated(self) -> bool:
        """Whether every seed of `a` lies above every seed of `b`."""
        return float(self.values_a.min()) > float(self.values_b.max())

    @property
    def shown(self) -> bool:
        """Whether the test shows `a` above `b`."""
        return self.p_value <= ALPHA


def compare_metrics(
    runs: pd.DataFrame, higher: str, lower: str, metric: str, *, where: str = "", what: str = ""
) -> Comparison | None:
    """Compare two arms of a table of trained networks in one of its columns; None where either has no seed.

    A validation metric brings the same comparison of the test metric with it.
    """
    pair = compare_seeds(
        by_seed(runs, higher, metric), by_seed(runs, lower, metric), higher, lower, what or metric_words(metric), where
    )
    beside = metric.replace("valid_", "test_")
    if pair is None or beside == metric or beside not in runs:
        return pair
    return replace(pair, on_test=compare_metrics(runs, higher, lower, beside, where=where))


def compare_seeds(a: pd.Series, b: pd.Series, higher: str, lower: str, what: str, where: str = "") -> Comparison | None:
    """Compare values by seed, unknown ones left out; None where either side has none."""
    left, right = (np.asarray(side.dropna(), dtype=float) for side in (a, b))
    return Comparison(higher, lower, what, left, right, where) if len(left) and len(right) else None


def by_arm(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of every arm, indexed by seed."""
    return {str(arm): own.set_index("seed").sort_index() for arm, own in runs.groupby("arm")}


def by_seed(runs: pd.DataFrame, arm: str, metric: str) -> pd.Series:
    """Return an arm's values, indexed by seed."""
    chosen = (runs["arm"] == arm).to_numpy()
    seeds = pd.Index(runs["seed"].to_numpy()[chosen], name="seed")
    return pd.Series(runs[metric].to_numpy()[chosen], seeds, name=metric).sort_index()


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
    """Count the comparisons that are shown after Holm's correction for their number."""
    ordered = sorted(comparison.p_value for comparison in comparisons)
    for place, p_value in enumerate(ordered):
        if p_value > ALPHA / (len(ordered) - place):
            return place
    return len(ordered)


def both_or_one(*halves: bool) -> Verdict:
    """Return "holds" when every half of a claim does, and "in part" when one does."""
    if all(halves):
        return Verdict.HOLDS
    return Verdict.IN_PART if any(halves) else Verdict.NOT
