import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from rcviz.plots._axes import figure_svg, signed_number
from rcviz.plots.colors import NEGATIVE, POSITIVE, UNKNOWN, VALUE_COLORS
from rcviz.plots.strands import plot_gap_by_filter, plot_strands

FORWARD = np.array([0.1, 0.5, 0.9, 0.2])
REVERSE = np.array([0.1, 0.25, 0.9, 0.6])
LABELS = np.array([0, 1, 1, np.nan])


def points(ax):
    (scatter,) = ax.collections
    return scatter, {
        tuple(xy): to_hex(c) for xy, c in zip(scatter.get_offsets().data, scatter.get_facecolors(), strict=True)
    }


def note(ax):
    return ax.get_legend().get_title().get_text()


def test_every_sequence_is_a_point_in_the_colour_of_its_label(axes):
    ax = plot_strands(FORWARD, REVERSE, LABELS, axes, task_name="CTCF $x$")
    _, found = points(ax)
    assert found == {(0.1, 0.1): NEGATIVE, (0.5, 0.25): POSITIVE, (0.9, 0.9): POSITIVE, (0.2, 0.6): UNKNOWN}
    assert ax.get_title() == "CTCF $x$"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["positive: 2", "negative: 1", "unknown: 1"]
    only = plot_strands(FORWARD, REVERSE, np.ones(4))
    assert [t.get_text() for t in only.get_legend().get_texts()] == ["positive: 4"]


def test_the_note_gives_gaps_and_correlation(axes):
    r = np.cov(FORWARD, REVERSE)[0, 1] / np.std(FORWARD, ddof=1) / np.std(REVERSE, ddof=1)
    assert note(plot_strands(FORWARD, REVERSE, ax=axes)) == f"n = 4, r = {r:.4f}\nlargest gap 0.4, mean gap 0.16"


def test_axes_are_equal_with_a_diagonal(axes):
    ax = plot_strands(FORWARD, REVERSE, ax=axes)
    assert ax.get_aspect() == 1
    assert ax.get_xlim() == ax.get_ylim() == pytest.approx((-0.03, 1.03))
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), ax.lines[0].get_ydata())


def test_logits_take_their_own_range(axes):
    ax = plot_strands([-8.0, 2.0], [-7.0, 4.0], ax=axes)
    assert ax.get_xlim()[0] < -8
    assert ax.get_xlim()[1] > 4


@pytest.mark.parametrize(("scale", "low"), [("probability", -0.03), ("value", 0.076)])
def test_the_scale_decides_labels_and_range(axes, scale, low):
    ax = plot_strands(FORWARD, REVERSE, ax=axes, scale=scale)
    assert (ax.get_xlabel(), ax.get_ylabel()) == (f"{scale}, forward strand", f"{scale}, reverse complement")
    assert ax.get_xlim()[0] == pytest.approx(low)


def test_labels_that_are_values_go_from_dark_to_light(axes):
    labels = [2.0, 5.0, 3.5, np.nan]
    ax = plot_strands(FORWARD, REVERSE, labels, axes, scale="value")
    _, found = points(ax)
    shares = {(0.1, 0.1): 0.0, (0.5, 0.25): 1.0, (0.9, 0.9): 0.5}
    assert found == {**{place: to_hex(VALUE_COLORS(share)) for place, share in shares.items()}, (0.2, 0.6): UNKNOWN}
    with pytest.raises(ValueError, match="labels must be 1"):
        plot_strands(FORWARD, REVERSE, labels)
    classes = plot_strands(FORWARD, REVERSE, LABELS, scale="value")
    assert [t.get_text() for t in classes.get_legend().get_texts()] == ["positive: 2", "negative: 1", "unknown: 1"]
    with pytest.raises(ValueError, match="scale must be one of probability, logit, value"):
        plot_strands(FORWARD, REVERSE, scale="odds")


def test_one_column_is_as_good_as_none(axes):
    ax = plot_strands(FORWARD[:, None], REVERSE, LABELS[:, None], axes)
    assert len(points(ax)[1]) == 4


def test_classes_are_mixed_in_the_same_order_every_time(axes):
    n = 10_000
    labels = np.repeat([0.0, 1.0], n // 2)
    x = np.linspace(0, 1, n)
    scatter, _ = points(plot_strands(x, x, labels, axes))
    again, _ = points(plot_strands(x, x, labels))
    np.testing.assert_array_equal(scatter.get_offsets(), again.get_offsets())
    drawn_last = np.array([to_hex(c) == POSITIVE for c in scatter.get_facecolors()[-1000:]])
    assert 0.4 < drawn_last.mean() < 0.6


def test_many_points_become_a_picture_inside_the_svg(axes):
    x = np.random.default_rng(0).uniform(size=10_000)
    ax = plot_strands(x, x, ax=axes)
    assert points(ax)[0].get_rasterized()
    svg = figure_svg(ax.figure)
    assert "<image" in svg
    assert len(svg) < 200_000
    assert not points(plot_strands(FORWARD, REVERSE))[0].get_rasterized()


def test_constant_and_single_predictions(axes):
    ax = plot_strands([0.5], [0.5], [True], axes)
    assert "r = undefined" in note(ax)
    assert plot_strands([3.0, 3.0], [3.0, 3.0]).get_xlim() == (2.5, 3.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((FORWARD, REVERSE[:3]), "forward and reverse must .*got 4 and 3"),
        (
            (np.zeros((4, 3)), np.zeros((4, 3))),
            r"forward holds 3 tasks, shape \(4, 3\): choose one, as in forward\[:, 0\]",
        ),
        ((np.zeros((4, 1, 1)), REVERSE), r"\(N,\) or \(N, 1\), got \(4, 1, 1\)"),
        (([], []), "at least one sequence"),
        ((FORWARD, [0, 0, np.nan, 0]), "reverse has nan at sequence 2"),
        ((FORWARD, REVERSE, [1, 0]), "labels must .*got 2 for 4"),
        ((FORWARD, REVERSE, [1, 0, 2, 0]), r"1 \(positive\), 0 \(negative\) or NaN \(unknown\), got 2"),
    ],
)
def test_bad_input_is_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_strands(*arguments)
    assert plt.get_fignums() == []


