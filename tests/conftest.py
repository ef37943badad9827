"""Data and models that several tests share."""

import os

# Before torch starts: threads that wait in a busy loop slow down the browser and the kernels of the tests.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # several processes share the cores already

import functools
import gc

gc.disable()  # what is imported before the tests stays
import random
import sys
from pathlib import Path

import hypothesis
import jaxtyping
import numpy as np
import pytest
import torch
import typechecking

jaxtyping.jaxtyped = typechecking.jaxtyped  # before rcviz is imported

# The same examples in every run and on every machine; make soak tries others.
hypothesis.settings.register_profile("tests", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("tests")


def group_of(nodeid):
    """Return the group of a test: its file, all files of the browser together, each notebook alone."""
    file = nodeid.partition("::")[0]
    if "/browser/" in file:
        return "browser"  # one server and one browser for all
    return nodeid if "/test_notebooks.py" in file else file


def pytest_collection_modifyitems(items):
    """Put the groups with long tests first, so that no long test is left for the end."""
    order = ("browser", "notebook", "long")
    first = {}
    for item in items:
        marks = [order.index(mark.name) for mark in item.iter_markers() if mark.name in order]
        group = group_of(item.nodeid)
        first[group] = min([first.get(group, len(order)), *marks])
    items.sort(key=lambda item: first[group_of(item.nodeid)])


def pytest_collection_finish():
    """Leave out what is imported by now when tests look for what is left behind: each look takes half a second less."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_make_parametrize_id(val, argname):
    """Name bytes by their argument: what they hold may differ between processes, as a gzip header holds the time."""
    return argname if isinstance(val, bytes) else None


# Without a GPU, torch.manual_seed would note a stack of calls for the day when one is found.
_seed = torch.manual_seed if torch.cuda.is_available() else torch.default_generator.manual_seed


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Start every test and its fixtures with the same random state, whatever ran before."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - libraries that tests call may use it
    _seed(0)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each worker one group after the other."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return ByGroup(config, log)


@pytest.fixture(autouse=True)
def close_figures():
    """Every test starts without open pyplot figures."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def as_users_run(monkeypatch):
    """Switch off the type checks that only the tests have, so that the errors are those of the library."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(scope="session")
def parts():
    """The bundled CTCF example, split as in the quickstart."""
    import rcviz

    return rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15, seed=0)


@pytest.fixture(scope="session")
def toy():
    """120 sequences of 60 bp and two tasks: contains GATAAG on either strand, starts with A."""
    import rcviz

    rng = np.random.default_rng(3)
    codes = rng.integers(0, 4, (120, 60), dtype=np.uint8)
    motif = rcviz.encode(["GATAAG"])[0]
    labels = np.zeros((120, 2), np.float32)
    for row in range(0, 120, 2):
        start = rng.integers(0, 54)
        codes[row, start : start + 6] = motif if row % 4 else rcviz.reverse_complement(motif)
        labels[row, 0] = 1
    labels[:, 1] = codes[:, 0] == 0
    return rcviz.SequenceSet(codes, labels, task_names=("GATA", "starts with A"))


@pytest.fixture(scope="session")
def make_model():
    """Build a small model for ``toy``."""
    import rcviz

    def make(architecture="revcomp", *, n_filters=3, n_tasks=2, seed=0, **changes):
        settings = {"sequence_length": 60, "kernel_sizes": (7,), "pool_size": 9, "pool_stride": 9, **changes}
        config = rcviz.ModelConfig(architecture=architecture, n_filters=n_filters, n_tasks=n_tasks, **settings)
        return rcviz.build_model(config, seed=seed)

    return make


@pytest.fixture
def same_weights():
    """Compare two state dicts bit for bit."""

    def same(one, other):
        return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)

    return same


@pytest.fixture(scope="module")
def operators_once():
    """Let torch look through the operators of ONNX once and not for every export, of which that is a third."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ONNXRegistry, "from_torchlib", staticmethod(functools.cache(ONNXRegistry.from_torchlib)))
        yield


@pytest.fixture(scope="session")
def shuffles():
    """What palindrome verdicts compare sequences with, by the sequences."""
    return {}


@pytest.fixture
def shuffled_once(shuffles, monkeypatch):
    """Shuffle the same sequences once for all verdicts on them, a third of the time of a verdict."""
    from rcviz.analysis.chance import shuffled_sequences

    def remembered(codes, seed):
        key = codes.shape, codes.tobytes(), seed
        if key not in shuffles:
            shuffles[key] = shuffled_sequences(codes, seed)
        return shuffles[key].copy()

    monkeypatch.setattr("rcviz.analysis.searched.shuffled_sequences", remembered)


@pytest.fixture(autouse=True, scope="session")
def private_cache(tmp_path_factory):
    """A cache of genomes and indices for this run alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RCVIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real files beside the checkout; CI must have it."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{folder} does not exist, and CI must not skip its tests")
        pytest.skip(f"{folder} does not exist")
    return folder


@pytest.fixture(scope="session")
def shared_peaks(shared_data):
    """Peak files, by factor and kind."""
    names = {
        "CTCF": "wgEncodeAwgTfbsBroadGm12878CtcfUniPk.narrowPeak.gz",
        "SPI1": "wgEncodeAwgTfbsHaibGm12878Pu1Pcr1xUniPk.narrowPeak.gz",
        "MAX": "wgEncodeAwgTfbsSydhGm12878MaxIggmusUniPk.narrowPeak.gz",
        "DNase": "wgEncodeAwgDnaseUwdukeGm12878UniPk.narrowPeak.gz",
        "CTCF relaxed": "alllabs.GM12878.CTCF.chr17_19_20_21_22_X.bed.gz",
        "SPI1 relaxed": "relaxed.GM12878.SPI1.chr17_19_20_22_X.narrowPeak.gz",
        "MAX relaxed": "relaxed.GM12878.MAX.chr17_19_20_22_X.narrowPeak.gz",
    }
    return {name: shared_data / "peaks" / file for name, file in names.items()}
