"""Gradient times activation (section 3.5) against a loop over neurons and central differences."""

import jaxtyping
import numpy as np
import oracles
import pytest
import torch
from torch import nn

import rcviz

LENGTH = 26
CASES = {
    "revcomp-one": ("revcomp", (7,), 5, 5),  # 20 positions -> 4
    "standard-one": ("standard", (7,), 5, 5),
    "standard-ragged": ("standard", (7,), 6, 5),  # 20 positions -> 3, the last four dropped
    "revcomp-trimmed": ("revcomp", (7,), 6, 6),  # 20 positions -> 3, one dropped at each end
    "revcomp-three": ("revcomp", (5, 4, 4), 4, 4),  # 16 positions -> 4
    "standard-three": ("standard", (5, 4, 4), 4, 4),
}


def built(case, n_tasks=2, seed=0):
    architecture, kernels, pool_size, pool_stride = CASES[case]
    config = rcviz.ModelConfig(
        architecture=architecture,
        sequence_length=LENGTH,
        n_filters=2,
        kernel_sizes=kernels,
        pool_size=pool_size,
        pool_stride=pool_stride,
        n_tasks=n_tasks,
        head="weighted_sum" if architecture == "revcomp" else "flatten",
    )
    model = rcviz.build_model(config, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                draw = torch.randn(value.shape, generator=generator)
                positive = name.startswith("norm") and not name.endswith("running_mean")
                value.copy_(draw.abs() + 0.5 if positive else 0.5 * draw)  # no filter is dead
    return model.eval()


@pytest.fixture(scope="module")
def data():
    codes = np.random.default_rng(3).integers(0, 4, size=(5, LENGTH)).astype(np.uint8)
    codes[0, 4] = 4  # an N
    labels = np.array([[1, 0], [0, 1], [1, 1], [0, np.nan], [np.nan, 0]], dtype=np.float32)
    return rcviz.SequenceSet(codes, labels=labels, task_names=["first", "second"])


@pytest.fixture
def as_users_run(monkeypatch):
    """Without the type checks that only the tests switch on: they would speak before the library does."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def inputs(data):
    return np.array([[[float(code == base) for code in row] for base in range(4)] for row in data.codes])


def check(found, model, data, **how):
    want = oracles.contributions(model.config, oracles.stored_parameters(model), inputs(data), **how)
    assert np.abs(want).max() > 1e-2, "nothing to compare"
    assert found.per_sequence.shape == want.shape == (5, 2)
    np.testing.assert_allclose(found.per_sequence, want, rtol=1e-3, atol=1e-4)
    positive, negative, score = oracles.filter_scores(want, data.labels[:, how["task"]])
    assert np.abs(score).max() > 1e-3
    assert found.scores.shape == (2,)
    np.testing.assert_allclose(found.scores, score, rtol=1e-3, atol=1e-4)
    table = found.table
    order = table["filter"].to_numpy()
    assert sorted(order) == [0, 1]
    np.testing.assert_allclose(table["score"], score[order], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(table["mean_positive"], positive[order], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(table["mean_negative"], negative[order], rtol=1e-3, atol=1e-4)
    assert table["score"].is_monotonic_decreasing


@pytest.mark.parametrize("at", ["activation", "convolution"])
@pytest.mark.parametrize("task", [0, 1])
@pytest.mark.parametrize("case", CASES)
def test_first_layer_matches_oracle(case, task, at, data):
    model = built(case)
    found = rcviz.filter_contributions(model, data, task=task, layer="conv1", at=at)
    check(found, model, data, layer=1, at=at, task=task)


@pytest.mark.parametrize("at", ["activation", "convolution"])
@pytest.mark.parametrize("layer", [2, 3])
@pytest.mark.parametrize("case", ["revcomp-three", "standard-three"])
def test_deeper_layers_match_oracle(case, layer, at, data):
    model = built(case, seed=1)
    module = model.get_submodule(f"conv{layer}")
    for named in (module, f"conv{layer}"):
        found = rcviz.filter_contributions(model, data, task=0, layer=named, at=at)
        check(found, model, data, layer=layer, at=at, task=0)


@pytest.mark.parametrize("at", ["activation", "convolution"])
def test_double_precision_is_used_where_the_model_has_it(at, data):
    """float32 hides an error of one part in a million; central differences are good to 1e-7 here."""
    model = built("revcomp-three").double()
    found = rcviz.filter_contributions(model, data, task=1, layer="conv2", at=at)
    params = oracles.stored_parameters(model)
    want = oracles.contributions(model.config, params, inputs(data), layer=2, at=at, task=1)
    np.testing.assert_allclose(found.per_sequence, want, rtol=1e-7, atol=1e-8)


def test_defaults_are_first_layer_first_task_and_activation(data):
    model = built("revcomp-three")
    by_default = rcviz.filter_contributions(model, data)
    said = rcviz.filter_contributions(model, data, task=0, layer="conv1", at="activation")
    np.testing.assert_array_equal(by_default.per_sequence, said.per_sequence)


def test_tasks_have_contributions_of_their_own(data):
    model = built("revcomp-one")
    first = rcviz.filter_contributions(model, data, task=0).per_sequence
    second = rcviz.filter_contributions(model, data, task=1).per_sequence
    assert np.abs(first - second).max() > 1e-3


def test_a_linear_tail_adds_up_to_the_logit(data):
    """At the activation the tail has no bias but the dense one: contributions sum to logit - bias."""
    for case in ("revcomp-one", "standard-one"):
        model = built(case)
        found = rcviz.filter_contributions(model, data, task=1)
        logit = oracles.forward(model.config, oracles.stored_parameters(model), inputs(data))[:, 1]
        bias = float(model.dense.bias.detach()[1])
        np.testing.assert_allclose(found.per_sequence.sum(axis=1), logit - bias, atol=1e-4)


def test_strands_agree_under_tying(data):
    """A filter's two channels are added, so that the opposite strand has the same scores."""
    model = built("revcomp-three")
    there = data.reverse_complement()
    for at in ("activation", "convolution"):
        for layer in ("conv1", "conv3"):
            one = rcviz.filter_contributions(model, data, layer=layer, at=at).per_sequence
            other = rcviz.filter_contributions(model, there, layer=layer, at=at).per_sequence
            np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("at", ["activation", "convolution"])
@pytest.mark.parametrize("training", [True, False])
def test_leaves_the_model_as_found(at, training, data):
    model = built("revcomp-three").train(training)
    model.norm2.train(not training)  # a mode of its own
    model.conv2.weight.requires_grad_(False)
    evaluated = rcviz.filter_contributions(built("revcomp-three"), data, at=at).per_sequence
    modes = [module.training for module in model.modules()]
    wants = [parameter.requires_grad for parameter in model.parameters()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():  # as a user inside no_grad would have it
        found = rcviz.filter_contributions(model, data, at=at)
    np.testing.assert_allclose(found.per_sequence, evaluated, atol=1e-6)
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == wants
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    assert not any(getattr(module, kind) for module in model.modules() for kind in hooks)
    assert torch.is_grad_enabled()


def test_a_frozen_model_still_has_contributions(data):
    """A model whose weights are all frozen has gradients with respect to its neurons."""
    model = built("revcomp-one")
    want = rcviz.filter_contributions(model, data).per_sequence
    model.requires_grad_(False)
    np.testing.assert_array_equal(rcviz.filter_contributions(model, data).per_sequence, want)
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_model_that_fails_is_left_as_found(data):
    class Fails(nn.Module):
        def forward(self, _):
            raise RuntimeError("not today")

    model = nn.Sequential(rcviz.RevCompConv1d(4, 2, 3), nn.ReLU(), Fails()).train()
    with pytest.raises(RuntimeError, match="not today"):
        rcviz.filter_contributions(model, data, layer="0")
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())


def test_works_in_any_module(data):
    """A user's own network, named children of his own: a tied convolution counts its channels in pairs."""

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.scan = rcviz.RevCompConv1d(4, 2, 7)
            self.act = nn.ReLU()
            self.sum = rcviz.WeightedSum1d(4, 20)
            self.out = rcviz.RevCompLinear(4, 2)

        def forward(self, x):
            return self.out(self.sum(self.act(self.scan(x))))

    model = Own().eval()
    found = rcviz.filter_contributions(model, data, task=1, layer=model.scan)
    scan, total, out = model.scan, model.sum, model.out
    w, b = scan.weight.detach().numpy(), scan.bias.detach().numpy()
    neurons = oracles.relu(oracles.conv_revcomp(inputs(data), w, b))
    want = np.zeros((5, 2))
    for channel in range(4):
        alone = np.zeros_like(neurons)
        alone[:, channel] = neurons[:, channel]
        summed = oracles.weighted_sum(alone, total.weight.detach().numpy())
        want[:, min(channel, 3 - channel)] += oracles.dense_revcomp(summed, out.weight.detach().numpy())[:, 1]
    assert np.abs(want).max() > 1e-3
    np.testing.assert_allclose(found.per_sequence, want, atol=1e-5)


@pytest.mark.usefixtures("as_users_run")
def test_refusals(data):
    model = built("revcomp-one")
    with pytest.raises(ValueError, match=r"(?s)(?=.*activation)(?=.*convolution)"):
        rcviz.filter_contributions(model, data, at="relu")
    with pytest.raises(ValueError, match="conv7"):
        rcviz.filter_contributions(model, data, layer="conv7")
    for task in (2, -1):
        with pytest.raises(ValueError, match=str(task)):
            rcviz.filter_contributions(model, data, task=task)
    with pytest.raises(ValueError, match=r"(?i)negative"):
        rcviz.filter_contributions(model, data.subset(np.array([0, 2])), task=0)
    with pytest.raises(ValueError, match=r"(?i)positive"):
        rcviz.filter_contributions(model, data.subset(np.array([1, 3])), task=0)