TABLE = pd.DataFrame({"filter": [2, 0, 1, 3], "difference": [0.5, -2.0, 1.0, 0.1], "magnitude": [0.5, 2.0, 1.0, 0.1]})


def bars(ax):
    names = [label.get_text() for label in ax.get_yticklabels()]
    return dict(zip(names, [bar.get_width() for bar in ax.patches], strict=True))


def test_every_filter_is_a_bar_and_the_strongest_is_on_top(axes):
    assert list(bars(plot_gap_by_filter(TABLE, axes)).items()) == [
        ("filter 0", -2.0),
        ("filter 1", 1.0),
        ("filter 2", 0.5),
        ("filter 3", 0.1),
    ]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert axes.get_xlim()[0] == -axes.get_xlim()[1]


def test_what_is_not_drawn_by_itself_is_drawn_together(axes):
    found = bars(plot_gap_by_filter(TABLE, axes, rest=-0.25, top=2))
    assert found == pytest.approx({"filter 0": -2.0, "filter 1": 1.0, "2 others": 0.6, "rest": -0.25})
    assert sum(found.values()) == pytest.approx(TABLE["difference"].sum() - 0.25)
    assert [text.get_text() for text in axes.texts] == [
        signed_number(text) for text in ("-2.00", "+1.00", "+0.60", "-0.25")
    ]
    assert "1 other" in bars(plot_gap_by_filter(TABLE, top=3))


def test_differences_of_rounding_size_are_written_as_such_and_drawn_small(axes):
    small = TABLE.assign(difference=[1e-7, 0.0, -3e-8, 0.0])
    written = [text.get_text() for text in plot_gap_by_filter(small, axes).texts]
    assert written == [signed_number(text) for text in ("+0.00", "-3e-08", "+1e-07", "+0.00")]
    assert plot_gap_by_filter(TABLE.assign(difference=0.0)).get_xlim() == pytest.approx((-0.0105, 0.0105))
    small = TABLE.assign(difference=1e-6 * TABLE["difference"])
    assert plot_gap_by_filter(small).get_xlim() == pytest.approx((-0.0105, 0.0105))


@pytest.mark.parametrize(
    ("table", "settings", "message"),
    [
        (TABLE.drop(columns="difference"), {}, "got a table without difference"),
        (TABLE[:0], {}, "at least one filter"),
        (TABLE, {"top": 0}, "top must be at least 1"),
        (TABLE.replace(-2.0, np.nan), {}, "difference is nan for filter 0"),
    ],
)
def test_bad_tables_are_explained(table, settings, message):
    with pytest.raises(ValueError, match=message):
        plot_gap_by_filter(table, **settings)


def test_the_threshold_is_drawn_and_counted():
    forward, reverse = [0.2, 0.6, 0.5, 0.9], [0.4, 0.4, 0.49, 0.8]
    ax = plot_strands(forward, reverse, threshold=0.5)
    assert note(ax).endswith("2 decisions of 4 flip at 0.5")
    assert [line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1] == [0.5]
    assert [line.get_ydata()[0] for line in ax.lines if len(set(line.get_ydata())) == 1] == [0.5]
    plain = plot_strands(forward, reverse)
    assert "flip" not in note(plain)
    assert len(plain.lines) == len(ax.lines) - 2
    assert "0 decisions of 4 flip at 0.7" in note(plot_strands(forward, reverse, threshold=0.7))
    assert "1 decision of 4" in note(plot_strands(forward, reverse, threshold=0.55))


def test_values_have_colours_in_their_order_and_a_bar():
    values = np.array([1.0, -2.0, 0.0, np.nan])  # two of them would pass for classes
    ax = plot_strands(FORWARD, REVERSE, values, label_kind="value")
    _, found = points(ax)
    in_order = [found[point] for point in ((0.5, 0.25), (0.9, 0.9), (0.1, 0.1))]
    assert in_order == [to_hex(VALUE_COLORS(share)) for share in (0.0, 2 / 3, 1.0)]
    assert found[0.2, 0.6] == UNKNOWN
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["unknown: 1"]
    (bar,) = ax.child_axes
    assert bar.get_ylim() == (-2, 1)
    equal = plot_strands(FORWARD, REVERSE, np.full(4, 3.0), label_kind="value")
    assert len(set(points(equal)[1].values())) == 1
    assert not plot_strands(FORWARD, REVERSE, np.full(4, np.nan), label_kind="value").child_axes
    for labels, kind, argument in (
        ([1, 0.5, 0, 1], None, "label_kind='value'"),
        (values, "values", "label_kind"),
        ([np.inf, 0, 0, 1], "value", "labels"),
    ):
        with pytest.raises(ValueError, match=argument):
            plot_strands(FORWARD, REVERSE, labels, label_kind=kind)
