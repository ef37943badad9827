"""Train a model in the background and watch its learning curves."""

import dataclasses
import html
import math
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import ipywidgets
from torch import nn

from rcviz._core.threads import shared_lock
from rcviz.models.network import SequenceModel
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.training.config import TrainConfig
from rcviz.training.history import History
from rcviz.training.session import TrainingProgress, TrainingSession
from rcviz.widgets import _training_messages as messages
from rcviz.widgets._box import ExplorerBox
from rcviz.widgets._keyboard import KeyboardGuard
from rcviz.widgets._pane import ErrorPane, MarkupPane
from rcviz.widgets._training_controls import training_controls
from rcviz.widgets._training_start import MonitoredModel, Settings
from rcviz.widgets._training_state import SETTINGS, TrainingState
from rcviz.widgets.training import TrainingCurves

_LINE_EVERY = 0.25  # seconds between two lines of progress
_CURVES_EVERY = 1.0  # seconds between two drawings, and at least this many times the duration of the last one:
_CURVES_SHARE = 20
_STOP_WITHIN = 10.0  # seconds that stop() waits for the present batch


class TrainingMonitor(ExplorerBox):
    """Start, pause, resume and stop a training in the background, and watch its learning curves.

    The model is trained in place. A new architecture or number of filters builds a new model, a new seed draws new
    starting weights, and a new learning rate or augmentation starts training again; without changes, Start continues
    it. The line above the buttons describes what the next start does.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``. One that :func:`build_model` made can change
        its architecture and filters here.
    train, valid : SequenceSet
        With labels for every task.
    config : TrainConfig
        Initial values of the controls, and all settings that have no control.

    Attributes
    ----------
    state : TrainingState
        Settings, status, progress and records; can be read, set and observed.

    Examples
    --------
    >>> training = rcviz.TrainConfig(epochs=2, batch_size=100, samples_per_epoch=200)
    >>> monitor = rcviz.TrainingMonitor(model, parts.train, parts.valid, training)
    >>> monitor.start()  # returns at once; the notebook can be used meanwhile
    >>> monitor.stop()
    >>> monitor.close()
    """

    def __init__(self, model: nn.Module, train: SequenceSet, valid: SequenceSet, config: TrainConfig) -> None:
        if not isinstance(config, TrainConfig):
            raise ValueError(
                f"config must be a TrainConfig, got {type(config).__name__}; ModelConfig is for build_model"
            )
        self._train, self._valid, self._config = train, valid, config
        built = {}
        if isinstance(model, SequenceModel):
            built = {"architecture": model.config.architecture, "n_filters": model.config.n_filters}
        own = {name: getattr(config, name) for name in ("seed", "learning_rate", "augmentation", "epochs")}
        self.state = TrainingState(**built, **own, metric=config.monitor, progress=TrainingProgress())
        self._model = MonitoredModel(model, self._settings())
        self._session: TrainingSession | None = None
        self._name = self._model.name(self._settings())  # of the run that is drawn
        self._showing = shared_lock()  # the training thread and the kernel's thread both write the state
        self._line_due = self._curves_due = 0.0
        self._following = False
        self._build()
        self._observe()
        above = [self._heading, self._settings_box, self._note, self._buttons]
        below = [self._error, self._status, self._progress, self._curves, KeyboardGuard()]
        super().__init__(
            [*above, *below], layout=ipywidgets.Layout(flex="1 1 0", min_width="440px", padding="0 14px 0 0")
        )
        self.add_class("rcviz-box").add_class("rcviz-training-monitor")

    def __repr__(self) -> str:
        return f"TrainingMonitor({self._model.name(self._settings())}, {self.state.status})"

    @property
    def model(self) -> nn.Module:
        """The model that was given, or that the last start built."""
        return self._model.model

    @property
    def history(self) -> History:
        """Records of the latest run so far."""
        return History(self._config, ()) if self._session is None else self._session.history

    @property
    def error(self) -> BaseException | None:
        """Exception that ended the latest run, if it failed."""
        return None if self._session is None else self._session.error

    def start(self) -> None:
        """Start a run with the present settings, in a separate thread.

        Raises
        ------
        ValueError
            If a run has not ended, or settings, model and data do not fit together; then nothing is changed. The Start
            button shows the error in the error pane.
        """
        if self.state.active:
            raise ValueError("a training is running; stop it before starting another one")
        settings, config = self._settings(), self._run_config()
        model, weights = self._model.prepare(settings)
        session = TrainingSession(model, self._train, self._valid, config)
        session.listen(partial(self._follow_session, session))
        before = self._session, self._name
        with self._showing:  # messages of the thread wait until the model has been taken
            self._session, self._name = session, self._model.name(settings)
            try:
                session.start(weights)
            except BaseException:
                self._session, self._name = before
                raise
            self._model.take(model, weights, settings)

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

    def close(self) -> None:
        """End the training and close all widgets inside."""
        if getattr(self, "_session", None) is not None:
            self.stop()
        parts = _parts(self)
        super().close()
        for part in parts:
            part.close()

    def _settings(self) -> Settings:
        return Settings(*(getattr(self.state, field.name) for field in dataclasses.fields(Settings)))

    def _run_config(self) -> TrainConfig:
        changed = {name: getattr(self.state, name) for name in ("seed", "learning_rate", "augmentation", "epochs")}
        return dataclasses.replace(self._config, **changed)

    def _build(self) -> None:
        self._controls = training_controls(built=self.state.architecture is not None, metrics=self._config.metrics)
        self._heading, self._note, self._status, self._progress = (MarkupPane() for _ in range(4))
        self._error = ErrorPane()
        self._curves = TrainingCurves(size=(4.7, 3.1))
        self._start = ipywidgets.Button(description="Start", button_style="primary")
        self._pause = ipywidgets.Button(description="Pause")
        self._stop = ipywidgets.Button(description="Stop")
        for button in (self._start, self._pause, self._stop):
            button.layout.width = "110px"
        self._buttons = ipywidgets.HBox([self._start, self._pause, self._stop])
        self._settings_box = ipywidgets.HBox(
            list(self._controls.values()), layout=ipywidgets.Layout(flex_flow="row wrap", max_width="470px")
        )

    def _observe(self) -> None:
        for name, control in self._controls.items():
            control.observe(partial(self._write, name), "value")
        self._start.on_click(lambda button: self._click(self.start))
        self._pause.on_click(lambda button: self._click(self.resume if self.state.status == "paused" else self.pause))
        self._stop.on_click(lambda button: self._click(self.stop))
        self.state.observe(self._show_settings, [*SETTINGS, "metric"])
        self.state.observe(self._show_status, "status")
        self.state.observe(self._show_progress, "progress")
        self.state.observe(self._show_curves, ["records", "metric"])
        self._show_settings()
        self._show_status()

    def _click(self, action: Callable[[], None]) -> None:
        with self._error.reporting():
            pass  # clear the pane first: a training may fail while the action returns
        try:
            action()
        except Exception as error:
            self._report(error)

    def _write(self, name: str, change: Any) -> None:
        if not self._following:
            with self._error.reporting():
                setattr(self.state, name, change["new"])
            if getattr(self.state, name) != change["new"]:  # refused: the control shows the state again
                self._show_settings()

    def _follow_session(self, session: TrainingSession) -> None:
        """Update the state, not more often than is visible, as the training waits for it."""
        with self._showing:
            now, changed = time.monotonic(), session.status != self.state.status
            try:
                if changed or (len(session.records) > len(self.state.records) and now >= self._curves_due):
                    self.state.records = session.records
                    taken = time.monotonic() - now
                    self._curves_due = now + max(_CURVES_EVERY, _CURVES_SHARE * taken)
                if changed or now >= self._line_due:
                    self.state.progress = session.progress
                    self._line_due = now + _LINE_EVERY
                self.state.status = session.status
            except Exception as error:  # an error while drawing must not end the training
                self._report(error)
            if changed and session.error is not None:
                self._report(session.error)

    def _report(self, error: BaseException) -> None:
        with self._error.reporting():
            raise error

    def _show_settings(self, change: Any = None) -> None:
        """Set the controls to the values of the state, without writing them back."""
        self._following = True
        try:
            for name, control in self._controls.items():
                if name != "n_filters" or self.state.n_filters is not None:
                    control.value = getattr(self.state, name)
        finally:
            self._following = False
        self._show_note()

    def _show_note(self) -> None:
        settings = self._settings()
        name = self._model.name(settings)
        self._heading.show(f'<b style="font-size:1.1em">{html.escape(name)}</b>')
        plan = "" if self.state.active else messages.start_message(self._model.plan(settings), name, self.state.seed)
        own = "" if self.state.architecture else " Architecture and filters of this network cannot be changed."
        self._note.show(f'<div class="rcviz-note" style="line-height:1.4">{html.escape(plan + own)}</div>')

    def _show_status(self, change: Any = None) -> None:
        active, paused = self.state.active, self.state.status == "paused"
        for name, control in self._controls.items():
            own = self.state.architecture is None and name in ("architecture", "n_filters")
            control.disabled = name != "metric" and (active or own)
        self._start.disabled = active
        self._pause.disabled = self.state.status not in ("running", "paused")
        self._pause.description = "Resume" if paused else "Pause"
        self._stop.disabled = self.state.status not in ("running", "paused")
        self._start.tooltip = "Start a training with these settings"
        self._pause.tooltip = "Continue with the next batch" if paused else "Pause before the next batch"
        self._stop.tooltip = "End the training; the model keeps the best weights"
        self._show_note()
        self._show_status_message()
        self._show_progress()

    def _show_status_message(self) -> None:
        config = self._config if self._session is None else self._session.config
        text = messages.status_message(self.state.status, self.state.progress, self.state.records, config)
        self._status.show(f'<div class="rcviz-standing" aria-live="polite" style="line-height:1.4">{text}</div>')

    def _show_progress(self, change: Any = None) -> None:
        if self._session is not None and self.state.progress.epoch:
            progress = self.state.progress
            if not self.state.active:  # a run that has ended has no time left to show
                progress = dataclasses.replace(progress, seconds_left=math.nan)
            self._progress.show(messages.progress_html(progress, self._session.config, len(self._valid), self._name))

    def _show_curves(self, change: Any = None) -> None:
        self._curves.show({self._name: self.state.records}, metric=self.state.metric)
        self._show_status_message()


def _parts(widget: Any) -> list[Any]:
    """List all widgets inside, with their layouts and styles."""
    children = getattr(widget, "children", ())
    own = [getattr(widget, name) for name in ("layout", "style") if widget.has_trait(name)]
    return [*children, *own, *(part for child in children for part in _parts(child))]
