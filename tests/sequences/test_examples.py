"""The bundled files are those that SOURCES.md describes, and the example is as it is listed."""

import hashlib
import re
from importlib.resources import files

import numpy as np
import pytest

from rcviz.metrics import auroc
from rcviz.motifs.bundled import load_motif
from rcviz.sequences.examples import list_examples, load_example


def test_every_bundled_file_has_its_source_and_checksum():
    folder = files("rcviz") / "data"
    sources = (folder / "SOURCES.md").read_text()
    documented = dict(re.findall(r"### (\S+)\n(?:(?!###).*\n)*?- \*\*sha256\*\*: `(\w+)`", sources))
    found = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.iterdir()
        if file.suffix not in (".md", ".toml")  # texts of our own: sources, and addresses to fetch from
    }
    assert documented == found


@pytest.mark.parametrize("row", list_examples().to_dict("records"), ids=lambda row: row["name"])
def test_the_listing_is_true(row):
    data = load_example(row["name"])
    assert (len(data), data.length, ", ".join(data.task_names)) == (row["n_sequences"], row["length"], row["tasks"])
    assert data.provenance["name"] == row["name"]
    assert data.provenance["licence"] == row["licence"]


def test_ctcf_has_peaks_then_background_of_equal_gc_content():
    data = load_example("ctcf")
    np.testing.assert_array_equal(data.labels[:, 0], np.repeat([1, 0], [500, 2000]))
    assert data.codes.max() == 3
    table = data.table
    assert (table["end"] - table["start"] == 200).all()
    assert set(table["chrom"][500:]) == {"chr21"}
    assert table["name"][0] == "chr11:190037-190237"
    summary = data.summary().loc[0]
    assert summary["ratio"] == 4
    assert summary["gc_positive"] == pytest.approx(summary["gc_negative"], abs=0.01)


def test_the_motif_of_ctcf_separates_peaks_from_background_and_another_does_not():
    data = load_example("ctcf")
    labels = data.labels[:, 0]
    assert auroc(labels, load_motif("CTCF_known1").scan(data)["score"]) > 0.95
    assert auroc(labels, load_motif("GATA_known6").scan(data)["score"]) < 0.6


def test_an_unknown_example_names_the_nearest():
    with pytest.raises(ValueError, match="there is no example 'CTFC': did you mean 'ctcf'"):
        load_example("CTFC")
