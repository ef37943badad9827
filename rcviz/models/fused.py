"""A built network with its layers computed together, which is faster on a CPU in float32 than its modules one by one.

Apart from the convolutions, most time is spent on reading and writing feature maps, so this is done as rarely as
possible:

- A bias before a batch norm only shifts the running mean, so it is added only there.
- The last batch norm and rectifier are increasing functions: maxima are pooled first, and only these go through them.
- In prediction, a batch norm is merged into the convolution before it.
- The other rectifiers overwrite their input.

:class:`rcviz.SequenceModel` takes this path where its attribute ``fused`` is True and :func:`can_fuse` finds every
part as :func:`rcviz.build_model` made it; otherwise its modules run one by one.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rcviz.layers import channels_last, pairing
from rcviz.layers.batchnorm import RevCompBatchNorm1d
from rcviz.layers.conv import RevCompConv1d
from rcviz.layers.pooling import RevCompMaxPool1d
from rcviz.layers.torch_internals import has_global_hooks, has_own_hooks, is_transformed

Conv: TypeAlias = RevCompConv1d | nn.Conv1d
Pool: TypeAlias = RevCompMaxPool1d | nn.MaxPool1d
Norm: TypeAlias = RevCompBatchNorm1d | nn.BatchNorm1d


@dataclass(frozen=True)
class Blocks:
    """Parts of a network up to its pooling.

    Attributes
    ----------
    convolutions, norms, rectifiers : tuple of nn.Module
        One of each per block, in order.
    pool : RevCompMaxPool1d or nn.MaxPool1d
        Pooling after the last block.
    """

    convolutions: tuple[Conv, ...]
    norms: tuple[Norm, ...]
    rectifiers: tuple[nn.ReLU, ...]
    pool: Pool


def can_fuse(model: nn.Module, x: Tensor) -> bool:
    """Whether the fused path gives what the modules give for ``x``, and is faster.

    The input is float32 on a CPU and needs no gradient, no transformation of torch is active, no module
    has a hook, and every part up to the pooling has the type, the mode and the settings that the path was written for.
    """
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not x.requires_grad
        and (model.training or not torch.is_grad_enabled())
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not is_transformed()
        and not has_global_hooks()
        and (blocks := blocks_of(model)) is not None
        and _is_untouched(blocks, training=model.training)
        and _has_known_settings(blocks)
    )


def blocks_of(model: nn.Module) -> Blocks | None:
    """Blocks of a network that consists of convolution, batch norm and rectifier, repeated, a max-pooling and two more.

    The last two may be anything, because they are called as modules. The types must be exact: this path replaces the
    ``forward`` of the other parts, and a subclass may have another one.
    """
    parts: list[Any] = list(model.children())
    if len(parts) < 6 or len(parts) % 3:
        return None
    *body, pool, _, _ = parts
    convolutions, norms, rectifiers = body[0::3], body[1::3], body[2::3]
    tied = type(convolutions[0]) is RevCompConv1d
    conv_type, norm_type = (RevCompConv1d, RevCompBatchNorm1d) if tied else (nn.Conv1d, nn.BatchNorm1d)
    if (
        {type(part) for part in convolutions} != {conv_type}
        or {type(part) for part in norms} != {norm_type}
        or {type(part) for part in rectifiers} != {nn.ReLU}
        or type(pool) not in (RevCompMaxPool1d, nn.MaxPool1d)
    ):
        return None
    return Blocks(tuple(convolutions), tuple(norms), tuple(rectifiers), pool)


def _is_untouched(blocks: Blocks, *, training: bool) -> bool:
    """Whether every part is in the model's mode, in float32, without hooks and with the methods of its class."""
    return all(
        part.training == training
        and not any(callable(value) and hasattr(type(part), name) for name, value in vars(part).items())
        and not has_own_hooks(part)
        and all(
            tensor.dtype == torch.float32 and tensor.device.type == "cpu"
            for tensor in (*part.parameters(recurse=False), *part.buffers(recurse=False))
            if tensor.is_floating_point()
        )
        for part in (*blocks.convolutions, *blocks.norms, *blocks.rectifiers, blocks.pool)
    )


def _has_known_settings(blocks: Blocks) -> bool:
    n_channels = 4
    for conv, norm in zip(blocks.convolutions, blocks.norms, strict=True):
        if not (_is_simple_convolution(conv) and conv.in_channels == n_channels and _is_simple_norm(norm)):
            return False
        n_channels = conv.out_channels
        if (norm.n_channels if isinstance(norm, RevCompBatchNorm1d) else norm.num_features) != n_channels:
            return False
    return _is_simple_pool(blocks.pool)


