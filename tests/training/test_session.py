"""Training in a thread: the same numbers as without, and every request acts before the next batch."""

import copy
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from torch import nn

from rcviz import SequenceSet, TrainConfig, filter_contributions, fit, predict
from rcviz.training.session import TrainingSession

LONG = {"epochs": 10_000, "batch_size": 20, "samples_per_epoch": 40}
SHORT = {"epochs": 3, "batch_size": 20, "samples_per_epoch": 50, "learning_rate": 0.02}
PATIENCE = 60


class Watched(TrainingSession):
    """Counts its batches and lets the test wait for one of them."""

    def __init__(self, *given):
        super().__init__(*given)
        self.batches, self.news = 0, threading.Condition()
        self.listen(self._count)

    def _count(self):
        with self.news:
            self.batches += 1
            self.news.notify_all()

    def wait_for(self, reached):
        with self.news:
            assert self.news.wait_for(lambda: reached(self), PATIENCE)


@pytest.fixture
def begin(toy, make_model):
    """Start a session that would last very long; whatever happens in the test, it ends with it."""
    begun = []

    def start(model=None, *, valid=toy, until=lambda session: session.progress.epoch >= 2, **changes):
        session = Watched(model or make_model(), toy, valid, TrainConfig(**{**LONG, **changes}))
        begun.append(session)
        session.start()
        session.wait_for(until)
        return session

    yield start
    for session in begun:
        session.stop()
        session.join(PATIENCE)


def weights(model):
    return copy.deepcopy(model.state_dict())


def with_dropout(model):
    return nn.Sequential(nn.Dropout(0.3), model)


class At(threading.Event):
    """Holds the training thread in its forward pass, so that a test can act in the midst of a batch."""

    def __init__(self, model, *, training):
        super().__init__()
        self.goes_on, self.again, self.passes = threading.Event(), threading.Event(), 0
        self.training = training
        model.register_forward_pre_hook(self.hold)

    def hold(self, module, inputs):
        if threading.current_thread() is not threading.main_thread() and module.training == self.training:
            self.passes += 1
            (self.again if self.is_set() else self).set()
            assert self.goes_on.wait(PATIENCE)


@pytest.mark.parametrize("augmentation", ["none", "revcomp"])
@pytest.mark.parametrize("dress", [lambda model: model, with_dropout], ids=["plain", "dropout"])
def test_the_same_as_fit_bit_for_bit_pauses_included(toy, make_model, same_weights, dress, augmentation):
    config = TrainConfig(**SHORT, augmentation=augmentation)
    reference, model = dress(make_model()), dress(make_model())
    history = fit(reference, toy, toy, config, progress=False)
    session = Watched(model, toy, toy, config)
    session.listen(lambda: session.pause() if session.progress.n_samples == 40 and session.resumed == 0 else None)
    session.resumed = 0
    session.start()
    session.wait_for(lambda session: session.status == "paused")
    session.resumed = 1
    torch.rand(5)
    session.resume()
    session.join(PATIENCE)
    assert session.status == "finished"
    assert same_weights(weights(reference), weights(model))
    scores = [(record.train, record.valid, record.best_epoch) for record in history.records]
    assert [(record.train, record.valid, record.best_epoch) for record in session.records] == scores


@pytest.mark.parametrize("dress", [lambda model: model, with_dropout], ids=["plain", "dropout"])
def test_two_at_once_as_one_after_the_other(toy, make_model, same_weights, dress):
    configs = [TrainConfig(**{**SHORT, "epochs": 6}, seed=seed) for seed in (1, 2)]
    alone, together = ([dress(make_model(name)) for name in ("revcomp", "standard")] for _ in range(2))
    for model, config in zip(alone, configs, strict=True):
        fit(model, toy, toy, config, progress=False)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    sessions = [TrainingSession(model, toy, toy, config) for model, config in zip(together, configs, strict=True)]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join(PATIENCE)
    assert torch.equal(torch.get_rng_state(), before)
    for one, other in zip(alone, together, strict=True):
        assert same_weights(weights(one), weights(other))


