"""Metrics against their definitions, and the rank-sum test against a count of every possible outcome."""

import itertools
import tracemalloc
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, rankdata
from sklearn.metrics import average_precision_score, roc_auc_score

from rcviz.metrics import auprc, auroc, rank_sum_test, score_tasks

ALTERNATIVES = ["greater", "less", "two-sided"]
labelled_scores = st.lists(st.tuples(st.sampled_from([0, 1, np.nan]), st.integers(-3, 3)), min_size=1, max_size=12)
samples = st.lists(st.integers(0, 6), min_size=1, max_size=6)


# ---------------------------------------------------------------- areas under curves


@given(labelled_scores)
def test_auroc_is_the_share_of_pairs_in_order(pairs):
    labels, scores = np.array(pairs, dtype=float).T
    wins = [
        (positive > negative) + 0.5 * (positive == negative)
        for positive in scores[labels == 1]
        for negative in scores[labels == 0]
    ]
    expected = np.mean(wins) if wins else np.nan
    np.testing.assert_allclose(auroc(labels, scores), expected)


@given(labelled_scores)
def test_auprc_is_the_mean_precision_over_recall_gained(pairs):
    labels, scores = np.array(pairs, dtype=float).T
    labels, scores = labels[~np.isnan(labels)], scores[~np.isnan(labels)]
    if len(set(labels)) < 2:
        assert np.isnan(auprc(labels, scores))
        return
    area, found = 0.0, 0
    for threshold in sorted(set(scores), reverse=True):
        above = scores >= threshold
        gained = labels[above].sum() - found
        found += gained
        area += gained / labels.sum() * labels[above].mean()
    assert auprc(labels, scores) == pytest.approx(area)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("steps", [5, 1000, None])
def test_areas_of_many_scores_are_scikit_learns(dtype, steps):
    """With and without ties; in blocks, as 300,000 scores are."""
    rng = np.random.default_rng(0)
    labels = (rng.random(300_000) < 0.4).astype(np.float32)
    scores = rng.normal(size=300_000) + labels
    scores = (scores if steps is None else np.rint(scores * steps) / steps).astype(dtype)
    labels[::7] = np.nan
    known = ~np.isnan(labels)
    reference = labels[known], scores[known].astype(np.float64)
    assert auroc(labels, scores) == pytest.approx(roc_auc_score(*reference), abs=1e-12)
    assert auprc(labels, scores) == pytest.approx(average_precision_score(*reference), abs=1e-12)
    (row,) = score_tasks(labels[:, None], scores[:, None], ["one"]).to_dict("records")
    assert (row["auroc"], row["auprc"]) == (auroc(labels, scores), auprc(labels, scores))


@pytest.mark.parametrize("scores", [[np.nan, 0.1, 0.2], [0.1, -0.0, 0.0]])
def test_the_callers_scores_stay_in_their_order(scores):
    labels, scores = np.array([np.nan, 1, 0]), np.array(scores)
    before = scores.copy()
    auroc(labels, scores)
    np.testing.assert_array_equal(scores, before)
    assert auroc(labels[1:], scores[1:]) == 0.5 * (scores[1] == scores[2])


