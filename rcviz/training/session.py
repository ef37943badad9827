"""A training run in its own thread, which can be paused, resumed and stopped between two batches."""

import atexit
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Literal
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor, nn

from rcviz._core.changes import Holding
from rcviz._core.threads import shared_lock
from rcviz.metrics import score_tasks
from rcviz.models.runtime import restore
from rcviz.models.settings import self_contained
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.sequences.splits import Splits
from rcviz.training.checks import training_data
from rcviz.training.config import TrainConfig
from rcviz.training.epoch import BatchRecord
from rcviz.training.history import EpochRecord, History
from rcviz.training.loop import StopTraining, train_epochs

Status = Literal["ready", "running", "paused", "stopping", "stopped", "finished", "failed"]


@dataclass(frozen=True)
class TrainingProgress:
    """Progress of a run between two batches.

    Attributes
    ----------
    epoch : int
        Number of the current epoch, the first is 1; 0 before the first batch.
    n_samples, n_validated : int
        Training samples shown in this epoch, and validation sequences predicted after them.
    samples_per_second : float
        Training samples of this epoch per second of work; NaN before the first batch.
    seconds_left : float
        Estimated time until all epochs are done, unless patience ends the run earlier; NaN before the first batch.
    """

    epoch: int = 0
    n_samples: int = 0
    n_validated: int = 0
    samples_per_second: float = math.nan
    seconds_left: float = math.nan


