"""Code, processor, threads and memory of a run."""

import contextlib
import hashlib
import os
import platform
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

import rcviz

# What determines a run's numbers; drawing, widgets and the command line do not.
_SOURCES = ("metrics.py", "_core", "sequences", "layers", "models", "training", "analysis", "sweeps")
_RESET_PEAK = "5"  # see proc(5), /proc/pid/clear_refs


@cache
def code_version() -> dict[str, str]:
    """Return the version of rcviz, and a digest of its files that determine numbers."""
    root = Path(rcviz.__file__).parent
    digest = hashlib.sha256()
    for name in _SOURCES:
        place = root / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return {"rcviz": version("rcviz"), "digest": digest.hexdigest()[:12]}


def machine(device: str) -> dict[str, str | int]:
    """Return processor, cores, threads and torch's version, without the name of the machine."""
    facts: dict[str, str | int] = {
        "cpu": _processor(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
    }
    if device.startswith("cuda") or (device == "auto" and torch.cuda.is_available()):
        facts["gpu"] = torch.cuda.get_device_name(None if device == "auto" else device)
    return facts


def reset_peak_memory() -> None:
    """Measure the process's peak memory from now on, where the system can: a worker does one run after another."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK)


def peak_memory_mb() -> float:
    """Return the process's largest resident memory since :func:`reset_peak_memory`, in MB of 10**6 bytes."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
    except (OSError, IndexError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
