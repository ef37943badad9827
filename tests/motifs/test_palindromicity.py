"""Palindromicity against its definition, and p-values that are uniform under the null hypothesis."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import rcviz
from rcviz.motifs.palindromicity import palindromicity, palindromicity_p_value, repetition


def centred(seed, width):
    return rcviz.mean_center(np.random.default_rng(seed).normal(size=(4, width)))[0]


def by_definition(matrix):
    """The largest <W, shifted RC(W)> / <W, W>, the shifts done one by one between walls of zeros."""
    width = matrix.shape[1]
    padded = np.pad(matrix, ((0, 0), (width, width)))
    partner = np.pad(rcviz.reverse_complement(matrix), ((0, 0), (width, width)))
    scores = {s: (padded * np.roll(partner, s, axis=1)).sum() for s in range(-width + 1, width)}
    shift = max(scores, key=scores.get)
    return scores[shift] / (matrix**2).sum(), shift


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_it_is_what_its_definition_says(seed, width):
    matrix = centred(seed, width)
    found = palindromicity(matrix)
    score, shift = by_definition(matrix)
    assert found.score == pytest.approx(score, abs=1e-12)
    assert (found.shift, found.center) == (shift, (width - 1 + shift) / 2)
    assert -1 <= found.score <= 1


@pytest.mark.parametrize("seed", range(3))
def test_of_equal_fits_the_leftmost_centre_is_found(seed):
    half = centred(seed, 6)
    palindrome = half + rcviz.reverse_complement(half)
    apart = np.pad(palindrome, ((0, 0), (0, 30))) + np.pad(-palindrome, ((0, 0), (30, 0)))
    assert palindromicity(np.pad(palindrome, ((0, 0), (3, 0)))).center == 5.5
    assert palindromicity(apart).center == 2.5  # 2.5 and 32.5 fit equally well


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(1e-6, 1e6))
def test_strand_and_scale_do_not_matter(seed, width, factor):
    matrix = centred(seed, width)
    found, other = palindromicity(matrix), palindromicity(factor * rcviz.reverse_complement(matrix))
    assert other.score == pytest.approx(found.score)
    assert other.center == width - 1 - found.center


@pytest.mark.parametrize("sequence", ["CACGTG", "GAATTC", "TGASTCA", "AT"])
@pytest.mark.parametrize("start", [0, 2, 5])
def test_exact_palindromes_alone_score_one(sequence, start):
    # S, C or G alike, is its own complement: a palindrome of odd width.
    column = {
        "A": [3, -1, -1, -1],
        "C": [-1, 3, -1, -1],
        "G": [-1, -1, 3, -1],
        "T": [-1, -1, -1, 3],
        "S": [-1, 1, 1, -1],
    }
    matrix = np.zeros((4, 12))
    matrix[:, start : start + len(sequence)] = np.transpose([column[letter] for letter in sequence])
    found = palindromicity(matrix)
    assert found.score == 1
    assert found.center == start + (len(sequence) - 1) / 2
    matrix[:, start] += [1e-3, -1e-3, 0, 0]
    assert palindromicity(matrix).score < 1


def test_ctcf_is_not_a_palindrome_and_max_is_one():
    assert palindromicity(rcviz.load_motif("CTCF_known1").probabilities - 0.25).score < 0.6
    assert palindromicity(rcviz.load_motif("MA0058.4").probabilities - 0.25).score > 0.99


def test_p_values_are_level_under_the_null():
    # Columns that are drawn alike are exchangeable: p must be uniform. Spread over its steps it is continuous.
    spread = np.random.default_rng(1).random(400)
    p = [palindromicity_p_value(centred(seed, 11), n_permutations=199, seed=seed + 1000) for seed in range(400)]
    assert stats.kstest(np.array(p) - spread / 200, "uniform").pvalue > 0.01


def test_the_p_value_estimates_the_share_of_all_orders():
    matrix = centred(4, 6)
    observed = palindromicity(matrix).score - 1e-12
    exact = np.mean([palindromicity(matrix[:, list(order)]).score >= observed for order in permutations(range(6))])
    estimate = palindromicity_p_value(matrix, n_permutations=20_000)
    assert 0.02 < exact < 0.98
    assert estimate == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))


def test_the_null_keeps_what_columns_hold():
    # Equal columns have one order only.
    assert palindromicity_p_value(np.repeat(centred(0, 1), 9, axis=1)) == 1
    # Of a long palindrome hardly another order is as palindromic; p is still not zero.
    matrix = np.zeros((4, 21))
    matrix[:, 4:16] = rcviz.one_hot(["GGTCACGTGACC"], dtype="float64")[0] - 0.25
    assert palindromicity_p_value(matrix) == 1 / 1000


def test_seeds_repeat_and_zeros_have_no_shape():
    matrix = centred(2, 9)
    assert palindromicity_p_value(matrix, seed=3) == palindromicity_p_value(matrix, seed=3)
    zeros = palindromicity(np.zeros((4, 7)))
    assert np.isnan(zeros.score)
    assert (zeros.shift, zeros.center) == (0, 3)
    assert palindromicity_p_value(np.zeros((4, 7))) == 1


def test_invalid_arguments_are_refused():
    with pytest.raises(ValueError, match=r"expected a matrix \(4, width\), got \(2, 4, 7\)"):
        palindromicity(np.zeros((2, 4, 7)))
    with pytest.raises(ValueError, match="not finite"):
        palindromicity(np.full((4, 3), np.nan))
    with pytest.raises(ValueError, match="n_permutations must be at least 1"):
        palindromicity_p_value(np.ones((4, 3)), n_permutations=0)


def letters(sequence, width=15):
    """A matrix of letters in the middle, at most as strong as 1; N is zero."""
    matrix = rcviz.one_hot(rcviz.encode([sequence]), dtype="float64")[0]
    matrix = (matrix - 0.25) * matrix.sum(axis=0)
    left = (width - len(sequence)) // 2
    return np.pad(matrix, ((0, 0), (left, width - len(sequence) - left)))


@pytest.mark.parametrize("sequence", ["AAAAAAAAAA", "TATATATA", "CGCGCGCGCGCG", "CAGCAGCAGCAG", "GATAGATAGATA"])
def test_a_repeat_of_one_to_four_letters_is_one(sequence):
    assert repetition(letters(sequence)) == pytest.approx(1)


def test_runs_on_both_sides_of_a_palindrome_are_no_repeat():
    """Neighbouring columns are as alike as in a repeat with noise, columns farther apart are not: cosine 1 or -1/3."""
    matrix = letters("GGGGAATTCCCC")
    columns = matrix[:, matrix.any(axis=0)]
    cosines = columns.T @ columns / (columns**2).sum(axis=0)
    assert np.diag(cosines, 1).mean() == pytest.approx((8 - 3 / 3) / 11)
    assert cosines[np.triu_indices(12, 1)].mean() < 0
    assert repetition(matrix) < 0.5
