"""Sweeps: nothing done twice, nothing lost, whatever is killed or fails."""

import os
import signal
import threading
import time
import unittest.mock
from concurrent.futures.process import BrokenProcessPool

import pandas as pd
import pytest
import torch

import rcviz
from rcviz.experiments import arms, runner
from rcviz.experiments.store import Store


def test_a_run_that_is_there_is_never_done_again(sweep, calls, tmp_path):
    first = sweep()
    assert calls == [("standard-16", 0), ("RC-16", 0)]
    pd.testing.assert_frame_equal(sweep(), first)
    sweep("fig7a")  # shows both as well
    assert len(calls) == 2
    sweep(arms=["RC-16"], seeds=2)
    assert calls[2:] == [("RC-16", 1)]
    assert len(list((tmp_path / "store").iterdir())) == 3


def test_the_rows_are_those_that_were_asked_for(sweep, calls):
    sweep(seeds=2)
    table = sweep(arms=["standard-16"], seeds=[1])
    assert set(table["seed"]) == {1}
    assert set(table["figure"]) == {"fig4"}
    assert list(table["strategy"]) == ["none", "posthoc", "posthoc_probability"]


def test_a_failing_arm_stops_nothing_and_is_tried_again(sweep, calls, tmp_path):
    calls.failing = ("standard-16",)
    with pytest.warns(runner.FailedRunsWarning, match="1 of 2 runs of fig4 failed, the first with: MemoryError: there"):
        table = sweep()
    assert set(table["arm"]) == {"RC-16"}
    (failure,) = (tmp_path / "store").glob("*.failed.json")
    assert '"error": "MemoryError: there is no room for it"' in failure.read_text()
    assert "in measured" in failure.read_text()  # the traceback
    calls.failing = ()
    assert set(sweep()["arm"]) >= {"RC-16", "standard-16"}
    assert calls == [("standard-16", 0), ("RC-16", 0), ("standard-16", 0)]
    assert not failure.exists()


def test_an_arm_that_cannot_be_trained_is_a_failure_too(sweep, monkeypatch):
    """A loss that is no longer finite, from the training itself."""
    from dataclasses import replace

    def shown(make, figure):
        good = make.chipseq(figure, 4, "shared", split="random")
        training = replace(good.training, learning_rate=1e30)
        return [replace(good, name="too fast", training=training), good]

    monkeypatch.setitem(arms.FIGURES, "fig4", shown)
    arms.every_arm.cache_clear()
    try:
        with pytest.warns(runner.FailedRunsWarning, match="1 of 2 .* FloatingPointError: the loss became"):
            assert list(sweep(arms="all")["arm"]) == ["RC-4"]
    finally:
        arms.every_arm.cache_clear()


def test_the_order_is_by_seed_and_arms_within(sweep, calls):
    sweep(seeds=[2, 0])
    assert calls == [("standard-16", 2), ("RC-16", 2), ("standard-16", 0), ("RC-16", 0)]


def test_every_run_has_one_thread_and_gives_the_others_back(sweep, monkeypatch):
    threads = []
    monkeypatch.setattr(runner, "measure", lambda run, checkpoint: threads.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.warns(runner.FailedRunsWarning):  # None is no record
            sweep()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert threads == [1, 1]


def test_runs_whose_worker_is_killed_begin_again_and_only_the_cause_is_given_up(quick_runs, tmp_path, monkeypatch):
    """Four runs, the second of which kills its worker whenever it is done; joblib then ends the others as well."""
    runs = quick_runs("fig4", ["RC-16"], seeds=4)
    store, tried = Store(tmp_path / "store"), []

    def outcomes(left, folder):
        for run in left:
            tried.append(run.seed)
            if run.seed == 1:
                raise BrokenProcessPool("a worker was killed")
            yield {"id": run.id}

    monkeypatch.setattr(runner, "_outcomes", outcomes)
    failures = runner._sweep(runs, store, "fig4", None, 1, progress=False)
    assert [(failure["seed"], failure["error"]) for failure in failures] == [
        (1, "BrokenProcessPool: a worker was killed")
    ]
    assert tried == [0, 1, 1, 1, 2, 3]
    assert len(list(store.folder.glob("*.failed.json"))) == 1


def test_an_interrupt_leaves_what_is_done(sweep, calls, tmp_path):
    calls.failing, calls.error = ("RC-16",), KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        sweep()
    (record,) = Store(tmp_path / "store").read_all()
    assert record["strategy"] == "none"
    calls.failing = ()
    assert len(sweep()) == 4
    assert calls == [("standard-16", 0), ("RC-16", 0), ("RC-16", 0)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backend": "threads"}, "backend must be one of loky, dask"),
        ({"scale": "small"}, "scale must be one of paper, quick"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"n_jobs": 0}, "n_jobs must be at least 1"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"arms": ["RC-8"]}, "no arm 'RC-8'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_done(options, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        rcviz.run_experiment("fig4", **{"scale": "quick", "store": tmp_path / "store", **options})
    assert not (tmp_path / "store").exists()


@pytest.fixture
def environment():
    """Undo what a Dask cluster sets in the process that makes it, such as one thread for MKL: bits depend on it."""
    with unittest.mock.patch.dict(os.environ):
        yield


@pytest.mark.usefixtures("environment")
def test_a_dask_worker_killed_on_the_way_costs_nothing(tmp_path, sweep, no_times):
    """On a cluster of two processes, one of which is killed in the middle of a run: every record once."""
    from dask.distributed import Client, LocalCluster

    store = tmp_path / "store"
    killed = []

    def kill_one(client):
        pids = list(client.run(os.getpid).values())
        while not list(store.glob("*.checkpoint.safetensors")):
            time.sleep(0.02)
        os.kill(pids[0], signal.SIGKILL)
        killed.append(pids[0])

    options = {"arms": ["RC-16", "standard-8"], "seeds": 2, "epochs": 2}
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        killer = threading.Thread(target=kill_one, args=(client,), daemon=True)
        killer.start()
        table = sweep("fig7a", store=store, backend="dask", **{**options, "n_jobs": None})
        killer.join(timeout=10)
    assert killed
    assert sorted(path.suffix for path in store.iterdir()) == [".json"] * 4
    assert len(Store(store).read_all()) == 4
    names = ["RC-16", "standard-8", "standard-8, both strands averaged"]
    names += ["standard-8, both strands' probabilities averaged"]
    assert sorted(zip(table["arm"], table["seed"], strict=True)) == sorted(
        (arm, seed) for arm in names for seed in (0, 1)
    )
    here = sweep("fig7a", store=tmp_path / "here", **{**options, "seeds": 1})
    there = table[table["seed"] == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(no_times(there), no_times(here))
