"""Settings of torch, hooks and random numbers that are changed for a while, and restored whatever happens."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from rcviz._core.changes import Change, DefaultErrors, Holding, P, R, SharedChange, guarded
from rcviz._core.memory import ReusedMemory
from rcviz._core.threads import shared_lock
from rcviz.layers.torch_internals import default_device, function_modes, remove_forward_hook

# torch's global random generators, one set for the whole process. Each has a lock of its own, which the child of a fork
# could not release.
_GENERATORS = shared_lock(forks_wait=True)


def self_contained(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that users call and that runs a model or reads its weights.

    Whatever happens in it, also Ctrl-C at any moment, modes, hooks, locks and settings are restored. What the user has
    set with ``np.seterr``, ``torch.autocast``, ``torch.inference_mode`` and ``torch.set_default_device`` does not act
    inside.
    """
    return guarded(function, DefaultErrors, OwnSettings)


def in_batches(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate like :func:`self_contained` a function that works in batches: it keeps freed memory for the next."""
    return guarded(function, DefaultErrors, OwnSettings, ReusedMemory)


class OwnSettings(Change):
    """Settings of torch that belong to a thread: no inference mode, no autocast, no other device for new tensors.

    Parameters
    ----------
    device : torch.device, optional
        That of the model, or the CPU.
    gradients : bool, optional
        Whether they are recorded; None leaves that as it is.
    """

    of_process = False

    def __init__(self, device: torch.device | None = None, *, gradients: bool | None = None) -> None:
        self._device = device or torch.device("cpu")
        self._gradients_before = torch.is_grad_enabled()
        self._gradients = self._gradients_before if gradients is None else gradients
        self._autocast_before = {
            kind: torch.is_autocast_enabled(kind) for kind in {"cpu", self._device.type} - {"meta"}
        }
        self._inference_before = torch.is_inference_mode_enabled()
        self._no_inference = torch.inference_mode(False)
        self._on_device: _OnDevice | None = None

    def make(self) -> None:
        """Set them."""
        if self._inference_before:
            self._no_inference.__enter__()
        default = default_device()
        if default.type not in ("cpu", self._device.type):
            self._on_device = _OnDevice(self._device)
            self._on_device.__enter__()
        torch.set_grad_enabled(self._gradients)
        for kind in self._autocast_before:
            torch.set_autocast_enabled(kind, False)

    def undo(self) -> None:
        """Set what there was."""
        for kind, enabled in self._autocast_before.items():
            torch.set_autocast_enabled(kind, enabled)
        if any(self._autocast_before.values()):
            torch.clear_autocast_cache()  # weights that it converted may have changed
        if self._on_device is not None:
            self._on_device.__exit__(None, None, None)
        if torch.is_inference_mode_enabled() != self._inference_before:
            self._no_inference.__exit__(None, None, None)
        torch.set_grad_enabled(self._gradients_before)


class Autocast(Change):
    """Compute in bfloat16 where torch's autocast does."""

    of_process = False

    def __init__(self, device_type: str) -> None:
        self._kind = device_type
        self._before = torch.is_autocast_enabled(device_type), torch.get_autocast_dtype(device_type)

    def make(self) -> None:
        """Switch it on."""
        torch.set_autocast_dtype(self._kind, torch.bfloat16)
        torch.set_autocast_enabled(self._kind, True)

    def undo(self) -> None:
        """Restore what there was, and forget the weights that were converted."""
        torch.set_autocast_enabled(self._kind, self._before[0])
        torch.set_autocast_dtype(self._kind, self._before[1])
        torch.clear_autocast_cache()


class FunctionMode(TorchFunctionMode, Change):
    """A ``TorchFunctionMode`` that is left even if an interrupt comes while it is entered or left."""

    of_process = False
    _is_inside = False

    def make(self) -> None:
        """Enter it."""
        TorchFunctionMode.__enter__(self)
        self._is_inside = True

    def undo(self) -> None:
        """Leave it, and those that were entered inside and not left."""
        while self._is_entered():
            self._is_inside = False
            TorchFunctionMode.__exit__(self, None, None, None)

    def _is_entered(self) -> bool:
        modes = function_modes()
        return self._is_inside if modes is None else any(mode is self for mode in modes)

    __enter__ = Change.__enter__
    __exit__ = Change.__exit__


_CREATORS = frozenset(
    getattr(torch, name, None)
    for name in (
        *("empty", "empty_permuted", "empty_strided", "empty_quantized", "zeros", "ones", "full", "eye"),
        *("tensor", "as_tensor", "asarray", "scalar_tensor", "arange", "range", "linspace", "logspace"),
        *("rand", "randn", "randint", "randperm", "tril_indices", "triu_indices"),
        *("bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"),
        *("sparse_coo_tensor", "sparse_compressed_tensor", "sparse_csr_tensor", "sparse_csc_tensor"),
        *("sparse_bsr_tensor", "sparse_bsc_tensor"),
    )
) | {torch.fft.fftfreq, torch.fft.rfftfreq, torch.nested.nested_tensor}
"""Functions that ``torch.set_default_device`` acts on."""


class _OnDevice(FunctionMode):
    """Create tensors on a device unless another is named, whatever ``torch.set_default_device`` says."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _CREATORS and kwargs.get("device") is None:
            kwargs["device"] = self._device
        return func(*args, **kwargs)


def exact_arithmetic() -> AbstractContextManager[Any]:
    """Compute float32 as float32: TF32 on a GPU would open a gap between the strands of 1e-3 instead of 1e-6.

    Also asks cuDNN for deterministic algorithms. These settings belong to the whole process; they are restored when
    the last thread that is inside leaves.
    """
    return _ExactArithmetic()


class _ProcessSettings(SharedChange):
    """Attributes of modules of torch that are set for the whole process."""

    def settings(self) -> list[tuple[Any, str, Any]]:
        """List owners, names and values."""
        raise NotImplementedError

    def record(self) -> list[tuple[Any, str, Any]]:
        """Read the values."""
        return [(owner, name, getattr(owner, name)) for owner, name, _ in self.settings()]

    def apply(self) -> None:
        """Set them."""
        self.restore(self.settings())

    def restore(self, before: list[tuple[Any, str, Any]]) -> None:
        """Set what was recorded."""
        for owner, name, value in before:
            if getattr(owner, name) != value:
                setattr(owner, name, value)


class _ExactArithmetic(_ProcessSettings):
    def settings(self) -> list[tuple[Any, str, Any]]:
        """List those that decide about the digits of float32."""
        cudnn: Any = torch.backends.cudnn
        mkldnn: Any = torch.backends.mkldnn
        matmul = torch.backends.cuda.matmul
        precision: list[tuple[Any, str, Any]]
        if hasattr(matmul, "fp32_precision"):  # torch 2.9 and later refuse the older switches next to these
            owners = (matmul, cudnn.conv, mkldnn.matmul, mkldnn.conv)
            precision = [(owner, "fp32_precision", "ieee") for owner in owners]
        else:
            precision = [(matmul, "allow_tf32", False), (cudnn, "allow_tf32", False)]
        return [*precision, (cudnn, "deterministic", True), (cudnn, "benchmark", False)]


class WithoutCudnn(_ProcessSettings):
    """Compute without cuDNN."""

    def settings(self) -> list[tuple[Any, str, Any]]:
        """List the one that switches it off."""
        return [(torch.backends.cudnn, "enabled", False)]


class _DefaultType(SharedChange):
    def record(self) -> torch.dtype:
        return torch.get_default_dtype()

    def apply(self) -> None:
        torch.set_default_dtype(torch.float32)

    def restore(self, before: torch.dtype) -> None:
        torch.set_default_dtype(before)


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
        self.cuda = [device] if device.type == "cuda" else []
        generators = [torch.Generator(where).manual_seed(seed) for where in (torch.device("cpu"), *self.cuda)]
        self.states = [generator.get_state() for generator in generators]

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Continue this stream; afterwards the states of the global generators are restored."""
        with Holding(_GENERATORS), _Drawing(self):
            yield


class _Drawing(Change):
    """The states of the global generators, exchanged for those of a stream."""

    # In the child of a fork, a thread that no longer exists may hold a generator's own lock.
    of_process = False

    def __init__(self, stream: RandomStream) -> None:
        self._stream = stream
        self._before: list[Tensor] = []

    def make(self) -> None:
        self._before = self._states()
        self._set(self._stream.states)

    def undo(self) -> None:
        if self._before:
            self._stream.states = self._states()
            self._set(self._before)
            self._before = []

    def _states(self) -> Any:
        return [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in self._stream.cuda)]

    def _set(self, states: Any) -> None:
        torch.set_rng_state(states[0])
        for device, state in zip(self._stream.cuda, states[1:], strict=True):
            torch.cuda.set_rng_state(state, device)


