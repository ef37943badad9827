"""Starting weights: glorot-uniform, and the rule of the original code (section 3.7)."""

from math import sqrt
from typing import Literal, get_args

import torch
from torch import Tensor

from rcviz._core.checks import check_choice

Initializer = Literal["glorot", "keras1"]


def check_initializer(initializer: str) -> None:
    """Refuse a name that is not one of the initialisers."""
    check_choice("initializer", initializer, get_args(Initializer))


def glorot_limit(fan_in: int, fan_out: int) -> float:
    """Equation 2: ``sqrt(6 / (fan_in + fan_out))``."""
    return sqrt(6 / (fan_in + fan_out))


def conv_limit(n_filters: int, in_channels: int, kernel_size: int, *, initializer: Initializer = "glorot") -> float:
    """Limit of a convolution's starting weights.

    ``"glorot"`` uses the standard fans, ``in_channels * kernel_size`` and ``n_filters * kernel_size``.
    ``"keras1"`` is the limit of the original code, whose axis order made Keras 1 treat filters and channels as the
    receptive field: ``sqrt(6 / (in_channels * n_filters * (kernel_size + 1)))``.
    """
    check_initializer(initializer)
    if initializer == "keras1":
        return sqrt(6 / (in_channels * n_filters * (kernel_size + 1)))
    return glorot_limit(in_channels * kernel_size, n_filters * kernel_size)


def uniform_(weight: Tensor, limit: float) -> None:
    """Draw ``weight`` in place from ``U(-limit, limit)``."""
    with torch.no_grad():
        weight.uniform_(-limit, limit)
