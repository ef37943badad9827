"""Random layers and inputs that the layer tests share."""

import re

import numpy as np
import torch
from matplotlib.path import Path

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


def svg_contours(data):
    """Matplotlib paths of the closed contours in path data of absolute M, relative l and q, z."""
    here, contours = np.zeros(2), []
    for contour in data.removesuffix("z").split("z"):
        vertices, codes = [], []
        for command, written in re.findall(r"([Mlq])([^Mlq]*)", contour):
            points = np.array(re.findall(r"-?\d+", written), dtype=float).reshape(-1, 2)
            points = points if command == "M" else points + here
            here = points[-1]
            vertices.extend(points)
            codes.extend([{"M": Path.MOVETO, "l": Path.LINETO, "q": Path.CURVE3}[command]] * len(points))
        contours.append(Path([*vertices, vertices[0]], [*codes, Path.CLOSEPOLY]))
    return contours
