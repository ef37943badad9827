"""Saved figures hold the words that they show, as text."""

import re
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest

import rcviz
from rcviz.plots._axes import new_figure
from rcviz.plots.saving import save_figure


def words_of(svg):
    """Text of an SVG file; a letter that was drawn as an outline is not in it."""
    return {element.text for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}


def test_labels_are_text_in_an_svg(tmp_path):
    """As one letter after the other, matplotlib's own default draws outlines."""
    strands = rcviz.plot_strands([0.1, 0.5], [0.1, 0.25], [0, 1], task_name="CTCF <b>")
    filters = rcviz.plot_filters(np.ones((2, 4, 5)), names=["GATA $1$", "filter 1"])
    for ax, more in ((strands, "positive: 1"), (filters, "GATA $1$")):
        save_figure(ax, tmp_path / "a.svg")
        said = [ax.get_xlabel(), ax.get_ylabel(), ax.get_title(), more, *(text.get_text() for text in ax.texts)]
        assert {text for text in said if text} <= words_of((tmp_path / "a.svg").read_text())


def test_fonts_of_a_pdf_can_be_edited(tmp_path):
    save_figure(rcviz.plot_similarity(np.eye(3)), tmp_path / "curves.pdf")
    content = (tmp_path / "curves.pdf").read_bytes()
    kinds = set(re.findall(rb"/Subtype /(Type3|Type42|CIDFontType2|TrueType)", content))
    assert kinds
    assert b"Type3" not in kinds


@pytest.mark.parametrize("ending", [".svg", ".pdf", ".png"])
def test_a_figure_gives_the_file_of_its_axes_and_the_same_twice(tmp_path, ending):
    ax = new_figure(3, 2).add_subplot()
    ax.plot(np.arange(5))
    inset = ax.inset_axes([0.5, 0.5, 0.4, 0.4])
    for name, given in {"a": ax, "b": ax.figure, "c": inset}.items():
        save_figure(given, tmp_path / f"{name}{ending}")
    one, other, third = ((tmp_path / f"{name}{ending}").read_bytes() for name in "abc")
    assert one == other == third


def test_global_settings_are_left_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    for ending in (".svg", ".pdf", ".png"):
        save_figure(new_figure(2, 2), tmp_path / f"a{ending}")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.usefixtures("as_users_run")
def test_what_cannot_be_saved_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"\.svg, \.pdf, \.png, \.eps"):
        save_figure(new_figure(2, 2), tmp_path / "a.gif")
    with pytest.raises(TypeError, match="expected Axes or a Figure, got ndarray"):
        save_figure(new_figure(2, 2).subplots(1, 2), tmp_path / "a.svg")
    with pytest.raises(ValueError, match=r"folder .* does not exist"):
        save_figure(new_figure(2, 2), tmp_path / "none" / "a.svg")
    assert list(tmp_path.iterdir()) == []
