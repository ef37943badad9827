"""Any network as one that maps one-hot (batch, 4, length) to logits."""

import copy
from collections import OrderedDict
from dataclasses import dataclass
from types import SimpleNamespace
from typing import NamedTuple

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
        ({"layout": "LNC"}, "layout must be one of NCL, NLC, .*got 'LNC'"),
        ({"unknown": float("nan")}, "unknown must be a finite number"),
        ({"unknown": np.inf}, "unknown must be a finite number"),
        ({"unknown": "0.25"}, "unknown must be a finite number"),
        ({"unknown": True}, "unknown must be a finite number"),
        ({"inputs": torch.zeros(2)}, "inputs must be a function"),
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


# ---------------------------------------------------------------- layouts


LAYOUTS = {
    "NCL": lambda x: x,
    "NLC": lambda x: x.permute(0, 2, 1),
    "NC1L": lambda x: x.reshape(len(x), 4, 1, -1),
    "NCL1": lambda x: x.reshape(len(x), 4, -1, 1),
    "N1CL": lambda x: x.reshape(len(x), 1, 4, -1),
    "N1LC": lambda x: x.permute(0, 2, 1).reshape(len(x), 1, -1, 4),
}


class InLayout(nn.Module):
    """A convolution on one layout and no other, batch norm, maxima, a dense layer."""

    def __init__(self, layout):
        super().__init__()
        kernel = {"1CL": (4, 7), "1LC": (7, 4), "C1L": (1, 7), "CL1": (7, 1)}.get(layout[1:])
        self.conv = nn.Conv1d(4, 6, 7) if kernel is None else nn.Conv2d(1 if layout[1] == "1" else 4, 6, kernel)
        self.norm = nn.BatchNorm1d(6) if kernel is None else nn.BatchNorm2d(6)
        self.last, self.head = layout == "NLC", nn.Linear(6, 2)

    def forward(self, x):
        x = self.norm(self.conv(x.transpose(1, 2) if self.last else x)).relu()
        return self.head(x.amax(dim=tuple(range(2, x.ndim))))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bases", ["ACGT", "TGAC"])
def test_every_layout_is_the_one_that_the_model_reads(layout, bases, toy, x):
    model = seeded(InLayout, layout)
    adapted = as_sequence_model(model, layout=layout, bases=bases)
    order = ["ACGT".index(base) for base in bases]
    np.testing.assert_allclose(
        predict(adapted, x, output="logit"), logits_of(model, LAYOUTS[layout](x[:, order])), atol=1e-12
    )
    leaf = x.clone().requires_grad_()
    model(LAYOUTS[layout](leaf[:, order]))[:, 1].sum().backward()
    slopes = rcviz.hypothetical_attributions(adapted, x, task=1)
    np.testing.assert_allclose(slopes, leaf.grad - leaf.grad.mean(1, keepdim=True), atol=1e-12)
    if layout != "NCL":
        for wrong in (model, as_sequence_model(model), as_sequence_model(model, layout="NCL", unknown=0.25)):
            with pytest.raises(ValueError, match=f"layout={layout!r}"):
                predict(wrong, x)
    other = "NCL" if layout != "NCL" else "N1LC"
    with pytest.raises(ValueError, match=f"layout={layout!r}"):
        predict(as_sequence_model(model, layout=other), toy.codes[:1])


@pytest.mark.parametrize("error", [ValueError, AssertionError, IndexError, RuntimeError])
def test_an_error_of_the_model_itself_is_passed_on(error, x):
    class Own(nn.Module):
        def forward(self, x):
            raise error("only odd days")

    with pytest.raises(error, match=r"^only odd days$"):
        predict(as_sequence_model(Own(), layout="NC1L"), x)


# ---------------------------------------------------------------- unknown bases


@pytest.mark.parametrize("layout", ["NCL", "N1LC"])
def test_unknown_bases_have_the_value_that_the_model_was_trained_with(layout, toy):
    codes = toy.codes[:5].copy()
    codes[0, 3], codes[2], codes[4, 50:] = 4, 4, 4
    x = torch.from_numpy(rcviz.one_hot(codes, dtype="float64"))
    quarter = x.clone()
    quarter.permute(0, 2, 1)[torch.from_numpy(codes == 4)] = 0.25
    model = seeded(InLayout, layout)
    adapted = as_sequence_model(model, layout=layout, unknown=0.25)
    want = logits_of(model, LAYOUTS[layout](quarter))
    np.testing.assert_allclose(predict(adapted, codes, output="logit"), want, atol=1e-12)
    assert not np.allclose(predict(as_sequence_model(model, layout=layout), codes, output="logit"), want, atol=1e-3)

    quarter.requires_grad_()
    model(LAYOUTS[layout](quarter))[:, 0].sum().backward()
    slopes = (quarter.grad - quarter.grad.mean(1, keepdim=True)).numpy()
    slopes.transpose(0, 2, 1)[codes == 4] = 0
    np.testing.assert_allclose(rcviz.hypothetical_attributions(adapted, codes), slopes, atol=1e-12)
    found = rcviz.strand_attributions(adapted, codes)
    np.testing.assert_allclose(found.forward, slopes * x.numpy(), atol=1e-12)
    assert not found.forward.transpose(0, 2, 1)[codes == 4].any()
    assert not found.reverse.transpose(0, 2, 1)[codes == 4].any()
    assert torch.equal(x, torch.from_numpy(rcviz.one_hot(codes, dtype="float64"))), "data are not written over"


