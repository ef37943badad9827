"""RevCompResidual1d: the shortcut lies over the middle of what the branch has seen; dilated stacks of it."""

import numpy as np
import oracles
import pytest
import torch
from drawn import filled, numbers, one_hot
from torch import nn

import rcviz


def added(past, y):
    """Position p of the branch's output is added to the input's position p plus half of what was lost."""
    total = np.array(y)
    half = (past.shape[2] - y.shape[2]) / 2
    for n, c, p in np.ndindex(*y.shape):
        at = p + half
        assert at == int(at)
        total[n, c, p] += past[n, c, int(at)]
    return total


@pytest.mark.parametrize(
    ("width", "dilation", "padding"),
    [(1, 1, "valid"), (3, 1, "valid"), (3, 4, "valid"), (4, 2, "valid"), (5, 1, "same")],
)
def test_matches_oracle(width, dilation, padding):
    conv = filled(rcviz.RevCompConv1d(6, 3, width, dilation=dilation, padding=padding))
    x = numbers(2, 6, 13)
    pad = dilation * (width - 1) // 2 if padding == "same" else 0
    weights = (parameter.detach().numpy() for parameter in (conv.weight, conv.bias))
    y = oracles.conv_revcomp(x, *weights, dilation=dilation, pads=(pad, pad))
    block = rcviz.RevCompResidual1d(conv)
    np.testing.assert_allclose(block(torch.tensor(x)).detach().numpy(), added(x, y), atol=1e-12)
    rcviz.assert_equivariant(block, x)


def test_the_way_past_may_have_layers_of_its_own():
    conv, past = filled(rcviz.RevCompConv1d(4, 3, 5)), filled(rcviz.RevCompConv1d(4, 3, 1), seed=2)
    x = numbers(2, 4, 9)
    y, there = (
        oracles.conv_revcomp(x, layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in (conv, past)
    )
    block = rcviz.RevCompResidual1d(conv, shortcut=past)
    np.testing.assert_allclose(block(torch.tensor(x)).detach().numpy(), added(there, y), atol=1e-12)


def test_gradient_comes_along_both_ways():
    """Linear in its input: the gradient is that of the branch, and one at every position that is not cropped."""
    conv = filled(rcviz.RevCompConv1d(4, 2, 3, dilation=2))
    x = torch.tensor(numbers(1, 4, 9), requires_grad=True)
    (alone,) = torch.autograd.grad(conv(x).sum(), x)
    (both,) = torch.autograd.grad(rcviz.RevCompResidual1d(conv)(x).sum(), x)
    straight = np.zeros((1, 4, 9))
    straight[:, :, 2:7] = 1.0
    np.testing.assert_allclose((both - alone).numpy(), straight, atol=1e-12)


def test_a_crop_at_one_end_would_be_seen():
    """The same block with its shortcut cut at the right end only is not equivariant."""

    class Lopsided(nn.Module):
        def __init__(self):
            super().__init__()
            self.branch = filled(rcviz.RevCompConv1d(4, 2, 3))

        def forward(self, x):
            y = self.branch(x)
            return y + x[..., : y.shape[2]]

    with pytest.raises(AssertionError, match="Lopsided"):
        rcviz.assert_equivariant(Lopsided(), one_hot(2, 9))


def test_maps_over_a_further_axis():
    block = filled(rcviz.RevCompResidual1d(nn.Sequential(rcviz.RevCompConv1d(4, 2, 3), nn.ReLU(inplace=True))))
    x = torch.tensor(numbers(3, 2, 4, 9))
    want = torch.stack([block(part) for part in x])
    torch.testing.assert_close(torch.func.vmap(block)(x), want)


@pytest.mark.usefixtures("as_users_run")
def test_refusals():
    x = torch.zeros(2, 4, 9)
    with pytest.raises(ValueError, match=r"(?s)(?=.*9 positions into 6)(?=.*odd kernel_size)"):
        rcviz.RevCompResidual1d(rcviz.RevCompConv1d(4, 2, 4))(x)
    with pytest.raises(ValueError, match="9 positions into 11"):
        rcviz.RevCompResidual1d(rcviz.RevCompConv1d(4, 2, 3, padding=2))(x)
    with pytest.raises(ValueError, match=r"(?s)(?=.*\(2, 6, 7\))(?=.*\(2, 4, 9\))(?=.*shortcut)"):
        rcviz.RevCompResidual1d(rcviz.RevCompConv1d(4, 3, 3))(x)
    with pytest.raises(ValueError, match=r"\(2, 4\)"):
        rcviz.RevCompResidual1d(rcviz.WeightedSum1d(4, 9))(x)
    for branch in (nn.ReLU(inplace=True), nn.Sequential(nn.Sequential(nn.ELU(inplace=True)), nn.Conv1d(4, 4, 1))):
        with pytest.raises(ValueError, match="inplace=False"):
            rcviz.RevCompResidual1d(branch)
