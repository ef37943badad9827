"""Similarity of filters against loops in float64, and against banks whose likeness is known."""

import sys
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import rcviz
from rcviz.analysis.filters import FilterBank, mean_center

ROOT = Path(__file__).parents[2]


def bank(weights):
    return FilterBank(weights=weights, bias=np.zeros(len(weights)), layer="conv", tied=False)


def by_loops(one, other):
    """Largest cosine over shifts and strands, its shift and strand, column by column."""
    best = (-np.inf, 0, False)
    for reverse in (False, True):
        read = other[::-1, ::-1] if reverse else other
        for shift in range(1 - read.shape[1], one.shape[1]):
            product = sum(one[:, i] @ read[:, i - shift] for i in range(one.shape[1]) if 0 <= i - shift < read.shape[1])
            if product > best[0]:
                best = (product, shift, reverse)
    return (best[0] / np.linalg.norm(one) / np.linalg.norm(other), *best[1:])


def test_loops_find_the_same():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(3, 4, 7)), rng.normal(size=(5, 4, 4))
    found = rcviz.filter_similarity(bank(first), bank(second))
    for f, one in enumerate(first):
        for g, other in enumerate(second):
            score, shift, reverse = by_loops(one, other)
            assert abs(found.similarity[f, g] - score) < 1e-12
            assert (found.shift[f, g], found.reverse[f, g]) == (shift, reverse)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_of_ties_the_stored_strand_and_the_least_shift_are_taken(dtype):
    """Palindromes are as similar on both strands, and repeats at several shifts; sums may round to anything."""
    rng = np.random.default_rng(4)
    for width in (6, 11, 15):
        filters = rng.normal(size=(8, 4, width))
        palindromes = mean_center((filters + filters[:, ::-1, ::-1]).astype(dtype))[0]
        found = rcviz.filter_similarity(bank(palindromes), bank(palindromes))
        assert not found.reverse.any()
        assert (found.shift.diagonal() == 0).all()
        flat = mean_center(np.repeat(filters[:, :, :1], 9, axis=2).astype(dtype))[0]
        found = rcviz.filter_similarity(bank(flat), bank(flat[:, :, :4]))
        assert (found.shift[found.similarity > 0] >= 0).all()
        assert (found.shift[~found.reverse & (found.similarity > 0.1)] == 0).all()
    twice = mean_center(np.concatenate([filters[:2], filters[:2]]).astype(dtype))[0]
    assert rcviz.filter_similarity(bank(twice), bank(twice)).table["nearest"].tolist() == [0, 1, 0, 1]


def test_filters_that_were_shuffled_shifted_and_turned_round_are_found_again():
    rng = np.random.default_rng(1)
    first = rng.normal(size=(6, 4, 9))
    order = rng.permutation(6)
    moved = np.pad(first[order], ((0, 0), (0, 0), (3, 0)))
    table = rcviz.filter_similarity(bank(first), bank(moved[:, ::-1, ::-1])).table
    np.testing.assert_array_equal(order[table["nearest"]], np.arange(6))
    np.testing.assert_allclose(table["similarity"], 1)
    assert set(table["strand"]) == {"-"}
    assert set(table["shift"]) == {-3}  # as it is read, three columns of zeros stand before it


def test_a_filter_of_zeros_is_like_nothing():
    weights = np.stack([np.zeros((4, 5)), np.eye(4, 5)])
    found = rcviz.filter_similarity(bank(weights), bank(weights))
    np.testing.assert_array_equal(np.isnan(found.similarity), [[True, True], [True, False]])


def test_what_is_drawn_is_what_was_found():
    weights = np.random.default_rng(3).normal(size=(4, 4, 6))
    found = rcviz.filter_similarity(bank(weights[:2]), bank(weights))
    (image,) = found.plot().images
    np.testing.assert_array_equal(image.get_array(), found.similarity)


@pytest.mark.usefixtures("as_users_run")
def test_a_model_counts_as_its_bank():
    model = nn.Conv1d(4, 2, 3)
    bank = rcviz.filter_bank(model)
    expected = rcviz.filter_similarity(bank, bank).similarity
    np.testing.assert_array_equal(rcviz.filter_similarity(model, model).similarity, expected)
    for pair in ((None, bank), (bank, "bank")):
        with pytest.raises(ValueError, match="FilterBank or a model"):
            rcviz.filter_similarity(*pair)


