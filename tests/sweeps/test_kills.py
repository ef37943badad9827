"""Sweeps in processes of their own: killed in the midst, and two on one store at the same moment."""

import json
import runpy
import subprocess
import sys
import time

import pytest

from rcviz.sweeps.store import Store

SCRIPT = """
import gc, sys, rcviz
from torch import nn

data = rcviz.SequenceSet.load("data.safetensors")
splits = rcviz.split(data, train=0.5, valid=0.25, test=0.25, seed=0)
training = rcviz.TrainConfig(epochs=4, batch_size=20, samples_per_epoch=60, device="cpu")
size = dict(sequence_length=60, kernel_sizes=(7,), pool_size=9, pool_stride=9, n_filters=2, n_tasks=2)
config = rcviz.ModelConfig(architecture="standard", **size)
arms = {
    "function": rcviz.Arm(model=lambda seed: rcviz.build_model(config, seed=seed), training=training),
    "shared": rcviz.Arm(model=rcviz.ModelConfig(architecture="revcomp", **size), training=training),
    "siamese": rcviz.Arm(model=config, training=training, strategy="siamese"),
}
store, *names = sys.argv[1:]
chosen = {name: arms[name] for name in names or arms}
result = rcviz.sweep(chosen, splits, seeds=2, store=store, n_jobs=1, progress=False)
assert len(result.runs) == 2 * len(chosen), result.failures
if __name__ == "__main__":
    gc.freeze()  # else Python looks at all that was imported as it ends, for half a second
"""
MAY_DIFFER = ("seconds", "peak_memory_mb", "arms", "code")
"""What a clock, the machine's memory, the names of arms and an edit while tests run decide."""


@pytest.fixture
def start(tmp_path, toy):
    """Start a sweep of two seeds and some arms, or all, on a store."""
    toy.save(tmp_path / "data.safetensors")
    (tmp_path / "script.py").write_text(SCRIPT)
    started = []

    def start(store, *names):
        command = [sys.executable, "script.py", store, *names]
        started.append(subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def ended_well(process):
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors


def numbers(folder):
    """Read the records of a store, without what may differ; every file must be whole."""
    records = {}
    for path in folder.iterdir():
        record = json.loads(path.read_text())
        epochs = [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in record["history"]]
        records[path.name] = {**{name: record[name] for name in record if name not in MAY_DIFFER}, "history": epochs}
    return records


@pytest.mark.long
def test_a_killed_sweep_goes_on_and_two_at_once_lose_and_double_nothing(tmp_path, start, monkeypatch):
    """Over 10 s: only processes of their own can be killed, and can race; each loads torch."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["script.py", "alone"])
    runpy.run_path("script.py")
    alone = numbers(tmp_path / "alone")
    assert len(alone) == 6
    killed = start("killed")
    store = Store(tmp_path / "killed")
    while not (store.read_all() and list(store.folder.glob("*.checkpoint.safetensors"))):
        assert killed.poll() is None, "it ended before it was killed"
        time.sleep(0.002)
    killed.kill()
    killed.wait()
    assert 1 <= len(store.read_all()) < 6
    for process in [start("killed"), start("killed", "siamese", "shared")]:
        ended_well(process)
    assert numbers(store.folder) == alone
