"""Effects with intervals and exact tests: paired by seed, and stratified over data sets, sizes or widths.

Paired
    Where arms of a seed share their data, differences are taken seed by seed. The test flips their signs in all 2^n
    ways (exact; two-sided). The interval holds the shifts that it does not reject: its ends are order statistics of the
    means of all subsets of the differences (Hartigan, 1969). Both assume that differences spread evenly around their
    centre, and nothing else. Of fewer than six differences it has no bounds; there Student's
    interval is given.
Stratified
    Where the same two arms are compared on several data sets, ranks are taken within each and their sums weighted as
    van Elteren did (1960). The distribution over all assignments of scores to arms within strata is exact. The effect
    is the mean over strata of the difference of means, with a Welch-Satterthwaite interval.
"""

import functools
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import rankdata
from scipy.stats import t as student

from rcviz.sweeps.compare import LEVEL

MOST = 16
"""Most differences of which all signs and subsets are taken."""

Interval = tuple[float, float]
Strata = Sequence[tuple[Float[np.ndarray, " seeds"], Float[np.ndarray, " others"]]]
"""Values of two arms in each stratum."""


@dataclass(frozen=True, eq=False)
class Paired:
    """Difference of two arms that share data seed by seed, `a` minus `b`."""

    differences: Float[np.ndarray, " seeds"]

    @property
    def effect(self) -> float:
        """Mean difference."""
        return float(self.differences.mean())

    @property
    def interval(self) -> Interval:
        """95% interval of the centre of the differences, see :func:`subset_interval`."""
        return subset_interval(self.differences)

    @property
    def p_value(self) -> float:
        """Exact two-sided sign-flip test."""
        return sign_flip_test(self.differences)

    @property
    def n_ahead(self) -> int:
        """Seeds in which `a` is above `b`."""
        return int((self.differences > 0).sum())


def paired(a: pd.Series, b: pd.Series) -> Paired | None:
    """Subtract values of the same index, those in both; None if there are none."""
    differences = (a - b).dropna().to_numpy(float)
    return Paired(differences) if len(differences) else None


def sign_flip_test(differences: Float[np.ndarray, " n"]) -> float:
    """Return the share of all 2^n choices of signs with a mean at least as far from zero; at least 2 / 2^n."""
    _check_number(differences)
    means = np.abs((2 * _subsets(len(differences)) - 1) @ differences)
    observed = abs(differences.sum())
    return float(np.mean(means >= observed - 1e-9 * np.abs(differences).sum()))  # equal up to rounding


def subset_interval(differences: Float[np.ndarray, " n"], *, level: float = LEVEL) -> Interval:
    """Return the interval of shifts that :func:`sign_flip_test` does not reject at 1 - level.

    The centre lies with equal probability in each of the 2^n gaps between the means of all subsets. Unbounded where
    so few differences cannot give an interval of this level: fewer than six for 95%.
    """
    _check_number(differences)
    chosen = _subsets(len(differences))[1:]
    means = np.sort(chosen @ differences / chosen.sum(axis=1))
    n_out = math.floor((1 - level) / 2 * 2 ** len(differences) + 1e-9)
    return (float(means[n_out - 1]), float(means[-n_out])) if n_out else (-math.inf, math.inf)


def student_interval(differences: Float[np.ndarray, " n"]) -> Interval:
    """Return Student's interval of the mean, which so few as two differences have; it takes them to be normal."""
    if len(differences) < 2:
        return math.nan, math.nan
    half = student.ppf((1 + LEVEL) / 2, len(differences) - 1) * differences.std(ddof=1) / math.sqrt(len(differences))
    return float(differences.mean() - half), float(differences.mean() + half)


def stratified_test(strata: Strata) -> float:
    """Exact two-sided van Elteren test that the first arm's values are those of the second, in every stratum.

    Twice the smaller share of assignments whose weighted sum of rank sums is at least as large, or as small; at most 1.
    With one stratum it is the rank-sum test. Tied values have their mean rank.
    """
    common = math.lcm(*(len(a) + len(b) + 1 for a, b in strata))
    observed, assigned = 0, []
    for a, b in strata:
        doubled = [round(2 * rank) for rank in rankdata(np.concatenate([a, b]))]
        weight = common // (len(doubled) + 1)
        observed += weight * sum(doubled[: len(a)])
        assigned.append((tuple(sorted(doubled)), len(a), weight))
    ways = _weighted_sums(tuple(assigned))
    total = sum(ways.values())
    greater = sum(n for value, n in ways.items() if value >= observed) / total
    less = sum(n for value, n in ways.items() if value <= observed) / total
    return min(1.0, 2 * min(greater, less))


def stratified_effect(strata: Strata) -> tuple[float, Interval]:
    """Return the mean over strata of the difference of means, and its Welch-Satterthwaite interval.

    The interval is NaN where an arm has fewer than two values in a stratum.
    """
    effect = float(np.mean([a.mean() - b.mean() for a, b in strata]))
    arms = [arm for pair in strata for arm in pair]
    if min(map(len, arms)) < 2:
        return effect, (math.nan, math.nan)
    variances = np.array([arm.var(ddof=1) / len(arm) for arm in arms]) / len(strata) ** 2
    if not variances.sum():
        return effect, (effect, effect)
    degrees = variances.sum() ** 2 / (variances**2 / [len(arm) - 1 for arm in arms]).sum()
    half = student.ppf((1 + LEVEL) / 2, degrees) * math.sqrt(variances.sum())
    return effect, (effect - float(half), effect + float(half))


@functools.lru_cache(maxsize=4)
def _subsets(n: int) -> np.ndarray:
    """Return all subsets of n things as rows of 0 and 1, the empty one first."""
    return np.array(list(itertools.product((0, 1), repeat=n)))


@functools.lru_cache(maxsize=64)  # without ties it depends on the numbers of values alone
def _weighted_sums(strata: tuple[tuple[tuple[int, ...], int, int], ...]) -> Counter[int]:
    """Count the assignments by weighted sum of rank sums; strata are ranks, how many to choose, and weight."""
    ways = Counter({0: 1})
    for doubled, n_chosen, weight in strata:
        added: Counter[int] = Counter()
        own = _rank_sums(doubled, n_chosen)
        for (one, n_one), (other, n_other) in itertools.product(ways.items(), own.items()):
            added[one + weight * other] += n_one * n_other
        ways = added
    return ways


def _rank_sums(doubled: Sequence[int], n_chosen: int) -> Counter[int]:
    """Count the ways to choose so many of the ranks, by their sum."""
    ways: list[Counter[int]] = [Counter({0: 1}), *(Counter[int]() for _ in range(n_chosen))]
    for rank in doubled:
        for n in range(n_chosen, 0, -1):
            for value, count in ways[n - 1].items():
                ways[n][value + rank] += count
    return ways[n_chosen]


def _check_number(differences: Float[np.ndarray, " n"]) -> None:
    if not 1 <= len(differences) <= MOST:
        raise ValueError(f"expected 1 to {MOST} differences, whose signs can all be taken, got {len(differences)}")
