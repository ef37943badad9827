"""The monitor driven by its methods, its state and what its page sends, without a browser."""

import copy
import gc
import json
import re
import threading
import weakref
from contextlib import suppress

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances
from torch import nn

from rcviz import SequenceSet, TrainConfig, build_model, fit, predict, split
from rcviz.widgets import monitor as monitor_module
from rcviz.widgets.data import unpack
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
    with suppress(Exception):  # of the training
        monitor.wait(PATIENCE)


def press(monitor, kind):
    """Press a button of the page."""
    monitor._on_message(monitor, {"kind": kind}, [])


def choose(monitor, **settings):
    """Choose on the page."""
    monitor.set_state({"_state": {**monitor._state, **settings}})


def shown(monitor):
    """State of the page, and the error that it shows."""
    return monitor._status["state"], monitor._status["message"]


def said(monitor):
    return monitor._status["training"]["standing"]


def plan(monitor):
    """What the page says that Start does."""
    return monitor._status["training"]["plan"]


def valid(run):
    return unpack(run["valid"])


def test_the_given_model_is_trained_in_place_as_by_fit(toy, make_model, monitor_of, same_weights):
    reference, model = make_model(), make_model()
    history = fit(reference, toy, toy, SHORT, progress=False)
    monitor = monitor_of(model, SHORT)
    assert monitor.history.records == ()
    press(monitor, "start")
    finish(monitor)
    assert monitor.state.status == "finished"
    assert monitor.model is model
    assert same_weights(weights(model), weights(reference))
    assert monitor.history.table.equals(history.table)
    assert monitor.state.records == monitor.history.records
    assert f"Finished after epoch 3; best epoch {history.best_epoch}" in said(monitor)
    numbers = monitor._status["training"]
    assert (numbers["epoch"], numbers["n_epochs"], numbers["n_samples"], numbers["left"]) == (3, 3, 40, None)
    assert numbers["rate"] > 0
    assert (monitor.progress, monitor.ready, monitor.message) == (1.0, True, said(monitor))


def test_splits_are_taken_as_by_fit(toy, make_model):
    splits = split(toy, train=0.6, valid=0.3, test=0.1)
    monitor = TrainingMonitor(make_model(), splits, config=LONG)
    assert (monitor._about["n_train"], monitor._about["n_valid"]) == (len(splits.train), len(splits.valid))
    monitor.close()
    with pytest.raises(ValueError, match="config is missing"):
        TrainingMonitor(make_model(), splits)


def test_buttons_start_pause_resume_and_stop(monitor_of):
    monitor = monitor_of()
    assert (monitor.state.status, shown(monitor)) == ("ready", ("ready", ""))
    assert monitor.ready
    press(monitor, "start")
    assert (monitor.state.status, shown(monitor)) == ("running", ("computing", ""))
    with pytest.raises(TimeoutError, match="has not ended within"):
        monitor.wait(0.01)
    press(monitor, "pause")
    assert (monitor.state.status, shown(monitor)) == ("paused", ("computing", ""))
    assert "Paused in epoch" in said(monitor)
    assert not monitor.ready
    with pytest.raises(RuntimeError, match=r"paused; monitor\.resume"):
        monitor.wait()
    press(monitor, "resume")
    assert monitor.state.status == "running"
    press(monitor, "stop")
    assert (monitor.state.status, shown(monitor)) == ("stopped", ("ready", ""))
    assert monitor.ready
    assert 0 <= monitor.progress < 1
    monitor.wait(0)


