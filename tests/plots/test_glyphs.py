import logomaker
import numpy as np
import pandas as pd
import pytest
from drawn import svg_contours
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.figure import Figure
from matplotlib.path import Path

from rcviz.plots import glyphs
from rcviz.plots.glyphs import LETTER_WIDTH, LETTERS, glyph, letter_paths, logo_layout, svg_letters


@pytest.mark.parametrize("letter", LETTERS)
def test_an_outline_fills_exactly_the_unit_box(letter):
    np.testing.assert_allclose(glyph(letter).get_extents().extents, [0, 0, 1, 1], atol=1e-12)
    assert glyph(letter).vertices.min() >= 0
    assert glyph(letter).vertices.max() <= 1


def test_outlines_look_like_their_letters():
    inside = {letter: glyph(letter).contains_point for letter in LETTERS}
    assert inside["T"]((0.5, 0.1))
    assert not inside["T"]((0.1, 0.1))
    assert inside["C"]((0.05, 0.5))
    assert not inside["C"]((0.9, 0.5))
    assert inside["G"]((0.9, 0.3))
    assert not inside["G"]((0.9, 0.65))
    assert inside["A"]((0.5, 0.95))
    assert not inside["A"]((0.5, 0.05))


def test_other_letters_are_refused():
    with pytest.raises(ValueError, match="letter must be one of A, C, G, T, U, N, got 'B'"):
        glyph("B")


@pytest.mark.parametrize("letter", LETTERS)
def test_svg_letters_are_the_same_shape_wherever_they_stand(letter):
    left, foot, rise = np.array([0.0, 3000.0, 7.0]), np.array([2000.0, 50.0, 20.0]), np.array([-2000.0, 900.0, -400.0])
    written = svg_contours(svg_letters(np.repeat(letter, 3), left, foot, 1500.0, rise)[letter])
    each = len(written) // 3
    grid = (np.stack(np.meshgrid(np.arange(40), np.arange(40)), -1).reshape(-1, 2) + 0.5) / 40
    for place in range(3):
        outline = Path.make_compound_path(*written[each * place : each * (place + 1)])
        corners = [[left[place], foot[place]], [left[place] + 1500, foot[place] + rise[place]]]
        np.testing.assert_allclose(outline.get_extents().get_points(), np.sort(corners, axis=0), atol=0.51)
        points = grid * [1500.0, rise[place]] + [left[place], foot[place]]
        # Matplotlib flattens curves to about a unit, so that the outline to compare with must be large as well.
        large = Path(glyph(letter).vertices * 2000, glyph(letter).codes)
        assert (outline.contains_points(points) == large.contains_points(grid * 2000)).mean() > 0.985


def svg_points(letter, left, foot, across, rise):
    written = svg_contours(
        svg_letters(np.array([letter]), *np.array([[left], [foot]]), across, np.array([rise]))[letter]
    )
    return np.concatenate([contour.vertices[:-1] for contour in written])


@given(
    st.sampled_from(LETTERS), *[st.floats(0, 2000)] * 2, st.floats(0, 400), st.floats(-2000, 2000).filter(lambda r: r)
)
def test_points_of_svg_letters_are_where_they_belong_to_a_step_of_the_grid(letter, left, foot, across, rise):
    outline = glyph(letter)
    unit = outline.vertices[outline.codes != Path.CLOSEPOLY]
    expected = unit * [across, rise] + [left, foot]
    # Half a step for the corner of the box and half for the point within it; across, half for the common width as well.
    assert (np.abs(svg_points(letter, left, foot, across, rise) - expected).max(axis=0) <= [1.5 + 1e-9, 1 + 1e-9]).all()


@given(st.floats(500, 2000), st.floats(0.3, 400), st.floats(0.3, 400))
def test_stacked_svg_letters_touch_whatever_their_heights(foot, lower, upper):
    below, above = (svg_points("T", 0.0, *box) for box in ((foot, 260.0, -lower), (foot - lower, 260.0, -upper)))
    assert below[:, 1].min() == above[:, 1].max()


COLUMN = np.array([[2.0], [-3.0], [1.0], [-1.0]])
STACKED = {
    # From the lowest letter up.
    "big_on_top": ("CTGA", [-4, -1, 0, 1], [3, 1, 1, 2]),
    "small_on_top": ("TCAG", [-4, -3, 0, 2], [1, 3, 2, 1]),
    "fixed": ("TCGA", [-4, -3, 0, 1], [1, 3, 1, 2]),
}


