"""Measure what the first slice promises; peers and ourselves interleaved in one run, medians of several.

Run with ``make bench``; writes benchmarks/results/first_slice.json and prints a table.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import logomaker
import matplotlib
import numpy as np
import torch

import rcviz
from rcviz.plots._axes import figure_png, new_figure

matplotlib.use("agg")
OUT = Path(__file__).parent / "results" / "first_slice.json"
REPEATS = 7


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleaved(rows, repeats=REPEATS):
    """Run all rows in turn, several times over; the first round only warms up."""
    times = {name: [] for name in rows}
    for turn in range(repeats + 1):
        for name, work in rows.items():
            taken = seconds(work)
            if turn:
                times[name].append(taken)
    return {name: statistics.median(taken) for name, taken in times.items()}


def interpreter(code):
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


def logos():
    rng = np.random.default_rng(0)
    matrices = rng.normal(size=(64, 4, 21))
    motif = rcviz.load_motif("CTCF_known1")

    def gallery():
        figure = new_figure(16, 12)
        rcviz.plot_filters(matrices, figure.add_subplot())
        figure_png(figure)

    def with_logomaker():
        for matrix in matrices[:4]:
            figure = new_figure(3, 1)
            logomaker.Logo(rcviz.FilterBank(matrix[None], np.zeros(1), "", False).frame(0), ax=figure.add_subplot())
            figure_png(figure)

    return {
        "64 logos as SVG text": lambda: [rcviz.logo_svg(matrix) for matrix in matrices],
        "64 logos in one Axes, to PNG": gallery,
        "4 logos with logomaker, to PNG": with_logomaker,
        "1 information logo as SVG text": lambda: rcviz.logo_svg(motif),
    }


def explorer():
    data = rcviz.load_example("ctcf")
    config = rcviz.ModelConfig.one_layer("revcomp", n_filters=64, sequence_length=200, pool_size=31)
    model = rcviz.build_model(config)
    shown = rcviz.FilterExplorer(model, data)
    ranks = iter(np.arange(10_000) % 64)
    return {
        "another filter in the explorer (kernel side)": lambda: shown.state.select_rank(int(next(ranks))),
        "contributions of 64 filters, 2,500 sequences": lambda: rcviz.filter_contributions(model, data),
    }


def training():
    parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15)
    rows = {}
    for name, architecture, filters in (("RC, 8 filters", "revcomp", 8), ("standard, 16 filters", "standard", 16)):
        config = rcviz.ModelConfig.one_layer(architecture, n_filters=filters, sequence_length=200, pool_size=31)
        model = rcviz.build_model(config)
        once = rcviz.TrainConfig.chipseq(epochs=1)
        rows[f"quickstart epoch, {name}"] = lambda model=model, once=once: rcviz.fit(
            model, parts.train, parts.valid, once, progress=False
        )
    return rows


def main():
    starts = {
        "bare interpreter": interpreter("pass"),
        "import rcviz": interpreter("import rcviz"),
        "import torch": interpreter("import torch"),
        "import rcviz and draw a first logo": interpreter("import numpy, rcviz; rcviz.plot_logo(numpy.eye(4))"),
    }
    medians = {}
    for group in (starts, logos(), explorer(), training()):
        medians |= interleaved(group)
    machine = {
        "cpu": platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "repeats": REPEATS,
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"machine": machine, "median_seconds": medians}, indent=1) + "\n")
    for name, taken in medians.items():
        print(f"{taken * 1000:9.1f} ms  {name}")


if __name__ == "__main__":
    main()
