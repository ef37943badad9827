"""Kill jobs at seeded moments, run the same command again, and compare with what an uninterrupted run leaves.

``python tests/reliability/kill_jobs.py --kills 120 --record`` writes ``benchmarks/results/reliability/kills.json``.

Each job works in a folder of its own. Half of the kills (SIGKILL) fall at a random moment, half just before a random
step on files: opening one to write, renaming, removing, and so on. Some of the runs that go on after a kill are killed
again. After every kill all files under their own names must be whole. In the end the folder must hold what an
uninterrupted run leaves, bit for bit, and nothing else, except for times and the machine's memory.
"""

import argparse
import csv
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from reliability.jobs import BEFORE, INPUTS, JOBS, LONG, QUICK, prepare
from reliability.processes import Process, conclude, load_everything
from safetensors import safe_open

RESULTS = ROOT / "benchmarks" / "results" / "reliability" / "kills.json"
AGAIN = 0.25
"""Share of the runs after a kill that are killed as well."""
MAY_DIFFER = {"seconds", "peak_memory_mb", "code", "wall", "cpu"}
"""Entries and columns that depend on clocks, the machine's memory, or edits of the code meanwhile."""


def content(folder):
    """Read every file of a folder but the inputs: by relative path, without what may differ."""
    contents = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != INPUTS]
        for name in files:
            path = Path(place) / name
            with suppress(FileNotFoundError):  # processes that a killed run started may still be at work
                contents[str(path.relative_to(folder))] = read(path)
    return contents


def read(path):
    """Read one file without what may differ; None for an unfinished one."""
    if is_unfinished(str(path)):
        return None
    if path.name.endswith("checkpoint.safetensors"):
        with safe_open(path, framework="numpy") as file:
            ((name, text),) = file.metadata().items()
            metadata = {name: alike(json.loads(text))}
            return metadata, {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118
    if path.suffix == ".json":
        return alike(json.loads(path.read_text()))
    if path.suffix == ".csv":
        names, *rows = csv.reader(path.read_text().splitlines())
        kept = [column for column, name in enumerate(names) if name not in MAY_DIFFER]
        return [[row[column] for column in kept] for row in (names, *rows)]
    return path.read_bytes()


def alike(value):
    """Remove the entries that may differ."""
    if isinstance(value, dict):
        return {name: alike(entry) for name, entry in value.items() if name not in MAY_DIFFER}
    return [alike(entry) for entry in value] if isinstance(value, list) else value


def is_unfinished(path):
    return ".unfinished" in path


class Killed:
    """A job, what an uninterrupted run of it leaves, its seconds and its number of steps on files."""

    def __init__(self, name, work, base, seed):
        self.name, self.work, self.folder = name, work, base / "work"
        self.random = random.Random(f"{seed} {name}")
        self.inputs, self.counts, self.faults = base / INPUTS, Counter(), []
        self.old = self._begin()
        started = time.perf_counter()
        process = Process(work, self.folder)
        assert process.wait() == 0, f"{name} fails by itself: {(base / 'log').read_text()[-3000:]}"
        self.seconds, self.n_steps = time.perf_counter() - started, process.n_steps
        self.whole = content(self.folder)
        assert self.whole.keys() - self.old.keys() or self.whole != self.old, f"{name} writes nothing"

    def _begin(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        (self.folder / INPUTS).symlink_to(self.inputs)
        if self.name in BEFORE:
            assert Process(BEFORE[self.name], self.folder).wait() == 0
        return content(self.folder)

    def life(self, kills):
        """Start the job, kill it at most so often, let the last run end, and return the number of kills."""
        self._begin()
        done, processes = 0, []
        while True:
            if not done or (done < kills and self.random.random() < AGAIN):
                process, hit = self._kill()
            else:
                process, hit = Process(self.work, self.folder), False
            processes.append(process)
            if hit:
                done += 1
                if self.random.random() < 0.5:
                    process.end_children()  # otherwise they go on beside the next run
                self._look()
            elif process.wait() == 0 and not done:
                self._begin()  # it ended before the kill
            else:
                break
        if sum(process.end_children() for process in processes):  # that is a kill too, and needs a run after it
            process = Process(self.work, self.folder)
            process.wait()
        self._judge(process.ended)
        return done

    def _kill(self):
        if self.n_steps and self.random.random() < 0.5:
            process = Process(self.work, self.folder, step=self.random.randint(1, self.n_steps))
            hit = process.wait() == -signal.SIGKILL
            how = "at a step on files"
        else:
            process = Process(self.work, self.folder)
            hit = process.kill_after(self.random.uniform(0, self.seconds))
            how = "at a moment"
        if hit:
            self.counts[how] += 1
        return process, hit

    def _look(self):
        """Check what a kill left: every file under its own name must be whole."""
        try:
            left = content(self.folder)
        except Exception as error:
            self.faults.append(f"{self.name}: a half file was left ({error!r})")
            return
        visible = {name: value for name, value in left.items() if not is_unfinished(name)}
        for name, value in visible.items():
            if "checkpoint" not in name and value not in (self.whole.get(name, self), self.old.get(name, self)):
                self.faults.append(f"{self.name}: {name} was left half written")
        self.counts["that left a file unfinished"] += len(left) > len(visible)
        when = "before" if left == self.old else "after" if left == self.whole else "while"
        self.counts[f"{when} writing"] += 1

    def _judge(self, code):
        """Check what the last run left: it must be what an uninterrupted run leaves."""
        left = content(self.folder)
        if code != 0:
            self.faults.append(f"{self.name}: the run after the last kill failed with exit code {code}")
        elif left.keys() != self.whole.keys():
            names = sorted(left.keys() ^ self.whole.keys())
            self.faults.append(f"{self.name}: these files are missing or left over: {', '.join(names)}")
        else:
            other = [name for name in left if left[name] != self.whole[name]]
            self.faults += [f"{self.name}: {name} differs from an uninterrupted run's" for name in other]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help=f"write {RESULTS.relative_to(ROOT)}, with the long jobs")
    options = parser.parse_args()
    load_everything()
    works = JOBS | (LONG if options.record else {})
    turns = [name for _ in range(QUICK) for name in JOBS] + [name for name in works if name in LONG]
    shares = Counter(itertools.islice(itertools.cycle(turns), options.kills))
    jobs, faults, total = {}, [], Counter()
    with tempfile.TemporaryDirectory() as base:
        prepare(Path(base) / INPUTS)
        for name, left in shares.items():
            job = Killed(name, works[name], Path(base).resolve(), options.seed)
            lost = 0
            while left:
                n_faults = len(job.faults)
                done = job.life(left)
                left -= done
                lost += done * (len(job.faults) > n_faults)
            kills = job.counts["at a moment"] + job.counts["at a step on files"]
            jobs[name] = {"kills": kills, "survived": kills - lost, "seconds": round(job.seconds, 3)}
            jobs[name] |= dict(sorted(job.counts.items()))
            total.update({"kills": kills, "survived": kills - lost, **job.counts})
            faults += job.faults
    conclude({"seed": options.seed, **total, "faults": faults, "jobs": jobs}, RESULTS if options.record else None)


if __name__ == "__main__":
    main()
