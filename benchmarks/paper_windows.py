"""Make the data of Figures 4 to 7, runs/windows/{CTCF,SPI1,MAX}.safetensors, and Table 1, paper/results/table_1.csv.

``make windows`` runs it. Negatives are the accessible windows of section 3.3: their peak overlaps no reproducible
and no relaxed peak. Their windows may: Table 1's file counts these. The script checks the published counts by
chromosome, and that chr21 and chr22, cut from the genome and the peaks, give the same windows.
"""

from pathlib import Path

import numpy as np
import pandas as pd

import rcviz
from paper.figures import TABLE_1

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
OUT = ROOT / "runs" / "windows"
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
WINDOWS = DATA / "windows_1kb"
CUT_AGAIN = ["chr21", "chr22"]


def published():
    """Numbers of positives and negatives by factor and chromosome, from the table beside the windows."""
    lines = [line.strip("|\n").split("|") for line in (DATA / "README.md").read_text().splitlines() if "|" in line]
    rows = [[cell.strip() for cell in line] for line in lines]
    (names,) = [row[1:] for row in rows if row[0] == "" and row[1] == "chr17"]
    return {
        (row[0], chrom): tuple(map(int, cell.split("/")))
        for row in rows
        if row[0] in FACTORS
        for chrom, cell in zip(names, row[1:], strict=True)
    }


def unbound(flags, factor):
    """The accessible windows of section 3.3: their peak overlaps no reproducible and no relaxed peak."""
    return ((flags[f"{factor}_idr_overlap"] == 0) & (flags[f"{factor}_relaxed_overlap"] == 0)).to_numpy()


def near_peaks(windows, peaks):
    """How many of the windows, which are longer than their accessible peak, overlap a reproducible peak after all.

    Counted are those that overlap the peak itself, that contain its summit, and that overlap the window of a positive.
    """
    counts = np.zeros(3, dtype=int)
    for chrom, own in windows.groupby("chrom"):
        start, end = own["start"].to_numpy()[:, None], own["end"].to_numpy()[:, None]
        there = peaks[peaks["chrom"] == chrom]
        summit = (there["start"] + there["summit"]).to_numpy()
        for place, (left, right) in enumerate(
            [(there["start"].to_numpy(), there["end"].to_numpy()), (summit, summit + 1), (summit - 500, summit + 500)]
        ):
            counts[place] += ((left < end) & (right > start)).any(axis=1).sum()
    return dict(zip(("over_peak", "with_summit", "over_positive"), map(int, counts), strict=True))


def table_1():
    """The published numbers of positives and negatives, beside the peaks in the files and the negatives here."""
    flags = pd.read_csv(WINDOWS / "DNase.windows.labels.tsv.gz", sep="\t")
    rows = []
    for factor, (peaks, _) in FACTORS.items():
        read = rcviz.read_peaks(DATA / "peaks" / peaks)
        n_positive, n_negative = TABLE_1[factor]
        here = flags[unbound(flags, factor)]
        near = near_peaks(here, read)
        assert near["over_peak"] == (here[f"{factor}_window_hits_idr"] == 1).sum()
        rows.append(
            {
                "factor": factor,
                "n_positive_paper": n_positive,
                "n_positive_counted": len(read),
                "n_negative_paper": n_negative,
                "ratio_paper": n_negative / n_positive,
                "n_with_summit": int(np.count_nonzero(read["summit"] >= 0)),
                "n_repeated": int(read.duplicated(["chrom", "start", "end", "summit"]).sum()),
                "n_negative_here": len(here),
                **{f"n_negative_{where}": n for where, n in near.items()},
                "command": "python benchmarks/paper_windows.py",
            }
        )
    return pd.DataFrame(rows)


def by_name(data):
    return dict(zip(data.table["name"], map(bytes, data.codes), strict=True))


def counted(chroms):
    return pd.Series(chroms).value_counts().to_dict()


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    table_1().to_csv(ROOT / "paper" / "results" / "table_1.csv", index=False, float_format="%.6g")
    flags = pd.read_csv(WINDOWS / "DNase.windows.labels.tsv.gz", sep="\t")
    accessible = rcviz.SequenceSet.from_fasta(WINDOWS / "DNase.windows.fa.gz")
    assert (accessible.table[["chrom", "start", "end"]] == flags[["chrom", "start", "end"]]).all(axis=None)
    table = published()
    for factor, (peaks, relaxed) in FACTORS.items():
        positives = rcviz.SequenceSet.from_fasta(WINDOWS / f"{factor}.positives.fa.gz")
        stricter = counted(flags["chrom"][flags[f"{factor}_is_negative"] == 1])
        found = {(factor, chrom): (n, stricter[chrom]) for chrom, n in counted(positives.table["chrom"]).items()}
        assert found == {key: counts for key, counts in table.items() if key[0] == factor}, found

        negatives = accessible.subset(unbound(flags, factor))
        places = pd.concat([positives.table, negatives.table], ignore_index=True)
        data = rcviz.SequenceSet(
            np.concatenate([positives.codes, negatives.codes]),
            np.repeat([1, 0], [len(positives), len(negatives)]),
            task_names=[factor],
            names=places["name"].to_numpy(),
            **{column: places[column].to_numpy() for column in ("chrom", "start", "end")},
            provenance={"source": "benchmarks/paper_windows.py", "assembly": "hg19", "rule": "section 3.3"},
        )
        cut = rcviz.peak_windows(
            FASTA,
            DATA / "peaks" / peaks,
            accessible=ACCESSIBLE,
            relaxed=DATA / "peaks" / relaxed,
            task_name=factor,
            progress=False,
        )
        shared = data.subset(data.table["chrom"].isin(CUT_AGAIN).to_numpy())
        for part in ("positives", "negatives"):
            assert by_name(getattr(cut, part)()) == by_name(getattr(shared, part)()), (factor, part)
        data.save(OUT / f"{factor}.safetensors")
        by_chromosome = pd.crosstab(data.table["chrom"], data.labels[:, 0])
        print(f"{factor}: {len(data):,} windows\n{by_chromosome.to_string()}\n")


if __name__ == "__main__":
    main()
