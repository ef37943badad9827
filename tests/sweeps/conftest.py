"""Tiny networks on 120 sequences of 60 bp, trained for a moment in this process."""

import pytest

import rcviz

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
