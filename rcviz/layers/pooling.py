"""Pooling whose windows sit at the same places on both strands."""

from typing import Literal, get_args

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rcviz._checks import check_choice, check_positive
from rcviz.layers import _cpu

Edge = Literal["strict", "trim"]


class RevCompMaxPool1d(nn.Module):
    """Max-pooling that refuses, or trims evenly, a ragged edge.

    Plain pooling drops what is left over at the right end, which is the other strand's left end: the windows then sit
    elsewhere on the two strands. Equivariant: the RC of the input gives the RC of the output.

    Parameters
    ----------
    kernel_size : int
        Width of a window, in positions.
    stride : int, optional
        Distance of windows; the width by default.
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
            fits = [length - ragged, length - ragged + self.stride]
            how = "a length of {} or {} fits".format(*fits)
            if self.edge == "strict" and ragged % 2 == 0:
                how += f", or edge='trim' leaves out {ragged // 2} positions at each end"
            raise ValueError(
                f"max-pooling {self.kernel_size} wide every {self.stride} leaves {ragged} of {length} positions over "
                f"at one end, and the two strands would be pooled differently; {how}"
            )
        return ragged // 2

    def forward(self, x: Float[Tensor, "*batch length"]) -> Float[Tensor, "*batch length_out"]:
        """Take the largest value of every window."""
        trim = self.trim(x.shape[-1])
        pool = _cpu.max_pool if x.ndim == 3 and _cpu.suits(x) else F.max_pool1d
        return pool(x[..., trim : x.shape[-1] - trim], self.kernel_size, self.stride)

    def extra_repr(self) -> str:
        """Describe the layer in ``print(model)``."""
        return f"{self.kernel_size}, stride={self.stride}, edge={self.edge!r}"
