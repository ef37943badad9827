"""What other processes on the same cores cost: training, prediction and analysis, beside none and beside many.

As many processes compute as there are cores; between two turns they are stopped. Nothing is set in the environment, as
in a kernel that rcviz did not start. Beside rcviz's choice of threads stands what all of torch's threads would take.

    python benchmarks/busy.py

Writes benchmarks/results/busy.json.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from machine import described, random_set, seconds

import rcviz
from rcviz.models import threads

OUT = Path(__file__).parent / "results" / "busy.json"
REPEATS = 3
SETTLING = 0.2  # seconds until other processes run, or have stopped


def a_loop():
    """Work of one thread that waits for nobody: what a fair share of the cores leaves of it is the limit."""
    total = 0
    for number in range(2_000_000):
        total += number


def works():
    """The quickstart's networks and sizes; and the ChIP-seq network of the paper, which is larger."""
    short, long = random_set(2000, 200), random_set(300, 1000)
    valid = random_set(375, 200)
    chipseq = rcviz.build_model(rcviz.ModelConfig.chipseq("revcomp", n_filters=16))
    rows = {}
    for name, config in {
        "RC, 8 filters": rcviz.ModelConfig.one_layer("revcomp", n_filters=8, sequence_length=200, pool_size=31),
        "standard, 16 filters": rcviz.ModelConfig.one_layer(
            "standard", n_filters=16, sequence_length=200, pool_size=31
        ),
    }.items():
        model, training = rcviz.build_model(config), rcviz.TrainConfig.chipseq(epochs=1, samples_per_epoch=2000)
        rows[f"quickstart's training, an epoch, {name}"] = lambda model=model, training=training: rcviz.fit(
            model, short, valid, training, progress=False
        )
        rows[f"prediction of 2,000 x 200 bp, {name}"] = lambda model=model: rcviz.predict(model, short)
        rows[f"contributions, 2,000 x 200 bp, {name}"] = lambda model=model: rcviz.filter_contributions(model, short)
        rows[f"palindromes, 375 x 200 bp, {name}"] = lambda model=model: rcviz.palindromes(model, valid)
    training = rcviz.TrainConfig.chipseq(epochs=1, samples_per_epoch=300)
    rows["ChIP-seq network, 3 steps and validation"] = lambda: rcviz.fit(chipseq, long, long, training, progress=False)
    rows["ChIP-seq network, prediction of 300 x 1,000 bp"] = lambda: rcviz.predict(chipseq, long)
    rows["ChIP-seq network, contributions of 300 x 1,000 bp"] = lambda: rcviz.filter_contributions(chipseq, long)
    return rows


def measured(rows, others, repeats=REPEATS):
    """Median seconds of each row, beside nobody and beside the others, in turn."""
    times = {name: ([], []) for name in rows}
    for turn in range(repeats + 1):
        for busy in (0, 1):
            for other in others:
                other.send_signal(signal.SIGCONT if busy else signal.SIGSTOP)
            time.sleep(SETTLING)
            for name, work in rows.items():
                taken = seconds(work)
                if turn:
                    times[name][busy].append(taken)
    return {name: [statistics.median(each) for each in both] for name, both in times.items()}


def main():
    n_cores = len(os.sched_getaffinity(0))
    machine = described(torch.get_num_threads()) | {"repeats": REPEATS, "busy processes": n_cores}
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n_cores)]
    try:
        rows = works()
        chosen = measured({"a loop of one thread": a_loop, **rows}, others)
        threads.WORK_OF_A_THREAD, threads._may_sleep = 1, lambda: False
        everything = measured(rows, others, repeats=1)  # some take seconds
    finally:
        for other in others:
            other.kill()
    content = {
        "machine": machine,
        "command": "python benchmarks/busy.py",
        "median_seconds, quiet and busy": chosen,
        "with all threads": everything,
    }
    OUT.write_text(json.dumps(content, indent=1) + "\n")
    for name, (quiet, busy) in chosen.items():
        all_of_them = everything.get(name, (float("nan"),) * 2)
        print(
            f"{quiet * 1000:8.1f} ms, busy {busy * 1000:8.1f} ms, {busy / quiet:5.2f}  "
            f"(all threads {all_of_them[0] * 1000:8.1f} ms, {all_of_them[1] / all_of_them[0]:5.2f})  {name}"
        )


if __name__ == "__main__":
    if any(name.startswith(("OMP_", "GOMP_", "KMP_")) for name in os.environ):
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
        os.execve(sys.executable, [sys.executable, *sys.argv], clean)
    main()
