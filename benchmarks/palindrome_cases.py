"""Filters of known truth, with the sequences that they are judged on.

The motifs of JASPAR 2024 fall into families, and the families into two halves that share none: thresholds are chosen on
one half, the other one judges them. Motifs that repeat themselves, such as CCCCCC, are left out.
"""

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

import rcviz
from rcviz.motifs.bundled import read_collection
from rcviz.motifs.palindromicity import palindromicity

DEVELOPMENT, TEST = 0, 1
KINDS = ("ordinary", "genuine", "hybrid")
LOW_COMPLEXITY = ("TA", "CpG", "GC", "poly-A", "repeats")

# Palindromicity of the probabilities less 1/4; motifs in between are neither and left out.
LEAST_PALINDROMIC = 0.9
MOST_ORDINARY = 0.5
LEAST_INFORMATION = 8.0  # bits; what is weaker cannot be found in 100 bp
MOST_REPEATED = 0.75  # of the consensus's letters, equal to those 1 to 4 positions on
FAMILY = 0.7  # average similarity within a family
WIDTHS = (15, 21)  # of the paper's filters
LENGTH = 100
N_SEQUENCES = 2000
BACKGROUND = (0.3, 0.2, 0.2, 0.3)


@lru_cache(maxsize=1)
def motif_table():
    """Motifs of at least 8 bits that fit a filter and do not repeat themselves: kind, family, half."""
    motifs = [m for m in read_collection("JASPAR2024") if m.width <= max(WIDTHS)]
    motifs = [m for m in motifs if m.information_content().sum() >= LEAST_INFORMATION]
    score = np.array([palindromicity(m.probabilities - 0.25).score for m in motifs])
    kind = np.select(
        [score >= LEAST_PALINDROMIC, score <= MOST_ORDINARY], ["palindromic", "non-palindromic"], "ambiguous"
    )
    family = fcluster(linkage(squareform(1 - similarity(motifs), checks=False), "average"), 1 - FAMILY, "distance")
    half = np.random.default_rng(0).permutation(family.max() + 1)[family] % 2
    columns = {"name": [m.name for m in motifs], "factor": [m.alternative_name for m in motifs], "motif": motifs}
    table = pd.DataFrame({**columns, "palindromicity": score, "kind": kind, "family": family, "half": half})
    return table[[not repeats_itself(motif) for motif in motifs]]


