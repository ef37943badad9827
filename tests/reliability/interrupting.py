"""Interrupts at chosen moments, and what must be the same after one as before."""

import gc
import random
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from rcviz._core import changes
from rcviz._core.memory import ReusedMemory
from rcviz.models.runtime import model_lock
from rcviz.models.settings import _GENERATORS
from rcviz.training.checkpoint import digest_of_weights
from rcviz.widgets.runs import _running

NOT_INTERRUPTED = ("jaxtyping", "beartype", "weakref.py", "_weakrefset.py", "importlib", "/tests/")
"""Files where no interrupt is placed: code of the tests, imports, and callbacks in which Python swallows errors."""


class Moments:
    """Run work and count how often each place in Python code is reached, or raise KeyboardInterrupt at one of them.

    Parameters
    ----------
    place : tuple, optional
        Code, line and event ("line" or "call"); without it, ``places`` counts them all.
    pass_ : int
        At which pass of the place, 1-based.
    """

    def __init__(self, place=None, pass_=1):
        self.place, self.left, self.places = place, pass_, Counter()

    def run(self, work):
        """Call ``work``; return whether it was interrupted."""
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            work()
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
        return False

    def _enter(self, frame, event, argument):
        code = frame.f_code
        if self.place is not None:  # other code is not followed, and runs fast
            return self._step(frame, event, argument) if code is self.place[0] else None
        if code.co_filename.startswith("<") or any(part in code.co_filename for part in NOT_INTERRUPTED):
            return None
        return self._step(frame, event, argument)

    def _step(self, frame, event, argument):
        if self.place is None:
            if event in ("line", "call"):  # Python itself raises no interrupt at the end of a function
                self.places[frame.f_code, frame.f_lineno, event] += 1
        elif self.place[1:] == (frame.f_lineno, event):
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt
        return self._step


def signalled(work, seconds):
    """Call ``work`` and send a signal, as Ctrl-C does, after so many seconds; return whether it was interrupted."""
    done = False

    def interrupt(*_):
        if not done:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        work()
        done = True
    except KeyboardInterrupt:
        return True
    finally:
        done = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return False


def surroundings():
    """Settings of the process and of this thread, and what rcviz has changed and not taken back."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return {
        "gradients": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "function modes": len(torch.overrides._get_current_function_mode_stack()),
        "default type": torch.get_default_dtype(),
        "default device": str(torch.get_default_device()),
        "cudnn": (cudnn.enabled, cudnn.deterministic, cudnn.benchmark, cudnn.conv.fp32_precision),
        "precision": (matmul.fp32_precision, torch.backends.mkldnn.matmul.fp32_precision),
        "threads": torch.get_num_threads(),
        "numpy errors": np.geterr(),
        "random numbers": (torch.get_rng_state().sum().item(), random.getstate()[1]),
        "changes": [type(change).__name__ for notes in changes._noted.values() for change in notes],
        "kept memory": len(ReusedMemory.inside),
        "generators are free": is_free(_GENERATORS),
    }


def is_free(lock):
    """Whether another thread could take a lock now."""
    taken = []
    other = threading.Thread(target=lambda: taken.append(lock.acquire(blocking=False)) or (taken[0] and lock.release()))
    other.start()
    other.join()
    return taken[0]


def condition(model):
    """Everything of a model that an analysis must not change."""
    parameters = dict(model.named_parameters())
    return {
        "modes": [module.training for module in model.modules()],
        "weights": digest_of_weights(model.state_dict()),
        "gradients": {name: (part.requires_grad, part.grad is None) for name, part in parameters.items()},
        "hooks": [(len(module._forward_hooks), len(module._forward_pre_hooks)) for module in model.modules()],
        "is free": is_free(model_lock(model)._lock),
    }


def differences(before, after):
    """Names of the entries that are not the same."""
    changed = [name for name in before if before[name] != after[name]]
    return [f"{name} was {before[name]!s:.80} and is {after[name]!s:.80}" for name in changed]


class Interrupted:
    """Interrupts a job at one moment after the other.

    Parameters
    ----------
    job : callable
        ``job(folder)`` gives a new :class:`Job`.
    folder : path
    """

    def __init__(self, job, folder):
        self.job, self.folder, self.n_jobs = job, Path(folder), 0
        self.job(self.folder / "first").work()  # imports, and fills caches
        counted = Moments()
        assert not counted.run(self.job(self.folder / "counted").work)
        self.places = list(counted.places.items())
        plain, started = self.job(self.folder / "plain"), time.perf_counter()
        plain.work()
        self.seconds = time.perf_counter() - started
        self.expected = plain.result()
        gc.freeze()  # what there is now is not looked at after each interrupt

    def at(self, *moment):
        """Interrupt at a pass of a place, or after a share of the time; return whether it was, and the faults."""
        self.n_jobs += 1
        job = self.job(self.folder / str(self.n_jobs))
        before = surroundings(), job.kept()
        if len(moment) == 1:
            hit, place = signalled(job.work, max(moment[0] * self.seconds, 1e-6)), f"{moment[0]:.3f} of the time"
        else:
            code, line, event = moment[0]
            hit, place = Moments(*moment).run(job.work), f"{event} of {Path(code.co_filename).name}:{line}"
        for run in list(_running):  # of an explorer: it is in another thread, and ends at its next step
            assert run.wait(60), f"{place}: the analysis in the background does not end"
        gc.collect()
        found = differences(before[0], surroundings())
        found += differences(before[1], job.kept()) if hit else []
        if hit:
            job.work()
        if (result := job.result()) != self.expected:
            found.append(f"another result: {differences(self.expected, result)}")
        found += differences(before[0], surroundings()) + job.left_over()
        return hit, [f"{place}: {text}" for text in found]


class Job:
    """Work that may be interrupted and is then done again."""

    def work(self):
        """Do it."""
        raise NotImplementedError

    def result(self):
        """Return what it gave, as a dict to compare."""
        raise NotImplementedError

    def kept(self):
        """Return what an interrupt must not change."""
        return {}

    def left_over(self):
        """Return descriptions of what should not be there in the end."""
        return []
