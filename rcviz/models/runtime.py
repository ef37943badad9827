"""What every floor asks of an ``nn.Module``: a forward pass that leaves it as found, its device, a part by name.

Training may run in a thread while the notebook analyses the same model: what is switched here - the model's mode and
torch's global settings and generators - is switched under a lock.
"""

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

_GUARD = threading.Lock()  # of the two names below, never held for long
_model_locks: "WeakKeyDictionary[nn.Module, threading.RLock]" = WeakKeyDictionary()
_held: dict[str, dict[str, Any]] = {}
_GENERATORS = threading.RLock()  # torch's global generators, one set for the whole process
_SIZES = re.compile("shape|size|dimension|channels")  # words of torch's refusals of another length or layout


@contextmanager
def model_lock(model: nn.Module) -> Iterator[None]:
    """Make other threads that ask for the same model wait; a thread may ask again while it has it."""
    check_module(model)
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
def training_mode(model: nn.Module) -> Iterator[None]:
    """Put every part of ``model`` into training mode for a while; afterwards each is in the mode it was in."""
    with _in_mode(model, training=True):
        yield


@contextmanager
def _in_mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    with model_lock(model):
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
    with _holding("exact", _exact_settings()):
        yield


@contextmanager
def differentiating(model: nn.Module) -> Iterator[None]:
    """Record gradients in evaluation mode, too, where cuDNN refuses those of recurrent layers and torch does not."""
    without = [(torch.backends.cudnn, "enabled", False)] if device_and_dtype(model)[0].type == "cuda" else []
    recurrent = any(isinstance(part, nn.RNNBase) for part in model.modules())
    with torch.enable_grad(), _holding("differentiating", without) if without and recurrent else nullcontext():
        yield


@contextmanager
def _holding(what: str, settings: list[tuple[Any, str, Any]]) -> Iterator[None]:
    """Change settings of the process, from the first thread that comes until the last one that leaves."""
    held = _held.setdefault(what, {"inside": 0, "before": []})
    with _GUARD:
        if not held["inside"]:
            held["before"] = [(where, name, getattr(where, name)) for where, name, _ in settings]
            for where, name, value in settings:
                setattr(where, name, value)
        held["inside"] += 1
    try:
        yield
    finally:
        with _GUARD:
            held["inside"] -= 1
            if not held["inside"]:
                for where, name, value in held["before"]:
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


def check_module(model: object) -> None:
    """Refuse what is called like a model but has no parts to look into, such as a function."""
    if not isinstance(model, nn.Module):
        raise ValueError(f"model must be a torch.nn.Module, got {type(model).__name__}; wrap it in one that calls it")


def run(model: nn.Module, x: Float[Tensor, "..."]) -> Any:
    """Run a model; where torch refuses, a sentence says why: another layout or length, parts in two places."""
    check_numbers(model)
    try:
        return model(x)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if (scattered := _scattered(model)) is not None:
            raise scattered from error
        if _takes(model, x.transpose(1, 2).contiguous()):
            reads, layout = ("length, 4", "NLC") if x.shape[1] == 4 else ("4, length", "NCL")
            raise ValueError(
                f"the model reads sequences as (batch, {reads}): say so with "
                f"rcviz.as_sequence_model(model, layout={layout!r})"
            ) from error
        if not _SIZES.search(str(error)):  # what a network of one's own says is said as it is
            raise
        raise ValueError(
            f"the model does not accept one-hot sequences (batch, {x.shape[1]}, {x.shape[2]}): "
            f"{str(error).splitlines()[0]}; give it sequences of "
            f"the length that it was built for, and another layout through rcviz.as_sequence_model"
        ) from error


def check_single_device(model: nn.Module) -> None:
    """Refuse a model on several devices or of several floating-point types, as torch does for some operations only."""
    check_numbers(model)
    if (scattered := _scattered(model)) is not None:
        raise scattered


def check_numbers(model: nn.Module) -> None:
    """Refuse parts without numbers: torch's convolutions take them for tensors that happen to hold anything."""
    check_module(model)
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_meta:
            raise ValueError(
                f"{name} is on the meta device, where tensors have no numbers; give the model some, for example with "
                f"model.to_empty(device='cpu') and model.load_state_dict(...)"
            )


def _scattered(model: nn.Module) -> ValueError | None:
    """Say where the parts of a model are, if that is not one place."""
    places = _places(model)
    if len(places) < 2:
        return None
    parts = " and ".join(f"{name} is {dtype} on {device}" for (device, dtype), name in places.items())
    return ValueError(
        f"the model is not in one place: {parts.replace('torch.', '')}; bring it together, for example with "
        f"model.to('cpu').float()"
    )


def one_tensor(y: Any) -> Tensor:
    """Return what a model returned when it is a tensor, else say how one of its entries is picked."""
    if isinstance(y, Tensor):
        return y
    pick = (
        repr(next(iter(y))) if isinstance(y, Mapping) and y else "0" if isinstance(y, tuple | list) else "lambda y: ..."
    )
    raise ValueError(
        f"the model returns a {described(y)}, and logits are one tensor (batch, tasks): pick it with "
        f"rcviz.as_sequence_model(model, output={pick})"
    )


def described(y: Any) -> str:
    """What a model returned, in words: its kind and the entries to pick from."""
    kind = type(y).__name__
    if isinstance(y, Mapping):
        return f"{kind} with the keys {', '.join(map(repr, y))}"
    return f"{kind} of {len(y)}" if isinstance(y, tuple | list) else kind


