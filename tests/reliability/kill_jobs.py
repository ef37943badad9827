"""Kill jobs at seeded moments, give the same command again, and compare with what an uninterrupted run leaves.

``python tests/reliability/kill_jobs.py --kills 120 --record`` writes ``benchmarks/results/reliability/kills.json``.

A job works in a folder of its own. Half of the kills (SIGKILL) fall at a random moment of the time that it takes, half
just before a random one of the steps that it takes on files: opening one to write, renaming, removing, and so on. Some
of the runs that go on after a kill are killed again. After every kill all files under their own names must be whole.
In the end the folder must hold what an uninterrupted run leaves, bit for bit, and nothing else; only what a clock or
the machine's memory says may differ.
"""

import argparse
import itertools
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from reliability.content import INPUTS, content, is_unfinished
from reliability.jobs import BEFORE, JOBS, LONG, QUICK, prepare
from reliability.processes import Process, conclude, load_everything

RESULTS = ROOT / "benchmarks" / "results" / "reliability" / "kills.json"
AGAIN = 0.25
"""Share of the runs after a kill that are killed as well."""


class Killed:
    """One job with what an uninterrupted run of it leaves, how long that takes and in how many steps."""

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
        """Start the job, kill it, perhaps again, at most so often, and let the last run end; give the kills."""
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
                    process.end_children()  # else they are at work beside the next run
                self._look()
            elif process.wait() == 0 and not done:
                self._begin()  # it had ended before its time came
            else:
                break
        if sum(process.end_children() for process in processes):  # a kill as well, that needs a run after it
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
        """What a kill left: every file under its own name must be whole."""
        try:
            found = content(self.folder)
        except Exception as error:
            self.faults.append(f"{self.name}: a half file was left ({error!r})")
            return
        visible = {name: value for name, value in found.items() if not is_unfinished(name)}
        for name, value in visible.items():
            if "checkpoint" not in name and value not in (self.whole.get(name, self), self.old.get(name, self)):
                self.faults.append(f"{self.name}: {name} was left half written")
        self.counts["that left a file unfinished"] += len(found) > len(visible)
        when = "before" if found == self.old else "after" if found == self.whole else "while"
        self.counts[f"{when} writing"] += 1

    def _judge(self, code):
        """What the last run left must be what an uninterrupted one leaves."""
        found = content(self.folder)
        if code != 0:
            self.faults.append(f"{self.name}: the run after the last kill failed with exit code {code}")
        elif found.keys() != self.whole.keys():
            names = sorted(found.keys() ^ self.whole.keys())
            self.faults.append(f"{self.name}: these files are missing or left over: {', '.join(names)}")
        else:
            other = [name for name in found if found[name] != self.whole[name]]
            self.faults += [f"{self.name}: {name} differs from an uninterrupted run's" for name in other]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--all", action="store_true", help="also jobs that take seconds")
    parser.add_argument("--record", action="store_true", help=f"write {RESULTS.relative_to(ROOT)}; implies --all")
    asked = parser.parse_args()
    load_everything()
    works = JOBS | (LONG if asked.all or asked.record else {})
    faults, told, total = [], {}, Counter()
    with tempfile.TemporaryDirectory() as base:
        prepare(Path(base) / INPUTS)
        turns = [name for _ in range(QUICK) for name in JOBS] + [name for name in works if name in LONG]
        share = Counter(itertools.islice(itertools.cycle(turns), asked.kills))
        for name, left in share.items():
            job = Killed(name, works[name], Path(base).resolve(), asked.seed)
            n_faults, lost = 0, 0
            while left:
                done = job.life(left)
                left -= done
                lost += done * (len(job.faults) > n_faults)
                n_faults = len(job.faults)
            kills = job.counts["at a moment"] + job.counts["at a step on files"]
            told[name] = {"kills": kills, "survived": kills - lost, "seconds": round(job.seconds, 3)}
            told[name] |= dict(sorted(job.counts.items()))
            total.update({"kills": kills, "survived": kills - lost, **job.counts})
            faults += job.faults
    result = {"seed": asked.seed, **total, "faults": faults, "jobs": told}
    conclude(result, RESULTS if asked.record else None)


if __name__ == "__main__":
    main()
