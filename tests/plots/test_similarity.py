"""The heat map of two banks: every score in its place, the nearest marked, nothing hidden."""

import numpy as np
import pytest

from rcviz.plots.similarity import plot_similarity

SCORES = np.array([[0.2, 0.9, -0.1], [1.0, 0.3, np.nan]])


def test_every_score_stands_in_its_cell(axes):
    assert plot_similarity(SCORES, axes, names=("RC", "standard")) is axes
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array().filled(np.nan), SCORES)
    assert image.get_clim() == (-0.1, 1.0)
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("RC", "standard")


def test_the_nearest_of_each_row_is_marked_and_blank_rows_are_not(axes):
    plot_similarity([[0.2, 0.9], [np.nan, np.nan], [0.5, 0.1]], axes)
    (dots,) = axes.lines
    assert list(zip(*dots.get_data(), strict=True)) == [(1, 0), (0, 2)]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros(3), r"similarity must .* got \(3,\)"),
        (np.zeros((0, 3)), r"got \(0, 3\)"),
        ([[1.5]], "similarity must"),
    ],
)
def test_other_arrays_are_refused(scores, message):
    with pytest.raises(ValueError, match=message):
        plot_similarity(scores)