def repeats_itself(motif):
    """Whether three quarters of the letters of the consensus are those one to four positions on."""
    letters = np.array(list(motif.consensus.strip("N")))
    shares = [
        ((letters[:-distance] == letters[distance:]) & (letters[distance:] != "N")).mean()
        for distance in range(1, min(4, len(letters) // 2) + 1)
    ]
    return max(shares) >= MOST_REPEATED


def similarity(motifs):
    """Cosine of the probabilities less 1/4 at the best alignment on either strand."""
    padded = np.zeros((2, len(motifs), 4, 2 * max(WIDTHS)))
    for i, motif in enumerate(motifs):
        for strand, matrix in enumerate((motif.probabilities, rcviz.reverse_complement(motif.probabilities))):
            padded[strand, i, :, : motif.width] = matrix - 0.25
    spectra = np.fft.rfft(padded)
    size = np.sqrt((padded[0] ** 2).sum(axis=(1, 2)))
    cosines = np.empty((len(motifs), len(motifs)))
    for i in range(len(motifs)):
        products = np.fft.irfft((spectra[0, i].conj() * spectra).sum(axis=2), padded.shape[-1])
        cosines[i] = products.max(axis=(0, 2)) / (size * size[i])
    cosines = np.maximum(cosines, cosines.T)
    np.fill_diagonal(cosines, 1)
    return cosines


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
    return motif, placed(weights, width, rng)


def placed(weights, width, rng):
    """A matrix anywhere in a filter, with noise."""
    filled = np.zeros((4, width))
    start = int(rng.integers(0, width - weights.shape[1] + 1))
    filled[:, start : start + weights.shape[1]] = weights
    noise = rcviz.mean_center(rng.normal(size=filled.shape))[0]
    return filled + rng.uniform(0.1, 0.4) * noise * np.linalg.norm(filled) / np.linalg.norm(noise)


def background(n, rng):
    """Sequences of 100 bp at 40% GC."""
    return rng.choice(4, size=(n, LENGTH), p=BACKGROUND).astype(np.uint8)


def with_motif(motif, n_holding, n, rng):
    """Sequences of which some hold a motif, one to three times on either strand."""
    rest = background(n - n_holding, rng)
    if not n_holding:
        return rest
    holding = rcviz.simulate_motifs((motif,), n_per_motif=n_holding, length=LENGTH, label_noise=0.0, seed=rng)
    return np.concatenate([holding.codes, rest])


def unit_of(kind, rng):
    """The bases that a repeat consists of."""
    units = {"TA": [[3, 0]], "CpG": [[1, 2]], "poly-A": [[0], [3]]}
    if kind in units:
        return units[kind][int(rng.integers(len(units[kind])))]
    while True:  # two to four bases that are no shorter unit, and none of the others
        unit = rng.integers(0, 4, int(rng.integers(2, 5))).tolist()
        if len(set(unit)) > 1 and sorted(unit) not in ([0, 3], [1, 2]) and unit[:2] != unit[2:]:
            return unit


def low_complexity(kind, n, rng):
    """A filter of a repeat or of GC content on 8 positions to all of its width, and sequences.

    Half of the times, half of the sequences hold 10 to 39 bp of the same, with a tenth of the bases at random.
    """
    width = int(rng.choice(WIDTHS))
    span = int(rng.integers(8, width + 1))
    codes, present = background(n, rng), rng.random() < 0.5
    unit = None if kind == "GC" else unit_of(kind, rng)
    if unit is None:
        hump = np.exp(-0.5 * ((np.arange(span) - (span - 1) / 2) / (span / 4)) ** 2)
        weights = np.array([-1.0, 1, 1, -1])[:, None] * (hump if rng.random() < 0.5 else np.ones(span))
    else:
        weights = rcviz.one_hot(repeated(unit, span, rng)[None], dtype="float64")[0] - 0.25
    for row in range(n // 2 if present else 0):
        length = int(rng.integers(10, 40))
        filling = rng.choice(4, size=length, p=[0.15, 0.35, 0.35, 0.15])
        if unit is not None:
            filling = np.where(rng.random(length) < 0.1, rng.integers(0, 4, length), repeated(unit, length, rng))
        start = int(rng.integers(0, LENGTH - length + 1))
        codes[row, start : start + length] = filling
    return placed(weights, width, rng), codes


def repeated(unit, length, rng):
    return np.resize(np.roll(unit, int(rng.integers(len(unit)))), length).astype(np.uint8)


def case(truth, seed, *, half, share=0.5, n=N_SEQUENCES, negatives=False):
    """A filter of known truth as a bank of one, its sequences, and the name of its motif.

    Parameters
    ----------
    truth : str
        One of ``KINDS`` or ``LOW_COMPLEXITY``, "ambiguous", or "inactive": any of ``KINDS`` with a bias that no
        sequence overcomes.
    share : float
        Share of the sequences that hold the motif.
    negatives : bool
        Label these sequences negative, and add as many positives without the motif.
    """
    numbers = [half, seed, int(1000 * share), negatives, n]
    rng = np.random.default_rng([*numbers, *truth.encode()])
    labels, bias = None, 0.0
    if truth in LOW_COMPLEXITY:
        name, (weights, codes) = truth, low_complexity(truth, n, rng)
    else:
        motif, weights = drawn_filter(KINDS[seed % 3] if truth == "inactive" else truth, half, rng)
        name, codes = motif.name, with_motif(motif, round(share * n), n, rng)
        if truth == "inactive":
            bias = -1.01 * float(weights.max(axis=0).sum())
        if negatives:
            codes, labels = np.concatenate([codes, background(n, rng)]), np.repeat([0.0, 1.0], n)
    bank = rcviz.FilterBank(weights[None], np.array([bias]), "drawn", False)
    return bank, rcviz.SequenceSet(codes, labels), name
