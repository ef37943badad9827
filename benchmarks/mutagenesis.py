"""Mutations and variants: rcviz beside tangermeme's saturation mutagenesis, and what a file of variants costs.

Both compute every single-base mutation of the same sequences with the same model, in turn in one process; rcviz reads
both strands where the model does not declare that they agree, tangermeme one. Then a generated VCF: processor time for
10,000 variants, and memory for each, from two numbers of variants. tangermeme is in rcviz's extra "ecosystem".

    python benchmarks/mutagenesis.py

Writes benchmarks/results/mutagenesis.json.
"""

import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from machine import described, interleaved

import rcviz

OUT = Path(__file__).parent / "results" / "mutagenesis.json"
REPEATS = 5
NUMBERS = (50_000, 200_000)  # variants
SMALL = {"n_filters": 8, "sequence_length": 200, "pool_size": 31}
CASES = {
    "three layers, standard, 1 x 1,000 bp": (rcviz.ModelConfig.chipseq("standard"), 1),
    "three layers, RC, 1 x 1,000 bp": (rcviz.ModelConfig.chipseq("revcomp"), 1),
    "one layer, standard, 8 x 200 bp": (rcviz.ModelConfig.one_layer("standard", **SMALL), 8),
    "one layer, RC, 8 x 200 bp": (rcviz.ModelConfig.one_layer("revcomp", **SMALL), 8),
}
# In a process of its own: memory that was used before would hide what is needed. The names in braces are filled in.
VARIANTS = """
import json, sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
import rcviz
from reliability.stream import held, watched
from mutagenesis import scanned, write_variants
folder = Path({folder!r})
write_variants(folder, 1000)
scanned({tool!r}, folder)
write_variants(folder, {n})
before, peak, started = held(), [0.0, 0.0], time.process_time()
with watched(peak):
    scanned({tool!r}, folder)
print(json.dumps([time.process_time() - started, (peak[0] - before[0]) * 2**20]))
"""


def compared():
    """Seconds of both, and the largest difference between their effects of one strand."""
    from tangermeme.saturation_mutagenesis import saturation_mutagenesis

    rows, gaps = {}, {}
    for name, (config, n) in CASES.items():
        model = rcviz.build_model(config).eval()
        codes = np.random.default_rng(0).integers(0, 4, (n, config.sequence_length)).astype(np.uint8)
        x = torch.from_numpy(rcviz.one_hot(codes, dtype=np.float32))

        def theirs(model=model, x=x):
            return saturation_mutagenesis(model, x, device="cpu", batch_size=500, raw_outputs=True)

        rows[f"{name}, tangermeme"] = theirs
        rows[f"{name}, rcviz"] = lambda model=model, codes=codes: rcviz.mutagenesis(model, codes)
        before, after = theirs()
        effects = (after - before[:, None, None])[..., 0].numpy()
        gaps[name] = float(np.abs(effects - rcviz.mutagenesis(model, codes).forward).max())
    return interleaved(rows, REPEATS), gaps


def write_variants(folder, n, length=2_000_000):
    """A chromosome of random bases, and a VCF of ``n`` substitutions."""
    rng = np.random.default_rng(0)
    bases = rng.choice(list("ACGT"), length)
    (folder / "genome.fa").write_text(">chr1\n" + "\n".join("".join(row) for row in bases.reshape(-1, 100)) + "\n")
    header = (
        f"##fileformat=VCFv4.2\n##contig=<ID=chr1,length={length}>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    )
    other = dict(zip("ACGT", "CGTA", strict=True))
    positions = np.sort(rng.choice(np.arange(1000, length - 1000), n, replace=False)).tolist()
    rows = (f"chr1\t{at + 1}\trs{at}\t{bases[at]}\t{other[bases[at]]}\t.\tPASS\t.\n" for at in positions)
    (folder / "variants.vcf").write_text(header + "".join(rows))


def scanned(tool, folder):
    """Effects of all variants on a small network of windows of 200 bp: a table, or a file."""
    model = rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", **SMALL))
    given = model, folder / "variants.vcf", folder / "genome.fa"
    if tool == "variant_effects":
        return rcviz.variant_effects(*given, progress=False)
    return rcviz.save_variant_effects(*given, folder / "effects.parquet", progress=False)


def variants():
    """Seconds for 10,000 variants and bytes for each, by the slope between two numbers of variants."""
    found = {}
    root = Path(__file__).parents[1]
    for tool in ("variant_effects", "save_variant_effects"):
        points = []
        for n in NUMBERS:
            with tempfile.TemporaryDirectory() as folder:
                code = VARIANTS.format(tests=str(root / "tests"), folder=folder, tool=tool, n=n)
                paths = os.pathsep.join([str(root), str(root / "benchmarks")])
                environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths, "RCVIZ_CACHE": folder}
                done = subprocess.run(
                    [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
                )
            points.append(json.loads(done.stdout.splitlines()[-1]))
        (seconds, small), (more_seconds, large) = points
        found[tool] = {
            "seconds for 10,000": (more_seconds - seconds) / (NUMBERS[1] - NUMBERS[0]) * 10_000,
            "bytes for each": (large - small) / (NUMBERS[1] - NUMBERS[0]),
            "peak bytes": large,
        }
    return found


def main():
    warnings.simplefilter("ignore")
    machine = described(torch.get_num_threads()) | {"repeats": REPEATS}
    medians, gaps = compared()
    content = {
        "machine": machine,
        "command": "python benchmarks/mutagenesis.py",
        "median_seconds": medians,
        "largest difference of effects": gaps,
        "numbers of variants": NUMBERS,
        "variants": variants(),
    }
    OUT.write_text(json.dumps(content, indent=1) + "\n")
    for name, seconds in medians.items():
        print(f"{seconds * 1000:9.1f} ms  {name}")
    print(gaps, content["variants"], sep="\n")


if __name__ == "__main__":
    main()
