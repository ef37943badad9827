"""Sites beyond chance, against mixtures whose share is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from rcviz.analysis.chance import FEWEST_SHUFFLED, MOST_SHUFFLED, excess_over_chance, shuffled_sequences


@settings(max_examples=50)
@given(*[st.lists(st.sampled_from([0.0, 1.0, 0.25, -2.0]), min_size=10, max_size=60)] * 2)
def test_certainty_is_that_of_an_isotonic_regression(activations, chance):
    n, m = len(activations), len(chance)
    order = np.argsort([-value for value in activations + chance], kind="stable")
    share = np.empty(n + m)
    share[order] = IsotonicRegression(increasing=False).fit_transform(np.arange(n + m), order < n)
    share = np.minimum(share[:n], 1 - 0.5 / m)
    expected = np.clip([1 - (1 - one) / one * n / m if one else 0 for one in share], 0, 1)
    found = excess_over_chance(np.array(activations), np.array(chance)).certainty
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_the_number_of_sites_beyond_chance_is_that_of_the_mixture(share):
    rng = np.random.default_rng(0)
    n = round(2000 * share)
    activations = np.concatenate([rng.normal(8, 1, n), rng.normal(0, 1, 2000 - n)])
    excess = excess_over_chance(activations, rng.normal(0, 1, 4000))
    assert excess.n_sites == pytest.approx(n, rel=0.1)
    assert excess.certainty[:n].mean() > 0.98
    assert excess.certainty[n:].sum() < 0.05 * 2000
    assert excess.is_evident


def test_chance_alone_is_no_evidence():
    rng = np.random.default_rng(0)
    found = [excess_over_chance(rng.normal(size=1000), rng.normal(size=2000)) for _ in range(200)]
    assert np.mean([excess.is_evident for excess in found]) < 0.05
    assert np.mean([excess.n_sites for excess in found]) < 50


def test_certainty_rises_with_the_activation():
    rng = np.random.default_rng(0)
    activations = np.concatenate([rng.normal(3, 1, 200), rng.normal(0, 1, 800)])
    excess = excess_over_chance(activations, rng.normal(0, 1, 3000))
    assert (np.diff(excess.certainty[np.argsort(activations)]) >= -1e-12).all()


@pytest.mark.parametrize("n", [30, 2500, 7000])
def test_enough_sequences_are_shuffled_each_about_equally_often(n):
    codes = np.random.default_rng(0).integers(0, 4, (n, 12), dtype=np.uint8)
    shuffled = shuffled_sequences(codes, seed=0)
    assert FEWEST_SHUFFLED <= len(shuffled) <= MOST_SHUFFLED
    np.testing.assert_allclose(
        np.bincount(shuffled.ravel()) / shuffled.size, np.bincount(codes.ravel()) / codes.size, atol=0.02
    )
