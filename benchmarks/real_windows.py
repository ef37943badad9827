"""The paper's section 3.3 on real files: windows of chr21 and chr22 against those that are shipped, and Table 1.

Run with ``python benchmarks/real_windows.py``; writes benchmarks/results/windows/ and the paper's table_1.csv, each
with the command that made it.
"""

import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd

import rcviz
from paper.figures import TABLE_1
from rcviz.genome.peaks import read_peaks
from rcviz.genome.windows import peak_windows
from rcviz.sequences.duplicates import find_leaks

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
OUT = ROOT / "benchmarks" / "results" / "windows"
PAPER = ROOT / "paper" / "results"
FASTA = [DATA / "hg19" / name for name in ("chr21.fa.gz", "chr22.rebuilt.fa.gz")]
ACCESSIBLE = DATA / "peaks" / "wgEncodeAwgDnaseUwdukeGm12878UniPk.narrowPeak.gz"
FACTORS = {
    "CTCF": ("wgEncodeAwgTfbsBroadGm12878CtcfUniPk.narrowPeak.gz", "alllabs.GM12878.CTCF.chr17_19_20_21_22_X.bed.gz"),
    "SPI1": (
        "wgEncodeAwgTfbsHaibGm12878Pu1Pcr1xUniPk.narrowPeak.gz",
        "relaxed.GM12878.SPI1.chr17_19_20_22_X.narrowPeak.gz",
    ),
    "MAX": (
        "wgEncodeAwgTfbsSydhGm12878MaxIggmusUniPk.narrowPeak.gz",
        "relaxed.GM12878.MAX.chr17_19_20_22_X.narrowPeak.gz",
    ),
}
COMMAND = "python benchmarks/real_windows.py"


def shipped(name, chosen=None):
    """Windows that are shipped for chr21 and chr22, those of ``chosen`` names where given, by name."""
    data = rcviz.SequenceSet.from_fasta(DATA / "windows_1kb" / name)
    names = data.table["name"]
    kept = data.table["chrom"].isin(["chr21", "chr22"]) & (True if chosen is None else names.isin(chosen))
    data = data.subset(kept.to_numpy())
    return dict(zip(data.table["name"], map(bytes, data.codes), strict=True))


def cut_by_name(data):
    return dict(zip(data.table["name"], map(bytes, data.codes), strict=True))


def agreement(factor, part, rule, ours, theirs):
    return {
        "factor": factor,
        "part": part,
        "rule": rule,
        "n_cut": len(ours),
        "n_shipped": len(theirs),
        "n_equal": sum(ours.get(name) == codes for name, codes in theirs.items()),
        "all_equal": ours == theirs,
        "command": COMMAND,
    }


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    labels = pd.read_csv(DATA / "windows_1kb" / "DNase.windows.labels.tsv.gz", sep="\t")
    labels["name"] = labels["chrom"] + ":" + labels["start"].astype(str) + "-" + labels["end"].astype(str)
    compared, counts, summaries = [], [], []
    for factor, (peaks, relaxed) in FACTORS.items():
        sources = {"accessible": ACCESSIBLE, "relaxed": DATA / "peaks" / relaxed, "task_name": factor}
        started = time.perf_counter()
        data = peak_windows(FASTA, DATA / "peaks" / peaks, **sources, progress=False)
        seconds = time.perf_counter() - started
        strict = peak_windows(FASTA, DATA / "peaks" / peaks, **sources, overlapping="drop_on_peak", progress=False)

        positives = shipped(f"{factor}.positives.fa.gz")
        unbound = (labels[f"{factor}_idr_overlap"] == 0) & (labels[f"{factor}_relaxed_overlap"] == 0)
        negatives = shipped("DNase.windows.fa.gz", labels["name"][unbound])
        stricter = shipped("DNase.windows.fa.gz", labels["name"][labels[f"{factor}_is_negative"] == 1])
        compared += [
            agreement(factor, "positive", "section 3.3", cut_by_name(data.positives()), positives),
            agreement(factor, "negative", "section 3.3", cut_by_name(data.negatives()), negatives),
            agreement(factor, "negative", "drop_on_peak", cut_by_name(strict.negatives()), stricter),
        ]
        for part, found in data.provenance["counts"].items():
            counts += [
                {"factor": factor, "part": part, "reason": reason, "n": n, "command": COMMAND}
                for reason, n in found.items()
            ]
        splits = rcviz.split_by_chromosome(data, preset="chr21/chr22/rest", test=())
        n_leaks = len(find_leaks(splits))
        summaries += [
            part.summary().assign(split=name, leaks=n_leaks, command=COMMAND)
            for name, part in splits._asdict().items()
            if len(part)
        ]
        print(f"{factor}: {len(data):,} windows in {seconds:.1f} s")

    published = []
    for factor, (peaks, _) in FACTORS.items():
        read = read_peaks(DATA / "peaks" / peaks)
        n_positive, n_negative = TABLE_1[factor]
        published.append(
            {
                "factor": factor,
                "n_positive_paper": n_positive,
                "n_positive_counted": len(read),
                "n_negative_paper": n_negative,
                "ratio_paper": n_negative / n_positive,
                "n_with_summit": int(np.count_nonzero(read["summit"] >= 0)),
                "n_repeated": int(read.duplicated(["chrom", "start", "end", "summit"]).sum()),
                "command": COMMAND,
            }
        )
    tables = {
        "agreement": pd.DataFrame(compared),
        "counts": pd.DataFrame(counts),
        "figure_5_splits": pd.concat(summaries, ignore_index=True),
        "table_1": pd.DataFrame(published),
    }
    for name, table in tables.items():
        folder = PAPER if name == "table_1" else OUT
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")
        print(f"\n{name}\n{table.drop(columns='command').to_string(index=False)}")
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
