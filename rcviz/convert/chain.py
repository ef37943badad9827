"""A network as a chain of modules, each of which gives one tensor to the next; other networks are refused by name."""

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NoReturn, TypeAlias

import torch
import torch.nn.functional as F
from torch import fx, nn

from rcviz.layers.plain import named_parts
from rcviz.layers.symmetry import declares
from rcviz.models.adapter import AdaptedModel
from rcviz.models.network import SequenceModel
from rcviz.models.runtime import check_layers_visible, check_module, evaluating

Link: TypeAlias = tuple[str, nn.Module]
"""Dotted name and module."""

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
"""For each function: its module, and the names of the arguments after the tensor, in order."""

_GLOBAL: dict[str, type[nn.Module]] = {"mean": nn.AdaptiveAvgPool1d, "amax": nn.AdaptiveMaxPool1d}
_LENGTH = (2, -1, (2,), (-1,), [2], [-1])


class NotConvertibleError(ValueError):
    """Raised for a network, or a part of one, that a conversion cannot express."""


def chain_of(model: nn.Module) -> list[Link]:
    """List the parts of a network in order of use, with their dotted names.

    Sequential modules are opened. The ``forward`` of another class is followed by :mod:`torch.fx`, and the functions in
    it become modules. Modules of torch and rcviz, and those that declare ``to_plain``, are one part each.

    Raises
    ------
    NotConvertibleError
        For a part that joins or splits tensors, that has weights and is used twice, or that cannot be traced.
    """
    check_module(model)
    check_layers_visible(model)
    if isinstance(model, AdaptedModel):
        raise NotConvertibleError(
            f"model is adapted by rcviz.as_sequence_model ({model.extra_repr()}), which no chain of modules does; "
            f"convert model.model, and adapt the result"
        )
    links = list(_links("", model))
    first: dict[nn.Module, str] = {}
    for name, part in links:
        if part in first and any(True for _ in chain(part.parameters(), part.buffers())):
            raise NotConvertibleError(
                f"{first[part]} and {name} are one module that is used twice; use a separate module in each "
                f"place, for example one made with copy.deepcopy"
            )
        first.setdefault(part, name)
    return links


def assemble(links: Iterable[Link]) -> nn.Sequential:
    """Chain modules under their names; dots become underscores, and a repeated name gets a number."""
    named: OrderedDict[str, nn.Module] = OrderedDict()
    for name, part in links:
        key = wanted = name.replace(".", "_")
        again = 2
        while key in named:
            key, again = f"{wanted}_{again}", again + 1
        named[key] = part
    return nn.Sequential(named)


def _links(name: str, part: nn.Module) -> Iterator[Link]:
    if _is_sequence(part) and not declares(part, "to_plain"):
        for key, child in named_parts(part):
            yield from _links(f"{name}.{key}" if name else key, child)
    elif _is_whole(part):
        yield name or type(part).__name__, part
    else:
        yield from _followed(name, part)


def _is_sequence(part: nn.Module) -> bool:
    runs_in_order = isinstance(part, nn.Sequential) and type(part).forward is nn.Sequential.forward
    return runs_in_order or isinstance(part, SequenceModel)


def _is_whole(part: nn.Module) -> bool:
    """Whether a module is one link: torch's, rcviz's, and every other one that declares ``to_plain``."""
    return type(part).__module__.split(".")[0] in ("torch", "rcviz") or declares(part, "to_plain")