def _is_simple_convolution(conv: Conv) -> bool:
    if isinstance(conv, RevCompConv1d):
        simple = (conv.stride, conv.pad, conv.dilation) == (1, 0, 1)
    else:
        settings = (conv.stride, conv.dilation, conv.groups, conv.padding_mode)
        simple = settings == ((1,), (1,), 1, "zeros") and conv.padding in ("valid", (0,))
    return simple and conv.bias is not None


def _is_simple_norm(norm: Norm) -> bool:
    """Whether a batch norm has all parts; not with a scale of zero, after which all values of a window are maxima."""
    return (
        norm.weight is not None
        and bool(norm.weight.all())
        and norm.bias is not None
        and norm.track_running_stats
        and norm.running_mean is not None
        and norm.running_var is not None
        and norm.num_batches_tracked is not None
        and norm.momentum is not None
    )


def _is_simple_pool(pool: Pool) -> bool:
    if isinstance(pool, RevCompMaxPool1d):
        return True
    settings = (pool.padding, pool.dilation, pool.ceil_mode, pool.return_indices)
    return settings == (0, 1, False, False) and isinstance(pool.kernel_size, int) and isinstance(pool.stride, int)


def pooled_features(model: nn.Module, x: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "batch channels pooled"]:
    """Everything up to the pooling, of a network for which :func:`can_fuse` holds."""
    blocks = blocks_of(model)
    assert blocks is not None
    unused = x.new_zeros(())
    depth = len(blocks.convolutions)
    for layer, (conv, norm) in enumerate(zip(blocks.convolutions, blocks.norms, strict=True), start=1):
        assert conv.bias is not None
        pool = blocks.pool if layer == depth else None
        if model.training:
            x = _train_block(x, conv, norm, pool)
            unused = unused + 0 * conv.bias.sum()  # so that the bias has a gradient of zero and not None
        else:
            x = _predict_block(x, conv, norm, pool)
    return x + unused


def _predict_block(x: Tensor, conv: Conv, norm: Norm, pool: Pool | None) -> Tensor:
    assert conv.bias is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    shift = (conv.bias - norm.running_mean) * scale + norm.bias
    weight, (scale, shift) = _expanded(conv, scale, shift)
    x = channels_last.convolve(x, weight * scale[:, None, None], shift, 1, 0, 1)
    if isinstance(pool, nn.MaxPool1d):  # which would copy the features first
        assert isinstance(pool.kernel_size, int)
        assert isinstance(pool.stride, int)
        return channels_last.max_pool(x, pool.kernel_size, pool.stride).relu_()
    return (x if pool is None else pool(x)).relu_()


def _train_block(x: Tensor, conv: Conv, norm: Norm, pool: Pool | None) -> Tensor:
    assert conv.bias is not None
    windows, sign = None, torch.ones_like(norm.weight)
    if pool is not None:
        # A negative scale would turn minima into maxima, so its sign is moved into the filters.
        sign = torch.where(norm.weight.detach() < 0, -sign, sign)
        trim = pool.trim(x.shape[2] - conv.weight.shape[2] + 1) if isinstance(pool, RevCompMaxPool1d) else 0
        windows = pool.kernel_size, pool.stride, trim
    weight, (signs, scale, shift) = _expanded(conv, sign, norm.weight * sign, norm.bias)
    x = channels_last.convolve(x, weight * signs[:, None, None], None, 1, 0, 1)
    pooled = pairing.mean_of_partners if isinstance(norm, RevCompBatchNorm1d) else _unchanged
    mean, variance = channels_last.pooled_moments(x, norm.eps, pooled)
    stored, n_values = norm.num_features, x[:, 0].numel() * len(mean)
    channels_last.update_running_statistics(
        norm, mean[:stored] * sign + conv.bias, variance[:stored], n_values // stored
    )
    image = channels_last.PooledBatchNorm.apply(x.unsqueeze(2), scale, shift, mean, variance, norm.eps, pooled, windows)
    normalized: Tensor = image.relu_().squeeze(2)
    return normalized


def _expanded(conv: Conv, *stored: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Filters, and the values stored per filter, for RC partners as well."""
    if isinstance(conv, RevCompConv1d):
        return conv.expanded_weight(), [pairing.tie_channels(values) for values in stored]
    return conv.weight, list(stored)


def _unchanged(values: Tensor) -> Tensor:
    return values
