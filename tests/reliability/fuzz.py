"""Fuzz the readers: ``python tests/reliability/fuzz.py --minutes 10 --reader meme``, or all readers without a name.

A worker reads one damaged file after the other. A correct result and an error of one sentence are right; anything else
is a fault, also more than 5 s of processor time, 1 GB more memory, and a worker that dies. An input depends on the seed
and its number alone, so that every fault can be repeated; the files are kept under ``runs/fuzz``, the counts in
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
from reliability.readers import READERS, judge

RESULTS = ROOT / "benchmarks" / "results" / "reliability" / "fuzz.json"
FAULTS = ROOT / "runs" / "fuzz"
SECONDS, MEMORY = 5, 1 << 30
SILENCE = 180
"""Seconds without a message after which a worker is killed."""


class TooSlow(BaseException):
    """More processor time than reading may take; no ``except Exception`` catches it."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reader", choices=READERS, help="all readers by default")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each reader")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    counts = json.loads(RESULTS.read_text())
    for name in [options.reader] if options.reader else READERS:
        inputs, faults = fuzz(name, options.seed, options.minutes * 60)
        run = {"seed": options.seed, "minutes": options.minutes, "inputs": inputs, "finds": len(faults)}
        counts[name] = [other for other in counts.get(name, []) if other["seed"] != options.seed] + [run]
        print(name, run, *faults, sep="\n", flush=True)
    RESULTS.write_text(json.dumps(dict(sorted(counts.items())), indent=1) + "\n")


def fuzz(name, seed, seconds):
    """Try inputs for so many seconds; return their number and one message for each kind of fault."""
    end, number, faults = time.monotonic() + seconds, 0, {}
    while time.monotonic() < end:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / READERS[name].file
            ours, theirs = multiprocessing.Pipe(duplex=False)
            worker = multiprocessing.get_context("fork").Process(
                target=work, args=(name, seed, number, path, theirs, end)
            )
            worker.start()
            theirs.close()
            try:
                while True:
                    if not ours.poll(SILENCE):
                        worker.kill()
                        raise EOFError
                    wrong, content = ours.recv()
                    if wrong:
                        keep(faults, name, number, wrong, content)
                    number += 1
            except EOFError:
                worker.join()
                if worker.exitcode:
                    content = path.read_bytes() if path.exists() else b""
                    keep(faults, name, number, f"the process died ({worker.exitcode})", content)
                    number += 1
    return number, list(faults.values())


def work(name, seed, number, path, messages, end):
    """Read damaged files until the time is over."""
    warnings.simplefilter("ignore")
    os.environ["RCVIZ_CACHE"] = str(path.parent / "cache")
    import torch

    torch.set_num_threads(1)
    reader = READERS[name]
    seeds = reader.seeds(path.parent)
    for content in seeds:
        path.write_bytes(content)
        reader.read(path)
    limit_memory(MEMORY)
    signal.signal(signal.SIGPROF, too_slow)
    while time.monotonic() < end:
        chance = random.Random(f"{name} {seed} {number}")
        path.write_bytes(mutated(chance.choice(seeds), seeds, chance))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            wrong = judge(reader, path)
        except TooSlow:
            wrong = f"more than {SECONDS} s: " + traceback.format_exc(limit=-3)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        messages.send((wrong, path.read_bytes() if wrong else b""))
        number += 1


def too_slow(*_):
    raise TooSlow


def limit_memory(n_bytes):
    """Allow this process so much more private memory than it uses now; more is a MemoryError."""
    status = Path("/proc/self/status").read_text().splitlines()
    used = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (used + n_bytes, used + n_bytes))


def keep(faults, name, number, wrong, content):
    """Keep an input unless another one went wrong in the same way."""
    kind = re.sub(r"\S*/\S*|\d+", "#", wrong)[:70]
    if kind not in faults:
        faults[kind] = f"{name} {number}: {wrong}"
        (FAULTS / name).mkdir(parents=True, exist_ok=True)
        (FAULTS / name / str(number)).write_bytes(content)


if __name__ == "__main__":
    main()
