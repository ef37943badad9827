"""Matrices that several tests draw, and a stage that leaves nothing open."""

from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")


@pytest.fixture
def weights():
    return np.random.default_rng(0).normal(size=(4, 9))


@pytest.fixture
def probabilities():
    return np.random.default_rng(1).dirichlet([0.4] * 4, size=12).T


@pytest.fixture
def motif(probabilities):
    return SimpleNamespace(name="CTCF_known1", probabilities=probabilities)


@pytest.fixture
def axes():
    from rcviz.plots._axes import new_figure

    return new_figure(6, 4).add_subplot()


@pytest.fixture
def boxes():
    """Left, bottom, right and top of every letter of a logo's one collection."""

    def read(ax):
        (collection,) = [c for c in ax.collections if type(c).__name__ == "PathCollection"]
        return np.array([path.get_extents().extents for path in collection.get_paths()])

    return read
