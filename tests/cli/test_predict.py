"""rcviz predict, the part that rcviz inspect takes, notes before training, and options that are given twice."""

import gzip
import json

import frontends
import numpy as np
import pandas as pd
import pytest

import rcviz


@pytest.fixture
def trained(run, dataset, small, work):
    """Trained on chr1, validated on chr2, tested on chr3: 40 sequences each."""
    result = run("train", dataset, "--out", "m.safetensors", "--config", small, "--epochs", 1, "--json")
    assert result.exit_code == 0, result.output
    return result


def test_predictions_are_those_of_the_library(run, trained, dataset, work):
    result = run("predict", "m.safetensors", dataset, "--out", "p.csv", "--json")
    data, model = rcviz.SequenceSet.load(dataset), rcviz.load_model("m.safetensors")
    table = pd.read_csv("p.csv")
    np.testing.assert_allclose(table["forward"], rcviz.predict(model, data)[:, 0], rtol=1e-5)
    assert table["task"].unique().tolist() == ["GATA"]
    assert json.loads(result.stdout)["summary"][0]["n"] == 120
    assert run("predict", "m.safetensors", dataset, "--out", "p.bed").exit_code == 0
    assert len(rcviz.read_peaks("p.bed")) == 120


def test_a_gzipped_fasta_file_has_the_task_of_the_card(run, trained, dataset, work):
    rcviz.SequenceSet.load(dataset).to_fasta("a.fa")
    (work / "a.fa.gz").write_bytes(gzip.compress((work / "a.fa").read_bytes()))
    assert run("predict", "m.safetensors", "a.fa.gz", "--out", "p.parquet", "--output", "logit").exit_code == 0
    table = pd.read_parquet("p.parquet")
    assert table["task"].unique().tolist() == ["GATA"]
    assert table["chrom"].tolist() == rcviz.SequenceSet.load(dataset).table["chrom"].tolist()


def test_predictions_that_cannot_be_made_are_one_sentence(refused, trained, dataset, work):
    assert "one of .csv, .bed, .parquet" in refused("predict", "m.safetensors", dataset, "--out", "p.txt")
    (work / "short.fa").write_text(">a\nACGT\n")
    assert "60 bp" in refused("predict", "m.safetensors", "short.fa", "--out", "p.csv")
    assert not (work / "p.csv").exists()


def test_what_is_trained_is_said_before(trained):
    """The toy data has as many positives as negatives on each chromosome."""
    lines = trained.stderr
    weight = json.loads(trained.stdout)["settings"]["train"]["positive_weight"]
    assert "sequences: train 40, valid 40, test 40" in lines
    assert f"(1 negatives per positive); the loss of positives has the weight {weight:g}" in lines
    assert "expected time: " in lines


def test_dropped_shares_are_said_before_training(run, genome, peaks, small):
    windows = ("windows", "--fasta", "genome.fa", "--peaks", "GATA1.narrowPeak", "--width", 100)
    run(*windows, "--negatives", "shuffled", "w.safetensors")
    asked = ("--config", small, "--train", "chrA", "--valid", "chrB", "--epochs", 1)
    result = run("train", "w.safetensors", "--out", "m.safetensors", *asked)
    assert result.exit_code == 0, result.output
    assert "of 41 positive regions were dropped when the dataset was made: missing chromosome 2.4%" in result.stderr


def test_inspect_takes_the_models_own_test_part(run, refused, trained, dataset, work):
    basis = ("inspect", "m.safetensors", dataset, "--html", "r.html", "--json")
    report = json.loads(run(*basis).stdout)
    data, model = rcviz.SequenceSet.load(dataset), rcviz.load_model("m.safetensors")
    test = data.subset((data.table["chrom"] == "chr3").to_numpy())
    assert report["n_sequences"] == 40
    assert report["sequences"] == "The 40 sequences of the model's own test part: the model was not trained on them."
    assert report["metrics"][0]["auroc"] == pytest.approx(rcviz.evaluate(model, test)["auroc"].item())
    assert "own test part" in (work / "r.html").read_text()
    trained_on = json.loads(run(*basis, "--chromosomes", "chr1").stdout)["sequences"]
    assert "the model was trained on windows of chr1, so metrics are too high" in trained_on
    assert "give one of the two" in refused(*basis, "--chromosomes", "chr1", "--part", "test")


