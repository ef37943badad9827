"""Exact tests and intervals against scipy, brute force over all assignments, and data of known truth."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from paper.inference import (
    Paired,
    paired,
    sign_flip_test,
    stratified_effect,
    stratified_test,
    student_interval,
    subset_interval,
)
from rcviz.metrics import rank_sum_test
from rcviz.sweeps.compare import welch_interval

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("n", [3, 6, 10])
def test_sign_flips_are_those_of_scipy(n):
    differences = RNG.normal(0.4, 1, n)
    expected = stats.permutation_test(
        (differences, np.zeros(n)), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_test(differences) == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("n", [5, 8, 10])
def test_sign_flips_of_signed_ranks_are_the_signed_rank_test(n):
    differences = RNG.normal(0.3, 1, n)
    signed = stats.rankdata(np.abs(differences)) * np.sign(differences)
    assert sign_flip_test(signed) == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)


def test_all_ahead_is_one_choice_of_signs_in_each_direction():
    assert sign_flip_test(np.full(10, 0.01)) == pytest.approx(2 / 1024)
    assert sign_flip_test(np.array([0.1, -0.1])) == 1


@pytest.mark.parametrize("n", [6, 10])
def test_the_interval_holds_the_shifts_that_the_test_does_not_reject(n):
    differences = RNG.normal(0.2, 1, n)
    low, high = subset_interval(differences)
    for inside in np.linspace(low, high, 7)[1:-1]:
        assert sign_flip_test(differences - inside) > 0.05
    for outside in (low - 1e-6, high + 1e-6, low - 1, high + 1):
        assert sign_flip_test(differences - outside) <= 0.05


@pytest.mark.parametrize("draw", [lambda rng, n: rng.normal(3, 1, n), lambda rng, n: 3 + rng.standard_t(1, n)])
def test_intervals_hold_the_centre_as_often_as_they_say(draw):
    """Also where the spread has no variance (Student's t of one degree): 1 - 2 x 25 / 1024 of them."""
    rng = np.random.default_rng(0)
    held = [low <= 3 <= high for low, high in (subset_interval(draw(rng, 10)) for _ in range(2000))]
    assert np.mean(held) == pytest.approx(1 - 50 / 1024, abs=4 * math.sqrt(0.05 * 0.95 / 2000))


def test_too_few_differences_have_no_bounds():
    assert subset_interval(np.arange(5.0)) == (-math.inf, math.inf)
    low, high = subset_interval(np.arange(6.0))
    assert (low, high) == (0, 5)  # of 64 gaps one at each end is left out


def test_pairs_are_by_seed_and_incomplete_ones_are_left_out():
    a = pd.Series([0.9, 0.8, 0.7], index=[2, 0, 1])
    b = pd.Series([0.5, 0.6, np.nan, 0.4], index=[0, 1, 2, 3])
    pair = paired(a, b)
    assert sorted(pair.differences) == pytest.approx([0.1, 0.3])
    assert pair.effect == pytest.approx(0.2)
    assert pair.n_ahead == 2
    assert paired(a, b[b.index == 3]) is None


def test_too_many_and_no_differences_are_refused():
    for n in (0, 17):
        with pytest.raises(ValueError, match="1 to 16"):
            Paired(np.ones(n)).p_value  # noqa: B018


def test_students_interval_is_scipys():
    differences = RNG.normal(0.1, 1, 4)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert student_interval(differences) == pytest.approx((expected.low, expected.high))
    assert np.isnan(student_interval(differences[:1])).all()


def brute_force(strata):
    """Every assignment within every stratum, with van Elteren's weights."""

    def statistic(choices):
        return sum(
            stats.rankdata(np.concatenate(pair))[list(chosen)].sum() / (len(pair[0]) + len(pair[1]) + 1)
            for pair, chosen in zip(strata, choices, strict=True)
        )

    every = itertools.product(*(itertools.combinations(range(len(a) + len(b)), len(a)) for a, b in strata))
    values = np.array([statistic(choices) for choices in every])
    observed = statistic([range(len(a)) for a, _ in strata])
    return min(1, 2 * min((values >= observed - 1e-9).mean(), (values <= observed + 1e-9).mean()))


@pytest.mark.parametrize("sizes", [[(3, 3), (3, 3)], [(2, 3), (4, 2), (2, 2)]])
@pytest.mark.parametrize("decimals", [12, 0])
def test_the_stratified_test_is_that_of_all_assignments(sizes, decimals):
    """Rounded values are tied; sizes that differ have other weights."""
    strata = [
        (np.round(RNG.normal(1, 1.5, n_a), decimals), np.round(RNG.normal(0, 1.5, n_b), decimals)) for n_a, n_b in sizes
    ]
    assert stratified_test(strata) == pytest.approx(brute_force(strata))


def test_one_stratum_is_the_rank_sum_test_and_welchs_interval():
    a, b = RNG.normal(1, 1, 7), RNG.normal(0, 2, 9)
    assert stratified_test([(a, b)]) == pytest.approx(rank_sum_test(a, b, alternative="two-sided"))
    effect, interval = stratified_effect([(a, b)])
    assert effect == pytest.approx(a.mean() - b.mean())
    assert interval == pytest.approx(welch_interval(a, b))


def test_levels_of_strata_do_not_hide_a_difference_within_them():
    """Pooled, these arms overlap; within each stratum every value of one is above the other's."""
    strata = [(level + np.array([3.0, 4.0, 5.0]), level + np.array([0.0, 1.0, 2.0])) for level in (0, 10, 20)]
    pooled = rank_sum_test(*(np.concatenate([pair[arm] for pair in strata]) for arm in (0, 1)), alternative="two-sided")
    assert stratified_test(strata) == pytest.approx(2 / 20**3)
    assert pooled > 0.1
    effect, (low, high) = stratified_effect(strata)
    assert effect == 3
    assert 3 - low == pytest.approx(high - 3)
    # Six means of three values each, variance 1, halved and so on: a t of 12 degrees of freedom.
    assert high - 3 == pytest.approx(stats.t.ppf(0.975, 12) * math.sqrt(6 / 3 / 9))


def test_stratified_intervals_hold_the_difference_as_often_as_they_say():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(2000):
        strata = [(rng.normal(level + 1, 1, 5), rng.normal(level, 3, 5)) for level in (0, 4, 8)]
        _, (low, high) = stratified_effect(strata)
        held += low <= 1 <= high
    assert held / 2000 == pytest.approx(0.95, abs=0.015)


def test_single_values_have_an_effect_and_no_interval():
    effect, interval = stratified_effect([(np.array([1.0]), np.array([0.5, 0.7]))])
    assert effect == pytest.approx(0.4)
    assert np.isnan(interval).all()
