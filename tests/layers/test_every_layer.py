"""What holds for every layer: its gradients, and the symmetry of networks before and after training."""

import numpy as np
import oracles
import pytest
import torch
from drawn import filled, learned, numbers, one_hot, other_strand
from torch import nn
from torch.func import functional_call

import rcviz
from rcviz import (
    IrrepActivation1d,
    IrrepBatchNorm1d,
    IrrepConv1d,
    IrrepsToPairs1d,
    PairsToIrreps1d,
    RevCompBatchNorm1d,
    RevCompConv1d,
    RevCompLinear,
    RevCompSelfAttention1d,
    WeightedSum1d,
)

LAYERS = {
    "conv": (lambda: RevCompConv1d(4, 2, 3), (2, 4, 6)),
    "conv, stride 2": (lambda: RevCompConv1d(4, 2, 3, stride=2), (2, 4, 7)),
    "conv, dilation 2": (lambda: RevCompConv1d(4, 2, 3, dilation=2), (2, 4, 7)),
    "batch norm": (lambda: RevCompBatchNorm1d(4), (2, 4, 3)),
    "weighted sum": (lambda: WeightedSum1d(4, 5, bias=True), (2, 4, 5)),
    "weighted sum, symmetric": (lambda: WeightedSum1d(4, 5, symmetric=True, bias=True), (2, 4, 5)),
    "weighted sum, not tied": (lambda: WeightedSum1d(4, 5, revcomp=False, bias=True), (2, 4, 5)),
    "weighted sum, only symmetric": (lambda: WeightedSum1d(4, 5, revcomp=False, symmetric=True), (2, 4, 5)),
    "dense": (lambda: RevCompLinear(6, 3), (2, 6)),
    "attention": (lambda: RevCompSelfAttention1d(4, 2, max_distance=2), (2, 4, 5)),
    "k-mers": (lambda: rcviz.RevCompKmers1d(3), (2, 4, 5)),
    "global max": (lambda: rcviz.RevCompGlobalPool1d("max"), (2, 4, 5)),
    "global mean": (lambda: rcviz.RevCompGlobalPool1d("mean"), (2, 4, 5)),
    "irreps conv": (lambda: IrrepConv1d((2, 1), (1, 2), 3), (2, 3, 6)),
    "irreps batch norm": (lambda: IrrepBatchNorm1d(2, 3), (2, 5, 4)),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_gradcheck(name, training):
    """Of the input and of every stored number."""
    make, shape = LAYERS[name]
    layer = filled(make().double())
    layer.train()(torch.tensor(numbers(*shape, seed=3)))  # running statistics that are not those of the start
    layer.train(training)
    names, buffers = dict(layer.named_parameters()), dict(layer.named_buffers())

    def call(x, *values):
        state = {name: value.clone() for name, value in buffers.items()}
        return functional_call(layer, dict(zip(names, values, strict=True)) | state, (x,))

    assert torch.autograd.gradcheck(call, (torch.tensor(numbers(*shape), requires_grad=True), *names.values()))


NORM = {"weight": (3,), "bias": (3,)}
STATISTICS = {"running_mean": (3,), "running_var": (3,), "num_batches_tracked": ()}


@pytest.mark.parametrize(
    ("make", "stored"),
    [
        (lambda: RevCompConv1d(6, 5, 4), {"weight": (5, 6, 4), "bias": (5,)}),
        (lambda: RevCompConv1d(6, 5, 4, bias=False), {"weight": (5, 6, 4)}),
        (lambda: RevCompBatchNorm1d(6), NORM | STATISTICS),
        (lambda: RevCompBatchNorm1d(6, affine=False), STATISTICS),
        (
            lambda: IrrepConv1d((4, 2), (4, 1), 5),
            {"left": (5, 6, 2), "middle_plus": (4, 4), "middle_minus": (1, 2), "bias": (4,)},
        ),
        (lambda: IrrepConv1d((4, 2), (4, 1), 4, bias=False), {"left": (5, 6, 2)}),
        (lambda: IrrepConv1d((4, 2), (0, 1), 4), {"left": (1, 6, 2)}),  # a channel of type -1 has no bias
    ],
)
def test_only_one_half_is_stored(make, stored):
    """Also after a call: the expanded tensor does not go into the state."""
    layer = make()
    layer(torch.zeros(2, 6, 9))
    assert {name: tuple(value.shape) for name, value in layer.state_dict().items()} == stored
    assert dict(layer.named_parameters()).keys() == stored.keys() - STATISTICS.keys()
    if "bias" not in stored:
        assert layer.expanded_bias() is None


def residual(*branch):
    return rcviz.RevCompResidual1d(nn.Sequential(RevCompBatchNorm1d(8), *branch))


def dilated():
    """Blocks of growing dilation as in a profile network, each seeing further."""
    blocks = [residual(nn.ReLU(), RevCompConv1d(8, 4, 3, dilation=2**depth)) for depth in range(1, 4)]
    return nn.Sequential(RevCompConv1d(4, 4, 5), *blocks, RevCompConv1d(8, 1, 1))


def transformer():
    blocks = [
        block
        for _ in range(2)
        for block in (
            residual(RevCompSelfAttention1d(8, 2, max_distance=5)),
            residual(RevCompConv1d(8, 8, 1), nn.GELU(), RevCompConv1d(16, 4, 1)),
        )
    ]
    return nn.Sequential(RevCompConv1d(4, 4, 5), *blocks)


def on_words(k):
    words = rcviz.RevCompKmers1d(k)
    return nn.Sequential(words, *first(words.n_channels), RevCompConv1d(8, 2, 3))


def first(n_channels):
    return RevCompConv1d(n_channels, 4, 5), RevCompBatchNorm1d(8), nn.ReLU()


def types():
    """From pairs to unequal types, which have an activation of their own."""
    return PairsToIrreps1d(), IrrepConv1d((2, 2), (5, 3), 4), IrrepBatchNorm1d(5, 3), IrrepActivation1d(5, 3)


def back_to_pairs():
    last = IrrepConv1d((5, 3), (4, 4), 5, dilation=2), IrrepBatchNorm1d(4, 4), IrrepActivation1d(4, 4)
    return nn.Sequential(*types(), *last, IrrepsToPairs1d(), RevCompConv1d(8, 3, 3))


def one_type():
    end = nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(6, 2)
    return nn.Sequential(*types(), IrrepConv1d((5, 3), (6, 0), 3), IrrepActivation1d(6, 0), *end)


def pooled(reduction):
    pools = rcviz.RevCompAvgPool1d(4, edge="trim"), rcviz.RevCompGlobalPool1d(reduction)
    return nn.Sequential(*first(4), *pools, nn.Linear(4, 2))


NETWORKS = {
    "dropout": lambda: nn.Sequential(*first(4), rcviz.RevCompDropout1d(0.4), RevCompConv1d(8, 3, 3)),
    "residual": dilated,
    "attention": transformer,
    "words of 2": lambda: on_words(2),
    "words of 3": lambda: on_words(3),
    "types": back_to_pairs,
    "type +1": one_type,
    "max": lambda: pooled("max"),
    "mean": lambda: pooled("mean"),
}


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-4), (torch.float64, 1e-11)])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_keep_the_symmetry_before_and_after_training(name, dtype, limit):
    """Feature maps are reversed, features without positions are the same, in either mode and for the same draws."""
    torch.manual_seed(2)
    model, x = NETWORKS[name]().to(dtype), one_hot(4, 60, seed=5).to(dtype)
    for _ in range(2):
        for mode in (True, False):
            model.train(mode)
            outputs = []
            for strand in (x, other_strand(x)):
                torch.manual_seed(5)
                outputs.append(model(strand.to(dtype)).detach().numpy())
            here, there = outputs
            assert here.std(axis=0).mean() > 0.003
            np.testing.assert_allclose(there, oracles.opposite_strand(here) if here.ndim == 3 else here, atol=limit)
        (rcviz.assert_equivariant if here.ndim == 3 else rcviz.assert_invariant)(model, x.double())
        learned(model, lambda seed: one_hot(8, 60, seed).to(dtype))
