"""Channels of type +1 and -1: change of basis, activation, convolution and batch norm, each from its definition."""

from math import sqrt, tanh

import numpy as np
import oracles
import pytest
import torch
from drawn import TOLERANCE, filled, numbers, other_strand
from torch import nn

import rcviz


def type_of(channel, n_plus):
    return 1.0 if channel < n_plus else -1.0


def there(x, n_plus):
    """The same feature map read from the other strand."""
    x = np.asarray(x)
    y = np.empty_like(x)
    for n, c, p in np.ndindex(*x.shape):
        y[n, c, oracles.partner(p, x.shape[2])] = type_of(c, n_plus) * x[n, c, p]
    return y


def sums_and_differences(x):
    y = np.empty_like(x)
    pairs = x.shape[1] // 2
    for f in range(pairs):
        one, other = x[:, f], x[:, oracles.partner(f, 2 * pairs)]
        y[:, f], y[:, pairs + f] = (one + other) / sqrt(2), (one - other) / sqrt(2)
    return y


def kernel(parts, outputs, inputs, width):
    """W(o, i, k) = type(o) type(i) W(o, i, K-1-k): free on the left, zero in the middle between different types."""

    def at(o, i, k):
        same = type_of(o, outputs[0]) == type_of(i, inputs[0])
        if 2 * k + 1 == width:
            if not same:
                return 0.0
            if o < outputs[0]:
                return parts["middle_plus"][o, i]
            return parts["middle_minus"][o - outputs[0], i - inputs[0]]
        if 2 * k + 1 < width:
            return parts["left"][o, i, k]
        return (1.0 if same else -1.0) * parts["left"][o, i, oracles.partner(k, width)]

    return at


def batch_norm(x, n_plus, gamma, beta, eps):
    """With the mean and the variance of a channel over the batch as read from both strands."""
    y, means, variances = np.empty_like(x), [], []
    for c in range(x.shape[1]):
        seen = np.concatenate([x[:, c].ravel(), there(x, n_plus)[:, c].ravel()])
        mean = seen.sum() / len(seen)
        variance = ((seen - mean) ** 2).sum() / len(seen)
        shift = beta[c] if c < n_plus else 0.0
        y[:, c] = gamma[c] * (x[:, c] - mean) / sqrt(variance + eps) + shift
        means.append(mean)
        variances.append(variance)
    return y, np.array(means), np.array(variances)


def stored(layer):
    return {name: value.detach().double().numpy() for name, value in layer.state_dict().items()}


def gap(module, x, n_plus_in, n_plus_out):
    with torch.no_grad():
        here, other = module(torch.tensor(x)).numpy(), module(torch.tensor(there(x, n_plus_in))).numpy()
    return np.abs(other - there(here, n_plus_out)).max()


# ---------------------------------------------------------------- the change of basis