def test_curves_grow_and_the_status_says_which_epoch_is_best(monitor_of):
    monitor = monitor_of()
    monitor.start()
    until(monitor, "records", lambda records: len(records) > 1)
    monitor.stop()
    best = monitor.history.best
    (run,) = monitor._runs["runs"]
    records = monitor.history.records
    assert (run["name"], run["best"]) == ("RC, 3 filters", best.epoch)
    for part in ("train", "valid"):
        expected = [[getattr(getattr(record, part), name) for name in run["metrics"]] for record in records]
        np.testing.assert_array_equal(unpack(run[part]), np.float32(expected))
    assert len(monitor.table) == 2 * len(records)
    assert f"best epoch {best.epoch}, validation auROC {best.valid.auroc:.3f}" in said(monitor)
    choose(monitor, metric="loss")
    assert monitor.state.metric == "loss"
    assert monitor.picture().axes[0].get_ylabel() == "loss"
    assert plt.get_fignums() == []


def test_runs_are_kept_to_be_compared(monitor_of, tmp_path):
    monitor = monitor_of(config=SHORT)
    with pytest.raises(ValueError, match="no epoch to draw"):
        monitor.picture()
    for changes in ({}, {"learning_rate": 0.02}, {"architecture": "standard"}, {}):
        choose(monitor, **changes)
        press(monitor, "start")
        finish(monitor)
    names = ["RC, 3 filters", "RC, 3 filters, run 2", "standard, 3 filters", "standard, 3 filters, run 4"]
    runs = monitor._runs["runs"]
    assert [run["name"] for run in runs] == list(monitor.table["model"].unique()) == names
    assert ["continues run 3" in run["note"] for run in runs] == [False, False, False, True]
    assert [valid(run).shape for run in runs] == [(3, 3)] * 4
    assert len(monitor.picture().axes[0].get_legend().get_texts()) > len(names)
    choose(monitor, hidden=[1, 2, 4])
    monitor.export(tmp_path / "curves.svg")
    drawn = (tmp_path / "curves.svg").read_text()
    assert "standard, 3 filters" in drawn
    assert "RC, 3 filters" not in drawn
    monitor.export(tmp_path / "epochs.csv")
    assert (tmp_path / "epochs.csv").read_text().count("\n") == 1 + 4 * 2 * 3
    choose(monitor, hidden=[0])
    assert monitor.state.hidden == [1, 2, 4]
    assert shown(monitor)[1] != ""


def test_a_run_without_epochs_is_not_kept(monitor_of):
    monitor = monitor_of(config=TrainConfig(epochs=1, batch_size=2, samples_per_epoch=1_000_000))
    for _ in range(2):
        press(monitor, "start")
        assert [run["best"] for run in monitor._runs["runs"]] == [0]
        press(monitor, "stop")
        assert monitor._runs["runs"] == []
    assert "not those of a finished epoch" in plan(monitor)


def test_stop_before_the_first_epoch_says_so(monitor_of):
    monitor = monitor_of(config=TrainConfig(epochs=1, batch_size=2, samples_per_epoch=1_000_000))
    monitor.start()
    monitor.stop()
    assert "Stopped before the first epoch was complete" in said(monitor)


class TestWhatStartDoes:
    """The note says it, and it is so."""

    def run(self, monitor):
        press(monitor, "start")
        finish(monitor)
        assert shown(monitor)[1] == ""

    @pytest.mark.parametrize(("name", "value"), [("architecture", "standard"), ("n_filters", 5)])
    def test_another_network_is_a_new_model(self, monitor_of, make_model, same_weights, toy, name, value):
        model = make_model()
        before = weights(model)
        monitor = monitor_of(model, SHORT)
        choose(monitor, **{name: value})
        assert "builds a new model" in plan(monitor)
        assert monitor.model is model
        self.run(monitor)
        assert getattr(monitor.model.config, name) == value
        assert same_weights(weights(model), before)
        reference = build_model(monitor.model.config, seed=0)
        fit(reference, toy, toy, SHORT, progress=False)
        assert same_weights(weights(monitor.model), weights(reference))
        choose(monitor, **{name: getattr(model.config, name)})
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
        choose(monitor, seed=7)
        assert "new starting weights, drawn from seed 7" in plan(monitor)
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
            assert "continues" in plan(monitor)
        assert same_weights(weights(model), weights(reference))

    @pytest.mark.parametrize(("name", "value"), [("learning_rate", 0.02), ("augmentation", "revcomp")])
    def test_another_training_begins_again(self, monitor_of, make_model, same_weights, toy, name, value):
        model, reference = make_model(), make_model()
        monitor = monitor_of(model, SHORT)
        self.run(monitor)
        self.run(monitor)
        choose(monitor, **{name: value})
        assert "trains again" in plan(monitor)
        self.run(monitor)
        fit(reference, toy, toy, monitor.history.config, progress=False)
        assert getattr(monitor.history.config, name) == value
        assert monitor.model is model
        assert same_weights(weights(model), weights(reference))


