"""The order of changes, and which of them flip, on cases that are worked out by hand."""

import numpy as np
import pytest

from rcviz.analysis.flips import flips, rank_changes

CODES = np.array([0, 1, 4], dtype=np.uint8)
POSITION, BASE = np.array([0, 1, 1, 2]), np.array([1, 0, 3, 2], dtype=np.uint8)


def test_both_strands_first_then_how_far_beyond_then_how_near():
    outputs = np.array([1.0, 0.5])
    changed = np.array([[0.2, -0.1, 0.9, -0.2], [0.6, 0.4, -3.0, -0.1]])
    table = rank_changes(CODES, POSITION, BASE, outputs, changed, 0.0)
    rows = list(zip(table["position"], table["reference"], table["alternative"], strict=True))
    assert rows == [(2, "N", "G"), (1, "C", "T"), (1, "C", "A"), (0, "A", "C")]
    assert table["flips_forward"].tolist() == [True, False, True, False]
    assert table["flips_reverse"].tolist() == [True, True, False, False]
    np.testing.assert_allclose(table["forward"], [-1.2, -0.1, -1.1, -0.8])
    np.testing.assert_allclose(table["output_reverse"], [-0.1, -3.0, 0.4, 0.6])


def test_strands_on_different_sides_each_flip_from_their_own():
    outputs = np.array([1.0, -1.0])
    changed = np.array([[0.5, 0.1, 2.0, np.nan], [-0.5, -0.9, 0.0, 1.0]])
    table = rank_changes(CODES, POSITION, BASE, outputs, changed, 0.0)
    assert table["alternative"].tolist() == ["T", "A", "C"]  # 0 counts as positive; NaN is left out
    assert table["flips_reverse"].tolist() == [True, False, False]


def test_without_a_threshold_the_largest_change_comes_first_and_nothing_flips():
    outputs = np.array([1.0, 1.0])
    changed = np.array([[1.5, 1.0, -3.0, 1.0], [1.0, 3.0, 1.0, 1.1]])
    table = rank_changes(CODES, POSITION, BASE, outputs, changed, None)
    assert table["alternative"].tolist() == ["T", "A", "C", "G"]
    assert not table[["flips_forward", "flips_reverse"]].to_numpy().any()


@pytest.mark.parametrize(("before", "after", "expected"), [(0.0, -0.1, True), (0.0, 0.0, False), (np.nan, 1.0, False)])
def test_an_output_at_the_threshold_is_positive(before, after, expected):
    assert flips(np.full(2, before), np.full(2, after), 0.0).tolist() == [expected] * 2
