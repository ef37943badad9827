"""The paper's Figure 5 from the files themselves: one-layer networks trained on chr21's CTCF peaks, validated on chr22.

Run with ``python benchmarks/figure_5.py``; goes on where it was left (runs under runs/figure_5/). Writes
results/figure_5/: history.csv (every epoch), filters.csv (every filter: contribution, palindromicity, likeness to
CTCF_known1) and filters.png. The paper's test set, all other chromosomes, is not at hand: scores are of chr22.
"""

import time

import matplotlib as mpl
import pandas as pd
import torch
from real_windows import ACCESSIBLE, DATA, FACTORS, FASTA, ROOT

import rcviz

OUT = ROOT / "results" / "figure_5"
RUNS = ROOT / "runs" / "figure_5"
COMMAND = "python benchmarks/figure_5.py"
SEEDS = range(3)
NETWORKS = {"RC, 8 filters": ("revcomp", 8), "standard, 16": ("standard", 16), "standard, 8": ("standard", 8)}
SHOWN = 4
"""Best filters drawn of each network: as many as the paper's Figure 5c shows."""


def windows():
    peaks, relaxed = FACTORS["CTCF"]
    data = rcviz.peak_windows(
        FASTA,
        DATA / "peaks" / peaks,
        accessible=ACCESSIBLE,
        relaxed=DATA / "peaks" / relaxed,
        task_name="CTCF",
        progress=False,
    )
    return rcviz.split_by_chromosome(data, preset="chr21/chr22/rest", test=())


def trained(name, seed, splits):
    """The network and its history, trained now or in an earlier call."""
    architecture, n_filters = NETWORKS[name]
    path = RUNS / f"{architecture}_{n_filters}_{seed}.safetensors"
    if path.exists():
        return rcviz.load_model(path), rcviz.History.load(path.with_suffix(".history.json"))
    model = rcviz.build_model(rcviz.ModelConfig.one_layer(architecture, n_filters=n_filters), seed=seed)
    config = rcviz.TrainConfig.chipseq(
        positive_weight=5.0,
        augmentation="revcomp" if architecture == "standard" else "none",
        seed=seed,
        device="cpu",
    )
    RUNS.mkdir(parents=True, exist_ok=True)
    checkpoint = path.with_suffix(".checkpoint")
    history = rcviz.fit(model, splits.train, splits.valid, config, progress=False, checkpoint=checkpoint)
    history.save(path.with_suffix(".history.json"))
    rcviz.save_model(model, path)
    return model, history


def described(model, valid):
    """Every filter, best first."""
    bank = rcviz.filter_bank(model)
    positives = valid.positives()
    ranked = rcviz.filter_contributions(model, valid).table[["filter", "score"]].assign(rank=range(1, len(bank) + 1))
    judged = rcviz.palindromes(bank, positives).table[["filter", "palindromicity", "verdict"]]
    known = [rcviz.load_motif("CTCF_known1")]
    near = bank.match(known, data=positives, n_nearest=1)[["filter", "similarity", "p_value"]]
    near = near.rename(columns={"similarity": "ctcf_similarity", "p_value": "ctcf_p_value"})
    return ranked.merge(judged, on="filter").merge(near, on="filter", how="left"), bank


def main():
    torch.set_num_threads(1)
    mpl.rcParams["svg.hashsalt"] = "rcviz"
    splits = windows()
    epochs, filters, drawn, names = [], [], [], []
    for seed in SEEDS:
        for name in NETWORKS:
            started = time.perf_counter()
            model, history = trained(name, seed, splits)
            told = {"network": name, "seed": seed}
            records = history.table
            epochs.append(records.assign(**told))
            table, bank = described(model, splits.valid)
            best = records.loc[records["split"] == "valid", "auroc"].max()
            filters.append(table.assign(**told, best_valid_auroc=best))
            print(f"{name}, seed {seed}: auROC {best:.4f}, {time.perf_counter() - started:.0f} s", flush=True)
            if seed == SEEDS[0]:
                top = table["filter"].iloc[:SHOWN]
                drawn += [bank.weights[index] for index in top]
                names += [f"{name} · filter {index}" for index in top]
    OUT.mkdir(parents=True, exist_ok=True)
    for name, tables in {"history": epochs, "filters": filters}.items():
        table = pd.concat(tables, ignore_index=True).assign(command=COMMAND)
        first = ["network", "seed"]
        table[first + [c for c in table if c not in first]].to_csv(
            OUT / f"{name}.csv", index=False, float_format="%.5g"
        )
    ax = rcviz.plot_filters(drawn, names=names, columns=SHOWN, share_scale="none")
    ax.figure.savefig(OUT / "filters.png", dpi=150)
    top = pd.concat(filters).query("rank <= @SHOWN")
    print(pd.crosstab(top["network"], top["verdict"]))


if __name__ == "__main__":
    main()
