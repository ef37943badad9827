"""WeightedSum1d against section 3.1.3 and equation 1, in its four ways of tying positions."""

import itertools

import numpy as np
import oracles
import pytest
import torch
from drawn import filled, numbers

import rcviz

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-12}
TIES = list(itertools.product([True, False], [True, False]))


@pytest.mark.parametrize(
    ("revcomp", "symmetric", "stored", "full"),
    [
        (True, False, [[1, 2, 3], [4, 5, 6]], [[1, 2, 3], [4, 5, 6], [6, 5, 4], [3, 2, 1]]),
        (True, True, [[1, 2], [4, 5]], [[1, 2, 1], [4, 5, 4], [4, 5, 4], [1, 2, 1]]),
        (False, True, [[1, 2], [4, 5]], [[1, 2, 1], [4, 5, 4]]),
        (False, False, [[1, 2, 3], [4, 5, 6]], [[1, 2, 3], [4, 5, 6]]),
    ],
)
def test_by_hand(revcomp, symmetric, stored, full):
    """Three positions: the odd centre of a symmetric weight is there once and used once."""
    layer = rcviz.WeightedSum1d(len(full), 3, revcomp=revcomp, symmetric=symmetric)
    assert tuple(layer.weight.shape) == np.shape(stored)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(stored, dtype=torch.float32))
    assert layer.expanded_weight().tolist() == full
    x = np.arange(1.0, 1 + 3 * len(full)).reshape(1, len(full), 3)
    want = [[sum(w * v for w, v in zip(*rows, strict=True)) for rows in zip(full, x[0], strict=True)]]
    assert oracles.weighted_sum(x, stored, revcomp, symmetric).tolist() == want
    assert layer(torch.tensor(x, dtype=torch.float32)).tolist() == want


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("revcomp", "symmetric"), TIES)
@pytest.mark.parametrize(("channels", "length"), [(2, 1), (4, 2), (6, 7), (8, 6)])
def test_matches_oracle(channels, length, revcomp, symmetric, dtype):
    layer = rcviz.WeightedSum1d(channels, length, revcomp=revcomp, symmetric=symmetric)
    filled(layer, dtype=dtype)
    x = torch.tensor(numbers(3, channels, length), dtype=dtype)
    y = layer(x)
    assert y.shape == (3, channels)
    assert y.dtype == dtype
    want = oracles.weighted_sum(x.numpy(), layer.weight.detach().numpy(), revcomp, symmetric)
    np.testing.assert_allclose(y.detach().numpy(), want, atol=TOLERANCE[dtype])


@pytest.mark.parametrize(("revcomp", "symmetric"), TIES)
@pytest.mark.parametrize("length", [1, 4, 5])
def test_stored_and_expanded(length, revcomp, symmetric):
    layer = filled(rcviz.WeightedSum1d(6, length, revcomp=revcomp, symmetric=symmetric))
    shape = (3 if revcomp else 6, (length + 1) // 2 if symmetric else length)
    assert {name: tuple(value.shape) for name, value in layer.state_dict().items()} == {"weight": shape}
    full = layer.expanded_weight().detach()
    assert full.shape == (6, length)
    for c, p in itertools.product(range(6), range(length)):
        want = oracles.weighted_sum_weight(
            layer.weight.detach().numpy(), c, p, 6, length, revcomp=revcomp, symmetric=symmetric
        )
        assert float(full[c, p]) == want
        if revcomp:
            assert full[c, p] == full[5 - c, length - 1 - p]  # the paper's constraint, from zero
        if symmetric:
            assert full[c, p] == full[c, length - 1 - p]


@pytest.mark.parametrize("revcomp", [True, False])
def test_bias_is_tied_and_starts_at_zero(revcomp):
    layer = rcviz.WeightedSum1d(6, 4, revcomp=revcomp, bias=True)
    assert layer.bias.shape == (3 if revcomp else 6,)
    assert not layer.bias.any()
    layer = filled(layer)
    full = layer.expanded_bias().detach().numpy()
    assert full.shape == (6,)
    stored = layer.bias.detach().numpy()
    for c in range(6):
        assert full[c] == stored[min(c, 5 - c) if revcomp else c]
    x = numbers(2, 6, 4)
    want = oracles.weighted_sum(x, layer.weight.detach().numpy(), revcomp) + full
    np.testing.assert_allclose(layer(torch.tensor(x)).detach().numpy(), want, atol=1e-12)


def test_has_no_bias_by_default():
    """Section 3.1.3: no bias terms, no nonlinearity."""
    layer = filled(rcviz.WeightedSum1d(4, 5))
    assert dict(layer.named_parameters()).keys() == {"weight"}
    x = torch.tensor(numbers(2, 4, 5))
    torch.testing.assert_close(layer(-3 * x), -3 * layer(x))


@pytest.mark.parametrize(("revcomp", "symmetric"), TIES)
@pytest.mark.parametrize("length", [2, 5])
def test_smoothness_penalty(length, revcomp, symmetric):
    layer = filled(rcviz.WeightedSum1d(4, length, revcomp=revcomp, symmetric=symmetric, smoothness=0.25))
    rows = layer.weight.detach().tolist()
    steps = [abs(b - a) for row in rows for a, b in itertools.pairwise(row)]
    want = 0.25 * sum(steps) / len(steps) if steps else 0.0
    assert layer.smoothness_penalty().item() == pytest.approx(want, abs=1e-12)


def test_smoothness_penalty_reaches_the_weight():
    layer = rcviz.WeightedSum1d(2, 3, smoothness=6.0)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, 2.0, 1.0]]))
    layer.smoothness_penalty().backward()
    assert layer.weight.grad.tolist() == [[-3.0, 6.0, -3.0]]


def test_no_penalty_without_smoothness_or_neighbours():
    assert filled(rcviz.WeightedSum1d(4, 5)).smoothness_penalty().item() == 0.0
    assert filled(rcviz.WeightedSum1d(4, 1, smoothness=2.0)).smoothness_penalty().item() == 0.0


def test_refusals():
    with pytest.raises(ValueError, match=r"(?i)(odd|even)"):
        rcviz.WeightedSum1d(5, 3)
    rcviz.WeightedSum1d(5, 3, revcomp=False)  # nothing is paired here
    for channels, length in ((0, 3), (4, 0), (4, -1)):
        with pytest.raises(ValueError, match=r"-1|0"):
            rcviz.WeightedSum1d(channels, length)
    with pytest.raises(ValueError, match=r"-0?\.5"):
        rcviz.WeightedSum1d(4, 3, smoothness=-0.5)


def test_wrong_inputs_are_refused():
    layer = rcviz.WeightedSum1d(4, 9)
    with pytest.raises(ValueError, match=r"(?s)(?=.*9)(?=.*8)"):
        layer(torch.zeros(2, 4, 8))
    with pytest.raises(ValueError, match="channels are last"):
        layer(torch.zeros(2, 9, 4))
    with pytest.raises(ValueError, match=r"(?s)(?=.*4)(?=.*6)"):
        layer(torch.zeros(2, 6, 9))
