"""Pooling whose windows lie at the same places on both strands, and pooling over both strands at once."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rcviz._core.checks import check_choice, check_positive
from rcviz.layers import channels_last, pairing
from rcviz.layers.plain import Shape, channels_of, fixed_mixing, in_order
from rcviz.layers.symmetry import ANY, VALUES_ONLY, Symmetry

Edge = Literal["strict", "trim"]
Reduction = Literal["max", "mean"]


class _RevCompPool1d(nn.Module):
    """Base of poolings whose windows lie at the same places on both strands."""

    symmetry: Symmetry
    draws_random = False
    _what: str
    _plain: type[nn.Module]

    def __init__(self, kernel_size: int, stride: int | None = None, *, edge: Edge = "strict") -> None:
        super().__init__()
        stride = kernel_size if stride is None else stride
        check_positive("kernel_size", kernel_size)
        check_positive("stride", stride)
        check_choice("edge", edge, get_args(Edge))
        self.kernel_size, self.stride, self.edge = kernel_size, stride, edge

    def trim(self, length: int) -> int:
        """Positions to leave out at each end of an input of ``length``; raise where that cannot be even."""
        spare = length - self.kernel_size
        if spare < 0:
            raise ValueError(f"a pooling window of {self.kernel_size} does not fit into a length of {length}")
        ragged = spare % self.stride
        if ragged and (self.edge == "strict" or ragged % 2):
            how = f"a length of {length - ragged} or {length - ragged + self.stride} fits"
            if self.edge == "trim":
                how = f"a length of {length - 1} or {length + 1} fits"
            if self.edge == "strict" and ragged % 2 == 0:
                how += f", or edge='trim' leaves out {ragged // 2} positions at each end"
            raise ValueError(
                f"{self._what}-pooling {self.kernel_size} wide every {self.stride} leaves {ragged} of {length} "
                f"positions over at one end, and the two strands would be pooled differently; {how}"
            )
        return ragged // 2

    def to_plain(self, shape: Shape | None = None) -> nn.Module:
        """Return torch's pooling; with ``edge="trim"`` after a crop of as much as the length in ``shape`` demands."""
        pool = self._plain(self.kernel_size, self.stride)
        if self.edge == "strict":
            return pool
        if shape is None or shape[-1] is None:
            raise ValueError("edge='trim' depends on the length; use to_standard(model, length=...)")
        trim = self.trim(shape[-1])
        return in_order(crop=nn.ConstantPad1d(-trim, 0.0), layer=pool) if trim else pool

    def _trimmed(self, x: Float[Tensor, "*batch length"]) -> Float[Tensor, "*batch length_in"]:
        trim = self.trim(x.shape[-1])
        return x[..., trim : x.shape[-1] - trim]

    def extra_repr(self) -> str:
        """Describe the layer in ``print(model)``."""
        return f"{self.kernel_size}, stride={self.stride}, edge={self.edge!r}"


class RevCompMaxPool1d(_RevCompPool1d):
    """Max-pooling that refuses a length that its windows do not fill, or trims both ends evenly.

    Plain pooling drops the positions left over at the right end, which is the other strand's left end: the windows then
    lie at different positions on the two strands. Equivariant: the RC of the input gives the RC of the output.

    Parameters
    ----------
    kernel_size : int
        Width of a window, in positions.
    stride : int, optional
        Distance between windows, in positions; the width by default.
    edge : "strict" or "trim"
        With a remainder ``(length - kernel_size) % stride``, ``"strict"`` raises; ``"trim"`` leaves out half of it at
        each end, and raises only for an odd one.

    Raises
    ------
    ValueError
        When called on a length that does not fit; the message names lengths that do.

    Examples
    --------
    >>> import torch, rcviz
    >>> rcviz.RevCompMaxPool1d(40, 20)(torch.zeros(2, 32, 960)).shape
    torch.Size([2, 32, 47])
    """

    symmetry = VALUES_ONLY
    _what = "max"
    _plain = nn.MaxPool1d

    def forward(self, x: Float[Tensor, "*batch length"]) -> Float[Tensor, "*batch length_out"]:
        """Take the largest value of every window."""
        pool = channels_last.max_pool if x.ndim == 3 and channels_last.is_faster(x) else F.max_pool1d
        return pool(self._trimmed(x), self.kernel_size, self.stride)


class RevCompAvgPool1d(_RevCompPool1d):
    """Average pooling that refuses or trims a length that its windows do not fill, as :class:`RevCompMaxPool1d` does.

    Equivariant: the RC of the input gives the RC of the output.

    Parameters
    ----------
    kernel_size, stride, edge
        As in :class:`RevCompMaxPool1d`; there is no padding, because its zeros would be averaged.

    Examples
    --------
    >>> import torch, rcviz
    >>> rcviz.RevCompAvgPool1d(40, 20)(torch.zeros(2, 32, 960)).shape
    torch.Size([2, 32, 47])
    """

    symmetry = ANY
    _what = "average"
    _plain = nn.AvgPool1d

    def forward(self, x: Float[Tensor, "*batch length"]) -> Float[Tensor, "*batch length_out"]:
        """Take the mean of every window."""
        return F.avg_pool1d(self._trimmed(x), self.kernel_size, self.stride)


class RevCompGlobalPool1d(nn.Module):
    """One number per filter: the largest value, or the mean, over all positions of both strands.

    Invariant: both strands of a sequence give the same features, so that plain layers such as :class:`torch.nn.Linear`
    may follow.

    Parameters
    ----------
    reduction : "max" or "mean"
        Function of all values of a channel and of its RC partner.

    Raises
    ------
    ValueError
        When called on an odd number of channels.

    Examples
    --------
    >>> import torch, rcviz
    >>> rcviz.RevCompGlobalPool1d("max")(torch.zeros(2, 32, 47)).shape
    torch.Size([2, 16])
    """

    symmetry = Symmetry(input="paired", output="invariant")
    draws_random = False

    def __init__(self, reduction: Reduction = "max") -> None:
        super().__init__()
        check_choice("reduction", reduction, get_args(Reduction))
        self.reduction = reduction

    def forward(self, x: Float[Tensor, "batch channels length"]) -> Float[Tensor, "batch filters"]:
        """Pool a channel pair; feature ``f`` is that of the channels ``f`` and ``n - 1 - f``."""
        pairing.require_even(x.shape[1], "RevCompGlobalPool1d")
        both = pairing.strands_to_length(x)
        return both.amax(dim=2) if self.reduction == "max" else both.mean(dim=2)

    def to_plain(self, shape: Shape | None = None) -> nn.Module:
        """Return modules that bring partners beside each other and pool over both; ``shape`` gives their number."""
        n = channels_of(shape)
        pairs = torch.stack([torch.arange(n // 2), n - 1 - torch.arange(n // 2)], dim=1)
        return in_order(
            order=fixed_mixing(torch.eye(n)[pairs.flatten()]),
            pair=nn.Unflatten(1, (n // 2, 2)),
            join=nn.Flatten(2),
            layer=nn.AdaptiveMaxPool1d(1) if self.reduction == "max" else nn.AdaptiveAvgPool1d(1),
            flatten=nn.Flatten(),
        )

    def extra_repr(self) -> str:
        """Describe the layer in ``print(model)``."""
        return f"reduction={self.reduction!r}"
