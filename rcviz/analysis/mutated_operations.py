"""Operations of torch on windows of a batch of mutations: those for which less than the whole must be computed."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from rcviz.analysis.changed_windows import ChangedWindows, WindowTensor, common_window, joined
from rcviz.layers import channels_last

_COPIES = ("clone", "detach", "alias", "_to_copy", "lift_fresh")
_CONSTANTS = ("new_zeros", "new_ones", "new_full", "zeros_like", "ones_like", "full_like")


def followed(func: Any, name: str, args: Any, kwargs: Any) -> Any:
    """Apply an operation to windows; ``NotImplemented`` where there is no rule for it, or for these arguments."""
    rule = _RULES.get(name) or (_pointwise if torch.Tag.pointwise in func.tags else None)
    result = NotImplemented if rule is None or _has_stacked(args) else rule(func, *args, **kwargs)
    if result is NotImplemented and name in _RESHAPES:
        result = _unstacked(func, *args)
    return result


def _has_stacked(args: Sequence[Any]) -> bool:
    listed = [each for arg in args for each in (arg if isinstance(arg, list | tuple) else [arg])]
    return any(isinstance(each, WindowTensor) and len(each.stacked) > 1 for each in listed)


def _pointwise(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Apply a function of single numbers, whose other arguments are the same for every sequence of the batch."""
    parts = [arg.windows for arg in args if isinstance(arg, WindowTensor)]
    if not parts or any(isinstance(arg, Tensor) for arg in kwargs.values()):
        return NotImplemented
    first, n_axes = parts[0], len(parts[0].shape)
    if not _fit(parts):
        return NotImplemented
    start, width = common_window(parts)
    references, values = [], []
    for arg in args:
        if isinstance(arg, WindowTensor):
            references.append(arg.windows.reference)
            values.append(arg.windows.at(start, width))
            continue
        references.append(arg)
        if isinstance(arg, Tensor) and arg.ndim:
            if arg.ndim > n_axes or (arg.ndim == n_axes and arg.shape[0] != 1):
                return NotImplemented
            arg = _of_window(arg, first, n_axes, start, width)
        values.append(arg)
    return first.made(func(*references, **kwargs), func(*values, **kwargs), start)


def _fit(parts: Sequence[ChangedWindows]) -> bool:
    """Whether batches are of the same sequences, with positions along the same axis."""
    first = parts[0]
    return all(
        part.row is first.row
        and (len(part.shape), part.axis, part.length) == (len(first.shape), first.axis, first.length)
        for part in parts
    )


def _of_window(tensor: Tensor, windows: ChangedWindows, n_axes: int, start: Tensor, width: int) -> Tensor:
    """Part of a tensor, the same for every sequence, that is combined with the positions of a window."""
    from_end = n_axes - windows.axis
    if tensor.ndim < from_end or tensor.shape[-from_end] == 1:
        return tensor
    position = start[:, None] + torch.arange(width, device=start.device)
    tensor = tensor.reshape((1,) * (n_axes - tensor.ndim) + tensor.shape)[0]
    return tensor.movedim(windows.axis - 1, 0)[position].movedim(1, windows.axis)


def _constant(func: Any, x: WindowTensor, *args: Any, **kwargs: Any) -> Any:
    """Make a tensor of one number for the batch, such as control tracks."""
    windows = x.windows
    if not isinstance(args[0] if args else None, list | tuple):
        return windows.made(func(windows.reference, *args, **kwargs), func(windows.values, *args, **kwargs))
    size, more = list(args[0]), args[1:]
    if len(size) <= windows.axis or size[0] != len(windows.row) or size[windows.axis] != windows.length:
        return NotImplemented
    of_reference, of_window = [len(windows.reference), *size[1:]], list(size)
    of_window[windows.axis] = windows.width
    return windows.made(
        func(windows.reference, of_reference, *more, **kwargs), func(windows.values, of_window, *more, **kwargs)
    )


def _slide(
    windows: ChangedWindows,
    reference: Tensor,
    reach: int,
    stride: int,
    padding: int,
    apply: Callable[[Tensor], Tensor],
    fill: float = 0.0,
) -> Any:
    """Apply a sliding window to the positions around the changes; ``apply`` must not pad the axis of positions."""
    start, width = windows.outputs_reached(reach, stride, padding, reference.shape[windows.axis])
    around = windows.at(start * stride - padding, (width - 1) * stride + reach, fill)
    return windows.made(reference, apply(around), start)


