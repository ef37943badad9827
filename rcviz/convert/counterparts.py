"""Tied counterparts of plain layers, with the same weights.

Channel ``c`` of a plain network with ``n`` channels becomes two: ``c``, which sees the sequence as before, and its RC
partner ``2 n - 1 - c``, which sees what ``c`` would see on the other strand. Weights between the two start at zero, so
that every channel is at first exactly what it was, on its own strand.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, TypeGuard

import torch
from torch import Tensor, nn

from rcviz.convert.chain import NotConvertibleError
from rcviz.layers import pairing
from rcviz.layers.batchnorm import RevCompBatchNorm1d
from rcviz.layers.conv import RevCompConv1d
from rcviz.layers.dense import RevCompLinear
from rcviz.layers.dropout import RevCompDropout1d
from rcviz.layers.facts import nearest
from rcviz.layers.plain import fill
from rcviz.layers.pooling import RevCompAvgPool1d, RevCompGlobalPool1d, RevCompMaxPool1d
from rcviz.layers.symmetry import declares
from rcviz.layers.weighted_sum import WeightedSum1d
from rcviz.models.runtime import copy_module
from rcviz.models.settings import building

Form: TypeAlias = Literal["map", "flat", "column"]
"""(batch, channels, length); (batch, features); or features as (batch, features, 1), which tied convolutions read."""


@dataclass(frozen=True)
class Features:
    """Features that a layer is given.

    Attributes
    ----------
    form : "map", "flat" or "column"
    doubled : bool
        Whether the channels are a plain network's and their partners; those of the sequence itself are pairs already.
    merged : bool
        Whether the features are the same for both strands, which they are after the last dense layer.
    """

    form: Form = "map"
    doubled: bool = False
    merged: bool = False


@dataclass(frozen=True)
class Tied:
    """Tied counterpart of a layer.

    Attributes
    ----------
    modules : tuple of (str, nn.Module)
        Each with the word that is added to the layer's name; empty for the layer's own name.
    change : str
        Description of the change.
    features : Features
        Features after it.
    zeros : int
        Number of weights between the strands, which start at zero.
    """

    modules: tuple[tuple[str, nn.Module], ...]
    change: str
    features: Features
    zeros: int = 0


_POINTWISE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Hardtanh),
    *(nn.Hardsigmoid, nn.Sigmoid, nn.LogSigmoid, nn.Softplus, nn.Softsign, nn.Tanh, nn.Identity),
)


def tie(name: str, part: nn.Module, features: Features, *, last: bool) -> Tied:
    """Return the counterpart of a layer; ``last`` marks the dense layer that merges the strands.

    Raises
    ------
    NotConvertibleError
        Naming the layer.
    """
    try:
        if features.merged:
            return Tied((("", copy_module(part)),), "kept: its input is the same for both strands", features)
        if is_dense(part):
            return (_meet if last else _dense)(part, features)
        # A subclass that overrides forward has no entry: what it does is not known.
        return (nearest(part, _COUNTERPARTS) or _refuse)(part, features)
    except ValueError as error:
        raise NotConvertibleError(f"{name} ({type(part).__name__}): {error}") from error


def is_dense(part: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether a part is a dense layer of torch."""
    return nearest(part, {nn.Linear: True}) is not None


def merge_strands(features: Features) -> Tied:
    """Average over the strands after a network that ends without a dense layer."""
    words: list[tuple[str, nn.Module]] = [("average", RevCompGlobalPool1d("mean"))]
    return Tied((*_column(features), *words), "added: the mean of both strands", replace(features, merged=True))


def _refuse(part: nn.Module, features: Features) -> Tied:
    if any(declares(module, "symmetry") for module in part.modules()):
        raise ValueError("it shares its weights between the strands already; convert a plain network")
    raise ValueError(
        "there is no tied counterpart for it; replace it, or wrap the whole model in rcviz.RevCompConjoined(model)"
    )


def _prelu(part: nn.PReLU, features: Features) -> Tied:
    return _kept(part, features) if part.num_parameters == 1 else _refuse(part, features)


def _kept(part: nn.Module, features: Features) -> Tied:
    return Tied((("", copy_module(part)),), "kept", features)


def _conv(part: nn.Conv1d, features: Features) -> Tied:
    if features.form != "map":
        raise ValueError("it comes after a flattening; put it before")
    if part.groups != 1 or part.padding_mode != "zeros":
        raise ValueError(f"groups={part.groups} and padding_mode={part.padding_mode!r}; use 1 and 'zeros'")
    padding: Any = part.padding if isinstance(part.padding, str) else part.padding[0]
    settings = {"stride": part.stride[0], "padding": padding, "dilation": part.dilation[0]}
    return _convolution(part.weight, part.bias, features, "map", **settings)


def _dense(part: nn.Linear, features: Features) -> Tied:
    """Use a convolution of width 1 over one position: a tied dense layer whose outputs are paired."""
    _check_flat(features)
    tied = _convolution(part.weight, part.bias, features, "column")
    return replace(tied, modules=(*_column(features), *tied.modules))


def _convolution(weight: Tensor, bias: Tensor | None, features: Features, form: Form, **settings: Any) -> Tied:
    weight = weight.reshape(*weight.shape[:2], -1)
    n_filters, n_channels, width = weight.shape
    change, zeros = "copied", 0
    if features.doubled:
        weight = torch.cat([weight, torch.zeros_like(weight)], dim=1)
        change, zeros = "copied; zeros for the channels of the other strand", weight.numel() // 2
        n_channels *= 2
    with building(0):
        tied = RevCompConv1d(n_channels, n_filters, width, bias=bias is not None, **settings)
    _fill(tied, weight=weight, bias=bias)
    return Tied((("", tied),), change, replace(features, form=form, doubled=True), zeros)


