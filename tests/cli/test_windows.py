"""rcviz windows: what the library cuts, and what it counts."""

import json

import numpy as np
import pytest

import rcviz


def test_windows_are_those_around_the_summits(run, genome, peaks, work):
    result = run(
        *("windows", "--fasta", "genome.fa", "--peaks", "GATA1.narrowPeak", "--width", 100, "--negatives", "shuffled"),
        "out.safetensors",
    )
    assert result.exit_code == 0, result.output
    data = rcviz.SequenceSet.load("out.safetensors")
    wanted = [genome[chrom][start + 120 - 50 : start + 120 + 50] for chrom, start in peaks if chrom != "chrC"]
    assert rcviz.decode(data.positives().codes) == wanted
    assert data.task_names == ("GATA1",)
    assert "positive: read 41, missing chromosome 1, kept 40" in result.stdout
    assert "Next: rcviz train out.safetensors --out model.safetensors --train chrA --valid chrB" in result.stdout


def test_json_is_all_that_is_printed(run, genome, peaks):
    result = run(
        *("windows", "--fasta", "genome.fa", "--peaks", "GATA1.narrowPeak", "--width", 100, "--chromosomes", "chrB"),
        *("--negatives", "none", "--task-name", "mine", "--json", "out.safetensors"),
    )
    said = json.loads(result.stdout)
    assert said["dataset"] == "out.safetensors"
    assert (said["n_sequences"], said["length"]) == (20, 100)
    assert said["summary"][0]["task"] == "mine"
    assert said["summary"][0]["ratio"] == 0
    assert said["summary"][0]["gc_negative"] is None  # NaN is no JSON
    assert said["provenance"]["counts"]["positive"] == {
        **said["provenance"]["counts"]["positive"],
        **{"read": 41, "other_chromosome": 21, "kept": 20},
    }
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
    said = refused("windows", "--fasta", "genome.fa", "--peaks", "GATA1.narrowPeak", "--width", 100, out)
    assert out in said
    assert "another name" in said or "folder that exists" in said
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
    asked = ("windows", "--fasta", "genome.fa", "--peaks", "GATA1.narrowPeak", "--width", 100)
    assert said in refused(*asked, *options, "out.safetensors")


@pytest.mark.parametrize("option", [("--n-relaxed", "-1"), ("--seed", "-1")])
def test_numbers_below_the_least_are_named(run, genome, peaks, option):
    result = run("windows", "--fasta", "genome.fa", "--peaks", "GATA1.narrowPeak", *option, "out.safetensors")
    assert result.exit_code == 2
    assert option[0] in result.stderr


BAD_PEAKS = {
    "empty": ("", "is empty"),
    "start after end": ("chrA\t10\t20\nchrA\t200\t100\n", "line 2"),
    "HTML": ("<!DOCTYPE html>\n<html></html>\n", "bad.bed, line 1"),
    "other names": ("A\t100\t200\n", "chr"),
}


@pytest.mark.parametrize("kind", BAD_PEAKS)
def test_bad_peaks_are_one_sentence_and_nothing_is_written(refused, genome, work, kind):
    text, said = BAD_PEAKS[kind]
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
    basis = ("windows", "--fasta", "genome.fa", "--peaks", "GATA1.narrowPeak", "out.safetensors")
    assert "negatives must be one of" in refused(*basis, "--negatives", "nonsense")
    assert "no positive" in refused(*basis, "--width", 29_990)
    assert (work / "out.safetensors").read_text() == "old"


def test_a_missing_package_is_named(refused, genome, peaks, monkeypatch):
    def missing(*arguments, **options):
        raise ImportError('windows need pyfaidx; run: pip install "rcviz[peaks]"')

    monkeypatch.setattr("rcviz.genome.windows.peak_windows", missing)
    said = refused("windows", "--fasta", "genome.fa", "--peaks", "GATA1.narrowPeak", "out.safetensors", code=1)
    assert said.startswith("windows need pyfaidx")


def test_an_interrupt_shows_no_traceback(refused, genome, peaks, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("rcviz.genome.windows.peak_windows", interrupted)
    basis = ("windows", "--fasta", "genome.fa", "--peaks", "GATA1.narrowPeak", "out.safetensors")
    assert refused(*basis, code=130) == "interrupted"


def test_warnings_are_one_line_without_a_place_in_the_code(run, genome, peaks, monkeypatch):
    import warnings

    from rcviz.genome import windows as chipseq

    cut = chipseq.peak_windows

    def doubtful(*arguments, **options):
        warnings.warn("only 3 of 40 could be matched", UserWarning, stacklevel=2)
        return cut(*arguments, **options)

    monkeypatch.setattr(chipseq, "peak_windows", doubtful)
    result = run(
        *("windows", "--fasta", "genome.fa", "--peaks", "GATA1.narrowPeak", "--width", 100, "--negatives", "none"),
        "out.safetensors",
    )
    assert result.stderr == "warning: only 3 of 40 could be matched\n"
