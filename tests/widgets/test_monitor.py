"""The monitor driven by its methods, its buttons and its state, without a browser."""

import copy
import threading

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances
from torch import nn

from rcviz import SequenceSet, TrainConfig, build_model, fit, predict
from rcviz.widgets import monitor as monitor_module
from rcviz.widgets.monitor import TrainingMonitor

LONG = TrainConfig(epochs=10_000, batch_size=20, samples_per_epoch=40)
SHORT = TrainConfig(epochs=3, batch_size=20, samples_per_epoch=40)
PATIENCE = 60


@pytest.fixture
def monitor_of(toy, make_model):
    """Make monitors; whatever happens in the test, their trainings end with it."""
    made = []

    def make(model=None, config=LONG, *, train=toy, valid=toy):
        made.append(TrainingMonitor(model or make_model(), train, valid, config))
        return made[-1]

    yield make
    for monitor in made:
        monitor.close()


def weights(model):
    return copy.deepcopy(model.state_dict())


def until(monitor, trait, reached):
    """Wait for a change of the monitor's state that fulfils ``reached``."""
    done = threading.Event()

    def look(change=None):
        if reached(getattr(monitor.state, trait)):
            done.set()

    monitor.state.observe(look, trait)
    look()
    assert done.wait(PATIENCE), getattr(monitor.state, trait)
    monitor.state.unobserve(look, trait)


def finish(monitor):
    monitor._session.join(PATIENCE)


def enabled(monitor):
    return [button.description for button in monitor._buttons.children if not button.disabled]


def test_the_given_model_is_trained_in_place_as_by_fit(toy, make_model, monitor_of, same_weights):
    reference, model = make_model(), make_model()
    history = fit(reference, toy, toy, SHORT, progress=False)
    monitor = monitor_of(model, SHORT)
    assert monitor.history.records == ()
    monitor._start.click()
    finish(monitor)
    assert monitor.state.status == "finished"
    assert monitor.model is model
    assert same_weights(weights(model), weights(reference))
    assert monitor.history.table.equals(history.table)
    assert monitor.state.records == monitor.history.records
    assert f"Finished after epoch 3; best epoch so far {history.best_epoch}" in monitor._status.value
    assert "Epoch 3 of 3" in monitor._progress.value
    assert "samples/s" in monitor._progress.value
    assert " left" not in monitor._progress.value


def test_buttons_are_enabled_where_they_mean_something(monitor_of):
    monitor = monitor_of()
    assert enabled(monitor) == ["Start"]
    monitor._start.click()
    assert enabled(monitor) == ["Pause", "Stop"]
    assert all(control.disabled for name, control in monitor._controls.items() if name != "metric")
    monitor._pause.click()
    assert (monitor.state.status, enabled(monitor)) == ("paused", ["Resume", "Stop"])
    assert "Paused in epoch" in monitor._status.value
    monitor._pause.click()
    assert (monitor.state.status, enabled(monitor)) == ("running", ["Pause", "Stop"])
    monitor._stop.click()
    assert (monitor.state.status, enabled(monitor)) == ("stopped", ["Start"])
    assert not any(control.disabled for control in monitor._controls.values())
    assert monitor._error.value == ""


def test_curves_grow_and_the_status_says_which_epoch_is_best(monitor_of):
    monitor = monitor_of()
    monitor.start()
    until(monitor, "records", lambda records: len(records) > 1)
    monitor.stop()
    best = monitor.history.best
    assert "<svg" in monitor._curves._pane.value
    assert len(monitor._curves.table) == 2 * len(monitor.history.records)
    assert f"best epoch so far {best.epoch}, validation auROC {best.valid.auroc:.3f}" in monitor._status.value
    before = monitor._curves._pane.value
    monitor._controls["metric"].value = "loss"
    assert monitor._curves._pane.value != before
    assert plt.get_fignums() == []


