"""Names that a file brought are text wherever they are shown, and no path wherever something is written."""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from unittest.mock import MagicMock

import ipywidgets
import numpy as np
import pytest

import rcviz
from rcviz.cli import model_data
from rcviz.cli.inspect import _write_notebook
from rcviz.cli.model_data import ChosenPart

NAME = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>&amp;../../../x"
SHOWN = "<img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    """What a browser would make of markup: its elements, and its text."""

    def __init__(self, markup):
        super().__init__(convert_charrefs=True)
        self.tags, self.handlers, self.text = [], [], ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.handlers += [name for name, value in attributes if name.startswith("on") or "javascript:" in (value or "")]
        self.text += "".join(value or "" for _, value in attributes)

    def handle_data(self, data):
        self.text += data


def assert_text(markup, *, scripts=0):
    """Markup has no element that a name made; returns what a person reads."""
    found = Tags(markup)
    assert not {"img", "iframe", "object", "embed", "base", "link", "form"} & set(found.tags)
    assert found.tags.count("script") == scripts
    assert found.handlers == []
    return found.text


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 4, (60, 60), dtype=np.uint8)
    labels = np.tile([[1.0, 0.0], [0.0, 1.0]], (30, 1))
    names = {"names": [NAME] * 60, "chrom": [NAME] * 60, "start": range(60), "end": range(60, 120)}
    return rcviz.SequenceSet(codes, labels, task_names=(NAME, "other"), **names)


@pytest.fixture(scope="module")
def model():
    config = rcviz.ModelConfig.one_layer("revcomp", n_filters=3, sequence_length=60, pool_size=23, n_tasks=2)
    return rcviz.build_model(config)


@pytest.fixture(scope="module")
def motifs():
    return [rcviz.Motif(NAME, rcviz.load_motif("GATA_known6").probabilities, NAME)]


def explorers(model, data, motifs):
    """Every widget that is a box of controls, with the name wherever a name can be."""
    yield rcviz.TrainingMonitor(model, data, data, rcviz.TrainConfig(epochs=1, batch_size=9))


def test_no_widget_takes_a_name_for_markup(model, data, motifs):
    for explorer in explorers(model, data, motifs):
        left = [explorer]
        while left:
            widget = left.pop()
            left += getattr(widget, "children", ())
            state = widget.get_state()
            assert not state.get("description_allow_html"), widget
            assert not state.get("tooltip_allow_html"), widget
            if isinstance(widget, ipywidgets.HTML | ipywidgets.HTMLMath):
                assert_text(widget.value)
            for _, _, markup in getattr(widget, "items", ()):
                assert_text(markup)
        explorer.close()


def data_of(page):
    """What a page with an explorer gives its script."""
    return json.loads(re.search(r'id="rcviz-data">(.*?)</script>', page)[1])


@pytest.mark.long
def test_no_page_takes_a_name_for_markup(model, data, motifs, tmp_path):
    """Only whole pages show that no place of them forgets to escape a name."""
    from rcviz.cli.inspect import write_page

    explorer = rcviz.FilterExplorer(model, data, motifs=motifs)
    explorer.to_html(tmp_path / "page.html")
    explorer.close()
    page = (tmp_path / "page.html").read_text()
    assert_text(page, scripts=2)
    assert "<img" not in page
    assert data_of(page)["_about"]["tasks"][0] == NAME
    assert data_of(page)["_sites"]["names"][0] == NAME
    strands = rcviz.StrandExplorer({NAME: model, "other": model}, data)
    strands.to_html(tmp_path / "page.html")
    strands.close()
    page = (tmp_path / "page.html").read_text()
    assert_text(page, scripts=2)
    assert "<img" not in page
    assert data_of(page)["_points"]["models"][0]["name"] == NAME
    assert data_of(page)["_sequences"]["names"][0] == NAME
    chosen = ChosenPart(data, f"All of {NAME}.", "")
    write_page(model, chosen, Path(NAME), Path(NAME), tmp_path / "inspect.html", None, as_json=False)
    page = (tmp_path / "inspect.html").read_text()
    assert assert_text(page, scripts=2).count(SHOWN) >= 3
    assert data_of(page)["_about"]["tasks"][0] == NAME


def test_no_name_becomes_a_path(model, data, motifs, tmp_path):
    folder = tmp_path / "a" / "b" / "c" / "d"
    folder.mkdir(parents=True)
    explorer = rcviz.FilterExplorer(model, data, motifs=motifs)
    for ending in ("csv", "parquet", "meme", "jaspar", "transfac", "svg", "html"):
        explorer.export(folder / f"filters.{ending}")
    explorer.close()
    strands = rcviz.StrandExplorer({NAME: model}, data)
    strands.export_table(folder / "strands.csv")
    strands.export_gap(folder / "gap.csv")
    strands.export_figure(folder / "figure.svg")
    strands.close()
    data.save(folder / "data.safetensors")
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    names = [f"filters.{ending}" for ending in ("csv", "html", "jaspar", "meme", "parquet", "svg", "transfac")]
    assert written == sorted(
        f"a/b/c/d/{name}" for name in [*names, "strands.csv", "gap.csv", "figure.svg", "data.safetensors"]
    )
    assert_text((folder / "figure.svg").read_text())
    assert_text((folder / "filters.svg").read_text())


def test_a_notebook_written_for_a_model_takes_its_name_for_text(tmp_path, monkeypatch):
    import nbformat

    monkeypatch.chdir(tmp_path)
    stem = "<img src=x onerror=alert(1)> [a](javascript:b) ` \n\n# 'x\"\\ {model}"
    data = rcviz.SequenceSet(np.zeros((2, 4), np.uint8), chrom=["chr1'+x+'", SHOWN], start=[0, 0])
    monkeypatch.setattr(model_data, "_own_parts", lambda *_: (None, SHOWN))
    chosen = model_data._of_chromosomes(Path(stem), tmp_path, data, ["chr1'+x+'"])
    path = _write_notebook(tmp_path / f"{stem}.safetensors", tmp_path / "data'\".safetensors", chosen)
    assert path.parent.resolve() == tmp_path
    title, load, *_, last = nbformat.read(path, as_version=4).cells
    heading, rest, said = title.source.split("\n\n")
    assert "<" not in said
    assert heading == "# `<img src=x onerror=alert(1)> [a](javascript:b) ' # 'x\"\\ {model}`"
    assert rest == "Run all cells; choose filters and sequences in the explorers."
    library = MagicMock()
    monkeypatch.setitem(sys.modules, "rcviz", library)
    names = {}
    for cell in (load, last):
        exec(cell.source, names)
    library.load_model.assert_called_once_with(f"{stem}.safetensors")
    library.SequenceSet.load.assert_called_once_with("data'\".safetensors")
    library.SequenceSet.load().table["chrom"].isin.assert_called_once_with(["chr1'+x+'"])
    ((models, _), _) = library.StrandExplorer.call_args
    assert list(models) == [stem]
