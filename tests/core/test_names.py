"""Names that files cannot hold: control characters, halves of surrogate pairs, formulas."""

import warnings
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import rcviz
from rcviz._core.markup import escaped, legal_xml
from rcviz._core.tables import save_table
from rcviz.plots import page
from rcviz.plots._axes import new_figure

CONTROLS = "".join(map(chr, [*range(32), 0x7F, 0x85, 0xFFFE, 0xFFFF]))
NAME = f"a{CONTROLS}<&>\"'\N{GREEK SMALL LETTER ALPHA}\N{DNA DOUBLE HELIX}b"


def every_character():
    return (chr(code) for code in (*range(0x3000), *range(0xD7F0, 0xE010), *range(0xFFF0, 0x10010), 0x10FFFF))


def test_xml_parsers_read_what_is_left():
    """A parser is the oracle: each character stands alone in an element, and is kept if it may be there."""
    for character in every_character():
        try:
            ElementTree.fromstring(f"<a>&#{ord(character)};</a>")
            is_legal = True
        except ElementTree.ParseError:
            is_legal = False
        assert legal_xml(character) == (character if is_legal else ""), hex(ord(character))
    assert ElementTree.fromstring(f"<a b='{escaped(NAME)}'>{escaped(NAME)}</a>").get("b").endswith("b")


@pytest.mark.filterwarnings("ignore:Glyph")
def test_figures_logos_and_pages_with_control_characters_are_well_formed(tmp_path):
    motif = rcviz.load_motif("GATA_known6")
    figure = new_figure(4, 2)
    rcviz.plot_filters([motif], figure.add_subplot(), names=[NAME])
    rcviz.save_figure(figure, tmp_path / "figure.svg")
    ElementTree.parse(tmp_path / "figure.svg")
    ElementTree.fromstring(rcviz.logo_svg(motif, title=NAME, label=NAME))
    parts = [
        page.heading(NAME),
        page.paragraph(NAME),
        page.picture(figure, NAME),
        page.table(pd.DataFrame({NAME: [NAME]})),
    ]
    text = page.html_page(NAME, parts)
    assert text == legal_xml(text)
    body = text[text.index("<body>") : text.index("</html>")]
    assert "".join(ElementTree.fromstring(body.replace("&nbsp;", " ")).find("h1").itertext()).endswith("b")


@pytest.mark.parametrize("write", [rcviz.write_meme, rcviz.write_jaspar, rcviz.write_transfac])
@pytest.mark.parametrize("name", ["a\x00", "\x1b[31m", "a\x7fb", "a b"])
def test_motif_formats_refuse_control_characters(tmp_path, write, name):
    motif = rcviz.Motif(name, rcviz.load_motif("GATA_known6").probabilities)
    with pytest.raises(ValueError, match="single words"):
        write([motif], tmp_path / "motifs")
    assert list(tmp_path.iterdir()) == []


def test_half_a_character_is_refused_where_it_comes_in():
    codes, half = np.zeros((2, 4), np.uint8), "a\ud800b"
    for arguments in (
        {"labels": [0, 1], "task_names": [half]},
        {"names": ["x", half]},
        {"chrom": [half, "x"], "start": [1, 2], "end": [5, 6]},
        {"provenance": {"from": [half]}},
    ):
        with pytest.raises(ValueError, match="surrogate") as caught:
            rcviz.SequenceSet(codes, **arguments)
        str(caught.value).encode()
    probabilities = rcviz.load_motif("GATA_known6").probabilities
    for names in ((half, ""), ("x", half)):
        with pytest.raises(ValueError, match=r"name of a motif .*surrogate"):
            rcviz.Motif(names[0], probabilities, names[1])


@pytest.mark.parametrize("load", [rcviz.load_model, rcviz.read_model_card, rcviz.SequenceSet.load, rcviz.read_meme])
def test_a_path_that_is_not_utf8_is_refused_by_name(load, tmp_path):
    path = f"{tmp_path}/mod\udce9l.safetensors"
    with open(path, "w"):  # noqa: PTH123 - as another program names it
        pass
    with pytest.raises(ValueError, match=r"mod\\udce9l.*not UTF-8: rename") as caught:
        load(path)
    str(caught.value).encode()


def test_a_model_is_not_written_to_such_a_path(tmp_path, make_model):
    with pytest.raises(ValueError, match="not UTF-8"):
        rcviz.save_model(make_model(), f"{tmp_path}/mod\udce9l.safetensors")


@pytest.mark.parametrize("cell", ["=1+2", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1"])
def test_text_that_a_spreadsheet_runs_is_written_as_it_is_with_a_warning(tmp_path, cell):
    table = pd.DataFrame({"name": ["x", cell], "n": [1, 2]})
    with pytest.warns(UserWarning, match=r"table\.csv \(name\) begins with"):
        save_table(table, tmp_path / "table.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "table.csv"), table)
    with pytest.warns(UserWarning, match="the header"):
        save_table(table.rename(columns={"n": cell}).drop(columns="name"), tmp_path / "table.csv")


def test_strands_numbers_and_plain_names_are_no_formulas(tmp_path):
    names = ["+", "-", "-1.5", "+2e-3", "a=b", "", "chr1:5-17(+)", "\N{MINUS SIGN}1"]
    table = pd.DataFrame({"name": names, "value": np.linspace(-1, 1, len(names))})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_table(table, tmp_path / "table.csv")
        save_table(pd.DataFrame({"name": ["=1"]}), tmp_path / "table.parquet")
    assert pd.read_csv(tmp_path / "table.csv", keep_default_na=False)["name"].tolist() == names
