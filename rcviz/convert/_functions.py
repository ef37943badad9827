"""Functions that a forward pass calls, as the modules that do the same."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

_MODULES: dict[str, tuple[type[nn.Module], tuple[str, ...]]] = {
    "relu": (nn.ReLU, ()),
    "elu": (nn.ELU, ("alpha",)),
    "gelu": (nn.GELU, ("approximate",)),
    "leaky_relu": (nn.LeakyReLU, ("negative_slope",)),
    "sigmoid": (nn.Sigmoid, ()),
    "silu": (nn.SiLU, ()),
    "softplus": (nn.Softplus, ("beta", "threshold")),
    "tanh": (nn.Tanh, ()),
    "max_pool1d": (nn.MaxPool1d, ("kernel_size", "stride", "padding", "dilation", "ceil_mode")),
    "avg_pool1d": (nn.AvgPool1d, ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")),
    "adaptive_max_pool1d": (nn.AdaptiveMaxPool1d, ("output_size",)),
    "adaptive_avg_pool1d": (nn.AdaptiveAvgPool1d, ("output_size",)),
    "dropout": (nn.Dropout, ("p", "training")),
    "flatten": (nn.Flatten, ("start_dim", "end_dim")),
}
"""Module and the names of what its function takes behind the tensor, in order."""

_GLOBAL: dict[str, type[nn.Module]] = {"mean": nn.AdaptiveAvgPool1d, "amax": nn.AdaptiveMaxPool1d}
_LENGTH = (2, -1, (2,), (-1,), [2], [-1])


def as_modules(node: fx.Node, done: list[nn.Module]) -> list[nn.Module] | None:
    """Modules that do what ``node`` does, or None; ``done`` are the modules before it."""
    name = _name(node)
    if name == "squeeze":
        return _squeezed(node, done[-1] if done else None)
    if name in _GLOBAL:
        return _over_length(node, _GLOBAL[name], done)
    if name not in _MODULES:
        return None
    module, names = _MODULES[name]
    given = dict(zip(names, node.args[1:], strict=False)) | dict(node.kwargs)
    given.pop("inplace", None)
    if given.pop("return_indices", False) or len(node.args) > 1 + len(names) or not set(given) <= set(names):
        return None
    if name == "dropout" and given.pop("training", True):  # followed in evaluation: it would drop there as well
        return None
    if name == "flatten":
        given.setdefault("start_dim", 0)  # the module begins at 1
    return [module(**given)]


def is_flattening(node: fx.Node, sizes: set[fx.Node]) -> bool:
    """Whether ``x.view(...)`` or ``x.reshape(...)`` gives a row to every sequence."""
    if node.op != "call_method" or node.target not in ("view", "reshape"):
        return False
    shape: Any = node.args[1] if len(node.args) == 2 else node.args[1:]
    if not isinstance(shape, tuple | list) or len(shape) != 2:
        return False
    return all(size == -1 or size in sizes for size in shape) or (shape[0] == -1 and isinstance(shape[1], int))


def _name(node: fx.Node) -> str | None:
    if node.op == "call_method":
        return str(node.target)
    name = getattr(node.target, "__name__", "")
    known = (getattr(F, name, None), getattr(torch, name, None))
    return name if node.op == "call_function" and node.target in known else None


def _squeezed(node: fx.Node, before: nn.Module | None) -> list[nn.Module] | None:
    """``squeeze`` is safe where the axis is known to be of length one."""
    axis = (*node.args[1:], *node.kwargs.values())
    pooled = isinstance(before, nn.AdaptiveMaxPool1d | nn.AdaptiveAvgPool1d) and before.output_size in (1, (1,))
    if pooled and axis in ((2,), (-1,)):
        return [nn.Flatten()]
    if isinstance(before, nn.Linear) and before.out_features == 1 and axis in ((1,), (-1,)):
        return [nn.Flatten(0)]
    return None


def _over_length(node: fx.Node, pool: type[nn.Module], done: list[nn.Module]) -> list[nn.Module] | None:
    if any(isinstance(part, nn.Flatten | nn.Linear) for before in done for part in before.modules()):
        return None
    given = dict(zip(("dim", "keepdim"), node.args[1:], strict=False)) | dict(node.kwargs)
    if given.get("dim", given.get("axis")) not in _LENGTH:
        return None
    return [pool(1)] if given.get("keepdim", False) else [pool(1), nn.Flatten()]
