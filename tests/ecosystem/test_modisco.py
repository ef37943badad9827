"""tfmodisco-lite finds the motif that a network has learned in the files that we write."""

import json
import os
import subprocess
import sys

import pytest

import rcviz

# In a process of its own, as people run it: it forks, which a process with torch's threads should not. The files are
# read by the function that its own command line reads them with.
SCRIPT = """
import json, pathlib, sys
from modiscolite.cli import _load_input
from modiscolite.tfmodisco import TFMoDISco

found = {}
for folder in sys.argv[1:]:
    sequences, attributions = (
        _load_input(pathlib.Path(folder) / f"{name}.npz").transpose(0, 2, 1).astype("float32")
        for name in ("sequences", "attributions")
    )
    positive, negative = TFMoDISco(
        sequences, attributions, sliding_window_size=10, flank_size=2, trim_to_window_size=10, initial_flank_to_add=2,
        min_metacluster_size=30, final_min_cluster_size=10, n_leiden_runs=1,
    )
    found[folder] = ["".join("ACGT"[base] for base in pattern.sequence.argmax(axis=1)) for pattern in positive or []]
print(json.dumps(found))
"""


@pytest.mark.long
@pytest.mark.timeout(900)  # without a cache, numba compiles for half a minute
def test_the_learned_motif_is_found(networks, gata, motif, tmp_path):
    """Only modisco itself shows that our files lead to the motif that a network has learned."""
    folders = {name: tmp_path / name for name in networks}
    for name, model in networks.items():
        folders[name].mkdir()
        rcviz.save_modisco(model, gata.positives(), folders[name], strands="both")
    completed = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, folders.values())],
        env={**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert completed.returncode == 0, completed.stderr
    core = motif[1:-1]
    for folder, patterns in json.loads(completed.stdout).items():
        assert patterns, folder
        strongest = patterns[0]
        assert core in strongest or core in rcviz.reverse_complement(strongest), (folder, patterns)
