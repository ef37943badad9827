"""Random layers and inputs that the layer tests share."""

import numpy as np
import torch

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
