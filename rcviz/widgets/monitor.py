"""Train a model in the background and watch its learning curves."""

import dataclasses
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from torch import nn

from rcviz._core.checks import brief
from rcviz._core.threads import shared_lock
from rcviz.models.fingerprint import Fingerprint
from rcviz.models.network import SequenceModel
from rcviz.models.runtime import check_module
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.sequences.splits import Splits
from rcviz.training.checks import training_data
from rcviz.training.config import TrainConfig
from rcviz.training.history import History
from rcviz.training.session import TrainingProgress, TrainingSession
from rcviz.widgets import training_messages as messages
from rcviz.widgets.training import Curve, CurvesExplorer
from rcviz.widgets.training_start import MonitoredModel, Settings
from rcviz.widgets.training_state import OF_MODEL, SETTINGS, TrainingState

_LINE_EVERY = 0.25  # seconds between two messages of progress
_CURVES_EVERY = 1.0  # seconds between two of all epochs, and at least this many times what the last one took:
_CURVES_SHARE = 20
_STOP_WITHIN = 10.0  # seconds that stop() waits for the present batch


class TrainingMonitor(CurvesExplorer):
    """Start, pause, resume and stop a training in the background, and compare its learning curves with earlier ones.

    The model is trained in place. A new architecture or number of filters builds a new model, a new seed draws new
    starting weights, and a new learning rate or augmentation starts training again; without changes, Start continues
    it. A line of the page describes what the next start does.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``. One that :func:`build_model` made can change
        its architecture and filters here.
    train, valid : SequenceSet
        With labels for every task. ``TrainingMonitor(model, splits, config=config)`` works as well.
    config : TrainConfig
        Initial settings, and those that the page cannot change.

    Attributes
    ----------
    state : TrainingState
        Settings, status, progress and records; can be read, set and observed. ``state.metric`` is drawn, without the
        runs in ``state.hidden``.

    Examples
    --------
    >>> training = rcviz.TrainConfig(epochs=2, batch_size=100, samples_per_epoch=200)
    >>> monitor = rcviz.TrainingMonitor(model, parts.train, parts.valid, training)
    >>> monitor.start()  # returns at once; the notebook can be used meanwhile
    >>> monitor.wait()
    >>> monitor.history.best_epoch in (1, 2)
    True
    >>> monitor.close()
    """

    def __init__(
        self,
        model: nn.Module,
        train: SequenceSet | Splits,
        valid: SequenceSet | None = None,
        config: TrainConfig | None = None,
    ) -> None:
        check_module(model)
        self._train, self._valid, self._config = training_data(train, valid, config)
        known = model.config if isinstance(model, SequenceModel) else None
        own = {name: getattr(known if name in OF_MODEL else self._config, name, None) for name in SETTINGS}
        self.state = state = TrainingState(**own, metric=self._config.monitor, progress=TrainingProgress())
        self._model = MonitoredModel(model, self._settings())
        self._session: TrainingSession | None = None
        self._name, self._note = self._model.name(self._settings()), ""  # of the latest run
        self._past: list[Curve] = []
        self._history = History(self._config, ())
        self._showing = shared_lock()  # the training thread and the kernel's thread both write the state
        self._line_due = self._curves_due = 0.0
        self._answered = 0  # buttons of the page
        super().__init__([model], state)
        state.observe(lambda change: self._tell(), list(SETTINGS))
        self._send_about()
        self._tell()

    def __repr__(self) -> str:
        status = self.state.status if self._is_open() else "closed"
        return f"TrainingMonitor({self._model.name(self._settings())}, {status})"

    @property
    def model(self) -> nn.Module:
        """The model that was given, or that the last start built."""
        return self._model.model

    @property
    def history(self) -> History:
        """Records of the latest run so far."""
        return self._history if self._session is None else self._session.history

    @property
    def error(self) -> BaseException | None:
        """Exception that ended the latest run, if it failed."""
        return None if self._session is None else self._session.error

    # Training

    def start(self) -> None:
        """Start a run with the present settings, in a separate thread.

        Raises
        ------
        ValueError
            If a run has not ended, or settings, model and data do not fit together; then nothing is changed. After a
            click on Start, the page shows the error.
        """
        self._check_open()
        if self.state.active:
            raise ValueError("a training is running; stop it before starting another one")
        settings, config = self._settings(), self._run_config()
        plan = self._model.plan(settings)
        model, weights = self._model.prepare(settings)
        session = TrainingSession(model, self._train, self._valid, config)
        session.listen(partial(self._follow_session, session))
        before = self._session, self._name, self._note, self._past
        with self._showing:  # messages of the thread wait until the model has been taken
            latest = self._latest()
            self._past = [*self._past, latest] if latest.records else self._past
            self._session, self._error = session, ""
            self._name = self._run_name(settings)
            self._note = messages.run_note(config, len(self._past) if plan == "go on" else 0)
            try:
                session.start(weights)
            except BaseException:
                self._session, self._name, self._note, self._past = before
                raise
            self._model.take(model, weights, settings)
            self._models = (model,)
            self._tell()

    def pause(self) -> None:
        """Pause before the next batch; does nothing if no training is running."""
        if self._session is not None:
            self._session.pause()

    def resume(self) -> None:
        """Continue with the next batch; does nothing if no training is paused."""
        if self._session is not None:
            self._session.resume()

    def stop(self) -> None:
        """End the run after the present batch and wait until the best weights are in the model."""
        if self._session is not None:
            self._session.stop()
            with suppress(TimeoutError):  # a batch may take longer; the status then changes when it has ended
                self._session.join(_STOP_WITHIN)

    def wait(self, timeout: float | int | None = None) -> None:
        """Wait until the training has ended; Ctrl-C stops it, and the model has its best weights.

        An error that ended the training is raised here.

        Raises
        ------
        TimeoutError
            If it has not ended after ``timeout`` seconds; it goes on.
        RuntimeError
            If it is paused, as nobody could resume it meanwhile, or the monitor is closed.
        """
        self._check_open()
        session = self._session
        if session is None:
            return
        if session.status == "paused" and timeout is None:
            raise RuntimeError("the training is paused; monitor.resume() continues it")
        try:
            session.join(timeout)
        except KeyboardInterrupt:
            self.stop()
            raise
        if session.error is not None:
            raise session.error

    @property
    def ready(self) -> bool:
        """Whether no training is on, and the latest one has not failed."""
        return not self.state.active and self.error is None

    @property
    def progress(self) -> float:
        """Share of all epochs of the run that is done, from 0 to 1; 1 when it has finished, also before the last."""
        return 1.0 if self.state.status == "finished" else messages.share(self.state.progress, self.history.config)

    @property
    def message(self) -> str:
        """How the training stands, in a sentence, or why something was refused."""
        if self._error or self.error is not None:
            return self._error or brief(self.error) or type(self.error).__name__
        history = self.history
        return messages.status_message(self.state.status, self.state.progress, history.records, history.config)

    @property
    def stale(self) -> bool:
        """Whether the weights have changed since the latest training ended, or since the monitor opened."""
        return self._is_open() and not self.state.active and super().stale

    def refresh(self) -> None:
        """Take the model as it is now, as if it had just been given; the curves stay."""
        self._check_open()
        if not self.state.active:
            self._model.renew()
            self._fingerprint = Fingerprint(self._models)
            self._tell()

    def close(self) -> None:
        """End the training, remove the monitor from all pages and release its data; model and history stay."""
        if self._is_open():
            self.stop()
        super().close()

    def _release(self) -> None:
        self._history, self._session = self.history, None
        self._model.renew()
        del self._train, self._valid

    def _settings(self) -> Settings:
        return Settings(*(getattr(self.state, field.name) for field in dataclasses.fields(Settings)))

    def _run_config(self) -> TrainConfig:
        changed = {name: getattr(self.state, name) for name in SETTINGS if name not in OF_MODEL}
        return dataclasses.replace(self._config, **changed)

    def _run_name(self, settings: Settings) -> str:
        """Name of a run that starts now, different from those before."""
        name = self._model.name(settings)
        taken = {curve.name for curve in self._past}
        return name if name not in taken else f"{name}, run {len(self._past) + 1}"

    def _latest(self) -> Curve:
        return Curve(self._name, self._note, self.history.records)

    # What is shown

    def _curves(self) -> list[Curve]:
        latest = self._latest()
        begun = self._session is not None and self._session.status in ("running", "paused", "stopping")
        return [*self._past, latest] if latest.records or begun else self._past

    def _metrics(self) -> tuple[str, ...]:
        return self._config.metrics

    def _about_training(self) -> dict[str, Any]:
        return {
            "controls": True,
            "architectures": [["revcomp", "RC"], ["standard", "standard"]] if self.state.architecture else [],
            "augmentations": [["none", "none"], ["revcomp", "reverse complement"]],
            "n_train": len(self._train),
            "n_valid": len(self._valid),
            "tasks": list(self._train.task_names),
        }

    def _follow_session(self, session: TrainingSession) -> None:
        """Update the state, not more often than is visible, as the training waits for it."""
        with self._showing:
            if session is not self._session:
                return
            now, changed = time.monotonic(), session.status != self.state.status
            try:
                if changed or (len(session.records) > len(self.state.records) and now >= self._curves_due):
                    self.state.records = session.records
                    self._send_curves()
                    taken = time.monotonic() - now
                    self._curves_due = now + max(_CURVES_EVERY, _CURVES_SHARE * taken)
                if changed or now >= self._line_due:
                    self._line_due = now + _LINE_EVERY
                    self.state.progress = session.progress
                    self.state.status = session.status
                    if changed and not self.state.active:
                        self._fingerprint = Fingerprint([session.model])
                    self._tell()
            except Exception as error:  # an error while drawing must not end the training
                self._refuse(error)

    def _refuse(self, error: BaseException) -> None:
        self._error = brief(error) or type(error).__name__
        with suppress(Exception):  # of sending, if that was the error
            self._tell()

    def _on_message(self, widget: Any, content: Mapping[str, Any], buffers: Any) -> None:
        """Answer a button of the page."""
        actions = {"start": self.start, "pause": self.pause, "resume": self.resume, "stop": self.stop}
        action = actions.get(str(content.get("kind")))
        if action is None:
            super()._on_message(widget, content, buffers)
            return
        self._answered += 1
        self._error = ""
        try:
            action()
        except Exception as error:  # the user of the page must see it
            self._refuse(error)
        else:
            self._tell()

    def _tell(self) -> None:
        """Send to the page how the training stands."""
        if self.comm is None or not self._is_open():
            return
        with self._showing:
            kind, message = "ready", self._error
            if self.state.active:
                kind = "computing"
            elif self.error is not None:
                kind, message = "error", self.message
            elif not self._error and self.stale:
                kind = "stale"
            self._status = {
                "state": kind,
                "progress": self.progress,
                "message": message,
                "training": self._standing(changed=kind == "stale"),
            }

    def _standing(self, *, changed: bool = False) -> dict[str, Any]:
        """What the page says about the run; ``changed``: the weights are not those that it left."""
        settings, progress, active = self._settings(), self.state.progress, self.state.active
        name = self._model.name(settings)
        best = bool(self.history.records) and not changed
        plan = "" if active else messages.start_message(self._model.plan(settings), name, settings.seed, best=best)
        if not active:  # a run that has ended has no time left
            progress = dataclasses.replace(progress, seconds_left=math.nan)
        return {
            "status": self.state.status,
            "name": name,
            "run": self._name,
            "plan": plan,
            "standing": messages.status_message(self.state.status, progress, self.history.records, self.history.config),
            "answered": self._answered,
            **messages.numbers(progress, self.history.config),
        }

    def _saved_status(self) -> dict[str, Any]:
        standing = self._standing()
        if self.state.active:
            text = standing["standing"].removesuffix(" The kernel is free.")
            standing["standing"] = f"Saved during the training. {text}"
        return {"state": "ready", "progress": self.progress, "message": "", "training": {**standing, "plan": ""}}