def test_stop_before_the_first_epoch_says_so(monitor_of):
    monitor = monitor_of(config=TrainConfig(epochs=1, batch_size=2, samples_per_epoch=1_000_000))
    monitor.start()
    monitor.stop()
    assert "Stopped before the first epoch was complete" in monitor._status.value


class TestWhatStartDoes:
    """The note says it, and it is so."""

    def run(self, monitor):
        monitor._start.click()
        finish(monitor)
        assert monitor._error.value == ""

    @pytest.mark.parametrize(("name", "value"), [("architecture", "standard"), ("n_filters", 5)])
    def test_another_network_is_a_new_model(self, monitor_of, make_model, same_weights, toy, name, value):
        model = make_model()
        before = weights(model)
        monitor = monitor_of(model, SHORT)
        monitor._controls[name].value = value
        assert "builds a new model" in monitor._note.value
        assert monitor.model is model
        self.run(monitor)
        assert getattr(monitor.model.config, name) == value
        assert same_weights(weights(model), before)
        reference = build_model(monitor.model.config, seed=0)
        fit(reference, toy, toy, SHORT, progress=False)
        assert same_weights(weights(monitor.model), weights(reference))
        monitor._controls[name].value = getattr(model.config, name)
        self.run(monitor)
        assert monitor.model.config == model.config

    def test_the_other_architecture_has_its_own_head(self, monitor_of, toy):
        from rcviz import ModelConfig

        one = SequenceSet(toy.codes, toy.labels[:, 0], task_names=("GATA",))
        config = ModelConfig.one_layer("revcomp", n_filters=3, sequence_length=60, pool_size=10)
        assert (config.head, config.freeze_output) == ("weighted_sum", True)
        monitor = monitor_of(build_model(config), SHORT, train=one, valid=one)
        monitor.state.architecture = "standard"
        self.run(monitor)
        assert (monitor.model.config.head, monitor.model.config.freeze_output) == ("flatten", False)
        monitor.state.architecture = "revcomp"
        self.run(monitor)
        assert monitor.model.config == config

    def test_another_seed_gives_new_weights_in_place(self, monitor_of, make_model, same_weights, toy):
        model, reference = make_model(), make_model(seed=7)
        monitor = monitor_of(model, SHORT)
        monitor._controls["seed"].value = 7
        assert "new starting weights, drawn from seed 7" in monitor._note.value
        self.run(monitor)
        fit(reference, toy, toy, monitor.history.config, progress=False)
        assert monitor.history.config.seed == 7
        assert monitor.model is model
        assert same_weights(weights(model), weights(reference))

    def test_nothing_changed_goes_on(self, monitor_of, make_model, same_weights, toy):
        model, reference = make_model(), make_model()
        monitor = monitor_of(model, SHORT)
        for _ in range(2):
            self.run(monitor)
            fit(reference, toy, toy, SHORT, progress=False)
            assert "continues" in monitor._note.value
        assert same_weights(weights(model), weights(reference))

    @pytest.mark.parametrize(("name", "value"), [("learning_rate", 0.02), ("augmentation", "revcomp")])
    def test_another_training_begins_again(self, monitor_of, make_model, same_weights, toy, name, value):
        model, reference = make_model(), make_model()
        monitor = monitor_of(model, SHORT)
        self.run(monitor)
        self.run(monitor)
        monitor._controls[name].value = value
        assert "trains again" in monitor._note.value
        self.run(monitor)
        fit(reference, toy, toy, monitor.history.config, progress=False)
        assert getattr(monitor.history.config, name) == value
        assert monitor.model is model
        assert same_weights(weights(model), weights(reference))


