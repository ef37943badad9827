"""Locks, modes, devices, arithmetic and random numbers of any ``nn.Module`` while it is evaluated or trained.

Training may run in a thread while a notebook analyses the same model. Therefore the model's mode, torch's global
settings and its random generators are changed under a lock and restored afterwards, whatever happens.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from rcviz._core.changes import Change, Holding, Within
from rcviz._core.checks import shown
from rcviz._core.threads import shared_lock
from rcviz.models.settings import (
    FunctionMode,
    OwnSettings,
    WithoutCudnn,
    exact_arithmetic,
    self_contained,
)
from rcviz.models.threads import Threads, enough_threads

Module = TypeVar("Module", bound=nn.Module)

_GUARD = shared_lock()  # protects the dictionary below; never held for long
_model_locks: "WeakKeyDictionary[nn.Module, Any]" = WeakKeyDictionary()


def model_lock(model: nn.Module) -> Holding:
    """Hold a model's lock: other threads that request it wait, the thread that holds it may enter again."""
    check_module(model)
    with Holding(_GUARD):
        if model not in _model_locks:
            _model_locks[model] = shared_lock()
        return Holding(_model_locks[model])


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Run ``model``: all of it in evaluation mode, without gradients, in exact arithmetic, whatever the user has set.

    The lock of the model is held. Afterwards the mode of every module and all settings are restored.
    """
    with (
        model_lock(model),
        _Mode(model, training=False),
        OwnSettings(device_and_dtype(model)[0], gradients=False),
        exact_arithmetic(),
    ):
        yield


@contextmanager
def training_mode(model: nn.Module, *, evaluated: Iterable[str] = ()) -> Iterator[None]:
    """Run every module of ``model`` in training mode, except those named, and record gradients.

    Otherwise like :func:`evaluating`.
    """
    with (
        model_lock(model),
        _Mode(model, training=True, but_not=evaluated),
        OwnSettings(device_and_dtype(model)[0], gradients=True),
        exact_arithmetic(),
    ):
        yield


def threads_for(model: nn.Module, n_positions: int) -> Threads:
    """Use as many threads as have enough to do in a forward pass for so many positions, those of all sequences.

    The work is estimated from above: every weight is used at every position.
    """
    return enough_threads(n_positions * weights_of(model))


def weights_of(model: nn.Module) -> int:
    """Count the numbers that a model holds; those of a lazy layer are known after its first forward pass."""
    return sum(tensor.numel() for _, tensor in _named_tensors(model) if not is_lazy(tensor))


class _Mode(Change):
    """Training or evaluation mode of every module."""

    def __init__(self, model: nn.Module, *, training: bool, but_not: Iterable[str] = ()) -> None:
        self._model, self._training, self._but_not = model, training, but_not
        self._before: list[tuple[nn.Module, bool]] = []

    def make(self) -> None:
        self._before = modes_of(self._model)
        try:
            self._model.train(self._training)
        except NotImplementedError as error:  # an exported program keeps the mode in which it was exported
            if self._training:
                raise ValueError(
                    "an exported program cannot be trained; train the module that it was made from"
                ) from error
            for module in self._model.modules():
                module.training = False
        for name in self._but_not:
            self._model.get_submodule(name).training = False

    def undo(self) -> None:
        set_modes(self._before)


def modes_of(model: nn.Module) -> list[tuple[nn.Module, bool]]:
    """Every module with its mode: whether it is in training mode."""
    return [(module, module.training) for module in model.modules()]


def set_modes(modes: Iterable[tuple[nn.Module, bool]]) -> None:
    """Put modules into the modes that :func:`modes_of` returned."""
    for module, mode in modes:
        module.training = mode


def is_compiled(model: nn.Module) -> bool:
    """Whether ``torch.compile`` was applied to a module, or to one inside."""
    parts = list(model.modules())
    return any(hasattr(part, "_orig_mod") or getattr(part, "_compiled_call_impl", None) for part in parts)


def uncompiled(model: nn.Module) -> AbstractContextManager[Any]:
    """Run the modules inside compiled ones as they are, so that hooks and functions can be followed."""
    return Within(torch.compiler.set_stance("force_eager")) if is_compiled(model) else nullcontext()


def without_wrapper(model: nn.Module) -> nn.Module:
    """Module inside torch's wrappers that return what it returns: DataParallel, DDP, a compiled or averaged model."""
    check_module(model)
    children = dict(model.named_children())
    is_wrapper = (
        type(model).__module__.startswith("torch.") and len(children) == 1 and set(children) <= {"module", "_orig_mod"}
    )
    return without_wrapper(next(iter(children.values()))) if is_wrapper else model


