"""Work in the background of an explorer: its progress, how it is stopped, and how it ends."""

import atexit
import math
import threading
import time
from collections.abc import Callable
from weakref import WeakSet

import torch

_running: "WeakSet[Run]" = WeakSet()


class Stopped(Exception):  # noqa: N818 - not an error: somebody asked for it
    """Raised inside a run that has been asked to stop."""


class Run:
    """One computation in a thread of its own.

    Parameters
    ----------
    work : callable
        Computes, and calls :meth:`tick` often: it raises :class:`Stopped` once the run is to end.
    on_change : callable
        Called with the run when there is progress, and when it has ended; from the thread.
    after : Run, optional
        The run that must have ended before; it is stopped.

    Attributes
    ----------
    progress : float
        From 0 to 1.
    message : str
        What is being computed.
    error : Exception or None
        Why the run failed.
    stopped : bool
        Whether it was stopped before its end.
    ended : bool
        Whether it has ended, in whatever way.
    """

    _INTERVAL = 0.15  # seconds between two messages to the page

    def __init__(
        self, work: "Callable[[Run], None]", on_change: "Callable[[Run], None]", after: "Run | None" = None
    ) -> None:
        self.progress, self.message = 0.0, ""
        self.error: Exception | None = None
        self.stopped = False
        self._work, self._on_change, self._after = work, on_change, after
        self.ended = False
        # Plain values that are polled: Ctrl-C inside threading.Event.wait may leave its lock in disorder.
        self._asked = self._told_end = False
        self._told = 0.0
        self._n_threads = torch.get_num_threads()  # a new thread would have what another one has set for the moment
        self._thread = threading.Thread(target=self._run, name="rcviz-explorer", daemon=True)
        if after is not None:
            after.stop()
        _running.add(self)
        try:
            self._thread.start()
        except BaseException:  # Ctrl-C: the caller does not get this run, and could not stop it
            self.stop()
            raise

    @property
    def complete(self) -> bool:
        """Whether the run has reached its end."""
        return self.ended and self.error is None and not self.stopped

    def tick(self, progress: float, message: str | None = None) -> None:
        """Tell how far the run is, and end it here if it is to stop."""
        if self._asked:
            raise Stopped
        changed = message is not None and message != self.message
        self.progress, self.message = progress, self.message if message is None else message
        if changed or time.monotonic() - self._told > self._INTERVAL:
            self._told = time.monotonic()
            self._on_change(self)

    def part(self, first: float, last: float) -> Callable[[float], None]:
        """Return a function that takes the progress of one part, from 0 to 1, and calls :meth:`tick`."""
        return lambda share: self.tick(first + share * (last - first))

    def stop(self) -> None:
        """Ask the run to end; it does at its next step."""
        self._asked = True

    def wait(self, timeout: float | int | None = None) -> bool:
        """Wait until the run has ended and the page knows; returns whether it has."""
        end = math.inf if timeout is None else time.monotonic() + timeout
        while not self._told_end and time.monotonic() < end:
            time.sleep(0.005)
        return self._told_end

    def _run(self) -> None:
        try:
            if self._after is not None:
                self._after.wait()
                self._after = None
            torch.set_num_threads(self._n_threads)
            self._work(self)
            self.progress = 1.0
        except Stopped:
            self.stopped = True
        except Exception as error:  # shown in the page; it would be lost with the thread
            self.error = error
        self.ended = True
        _running.discard(self)
        try:
            self._on_change(self)
        finally:
            del self._work, self._on_change  # they hold the explorer, which may be closed once the end is reported
            self._told_end = True


@atexit.register
def _stop_all() -> None:
    """End all runs before Python ends: a thread that torch is running in would crash."""
    runs = list(_running)
    for run in runs:
        run.stop()
    for run in runs:
        run.wait(10)
