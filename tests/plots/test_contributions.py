import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from rcviz.plots.colors import NEGATIVE, POSITIVE
from rcviz.plots.contributions import plot_contribution_distribution, plot_contributions

TABLE = pd.DataFrame(
    {
        "filter": [3, 0, 2, 1],
        "score": [0.5, np.nan, 1.25, -0.25],
        "mean_positive": [0.75, 0.5, 1.5, 0.0],
        "mean_negative": [0.25, np.nan, 0.25, 0.25],
    }
)


def test_bars_are_ranked_and_marked_with_both_means(axes):
    ax = plot_contributions(TABLE, axes)
    assert [bar.get_width() for bar in ax.patches] == [1.25, 0.5, -0.25, 0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["filter 2", "filter 3", "filter 1", "filter 0"]
    marks = {line.get_label(): line.get_xdata() for line in ax.lines}
    np.testing.assert_array_equal(marks["mean of positives"], [1.5, 0.75, 0.0, 0.5])
    np.testing.assert_array_equal(marks["mean of negatives"], [0.25, 0.25, 0.25, np.nan])
    assert [text.get_text() for text in ax.texts] == ["+1.25", "+0.50", "\N{MINUS SIGN}0.25", "unknown"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the best filter belongs on top"


def test_top_keeps_the_best(axes):
    ax = plot_contributions(TABLE, axes, top=2)
    assert [bar.get_width() for bar in ax.patches] == [1.25, 0.5]


def test_names_are_written_as_they_are(axes):
    ax = plot_contributions(TABLE.assign(filter=["a$b$", "<i>", "c", "d"]), axes)
    ax.figure.canvas.draw()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["c", "a$b$", "d", "<i>"]


def test_the_legend_names_all_three_marks(axes):
    legend = plot_contributions(TABLE, axes).get_legend()
    assert [t.get_text() for t in legend.get_texts()] == ["score", "mean of positives", "mean of negatives"]


def test_scores_of_zero(axes):
    ax = plot_contributions(TABLE.assign(score=0.0), axes)
    assert {text.get_text() for text in ax.texts} == {"+0"}


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (TABLE.drop(columns="score"), {}, "expected columns filter, score, .* without score"),
        (TABLE.head(0), {}, "at least one filter"),
        (TABLE, {"top": 0}, "top must be at least 1, got 0"),
    ],
)
def test_bad_tables_are_explained(table, options, message):
    with pytest.raises(ValueError, match=message):
        plot_contributions(table, **options)
    assert plt.get_fignums() == []


def lines_of(ax, color):
    return [line for line in ax.lines if to_hex(line.get_color()) == color]


def test_cumulative_shares_and_medians_by_hand(axes):
    ax = plot_contribution_distribution([1.0, 3.0, 2.0], [0.0] * 50, axes)
    curve, median = lines_of(ax, POSITIVE)
    np.testing.assert_allclose(curve.get_ydata(), [0, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(curve.get_xdata(), [1, 1, 2, 3])
    assert set(median.get_xdata()) == {2}
    assert set(lines_of(ax, NEGATIVE)[1].get_xdata()) == {0}


def test_histograms_are_shares_of_each_class_on_common_bins(axes):
    rng = np.random.default_rng(0)
    ax = plot_contribution_distribution(rng.normal(size=40), rng.normal(size=9000), axes, kind="histogram")
    steps = [patch.get_data() for patch in ax.patches]
    for step in steps:
        assert step.values.sum() == pytest.approx(1)
        np.testing.assert_array_equal(step.edges, steps[0].edges)


@pytest.mark.parametrize("kind", ["ecdf", "histogram"])
@pytest.mark.parametrize(
    ("positive", "negative", "legend"),
    [
        ([1.0, 2], [], ["positives: 2, median 1.5", "negatives: 0"]),
        ([], [1.0], ["positives: 0", "negatives: 1, median 1"]),
        ([2.0] * 5, [2.0] * 9, ["positives: 5, median 2", "negatives: 9, median 2"]),
        (
            [np.nan, 1],
            [np.nan, np.nan],
            ["positives: 1, median 1 (1 NaN excluded)", "negatives: 0 (2 NaN excluded)"],
        ),
    ],
)
def test_awkward_classes_are_drawn_and_counted(kind, positive, negative, legend, axes):
    ax = plot_contribution_distribution(np.array(positive), np.array(negative), axes, kind=kind, title="a$b$")
    ax.figure.canvas.draw()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == legend
    assert ax.get_title() == "a$b$"
    assert np.diff(ax.get_xlim()) > 0


@pytest.mark.parametrize(
    ("positive", "negative", "options", "message"),
    [
        ([], [np.nan], {}, "at least one sequence, got none"),
        (np.zeros((3, 2)), [1.0], {}, r"positive must be .*got \(3, 2\).*choose a filter"),
        ([1.0], [np.inf], {}, "negative has 1 infinite"),
        ([1.0], [1.0], {"kind": "violin"}, "kind must be one of ecdf, histogram, got 'violin'"),
    ],
)
def test_bad_scores_are_explained(positive, negative, options, message):
    with pytest.raises(ValueError, match=message):
        plot_contribution_distribution(positive, negative, **options)
    assert plt.get_fignums() == []