class TestErrors:
    """One sentence in the pane, and the last good view stays."""

    @pytest.mark.parametrize(
        ("name", "value", "error"),
        [
            ("learning_rate", 0.0, "learning_rate must be a positive number, such as 0.001, got 0.0"),
            ("n_filters", 0, "n_filters must be at least 1, got 0"),
            ("seed", -1, "seed must be a whole number of at least 0, got -1"),
            ("epochs", 0, "epochs must be at least 1, got 0"),
        ],
    )
    def test_a_refused_setting_goes_back(self, monitor_of, name, value, error):
        monitor = monitor_of()
        before = getattr(monitor.state, name)
        choose(monitor, **{name: value})
        assert error in shown(monitor)[1]
        assert (getattr(monitor.state, name), monitor._state[name]) == (before, before)
        choose(monitor, **{name: before + 1})
        assert shown(monitor)[1] == ""

    @pytest.mark.parametrize("value", ["fast", float("nan"), True, None])
    def test_what_is_no_number_is_refused(self, monitor_of, value):
        with pytest.raises(ValueError, match="learning_rate must be a positive number"):
            monitor_of().state.learning_rate = value

    def test_a_large_seed_is_not_rounded_by_the_page(self, monitor_of):
        monitor = monitor_of(config=TrainConfig(epochs=1, batch_size=20, samples_per_epoch=40, seed=2**53 + 1))
        assert monitor._state["seed"] == "9007199254740993"  # JavaScript would read the number as 9007199254740992
        choose(monitor, metric="loss")
        assert monitor.state.seed == 2**53 + 1
        choose(monitor, seed="9007199254740995")
        assert monitor.state.seed == 2**53 + 3
        choose(monitor, seed=5)
        assert (monitor.state.seed, monitor._state["seed"]) == (5, 5)

    def test_settings_hold_while_a_training_is_on(self, monitor_of):
        monitor = monitor_of()
        monitor.start()
        with pytest.raises(ValueError, match="learning_rate cannot change"):
            monitor.state.learning_rate = 0.1
        with pytest.raises(ValueError, match="a training is running"):
            monitor.start()

    @pytest.mark.parametrize(
        ("changes", "error"),
        [({"sequence_length": 51}, "expected (batch, 4, 51), got"), ({"n_tasks": 1}, "n_tasks=2")],
    )
    def test_a_model_that_does_not_accept_the_data(self, monitor_of, make_model, changes, error):
        monitor = monitor_of(make_model(**changes))
        press(monitor, "start")
        assert error in shown(monitor)[1]
        assert monitor.state.status == "ready"

    def test_a_network_of_ones_own_that_does_not_accept_the_data(self, monitor_of):
        monitor = monitor_of(nn.Sequential(nn.Flatten(), nn.Linear(8, 2)))
        press(monitor, "start")
        assert "the model does not accept one-hot sequences (batch, 4, 60): " in shown(monitor)[1]

    def test_labels_of_one_class(self, monitor_of, toy):
        monitor = monitor_of(valid=toy.negatives(0))
        press(monitor, "start")
        assert "valid has no positives for task GATA" in shown(monitor)[1]

    def test_a_network_that_cannot_be_built_leaves_the_last_run(self, monitor_of):
        monitor = monitor_of(config=SHORT)
        press(monitor, "start")
        finish(monitor)
        before = monitor._runs, said(monitor), monitor.model, weights(monitor.model)
        monitor._train = monitor._train.subset(np.zeros(120, bool))
        choose(monitor, n_filters=4)
        press(monitor, "start")
        assert "train has no positives" in shown(monitor)[1]
        assert (monitor._runs, said(monitor), monitor.model) == before[:3]
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
        press(monitor, "start")
        finish(monitor)
        assert monitor.state.status == "failed"
        assert shown(monitor) == ("error", "<b>the cable</b> was pulled")
        with pytest.raises(RuntimeError, match="was pulled"):
            monitor.wait()
        assert not monitor.ready
        assert isinstance(monitor.error, RuntimeError)
        assert "The training failed in epoch 3; the model has the best weights so far" in said(monitor)
        assert [valid(run).shape for run in monitor._runs["runs"]] == [(2, 3)]
        assert np.isfinite(predict(monitor.model, toy)).all()
        press(monitor, "start")  # it breaks once
        assert shown(monitor)[1] == ""

    def test_a_diverging_training(self, monitor_of, toy):
        monitor = monitor_of(config=TrainConfig(epochs=20, batch_size=20, learning_rate=1e30))
        press(monitor, "start")
        finish(monitor)
        assert "lower learning_rate" in shown(monitor)[1]
        assert np.isfinite(predict(monitor.model, toy)).all()

    def test_what_cannot_be_drawn_does_not_end_the_training(self, monitor_of, monkeypatch):
        monitor = monitor_of(config=SHORT)

        def refuse(*given, **more):
            raise RuntimeError("no ink")

        monkeypatch.setattr(monitor, "_send_curves", refuse)
        press(monitor, "start")
        finish(monitor)
        assert len(monitor.history.records) == 3
        assert monitor._session.status == "finished"
        assert "no ink" in shown(monitor)[1]

    def test_another_configuration(self, as_users_run, toy, make_model):
        model = make_model()
        with pytest.raises(ValueError, match="must be a TrainConfig, got ModelConfig"):
            TrainingMonitor(model, toy, toy, model.config)