# ---------------------------------------------------------------- inputs


class WithControls(ProfileAndCounts):
    """Profile and counts, both with control tracks."""

    def __init__(self):
        super().__init__()
        self.of_controls = nn.Conv1d(2, 1, 5)

    def forward(self, x, controls, *, scale=1.0):
        profile, counts = super().forward(x)
        return profile * scale, counts + scale * self.of_controls(controls).tanh().sum(dim=2)


def controls_of(x):
    """Control tracks that depend on the sequence, so that a wrong order of bases would show."""
    return torch.stack([x[:, 0], x[:, 3] * 2], dim=1).detach()


@pytest.mark.parametrize(
    "inputs",
    [
        lambda x: (x, controls_of(x)),
        lambda x: [x, controls_of(x)],
        lambda x: {"x": x, "controls": controls_of(x)},
    ],
)
@pytest.mark.parametrize("bases", ["ACGT", "GCAT"])
def test_control_tracks(inputs, bases, x, toy):
    model = seeded(WithControls)
    adapted = as_sequence_model(model, inputs=inputs, bases=bases, output=1, output_is="value")
    given = x[:, ["ACGT".index(base) for base in bases]]
    want = logits_of(lambda x: model(x, controls_of(x))[1], given)
    np.testing.assert_allclose(predict(adapted, x), want, atol=1e-12)
    other = as_sequence_model(
        model, inputs=lambda x: {"x": x, "controls": controls_of(x), "scale": 2.0}, bases=bases, output=1
    )
    want = logits_of(lambda x: model(x, controls_of(x), scale=2.0)[1], given)
    np.testing.assert_allclose(predict(other, x, output="logit"), want, atol=1e-12)
    leaf = given.clone().requires_grad_()
    model(leaf, controls_of(leaf))[1].sum().backward()
    slopes = leaf.grad[:, [bases.index(base) for base in "ACGT"]]
    slopes = slopes - slopes.mean(1, keepdim=True)
    np.testing.assert_allclose(rcviz.hypothetical_attributions(adapted, x), slopes, atol=1e-12)
    assert rcviz.filter_contributions(adapted, x).per_sequence.any()
    rcviz.assert_invariant(rcviz.RevCompConjoined(adapted), x)
    assert rcviz.equivariance_error(adapted, x) > 1e-4


class Tokens(nn.Module):
    """Embeds token ids, as HyenaDNA does; a convolution after that."""

    def __init__(self):
        super().__init__()
        self.embed, self.conv, self.out = nn.Embedding(12, 5), nn.Conv1d(5, 6, 7), nn.Linear(6, 2)

    def forward(self, input_ids):
        return self.out(self.conv(self.embed(input_ids).transpose(1, 2)).relu().amax(dim=2))


def ids_of(x):
    """7 to 10 for A, C, G, T; 11 for N."""
    return torch.where(x.sum(dim=1) > 0, x.argmax(dim=1) + 7, 11)


