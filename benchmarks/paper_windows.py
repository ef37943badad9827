"""The datasets of Figures 4 to 7 from the windows at hand: runs/windows/CTCF.safetensors, SPI1 and MAX.

Run with ``python benchmarks/paper_windows.py``. Negatives are the accessible windows that the paper's exact rule leaves
(section 3.3: their peak overlaps neither a reproducible nor a relaxed peak). What is checked on the way: the published
counts by chromosome, and that chr21 and chr22, cut from the genome and the peaks, give the same windows.
"""

import numpy as np
import pandas as pd
from real_windows import ACCESSIBLE, DATA, FACTORS, FASTA, ROOT, cut_by_name

import rcviz

OUT = ROOT / "runs" / "windows"
WINDOWS = DATA / "windows_1kb"
CUT_AGAIN = ["chr21", "chr22"]


def published():
    """Positives and negatives of every factor and chromosome, from the table that comes with the windows."""
    lines = [line.strip("|\n").split("|") for line in (DATA / "README.md").read_text().splitlines() if "|" in line]
    rows = [[cell.strip() for cell in line] for line in lines]
    (names,) = [row[1:] for row in rows if row[0] == "" and row[1] == "chr17"]
    return {
        (row[0], chrom): tuple(map(int, cell.split("/")))
        for row in rows
        if row[0] in FACTORS
        for chrom, cell in zip(names, row[1:], strict=True)
    }


def counted(chroms):
    return pd.Series(chroms).value_counts().to_dict()


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    flags = pd.read_csv(WINDOWS / "DNase.windows.labels.tsv.gz", sep="\t")
    accessible = rcviz.SequenceSet.from_fasta(WINDOWS / "DNase.windows.fa.gz")
    assert (accessible.table[["chrom", "start", "end"]] == flags[["chrom", "start", "end"]]).all(axis=None)
    table = published()
    for factor, (peaks, relaxed) in FACTORS.items():
        positives = rcviz.SequenceSet.from_fasta(WINDOWS / f"{factor}.positives.fa.gz")
        stricter = counted(flags["chrom"][flags[f"{factor}_is_negative"] == 1])
        found = {(factor, chrom): (n, stricter[chrom]) for chrom, n in counted(positives.table["chrom"]).items()}
        assert found == {key: counts for key, counts in table.items() if key[0] == factor}, found

        unbound = (flags[f"{factor}_idr_overlap"] == 0) & (flags[f"{factor}_relaxed_overlap"] == 0)
        negatives = accessible.subset(unbound.to_numpy())
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
            assert cut_by_name(getattr(cut, part)()) == cut_by_name(getattr(shared, part)()), (factor, part)
        data.save(OUT / f"{factor}.safetensors")
        by_chromosome = pd.crosstab(data.table["chrom"], data.labels[:, 0])
        print(f"{factor}: {len(data):,} windows\n{by_chromosome.to_string()}\n")


if __name__ == "__main__":
    main()
