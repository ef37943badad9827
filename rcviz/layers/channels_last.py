"""Faster operations for a CPU in float32 and bfloat16; torch's own functions stay the reference.

oneDNN convolves several times faster where the channels of a position are beside each other in memory (channels-last),
and the operations after a convolution keep that layout. A three-dimensional tensor is in this layout when its strides
are those of ``(N, L, C)``.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from rcviz.layers.pairing import mean_of_partners
from rcviz.layers.torch_internals import is_transformed

Pooled: TypeAlias = Callable[[Tensor], Tensor]
"""Function that gives every channel the mean of its own value and its RC partner's, or its own where it has none."""

_FAST = (torch.float32, torch.bfloat16)
_FEWEST_CHANNELS = 16
"""Number of input channels from which on the gradient by windows is faster; with the four bases it is not."""


def is_faster(x: Tensor) -> bool:
    """Whether the functions of this file are faster for such a tensor, and possible: vmap does not support them."""
    return x.device.type == "cpu" and x.dtype in _FAST and not is_transformed()


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
    images = _channels_last(x).unsqueeze(2), weight.unsqueeze(2)
    differentiated = torch.is_grad_enabled()
    # oneDNN's gradient of a bias takes longer than the rest of the first layer; the gradient of a sum does not.
    inside = None if differentiated else bias
    if differentiated and windows_are_faster(weight) and (stride, padding, dilation) == (1, 0, 1):
        y = _WindowConvolution.apply(*images)
    else:
        y = F.conv2d(*images, inside, (1, stride), (0, padding), (1, dilation))
    if bias is not None and inside is None:
        y = y.add_(bias[:, None, None])
    return y.squeeze(2)


def windows_are_faster(weight: Tensor) -> bool:
    """Whether :class:`_WindowConvolution` is faster; with AVX-512, oneDNN has a faster kernel of its own."""
    return (
        weight.shape[1] >= _FEWEST_CHANNELS
        and not torch.is_autocast_enabled("cpu")  # which would give the two factors of a product different types
        and not torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    )


class _WindowConvolution(torch.autograd.Function):
    """Convolution of images in channels-last layout whose weight gradient is one batched matrix product.

    In channels-last layout the positions under a filter are ``width * channels`` consecutive numbers, and the next
    numbers are those of the window ``width`` positions further on. The windows that begin at every ``width``-th
    position are therefore the rows of a matrix, without a copy.
    """

    @staticmethod
    def forward(x: Tensor, weight: Tensor) -> Tensor:
        return F.conv2d(x, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        into_x = into_weight = None
        if ctx.needs_input_grad[0]:
            into_x = torch.ops.aten.convolution_backward(
                gradient, x, weight, None, (1, 1), (0, 0), (1, 1), False, (0, 0), 1, [True, False, False]
            )[0]
        if ctx.needs_input_grad[1]:
            into_weight = _into_weight(x.squeeze(2), gradient.squeeze(2), weight.shape[3]).unsqueeze(2)
        return into_x, into_weight


def _into_weight(
    x: Float[Tensor, "batch channels length"], gradient: Float[Tensor, "batch out length_out"], width: int
) -> Float[Tensor, "out channels width"]:
    n, channels, length = x.shape
    out = gradient.shape[1]
    flat = x.transpose(1, 2).reshape(-1)
    # All sequences are one row of positions: zeros where a window would reach into the next sequence.
    rows = F.pad(gradient.transpose(1, 2), (0, 0, 0, width - 1)).reshape(-1)
    n_windows = n * length - width + 1
    of_each = n_windows // width
    sums = torch.bmm(
        rows.as_strided((width, out, of_each), (out, 1, width * out)),
        flat.as_strided((width, of_each, width * channels), (channels, width * channels, 1)),
    ).sum(0)
    done, left = of_each * width, n_windows % width
    sums += rows[done * out :].as_strided((out, left), (1, out)) @ flat[done * channels :].as_strided(
        (left, width * channels), (channels, 1)
    )
    return sums.view(out, width, channels).transpose(1, 2)


def max_pool(
    x: Float[Tensor, "batch channels length"], kernel_size: int, stride: int
) -> Float[Tensor, "batch channels pooled"]:
    """``F.max_pool1d``, which would copy a channels-last tensor first."""
    y = F.max_pool2d(x.unsqueeze(2), (1, kernel_size), (1, stride)).squeeze(2)
    if y.requires_grad:  # a gradient in the other layout would make torch copy the much larger gradient of x twice
        y.register_hook(_channels_last)
    return y


def pooled_moments(
    x: Float[Tensor, "batch channels length"], eps: float, pooled: Pooled = mean_of_partners
) -> tuple[Tensor, Tensor]:
    """Mean and variance (divided by n) of every channel together with its RC partner, one value per channel."""
    flat = x.detach().unsqueeze(2)  # torch supports this layout for images only
    if x.dtype != torch.bfloat16:
        mean, variance = torch.batch_norm_update_stats(flat, None, None, 0.0)
    else:  # where batch_norm_update_stats rounds to bfloat16; native_batch_norm computes in float32
        ones = torch.ones(x.shape[1])
        _, mean, spread = torch.native_batch_norm(flat, ones, torch.zeros_like(ones), None, None, True, 0.0, eps)
        variance = spread**-2 - eps
    of_both = pooled(mean)
    return of_both, pooled(variance) + (mean - of_both) ** 2


@torch.no_grad()
def update_running_statistics(norm: Any, mean: Tensor, variance: Tensor, n: int) -> None:
    """Update running statistics as torch's own batch norm does, for ``n`` values per stored channel."""
    norm.num_batches_tracked += 1
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance * (n / (n - 1)), norm.momentum)


