"""Facts about any module: those that it declares, and those of torch's own modules from one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, Int
from torch import nn

from rcviz.layers.plain import with_current_weights
from rcviz.layers.symmetry import ANY, NO_SYMMETRY, PAIRED, VALUES_ONLY, Representation, Symmetry, declares

T = TypeVar("T")

_CHANNELWISE = Symmetry(input="positions reversed", output="same")


def symmetry_of(module: nn.Module) -> Symmetry | None:
    """Symmetry that a module declares, or that is known of a module of torch; None where it is not known."""
    if declares(module, "symmetry"):
        declared: Symmetry = module.symmetry  # type: ignore[assignment]
        return declared
    symmetry, _ = nearest(module, _TORCH) or (None, None)
    known: Symmetry | None = symmetry(module) if callable(symmetry) else symmetry
    return known


def draws_random(module: nn.Module) -> bool:
    """Whether the forward pass of a module itself draws random numbers in training; a module not known here may."""
    if declares(module, "draws_random"):
        return bool(module.draws_random)
    _, draws = nearest(module, _TORCH) or (None, True)
    return bool(draws(module) if callable(draws) else draws)


def is_convolution(module: nn.Module) -> bool:
    """Whether a module is a one-dimensional convolution: torch's, or one that declares that its channels are paired.

    An :class:`torch.nn.Conv2d` is one if its kernel has one row or one column, or spans the four bases of an image of
    one channel. A custom convolution has ``in_channels``, ``dilation`` and the filters in ``weight`` (filters,
    channels, width).
    """
    if isinstance(module, nn.Conv1d):
        return True
    if isinstance(module, nn.Conv2d):
        return 1 in module.kernel_size or _spans_bases(module)
    if not (hasattr(module, "in_channels") and hasattr(module, "dilation") and has_paired_channels(module)):
        return False
    return getattr(getattr(with_current_weights(module), "weight", None), "ndim", 0) == 3


def reads_bases(module: Any) -> bool:
    """Whether a module is a convolution whose filters span four channels, as logos do.

    The groups of a grouped convolution read four channels each, as in ExplaiNN, where the sequence is repeated.
    """
    return is_convolution(module) and n_channels_read(module) == 4


def n_channels_read(convolution: Any) -> int:
    """Number of channels, or of bases in an image of one channel, that a filter of a convolution spans."""
    if _spans_bases(convolution):
        return 4
    return int(convolution.in_channels // getattr(convolution, "groups", 1))


def position_axis(convolution: Any) -> int:
    """Axis of a convolution's kernel, without those of channels, along the positions of the sequence."""
    if not isinstance(convolution, nn.Conv2d):
        return 0
    height, width = convolution.kernel_size
    if _spans_bases(convolution):
        return 1 if height == 4 else 0
    return 0 if width == 1 and height > 1 else 1


def _spans_bases(module: Any) -> bool:
    """Whether a convolution reads (batch, 1, 4, length) or (batch, 1, length, 4) with kernels over all four bases."""
    return isinstance(module, nn.Conv2d) and module.in_channels == 1 and 4 in module.kernel_size


