"""Random layers and inputs for tests."""

import re

import numpy as np
import oracles
import torch
from matplotlib.path import Path
from torch.nn.functional import binary_cross_entropy_with_logits

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-12}


def filled(layer, seed=0, dtype=torch.float64):
    """Random weights and biases, so that no zero hides a mistake."""
    generator = torch.Generator().manual_seed(seed)
    layer = layer.to(dtype)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return layer


def numbers(*shape, seed=1):
    """Standard normal numbers in float64."""
    return np.random.default_rng(seed).normal(size=shape)


def one_hot(n, length, seed=0):
    """Random sequences in float64."""
    codes = np.random.default_rng(seed).integers(0, 4, size=(n, length))
    return torch.tensor((codes[:, None, :] == np.arange(4)[None, :, None]).astype(float))


def other_strand(x):
    """RC of sequences or of a feature map, by index arithmetic."""
    return torch.tensor(oracles.opposite_strand(x.detach().numpy()))


def learned(module, batch_of, steps=6):
    """A handful of Adam steps towards random targets; ``batch_of(seed)`` is what it learns from."""
    before = [parameter.detach().clone() for parameter in module.parameters()]
    optimiser = torch.optim.Adam(module.parameters(), lr=0.02)
    module.train()
    for step in range(steps):
        y = module(batch_of(step))
        target = torch.tensor(np.random.default_rng(step).integers(0, 2, y.shape), dtype=y.dtype)
        optimiser.zero_grad()
        binary_cross_entropy_with_logits(y, target).backward()
        optimiser.step()
    pairs = zip(before, module.parameters(), strict=True)
    # A bias before a batch norm has a gradient of zero, but for rounding.
    assert all(not torch.equal(old, new) for old, new in pairs if old.ndim > 1 and old.numel()), "no step taken"
    return module.eval()


def svg_contours(data):
    """Matplotlib paths of the closed contours in path data of absolute M, relative m, l, h, v and q, z."""
    start, contours = np.zeros(2), []
    for contour in data.removesuffix("z").split("z"):
        vertices, codes, here = [], [], start
        for command, written in re.findall(r"([Mmlhvq])([^Mmlhvq]*)", contour):
            numbers = re.findall(r"-?\d+", written)
            numbers = {"h": [*numbers, "0"], "v": ["0", *numbers]}.get(command, numbers)
            points = np.array(numbers, dtype=float).reshape(-1, 2)
            points = points if command == "M" else points + here
            here = points[-1]
            vertices.extend(points)
            codes.extend(
                [{"l": Path.LINETO, "h": Path.LINETO, "v": Path.LINETO, "q": Path.CURVE3}.get(command, Path.MOVETO)]
                * len(points)
            )
        start = vertices[0]
        contours.append(Path([*vertices, start], [*codes, Path.CLOSEPOLY]))
    return contours
