"""rcviz windows: what the library cuts, and what it counts."""

import json
import warnings
from unittest import mock

import numpy as np
import pytest

import rcviz

BASIS = ("windows", "--fasta", "genome.fa", "--peaks", "GATA1.narrowPeak", "--width", 100)


def test_windows_are_those_around_the_summits(run, genome, peaks, work):
    result = run(*BASIS, "--negatives", "shuffled", "out.safetensors")
    assert result.exit_code == 0, result.output
    data = rcviz.SequenceSet.load("out.safetensors")
    wanted = [genome[chrom][start + 120 - 50 : start + 120 + 50] for chrom, start in peaks if chrom != "chrC"]
    assert rcviz.decode(data.positives().codes) == wanted
    assert data.task_names == ("GATA1",)
    assert "positive: read 41, missing chromosome 1, kept 40" in result.stdout
    assert "Next: rcviz train out.safetensors --out model.safetensors --train chrA --valid chrB" in result.stdout


def test_json_is_all_that_is_printed(run, genome, peaks):
    options = ("--chromosomes", "chrB", "--negatives", "none", "--task-name", "mine", "--json")
    result = run(*BASIS, *options, "out.safetensors")
    said = json.loads(result.stdout)
    assert said["dataset"] == "out.safetensors"
    assert (said["n_sequences"], said["length"]) == (20, 100)
    assert said["summary"][0]["task"] == "mine"
    assert said["summary"][0]["ratio"] == 0
    assert said["summary"][0]["gc_negative"] is None  # NaN is no JSON
    assert said["provenance"]["counts"]["positive"].items() >= {"read": 41, "other_chromosome": 21, "kept": 20}.items()
    assert result.stderr == ""


def test_a_genome_may_be_several_files_and_options_reach_the_library(run, genome, peaks, work):
    for name, text in genome.items():
        (work / f"{name}.fa").write_text(f">{name}\n{text}\n")
    (work / "open.bed").write_text("chrA\t50\t250\nchrA\t1000\t1100\nchrB\t100\t300\n")
    arguments = ("windows", "--fasta", "chrA.fa", "--fasta", "chrB.fa", "--peaks", "GATA1.narrowPeak", "--width", 100)
    result = run(*arguments, "--accessible", "open.bed", "--max-n-share", 0.1, "--seed", 7, "--json", "out.safetensors")
    provenance = json.loads(result.stdout)["provenance"]
    direct = rcviz.genome.windows.peak_windows(
        ["chrA.fa", "chrB.fa"], "GATA1.narrowPeak", width=100, accessible="open.bed", max_n_share=0.1, seed=7
    )
    assert provenance == direct.provenance
    assert provenance["counts"]["negative"]["overlapping_positive"] == 1
    np.testing.assert_array_equal(rcviz.SequenceSet.load("out.safetensors").codes, direct.codes)


@pytest.mark.parametrize("out", ["more.fa", "genome.fa", "GATA1.narrowPeak", "folder", "no/where.safetensors"])
def test_nothing_is_written_over_that_is_not_a_dataset(refused, genome, peaks, work, out):
    """As --fasta chr*.fa asks for, where the name of the dataset is forgotten."""
    (work / "more.fa").write_text(">chrD\nACGT\n")
    (work / "folder").mkdir()
    before = {path: path.read_bytes() for path in work.iterdir() if path.is_file()}
    assert out in refused(*BASIS, out)
    assert {path: path.read_bytes() for path in work.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--negatives-per-positive", "inf"), "negatives_per_positive must be"),
        (("--negatives-per-positive", "1e9"), "negatives_per_positive must be"),
        (("--chromosomes", "chrA,chr5"), "'chr5', but the FASTA has chrA, chrB"),
        (("--chromosomes", ","), "chromosomes is empty"),
        (("--accessible", "GATA1.narrowPeak", "--negatives", "gc_matched"), "negatives='gc_matched'"),
    ],
)
def test_options_that_make_no_sense(refused, genome, peaks, options, said):
    assert said in refused(*BASIS, *options, "out.safetensors")


@pytest.mark.parametrize("option", [("--n-relaxed", "-1"), ("--seed", "-1")])
def test_numbers_below_the_least_are_named(run, genome, peaks, option):
    result = run(*BASIS, *option, "out.safetensors")
    assert result.exit_code == 2
    assert option[0] in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("chrA\t10\t20\nchrA\t200\t100\n", "line 2"),
        ("<!DOCTYPE html>\n<html></html>\n", "bad.bed, line 1"),
        ("A\t100\t200\n", "chr"),
    ],
)
def test_bad_peaks_are_one_sentence_and_nothing_is_written(refused, genome, work, text, said):
    (work / "bad.bed").write_text(text)
    before = sorted(work.iterdir())
    assert said in refused("windows", "--fasta", "genome.fa", "--peaks", "bad.bed", "--width", 100, "out.safetensors")
    assert sorted(work.iterdir()) == before


def test_a_file_or_folder_that_is_not_there_is_named(refused, genome, peaks):
    basis = ("windows", "--peaks", "GATA1.narrowPeak", "--width", 100)
    assert "nowhere.fa" in refused(*basis, "--fasta", "nowhere.fa", "out.safetensors")
    assert "nowhere" in refused(*basis, "--fasta", "genome.fa", "nowhere/out.safetensors")


def test_an_old_dataset_survives_what_cannot_be_cut(refused, genome, peaks, work):
    (work / "out.safetensors").write_text("old")
    assert "negatives must be one of" in refused(*BASIS, "--negatives", "nonsense", "out.safetensors")
    assert "no positive" in refused(*BASIS[:-2], "--width", 29_990, "out.safetensors")
    assert (work / "out.safetensors").read_text() == "old"


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [(ImportError("windows need pyfaidx"), 1, "windows need pyfaidx"), (KeyboardInterrupt(), 130, "interrupted")],
)
def test_a_missing_package_and_an_interrupt_show_no_traceback(refused, genome, peaks, monkeypatch, error, code, words):
    monkeypatch.setattr("rcviz.genome.windows.peak_windows", mock.Mock(side_effect=error))
    assert refused(*BASIS, "out.safetensors", code=code) == words


def test_warnings_are_one_line_without_a_place_in_the_code(run, genome, peaks, monkeypatch):
    cut = rcviz.genome.windows.peak_windows

    def doubtful(*arguments, **options):
        warnings.warn("only 3 of 40 could be matched", UserWarning, stacklevel=2)
        return cut(*arguments, **options)

    monkeypatch.setattr("rcviz.genome.windows.peak_windows", doubtful)
    result = run(*BASIS, "--negatives", "none", "out.safetensors")
    assert result.stderr == "warning: only 3 of 40 could be matched\n"
