"""Small sweeps on the bundled example that several tests share."""

import pytest

from rcviz.experiments import arms, runs
from rcviz.experiments.runner import run_experiment

TIMES = ("seconds", "wall_seconds", "cpu_seconds", "peak_memory_mb")
"""Columns in which two runs of the same training may differ."""


@pytest.fixture
def sweep(tmp_path):
    """Two one-layer networks of Figure 4 for a moment, in this process."""

    def sweep(figure="fig4", *, store=tmp_path / "store", **options):
        settings = {"seeds": 1, "epochs": 1, "arms": ["RC-16", "standard-16"], "n_jobs": 1, "progress": False}
        return run_experiment(figure, scale="quick", store=store, **{**settings, **options})

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
    return lambda table: table.drop(columns=[name for name in TIMES if name in table])
