"""Changes are taken back wherever an interrupt comes, and locks work in the child of a fork."""

import os
import signal
import sys
import threading
import time
import warnings

import numpy as np
import pytest

from rcviz._core.changes import Change, DefaultErrors, Holding, SharedChange, guarded
from rcviz._core.threads import shared_lock

VALUES = {"one": 0, "shared": 0}


class Setting(Change):
    """Sets a number; both steps take several lines."""

    def __init__(self, name, value):
        self.name, self.value, self.before = name, value, VALUES.get(name)

    def make(self):
        VALUES[self.name] = None
        VALUES[self.name] = self.value

    def undo(self):
        VALUES[self.name] = None
        VALUES[self.name] = self.before


class SharedSetting(SharedChange):
    def record(self):
        return VALUES["shared"]

    def apply(self):
        VALUES["shared"] = None
        VALUES["shared"] = 1

    def restore(self, before):
        VALUES["shared"] = None
        VALUES["shared"] = before


def test_wherever_an_interrupt_comes_everything_is_taken_back():
    """At every line, call and return of the code that makes and takes back."""
    lock = shared_lock()

    def work():
        with Holding(lock), Setting("one", 1), SharedSetting(), Setting("one", 2):
            assert VALUES == {"one": 2, "two": 1, "shared": 1}

    call, n_interrupts = guarded(work, lambda: Setting("two", 1)), 0
    before = {"one": 0, "two": 0, "shared": 0}
    for moment in range(1, 1000):
        VALUES.clear()
        VALUES.update(before)
        events = 0

        def tracer(frame, event, argument, moment=moment):
            nonlocal events
            if "changes" not in frame.f_code.co_filename or "__init__" in frame.f_code.co_name:
                return None
            events += 1
            if events == moment:
                raise KeyboardInterrupt
            return tracer

        sys.settrace(tracer)
        try:
            call()
        except KeyboardInterrupt:
            n_interrupts += 1
        else:
            break
        finally:
            sys.settrace(None)
        assert before == VALUES, moment
        assert not SharedSetting.inside
        assert not lock._is_owned()
    assert n_interrupts > 100


def test_changes_last_until_the_last_thread_leaves():
    VALUES["shared"] = 0
    first, second = SharedSetting(), SharedSetting()
    entered, leave = threading.Event(), threading.Event()

    def other():
        with second:
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=other, daemon=True)
    with first:
        thread.start()
        assert entered.wait(30)
    assert VALUES["shared"] == 1
    leave.set()
    thread.join(30)
    assert VALUES["shared"] == 0


def in_child(work, seconds=60):
    """Run ``work`` in a forked process; return its exit code, None if it did not end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 and later warn of forks beside threads, which are meant here
        child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


@pytest.fixture
def held_elsewhere():
    """A lock that another thread holds, inside changes of its own."""
    lock, entered, leave = shared_lock(), threading.Event(), threading.Event()
    VALUES.update(one=0, shared=0)

    def hold():
        with Holding(lock), Setting("one", 1), SharedSetting():
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    assert entered.wait(30)
    yield lock
    leave.set()
    thread.join(30)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no forks")
def test_a_child_has_free_locks_and_none_of_the_changes_of_other_threads(held_elsewhere):
    def work():
        assert held_elsewhere.acquire(timeout=5)
        held_elsewhere.release()
        assert VALUES["one"] == VALUES["shared"] == 0

    assert in_child(work) == 0
    assert VALUES["one"] == VALUES["shared"] == 1
    assert not held_elsewhere.acquire(blocking=False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no forks")
def test_a_child_keeps_the_locks_and_changes_of_the_thread_that_forked():
    lock = shared_lock()
    VALUES["one"] = 0

    def work():
        assert lock._is_owned()
        assert VALUES["one"] == 1

    with Holding(lock), Setting("one", 1):
        assert in_child(work) == 0
    assert VALUES["one"] == 0


def test_numpy_has_its_default_errors_inside_a_guarded_function():
    with np.errstate(all="raise"):
        assert guarded(np.geterr, DefaultErrors)()["under"] == "ignore"
        assert np.geterr()["under"] == "raise"
