"""Convolution between channels of the types +1 and -1 (Mallet & Vert, NeurIPS 2021)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rcviz._core.checks import check_features, check_positive
from rcviz.layers import pairing
from rcviz.layers.conv import Padding, check_windows, pad_each_end
from rcviz.layers.initializers import glorot_limit, uniform_
from rcviz.layers.irreps import check_types, reverse_irreps, signs_of, types_of
from rcviz.layers.plain import current, with_weights
from rcviz.layers.symmetry import Symmetry


class IrrepConv1d(nn.Module):
    """Convolution between channels of the types +1 and -1: every equivariant convolution is one of these.

    Between channels of the same type a kernel is its own mirror image; between different types it is its negated mirror
    image, with zero in the middle of an odd width. Only channels of type +1 can have a bias. Equivariant: reversed
    positions and negated channels of type -1 in the input give the same in the output.

    Between :class:`rcviz.PairsToIrreps1d` and :class:`rcviz.IrrepsToPairs1d` this is :class:`rcviz.RevCompConv1d` in
    another basis, with as many weights. Unequal numbers of the two types are possible only here. The types are
    explained in :mod:`rcviz.layers.irreps`.

    Parameters
    ----------
    inputs, outputs : tuple of int
        ``(n_plus, n_minus)``: channels of type +1, then of type -1; one of the two may be zero.
    kernel_size : int
        Width of a kernel, in positions.
    stride, padding, dilation
        As in :class:`rcviz.RevCompConv1d`.
    bias : bool
        One bias per output of type +1, starting at zero.

    Attributes
    ----------
    left : Parameter (channels_out, channels_in, kernel_size // 2)
        The stored half of the kernels; starts glorot-uniform, as the middle does, with the fans of whole kernels.
    middle_plus, middle_minus : Parameter (n_plus_out, n_plus_in), (n_minus_out, n_minus_in), or None
        The middle of an odd width, where the types are the same.
    bias : Parameter (n_plus_out,) or None

    Raises
    ------
    ValueError
        If a number of channels is negative, or all are zero; for width 1 between different types only; for an even
        effective width with ``padding="same"``; and, when called, for a length that the stride does not divide.

    Examples
    --------
    >>> import torch, rcviz
    >>> x = rcviz.PairsToIrreps1d()(torch.zeros(2, 4, 100))
    >>> rcviz.IrrepConv1d((2, 2), (8, 3), kernel_size=15)(x).shape
    torch.Size([2, 11, 86])
    """

    draws_random = False

    def __init__(
        self,
        inputs: tuple[int, int],
        outputs: tuple[int, int],
        kernel_size: int,
        *,
        stride: int = 1,
        padding: Padding = "valid",
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        for name, value in [("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation)]:
            check_positive(name, value)
        (plus_in, minus_in), (plus_out, minus_out) = check_types(*inputs), check_types(*outputs)
        if kernel_size == 1 and not plus_in * plus_out + minus_in * minus_out:
            raise ValueError("between types +1 and -1 the middle of a kernel is zero; use a kernel_size of 2 or more")
        self.inputs, self.outputs, self.kernel_size = (plus_in, minus_in), (plus_out, minus_out), kernel_size
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.effective_width = dilation * (kernel_size - 1) + 1
        self.pad = pad_each_end(padding, stride, self.effective_width)
        self.left = nn.Parameter(torch.empty(plus_out + minus_out, plus_in + minus_in, kernel_size // 2))
        odd = kernel_size % 2 == 1
        self.middle_plus = nn.Parameter(torch.empty(plus_out, plus_in)) if odd else None
        self.middle_minus = nn.Parameter(torch.empty(minus_out, minus_in)) if odd else None
        self.bias = nn.Parameter(torch.empty(plus_out)) if bias and plus_out else None
        self.reset_parameters()

    @property
    def symmetry(self) -> Symmetry:
        """Channels of type +1 and -1, of the input and of the output."""
        return Symmetry(input=types_of(self.inputs[1]), output=types_of(self.outputs[1]))

    @property
    def in_channels(self) -> int:
        """Channels of the input, of both types."""
        return sum(self.inputs)

    @property
    def out_channels(self) -> int:
        """Channels of the output, of both types."""
        return sum(self.outputs)

    def reset_parameters(self) -> None:
        """Draw new starting weights from torch's global random state; biases become zero."""
        limit = glorot_limit(sum(self.inputs) * self.kernel_size, sum(self.outputs) * self.kernel_size)
        for weight in (self.left, self.middle_plus, self.middle_minus):
            if weight is not None:
                uniform_(weight, limit)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def expanded_weight(self) -> Float[Tensor, "channels_out channels_in width"]:
        """Whole kernels, (channels_out, channels_in, kernel_size)."""
        left, plus, minus = (current(self, name) for name in ("left", "middle_plus", "middle_minus"))
        middle = left[:, :, :0] if plus is None or minus is None else torch.block_diag(plus, minus)[:, :, None]
        signs = torch.outer(signs_of(*self.outputs, left), signs_of(*self.inputs, left))
        return pairing.mirror_kernels(left, middle, signs)

    def expanded_bias(self) -> Float[Tensor, " channels_out"] | None:
        """Biases of all channels, zero for those of type -1, or None."""
        bias = current(self, "bias")
        return None if bias is None else F.pad(bias, (0, self.outputs[1]))

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "batch channels_out length_out"]:
        """Scan ``x`` with every kernel."""
        check_features(x.shape, sum(self.inputs))
        check_windows(x.shape[-1], self.pad, self.effective_width, self.stride)
        return F.conv1d(x, self.expanded_weight(), self.expanded_bias(), self.stride, self.pad, self.dilation)

    def reverse_input(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return what the input would be for the reverse complement."""
        return reverse_irreps(x, *self.inputs)

    def reverse_output(self, y: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return what the output would be for the reverse complement."""
        return reverse_irreps(y, *self.outputs)

    def to_plain(self) -> nn.Module:
        """Return an :class:`torch.nn.Conv1d` with whole kernels."""
        settings = {"stride": self.stride, "padding": self.pad, "dilation": self.dilation}
        return with_weights(nn.Conv1d, self.in_channels, self.out_channels, self.kernel_size, layer=self, **settings)

    def extra_repr(self) -> str:
        """Describe the layer in ``print(model)``."""
        return (
            f"{self.inputs}, {self.outputs}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding!r}, dilation={self.dilation}, bias={self.bias is not None}"
        )
