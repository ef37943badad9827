import numpy as np
import pytest

from rcviz.plots._axes import figure_svg
from rcviz.plots.filters import plot_filters

FILTERS = np.random.default_rng(2).normal(size=(5, 4, 7))


@pytest.mark.parametrize("count", [1, 5, 8, 16, 64])
def test_any_number_of_filters_in_one_collection(count, boxes):
    matrices = np.random.default_rng(0).normal(size=(count, 4, 9))
    ax = plot_filters(matrices)
    extents = boxes(ax)
    assert len(extents) == count * 36
    assert [text.get_text() for text in ax.texts] == [f"filter {i}" for i in range(count)]
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert left < extents[:, 0].min()
    assert extents[:, 2].max() < right
    assert bottom < extents[:, 1].min()
    assert extents[:, 3].max() < top


def test_no_caption_touches_a_letter_or_another_caption(boxes):
    ax = plot_filters(np.random.default_rng(0).normal(size=(8, 4, 15)), names=["a long name of a filter " * 2] * 8)
    ax.figure.canvas.draw()
    captions = [text.get_window_extent().transformed(ax.transData.inverted()).extents for text in ax.texts]
    others = [*captions, *boxes(ax)]
    for i, (x0, y0, x1, y1) in enumerate(captions):
        for j, (a0, b0, a1, b1) in enumerate(others):
            assert i == j or x1 <= a0 or a1 <= x0 or y1 <= b0 or b1 <= y0


def spans(ax, boxes, count):
    """Height from the lowest to the highest letter of each filter of the same width."""
    return np.array([np.ptp(part[:, [1, 3]]) for part in np.split(boxes(ax), count)])


def test_a_shared_scale_keeps_proportions(boxes):
    pair = np.stack([FILTERS[0], FILTERS[0] / 4])
    np.testing.assert_allclose(spans(plot_filters(pair), boxes, 2), [1, 0.25])
    np.testing.assert_allclose(spans(plot_filters(pair, share_scale="none"), boxes, 2), [1, 1])
    four = np.stack([FILTERS[0], FILTERS[0] / 2, FILTERS[0] / 8, FILTERS[0] / 4])
    by_row = spans(plot_filters(four, columns=2, share_scale="row"), boxes, 4)
    np.testing.assert_allclose(by_row, [1, 0.5, 0.5, 1])


def test_each_zero_line_runs_under_its_own_letters(boxes):
    ax = plot_filters(FILTERS, columns=2)
    (lines,) = [c for c in ax.collections if type(c).__name__ == "LineCollection"]
    for line, letters in zip(lines.get_segments(), np.split(boxes(ax), 5), strict=True):
        (left, zero), (right, _) = line
        assert left <= letters[:, 0].min() < left + 0.1
        assert right - 0.1 < letters[:, 2].max() <= right
        # Some letters end at zero from below and some begin there; none crosses it.
        assert np.isclose(letters[:, [1, 3]], zero).any(axis=0).all()
        assert not ((letters[:, 1] < zero - 1e-9) & (letters[:, 3] > zero + 1e-9)).any()


def test_the_scale_is_said():
    assert plot_filters(FILTERS).get_xlabel().startswith("every logo spans")
    assert "differs from logo to logo" in plot_filters(FILTERS, share_scale="none").get_xlabel()


def test_columns_fill_row_by_row():
    ax = plot_filters(FILTERS, columns=2)
    places = [text.get_position() for text in ax.texts]
    assert len({y for _, y in places}) == 3
    assert places[0][1] == places[1][1] > places[2][1]
    assert places[0][0] == places[2][0] < places[1][0]


def test_widths_may_differ_and_motifs_bring_names(motif):
    other = type(motif)(name="<b>$x$ & $y</b>", probabilities=motif.probabilities[:, :5])
    ax = plot_filters([motif, other])
    assert [text.get_text() for text in ax.texts] == ["CTCF_known1", "<b>$x$ & $y</b>"]
    assert "bits" in ax.get_xlabel()
    assert "&lt;b&gt;$x$ &amp; $y&lt;/b&gt;" in figure_svg(ax.figure)


@pytest.mark.parametrize(
    ("matrices", "options", "message"),
    [
        (FILTERS[0], {}, r"expected matrices of shape \(F, 4, W\), got \(4, 7\): use plot_logo"),
        ([], {}, "at least one matrix, got none"),
        (np.zeros((0, 4, 7)), {}, "at least one matrix, got none"),
        (FILTERS.transpose(0, 2, 1), {}, r"matrix 0: .*got \(7, 4\).*use matrix.T"),
        ([FILTERS[0], FILTERS[1] * np.nan], {}, "matrix 1: .*finite"),
        (FILTERS, {"names": ["a"]}, "one name for each of 5 matrices, got 1"),
        (FILTERS, {"columns": 0}, "columns must be at least 1, got 0"),
        (FILTERS, {"share_scale": "yes"}, "share_scale must be one of all, row, none, got 'yes'"),
        (FILTERS, {"kind": "bits"}, "kind must be one of"),
        (FILTERS, {"stack": "bits"}, "stack must be one of"),
    ],
)
def test_bad_input_is_explained(matrices, options, message):
    with pytest.raises(ValueError, match=message):
        plot_filters(matrices, **options)


def test_one_motif_and_mixtures_are_explained(motif):
    with pytest.raises(ValueError, match="got one: use plot_logo"):
        plot_filters(motif)
    with pytest.raises(ValueError, match="Motifs and weights together"):
        plot_filters([motif, FILTERS[0]])
    plot_filters([motif, FILTERS[0]], kind="weights")
