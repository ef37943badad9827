"""Batch normalisation with one set of statistics for a channel and its RC partner (section 3.1.2)."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rcviz._core.checks import check_features
from rcviz.layers import channels_last, pairing
from rcviz.layers.plain import current, fill
from rcviz.layers.symmetry import PAIRED


class RevCompBatchNorm1d(nn.Module):
    """Batch normalisation whose statistics are pooled over a channel and its RC partner (section 3.1.2).

    Plain :class:`torch.nn.BatchNorm1d` after a tied layer breaks the strand symmetry, and only once training starts.
    It is no :class:`torch.nn.BatchNorm1d`, which ``SyncBatchNorm.convert_sync_batchnorm`` would replace by a layer that
    does not pool over partners; on several devices each has the statistics of its own part of the batch.
    Equivariant: the RC of the input gives the RC of the output. In training in float32 on a CPU it does
    not support second derivatives.

    Parameters
    ----------
    n_channels : int
        Channels of the input, an even number; ``i`` and ``n_channels - 1 - i`` are RC partners.
    eps : float
        Added to the variance; 1e-3 as in the original (torch's own default is 1e-5).
    momentum : float
        Share of the new batch in the running statistics; 0.01 corresponds to Keras momentum 0.99 in the original code.
    affine : bool
        Learn a scale and a shift per channel pair.

    Attributes
    ----------
    weight, bias : Parameter (n_channels // 2,)
        Scale (gamma) and shift (beta).
    running_mean, running_var : Tensor (n_channels // 2,)
        Used in evaluation mode. The running variance holds the Bessel-corrected (n - 1) estimate, as torch has it;
        a batch in training is normalised with the uncorrected one.

    Raises
    ------
    ValueError
        For an odd number of channels.

    Examples
    --------
    >>> import torch, rcviz
    >>> rcviz.RevCompBatchNorm1d(16)(torch.randn(2, 16, 86)).shape
    torch.Size([2, 16, 86])
    """

    symmetry = PAIRED
    draws_random = False
    weight: Any  # a parameter, or None without affine
    bias: Any
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float | None

    def __init__(self, n_channels: int, *, eps: float = 1e-3, momentum: float = 0.01, affine: bool = True) -> None:
        super().__init__()
        self.num_features = pairing.require_even(n_channels, "RevCompBatchNorm1d")
        self.n_channels = n_channels
        self.eps, self.momentum, self.affine, self.track_running_stats = eps, momentum, affine, True
        for name in ("weight", "bias"):
            self.register_parameter(name, nn.Parameter(torch.empty(self.num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(self.num_features))
        self.register_buffer("running_var", torch.ones(self.num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set scale, shift and running statistics to what they are in a new layer."""
        self.reset_running_stats()
        if self.affine:
            nn.init.ones_(self.weight)
            nn.init.zeros_(self.bias)

    def reset_running_stats(self) -> None:
        """Forget the batches that the layer has seen."""
        self.running_mean.zero_()
        self.running_var.fill_(1)
        self.num_batches_tracked.zero_()

    def expanded_weight(self) -> Float[Tensor, " channels"] | None:
        """Scale of every channel, (n_channels,), or None without ``affine``."""
        weight = current(self, "weight")
        return None if weight is None else pairing.tie_channels(weight)

    def expanded_bias(self) -> Float[Tensor, " channels"] | None:
        """Shift of every channel, (n_channels,), or None without ``affine``."""
        bias = current(self, "bias")
        return None if bias is None else pairing.tie_channels(bias)

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "batch channels length"]:
        """Normalise ``x``; in training mode also update the running statistics."""
        check_features(x.shape, self.n_channels)
        weight, bias = self.expanded_weight(), self.expanded_bias()
        if not self.training:
            mean, variance = pairing.tie_channels(self.running_mean), pairing.tie_channels(self.running_var)
            return channels_last.normalize(x, weight, bias, mean, variance, self.eps)
        is_usual = weight is not None and bias is not None and self.momentum is not None and self.track_running_stats
        in_float32 = self.running_mean.dtype == torch.float32  # as the moments, also of an input in bfloat16
        if not (is_usual and in_float32 and channels_last.is_faster(x)):
            return pairing.length_to_strands(self._normalize_halves(pairing.strands_to_length(x)))
        mean, variance = channels_last.pooled_moments(x, self.eps)
        half = self.num_features
        channels_last.update_running_statistics(self, mean[:half], variance[:half], 2 * x.shape[0] * x.shape[2])
        return channels_last.PooledBatchNorm.apply(x.unsqueeze(2), weight, bias, mean, variance, self.eps).squeeze(2)

    def _normalize_halves(self, x: Float[Tensor, "batch half length2"]) -> Float[Tensor, "batch half length2"]:
        """Normalise channels that hold both strands one after the other, as torch does in training."""
        momentum = self.momentum
        if self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            momentum = 1 / float(self.num_batches_tracked) if momentum is None else momentum
        mean, variance = (self.running_mean, self.running_var) if self.track_running_stats else (None, None)
        return F.batch_norm(x, mean, variance, self.weight, self.bias, True, momentum or 0.0, self.eps)

    @torch.enable_grad()
    def to_plain(self) -> nn.Module:
        """Return an :class:`torch.nn.BatchNorm1d`, which gives the same in evaluation mode.

        In training mode its statistics are those of each channel alone.
        """
        plain = nn.BatchNorm1d(self.n_channels, eps=self.eps, momentum=self.momentum, affine=self.affine)
        made: nn.Module = fill(
            plain.to(self.running_mean),
            weight=self.expanded_weight(),
            bias=self.expanded_bias(),
            running_mean=pairing.tie_channels(self.running_mean),
            running_var=pairing.tie_channels(self.running_var),
            num_batches_tracked=self.num_batches_tracked,
        )
        return made

    def extra_repr(self) -> str:
        """Describe the layer in ``print(model)``."""
        return f"{self.n_channels}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}"
