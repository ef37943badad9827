"""RC convolution: every filter is also scanned as its reverse complement (section 3.1.1, Figure 8)."""

import operator
from typing import Literal, SupportsIndex

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rcviz._core.checks import check_choice, check_features, check_positive
from rcviz.layers import channels_last, pairing
from rcviz.layers.initializers import Initializer, conv_limit, uniform_
from rcviz.layers.plain import current, with_weights
from rcviz.layers.symmetry import PAIRED

Padding = Literal["valid", "same"] | SupportsIndex


class RevCompConv1d(nn.Module):
    """Convolution whose filters read both strands with one set of weights (section 3.1.1).

    ``n_filters`` filters give ``2 * n_filters`` channels: channel ``i`` is filter ``i``, channel
    ``2 * n_filters - 1 - i`` is its reverse complement. Equivariant: the RC of the input gives the RC of the output.

    Parameters
    ----------
    in_channels : int
        Channels of the input, an even number; ``i`` and ``in_channels - 1 - i`` are RC partners. Four for one-hot DNA.
    n_filters : int
        Filters that are stored and learned.
    kernel_size : int
        Width of a filter, in positions.
    stride, dilation : int
        As in :class:`torch.nn.Conv1d`; the stride must fit the length, see Raises.
    padding : "valid", "same" or int
        Zeros at both ends; ``"same"`` needs an odd effective width, because an even one pads the ends unequally.
    bias : bool
        One bias per filter, shared by its two channels.
    initializer : "glorot" or "keras1"
        See :func:`rcviz.layers.initializers.conv_limit`; biases start at zero.

    Attributes
    ----------
    weight : Parameter (n_filters, in_channels, kernel_size)
        The stored, forward half, which optimisers and ``state_dict`` use.
    bias : Parameter (n_filters,) or None

    Raises
    ------
    ValueError
        For an odd number of channels, an even effective width with ``padding="same"``, and, when called, for a length
        that the stride does not divide: the windows would lie at different positions on the two strands.

    Examples
    --------
    >>> import torch, rcviz
    >>> rcviz.RevCompConv1d(4, n_filters=8, kernel_size=15)(torch.zeros(2, 4, 100)).shape
    torch.Size([2, 16, 86])
    """

    symmetry = PAIRED
    draws_random = False

    def __init__(
        self,
        in_channels: int,
        n_filters: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: Padding = "valid",
        dilation: int = 1,
        bias: bool = True,
        initializer: Initializer = "glorot",
    ) -> None:
        super().__init__()
        pairing.require_even(in_channels, "RevCompConv1d")
        sizes = {"n_filters": n_filters, "kernel_size": kernel_size, "stride": stride, "dilation": dilation}
        for name, value in sizes.items():
            check_positive(name, value)
        self.in_channels, self.n_filters, self.kernel_size = in_channels, n_filters, kernel_size
        self.stride, self.padding, self.dilation, self.initializer = stride, padding, dilation, initializer
        self.effective_width = dilation * (kernel_size - 1) + 1
        self.pad = pad_each_end(padding, stride, self.effective_width)
        self.weight = nn.Parameter(torch.empty(n_filters, in_channels, kernel_size))
        self.bias = nn.Parameter(torch.empty(n_filters)) if bias else None
        self.reset_parameters()

    @property
    def out_channels(self) -> int:
        """Channels of the output, ``2 * n_filters``."""
        return 2 * self.n_filters

    def reset_parameters(self) -> None:
        """Draw new starting weights from torch's global random state; biases become zero."""
        uniform_(
            self.weight, conv_limit(self.n_filters, self.in_channels, self.kernel_size, initializer=self.initializer)
        )
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def expanded_weight(self) -> Float[Tensor, "channels_out channels_in width"]:
        """Filters, then their reverse complements in opposite order: (2 * n_filters, in_channels, kernel_size)."""
        return pairing.tie_filters(current(self, "weight"))

    def expanded_bias(self) -> Float[Tensor, " channels_out"] | None:
        """Biases of all channels, (2 * n_filters,), or None."""
        bias = current(self, "bias")
        return None if bias is None else pairing.tie_channels(bias)

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "batch channels_out length_out"]:
        """Scan ``x`` with every filter and its reverse complement."""
        check_features(x.shape, self.in_channels)
        check_windows(x.shape[-1], self.pad, self.effective_width, self.stride)
        convolve = channels_last.convolve if channels_last.is_faster(x) else F.conv1d
        return convolve(x, self.expanded_weight(), self.expanded_bias(), self.stride, self.pad, self.dilation)

    def to_plain(self) -> nn.Module:
        """Return an :class:`torch.nn.Conv1d` with the expanded weights."""
        out, channels, width = self.expanded_weight().shape
        settings = {"stride": self.stride, "padding": self.pad, "dilation": self.dilation}
        return with_weights(nn.Conv1d, channels, out, width, layer=self, **settings)

    def extra_repr(self) -> str:
        """Describe the layer in ``print(model)``."""
        return (
            f"{self.in_channels}, n_filters={self.n_filters}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding!r}, dilation={self.dilation}, bias={self.bias is not None}"
        )


def pad_each_end(padding: Padding, stride: int, effective_width: int) -> int:
    """Number of zeros to add at each end; raise where the two ends would differ."""
    if isinstance(padding, str):
        check_choice("padding", padding, ("valid", "same"))
    elif operator.index(padding) < 0:
        raise ValueError(f"padding must be 'valid', 'same' or a number of zeros, got {padding}")
    else:
        return operator.index(padding)
    if padding == "valid":
        return 0
    if stride != 1:
        raise ValueError(f"padding='same' needs stride 1, got {stride}; give the number of zeros instead")
    if effective_width % 2 == 0:
        raise ValueError(
            f"padding='same' with the even effective width {effective_width} pads the two ends unequally and "
            f"breaks the strand symmetry; use an odd kernel_size, an even dilation or padding='valid'"
        )
    return effective_width // 2


def check_windows(length: int, pad: int, effective_width: int, stride: int) -> None:
    """Refuse a length on which the windows would lie at different positions on the two strands."""
    spare = length + 2 * pad - effective_width
    if spare < 0:
        raise ValueError(f"a filter spanning {effective_width} positions does not fit into a length of {length}")
    if spare % stride:
        raise ValueError(
            f"stride {stride} leaves {spare % stride} of {length} positions over at the right end, where the other "
            f"strand starts; trim the input to {length - spare % stride} positions or use stride 1"
        )