@dataclass(frozen=True)
class Windows:
    """Windows of a convolution along the positions of its input.

    Attributes
    ----------
    width : int
        Positions from the first to the last that a window reads, with those that a dilated one skips.
    stride, dilation : int
    padding : (int, int)
        Positions added before the first and after the last one.
    """

    width: int
    stride: int
    dilation: int
    padding: tuple[int, int]

    def starts(self, length: int) -> Int[np.ndarray, " windows"]:
        """First position of each window of an input of ``length``; negative in the padding."""
        before, after = self.padding
        return np.arange((length + before + after - self.width) // self.stride + 1) * self.stride - before

    def centers(self, length: int) -> Float[np.ndarray, " windows"]:
        """Centre of each window, in positions from the start of the input."""
        return self.starts(length) + self.width / 2


def windows_of(convolution: Any) -> Windows:
    """Windows of a convolution, from its settings."""
    axis = position_axis(convolution)
    kernel, stride, dilation = (
        _setting(getattr(convolution, name, default), axis)
        for name, default in (("kernel_size", None), ("stride", 1), ("dilation", 1))
    )
    width, padding = dilation * (kernel - 1) + 1, getattr(convolution, "padding", 0)
    if padding == "same":
        before, after = (width - 1) // 2, width // 2
    else:
        before = after = 0 if padding == "valid" else _setting(padding, axis)
    return Windows(width, stride, dilation, (before, after))


def _setting(setting: Any, axis: int) -> int:
    numbers = np.ravel(setting)
    return int(numbers[min(axis, len(numbers) - 1)])


def has_paired_channels(module: nn.Module) -> bool:
    """Whether the channels that a module puts out are RC partners, as far as is known."""
    symmetry = symmetry_of(module)
    return symmetry is not None and symmetry.output == "paired"


def nearest(module: nn.Module, table: Mapping[type[nn.Module], T]) -> T | None:
    """Entry of the nearest class of a module whose ``forward`` the module has; None for one that overrides it."""
    kind = type(module)
    if "forward" in vars(module):
        return None
    forward = getattr(kind, "forward", None)  # TorchScript's classes have none
    classes = [ancestor for ancestor in kind.__mro__ if getattr(ancestor, "forward", None) is forward]
    return next((table[ancestor] for ancestor in classes if ancestor in table), None)


def first_number(setting: Any) -> int:
    """A setting of a one-dimensional layer, which torch keeps as a number or as a tuple of one."""
    return int(np.ravel(setting)[0])


def _norm(module: Any) -> Symmetry:
    """Normalisation with numbers per channel keeps channels that are their own partners; without numbers, all do."""
    if not module.state_dict():
        return ANY
    return NO_SYMMETRY if isinstance(module, nn.LayerNorm) else _CHANNELWISE


def _padding(module: Any) -> Symmetry:
    if len(set(module.padding)) > 1:
        return NO_SYMMETRY
    return VALUES_ONLY if getattr(module, "value", 0) else ANY


ODD = (nn.Tanh, nn.Softsign, nn.Tanhshrink, nn.Hardshrink, nn.Softshrink)
"""Functions with ``f(-x) = -f(x)``, which channels of type -1 need."""
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.AlphaDropout, nn.FeatureAlphaDropout)
PADS = (nn.ZeroPad1d, nn.ConstantPad1d, nn.ReflectionPad1d, nn.ReplicationPad1d, nn.CircularPad1d)
POOLS = (nn.MaxPool1d, nn.AvgPool1d, nn.LPPool1d)
NORMS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
    *(nn.GroupNorm, nn.LayerNorm),
)
RECURRENT = (nn.LSTM, nn.GRU, nn.RNN)
ACTIVATIONS = tuple(
    getattr(nn, name)
    for name in nn.modules.activation.__all__
    if name not in ("GLU", "MultiheadAttention", "PReLU", "RReLU")
)
NO_PARTNERS = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
    *(nn.Linear, nn.Bilinear, nn.Embedding, nn.GLU),
)
"""Modules that treat every channel or position by itself, or all of them in one order."""

# For each class its symmetry and whether it draws random numbers in training, or functions of a module that give them.
_FACTS: list[tuple[tuple[type[nn.Module], ...], Any, Any]] = [
    (NO_PARTNERS, NO_SYMMETRY, False),
    ((*RECURRENT, nn.MultiheadAttention), NO_SYMMETRY, lambda module: module.dropout > 0),
    (NORMS, _norm, False),
    (ACTIVATIONS, VALUES_ONLY, False),
    (ODD, ANY, False),
    ((nn.PReLU,), lambda module: VALUES_ONLY if module.num_parameters == 1 else _CHANNELWISE, False),
    ((nn.RReLU,), VALUES_ONLY, True),
    (DROPOUTS, ANY, lambda module: module.p > 0),
    ((nn.AvgPool1d, nn.AdaptiveAvgPool1d, nn.Identity, *CONTAINERS), ANY, False),
    ((nn.MaxPool1d, nn.LPPool1d, nn.AdaptiveMaxPool1d), VALUES_ONLY, False),
    (PADS, _padding, False),
    # A flattened feature map, row after row, is reversed where channels and positions are.
    ((nn.Flatten,), PAIRED, False),
]
_TORCH = {kind: (symmetry, draws) for kinds, symmetry, draws in _FACTS for kind in kinds}


def plain_output(module: nn.Module, representation: Representation) -> Representation:
    """Representation after a module that keeps it, where pooling to one position merges the strands."""
    pooled = isinstance(module, nn.AdaptiveMaxPool1d | nn.AdaptiveAvgPool1d) and first_number(module.output_size) == 1
    return "invariant" if pooled and representation == "positions reversed" else representation
