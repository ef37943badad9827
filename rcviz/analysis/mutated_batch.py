"""A batch of sequences that differ from others in a few positions, as a tensor: what a mutation cannot reach is shared.

A model is called with a :class:`MutatedBatch` as with any tensor. Convolutions, poolings, normalisation in evaluation
mode and functions of single positions compute the references once, and for each mutated sequence only the positions
that its mutation reaches. All other operations get ordinary tensors, and so does what follows them.
"""

import weakref
from typing import Any

import torch
from torch import Tensor

from rcviz.analysis.changed_windows import ChangedWindows, WindowTensor
from rcviz.analysis.mutated_operations import followed
from rcviz.layers.torch_internals import NO_TORCH_FUNCTION, memory_of, version_of, wrapper_tensor


class CannotFollowError(Exception):
    """Raised where a model reads a tensor after it wrote in place over one that shares its memory."""


class MutatedBatch(WindowTensor):
    """Tensor (batch, ...) of which only windows are stored.

    Parameters
    ----------
    windows : ChangedWindows, or several
        Several of one shape are stacked along a new axis 1, as the two strands of a conjoined model are, which then
        makes one batch of them.
    """

    _aliases: list[Any]
    _copied: list[int | None]

    __torch_function__ = NO_TORCH_FUNCTION

    @staticmethod
    def __new__(cls: Any, *windows: ChangedWindows) -> Any:
        """Make the tensor."""
        first = windows[0]
        shape = first.shape if len(windows) == 1 else (first.shape[0], len(windows), *first.shape[1:])
        made: Any = wrapper_tensor(cls, shape, first.values)
        if made is None:
            raise CannotFollowError
        made.windows, made.stacked, made.stale = first, windows, False
        made._aliases, made._copied = [weakref.ref(made)], []
        return made

    def __init__(self, *windows: ChangedWindows) -> None:
        pass

    def whole(self) -> Tensor:
        """Return an ordinary tensor."""
        parts = [windows.whole() for windows in self.stacked]
        return parts[0] if len(parts) == 1 else torch.stack(parts, dim=1)

    def share_with(self, view: Tensor) -> None:
        """Note that a view of this tensor would change with it; an ordinary tensor is a copy, which does not."""
        if isinstance(view, MutatedBatch):
            self._aliases.append(weakref.ref(view))
            view._aliases, view._copied, view.stale = self._aliases, self._copied, self.stale
        else:
            self._copied.append(version_of(self))

    def check_copies(self) -> None:
        """Refuse to read a tensor after a model has written over such a copy, which torch treats as its view."""
        if any(version is None or version != version_of(self) for version in self._copied):
            raise CannotFollowError

    def become(self, other: Any) -> None:
        """Take the values of a tensor of the same shape, as an operation in place does."""
        if len(self.stacked) > 1 or self._copied:
            raise CannotFollowError
        for alias in self._aliases:  # tensors that share its memory have changed, too: they must not be read again
            batch = alias()
            if batch is not None:
                batch.stale = batch is not self
        self._aliases = [weakref.ref(self)]
        old = self.windows
        if isinstance(other, MutatedBatch):
            new = other.windows
            self.windows = ChangedWindows(
                new.reference.to(self.dtype), new.values.to(self.dtype), new.row, new.start, new.axis
            )
        else:
            start = torch.zeros_like(old.start)
            self.windows = ChangedWindows(old.reference, other.to(self.dtype), old.row, start, old.axis)
        self.stacked = (self.windows,)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        """Apply an operation to windows where there is a rule for it, otherwise to whole tensors."""
        kwargs = kwargs or {}
        namespace, name, overload = str(func).split(".")
        listed = [each for arg in args for each in (arg if isinstance(arg, list | tuple) else [arg])]
        batches = [each for each in listed if isinstance(each, MutatedBatch)]
        for batch in batches:
            batch.check_copies()
        memory = memory_of(func)
        if memory is None:
            raise CannotFollowError
        is_view, writes = memory
        if "out" in kwargs or (not is_view and any(batch.stale for batch in batches)):
            raise CannotFollowError
        in_place = namespace == "aten" and name.endswith("_") and not name.endswith("__")
        if in_place and isinstance(args[0], MutatedBatch):
            returned = getattr(getattr(torch.ops.aten, name[:-1], None), overload, None)
            if returned is None:
                raise CannotFollowError
            args[0].become(returned(*args, **kwargs))
            return args[0]
        if any(_has_batch(args[index]) for index in writes if index < len(args)):
            raise CannotFollowError
        result = NotImplemented if in_place or namespace != "aten" else _batches(followed(func, name, args, kwargs))
        if result is NotImplemented and any(batch.stale for batch in batches):
            raise CannotFollowError
        result = func(*_whole(args), **_whole(kwargs)) if result is NotImplemented else result
        if is_view and batches:
            for view in result if isinstance(result, list | tuple) else [result]:
                batches[0].share_with(view)
        return result


def _has_batch(value: Any) -> bool:
    return any(isinstance(each, MutatedBatch) for each in (value if isinstance(value, list | tuple) else [value]))


def _batches(made: Any) -> Any:
    """Make tensors of windows; what is a tensor already stays."""
    if isinstance(made, list | tuple):
        return type(made)(_batches(each) for each in made)
    return MutatedBatch(made) if isinstance(made, ChangedWindows) else made


def _whole(value: Any) -> Any:
    """Replace mutated batches in the arguments of an operation by ordinary tensors."""
    if isinstance(value, MutatedBatch):
        return value.whole()
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in value.items()}
    return type(value)(_whole(each) for each in value) if isinstance(value, list | tuple) else value
