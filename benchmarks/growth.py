"""How time and memory grow with the number of sequences, their length, the number of filters and the batch.

Every point has a process and one thread of its own and is measured in processor time, which others on the machine
disturb least. Memory is the peak of the first run above what the process held before its data were made, so that a set
of uint8 codes alone counts 1 byte per base. Linux only, for the peak.

    python benchmarks/growth.py

Writes benchmarks/results/growth.json; ``--only WORD`` measures anew the sweeps whose name holds the word.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from machine import described
from torch import nn

import rcviz
from rcviz.plots._axes import figure_png, new_figure

OUT = Path(__file__).parent / "results" / "growth.json"
FIXED = {"sequences": 1_000, "length": 500, "filters": 8, "width": 15, "batch": 100}
MANY = (1_000, 3_000, 10_000, 30_000, 100_000)
LENGTHS = (100, 300, 1_000, 3_000, 10_000)
FILTERS = (4, 12, 40, 120, 400)
BATCHES = (5, 20, 100, 500)
REPEATS, LONG_ENOUGH = 7, 5.0


def sequence_set(sizes, *, seed=0):
    codes = np.random.default_rng(seed).integers(0, 4, (sizes["sequences"], sizes["length"]), dtype=np.uint8)
    return rcviz.SequenceSet(codes, np.arange(len(codes)) % 2, chrom=np.resize(["chr1", "chr17", "chr2"], len(codes)))


def network(sizes):
    config = rcviz.ModelConfig.one_layer("revcomp", n_filters=sizes["filters"], sequence_length=sizes["length"])
    return rcviz.build_model(config)


def bank(sizes):
    weights = np.random.default_rng(0).normal(size=(sizes["filters"], 4, sizes["width"]))
    return rcviz.FilterBank(weights, np.zeros(len(weights)), "", True)


def on_data(analysis):
    """An analysis of the one-layer network on the sequences."""
    return lambda sizes: partial(analysis, network(sizes), sequence_set(sizes))


def in_batches(analysis):
    return lambda sizes: partial(on_data(analysis)(sizes), batch_size=sizes["batch"])


def deep_prediction(sizes):
    config = rcviz.ModelConfig.chipseq("revcomp", n_filters=16, sequence_length=sizes["length"])
    return partial(rcviz.predict, rcviz.build_model(config), sequence_set(sizes), batch_size=sizes["batch"])


def epoch(sizes, model=None):
    valid = sequence_set(sizes | {"sequences": 100}, seed=1)
    config = rcviz.TrainConfig(epochs=1, batch_size=sizes["batch"], samples_per_epoch=sizes["sequences"])
    return partial(rcviz.fit, model or network(sizes), sequence_set(sizes), valid, config, progress=False)


def data_handling(sizes):
    """An epoch of a model that does next to nothing: what is left is choosing, encoding and scoring."""
    return epoch(sizes, nn.Sequential(nn.AvgPool1d(sizes["length"]), nn.Flatten(), nn.Linear(4, 1)))


def checkpointed_epoch(sizes):
    """The same with a checkpoint, which holds a digest of the data."""
    folder, fit = tempfile.TemporaryDirectory(), data_handling(sizes)

    def train(folder=folder):
        path = Path(folder.name) / "checkpoint"
        path.unlink(missing_ok=True)
        fit(checkpoint=path)

    return train


def saved(sizes):
    """Folder and path of a set in a file; the folder goes when nobody holds it any more."""
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "set.safetensors"
    # In a process of its own: what writing takes is not asked.
    code = f"from growth import sequence_set; sequence_set({sizes}).save({str(path)!r})"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)
    return folder, path


def loading(sizes, *, memory_map=False):
    folder, path = saved(sizes)
    return lambda folder=folder: rcviz.SequenceSet.load(path, memory_map=memory_map)


def reading(sizes):
    """What loading cannot do without: the bytes of the file."""
    folder, path = saved(sizes)
    return lambda folder=folder: path.read_bytes()


def mapped_prediction(sizes):
    model, load = network(sizes), loading(sizes, memory_map=True)
    return lambda: rcviz.predict(model, load(), batch_size=sizes["batch"])


def svg_logos(sizes):
    weights = bank(sizes).weights
    return lambda: [rcviz.logo_svg(matrix) for matrix in weights]


def gallery(sizes):
    weights = bank(sizes).weights

    def draw():
        figure = new_figure(16, 12)
        rcviz.plot_filters(weights, figure.add_subplot())
        figure_png(figure)

    return draw


SWEEPS = {
    "prediction, one layer": (
        in_batches(rcviz.predict),
        {"sequences": MANY, "length": LENGTHS, "filters": FILTERS, "batch": BATCHES},
    ),
    "prediction, ChIP-seq network": (deep_prediction, {"batch": BATCHES}),
    "prediction from a mapped file": (mapped_prediction, {"sequences": MANY}),
    "contributions": (
        in_batches(rcviz.filter_contributions),
        {"sequences": MANY, "length": LENGTHS, "filters": FILTERS, "batch": BATCHES},
    ),
    "agreement of strands": (on_data(rcviz.strand_agreement), {"sequences": MANY}),
    "training epoch, one layer": (epoch, {"sequences": MANY, "length": LENGTHS, "filters": FILTERS}),
    "training epoch, data handling alone": (data_handling, {"sequences": MANY, "length": LENGTHS}),
    "training epoch with a checkpoint, data handling alone": (checkpointed_epoch, {"sequences": MANY}),
    "split by chromosome": (
        lambda sizes: partial(rcviz.split_by_chromosome, sequence_set(sizes), preset="chr1/chr17/rest"),
        {"sequences": MANY},
    ),
    "split": (lambda sizes: partial(rcviz.split, sequence_set(sizes)), {"sequences": MANY}),
    "loading a set": (loading, {"sequences": MANY}),
    "the bytes of its file, read": (reading, {"sequences": MANY}),
    "encoding strings": (
        lambda sizes: partial(rcviz.encode, rcviz.decode(sequence_set(sizes).codes)),
        {"sequences": MANY},
    ),
    "activating sites": (
        lambda sizes: partial(bank(sizes).activating_sites, sequence_set(sizes)),
        {"sequences": MANY, "length": LENGTHS, "filters": FILTERS},
    ),
    "palindromicity": (lambda sizes: partial(rcviz.palindromes, bank(sizes)), {"filters": FILTERS}),
    "logos as SVG text": (svg_logos, {"filters": FILTERS, "width": (5, 15, 50, 150, 500)}),
    "gallery of logos to PNG": (gallery, {"filters": FILTERS}),
}
# Sizes that are not the usual ones: long sequences are fewer, a batch has enough of them, networks have their length.
CHANGES = {
    "length": {"sequences": 200},
    "batch": {"sequences": 1_000, "length": 1_000},
}


def memory(field):
    """Bytes from the kernel's own account of this process."""
    return int(re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def measure(subject, sizes):
    """One point, in this process; prints what it took."""
    mpl.use("agg")
    torch.set_num_threads(1)
    work = SWEEPS[subject][0]
    work(
        sizes | {"sequences": 200, "filters": min(sizes["filters"], 4), "length": min(sizes["length"], 500)}
    )()  # warm up
    before = memory("VmRSS")
    run = work(sizes)
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what there is now
    run()
    peak = memory("VmHWM") - before
    cpu, wall = [], []
    while len(cpu) < REPEATS and (len(cpu) < 3 or sum(cpu) < LONG_ENOUGH):
        started = time.process_time(), time.perf_counter()
        run()
        cpu.append(time.process_time() - started[0])
        wall.append(time.perf_counter() - started[1])
    found = {"cpu_seconds": float(np.median(cpu)), "wall_seconds": float(np.median(wall))}
    print(json.dumps(found | {"peak_bytes": peak, "repeats": len(cpu)}))


def slope(x, y):
    """Exponent of the growth: 1 is linear."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def sweep(subject, axis, values):
    points = []
    fixed = {name: size for name, size in (FIXED | CHANGES.get(axis, {})).items() if name != axis}
    for value in values:
        sizes = fixed | {axis: value}
        command = [sys.executable, __file__, "--measure", subject, json.dumps(sizes)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        points.append({axis: value} | json.loads(done.stdout))
        print(f"{subject}, {axis} {value:,}: {points[-1]}", flush=True)
    x, seconds, peaks = (np.array([point[key] for point in points]) for key in (axis, "cpu_seconds", "peak_bytes"))
    # A batch does not change the work: seconds are of all sequences whatever its size.
    at_end = x >= x[-1] / 10
    slopes = {"time": slope(x, seconds), "time_last_decade": slope(x[at_end], seconds[at_end])}
    found = {"subject": subject, "axis": axis, "fixed": fixed, "slopes": slopes, "points": points}
    if axis == "sequences":
        found["bytes_per_base"] = float(np.polyfit(x * fixed["length"], peaks, 1)[0])
    return found


def measure_all(only):
    """Measure sweep by sweep; each replaces what the file has of it."""
    for subject, (_, axes) in SWEEPS.items():
        for axis, values in axes.items() if only in subject else ():
            found = sweep(subject, axis, values)
            known = json.loads(OUT.read_text())["sweeps"] if OUT.exists() else []
            others = [entry for entry in known if (entry["subject"], entry["axis"]) != (subject, axis)]
            order = [(subject, axis) for subject, (_, axes) in SWEEPS.items() for axis in axes]
            sweeps = sorted([*others, found], key=lambda entry: order.index((entry["subject"], entry["axis"])))
            content = {"machine": described(1), "command": "python benchmarks/growth.py", "sweeps": sweeps}
            OUT.write_text(json.dumps(content, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="measure anew the sweeps whose name holds this")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure[0], json.loads(given.measure[1]))
    else:
        measure_all(given.only)


if __name__ == "__main__":
    main()
