"""Locks, modes, devices, arithmetic and random numbers of any ``nn.Module`` while it is evaluated or trained.

Training may run in a thread while a notebook analyses the same model. Therefore the model's mode, torch's global
settings and its random generators are changed under a lock and restored afterwards.
"""

import copy
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

Module = TypeVar("Module", bound=nn.Module)

_GUARD = threading.Lock()  # protects the two dictionaries below; never held for long
_model_locks: "WeakKeyDictionary[nn.Module, threading.RLock]" = WeakKeyDictionary()
_changed_settings: dict[str, dict[str, Any]] = {}
_GENERATORS = threading.RLock()  # torch's global random generators, one set for the whole process


@contextmanager
def model_lock(model: nn.Module) -> Iterator[None]:
    """Hold a model's lock: other threads that request it wait, the thread that holds it may enter again."""
    check_module(model)
    with _GUARD:
        lock = _model_locks.setdefault(model, threading.RLock())
    with lock:
        yield


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every module of ``model`` into evaluation mode; afterwards the mode of each is restored."""
    with _in_mode(model, training=False):
        yield


@contextmanager
def training_mode(model: nn.Module, *, evaluated: Iterable[str] = ()) -> Iterator[None]:
    """Put every module of ``model`` into training mode, except those named; afterwards the mode of each is restored."""
    with _in_mode(model, training=True):
        for name in evaluated:
            model.get_submodule(name).training = False
        yield


@contextmanager
def _in_mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    with model_lock(model):
        modes = [(module, module.training) for module in model.modules()]
        try:
            _set_mode(model, training)
            yield
        finally:
            for module, mode in modes:
                module.training = mode


def _set_mode(model: nn.Module, training: bool) -> None:
    try:
        model.train(training)
    except NotImplementedError as error:  # an exported program keeps the mode in which it was exported
        if training:
            raise ValueError("an exported program cannot be trained; train the module that it was made from") from error
        for module in model.modules():
            module.training = False


def is_compiled(model: nn.Module) -> bool:
    """Whether ``torch.compile`` was applied to a module, or to one inside."""
    parts = list(model.modules())
    return any("_orig_mod" in part._modules or getattr(part, "_compiled_call_impl", None) for part in parts)


def uncompiled(model: nn.Module) -> AbstractContextManager[Any]:
    """Run the modules inside compiled ones as they are, so that hooks and functions can be followed."""
    return torch.compiler.set_stance("force_eager") if is_compiled(model) else nullcontext()


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


def copy_module(module: Module) -> Module:
    """Copy a module; unlike ``copy.deepcopy`` also after a forward pass that kept tensors with a gradient in it."""
    with _DetachedCopies():
        return copy.deepcopy(module)


class _DetachedCopies(TorchFunctionMode):
    """Copy tensors that were computed from others without their graph, which torch cannot copy."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.__deepcopy__ and not args[0].is_leaf:
            return args[0].detach().clone()
        return func(*args, **(kwargs or {}))


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """Copy all weights of a model, with its buffers."""
    with model_lock(model):
        return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def restore(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put a snapshot's weights into the model, none if it is empty, and leave it in evaluation mode."""
    with model_lock(model):
        if weights:
            model.load_state_dict(weights)
        model.eval()


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Compute float32 as float32: TF32 on a GPU would open a gap between the strands of 1e-3 instead of 1e-6.

    Also asks cuDNN for deterministic algorithms. These settings belong to the whole process; they are restored when
    the last thread that is inside leaves.
    """
    with _process_settings("exact arithmetic", _exact_settings()):
        yield


@contextmanager
def differentiating(model: nn.Module) -> Iterator[None]:
    """Record gradients; without cuDNN for recurrent layers, whose gradients it refuses in evaluation mode."""
    on_cuda = device_and_dtype(model)[0].type == "cuda"
    without_cudnn = on_cuda and any(isinstance(module, nn.RNNBase) for module in model.modules())
    settings = _process_settings("gradients", [(torch.backends.cudnn, "enabled", False)])
    with torch.enable_grad(), uncompiled(model), settings if without_cudnn else nullcontext():
        yield


@contextmanager
def _process_settings(key: str, settings: list[tuple[Any, str, Any]]) -> Iterator[None]:
    """Change settings of the process while at least one thread is inside; the last one to leave restores them."""
    with _GUARD:
        state = _changed_settings.setdefault(key, {"n_inside": 0, "before": []})
        if not state["n_inside"]:
            state["before"] = [(owner, name, getattr(owner, name)) for owner, name, _ in settings]
            for owner, name, value in settings:
                setattr(owner, name, value)
        state["n_inside"] += 1
    try:
        yield
    finally:
        with _GUARD:
            state["n_inside"] -= 1
            if not state["n_inside"]:
                for owner, name, value in state["before"]:
                    setattr(owner, name, value)


def _exact_settings() -> list[tuple[Any, str, Any]]:
    cudnn: Any = torch.backends.cudnn
    matmul = torch.backends.cuda.matmul
    precision: list[tuple[Any, str, Any]]
    if hasattr(matmul, "fp32_precision"):  # torch 2.9 and later refuse the older switches next to these
        precision = [(matmul, "fp32_precision", "ieee"), (cudnn.conv, "fp32_precision", "ieee")]
    else:
        precision = [(matmul, "allow_tf32", False), (cudnn, "allow_tf32", False)]
    return [*precision, (cudnn, "deterministic", True), (cudnn, "benchmark", False)]


class RandomStream:
    """Random numbers of one computation, drawn from torch's global generators, which modules such as dropout use.

    Streams in several threads take turns, so that each draws what it would draw alone. Code in another thread that
    draws from the global generators without a stream at the same time disturbs both.

    Parameters
    ----------
    seed : int
        Determines the numbers.
    device : torch.device
        Its generator is used as well as the CPU's.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._cuda = [device] if device.type == "cuda" else []
        generators = [torch.Generator(where).manual_seed(seed) for where in (torch.device("cpu"), *self._cuda)]
        self._states = [generator.get_state() for generator in generators]

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Continue this stream; afterwards the states of the global generators are restored."""
        with _GENERATORS, torch.random.fork_rng(self._cuda):
            self._swap_in()
            try:
                yield
            finally:
                self._states = [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in self._cuda)]

    def _swap_in(self) -> None:
        torch.set_rng_state(self._states[0])
        for device, state in zip(self._cuda, self._states[1:], strict=True):
            torch.cuda.set_rng_state(state, device)


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
        if module is layer or name == layer:
            return name, module
    names = ", ".join(name for name in modules if name) or "none"
    wanted = f"named {layer!r}" if isinstance(layer, str) else f"that is the given {type(layer).__name__}"
    raise ValueError(f"the model has no layer {wanted}; its layers are: {names}")
