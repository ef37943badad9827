"""Sweeps do nothing twice and lose nothing, also when workers are killed and runs fail."""

import os
import signal
import threading
import time
import unittest.mock
from concurrent.futures.process import BrokenProcessPool

import pandas as pd
import pytest
import torch
from torch import nn

import rcviz
from rcviz.sweeps import runner
from rcviz.sweeps.store import Store
from rcviz.sweeps.training import nested_subset


@pytest.fixture
def calls(monkeypatch):
    """Names of arms and seeds that are trained, in order; arms in ``failing`` raise an error."""

    class Calls(list):
        failing = ()
        error = MemoryError("there is no room\nfor it")

    calls, train_run = Calls(), runner.train_run

    def recorded(run, splits, checkpoint):
        calls.append((run.names[-1], run.seed))
        if run.names[-1] in calls.failing:
            raise calls.error
        return train_run(run, splits, checkpoint)

    monkeypatch.setattr(runner, "train_run", recorded)
    return calls


def test_a_run_that_exists_is_never_done_again(quick, two_arms, calls, tmp_path, same):
    first = quick(two_arms)
    assert calls == [("shared", 0), ("standard", 0)]
    same(quick(two_arms), first)
    renamed = quick({"another name": two_arms["shared"]}, seeds=2)
    assert calls[2:] == [("another name", 1)]
    assert set(renamed.test["arm"]) == {"another name"}
    assert len(list((tmp_path / "store").iterdir())) == 3


def test_the_order_is_by_seed_and_arms_within(quick, two_arms, calls):
    quick(two_arms, seeds=[2, 0])
    assert calls == [("shared", 2), ("standard", 2), ("shared", 0), ("standard", 0)]


def test_without_a_store_nothing_is_left(quick, two_arms, tmp_path, monkeypatch, same):
    monkeypatch.setattr(runner.tempfile, "tempdir", str(tmp_path))
    stored = quick(two_arms, store=tmp_path / "store")
    same(quick(two_arms, store=None), stored)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_failing_arm_stops_nothing_and_is_tried_again(quick, two_arms, calls, tmp_path):
    calls.failing = ("standard",)
    with pytest.warns(runner.FailedRunsWarning, match="1 of 2 runs failed.* MemoryError: there is no room for it"):
        result = quick(two_arms)
    assert set(result.test["arm"]) == {"shared"}
    assert result.failures[["arm", "seed", "error"]].values.tolist() == [
        ["standard", 0, "MemoryError: there is no room for it"]
    ]
    assert result.compare("shared", "standard").reason
    (failure,) = (tmp_path / "store").glob("*.failed.json")
    assert '"error": "MemoryError: there is no room for it"' in failure.read_text()
    assert "in recorded" in failure.read_text()  # the traceback
    calls.failing = ()
    result = quick(two_arms)
    assert set(result.test["arm"]) == {"shared", "standard"}
    assert result.failures.empty
    assert calls == [("shared", 0), ("standard", 0), ("standard", 0)]
    assert not failure.exists()


def test_when_all_fail_the_tables_are_empty(quick, two_arms, calls):
    calls.failing = ("shared", "standard")
    with pytest.warns(runner.FailedRunsWarning, match="2 of 2"):
        result = quick(two_arms)
    for table in (result.table, result.test, result.valid, result.runs):
        assert len(table) == 0
        assert {"arm", "seed"} <= set(table)
    assert result.measured == {}
    assert "nothing to compare" in result.summary()
    with pytest.raises(ValueError, match="no finished run"):
        result.plot()


def test_a_loss_that_is_no_longer_finite_is_a_failure(quick, arm):
    arms = {"too fast": arm(training={"learning_rate": 1e30}), "good": arm()}
    with pytest.warns(runner.FailedRunsWarning, match="1 of 2 .*FloatingPointError"):
        assert set(quick(arms).test["arm"]) == {"good"}


@pytest.mark.usefixtures("as_users_run")
def test_a_measure_that_returns_something_else_is_a_failure(quick, arm, calls):
    wrong = {"measure": lambda model, splits: {"numbers": [1, 2]}}
    one = {"one": arm()}
    with pytest.warns(runner.FailedRunsWarning, match="measure must return a dict"):
        quick(one, **wrong)
    with pytest.warns(runner.FailedRunsWarning, match="measure must return a dict"):
        again = quick(one, **wrong)
    assert len(calls) == 2
    assert again.failures["error"].item().startswith("ValueError")


