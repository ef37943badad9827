"""Sites beyond chance: the best activations of sequences against those of the same sequences, shuffled."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from rcviz.genome.negatives import dinucleotide_shuffle

FEWEST_SHUFFLED = 4000
MOST_SHUFFLED = 5000
_FEWEST_AT_A_THRESHOLD = 10
_EVIDENT_Z = 4.0


@dataclass(frozen=True)
class Excess:
    """How many sequences hold a stronger site than chance explains.

    Attributes
    ----------
    certainty : ndarray (N,)
        Probability of each sequence's best site not to be there by chance, from 0 to 1; it does not fall with the
        activation.
    z : float
        Largest excess of sequences above any activation, in standard deviations.
    """

    certainty: Float[np.ndarray, " sequences"]
    z: float

    @property
    def n_sites(self) -> float:
        """Expected number of sequences whose best site is not there by chance."""
        return float(self.certainty.sum())

    @property
    def is_evident(self) -> bool:
        """Whether chance is not an explanation: 4 standard deviations."""
        return self.z >= _EVIDENT_Z


def shuffled_sequences(codes: UInt8[np.ndarray, "n length"], seed: int) -> UInt8[np.ndarray, "m length"]:
    """Shuffle sequences with their dinucleotides kept: between 4,000 and 5,000, each sequence about equally often."""
    rng = np.random.default_rng(seed)
    repeats = -(-FEWEST_SHUFFLED // len(codes))
    rows = rng.permutation(np.tile(np.arange(len(codes)), repeats))[:MOST_SHUFFLED]
    shuffled: np.ndarray = dinucleotide_shuffle(codes[rows], seed=rng)
    return shuffled


def excess_over_chance(activations: Float[np.ndarray, " sequences"], chance: Float[np.ndarray, " shuffled"]) -> Excess:
    """Compare the best activations of sequences with those of shuffled sequences.

    The probability that a sequence of a given activation is not a shuffled one is estimated by isotonic regression on
    both together; what the density of the shuffled ones explains is chance (a local false discovery rate, with no
    share of true sites assumed).
    """
    from scipy.optimize import isotonic_regression

    n, m = len(activations), len(chance)
    order = np.argsort(-np.concatenate([activations, chance]), kind="stable")
    share = np.empty(n + m)
    share[order] = isotonic_regression((order < n).astype(np.float64), increasing=False).x
    share = np.minimum(share[:n], 1 - 0.5 / m)
    with np.errstate(divide="ignore"):
        certainty = np.clip(1 - (1 - share) / share * n / m, 0, 1)
    counts = np.arange(1, n + 1)
    above = m - np.searchsorted(np.sort(chance), np.sort(activations)[::-1], side="left")
    expected = above * (n / m)
    z = (counts - expected) / np.sqrt(np.maximum(expected, 1) * (1 + n / m))
    return Excess(certainty, float(z[_FEWEST_AT_A_THRESHOLD - 1 :].max(initial=0.0)))
