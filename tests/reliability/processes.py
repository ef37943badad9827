"""A job in a process of its own that can be killed at a moment or at a step on files, and what such scripts share."""

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
    """A job at work in a folder, in a process of its own; a step to be killed at counts from one."""

    def __init__(self, work, folder, *, step=0):
        told = memoryview(mmap.mmap(-1, 16)).cast("i")
        self._told, self._started = told, time.perf_counter()
        self.id = os.fork()
        if not self.id:
            _work(work, folder, step, told)
        self.ended = None

    @property
    def n_steps(self):
        return self._told[1]

    def kill_after(self, seconds):
        """Wait until the work has begun, and so much longer; whether the process was still there to be killed."""
        while not self._told[0] and not self._has_ended():
            time.sleep(0.001)
        due = time.perf_counter() + seconds
        while time.perf_counter() < due and not self._has_ended():
            time.sleep(min(0.001, seconds))
        if self.ended is None:
            os.kill(self.id, signal.SIGKILL)
        return self.wait() == -signal.SIGKILL

    def wait(self):
        """Wait for the end; the exit code, negative for a signal."""
        while not self._has_ended():
            if time.perf_counter() > self._started + PATIENCE:
                os.killpg(self.id, signal.SIGKILL)
                raise TimeoutError(f"a job took more than {PATIENCE} s")
            time.sleep(0.002)
        return self.ended

    def end_children(self):
        """End what a killed process left at work; whether there was any."""
        left = False
        with suppress(ProcessLookupError):
            while True:
                os.killpg(self.id, signal.SIGKILL)
                left = True
                time.sleep(0.01)
        return left

    def _has_ended(self):
        if self.ended is None:
            found, status = os.waitpid(self.id, os.WNOHANG)
            if found:
                self.ended = os.waitstatus_to_exitcode(status)
        return self.ended is not None


def _work(work, folder, step, told):
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
        sys.addaudithook(_counting(f"{folder}{os.sep}", step, told))
        told[0] = 1
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _counting(folder, step, told):
    def hook(event, arguments):
        if event not in STEPS and not (event == "open" and arguments[2] & WRITING):
            return
        if isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.path.join(folder, os.fsdecode(arguments[0]))  # noqa: PTH118 - runs at every step
            if path.startswith(folder):
                told[1] += 1
                if told[1] == step:
                    os.kill(os.getpid(), signal.SIGKILL)

    return hook


def load_everything():
    """Import what jobs use, once: their processes are copies of this one."""
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
    """Print what came out, keep it with the machine where a path is given, and exit with 1 if there were faults."""
    if path is not None:
        from rcviz.sweeps.machine import code_version, machine

        result |= {"machine": machine("cpu"), "code": code_version()}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    sys.exit(1 if result["faults"] else 0)