def _numbers(setting: Any, n: int) -> list[int]:
    listed = list(setting) if isinstance(setting, list | tuple) else [setting]
    return [int(each) for each in (listed * n if len(listed) == 1 else listed)]


def _convolution(
    func: Any, x: Any, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int,
) -> Any:  # fmt: skip
    n = weight.ndim - 2
    place = x.windows.axis - 2 if isinstance(x, WindowTensor) else -1
    if transposed or place < 0 or len(x.windows.shape) != n + 2 or isinstance(weight, WindowTensor):
        return NotImplemented
    strides, pads, dilations = (_numbers(setting, n) for setting in (stride, padding, dilation))
    other_pads = [0 if axis == place else pad for axis, pad in enumerate(pads)]
    reach = dilations[place] * (weight.shape[2 + place] - 1) + 1

    def apply(around: Tensor) -> Tensor:
        if n == 1 and groups == 1 and channels_last.is_faster(around):
            return channels_last.convolve(around, weight, bias, strides[0], 0, dilations[0])
        return func(around, weight, bias, strides, other_pads, dilations, False, output_padding, groups)

    reference = func(x.windows.reference, weight, bias, strides, pads, dilations, False, output_padding, groups)
    return _slide(x.windows, reference, reach, strides[place], pads[place], apply)


