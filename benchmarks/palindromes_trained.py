"""Palindromic filters of really trained networks: what are they, and are the verdicts right where the truth is known?

Two parts, each resumed where it was left: finished runs lie under runs/palindromes/.

- ``simulated``: standard networks on sequences that hold CTCF, whose palindromic filters can only be hybrids, and on
  sequences that hold MAX's CACGTG, whose palindromic filters can only be genuine -> simulated.csv
- ``real``: the paper's one-layer networks on 1 kb windows of real CTCF and MAX (train chr19 and chr20, validate chr22,
  sites and contributions from chr17, chr21 and chrX) -> real_windows.csv; and what the number of
  sites has to do with the verdict -> number_of_sites.csv, all under benchmarks/results/palindromes/
"""

import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import rcviz
from rcviz.analysis.palindromes import palindromes

ROOT = Path(__file__).parents[1]
WINDOWS = ROOT.parent / "shared" / "data" / "windows_1kb"
RUNS = ROOT / "runs" / "palindromes"
OUT = ROOT / "benchmarks" / "results" / "palindromes"
SEEDS = range(3)
TOP_FILTERS = 4  # as many as Figure 5c shows
EPOCHS = {"simulated": 40, "real": 40}
RATIO = {"CTCF": 5.0, "MAX": 16.5}  # weights of positives in the paper
ARCHITECTURES = {"revcomp": (8, "none"), "standard": (16, "revcomp")}
MOTIFS = {"CTCF": "CTCF_known1", "MAX": "MA0058.4"}


@lru_cache(maxsize=1)
def simulated_parts(factor):
    """1,000 sequences of 200 bp that hold the motif and 1,000 that hold none, all at 40% GC."""
    held = rcviz.simulate_motifs((MOTIFS[factor],), n_per_motif=1000, label_noise=0.0, seed=0).codes
    background = np.random.default_rng(1).choice(4, size=held.shape, p=[0.3, 0.2, 0.2, 0.3]).astype(np.uint8)
    labels = np.repeat([1.0, 0.0], 1000)
    return rcviz.split(rcviz.SequenceSet(np.concatenate([held, background]), labels), train=0.7, valid=0.15, test=0.15)


@lru_cache(maxsize=1)
def real_parts(factor):
    positives = rcviz.SequenceSet.from_fasta(WINDOWS / f"{factor}.positives.fa.gz")
    accessible = rcviz.SequenceSet.from_fasta(WINDOWS / "DNase.windows.fa.gz")
    flags = pd.read_csv(WINDOWS / "DNase.windows.labels.tsv.gz", sep="\t")
    negatives = accessible.subset((flags[f"{factor}_is_negative"] == 1).to_numpy())
    tables = pd.concat([positives.table, negatives.table], ignore_index=True)
    data = rcviz.SequenceSet(
        np.concatenate([positives.codes, negatives.codes]),
        np.repeat([1.0, 0.0], [len(positives), len(negatives)]),
        task_names=(factor,),
        **{column: tables[column].to_numpy() for column in ("chrom", "start", "end")},
    )
    return rcviz.split_by_chromosome(data, train=["chr19", "chr20"], valid=["chr22"], test=["chr17", "chr21", "chrX"])


def run(part, factor, architecture, seed):
    """Train one network and judge all its filters, or read what an earlier call wrote."""
    path = RUNS / f"{part}_{factor}_{architecture}_{seed}.csv"
    if path.exists():
        return pd.read_csv(path)
    data = {"simulated": simulated_parts, "real": real_parts}[part](factor)
    n_filters, augmentation = ARCHITECTURES[architecture]
    size = {"sequence_length": 200, "pool_size": 31} if part == "simulated" else {}
    model = rcviz.build_model(rcviz.ModelConfig.one_layer(architecture, n_filters=n_filters, **size), seed=seed)
    weight = 1.0 if part == "simulated" else RATIO[factor]
    training = rcviz.TrainConfig.chipseq(
        epochs=EPOCHS[part], positive_weight=weight, augmentation=augmentation, seed=seed, device="cpu"
    )
    RUNS.mkdir(parents=True, exist_ok=True)
    rcviz.fit(model, data.train, data.valid, training, progress=False, checkpoint=path.with_suffix(".checkpoint"))
    rcviz.save_model(model, path.with_suffix(".safetensors"))
    found = palindromes(rcviz.filter_bank(model), data.test.positives()).table
    ranked = rcviz.filter_contributions(model, data.test).table[["filter", "score"]]
    ranked = ranked.assign(rank=np.arange(1, len(ranked) + 1))
    auroc = rcviz.evaluate(model, data.test)["auroc"].item()
    labels = {"factor": factor, "architecture": architecture, "seed": seed, "auroc": auroc}
    table = pd.concat([pd.DataFrame([labels] * len(found)), ranked.merge(found, on="filter")], axis=1)
    table.to_csv(path, index=False, float_format="%.4g")
    return table


