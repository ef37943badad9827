"""Eight sweeps write to one store at the same moment and lose nothing."""

import json
import subprocess
import sys
from pathlib import Path


def test_nothing_is_lost():
    script = str(Path(__file__).with_name("sweeps_at_once.py"))
    done = subprocess.run([sys.executable, script, "--sweeps", "8"], capture_output=True, text=True, check=False)
    told = json.loads(done.stdout or "{}")
    assert told.get("faults") == [], f"{told.get('faults')}\n{done.stderr}"
    assert done.returncode == 0, done.stderr
    assert (told["sweeps"], told["records"], told["records_of_one_sweep"]) == (8, 3, 3)
    assert (told["runs_asked_for"], told["lost"], told["left_over"], told["different"]) == (16, 0, 0, 0)