def _max_pool(
    func: Any, x: WindowTensor, kernel_size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:  # fmt: skip
    windows, n = x.windows, 2
    place = windows.axis - len(windows.shape) + n
    if place < 0 or not windows.values.is_floating_point():
        return NotImplemented
    kernels, pads, dilations = (_numbers(setting, n) for setting in (kernel_size, padding, dilation))
    strides = _numbers(stride, n) if stride else kernels
    other_pads = [0 if axis == place else pad for axis, pad in enumerate(pads)]
    reference, places = func(windows.reference, kernels, strides, pads, dilations, ceil_mode)
    reach = dilations[place] * (kernels[place] - 1) + 1
    pooled = _slide(
        windows, reference, reach, strides[place], pads[place],
        lambda around: func(around, kernels, strides, other_pads, dilations, ceil_mode)[0], -math.inf,
    )  # fmt: skip
    # The places of the maxima are not known: a model that reads them is not followed.
    none = places.new_empty([0 if axis == windows.axis else n for axis, n in enumerate(places.shape)])
    unknown = type(x)(ChangedWindows(places, none, windows.row, windows.start, windows.axis))
    unknown.stale = True
    return pooled, unknown


def _average_pool(
    func: Any, x: WindowTensor, kernel_size: Any, stride: Any = (), padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor: int | None = None,
) -> Any:  # fmt: skip
    windows, n = x.windows, 2
    place = windows.axis - len(windows.shape) + n
    kernels, pads = (_numbers(setting, n) for setting in (kernel_size, padding))
    if place < 0 or ceil_mode or (any(pads) and not count_include_pad):
        return NotImplemented
    strides = _numbers(stride, n) if stride else kernels
    other_pads = [0 if axis == place else pad for axis, pad in enumerate(pads)]
    reference = func(windows.reference, kernels, strides, pads, False, True, divisor)
    return _slide(
        windows, reference, kernels[place], strides[place], pads[place],
        lambda around: func(around, kernels, strides, other_pads, False, True, divisor),
    )  # fmt: skip


def _batch_norm(func: Any, x: WindowTensor, weight: Any, bias: Any, mean: Any, variance: Any, *settings: Any) -> Any:
    """Normalise with running statistics."""
    training = settings[0] if isinstance(settings[0], bool) else False
    windows = x.windows
    if training or mean is None or variance is None or windows.axis == 1:
        return NotImplemented
    scale = (variance + settings[-1]).rsqrt() * (1 if weight is None else weight)
    shift = -mean * scale + (0 if bias is None else bias)
    shape = (-1, *[1] * (len(windows.shape) - 2))
    scale, shift = (each.to(windows.values.dtype).reshape(shape) for each in (scale, shift))
    made = windows.made(windows.reference * scale + shift, windows.values * scale + shift)
    return made, *[torch.empty(0)] * (3 if "cudnn" in str(func) else 2)  # statistics of a batch in training


def _axes(dim: Any, n: int) -> list[int]:
    return sorted(each % n for each in (dim if isinstance(dim, list | tuple) else [dim]))


def _reduced(func: Any, x: WindowTensor, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Any:
    """Reduce axes; sums over positions are those of the references plus those of the changes."""
    windows, n = x.windows, len(x.windows.shape)
    if dim is None or dim == [] or 0 in (axes := _axes(dim, n)):
        return NotImplemented
    reference = func(windows.reference, dim, keepdim, **kwargs)
    if not isinstance(reference, Tensor):
        return NotImplemented
    if windows.axis not in axes:
        axis = windows.axis - (0 if keepdim else sum(each < windows.axis for each in axes))
        return windows.made(reference, func(windows.values, dim, keepdim, **kwargs), axis=axis)
    kind = str(func).split(".")[1]
    if kind not in ("sum", "mean") or not windows.values.is_floating_point():
        return NotImplemented
    unchanged = windows.at(windows.start, windows.width, changed=False)
    change = torch.sum(windows.values - unchanged, axes, keepdim, **kwargs)
    count = math.prod(windows.shape[axis] for axis in axes) if kind == "mean" else 1
    result = reference.index_select(0, windows.row) + change / count
    # Where little is left of a sum, such as of exponentials, the difference has lost its digits.
    before = torch.sum(windows.reference.abs(), axes, keepdim).index_select(0, windows.row)
    after = before + torch.sum(windows.values.abs() - unchanged.abs(), axes, keepdim)
    inexact = ~(after >= before / 16)
    rows = inexact.reshape(len(inexact), -1).any(dim=1).nonzero()[:, 0]
    if len(rows):
        part = ChangedWindows(
            windows.reference, windows.values[rows], windows.row[rows], windows.start[rows], windows.axis
        )
        result[rows] = torch.where(inexact[rows], func(part.whole(), dim, keepdim, **kwargs), result[rows])
    return result


def _reshaped(func: Any, x: WindowTensor, *args: Any) -> Any:
    """Split or join axes, except those of the batch and of the positions."""
    windows = x.windows
    shape = tuple(func(torch.empty(windows.shape, device="meta"), *args).shape)
    before = math.prod(windows.shape[1 : windows.axis])
    for axis in range(1, len(shape)):
        kept = shape[0] == windows.shape[0] and shape[axis] == windows.length
        if kept and math.prod(shape[1:axis]) == before and math.prod(shape) == math.prod(windows.shape):
            of_window = (*shape[:axis], windows.width, *shape[axis + 1 :])
            reference = windows.reference.reshape(len(windows.reference), *shape[1:])
            return windows.made(reference, windows.values.reshape(of_window), axis=axis)
    return NotImplemented


def _unstacked(func: Any, x: WindowTensor, *args: Any) -> Any:
    """Make one batch of several that were stacked."""
    if len(x.stacked) == 1:
        return NotImplemented
    first = x.stacked[0]
    shape = tuple(func(torch.empty(tuple(x.shape), device="meta"), *args).shape)
    if shape != (len(x.stacked) * first.shape[0], *first.shape[1:]):
        return NotImplemented
    return joined(x.stacked, alternating=True)


def _permuted(func: Any, x: WindowTensor, *args: Any) -> Any:
    windows, n = x.windows, len(x.windows.shape)
    order = list(range(n))
    if len(args) == 2:  # transposed
        first, second = (axis % n for axis in args)
        order[first], order[second] = second, first
    else:
        order = [axis % n for axis in args[0]]
    if order[0] != 0:
        return NotImplemented
    return windows.made(windows.reference.permute(order), windows.values.permute(order), axis=order.index(windows.axis))


def _sliced(func: Any, x: WindowTensor, dim: int = 0, first: Any = None, last: Any = None, step: int = 1) -> Any:
    windows = x.windows
    axis = dim % len(windows.shape)
    if axis == 0:
        return NotImplemented
    reference = func(windows.reference, axis, first, last, step)
    if axis != windows.axis:
        return windows.made(reference, func(windows.values, axis, first, last, step))
    length = reference.shape[axis]
    if step != 1 or not length:
        return NotImplemented
    skipped = min(max(first + (windows.length if first < 0 else 0), 0), windows.length) if first else 0
    start, width = windows.inside(windows.start - skipped, windows.width, length)
    return windows.made(reference, windows.at(start + skipped, width), start)


def _selected(func: Any, x: WindowTensor, dim: int, index: int) -> Any:
    windows = x.windows
    axis = dim % len(windows.shape)
    if axis in (0, windows.axis):
        return NotImplemented
    moved = windows.axis - (axis < windows.axis)
    return windows.made(func(windows.reference, axis, index), func(windows.values, axis, index), axis=moved)


def _divided(func: Any, x: WindowTensor, sizes: Any, dim: int = 0) -> Any:
    windows = x.windows
    axis = dim % len(windows.shape)
    if axis in (0, windows.axis):
        return NotImplemented
    pairs = zip(func(windows.reference, sizes, axis), func(windows.values, sizes, axis), strict=True)
    return [windows.made(*pair) for pair in pairs]  # as narrow as before


def _indexed(func: Any, x: WindowTensor, indices: Any) -> Any:
    """Select entries of one axis, such as channels in another order."""
    windows = x.windows
    given = [axis for axis, index in enumerate(indices) if index is not None]
    if len(given) != 1 or given[0] in (0, windows.axis) or indices[given[0]].ndim != 1:
        return NotImplemented
    return windows.made(func(windows.reference, indices), func(windows.values, indices))


def _flipped(func: Any, x: WindowTensor, dims: Any) -> Any:
    windows = x.windows
    axes = _axes(dims, len(windows.shape))
    if 0 in axes:
        return NotImplemented
    start = windows.length - windows.start - windows.width if windows.axis in axes else windows.start
    return windows.made(func(windows.reference, axes), func(windows.values, axes), start)


def _padded(func: Any, x: WindowTensor, pad: Sequence[int], value: Any = 0) -> Any:
    windows, n = x.windows, len(x.windows.shape)
    at = 2 * (n - 1 - windows.axis)
    if min(pad) < 0 or len(pad) > 2 * (n - 1):
        return NotImplemented
    others = [0 if k in (at, at + 1) else each for k, each in enumerate(pad)]
    start = windows.start + (pad[at] if len(pad) > at else 0)
    return windows.made(func(windows.reference, pad, value), func(windows.values, others, value), start)


def _concatenated(func: Any, tensors: Sequence[Any], dim: int = 0) -> Any:
    if not all(isinstance(tensor, WindowTensor) for tensor in tensors):
        return NotImplemented
    parts = [tensor.windows for tensor in tensors]
    first = parts[0]
    axis = dim % len(first.shape)
    same = all(part.axis == first.axis and part.length == first.length for part in parts)
    if axis == 0 and same:
        return joined(parts, alternating=False)
    if axis == first.axis or not _fit(parts):
        return NotImplemented
    start, width = common_window(parts)
    return first.made(
        func([part.reference for part in parts], axis), func([part.at(start, width) for part in parts], axis), start
    )


def _stacked(func: Any, tensors: Sequence[Any], dim: int = 0) -> Any:
    batches = all(isinstance(tensor, WindowTensor) for tensor in tensors)
    if not batches or dim != 1 or len({(tensor.shape, tensor.windows.axis) for tensor in tensors}) > 1:
        return NotImplemented
    return type(tensors[0])(*(tensor.windows for tensor in tensors)) if len(tensors) > 1 else NotImplemented


_RESHAPES = ("view", "_unsafe_view", "_reshape_alias", "unsqueeze", "squeeze")
_RULES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(_COPIES, _pointwise),
    **dict.fromkeys(_CONSTANTS, _constant),
    **dict.fromkeys(("sum", "mean", "amax", "amin", "any", "all"), _reduced),
    **dict.fromkeys(_RESHAPES, _reshaped),
    **dict.fromkeys(("permute", "transpose"), _permuted),
    **dict.fromkeys(("split", "split_with_sizes"), _divided),
    **dict.fromkeys(("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm"), _batch_norm),
    "convolution": _convolution,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _average_pool,
    "slice": _sliced,
    "select": _selected,
    "index": _indexed,
    "flip": _flipped,
    "constant_pad_nd": _padded,
    "cat": _concatenated,
    "stack": _stacked,
}
