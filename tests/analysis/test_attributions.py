"""Attributions of both strands, against finite differences and by hand."""

import matplotlib.figure
import numpy as np
import pytest
import torch
from torch import nn

from rcviz import SequenceSet, decode, encode, one_hot, reverse_complement
from rcviz.analysis.attributions import hypothetical_attributions, strand_attributions


def by_finite_differences(model, codes, task, step=1e-6):
    """What each base that is there adds."""
    return slopes(model, codes, task, step) * one_hot(codes, dtype="float64")


def slopes(model, codes, task, step=1e-6):
    """Move every base of every position; an oracle that knows no gradient."""
    x = one_hot(codes, dtype="float64")
    found = np.zeros_like(x)
    with torch.no_grad():
        for sequence, base, position in np.ndindex(x.shape):
            up, down = x.copy(), x.copy()
            up[sequence, base, position] += step
            down[sequence, base, position] -= step
            ends = [model(torch.from_numpy(end))[sequence, task].item() for end in (up, down)]
            found[sequence, base, position] = (ends[0] - ends[1]) / (2 * step)
    return found - found.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("task", [0, 1])
def test_against_finite_differences_on_both_strands(make_model, task):
    model = make_model("standard", kernel_sizes=(7, 5)).double().eval()
    codes = np.random.default_rng(0).integers(0, 5, (2, 60), dtype=np.uint8)
    found = strand_attributions(model, codes, task=task)
    np.testing.assert_allclose(found.forward, by_finite_differences(model, codes, task), atol=1e-8)
    turned = by_finite_differences(model, reverse_complement(codes), task)[:, ::-1, ::-1]
    np.testing.assert_allclose(found.reverse, turned, atol=1e-8)


def test_by_hand():
    """One convolution of width 1 that counts A twice and G once: A - mean = 2 - 3/4, G - mean = 1 - 3/4."""
    model = nn.Sequential(nn.Conv1d(4, 1, 1), nn.AdaptiveAvgPool1d(1), nn.Flatten()).double()
    with torch.no_grad():
        model[0].weight[:] = torch.tensor([2.0, 0, 1, 0], dtype=torch.float64)[:, None]
    found = strand_attributions(model, ["AGTN"])
    np.testing.assert_allclose(found.forward[0].sum(axis=0) * 4, [1.25, 0.25, -0.75, 0])
    # Its reverse complement is NACT: aligned to the forward strand, A lies where T is, and C where G is.
    np.testing.assert_allclose(found.reverse[0].sum(axis=0) * 4, [-0.75, -0.75, 1.25, 0])
    assert found.table["base"].tolist() == list("AGTN")
    np.testing.assert_allclose(found.table["difference"], found.table["forward"] - found.table["reverse"])


def test_what_no_prediction_can_see_changes_nothing(make_model):
    """Adding a number to a position's four weights and taking it from the bias leaves every prediction as it is."""
    model = make_model("standard").double()
    codes = np.random.default_rng(1).integers(0, 4, (3, 60), dtype=np.uint8)
    before = strand_attributions(model, codes)
    with torch.no_grad():
        shift = torch.linspace(-1, 1, 7, dtype=torch.float64)
        convolution = next(part for part in model.modules() if isinstance(part, nn.Conv1d))
        convolution.weight += shift
        convolution.bias -= shift.sum()
    after = strand_attributions(model, codes)
    np.testing.assert_allclose(after.forward, before.forward, atol=1e-12)


def has_no_repeat(sequence, width=7):
    """Whether no stretch occurs twice on either strand: of two equal maxima, pooling takes the first."""
    stretches = [s[i : i + width] for s in (sequence, reverse_complement(sequence)) for i in range(61 - width)]
    return len(set(stretches)) == len(stretches)


def test_sharing_makes_both_strands_the_same(make_model, toy):
    toy = toy.subset(np.array([has_no_repeat(sequence) for sequence in decode(toy.codes)]))
    assert len(toy) > 60
    found = strand_attributions(make_model("revcomp").double(), toy)
    np.testing.assert_allclose(found.forward, found.reverse, atol=1e-12)
    standard = strand_attributions(make_model("standard").double(), toy)
    assert np.abs(standard.forward - standard.reverse).max() > 1e-3


def test_hypothetical_attributions_are_of_all_four_bases(make_model):
    model = make_model("standard", kernel_sizes=(7, 5)).double().eval()
    codes = np.random.default_rng(0).integers(0, 5, (2, 60), dtype=np.uint8)
    forward = slopes(model, codes, 1)
    turned = slopes(model, reverse_complement(codes), 1)[:, ::-1, ::-1]
    np.testing.assert_allclose(hypothetical_attributions(model, codes, task=1), forward, atol=1e-8)
    both = hypothetical_attributions(model, codes, task=1, strands="both", batch_size=1)
    np.testing.assert_allclose(both, (forward + turned) / 2, atol=1e-8)
    assert np.abs(forward - turned).max() > 1e-3
    observed = strand_attributions(model, codes, task=1).forward
    np.testing.assert_array_equal(hypothetical_attributions(model, codes, task=1) * one_hot(codes), observed)
    np.testing.assert_allclose(both.sum(axis=1), 0, atol=1e-15)


def test_batches_make_no_difference_and_the_model_is_left_as_found(make_model, toy):
    model = make_model("standard").double().train()
    whole, parts = (strand_attributions(model, toy, task="starts with A", batch_size=size) for size in (200, 7))
    np.testing.assert_allclose(whole.forward, parts.forward, atol=1e-14)
    assert whole.task == "starts with A"
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_model_that_works_in_place_on_its_input():
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Conv1d(4, 1, 4), nn.Flatten())
    assert strand_attributions(model, ["ACGT"]).forward.shape == (1, 4, 4)


def test_plot_draws_two_strands_of_one_sequence(make_model, toy):
    found = strand_attributions(make_model(), toy.subset([0, 1]))
    axes = matplotlib.figure.Figure().add_subplot()
    assert found.plot(axes, sequence=1) is axes
    assert axes.get_xlabel().endswith("of the logit")
    assert [text.get_text() for text in axes.texts] == ["forward", "reverse complement, in forward coordinates"]
    with pytest.raises(ValueError, match="no sequence 2: choose 0 to 1"):
        found.plot(axes, sequence=2)


@pytest.mark.parametrize(
    ("data", "task", "message"),
    [
        (["ACGT" * 15], 2, "no task 2: choose 0 to 1 or one of task_0, task_1"),
        (["ACGT" * 15], "CTCF", "no task 'CTCF': .*no labels"),
        (["ACGT" * 15], -1, "there is no task -1"),
        (SequenceSet(np.zeros((0, 60), np.uint8)), 0, "no sequences"),
        (SequenceSet(encode(["ACGT" * 15]), [[1, 0]], task_names=("a", "b")), "c", "no task 'c'"),
    ],
)
def test_bad_input_is_explained(make_model, data, task, message):
    for attribute in (strand_attributions, hypothetical_attributions):
        with pytest.raises(ValueError, match=message):
            attribute(make_model(), data, task=task)


@pytest.mark.usefixtures("as_users_run")
def test_unknown_strands_are_quoted(make_model):
    with pytest.raises(ValueError, match="strands must be one of forward, both, got 'reverse'"):
        hypothetical_attributions(make_model(), ["ACGT" * 15], strands="reverse")
