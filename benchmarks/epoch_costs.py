"""What an epoch costs each arm that docs/paper.md compares at equal training time: training, validation and metrics.

    OMP_NUM_THREADS=1 python benchmarks/epoch_costs.py --data runs/windows

All arms in turn in one process with one thread, several times over, in processor time: the sweeps of the figures ran
beside other work, on more than one processor. Writes paper/results/epoch_costs.csv, a row for each arm and repeat: what
they differ by is the spread that docs/performance.md and docs/paper.md give beside the medians.
"""

import argparse
import dataclasses
import time
from pathlib import Path

import pandas as pd
import torch

import rcviz
from paper.data import load_splits
from paper.figures import arms_of
from paper.rivals import SETTINGS, trained_rivals
from rcviz.sweeps.machine import code_version, machine

OUT = Path(__file__).parents[1] / "paper" / "results" / "epoch_costs.csv"


def arms_of_setting(setting):
    """Sharing and its rivals; an augmented arm costs as much as without, except for the reverse complements."""
    names = {setting.shared, *trained_rivals(setting).values()}
    arms = [arm for arm in arms_of(setting.figure, epochs=1) if arm.dataset == setting.dataset and arm.name in names]
    return [arm for arm in arms if arm.strategy != "augmented"]


def epoch(arm, parts, samples=None):
    """Processor and wall seconds of one epoch."""
    model = arm.as_trained(arm.build(0))
    training = arm.training if samples is None else dataclasses.replace(arm.training, samples_per_epoch=samples)
    before = time.process_time(), time.perf_counter()
    list(rcviz.train_epochs(model, parts.train, parts.valid, training))
    return time.process_time() - before[0], time.perf_counter() - before[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of windows, as python -m paper takes it")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    runs = []
    for setting in SETTINGS:
        arms = arms_of_setting(setting)
        parts, _ = load_splits(arms[0].dataset, arms[0].split, scale="paper", data=options.data)
        runs += [(setting, shown, parts) for shown in arms]
    for _, shown, parts in runs:
        epoch(shown.arm, parts, samples=shown.arm.training.batch_size)  # what only a first time costs
    facts = machine("cpu")
    rows = []
    for repeat in range(options.repeats):
        for setting, shown, parts in runs:
            processor, wall = epoch(shown.arm, parts)
            row = {"setting": setting.name, "arm": shown.name, "repeat": repeat, "cpu_seconds": processor}
            rows.append({**row, "wall_seconds": wall, "cpu": facts["cpu"], "threads": facts["threads"]})
            print(f"{setting.name:32s} {shown.name:24s} {processor:7.2f} s", flush=True)
    table = pd.DataFrame(rows).assign(torch=facts["torch"], code=" ".join(code_version().values()))
    table.to_csv(OUT, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    main()
