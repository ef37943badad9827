"""What benchmarks share: the machine of a measurement, and rows that are measured in turn."""

import os
import re
import statistics
import time
from pathlib import Path

import numpy as np

import rcviz
from rcviz.sweeps.machine import machine

_UNITS = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_bf16": "AVX-512 BF16", "amx_bf16": "AMX BF16"}


REPEATS = 7


def seconds(work):
    """Return how long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def random_set(n, length, seed=0):
    """Labelled random sequences, half of them positives."""
    codes = np.random.default_rng(seed).integers(0, 4, (n, length)).astype(np.uint8)
    return rcviz.SequenceSet(codes, np.arange(n) % 2)


def interleaved(rows, repeats=REPEATS):
    """Call all rows in turn, several times, and return the median seconds of each; the first turn is not counted."""
    times = {name: [] for name in rows}
    for turn in range(repeats + 1):
        for name, work in rows.items():
            taken = seconds(work)
            if turn:
                times[name].append(taken)
    return {name: statistics.median(taken) for name, taken in times.items()}


def described(threads):
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"^flags\s*: (.+)$", cpuinfo.read_text() if cpuinfo.exists() else "", re.MULTILINE)
    flags = set(found[1].split()) if found else set()
    units = [spelled for flag, spelled in _UNITS.items() if flag in flags]
    return machine("cpu") | {"threads": threads, "vector_units": units, "load_average": os.getloadavg()[0]}
