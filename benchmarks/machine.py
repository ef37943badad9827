"""The machine that a measurement was made on, in words that tell one kind from another."""

import os
import platform
import re
from pathlib import Path

_UNITS = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_bf16": "AVX-512 BF16", "amx_bf16": "AMX BF16"}


def described(threads):
    """Processor, its vector units, cores, versions, threads used, and how busy others keep it."""
    import torch

    cpuinfo = Path("/proc/cpuinfo")
    told = cpuinfo.read_text() if cpuinfo.exists() else ""
    name = re.search(r"model name\s*: (.+)", told)
    flags = set(re.search(r"flags\s*: (.+)", told)[1].split()) if name else set()
    return {
        "cpu": name[1] if name else platform.machine(),
        "vector_units": [spelled for flag, spelled in _UNITS.items() if flag in flags],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": threads,
        "load_average": os.getloadavg()[0],
    }
