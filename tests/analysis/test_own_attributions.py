"""Attributions that users bring: what is accepted, and one error for each mistake."""

import numpy as np
import pytest
import torch

import rcviz

CODES = np.random.default_rng(0).integers(0, 5, (5, 40)).astype(np.uint8)
X = rcviz.one_hot(CODES, dtype="float64")
HYPOTHETICAL = np.random.default_rng(1).normal(size=X.shape)


def test_all_ways_to_give_them_are_the_same(make_model, toy):
    model = make_model("standard").double()
    few = toy.subset(range(6))
    expected = rcviz.strand_attributions(model, few, task=1)
    x = few.one_hot()
    by_hand = [torch.from_numpy(each.one_hot()).double().requires_grad_() for each in (few, few.reverse_complement())]
    slopes = [torch.autograd.grad(model.eval()(strand)[:, 1].sum(), strand)[0] for strand in by_hand]
    forward, reverse = (slope - slope.mean(dim=1, keepdim=True) for slope in slopes)
    reverse = rcviz.reverse_complement(reverse)
    ways = {
        "hypothetical": (forward, reverse),
        "times input": (forward.numpy() * x, reverse.numpy() * x),
        "one per base": ((forward.numpy() * x).sum(axis=1), (reverse.numpy() * x).sum(axis=1)),
    }
    for way in ways.values():
        found = rcviz.StrandAttributions.from_arrays(*way, few, task="starts with A")
        np.testing.assert_allclose(found.forward, expected.forward, atol=1e-12)
        np.testing.assert_allclose(found.reverse, expected.reverse, atol=1e-12)
        assert (found.task, found.scale) == (expected.task, expected.scale)
        assert found.table.columns.tolist() == expected.table.columns.tolist()


def test_unknown_bases_have_none():
    found = rcviz.StrandAttributions.from_arrays(np.ones(CODES.shape), HYPOTHETICAL, CODES)
    np.testing.assert_array_equal(found.forward.sum(axis=1), CODES < 4)
    assert not found.reverse[:, :, :][(CODES == 4)[:, None].repeat(4, axis=1)].any()


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (HYPOTHETICAL.transpose(0, 2, 1), r"reverse must be \(5, 4, 40\).*transpose\(0, 2, 1\)"),
        (HYPOTHETICAL[:3], r"5 sequences of 40 bp, got \(3, 4, 40\)"),
        (HYPOTHETICAL[:, :, :20], r"got \(5, 4, 20\)"),
        (np.where(np.arange(40) == 7, np.nan, 1.0) + np.zeros(CODES.shape), "NaN or infinite.*sequence 0"),
        (rcviz.reverse_complement(HYPOTHETICAL * X), r"reverse complements.*rcviz.reverse_complement\(array\)"),
        (np.roll(HYPOTHETICAL * X, 1, axis=1), "other sequences"),
        ("ACGT", "reverse must be numbers"),
    ],
)
def test_one_error_for_each_mistake(values, match):
    with pytest.raises(ValueError, match=match):
        rcviz.StrandAttributions.from_arrays(HYPOTHETICAL, values, CODES)


def test_modisco_takes_hypothetical_ones_without_a_model(tmp_path):
    rcviz.save_modisco(None, CODES, tmp_path, attributions=torch.from_numpy(HYPOTHETICAL))
    np.testing.assert_array_equal(np.load(tmp_path / "attributions.npz")["arr_0"], HYPOTHETICAL.astype(np.float32))
    np.testing.assert_array_equal(np.load(tmp_path / "sequences.npz")["arr_0"], X)


@pytest.mark.parametrize(
    ("attributions", "match"),
    [
        (HYPOTHETICAL * X, "all four.*hypothetical=True"),
        ((HYPOTHETICAL * X).sum(axis=1), r"attributions must be \(5, 4, 40\) for"),
        (None, "neither a model nor attributions"),
    ],
)
def test_modisco_refuses_others_before_it_writes(tmp_path, attributions, match):
    with pytest.raises(ValueError, match=match):
        rcviz.save_modisco(None, CODES, tmp_path, attributions=attributions)
    assert not list(tmp_path.iterdir())
