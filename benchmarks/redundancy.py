"""Which filters of the paper's networks are one motif learned several times, for docs/explanation/redundant_filters.md.

    python benchmarks/redundancy.py

The networks are those of Figure 5, trained on CTCF with ten seeds each; the weights of their first layer are in
paper/results/fig5_filters.csv.gz (`python -m paper fig5` makes that). Writes the table of the page; a test compares
the two.
"""

import statistics
from pathlib import Path

import numpy as np
import pandas as pd
from tables import filled, table

import rcviz

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "explanation" / "redundant_filters.md"
RESULTS = ROOT / "paper" / "results"
ARMS = ("RC, 8 filters", "standard, 16 filters", "standard, 8 filters")
THRESHOLDS = (0.6, 0.7, 0.8)
N_SHUFFLED = 5


def banks():
    """The filters of every network: its arm, the bank, and the rows of its filters in the table of Figure 5."""
    runs = pd.read_csv(RESULTS / "fig5_runs.csv.gz")
    shared = set(runs.loc[runs["strategy"] == "shared", "run"])
    for run, rows in pd.read_csv(RESULTS / "fig5_filters.csv.gz").groupby("run"):
        rows = rows.sort_values("filter")
        weights = rows.filter(regex=r"^[ACGT]\d+$").to_numpy().reshape(len(rows), 4, -1)
        bank = rcviz.FilterBank(weights, np.zeros(len(rows)), "conv1", tied=run in shared)
        yield f"{'RC' if run in shared else 'standard'}, {len(bank)} filters", bank, rows


def shuffled(bank, seed):
    """The same filters with their columns in random order."""
    rng = np.random.default_rng(seed)
    weights = np.stack([each[:, rng.permutation(bank.width)] for each in bank.weights])
    return rcviz.FilterBank(weights, bank.bias, bank.layer, tied=bank.tied)


def rows_of_networks():
    """One row for each network."""
    rows = []
    for arm, bank, filters in banks():
        scores, of_ctcf = (filters[name].to_numpy() for name in ("score", "ctcf_similarity"))
        found = {threshold: rcviz.filter_similarity(bank, threshold=threshold) for threshold in THRESHOLDS}
        chance = [rcviz.filter_similarity(shuffled(bank, seed)).redundant.mean() for seed in range(N_SHUFFLED)]
        usual = found[0.7]
        rows.append(
            {
                "arm": arm,
                "filters": len(bank),
                "redundant": int(usual.redundant.sum()),
                "reverse": int(usual.reverse_copies.sum()),
                "largest": int(np.bincount(usual.clusters).max()),
                "of the score": float(np.abs(scores[usual.redundant]).sum() / np.abs(scores).sum()),
                "CTCF": [*of_ctcf[usual.redundant], *of_ctcf[usual.table["copy_of"][usual.redundant]]],
                "chance": float(np.mean(chance)),
                **{threshold: float(each.redundant.mean()) for threshold, each in found.items()},
            }
        )
    return rows


def spread(values, form="{:.0%}"):
    low, middle, high = (form.format(value) for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({low} to {high})"


def shares():
    rows = rows_of_networks()
    lines = []
    for arm in ARMS:
        own = [row for row in rows if row["arm"] == arm]
        redundant, reverse = (sum(row[name] for row in own) for name in ("redundant", "reverse"))
        like = [value for row in own for value in row["CTCF"]]
        lines.append(
            [
                arm,
                len(own),
                f"{redundant} of {sum(row['filters'] for row in own)}",
                spread([row[0.7] for row in own]),
                f"{reverse} of {redundant}",
                max(row["largest"] for row in own),
                spread([row["of the score"] for row in own]),
                f"{min(like):.2f} to {max(like):.2f}" if like else "",
                *(f"{np.mean([row[threshold] for row in own]):.0%}" for threshold in (0.6, 0.8)),
                f"{np.mean([row['chance'] for row in own]):.1%}",
            ]
        )
    header = ["network", "seeds", "redundant filters", "share", "of these reverse complements", "largest cluster"]
    header += ["share of the scores", "similarity to CTCF", "at 0.6", "at 0.8", "columns shuffled"]
    return table(header, lines)


TABLES = {"shares": shares}


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(), TABLES))
