"""A network as a chain of modules, each handing one tensor to the next; what is no chain is refused by name."""

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NoReturn, TypeAlias

from torch import fx, nn

from rcviz.convert._functions import as_modules, is_flattening
from rcviz.models.network import SequenceModel
from rcviz.models.runtime import check_module, evaluating

Link: TypeAlias = tuple[str, nn.Module]


class NotConvertibleError(ValueError):
    """A network that a conversion cannot express, or a part of one."""


def chain_of(model: nn.Module) -> list[Link]:
    """Parts of a network in order of use, with their dotted names.

    Sequential modules are opened; a forward pass of one's own is followed by :mod:`torch.fx`, and the functions in it
    become modules. Modules of torch and rcviz stay whole.

    Raises
    ------
    NotConvertibleError
        For a part that joins or splits tensors, is used twice although it has weights, or cannot be followed.
    """
    check_module(model)
    links = list(_links("", model))
    first: dict[nn.Module, str] = {}
    for name, part in links:
        if part in first and any(True for _ in chain(part.parameters(), part.buffers())):
            raise NotConvertibleError(
                f"{first[part]} and {name} are one module that is used twice; give each place its own, "
                f"copy.deepcopy makes one"
            )
        first.setdefault(part, name)
    return links


def assemble(links: Iterable[Link]) -> nn.Sequential:
    """Put modules behind each other under their names, dots being no part of a name."""
    named: OrderedDict[str, nn.Module] = OrderedDict()
    for name, part in links:
        key = wanted = name.replace(".", "_")
        again = 2
        while key in named:
            key, again = f"{wanted}_{again}", again + 1
        named[key] = part
    return nn.Sequential(named)


def _links(name: str, part: nn.Module) -> Iterator[Link]:
    if _is_sequence(part):
        for key, child in part._modules.items():  # named_children leaves out what is there a second time
            assert child is not None
            yield from _links(f"{name}.{key}" if name else key, child)
    elif _is_whole(part):
        yield name or type(part).__name__, part
    else:
        yield from _followed(name, part)


def _is_sequence(part: nn.Module) -> bool:
    own = type(part).forward is not nn.Sequential.forward
    return isinstance(part, SequenceModel) or (isinstance(part, nn.Sequential) and not own)


def _is_whole(part: nn.Module) -> bool:
    return type(part).__module__.split(".")[0] in ("torch", "rcviz")


class _Tracer(fx.Tracer):
    """Looks into the modules of strangers only."""

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
                _refuse(model, "it returns something else than the last tensor")
        elif _is_size(node, sizes):
            sizes.add(node)
        elif here is None or [source for source in node.all_input_nodes if source not in sizes] != [here]:
            _refuse(model, f"{_called(node)} does not take the one tensor before it, and a chain has no second way")
        else:
            here = node
            for key, part in _step(model, node, done, sizes):
                done.append(part)
                yield from _links(f"{name}.{key}" if name else key, part)


def _graph_of(model: nn.Module) -> fx.Graph:
    try:
        with evaluating(model):
            return _Tracer().trace(model)
    except Exception as error:  # a forward pass of one's own may do anything with what it is given
        reason = (str(error) or type(error).__name__).splitlines()[0]
        _refuse(model, f"torch.fx cannot follow it: {reason}", error)


def _step(model: nn.Module, node: fx.Node, done: list[nn.Module], sizes: set[fx.Node]) -> list[Link]:
    """What one call becomes."""
    if node.op == "call_module":
        if len(node.args) != 1 or node.kwargs:
            _refuse(model, f"{node.target} is given more than one tensor")
        part = model.get_submodule(str(node.target))
        if isinstance(part, nn.RNNBase):
            _refuse(model, f"{node.target} ({type(part).__name__}) reads in one direction and hands on several tensors")
        return [(str(node.target), part)]
    if is_flattening(node, sizes):
        return [(node.name, nn.Flatten())]
    modules = as_modules(node, done)
    if modules is None:
        _refuse(model, f"no module does what {_called(node)} does there")
    return [(node.name, module.train(model.training)) for module in modules]


def _is_size(node: fx.Node, sizes: set[fx.Node]) -> bool:
    """Whether a call reads or reckons with shapes."""
    if node.op == "call_method":
        return node.target in ("size", "dim")
    reads_shape = node.op == "call_function" and node.target is getattr and node.args[1] in ("shape", "ndim")
    return reads_shape or (bool(node.all_input_nodes) and sizes.issuperset(node.all_input_nodes))


def _called(node: fx.Node) -> str:
    target: Any = node.target
    return target if isinstance(target, str) else re.sub(r"^_", "", getattr(target, "__name__", str(target)))


def _refuse(model: nn.Module, why: str, error: Exception | None = None) -> NoReturn:
    raise NotConvertibleError(
        f"{type(model).__name__}.forward is no chain of modules: {why}; write it as an nn.Sequential, or keep it whole "
        f"in rcviz.RevCompConjoined"
    ) from error
