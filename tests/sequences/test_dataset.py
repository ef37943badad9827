"""SequenceSet keeps its arguments, selects the right parts and refuses inconsistent arguments."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rcviz.sequences.alphabet import one_hot, reverse_complement
from rcviz.sequences.sequence_set import SequenceSet, as_sequence_set
from rcviz.sequences.splits import Splits, split, split_by_chromosome

CODES = np.array([[0, 1, 2, 3], [3, 3, 3, 3], [2, 2, 1, 4], [0, 0, 0, 2]], np.uint8)
LABELS = [[1, 0], [0, np.nan], [1, 1], [0, 0]]


@pytest.fixture
def data():
    return SequenceSet(
        CODES,
        LABELS,
        task_names=["CTCF", "MAX"],
        names=["a", "b", "c", "d"],
        chrom=["chr1", "chr2", "chr2", "chrX"],
        start=[0, 10, 20, 30],
        end=[4, 14, 24, 34],
        provenance={"n": np.int64(4), "path": ("x", 1.5)},
    )


def numbered(n, *, n_chromosomes=4, labels=True):
    """Make a set whose every sequence spells its own number, with alternating labels."""
    codes = (np.arange(n)[:, None] // 4 ** np.arange(6) % 4).astype(np.uint8)
    chrom = [f"chr{i // 2 % n_chromosomes + 1}" for i in range(n)]
    return SequenceSet(codes, np.arange(n) % 2 if labels else None, chrom=chrom)


def numbers_of(data):
    return (data.codes.astype(int) * 4 ** np.arange(6)).sum(axis=1)


# ---------------------------------------------------------------- what a set holds


def test_attributes_are_what_was_given(data):
    assert data.codes is CODES
    assert data.labels.dtype == np.float32
    np.testing.assert_array_equal(data.labels, np.float32(LABELS))
    assert (len(data), data.length, data.task_names) == (4, 4, ("CTCF", "MAX"))
    assert data.table.columns.tolist() == ["name", "chrom", "start", "end"]
    assert data.table.loc[1].tolist() == ["b", "chr2", 10, 14]
    assert data.provenance == {"n": 4, "path": ["x", 1.5]}
    assert repr(data) == "SequenceSet(4 sequences of 4 bp, tasks CTCF, MAX)"


def test_a_set_without_anything_else():
    data = SequenceSet(CODES)
    assert data.labels is None
    assert data.task_names == ()
    assert data.table.shape == (4, 0)
    assert data.summary().empty
    assert repr(data) == "SequenceSet(4 sequences of 4 bp, no labels)"


def test_one_task_may_be_a_plain_list():
    data = SequenceSet(CODES, [True, False, True, False])
    assert data.labels.shape == (4, 1)
    assert data.task_names == ("task_0",)
    assert SequenceSet(CODES, torch.ones(4, 2)).task_names == ("task_0", "task_1")
    assert SequenceSet(CODES, [1, 0, None, 1], task_names="CTCF").task_names == ("CTCF",)


@pytest.mark.parametrize("name", ["codes", "labels", "task_names", "table", "provenance", "length"])
def test_attributes_cannot_be_reassigned(data, name):
    with pytest.raises(AttributeError):
        setattr(data, name, None)


def test_changing_the_table_does_not_change_the_set(data):
    table = data.table
    table.loc[0, "name"] = "other"
    assert data.table.loc[0, "name"] == "a"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": [1, 0, 1]}, r"labels of shape \(4,\) or \(4, n_tasks\), one row for each .* got \(3,\)"),
        ({"labels": np.ones((4, 2, 1))}, r"got \(4, 2, 1\)"),
        ({"labels": np.ones((4, 0))}, r"got \(4, 0\)"),
        ({"labels": [1, 0, 0.5, 1]}, "got 0.5 at sequence 2, task 0"),
        ({"labels": [1, 0, np.inf, 1]}, "got inf at sequence 2"),
        ({"labels": ["bound", "x", "x", "x"]}, "must be numbers"),
        ({"labels": [1, 0, 0, 1], "task_names": ["a", "b"]}, "expected 1 different task names"),
        ({"labels": np.ones((4, 2)), "task_names": ["a", "a"]}, "expected 2 different task names"),
        ({"task_names": ["a"]}, "expected 0 different task names"),
        ({"names": ["a"]}, "expected names .* 4 sequences"),
        ({"chrom": "chr1"}, "got 'chr1'"),
        ({"start": [0, 1, 2, 3.5]}, "start must be integers, got float64"),
        ({"start": [0, 1, -2, 3]}, "start must be at least 0, got -2"),
        ({"start": [0, 1, 2, 3], "end": [4, 5, 2, 7]}, "got 2 to 2 at sequence 2"),
        ({"provenance": {"x": object()}}, "provenance must be JSON-serialisable"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        SequenceSet(CODES, **changes)


# ---------------------------------------------------------------- parts


@pytest.mark.parametrize(
    "choice",
    [
        np.array([True, False, True, False]),
        [True, False, True, False],
        pd.Series([True, False, True, False]),
        np.array([0, 2]),
        [0, -2],
        slice(0, 3, 2),
    ],
)
def test_every_way_to_choose_takes_the_same_part(data, choice):
    part = data.subset(choice)
    np.testing.assert_array_equal(part.codes, CODES[[0, 2]])
    np.testing.assert_array_equal(part.labels, np.float32(LABELS)[[0, 2]])
    assert part.table["name"].tolist() == ["a", "c"]
    assert part.table["end"].tolist() == [4, 24]
    assert (part.task_names, part.provenance) == (data.task_names, data.provenance)
    np.testing.assert_array_equal(data.one_hot(choice), one_hot(CODES[[0, 2]]))


def test_parts_of_one_none_and_repeats(data):
    assert data.subset(3).table["name"].tolist() == ["d"]
    assert data.subset([]).codes.shape == (0, 4)
    assert data.subset([1, 1]).table["name"].tolist() == ["b", "b"]
    assert np.shares_memory(data.subset(slice(1, 3)).codes, CODES)
    np.testing.assert_array_equal(data.one_hot(), one_hot(CODES))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ([True, False], "a mask of 4 values"),
        ([0, 4], "index 4 is out of range for 4"),
        ([-5], "index -5 is out of range"),
        ([0.0, 1.0], "got float64"),
        (["a"], "expected a mask, integers or a slice"),
        (np.zeros((2, 2), int), r"shape \(2, 2\)"),
        ([1, 0, 1, 0], r"mask.astype\(bool\)"),  # sequences 0 and 2 as a mask, four others as indices
        (np.zeros(4, np.uint8), r"mask.astype\(bool\)"),
        (torch.tensor([1.0, 0.0, 1.0, 0.0]), r"mask.astype\(bool\)"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(data, choice, message):
    with pytest.raises(ValueError, match=message):
        data.subset(choice)


def test_indices_that_cannot_be_a_mask_are_taken(data):
    assert data.subset([1, 0, 1]).table["name"].tolist() == ["b", "a", "b"]
    assert data.subset([1, 0, 1, 2]).table["name"].tolist() == ["b", "a", "b", "c"]
    assert data.subset(np.array([1, 0, 1, 0]) - len(data)).table["name"].tolist() == ["b", "a", "b", "a"]
    assert data.subset(0).subset([0]).table["name"].tolist() == ["a"]


def test_a_reversed_selection_is_the_data_in_the_other_order(data):
    back = data.subset(slice(None, None, -1))
    np.testing.assert_array_equal(back.codes, CODES[::-1])
    np.testing.assert_array_equal(back.labels, np.float32(LABELS)[::-1])
    assert back.table["name"].tolist() == ["d", "c", "b", "a"]
    for array in (back.codes, back.labels, SequenceSet(CODES[:, ::-1], np.float32(LABELS)[:, ::-1]).labels):
        np.testing.assert_array_equal(torch.from_numpy(array).numpy(), array)  # torch refuses negative strides


def test_positives_and_negatives_leave_out_the_unknown(data):
    assert data.positives().table["name"].tolist() == ["a", "c"]
    assert data.negatives("CTCF").table["name"].tolist() == ["b", "d"]
    assert data.positives("MAX").table["name"].tolist() == ["c"]
    assert data.negatives(np.int64(1)).table["name"].tolist() == ["a", "d"]
    assert [data.task_index(task) for task in ("MAX", 1)] == [1, 1]


def test_a_task_that_is_not_there_is_refused_by_name(data):
    for task in ("SPI1", 2, -1, True):
        with pytest.raises(ValueError, match=f"no task {task!r}: choose 0 to 1 or one of CTCF, MAX"):
            data.positives(task)
    with pytest.raises(ValueError, match="has no labels"):
        SequenceSet(CODES).positives()


def test_the_other_strand_keeps_all_but_the_codes(data):
    other = data.reverse_complement()
    np.testing.assert_array_equal(other.codes, reverse_complement(CODES))
    np.testing.assert_array_equal(other.labels, data.labels)
    pd.testing.assert_frame_equal(other.table, data.table)


def test_summary_by_hand(data):
    ctcf, other = data.summary().to_dict("records")
    assert ctcf == {
        "task": "CTCF",
        "n_positive": 2,
        "n_negative": 2,
        "n_unknown": 0,
        "ratio": 1.0,
        "gc_positive": 0.75,  # ACGT one half, GGCN one
        "gc_negative": 0.125,  # TTTT none, AAAG one quarter
    }
    assert (other["n_positive"], other["n_negative"], other["n_unknown"], other["ratio"]) == (1, 2, 1, 2.0)
    assert np.isnan(SequenceSet(CODES, [0, 0, 0, 0]).summary()["ratio"][0])


@pytest.mark.parametrize(
    "form",
    [
        ["ACGT", "TTTT"],
        CODES[:2],
        one_hot(CODES[:2]),
        torch.from_numpy(CODES[:2]),
        torch.from_numpy(one_hot(CODES[:2])).requires_grad_(),
    ],
)
def test_every_form_of_sequences_becomes_a_set(form):
    np.testing.assert_array_equal(as_sequence_set(form).codes, CODES[:2])


def test_a_set_is_passed_on_and_channels_last_refused(data):
    assert as_sequence_set(data) is data
    with pytest.raises(ValueError, match=r"got \(32, 200, 4\): channels are last; use x.transpose\(0, 2, 1\)"):
        as_sequence_set(np.zeros((32, 200, 4), np.float32))


# ---------------------------------------------------------------- splits at random


@given(st.integers(20, 200), st.integers(0, 50))
def test_a_split_shares_out_every_sequence_once(n, seed):
    parts = split(numbered(n, labels=False), seed=seed)
    assert [len(part) for part in parts] == pytest.approx([0.4 * n, 0.3 * n, 0.3 * n], abs=1)
    np.testing.assert_array_equal(np.sort(np.concatenate([numbers_of(part) for part in parts])), np.arange(n))


@pytest.mark.parametrize(("step", "overlap"), [(50, False), (49, True)])
def test_windows_that_overlap_across_parts_are_warned_about(step, overlap):
    """Forty windows of 50 bp in a row: each overlaps the next one or just does not."""
    start = np.arange(40) * step
    codes = np.random.default_rng(0).integers(0, 4, (40, 50), np.uint8)
    data = SequenceSet(codes, np.arange(40) // 2 % 2, chrom=["c"] * 40, start=start, end=start + 50)
    order = np.random.default_rng(3).permutation(40)
    part = np.repeat(["train", "valid", "test"], [20, 10, 10])[np.argsort(order)]
    expected = np.count_nonzero(part[1:] != part[:-1]) if overlap else 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        split(data, train=0.5, valid=0.25, test=0.25, seed=3)
    messages = [str(warning.message).partition(" a window")[0] for warning in caught]
    assert messages == ([f"{expected} of 40 windows overlap"] if overlap else [])


def test_splits_repeat_by_seed_and_keep_rows_together():
    data = numbered(100)
    first, second, other = (split(data, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.train.codes, second.train.codes)
    assert (first.train.codes != other.train.codes).any()
    np.testing.assert_array_equal(first.valid.labels[:, 0], numbers_of(first.valid) % 2)


def test_shares_may_leave_some_unused_and_inexact_sums_pass():
    parts = split(numbered(100), train=0.1, valid=0.1, test=0.2)
    assert [len(part) for part in parts] == [10, 10, 20]
    split(numbered(100), train=0.1 + 0.2, valid=0.3, test=0.4 + 1e-10)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"train": 0.8}, r"train, valid and test must be .*got train=0.8, valid=0.3, test=0.3 \(sum 1.4\)"),
        ({"train": -0.1}, "train, valid and test must be above 0"),
        ({"train": float("nan")}, "train, valid and test must be"),
        ({"test": 0}, "train, valid and test must be above 0"),
        ({"valid": 0.01}, "valid would have none"),
    ],
)
def test_shares_that_cannot_be_are_refused(shares, message):
    with pytest.raises(ValueError, match=message):
        split(numbered(40), **shares)


def test_a_part_without_one_class_is_refused_by_name():
    labels = np.zeros((40, 2))
    labels[:20, 0] = 1
    data = SequenceSet(numbered(40).codes, labels, task_names=["CTCF", "MAX"])
    with pytest.raises(ValueError, match="data has no positives for task MAX"):
        split(data)


# ---------------------------------------------------------------- splits by chromosome


def test_chromosomes_stay_together_and_in_order():
    data = numbered(40)
    parts = split_by_chromosome(data, train=["chr1", "chr3"], valid="chr2")
    assert [sorted(set(part.table["chrom"])) for part in parts] == [["chr1", "chr3"], ["chr2"], ["chr4"]]
    for part in parts:
        assert (np.diff(numbers_of(part)) > 0).all()


def test_any_part_may_be_the_rest():
    parts = split_by_chromosome(numbered(40), train="rest", valid="chr1", test="chr2")
    assert sorted(set(parts.train.table["chrom"])) == ["chr3", "chr4"]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"train": "chr1", "valid": "chr9"}, "valid names 'chr9', .* chr1, chr2, chr3, chr4"),
        ({"train": ["1", "2"], "valid": "chr3"}, "train names '1', '2', .* write 'chr1', 'chr2'"),
        ({"train": ["chr1", "chr2"], "valid": "chr2"}, "chr2 is in both train and valid"),
        ({"train": "rest", "valid": "chr1"}, "only one part can be 'rest', got train and test"),
        ({"train": [], "valid": "chr1"}, "train would have none"),
        ({"train": ["chr1", "chr2", "chr3"], "valid": "chr4"}, "test would have none of the 40 sequences"),
    ],
)
def test_chromosomes_that_cannot_be_split_so_are_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        split_by_chromosome(numbered(40), **parts)


def test_a_chromosome_without_one_class_or_no_chromosomes_at_all_are_refused():
    data = numbered(40)
    one_sided = SequenceSet(data.codes, data.table["chrom"] == "chr1", chrom=data.table["chrom"])
    with pytest.raises(ValueError, match="train has no negatives for task task_0"):
        split_by_chromosome(one_sided, train="chr1", valid="chr2")
    with pytest.raises(ValueError, match="no chromosomes"):
        split_by_chromosome(SequenceSet(CODES), train="chr1", valid="chr2")


def chromosomes_of(part):
    return set() if len(part) == 0 else set(part.table["chrom"])


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("chr1/chr17/rest", [{"chr1"}, {"chr17"}, {"chr2", "chr21", "chr22"}]),
        ("chr21/chr22/rest", [{"chr21"}, {"chr22"}, {"chr1", "chr2", "chr17"}]),
        ("rest/chr1/chr2", [{"chr17", "chr21", "chr22"}, {"chr1"}, {"chr2"}]),
    ],
)
def test_the_papers_splits_have_names(preset, expected):
    data = SequenceSet(
        np.random.default_rng(0).integers(0, 4, (20, 30)).astype(np.uint8),
        np.tile([1, 0], 10),
        chrom=np.repeat(["chr1", "chr2", "chr17", "chr21", "chr22"], 4),
    )
    parts = split_by_chromosome(data, preset=preset)
    assert [chromosomes_of(part) for part in parts] == expected
    assert chromosomes_of(split_by_chromosome(data, preset=preset, test=()).test) == set()
    with pytest.raises(ValueError, match="preset already sets train and valid"):
        split_by_chromosome(data, preset=preset, train="chr2")
    with pytest.raises(ValueError, match="preset must be one of chr1/chr17/rest"):
        split_by_chromosome(data, preset="fig5")


def test_a_set_of_two_chromosomes_can_do_without_a_test_set():
    data = SequenceSet(
        np.random.default_rng(0).integers(0, 4, (8, 30)).astype(np.uint8), chrom=np.repeat(["chr21", "chr22"], 4)
    )
    with pytest.raises(ValueError, match=r"test would have none .* test=\(\)"):
        split_by_chromosome(data, preset="chr21/chr22/rest")
    parts = split_by_chromosome(data, preset="chr21/chr22/rest", test=())
    assert [len(part) for part in parts] == [4, 4, 0]
    with pytest.raises(ValueError, match="train would have none"):
        split_by_chromosome(data, valid="chr21")


def test_windows_in_two_parts_are_warned_of(recwarn):
    codes = np.random.default_rng(0).integers(0, 4, (9, 30)).astype(np.uint8)
    chrom = np.repeat(["chr1", "chr2", "chr3"], 3)
    split_by_chromosome(SequenceSet(codes, chrom=chrom), train="chr1", valid="chr2")
    assert not recwarn
    codes[4], codes[7] = codes[0], reverse_complement(codes[0])
    with pytest.warns(
        UserWarning, match=r"several parts \(1 of valid in train, 1 of test in train, 1 of test in valid\)"
    ):
        split_by_chromosome(SequenceSet(codes, chrom=chrom), train="chr1", valid="chr2")


def test_other_objects_than_sets_are_named(as_users_run):
    data = SequenceSet(np.zeros((4, 5), np.uint8), [0, 1, 0, 1])
    assert len(SequenceSet.concat(data)) == 4
    with pytest.raises(TypeError, match="got str"):
        SequenceSet.concat([data, "ACGT"])
    with pytest.raises(TypeError, match="got NoneType"):
        SequenceSet.concat(None)
    with pytest.raises(ValueError, match=r"splits\.test"):
        as_sequence_set(Splits(data, data, data))
