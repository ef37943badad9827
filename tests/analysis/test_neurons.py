"""A layer's neurons in networks that call functions, share modules, work in place and see both strands at once."""

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from foreign import Danq, ProfileAndCounts, seeded
from torch import nn

from rcviz import (
    RevCompConjoined,
    RevCompConv1d,
    activation_profiles,
    as_sequence_model,
    filter_contributions,
    one_hot,
    reverse_complement,
)
from rcviz.analysis.neurons import find_neurons, sequence_layers


def products(network, codes, task, tail, leaf):
    """Gradient times activation by hand: ``leaf`` makes the activations, ``tail`` the logits of them."""
    with torch.no_grad():
        activations = leaf(torch.from_numpy(one_hot(codes, dtype="float64"))).clone()
    activations.requires_grad_()
    (gradient,) = torch.autograd.grad(tail(activations.clone())[:, task].sum(), activations)
    return (gradient * activations).sum(dim=2).detach().numpy()


def danq_tail(model, x):
    x = F.max_pool1d(x, 6)
    x = model.lstm(x.transpose(1, 2))[0].flatten(1)
    return model.out(torch.relu(model.dense(x)))


def counts_tail(model, x):
    for rconv in model.rconvs:
        x = x + torch.relu(rconv(x))
    return model.linear(x.mean(dim=2))


def test_a_function_after_the_convolution_in_place(toy):
    """And the LSTM is registered before the convolution, and its tuple passes by."""
    model = seeded(Danq)
    found = filter_contributions(model, toy, task=1)
    assert found.layer == "relu after conv"
    want = products(model, toy.codes, 1, lambda a: danq_tail(model, a), lambda x: torch.relu(model.conv(x)))
    np.testing.assert_allclose(found.per_sequence, want, atol=1e-12)
    assert np.abs(want).max() > 1e-3


def test_one_relu_for_all_is_taken_where_it_follows_the_layer(toy):
    model = seeded(ProfileAndCounts)
    adapted = as_sequence_model(model, output=1)
    found = filter_contributions(adapted, toy.codes)
    assert found.layer == "model.relu"
    want = products(model, toy.codes, 0, lambda a: counts_tail(model, a), lambda x: torch.relu(model.iconv(x)))
    np.testing.assert_allclose(found.per_sequence, want, atol=1e-12)
    # The second use: what a residual branch adds is a leaf of its own.
    found = filter_contributions(adapted, toy.codes, layer=model.rconvs[0])

    def tail(branch):
        x = torch.relu(model.iconv(torch.from_numpy(one_hot(toy.codes, dtype="float64")))) + branch
        return model.linear((x + torch.relu(model.rconvs[1](x))).mean(dim=2))

    first = lambda x: torch.relu(model.rconvs[0](torch.relu(model.iconv(x))))  # noqa: E731
    np.testing.assert_allclose(found.per_sequence, products(model, toy.codes, 0, tail, first), atol=1e-12)


class Block(nn.Module):
    """One convolution, what follows it by choice, and a mean as the logit."""

    def __init__(self, follow, **parts):
        super().__init__()
        self.conv, self.other = nn.Conv1d(4, 3, 5), nn.Conv1d(4, 3, 5)
        self.follow = follow
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.follow(self, self.conv(x), x).pow(2).mean(dim=2)


class OwnGelu(nn.Module):
    def forward(self, x):
        return torch.sigmoid(1.702 * x) * x


def ignoring_what_it_returns(model, y, x):
    y.relu_()
    return y


def by_module_ignoring(model, y, x):
    model.act(y)
    return y


