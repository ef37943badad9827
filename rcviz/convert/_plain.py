"""A layer of rcviz as plain torch modules behind each other."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import skip_init

from rcviz.convert._chain import Link, NotConvertibleError
from rcviz.layers import pairing
from rcviz.layers.attention import RevCompSelfAttention1d
from rcviz.layers.batchnorm import RevCompBatchNorm1d
from rcviz.layers.conv import RevCompConv1d, pad_each_end
from rcviz.layers.dense import RevCompLinear
from rcviz.layers.dropout import RevCompDropout1d
from rcviz.layers.irrep_batchnorm import IrrepBatchNorm1d
from rcviz.layers.irrep_conv import IrrepConv1d
from rcviz.layers.irreps import IrrepActivation1d, IrrepsToPairs1d, PairsToIrreps1d
from rcviz.layers.kmers import RevCompKmers1d
from rcviz.layers.pooling import RevCompAvgPool1d, RevCompGlobalPool1d, RevCompMaxPool1d
from rcviz.layers.residual import RevCompResidual1d
from rcviz.layers.strategies import RevCompConjoined
from rcviz.layers.weighted_sum import WeightedSum1d
from rcviz.models.runtime import evaluating

Words: TypeAlias = list[tuple[str, nn.Module]]
"""Modules, each with the word that its name has beside the layer's; the layer's own name has none."""

_FLATTENING = (nn.Flatten, nn.Linear, RevCompLinear, RevCompGlobalPool1d, WeightedSum1d)


@dataclass(frozen=True)
class Features:
    """What is known of a layer's input.

    Attributes
    ----------
    like : Tensor
        Of the model's device and floating-point type.
    n_channels : int or None
    flat : bool
        Whether positions are gone, (batch, features).
    sample : Tensor or None
        What reaches the layer of one sequence of unknown bases, where the length is known.
    """

    like: Tensor
    n_channels: int | None = None
    flat: bool = False
    sample: Tensor | None = None

    def behind(self, part: nn.Module) -> "Features":
        """Return what is known behind ``part``."""
        sample = self.sample
        if sample is not None:
            with evaluating(part), torch.no_grad():
                sample = part(sample)
        n_channels = sum(part.outputs) if isinstance(part, IrrepConv1d) else getattr(part, "out_channels", None)
        flat = self.flat or isinstance(part, _FLATTENING)
        return replace(self, n_channels=n_channels or self.n_channels, flat=flat, sample=sample)


def channels_into(links: Iterable[Link]) -> int:
    """Channels that the first layer which counts them asks for; else the four bases."""
    for _, part in links:
        if isinstance(part, IrrepConv1d):
            return sum(part.inputs)
        for name in ("in_channels", "n_channels"):
            if hasattr(part, name):
                return int(getattr(part, name))
    return 4


def plain_modules(name: str, part: nn.Module, features: Features) -> Words:
    """Plain torch modules that do what ``part`` does, copies that share nothing with it.

    Raises
    ------
    NotConvertibleError
        Naming the part.
    """
    rebuild = _REBUILT.get(type(part))
    if rebuild is not None:
        words = rebuild(part, features)
        if isinstance(words, str):
            raise NotConvertibleError(f"{name} ({type(part).__name__}) {words}")
        return words
    if all(type(module).__module__.startswith("torch.") for module in part.modules()):
        return [("", copy.deepcopy(part))]
    why = _REASONS.get(type(part), "does something of its own")
    raise NotConvertibleError(
        f"{name} ({type(part).__name__}) {why}, which no plain torch modules behind each other do; torch.export and "
        f"rcviz.export_onnx take the model as it is"
    )


def _fill(made: Any, **values: Tensor | None) -> Any:
    """Copy values into tensors of a module; what they were made from is learned or not, and so are they."""
    for name, wanted in values.items():
        if wanted is not None:
            with torch.no_grad():
                getattr(made, name).copy_(wanted)
            getattr(made, name).requires_grad_(wanted.requires_grad)
    return made


@torch.enable_grad()
def _weighted(kind: type[nn.Module], inputs: int, outputs: int, *size: int, of: Any, **settings: Any) -> nn.Module:
    """Convolution or dense layer with the expanded weights of a layer; torch's generators are left alone."""
    weight, bias = of.expanded_weight(), of.expanded_bias()
    settings |= {"bias": bias is not None, "device": weight.device, "dtype": weight.dtype}
    made = skip_init(kind, inputs, outputs, *size, **settings)
    return _fill(made, weight=weight.reshape(made.weight.shape), bias=bias)


def _conv(part: RevCompConv1d | IrrepConv1d, features: Features) -> Words:
    out, channels, width = part.expanded_weight().shape
    padding = pad_each_end(part.padding, part.stride, part.effective_width)
    settings = {"stride": part.stride, "padding": padding, "dilation": part.dilation}
    return [("", _weighted(nn.Conv1d, channels, out, width, of=part, **settings))]


def _dense(part: RevCompLinear, features: Features) -> Words:
    return [("", _weighted(nn.Linear, part.in_features, part.out_features, of=part))]


