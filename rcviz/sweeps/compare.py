"""Two arms over their seeds: an exact test, a difference with its interval, and one sentence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import comb
from typing import Literal

import numpy as np
from jaxtyping import Float

from rcviz.metrics import LOWER_IS_BETTER, METRIC_NAMES, rank_sum_test

ALPHA = 0.05
"""Significance level: largest p-value at which a difference is reported."""
LEVEL = 0.95
"""Coverage of the confidence intervals."""

Verdict = Literal["ahead", "level", "behind", "too few seeds to tell"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Comparison of two arms over their seeds, with a one-sided rank-sum test (section 3.8 of the 2017 paper).

    The test asks whether `a` is better: above `b`, or, where the metric is an error such as "mse", below it.

    Attributes
    ----------
    a, b : str
        Names of the arms, the one expected to be better first.
    metric : str
    values_a, values_b : ndarray
        One value per seed, without failed runs.

    Examples
    --------
    >>> import numpy as np
    >>> import rcviz
    >>> seeds = {"values_a": np.array([0.93, 0.92, 0.94]), "values_b": np.array([0.90, 0.91, 0.89])}
    >>> comparison = rcviz.Comparison(a="shared", b="standard", metric="auroc", **seeds)
    >>> round(comparison.p_value, 3), round(comparison.effect, 3), comparison.verdict()
    (0.05, 0.03, 'ahead')
    """

    a: str
    b: str
    metric: str
    values_a: Float[np.ndarray, " seeds"] = field(repr=False)
    values_b: Float[np.ndarray, " others"] = field(repr=False)

    @property
    def p_value(self) -> float:
        """Exact one-sided rank-sum test, `a` above `b`, or below it where :attr:`lower_is_better`.

        NaN where an arm has fewer than two seeds, see `reason`.
        """
        return math.nan if self.reason else rank_sum_test(self._merits(self.values_a), self._merits(self.values_b))

    @property
    def p_value_behind(self) -> float:
        """The same test for the other direction, `b` better than `a`."""
        return math.nan if self.reason else rank_sum_test(self._merits(self.values_b), self._merits(self.values_a))

    @property
    def lower_is_better(self) -> bool:
        """Whether the metric is an error, such as "mse", so that the better arm is the one below."""
        return self.metric in LOWER_IS_BETTER

    @property
    def smallest_p(self) -> float:
        """The smallest p-value that this number of seeds can reach: every one of `a` better than every one of `b`."""
        return 1 / comb(len(self.values_a) + len(self.values_b), len(self.values_a))

    @property
    def effect(self) -> float:
        """Mean of `a` minus mean of `b`; NaN where either has no seed."""
        if not len(self.values_a) or not len(self.values_b):
            return math.nan
        return float(self.values_a.mean() - self.values_b.mean())

    @cached_property
    def interval(self) -> tuple[float, float]:
        """95% confidence interval of :attr:`effect`, see :func:`welch_interval`; NaN with fewer than two seeds."""
        return (math.nan, math.nan) if self.reason else welch_interval(self.values_a, self.values_b)

    @property
    def reason(self) -> str:
        """Reason for a missing p-value and interval; empty if they exist."""
        few = [
            f"{arm!r} has {len(values)} seed{'' if len(values) == 1 else 's'}"
            for arm, values in ((self.a, self.values_a), (self.b, self.values_b))
            if len(values) < 2
        ]
        return f"{' and '.join(few)}; a test and an interval need at least 2 of each arm" if few else ""

    def verdict(self, *, n_rivals: int = 1) -> Verdict:
        """Return "ahead", "level", "behind" or "too few seeds to tell", at p <= 0.05.

        Parameters
        ----------
        n_rivals : int
            Number of arms of which `b` is the best. "ahead" needs no correction: an arm ahead of the best is ahead of
            all.
            "behind" does, because the best of many arms may be the best by chance: its p-value is multiplied by their
            number (Bonferroni).
        """
        if not self.reason and self.p_value <= ALPHA:
            return "ahead"
        if not self.reason and self.p_value_behind * n_rivals <= ALPHA:
            return "behind"
        return "too few seeds to tell" if self.reason or self.smallest_p * n_rivals > ALPHA else "level"

    def summary(self) -> str:
        """Describe the comparison in one sentence."""
        return sentence([self])

    def _merits(self, values: Float[np.ndarray, " seeds"]) -> Float[np.ndarray, " seeds"]:
        """Values as numbers that are larger for a better seed."""
        return -values if self.lower_is_better else values


def welch_interval(
    a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"], *, level: float = LEVEL
) -> tuple[float, float]:
    """Return Welch's confidence interval for the difference of two means, that of ``a`` minus that of ``b``.

    Student's t with the degrees of freedom of Welch and Satterthwaite: variances may differ between the samples, and
    coverage is near the nominal level with as few as five values each where these are not far from normal. A bootstrap
    of so few values would be too narrow. Where neither sample varies, the interval is the difference itself.
    """
    from scipy.stats import ttest_ind

    if np.ptp(a) == 0 and np.ptp(b) == 0:
        difference = float(a.mean() - b.mean())
        return difference, difference
    low, high = ttest_ind(a, b, equal_var=False).confidence_interval(level)
    return float(low), float(high)


def sentence(comparisons: Sequence[Comparison]) -> str:
    """Describe whether an arm is ahead of the best of its rivals, level or behind; all comparisons share that arm."""
    able = [comparison for comparison in comparisons if not math.isnan(comparison.effect)]
    if not able:
        arms = ", ".join(dict.fromkeys(name for one in comparisons for name in (one.a, one.b)))
        return f"There is nothing to compare: no seed is finished, or there is no other arm ({arms})."
    # The effects are those of one arm against each rival: the best rival leaves it the least lead.
    best = min(able, key=lambda comparison: -comparison.effect if comparison.lower_is_better else comparison.effect)
    n_rivals, metric = len(able), METRIC_NAMES.get(best.metric, best.metric).removeprefix("mean ")
    lower = ", lower is better" if best.lower_is_better else ""
    of = f"the best of {n_rivals} other arms, {best.b!r}" if n_rivals > 1 else repr(best.b)
    means = (
        f"mean {metric} {best.values_a.mean():.4f} against {best.values_b.mean():.4f}{lower}, "
        f"difference {best.effect:+.4f}"
    )
    numbers = f"{len(best.values_a)} and {len(best.values_b)} seeds"
    verdict = best.verdict(n_rivals=n_rivals)
    claim = {
        "ahead": f"{best.a!r} is ahead of {of}:",
        "behind": f"{best.a!r} is behind {of}:",
        "level": f"{best.a!r} is level with {of}, the seeds show no difference:",
    }.get(verdict, f"{best.a!r} against {of}: too few seeds to tell;")
    if best.reason:
        return f"{claim} {means} ({best.reason})."
    (low, high), p_value, corrected = best.interval, best.p_value, ""
    if verdict == "behind":
        p_value, corrected = best.p_value_behind, f", times {n_rivals}" if n_rivals > 1 else ""
    return (
        f"{claim} {means} ({LEVEL:.0%} interval {low:+.4f} to {high:+.4f}; "
        f"exact one-sided rank-sum p = {p_value:.2g}{corrected}; {numbers})."
    )
