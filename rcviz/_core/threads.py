"""Locks that work in the child of a fork."""

import os
import threading
from typing import Any
from weakref import WeakSet

_locks: "WeakSet[Any]" = WeakSet()
_waited_for: "WeakSet[Any]" = WeakSet()
_LONGEST_WAIT = 30  # seconds: the thread that holds the lock may itself wait for what is forked


def shared_lock(*, forks_wait: bool = False) -> Any:
    """Create a reentrant lock; in the child of a fork it is free, even if another thread of the parent held it.

    With ``forks_wait``, a fork first waits until no other thread holds it. That is for locks of other libraries that
    threads take while they hold this one, which a child could not release.
    """
    lock = threading.RLock()
    (_waited_for if forks_wait else _locks).add(lock)
    return lock


def _before_fork() -> None:
    for lock in list(_waited_for):
        lock.acquire(timeout=_LONGEST_WAIT)


def _after_fork() -> None:
    for lock in list(_waited_for):
        if lock._is_owned():  # it was free in time
            lock.release()


def _begin_child() -> None:
    """Free the locks of threads that do not exist in the child of a fork."""
    for lock in [*_locks, *_waited_for]:
        if not lock._is_owned():
            lock._at_fork_reinit()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_begin_child)
