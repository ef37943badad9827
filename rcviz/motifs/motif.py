"""A motif as a position weight matrix: consensus, information content, sampling and scanning."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rcviz._core.checks import (
    as_numbers,
    base_columns,
    check_real,
    check_text,
    check_whole,
    generator_of,
    improper_column,
    shown,
)
from rcviz._core.shapes import Float, Float64, UInt8
from rcviz.motifs.scan import best_hits
from rcviz.sequences.alphabet import BASES, as_codes, reverse_complement

if TYPE_CHECKING:
    import pandas as pd

_SUM_TOLERANCE = 1e-5
_ROUNDING = 1e-12
_BITS_OF_THE_STRONGEST_COLUMN = 1.5
_TWO_BASES = {"AG": "R", "CT": "Y", "CG": "S", "AT": "W", "GT": "K", "AC": "M"}


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Motif:
    """A position weight matrix with a name.

    Parameters
    ----------
    name : str
    probabilities : array (4, width), or DataFrame of positions with columns A, C, G and T
        Probability of A, C, G and T at each position. Columns must sum to 1, but for rounding to two decimals, and
        are normalised to sum to exactly 1; the array is a read-only copy.
    alternative_name : str, optional
        Second name, as in collections (JASPAR: the factor of a matrix ID).

    Raises
    ------
    ValueError
        When the matrix has another shape, a value outside [0, 1], or a column that does not sum to 1.

    Notes
    -----
    Motifs are equal if their names and probabilities are; they can be dictionary keys.

    Examples
    --------
    >>> import rcviz
    >>> motif = rcviz.Motif("GATA", rcviz.one_hot(["GATA"])[0])
    >>> motif.reverse_complement().consensus
    'TATC'
    >>> motif.scan(["CCTATCCC"])[["start", "strand"]].values.tolist()
    [[2, '-']]
    >>> rcviz.decode(motif.sample(2, seed=0))
    ['GATA', 'GATA']
    """

    name: str
    probabilities: Float64[np.ndarray, "4 width"]
    alternative_name: str = ""

    def __init__(self, name: str, probabilities: Any, alternative_name: str = "") -> None:
        check_text("the name of a motif", name)
        check_text("the alternative name of a motif", alternative_name)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "probabilities", _checked_probabilities(name, probabilities))
        object.__setattr__(self, "alternative_name", alternative_name)

    def __repr__(self) -> str:
        return f"Motif({self.name!r}, width={self.width}, consensus={self.consensus!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Motif):
            return NotImplemented
        same_names = (self.name, self.alternative_name) == (other.name, other.alternative_name)
        return same_names and np.array_equal(self.probabilities, other.probabilities)

    def __hash__(self) -> int:
        return hash((self.name, self.alternative_name, self.probabilities.tobytes()))

    @property
    def width(self) -> int:
        """Number of positions."""
        return int(self.probabilities.shape[1])

    @property
    def consensus(self) -> str:
        """IUPAC consensus by Cavener's rule (1987), as TRANSFAC and JASPAR use it.

        The letter is a single base if that has more than half of the probability and more than twice that of the
        next; else the code of the two most likely bases if they have more than three quarters; else N.
        """
        letters = []
        for column in self.probabilities.T:
            first, second = np.argsort(-column, kind="stable")[:2]
            if min(column[first] - 0.5, column[first] - 2 * column[second]) > _ROUNDING:
                letters.append(BASES[first])
            elif column[first] + column[second] - 0.75 > _ROUNDING:
                letters.append(_TWO_BASES["".join(sorted(BASES[first] + BASES[second]))])
            else:
                letters.append("N")
        return "".join(letters)

    def information_content(self, background: Any = 0.25) -> Float64[np.ndarray, " width"]:
        """Relative entropy to the background at each position.

        Parameters
        ----------
        background : 0.25 or array (4,)
            Probabilities of A, C, G and T outside the motif.

        Returns
        -------
        float64 array (width,)
            In bits; between 0 and 2 for the uniform background.
        """
        q = _checked_background(background)[:, None]
        p = self.probabilities
        ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
        information: np.ndarray = (p * np.log2(ratio)).sum(axis=0)
        return information.clip(min=0)  # rounding can give -1e-16 where a column equals the background

    def log_odds(self, background: Any = 0.25, *, pseudocount: float | int = 0.01) -> Float64[np.ndarray, "4 width"]:
        """Return the score of each base at each position, for scanning.

        Parameters
        ----------
        background : 0.25 or array (4,)
        pseudocount : float
            Weight of the background that is mixed into every column, ``(p + pseudocount * q) / (1 + pseudocount)``,
            so that a base of probability 0 scores about ``log2(pseudocount)`` bits and not minus infinity.

        Returns
        -------
        float64 array (4, width)
            In bits, finite.
        """
        q = _checked_background(background)[:, None]
        check_real("pseudocount", pseudocount)
        if not 0 < pseudocount < np.inf:
            raise ValueError(
                f"pseudocount must be positive and finite, got {pseudocount}: zero would give infinite scores"
            )
        smoothed = (self.probabilities + pseudocount * q) / (1 + pseudocount)
        scores: np.ndarray = np.log2(smoothed / q)
        return scores

    def reverse_complement(self) -> "Motif":
        """Return the reverse complement of the motif, with the same names."""
        return Motif(self.name, reverse_complement(self.probabilities), self.alternative_name)

    def sample(self, n: int, *, seed: int | np.integer | np.random.Generator) -> UInt8[np.ndarray, "n width"]:
        """Draw instances, each position independently.

        Parameters
        ----------
        n : int
        seed : int or numpy Generator

        Returns
        -------
        uint8 array (n, width)
        """
        check_whole("n", n, 0)
        rng = generator_of(seed)
        cumulative = self.probabilities.cumsum(axis=0)
        # Dividing by the total ensures that a last base of probability zero is never drawn.
        thresholds = cumulative[:3] / cumulative[3]
        draw = rng.random((n, self.width))
        codes = np.zeros((n, self.width), dtype=np.uint8)
        for threshold in thresholds:
            codes += draw >= threshold
        return codes

    def scan(self, codes: Any) -> "pd.DataFrame":
        """Find the best hit in each sequence, on both strands.

        Parameters
        ----------
        codes : sequences of one length: uint8 codes (n, length), list of str, one-hot or SequenceSet

        Returns
        -------
        DataFrame, one row per sequence
            ``score`` in bits by :meth:`log_odds` against the uniform background, with 0 for an unknown base;
            ``start``, the leftmost position of the hit on the given sequence, 0-based;
            ``strand``, "+" or "-". Ties: the leftmost hit, then the forward strand.

        Raises
        ------
        ValueError
            When the motif is wider than the sequences.
        """
        import pandas as pd

        codes = as_codes(codes)
        if self.width > codes.shape[1]:
            raise ValueError(
                f"motif {self.name!r} is {self.width} bp wide but the sequences have {codes.shape[1]} bp: "
                f"scan longer sequences or a narrower motif"
            )
        score, start, reverse = best_hits(codes, self.log_odds())
        return pd.DataFrame({"score": score, "start": start, "strand": np.where(reverse, "-", "+")})


def listed_motifs(what: str, motifs: Any) -> list[Motif]:
    """Return Motifs, or one, as a list.

    Raises
    ------
    ValueError
        When these are no Motifs.
    """
    is_one = isinstance(motifs, Motif | str | bytes) or hasattr(motifs, "columns") or not isinstance(motifs, Iterable)
    listed = [motifs] if is_one else list(motifs)
    for motif in listed:
        if isinstance(motif, Motif):
            continue
        fix = "make one with rcviz.Motif(name, probabilities)"
        if isinstance(motif, str):
            fix = "load a motif by its name with rcviz.load_motif"
        elif hasattr(motif, "columns"):
            fix = '[rcviz.load_motif(name) for name in table["name"]] loads those that a table names'
        raise ValueError(f"{what} must be Motifs, got {type(motif).__name__}: {fix}")
    return listed


def normalise_columns(probabilities: Float64[np.ndarray, "4 width"]) -> Float64[np.ndarray, "4 width"]:
    """Divide columns by their sums; columns that already sum to 1 are not changed, not even in the last bit.

    So a motif that is written and read again is equal to the original.
    """
    sums = probabilities.sum(axis=0)
    return np.where(np.abs(sums - 1) > _ROUNDING, probabilities / sums, probabilities)


def _checked_probabilities(name: str, probabilities: Any) -> np.ndarray:
    if hasattr(probabilities, "columns"):
        probabilities = probabilities[base_columns(probabilities.columns)[0]].T
    p = as_numbers(f"motif {name!r}: probabilities (4, width)", probabilities)
    if p.ndim != 2 or p.shape[0] != len(BASES) or p.shape[1] == 0:
        fix = ": bases are last; use probabilities.T" if p.ndim == 2 and p.shape[1] == len(BASES) else ""
        raise ValueError(f"motif {name!r}: expected probabilities (4, width), got {p.shape}{fix}")
    wrong = improper_column(p)
    if wrong is not None:
        raise ValueError(f"motif {name!r}: {wrong[1]}")
    p = normalise_columns(p) + 0.0  # turns -0.0, which is equal to 0.0 but has another hash, into 0.0
    p.flags.writeable = False
    return p


def _checked_background(background: Any) -> np.ndarray:
    q = as_numbers("background", background)
    if q.ndim == 0:
        q = np.full(len(BASES), float(q))
    if q.shape != (len(BASES),) or not np.all(q > 0) or abs(q.sum() - 1) > _SUM_TOLERANCE:
        raise ValueError(
            f"background must be 0.25 or four positive probabilities of A, C, G and T that sum to 1, got "
            f"{shown(background)}"
        )
    return q


def weights_as_motif(weights: Float[np.ndarray, "4 width"], name: str = "weights") -> Motif:
    """Make probabilities proportional to ``exp(scale * weight)``, with 1.5 bits in the strongest column.

    It has less only where the two preferred bases of every column have nearly equal weights, which leaves 1 bit.
    """

    def scaled(scale: float) -> Motif:
        powers = np.exp(scale * (weights - weights.max(axis=0)))
        return Motif(name, powers / powers.sum(axis=0))

    largest = float(np.ptp(weights, axis=0).max())
    if largest == 0:
        return scaled(0.0)
    # 1.5 bits need a lead of about 3 in the exponent; at 100, 3% of the weights' range is such a lead.
    low, high = 0.0, 100 / largest
    for _ in range(60):
        middle = (low + high) / 2
        enough = scaled(middle).information_content().max() > _BITS_OF_THE_STRONGEST_COLUMN
        low, high = (low, middle) if enough else (middle, high)
    return scaled(low)
