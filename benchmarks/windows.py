"""Cut and encode windows of real chromosomes: rcviz, numpy's plain read of the same bases, tangermeme's extract_loci.

All in one process and one thread, in turn, medians of several; writes benchmarks/results/windows.json. Indices and
caches are warm for all. tangermeme is no dependency: put it somewhere of its own and name the folder,

    pip install --no-deps --target /tmp/tangermeme tangermeme figwig
    OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 python benchmarks/windows.py --tangermeme /tmp/tangermeme
"""

import argparse
import gzip
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from rcviz.genome.fasta import Genome
from rcviz.genome.peaks import centers, read_peaks
from rcviz.genome.windows import peak_windows

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
OUT = ROOT / "benchmarks" / "results" / "windows.json"
WIDTH = 1_000
REPEATS = 9


def real_loci(lengths):
    """Every DNase and CTCF peak of both chromosomes, as intervals whose middle is the summit."""
    names = ("wgEncodeAwgDnaseUwdukeGm12878UniPk", "wgEncodeAwgTfbsBroadGm12878CtcfUniPk")
    peaks = pd.concat([read_peaks(DATA / "peaks" / f"{name}.narrowPeak.gz") for name in names], ignore_index=True)
    peaks = peaks[peaks["chrom"].isin(list(lengths))]
    return intervals(peaks["chrom"].to_numpy(dtype=object), centers(peaks) - WIDTH // 2)


def tiles(lengths):
    """Windows every 700 bp of both chromosomes."""
    starts = {name: np.arange(0, length - WIDTH, 700) for name, length in lengths.items()}
    return intervals(np.repeat(list(starts), [len(s) for s in starts.values()]), np.concatenate(list(starts.values())))


def intervals(chrom, start):
    return pd.DataFrame({"chrom": chrom, "start": start, "end": start + WIDTH})


def cut(path, loci):
    """Open the genome and read every window, as codes."""
    return Genome(path).read(loci["chrom"], loci["start"], WIDTH)


def numpy_reads(flat, loci, lengths):
    """Copy the same bases out of a memory-mapped file that holds one byte per base and nothing else."""
    first = pd.Series(np.cumsum([0, *lengths.values()])[:-1], index=list(lengths))
    starts = (loci["chrom"].map(first).to_numpy() + loci["start"].to_numpy()).tolist()

    def read(mapped):
        letters = np.empty((len(starts), WIDTH), np.uint8)
        for row, start in enumerate(starts):
            letters[row] = mapped[start : start + WIDTH]
        return letters

    return {
        "numpy.memmap, one slice per window": lambda: read(np.memmap(flat, np.uint8, "r")),
        "numpy view of a memmap, one slice per window": lambda: read(np.asarray(np.memmap(flat, np.uint8, "r"))),
        "numpy view of a memmap, one gather of all windows": lambda: np.lib.stride_tricks.sliding_window_view(
            np.asarray(np.memmap(flat, np.uint8, "r")), WIDTH
        )[starts],
    }


def interleaved(rows):
    times = {name: [] for name in rows}
    for turn in range(REPEATS + 1):
        for name, work in rows.items():
            start = time.perf_counter()
            work()
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in times.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tangermeme", type=Path, help="folder that holds tangermeme and figwig")
    folder = parser.parse_args().tangermeme
    versions = {"numpy": np.__version__, "pandas": pd.__version__}
    with tempfile.TemporaryDirectory() as temporary:
        path, flat = Path(temporary) / "hg19.fa", Path(temporary) / "flat"
        with path.open("wb") as target:
            for name in ("chr21.fa.gz", "chr22.rebuilt.fa.gz"):
                with gzip.open(DATA / "hg19" / name) as source:
                    shutil.copyfileobj(source, target)
        genome = Genome(path)
        with flat.open("wb") as target:
            for name, length in genome.lengths.items():
                target.write(genome.read([name], [0], length).tobytes())

        medians = {}
        for what, loci in (("peaks", real_loci(genome.lengths)), ("tiles", tiles(genome.lengths))):
            rows = {
                "rcviz, cut and encoded": lambda loci=loci: cut(path, loci),
                "rcviz, peak_windows of a DataFrame": lambda loci=loci: peak_windows(
                    path, loci, negatives="none", max_n_share=0.999, progress=False
                ),
                **numpy_reads(flat, loci, genome.lengths),
            }
            for read in list(rows.values())[2:]:
                np.testing.assert_array_equal(read(), cut(path, loci))
            if folder:
                sys.path.append(str(folder))
                from tangermeme.io import extract_loci

                def peer(loci=loci):
                    return extract_loci(loci, str(path), in_window=WIDTH, n_jobs=1)

                np.testing.assert_array_equal(peer().numpy().argmax(1), cut(path, loci) % 4)
                rows["tangermeme, extract_loci (one-hot int8)"] = peer
                versions["tangermeme"] = importlib.metadata.version("tangermeme")
            medians[what] = {"n_windows": len(loci), "median_seconds": interleaved(rows)}

    threads = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")}
    machine = {"cpu": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version(), **threads}
    report = {"command": "python benchmarks/windows.py --tangermeme FOLDER", "width": WIDTH, "repeats": REPEATS}
    report |= {"machine": machine, "versions": versions} | medians
    OUT.write_text(json.dumps(report, indent=1) + "\n")
    for what, found in medians.items():
        print(f"{what}: {found['n_windows']:,} windows of {WIDTH:,} bp")
        for name, taken in found["median_seconds"].items():
            print(f"  {taken * 1000:8.1f} ms  {taken / found['n_windows'] * 1e6:6.2f} us a window  {name}")


if __name__ == "__main__":
    main()