CASES = {
    "method": (lambda m, y, x: y.relu(), {}, "relu after conv", torch.relu),
    "in place, returned by nobody": (ignoring_what_it_returns, {}, "relu after conv", torch.relu),
    "module in place, ignored": (by_module_ignoring, {"act": nn.ReLU(inplace=True)}, "act", torch.relu),
    "clamp": (lambda m, y, x: y.clamp(min=0), {}, "clamp after conv", torch.relu),
    "exponential": (lambda m, y, x: torch.exp(y), {}, "exp after conv", torch.exp),
    "keyword": (lambda m, y, x: F.elu(input=y), {}, "elu after conv", F.elu),
    "a custom module": (lambda m, y, x: m.act(y), {"act": OwnGelu()}, "act", lambda y: y * (1.702 * y).sigmoid()),
    "arithmetic between": (lambda m, y, x: F.relu(y * 2 - 0.1), {}, "relu after conv", lambda y: F.relu(2 * y - 0.1)),
    "another branch first": (
        lambda m, y, x: torch.relu(m.other(x)) + torch.tanh(y),
        {},
        "tanh after conv",
        torch.tanh,
    ),
    "norm between": (
        lambda m, y, x: m.act(m.norm(y)),
        {"norm": nn.BatchNorm1d(3), "act": nn.Tanh()},
        "act",
        torch.tanh,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_follows_is_found_by_following_it(case, toy):
    follow, parts, name, activation = CASES[case]
    model = seeded(Block, follow, **parts)
    norm = model.norm if hasattr(model, "norm") else nn.Identity()
    found = filter_contributions(model, toy.codes, task=2)
    assert found.layer == name
    assert found.at.startswith("activation")
    aside = torch.relu(model.other(torch.from_numpy(one_hot(toy.codes, dtype="float64")))).detach()
    add = aside if "branch" in case else 0
    want = products(
        model, toy.codes, 2, lambda a: (a + add).pow(2).mean(dim=2), lambda x: activation(norm(model.conv(x)))
    )
    np.testing.assert_allclose(found.per_sequence, want, atol=1e-12)
    profiles = activation_profiles(model, toy.codes, bins=56)
    with torch.no_grad():
        values = activation(norm(model.conv(torch.from_numpy(one_hot(toy.codes, dtype="float64")))))
    np.testing.assert_allclose(profiles.binned, values.numpy(), atol=2e-3)


@pytest.mark.parametrize(
    "follow",
    [
        lambda m, y, x: F.max_pool1d(y, 3, 1, 1).relu(),
        lambda m, y, x: m.mix(y).relu(),
        lambda m, y, x: y,
    ],
)
def test_neurons_that_were_mixed_before_have_no_activation(follow, toy):
    model = seeded(Block, follow, mix=nn.Conv1d(3, 3, 3, padding=1))
    with pytest.raises(ValueError, match="follows conv; pass at='convolution'"):
        filter_contributions(model, toy.codes, at="activation")
    by_default = filter_contributions(model, toy.codes)
    assert by_default.at.startswith("convolution")
    assert by_default.layer == "conv"
    found = filter_contributions(model, toy.codes, at="convolution")
    np.testing.assert_array_equal(found.per_sequence, by_default.per_sequence)


@pytest.mark.parametrize("tied", [False, True])
def test_a_conjoined_model_adds_up_both_strands(toy, tied):
    """A filter's part of the mean logit is the mean of its parts on the two strands."""
    convolution = RevCompConv1d(4, 3, 7) if tied else nn.Conv1d(4, 6, 7)
    model = seeded(lambda: nn.Sequential(convolution, nn.ReLU(), nn.MaxPool1d(9), nn.Flatten(), nn.Linear(36, 2)))
    both = RevCompConjoined(model)
    found = filter_contributions(both, toy, task=1)
    forward, reverse = (
        filter_contributions(model, codes, task=1).per_sequence for codes in (toy.codes, reverse_complement(toy.codes))
    )
    np.testing.assert_allclose(found.per_sequence, (forward + reverse) / 2, atol=1e-12)
    assert found.labels is not None
    profiles, one, other = (
        activation_profiles(network, data, bins=54).binned.astype(float)
        for network, data in ((both, toy), (model, toy), (model, toy.reverse_complement()))
    )
    np.testing.assert_allclose(profiles, one + other[:, :, ::-1], atol=4e-3)


def test_layers_that_cannot_have_contributions_are_explained(toy):
    model = seeded(Danq)
    model.add_module("spare", nn.Conv1d(4, 2, 3))
    for layer, message in (
        ("lstm", r"layer lstm returns a tuple"),
        ("spare", "layer spare is never used in a forward pass; give one that is, such as conv"),
        ("dense", r"layer dense returns shape \(1, 8\)"),
    ):
        with pytest.raises(ValueError, match=message):
            filter_contributions(model, toy, layer=layer)
    shared = seeded(ProfileAndCounts)
    with pytest.raises(ValueError, match="layer relu is used 3 times"):
        filter_contributions(shared, toy.codes, layer="relu")
    with pytest.raises(ValueError, match=r"layer spare is never used in a forward pass; give one that is$"):
        filter_contributions(NoConvolution(), toy.codes, layer="spare")


class NoConvolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.spare, self.out = nn.Identity(), nn.Linear(240, 1)

    def forward(self, x):
        return self.out(x.flatten(1))


def test_the_model_is_left_as_found_even_when_it_fails(toy):
    model = seeded(Danq)
    x = torch.from_numpy(one_hot(toy.codes[:2], dtype="float64"))
    find_neurons(model, None, "activation", x)
    with pytest.raises(ValueError, match="never used"):
        find_neurons(NoConvolution().double(), "spare", "activation", x)
    with pytest.raises(ValueError, match="built for"):
        find_neurons(model, None, "activation", x[:, :, :9])
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert torch.relu(torch.tensor(-1.0)) == 0  # no mode is left behind
    assert sequence_layers(model, x) == ["conv"]


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize("compiled", ["whole", "in place", "adapted", "inside an adapter"])
def test_compiled_models_have_the_neurons_of_the_model(compiled, toy):
    net = seeded(SmallCompiled)
    want = filter_contributions(net, toy).per_sequence, activation_profiles(net, toy).table
    if compiled == "in place":
        net.compile(backend="eager")
        model = net
    elif compiled == "inside an adapter":
        model = as_sequence_model(torch.compile(net, backend="eager"), unknown=0.25)
    else:
        model = torch.compile(net if compiled == "whole" else as_sequence_model(net), backend="eager")
    np.testing.assert_allclose(filter_contributions(model, toy).per_sequence, want[0], atol=1e-12)
    pd.testing.assert_frame_equal(activation_profiles(model, toy).table, want[1])


class SmallCompiled(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.act, self.out = nn.Conv1d(4, 3, 7), nn.ReLU(), nn.Linear(3, 2)

    def forward(self, x):
        return self.out(self.act(self.conv(x)).amax(2))


@pytest.mark.usefixtures("as_users_run")
def test_torchscript_has_no_neurons(toy):
    net = seeded(SmallCompiled)
    traced = torch.jit.trace(net, torch.from_numpy(toy.one_hot()).double())
    for layer in (None, "conv"):
        with pytest.raises(ValueError, match=r"TorchScript.*nn\.Module"):
            filter_contributions(as_sequence_model(traced), toy, layer=layer and f"model.{layer}")
