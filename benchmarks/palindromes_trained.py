"""Palindromic filters of really trained networks: what are they, and are the verdicts right where the truth is known?

Two parts, each resumed where it was left: finished runs lie under runs/palindromes/.

- ``simulated``: standard networks on sequences that hold one motif: of CTCF, GATA, ELF1 or RXRA, none of which is a
  palindrome, so that palindromic filters can only be hybrids; or of MAX, TFAP2A or TP53, which are palindromes, so that
  they can only be genuine -> benchmarks/results/palindromes_trained.json and docs/palindromes.md
- ``real``: the paper's one-layer networks on 1 kb windows of real CTCF and MAX (train chr19 and chr20, validate chr22,
  sites and contributions from chr17, chr21 and chrX) -> real_windows.csv; and what the number of
  sites has to do with the verdict -> number_of_sites.csv, all under benchmarks/results/palindromes/
"""

import json
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from palindromes import PAGE, VERDICTS, share_with_interval
from tables import filled

import rcviz
from rcviz.analysis.palindromes import palindromes

ROOT = Path(__file__).parents[1]
WINDOWS = ROOT.parent / "shared" / "data" / "windows_1kb"
RUNS = ROOT / "runs" / "palindromes"
OUT = ROOT / "benchmarks" / "results" / "palindromes"
SIMULATED = ROOT / "benchmarks" / "results" / "palindromes_trained.json"
SEEDS = {"simulated": range(1), "real": range(3)}
TOP_FILTERS = 4  # as many as Figure 5c shows
EPOCHS = {"simulated": 30, "real": 40}
RATIO = {"CTCF": 5.0, "MAX": 16.5}  # weights of positives in the paper
ARCHITECTURES = {"revcomp": (8, "none"), "standard": (16, "revcomp")}
REAL = ("CTCF", "MAX")
HYBRID = {"CTCF": "CTCF_known1", "GATA": "GATA_known6", "ELF1": "ELF1_known2", "RXRA": "RXRA_known1"}
GENUINE = {"MAX": "MA0058.4", "TFAP2A": "MA0872.1", "TP53": "MA0106.3"}
MOTIFS = HYBRID | GENUINE


@lru_cache(maxsize=1)
def simulated_parts(factor):
    """2,000 sequences of 200 bp that hold the motif and 2,000 that hold none, all at 40% GC; half are held out."""
    held = rcviz.simulate_motifs((MOTIFS[factor],), n_per_motif=2000, label_noise=0.0, seed=0).codes
    background = np.random.default_rng(1).choice(4, size=held.shape, p=[0.3, 0.2, 0.2, 0.3]).astype(np.uint8)
    labels = np.repeat([1.0, 0.0], 2000)
    return rcviz.split(rcviz.SequenceSet(np.concatenate([held, background]), labels), train=0.4, valid=0.1, test=0.5)


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


def trained(part, factor, architecture, seed):
    """Train one network, or load what an earlier call trained."""
    path = RUNS / f"{part}_{factor}_{architecture}_{seed}.safetensors"
    if path.exists():
        return rcviz.load_model(path)
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
    rcviz.save_model(model, path)
    return model


def run(part, factor, architecture, seed):
    """Judge all filters of one network."""
    data = {"simulated": simulated_parts, "real": real_parts}[part](factor)
    model = trained(part, factor, architecture, seed)
    found = palindromes(model, data.test).table
    ranked = rcviz.filter_contributions(model, data.test).table[["filter", "score"]]
    ranked = ranked.reindex(ranked["score"].abs().sort_values(ascending=False, kind="stable").index)
    ranked = ranked.assign(rank=np.arange(1, len(ranked) + 1))
    auroc = rcviz.evaluate(model, data.test)["auroc"].item()
    labels = {"factor": factor, "architecture": architecture, "seed": seed, "auroc": auroc}
    table = pd.concat([pd.DataFrame([labels] * len(found)), ranked.merge(found, on="filter")], axis=1)
    return table.round(4)


