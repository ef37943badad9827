"""Fuzz a reader by hand: ``python tests/reliability/fuzz.py --minutes 10 --reader meme``, or ``--reader all``.

A run goes on where the last one stopped, until so many minutes have been spent in all; an input depends on the seed and
its number alone, so that every find can be made again. A worker reads one mutated seed file after the other. The only
allowed outcomes are a correct result and a refusal in one sentence; a worker that needs more than 5 s of CPU or 1 GB
more memory, or that dies, has made a find as well. Finds are kept in ``--folder``, what was tried in
``benchmarks/results/reliability/fuzz.json``.
"""

import argparse
import json
import multiprocessing
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from reliability.mutations import mutated
from reliability.reader import judge
from reliability.readers import READERS

RESULTS = ROOT / "benchmarks" / "results" / "reliability" / "fuzz.json"
SECONDS, MEMORY = 5, 1 << 30
SILENCE = 180
"""Seconds after which a worker that says nothing is taken for dead."""


class Hang(BaseException):
    """More CPU time than reading may take; no ``except Exception`` catches it."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reader", choices=[*READERS, "all"], default="all")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "fuzz", help="state and finds")
    chosen = parser.parse_args()
    for name in READERS if chosen.reader == "all" else [chosen.reader]:
        fuzz(name, chosen.minutes * 60, chosen.seed, chosen.folder / name)


def fuzz(name, seconds, seed, folder):
    """Try inputs until ``seconds`` have been spent on this reader, earlier runs included."""
    folder.mkdir(parents=True, exist_ok=True)
    state_file = folder / f"state-{seed}.json"
    state = json.loads(state_file.read_text()) if state_file.exists() else {"inputs": 0, "seconds": 0.0, "finds": 0}
    while state["seconds"] < seconds:
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / READERS[name].file
            ours, theirs = multiprocessing.Pipe(duplex=False)
            arguments = (name, seed, state["inputs"], path, theirs, seconds - state["seconds"])
            worker = multiprocessing.get_context("fork").Process(target=work, args=arguments)
            worker.start()
            theirs.close()
            started, before, ended = time.monotonic(), state["seconds"], False
            try:
                while not ended:
                    if not ours.poll(SILENCE):
                        worker.kill()
                        raise EOFError
                    number, wrong, content = ours.recv()
                    ended = number is None
                    if not ended:
                        state["inputs"] = number + 1
                        if wrong:
                            state["finds"] += keep(folder, number, content, wrong)
                        state["seconds"] = before + time.monotonic() - started
                        if wrong or number % 200 == 0:
                            note(state_file, state, name)
            except EOFError:
                worker.join()
                content = path.read_bytes() if path.exists() else b""
                state["finds"] += keep(folder, state["inputs"], content, f"the process died ({worker.exitcode})")
                state["inputs"] += 1
            worker.join()
            state["seconds"] = before + time.monotonic() - started
            note(state_file, state, name)
    note(state_file, state, name)
    print(name, state, flush=True)


def work(name, seed, number, path, said, seconds):
    """Read mutated seeds until the time is over."""
    warnings.simplefilter("ignore")
    os.environ["RCVIZ_CACHE"] = str(path.parent / "cache")
    import torch

    torch.set_num_threads(1)
    reader = READERS[name]
    seeds = reader.seeds(path.parent)
    for content in seeds:
        path.write_bytes(content)
        reader.read(path)
    limit_memory()
    signal.signal(signal.SIGPROF, hang)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        chance = random.Random(f"{name} {seed} {number}")
        path.write_bytes(mutated(chance.choice(seeds), seeds, chance))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            wrong = judge(reader, path)
        except Hang:
            wrong = f"more than {SECONDS} s: " + traceback.format_exc(limit=-3)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        said.send((number, wrong, path.read_bytes() if wrong else b""))
        number += 1
    said.send((None, None, b""))


def hang(*_):
    raise Hang


def limit_memory():
    """Allow so much more private memory than is in use; more of it is a MemoryError, and so a find."""
    status = Path("/proc/self/status").read_text()
    used = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY, used + MEMORY))


def keep(folder, number, content, wrong):
    """Keep an input unless one that went wrong in the same way is kept; returns how many finds are new."""
    (folder / "finds").mkdir(exist_ok=True)
    known = folder / "finds.json"
    finds = json.loads(known.read_text()) if known.exists() else {}
    kind = re.sub(r"\S*/\S*|\d+", "#", wrong)[:70]
    if kind in finds:
        return 0
    finds[kind] = {"number": number, "wrong": wrong}
    (folder / "finds" / f"{number}").write_bytes(content)
    known.write_text(json.dumps(finds, indent=1))
    print(f"find: {folder.name} {number}: {wrong}", flush=True)
    return 1


def note(state_file, state, name):
    """Write how far it came, beside what runs with other seeds did."""
    state_file.write_text(json.dumps(state))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    written = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    written[name] = []
    for path in sorted(state_file.parent.glob("state-*.json")):
        run = json.loads(path.read_text())
        seed, minutes = int(path.stem.partition("-")[2]), round(run["seconds"] / 60, 1)
        written[name].append({"seed": seed, "minutes": minutes, "inputs": run["inputs"], "finds": run["finds"]})
    temporary = RESULTS.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(dict(sorted(written.items())), indent=1) + "\n")
    temporary.replace(RESULTS)


if __name__ == "__main__":
    main()
