"""What one waits for at the start: importing rcviz, a first logo or training, a first gallery of logos as SVG text.

Every row is a fresh interpreter, all in turn, beside what the interpreter and its libraries take by themselves. On a
machine that others use as well, processor time says more than the clock, so both are kept.

    python benchmarks/start.py --before CHECKOUT

The checkout of an earlier version, where one is given, is measured in turn with this one.
Writes benchmarks/results/start.json.
"""

import argparse
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
    "import pandas, torch": "import pandas, torch",
    "import rcviz, first epoch of 4 sequences": """
import numpy, rcviz
data = rcviz.SequenceSet(numpy.eye(4, dtype=numpy.uint8), numpy.array([0, 1, 0, 1]))
config = rcviz.ModelConfig.one_layer("revcomp", sequence_length=4, n_filters=1, kernel_sizes=(2,), pool_size=3)
training = rcviz.TrainConfig.chipseq(epochs=1, samples_per_epoch=4)
rcviz.fit(rcviz.build_model(config), data, data, training, progress=False)
""",
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


def run(code, checkout):
    """What a fresh interpreter printed, and the seconds by the clock and of the processor that it took."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"MPLBACKEND": "agg"}
    command = [sys.executable, "-c", code]  # imports from the folder in which it runs
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=checkout)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, (wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measured(checkout):
    """Seconds by the clock and of the processor of each row, and the bytes of a gallery."""
    found = {name: run(code, checkout)[1] for name, code in STARTS.items()}
    galleries = json.loads(run(GALLERY_CODE, checkout)[0])
    n_bytes = galleries.pop("bytes")
    return found | {f"64 logos of 4 x 21 as SVG text, {name}": taken for name, taken in galleries.items()}, n_bytes


def medians(turns):
    """Medians of both kinds of seconds; the first turn only warms the disk's cache up."""
    return [{name: statistics.median(turn[name][kind] for turn in turns[1:]) for name in turns[0]} for kind in (0, 1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="checkout of an earlier version")
    before = parser.parse_args().before
    turns, earlier = [], []
    for _ in range(REPEATS + 1):
        found, n_bytes = measured(OUT.parents[2])
        turns.append(found)
        if before:
            earlier.append(measured(before.resolve())[0])
    wall, cpu = medians(turns)
    content = {
        "machine": described(1) | {"repeats": REPEATS},
        "bytes of 64 logos as SVG text": n_bytes,
        "command": "python benchmarks/start.py",
        "median_seconds": wall,
        "median_cpu_seconds": cpu,
    }
    if before:
        content["median_seconds before"], content["median_cpu_seconds before"] = medians(earlier)
    OUT.write_text(json.dumps(content, indent=1) + "\n")
    for name in wall:
        print(f"{wall[name] * 1000:9.1f} ms, {cpu[name] * 1000:9.1f} ms of the processor  {name}")


if __name__ == "__main__":
    main()
