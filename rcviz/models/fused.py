"""A network of the paper in one go, faster on a CPU in float32; its modules one by one stay the reference.

What is around the convolutions is a matter of memory, so feature maps are read and written as seldom as can be:

- A bias before a batch norm changes nothing but the running mean, so it goes there directly.
- The last batch norm and rectifier rise with their input: maxima are taken first, and only these go through them.
- To predict, a batch norm is absorbed into the convolution before it.
- The other rectifiers overwrite their input.
"""

from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from rcviz.layers import _cpu, _tying
from rcviz.layers.batchnorm import RevCompBatchNorm1d
from rcviz.layers.conv import RevCompConv1d
from rcviz.layers.pooling import RevCompMaxPool1d

Conv: TypeAlias = RevCompConv1d | nn.Conv1d
Pool: TypeAlias = RevCompMaxPool1d | nn.MaxPool1d

_KINDS = {
    "conv": (RevCompConv1d, nn.Conv1d),
    "norm": (RevCompBatchNorm1d, nn.BatchNorm1d),
    "relu": (nn.ReLU,),
    "pool": (RevCompMaxPool1d, nn.MaxPool1d),
}


def suits(model: nn.Module, x: Tensor) -> bool:
    """Whether a network may go this way: it is as it was built, and nobody looks into it or asks for x's gradient."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not x.requires_grad
        and (model.training or not torch.is_grad_enabled())
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch._C._get_tracing_state()
        and torch._C._functorch.peek_interpreter_stack() is None
        and not torch_module._has_any_global_hook()
        and _is_as_built([name.rstrip("0123456789") for name, _ in model.named_children()])
        and all(_is_plain(name, part, model.training) for name, part in model.named_children())
    )


def _is_as_built(names: list[str]) -> bool:
    """Whether parts were neither added nor taken away; the last two may be others, as they are called in any case."""
    *inside, _, _ = names if len(names) > 2 else ("", "", "")
    return inside == ["conv", "norm", "relu"] * (len(inside) // 3) + ["pool"]


def _is_plain(name: str, part: nn.Module, training: bool) -> bool:
    kinds = _KINDS.get(name.rstrip("0123456789"))
    return (
        (kinds is None or type(part) in kinds)
        and part.training == training
        and "forward" not in vars(part)
        and not (part._forward_hooks or part._forward_pre_hooks or part._backward_hooks or part._backward_pre_hooks)
        and all(tensor.dtype == torch.float32 for tensor in part.parameters(recurse=False))
    )


def pooled_features(model: nn.Module, x: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "batch channels pooled"]:
    """Everything up to the pooling, of a network that :func:`suits`."""
    parts = dict(model.named_children())
    depth = sum(name.startswith("conv") for name in parts)
    unused = x.new_zeros(())
    for layer in range(1, depth + 1):
        conv, norm = parts[f"conv{layer}"], parts[f"norm{layer}"]
        assert isinstance(conv, Conv)
        assert isinstance(norm, nn.BatchNorm1d)
        assert conv.bias is not None
        pool = parts["pool"] if layer == depth else None
        assert isinstance(pool, Pool | None)
        if model.training:
            x = _learning(x, conv, norm, pool)
            unused = unused + 0 * conv.bias.sum()  # no gradient is not the same as one of zero
        else:
            x = _predicting(x, conv, norm, pool)
    return x + unused


def _predicting(x: Tensor, conv: Conv, norm: nn.BatchNorm1d, pool: Pool | None) -> Tensor:
    assert conv.bias is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    shift = (conv.bias - norm.running_mean) * scale + norm.bias
    weight, (scale, shift) = _of_channels(conv, scale, shift)
    x = _cpu.convolve(x, weight * scale[:, None, None], shift, 1, 0, 1)
    return (x if pool is None else pool(x)).relu_()


def _learning(x: Tensor, conv: Conv, norm: nn.BatchNorm1d, pool: Pool | None) -> Tensor:
    assert conv.bias is not None
    windows, sign = None, torch.ones_like(norm.weight)
    if pool is not None:
        # Under a negative scale minima would become maxima, so its sign goes into the filters.
        sign = torch.where(norm.weight.detach() < 0, -sign, sign)
        trim = pool.trim(x.shape[2] - conv.weight.shape[2] + 1) if isinstance(pool, RevCompMaxPool1d) else 0
        windows = pool.kernel_size, pool.stride, trim
    weight, (signs, scale, shift) = _of_channels(conv, sign, norm.weight * sign, norm.bias)
    x = _cpu.convolve(x, weight * signs[:, None, None], None, 1, 0, 1)
    pooled = _tying.mean_of_partners if isinstance(norm, RevCompBatchNorm1d) else _own
    mean, variance = _cpu.pooled_moments(x, norm.eps, pooled)
    stored, n_values = norm.num_features, x[:, 0].numel() * len(mean)
    _cpu.follow(norm, mean[:stored] * sign + conv.bias, variance[:stored], n_values // stored)
    image = _cpu.PooledBatchNorm.apply(x.unsqueeze(2), scale, shift, mean, variance, norm.eps, pooled, windows)
    normalized: Tensor = image.relu_().squeeze(2)
    return normalized


def _of_channels(conv: Conv, *stored: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Give filters, and what is stored for one, for RC partners as well."""
    if isinstance(conv, RevCompConv1d):
        return conv.expanded_weight(), [_tying.tie_channels(values) for values in stored]
    return conv.weight, list(stored)


def _own(values: Tensor) -> Tensor:
    return values
