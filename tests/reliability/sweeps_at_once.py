"""Start several sweeps on one store at the same moment, some with the same arms and some with others; nothing is lost.

``python tests/reliability/sweeps_at_once.py --sweeps 8 --record`` writes
``benchmarks/results/reliability/sweeps.json``.

Every sweep must end well and return the rows of its own arms. In the end the store must hold each run once, as a sweep
alone leaves it, and nothing else; only what a clock or the machine's memory says may differ.
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

from reliability.content import content
from reliability.jobs import small_arm
from reliability.processes import Process, conclude, load_everything

import rcviz
from rcviz.sweeps.store import Store

RESULTS = ROOT / "benchmarks" / "results" / "reliability" / "sweeps.json"
NETWORKS = {"RC-8": ("revcomp", 8), "RC-16": ("revcomp", 16), "standard-8": ("standard", 8)}
ARMS = (["RC-8", "standard-8"], ["RC-8", "standard-8"], ["RC-16", "standard-8"], ["RC-16", "RC-8"])
"""Of one sweep after the other, in turn."""


def sweep(arms, *, seeds, store="store", out):
    """What one process does."""
    parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15)
    chosen = {name: small_arm(*NETWORKS[name], epochs=1) for name in arms}
    result = rcviz.sweep(chosen, parts, seeds=seeds, store=store, n_jobs=1, progress=False)
    rcviz.save_table(result.runs, f"{out}.csv")


def rows(tables):
    """Arm and seed of every training in tables as :func:`content` gives them; a head stands first."""
    for heads, *lines in tables:
        arm, seed = (heads.index(name) for name in ("arm", "seed"))
        yield sorted((line[arm], line[seed]) for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sweeps", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--record", action="store_true", help=f"write {RESULTS.relative_to(ROOT)}")
    asked = parser.parse_args()
    load_everything()
    arms = [ARMS[place % len(ARMS)] for place in range(asked.sweeps)]
    every = sorted({name for names in arms for name in names})
    faults = []
    with tempfile.TemporaryDirectory() as base:
        folders = Path(base).resolve() / "alone", Path(base).resolve() / "together"
        for folder in folders:
            folder.mkdir()
        alone = Process(partial(sweep, every, seeds=asked.seeds, out="0"), folders[0]).wait()
        assert alone == 0, (Path(base) / "log").read_text()
        processes = [
            Process(partial(sweep, names, seeds=asked.seeds, out=place), folders[1]) for place, names in enumerate(arms)
        ]
        for place, process in enumerate(processes):
            if process.wait() != 0:
                faults.append(f"sweep {place} failed: {(Path(base) / 'log').read_text()[-2000:]}")
        one, many = (content(folder / "store") for folder in folders)
        n_read = len(Store(folders[1] / "store").read_all())
        tables = content(folders[1])
    lost, more = sorted(one.keys() - many.keys()), sorted(many.keys() - one.keys())
    other = sorted(name for name in one.keys() & many.keys() if one[name] != many[name])
    faults += [f"{name} is lost" for name in lost] + [f"{name} is left over" for name in more]
    faults += [f"{name} differs from one sweep's" for name in other]
    if not faults:
        for names, found in zip(arms, rows(tables[f"{place}.csv"] for place in range(len(arms))), strict=True):
            wanted = sorted((name, str(seed)) for name in names for seed in range(asked.seeds))
            faults += [f"a sweep of {', '.join(names)} returned the rows of {found}"] if found != wanted else []
    told = {
        "sweeps": asked.sweeps,
        "runs_asked_for": sum(map(len, arms)) * asked.seeds,
        "records": n_read,
        "records_of_one_sweep": len(one),
        "lost": len(lost),
        "left_over": len(more),
        "different": len(other),
        "faults": faults,
    }
    conclude(told, RESULTS if asked.record else None)


if __name__ == "__main__":
    main()
