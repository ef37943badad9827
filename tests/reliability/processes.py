"""A job in a process of its own that can be killed at a moment or at a step on files; the end of a script."""

import importlib
import json
import mmap
import os
import pkgutil
import signal
import sys
import time
import traceback
from contextlib import suppress

import torch

import rcviz

STEPS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.truncate"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
PATIENCE = 600


class Process:
    """A job in a folder, in a forked process; it can be killed just before a step on files (1-based)."""

    def __init__(self, work, folder, *, step=0):
        shared = memoryview(mmap.mmap(-1, 16)).cast("i")
        self._shared, self._started = shared, time.perf_counter()
        self.id = os.fork()
        if not self.id:
            _work(work, folder, step, shared)
        self.ended = None

    @property
    def n_steps(self):
        return self._shared[1]

    def kill_after(self, seconds):
        """Kill the process so long after its work began; return whether it was still running."""
        while not self._shared[0] and not self._has_ended():
            time.sleep(0.001)
        due = time.perf_counter() + seconds
        while time.perf_counter() < due and not self._has_ended():
            time.sleep(min(0.001, seconds))
        if self.ended is None:
            os.kill(self.id, signal.SIGKILL)
        return self.wait() == -signal.SIGKILL

    def wait(self):
        """Wait for the end; return the exit code, negative for a signal."""
        while not self._has_ended():
            if time.perf_counter() > self._started + PATIENCE:
                os.killpg(self.id, signal.SIGKILL)
                raise TimeoutError(f"a job took more than {PATIENCE} s")
            time.sleep(0.002)
        return self.ended

    def end_children(self):
        """Kill the processes that a killed process had started; return whether there were any."""
        left = False
        with suppress(ProcessLookupError):
            while True:
                os.killpg(self.id, signal.SIGKILL)
                left = True
                time.sleep(0.01)
        return left

    def _has_ended(self):
        if self.ended is None:
            ended, status = os.waitpid(self.id, os.WNOHANG)
            if ended:
                self.ended = os.waitstatus_to_exitcode(status)
        return self.ended is not None


def _work(work, folder, step, shared):
    """Do a job, in the child; never returns."""
    code = 1
    try:
        os.setsid()
        log = os.open(folder.parent / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(folder)
        os.environ["RCVIZ_CACHE"] = str(folder / "cache")
        torch.set_num_threads(1)
        sys.addaudithook(_counting(f"{folder}{os.sep}", step, shared))
        shared[0] = 1
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _counting(folder, step, shared):
    def hook(event, arguments):
        if event not in STEPS and not (event == "open" and arguments[2] & WRITING):
            return
        if isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.path.join(folder, os.fsdecode(arguments[0]))  # noqa: PTH118 - runs at every step
            if path.startswith(folder):
                shared[1] += 1
                if shared[1] == step:
                    os.kill(os.getpid(), signal.SIGKILL)

    return hook


def load_everything():
    """Import all that jobs use, once: their processes are forked from this one."""
    for module in pkgutil.walk_packages(rcviz.__path__, "rcviz."):
        if "widgets" not in module.name and "__main__" not in module.name:
            importlib.import_module(module.name)
    for name in (
        *("bioframe", "fontTools.subset", "joblib", "pyarrow.parquet", "pydantic", "pyfaidx", "reliability.writers"),
        *(f"matplotlib.backends.backend_{kind}" for kind in ("agg", "pdf", "svg")),
    ):
        importlib.import_module(name)
    from rcviz.training.session import _warm_up

    _warm_up()


def conclude(result, path):
    """Print a result, write it to a path if given, and exit with 1 if there were faults."""
    if path is not None:
        from rcviz.sweeps.machine import code_version, machine

        result |= {"machine": machine("cpu"), "code": code_version()}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    sys.exit(1 if result["faults"] else 0)
