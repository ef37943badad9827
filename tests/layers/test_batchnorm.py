"""RevCompBatchNorm1d against section 3.1.2: a channel and its RC partner are normalised as one."""

import itertools

import numpy as np
import oracles
import pytest
import torch
from drawn import TOLERANCE, filled

import rcviz


def numbers(*shape, seed=1):
    """Every channel with a location and a spread of its own, so that the wrong partner shows."""
    generator = np.random.default_rng(seed)
    spread = np.linspace(0.5, 3.0, shape[1])[None, :, None]
    return generator.normal(size=shape) * spread + np.arange(shape[1])[None, :, None] ** 2


def test_oracle_by_hand():
    """Channels 0 and 3 hold 1, 2 | 3, 6: mean 3, squares 4+1+0+9 = 14, over 4 and over 3."""
    x = np.array([[[1.0, 2.0], [5.0, 5.0], [5.0, 5.0], [3.0, 6.0]]])
    y, mean, biased, unbiased = oracles.batchnorm_revcomp(x, eps=0.5)
    assert mean.tolist() == [3.0, 5.0]
    assert biased.tolist() == [3.5, 0.0]
    assert unbiased.tolist() == [14 / 3, 0.0]
    np.testing.assert_allclose(y[0, 3], [0.0, 1.5])
    np.testing.assert_allclose(y[0, 0], [-1.0, -0.5])


def test_oracle_is_plain_batch_norm_of_a_rearranged_tensor():
    """Section 3.1.2 puts the RC channels behind their partners along the length, in either direction."""
    x = numbers(3, 6, 5)
    rows = np.array([[np.concatenate([x[n, f], x[n, 5 - f]]) for f in range(3)] for n in range(3)])
    plain = torch.nn.BatchNorm1d(3, eps=1e-3, dtype=torch.float64)(torch.tensor(rows)).detach().numpy()
    y = oracles.batchnorm_revcomp(x)[0]
    for f in range(3):
        np.testing.assert_allclose(y[:, f], plain[:, f, :5], atol=1e-12)
        np.testing.assert_allclose(y[:, 5 - f], plain[:, f, 5:], atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(
    ("batch", "channels", "length", "eps"), [(4, 6, 7, 1e-3), (1, 2, 1, 1e-3), (3, 8, 4, 0.1), (2, 10, 1, 1e-5)]
)
def test_training_output_matches_oracle(batch, channels, length, eps, affine, dtype):
    layer = filled(rcviz.RevCompBatchNorm1d(channels, eps=eps, affine=affine), dtype=dtype)
    x = torch.tensor(numbers(batch, channels, length), dtype=dtype)
    gamma, beta = (layer.weight.detach().numpy(), layer.bias.detach().numpy()) if affine else (None, None)
    want = oracles.batchnorm_revcomp(x.numpy(), gamma, beta, eps)[0]
    y = layer.train()(x)
    assert y.dtype == dtype
    np.testing.assert_allclose(y.detach().numpy(), want, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("momentum", [0.01, 0.3])
def test_running_statistics_and_evaluation_after_several_steps(momentum, dtype):
    layer = filled(rcviz.RevCompBatchNorm1d(6, momentum=momentum), dtype=dtype).train()
    mean, variance = np.zeros(3), np.ones(3)
    for step in range(4):
        x = numbers(3, 6, 5, seed=step)
        layer(torch.tensor(x, dtype=dtype))
        _, observed, _, unbiased = oracles.batchnorm_revcomp(x)
        mean = oracles.running(mean, observed, momentum)
        variance = oracles.running(variance, unbiased, momentum)
    close = {"atol": TOLERANCE[dtype], "rtol": TOLERANCE[dtype]}
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, **close)
    np.testing.assert_allclose(layer.running_var.numpy(), variance, **close)

    layer.eval()
    x = numbers(2, 6, 4, seed=9)
    stored = [value.detach().numpy() for value in (layer.weight, layer.bias)]
    want = oracles.batchnorm_with(x, *stored, mean, variance)
    np.testing.assert_allclose(layer(torch.tensor(x, dtype=dtype)).detach().numpy(), want, **close)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, **close)


def test_defaults_are_those_of_the_original():
    """Keras 1: epsilon 1e-3, momentum 0.99 on the old value, gamma 1, beta 0."""
    layer = rcviz.RevCompBatchNorm1d(8)
    assert layer.weight.tolist() == [1.0] * 4
    assert layer.bias.tolist() == [0.0] * 4
    assert layer.running_mean.tolist() == [0.0] * 4
    assert layer.running_var.tolist() == [1.0] * 4
    x = numbers(5, 8, 6)
    want, mean, _, unbiased = oracles.batchnorm_revcomp(x, eps=1e-3)
    layer = layer.double()
    np.testing.assert_allclose(layer(torch.tensor(x)).detach().numpy(), want, atol=1e-12)
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.01 * mean, atol=1e-12)
    np.testing.assert_allclose(layer.running_var.numpy(), 0.99 + 0.01 * unbiased, atol=1e-12)


def test_expanded_tensors():
    layer = filled(rcviz.RevCompBatchNorm1d(6))
    for expanded, stored in ((layer.expanded_weight(), layer.weight), (layer.expanded_bias(), layer.bias)):
        assert expanded.shape == (6,)
        for f in range(3):
            assert expanded[f] == expanded[5 - f] == stored[f]


@pytest.mark.parametrize("channels", [5, 0, -4])
def test_odd_or_empty_channels_are_refused(channels):
    with pytest.raises(ValueError, match=str(channels)):
        rcviz.RevCompBatchNorm1d(channels)


def test_wrong_inputs_are_refused():
    layer = rcviz.RevCompBatchNorm1d(6)
    with pytest.raises(ValueError, match="channels are last"):
        layer(torch.zeros(2, 9, 6))
    with pytest.raises(ValueError, match="6"):
        layer(torch.zeros(2, 4, 9))


@pytest.mark.parametrize("layer", [rcviz.RevCompBatchNorm1d(6), rcviz.IrrepBatchNorm1d(4, 2)])
def test_norms_of_several_devices_leave_tied_ones_as_they_are(layer):
    model = torch.nn.Sequential(layer, torch.nn.BatchNorm1d(6))
    converted = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert converted[0] is layer
    assert isinstance(converted[1], torch.nn.SyncBatchNorm)


@pytest.mark.parametrize("settings", [{"momentum": None}, {"track_running_stats": False}, {"affine": False}])
def test_other_settings_are_those_of_torch_on_both_strands(settings):
    """Three steps on a channel and its mirrored partner, one after the other, in torch's own layer."""
    affine = settings.get("affine", True)
    tied = rcviz.RevCompBatchNorm1d(6, momentum=0.3, affine=affine).double()
    plain = torch.nn.BatchNorm1d(3, eps=1e-3, momentum=0.3, affine=affine).double()
    for layer, (name, value) in itertools.product((tied, plain), settings.items() if affine else ()):
        setattr(layer, name, value)
    for seed in range(3):
        x = torch.randn(4, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        both = plain(torch.cat([x[:, :3], x[:, 3:].flip(1)], dim=2))
        expected = torch.cat([both[..., :5], both[..., 5:].flip(1)], dim=1)
        torch.testing.assert_close(tied(x), expected, atol=1e-12, rtol=0)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(tied.state_dict()[name], value, atol=1e-12, rtol=0)
