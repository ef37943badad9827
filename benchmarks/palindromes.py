"""Filters whose truth is known: how often is the verdict of ``rcviz.palindromes`` right?

Motifs of JASPAR 2024 fall into families, and families into two halves that share none: the method was developed on
one half and is judged on the other, with other seeds. ``python benchmarks/palindromes.py``
writes results/palindromes/.
"""

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

import rcviz
from rcviz.sequences.motifs import read_collection
from rcviz.sequences.palindromicity import palindromicity

PALINDROMIC = 0.9
ORDINARY = 0.5
FAMILY = 0.7
LEAST_INFORMATION = 8.0
WIDTHS = (15, 21)
N_SEQUENCES = 1000
LENGTH = 100


@lru_cache(maxsize=1)
def motif_table():
    """Motifs of at least 8 bits that fit a filter: kind, family, half (0 development, 1 test)."""
    motifs = [m for m in read_collection("JASPAR2024") if m.width <= max(WIDTHS)]
    motifs = [m for m in motifs if m.information_content().sum() >= LEAST_INFORMATION]
    score = np.array([palindromicity(m.probabilities - 0.25).score for m in motifs])
    kind = np.select([score >= PALINDROMIC, score <= ORDINARY], ["palindromic", "non-palindromic"], "ambiguous")
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
    """A motif and a filter that detects it, as trained networks make them: misplaced, noisy, one strand stronger."""
    kind = "palindromic" if truth == "genuine" else "non-palindromic"
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


def case(seed, half, truth):
    rng = np.random.default_rng([half, seed])
    motif, weights = drawn_filter(truth, half, rng)
    held = rcviz.simulate_motifs((motif,), n_per_motif=N_SEQUENCES // 2, length=LENGTH, label_noise=0.0, seed=rng)
    background = rng.choice(4, size=(N_SEQUENCES // 2, LENGTH), p=[0.3, 0.2, 0.2, 0.3]).astype(np.uint8)
    return motif, weights, np.concatenate([held.codes, background])
