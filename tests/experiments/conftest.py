"""Sweeps on the bundled example, and records as a run would leave them."""

import json

import pytest
from sweeps import MAY_DIFFER

from rcviz.experiments import arms, runner, runs
from rcviz.experiments.runs import Run
from rcviz.experiments.sources import STAND_INS, Source


@pytest.fixture
def sweep(tmp_path):
    """Two one-layer networks for a moment, in this process."""

    def sweep(figure="fig4", *, store=tmp_path / "store", **options):
        settings = {"seeds": 1, "epochs": 1, "arms": ["RC-16", "standard-16"], "n_jobs": 1, "progress": False}
        return runner.run_experiment(figure, scale="quick", store=store, **{**settings, **options})

    return sweep


@pytest.fixture
def quick_runs():
    """The runs behind a sweep, without doing them."""

    def quick_runs(figure="fig4", names="all", *, seeds=1, epochs=1):
        chosen = arms.chosen_arms(arms.arms_of(figure, scale="quick", epochs=epochs), names)
        return runs.runs_of(chosen, range(seeds), scale="quick", data=None)

    return quick_runs


@pytest.fixture
def no_times():
    """A table without the columns that say how long it took."""
    return lambda table: table.drop(columns=[name for name in MAY_DIFFER if name in table])


@pytest.fixture
def record_of():
    """Make the record of an arm and a seed at paper scale, with scores that the test chooses."""

    def record_of(arm, seed, *, auroc=0.5):
        source = Source(
            kind="file",
            place=f"{arm.dataset}.safetensors",
            parts={**STAND_INS, "random": (0.4, 0.3, 0.3)}.get(arm.split, (("chr21",), ("chr22",), ("chr19",))),
            stand_in=True,
            fingerprint=arm.dataset,
        )
        return finished(Run(arm=arm, seed=seed, source=source, scale="paper"), auroc=auroc)

    return record_of


def finished(run, *, auroc=0.5):
    """The record of a run that took no time."""
    scores = {"auroc": auroc, "auprc": auroc / 2}
    epoch = {"train": {"loss": 1.0, **scores}, "valid": {"loss": 2.0, **scores}, "best_epoch": 1, "n_samples": 5}
    found = {"valid": scores, "test": scores}
    if run.arm.strategy in ("none", "augmented"):
        found["conjoined"] = {part: {"logit": scores, "probability": scores} for part in ("valid", "test")}
    return {
        "id": run.id,
        "scale": run.scale,
        "seed": run.seed,
        "strategy": run.arm.strategy,
        "dataset": run.arm.dataset,
        "fraction": run.arm.fraction,
        "model": json.loads(json.dumps(vars(run.arm.model))),
        "training": vars(run.training),
        "data": {
            **{"fingerprint": run.source.fingerprint, "parts": run.source.parts, "chromosomes": run.source.sentence},
            **{"n_train": 10, "n_train_positive": 4},
        },
        "n_parameters": 7,
        "best_epoch": 1,
        "history": [{**epoch, "epoch": number, "seconds": 0.1 * run.seed} for number in (1, 2)],
        "scores": found,
        "gap": {"probability": {"max": 0.5, "mean": 0.1}, "logit": {"max": 0.5, "mean": 0.1}},
        "tables": {"strands": {"sequence": [0, 1], "label": [0.0, 1.0], "forward": [0.2, 0.7], "reverse": [0.1, 0.9]}},
        "seconds": {"wall": 1.5, "cpu": None},
        "peak_memory_mb": 300.0,
        "machine": {"cpu": "a processor", "threads": 1},
        "code": {"rcviz": "1", "digest": "abc"},
    }


@pytest.fixture
def calls(monkeypatch):
    """Arms and seeds that are done, in order: in place of a training comes a record; arms in ``failing`` raise."""

    class Calls(list):
        failing = ()
        error = MemoryError("there is no room\nfor it")

    calls = Calls()

    def measured(run, checkpoint):
        calls.append((run.arm.name, run.seed))
        if run.arm.name in calls.failing:
            raise calls.error
        return finished(run)

    monkeypatch.setattr(runner, "measure", measured)
    return calls
