"""Equal sequences are found on either strand, and no others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcviz.sequences.alphabet import reverse_complement
from rcviz.sequences.duplicates import SequenceLookup, find_leaks, strand_free_ends, strand_free_keys
from rcviz.sequences.sequence_set import SequenceSet


@st.composite
def related_sets(draw):
    """Two sets over few letters, so that many sequences are equal, on one strand or the other."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    length, letters = draw(st.sampled_from([1, 3, 6, 60])), draw(st.integers(2, 5))
    pool = rng.integers(0, letters, (6, length)).astype(np.uint8)
    pool = np.concatenate([pool, reverse_complement(pool), rng.integers(0, letters, (20, length)).astype(np.uint8)])
    return rng.choice(pool, 15), rng.choice(pool, 12)


def brute_force(known, codes):
    found = []
    for row in codes:
        equal = (known == row).all(axis=1) | (known == reverse_complement(row)).all(axis=1)
        found.append(int(np.argmax(equal)) if equal.any() else -1)
    return found


@given(related_sets())
def test_lookup_is_comparison_of_all_pairs(sets):
    known, codes = sets
    lookup = SequenceLookup()
    lookup.add(known[:4])
    lookup.add(known[4:])
    assert lookup.find(codes).tolist() == brute_force(known, codes)


@given(related_sets())
def test_keys_do_not_know_strands(sets):
    for key in (strand_free_keys, strand_free_ends):
        np.testing.assert_array_equal(key(sets[0]), key(reverse_complement(sets[0])))


def test_ends_that_agree_do_not_make_sequences_equal():
    rng = np.random.default_rng(0)
    one = rng.integers(0, 4, (1, 200)).astype(np.uint8)
    other = one.copy()
    other[0, 100] = 3 - other[0, 100]
    assert strand_free_ends(one) == strand_free_ends(other)
    lookup = SequenceLookup()
    lookup.add(one)
    assert lookup.find(other).tolist() == [-1]


def test_leaks_are_listed_with_their_strand():
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 4, (6, 50)).astype(np.uint8)
    parts = {
        "train": SequenceSet(codes[:3]),
        "valid": SequenceSet(np.stack([codes[3], codes[1]])),
        "test": SequenceSet(np.stack([reverse_complement(codes[1]), codes[4], codes[3]])),
    }
    leaks = find_leaks(parts)
    assert leaks.to_numpy().tolist() == [
        ["valid", 1, "train", 1, "same"],
        ["test", 0, "train", 1, "other"],
        ["test", 0, "valid", 1, "other"],
        ["test", 2, "valid", 0, "same"],
    ]
    empty = find_leaks({"train": parts["train"], "test": SequenceSet(codes[4:5])})
    assert list(empty) == list(leaks)
    assert empty.empty


def test_anything_but_splits_is_refused():
    with pytest.raises(ValueError, match=r"expected Splits or a dict of sets, got int; make them with rcviz\.split"):
        find_leaks(3)