class TestErrors:
    """One sentence in the pane, and the last good view stays."""

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            ("learning_rate", 0.0, "learning_rate must be a positive number, such as 0.001, got 0.0"),
            ("n_filters", 0, "n_filters must be at least 1, got 0"),
            ("seed", -1, "seed must be a whole number of at least 0, got -1"),
            ("epochs", 0, "epochs must be at least 1, got 0"),
        ],
    )
    def test_a_refused_setting_goes_back(self, monitor_of, name, value, said):
        monitor = monitor_of()
        before = getattr(monitor.state, name)
        monitor._controls[name].value = value
        assert said in monitor._error.value
        assert (getattr(monitor.state, name), monitor._controls[name].value) == (before, before)
        monitor._controls[name].value = before + 1
        assert monitor._error.value == ""

    @pytest.mark.parametrize("value", ["fast", float("nan"), True, None])
    def test_what_is_no_number_is_refused(self, monitor_of, value):
        with pytest.raises(ValueError, match="learning_rate must be a positive number"):
            monitor_of().state.learning_rate = value

    def test_settings_hold_while_a_training_is_on(self, monitor_of):
        monitor = monitor_of()
        monitor.start()
        with pytest.raises(ValueError, match="learning_rate cannot change"):
            monitor.state.learning_rate = 0.1
        with pytest.raises(ValueError, match="a training is running"):
            monitor.start()

    @pytest.mark.parametrize(
        ("changes", "said"),
        [({"sequence_length": 51}, "expected (batch, 4, 51), got"), ({"n_tasks": 1}, "n_tasks=2")],
    )
    def test_a_model_that_does_not_accept_the_data(self, monitor_of, make_model, changes, said):
        monitor = monitor_of(make_model(**changes))
        monitor._start.click()
        assert said in monitor._error.value
        assert monitor.state.status == "ready"

    def test_a_network_of_ones_own_that_does_not_accept_the_data(self, monitor_of):
        monitor = monitor_of(nn.Sequential(nn.Flatten(), nn.Linear(8, 2)))
        monitor._start.click()
        assert "the model does not accept one-hot sequences (batch, 4, 60): " in monitor._error.value

    def test_labels_of_one_class(self, monitor_of, toy):
        monitor = monitor_of(valid=toy.negatives(0))
        monitor._start.click()
        assert "valid has no positives for task GATA" in monitor._error.value

    def test_a_network_that_cannot_be_built_leaves_the_last_run(self, monitor_of):
        monitor = monitor_of(config=SHORT)
        monitor._start.click()
        finish(monitor)
        before = monitor._curves._pane.value, monitor._status.value, monitor.model, weights(monitor.model)
        monitor._train = monitor._train.subset(np.zeros(120, bool))
        monitor._controls["n_filters"].value = 4
        monitor._start.click()
        assert "train has no positives" in monitor._error.value
        assert (monitor._curves._pane.value, monitor._status.value, monitor.model) == before[:3]
        assert all(torch.equal(before[3][name], tensor) for name, tensor in monitor.model.state_dict().items())

    def test_an_error_in_training_is_shown_and_the_model_can_be_used(self, monitor_of, toy):
        class Breaks(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.passes = nn.Conv1d(4, 2, 60), 0

            def forward(self, x):
                self.passes += self.training
                if self.training and self.passes == 6:
                    raise RuntimeError("<b>the cable</b> was pulled")
                return self.conv(x)[:, :, 0]

        monitor = monitor_of(Breaks())
        monitor._start.click()
        finish(monitor)
        assert monitor.state.status == "failed"
        assert "&lt;b&gt;the cable&lt;/b&gt; was pulled" in monitor._error.value
        assert isinstance(monitor.error, RuntimeError)
        assert "The training failed in epoch 3; the model has the best weights so far" in monitor._status.value
        assert "<svg" in monitor._curves._pane.value
        assert np.isfinite(predict(monitor.model, toy)).all()
        monitor._start.click()  # it breaks once
        assert monitor._error.value == ""

    def test_a_diverging_training(self, monitor_of, toy):
        monitor = monitor_of(config=TrainConfig(epochs=20, batch_size=20, learning_rate=1e30))
        monitor._start.click()
        finish(monitor)
        assert "lower learning_rate" in monitor._error.value
        assert np.isfinite(predict(monitor.model, toy)).all()

    def test_what_cannot_be_drawn_does_not_end_the_training(self, monitor_of, monkeypatch):
        monitor = monitor_of(config=SHORT)

        def refuse(*given, **more):
            raise RuntimeError("no ink")

        monkeypatch.setattr(monitor._curves, "show", refuse)
        monitor._start.click()
        finish(monitor)
        assert len(monitor.history.records) == 3
        assert monitor._session.status == "finished"
        assert "no ink" in monitor._error.value

    def test_another_configuration(self, as_users_run, toy, make_model):
        model = make_model()
        with pytest.raises(ValueError, match="must be a TrainConfig, got ModelConfig"):
            TrainingMonitor(model, toy, toy, model.config)


def test_a_network_of_ones_own_keeps_its_architecture(monitor_of):
    network = nn.Sequential(nn.Conv1d(4, 2, 60), nn.Flatten(), nn.Dropout(0.1))
    monitor = monitor_of(network, SHORT)
    own = [monitor._controls[name] for name in ("architecture", "n_filters")]
    assert all(control.disabled for control in own)
    assert "Architecture and filters of this network cannot be changed" in monitor._note.value
    with pytest.raises(ValueError, match="architecture must be None"):
        monitor.state.architecture = "revcomp"
    monitor.state.seed = 3
    monitor._start.click()
    finish(monitor)
    assert all(control.disabled for control in own)
    assert monitor.model is network
    assert monitor.history.config.seed == 3


def test_every_control_has_words_for_a_screen_reader(monitor_of):
    monitor = monitor_of()
    for control in (*monitor._controls.values(), *monitor._buttons.children):
        assert control.description
        assert control.tooltip


def test_two_monitors_run_side_by_side(toy, make_model, monitor_of, same_weights):
    config = TrainConfig(epochs=8, batch_size=20, samples_per_epoch=40)
    references = [make_model("revcomp"), make_model("standard")]
    monitors = [monitor_of(make_model("revcomp"), config), monitor_of(make_model("standard"), config)]
    for monitor in monitors:
        monitor.start()
    for monitor, reference in zip(monitors, references, strict=True):
        finish(monitor)
        fit(reference, toy, toy, config, progress=False)
        assert same_weights(weights(monitor.model), weights(reference))


def test_one_model_in_two_monitors_is_trained_by_one(monitor_of, make_model):
    model = make_model()
    first, second = monitor_of(model), monitor_of(model)
    first._start.click()
    second._start.click()
    assert "being trained already" in second._error.value
    assert (first.state.status, second.state.status) == ("running", "ready")


def test_lines_and_curves_are_shown_now_and_then(monitor_of, monkeypatch):
    """With a clock that stands still, only the changes of status are shown."""
    monkeypatch.setattr(monitor_module, "_LINE_EVERY", float("inf"))
    monkeypatch.setattr(monitor_module, "_CURVES_EVERY", float("inf"))
    monitor, drawn = monitor_of(config=TrainConfig(epochs=20, batch_size=20, samples_per_epoch=40)), []
    monitor._curves._pane.observe(drawn.append, "value")
    monitor.start()
    finish(monitor)
    assert len(monitor.history.records) == len(monitor.state.records) == 20
    assert len(drawn) == 1


def test_nothing_is_left_after_closing(toy, make_model):
    """50 monitors, each started, paused, resumed and stopped."""
    threads, shown = set(threading.enumerate()), set(_instances)
    for _ in range(50):
        monitor = TrainingMonitor(make_model(), toy, toy, LONG)
        for button in (monitor._start, monitor._pause, monitor._pause, monitor._stop):
            button.click()
        monitor.close()
    assert set(threading.enumerate()) == threads
    assert set(_instances) == shown
    assert plt.get_fignums() == []


def test_observers_do_not_grow(monitor_of):
    monitor = monitor_of()

    def observers():
        return sum(len(handlers) for kinds in monitor.state._trait_notifiers.values() for handlers in kinds.values())

    before = observers()
    for _ in range(20):
        monitor._start.click()
        monitor._stop.click()
    assert observers() == before
    assert len(monitor._session._listeners) == 1
