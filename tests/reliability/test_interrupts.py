"""Interrupted at some moments, every job leaves things as they were; ``make soak`` interrupts a thousand times."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from reliability.interrupting import Interrupted, Job, Moments, surroundings
from reliability.interrupts import JOBS

from rcviz.models.runtime import copy_module


@pytest.mark.long
def test_every_interrupt_leaves_things_as_they_were():
    """Only in a process of its own is the code the one that users run; each interrupt is followed by the job again."""
    script = str(Path(__file__).with_name("interrupts.py"))
    done = subprocess.run([sys.executable, script, "--moments", "28"], capture_output=True, text=True, check=False)
    result = json.loads(done.stdout or "{}")
    assert result.get("faults") == [], f"{result.get('faults')}\n{done.stderr}"
    assert done.returncode == 0, done.stderr
    assert sum(job["interrupted"] for job in result["jobs"].values()) > 15


class Careless(Job):
    """Switches gradients off and on again, without care."""

    def __init__(self, folder):
        self.done = 0

    def work(self):
        torch.set_grad_enabled(False)
        self.done += torch.nn.functional.relu(torch.ones(1)).item()
        torch.set_grad_enabled(True)

    def result(self):
        return {"done": min(self.done, 1)}


def test_what_is_not_restored_is_found(tmp_path):
    job = Interrupted(Careless, tmp_path)
    place = next(place for place, _ in job.places if place[0].co_name == "relu")
    hit, faults = job.at(place, 1)
    torch.set_grad_enabled(True)
    assert hit
    assert any("gradients was True and is False" in fault for fault in faults)


class Copying(Job):
    """Copies a module in a mode of torch, which torch takes off and puts back by a generator for each tensor."""

    def __init__(self, folder):
        self.module, self.done = torch.nn.BatchNorm1d(2), 0

    def work(self):
        copy_module(self.module)
        self.done = 1

    def result(self):
        return {"done": self.done}


def test_a_mode_is_left_though_the_generator_of_torch_ends_later(tmp_path):
    job = Interrupted(Copying, tmp_path)
    places = [place for place, _ in job.places if place[0].co_filename.endswith("contextlib.py")]
    assert places
    results = [job.at(place, 1) for place in places]
    assert all(hit for hit, _ in results)
    assert [fault for _, faults in results for fault in faults] == []


def test_places_are_those_of_the_code_that_runs():
    moments = Moments()
    assert not moments.run(lambda: torch.nn.functional.relu(torch.ones(1)))
    assert moments.places
    (times,) = {n for (code, _, event), n in moments.places.items() if code.co_name == "relu" and event == "call"}
    assert times == 1
    assert surroundings()["gradients"]
    assert set(JOBS) >= {"fit", "fit with a checkpoint", "predict", "windows", "explorer"}
