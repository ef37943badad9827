"""RevCompLinear against section 3.1.4: input i and input n-1-i carry one weight."""

import itertools

import numpy as np
import oracles
import pytest
import torch
from drawn import TOLERANCE, filled, numbers

import rcviz


def test_by_hand():
    layer = rcviz.RevCompLinear(4, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 10.0]]))
        layer.bias.fill_(0.5)
    assert layer.expanded_weight().tolist() == [[1.0, 10.0, 10.0, 1.0]]
    x = [[1.0, 2.0, 3.0, 4.0]]
    assert oracles.dense_revcomp(x, [[1.0, 10.0]], [0.5]).tolist() == [[55.5]]
    assert layer(torch.tensor(x)).tolist() == [[55.5]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("inputs", "outputs"), [(2, 1), (6, 3), (10, 4)])
def test_matches_oracle(inputs, outputs, bias, dtype):
    layer = filled(rcviz.RevCompLinear(inputs, outputs, bias=bias), dtype=dtype)
    x = torch.tensor(numbers(5, inputs), dtype=dtype)
    want = oracles.dense_revcomp(
        x.numpy(), layer.weight.detach().numpy(), layer.bias.detach().numpy() if bias else None
    )
    y = layer(x)
    assert y.dtype == dtype
    np.testing.assert_allclose(y.detach().numpy(), want, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("bias", [True, False])
def test_stored_and_expanded(bias):
    layer = filled(rcviz.RevCompLinear(6, 4, bias=bias))
    shapes = {name: tuple(value.shape) for name, value in layer.state_dict().items()}
    assert shapes == {"weight": (4, 3)} | ({"bias": (4,)} if bias else {})
    full = layer.expanded_weight().detach()
    assert full.shape == (4, 6)
    for o, i in itertools.product(range(4), range(3)):
        assert full[o, i] == full[o, 5 - i] == layer.weight[o, i]


def test_strands_converge_here():
    """Channels in either order give one output (to rounding: the order of summation differs)."""
    layer = filled(rcviz.RevCompLinear(8, 3))
    x = numbers(4, 8)
    swapped = np.stack([x[:, 7 - i] for i in range(8)], axis=1)
    with torch.no_grad():
        gap = layer(torch.tensor(x)) - layer(torch.tensor(swapped))
    assert float(gap.abs().max()) < 1e-12


def test_refusals():
    with pytest.raises(ValueError, match=r"(?i)(odd|even)"):
        rcviz.RevCompLinear(5, 3)
    for inputs, outputs in ((0, 3), (4, 0), (4, -1)):
        with pytest.raises(ValueError, match=r"-1|0"):
            rcviz.RevCompLinear(inputs, outputs)
    with pytest.raises(ValueError, match=r"(?s)(?=.*6)(?=.*4)"):
        rcviz.RevCompLinear(6, 3)(torch.zeros(2, 4))
