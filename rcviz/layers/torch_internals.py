"""State of torch that only private functions tell; where a version of torch lacks one, the careful answer is given."""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as _module

_GLOBAL_HOOKS = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_backward_hooks",
    "_global_backward_pre_hooks",
)
_OWN_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def is_transformed() -> bool:
    """Return True within ``torch.jit.trace``, ``vmap`` and others of ``torch.func``, or if this is not known."""
    try:
        return bool(torch._C._get_tracing_state() or torch._C._functorch.peek_interpreter_stack())
    except AttributeError:
        return True


def has_global_hooks() -> bool:
    """Return True if a hook is registered for all modules, or if this is not known."""
    return any(getattr(_module, name, True) for name in _GLOBAL_HOOKS)


def has_own_hooks(module: nn.Module) -> bool:
    """Return True if a module has a hook, or if this is not known."""
    return any(getattr(module, name, True) for name in _OWN_HOOKS)


def forward_pre_hooks(module: nn.Module) -> list[Any]:
    """List what is called before a module's forward pass; empty if this is not known."""
    return list(getattr(module, "_forward_pre_hooks", {}).values())


def remove_forward_hook(module: nn.Module, function: Any) -> None:
    """Remove a hook of which there is no handle, since an interrupt came while it was registered."""
    for name in ("_forward_pre_hooks", "_forward_hooks"):
        hooks = getattr(module, name, {})
        for key in [key for key, hook in hooks.items() if hook == function]:
            getattr(module, f"{name}_with_kwargs", {}).pop(key, None)
            hooks.pop(key, None)


def function_modes() -> list[Any] | None:
    """List the entered ``TorchFunctionMode`` of this thread, or None if they are not known."""
    try:
        return list(torch.overrides._get_current_function_mode_stack())
    except AttributeError:
        return None


def default_device() -> torch.device:
    """Device of new tensors; torch 2.9 cannot say it after ``torch.set_default_device(None)``."""
    try:
        return torch.get_default_device()
    except AttributeError:
        return torch.empty(()).device


def version_of(tensor: Tensor) -> int | None:
    """Return how often a tensor was changed in place, or None if this is not known."""
    return None if tensor.is_inference() else getattr(tensor, "_version", None)


@cache
def memory_of(operation: Any) -> tuple[bool, tuple[int, ...]] | None:
    """Whether an operation returns a view, and the places of arguments that it writes; None if this is not known."""
    schema = getattr(operation, "_schema", None)
    if schema is None:
        return None
    aliases = [argument.alias_info for argument in schema.arguments]
    writes = tuple(index for index, alias in enumerate(aliases) if alias is not None and alias.is_write)
    return not writes and any(alias is not None for alias in aliases), writes


def has_bfloat16_units() -> bool:
    """Return False for an x86 CPU that computes bfloat16 in software; True also if this is not known."""
    try:
        return bool(torch.cpu._is_avx512_bf16_supported())
    except AttributeError:
        return True


def wrapper_tensor(kind: type[Tensor], shape: tuple[int, ...], like: Tensor) -> Tensor | None:
    """Make a tensor without memory, of a class that has ``__torch_dispatch__``; None where torch has none."""
    make: Any = getattr(Tensor, "_make_wrapper_subclass", None)
    if make is None or NO_TORCH_FUNCTION is None:
        return None
    made: Tensor = make(kind, shape, dtype=like.dtype, device=like.device)
    return made


NO_TORCH_FUNCTION: Any = getattr(torch._C, "_disabled_torch_function_impl", None)
"""Value of ``__torch_function__`` for such a class, whose results torch would convert to it; None if there is none."""
