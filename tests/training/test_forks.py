"""Processes that are forked while a thread trains a model do not wait for that thread, which they do not have."""

import os
import threading

import numpy as np
import pytest
import torch
from core.test_changes import in_child

import rcviz
from rcviz.models.settings import RandomStream
from rcviz.training.session import TrainingSession

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no forks")

ENDLESS = rcviz.TrainConfig(epochs=10**6, batch_size=10, samples_per_epoch=1000)


class Codes(torch.utils.data.Dataset):
    """One-hot sequences whose preparation in the workers uses rcviz, with the model that is being trained."""

    def __init__(self, data, model):
        self.data, self.model = data, model

    def __len__(self):
        return 8

    def __getitem__(self, index):
        one = self.data.subset([index])
        return rcviz.predict(self.model, one)[0], one.one_hot()[0]


@pytest.fixture
def in_training(toy, make_model):
    """A model with dropout, in training in a thread, which holds the model's lock and torch's generators most times."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = torch.nn.Sequential(torch.nn.Dropout(0.2), make_model())
    session = TrainingSession(model, toy, toy, ENDLESS)
    session.start()
    yield model, session
    session.stop()
    session.join(60)
    torch.set_num_threads(threads)


def test_a_forked_child_predicts_analyses_and_builds(toy, make_model, in_training):
    model, session = in_training

    def work():
        assert np.isfinite(rcviz.predict(model, toy)).all()
        assert rcviz.filter_contributions(model, toy).scores.shape == (3,)
        assert rcviz.build_model(model[1].config, seed=1) is not None
        assert not session.model.training or session.status == "stopped"
        session.stop()

    assert [in_child(work) for _ in range(3)] == [0] * 3
    assert session.status == "running"


def test_workers_of_a_data_loader_use_rcviz(toy, in_training):
    model, _ = in_training
    loader = torch.utils.data.DataLoader(
        Codes(toy, model), batch_size=4, num_workers=2, timeout=60, multiprocessing_context="fork"
    )
    batches = list(loader)
    assert [tuple(x.shape) for _, x in batches] == [(4, 4, 60)] * 2
    assert all(torch.isfinite(prediction).all() for prediction, _ in batches)


def test_a_fork_waits_until_no_thread_draws():
    """Without that, the child finds the lock of torch's generator held by a thread that it does not have."""
    big, began, enough = torch.ones(20_000_000), threading.Event(), threading.Event()
    stream = RandomStream(0, torch.device("cpu"))

    def draw():
        while not enough.is_set():
            with stream.drawing():
                began.set()
                torch.dropout_(big, 0.1, train=True)

    before = torch.get_rng_state()
    thread = threading.Thread(target=draw)
    thread.start()
    try:
        assert began.wait(30)
        assert [in_child(lambda: torch.get_rng_state().equal(before) or os._exit(2)) for _ in range(5)] == [0] * 5
    finally:
        enough.set()
        thread.join()
