"""The same layers, faster on a CPU in float32 and bfloat16; the plain definitions beside them stay the reference.

oneDNN convolves several times faster where the channels of a position lie beside each other in memory (channels-last),
and what follows keeps that layout. A three-dimensional tensor has it when its strides are those of ``(N, L, C)``.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from rcviz.layers._tying import mean_of_partners

_FAST = (torch.float32, torch.bfloat16)


def suits(x: Tensor) -> bool:
    """Whether the ways of this file are faster for such a tensor than the plain ones."""
    return x.device.type == "cpu" and x.dtype in _FAST


def _channels_last(x: Float[Tensor, "batch channels length"]) -> Float[Tensor, "batch channels length"]:
    return x.transpose(1, 2).contiguous().transpose(1, 2)


def convolve(
    x: Float[Tensor, "batch channels length"],
    weight: Float[Tensor, "out channels width"],
    bias: Float[Tensor, " out"] | None,
    stride: int,
    padding: int,
    dilation: int,
) -> Float[Tensor, "batch out length_out"]:
    """``F.conv1d`` with its result in channels-last layout."""
    y = F.conv2d(_channels_last(x).unsqueeze(2), weight.unsqueeze(2), None, (1, stride), (0, padding), (1, dilation))
    if bias is not None:  # oneDNN's own gradient of it takes longer than the rest of the first layer; a sum does not
        y = y.add_(bias[:, None, None])
    return y.squeeze(2)


def max_pool(
    x: Float[Tensor, "batch channels length"], kernel_size: int, stride: int
) -> Float[Tensor, "batch channels pooled"]:
    """``F.max_pool1d``, which would copy a channels-last tensor first."""
    y = F.max_pool2d(x.unsqueeze(2), (1, kernel_size), (1, stride)).squeeze(2)
    if y.requires_grad:  # a gradient in the other layout would have the far larger one of x copied twice
        y.register_hook(_channels_last)
    return y


def pooled_moments(x: Float[Tensor, "batch channels length"], eps: float) -> tuple[Tensor, Tensor]:
    """Mean and variance (divided by n) of every channel together with its RC partner, one value a channel."""
    flat = x.detach().unsqueeze(2)  # torch knows the layout of images only
    if x.dtype != torch.bfloat16:
        mean, variance = torch.batch_norm_update_stats(flat, None, None, 0.0)
    else:  # which would round them to bfloat16; normalising keeps them as float32 does
        ones = torch.ones(x.shape[1])
        _, mean, spread = torch.native_batch_norm(flat, ones, torch.zeros_like(ones), None, None, True, 0.0, eps)
        variance = spread**-2 - eps
    pooled = mean_of_partners(mean)
    return pooled, mean_of_partners(variance) + (mean - pooled) ** 2


def normalize(
    x: Float[Tensor, "batch channels length"],
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    eps: float,
) -> Float[Tensor, "batch channels length"]:
    """``(x - mean) / sqrt(variance + eps) * weight + bias``, one value of each a channel."""
    return F.batch_norm(x.unsqueeze(2), mean, variance, weight, bias, training=False, eps=eps).squeeze(2)


class PooledBatchNorm(torch.autograd.Function):
    """:func:`normalize` with the :func:`pooled_moments` of ``x``, differentiated through these as well."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, eps: float) -> Tensor:
        """Normalise."""
        return normalize(x, weight, bias, mean, variance, eps)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep what the gradient needs."""
        x, weight, _, mean, variance, ctx.eps = inputs
        ctx.save_for_backward(x, weight, mean, variance)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Subtract what the moments owe to ``x``; memory is what it takes its time for, so in few passes."""
        x, weight, mean, variance = ctx.saved_tensors
        _, into_weight, into_bias = torch.ops.aten.native_batch_norm_backward(
            gradient.unsqueeze(2),
            x.unsqueeze(2),
            weight,
            mean,
            variance,
            None,
            None,
            False,
            ctx.eps,
            [False, True, True],
        )
        n = x.shape[0] * x.shape[2]
        of_mean, of_scale = (mean_of_partners(total) / n for total in (into_bias, into_weight))
        spread = (variance + ctx.eps).rsqrt()
        scale = weight * spread
        slope = -scale * spread * of_scale
        shift = -scale * of_mean - slope * mean
        scale, slope, shift = (values[:, None].to(x.dtype) for values in (scale, slope, shift))
        into_x = torch.addcmul(shift, x, slope).addcmul_(gradient, scale)
        return into_x, into_weight, into_bias, None, None, None