class _Tracer(fx.Tracer):
    """Follows the ``forward`` of classes that are neither torch's nor rcviz's."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return _is_sequence(m) or _is_whole(m)


def _followed(name: str, model: nn.Module) -> Iterator[Link]:
    """Follow one tensor through ``model.forward``."""
    here: fx.Node | None = None
    done: list[nn.Module] = []
    sizes: set[fx.Node] = set()
    for node in _graph_of(model).nodes:
        if node.op == "placeholder" and here is None:
            here = node
        elif node.op == "placeholder":
            if node.users:
                _refuse(model, "it takes several inputs")
        elif node.op == "output":
            if node.args[0] is not here:
                _refuse(model, "it does not return the last tensor")
        elif _is_size(node, sizes):
            sizes.add(node)
        elif here is None or [source for source in node.all_input_nodes if source not in sizes] != [here]:
            _refuse(model, f"{_called(node)} does not take only the tensor before it, and a chain has no branches")
        else:
            here = node
            for key, part in _step(model, node, done, sizes):
                done.append(part)
                yield from _links(f"{name}.{key}" if name else key, part)


def _graph_of(model: nn.Module) -> fx.Graph:
    try:
        with evaluating(model):
            return _Tracer().trace(model)
    except Exception as error:  # any forward may fail in any way when it is given a proxy instead of a tensor
        reason = (str(error) or type(error).__name__).splitlines()[0]
        _refuse(model, f"torch.fx cannot follow it: {reason}", error)


def _step(model: nn.Module, node: fx.Node, done: list[nn.Module], sizes: set[fx.Node]) -> list[Link]:
    """Modules for one call in the traced graph."""
    if node.op == "call_module":
        if len(node.args) != 1 or node.kwargs:
            _refuse(model, f"{node.target} is given more than one tensor")
        part = model.get_submodule(str(node.target))
        if isinstance(part, nn.RNNBase):
            _refuse(model, f"{node.target} ({type(part).__name__}) reads in one direction and returns several tensors")
        return [(str(node.target), part)]
    if _is_flattening(node, sizes):
        return [(node.name, nn.Flatten())]
    modules = _as_modules(node, done)
    if modules is None:
        _refuse(model, f"no module does what {_called(node)} does there")
    return [(node.name, module.train(model.training)) for module in modules]


def _is_size(node: fx.Node, sizes: set[fx.Node]) -> bool:
    """Whether a call reads a shape or computes with sizes alone."""
    if node.op == "call_method":
        return node.target in ("size", "dim")
    reads_shape = node.op == "call_function" and node.target is getattr and node.args[1] in ("shape", "ndim")
    return reads_shape or (bool(node.all_input_nodes) and sizes.issuperset(node.all_input_nodes))


def _called(node: fx.Node) -> str:
    target: Any = node.target
    return target if isinstance(target, str) else re.sub(r"^_", "", getattr(target, "__name__", str(target)))


def _refuse(model: nn.Module, why: str, error: Exception | None = None) -> NoReturn:
    raise NotConvertibleError(
        f"{type(model).__name__}.forward is not a chain of modules: {why}; write it as an nn.Sequential, or wrap the "
        f"whole model in rcviz.RevCompConjoined"
    ) from error


def _as_modules(node: fx.Node, done: list[nn.Module]) -> list[nn.Module] | None:
    """Modules that do what ``node`` does, or None; ``done`` are the modules before it."""
    name = _name(node)
    if name == "squeeze":
        return _squeezed(node, done[-1] if done else None)
    if name in _GLOBAL:
        return _over_length(node, _GLOBAL[name], done)
    if name not in _MODULES:
        return None
    module, names = _MODULES[name]
    settings = dict(zip(names, node.args[1:], strict=False)) | dict(node.kwargs)
    settings.pop("inplace", None)
    if settings.pop("return_indices", False) or len(node.args) > 1 + len(names) or not set(settings) <= set(names):
        return None
    if name == "dropout" and settings.pop("training", True):  # traced in evaluation mode: it would drop there as well
        return None
    if name == "flatten":
        settings.setdefault("start_dim", 0)  # the module's default is 1
    return [module(**settings)]


def _is_flattening(node: fx.Node, sizes: set[fx.Node]) -> bool:
    """Whether ``x.view(...)`` or ``x.reshape(...)`` gives one row per sequence."""
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
    functions = (getattr(F, name, None), getattr(torch, name, None))
    return name if node.op == "call_function" and node.target in functions else None


def _squeezed(node: fx.Node, before: nn.Module | None) -> list[nn.Module] | None:
    """Modules for ``squeeze`` where the axis is certain to have length one."""
    axis = (*node.args[1:], *node.kwargs.values())
    pooled = isinstance(before, nn.AdaptiveMaxPool1d | nn.AdaptiveAvgPool1d) and before.output_size in (1, (1,))
    if pooled and axis in ((2,), (-1,)):
        return [nn.Flatten()]
    if isinstance(before, nn.Linear) and before.out_features == 1 and axis in ((1,), (-1,)):
        return [nn.Flatten(0)]
    return None


def _over_length(node: fx.Node, pool: type[nn.Module], done: list[nn.Module]) -> list[nn.Module] | None:
    """Modules for a mean or maximum over the positions of a feature map."""
    if any(isinstance(part, nn.Flatten | nn.Linear) for before in done for part in before.modules()):
        return None
    settings = dict(zip(("dim", "keepdim"), node.args[1:], strict=False)) | dict(node.kwargs)
    if settings.get("dim", settings.get("axis")) not in _LENGTH:
        return None
    return [pool(1)] if settings.get("keepdim", False) else [pool(1), nn.Flatten()]
