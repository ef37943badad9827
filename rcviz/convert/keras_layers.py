"""For each of the paper's Keras layers: what a file stores, and how it is converted to the layer of rcviz or torch.

In Keras, channels are the last axis of a feature map and filters the last axis of a kernel; feature maps are flattened
position by position. Shapes are those in the file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from torch import Tensor, nn

from rcviz.convert.keras_files import SavedLayer
from rcviz.layers.batchnorm import RevCompBatchNorm1d
from rcviz.layers.conv import RevCompConv1d
from rcviz.layers.dense import RevCompLinear
from rcviz.layers.facts import first_number, nearest
from rcviz.layers.pooling import RevCompGlobalPool1d
from rcviz.layers.weighted_sum import WeightedSum1d

Convert: TypeAlias = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Quirks:
    """Differences between Keras versions that a file does not show in its arrays.

    Attributes
    ----------
    backend : str or None
        Backend of the Keras that wrote the file; only Theano's convolution reverses its kernels.
    source : "keras-genomics", "other" or None
        Origin of the tied convolutions, if it was given; that of keras-genomics adds its convolution twice where it has
        a bias.
    """

    backend: str | None
    source: Literal["keras-genomics", "other"] | None


@dataclass(frozen=True)
class Slot:
    """A tensor of the model, and what fills it.

    Attributes
    ----------
    kind : str
    tensor : Tensor
    shapes : tuple of shapes
        That the weight may have in the file.
    convert : callable
        From the stored array to that of the tensor.
    default : float or None
        Value where the file has no such weight; None where the file must have one.
    """

    kind: str
    tensor: Tensor
    shapes: tuple[tuple[int, ...], ...]
    convert: Convert
    default: float | None = None


Slots: TypeAlias = tuple[list[Slot], list[str]]
"""Slots, and a description of how the stored arrays are changed."""


def is_readable(part: nn.Module) -> bool:
    """Whether the weights of a module can be read; not those of a subclass with another ``forward``."""
    return nearest(part, _LAYERS) is not None


def slots_of(part: nn.Module, layer: SavedLayer, n_channels: int | None, quirks: Quirks) -> Slots:
    """Tensors of a readable layer; ``n_channels`` are those of the feature map that it reads, if it reads one."""
    slots = nearest(part, _LAYERS)
    assert slots is not None
    return slots(part, layer, n_channels, quirks)


def channels_after(part: nn.Module, n_channels: int | None) -> int | None:
    """Channels of the feature map after ``part``; None where it is not a feature map."""
    if isinstance(part, nn.Linear | RevCompLinear | RevCompGlobalPool1d | WeightedSum1d):
        return None
    return getattr(part, "out_channels", n_channels)


def _conv(part: RevCompConv1d | nn.Conv1d, layer: SavedLayer, n_channels: int | None, quirks: Quirks) -> Slots:
    n_filters, n_inputs, width = part.weight.shape
    if quirks.backend is None and width > 1:
        raise ValueError(
            f"the file does not name its backend, and Theano reverses kernels along the length, such as that of "
            f"{layer.name}; pass backend='theano', which the paper used, or backend='tensorflow'"
        )
    _check_windows(part, layer)
    reverse = quirks.backend == "theano" and width > 1
    kernel = layer.weights.get("kernel")
    keras_2 = kernel is not None and len(kernel.shape) == 3
    twice = isinstance(part, RevCompConv1d) and keras_2 and "bias" in layer.weights and _adds_twice(layer, quirks)

    def convert(values: np.ndarray) -> np.ndarray:
        values = values.reshape(width, n_inputs, n_filters)
        return (values[::-1] if reverse else values).transpose(2, 1, 0) * (2 if twice else 1)

    shapes = ((width, n_inputs, n_filters), (width, 1, n_inputs, n_filters))
    slots = [Slot("kernel", part.weight, shapes, convert), *_vector("bias", part.bias, 0.0)]
    changes = {"reversed along the length": reverse, "doubled, because its convolution is added twice": twice}
    return slots, [change for change, applies in changes.items() if applies]


def _check_windows(part: RevCompConv1d | nn.Conv1d, layer: SavedLayer) -> None:
    """Compare the settings of a convolution with those in the file, if it holds them."""
    stride, dilation = first_number(part.stride), first_number(part.dilation)
    pad: Any = part.pad if isinstance(part, RevCompConv1d) else part.padding
    zeros = {"valid": 0, "same": dilation * (part.weight.shape[2] - 1)}
    n_zeros = zeros[pad] if isinstance(pad, str) else 2 * first_number(pad)
    for name, saved, own in (
        ("strides", layer.settings.get("strides", stride), stride),
        ("dilation_rate", layer.settings.get("dilation_rate", dilation), dilation),
        ("padding", zeros.get(str(layer.settings["padding"])) if "padding" in layer.settings else n_zeros, n_zeros),
    ):
        if saved not in (own, [own]):
            raise ValueError(
                f"{layer.name} has {name}={layer.settings[name]}, and the model's convolution has stride {stride}, "
                f"dilation {dilation} and {n_zeros} zeros around its input; build it with the settings of the file"
            )


def _adds_twice(layer: SavedLayer, quirks: Quirks) -> bool:
    """Whether a tied convolution of Keras 2 with a bias adds its convolution twice, as that of keras-genomics does."""
    if layer.class_name == "Conv1D":
        if quirks.source == "keras-genomics":
            raise ValueError(
                f"{layer.name} is a Conv1D, and source='keras-genomics' is for its RevCompConv1D; leave source out, or "
                f"pass source='other'"
            )
        return False
    if layer.class_name is None and quirks.source is None:
        raise ValueError(
            f"the file does not name the class of {layer.name}; pass source='keras-genomics' for a RevCompConv1D of "
            f"keras-genomics, which adds its convolution twice, or source='other' for any other one"
        )
    return quirks.source != "other"


def _batchnorm(
    part: RevCompBatchNorm1d | nn.BatchNorm1d, layer: SavedLayer, n_channels: int | None, quirks: Quirks
) -> Slots:
    scale, shift = _vector("gamma", part.weight, 1.0), _vector("beta", part.bias, 0.0)
    assumed = [] if layer.epsilon is not None else [f"epsilon {part.eps:g} is the model's: the file does not hold it"]
    return [*scale, *shift, *_vector("mean", part.running_mean), *_vector("variance", part.running_var)], assumed


def _weighted_sum(part: WeightedSum1d, layer: SavedLayer, n_channels: int | None, quirks: Quirks) -> Slots:
    stored = part.weight.shape[::-1]
    return [Slot("kernel", part.weight, (tuple(stored),), np.transpose), *_vector("bias", part.bias, 0.0)], []


def _dense(part: nn.Linear, layer: SavedLayer, n_channels: int | None, quirks: Quirks) -> Slots:
    n_outputs, n_inputs = part.weight.shape
    length = n_inputs // (n_channels or n_inputs)
    slot = Slot("kernel", part.weight, ((n_inputs, n_outputs),), lambda values: _channels_first(values, length))
    return [slot, *_vector("bias", part.bias, 0.0)], _reordered(length)


def _tied_dense(part: RevCompLinear, layer: SavedLayer, n_channels: int | None, quirks: Quirks) -> Slots:
    n_outputs, half = part.weight.shape
    length = part.in_features // (n_channels or part.in_features)

    def convert(values: np.ndarray) -> np.ndarray:
        whole = _channels_first(values, length)
        if len(values) == half:
            return whole
        if (whole != whole[:, ::-1]).any():
            raise ValueError(
                f"{layer.name} has different weights for the two strands, which {type(part).__name__} cannot have; use "
                f"a plain nn.Linear there"
            )
        return whole[:, :half]

    shapes = ((half, n_outputs), (2 * half, n_outputs))
    changes = _reordered(length)
    if layer.weights.get("kernel", part.weight).shape == shapes[1]:
        changes.append("one half of both strands' weights, which are the same")
    return [Slot("kernel", part.weight, shapes, convert), *_vector("bias", part.bias, 0.0)], changes


def _channels_first(values: np.ndarray, length: int) -> np.ndarray:
    """Reorder (length * channels, outputs) to (outputs, channels * length)."""
    n_outputs = values.shape[1]
    return values.reshape(length, -1, n_outputs).transpose(2, 1, 0).reshape(n_outputs, -1)


def _reordered(length: int) -> list[str]:
    return ["in order of channels, not of positions"] if length > 1 else []


def _vector(kind: str, tensor: Tensor | None, default: float | None = None) -> list[Slot]:
    return [] if tensor is None else [Slot(kind, tensor, (tuple(tensor.shape),), lambda values: values, default)]


_LAYERS: dict[type[nn.Module], Callable[[Any, SavedLayer, int | None, Quirks], Slots]] = {
    RevCompBatchNorm1d: _batchnorm,
    RevCompConv1d: _conv,
    RevCompLinear: _tied_dense,
    WeightedSum1d: _weighted_sum,
    nn.BatchNorm1d: _batchnorm,
    nn.Conv1d: _conv,
    nn.Linear: _dense,
}
