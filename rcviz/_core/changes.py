"""Changes that are taken back whatever happens.

Ctrl-C may come between any two operations, also in the middle of ``__enter__`` and ``__exit__``. Therefore a change is
noted before it is made, can be taken back twice, and is taken back by the function that the user called if the ``with``
statement could not. The same holds for locks: :class:`Holding` instead of ``with lock``.
"""

import os
import threading
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from functools import wraps
from types import TracebackType
from typing import Any, ClassVar, ParamSpec, TypeVar

import numpy as np

from rcviz._core.threads import shared_lock

P = ParamSpec("P")
R = TypeVar("R")

_noted: dict[int, list["Change"]] = {}
"""Changes that were not taken back yet, by thread, in order."""


class Change:
    """A change for the time of a ``with`` block.

    Subclasses define ``make``, which records what it changes before it does so, and ``undo``, which may be called
    twice, and also if ``make`` was interrupted or never called.
    """

    of_process: ClassVar[bool] = True
    """Whether other threads see it; it is then taken back in the child of a fork, where these do not exist."""

    def make(self) -> None:
        """Make the change."""
        raise NotImplementedError

    def undo(self) -> None:
        """Take it back."""
        raise NotImplementedError

    def __enter__(self) -> Any:
        self._notes = _notes()
        self._notes.append(self)
        try:
            self.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: Any) -> None:
        if error and isinstance(error[1], KeyboardInterrupt):
            _close_generators(error[2])
        if self in self._notes:  # otherwise it was taken back already
            _undo(self._notes, self._notes.index(self))


def _notes() -> Any:  # type checkers at run time draw lots to check a list
    return _noted.setdefault(threading.get_ident(), [])


def _undo(notes: Any, n_kept: int) -> None:
    """Take back all but the first changes, the last one first."""
    while len(notes) > n_kept:
        notes[-1].undo()
        notes.pop()


def _close_generators(interrupted: TracebackType | None) -> None:
    """End generators that an interrupt left in the middle; those of torch would change its modes back too late."""
    traceback.clear_frames(interrupted)


def guarded(function: Callable[P, R], *changes: Callable[[], Change]) -> Callable[P, R]:
    """Make changes around every call, and take back all that are made in it, whatever happens."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        notes = _notes()
        n_before = len(notes)
        try:
            try:
                for change in changes:
                    change().__enter__()
                return function(*args, **kwargs)
            except KeyboardInterrupt as interrupt:
                _close_generators(interrupt.__traceback__)
                raise
            finally:
                _undo(notes, n_before)
        finally:  # once more, if an interrupt came in the middle of that
            _undo(notes, n_before)

    return call


class DefaultErrors(Change):
    """NumPy's default handling of floating-point errors, instead of what the user has set with ``np.seterr``."""

    of_process = False

    def __init__(self) -> None:
        self._before: Any = np.geterr()

    def make(self) -> None:
        """Set it."""
        np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")

    def undo(self) -> None:
        """Set what there was."""
        np.seterr(**self._before)


def with_default_errors(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that users call: Ctrl-C in it leaves no ``np.errstate`` of another library behind."""
    return guarded(function, DefaultErrors)


class Within(Change):
    """A context manager of another library, or a generator's: it is left even if an interrupt comes in its exit."""

    of_process = False

    def __init__(self, context: AbstractContextManager[Any]) -> None:
        self._context = context
        self._is_inside = False

    def make(self) -> None:
        """Enter it."""
        self._is_inside = True
        self._context.__enter__()

    def undo(self) -> None:
        """Leave it."""
        if self._is_inside:
            self._context.__exit__(None, None, None)
            self._is_inside = False


class Variable(Change):
    """A value of a context variable."""

    of_process = False

    def __init__(self, variable: ContextVar[Any], value: Any) -> None:
        self._variable, self._value, self._before = variable, value, variable.get()

    def make(self) -> None:
        """Set it."""
        self._variable.set(self._value)

    def undo(self) -> None:
        """Set it to what it was."""
        self._variable.set(self._before)


class Holding(Change):
    """Hold a reentrant lock."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self._held_before = lock._is_owned()  # as threading.Condition asks it

    def make(self) -> None:
        if not self._held_before:
            self._lock.acquire()

    def undo(self) -> None:
        if not self._held_before and self._lock._is_owned():
            self._lock.release()


class SharedChange(Change):
    """A change of the whole process, from the first thread that enters until the last one leaves.

    Subclasses define ``apply`` and ``restore``, and have their own ``inside`` and ``applied``.
    """

    _guard = shared_lock()
    inside: set["SharedChange"]
    state: dict[str, Any]

    def __init_subclass__(cls) -> None:
        cls.inside, cls.state = set(), {}

    def record(self) -> Any:
        """Read what is changed."""

    def apply(self) -> None:
        """Change it."""
        raise NotImplementedError

    def restore(self, before: Any) -> None:
        """Change it back to what was recorded."""
        raise NotImplementedError

    def make(self) -> None:
        """Change it, in the first thread."""
        self._take_guard()
        self.state.setdefault("before", self.record())
        self.inside.add(self)
        if len(self.inside) == 1:
            self.apply()
        self._guard.release()

    def undo(self) -> None:
        """Change it back, in the last thread."""
        self._take_guard()
        self.inside.discard(self)
        if not self.inside and "before" in self.state:
            self.restore(self.state["before"])
            self.state.clear()
        self._guard.release()

    def _take_guard(self) -> None:
        """Take the guard once; after an interrupt, this thread may still hold it until ``undo`` has ended."""
        if not self._guard._is_owned():
            self._guard.acquire()


def _begin_child() -> None:
    """Take back, in the child of a fork, what threads have changed that do not exist there."""
    here = threading.get_ident()
    for thread, notes in list(_noted.items()):
        if thread != here:
            notes[:] = [change for change in notes if change.of_process]
            _undo(notes, 0)


if hasattr(os, "register_at_fork"):  # after threads.py has, which frees the locks that this needs
    os.register_at_fork(after_in_child=_begin_child)