def check_layers_visible(model: nn.Module) -> None:
    """Refuse TorchScript, which runs no hooks."""
    if any(isinstance(part, torch.jit.ScriptModule) for part in model.modules()):
        raise ValueError(
            "the layers of a TorchScript program cannot be followed; pass the nn.Module that it was made from"
        )


@self_contained
def copy_module(module: Module) -> Module:
    """Copy a module; unlike ``copy.deepcopy`` also after a forward pass that kept tensors with a gradient in it."""
    with _DetachedCopies():
        return copy.deepcopy(module)


class _DetachedCopies(FunctionMode):
    """Copy tensors that were computed from others without their graph, which torch cannot copy."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.__deepcopy__ and not args[0].is_leaf:
            return args[0].detach().clone()
        return func(*args, **(kwargs or {}))


@self_contained
def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """Copy all weights of a model, with its buffers."""
    with model_lock(model):
        return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


@self_contained
def restore(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put a snapshot's weights into the model, none if it is empty, and leave it in evaluation mode."""
    with model_lock(model):
        if weights:
            model.load_state_dict(weights)
        model.eval()


@contextmanager
def differentiating(model: nn.Module) -> Iterator[None]:
    """Record gradients; without cuDNN for recurrent layers, whose gradients it refuses in evaluation mode."""
    on_cuda = device_and_dtype(model)[0].type == "cuda"
    without_cudnn = on_cuda and any(isinstance(module, nn.RNNBase) for module in model.modules())
    with (
        OwnSettings(device_and_dtype(model)[0], gradients=True),
        uncompiled(model),
        WithoutCudnn() if without_cudnn else nullcontext(),
    ):
        yield


def check_module(model: object) -> None:
    """Refuse a model that is not an ``nn.Module``, such as a function."""
    if not isinstance(model, nn.Module):
        remedy = "pass model.module()" if callable(getattr(model, "module", None)) else "wrap it in one that calls it"
        raise ValueError(f"model must be a torch.nn.Module, got {type(model).__name__}; {remedy}")


def check_not_meta(model: nn.Module) -> None:
    """Refuse parameters on the meta device: they have no values, and torch's convolutions would read any memory."""
    check_module(model)
    for name, tensor in _named_tensors(model):
        if tensor.is_meta:
            raise ValueError(
                f"{name} is on the meta device, where tensors have no values; create them, for example with "
                f"model.to_empty(device='cpu') and model.load_state_dict(...)"
            )


def check_single_device(model: nn.Module) -> None:
    """Refuse a model on several devices or of several floating-point types, as torch does for some operations only."""
    check_not_meta(model)
    error = several_devices_error(model)
    if error is not None:
        raise error


def several_devices_error(model: nn.Module) -> ValueError | None:
    """Error that names the devices and floating-point types of a model, or None if there is one of each."""
    first: dict[tuple[torch.device, torch.dtype], str] = {}
    for name, tensor in _named_tensors(model):
        if tensor.is_floating_point():
            first.setdefault((tensor.device, tensor.dtype), name)
    if len(first) < 2:
        return None
    listed = " and ".join(f"{name} is {dtype} on {device}" for (device, dtype), name in first.items())
    return ValueError(
        f"the model's parameters are on different devices or of different dtypes: {listed.replace('torch.', '')}; "
        f"move all of them, for example with model.to('cpu').float()"
    )


def device_and_dtype(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device and floating-point type of a model, those of its first floating-point tensor."""
    for _, tensor in _named_tensors(model):
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
    return torch.device("cpu"), torch.float32


def _named_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def find_module(model: nn.Module, layer: nn.Module | str) -> tuple[str, nn.Module]:
    """Return name and module of a layer of ``model`` given as either one; the error lists the names of all layers."""
    check_module(model)
    modules = dict(model.named_modules())
    for name, module in modules.items():
        if module is layer or (name and name == layer):
            return name, module
    names = ", ".join(name for name in modules if name) or "none"
    if isinstance(layer, nn.Module):
        raise ValueError(
            f"layer must be a part of the model, and this {type(layer).__name__} is not: it may be that of a copy, or "
            f"of another model; the model's layers are: {names}"
        )
    if not isinstance(layer, str):
        raise ValueError(
            f"layer must be a module of the model or its name, got {shown(layer)}; its layers are: {names}"
        )
    raise ValueError(f"the model has no layer named {layer!r}; its layers are: {names}")
