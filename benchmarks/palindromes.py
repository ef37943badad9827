"""Filters of known truth: how often is the verdict of ``rcviz.palindromes`` right?

The motifs of JASPAR 2024 fall into families, and the families into two halves that share none. The method was
developed on the first half; the second one, with other seeds, judges it. ``python benchmarks/palindromes.py`` draws
200 filters of the second half and writes benchmarks/results/palindromes/filters.csv and confusion.csv.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

import rcviz
from rcviz.analysis.palindromes import palindromes
from rcviz.motifs.bundled import read_collection
from rcviz.motifs.palindromicity import palindromicity

OUT = Path(__file__).parent / "results" / "palindromes"
RIGHT = {"ordinary": "none", "genuine": "genuine", "hybrid": "hybrid"}
DEVELOPMENT, TEST = 0, 1
N_FILTERS = 200

# Palindromicity of the probabilities less 1/4; motifs in between are neither and left out.
LEAST_PALINDROMIC = 0.9
MOST_ORDINARY = 0.5
LEAST_INFORMATION = 8.0  # bits; what is weaker cannot be found in 100 bp
FAMILY = 0.7  # average similarity within a family
WIDTHS = (15, 21)  # of the paper's filters
LENGTH = 100


@lru_cache(maxsize=1)
def motif_table():
    """Motifs of at least 8 bits that fit a filter: kind, family, half half."""
    motifs = [m for m in read_collection("JASPAR2024") if m.width <= max(WIDTHS)]
    motifs = [m for m in motifs if m.information_content().sum() >= LEAST_INFORMATION]
    score = np.array([palindromicity(m.probabilities - 0.25).score for m in motifs])
    kind = np.select(
        [score >= LEAST_PALINDROMIC, score <= MOST_ORDINARY], ["palindromic", "non-palindromic"], "ambiguous"
    )
    family = fcluster(linkage(squareform(1 - similarity(motifs), checks=False), "average"), 1 - FAMILY, "distance")
    half = np.random.default_rng(0).permutation(family.max() + 1)[family] % 2
    columns = {"name": [m.name for m in motifs], "factor": [m.alternative_name for m in motifs], "motif": motifs}
    return pd.DataFrame({**columns, "palindromicity": score, "kind": kind, "family": family, "half": half})


def similarity(motifs):
    """Cosine of the probabilities less 1/4 at the best alignment on either strand."""
    padded = np.zeros((2, len(motifs), 4, 2 * max(WIDTHS)))
    for i, motif in enumerate(motifs):
        for strand, matrix in enumerate((motif.probabilities, rcviz.reverse_complement(motif.probabilities))):
            padded[strand, i, :, : motif.width] = matrix - 0.25
    spectra = np.fft.rfft(padded)
    size = np.sqrt((padded[0] ** 2).sum(axis=(1, 2)))
    found = np.empty((len(motifs), len(motifs)))
    for i in range(len(motifs)):
        products = np.fft.irfft((spectra[0, i].conj() * spectra).sum(axis=2), padded.shape[-1])
        found[i] = products.max(axis=(0, 2)) / (size * size[i])
    found = np.maximum(found, found.T)
    np.fill_diagonal(found, 1)
    return found


def drawn_filter(truth, half, rng):
    """A motif and a filter that detects it, as trained networks have them.

    The log-odds of a motif anywhere in the filter, or the two strands of it superposed, the stronger one holding 50 to
    65%, on any span that the filter has room for and where at least four columns overlap; and noise of 10 to 40% of
    the filter's norm.
    """
    kind = {"genuine": "palindromic", "ambiguous": "ambiguous"}.get(truth, "non-palindromic")
    table = motif_table()
    pool = table[(table["kind"] == kind) & (table["half"] == half)]
    family = rng.choice(pool["family"].unique())
    motif = rng.choice(pool.loc[pool["family"] == family, "motif"].to_numpy())
    width = int(rng.choice([w for w in WIDTHS if w >= motif.width]))
    weights = rcviz.mean_center(motif.log_odds(pseudocount=0.1))[0]
    if truth == "hybrid":
        span = int(rng.integers(motif.width, min(width, 2 * motif.width - 4) + 1))
        strong = rng.uniform(0.5, 0.65)
        both = np.zeros((4, span))
        both[:, : motif.width] += strong * weights
        both[:, span - motif.width :] += (1 - strong) * rcviz.reverse_complement(weights)
        weights = both
    placed = np.zeros((4, width))
    start = int(rng.integers(0, width - weights.shape[1] + 1))
    placed[:, start : start + weights.shape[1]] = weights
    noise = rcviz.mean_center(rng.normal(size=placed.shape))[0]
    placed += rng.uniform(0.1, 0.4) * noise * np.linalg.norm(placed) / np.linalg.norm(noise)
    return motif, placed


def drawn_sequences(motif, rng, *, n_holding=500, n_background=500):
    """Sequences of 100 bp at 40% GC that hold the motif, one to three times on either strand, and such that do not."""
    holding = rcviz.simulate_motifs((motif,), n_per_motif=n_holding, length=LENGTH, label_noise=0.0, seed=rng)
    background = rng.choice(4, size=(n_background, LENGTH), p=[0.3, 0.2, 0.2, 0.3]).astype(np.uint8)
    return np.concatenate([holding.codes, background])


def judged(seed, *, truth=None, half=TEST, **numbers):
    """Return one filter of known truth with its verdict; truths take turns unless one is given."""
    truth = truth or tuple(RIGHT)[seed % len(RIGHT)]
    rng = np.random.default_rng([half, seed])
    motif, weights = drawn_filter(truth, half, rng)
    bank = rcviz.FilterBank(weights[None], np.zeros(1), "drawn", False)
    sequences = drawn_sequences(motif, rng, **numbers)
    found = palindromes(bank, sequences).table.drop(columns="filter").iloc[0].to_dict()
    drawn = {"seed": seed, "truth": truth, "motif": motif.name, "factor": motif.alternative_name}
    return {**drawn, "consensus": motif.consensus, "width": weights.shape[1], **found}


def harder():
    """Share named right of 60 other filters for each condition: how many sequences hold the motif, how many do not."""
    rows = []
    for n_holding, n_background in ((1000, 0), (500, 500), (200, 800), (100, 900), (50, 50), (25, 25), (2000, 0)):
        numbers = {"n_holding": n_holding, "n_background": n_background}
        filters = pd.DataFrame([judged(seed, **numbers) for seed in range(1000, 1060)])
        right = filters["truth"].map(RIGHT) == filters["verdict"]
        rows.append({**numbers, **right.groupby(filters["truth"]).mean()[list(RIGHT)], "all": right.mean()})
    return pd.DataFrame(rows)


def confusion(filters):
    """Truths by verdicts."""
    table = pd.crosstab(filters["truth"], filters["verdict"])
    return table.reindex(index=list(RIGHT), columns=list(RIGHT.values()), fill_value=0)


def share_right(filters):
    return float((filters["truth"].map(RIGHT) == filters["verdict"]).mean())


def harder_summary(table):
    shares = table[[*RIGHT, "all"]].map("{:.0%}".format)
    counts = table[["n_holding", "n_background"]].set_axis(["with the motif", "without"], axis=1)
    return counts.join(shares).set_index("with the motif")


def as_markdown(table):
    """A table for the documents."""
    head = [*(name or "" for name in table.index.names), *table.columns]
    rows = [[index, *values] for index, values in zip(table.index, table.to_numpy().tolist(), strict=True)]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in [head, ["---"] * len(head), *rows])


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    filters = pd.DataFrame([judged(seed) for seed in range(N_FILTERS)])
    filters.to_csv(OUT / "filters.csv", index=False, float_format="%.4g")
    confusion(filters).to_csv(OUT / "confusion.csv")
    print(as_markdown(confusion(filters)), f"{share_right(filters):.1%} right", sep="\n")
    between = pd.DataFrame([judged(seed, truth="ambiguous") for seed in range(2000, 2060)])
    between.to_csv(OUT / "ambiguous.csv", index=False, float_format="%.4g")
    print(between["verdict"].value_counts())
    harder().to_csv(OUT / "harder.csv", index=False, float_format="%.3f")


if __name__ == "__main__":
    main()
