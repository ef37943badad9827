"""Threads of torch: as many as the work keeps busy, at most the user's, who has the same number afterwards."""

import os
import sys
import threading
import time
import warnings
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

import rcviz
from rcviz._core.changes import guarded
from rcviz.models import threads
from rcviz.models.runtime import threads_for
from rcviz.models.threads import Threads, enough_threads, n_cores


@pytest.fixture(autouse=True)
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def seen(monkeypatch):
    """Model of 55 weights, and the numbers of threads in which it was called; 1,000 multiply-adds keep one busy."""
    monkeypatch.setattr(threads, "WORK_OF_A_THREAD", 1000)
    model = torch.nn.Sequential(
        torch.nn.Conv1d(4, 3, 4),
        torch.nn.ReLU(),
        torch.nn.AdaptiveMaxPool1d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(3, 1),
    )
    numbers = []
    model.register_forward_pre_hook(lambda *_: numbers.append(torch.get_num_threads()))
    return model, numbers


def sequences(n, length):
    codes = np.random.default_rng(0).integers(0, 4, (n, length), dtype=np.uint8)
    return rcviz.SequenceSet(codes, np.arange(n) % 2)


@pytest.mark.parametrize(("work", "expected"), [(0, 1), (999, 1), (1999, 1), (2000, 2), (3500, 3), (10**9, 4)])
def test_one_thread_for_so_much_work_and_at_most_the_users(monkeypatch, work, expected):
    monkeypatch.setattr(threads, "WORK_OF_A_THREAD", 1000)
    with enough_threads(work):
        assert torch.get_num_threads() == expected
    assert torch.get_num_threads() == 4
    torch.set_num_threads(1)
    with enough_threads(work):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 1


