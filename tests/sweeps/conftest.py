"""Tiny networks on 120 sequences of 60 bp, trained for a moment in this process."""

import pandas as pd
import pytest

import rcviz

TIMES = ["seconds", "wall_seconds", "cpu_seconds", "peak_memory_mb", "code"]
"""Columns in which two runs of the same training may differ; the code may be edited while tests run."""

SIZE = {"sequence_length": 60, "kernel_sizes": (7,), "pool_size": 9, "pool_stride": 9, "n_filters": 2, "n_tasks": 2}


@pytest.fixture(scope="session")
def splits(toy):
    return rcviz.split(toy, train=0.5, valid=0.25, test=0.25, seed=0)


@pytest.fixture
def arm():
    """Make an arm; ``training`` and ``model`` hold changes of the settings."""

    def arm(architecture="revcomp", *, training=None, model=None, **options):
        settings = {"epochs": 2, "batch_size": 20, "samples_per_epoch": 60, "device": "cpu", **(training or {})}
        config = rcviz.ModelConfig(architecture=architecture, **{**SIZE, **(model or {})})
        return rcviz.Arm(model=config, training=rcviz.TrainConfig(**settings), **options)

    return arm


@pytest.fixture
def two_arms(arm):
    return {"shared": arm("revcomp"), "standard": arm("standard")}


@pytest.fixture
def quick(splits, tmp_path):
    """Sweep in this process."""

    def quick(arms, *, store=tmp_path / "store", **options):
        return rcviz.sweep(arms, splits, **{"seeds": 1, "n_jobs": 1, "progress": False, "store": store, **options})

    return quick


@pytest.fixture
def same():
    """Compare all tables of two sweeps, bit for bit."""

    def same(one, other):
        for name in ("table", "test", "valid", "runs"):
            tables = [getattr(result, name).drop(columns=TIMES, errors="ignore") for result in (one, other)]
            pd.testing.assert_frame_equal(*tables, check_exact=True)

    return same
