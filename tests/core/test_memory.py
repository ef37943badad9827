"""Freed memory is reused from batch to batch, and only there."""

import ctypes
import resource
import threading

import numpy as np
import pytest

import rcviz
from rcviz._core import memory as _memory

KEPT, GIVEN_BACK = "kept", "given back"


class Allocator:
    """Stands for glibc and records its calls."""

    def __init__(self):
        self.calls = []

    def mallopt(self, option, value):
        if option == _memory._MMAP_MAX:
            self.calls.append(GIVEN_BACK if value else KEPT)

    def malloc_trim(self, rest):
        self.calls.append(("trimmed to", rest))


@pytest.fixture
def allocator(monkeypatch):
    allocator = Allocator()
    monkeypatch.setattr(_memory, "_glibc", lambda: allocator)
    return allocator


def ended(allocator):
    return allocator.calls[-2:] == [GIVEN_BACK, ("trimmed to", _memory._REST)]


def test_memory_is_kept_inside_and_given_back_after(allocator):
    with _memory.ReusedMemory():
        assert allocator.calls == [KEPT]
    assert len(allocator.calls) == 3
    assert ended(allocator)


def test_memory_is_given_back_after_an_error(allocator):
    with pytest.raises(ZeroDivisionError), _memory.ReusedMemory():
        1 / 0  # noqa: B018
    assert ended(allocator)


def test_the_last_of_all_threads_gives_back(allocator):
    entered, leave = threading.Event(), threading.Event()

    def stay():
        with _memory.ReusedMemory():
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=stay)
    thread.start()
    assert entered.wait(30)
    with _memory.ReusedMemory():
        pass
    assert allocator.calls == [KEPT]
    leave.set()
    thread.join(30)
    assert ended(allocator)


def test_nothing_is_done_without_glibc(monkeypatch):
    monkeypatch.setattr(_memory, "_glibc", lambda: None)
    with _memory.ReusedMemory():
        pass


@pytest.mark.parametrize(
    "work",
    [
        lambda model, data: rcviz.predict(model, data),
        lambda model, data: rcviz.strand_agreement(model, data),
        lambda model, data: rcviz.filter_contributions(model, data),
        lambda model, data: rcviz.filter_bank(model).activating_sites(data),
        lambda model, data: rcviz.fit(
            model, data, data, rcviz.TrainConfig(epochs=1, batch_size=10, samples_per_epoch=20), progress=False
        ),
    ],
    ids=["predict", "strand_agreement", "filter_contributions", "activating_sites", "fit"],
)
def test_work_in_batches_reuses_memory(allocator, work):
    config = rcviz.ModelConfig.one_layer("revcomp", n_filters=2, sequence_length=60, pool_size=10)
    codes = np.random.default_rng(0).integers(0, 4, (20, 60), dtype=np.uint8)
    work(rcviz.build_model(config), rcviz.SequenceSet(codes, np.arange(20) % 2))
    assert KEPT in allocator.calls
    assert ended(allocator)


@pytest.mark.skipif(_memory._glibc() is None, reason="the allocator is not glibc's")
def test_a_block_that_is_freed_is_used_again():
    # Larger than the 32 MB from which glibc never keeps a block on its own.
    libc, size, times = ctypes.CDLL(None), 48 << 20, 10
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes, libc.memset.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

    def pages_taken():
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        for _ in range(times):
            block = libc.malloc(size)
            libc.memset(block, 1, size)
            libc.free(block)
        return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before

    outside = pages_taken()
    with _memory.ReusedMemory():
        inside = pages_taken()
    assert inside < outside / 3