def test_the_work_is_weights_times_positions_and_only_changes_between_threads(seen):
    model, _ = seen
    n_weights = sum(parameter.numel() for parameter in model.parameters())
    assert n_weights == 3 * 4 * 4 + 3 + 3 + 1
    with threads_for(model, 3000 // n_weights + 1):
        assert torch.get_num_threads() == 3
        other = threading.Thread(target=lambda: numbers.append(torch.get_num_threads()))
        numbers = []
        torch.set_num_threads(2)  # as the model itself may
    assert torch.get_num_threads() == 4
    other.start()
    other.join()
    assert numbers == [4]


def test_lazy_layers_are_counted_when_they_are_known():
    model = torch.nn.Sequential(torch.nn.LazyConv1d(3, 4), torch.nn.AdaptiveMaxPool1d(1), torch.nn.Flatten())
    assert rcviz.predict(model, sequences(2, 20), output="logit").shape == (2, 3)


CALLS = {
    "predict": lambda model, data, n: rcviz.predict(model, data, batch_size=n),
    "evaluate": lambda model, data, n: rcviz.evaluate(model, data, batch_size=n),
    "contributions": lambda model, data, n: rcviz.filter_contributions(model, data, batch_size=n),
    "knock-outs": lambda model, data, n: rcviz.filter_ablation(model, data, batch_size=n),
    "profiles": lambda model, data, n: rcviz.activation_profiles(model, data, batch_size=n),
    "strands": lambda model, data, n: rcviz.strand_agreement(model, data, batch_size=n),
    "attributions": lambda model, data, n: rcviz.strand_attributions(model, data, batch_size=n),
    "training": lambda model, data, n: rcviz.fit(
        model, data, data, rcviz.TrainConfig(epochs=1, batch_size=n, samples_per_epoch=len(data)), progress=False
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_small_batches_have_one_thread_and_large_ones_the_users(seen, call):
    """55 weights at 20 positions: 1,100 multiply-adds for a sequence."""
    model, numbers = seen
    data = sequences(16, 20)
    CALLS[call](model, data, 1)
    assert set(numbers) - {4} == {1}, "batches of one sequence"
    assert numbers.count(1) >= 16
    del numbers[:]
    CALLS[call](model, data, 2)
    assert 2 in numbers
    del numbers[:]
    CALLS[call](model, data, 16)
    assert max(numbers) == 4
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("call", CALLS)
def test_the_users_number_comes_back_after_errors_and_interrupts(seen, call, error):
    model, numbers = seen

    def fail(*_):
        if len(numbers) > 2:
            raise error

    model[2].register_forward_hook(fail)
    with pytest.raises(error):
        CALLS[call](model, sequences(16, 20), 1)
    assert torch.get_num_threads() == 4


def test_an_interrupt_while_the_number_is_set_leaves_the_users():
    class Interrupted(Threads):
        def make(self):
            super().make()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Interrupted(1):
        pass
    assert torch.get_num_threads() == 4


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def names_of_threads():
    return list(Path("/proc/self/task").iterdir())


@linux
@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_more_threads_than_cores_exist_while_several_compute_and_end_then(monkeypatch, error):
    """GNU's OpenMP lets its threads sleep while they wait as long as there are more of them than cores."""
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    torch.set_num_threads(2)
    torch.ones(200_000).exp()  # so that this thread's own team exists
    before = len(names_of_threads())
    added = max(1, n_cores() - 1)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt) if error else nullcontext(), Threads(2), Threads(2):
            wait_for(lambda: len(names_of_threads()) >= before + 2 * added)
            assert len(names_of_threads()) >= before + 2 * added > n_cores()
            if error:
                raise error
        wait_for(lambda: len(names_of_threads()) <= before)
        assert len(names_of_threads()) <= before


def wait_for(condition):
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)


@linux
@pytest.mark.parametrize("name", [None, "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"])
def test_none_are_added_for_one_thread_or_where_the_user_says_how_threads_wait(monkeypatch, name):
    started = []
    monkeypatch.setattr(threads, "_keep_team", lambda *_: started.append(1))
    for each in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(each, raising=False)
    if name:
        monkeypatch.setenv(name, "1")
    torch.set_num_threads(2)
    with Threads(1 if name is None else 2):
        pass
    assert started == []


@linux
def test_a_process_that_is_forked_while_several_compute_can_compute(monkeypatch):
    """With one thread, as GNU's OpenMP has no others in the child of a fork."""
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    with Threads(2), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        child = os.fork()
        if child == 0:
            torch.set_num_threads(1)
            with Threads(2):
                right = float(torch.ones(100_000).sum()) == 100_000
            os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@linux
def test_wherever_an_interrupt_comes_the_number_and_all_teams_are_as_before(monkeypatch):
    """At every line of the code that sets and restores them, as in tests/core/test_changes.py."""
    for each in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(each, raising=False)
    teams = []

    def keep_team(_, end):
        teams.append("begun")
        end.get()
        teams.append("ended")

    monkeypatch.setattr(threads, "_keep_team", keep_team)
    torch.set_num_threads(4)

    def work():
        with Threads(2):
            pass

    n_interrupts = 0
    for moment in range(1, 1000):
        events = 0

        def tracer(frame, event, argument, moment=moment):
            nonlocal events
            if not frame.f_code.co_filename.endswith(("changes.py", "models/threads.py")):
                return None
            if frame.f_code.co_name == "__init__":
                return None
            events += 1
            if events == moment:
                raise KeyboardInterrupt
            return tracer

        sys.settrace(tracer)
        try:
            guarded(work)()
        except KeyboardInterrupt:
            n_interrupts += 1
        else:
            break
        finally:
            sys.settrace(None)
        assert torch.get_num_threads() == 4, moment
        assert not threads._SleepingThreads.inside
        assert threads._SleepingThreads.state == {}
    wait_for(lambda: teams.count("begun") == teams.count("ended"))
    assert teams.count("begun") == teams.count("ended") > 0
    assert n_interrupts > 40
