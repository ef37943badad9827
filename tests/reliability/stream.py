"""Predict and score many sequences in bounded memory: how the peak grows with their number.

``python tests/reliability/stream.py --record`` takes 1, 2, 5 and 10 million sequences of 200 bp and writes
``benchmarks/results/reliability/stream.json``. What is measured is kept in ``--folder``, so that the same command goes
on where it was stopped.

Two ways lead there. A set larger than memory is a file, mapped by ``SequenceSet.load(path, memory_map=True)`` and given
to ``rcviz.evaluate``, which holds the labels and logits of all sequences, and of the sequences one batch at a time. A
stream that is in no file goes through ``rcviz.predict`` block by block, and nothing grows. Anonymous memory is what a
process needs; pages of a mapped file come and go as the system pleases. Linux only, for what /proc says.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np
from reliability.processes import conclude

import rcviz
from rcviz.sequences.storage import open_writer

RESULTS = ROOT / "benchmarks" / "results" / "reliability" / "stream.json"
LENGTH, BLOCK, SEED = 200, 10_000, 0
NUMBERS = (1_000_000, 2_000_000, 5_000_000, 10_000_000)


def blocks(n):
    """Random sequences, and a label for each that a network could learn: whether the first base is A or T."""
    rng = np.random.default_rng(SEED)
    for first in range(0, n, BLOCK):
        codes = rng.integers(0, 4, (min(BLOCK, n - first), LENGTH), dtype=np.uint8)
        yield codes, np.isin(codes[:, :1], (0, 3)).astype(np.float32)


def write(path, n):
    """The file that ``rcviz windows`` would write, block by block."""
    with open_writer(path, "SequenceSet", LENGTH) as growing:
        labels = []
        for codes, truth in blocks(n):
            growing.append(codes)
            labels.append(truth)
        growing.fields |= {"labels": np.concatenate(labels), "task_names": ["A or T"], "provenance": {}}


def network():
    return rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", n_filters=8, sequence_length=LENGTH)).eval()


def mapped(numbers, path):
    """Score a file."""
    (n,) = numbers
    data = rcviz.SequenceSet.load(path, memory_map=True)
    (row,) = rcviz.evaluate(network(), data).to_dict("records")
    assert row["n_positive"] + row["n_negative"] == n
    yield n, {"auroc": row["auroc"], "auprc": row["auprc"]}


def streamed(numbers, path):
    """Predict what comes, and keep sums alone."""
    model, totals, done = network(), np.zeros(2), 0
    for codes, truth in blocks(max(numbers)):
        probabilities = rcviz.predict(model, codes)
        totals += probabilities.sum(dtype=np.float64), ((probabilities - truth) ** 2).sum(dtype=np.float64)
        done += len(codes)
        if done in numbers:
            yield done, {"mean_probability": totals[0] / done, "mean_squared_error": totals[1] / done}


WAYS = {"mapped": mapped, "streamed": streamed}


def held():
    """Resident megabytes: anonymous, and of files."""
    found = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return [int(found[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile")]


@contextmanager
def watched(peak):
    """Note the largest resident sizes of the time between, looked at every few milliseconds."""
    over = threading.Event()

    def look():
        while not over.wait(0.005):
            peak[:] = np.maximum(peak, held())

    peak[:] = held()
    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def measure(way, numbers, path):
    """Take one way in this process; small numbers go first, so that all that is imported is there."""
    work = WAYS[way]
    warm = path.with_name(f"warm-{os.getpid()}.safetensors")
    write(warm, BLOCK)
    list(work([BLOCK], warm))
    warm.unlink()
    before, peak, started, cpu = held(), [0.0, 0.0], time.perf_counter(), time.process_time()
    with watched(peak):
        for n, found in work(numbers, path):
            yield {
                "way": way,
                "sequences": n,
                "anonymous_mb_before": before[0],
                "anonymous_mb_at_most": peak[0],
                "file_mb_at_most": peak[1],
                "seconds": time.perf_counter() - started,
                "processor_seconds": time.process_time() - cpu,
                **found,
            }


def points(folder, numbers):
    """Every way at every number, measured once and kept; a stream passes all numbers on its way."""
    folder.mkdir(parents=True, exist_ok=True)
    turns = [("mapped", [n]) for n in numbers] + [("streamed", numbers)]
    for way, through in turns:
        kept = folder / f"{way}-{'-'.join(map(str, through))}.json"
        if not kept.exists():
            path = folder / "set.safetensors"
            if way == "mapped":
                write(path, through[0])
            command = [sys.executable, __file__, "--way", way, "--folder", str(folder), "--numbers", *map(str, through)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            path.unlink(missing_ok=True)
            assert done.returncode == 0, done.stderr
            kept.write_text(done.stdout)
            print(done.stdout, file=sys.stderr, flush=True)
        yield from json.loads(kept.read_text())


def bytes_per_sequence(found, way):
    """How much more anonymous memory the largest number took than the smallest, by the difference of the numbers."""
    at = sorted((point["sequences"], point["anonymous_mb_at_most"]) for point in found if point["way"] == way)
    return (at[-1][1] - at[0][1]) * 2**20 / (at[-1][0] - at[0][0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--numbers", type=int, nargs="+", default=NUMBERS)
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "stream")
    parser.add_argument("--record", action="store_true", help=f"write {RESULTS.relative_to(ROOT)}")
    parser.add_argument("--way", choices=WAYS, help="measure one way in this process")
    options = parser.parse_args()
    if options.way:
        print(json.dumps(list(measure(options.way, options.numbers, options.folder / "set.safetensors"))))
        gc.freeze()  # else Python looks at all that was imported as it ends, for half a second
        return
    found = list(points(options.folder, options.numbers))
    grown = {way: bytes_per_sequence(found, way) for way in WAYS}
    result = {"length": LENGTH, "seed": SEED, "points": found, "bytes_per_sequence": grown, "faults": []}
    conclude(result, RESULTS if options.record else None)


if __name__ == "__main__":
    main()