def test_every_run_has_one_thread_and_restores_the_others(quick, two_arms, monkeypatch):
    threads = []
    monkeypatch.setattr(runner, "train_run", lambda run, splits, checkpoint: threads.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.warns(runner.FailedRunsWarning):  # None is not a record
            quick(two_arms)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert threads == [1, 1]


def test_runs_whose_worker_is_killed_begin_again_and_only_the_cause_is_given_up(quick, arm, tmp_path, monkeypatch):
    """Four runs, the second of which kills its worker whenever it is done; joblib then ends the others as well."""
    tried = []

    def outcomes(left, splits, folder):
        for run in left:
            tried.append(run.seed)
            if run.seed == 1:
                raise BrokenProcessPool("a worker was killed")
            yield runner._perform(run, splits, folder)

    monkeypatch.setattr(runner, "_outcomes", outcomes)
    with pytest.warns(runner.FailedRunsWarning, match="1 of 4"):
        result = quick({"one": arm()}, seeds=4)
    assert result.failures[["seed", "error"]].values.tolist() == [[1, "BrokenProcessPool: a worker was killed"]]
    assert tried == [0, 1, 1, 1, 2, 3]
    assert list(result.runs["seed"]) == [0, 2, 3]
    assert len(list((tmp_path / "store").glob("*.failed.json"))) == 1


def test_an_interrupt_leaves_what_is_done(quick, two_arms, calls, tmp_path):
    calls.failing, calls.error = ("standard",), KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        quick(two_arms)
    (record,) = Store(tmp_path / "store").read_all()
    assert record["arms"] == ["shared"]
    calls.failing = ()
    assert len(quick(two_arms).runs) == 2
    assert calls == [("shared", 0), ("standard", 0), ("standard", 0)]


@pytest.mark.parametrize("name", ["revcomp", "standard"])
def test_a_run_that_was_cut_off_goes_on_with_the_same_numbers(quick, arm, splits, tmp_path, name, same):
    one = {"one": arm(name, training={"epochs": 3})}
    whole = quick(one, store=tmp_path / "whole")
    (record,) = Store(tmp_path / "whole").read_all()
    epochs = rcviz.train_epochs(
        one["one"].build(0),
        splits.train,
        splits.valid,
        one["one"].training,
        checkpoint=Store(tmp_path / "cut").checkpoint(record["id"]),
    )
    next(epochs)
    epochs.close()
    resumed = quick(one, store=tmp_path / "cut")
    same(resumed, whole)
    assert resumed.runs["cpu_seconds"].isna().all()
    assert whole.runs["cpu_seconds"].item() > 0


class Network(nn.Module):
    def __init__(self, n_tasks=2):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(4, 3, 7), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten())
        self.dense = nn.Linear(3, n_tasks)

    def forward(self, x):
        return self.dense(self.layers(x))


def test_any_network_is_an_arm(quick, arm, splits, calls, same):
    training = arm().training
    before = torch.get_rng_state()
    mine = {"mine": rcviz.Arm(model=lambda seed: Network(), training=training)}
    result = quick(mine, seeds=2)
    assert torch.equal(torch.get_rng_state(), before)
    model = mine["mine"].build(1)
    rcviz.fit(model, splits.train, splits.valid, rcviz.TrainConfig(**{**vars(training), "seed": 1}), progress=False)
    expected = rcviz.evaluate(model, splits.test)
    table = result.test.query("seed == 1")
    assert table["auroc"].tolist() == expected["auroc"].tolist()
    same(quick(mine, seeds=2), result)
    assert len(calls) == 2
    siamese = {"siamese": rcviz.Arm(model=lambda seed: Network(), training=training, strategy="siamese")}
    assert quick(siamese).runs["gap_max"].item() < 1e-6