def test_analysis_of_the_model_in_training_does_not_disturb_it(toy, make_model, same_weights):
    config = TrainConfig(**{**SHORT, "epochs": 10})
    reference, model = make_model(), make_model()
    fit(reference, toy, toy, config, progress=False)
    session = TrainingSession(model, toy, toy, config)
    session.start()
    looks = 0
    while session.status == "running":
        predict(model, toy, batch_size=30)
        filter_contributions(model, toy)
        looks += 1
    session.join(PATIENCE)
    assert looks > 1
    assert same_weights(weights(reference), weights(model))


def test_a_models_own_random_numbers_may_be_drawn_meanwhile(toy, make_model, begin):
    """Networks of rcviz draw none, so that the notebook's generator is never touched."""
    torch.manual_seed(0)
    expected = torch.rand(1000)
    torch.manual_seed(0)
    session = begin()
    drawn = torch.cat([torch.rand(1) for _ in range(1000)])
    assert session.status == "running"
    assert torch.equal(drawn, expected)


def test_pause_holds_and_resume_goes_on(begin):
    session = begin()
    gate = At(session.model, training=True)
    assert gate.wait(PATIENCE)
    session.pause()
    progress, counted = session.progress, session.batches
    gate.goes_on.set()
    session.wait_for(lambda session: session.batches > counted)  # the batch in hand is finished
    assert not gate.again.wait(0.3)
    assert session.progress != progress
    progress = session.progress
    predict(session.model, session._valid)  # the model is free, and nothing advances
    assert (session.status, session.progress, gate.passes) == ("paused", progress, 1)
    session.resume()
    session.wait_for(lambda session: session.progress.epoch > progress.epoch)
    assert session.status == "running"


@pytest.mark.parametrize("training", [True, False], ids=["training", "validation"])
def test_stop_acts_after_the_batch_in_hand(toy, make_model, begin, training):
    """1,100 validation sequences are three batches, so that there is a midst of validation."""
    valid = SequenceSet(
        np.tile(toy.codes, (10, 1))[:1100], np.tile(toy.labels, (10, 1))[:1100], task_names=toy.task_names
    )
    session = begin(valid=valid)
    gate = At(session.model, training=training)
    assert gate.wait(PATIENCE)
    session.stop()
    assert session.status == "stopping"
    gate.goes_on.set()
    session.join(PATIENCE)
    assert session.status == "stopped"
    assert gate.passes == 1


def test_stop_does_not_wait_for_the_backward_pass(begin):
    session = begin(until=lambda session: session.progress.n_samples > 0, samples_per_epoch=1_000_000)
    gate = At(session.model, training=True)
    assert gate.wait(PATIENCE)
    before = [parameter.detach().clone() for parameter in session.model.parameters()]
    session.stop()
    gate.goes_on.set()
    session.join(PATIENCE)
    assert all(torch.equal(old, new) for old, new in zip(before, session.model.parameters(), strict=True))


def test_stop_leaves_the_best_weights_so_far(toy, make_model, begin, same_weights):
    session = begin(until=lambda session: len(session.records) > 3, learning_rate=0.1)
    session.stop()
    session.join(PATIENCE)
    reference = make_model()
    history = fit(
        reference,
        toy,
        toy,
        TrainConfig(**{**LONG, "learning_rate": 0.1, "epochs": len(session.records)}),
        progress=False,
    )
    assert session.history.best_epoch == history.best_epoch
    assert same_weights(weights(reference), weights(session.model))
    assert not session.model.training


def test_stop_while_paused(begin):
    session = begin()
    session.pause()
    session.stop()
    session.join(PATIENCE)
    assert session.status == "stopped"
    session.resume()
    session.pause()
    assert session.status == "stopped"


class Breaks(nn.Module):
    """Raises in the given pass of training."""

    def __init__(self, model, at):
        super().__init__()
        self.model, self.left = model, at

    def forward(self, x):
        if self.training:
            self.left -= 1
            if self.left == 0:
                raise RuntimeError("the cable was pulled")
        return self.model(x)


