"""Letters, codes, one-hot arrays and reverse complements agree with each other and with cases computed by hand."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from rcviz.sequences.alphabet import as_codes, decode, encode, gc_content, one_hot, reverse_complement

IUPAC = "ACGTRYSWKMBDHVN"
codes_2d = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=30), elements=st.integers(0, 4))


@pytest.fixture(autouse=True)
def _quiet_about_unknown_letters():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not A, C, G or T.*")
        yield


def test_bases_in_either_case_and_unknown_letters_by_hand():
    np.testing.assert_array_equal(encode(["ACGT", "acgt", "NnU-"]), [[0, 1, 2, 3], [0, 1, 2, 3], [4, 4, 4, 4]])
    assert encode(["ACGT"]).dtype == np.uint8


@pytest.mark.parametrize("box", [list, tuple, np.array, pd.Series, lambda x: np.array(x, dtype=object)])
def test_any_column_of_strings_is_encoded(box):
    np.testing.assert_array_equal(encode(box(["AC", "GT"])), [[0, 1], [2, 3]])


@given(st.lists(st.text("ACGTN", min_size=7, max_size=7), min_size=1))
def test_decode_undoes_encode(sequences):
    assert decode(encode(sequences)) == sequences


@given(codes_2d)
def test_encode_undoes_decode_and_one_hot(codes):
    np.testing.assert_array_equal(encode(decode(codes)), codes)
    np.testing.assert_array_equal(as_codes(one_hot(codes)), codes)


@given(st.text(min_size=1, max_size=30))
def test_letters_outside_ascii_shift_no_position(text):
    expected = [{"A": 0, "C": 1, "G": 2, "T": 3, "a": 0, "c": 1, "g": 2, "t": 3}.get(letter, 4) for letter in text]
    np.testing.assert_array_equal(encode([text])[0], expected)


def test_codes_are_not_copied():
    codes = np.zeros((2, 5), np.uint8)
    assert as_codes(codes) is codes


def test_more_than_one_percent_unknown_warns_with_number_and_share():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode(["A" * 99 + "N"])
        with pytest.raises(UserWarning, match=r"2 of 100 letters \(2\.0%\)"):
            encode(["A" * 98 + "NN"])


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ("ACGT", r"expected a list of sequences, got one str"),
        (b"ACGT", r"got one bytes"),
        ([], "at least one sequence, got none"),
        (["ACGT", "ACG", "AC"], r"got 3 at index 1 after 4 at index 0: cut or pad"),
        (["ACGT", None], "got NoneType at index 1"),
        (pd.Series(["ACGT", np.nan], dtype=object), "got float at index 1"),
        (["AC", ""], "empty one at index 1"),
        (5, "got int"),
        ({"a": "ACGT"}, "got dict"),
        (pd.DataFrame({"ACGT": ["A"]}), "got DataFrame"),
    ],
)
def test_anything_but_a_list_of_equally_long_sequences_is_refused(sequences, message):
    with pytest.raises(ValueError, match=message):
        encode(sequences)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((32, 200, 4)), r"got \(32, 200, 4\): channels are last; use x.transpose\(0, 2, 1\)"),
        (torch.zeros(32, 200, 4), r"got \(32, 200, 4\): channels are last; use x.transpose\(1, 2\)"),
        (np.zeros((2, 3, 5)), "one channel for each"),
        (np.full((2, 4, 5), 0.25), "zeros and ones"),
        (np.ones((2, 4, 5)), "at most one 1"),
        (np.zeros((4, 20)), r"got float64 \(4, 20\)"),
        (np.zeros((2, 20), np.int64), "use x.astype"),
        (np.zeros(20, np.uint8), r"batch axis, x\[None\]"),
        (np.full((2, 3), 5, np.uint8), "codes 0 to 4 .* got 5"),
        (np.zeros((2, 0), np.uint8), "at least one base"),
    ],
)
def test_arrays_that_are_not_sequences_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        as_codes(x)


@given(codes_2d)
def test_one_hot_has_a_one_at_each_known_base(codes):
    x = one_hot(codes, dtype="float64")
    assert x.dtype == np.float64
    for (row, position), code in np.ndenumerate(codes):
        np.testing.assert_array_equal(x[row, :, position], np.arange(4) == code)


def test_strings_tensors_and_one_hot_give_the_same_one_hot():
    x = one_hot(["ACGTN"] * 2)
    assert x.shape == (2, 4, 5)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(one_hot(torch.from_numpy(x)), x)
    np.testing.assert_array_equal(one_hot(torch.from_numpy(encode(["ACGTN"] * 2))), x)


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        ("A", "T"),
        ("GATTACA", "TGTAATC"),
        ("GATtaca", "tgtaATC"),
        ("CACGTG", "CACGTG"),
        ("ACGTRYSWKMBDHVN", "NBDHVKMWSRYACGT"),
        ("AU", "AT"),
        ("AC-G*", "*C-GT"),
        ("", ""),
    ],
)
def test_reverse_complement_by_hand(sequence, expected):
    assert reverse_complement(sequence) == expected


@given(st.text(IUPAC + IUPAC.lower()))
def test_reverse_complement_of_letters_twice_is_nothing(sequence):
    assert reverse_complement(reverse_complement(sequence)) == sequence


@given(codes_2d)
def test_every_form_of_sequence_has_the_same_reverse_complement(codes):
    expected = [reverse_complement(sequence) for sequence in decode(codes)]
    assert reverse_complement(decode(codes)) == expected
    assert decode(reverse_complement(codes)) == expected
    assert decode(reverse_complement(torch.from_numpy(codes)).numpy()) == expected
    assert decode(as_codes(reverse_complement(one_hot(codes)))) == expected
    assert decode(as_codes(reverse_complement(torch.from_numpy(one_hot(codes))))) == expected


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=4, max_side=6), elements=st.floats(-1, 1)))
def test_float_channels_pair_first_with_last(x):
    flipped = reverse_complement(x)
    channels, length = x.shape[-2:]
    for channel in range(channels):
        for position in range(length):
            pair = x[..., channels - 1 - channel, length - 1 - position]
            np.testing.assert_array_equal(flipped[..., channel, position], pair)
    np.testing.assert_array_equal(reverse_complement(flipped), x)
    torch.testing.assert_close(reverse_complement(torch.from_numpy(x)), torch.from_numpy(flipped))


def test_reverse_complement_keeps_dtype_and_takes_one_sequence():
    assert reverse_complement(np.array([0, 1, 4], np.uint8)).tolist() == [4, 2, 3]
    tensor = reverse_complement(torch.tensor([0, 1, 4], dtype=torch.uint8))
    assert tensor.dtype == torch.uint8
    assert tensor.tolist() == [4, 2, 3]
    assert reverse_complement(np.zeros((4, 3), np.float32)).dtype == np.float32
    assert reverse_complement([]) == []


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 5), np.int64), "expected uint8 codes .* got int64"),
        (torch.zeros(2, 5, dtype=torch.int64), "expected uint8 codes .* got torch.int64"),
        (np.zeros(5), "channel axis"),
        (torch.zeros(5), "channel axis"),
        (np.full((2, 5), 9, np.uint8), "codes 0 to 4"),
        (one_hot(["ACGT"], dtype="uint8"), "one-hot"),
        (torch.from_numpy(one_hot(["ACGT"], dtype="uint8")), "one-hot"),
        (["ACGT", 3], "got int at index 1"),
        (7, "got int"),
    ],
)
def test_what_has_no_other_strand_is_refused(x, message):
    with pytest.raises(ValueError, match=message):
        reverse_complement(x)


def test_gc_content_counts_known_bases_only():
    gc = gc_content(["GCAT", "GGNN", "NNNN", "ATAT"])
    np.testing.assert_array_equal(gc, [0.5, 1.0, np.nan, 0.0])


def test_importing_the_alphabet_pulls_in_nothing_heavy():
    code = "import sys, rcviz.sequences.alphabet; print(*{'torch', 'pandas', 'scipy', 'sklearn'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
