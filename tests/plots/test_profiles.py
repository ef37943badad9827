import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from rcviz.plots._axes import INK, figure_svg
from rcviz.plots.colors import NEGATIVE, POSITIVE
from rcviz.plots.profiles import plot_profile

EDGES = [3.5, 10, 20, 31]
CURVES = {"positives": [0.5, 2, 0.25], "negatives": [0.1, 0.2, 0.1]}


def test_every_curve_is_steps_in_its_colour(axes):
    assert plot_profile(EDGES, {**CURVES, "all": [0, 1, -1]}, axes) is axes
    drawn = {steps.get_label(): steps for steps in axes.patches}
    assert list(drawn) == ["positives", "negatives", "all"]
    for name, values in {**CURVES, "all": [0, 1, -1]}.items():
        np.testing.assert_array_equal(drawn[name].get_data().values, values)
        np.testing.assert_array_equal(drawn[name].get_data().edges, EDGES)
        assert not drawn[name].get_fill()
    colors = {name: to_hex(steps.get_edgecolor()) for name, steps in drawn.items()}
    assert colors == {"positives": POSITIVE, "negatives": NEGATIVE, "all": INK}


def test_the_legend_names_the_curves_as_they_are(axes):
    plot_profile(EDGES, {"positives": [1, 2, 3], "$x$ <b>": [1, 1, 1]}, axes)
    texts = axes.get_legend().get_texts()
    assert [text.get_text() for text in texts] == ["positives", "$x$ <b>"]
    assert not any(text.get_parse_math() for text in texts)
    handles = axes.get_legend().legend_handles
    assert [to_hex(handle.get_color()) for handle in handles] == [POSITIVE, INK]


def test_axes_reach_from_bound_to_bound_and_hold_zero_and_the_data(axes):
    plot_profile(EDGES, CURVES, axes)
    assert axes.get_xlim() == (3.5, 31)
    low, high = axes.get_ylim()
    assert low == 0
    assert high >= 2
    assert axes.get_xlabel() == "position (bp)"
    assert axes.get_ylabel() == "mean activation"


@pytest.mark.parametrize("values", [[-3, -2, -2.5], [0, 0, 0], [5, 5, 5], [-1, 2, 0]])
def test_any_heights_fit_with_zero(axes, values):
    plot_profile(EDGES, {"all": values}, axes)
    low, high = axes.get_ylim()
    assert low <= min(*values, 0)
    assert high >= max(*values, 0)
    assert low < high
    assert high - low <= 1.15 * (max(*values, 0) - min(*values, 0)) or not any(values)


def test_curves_may_be_any_sequence_of_numbers():
    ax = plot_profile(np.array([0, 1, 2]), {"positives": np.float16([1, 2])})
    np.testing.assert_array_equal(ax.patches[0].get_data().values, [1, 2])
    assert "mean activation" in figure_svg(ax.figure)


@pytest.mark.parametrize(
    ("edges", "curves", "message"),
    [
        (EDGES, {}, "at least one curve"),
        (EDGES, {"<b>": [1, 2]}, r"<b> has shape \(2,\)"),
        (EDGES, {"all": [[1, 2, 3]]}, r"all has shape \(1, 3\)"),
        (EDGES, {"positives": [1, 2, 3], "negatives": [1, 2, 3, 4]}, r"negatives has shape \(4,\)"),
        ([3], {"all": []}, "edges must be"),
        ([1, 2, 2, 3], CURVES, "edges must be .* rising"),
        ([3, 2, 1, 0], CURVES, "edges must be .* rising"),
        ([0, np.nan, 2, 3], CURVES, "edges must be .* rising"),
        ([[0, 1, 2, 3]], CURVES, "edges must be"),
    ],
)
def test_bad_input_is_explained_before_anything_is_drawn(edges, curves, message):
    with pytest.raises(ValueError, match=message):
        plot_profile(edges, curves)
    assert plt.get_fignums() == []
