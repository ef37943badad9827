"""What an epoch costs each arm that docs/paper.md compares at equal training time: training, validation and scores.

    OMP_NUM_THREADS=1 python benchmarks/epoch_costs.py --data runs/windows

All arms in turn in one process with one thread, several times over, in processor time: the sweeps of the figures ran
beside other work, on more than one processor. Writes results/epoch_costs.csv, a row for each arm and repeat.
"""

import argparse
import dataclasses
import time
from pathlib import Path

import pandas as pd
import torch

import rcviz
from rcviz.experiments.arms import arms_of
from rcviz.experiments.machine import code_version, machine
from rcviz.experiments.runs import runs_of
from rcviz.experiments.sources import load_parts
from rcviz.experiments.worth import SETTINGS, trained_rivals

OUT = Path(__file__).parents[1] / "results" / "epoch_costs.csv"


def runs_of_setting(setting, data):
    """Sharing and its rivals; an augmented arm costs what it does without, but for turning sequences round."""
    names = {setting.shared, *trained_rivals(setting).values()}
    arms = [arm for arm in arms_of(setting.figure, epochs=1) if arm.dataset == setting.dataset and arm.name in names]
    return runs_of([arm for arm in arms if arm.strategy != "augmented"], [0], scale="paper", data=data)


def epoch(run, samples=None):
    """Processor and wall seconds of one epoch."""
    parts = load_parts(run.source, run.seed, 1.0)
    network = rcviz.build_model(run.arm.model, seed=run.seed)
    model = rcviz.RevCompConjoined(network) if run.arm.strategy == "siamese" else network
    training = run.training if samples is None else dataclasses.replace(run.training, samples_per_epoch=samples)
    before = time.process_time(), time.perf_counter()
    list(rcviz.train_epochs(model, parts.train, parts.valid, training))
    return time.process_time() - before[0], time.perf_counter() - before[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of windows, as rcviz experiment takes it")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    runs = [(setting, run) for setting in SETTINGS for run in runs_of_setting(setting, given.data)]
    for _, run in runs:
        epoch(run, samples=run.training.batch_size)  # what only a first time costs
    told = machine("cpu")
    rows = []
    for repeat in range(given.repeats):
        for setting, run in runs:
            processor, wall = epoch(run)
            row = {"setting": setting.name, "arm": run.arm.name, "repeat": repeat, "cpu_seconds": processor}
            rows.append({**row, "wall_seconds": wall, "cpu": told["cpu"], "threads": told["threads"]})
            print(f"{setting.name:32s} {run.arm.name:24s} {processor:7.2f} s", flush=True)
    table = pd.DataFrame(rows).assign(torch=told["torch"], code=" ".join(code_version().values()))
    table.to_csv(OUT, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    main()
