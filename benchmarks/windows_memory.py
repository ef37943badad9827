"""Peak memory of cutting more than 270,000 windows of 1,000 bp at random places of real chromosomes.

In memory and written while cut, each in a process of its own. Run with ``python benchmarks/windows_memory.py``; writes
benchmarks/results/windows_memory.json.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from rcviz.genome.fasta import Genome
from rcviz.genome.windows import peak_windows

ROOT = Path(__file__).parents[1]
FASTA = [ROOT.parent / "shared" / "data" / "hg19" / name for name in ("chr21.fa.gz", "chr22.rebuilt.fa.gz")]
OUT = ROOT / "benchmarks" / "results" / "windows_memory.json"


def peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def regions(n, lengths, rng):
    chrom = rng.choice(list(lengths), n)
    start = np.array([rng.integers(1_000, lengths[name] - 1_000) for name in chrom])
    return pd.DataFrame({"chrom": chrom, "start": start, "end": start + 5})


def cut(out):
    """One run; prints what it took."""
    lengths = Genome(FASTA).lengths
    rng = np.random.default_rng(0)
    peaks, accessible = regions(60_000, lengths, rng), regions(326_000, lengths, rng)
    before, started = peak_megabytes(), time.perf_counter()
    data = peak_windows(
        FASTA, peaks, accessible=accessible, max_n_share=0.999999, on_label_conflict="drop", out=out, progress=False
    )
    seconds = time.perf_counter() - started
    data.summary()
    found = {"n_windows": len(data), "seconds": seconds, "mb_before": before, "mb_at_most": peak_megabytes()}
    print(json.dumps(found))


def main():
    report = {"command": "python benchmarks/windows_memory.py", "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as folder:
        for name, out in (("in memory", ""), ("written while cut, then mapped", f"{folder}/set.safetensors")):
            done = subprocess.run([sys.executable, __file__, "cut", out], capture_output=True, text=True, check=True)
            report[name] = json.loads(done.stdout)
    OUT.write_text(json.dumps(report, indent=1) + "\n")
    print(OUT.read_text())


if __name__ == "__main__":
    if sys.argv[1:2] == ["cut"]:
        cut(sys.argv[2] or None)
    else:
        main()