@pytest.mark.parametrize(
    ("settings", "layout"),
    [
        ({"inputs": ids_of}, "NCL"),
        ({"inputs": lambda x: {"input_ids": ids_of(x)}}, "NCL"),
        ({"inputs": lambda x: ids_of(x.transpose(1, 2)), "layout": "NLC"}, "NLC"),
    ],
)
def test_token_ids(settings, layout, toy):
    codes = toy.codes[:6].copy()
    codes[1, 4:9] = 4
    model = seeded(Tokens)
    adapted = as_sequence_model(model, **settings)
    ids = torch.from_numpy(codes.astype(np.int64)) + 7
    np.testing.assert_allclose(predict(adapted, codes, output="logit"), logits_of(model, ids), atol=1e-12)
    for function in (rcviz.strand_attributions, rcviz.hypothetical_attributions):
        with pytest.raises(
            ValueError, match=r"no gradient.* bases.*token ids.*filter_contributions.* after the embedding"
        ):
            function(adapted, codes)
    contributions = rcviz.filter_contributions(adapted, codes, layer="model.conv", at="convolution").per_sequence
    neurons = model.conv(model.embed(ids).transpose(1, 2)).detach().requires_grad_()
    model.out(neurons.relu().amax(dim=2))[:, 0].sum().backward()
    np.testing.assert_allclose(contributions, (neurons.grad * neurons.detach()).sum(dim=2), atol=1e-12)
    rcviz.diagnose_equivariance(adapted, rcviz.one_hot(codes))
    with pytest.raises(AssertionError):
        rcviz.assert_invariant(adapted, rcviz.one_hot(codes))
    rcviz.assert_invariant(rcviz.RevCompConjoined(adapted), rcviz.one_hot(codes))


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (WithControls, {}, r"takes more than the sequences .*'controls'.*inputs="),
        (Tokens, {}, r"token ids .*inputs="),
        (Tokens, {"inputs": lambda x: None}, "inputs must return .*a tuple or dict of tensors, got a NoneType"),
        (Tokens, {"inputs": lambda x: x}, r"what inputs= returned, \(.*of float64.*indices"),
        (Tokens, {"inputs": lambda x: ids_of(x) + 9}, r"what inputs= returned, .*of int64: index out of range"),
        (Tokens, {"inputs": lambda x: {"ids": ids_of(x)}}, "what inputs= returned.*unexpected keyword argument 'ids'"),
        (WithControls, {"inputs": lambda x: (x, controls_of(x).repeat(1, 2, 1))}, "what inputs= returned.*channels"),
        (Tokens, {"inputs": lambda x: {"ids": 3}}, "inputs must return .*got a dict with the keys 'ids'"),
    ],
)
def test_inputs_that_do_not_fit(make, settings, message, x, as_users_run):
    with pytest.raises(ValueError, match=message):
        predict(as_sequence_model(seeded(make), **settings), x)


# ---------------------------------------------------------------- outputs with names


class Objects(nn.Module):
    """Returns an object that holds the logits, made by ``kind``."""

    def __init__(self, kind):
        super().__init__()
        self.body, self.kind = Danq(), kind

    def forward(self, x):
        return self.kind(loss=None, logits=self.body(x))


@dataclass
class ModelOutput:
    loss: torch.Tensor | None
    logits: torch.Tensor


@dataclass(slots=True)
class SlottedOutput:
    loss: torch.Tensor | None
    logits: torch.Tensor


class NamedOutput(NamedTuple):
    loss: torch.Tensor | None
    logits: torch.Tensor


@pytest.mark.parametrize("kind", [ModelOutput, SlottedOutput, NamedOutput, SimpleNamespace, dict, OrderedDict])
def test_outputs_with_names(kind, x, as_users_run):
    model = seeded(Objects, kind)
    want = logits_of(model.body, x)
    np.testing.assert_allclose(predict(as_sequence_model(model, output="logits"), x, output="logit"), want, atol=1e-12)
    for settings, message in (
        ({}, f"{kind.__name__}.*'logits'.*output='logits'"),
        ({"output": "count"}, f"output='count'.*{kind.__name__}.*'loss', 'logits'"),
        ({"output": "loss"}, "output='loss' must select one tensor, got a NoneType"),
    ):
        with pytest.raises(ValueError, match=message):
            predict(as_sequence_model(model, **settings), x)
    with pytest.raises(ValueError, match="'logits'"):
        predict(model, x)


# ---------------------------------------------------------------- adapted twice


def test_an_adapted_model_is_not_adapted_or_converted_again(tmp_path, make_model, as_users_run):
    adapted = as_sequence_model(make_model(), bases="TGCA")
    for function in (as_sequence_model, rcviz.to_revcomp, rcviz.to_standard):
        with pytest.raises(ValueError, match=r"adapted .*model\.model"):
            function(adapted)
    with pytest.raises(ValueError, match=r"save model\.model"):
        rcviz.save_model(adapted, tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_orders_of_bases_inside_each_other(toy):
    """An adapter around a conjoined adapted model: filters are those of A, C, G, T, as an activating site shows."""
    model = seeded(Danq)
    outer = as_sequence_model(rcviz.RevCompConjoined(as_sequence_model(model, bases="CGTA")), bases="GATC")
    bank = rcviz.filter_bank(outer)
    x = torch.from_numpy(rcviz.one_hot(toy.codes[:2, :7], dtype="float64"))
    given = []
    handle = model.conv.register_forward_pre_hook(lambda part, args: given.append(args[0]))
    outer.eval()(torch.from_numpy(rcviz.one_hot(toy.codes[:2], dtype="float64")))
    handle.remove()
    want = torch.nn.functional.conv1d(given[0][0::2, :, :7], model.conv.weight)[..., 0]
    found = np.einsum("nbk,fbk->nf", x, bank.weights + model.conv.weight.detach().numpy().mean(1, keepdims=True))
    np.testing.assert_allclose(found, want.detach(), atol=1e-12)
