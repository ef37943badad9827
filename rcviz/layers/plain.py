"""Weights as the next forward pass uses them, and helpers for ``to_plain``: plain torch modules with a layer's weights.

``weight_norm``, ``spectral_norm`` and pruning of ``torch.nn.utils`` recompute a weight before every forward pass, as a
user's own hook may; until then the attribute ``weight`` holds that of the last one. What reads weights outside a
forward pass reads them here.
"""

import copy
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from rcviz.layers.torch_internals import forward_pre_hooks

Shape: TypeAlias = tuple[int | None, ...]
"""Shape of an input without the batch: (channels, length) or (features,); None for what is not known."""


def current(module: nn.Module, name: str) -> Any:
    """Tensor of a module as the next forward pass in evaluation mode uses it, with its graph; None if it is None."""
    if torch.compiler.is_compiling() or not any(_weight_hooks(module)):
        return getattr(module, name)
    return getattr(_after_weight_hooks(module), name)


def with_current_weights(module: nn.Module) -> Any:
    """Return a module with the weights that ``module`` would use next in evaluation mode, as plain parameters.

    The module itself where no part of it recomputes weights; otherwise a copy without normalisation, pruning and
    parametrisations of weights, which shares all other tensors. ``module`` is not modified.
    """
    if not any(any(_weight_hooks(part)) or parametrize.is_parametrized(part) for part in module.modules()):
        return module
    return _plain_copy(module, {})


@contextmanager
def weight_attributes_kept(module: nn.Module) -> Iterator[None]:
    """Keep the tensors that hooks set as attributes in each forward pass, so that a pass inside leaves no others."""
    kept = [(part, name, vars(part)[name]) for part in module.modules() for name in _recomputed(part)]
    try:
        yield
    finally:
        for part, name, value in kept:
            vars(part)[name] = value


def _recomputed(module: nn.Module) -> list[str]:
    own = _has_own_weight(module)
    names = dict.fromkeys("weight" if own else _name_of(hook) for hook in _weight_hooks(module))
    return [name for name in names if name in vars(module)]


def _plain_copy(module: nn.Module, done: dict[nn.Module, nn.Module]) -> nn.Module:
    if module in done:
        return done[module]
    with torch.enable_grad():
        result = done[module] = _after_weight_hooks(module)
    for name, part in named_parts(module):
        if name != "parametrizations":
            result.add_module(name, _plain_copy(part, done))
    with torch.no_grad():
        own = _has_own_weight(module)
        for name in dict.fromkeys("weight" if own else _name_of(hook) for hook in _weight_hooks(module)):
            computed_from = _sources(result) if own else [name + end for end in ("_g", "_v", "_orig")]
            sources = [_taken(result, source) for source in computed_from]
            for end in ("_u", "_v", "_mask"):
                _taken(result, name + end)
            value = vars(result).pop(name)
            learned = any(source is not None and source.requires_grad for source in sources)
            setattr(result, name, nn.Parameter(value.detach(), learned))
        if parametrize.is_parametrized(module):
            _settle_parametrizations(module, result)
    for hooks in ("_forward_pre_hooks", "_state_dict_hooks", "_load_state_dict_pre_hooks"):
        kept = {key: hook for key, hook in getattr(result, hooks, {}).items() if not _is_of_torch_utils(hook)}
        setattr(result, hooks, OrderedDict() if own and hooks == "_forward_pre_hooks" else OrderedDict(kept))
    result.training = module.training
    return result


def _settle_parametrizations(module: Any, result: nn.Module) -> None:
    values = {}
    for name, parametrization in module.parametrizations.items():
        # In training mode, reading a weight may take a step of its power iteration.
        evaluated = _evaluating_copy(parametrization)
        learned = [tensor.requires_grad for tensor in parametrization.parameters(recurse=False)]
        values[name] = nn.Parameter(evaluated().detach(), any(learned)) if learned else evaluated().detach()
    result.__class__ = parametrize.type_before_parametrizations(module)
    del result.parametrizations
    for name, value in values.items():
        if isinstance(value, nn.Parameter):
            setattr(result, name, value)
        else:
            result.register_buffer(name, value)


def _after_weight_hooks(module: nn.Module) -> nn.Module:
    """Copy a module without its tensors, and compute its weights as its next forward pass in evaluation mode does."""
    result = _shallow_copy(module)
    result.training = False
    for hook in _weight_hooks(module):
        hook(result, ())
    return result


def _evaluating_copy(module: nn.Module) -> Any:
    result = _shallow_copy(module)
    result.training = False
    for name, part in named_parts(module):
        result.add_module(name, _evaluating_copy(part))
    return result