def top_filters(table):
    """The four filters of every network that contribute most, for or against."""
    return table[table["rank"] <= TOP_FILTERS]


def known_truth(table):
    """Verdicts on the top filters of simulated networks, by motif, and how many are wrong.

    A palindromic filter of a motif that is none is a hybrid, one of a palindrome is genuine; a filter may also hold one
    strand, or a part of the motif: none.
    """
    results = []
    for factor, network in table.groupby("factor", sort=False):
        verdicts = top_filters(network)["verdict"]
        right = ("none", "hybrid" if factor in HYBRID else "genuine")
        results.append(
            {
                "class": {"motif": factor, "networks": int(network["seed"].nunique())},
                "auroc": round(float(network.groupby("seed")["auroc"].first().mean()), 3),
                "right": right,
                "verdicts": {verdict: int((verdicts == verdict).sum()) for verdict in VERDICTS},
                "wrong": int((~verdicts.isin(right)).sum()),
            }
        )
    return results


def known_truth_table(results):
    """A table for the documents, with all motifs of a kind together in the last two rows."""
    head = ["motif", "networks", "test auROC", *VERDICTS, "wrong"]
    rows = [head, ["---"] * len(head)]
    for result in results:
        marked = [
            f"**{count}**" if verdict in result["right"] and count else str(count)
            for verdict, count in result["verdicts"].items()
        ]
        n, drawn = sum(result["verdicts"].values()), result["class"]
        rows.append(
            [drawn["motif"], str(drawn["networks"]), f"{result['auroc']:.3f}", *marked, f"{result['wrong']} of {n}"]
        )
    for name, kind in (("not palindromes, together", HYBRID), ("palindromes, together", GENUINE)):
        chosen = [result for result in results if result["class"]["motif"] in kind]
        wrong = sum(result["wrong"] for result in chosen)
        n = sum(count for result in chosen for count in result["verdicts"].values())
        rows.append([name, *[""] * (len(head) - 2), share_with_interval(wrong, n)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def as_markdown(table):
    """A table for the documents."""
    head = [*(name or "" for name in table.index.names), *table.columns]
    rows = [[index, *values] for index, values in zip(table.index, table.to_numpy().tolist(), strict=True)]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in [head, ["---"] * len(head), *rows])


def summary(table):
    """Verdicts of the four filters of every network that contribute most."""
    rows = []
    for (factor, architecture), runs in table.groupby(["factor", "architecture"]):
        top = top_filters(runs)
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
    top = top_filters(table)
    ctcf, max_ = (top[top["factor"] == factor] for factor in REAL)
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
            sites = found["n_sites"] if found["n_sites"] == top else "all"
            rows.append({**row, "sites": sites, "verdict": found["verdict"], "loss": found["loss"]})
    return pd.DataFrame(rows)


def sites_summary(table):
    """How many networks' filters get which verdict, and the range of losses, by the number of sites."""
    groups = table.groupby("sites", sort=False)
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
    if "simulated" in parts:
        tables = [run("simulated", factor, "standard", seed) for factor in MOTIFS for seed in SEEDS["simulated"]]
        SIMULATED.write_text(json.dumps(known_truth(pd.concat(tables)), indent=1) + "\n")
        results = json.loads(SIMULATED.read_text())
        PAGE.write_text(filled(PAGE.read_text(), {"trained": lambda: known_truth_table(results)}))
    if "real" in parts:
        cells = [(f, a, seed) for seed in SEEDS["real"] for f in REAL for a in ARCHITECTURES]
        table = pd.concat([run("real", *cell) for cell in cells])
        table = table.sort_values(["factor", "architecture", "seed", "rank"])
        table.to_csv(OUT / "real_windows.csv", index=False)
        number_of_sites(table).to_csv(OUT / "number_of_sites.csv", index=False, float_format="%.4g")
        print(summary(table))


if __name__ == "__main__":
    main(sys.argv[1:] or ["simulated", "real"])
