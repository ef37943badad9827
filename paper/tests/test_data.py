"""Sequences are divided by the paper's chromosomes where these are present, else by others, which the table names."""

import numpy as np
import pytest

import rcviz
from paper.data import chromosomes_of, load_splits
from paper.figures import TASKS_SEPARATE

HERE = ("chr17", "chr19", "chr20", "chr21", "chr22", "chrX")
GENOME = tuple(f"chr{name}" for name in (*range(1, 23), "X"))


@pytest.fixture
def folder(tmp_path):
    """Write a data set of twenty windows per chromosome."""

    def folder(chromosomes):
        n = 20 * len(chromosomes)
        codes = np.random.default_rng(0).integers(0, 4, (n, 1000), dtype=np.uint8)
        chrom = np.repeat(chromosomes, 20)
        data = rcviz.SequenceSet(codes, [0, 1] * (n // 2), task_names=["CTCF"], chrom=chrom)
        data.save(tmp_path / "CTCF.safetensors")
        return tmp_path

    return folder


@pytest.mark.parametrize(
    ("preset", "chromosomes", "words"),
    [
        ("chr1/chr17/rest", HERE, "train chr19+chr20, valid chr22, test chr21+chrX+chr17 (stand-in)"),
        ("chr21/chr22/rest", HERE, "train chr21, valid chr22, test chr17+chr19+chr20+chrX"),
        ("rest/chr1/chr2", HERE, "train chr17+chr19+chr20+chrX, valid chr22, test chr21 (stand-in)"),
        ("chr1/chr17/rest", GENOME, "train chr1, valid chr17, test the rest"),
        ("rest/chr1/chr2", GENOME, "train the rest, valid chr1, test chr2"),
        ("chr21/chr22/rest", ("chr21", "chr22"), "train chr21, valid chr22"),
        (
            "chr1/chr17/rest",
            HERE[1:5],
            "train chr19+chr20, valid chr22, test chr21 (stand-in)",
        ),
    ],
)
def test_chromosomes_are_the_papers_or_are_called_stand_ins(folder, preset, chromosomes, words):
    parts, text = load_splits("CTCF", preset, scale="paper", data=folder(chromosomes))
    assert text == words
    named, stand_in = chromosomes_of(preset, list(chromosomes), "CTCF.safetensors")
    assert stand_in == ("stand-in" in words)
    for part, names in zip(parts, named, strict=True):
        assert set(part.table["chrom"]) == set(names)
        assert len(part) == 20 * len(names)


def test_labels_shuffled_per_task_are_other_labels_of_the_same_sequences():
    one, other = (load_splits(name, "random", scale="quick", data=None)[0] for name in ("simulated", TASKS_SEPARATE))
    np.testing.assert_array_equal(one.valid.codes, other.valid.codes)
    assert (one.valid.labels.sum(axis=1) == 1).all()
    assert not (other.valid.labels.sum(axis=1) == 1).all()


def test_too_few_chromosomes_are_refused(folder):
    with pytest.raises(ValueError, match=r"chr19, chr22.*chr1/chr17/rest"):
        load_splits("CTCF", "chr1/chr17/rest", scale="paper", data=folder(("chr19", "chr22")))


def test_a_missing_factor_or_folder_is_named(folder):
    with pytest.raises(FileNotFoundError, match=r"SPI1.safetensors"):
        load_splits("SPI1", "rest/chr1/chr2", scale="paper", data=folder(HERE))
    with pytest.raises(ValueError, match="data="):
        load_splits("CTCF", "rest/chr1/chr2", scale="paper", data=None)
