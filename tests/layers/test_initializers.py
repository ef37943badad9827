"""Starting weights: sections 3.7 (equations 2 and 3) and the fans that the design page fixes."""

from math import sqrt

import oracles
import pytest
import torch

import rcviz


def assert_uniform(weight, limit):
    """Uniform on (-limit, limit): within it, filling it, centred, and with its variance of limit**2 / 3."""
    weight = weight.detach().double()
    assert weight.numel() >= 1000, "too few draws to judge"
    largest = float(weight.abs().max())
    assert largest <= limit * (1 + 1e-6)
    assert largest > 0.95 * limit
    error = limit / sqrt(3 * weight.numel())
    assert abs(float(weight.mean())) < 5 * error
    assert float(weight.var()) == pytest.approx(limit**2 / 3, rel=0.15)


@pytest.fixture(autouse=True)
def _seed():
    state = torch.get_rng_state()
    torch.manual_seed(7)
    yield
    torch.set_rng_state(state)


def test_limits_by_hand():
    """c = 40 channels at 9 positions: the dense layer's sqrt(6/360), reached from half the weights."""
    assert oracles.weighted_sum_limit(40, 9) == sqrt(6 / 360)
    assert oracles.weighted_sum_limit(40, 9) == pytest.approx(sqrt(6 / (2 * 9 * 20)))  # equation 3
    assert oracles.conv_limit(4, 20, 21) == sqrt(6 / (84 + 420))
    assert oracles.conv_limit(4, 20, 21, "keras1") == pytest.approx(sqrt(6 / (4 * 20 * 22)))


@pytest.mark.parametrize(
    ("initializer", "limit"), [("glorot", sqrt(6 / (6 * 9 + 40 * 9))), ("keras1", sqrt(6 / (6 * 40 * 10)))]
)
def test_convolution(initializer, limit):
    """The fans count stored filters, not output channels, and the input's RC channels."""
    layer = rcviz.RevCompConv1d(6, 40, 9, initializer=initializer)
    assert limit == pytest.approx(oracles.conv_limit(6, 40, 9, initializer))
    assert_uniform(layer.weight, limit)
    assert not layer.bias.any()


def test_convolution_defaults_to_glorot():
    assert_uniform(rcviz.RevCompConv1d(6, 40, 9).weight, oracles.conv_limit(6, 40, 9))


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("revcomp", [True, False])
@pytest.mark.parametrize("length", [80, 81])
def test_weighted_sum_does_not_feel_the_tie(length, revcomp, symmetric):
    layer = rcviz.WeightedSum1d(64, length, revcomp=revcomp, symmetric=symmetric)
    # an odd centre counts double in k * fan_in * fan_out; the rule itself is sqrt(6 / (c l))
    assert_uniform(layer.weight, sqrt(6 / (64 * length)))


def test_dense_uses_the_stored_fans():
    layer = rcviz.RevCompLinear(100, 60)
    assert_uniform(layer.weight, sqrt(6 / (50 + 60)))
    assert not layer.bias.any()


@pytest.mark.parametrize("initializer", ["glorot", "keras1"])
@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
def test_models_start_as_their_layers(architecture, initializer):
    config = rcviz.ModelConfig.chipseq(
        architecture,
        n_filters=32,
        sequence_length=200,
        pool_size=20,
        pool_stride=20,
        initializer=initializer,
    )
    model = rcviz.build_model(config, seed=3)
    channels = 4
    for index, kernel in enumerate((15, 14, 14), start=1):
        conv = model.get_submodule(f"conv{index}")
        assert conv.weight.shape == (32, channels, kernel)
        assert_uniform(conv.weight, oracles.conv_limit(channels, 32, kernel, initializer))
        assert not conv.bias.any()
        channels = 64 if architecture == "revcomp" else 32


def test_standard_dense_is_glorot():
    config = rcviz.ModelConfig.simulated("standard", n_filters=40)
    model = rcviz.build_model(config)
    assert model.dense.weight.shape == (3, 360)
    assert_uniform(model.dense.weight, oracles.glorot_limit(360, 3))
    assert not model.dense.bias.any()


def test_weighted_sum_of_a_model():
    model = rcviz.build_model(rcviz.ModelConfig.chipseq("revcomp", n_filters=32))
    assert model.weighted_sum.weight.shape == (32, 47)
    assert_uniform(model.weighted_sum.weight, oracles.weighted_sum_limit(64, 47))