@contextmanager
def building(seed: int) -> Iterator[None]:
    """Build layers on the CPU in float32, with weights that ``seed`` alone determines."""
    cpu = torch.device("cpu")
    with RandomStream(seed, cpu).drawing(), _DefaultType(), _OnDevice(cpu):
        yield


class Hooks(Change):
    """Hooks of a model's modules: pairs of a module and a function.

    Parameters
    ----------
    before : list of (nn.Module, callable)
        Called with the module, its arguments and its named arguments before each forward pass.
    after : list of (nn.Module, callable)
        Called with the module, its arguments and its result; what they return, unless None, replaces the result.
    """

    def __init__(
        self,
        before: Iterable[tuple[nn.Module, Callable[..., Any]]] = (),
        after: Iterable[tuple[nn.Module, Callable[..., Any]]] = (),
    ) -> None:
        self._before, self._after = list(before), list(after)
        self._handles: list[Any] = []

    def make(self) -> None:
        """Register them."""
        for module, function in self._before:
            self._handles.append(module.register_forward_pre_hook(function, with_kwargs=True))
        for module, function in self._after:
            self._handles.append(module.register_forward_hook(function))

    def undo(self) -> None:
        """Remove them."""
        for handle in self._handles:
            handle.remove()
        for module, function in self._before + self._after:
            remove_forward_hook(module, function)
