"""A forward pass repeated with other neurons in one layer: only what depends on these neurons is computed again.

Every function of torch that the model calls is recorded with its result. In a repetition those that do not depend on
the neurons return what they returned: layers before them, the other strand, weights that are computed from parameters.
Models of others do much that cannot be seen at this level, so that :func:`can_repeat` compares with whole passes first.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from rcviz.analysis.neurons import Neurons, Use
from rcviz.layers.torch_internals import version_of
from rcviz.models.outputs import logits_of, tensors_in
from rcviz.models.runtime import uncompiled
from rcviz.models.settings import FunctionMode, RandomStream

Edit = Callable[[Use, Tensor], Tensor]
"""From a use and its neurons to a new tensor that replaces them."""


class _Computed(NamedTuple):
    """Stands for the result of a function that depends on the neurons, of which only the shapes do not."""

    shapes: tuple[torch.Size, ...]


_CONSTANT = frozenset(
    (
        *("__get__", "size", "dim", "ndimension", "numel", "nelement", "stride", "storage_offset", "__len__"),
        *("element_size", "get_device", "is_floating_point", "is_complex", "is_contiguous", "type", "is_tensor"),
    )
)
"""Functions whose results, where they are not tensors, do not depend on the numbers in a tensor."""


class RepeatError(Exception):
    """A pass went another way than the one that was recorded."""


class RecordedPass:
    """A forward pass of a model in evaluation mode, which can be repeated with other neurons.

    Attributes
    ----------
    output : Tensor (batch, tasks)
    neurons : dict of Use to Tensor (rows, channels, positions)
    """

    def __init__(self, model: nn.Module, neurons: Neurons, x: Float[Tensor, "batch 4 length"]) -> None:
        self._model, self._layer, self._x = model, neurons, x.clone()  # which a model may modify in place
        self.neurons: dict[Use, Tensor] = {}
        recorder = _Recorder()

        def record(use: Use, values: Tensor) -> Tensor:
            with recorder.paused:
                self.neurons[use] = values.clone()  # an in-place activation is overwritten
                return recorder.begins(values.clone())

        with uncompiled(model), recorder, neurons.tapped(record):
            self.output = logits_of(model, self._x)
        self._calls = recorder.calls
        recorder.check()

    def repeat(self, edit: Edit) -> Float[Tensor, "batch tasks"]:
        """Output with the neurons of each use replaced by what ``edit`` returns for them."""
        repeater = _Repeater(self._calls)

        def replace(use: Use, _: Tensor) -> Tensor:
            with repeater.paused:
                return edit(use, self.neurons[use])

        with uncompiled(self._model), repeater, self._layer.tapped(replace):
            return logits_of(self._model, self._x)


def whole_pass(
    model: nn.Module,
    neurons: Neurons,
    x: Float[Tensor, "batch 4 length"],
    edit: Callable[[Use, Tensor], Tensor | None] | None = None,
) -> Float[Tensor, "batch tasks"]:
    """Output of a pass in which everything is computed; a model that draws random numbers draws the same every time."""
    with uncompiled(model), RandomStream(0, x.device).drawing(), neurons.tapped(edit or (lambda use, values: None)):
        return logits_of(model, x.clone())


def can_repeat(model: nn.Module, neurons: Neurons, x: Float[Tensor, "batch 4 length"]) -> bool:
    """Whether repetitions give what whole passes give, for neurons as they are and for others."""

    def other(use: Use, values: Tensor) -> Tensor:
        factors = (1 + torch.arange(values.shape[1]).cos() / 2).to(values)  # a zero would hide what it is multiplied by
        return values * factors.reshape(-1, *[1] * (values.ndim - 2))

    # Before the repetition: an error of the model itself is raised here.
    expected = whole_pass(model, neurons, x), whole_pass(model, neurons, x, other)
    try:
        recorded = RecordedPass(model, neurons, x)
        # Twice, as a model may write over something that the next repetition reads.
        found = recorded.output, recorded.repeat(other), recorded.repeat(other)
    except Exception:  # a model of others may do anything
        return False
    slack = 64 * torch.finfo(x.dtype).eps * max(float(y.abs().max()) for y in expected)
    return all(
        torch.allclose(one, two, rtol=0, atol=slack, equal_nan=True)
        for one, two in zip(found, (*expected, expected[1]), strict=True)
    )


class _Functions(FunctionMode):
    """Functions of torch one by one, except those inside ``paused``."""

    def __init__(self) -> None:
        super().__init__()
        self.paused = _Paused()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        return func(*args, **kwargs) if self.paused.now else self.call(func, args, kwargs)

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        raise NotImplementedError


class _Paused:
    now = False

    def __enter__(self) -> None:
        self.now = True

    def __exit__(self, *_: object) -> None:
        self.now = False


class _Recorder(_Functions):
    """Record results, and follow what depends on the neurons.

    Attributes
    ----------
    calls : list of (str, object)
        Name and result of each function, ``_Computed`` where it depends on the neurons. The list ends where a number
        was read from a tensor that does: whatever follows may depend on it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, Any]] = []
        self._dependent: Any = WeakTensorKeyDictionary()
        self._neurons: Tensor | None = None
        self._read: list[tuple[Tensor, int | None]] = []
        self._is_read = False

    def begins(self, neurons: Tensor) -> Tensor:
        self._neurons = neurons
        self._dependent[neurons] = True
        return neurons

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        name = getattr(func, "__name__", "")
        tensors = tensors_in((*args, *kwargs.values()))
        if not self._is_read and not any(tensor in self._dependent for tensor in tensors):
            result = func(*args, **kwargs)
            self.calls.append((name, result))
            return result
        given = [(tensor, version_of(tensor)) for tensor in tensors if tensor not in self._dependent]
        result = func(*args, **kwargs)
        for tensor, version in given:
            if version_of(tensor) == version:
                self._read.append((tensor, version))
            elif name == "copy_" and len(args) > 1 and args[1] is self._neurons:
                self._overwritten(tensor)  # every repetition writes the neurons here, too
            else:
                raise RepeatError("the model writes neurons into a tensor that was there before")
        made = tensors_in(result)
        for tensor in made:
            self._dependent[tensor] = True
        if not self._is_read:
            self.calls.append((name, _Computed(_shapes(result))))
            self._is_read = not made and result is not None and name not in _CONSTANT
        return result

    def _overwritten(self, tensor: Tensor) -> None:
        self._dependent[tensor] = True
        memory = tensor.untyped_storage().data_ptr()
        for _, result in self.calls:
            for other in tensors_in(None if isinstance(result, _Computed) else result):
                if other.untyped_storage().data_ptr() == memory:
                    self._dependent[other] = True

    def check(self) -> None:
        """Refuse a pass that changed in place what the functions before had read."""
        if any(version_of(tensor) != version for tensor, version in self._read):
            raise RepeatError("the model changes in place what was read before")
        self._read.clear()


class _Repeater(_Functions):
    """Return recorded results, and compute those that depend on the neurons."""

    def __init__(self, calls: list[tuple[str, Any]]) -> None:
        super().__init__()
        self._calls = iter(calls)

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        recorded = next(self._calls, None)
        if recorded is None:
            return func(*args, **kwargs)
        name, result = recorded
        if name != getattr(func, "__name__", ""):
            raise RepeatError(f"the model calls {getattr(func, '__name__', func)} where it called {name}")
        if not isinstance(result, _Computed):
            return result
        computed = func(*args, **kwargs)
        if _shapes(computed) != result.shapes:
            raise RepeatError(f"{name} returns another shape, which the model may have read")
        return computed


def _shapes(result: Any) -> tuple[torch.Size, ...]:
    return tuple(tensor.shape for tensor in tensors_in(result))