def _weighted_sum(part: WeightedSum1d, features: Features) -> Words:
    """A convolution as wide as its input, each channel by itself, has one position: the sum."""
    n = part.n_channels
    return [("", _weighted(nn.Conv1d, n, n, part.length, of=part, groups=n)), ("flatten", nn.Flatten())]


@torch.enable_grad()
def _batchnorm(part: RevCompBatchNorm1d, features: Features) -> Words:
    assert part.running_mean is not None
    assert part.running_var is not None
    made = _fill(
        _norm(part.n_channels, part, part.running_mean),
        weight=part.expanded_weight(),
        bias=part.expanded_bias(),
        running_mean=pairing.tie_channels(part.running_mean),
        running_var=pairing.tie_channels(part.running_var),
        num_batches_tracked=part.num_batches_tracked,
    )
    return [("", made)]


@torch.enable_grad()
def _irrep_batchnorm(part: IrrepBatchNorm1d, features: Features) -> Words:
    made = _fill(
        _norm(part.n_plus + part.n_minus, part, part.running_mean),
        weight=part.weight,
        bias=F.pad(part.bias, (0, part.n_minus)),
        running_mean=F.pad(part.running_mean, (0, part.n_minus)),
        running_var=part.running_var,
    )
    return [("", made)]


def _norm(n_channels: int, part: Any, like: Tensor) -> nn.BatchNorm1d:
    settings = {"eps": part.eps, "momentum": part.momentum, "affine": part.weight is not None}
    return nn.BatchNorm1d(n_channels, **settings, device=like.device, dtype=like.dtype)


def _pool(part: RevCompMaxPool1d | RevCompAvgPool1d, features: Features) -> Words | str:
    kind = nn.MaxPool1d if isinstance(part, RevCompMaxPool1d) else nn.AvgPool1d
    pool = kind(part.kernel_size, part.stride)
    if part.edge == "strict":
        return [("", pool)]
    if features.sample is None:
        return "leaves out as much as the length demands; tell it to to_standard(model, length=...)"
    trim = part.trim(features.sample.shape[-1])
    return [("crop", nn.ConstantPad1d(-trim, 0.0)), ("", pool)] if trim else [("", pool)]


def _global_pool(part: RevCompGlobalPool1d, features: Features) -> Words | str:
    """Partners are brought beside each other; then the two of them and all their positions are one axis."""
    n = features.n_channels
    if n is None:
        return _UNCOUNTED
    pairs = torch.stack([torch.arange(n // 2), n - 1 - torch.arange(n // 2)], dim=1)
    return [
        ("order", _mixing(torch.eye(n)[pairs.flatten()], features)),
        ("pair", nn.Unflatten(1, (n // 2, 2))),
        ("join", nn.Flatten(2)),
        ("", nn.AdaptiveMaxPool1d(1) if part.reduction == "max" else nn.AdaptiveAvgPool1d(1)),
        ("flatten", nn.Flatten()),
    ]


def _change_of_basis(part: PairsToIrreps1d | IrrepsToPairs1d, features: Features) -> Words | str:
    if features.n_channels is None:
        return _UNCOUNTED
    basis = part(torch.eye(features.n_channels, dtype=torch.float64)[None])[0]  # of every channel, at a position
    return [("", _mixing(basis, features))]


def _mixing(matrix: Tensor, features: Features) -> nn.Module:
    """A convolution of width 1 that is fixed."""
    out, n = matrix.shape
    settings = {"bias": False, "device": features.like.device, "dtype": features.like.dtype}
    return _fill(skip_init(nn.Conv1d, n, out, 1, **settings), weight=matrix[:, :, None].to(features.like))


def _activation(part: IrrepActivation1d, features: Features) -> Words | str:
    if part.n_plus and part.n_minus:
        return "treats channels of type +1 and -1 differently, which no plain torch module does"
    return [("", nn.ReLU() if part.n_plus else nn.Tanh())]


def _dropout(part: RevCompDropout1d, features: Features) -> Words:
    return [("", nn.Dropout(part.p) if features.flat else nn.Dropout1d(part.p))]


_REBUILT: dict[type[nn.Module], Callable[[Any, Features], Words | str]] = {
    IrrepActivation1d: _activation,
    IrrepBatchNorm1d: _irrep_batchnorm,
    IrrepConv1d: _conv,
    IrrepsToPairs1d: _change_of_basis,
    PairsToIrreps1d: _change_of_basis,
    RevCompAvgPool1d: _pool,
    RevCompBatchNorm1d: _batchnorm,
    RevCompConv1d: _conv,
    RevCompDropout1d: _dropout,
    RevCompGlobalPool1d: _global_pool,
    RevCompLinear: _dense,
    RevCompMaxPool1d: _pool,
    WeightedSum1d: _weighted_sum,
}

_UNCOUNTED = "is given channels that no layer before it counts; put it behind a convolution"
_REASONS: dict[type[nn.Module], str] = {
    RevCompConjoined: "shows its model both strands",
    RevCompKmers1d: "multiplies its inputs with each other",
    RevCompResidual1d: "adds its input to the output of its branch",
    RevCompSelfAttention1d: "lets positions weigh each other",
}