@pytest.mark.parametrize(("at", "n_records"), [(2, 0), (5, 2)])
def test_an_error_ends_it_and_leaves_a_usable_model(toy, make_model, same_weights, at, n_records):
    model = Breaks(make_model(), at)
    before = weights(model)
    session = TrainingSession(model, toy, toy, TrainConfig(**LONG))
    session.start()
    session.join(PATIENCE)
    assert (session.status, str(session.error), len(session.records)) == ("failed", "the cable was pulled", n_records)
    assert same_weights(before, weights(model)) == (n_records == 0)
    assert np.isfinite(predict(model, toy)).all()


def test_divergence_leaves_the_weights_it_started_with(toy, make_model, same_weights):
    model = make_model()
    before = weights(model)
    session = TrainingSession(model, toy, toy, TrainConfig(**{**LONG, "samples_per_epoch": 400}, learning_rate=1e30))
    session.start()
    session.join(PATIENCE)
    assert isinstance(session.error, FloatingPointError)
    assert same_weights(before, weights(model))


def test_what_cannot_be_trained_is_refused_at_the_start(toy, make_model):
    session = TrainingSession(make_model(n_tasks=1), toy, toy, TrainConfig(**SHORT))
    with pytest.raises(ValueError, match="n_tasks=2"):
        session.start()
    assert session.status == "ready"


def test_one_model_is_trained_by_one_session(toy, make_model, begin):
    session = begin()
    other = TrainingSession(session.model, toy, toy, TrainConfig(**SHORT))
    with pytest.raises(ValueError, match="being trained already"):
        other.start()
    session.stop()
    session.join(PATIENCE)
    other.start()
    other.join(PATIENCE)
    assert other.status == "finished"
    with pytest.raises(ValueError, match="a session trains once"):
        other.start()


def test_progress_counts_and_time_left_runs_out(toy, make_model):
    config = TrainConfig(**{**SHORT, "epochs": 4})
    session, seen = TrainingSession(make_model(), toy, toy, config), []
    session.listen(lambda: seen.append(session.progress))
    session.start()
    session.join(PATIENCE)
    steps = [(now.epoch, now.n_samples) for now in seen if now.epoch and not now.n_validated]
    assert steps == [(epoch, count) for epoch in (1, 2, 3, 4) for count in (20, 40, 50)]
    assert {now.n_validated for now in seen} == {0, len(toy)}
    assert all(now.samples_per_second > 0 and now.seconds_left >= 0 for now in seen if now.epoch)
    first = next(now for now in seen if now.epoch)
    assert first.seconds_left == pytest.approx((4 * 50 - 20) / first.samples_per_second)


def test_no_thread_is_left(toy, make_model):
    before = threading.enumerate()
    for _ in range(50):
        session = TrainingSession(make_model(), toy, toy, TrainConfig(**LONG))
        session.start()
        session.stop()
        session.join(PATIENCE)
    assert threading.enumerate() == before


def test_python_can_end_while_training_goes_on():
    script = """
import numpy as np, rcviz
from rcviz.training.session import TrainingSession
parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15)
model = rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", n_filters=8, sequence_length=200, pool_size=31))
session = TrainingSession(model, parts.train, parts.valid, rcviz.TrainConfig.chipseq(epochs=100_000))
session.listen(lambda: session.status == "stopped" and print("stopped in order"))
session.start()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped in order\n", "")


def test_a_session_computes_with_the_threads_of_who_started_it(toy, make_model):
    """A new thread has a number of its own, and sums in another order differ in their last bits."""
    seen, before = [], torch.get_num_threads()
    model = make_model()
    try:
        torch.set_num_threads(before + 1)
        session = TrainingSession(model, toy, toy, TrainConfig(epochs=1, batch_size=40, samples_per_epoch=40))
        session.listen(lambda: seen.append((threading.current_thread(), torch.get_num_threads())))
        session.start()
        session.join(60)
    finally:
        torch.set_num_threads(before)
    assert {number for thread, number in seen if thread is not threading.current_thread()} == {before + 1}