def test_a_network_of_ones_own_keeps_its_architecture(monitor_of):
    network = nn.Sequential(nn.Conv1d(4, 2, 60), nn.Flatten(), nn.Dropout(0.1))
    monitor = monitor_of(network, SHORT)
    assert (monitor._about["architectures"], monitor._state["architecture"], monitor._state["n_filters"]) == (
        [],
        None,
        None,
    )
    with pytest.raises(ValueError, match="architecture must be None"):
        monitor.state.architecture = "revcomp"
    monitor.state.seed = 3
    press(monitor, "start")
    finish(monitor)
    assert monitor.model is network
    assert monitor.history.config.seed == 3


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
    press(first, "start")
    press(second, "start")
    assert "being trained already" in shown(second)[1]
    assert (first.state.status, second.state.status) == ("running", "ready")


def test_lines_and_curves_are_shown_now_and_then(monitor_of, monkeypatch):
    """With a clock that stands still, only the changes of status are shown."""
    monkeypatch.setattr(monitor_module, "_LINE_EVERY", float("inf"))
    monkeypatch.setattr(monitor_module, "_CURVES_EVERY", float("inf"))
    monitor, drawn = monitor_of(config=TrainConfig(epochs=20, batch_size=20, samples_per_epoch=40)), []
    monitor.observe(drawn.append, "_runs")
    monitor.start()
    finish(monitor)
    assert len(monitor.history.records) == len(monitor.state.records) == 20
    assert len(drawn) == 2  # at the start and at the end


def test_nothing_is_left_after_closing(toy, make_model):
    """50 monitors, each started, paused, resumed and stopped."""
    threads, registered, alive = set(threading.enumerate()), set(_instances), []
    for _ in range(50):
        monitor = TrainingMonitor(make_model(), toy, toy, LONG)
        alive += [weakref.ref(monitor), weakref.ref(monitor.model)]
        for kind in ("start", "pause", "resume", "stop"):
            press(monitor, kind)
        monitor._repr_mimebundle_()
        monitor.close()
    assert repr(monitor) == "TrainingMonitor(RC, 3 filters, closed)"
    assert set(threading.enumerate()) == threads
    assert set(_instances) == registered
    assert plt.get_fignums() == []
    del monitor
    gc.collect()
    assert not any(found() for found in alive)


