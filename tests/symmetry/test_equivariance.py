"""Equivariance of layers, stacks and models, before and after training, and of the tools that measure it.

Reversing both axes of (batch, channels, length) is the reverse complement; of (batch, channels), as the
weighted sum returns it, reversing the channels is. Only the dense layer makes the two strands one.
"""

import threading

import numpy as np
import oracles
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strand_checks import (
    BrokenConv,
    gap,
    mirrored,
    model_with_plain_batch_norm,
    numbers,
    one_hot,
    other_strand,
    strand_gap,
    trained,
)
from torch import nn

import rcviz

LIMIT = {torch.float32: 1e-5, torch.float64: 1e-12}


@pytest.fixture(autouse=True)
def _seed():
    """Layers made outside a model draw from torch's global generator."""
    state = torch.get_rng_state()
    torch.manual_seed(11)
    yield
    torch.set_rng_state(state)


def tied_stack():
    """Two tied blocks; the second one is where a forgotten channel reversal would show."""
    return nn.Sequential(
        rcviz.RevCompConv1d(4, 5, 4),
        rcviz.RevCompBatchNorm1d(10),
        nn.ReLU(),
        rcviz.RevCompConv1d(10, 3, 3, dilation=2),
        rcviz.RevCompBatchNorm1d(6),
        nn.ReLU(),
        rcviz.RevCompMaxPool1d(4, 2),
    )


# ---------------------------------------------------------------- layers and stacks


