"""Kill jobs at seeded moments, give the same command again, and compare with what an uninterrupted run leaves.

``python tests/reliability/kill_jobs.py --kills 120 --record`` writes ``results/reliability/kills.json``.

A job works in a folder of its own. Half of the kills (SIGKILL) fall at a random moment of the time that it takes, half
just before a random one of the steps that it takes on files: opening one to write, renaming, removing, and so on. Some
of the runs that go on after a kill are killed again. After every kill all files under their own names must be whole.
In the end the folder must hold what an uninterrupted run leaves, bit for bit, and nothing else; only what a clock or
the machine's memory says may differ.
"""

import argparse
import csv
import gzip
import importlib
import itertools
import json
import mmap
import os
import pkgutil
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import suppress
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np
import torch
from safetensors import safe_open
from sweeps import MAY_DIFFER

import rcviz

RESULTS = ROOT / "results" / "reliability" / "kills.json"
CLOCKS = {*MAY_DIFFER, "wall", "cpu"}
STEPS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.truncate"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
PATIENCE = 600
AGAIN = 0.25
"""Share of the runs after a kill that are killed as well."""
INPUTS = "in"

SMALL = """
[model]
preset = "one_layer"
n_filters = 3
kernel_sizes = [7]
pool_size = 9

[train]
epochs = 6
batch_size = 20
samples_per_epoch = 1200

[split]
train = "chr1"
valid = "chr2"
"""
SWEEP = ["fig7a", "--scale", "quick", "--epochs", "2", "--seeds", "1", "--arms", "RC-16", "--arms", "standard-8"]


def command(*arguments):
    from rcviz.cli import app

    app([str(argument) for argument in arguments], standalone_mode=False)


def fit():
    """Training with a checkpoint that stays, of a network with dropout, and then the weights and the history."""
    data = rcviz.SequenceSet.load(f"{INPUTS}/gata.safetensors")
    network = rcviz.build_model(
        rcviz.ModelConfig.one_layer("revcomp", n_filters=3, sequence_length=60, pool_size=9, kernel_sizes=(7,))
    )
    model = torch.nn.Sequential(torch.nn.Dropout(0.2), network)
    config = rcviz.TrainConfig(
        epochs=6, batch_size=20, samples_per_epoch=600, learning_rate=0.01, augmentation="revcomp"
    )
    history = rcviz.fit(model, data, data, config, progress=False, checkpoint="run.checkpoint.safetensors")
    rcviz.save_model(network, "model.safetensors")
    history.save("history.json")


def train():
    command("train", f"{INPUTS}/gata.safetensors", "--out", "model.safetensors", "--config", f"{INPUTS}/small.toml")


def windows():
    """Cutting from a packed genome, whose codes go into a cache first, and then saving a part of the windows."""
    genome, peaks = f"{INPUTS}/genome.fa.gz", f"{INPUTS}/GATA1.narrowPeak"
    command("windows", "--fasta", genome, "--peaks", peaks, "--negatives", "shuffled", "windows.safetensors")
    rcviz.SequenceSet.load("windows.safetensors").subset(slice(0, 50)).save("part.safetensors")


def sweep():
    command("experiment", *SWEEP, "--jobs", 1, "--store", "store", "--out", "out")


def sweep_of_two():
    """The same with two runs at a time, in processes of their own."""
    command("experiment", *SWEEP, "--jobs", 2, "--store", "store", "--out", "out")


def exports(seed=2, *, slow=False):
    from reliability.writers import SLOW, WRITERS, Things

    things = Things(seed)
    for name, write in WRITERS.items():
        if slow or name not in SLOW:
            write(things, Path(name))


def older_exports():
    exports(1)


def all_exports():
    exports(slow=True)


def inspect():
    """A page and a notebook on a model that has been trained before."""
    model, data = f"{INPUTS}/model.safetensors", f"{INPUTS}/gata.safetensors"
    command("inspect", model, data, "--html", "page.html")


JOBS = {
    "fit with a checkpoint": fit,
    "rcviz train": train,
    "rcviz windows": windows,
    "rcviz experiment": sweep,
    "exports over older files": exports,
}
LONG = {"rcviz experiment, two at a time": sweep_of_two, "all exports": all_exports, "rcviz inspect": inspect}
QUICK = 5
"""How often the others are killed for each kill of one of these, which take long."""
BEFORE = {"exports over older files": older_exports}
"""What has been done in the folder before, by a run that nobody kills."""


