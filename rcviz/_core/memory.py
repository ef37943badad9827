"""Memory: its size, and its reuse, so that a batch gets what the previous one freed without asking the system."""

import ctypes
import os
from functools import cache

from rcviz._core.changes import SharedChange

# From glibc's malloc.h. By default, glibc returns freed memory to the system, which then maps and clears every page for
# the next batch again: up to half of the time of a prediction, depending on the order of blocks (decision 25).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_KEEP = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1))
# The maximum of glibc's own adaptation, in a process that has freed a block of 32 MB.
_REST = 64 << 20
_DEFAULTS = ((_MMAP_MAX, 65_536), (_MMAP_THRESHOLD, 32 << 20), (_TRIM_THRESHOLD, _REST))


class ReusedMemory(SharedChange):
    """Keep freed memory for later allocations, in the whole process, until the last thread leaves.

    Afterwards all but 64 MB is returned to the system. Does nothing if the allocator is not glibc's.
    """

    def apply(self) -> None:
        """Keep it."""
        libc = _glibc()
        if libc is not None:
            for option in _KEEP:
                libc.mallopt(*option)

    def restore(self, before: None) -> None:
        """Return it."""
        libc = _glibc()
        if libc is not None:
            for option in _DEFAULTS:
                libc.mallopt(*option)
            libc.malloc_trim(_REST)


def machine_memory() -> int:
    """Return the bytes of this machine's memory; a very large number where the system does not report it."""
    if not hasattr(os, "sysconf"):
        return 1 << 62
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@cache
def _glibc() -> ctypes.CDLL | None:
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError):  # Windows has no confstr, and other systems do not have this name
        return None
    return ctypes.CDLL(None) if version else None
