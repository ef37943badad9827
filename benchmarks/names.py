"""The nearest of 879 known motifs for 64 filters: rcviz, and memelite, which compiles once on a machine.

Every row is a fresh interpreter with one thread, from its start to the table of names, or a second call in it. On a
machine that others use as well, processor time says more than the clock, so both are kept. memelite's compiling is
measured once.

    python benchmarks/names.py

Writes benchmarks/results/names.json.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import described

OUT = Path(__file__).parent / "results" / "names.json"
REPEATS = 5

MOTIFS = """
import json, time
import numpy as np
from rcviz.motifs.motif import Motif
from rcviz.motifs.similarity import as_motifs, match_motifs
queries = [Motif("", matrix.T) for matrix in np.random.default_rng(0).dirichlet([0.4] * 4, (64, 19))]
"""
RCVIZ = "name = lambda: match_motifs(queries)"
MEMELITE = """
from memelite import tomtom
targets = as_motifs()
name = lambda: tomtom(*([motif.probabilities for motif in motifs] for motifs in (queries, targets)), n_jobs=1)
"""
AGAIN = """
name()
started = time.perf_counter(), time.process_time()
name()
print(json.dumps([time.perf_counter() - started[0], time.process_time() - started[1]]))
"""


def run(code, cache):
    """What a fresh interpreter printed, and the seconds by the clock and of the processor that it took."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_CACHE_DIR": cache}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, (wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main():
    taken = {}
    with tempfile.TemporaryDirectory() as cache:
        compiling = run(MOTIFS + MEMELITE + "name()", cache)[1]
        for _ in range(REPEATS):
            found = {"import numpy, pandas": run("import numpy, pandas", cache)[1]}
            for name, code in (("rcviz", RCVIZ), ("memelite", MEMELITE)):
                found[f"{name}, fresh interpreter"] = run(MOTIFS + code + "\nname()", cache)[1]
                found[f"{name}, called again"] = json.loads(run(MOTIFS + code + AGAIN, cache)[0])
            for name, seconds in found.items():
                taken.setdefault(name, []).append(seconds)
    medians = {name: [statistics.median(part) for part in zip(*pairs, strict=True)] for name, pairs in taken.items()}
    medians["memelite, fresh interpreter, first time on a machine"] = compiling
    content = {
        "machine": described(1) | {"repeats": REPEATS},
        "command": "python benchmarks/names.py",
        "median_seconds": {name: wall for name, (wall, _) in medians.items()},
        "median_cpu_seconds": {name: cpu for name, (_, cpu) in medians.items()},
    }
    OUT.write_text(json.dumps(content, indent=1) + "\n")
    for name, (wall, cpu) in medians.items():
        print(f"{wall:9.2f} s, {cpu:9.2f} s of the processor  {name}")


if __name__ == "__main__":
    main()