def logits_of(model: nn.Module, x: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "batch tasks"]:
    """Run a model that gives logits (batch, tasks), or (batch,) where there is one task."""
    return as_logits(one_tensor(run(model, x)), len(x))


def as_logits(y: Tensor, n_sequences: int, picked: str = "y") -> Float[Tensor, "batch tasks"]:
    """Logits of ``n_sequences`` with an axis of tasks; ``picked`` is how they are written in advice.

    Models that squeeze their output also lose the axis of a batch of one.
    """
    if not y.is_floating_point():
        raise ValueError(
            f"the model returns {str(y.dtype).removeprefix('torch.')}, and logits are real floating-point numbers; "
            f"return what the last layer computes, before decisions are made of it"
        )
    if y.ndim <= 1 and (n_sequences == 1 or y.shape == (n_sequences,)):
        return y.reshape(n_sequences, -1)
    if y.ndim == 2 and len(y) == n_sequences:
        return y
    shape = tuple(y.shape)
    if y.ndim < 2 or len(y) != n_sequences:
        mend = "give one row a sequence"
    else:
        axes = "2" if y.ndim == 3 else str(tuple(range(2, y.ndim)))
        mend = (
            f"rcviz.as_sequence_model(model, output=lambda y: {picked}.mean(dim={axes})) makes one number a task of it"
        )
    raise ValueError(f"expected logits (batch, tasks) from the model, got {shape} for a batch of {n_sequences}; {mend}")


def gradient(logits: Float[Tensor, " batch"], of: Tensor, what: str) -> Tensor:
    """Gradient of each sequence's logit; where torch refuses it, a sentence says what stands in the way."""
    (found,) = gradients(logits, [of])
    if found is None:
        raise ValueError(
            f"the logit has no gradient with respect to {what}: the model does not use it for this output, or works "
            f"under torch.no_grad() or with .detach()"
        )
    return found


def gradients(values: Tensor, of: Sequence[Tensor]) -> Sequence[Tensor | None]:
    """Gradients of the sum of ``values``, None where there is none; where torch refuses, a sentence says why."""
    if not values.requires_grad:
        return [None] * len(of)
    try:
        return torch.autograd.grad(values.sum(), of, allow_unused=True)
    except RuntimeError as error:
        if "inplace operation" not in str(error):
            raise
        raise ValueError(
            "the model writes in place over a tensor that its gradient needs; use operations that return a new one, "
            "such as y = y * 2 instead of y *= 2"
        ) from error


def _places(model: nn.Module) -> dict[tuple[torch.device, torch.dtype], str]:
    """Devices and floating-point types of a model, each with the name of the first tensor that is there."""
    found: dict[tuple[torch.device, torch.dtype], str] = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_floating_point():
            found.setdefault((tensor.device, tensor.dtype), name)
    return found


def _takes(model: nn.Module, x: Tensor) -> bool:
    try:
        model(x)
    except Exception:  # a model of one's own may refuse in any way
        return False
    return True


def device_and_dtype(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device and floating-point type of a model, those of its first floating tensor."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
    return torch.device("cpu"), torch.float32


def one_hot_batch(codes: UInt8[np.ndarray, "batch length"], model: nn.Module) -> Float[Tensor, "batch 4 length"]:
    """One-hot floats of one batch on the model's device and in its type; an N is an all-zero column."""
    device, dtype = device_and_dtype(model)
    letters = torch.from_numpy(np.array(codes))  # a copy: views may run backwards, and read-only arrays warn
    return one_hot_tensor(letters.to(device), dtype)


def one_hot_tensor(codes: UInt8[Tensor, "*batch length"], dtype: torch.dtype) -> Float[Tensor, "*batch 4 length"]:
    """One-hot floats where the codes are; an N is an all-zero column."""
    bases = torch.arange(4, dtype=torch.uint8, device=codes.device)
    return (codes[..., None, :] == bases[:, None]).to(dtype)


def find_module(model: nn.Module, layer: nn.Module | str) -> tuple[str, nn.Module]:
    """Return name and module of a part of ``model`` given as either one; an error lists the names there are."""
    check_module(model)
    parts = dict(model.named_modules())
    for name, part in parts.items():
        if part is layer or name == layer:
            return name, part
    known = ", ".join(name for name in parts if name) or "none"
    wanted = f"named {layer!r}" if isinstance(layer, str) else f"that is the given {type(layer).__name__}"
    raise ValueError(f"the model has no layer {wanted}; its layers are: {known}")


def concatenate_batches(batches: Iterable[Tensor], n_rows: int) -> Tensor:
    """Write the results of batches into one tensor as they come; there must be at least one.

    A list of them would do, but each small result that stays lies where a large buffer of its batch was, which the
    allocator then cannot use for the next: memory would grow by a buffer a batch.
    """
    whole, first = None, 0
    for part in (batch.detach() for batch in batches):
        if whole is None:
            whole = part.new_empty((n_rows, *part.shape[1:]))
        whole[first : first + len(part)] = part
        first += len(part)
    assert whole is not None
    assert first == n_rows
    return whole


def to_numpy(tensor: Tensor) -> np.ndarray:
    """Bring a tensor to NumPy, which has no bfloat16."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