@pytest.mark.parametrize("shape", [(3, 6, 5), (1, 2, 1), (2, 8, 4)])
def test_change_of_basis(shape):
    x = numbers(*shape)
    y = rcviz.PairsToIrreps1d()(torch.tensor(x)).numpy()
    np.testing.assert_allclose(y, sums_and_differences(x), atol=1e-12)
    np.testing.assert_allclose(rcviz.IrrepsToPairs1d()(torch.tensor(y)).numpy(), x, atol=1e-12)
    np.testing.assert_allclose((y**2).sum(1), (x**2).sum(1), atol=1e-12)  # orthonormal
    other = rcviz.PairsToIrreps1d()(other_strand(torch.tensor(x))).numpy()
    np.testing.assert_allclose(other, there(y, shape[1] // 2), atol=1e-12)
    back = rcviz.IrrepsToPairs1d()(torch.tensor(there(y, shape[1] // 2))).numpy()
    np.testing.assert_allclose(back, oracles.opposite_strand(x), atol=1e-12)


def test_bases_by_hand():
    """A and T, C and G: on A C the sums are 1 0 and 0 1, the differences are the same; on T they are negated."""
    x = torch.tensor(rcviz.one_hot(["ACT"], dtype="float64"))
    y = rcviz.PairsToIrreps1d()(x)[0] * sqrt(2)
    torch.testing.assert_close(y, torch.tensor([[1.0, 0, 1], [0, 1, 0], [1, 0, -1], [0, 1, 0]], dtype=torch.float64))


# ---------------------------------------------------------------- activation


@pytest.mark.parametrize(("n_plus", "n_minus"), [(3, 2), (4, 0), (0, 3)])
def test_activation(n_plus, n_minus):
    x = numbers(2, n_plus + n_minus, 5)
    layer = rcviz.IrrepActivation1d(n_plus, n_minus)
    y = layer(torch.tensor(x)).numpy()
    for n, c, p in np.ndindex(*x.shape):
        assert y[n, c, p] == pytest.approx(max(0.0, x[n, c, p]) if c < n_plus else tanh(x[n, c, p]), abs=1e-12)
    assert gap(layer, x, n_plus, n_plus) <= 1e-12


# ---------------------------------------------------------------- convolution

CONVOLUTIONS = [
    ((2, 2), (3, 3), 4, {}),
    ((2, 2), (3, 1), 5, {}),
    ((3, 1), (2, 4), 3, {"dilation": 2}),
    ((2, 3), (2, 2), 4, {"stride": 3}),
    ((2, 2), (1, 2), 5, {"padding": "same"}),
    ((1, 2), (2, 2), 4, {"padding": 2}),
    ((2, 1), (3, 2), 1, {}),
    ((3, 0), (0, 2), 3, {}),
    ((0, 3), (2, 0), 4, {}),
    ((3, 0), (2, 0), 3, {}),
    ((0, 2), (0, 2), 3, {}),
    ((2, 2), (0, 3), 2, {}),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("inputs", "outputs", "width", "how"), CONVOLUTIONS)
def test_convolution_matches_oracle(inputs, outputs, width, how, dtype):
    layer = filled(rcviz.IrrepConv1d(inputs, outputs, width, **how), dtype=dtype)
    x = torch.tensor(numbers(2, sum(inputs), 13), dtype=dtype)
    parts = stored(layer)
    pad = {"same": how.get("dilation", 1) * (width - 1) // 2, "valid": 0}.get(
        how.get("padding", "valid"), how.get("padding")
    )
    want = oracles.conv(
        x.double().numpy(),
        kernel(parts, outputs, inputs, width),
        sum(outputs),
        width,
        how.get("stride", 1),
        how.get("dilation", 1),
        (pad, pad),
    )
    want[:, : outputs[0]] += parts["bias"][None, :, None] if outputs[0] else 0.0
    y = layer(x)
    assert y.dtype == dtype
    np.testing.assert_allclose(y.detach().numpy(), want, atol=TOLERANCE[dtype])
    if dtype == torch.float64:
        assert gap(layer, x.numpy(), inputs[0], outputs[0]) <= 1e-12


@pytest.mark.parametrize("width", [1, 4, 5])
def test_is_the_tied_convolution_in_another_basis(width):
    """Turned into this basis, the kernels of RevCompConv1d have its form, none of their weights being lost."""
    tied = filled(rcviz.RevCompConv1d(6, 4, width))
    layer = rcviz.IrrepConv1d((3, 3), (4, 4), width).double()
    assert rcviz.count_parameters(layer) == rcviz.count_parameters(tied)
    basis = [
        sums_and_differences(np.eye(2 * pairs)[None].transpose(0, 2, 1))[0] for pairs in (4, 3)
    ]  # rows: new channels
    turned = np.einsum("ao,oik,bi->abk", basis[0], tied.expanded_weight().detach().numpy(), basis[1])
    half = width // 2
    with torch.no_grad():
        layer.left.copy_(torch.tensor(turned[:, :, :half]))
        if width % 2:
            layer.middle_plus.copy_(torch.tensor(turned[:4, :3, half]))
            layer.middle_minus.copy_(torch.tensor(turned[4:, 3:, half]))
        layer.bias.copy_(sqrt(2) * tied.bias)
    between = nn.Sequential(rcviz.PairsToIrreps1d(), layer, rcviz.IrrepsToPairs1d())
    x = torch.tensor(numbers(2, 6, 9))
    torch.testing.assert_close(between(x), tied(x), atol=1e-12, rtol=0)


def test_convolution_starts_glorot_with_a_bias_of_zero():
    torch.manual_seed(0)
    layer = rcviz.IrrepConv1d((30, 20), (40, 10), 5)
    limit = oracles.glorot_limit(50 * 5, 50 * 5)
    for weight in (layer.left, layer.middle_plus, layer.middle_minus):
        assert 0.9 * limit < weight.abs().max() <= limit
        assert abs(float(weight.detach().std()) / (limit / sqrt(3)) - 1) < 0.1
    assert not layer.bias.any()


# ---------------------------------------------------------------- batch norm


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n_plus", "n_minus"), [(3, 2), (4, 0), (0, 3)])
def test_batch_norm_matches_oracle(n_plus, n_minus, dtype):
    """Training output, running statistics over several steps, evaluation."""
    n = n_plus + n_minus
    layer = filled(rcviz.IrrepBatchNorm1d(n_plus, n_minus, momentum=0.3, eps=0.01), dtype=dtype).train()
    gamma, beta = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
    close = {"atol": TOLERANCE[dtype], "rtol": TOLERANCE[dtype]}
    mean, variance = np.zeros(n), np.ones(n)
    for step in range(3):
        x = numbers(4, n, 5, seed=step) * np.arange(1, n + 1)[:, None] + 2.0
        y = layer(torch.tensor(x, dtype=dtype))
        assert y.dtype == dtype
        want, observed, biased = batch_norm(x, n_plus, gamma, beta, 0.01)
        np.testing.assert_allclose(y.detach().numpy(), want, **close)
        unbiased = [biased[c] * 20 / 19 if c < n_plus else biased[c] for c in range(n)]
        mean, variance = oracles.running(mean, observed, 0.3), oracles.running(variance, unbiased, 0.3)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean[:n_plus], **close)
    np.testing.assert_allclose(layer.running_var.numpy(), variance, **close)
    layer.eval()
    x = numbers(2, n, 4, seed=9)
    want = np.stack(
        [
            gamma[c] * (x[:, c] - mean[c]) / sqrt(variance[c] + 0.01) + (beta[c] if c < n_plus else 0.0)
            for c in range(n)
        ],
        axis=1,
    )
    np.testing.assert_allclose(layer(torch.tensor(x, dtype=dtype)).detach().numpy(), want, **close)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean[:n_plus], **close)


def test_batch_norm_of_type_plus_is_torchs():
    ours, torchs = rcviz.IrrepBatchNorm1d(4, 0).double(), nn.BatchNorm1d(4, eps=1e-3, momentum=0.01).double()
    x = torch.tensor(numbers(3, 4, 5))
    torch.testing.assert_close(ours(x), torchs(x))
    torch.testing.assert_close(ours.running_mean, torchs.running_mean)
    torch.testing.assert_close(ours.running_var, torchs.running_var)
    torch.testing.assert_close(ours.eval()(x), torchs.eval()(x))


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_equivariant(training):
    layer = filled(rcviz.IrrepBatchNorm1d(2, 3))
    layer(torch.tensor(numbers(3, 5, 4, seed=3)))
    layer.train(training)
    assert gap(layer, numbers(2, 5, 4) + 1.0, 2, 2) <= 1e-12


@pytest.mark.usefixtures("as_users_run")
def test_refusals():
    for change in (rcviz.PairsToIrreps1d(), rcviz.IrrepsToPairs1d()):
        with pytest.raises(ValueError, match=r"(?s)(?=.*even)(?=.*5)"):
            change(torch.zeros(2, 5, 7))
    for make in (rcviz.IrrepActivation1d, rcviz.IrrepBatchNorm1d, lambda *n: rcviz.IrrepConv1d((2, 2), n, 3)):
        with pytest.raises(ValueError, match="n_minus must be at least 0, got -1"):
            make(3, -1)
        with pytest.raises(ValueError, match="n_plus must be at least 0, got -1"):
            make(-1, 3)
        with pytest.raises(ValueError, match="both zero"):
            make(0, 0)
    for layer in (rcviz.IrrepActivation1d(3, 1), rcviz.IrrepBatchNorm1d(3, 1), rcviz.IrrepConv1d((3, 1), (1, 1), 3)):
        with pytest.raises(ValueError, match="channels are last"):
            layer(torch.zeros(2, 9, 4))
    with pytest.raises(ValueError, match="kernel_size of 2"):
        rcviz.IrrepConv1d((3, 0), (0, 2), 1)
    with pytest.raises(ValueError, match="even effective width 4"):
        rcviz.IrrepConv1d((2, 2), (2, 2), 4, padding="same")
    with pytest.raises(ValueError, match="stride 3"):
        rcviz.IrrepConv1d((2, 2), (2, 2), 4, stride=3)(torch.zeros(1, 4, 11))
    with pytest.raises(ValueError, match="kernel_size must be at least 1"):
        rcviz.IrrepConv1d((2, 2), (2, 2), 0)
    with pytest.raises(ValueError, match="one value per channel"):
        rcviz.IrrepBatchNorm1d(2, 2)(torch.zeros(1, 4, 1))