def test_metrics_of_large_sets_hold_few_bytes_for_each_score():
    """Beside labels and scores one sorted copy of the scores, and three masks for a moment: scikit-learn's held 91."""
    n = 1_000_000
    labels = np.arange(n, dtype=np.float32)[:, None] % 2
    scores = np.random.default_rng(0).normal(size=(n, 1)).astype(np.float32)
    score_tasks(labels, scores, ["one"])
    tracemalloc.start()
    try:
        score_tasks(labels, scores, ["one"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * n


def test_tasks_are_scored_each_on_its_known_labels():
    labels = np.array([[1, 0], [0, 0], [1, np.nan], [0, 0]])
    scores = np.array([[0.9, 0.1], [0.2, 0.2], [0.8, 0.3], [0.1, 0.4]])
    first, second = score_tasks(labels, scores, ["CTCF", "MAX"]).to_dict("records")
    assert first == {"task": "CTCF", "n_positive": 2, "n_negative": 2, "auroc": 1.0, "auprc": 1.0}
    assert (second["n_positive"], second["n_negative"]) == (0, 3)
    assert np.isnan(second["auroc"])
    assert np.isnan(second["auprc"])


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([1, 0], [0.5], r"got \(2,\) and \(1,\)"),
        ([[1], [0]], [[0.5], [0.1]], "one shape"),
        ([1, 2], [0.5, 0.1], "labels must be 0, 1 or NaN .unknown., got 2"),
        ([1, 0], [0.5, np.nan], "scores must be finite, 1 of 2"),
    ],
)
@pytest.mark.parametrize("metric", [auroc, auprc])
def test_scores_that_cannot_be_judged_are_refused(metric, labels, scores, message):
    with pytest.raises(ValueError, match=message):
        metric(labels, scores)


def test_unknown_labels_excuse_their_scores():
    assert auroc([1, 0, np.nan], [2, 1, np.nan]) == 1


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"]])
def test_a_table_needs_a_name_for_each_task(names):
    with pytest.raises(ValueError, match="a column for each task name"):
        score_tasks(np.ones((3, 2)), np.ones((3, 2)), names)


# ---------------------------------------------------------------- the rank-sum test


def count_every_outcome(a, b, alternative):
    """Deal the pooled values out in every possible way and count rank sums at least as extreme."""
    ranks = rankdata([*a, *b])
    observed = ranks[: len(a)].sum()
    sums = np.array([ranks[list(chosen)].sum() for chosen in itertools.combinations(range(len(ranks)), len(a))])
    greater, less = np.mean(sums >= observed), np.mean(sums <= observed)
    return min(1, {"greater": greater, "less": less, "two-sided": 2 * min(greater, less)}[alternative])


@settings(deadline=None)
@given(samples, samples, st.sampled_from(ALTERNATIVES))
def test_p_values_with_and_without_ties_count_every_outcome(a, b, alternative):
    assert rank_sum_test(a, b, alternative=alternative) == pytest.approx(count_every_outcome(a, b, alternative))


@settings(deadline=None)
@given(st.permutations(range(22)), st.integers(1, 21), st.sampled_from(ALTERNATIVES))
def test_p_values_without_ties_agree_with_scipy(values, n, alternative):
    a, b = values[:n], values[n:]
    expected = mannwhitneyu(a, b, alternative=alternative, method="exact").pvalue
    assert rank_sum_test(a, b, alternative=alternative) == pytest.approx(expected, rel=1e-12)


def test_ten_seeds_that_all_beat_ten_give_the_paper_s_p_value():
    p = rank_sum_test(np.arange(10) + 10, np.arange(10))
    assert p == 1 / comb(20, 10)
    assert f"{p:.3e}" == "5.413e-06"
    assert rank_sum_test(np.arange(10), np.arange(10) + 10) == 1


def test_ties_throughout_prove_nothing():
    assert rank_sum_test([0.9] * 10, [0.9] * 10) == 1


@settings(deadline=None)
@given(samples, samples)
def test_the_two_samples_change_places(a, b):
    assert rank_sum_test(a, b, alternative="greater") == pytest.approx(rank_sum_test(b, a, alternative="less"))


@pytest.mark.parametrize(
    ("a", "b", "changes", "message"),
    [
        ([], [1], {}, "a must be a list of one or more numbers"),
        ([1], [np.nan], {}, "b must be"),
        ([[1]], [1], {}, "a must be"),
        ([1], [2], {"alternative": "bigger"}, "alternative must be one of greater, less, two-sided, got 'bigger'"),
        (np.arange(2000), np.arange(2000), {}, "4000 values are too many"),
    ],
)
def test_samples_that_cannot_be_compared_are_refused(a, b, changes, message):
    with pytest.raises(ValueError, match=message):
        rank_sum_test(a, b, **changes)
