"""Predictions that depend on chance, or on the other sequences of a batch, are named."""

import random
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from foreign import Danq, ProfileAndCounts, seeded
from strand_checks import one_hot
from torch import nn

import rcviz
from rcviz.symmetry.recording import find_dependence


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Counting(nn.Module):
    """Keeps a state: adds how often it was called."""

    calls = 0

    def forward(self, x):
        self.calls += 1
        return x + self.calls


def tied(layer):
    """An invariant network with a layer in its middle."""
    body = (rcviz.RevCompConv1d(4, 3, 5), layer, rcviz.RevCompGlobalPool1d("mean"), nn.Linear(3, 2))
    return seeded(lambda: nn.Sequential(*body))


CHANCE = {
    "dropout that is always on": Function(lambda x: F.dropout(x, 0.5, training=True)),
    "noise": Function(lambda x: x + torch.rand_like(x)),
    "NumPy's noise": Function(lambda x: x + np.random.rand()),  # noqa: NPY002
    "Python's noise": Function(lambda x: x + random.random()),
    "a state": Counting(),
}
BATCH = {
    "statistics of the batch": nn.BatchNorm1d(6, track_running_stats=False, affine=False),
    "a mean over the batch": Function(lambda x: x - x.mean(0)),
    "a softmax over the batch": Function(lambda x: x.softmax(0)),
    "the first sequence as reference": Function(lambda x: x - x[:1]),
    "a sum over the sequences before": Function(lambda x: x.cumsum(0)),
}


@pytest.mark.parametrize("name", CHANCE)
@pytest.mark.parametrize("conjoined", [False, True])
def test_chance_is_named_and_random_states_are_kept(name, conjoined):
    model, x = tied(CHANCE[name]), one_hot(5, 20)
    if conjoined:
        model = rcviz.RevCompConjoined(model)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    dependence = find_dependence(model, x)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert random.getstate() == before[2]
    assert dependence.on == "chance"

    table = rcviz.diagnose_equivariance(model, x)
    assert table.attrs["depends_on"] == "chance"
    (cause,) = table[table["verdict"] == "breaks"].to_dict("records")
    assert cause["module"] == ("(model)" if conjoined else "1")
    assert "random numbers" in cause["suggestion"]
    assert "Conjoined" not in cause["suggestion"]
    assert conjoined or table["verdict"].tolist() == ["equivariant", "breaks", *["propagated"] * 3]
    for function in (rcviz.assert_invariant, rcviz.assert_equivariant):
        with pytest.raises(AssertionError, match="random numbers"):
            function(model, x)
    with pytest.warns(UserWarning, match="random numbers"):
        rcviz.equivariance_error(model, x)


@pytest.mark.parametrize("name", BATCH)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_predictions_that_depend_on_the_batch_are_named(name, n):
    model, x = tied(BATCH[name]), one_hot(n, 20)
    dependence = find_dependence(model, x)
    assert dependence.on == "batch"
    assert dependence.modules == ("1", "2", "3", "(model)")
    with torch.no_grad():  # by hand: the last sequences with the others, and without
        few = torch.cat([x.roll(1, dims=1), x]) if n == 1 else x[:4]
        part = x if n == 1 else few[len(few) // 2 :]
        assert dependence.difference == pytest.approx(float((model(few)[-len(part) :] - model(part)).abs().max()))
    with pytest.warns(UserWarning, match=r"other sequences of the batch.*track_running_stats"):
        table = rcviz.diagnose_equivariance(model, x)
    assert table.attrs["depends_on"] == "batch"
    assert "batch" in table["suggestion"][1]
    with pytest.warns(UserWarning, match="other sequences of the batch"):
        rcviz.equivariance_error(model, x)


def test_a_network_that_is_both_random_and_not_symmetric_is_named_for_chance():
    model = seeded(lambda: nn.Sequential(nn.Conv1d(4, 6, 5), CHANCE["noise"], nn.Flatten()))
    table = rcviz.diagnose_equivariance(model, one_hot(5, 20))
    assert table["verdict"].tolist() == ["breaks", "breaks", "propagated", "propagated"]
    with pytest.raises(AssertionError, match="random numbers"):
        rcviz.assert_invariant(model, one_hot(5, 20))


@pytest.mark.parametrize(
    ("model", "length"),
    [
        (rcviz.RevCompConjoined(seeded(Danq, dtype=torch.float32)), 60),
        (seeded(ProfileAndCounts, dtype=torch.float32), 30),
        (tied(nn.BatchNorm1d(6)).float(), 30),
        (tied(nn.Dropout(0.5)).half(), 30),
    ],
)
@pytest.mark.parametrize("n", [1, 3])
def test_nothing_is_said_of_others(model, length, n):
    x = one_hot(n, length)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rcviz.diagnose_equivariance(model.eval(), x).attrs["depends_on"] == ""


def test_a_model_for_batches_of_one_size_is_not_asked():
    model = tied(Function(lambda x: x + torch.ones(4, 6, 1)))
    assert find_dependence(model, one_hot(4, 20)) is None


@pytest.mark.parametrize("layer", [CHANCE["noise"], BATCH["a mean over the batch"]])
def test_an_agreement_of_strands_says_that_its_gaps_are_not_theirs(layer):
    data = rcviz.decode(np.random.default_rng(0).integers(0, 4, (6, 20), dtype=np.uint8))
    model = rcviz.RevCompConjoined(tied(layer))
    with pytest.warns(UserWarning, match="predictions (are different each time|depend on the other sequences)"):
        rcviz.strand_agreement(model, data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rcviz.strand_agreement(rcviz.RevCompConjoined(tied(nn.Tanh())), data)
