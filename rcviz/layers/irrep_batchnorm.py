"""Batch normalisation of channels of the types +1 and -1 (Mallet & Vert, NeurIPS 2021)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rcviz._core.checks import check_features
from rcviz.layers.irreps import IrrepLayer1d
from rcviz.layers.plain import current, fill


class IrrepBatchNorm1d(IrrepLayer1d):
    """Batch normalisation of channels of type +1 and -1, with the statistics of both strands.

    Averaged over a batch and its RC, a channel of type -1 has mean zero, so it is only scaled, by its mean square, and
    has no shift. The types are explained in :mod:`rcviz.layers.irreps`.
    Equivariant: reversed positions and negated channels of type -1 in the input give the same in the output.

    Parameters
    ----------
    n_plus, n_minus : int
        Channels of type +1, then of type -1; one of the two may be zero.
    eps, momentum : float
        As in :class:`rcviz.RevCompBatchNorm1d`.

    Attributes
    ----------
    weight : Parameter (n_plus + n_minus,)
        Scale (gamma), starting at one.
    bias : Parameter (n_plus,)
        Shift (beta) of the channels of type +1, starting at zero.
    running_mean, running_var : Tensor (n_plus,), (n_plus + n_minus,)
        Used in evaluation mode. For type +1 the variance is the Bessel-corrected (n - 1) estimate, as torch has it; for
        type -1, whose mean is known, it is the mean square, which needs no correction.

    Raises
    ------
    ValueError
        If a number of channels is negative, or both are zero; in training also for a single value per channel.

    Examples
    --------
    >>> import torch, rcviz
    >>> rcviz.IrrepBatchNorm1d(8, 3)(torch.randn(2, 11, 86)).shape
    torch.Size([2, 11, 86])
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, n_plus: int, n_minus: int, *, eps: float = 1e-3, momentum: float = 0.01) -> None:
        super().__init__(n_plus, n_minus)
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(n_plus + n_minus))
        self.bias = nn.Parameter(torch.zeros(n_plus))
        self.register_buffer("running_mean", torch.zeros(n_plus))
        self.register_buffer("running_var", torch.ones(n_plus + n_minus))

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "batch channels length"]:
        """Normalise ``x``; in training mode also update the running statistics."""
        check_features(x.shape, self.n_plus + self.n_minus)
        if self.training:
            mean = self._whole(x[:, : self.n_plus].mean((0, 2)))
            variance = (x - mean[:, None]).square().mean((0, 2))
            self._update_statistics(mean.detach(), variance.detach(), x.shape[0] * x.shape[2])
        else:
            mean, variance = self._whole(self.running_mean), self.running_var
        scale = self.weight * (variance + self.eps).rsqrt()
        return (x - mean[:, None]) * scale[:, None] + self._whole(self.bias)[:, None]

    def _whole(self, values: Float[Tensor, " plus"]) -> Float[Tensor, " channels"]:
        return F.pad(values, (0, self.n_minus))

    def _update_statistics(self, mean: Tensor, variance: Tensor, n: int) -> None:
        if n == 1:
            raise ValueError("one value per channel has no variance; train on more than one sequence or position")
        bessel = torch.ones_like(variance)
        bessel[: self.n_plus] = n / (n - 1)
        self.running_mean.lerp_(mean[: self.n_plus].to(self.running_mean), self.momentum)
        self.running_var.lerp_((variance * bessel).to(self.running_var), self.momentum)

    @torch.enable_grad()
    def to_plain(self) -> nn.Module:
        """Return an :class:`torch.nn.BatchNorm1d`, which gives the same in evaluation mode."""
        plain = nn.BatchNorm1d(self.n_plus + self.n_minus, eps=self.eps, momentum=self.momentum)
        made: nn.Module = fill(
            plain.to(self.running_mean),
            weight=current(self, "weight"),
            bias=self._whole(current(self, "bias")),
            running_mean=self._whole(self.running_mean),
            running_var=self.running_var,
        )
        return made

    def extra_repr(self) -> str:
        """Describe the layer in ``print(model)``."""
        return f"{super().extra_repr()}, eps={self.eps}, momentum={self.momentum}"