def named_parts(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """List the children with their names; ``named_children`` leaves out one that is there a second time."""
    named = module.named_modules(remove_duplicate=False)
    return [(name, part) for name, part in named if name and "." not in name]


def _taken(module: nn.Module, name: str) -> Tensor | None:
    """Take a parameter or buffer out of a module that may have it."""
    own = (module.named_parameters(recurse=False, remove_duplicate=False), module.named_buffers(recurse=False))
    for tensors in own:
        for key, tensor in tensors:
            if key == name:
                delattr(module, name)
                return tensor
    return None


def _shallow_copy(module: nn.Module) -> nn.Module:
    """Copy a module with its lists and dictionaries, not with what these hold."""
    result = object.__new__(type(module))
    for name, value in vars(module).items():
        result.__dict__[name] = copy.copy(value) if isinstance(value, list | dict) else value
    return result


def _weight_hooks(module: nn.Module) -> Iterator[Any]:
    """Hooks with which torch, or a user's module, recomputes a weight before a forward pass."""
    own = _has_own_weight(module)
    return (hook for hook in forward_pre_hooks(module) if _is_of_torch_utils(hook) or (own and _is_own(hook)))


def _has_own_weight(module: nn.Module) -> bool:
    """Whether a weight is neither a parameter nor computed by torch, so that a user's hook must set it."""
    return isinstance(vars(module).get("weight"), Tensor) and not any(
        map(_is_of_torch_utils, forward_pre_hooks(module))
    )


def _name_of(hook: Any) -> Any:
    return getattr(hook, "name", None) or getattr(hook, "_tensor_name", "weight")


@torch.enable_grad()
def _sources(module: Any) -> list[str]:
    """Names of the parameters from which a user's hook has computed the weight."""
    own = module.named_parameters(recurse=False, remove_duplicate=False)
    learned = {name: part for name, part in own if part.requires_grad}
    if not learned or not module.weight.requires_grad:
        return []
    slopes = torch.autograd.grad(module.weight.sum(), list(learned.values()), allow_unused=True)
    return [name for name, slope in zip(learned, slopes, strict=True) if slope is not None]


def _is_own(hook: Any) -> bool:
    return not str(getattr(hook, "__module__", "")).startswith("rcviz.")


def _is_of_torch_utils(hook: Any) -> bool:
    hook = getattr(hook, "hook", hook)
    return any(kind.__module__.startswith("torch.nn.utils.") for kind in type(hook).__mro__)


def refuse_plain(why: str) -> NoReturn:
    """Raise because plain torch modules, one after the other, cannot express a layer."""
    raise ValueError(
        f"it {why}, which no chain of plain torch modules does; torch.export and rcviz.export_onnx take the model as "
        f"it is"
    )


def channels_of(shape: Shape | None) -> int:
    """Number of channels that a layer is given, for a layer that does not store it."""
    if shape is None or shape[0] is None:
        raise ValueError("the number of its input channels is not known; put it after a convolution")
    return shape[0]


def in_order(**modules: nn.Module) -> nn.Sequential:
    """Modules one after the other; the one called ``layer`` keeps the name of the layer that they replace."""
    return nn.Sequential(OrderedDict(modules))


def fill(made: Any, **values: Tensor | None) -> Any:
    """Copy values into tensors of a module; those made from a frozen tensor are frozen."""
    for name, value in values.items():
        if value is not None:
            with torch.no_grad():
                getattr(made, name).copy_(value)
            getattr(made, name).requires_grad_(value.requires_grad)
    return made


@torch.enable_grad()
def with_weights(
    kind: type[nn.Module], inputs: int, outputs: int, *size: int, layer: Any, **settings: Any
) -> nn.Module:
    """Convolution or dense layer with the expanded weights of ``layer``; torch's random generators are not used."""
    layer = with_current_weights(layer)
    weight, bias = layer.expanded_weight(), layer.expanded_bias()
    made: Any = kind(inputs, outputs, *size, **settings, bias=bias is not None, device="meta")
    return _given(made, weight=weight.reshape(made.weight.shape), bias=bias)


def fixed_mixing(matrix: Tensor) -> nn.Module:
    """Convolution of width 1 that multiplies the channels of every position by ``matrix``, in its dtype."""
    out, n = matrix.shape
    return _given(nn.Conv1d(n, out, 1, bias=False, device="meta"), weight=matrix[:, :, None])


def _given(made: nn.Module, **values: Tensor | None) -> nn.Module:
    """Give a module that was made without memory copies of tensors; those made from a frozen tensor are frozen.

    ``torch.nn.utils.skip_init`` imports sympy, which takes longer than the conversion of a network.
    """
    for name, value in values.items():
        if value is not None:
            own = value.detach().clone(memory_format=torch.contiguous_format)
            setattr(made, name, nn.Parameter(own, value.requires_grad))
    return made
