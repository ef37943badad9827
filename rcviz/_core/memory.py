"""Memory of one batch that the next one uses again, instead of asking the system for every page anew."""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

# Of glibc's malloc.h. By itself it hands what a batch freed back to the system, which then clears and maps every page
# of the next batch anew: up to half of a prediction's time, by chance of the blocks' order (decision 25).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_KEEP = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1))
# What glibc's own adaptation comes to at most, in a process that has freed a block of 32 MB.
_REST = 64 << 20
_USUAL = ((_MMAP_MAX, 65_536), (_MMAP_THRESHOLD, 32 << 20), (_TRIM_THRESHOLD, _REST))

_GUARD = threading.Lock()
_inside = 0


@contextmanager
def reuse_memory() -> Iterator[None]:
    """Keep what is freed for the next allocation, in the whole process, until the last of all threads leaves.

    Afterwards it is given back but for 64 MB. Does nothing where the allocator is not glibc's. As a decorator it
    holds for a call.
    """
    global _inside
    libc = _glibc()
    if libc is None:
        yield
        return
    with _GUARD:
        _inside += 1
        if _inside == 1:
            for option in _KEEP:
                libc.mallopt(*option)
    try:
        yield
    finally:
        with _GUARD:
            _inside -= 1
            if not _inside:
                for option in _USUAL:
                    libc.mallopt(*option)
                libc.malloc_trim(_REST)


@cache
def _glibc() -> ctypes.CDLL | None:
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError):  # Windows has no confstr, other systems not this name
        return None
    return ctypes.CDLL(None) if version else None