def normalize(
    x: Float[Tensor, "batch channels length"],
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    eps: float,
) -> Float[Tensor, "batch channels length"]:
    """``(x - mean) / sqrt(variance + eps) * weight + bias``, with one value of each per channel."""
    return F.batch_norm(x.unsqueeze(2), mean, variance, weight, bias, training=False, eps=eps).squeeze(2)


class PooledBatchNorm(torch.autograd.Function):
    """:func:`normalize` with the :func:`pooled_moments` of an image ``x``, whose gradient is included.

    With ``windows`` (width, stride, positions left out at each end) a max-pooling follows. As long as no weight is
    negative, the maxima are at the same positions as those of ``x``, so that only these are normalised.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        eps: float,
        pooled: Pooled = mean_of_partners,
        windows: tuple[int, int, int] | None = None,
    ) -> Tensor:
        """Normalise."""
        values, places = (x, None) if windows is None else _maxima(x, *windows)
        ctx.save_for_backward(x, values, places, weight, mean, variance)
        ctx.eps, ctx.pooled = eps, pooled
        return F.batch_norm(values, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Include the gradient through the moments; in few passes, as memory access takes most of the time."""
        x, values, places, weight, mean, variance = ctx.saved_tensors
        _, into_weight, into_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, values, weight, mean, variance, None, None, False, ctx.eps, [False, True, True]
        )
        n = x.shape[0] * x.shape[3]
        of_mean, of_scale = (ctx.pooled(total) / n for total in (into_bias, into_weight))
        spread = (variance + ctx.eps).rsqrt()
        scale = weight * spread
        slope = -scale * spread * of_scale
        shift = -scale * of_mean - slope * mean
        scale, slope, shift = (of_channel[:, None, None].to(x.dtype) for of_channel in (scale, slope, shift))
        into_x = torch.addcmul(shift, x, slope)
        if places is None:
            into_x.addcmul_(gradient, scale)
        else:
            into_x.permute(0, 2, 3, 1).view(-1).scatter_add_(0, places.reshape(-1), (gradient * scale).reshape(-1))
        return into_x, into_weight, into_bias, None, None, None, None, None


def _maxima(x: Tensor, width: int, stride: int, trim: int) -> tuple[Tensor, Tensor]:
    """Largest values of all windows, and their indices in the memory of a channels-last image ``x``."""
    n, channels, _, length = x.shape
    inner = x[..., trim : length - trim]
    values, positions = F.max_pool2d_with_indices(inner, (1, width), (1, stride))
    rows = torch.arange(n)[:, None, None, None] * length + trim + positions
    return values, rows * channels + torch.arange(channels)[:, None, None]