def test_workers_of_joblib_give_the_same_numbers_as_this_process(quick, two_arms, tmp_path, same):
    """Over 10 s: only processes of their own, which load torch, show that data, networks and functions reach them."""
    arms = {**two_arms, "mine": rcviz.Arm(model=lambda seed: Network(), training=two_arms["shared"].training)}
    options = {"measure": lambda model, splits: {"sizes": pd.DataFrame({"n": [len(splits.test)]})}}
    here = quick(arms, **options)
    there = quick(arms, store=tmp_path / "workers", n_jobs=2, backend="loky", **options)
    same(there, here)
    assert there.failures.empty
    assert there.measured["sizes"]["n"].tolist() == [30, 30, 30]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backend": "threads"}, "backend must be"),
        ({"backend": 3}, "backend must be"),
        ({"backend": "dask", "store": None}, "needs store"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"seeds": [1, 1]}, "seeds must be"),
        ({"seeds": 1.5}, "seeds must be"),
        ({"n_jobs": 0}, "n_jobs must be at least 1"),
        ({"measure": "table"}, "measure must be"),
        ({"measure": {"no such arm": None}}, "measure names the arm"),
    ],
)
@pytest.mark.usefixtures("as_users_run")
def test_wrong_options_are_refused_before_anything_is_done(quick, two_arms, calls, options, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        quick(two_arms, **options)
    assert calls == []
    assert not (tmp_path / "store").exists()


@pytest.mark.usefixtures("as_users_run")
def test_wrong_arms_and_splits_are_refused_before_anything_is_done(quick, arm, splits, calls, tmp_path):
    training = arm().training
    for arms, words in [
        ({}, "arms must be a dict"),
        ([arm()], "arms must be a dict"),
        ({"one": arm().model}, "'one' must be an Arm"),
        ({"": arm()}, "every name"),
        ({"one": arm(model={"n_tasks": 3})}, "'one' cannot be trained"),
        ({"one": arm(model={"sequence_length": 69})}, "'one' cannot be trained"),
        ({"one": rcviz.Arm(model=lambda seed: "network", training=training)}, "'one' cannot be built"),
        ({"one": rcviz.Arm(model=lambda seed: 1 / 0, training=training)}, "'one' cannot be built"),
    ]:
        with pytest.raises(ValueError, match=words):
            quick(arms)
    for wrong, words in [
        ("splits", "splits must be three SequenceSets"),
        ((splits.train, splits.valid), "splits must be three SequenceSets"),
        (splits._replace(test=rcviz.SequenceSet(splits.test.codes, splits.test.labels)), "splits: train has tasks"),
        (splits._replace(train=rcviz.SequenceSet(splits.train.codes)), "train has no labels"),
    ]:
        with pytest.raises(ValueError, match=words):
            rcviz.sweep({"one": arm()}, wrong, seeds=1, store=tmp_path / "store", progress=False)
    assert calls == []
    assert not (tmp_path / "store").exists()


def test_a_function_that_ignores_its_seed_is_refused(quick, arm):
    generator = torch.Generator().manual_seed(0)

    def build(seed):
        network = Network()
        nn.init.normal_(network.dense.weight, generator=generator)
        return network

    with pytest.raises(ValueError, match="builds another network each time"):
        quick({"one": rcviz.Arm(model=build, training=arm().training)})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": nn.Linear(2, 2)}, "model must be"),
        ({"model": "revcomp"}, "model must be"),
        ({"training": {"epochs": 3}}, "training must be"),
        ({"strategy": "twins"}, "strategy must be one of"),
        ({"average": "mean"}, "average must be one of"),
        ({"fraction": 0}, "fraction must be"),
        ({"fraction": 1.5}, "fraction must be"),
        ({"fraction": "all"}, "fraction must be"),
    ],
)
@pytest.mark.usefixtures("as_users_run")
def test_an_arm_that_does_not_fit_is_refused(arm, options, words):
    with pytest.raises(ValueError, match=words):
        rcviz.Arm(**{"model": arm().model, "training": arm().training, **options})


def test_shares_of_a_seed_are_nested_and_those_of_another_differ():
    small, large = (set(nested_subset(100, fraction, 3)) for fraction in (0.2, 0.5))
    assert len(small) == 20
    assert len(large) == 50
    assert small < large
    assert set(nested_subset(100, 0.2, 4)) != small
    assert list(nested_subset(5, 0.001, 0)) == list(nested_subset(5, 0.2, 0))


@pytest.fixture
def environment():
    """Undo what a Dask cluster sets in the process that makes it, such as one thread for MKL: bits depend on it."""
    with unittest.mock.patch.dict(os.environ):
        yield


@pytest.mark.usefixtures("environment")
@pytest.mark.long
def test_a_dask_worker_killed_on_the_way_costs_nothing(tmp_path, quick, arm, same):
    """Over 10 s: only a cluster of two processes, one of which is killed in the middle of a run, shows that."""
    from dask.distributed import Client, LocalCluster

    store = tmp_path / "cluster"
    killed = []

    def kill_one(client):
        pids = list(client.run(os.getpid).values())
        while not list(store.glob("*.checkpoint.safetensors")):
            time.sleep(0.02)
        os.kill(pids[0], signal.SIGKILL)
        killed.append(pids[0])

    arms = {name: arm(name, training={"epochs": 8}) for name in ("revcomp", "standard")}
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        killer = threading.Thread(target=kill_one, args=(client,), daemon=True)
        killer.start()
        there = quick(arms, store=store, backend=client, seeds=2)
        killer.join(timeout=10)
        same(quick(arms, store=store, backend="dask", seeds=2), there)
    assert killed
    assert sorted(path.suffix for path in store.iterdir()) == [".json"] * 4
    assert len(there.runs) == 4
    same(quick(arms, seeds=2), there)