def family(rng, n, noise):
    """A filter, and ``n - 1`` copies of it: shifted, every second one reverse complemented, with noise."""
    first = np.zeros((4, 11))
    first[:, 3:8] = rng.normal(size=(4, 5))
    copies = [first]
    for index in range(1, n):
        copy = np.roll(first, rng.integers(-3, 4), axis=1)
        copies.append(copy[::-1, ::-1] if index % 2 else copy)
    return [copy + noise * rng.normal(size=copy.shape) for copy in copies]


def test_within_one_network_families_are_found_again():
    rng = np.random.default_rng(2)
    members = [family(rng, n, 0.05) for n in (3, 1, 4, 2)]
    of_family = np.repeat(np.arange(4), [3, 1, 4, 2])
    order = rng.permutation(10)
    weights = mean_center(np.stack([each for family in members for each in family])[order])[0]
    found = rcviz.filter_similarity(bank(weights))
    together = of_family[order][:, None] == of_family[order]
    np.testing.assert_array_equal(found.clusters[:, None] == found.clusters, together)
    assert np.bincount(found.clusters).tolist() == [4, 3, 2, 1]  # the largest first
    assert found.redundant.sum() == 10 - 4
    turned = np.concatenate([np.arange(n) % 2 == 1 for n in (3, 1, 4, 2)])[order]
    table = found.table
    copy_is_turned = turned != turned[table["copy_of"]]
    np.testing.assert_array_equal(table["copy_strand"] == "-", copy_is_turned)
    np.testing.assert_array_equal(found.reverse_copies, copy_is_turned & found.redundant)
    assert (table["nearest"] != table["filter"]).all()
    same = found.clusters[table["nearest"]] == found.clusters
    np.testing.assert_array_equal(same, np.bincount(found.clusters)[found.clusters] > 1)


def test_all_pairs_of_a_cluster_are_as_similar_as_the_threshold_says():
    weights = mean_center(np.random.default_rng(6).normal(size=(30, 4, 5)))[0]
    sizes = []
    for threshold in (0.4, 0.6, 0.8):
        found = rcviz.filter_similarity(bank(weights), threshold=threshold)
        for cluster in range(found.clusters.max() + 1):
            members = found.clusters == cluster
            assert found.similarity[np.ix_(members, members)].min() >= threshold - 1e-9
        sizes.append(found.redundant.sum())
    assert sizes[0] > sizes[1] > sizes[2]


def test_filters_of_zeros_and_filters_alone_are_clusters_of_their_own():
    weights = np.zeros((3, 4, 5))
    weights[2] = np.eye(4, 5)
    found = rcviz.filter_similarity(bank(weights))
    assert found.clusters.tolist() == [0, 1, 2]
    assert not found.redundant.any()
    assert found.table["nearest"].tolist() == [-1, -1, -1]
    alone = rcviz.filter_similarity(bank(weights[2:])).table
    assert alone[["nearest", "cluster"]].to_numpy().tolist() == [[-1, 0]]


def test_one_network_is_drawn_by_cluster_with_frames():
    rng = np.random.default_rng(2)
    weights = mean_center(np.stack([*family(rng, 1, 0.0), *family(rng, 3, 0.01), *family(rng, 2, 0.01)]))[0]
    found = rcviz.filter_similarity(bank(weights))
    ax = found.plot()
    order = [1, 2, 3, 4, 5, 0]
    np.testing.assert_array_equal(ax.images[0].get_array(), found.similarity[np.ix_(order, order)])
    assert [int(label.get_text()) for label in ax.get_xticklabels()] == order
    frames = [(patch.get_x(), patch.get_y(), patch.get_width()) for patch in ax.patches]
    assert frames == [(-0.5, -0.5, 3.0), (2.5, 2.5, 2.0)]
    (dots,) = ax.lines
    assert all(column != row for column, row in zip(*dots.get_data(), strict=True))


@pytest.mark.parametrize("threshold", [0.0, 1.1, float("nan")])
def test_other_thresholds_are_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        rcviz.filter_similarity(bank(np.ones((2, 4, 3))), threshold=threshold)


def test_clusters_are_of_one_network():
    one = bank(np.eye(4)[None])
    with pytest.raises(ValueError, match="one network"):
        _ = rcviz.filter_similarity(one, one).clusters


def test_the_page_holds_the_table_of_the_networks_of_figure_5(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import redundancy

    page = redundancy.PAGE.read_text()
    assert page == redundancy.filled(page, redundancy.TABLES), "run python benchmarks/redundancy.py"
    for name in ("redundancy", "tables"):
        del sys.modules[name]
