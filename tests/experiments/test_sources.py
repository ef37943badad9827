"""Sequences are those of the paper's chromosomes where they are there, of named stand-ins where not, and nested."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rcviz
from rcviz.experiments.arms import TASKS_APART, arms_of
from rcviz.experiments.runs import runs_of
from rcviz.experiments.sources import divided_as, load_parts, nested_subset, source_of

HERE = ("chr17", "chr19", "chr20", "chr21", "chr22", "chrX")
GENOME = tuple(f"chr{name}" for name in (*range(1, 23), "X"))


@pytest.fixture
def folder(tmp_path):
    """Write a dataset of twenty windows a chromosome."""

    def folder(chromosomes, factor="CTCF", seed=0):
        n = 20 * len(chromosomes)
        codes = np.random.default_rng(seed).integers(0, 4, (n, 1000), dtype=np.uint8)
        chrom = np.repeat(chromosomes, 20)
        data = rcviz.SequenceSet(codes, [0, 1] * (n // 2), task_names=[factor], chrom=chrom)
        data.save(tmp_path / f"{factor}.safetensors")
        return tmp_path

    return folder


def arm_of(figure):
    return arms_of(figure)[0]


@pytest.mark.parametrize(
    ("figure", "chromosomes", "sentence"),
    [
        ("fig4", HERE, "train chr19+chr20, valid chr22, test chr21+chrX+chr17 (stand-in)"),
        ("fig5", HERE, "train chr21, valid chr22, test chr17+chr19+chr20+chrX"),
        ("fig7b", HERE, "train chr17+chr19+chr20+chrX, valid chr22, test chr21 (stand-in)"),
        ("fig4", GENOME, "train chr1, valid chr17, test the rest"),
        ("fig5", GENOME, "train chr21, valid chr22, test the rest"),
        ("fig7b", GENOME, "train the rest, valid chr1, test chr2"),
        ("fig5", ("chr21", "chr22"), "train chr21, valid chr22"),
        ("fig6", ("chr19", "chr20", "chr22", "chr21"), "train chr19+chr20, valid chr22, test chr21 (stand-in)"),
    ],
)
def test_chromosomes_are_the_papers_or_are_called_stand_ins(folder, figure, chromosomes, sentence):
    source = source_of(arm_of(figure), "paper", folder(chromosomes))
    assert source.sentence == sentence
    splits = {arm_of(other).split for other in ("fig3", "fig4", "fig5", "fig7b")}
    assert {split for split in splits if divided_as(split, source.parts)} == {arm_of(figure).split}
    parts = load_parts(source, 0, 1.0)
    for part, names in zip(parts, source.parts, strict=True):
        assert set(part.table["chrom"]) == set(names)
        assert len(part) == 20 * len(names)


def test_labels_shuffled_apart_are_other_labels_of_the_same_sequences():
    chosen = {arm.dataset: arm for arm in arms_of("choices", scale="quick")}
    rows, tasks = (source_of(chosen[name], "quick", None) for name in ("simulated", TASKS_APART))
    assert rows.fingerprint != tasks.fingerprint
    one, other = (load_parts(source, 0, 1.0).valid for source in (rows, tasks))
    np.testing.assert_array_equal(one.codes, other.codes)
    assert (one.labels.sum(axis=1) == 1).all()
    assert not (other.labels.sum(axis=1) == 1).all()


def test_too_few_chromosomes_are_refused(folder):
    with pytest.raises(ValueError, match="has chr19, chr22, which allows neither the paper's division"):
        source_of(arm_of("fig4"), "paper", folder(("chr19", "chr22")))


def test_a_missing_factor_is_named(folder):
    with pytest.raises(FileNotFoundError, match=r"fig7b needs .*SPI1.safetensors"):
        runs_of(arms_of("fig7b"), (0,), scale="paper", data=folder(HERE))


def test_other_sequences_are_other_runs(folder):
    def ids(**options):
        return {run.id for run in runs_of([arm_of("fig5")], (0,), scale="paper", data=folder(HERE, **options))}

    first = ids()
    assert ids() == first
    assert ids(seed=1) != first


def test_a_worker_with_other_files_says_so(folder):
    source = source_of(arm_of("fig5"), "paper", folder(HERE))
    folder(HERE, seed=2)
    with pytest.raises(ValueError, match="holds other sequences on this machine"):
        load_parts(source, 0, 1.0)


@given(st.integers(1, 3000), st.integers(0, 99), st.lists(st.floats(0.001, 1), min_size=2, max_size=5))
def test_a_smaller_share_is_part_of_a_larger_one(n, seed, fractions):
    shares = [set(nested_subset(n, fraction, seed).tolist()) for fraction in sorted(fractions)]
    for fraction, share in zip(sorted(fractions), shares, strict=True):
        assert abs(len(share) - fraction * n) <= 1
        assert share <= set(range(n))
    assert all(smaller <= larger for smaller, larger in itertools.pairwise(shares))


def test_shares_of_another_seed_are_drawn_anew_and_leave_validation_and_test_alone(quick_runs):
    runs = {(run.arm.fraction, run.seed): run for run in quick_runs("fig6", ["RC-16"], seeds=2)}
    whole = load_parts(runs[1.0, 0].source, 0, 1.0)
    rows = set(map(bytes, whole.train.codes))
    tenths = [load_parts(runs[0.1, seed].source, seed, 0.1) for seed in (0, 1)]
    for part in tenths:
        assert len(part.train) == round(0.1 * len(whole.train))
        assert set(map(bytes, part.train.codes)) <= rows
        assert part.valid is whole.valid
        assert part.test is whole.test
    assert not np.array_equal(tenths[0].train.codes, tenths[1].train.codes)
