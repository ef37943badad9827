import re
import xml.etree.ElementTree as ET

import matplotlib.pyplot as plt
import numpy as np
import pytest

from rcviz.plots._axes import figure_png, figure_svg, new_figure, resolve_axes
from rcviz.plots.strands import plot_strands

EVIL = "<img src=x onerror=alert(1)>"


def drawing(title=EVIL):
    figure = new_figure(3, 2)
    ax = figure.add_subplot()
    ax.plot([0, 1], [0, 1], marker="o")
    ax.set_title(title)
    return figure


def test_given_axes_are_kept_and_none_makes_a_figure():
    given = new_figure(2, 2).add_subplot()
    assert resolve_axes(given, 9, 9) is given
    first = plt.figure().add_subplot()
    made = resolve_axes(None, 3, 2)
    assert made is not first
    np.testing.assert_allclose(made.figure.get_size_inches(), [3, 2])


def test_several_axes_are_refused():
    with pytest.raises(TypeError, match=r"one matplotlib Axes or None, got ndarray.*axes\[0, 1\]"):
        resolve_axes(new_figure(2, 2).subplots(2, 2), 3, 2)


def test_new_figures_are_unknown_to_pyplot():
    figure_svg(drawing())
    figure_png(drawing())
    assert plt.get_fignums() == []


def test_the_svg_can_stand_in_a_page():
    svg = figure_svg(drawing())
    assert svg.startswith("<svg")
    assert "<?xml" not in svg
    assert "DOCTYPE" not in svg
    assert "<style" not in svg
    assert "<metadata" not in svg
    texts = [element.text for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert EVIL in texts
    assert "<img" not in svg


def test_ids_are_repeatable_unique_to_a_drawing_and_all_references_hold():
    one, again, other = figure_svg(drawing()), figure_svg(drawing()), figure_svg(drawing("url(#a) other"))
    assert one == again
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, other)]
    assert not ids[0] & ids[1]
    for svg, defined in zip((one, other), ids, strict=True):
        used = set(re.findall(r'href="#([^"]+)"', svg)) | set(re.findall(r'"url\(#([^)]+)\)"', svg))
        assert used
        assert used <= defined
    assert ">url(#a) other<" in other


@pytest.mark.parametrize("size", [(4, 4.6), (4.6, 5.0), (7, 4), (3, 5)])
def test_what_stands_below_square_axes_is_inside_the_picture(size):
    figure = new_figure(*size)
    x = np.linspace(0, 1, 30)
    ax = plot_strands(x, x**2, (x > 0.5).astype(float), figure.add_subplot())
    figure_png(figure)
    legend = ax.get_legend().get_window_extent()
    assert legend.y0 > 0
    assert ax.get_tightbbox().y1 < figure.bbox.height