@pytest.mark.parametrize("stack", STACKED)
def test_stacking_by_hand(stack):
    letters, bottom, height = STACKED[stack]
    layout = logo_layout(COLUMN, stack=stack)
    assert "".join(layout.letters) == letters
    np.testing.assert_array_equal(layout.bottom, bottom)
    np.testing.assert_array_equal(layout.height, height)
    np.testing.assert_array_equal(layout.flipped, [True, True, False, False])
    np.testing.assert_allclose(layout.left, -LETTER_WIDTH / 2)


def test_upright_letters_below_the_axis_keep_their_places():
    flipped, upright = (logo_layout(COLUMN, below=below) for below in ("flipped", "upright"))
    np.testing.assert_array_equal(flipped.bottom, upright.bottom)
    assert not upright.flipped.any()


def test_baseline_and_left_move_the_whole_logo():
    plain, moved = logo_layout(COLUMN), logo_layout(COLUMN, baseline=10.0, left=5.0)
    np.testing.assert_array_equal(moved.bottom, plain.bottom + 10)
    np.testing.assert_array_equal(moved.left, plain.left + 5)


@pytest.mark.parametrize(
    ("stack", "sign"), [("big_on_top", None), ("small_on_top", None), ("fixed", 1.0), ("fixed", -1.0)]
)
def test_layout_against_logomaker(stack, sign, weights):
    """Where letters begin and end; its fixed order lets letters cross the axis where a position has both signs."""
    weights = weights if sign is None else sign * np.abs(weights)
    ax = Figure().add_subplot()
    logo = logomaker.Logo(pd.DataFrame(weights.T, columns=list("ACGT")), ax=ax, stack_order=stack)
    expected = sorted((g.p, g.floor, g.ceiling, g.c) for g in logo.glyph_list)
    layout = logo_layout(weights, stack=stack)
    position = np.rint(layout.left + LETTER_WIDTH / 2).astype(int)
    ours = sorted(
        zip(
            position.tolist(),
            layout.bottom.tolist(),
            (layout.bottom + layout.height).tolist(),
            layout.letters,
            strict=True,
        )
    )
    assert [(p, c) for p, *_, c in ours] == [(p, c) for p, *_, c in expected]
    np.testing.assert_allclose([row[1:3] for row in ours], [row[1:3] for row in expected], atol=1e-9)


@given(
    arrays(float, st.tuples(st.just(4), st.integers(1, 6)), elements=st.floats(-5, 5)),
    st.sampled_from(["big_on_top", "small_on_top", "fixed"]),
)
def test_letters_of_a_position_touch_and_reach_from_the_sum_below_to_the_sum_above(heights, stack):
    layout = logo_layout(heights, stack=stack)
    assert len(layout.letters) == np.count_nonzero(heights)
    position = np.rint(layout.left + LETTER_WIDTH / 2).astype(int)
    for i in range(heights.shape[1]):
        here = position == i
        bottom, top = layout.bottom[here], layout.bottom[here] + layout.height[here]
        np.testing.assert_allclose(bottom[1:], top[:-1], atol=1e-9)
        if here.any():
            assert bottom[0] == pytest.approx(np.minimum(heights[:, i], 0).sum(), abs=1e-9)
            assert top[-1] == pytest.approx(np.maximum(heights[:, i], 0).sum(), abs=1e-9)


def test_paths_fill_the_boxes_and_hang_upside_down():
    layout = logo_layout(COLUMN)
    paths = letter_paths(layout)
    extents = np.array([path.get_extents().extents for path in paths])
    np.testing.assert_allclose(extents[:, 0], layout.left)
    np.testing.assert_allclose(extents[:, 2], layout.left + LETTER_WIDTH)
    np.testing.assert_allclose(extents[:, 1], layout.bottom, atol=1e-12)
    np.testing.assert_allclose(extents[:, 3], layout.bottom + layout.height, atol=1e-12)
    # The bar of the T, second from below, hangs at its foot.
    t = paths[1]
    assert t.contains_point((-0.4, -0.95))
    assert not t.contains_point((-0.4, -0.05))


def test_outlines_that_are_known_are_those_of_a_new_process(monkeypatch):
    """Also when there are so many that they are forgotten, in the middle of a logo."""
    rng = np.random.default_rng(0)
    letters = rng.choice(list("ACGT"), 200)
    boxes = [rng.uniform(0, 900, 200) for _ in range(2)], 263.2, rng.uniform(-900, 900, 200)

    def written():
        return svg_letters(letters, *boxes[0], *boxes[1:])

    glyphs._outline.cache_clear()
    first = written()
    assert written() == first
    monkeypatch.setattr(glyphs, "_MOST_KNOWN", 10)
    glyphs._outline.cache_clear()
    assert written() == first
    assert all(len(glyphs._outline(letter, 263).known) <= 200 for letter in "ACGT")
