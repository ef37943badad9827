"""What one waits for at the start: importing rcviz, a first logo, a first gallery of 64 logos as SVG text.

Every row is a fresh interpreter, all in turn, beside what the interpreter and its libraries take by themselves. On a
machine that others use as well, processor time says more than the clock, so both are kept.

    python benchmarks/start.py

Writes benchmarks/results/start.json.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from machine import described

OUT = Path(__file__).parent / "results" / "start.json"
REPEATS = 9

STARTS = {
    "bare interpreter": "pass",
    "import rcviz": "import rcviz",
    "import numpy, matplotlib": "import numpy, matplotlib",
    "import numpy, matplotlib.figure": "import numpy, matplotlib.figure",
    "import rcviz, first logo drawn": "import numpy, rcviz; rcviz.plot_logo(numpy.eye(4))",
    "import rcviz, first logo as SVG text": "import numpy, rcviz; rcviz.logo_svg(numpy.eye(4))",
}
# Seeds of three galleries of 64 logos, one after the other in one process.
GALLERIES = {"the first time": 0, "again": 0, "64 others": 1}
GALLERY_CODE = f"""
import json, time
import numpy as np
import rcviz
rcviz.logo_svg(np.eye(4))
found = {{}}
for name, seed in {GALLERIES}.items():
    matrices = np.random.default_rng(seed).normal(size=(64, 4, 21))
    started = time.perf_counter(), time.process_time()
    [rcviz.logo_svg(matrix) for matrix in matrices]
    found[name] = time.perf_counter() - started[0], time.process_time() - started[1]
found["bytes"] = sum(len(rcviz.logo_svg(matrix)) for matrix in matrices)
print(json.dumps(found))
"""


def run(code):
    """What a fresh interpreter printed, and the seconds by the clock and of the processor that it took."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"MPLBACKEND": "agg"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, (wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main():
    taken = {}
    for turn in range(REPEATS + 1):
        found = {name: run(code)[1] for name, code in STARTS.items()}
        galleries = json.loads(run(GALLERY_CODE)[0])
        n_bytes = galleries.pop("bytes")
        for name, seconds in galleries.items():
            found[f"64 logos of 4 x 21 as SVG text, {name}"] = seconds
        for name, seconds in found.items() if turn else ():  # the first turn only warms the disk's cache up
            taken.setdefault(name, []).append(seconds)
    medians = {name: [statistics.median(part) for part in zip(*pairs, strict=True)] for name, pairs in taken.items()}
    content = {
        "machine": described(1) | {"repeats": REPEATS},
        "bytes of 64 logos as SVG text": n_bytes,
        "command": "python benchmarks/start.py",
        "median_seconds": {name: wall for name, (wall, _) in medians.items()},
        "median_cpu_seconds": {name: cpu for name, (_, cpu) in medians.items()},
    }
    OUT.write_text(json.dumps(content, indent=1) + "\n")
    for name, (wall, cpu) in medians.items():
        print(f"{wall * 1000:9.1f} ms, {cpu * 1000:9.1f} ms of the processor  {name}")


if __name__ == "__main__":
    main()
