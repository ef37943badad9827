"""Any network as one that maps one-hot (batch, 4, length) to logits."""

import copy

import numpy as np
import pytest
import torch
from foreign import ChannelsLast, Danq, ProfileAndCounts, seeded
from torch import nn

import rcviz
from rcviz import as_sequence_model, predict, strand_agreement


def logits_of(model, x):
    with torch.no_grad():
        return model(x)


@pytest.fixture
def x(toy):
    return torch.from_numpy(rcviz.one_hot(toy.codes[:9], dtype="float64"))


def test_probabilities_of_a_channels_last_model_come_through(x, toy):
    model = seeded(ChannelsLast)
    adapted = as_sequence_model(model, layout="NLC", output="probabilities", output_is="probability")
    want = logits_of(model, x.transpose(1, 2))["probabilities"]
    np.testing.assert_allclose(predict(adapted, toy.codes[:9]), want, atol=1e-12)
    np.testing.assert_allclose(logits_of(adapted, x), torch.log(want) - torch.log1p(-want), atol=1e-12)
    assert strand_agreement(adapted, toy).max_gap > 1e-6


@pytest.mark.parametrize(
    ("output", "want"),
    [
        (1, lambda y: y[1]),
        (lambda y: y[0].mean(dim=2), lambda y: y[0].mean(dim=2)),
        (lambda y: torch.cat([y[1], y[0].logsumexp(2)], 1), lambda y: torch.cat([y[1], y[0].exp().sum(2).log()], 1)),
        (lambda y: y[1][:, 0], lambda y: y[1]),
    ],
)
def test_any_output_of_several(output, want, x):
    model = seeded(ProfileAndCounts)
    adapted = as_sequence_model(model, output=output)
    torch.testing.assert_close(logits_of(adapted, x), want(logits_of(model, x)))
    assert adapted.model is model


def other_order(model, order):
    """The same network for channels in another order, by moving its weights."""
    moved = copy.deepcopy(model)
    with torch.no_grad():
        moved.conv.weight.copy_(model.conv.weight[:, ["ACGT".index(base) for base in order]])
    return moved


@pytest.mark.parametrize("order", ["ACTG", "TGCA", "GCUA", "catg"])
def test_another_order_of_bases_changes_nothing_that_is_seen(order, toy, x):
    model = seeded(Danq)
    moved = as_sequence_model(other_order(model, order.upper().replace("U", "T")), bases=order)
    np.testing.assert_allclose(logits_of(moved, x), logits_of(model, x), atol=1e-12)
    np.testing.assert_array_equal(rcviz.filter_bank(moved).weights, rcviz.filter_bank(model).weights)
    found, want = (rcviz.strand_attributions(each, toy.codes[:4], task=1).forward for each in (moved, model))
    np.testing.assert_allclose(found, want, atol=1e-12)
    conjoined = rcviz.RevCompConjoined(moved)
    np.testing.assert_array_equal(
        rcviz.filter_bank(conjoined, layer=moved.model.conv).weights, rcviz.filter_bank(model).weights
    )


def test_tied_layers_over_complements_in_another_order(toy):
    tied = nn.Sequential(rcviz.RevCompConv1d(4, 3, 7), nn.ReLU(), rcviz.RevCompGlobalPool1d(), nn.Linear(3, 2)).double()
    adapted = as_sequence_model(tied, bases="CATG")
    assert strand_agreement(adapted, toy).max_gap < 1e-12
    bank = rcviz.filter_bank(adapted)
    np.testing.assert_allclose(bank.expanded[-1], rcviz.reverse_complement(bank.weights[0]), atol=1e-15)
    with pytest.raises(ValueError, match=r"bases .*got ACTG"):
        as_sequence_model(tied, bases="ACTG")


def test_logits_of_saturated_probabilities_are_finite(x):
    class Sure(nn.Module):
        def forward(self, x):
            return torch.stack([torch.zeros(len(x)), torch.ones(len(x)), torch.full((len(x),), 0.25)], 1)

    logits = as_sequence_model(Sure(), output_is="probability").eval()(x)
    assert torch.isfinite(logits).all()
    np.testing.assert_allclose(logits.sigmoid()[0], [0, 1, 0.25], atol=2e-7)


def test_it_learns_and_is_written_down(toy, tmp_path):
    adapted = as_sequence_model(
        seeded(ChannelsLast, dtype=torch.float32), layout="NLC", output="probabilities", output_is="probability"
    )
    before = adapted.model.conv.weight.detach().clone()
    config = rcviz.TrainConfig(epochs=1, batch_size=20, samples_per_epoch=40)
    history = rcviz.fit(adapted, toy, toy, config, progress=False)
    assert np.isfinite(history.table["loss"]).all()
    assert not torch.equal(before, adapted.model.conv.weight)
    assert "layout='NLC', bases='ACGT', output='probabilities', output_is='probability'" in repr(adapted)
    assert "output=<lambda>" in repr(as_sequence_model(nn.Identity(), output=lambda y: y))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layout": "LNC"}, "layout must be one of NCL, NLC, got 'LNC'"),
        ({"output_is": "odds"}, "output_is must be one of logit, probability"),
        ({"bases": "ACGG"}, "bases must name A, C, G and T once each, in the order of the model's channels"),
    ],
)
def test_settings_that_are_none(settings, message, as_users_run):
    with pytest.raises(ValueError, match=message):
        as_sequence_model(nn.Identity(), **settings)
    with pytest.raises(ValueError, match=r"model must be a torch.nn.Module, got function"):
        as_sequence_model(logits_of)


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (ProfileAndCounts, {}, r"got a tuple of 2.*rcviz.as_sequence_model\(model, output=0\)"),
        (ProfileAndCounts, {"output": 0}, r"got \(9, 1, 60\) for a batch of 9; .*lambda y: y\[0\].mean\(dim=2\)"),
        (ProfileAndCounts, {"output": 2}, r"output=2 .*a tuple of 2"),
        (ProfileAndCounts, {"output": "counts"}, "output='counts' .*a tuple of 2"),
        (ProfileAndCounts, {"output": lambda y: y}, "output=.*got a tuple"),
        (ChannelsLast, {"layout": "NLC"}, r"got a dict with the keys 'features', 'probabilities'"),
        (
            ChannelsLast,
            {"layout": "NLC", "output": "logits"},
            "output='logits' .*with the keys 'features', 'probabilities'",
        ),
        (ChannelsLast, {"output": "features"}, r"reads sequences as \(batch, length, 4\).*layout='NLC'"),
        (Danq, {"layout": "NLC"}, r"reads sequences as \(batch, 4, length\).*layout='NCL'"),
        (Danq, {"output": 0}, r"the model returns one tensor \(9, 2\); leave output out"),
        (Danq, {"output_is": "probability"}, r"output_is='probability'.*got values from -.* to .*output_is='logit'"),
        (Danq, {"output": lambda y: y[:4]}, r"got \(4, 2\) for a batch of 9"),
    ],
)
def test_outputs_that_are_none(make, settings, message, x):
    with pytest.raises(ValueError, match=message):
        predict(as_sequence_model(seeded(make), **settings), x)


def test_channels_last_sequences_are_refused_before_the_model():
    with pytest.raises(ValueError, match=r"channels are last; use x.transpose"):
        as_sequence_model(seeded(Danq))(torch.zeros(2, 60, 4))
