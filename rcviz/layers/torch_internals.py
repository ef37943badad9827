"""State of torch that only private functions tell; where a version of torch lacks one, the careful answer is given."""

import torch
from torch.nn.modules import module as _module

_GLOBAL_HOOKS = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_backward_hooks",
    "_global_backward_pre_hooks",
)


def is_transformed() -> bool:
    """Return True within ``torch.jit.trace``, ``vmap`` and others of ``torch.func``, or if this is not known."""
    try:
        return bool(torch._C._get_tracing_state() or torch._C._functorch.peek_interpreter_stack())
    except AttributeError:
        return True


def has_global_hooks() -> bool:
    """Return True if a hook is registered for all modules, or if this is not known."""
    return any(getattr(_module, name, True) for name in _GLOBAL_HOOKS)


def has_bfloat16_units() -> bool:
    """Return False for an x86 CPU that computes bfloat16 in software; True also if this is not known."""
    try:
        return bool(torch.cpu._is_avx512_bf16_supported())
    except AttributeError:
        return True