def test_a_closed_monitor_keeps_what_was_trained_and_no_data(monitor_of, make_model, toy):
    data = SequenceSet(toy.codes, toy.labels)
    monitor = TrainingMonitor(make_model(), data, data, SHORT)
    monitor.start()
    monitor.wait(PATIENCE)
    model, history, table = monitor.model, monitor.history, monitor.table
    monitor.close()
    assert monitor.model is model
    assert monitor.history.table.equals(history.table)
    assert monitor.table.equals(table)
    for use in (monitor.start, monitor.wait, monitor.refresh, monitor.picture, monitor.html_parts):
        with pytest.raises(RuntimeError, match="TrainingMonitor is closed"):
            use()
    monitor.close()
    alive = weakref.ref(data)
    del data
    gc.collect()
    assert alive() is None


def test_a_model_that_something_else_changes_is_stale(monitor_of, make_model, same_weights, toy):
    model, reference = make_model(), make_model()
    monitor = monitor_of(model, SHORT)
    monitor.start()
    monitor.wait(PATIENCE)
    assert not monitor.stale
    press(monitor, "check")
    assert shown(monitor) == ("ready", "")
    other = TrainConfig(epochs=1, batch_size=20, samples_per_epoch=40, seed=5)
    fit(model, toy, toy, other, progress=False)
    assert monitor.stale
    press(monitor, "check")
    assert shown(monitor) == ("stale", "")
    assert "not those of a finished epoch" in plan(monitor)
    press(monitor, "refresh")
    assert not monitor.stale
    assert shown(monitor) == ("ready", "")
    assert "from its present weights" in plan(monitor)
    assert len(monitor._runs["runs"]) == 1
    monitor.start()
    monitor.wait(PATIENCE)
    for config in (SHORT, other, SHORT):
        fit(reference, toy, toy, config, progress=False)
    assert same_weights(weights(model), weights(reference))


def test_ctrl_c_while_waiting_stops_the_training(monitor_of, monkeypatch):
    monitor = monitor_of()
    monitor.start()
    until(monitor, "records", bool)
    join = monitor._session.join
    interrupts = iter([KeyboardInterrupt()])

    def interrupted(timeout=None):
        for interrupt in interrupts:
            raise interrupt
        join(timeout)

    monkeypatch.setattr(monitor._session, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        monitor.wait()
    assert monitor.state.status == "stopped"
    assert monitor.history.records


def test_a_page_saved_during_a_training_has_its_epochs(monitor_of, tmp_path):
    monitor = monitor_of()
    press(monitor, "start")
    until(monitor, "records", lambda records: len(records) > 1)
    press(monitor, "pause")
    until(monitor, "status", lambda status: status == "paused")
    before = len(monitor.history.records)
    monitor.to_html(tmp_path / "training.html")
    after = len(monitor.history.records)  # one more, where the epoch was at its end
    page = (tmp_path / "training.html").read_text()
    data = json.loads(re.search(r'id="rcviz-data">(.*?)</script>', page)[1])
    assert data["_status"]["state"] == "ready"
    assert "Saved during the training. Paused in epoch" in data["_status"]["training"]["standing"]
    (run,) = data["_runs"]["runs"]
    assert run["valid"]["shape"] in ([before, 3], [after, 3])


def test_observers_do_not_grow(monitor_of):
    monitor = monitor_of()

    def observers():
        return sum(len(handlers) for kinds in monitor.state._trait_notifiers.values() for handlers in kinds.values())

    before = observers()
    for _ in range(20):
        press(monitor, "start")
        press(monitor, "stop")
    assert observers() == before
    assert len(monitor._session._listeners) == 1