def prepare(folder):
    """Make the files that jobs read."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    letters = {name: "".join(rng.choice(list("ACGT"), 200_000)) for name in ("chrA", "chrB")}
    with gzip.open(folder / "genome.fa.gz", "wt") as file:
        for name, text in letters.items():
            file.write(f">{name}\n" + "\n".join(text[at : at + 50] for at in range(0, len(text), 50)) + "\n")
    peaks = [(chrom, 1500 * number) for chrom in letters for number in range(1, 120)]
    lines = [f"{chrom}\t{start}\t{start + 300}\t.\t0\t.\t{start}\t-1\t-1\t120" for chrom, start in peaks]
    (folder / "GATA1.narrowPeak").write_text("\n".join(lines) + "\n")
    (folder / "small.toml").write_text(SMALL)
    codes = rng.integers(0, 4, (120, 60), dtype=np.uint8)
    codes[::2, 20:26] = rcviz.encode(["GATAAG"])[0]
    chrom = np.repeat(["chr1", "chr2", "chr3"], 40)
    data = rcviz.SequenceSet(
        codes, np.arange(120) % 2 == 0, task_names=["GATA"], chrom=chrom, start=np.arange(120), end=np.arange(120) + 60
    )
    data.save(folder / "gata.safetensors")
    config = rcviz.ModelConfig.one_layer("revcomp", n_filters=3, sequence_length=60, kernel_sizes=(7,), pool_size=9)
    rcviz.save_model(rcviz.build_model(config), folder / "model.safetensors")


class Process:
    """A job at work in a folder, in a process of its own; a step to be killed at counts from one."""

    def __init__(self, work, folder, *, step=0):
        told = memoryview(mmap.mmap(-1, 16)).cast("i")
        self._told, self._started = told, time.perf_counter()
        self.id = os.fork()
        if not self.id:
            _work(work, folder, step, told)
        self.ended = None

    @property
    def n_steps(self):
        return self._told[1]

    def kill_after(self, seconds):
        """Wait until the work has begun, and so much longer; whether the process was still there to be killed."""
        while not self._told[0] and not self._has_ended():
            time.sleep(0.001)
        due = time.perf_counter() + seconds
        while time.perf_counter() < due and not self._has_ended():
            time.sleep(min(0.001, seconds))
        if self.ended is None:
            os.kill(self.id, signal.SIGKILL)
        return self.wait() == -signal.SIGKILL

    def wait(self):
        """Wait for the end; the exit code, negative for a signal."""
        while not self._has_ended():
            if time.perf_counter() > self._started + PATIENCE:
                os.killpg(self.id, signal.SIGKILL)
                raise TimeoutError(f"a job took more than {PATIENCE} s")
            time.sleep(0.002)
        return self.ended

    def end_children(self):
        """End what a killed process left at work; whether there was any."""
        left = False
        with suppress(ProcessLookupError):
            while True:
                os.killpg(self.id, signal.SIGKILL)
                left = True
                time.sleep(0.01)
        return left

    def _has_ended(self):
        if self.ended is None:
            found, status = os.waitpid(self.id, os.WNOHANG)
            if found:
                self.ended = os.waitstatus_to_exitcode(status)
        return self.ended is not None


def _work(work, folder, step, told):
    """Do a job, in the child; never returns."""
    code = 1
    try:
        os.setsid()
        log = os.open(folder.parent / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(folder)
        os.environ["RCVIZ_CACHE"] = str(folder / "cache")
        torch.set_num_threads(1)
        sys.addaudithook(_counting(f"{folder}{os.sep}", step, told))
        told[0] = 1
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _counting(folder, step, told):
    def hook(event, arguments):
        if event not in STEPS and not (event == "open" and arguments[2] & WRITING):
            return
        if isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.path.join(folder, os.fsdecode(arguments[0]))  # noqa: PTH118 - runs at every step
            if path.startswith(folder):
                told[1] += 1
                if told[1] == step:
                    os.kill(os.getpid(), signal.SIGKILL)

    return hook


def content(folder):
    """Everything that lies in a folder besides the inputs: by relative path, without what clocks say."""
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != INPUTS]
        for name in files:
            path = Path(place) / name
            with suppress(FileNotFoundError):  # what a killed run started may be at work still
                found[str(path.relative_to(folder))] = _said_by(path)
    return found


def _said_by(path):
    if _unfinished(str(path)):
        return None
    if path.name.endswith("checkpoint.safetensors"):
        with safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata())
            metadata["records"] = _without_clocks(json.loads(metadata["records"]))
            return metadata, {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118
    if path.suffix == ".json":
        return _without_clocks(json.loads(path.read_text()))
    if path.suffix == ".csv":
        heads, *rows = csv.reader(path.read_text().splitlines())
        kept = [place for place, head in enumerate(heads) if head not in CLOCKS]
        return [[row[place] for place in kept] for row in (heads, *rows)]
    return path.read_bytes()


def _without_clocks(value):
    if isinstance(value, dict):
        return {name: _without_clocks(entry) for name, entry in value.items() if name not in CLOCKS}
    return [_without_clocks(entry) for entry in value] if isinstance(value, list) else value


def _unfinished(path):
    return ".unfinished" in path


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
        visible = {name: value for name, value in found.items() if not _unfinished(name)}
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


def load_everything():
    """Import what jobs use, once: their processes are copies of this one."""
    for module in pkgutil.walk_packages(rcviz.__path__, "rcviz."):
        if "widgets" not in module.name and "__main__" not in module.name:
            importlib.import_module(module.name)
    for name in (
        *("bioframe", "fontTools.subset", "joblib", "pyarrow.parquet", "pydantic", "pyfaidx", "reliability.writers"),
        *(f"matplotlib.backends.backend_{kind}" for kind in ("agg", "pdf", "svg")),
    ):
        importlib.import_module(name)
    from rcviz.training.session import _warm_up

    _warm_up()


def conclude(result, path):
    """Print what came out, keep it with the machine where a path is given, and exit with 1 if there were faults."""
    if path is not None:
        from rcviz.experiments.machine import code_version, machine

        result |= {"machine": machine("cpu"), "code": code_version()}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    sys.exit(1 if result["faults"] else 0)


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
