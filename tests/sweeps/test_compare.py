"""An exact test, an interval that covers, and the sentence that follows from both."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

import rcviz
from rcviz.sweeps.compare import sentence, welch_interval


def comparison(a, b, name="other", metric="auroc"):
    return rcviz.Comparison(
        a="mine", b=name, metric=metric, values_a=np.array(a, dtype=float), values_b=np.array(b, dtype=float)
    )


def enumerated(a, b):
    """Share of all ways to deal the values out that give `a` a rank sum as large."""
    ranks = stats.rankdata([*a, *b])
    observed = ranks[: len(a)].sum()
    sums = [sum(chosen) for chosen in itertools.combinations(ranks, len(a))]
    return sum(total >= observed - 1e-9 for total in sums) / len(sums)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 5), (6, 4)])
def test_p_is_that_of_enumeration_and_of_scipy(n, m):
    rng = np.random.default_rng(n * m)
    a, b = rng.normal(0.3, 1, n), rng.normal(0, 1, m)
    p_value = comparison(a, b).p_value
    assert p_value == pytest.approx(enumerated(a, b), abs=1e-12)
    assert p_value == pytest.approx(stats.mannwhitneyu(a, b, alternative="greater", method="exact").pvalue, abs=1e-12)
    tied = np.round(a), np.round(b)
    assert comparison(*tied).p_value == pytest.approx(enumerated(*tied), abs=1e-12)


def test_ten_against_ten_reach_the_papers_p():
    one = comparison(np.arange(10, 20), np.arange(10))
    assert one.p_value == one.smallest_p == pytest.approx(1 / math.comb(20, 10))


def test_the_interval_is_welchs_formula():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.9, 0.01, 5), rng.normal(0.88, 0.03, 7)
    one, other = a.var(ddof=1) / 5, b.var(ddof=1) / 7
    freedom = (one + other) ** 2 / (one**2 / 4 + other**2 / 6)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(one + other)
    low, high = comparison(a, b).interval
    assert (low, high) == pytest.approx((a.mean() - b.mean() - half, a.mean() - b.mean() + half))
    assert comparison(a, b).effect == pytest.approx(a.mean() - b.mean())


def test_the_interval_covers_the_true_difference_in_95_of_100():
    rng = np.random.default_rng(1)
    n_covered = 0
    for _ in range(1000):
        low, high = welch_interval(rng.normal(1, 1, 5), rng.normal(0, 3, 5))
        n_covered += low <= 1 <= high
    assert 0.93 <= n_covered / 1000 <= 0.97


def test_seeds_that_do_not_vary_have_an_interval_without_width():
    assert comparison([1, 1, 1], [0.5, 0.5, 0.5]).interval == (0.5, 0.5)


@pytest.mark.parametrize(("a", "b"), [([0.9], [0.8, 0.7]), ([0.9, 0.8], [0.7]), ([], [0.7, 0.6])])
def test_too_few_seeds_have_a_reason_in_place_of_a_p(a, b):
    one = comparison(a, b)
    assert math.isnan(one.p_value)
    assert all(map(math.isnan, one.interval))
    assert "seed" in one.reason
    assert one.verdict() == "too few seeds to tell"


@pytest.mark.parametrize(
    ("a", "b", "n_rivals", "verdict"),
    [
        ([4, 5, 6], [1, 2, 3], 1, "ahead"),
        ([4, 5, 6], [1, 2, 3], 5, "ahead"),  # above the best of five is above all five
        ([1, 2, 3], [4, 5, 6], 1, "behind"),
        ([1, 2, 3], [4, 5, 6], 5, "too few seeds to tell"),  # the best of five by luck
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 5, "behind"),
        ([1, 3, 5], [2, 4, 6], 1, "level"),
        ([4, 5], [1, 2], 1, "too few seeds to tell"),
    ],
)
def test_the_verdict(a, b, n_rivals, verdict):
    assert comparison(a, b).verdict(n_rivals=n_rivals) == verdict


def test_the_sentence_is_about_the_best_rival():
    weak, strong = (
        comparison([0.9, 0.91, 0.92], [0.1, 0.2, 0.3], "weak"),
        comparison([0.9, 0.91, 0.92], [0.87, 0.88, 0.89], "strong"),
    )
    text = sentence([weak, strong])
    assert "'strong'" in text
    assert "'weak'" not in text
    assert "ahead" in text
    assert f"{strong.effect:+.4f}" in text
    assert f"{strong.interval[0]:+.4f} to {strong.interval[1]:+.4f}" in text
    assert "p = 0.05" in text
    assert "too few seeds" in sentence([comparison([0.9], [0.8])])
    assert "nothing to compare" in sentence([comparison([], [])])


@pytest.mark.parametrize("metric", ["mse", "loss"])
def test_of_errors_the_lower_arm_is_ahead(metric):
    a, b = [0.11, 0.12, 0.13, 0.19], [0.18, 0.2, 0.21, 0.22]
    one = comparison(a, b, metric=metric)
    assert one.p_value == pytest.approx(stats.mannwhitneyu(a, b, alternative="less", method="exact").pvalue)
    assert one.p_value_behind == pytest.approx(stats.mannwhitneyu(b, a, alternative="less", method="exact").pvalue)
    assert one.effect == pytest.approx(np.mean(a) - np.mean(b))
    assert one.verdict() == "ahead"
    assert comparison(b, a, metric=metric).verdict() == "behind"
    weak = comparison(a, [0.5, 0.6, 0.7, 0.8], "weak", metric=metric)
    text = sentence([weak, one])
    assert "'other'" in text
    assert "'weak'" not in text
    assert "is ahead" in text
    assert "lower is better" in text
    assert "lower is better" not in sentence([comparison(a, b, metric="pearson")])