class TrainingSession:
    """One training run in the background; it gives the same weights, bit for bit, as :func:`rcviz.fit`.

    A session runs once. Pause, resume and stop take effect before the next batch, of training or of validation, and
    stop also between the forward and the backward pass; a request that does not apply, such as a pause of a finished
    run, does nothing. However the run ends, the model has the best weights so far, see :func:`rcviz.train_epochs`. The
    thread is a daemon: it does not keep Python alive.

    Parameters
    ----------
    model, train, valid, config
        As in :func:`rcviz.train_epochs`; ``TrainingSession(model, splits, config=config)`` works as well.

    Attributes
    ----------
    status : str
        "ready", "running", "paused", "stopping", and at the end "stopped", "finished" or "failed".
    progress : TrainingProgress
    records : tuple of EpochRecord
    error : BaseException or None
        The error that ended a failed run.

    Examples
    --------
    >>> session = TrainingSession(model, parts.train, parts.valid, config)  # doctest: +SKIP
    >>> session.start()  # doctest: +SKIP
    >>> session.stop()  # doctest: +SKIP
    >>> session.join()  # doctest: +SKIP
    """

    def __init__(
        self,
        model: nn.Module,
        train: SequenceSet | Splits,
        valid: SequenceSet | None = None,
        config: TrainConfig | None = None,
    ) -> None:
        self.model = model
        self._train, self._valid, self.config = training_data(train, valid, config)
        self.status: Status = "ready"
        self.progress = TrainingProgress()
        self.records: tuple[EpochRecord, ...] = ()
        self.error: BaseException | None = None
        self._lock = shared_lock()
        self._changed = threading.Condition(self._lock)
        self._listeners: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None
        self._watch = _Stopwatch()
        self._epoch_began = 0.0

    @property
    def history(self) -> History:
        """The epochs recorded so far."""
        return History(self.config, self.records)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after every batch, epoch and change of status, in the thread where it happened.

        Training waits for it, and an error that it raises in the training thread ends the training.
        """
        self._listeners.append(listener)

    def start(self, weights: Mapping[str, Tensor] | None = None) -> None:
        """Start the thread; errors of data, labels, model and configuration are raised here, before any change.

        Parameters
        ----------
        weights : mapping, optional
            Starting weights, a ``state_dict``; by default those that the model has.

        Raises
        ------
        ValueError
            As :func:`rcviz.train_epochs`; also if the session was started before, or the model is being trained.
        """
        if self.status != "ready":
            raise ValueError("a session trains once; make another TrainingSession to train again")
        _claim(self)
        try:
            _warm_up()
            epochs = train_epochs(
                self.model,
                self._train,
                self._valid,
                self.config,
                on_batch=self._on_batch,
                on_validation_batch=self._on_validation_batch,
                interrupt=self._interrupt,
            )
            if weights is not None:
                restore(self.model, weights)
        except BaseException:
            _release(self)
            raise
        self._thread = threading.Thread(
            target=self._run, args=(epochs, torch.get_num_threads()), name="rcviz training", daemon=True
        )
        self._set_status("running", after=("ready",))
        self._thread.start()

    def pause(self) -> None:
        """Wait before the next batch until :meth:`resume` or :meth:`stop`."""
        self._set_status("paused", after=("running",))

    def resume(self) -> None:
        """Continue with the next batch."""
        self._set_status("running", after=("paused",))

    def stop(self) -> None:
        """End the run before the next batch; :meth:`join` waits until it has ended."""
        self._set_status("stopping", after=("running", "paused"))

    def join(self, timeout: float | int | None = None) -> None:
        """Wait until the run has ended and the model has its best weights, at most ``timeout`` seconds.

        Raises
        ------
        TimeoutError
            If the run has not ended by then.
        """
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise TimeoutError(f"the training has not ended within {timeout} seconds; it is {self.status}")

    def _set_status(self, status: Status, *, after: tuple[Status, ...]) -> None:
        if self._changed_status(status, after):
            self._notify()

    @self_contained
    def _changed_status(self, status: Status, after: tuple[Status, ...]) -> bool:
        with Holding(self._lock):
            if self.status not in after:
                return False
            self.status = status
            self._changed.notify_all()
        return True

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()

    def _run(self, epochs: Iterator[EpochRecord], n_threads: int) -> None:
        torch.set_num_threads(n_threads)  # a setting of each thread, on which the last bits of sums depend
        final: Status = "finished"
        try:
            self._watch.run()
            with closing(epochs):  # type: ignore[type-var]  # a generator
                for record in epochs:
                    self.records = (*self.records, record)
                    self._epoch_began = self._watch.seconds()
                    self._notify()
                    self._wait_or_stop()
        except StopTraining:
            pass
        except BaseException as error:  # kept for the caller: nobody sees an error of a thread
            self.error, final = error, "failed"
        if self.status == "stopping" and final == "finished":
            final = "stopped"
        _release(self)
        self._set_status(final, after=("running", "paused", "stopping"))

    def _on_batch(self, batch: BatchRecord) -> None:
        seconds = max(self._watch.seconds() - self._epoch_began, 1e-9)
        self._advance(TrainingProgress(batch.epoch, batch.n_samples, 0, batch.n_samples / seconds))

    def _on_validation_batch(self, n_sequences: int) -> None:
        now = self.progress
        self._advance(TrainingProgress(now.epoch, now.n_samples, n_sequences, now.samples_per_second))

    def _advance(self, progress: TrainingProgress) -> None:
        n_epochs, done = self.config.epochs, len(self.records)
        if done:
            mean = self._epoch_began / done
            left = max(mean * (n_epochs - done) - (self._watch.seconds() - self._epoch_began), 0.0)
        else:
            left = (self.config.samples_per_epoch * n_epochs - progress.n_samples) / progress.samples_per_second
        self.progress = TrainingProgress(
            progress.epoch, progress.n_samples, progress.n_validated, progress.samples_per_second, left
        )
        self._notify()
        self._wait_or_stop()

    def _interrupt(self) -> None:
        if self.status == "stopping":
            raise StopTraining

    def _wait_or_stop(self) -> None:
        with self._changed:
            if self.status == "paused":
                self._watch.pause()
                self._changed.wait_for(lambda: self.status != "paused")
                self._watch.run()
        self._interrupt()


class _Stopwatch:
    """Seconds of work, without those of pauses."""

    def __init__(self) -> None:
        self._before, self._since = 0.0, math.nan

    def run(self) -> None:
        self._since = time.perf_counter()

    def pause(self) -> None:
        self._before = self.seconds()

    def seconds(self) -> float:
        return self._before + time.perf_counter() - self._since


def _warm_up() -> None:
    """Make pandas load its lazy modules now; in the thread, a stop would have to wait for that."""
    score_tasks(np.array([[0.0], [1.0]]), np.array([[0.0], [1.0]]), ("",))


_running: "WeakSet[TrainingSession]" = WeakSet()
_running_guard = shared_lock()


@self_contained
def _claim(session: TrainingSession) -> None:
    with Holding(_running_guard):
        if any(other.model is session.model for other in _running):
            raise ValueError("this model is being trained already; stop that training first, or train another model")
        _running.add(session)


@self_contained
def _release(session: TrainingSession) -> None:
    with Holding(_running_guard):
        _running.discard(session)


def _forget_others() -> None:
    """In the child of a fork, no thread trains but the one that forked."""
    for session in list(_running):
        if session._thread is not threading.current_thread():
            session.status = "stopped"
            _running.discard(session)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_others)


@atexit.register
def _stop_all() -> None:
    """Leave no thread inside torch while Python shuts down."""
    sessions = list(_running)
    for session in sessions:
        session.stop()
    for session in sessions:
        session.join(10)
