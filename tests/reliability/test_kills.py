"""Killed at random, every job ends as if nothing had happened; ``RCVIZ_KILLS=120`` kills that often and records it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = os.environ.get("RCVIZ_KILLS")


@pytest.mark.kills
@pytest.mark.timeout(0 if KILLS else 300)
def test_every_kill_is_survived():
    script = str(Path(__file__).with_name("kill_jobs.py"))
    options = ["--kills", KILLS, "--record"] if KILLS else ["--kills", "8"]
    done = subprocess.run([sys.executable, script, *options], capture_output=True, text=True, check=False)
    told = json.loads(done.stdout or "{}")
    assert told.get("faults") == [], f"{told.get('faults')}\n{done.stderr}"
    assert done.returncode == 0, done.stderr
    assert told["kills"] == told["survived"] == int(KILLS or 8)
    assert told["while writing"] > 0