LAYERS = [
    lambda: rcviz.RevCompConv1d(6, 4, 5),
    lambda: rcviz.RevCompConv1d(6, 4, 4, stride=2),
    lambda: rcviz.RevCompConv1d(6, 4, 3, padding="same", dilation=2),
    lambda: rcviz.RevCompBatchNorm1d(6),
    lambda: rcviz.WeightedSum1d(6, 18),
    lambda: rcviz.WeightedSum1d(6, 18, symmetric=True),
    lambda: rcviz.WeightedSum1d(6, 18, bias=True),
    lambda: rcviz.RevCompMaxPool1d(4, 2),
    lambda: rcviz.RevCompMaxPool1d(5, edge="trim", stride=11),
    lambda: nn.Sequential(rcviz.RevCompConv1d(6, 4, 5), rcviz.RevCompConv1d(8, 2, 4)),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("make", LAYERS)
def test_layers_are_equivariant(make, training, dtype):
    layer = make().to(dtype).train(training)
    with torch.no_grad():
        for seed, parameter in enumerate(layer.parameters()):
            parameter.copy_(numbers(*parameter.shape, seed=seed) * 0.3)
    assert gap(layer, numbers(3, 6, 18, dtype=dtype)) <= LIMIT[dtype]


def test_dense_is_invariant():
    layer = rcviz.RevCompLinear(10, 3).double()
    x = numbers(4, 10)
    with torch.no_grad():
        assert float((layer(x) - layer(mirrored(x))).abs().max()) <= 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_stack_is_equivariant_before_and_after_training(dtype):
    stack = tied_stack().to(dtype)
    x = one_hot(5, 25, seed=9, dtype=dtype)
    for mode in (True, False):
        assert gap(stack.train(mode), x) <= LIMIT[dtype]
    trained(stack, 25)
    for mode in (False, True):
        assert gap(stack.train(mode), x) <= 10 * LIMIT[dtype]


# ---------------------------------------------------------------- models


def presets():
    config = rcviz.ModelConfig
    return {
        "simulated": config.simulated("revcomp"),
        "chipseq": config.chipseq("revcomp", n_filters=4, sequence_length=160),
        "one_layer": config.one_layer("revcomp", n_filters=4, sequence_length=120, pool_size=40, pool_stride=20),
        "flat": config.chipseq("revcomp", n_filters=3, sequence_length=100, head="flatten", freeze_output=False),
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("preset", ["simulated", "chipseq", "one_layer", "flat"])
def test_models_are_invariant_before_and_after_training(preset, dtype):
    config = presets()[preset]
    model = rcviz.build_model(config, seed=2).to(dtype)
    x = one_hot(6, config.sequence_length, seed=9, dtype=dtype)
    for mode in (True, False):
        assert strand_gap(model.train(mode), x) <= LIMIT[dtype]
    trained(model, config.sequence_length)
    assert strand_gap(model, x) <= LIMIT[dtype]
    with torch.no_grad():
        spread = model(x).sigmoid().std(dim=0)
    assert float(spread.min()) > 1e-4, "a constant model is invariant without merit"


def test_a_plain_model_is_not_invariant():
    config = rcviz.ModelConfig.simulated("standard")
    model = rcviz.build_model(config).double().eval()
    assert strand_gap(model, one_hot(6, 200)) > 1e-3


@st.composite
def architectures(draw):
    kernels = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
    pool = draw(st.integers(1, 5))
    stride = draw(st.integers(1, 5))
    windows = draw(st.integers(1, 4))
    trimmed = 2 * draw(st.integers(0, (stride - 1) // 2))  # an even remainder lies evenly
    positions = pool + (windows - 1) * stride + trimmed
    n_tasks = draw(st.integers(1, 3))
    head = draw(st.sampled_from(["weighted_sum", "flatten"]))
    return {
        "architecture": "revcomp",
        "sequence_length": positions + sum(kernel - 1 for kernel in kernels),
        "n_filters": draw(st.integers(1, 4)),
        "kernel_sizes": kernels,
        "pool_size": pool,
        "pool_stride": stride,
        "n_tasks": n_tasks,
        "head": head,
        "freeze_output": head == "weighted_sum" and n_tasks == 1 and draw(st.booleans()),
        "initializer": draw(st.sampled_from(["glorot", "keras1"])),
    }


@settings(max_examples=25, deadline=None, derandomize=True)
@given(architecture=architectures(), seed=st.integers(0, 2**16))
def test_any_tied_model_is_invariant_counted_and_as_the_oracle_says(architecture, seed):
    config = rcviz.ModelConfig(**architecture)
    model = rcviz.build_model(config, seed=seed).double()
    assert rcviz.count_parameters(model) == oracles.parameter_count(config, config.freeze_output)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    model.train()(one_hot(3, config.sequence_length, seed=seed + 1))  # leaves statistics of its own
    model.eval()
    x = one_hot(2, config.sequence_length, seed=seed)
    with torch.no_grad():
        y, there = model(x), model(other_strand(x))
    scale = 1.0 + float(y.abs().max())
    assert float((y - there).abs().max()) <= 1e-12 * scale
    want = oracles.forward(config, oracles.stored_parameters(model), x.numpy())
    np.testing.assert_allclose(y.numpy(), want, atol=1e-11 * scale)


# ---------------------------------------------------------------- broken layers are caught


FORGOTTEN = {"filters": (1, 2), "channels": (0, 2), "length": (0, 1)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("forgotten", [*FORGOTTEN, "nothing"])
def test_a_forgotten_reversal_is_measured(forgotten, dtype):
    layer = BrokenConv(6, 3, 4, FORGOTTEN.get(forgotten, (0, 1, 2))).to(dtype)
    x = numbers(3, 6, 15, dtype=dtype)
    error = rcviz.equivariance_error(layer, x)
    assert isinstance(error, float)
    assert error == pytest.approx(gap(layer, x), abs=LIMIT[dtype])
    if forgotten == "nothing":
        assert error <= LIMIT[dtype]
        rcviz.assert_equivariant(layer, x)
    else:
        assert error > 0.1
        with pytest.raises(AssertionError, match=r"BrokenConv"):
            rcviz.assert_equivariant(layer, x)


def verdicts(model, x):
    table = rcviz.diagnose_equivariance(model, x)
    assert {"module", "kind", "error", "verdict"} <= set(table.columns)
    assert set(table["verdict"]) <= {"equivariant", "invariant", "breaks", "propagated"}
    assert table["module"].is_unique
    assert (table["verdict"] == "breaks").sum() <= 1, "one first cause"
    found = dict(zip(table["module"], table["verdict"], strict=True))
    leaves = {name for name, module in model.named_modules() if not list(module.children())}
    sound = not any(found[name] in ("breaks", "propagated") for name in leaves)
    if sound:  # what holds sound modules is sound
        assert set(found.values()) <= {"equivariant", "invariant"}
    return {name: verdict for name, verdict in found.items() if name in leaves}


@pytest.mark.parametrize("forgotten", FORGOTTEN)
def test_a_forgotten_reversal_in_layer_two_is_named(forgotten):
    model = nn.Sequential()
    model.add_module("first", rcviz.RevCompConv1d(4, 3, 4))
    model.add_module("relu", nn.ReLU())
    model.add_module("second", BrokenConv(6, 2, 3, FORGOTTEN[forgotten]))
    model.add_module("pool", rcviz.RevCompMaxPool1d(3))
    model.add_module("sum", rcviz.WeightedSum1d(4, 5))
    model.add_module("dense", rcviz.RevCompLinear(4, 2))
    model = model.double()
    found = verdicts(model, one_hot(4, 20))
    assert list(found) == ["first", "relu", "second", "pool", "sum", "dense"]
    assert found["first"] == found["relu"] == "equivariant"
    assert found["second"] == "breaks"
    assert found["pool"] == found["sum"] == found["dense"] == "propagated"
    with pytest.raises(AssertionError):
        rcviz.assert_invariant(model, one_hot(4, 20))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_plain_batch_norm_is_caught_once_trained(dtype):
    """Untrained, its statistics are the same for both strands and nothing shows."""
    model, x = model_with_plain_batch_norm().to(dtype).eval(), one_hot(6, 20, dtype=dtype)
    assert rcviz.equivariance_error(model, x) <= LIMIT[dtype]
    assert set(verdicts(model, x).values()) == {"equivariant", "invariant"}
    trained(model, 20, steps=1)
    assert rcviz.equivariance_error(model, x) > 1e-4
    found = verdicts(model, x)
    assert found["conv"] == "equivariant"
    assert found["norm"] == "breaks"
    assert found["relu"] == found["pool"] == found["sum"] == found["dense"] == "propagated"
    with pytest.raises(AssertionError):
        rcviz.assert_invariant(model, x)


# ---------------------------------------------------------------- models that do not compute in float64


class Forward(nn.Module):
    """Tied, or broken by plain weights; ``compute`` is what is peculiar between the filters and the sum over them."""

    def __init__(self, compute, *, tied):
        super().__init__()
        self.conv = rcviz.RevCompConv1d(4, 3, 5) if tied else nn.Conv1d(4, 6, 5)
        self.compute, self.kept = compute, None

    def forward(self, x):
        return self.compute(self, self.conv(x).relu()).sum(dim=(1, 2))[:, None]


def smoothed(net, h):
    return torch.nn.functional.conv1d(h, torch.ones(6, 1, 3) / 3, padding=1, groups=6)


def softmax_in_float32(net, h):
    return h.float().softmax(dim=2).to(h.dtype) * h


def keeps_its_features(net, h):
    net.kept = h
    return h


OWN_TYPE = {
    "a kernel made in forward": (smoothed, torch.float32, "float32"),
    "a part in float32": (softmax_in_float32, torch.float32, "float32"),
    "a part in float32, weights in float64": (softmax_in_float32, torch.float64, "float32"),
    "keeps features": (keeps_its_features, torch.float32, "float64"),
    "cannot be copied": (lambda net, h: h, torch.float32, "float32"),
    "half precision": (lambda net, h: h.bfloat16().to(h.dtype), torch.bfloat16, "bfloat16"),
}


@pytest.mark.parametrize("kind", OWN_TYPE)
@pytest.mark.parametrize("tied", [True, False])
def test_a_model_is_judged_in_the_type_that_it_computes_in(kind, tied):
    compute, dtype, judged_in = OWN_TYPE[kind]
    model = Forward(compute, tied=tied).to(dtype)
    if kind == "cannot be copied":
        model.lock = threading.Lock()
    x = one_hot(4, 40)
    model(x.to(dtype)).sum().backward()  # leaves features with a graph, and gradients
    state = [parameter.clone() for parameter in model.parameters()]
    table = rcviz.diagnose_equivariance(model, x)
    assert table.attrs["dtype"] == judged_in
    assert dict(zip(table["module"], table["verdict"], strict=True)) == {
        "conv": "equivariant" if tied else "breaks",
        "(model)": "invariant" if tied else "propagated",
    }
    error = rcviz.equivariance_error(model, x)
    assert (error < 1e-2) if tied else (error > 1e-2)
    if tied:
        rcviz.assert_invariant(model, x)
        rcviz.assert_equivariant(model, x)
    else:
        with pytest.raises(AssertionError, match=f"in {judged_in}"):
            rcviz.assert_invariant(model, x)
    assert all(map(torch.equal, state, model.parameters()))
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    assert model.training
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_type_does_not_hide_a_small_asymmetry():
    """A part of 1e-5 in float64, and of 1% of a small output in float32."""
    model = Forward(lambda net, h: h, tied=True)
    with torch.no_grad():
        model.plain = nn.Conv1d(4, 6, 5)
        model.compute = lambda net, h: h + 1e-5 * net.plain(net.x)
        model.register_forward_pre_hook(lambda net, given: setattr(net, "x", given[0]))
    with pytest.raises(AssertionError, match="float64"):
        rcviz.assert_invariant(model, one_hot(4, 40))
    model.compute = lambda net, h: 1e-2 * smoothed(net, h + 1e-2 * net.plain(net.x).to(h.dtype))
    with pytest.raises(AssertionError, match="float32"):
        rcviz.assert_invariant(model, one_hot(4, 40))


# ---------------------------------------------------------------- the tools on sound models


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("preset", ["simulated", "chipseq", "one_layer"])
def test_a_sound_model_is_acquitted(preset, dtype):
    config = presets()[preset]
    model = rcviz.build_model(config).to(dtype)
    for _ in range(2):
        x = one_hot(4, config.sequence_length, dtype=dtype)
        found = verdicts(model.eval(), x)
        assert list(found) == [name for name, _ in model.named_children()]
        assert found.pop("dense") == "invariant"
        assert set(found.values()) == {"equivariant"}  # the weighted sum as well: its channels are paired
        assert rcviz.equivariance_error(model, x) <= LIMIT[dtype]
        rcviz.assert_invariant(model, x)
        trained(model, config.sequence_length)


def test_errors_of_the_diagnosis_are_measurements():
    model = nn.Sequential(rcviz.RevCompConv1d(4, 3, 4), BrokenConv(6, 2, 3, (1, 2)), nn.ReLU()).double()
    x = one_hot(3, 14)
    table = rcviz.diagnose_equivariance(model, x)
    table = table[table["module"].isin(["0", "1", "2"])]  # a row for the whole model may follow
    want = [gap(model[:stop], x) for stop in (1, 2, 3)]
    np.testing.assert_allclose(table["error"], want, atol=1e-12)
    assert table["kind"].tolist() == ["RevCompConv1d", "BrokenConv", "ReLU"]


def test_what_follows_an_invariant_layer_is_invariant():
    """Section 3.1.4: after the strands have met, "no additional RC weight sharing is necessary"."""
    model = nn.Sequential(rcviz.RevCompLinear(6, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    head = nn.Sequential(rcviz.RevCompConv1d(4, 3, 4), rcviz.WeightedSum1d(6, 9), model).double()
    found = verdicts(head, one_hot(4, 12))
    assert found["0"] == found["1"] == "equivariant"
    assert found["2.0"] == found["2.1"] == found["2.2"] == "invariant"


def test_a_plain_model_breaks_at_its_first_convolution():
    config = rcviz.ModelConfig.simulated("standard", n_filters=4)
    found = verdicts(rcviz.build_model(config).double().eval(), one_hot(4, 200))
    assert next(iter(found)) == "conv1"
    assert found.pop("conv1") == "breaks"
    assert set(found.values()) == {"propagated"}


def test_nested_modules_go_by_their_dotted_names():
    inner = nn.Sequential()
    inner.add_module("conv", rcviz.RevCompConv1d(4, 3, 4))
    inner.add_module("broken", BrokenConv(6, 2, 3, (0, 2)))
    model = nn.Sequential()
    model.add_module("body", inner)
    model.add_module("relu", nn.ReLU())
    found = verdicts(model.double(), one_hot(3, 12))
    assert found["body.conv"] == "equivariant"
    assert found["body.broken"] == "breaks"
    assert found["relu"] == "propagated"


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "tool", ["equivariance_error", "assert_invariant", "assert_equivariant", "diagnose_equivariance"]
)
def test_measuring_changes_nothing(tool, training):
    """Even in training mode: statistics, modes, gradients and hooks stay as they were."""
    model = nn.Sequential(tied_stack(), rcviz.WeightedSum1d(6, 8), rcviz.RevCompLinear(6, 2)).double()
    if tool == "assert_equivariant":
        model = model[0]
    model.train(training)
    next(model.modules()).training = training
    next(m for m in model.modules() if isinstance(m, nn.ReLU)).eval()  # a mode of its own
    modes = [module.training for module in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    seeds = torch.get_rng_state()
    x = one_hot(4, 25)
    kept = x.clone()
    getattr(rcviz, tool)(model, x)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in model.modules())
    assert torch.equal(seeds, torch.get_rng_state())
    assert torch.equal(x, kept)


def test_an_invariant_model_is_compared_as_it_is():
    model = rcviz.build_model(rcviz.ModelConfig.simulated("standard", n_filters=4)).double().eval()
    x = one_hot(4, 200)
    error = rcviz.equivariance_error(model, x)
    with torch.no_grad():
        assert error == pytest.approx(float((model(x) - model(other_strand(x))).abs().max()))
    with pytest.raises(AssertionError, match=r"\d"):
        rcviz.assert_invariant(model, x)


def test_channels_last_is_refused():
    model = rcviz.build_model(rcviz.ModelConfig.simulated("revcomp", n_filters=2))
    with pytest.raises(ValueError, match="channels are last"):
        rcviz.equivariance_error(model, torch.zeros(2, 200, 4))
