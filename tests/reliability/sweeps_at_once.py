"""Start several sweeps on one store at the same moment, some with the same arms; no run may be lost or done twice.

``python tests/reliability/sweeps_at_once.py --record`` writes ``benchmarks/results/reliability/sweeps.json``. Every
sweep must return the rows of its own arms. In the end the store must hold each run once, as one sweep of all arms
leaves it, except for times and the machine's memory. ``tests/sweeps/test_kills.py`` is the short form.
"""

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from reliability.jobs import INPUTS, prepare
from reliability.kill_jobs import content
from reliability.processes import Process, conclude, load_everything

import rcviz

RESULTS = ROOT / "benchmarks" / "results" / "reliability" / "sweeps.json"
ARMS = {
    f"{architecture} {n_filters}": (architecture, n_filters)
    for architecture in ("revcomp", "standard")
    for n_filters in (2, 3)
}
CHOICES = (["revcomp 2", "standard 2"], ["revcomp 2", "standard 2"], ["revcomp 3", "standard 2"], list(ARMS))
"""Arms of the first sweep, the second, and so on, in turn."""
SEEDS = 2


def sweep(names, table):
    """Run one sweep, in a process of its own."""
    parts = rcviz.split(rcviz.SequenceSet.load(f"{INPUTS}/gata.safetensors"), train=0.5, valid=0.25, test=0.25)
    training = rcviz.TrainConfig(epochs=3, batch_size=20, samples_per_epoch=300)
    size = {"sequence_length": 60, "kernel_sizes": (7,), "pool_size": 9}
    arms = {}
    for name in names:
        architecture, n_filters = ARMS[name]
        config = rcviz.ModelConfig.one_layer(architecture, n_filters=n_filters, **size)
        arms[name] = rcviz.Arm(model=config, training=training)
    result = rcviz.sweep(arms, parts, seeds=SEEDS, store="store", n_jobs=1, progress=False)
    rcviz.save_table(result.test, table)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sweeps", type=int, default=8)
    parser.add_argument("--record", action="store_true", help=f"write {RESULTS.relative_to(ROOT)}")
    options = parser.parse_args()
    load_everything()
    choices = [CHOICES[place % len(CHOICES)] for place in range(options.sweeps)]
    every = sorted({name for names in choices for name in names})
    faults = []
    with tempfile.TemporaryDirectory() as base:
        base = Path(base).resolve()
        prepare(base / INPUTS)
        for name in ("alone", "together"):
            (base / name).mkdir()
            (base / name / INPUTS).symlink_to(base / INPUTS)
        alone = Process(partial(sweep, every, "all.csv"), base / "alone").wait()
        assert alone == 0, (base / "log").read_text()
        processes = [
            Process(partial(sweep, names, f"{place}.csv"), base / "together") for place, names in enumerate(choices)
        ]
        for place, process in enumerate(processes):
            if process.wait() != 0:
                faults.append(f"sweep {place} failed: {(base / 'log').read_text()[-2000:]}")
        one, many = (content(base / name / "store") for name in ("alone", "together"))
        tables = content(base / "together")
    lost, more = sorted(one.keys() - many.keys()), sorted(many.keys() - one.keys())
    other = sorted(name for name in one.keys() & many.keys() if without_names(one[name]) != without_names(many[name]))
    faults += [f"{name} is lost" for name in lost] + [f"{name} is left over" for name in more]
    faults += [f"{name} differs from the same run of one sweep" for name in other]
    for place, names in enumerate(choices if not faults else []):
        header, *rows = tables[f"{place}.csv"]
        arm, seed = header.index("arm"), header.index("seed")
        returned = {(row[arm], row[seed]) for row in rows}
        if returned != {(name, str(seed)) for name in names for seed in range(SEEDS)}:
            faults.append(f"a sweep of {', '.join(names)} returned the rows of {sorted(returned)}")
    result = {
        "sweeps": options.sweeps,
        "runs_asked_for": sum(map(len, choices)) * SEEDS,
        "records": len(many),
        "records_of_one_sweep": len(one),
        "lost": len(lost),
        "left_over": len(more),
        "different": len(other),
        "faults": faults,
    }
    conclude(result, RESULTS if options.record else None)


def without_names(record):
    """Remove the names of the arms, which each sweep chooses."""
    return {name: value for name, value in record.items() if name != "arms"}


if __name__ == "__main__":
    main()
