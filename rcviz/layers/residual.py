"""Residual connections whose shortcut is cropped by the same number of positions at both ends."""

from jaxtyping import Float
from torch import Tensor, nn

from rcviz.layers.plain import refuse_plain
from rcviz.layers.symmetry import ANY


class RevCompResidual1d(nn.Module):
    """Add the input to the output of ``branch``, cropped by the same number of positions at each end.

    A branch without padding shortens the length; position ``p`` of its output then lies over position
    ``p + (length - length_out) / 2`` of the input. Equivariant when ``branch`` and ``shortcut`` are: the RC of the
    input gives the RC of the output.

    Parameters
    ----------
    branch : nn.Module
        Maps (batch, channels, length) to (batch, channels, length_out), with stride one throughout.
    shortcut : nn.Module, optional
        Applied to the input before it is added, for example ``RevCompConv1d(in_channels, n_filters, 1)`` where the
        branch changes the number of channels. By default the input itself is added.

    Raises
    ------
    ValueError
        For a branch whose first module works in place and, when called, if the branch returns another number of
        channels or more positions than the shortcut, or removes an odd number of positions, which cannot be cropped
        evenly.

    Examples
    --------
    >>> import torch, rcviz
    >>> block = rcviz.RevCompResidual1d(rcviz.RevCompConv1d(16, n_filters=8, kernel_size=3, dilation=4))
    >>> block(torch.zeros(2, 16, 100)).shape
    torch.Size([2, 16, 92])
    """

    symmetry = ANY  # where branch and shortcut keep it
    draws_random = False

    def __init__(self, branch: nn.Module, *, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        first = next(module for module in branch.modules() if not any(module.children()))
        if getattr(first, "inplace", False):
            raise ValueError(
                f"the branch begins with {first}, which would overwrite the input before it is added; use inplace=False"
            )
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x: Float[Tensor, "batch channels length"]) -> Float[Tensor, "batch channels_out length_out"]:
        """Add the input, or the shortcut's output, to the branch's output."""
        past = x if self.shortcut is None else self.shortcut(x)
        y = self.branch(x)
        crop = _crop(past, y)
        return y + past[..., crop : past.shape[2] - crop]

    def to_plain(self) -> nn.Module:
        """Raise: a sum of two paths is not a chain of modules."""
        refuse_plain("adds its input to the output of its branch")


def _crop(past: Tensor, y: Tensor) -> int:
    """Number of positions to leave out at each end of ``past``; raise where ``y`` does not fit the rest."""
    if past.shape[:2] != y.shape[:2] or y.ndim != 3:
        raise ValueError(
            f"the branch returned {tuple(y.shape)}, which cannot be added to {tuple(past.shape)}; let it return as "
            f"many channels or give a shortcut that does, such as RevCompConv1d(in_channels, n_filters, 1)"
        )
    lost = past.shape[2] - y.shape[2]
    if lost < 0 or lost % 2:
        raise ValueError(
            f"the branch turned {past.shape[2]} positions into {y.shape[2]}, and the same number must go at each end; "
            f"use an odd kernel_size, an even dilation or padding='same' in it"
        )
    return lost // 2