def _meet(part: nn.Linear, features: Features) -> Tied:
    """Give each strand half of the weights, so that the outputs are the mean of both."""
    _check_flat(features)
    weight: Tensor = part.weight
    n_inputs = 2 * part.in_features if features.doubled else part.in_features
    if not features.doubled:  # the sequence itself: its partners have separate weights
        weight = (weight + pairing.reverse_positions(weight))[:, : n_inputs // 2]
    with building(0):
        dense = RevCompLinear(n_inputs, part.out_features, bias=part.bias is not None)
    _fill(dense, weight=weight / 2, bias=part.bias)
    words: list[tuple[str, nn.Module]] = [("flatten", nn.Flatten())] if features.form == "column" else []
    change = "halved: the outputs are the mean of both strands"
    return Tied((*words, ("", dense)), change, replace(features, form="flat", merged=True))


def _check_flat(features: Features) -> None:
    if features.form == "map":
        raise ValueError("it combines the positions of each channel; put nn.Flatten() before it")


def _batchnorm(part: nn.BatchNorm1d, features: Features) -> Tied:
    if not features.doubled:
        raise ValueError("it is before the first convolution, where RC partners have separate scales; leave it out")
    if part.momentum is None or part.running_mean is None:
        raise ValueError("it has no momentum or no running statistics; use a batch norm with both")
    tied = RevCompBatchNorm1d(2 * part.num_features, eps=part.eps, momentum=part.momentum, affine=part.affine)
    tensors = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    _fill(tied, **{name: getattr(part, name) for name in tensors})
    form: Form = "map" if features.form == "map" else "column"
    change = "copied, with the running statistics; in training the statistics are those of both strands"
    return Tied((*_column(features), ("", tied)), change, replace(features, form=form))


def _weighted_sum(part: WeightedSum1d, features: Features) -> Tied:
    if part.revcomp:
        return _refuse(part, features)
    if not features.doubled:
        raise ValueError("it is before the first convolution, where RC partners have separate weights")
    settings: dict[str, Any] = {"symmetric": part.symmetric, "smoothness": part.smoothness}
    with building(0):
        tied = WeightedSum1d(2 * part.n_channels, part.length, bias=part.bias is not None, **settings)
    _fill(tied, weight=part.weight, bias=part.bias)
    return Tied((("", tied),), "copied", replace(features, form="flat"))


def _pool(part: nn.MaxPool1d | nn.AvgPool1d, features: Features) -> Tied:
    if features.form != "map":
        raise ValueError("it comes after a flattening; put it before")
    sizes = {name: _one(getattr(part, name, default)) for name, default in (("padding", 0), ("dilation", 1))}
    if sizes != {"padding": 0, "dilation": 1} or getattr(part, "return_indices", False):
        raise ValueError("it has padding, dilation or return_indices, which tied pooling does not; leave these out")
    kind = RevCompMaxPool1d if isinstance(part, nn.MaxPool1d) else RevCompAvgPool1d
    pool = kind(_one(part.kernel_size), _one(part.stride))
    return Tied((("", pool),), "the same windows; a length that they do not fill is refused", features)


def _adaptive_pool(part: nn.AdaptiveMaxPool1d | nn.AdaptiveAvgPool1d, features: Features) -> Tied:
    """Keep it: its windows lie at the same positions on both strands, for any length."""
    if features.form != "map" or getattr(part, "return_indices", False):
        raise ValueError("it comes after a flattening or returns indices; put it before, without return_indices")
    return _kept(part, features)


def _flatten(part: nn.Flatten, features: Features) -> Tied:
    if part.start_dim != 1 or part.end_dim not in (-1, 2):
        raise ValueError("it does not give one row per sequence; use nn.Flatten()")
    if features.form == "column":
        return Tied((), "left out", features)
    return _kept(part, replace(features, form="flat"))


def _dropout(part: nn.Dropout | nn.Dropout1d, features: Features) -> Tied:
    if (features.form == "map") != isinstance(part, nn.Dropout1d):
        if isinstance(part, nn.Dropout1d):
            raise ValueError("after a flattening it drops whole sequences; use nn.Dropout there")
        return replace(_kept(part, features), change="kept: in training it draws for each strand separately")
    return Tied((("", RevCompDropout1d(part.p)),), "drops a channel together with its partner", features)


def _column(features: Features) -> tuple[tuple[str, nn.Module], ...]:
    return (("column", nn.Unflatten(1, (-1, 1))),) if features.form == "flat" else ()


def _one(size: Any) -> int:
    return int(size[0]) if isinstance(size, tuple) else int(size)


def _fill(tied: nn.Module, **values: Tensor | None) -> None:
    """Copy values into a layer, on their device and in their type; frozen parameters stay frozen."""
    fill(tied.to(next(value for value in values.values() if value is not None)), **values)


_COUNTERPARTS: dict[type[nn.Module], Callable[[Any, Features], Tied]] = {
    nn.AdaptiveAvgPool1d: _adaptive_pool,
    nn.AdaptiveMaxPool1d: _adaptive_pool,
    nn.AvgPool1d: _pool,
    nn.BatchNorm1d: _batchnorm,
    nn.Conv1d: _conv,
    nn.Dropout: _dropout,
    nn.Dropout1d: _dropout,
    nn.Flatten: _flatten,
    nn.MaxPool1d: _pool,
    nn.PReLU: _prelu,
    WeightedSum1d: _weighted_sum,
    **dict.fromkeys(_POINTWISE, _kept),
}
