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


@pytest.fixture
def drawn(toy, make_model):
    """Axes of every kind of result, by its name."""
    model = make_model()
    bank = rcviz.filter_bank(model)
    config = rcviz.TrainConfig.simulated(epochs=2, batch_size=30, samples_per_epoch=60)
    results = {
        "history": rcviz.fit(make_model(), toy, toy, config, progress=False),
        "contributions": rcviz.filter_contributions(model, toy),
        "profiles": rcviz.activation_profiles(model, toy, bins=4),
        "agreement": rcviz.strand_agreement(model, toy),
        "gap": rcviz.gap_by_filter(make_model("standard"), toy),
        "attributions": rcviz.strand_attributions(model, toy.subset(slice(0, 2))),
        "bank": bank,
        "sites": bank.activating_sites(toy, top=9),
    }
    return {name: found.plot() for name, found in results.items()}


def test_the_labels_of_every_result_are_text_in_its_svg(drawn, tmp_path):
    labelled = 0
    for name, ax in drawn.items():
        save_figure(ax, tmp_path / f"{name}.svg")
        words = words_of((tmp_path / f"{name}.svg").read_text())
        said = [ax.get_xlabel(), ax.get_ylabel(), ax.get_title(), *(text.get_text() for text in ax.texts)]
        lines = {line for text in said for line in text.split("\n") if line}
        assert lines <= words, name
        labelled += bool(ax.get_xlabel() and ax.get_ylabel())
    assert labelled >= 4


def test_the_same_by_itself_would_be_outlines(drawn, tmp_path):
    """What the function is for: matplotlib's own default."""
    ax = drawn["history"]
    with matplotlib.rc_context({"svg.fonttype": "path"}):
        ax.figure.savefig(tmp_path / "own.svg")
    assert words_of((tmp_path / "own.svg").read_text()) == set()


def test_fonts_of_a_pdf_can_be_edited(drawn, tmp_path):
    save_figure(drawn["history"], tmp_path / "curves.pdf")
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
    with pytest.raises(ValueError, match=r"its ending must be one of \.svg, \.pdf, \.png"):
        save_figure(new_figure(2, 2), tmp_path / "a.eps")
    with pytest.raises(TypeError, match="expected Axes or a Figure, got ndarray"):
        save_figure(new_figure(2, 2).subplots(1, 2), tmp_path / "a.svg")
    with pytest.raises(ValueError, match=r"folder .* does not exist"):
        save_figure(new_figure(2, 2), tmp_path / "none" / "a.svg")
    assert list(tmp_path.iterdir()) == []
