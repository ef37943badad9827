"""Tomtom against an independent implementation, memelite.

Its code is compiled for about a minute of processor time where it has no cache. So ``python
tests/motifs/test_memelite.py``, a part of ``make soak``, compares all pairs, and writes some of memelite's results to
``memelite.npz``, with which the test compares.
"""

import functools
import warnings
from pathlib import Path

import numpy as np

from rcviz.analysis.filters import weights_as_motif
from rcviz.motifs.bundled import read_collection
from rcviz.motifs.tomtom import tomtom

RNG = np.random.default_rng(0)


def random_motifs(n, widths, concentration):
    return [RNG.dirichlet([concentration] * 4, RNG.integers(*widths)).T for _ in range(n)]


def one_hot_motifs(n, widths):
    return [np.eye(4)[:, RNG.integers(0, 4, RNG.integers(*widths))] for _ in range(n)]


def filters(n, width):
    return [weights_as_motif(weights).probabilities for weights in RNG.normal(size=(n, 4, width))]


@functools.cache
def sets():
    """Queries and targets, by name."""
    jaspar = [motif.probabilities for motif in read_collection("JASPAR2024")]
    encode = [motif.probabilities for motif in read_collection("ENCODE")]
    uniform = [np.full((4, width), 0.25) for width in range(1, 20)]
    return {
        "known motifs": (jaspar[::9], jaspar),
        "motifs of another collection": (encode, jaspar),
        "64 filters": (filters(64, 19), jaspar),
        "sharp": (random_motifs(20, (1, 31), 0.05), random_motifs(60, (1, 31), 0.05)),
        "of every kind": (random_motifs(20, (1, 31), 0.5), random_motifs(60, (1, 31), 0.5)),
        "flat": (random_motifs(20, (1, 31), 20), random_motifs(60, (1, 31), 20)),
        # From 2 on: against one-hot targets, memelite has other p-values of single columns than test_tomtom.py has
        # by hand (0.44 instead of 0.94 for A among A and T at two positions).
        "consensus sequences": (one_hot_motifs(20, (2, 21)), one_hot_motifs(60, (1, 21))),
        "consensus sequences and known motifs": (one_hot_motifs(20, (1, 21)), jaspar),
        "without information": (uniform, jaspar),
        "wide queries": (random_motifs(3, (60, 121), 0.5), jaspar[:100]),
        "wide targets": (random_motifs(3, (2, 31), 0.5), random_motifs(30, (60, 201), 0.5)),
    }


REFERENCE = Path(__file__).with_name("memelite.npz")
PARTS = ("p_value", "offset", "overlap", "reverse")


def step(name):
    """Of the pairs of a set, every n-th is in the file, so that it is small."""
    queries, targets = sets()[name]
    return 1 + len(queries) * len(targets) // 2000


def compare(name, p_value, offset, overlap, reverse, ours):
    """Compare results with memelite's, all as flat arrays."""
    np.testing.assert_allclose(ours["p_value"], p_value, rtol=1e-9, atol=0, err_msg=name)
    # Of equal scores we take the largest overlap, then the strand as given; memelite has other rules.
    assert (ours["overlap"] >= overlap)[ours["reverse"] == reverse].all(), name
    if name in ("known motifs", "64 filters", "of every kind"):
        same = (ours["offset"] == -offset) & (ours["reverse"] == reverse)
        assert same.mean() > 0.8, name


def computed(name, every=1):
    """Our results of a set, as flat arrays."""
    result = tomtom(*sets()[name])
    return {part: getattr(result, part).ravel()[::every] for part in PARTS}


def test_p_values_are_those_of_memelite():
    for name in sets():
        with np.load(REFERENCE) as file:
            theirs = [file[f"{name}/{part}"] for part in PARTS]
        assert len(theirs[0]) > 50
        compare(name, *theirs, computed(name, step(name)))


def main():
    """Compare all pairs with memelite itself, and write some of its results for the test."""
    from memelite import tomtom as by_memelite

    reference = {}
    for name, (queries, targets) in sets().items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of numba, about the threading layer
            p_value, _, offset, overlap, reverse = (part.ravel() for part in by_memelite(queries, targets, n_jobs=1))
        compare(name, p_value, offset, overlap, reverse, computed(name))
        parts = {
            "p_value": p_value,
            "offset": offset.astype("i2"),
            "overlap": overlap.astype("i2"),
            "reverse": reverse.astype("?"),
        }
        reference |= {f"{name}/{part}": values[:: step(name)] for part, values in parts.items()}
        print(f"{name}: {len(p_value)} pairs", flush=True)
    np.savez_compressed(REFERENCE, **reference)


if __name__ == "__main__":
    main()
