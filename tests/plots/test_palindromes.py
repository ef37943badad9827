"""A filter above its reverse complement: where both lie, and what the note says."""

import numpy as np
import pytest

import rcviz
from rcviz.motifs.palindromicity import palindromicity
from rcviz.plots.palindromes import plot_palindrome


def one_hot_weights(sequence, width, start):
    weights = np.zeros((4, width))
    weights[:, start : start + len(sequence)] = rcviz.one_hot([sequence], dtype="float64")[0] - 0.25
    return weights


def dashed(ax):
    (line,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    return line.get_xdata()[0]


def test_the_second_logo_is_the_reverse_complement_at_the_best_shift(axes, boxes, weights):
    ax = plot_palindrome(weights, axes)
    shift = palindromicity(weights - weights.mean(axis=0)).shift
    upper, lower = np.split(boxes(ax), 2)
    middles = lambda part: np.unique(part[:, [0, 2]].mean(axis=1).round(6))  # noqa: E731
    np.testing.assert_allclose(middles(lower), middles(upper) + shift, atol=1e-6)
    assert lower[:, 3].max() < upper[:, 1].min()
    heights = lambda part: np.sort((part[:, 3] - part[:, 1]).round(9))  # noqa: E731
    np.testing.assert_allclose(heights(lower), heights(upper))


@pytest.mark.parametrize(("sequence", "start", "center"), [("CACGTG", 3, 5.5), ("TGACTCA", 6, 9), ("CACGTG", 9, 11.5)])
def test_the_dashed_line_stands_at_the_center(axes, sequence, start, center):
    ax = plot_palindrome(one_hot_weights(sequence, 15, start), axes)
    assert dashed(ax) == center
    assert ax.get_xlabel().endswith(f"about {center:g}")
    left, right = ax.get_xlim()
    assert left < min(0, 2 * center - 14)
    assert right > max(14, 2 * center)


def test_both_logos_of_an_exact_palindrome_are_equal(axes, boxes):
    weights = one_hot_weights("CACGTG", 15, 2)
    upper, lower = np.split(boxes(plot_palindrome(weights, axes)), 2)
    drop = (upper[:, 1] - lower[:, 1])[0]
    order = lambda part: part[np.lexsort(part.round(6).T)]  # noqa: E731
    np.testing.assert_allclose(order(lower) + np.array([0, drop, 0, drop]), order(upper), atol=1e-9)
    assert "palindromicity 1.00" in plot_palindrome(weights).get_xlabel()


def test_motifs_and_tables_are_drawn_too(boxes):
    motif = rcviz.load_motif("CTCF_known1")
    ax = plot_palindrome(motif)
    assert ax.get_title() == "CTCF_known1"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["reverse\ncomplement", "motif"]
    expected = palindromicity(motif.probabilities - 0.25)
    assert dashed(ax) == expected.center
    assert f"palindromicity {expected.score:.2f} " in ax.get_xlabel()
    bank = rcviz.FilterBank(motif.log_odds()[None], np.zeros(1), "conv", False)
    assert len(boxes(plot_palindrome(bank.frame(0)))) == 8 * motif.width


def test_a_matrix_that_is_no_palindrome_at_all_still_has_a_minus_that_reads_well(axes):
    # Only C prefers itself: every pairing of columns C with complements G is negative.
    label = plot_palindrome(one_hot_weights("CCCC", 4, 0), axes).get_xlabel()
    assert "palindromicity \N{MINUS SIGN}0." in label
