"""What every floor asks of an ``nn.Module``: a forward pass that leaves it as found, its device, a part by name.

Training may run in a thread while the notebook analyses the same model: what is switched here - the model's mode and
torch's global settings and generators - is switched under a lock.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

_GUARD = threading.Lock()  # of the two names below, never held for long
_model_locks: "WeakKeyDictionary[nn.Module, threading.RLock]" = WeakKeyDictionary()
_exact: dict[str, Any] = {"inside": 0, "before": []}
_GENERATORS = threading.RLock()  # torch's global generators, one set for the whole process


@contextmanager
def alone_with(model: nn.Module) -> Iterator[None]:
    """Make other threads that ask for the same model wait; a thread may ask again while it has it."""
    with _GUARD:
        lock = _model_locks.setdefault(model, threading.RLock())
    with lock:
        yield


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every part of ``model`` into evaluation mode for a while; afterwards each is in the mode it was in."""
    with _in_mode(model, training=False):
        yield


@contextmanager
def learning(model: nn.Module) -> Iterator[None]:
    """Put every part of ``model`` into training mode for a while; afterwards each is in the mode it was in."""
    with _in_mode(model, training=True):
        yield


@contextmanager
def _in_mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    with alone_with(model):
        modes = [(module, module.training) for module in model.modules()]
        model.train(training)
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Compute float32 as float32: TF32 on a GPU would open a gap between the strands of 1e-3 instead of 1e-6.

    Also asks cuDNN for deterministic algorithms. The settings are the whole process's: they are given back when the
    last of all threads leaves.
    """
    with _GUARD:
        if not _exact["inside"]:
            wanted = _exact_settings()
            _exact["before"] = [(where, name, getattr(where, name)) for where, name, _ in wanted]
            for where, name, value in wanted:
                setattr(where, name, value)
        _exact["inside"] += 1
    try:
        yield
    finally:
        with _GUARD:
            _exact["inside"] -= 1
            if not _exact["inside"]:
                for where, name, value in _exact["before"]:
                    setattr(where, name, value)


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

    Streams in several threads take turns, so that each draws what it would draw alone. Whoever draws from the global
    generators meanwhile in another thread and not through a stream disturbs both.

    Parameters
    ----------
    seed : int
        Determines the numbers.
    device : torch.device
        Whose generator is used beside the CPU's.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._cuda = [device] if device.type == "cuda" else []
        devices = [torch.device("cpu"), *self._cuda]
        self._states = [torch.Generator(of).manual_seed(seed).get_state() for of in devices]

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Go on with this stream; afterwards the generators are as they were found."""
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


def place(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device and floating-point type of a model, those of its first floating tensor."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
    return torch.device("cpu"), torch.float32


def one_hot_batch(codes: UInt8[np.ndarray, "batch length"], model: nn.Module) -> Float[Tensor, "batch 4 length"]:
    """One-hot floats of one batch on the model's device and in its type; an N is an all-zero column."""
    device, dtype = place(model)
    letters = torch.from_numpy(np.array(codes))  # a copy: views may run backwards, and read-only arrays warn
    return one_hot_tensor(letters.to(device), dtype)


def one_hot_tensor(codes: UInt8[Tensor, "*batch length"], dtype: torch.dtype) -> Float[Tensor, "*batch 4 length"]:
    """One-hot floats where the codes are; an N is an all-zero column."""
    bases = torch.arange(4, dtype=torch.uint8, device=codes.device)
    return (codes[..., None, :] == bases[:, None]).to(dtype)


def find_module(model: nn.Module, layer: nn.Module | str) -> tuple[str, nn.Module]:
    """Return name and module of a part of ``model`` given as either one; an error lists the names there are."""
    parts = dict(model.named_modules())
    for name, part in parts.items():
        if part is layer or name == layer:
            return name, part
    known = ", ".join(name for name in parts if name) or "none"
    wanted = f"named {layer!r}" if isinstance(layer, str) else f"that is the given {type(layer).__name__}"
    raise ValueError(f"the model has no layer {wanted}; its layers are: {known}")


def to_numpy(tensor: Tensor) -> np.ndarray:
    """Bring a tensor to NumPy, which has no bfloat16."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
