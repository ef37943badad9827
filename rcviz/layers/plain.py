"""Helpers for ``to_plain``: plain torch modules that hold the expanded weights of a layer."""

from collections import OrderedDict
from typing import Any, NoReturn, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

Shape: TypeAlias = tuple[int | None, ...]
"""Shape of an input without the batch: (channels, length) or (features,); None for what is not known."""


def refuse_plain(why: str) -> NoReturn:
    """Raise because plain torch modules, one after the other, cannot express a layer."""
    raise ValueError(
        f"it {why}, which no chain of plain torch modules does; torch.export and rcviz.export_onnx take the model as "
        f"it is"
    )


def channels_of(shape: Shape | None) -> int:
    """Number of channels that a layer is given, for a layer that does not store it."""
    if shape is None or shape[0] is None:
        raise ValueError("the number of its input channels is not known; put it after a convolution")
    return shape[0]


def in_order(**modules: nn.Module) -> nn.Sequential:
    """Modules one after the other; the one called ``layer`` keeps the name of the layer that they replace."""
    return nn.Sequential(OrderedDict(modules))


def fill(made: Any, **values: Tensor | None) -> Any:
    """Copy values into tensors of a module; those made from a frozen tensor are frozen."""
    for name, value in values.items():
        if value is not None:
            with torch.no_grad():
                getattr(made, name).copy_(value)
            getattr(made, name).requires_grad_(value.requires_grad)
    return made


@torch.enable_grad()
def with_weights(
    kind: type[nn.Module], inputs: int, outputs: int, *size: int, layer: Any, **settings: Any
) -> nn.Module:
    """Convolution or dense layer with the expanded weights of ``layer``; torch's random generators are not used."""
    weight, bias = layer.expanded_weight(), layer.expanded_bias()
    settings |= {"bias": bias is not None, "device": weight.device, "dtype": weight.dtype}
    made: Any = skip_init(kind, inputs, outputs, *size, **settings)
    module: nn.Module = fill(made, weight=weight.reshape(made.weight.shape), bias=bias)
    return module


def fixed_mixing(matrix: Tensor) -> nn.Module:
    """Convolution of width 1 that multiplies the channels of every position by ``matrix``, in its dtype."""
    out, n = matrix.shape
    made: nn.Module = fill(skip_init(nn.Conv1d, n, out, 1, bias=False, dtype=matrix.dtype), weight=matrix[:, :, None])
    return made
