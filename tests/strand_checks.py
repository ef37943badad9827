"""Helpers for tests of both strands: the other strand, random inputs, a short training, broken layers."""

import numpy as np
import oracles
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, conv1d

import rcviz


def other_strand(x):
    """By index arithmetic, through the oracle."""
    return torch.tensor(oracles.opposite_strand(x.numpy()), dtype=x.dtype)


def mirrored(y):
    """What an equivariant module returns for the other strand, from what it returned for this one."""
    y = y.detach()
    if y.ndim == 3:
        return other_strand(y)
    return torch.stack([y[:, y.shape[1] - 1 - c] for c in range(y.shape[1])], dim=1)


def gap(module, x):
    """Largest |f(rc x) - rc f(x)|, measured here and not by the library."""
    with torch.no_grad():
        return float((module(other_strand(x)) - mirrored(module(x))).abs().max())


def strand_gap(model, x):
    """Largest difference between the two strands' probabilities."""
    with torch.no_grad():
        return float((model(x).sigmoid() - model(other_strand(x)).sigmoid()).abs().max())


def numbers(*shape, seed=0, dtype=torch.float64):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), dtype=dtype)


def one_hot(n, length, seed=0, dtype=torch.float64):
    codes = np.random.default_rng(seed).integers(0, 4, size=(n, length))
    return torch.tensor((codes[:, None, :] == np.arange(4)[None, :, None]).astype(float), dtype=dtype)


def trained(model, length, steps=6, seed=0):
    """A handful of Adam steps on random sequences with random labels; returns in evaluation mode."""
    dtype = next(model.parameters()).dtype
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.02)
    weights = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    before = [p.detach().clone() for p in weights]
    model.train()
    for step in range(steps):
        x = one_hot(12, length, seed=100 * seed + step, dtype=dtype)
        y = model(x).flatten(1)
        target = torch.tensor(np.random.default_rng(step).integers(0, 2, y.shape), dtype=dtype)
        optimiser.zero_grad()
        binary_cross_entropy_with_logits(y, target).backward()
        optimiser.step()
    assert all(not torch.equal(old, new) for old, new in zip(before, weights, strict=True)), "no step taken"
    return model.eval()


class BrokenConv(nn.Module):
    """A tied convolution that forgets one of the three reversals."""

    def __init__(self, in_channels, n_filters, kernel_size, reversals):
        super().__init__()
        generator = torch.Generator().manual_seed(in_channels)
        self.weight = nn.Parameter(torch.randn(n_filters, in_channels, kernel_size, generator=generator))
        self.reversals = reversals

    def forward(self, x):
        return conv1d(x, torch.cat([self.weight, self.weight.flip(self.reversals)]))


def model_with_plain_batch_norm():
    model = nn.Sequential()
    model.add_module("conv", rcviz.RevCompConv1d(4, 3, 4))
    model.add_module("norm", nn.BatchNorm1d(6))
    model.add_module("relu", nn.ReLU())
    model.add_module("pool", rcviz.RevCompMaxPool1d(17))
    model.add_module("sum", rcviz.WeightedSum1d(6, 1))
    model.add_module("dense", rcviz.RevCompLinear(6, 2))
    return model