def summary(table):
    """Verdicts of the four filters of every network that contribute most."""
    rows = []
    for (factor, architecture), runs in table.groupby(["factor", "architecture"]):
        top = runs[runs["rank"] <= TOP_FILTERS]
        rows.append(
            {
                "data": factor,
                "network": {"revcomp": "RC, 8 filters", "standard": "standard, 16 filters"}[architecture],
                "networks": runs["seed"].nunique(),
                "test auROC": f"{runs.groupby('seed')['auroc'].first().mean():.3f}",
                "filters": len(top),
                **{verdict: (top["verdict"] == verdict).sum() for verdict in ("none", "genuine", "hybrid")},
            }
        )
    return pd.DataFrame(rows).set_index("data")


def findings(table):
    """Summarize the real windows as text for the documents."""
    top = table[table["rank"] <= TOP_FILTERS]
    ctcf, max_ = (top[top["factor"] == factor] for factor in MOTIFS)
    count = {
        name: [(filters["verdict"] == verdict).sum() for verdict in ("hybrid", "genuine")]
        for name, filters in (("CTCF", ctcf), ("MAX", max_))
    }
    lost = ctcf.loc[ctcf["verdict"] == "hybrid", "loss"]
    kept = max_.loc[max_["verdict"] == "genuine", "loss"]
    return (
        f"Of the {len(ctcf)} filters that contribute most to the CTCF networks, {count['CTCF'][0]} are hybrid and "
        f"{count['CTCF'][1]} genuine; of the {len(max_)} of the MAX networks, {count['MAX'][0]} are hybrid and "
        f"{count['MAX'][1]} genuine. A self-complementary motif costs the sites of CTCF's hybrids "
        f"{lost.min():.1%} to {lost.max():.1%} of their information, those of MAX's genuine filters at most "
        f"{kept.max():.1%}."
    )


def number_of_sites(table):
    """Verdict and loss of the most palindromic filter of every real CTCF network, by the number of sites asked for."""
    positives = rcviz.SequenceSet.from_fasta(WINDOWS / "CTCF.positives.fa.gz")
    rows = []
    for (architecture, seed), network in table[table["factor"] == "CTCF"].groupby(["architecture", "seed"]):
        best = network.loc[network["palindromicity"].idxmax(), "filter"]
        bank = rcviz.filter_bank(rcviz.load_model(RUNS / f"real_CTCF_{architecture}_{seed}.safetensors"))
        for top in (100, 500, 2000, len(positives)):
            found = palindromes(bank, positives, filters=[best], top=top).table.iloc[0]
            row = {
                "architecture": architecture,
                "seed": seed,
                "filter": best,
                "palindromicity": found["palindromicity"],
            }
            rows.append({**row, "n_sites": found["n_sites"], "verdict": found["verdict"], "loss": found["loss"]})
    return pd.DataFrame(rows)


def sites_summary(table):
    """How many networks' filters get which verdict, and the range of losses, by the number of sites."""
    groups = table.groupby("n_sites")
    columns = {
        verdict: groups["verdict"].agg(lambda v, verdict=verdict: (v == verdict).sum())
        for verdict in ("genuine", "hybrid")
    }
    limits = {
        name: groups["loss"].agg(how).map("{:.3f}".format)
        for name, how in (("smallest loss", "min"), ("largest loss", "max"))
    }
    return pd.DataFrame({**columns, **limits}).rename_axis("sites").astype(object)


def main(parts):
    torch.set_num_threads(1)
    for part in parts:
        architectures = ["standard"] if part == "simulated" else list(ARCHITECTURES)
        runs = []
        for seed in SEEDS:
            for factor in MOTIFS:
                for architecture in architectures:
                    runs.append(run(part, factor, architecture, seed))
                    print(part, factor, architecture, seed, flush=True)
        table = pd.concat(runs).sort_values(["factor", "architecture", "seed", "rank"])
        OUT.mkdir(parents=True, exist_ok=True)
        table.to_csv(OUT / ("simulated.csv" if part == "simulated" else "real_windows.csv"), index=False)
        if part == "real":
            number_of_sites(table).to_csv(OUT / "number_of_sites.csv", index=False, float_format="%.4g")
        print(summary(table))


if __name__ == "__main__":
    main(sys.argv[1:] or ["simulated", "real"])
