"""Killed at random moments, every job ends as if nothing had happened; ``make soak`` kills 120 times."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.long
def test_every_kill_is_survived():
    """Only jobs in processes of their own can be killed; each job runs twice without a kill and once after it."""
    script = str(Path(__file__).with_name("kill_jobs.py"))
    done = subprocess.run([sys.executable, script, "--kills", "3"], capture_output=True, text=True, check=False)
    result = json.loads(done.stdout or "{}")
    assert result.get("faults") == [], f"{result.get('faults')}\n{done.stderr}"
    assert done.returncode == 0, done.stderr
    assert result["kills"] == result["survived"] == 3
