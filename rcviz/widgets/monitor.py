"""Train a model in place and watch it, while the kernel stays free."""

import dataclasses
import html
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import ipywidgets
from torch import nn

from rcviz.models.network import SequenceModel
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.training.config import TrainConfig
from rcviz.training.history import History
from rcviz.training.session import TrainingProgress, TrainingSession
from rcviz.widgets import _training_words as words
from rcviz.widgets._keyboard import KeyboardGuard
from rcviz.widgets._pane import ErrorPane, MarkupPane
from rcviz.widgets._training_controls import training_controls
from rcviz.widgets._training_start import ModelInHand, Settings
from rcviz.widgets._training_state import SETTINGS, TrainingState
from rcviz.widgets.training import TrainingCurves

_LINE_EVERY = 0.25  # seconds between two lines of progress
_CURVES_EVERY = 1.0  # seconds between two drawings, and at least so many times what the last one took:
_CURVES_SHARE = 20
_STOP_WITHIN = 10.0  # seconds that stop() waits for the batch in hand


class TrainingMonitor(ipywidgets.VBox):
    """Start, pause, resume and stop a training in the background, and see its learning curves grow.

    The model is trained in place. Another architecture or number of filters makes a new model out of it, another seed
    gives it new starting weights, another learning rate or augmentation begins again; with nothing changed a second
    start goes on. The line above the buttons says what the next start does.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``. One that :func:`build_model` made can change
        its architecture and filters here.
    train, valid : SequenceSet
        With labels for every task.
    config : TrainConfig
        Where the controls start, and everything for which there is no control.

    Attributes
    ----------
    state : TrainingState
        Settings, status, progress and records; can be read, set and observed.

    Examples
    --------
    >>> training = rcviz.TrainConfig(epochs=2, batch_size=100, samples_per_epoch=200)
    >>> monitor = rcviz.TrainingMonitor(model, parts.train, parts.valid, training)
    >>> monitor.start()  # returns at once; the curves grow while the notebook stays free
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
        self._in_hand = ModelInHand(model, self._settings())
        self._session: TrainingSession | None = None
        self._name = self._in_hand.name(self._settings())  # of the run that is drawn
        self._showing = threading.RLock()  # the training thread and the kernel's both write the state
        self._line_due = self._curves_due = 0.0
        self._following = False
        self._build()
        self._observe()
        above = [self._heading, self._settings_box, self._note, self._buttons]
        below = [self._error, self._standing, self._progress, self._curves, KeyboardGuard()]
        super().__init__(
            [*above, *below], layout=ipywidgets.Layout(flex="1 1 0", min_width="440px", padding="0 14px 0 0")
        )
        self.add_class("rcviz-explorer").add_class("rcviz-training-monitor")

    def __repr__(self) -> str:
        return f"TrainingMonitor({self._in_hand.name(self._settings())}, {self.state.status})"

    @property
    def model(self) -> nn.Module:
        """The model in hand: the one that was given, or the one that the last start built."""
        return self._in_hand.model

    @property
    def history(self) -> History:
        """What the latest run has recorded so far."""
        return History(self._config, ()) if self._session is None else self._session.history

    @property
    def error(self) -> BaseException | None:
        """What ended the latest run, when it failed; its traceback says where."""
        return None if self._session is None else self._session.error

    def start(self) -> None:
        """Begin a run with the present settings, in a thread of its own.

        Raises
        ------
        ValueError
            When a run is on, or when settings, model and data do not fit each other; then nothing is changed. The
            Start button shows it in the error pane.
        """
        if self.state.active:
            raise ValueError("a training is on; stop it before starting another one")
        settings, config = self._settings(), self._run_config()
        model, weights = self._in_hand.prepare(settings)
        session = TrainingSession(model, self._train, self._valid, config)
        session.listen(partial(self._follow_session, session))
        before = self._session, self._name
        with self._showing:  # what the thread has to say waits until the model has been taken
            self._session, self._name = session, self._in_hand.name(settings)
            try:
                session.start(weights)
            except BaseException:
                self._session, self._name = before
                raise
            self._in_hand.take(model, weights, settings)

    def pause(self) -> None:
        """Wait before the next batch; without a running training nothing happens."""
        if self._session is not None:
            self._session.pause()

    def resume(self) -> None:
        """Go on with the next batch; without a paused training nothing happens."""
        if self._session is not None:
            self._session.resume()

    def stop(self) -> None:
        """End the run after the batch in hand and wait until the best weights are in the model."""
        if self._session is not None:
            self._session.stop()
            with suppress(TimeoutError):  # a batch may last longer; the status then changes when it is done
                self._session.join(_STOP_WITHIN)

    def close(self) -> None:
        """End the training and let go of everything that is shown."""
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
        self._controls = training_controls(built=self.state.architecture is not None)
        self._heading, self._note, self._standing, self._progress = (MarkupPane() for _ in range(4))
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
            pass  # the pane is emptied before: a training may fail while the action returns
        try:
            action()
        except Exception as error:
            self._report(error)

    def _write(self, name: str, change: Any) -> None:
        if not self._following:
            with self._error.reporting():
                setattr(self.state, name, change["new"])
            if getattr(self.state, name) != change["new"]:  # refused: the control goes back to what holds
                self._show_settings()

    def _follow_session(self, session: TrainingSession) -> None:
        """Bring the state up to date, not more often than a person can see; training waits for it."""
        with self._showing:
            now, turned = time.monotonic(), session.status != self.state.status
            try:
                if turned or (len(session.records) > len(self.state.records) and now >= self._curves_due):
                    self.state.records = session.records
                    taken = time.monotonic() - now
                    self._curves_due = now + max(_CURVES_EVERY, _CURVES_SHARE * taken)
                if turned or now >= self._line_due:
                    self.state.progress = session.progress
                    self._line_due = now + _LINE_EVERY
                self.state.status = session.status
            except Exception as error:  # what cannot be drawn must not end the training
                self._report(error)
            if turned and session.error is not None:
                self._report(session.error)

    def _report(self, error: BaseException) -> None:
        with self._error.reporting():
            raise error

    def _show_settings(self, change: Any = None) -> None:
        """Set the controls to what the state says, without their writing it back."""
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
        name = self._in_hand.name(settings)
        self._heading.show(f'<b style="font-size:1.1em">{html.escape(name)}</b>')
        plan = "" if self.state.active else words.starting(self._in_hand.plan(settings), name, self.state.seed)
        own = "" if self.state.architecture else " Architecture and filters are the network's own."
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
        self._start.tooltip = "Begin a training with these settings"
        self._pause.tooltip = "Go on with the next batch" if paused else "Wait before the next batch"
        self._stop.tooltip = "End the training and keep the best weights"
        self._show_note()
        self._show_standing()
        self._show_progress()

    def _show_standing(self) -> None:
        config = self._config if self._session is None else self._session.config
        said = words.standing(self.state.status, self.state.progress, self.state.records, config)
        self._standing.show(f'<div class="rcviz-standing" aria-live="polite" style="line-height:1.4">{said}</div>')

    def _show_progress(self, change: Any = None) -> None:
        if self._session is not None and self.state.progress.epoch:
            progress = self.state.progress
            if not self.state.active:  # no time is left of a run that has ended
                progress = dataclasses.replace(progress, seconds_left=math.nan)
            self._progress.show(words.advance(progress, self._session.config, len(self._valid), self._name))

    def _show_curves(self, change: Any = None) -> None:
        self._curves.show({self._name: self.state.records}, metric=self.state.metric)
        self._show_standing()


def _parts(widget: Any) -> list[Any]:
    """All widgets inside, with the layouts and styles of all."""
    children = getattr(widget, "children", ())
    own = [getattr(widget, name) for name in ("layout", "style") if widget.has_trait(name)]
    return [*children, *own, *(part for child in children for part in _parts(child))]
