"""Number of threads that compute a batch, and how they wait for each other; both are the user's again afterwards."""

import _thread
import os
import sys
from queue import SimpleQueue
from typing import Any

import torch

from rcviz._core.changes import Change, SharedChange

WORK_OF_A_THREAD = 250_000_000
"""Multiply-adds of a forward pass from which on one more thread is worth its waiting (decision 50)."""

_GRAIN = 32_768  # numbers that torch gives to one thread at least


class Threads(Change):
    """Compute with at most so many threads of torch, and with fewer where the user has set fewer."""

    of_process = False  # torch has one number for each thread of Python

    def __init__(self, most: int) -> None:
        self._most, self._before = most, torch.get_num_threads()
        self._sleeping = _SleepingThreads() if min(self._most, self._before) > 1 and _may_sleep() else None

    def make(self) -> None:
        """Set their number."""
        if self._most < self._before:
            torch.set_num_threads(self._most)
        if self._sleeping is not None:
            self._sleeping.make()

    def undo(self) -> None:
        """Set what the user had."""
        if self._sleeping is not None:
            self._sleeping.undo()
        if torch.get_num_threads() != self._before:
            torch.set_num_threads(self._before)


def enough_threads(work: int) -> Threads:
    """Use as many threads as have enough to do with so many multiply-adds.

    Threads of OpenMP wait for each other after every operation. With little to do they wait longer than they compute,
    and many times longer where other processes use the cores as well.
    """
    return Threads(max(1, work // WORK_OF_A_THREAD))


class _SleepingThreads(SharedChange):
    """Let threads of OpenMP sleep while they wait, instead of keeping their cores from other processes.

    GNU's OpenMP decides so while a process has more of its threads than cores, which it looks up at every wait. Idle
    ones are therefore added, each team of them in a thread of its own, and end with it.
    """

    def record(self) -> tuple[int, "SimpleQueue[None]"]:
        """Count the teams that make more threads than cores."""
        others = torch.get_num_threads() - 1
        return -(-max(1, n_cores() - others) // others), SimpleQueue()

    def apply(self) -> None:
        """Add them."""
        teams, end = self.state["before"]
        for _ in range(teams):
            _thread.start_new_thread(_keep_team, (torch.get_num_threads(), end))

    def restore(self, before: Any) -> None:
        """Let them end."""
        teams, end = before
        for _ in range(teams):
            end.put(None)


def _keep_team(n_threads: int, end: "SimpleQueue[None]") -> None:
    """Use all threads once, and wait; they end with this thread."""
    torch.empty(n_threads * _GRAIN, dtype=torch.uint8).fill_(0)
    end.get()


def _may_sleep() -> bool:
    """Whether OpenMP is GNU's, as in torch for Linux, and the user has not said how its threads are to wait."""
    return sys.platform == "linux" and not any(name in os.environ for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"))


def n_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
