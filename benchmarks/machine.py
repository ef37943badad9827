"""The machine that a measurement was made on: what rcviz says of it, its vector units, and how busy others keep it."""

import os
import re
from pathlib import Path

from rcviz.sweeps.machine import machine

_UNITS = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_bf16": "AVX-512 BF16", "amx_bf16": "AMX BF16"}


def described(threads):
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"^flags\s*: (.+)$", cpuinfo.read_text() if cpuinfo.exists() else "", re.MULTILINE)
    flags = set(found[1].split()) if found else set()
    units = [spelled for flag, spelled in _UNITS.items() if flag in flags]
    return machine("cpu") | {"threads": threads, "vector_units": units, "load_average": os.getloadavg()[0]}