def test_inspect_says_when_it_cannot_know(run, refused, trained, toy, dataset, work):
    rcviz.SequenceSet(toy.codes[::-1].copy(), toy.labels[::-1, 0].copy(), task_names=["GATA"]).save("other.safetensors")
    report = json.loads(run("inspect", "m.safetensors", "other.safetensors", "--html", "r.html", "--json").stdout)
    assert report["n_sequences"] == 120
    assert "not the data that the model was trained on" in report["sequences"]
    said = refused("inspect", "m.safetensors", "other.safetensors", "--html", "r.html", "--part", "test")
    assert "--part test is not known" in said


def test_the_notebook_of_inspect_has_the_same_part(run, trained, dataset, work, calls):
    run("inspect", "m.safetensors", dataset)
    (path,) = work.glob("*.ipynb")
    cell = frontends.nbformat.read(path, as_version=4).cells[1].source
    scope = {}
    exec(cell, scope)
    assert len(scope["data"]) == 40
    assert set(scope["data"].table["chrom"]) == {"chr3"}


@pytest.mark.parametrize(
    "arguments",
    [
        (
            "windows",
            "--fasta",
            "genome.fa",
            "--peaks",
            "GATA1.narrowPeak",
            "--width",
            100,
            "--width",
            90,
            "o.safetensors",
        ),
        ("train", "d.safetensors", "--out", "a.safetensors", "--out", "b.safetensors"),
        ("inspect", "m.safetensors", "d.safetensors", "--html", "a.html", "--html", "b.html"),
        ("predict", "m.safetensors", "d.safetensors", "--out", "a.csv", "--out", "b.csv"),
        ("compare", "d.safetensors", "--metric", "auroc", "--metric", "auprc"),
        ("fetch", "gm12878", "--to", "a", "--to", "b"),
        ("demo", "--epochs", 1, "--epochs", 2),
    ],
)
def test_an_option_that_takes_one_value_is_refused_twice(run, work, arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "was given 2 times and takes one value" in result.stderr
    assert not list(work.iterdir())


def test_repeated_lists_are_joined_and_peaks_may_have_names(run, genome, peaks, work):
    (work / "b.bed").write_text("chrA\t1100\t1300\nchrB\t25500\t25700\n")
    basis = ("windows", "--fasta", "genome.fa", "--width", 100, "--negatives", "none", "--json")
    options = ("--chromosomes", "chrA", "--chromosomes", "chrB")
    union = json.loads(run(*basis, "--peaks", "GATA1.narrowPeak", "--peaks", "b.bed", *options, "u.safetensors").stdout)
    assert union["n_sequences"] == 41  # one of the two overlaps a peak of the first
    assert union["provenance"]["chromosomes"] == ["chrA", "chrB"]
    named = ("--peaks", "GATA=GATA1.narrowPeak", "--peaks", "CTCF=b.bed")
    tasks = json.loads(run(*basis, *named, "t.safetensors").stdout)
    assert [row["task"] for row in tasks["summary"]] == ["GATA", "CTCF"]
    # The second's first peak is centred at 1,200, outside the window around 1,120 that it overlaps.
    data = rcviz.SequenceSet.load("t.safetensors")
    assert len(data) == 42
    assert data.labels[:, 1].sum() == 3
    mixed = run(*basis, "--peaks", "GATA=GATA1.narrowPeak", "--peaks", "b.bed", "m.safetensors")
    assert "NAME=FILE for all of them" in mixed.stderr


def test_without_negatives_the_next_step_is_not_training(run, genome, peaks):
    windows = ("windows", "--fasta", "genome.fa", "--peaks", "GATA1.narrowPeak", "--width", 100)
    said = run(*windows, "--negatives", "none", "o.safetensors").stdout
    assert "Next: rcviz predict" in said
    assert "Training needs negatives" in said
    assert "Next: rcviz train" in run(*windows, "--negatives", "shuffled", "p.safetensors").stdout
