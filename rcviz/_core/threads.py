"""Locks that work in the child of a fork."""

import os
import threading
from typing import Any
from weakref import WeakSet

_locks: "WeakSet[Any]" = WeakSet()


def shared_lock() -> Any:
    """Create a reentrant lock; in the child of a fork it is free, even if another thread of the parent held it."""
    lock = threading.RLock()
    _locks.add(lock)
    return lock


def _begin_child() -> None:
    """Free the locks of threads that do not exist in the child of a fork."""
    for lock in list(_locks):
        if not lock._is_owned():
            lock._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_child)
