"""Negatives where nobody measured accessible regions: windows matched on GC content, and shuffled positives."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from rcviz.genome.extraction import blocks, n_unknown
from rcviz.genome.intervals import Sieve, overlaps
from rcviz.sequences.alphabet import UNKNOWN, as_codes, gc_content

if TYPE_CHECKING:
    import pandas as pd

    from rcviz.genome.fasta import Genome

GC_BIN = 0.02
REPEAT_BIN = 0.1
_CANDIDATES_PER_NEGATIVE = 50
_SHARE_MISSED_IN_SILENCE = 0.01
_CANDIDATES_AT_LEAST = 20_000  # on each chromosome, so that rare bins of a small set are filled as well


def matched_windows(
    genome: "Genome",
    positives: "pd.DataFrame",
    *,
    n: int,
    width: int,
    avoid: "pd.DataFrame",
    match_repeats: bool,
    max_n_share: float | int,
    rng: np.random.Generator,
) -> Sieve:
    """Draw windows of the genome with the GC content of the positives on the same chromosomes.

    Parameters
    ----------
    genome : Genome
    positives : DataFrame
        ``chrom`` and ``window``, the windows to match.
    n, width : int
        How many, and of how many bp.
    avoid : DataFrame
        Intervals that no window may overlap.
    match_repeats : bool
        Match the share of soft-masked bases as well.
    max_n_share : float
    rng : numpy Generator

    Returns
    -------
    Sieve
        Candidates are tiles of each chromosome, so that no two overlap; in bins of 2% GC (and 10% repeats) as many are
        taken as positives lie there.

    Raises
    ------
    ValueError
        When repeats shall be matched and the FASTA marks none.

    Warns
    -----
    UserWarning
        When bins run out of candidates and more than 1% are missing, with their number.
    """
    import pandas as pd

    bins = _bins(genome, positives, width, match_repeats=match_repeats)
    if match_repeats and (bins["repeats"] == 0).all():
        raise ValueError(
            "negatives='gc_and_repeats_matched' needs a soft-masked genome, and no positive window has a lower-case "
            "base: take the soft-masked FASTA, or negatives='gc_matched'"
        )
    # Every positive is matched equally often; what does not divide goes to some of them, drawn.
    templates = np.concatenate(
        [np.tile(np.arange(len(bins)), n // len(bins)), rng.permutation(len(bins))[: n % len(bins)]]
    )
    wanted = bins.iloc[templates].value_counts()

    tiles = [
        _tiles(chrom, genome.lengths[chrom], width, int(wanted.loc[chrom].sum()), rng)
        for chrom in positives["chrom"].unique()
        if chrom in wanted.index.get_level_values("chrom")
    ]
    drawn = Sieve(pd.concat(tiles, ignore_index=True), width)
    drawn.drop("near_peaks", overlaps(drawn.places, avoid))
    unknown = np.concatenate([n_unknown(codes) for _, codes in blocks(genome, drawn.places, width)])
    drawn.drop("unknown_bases", unknown > max_n_share * width)

    of_tile = _bins(genome, drawn.places, width, match_repeats=match_repeats)
    keys = list(of_tile)
    rank = of_tile.groupby(keys).cumcount().to_numpy()
    quota = pd.MultiIndex.from_frame(of_tile).map(wanted.to_dict())
    drawn.drop("not_needed", ~(rank < np.nan_to_num(quota.to_numpy(dtype=float))))
    if len(drawn.places) < (1 - _SHARE_MISSED_IN_SILENCE) * n:
        warnings.warn(
            f"only {len(drawn.places):,} of {n:,} negatives could be matched: some positives have a GC content that is "
            f"rare elsewhere; ask for fewer with negatives_per_positive",
            UserWarning,
            stacklevel=3,
        )
    return drawn


def _tiles(chrom: str, length: int, width: int, n: int, rng: np.random.Generator) -> "pd.DataFrame":
    """Tiles of a chromosome from a random offset, in random order, as peaks without summit."""
    import pandas as pd

    starts = np.arange(rng.integers(0, max(1, min(width, length - width + 1))), length - width + 1, width)
    starts = rng.permutation(starts)[: max(_CANDIDATES_AT_LEAST, n * _CANDIDATES_PER_NEGATIVE)]
    return pd.DataFrame({"chrom": chrom, "start": starts, "end": starts + width, "summit": -1, "signal": np.nan})


def _bins(genome: "Genome", places: "pd.DataFrame", width: int, *, match_repeats: bool) -> "pd.DataFrame":
    """Chromosome, bin of GC content and, if asked for, bin of repeat content of each window."""
    import pandas as pd

    gc = [gc_content(codes) for _, codes in blocks(genome, places, width)]
    bins = {"chrom": places["chrom"].to_numpy(dtype=object), "gc": _bin(np.concatenate(gc), GC_BIN)}
    if match_repeats:
        masked = [block.mean(axis=1) for _, block in blocks(genome, places, width, soft_masked=True)]
        bins["repeats"] = _bin(np.concatenate(masked), REPEAT_BIN)
    return pd.DataFrame(bins)


def _bin(shares: np.ndarray, size: float) -> np.ndarray:
    return np.floor(np.nan_to_num(shares) / size + 1e-9).astype(np.int64)


def dinucleotide_shuffle(
    sequences: Any, *, seed: int | np.integer | np.random.Generator = 0
) -> UInt8[np.ndarray, "n length"]:
    """Shuffle each sequence so that every dinucleotide occurs exactly as often as before.

    Parameters
    ----------
    sequences : sequences of one length, as :func:`rcviz.encode` takes or gives them
    seed : int or numpy Generator

    Returns
    -------
    uint8 array (n, length)
        First and last base stay (they must). Each sequence with these counts is equally likely.

    Notes
    -----
    A sequence is a walk over bases, and another walk over the same steps is another order (Altschul and Erickson
    1985). The last step out of every base must lead to the final base in the end; such a set of last steps is drawn
    uniformly by popping cycles (Propp and Wilson 1998), and all others are in random order.

    Examples
    --------
    >>> import rcviz
    >>> (shuffled,) = rcviz.decode(rcviz.dinucleotide_shuffle(["AACAGTTACGATTACA"], seed=0))
    >>> shuffled.count("TT"), shuffled.count("AC")
    (2, 3)
    """
    codes = as_codes(sequences)
    rng = np.random.default_rng(seed)
    shuffled = [_shuffled(codes[first : first + 1024], rng) for first in range(0, len(codes), 1024)]
    return np.concatenate(shuffled) if shuffled else codes.copy()


def _shuffled(codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n, length = codes.shape
    if length < 4:
        return codes.copy()
    n_letters = UNKNOWN + 1
    rows = np.arange(n)
    origin = codes[:, :-1]

    # The steps out of each base, in random order, base after base: those of base b are steps[first[b]:first[b + 1]].
    order = np.argsort(origin + rng.random(origin.shape), axis=1)
    steps = np.take_along_axis(codes[:, 1:], order, axis=1)
    n_out = np.stack([np.count_nonzero(origin == letter, axis=1) for letter in range(n_letters)], axis=1)
    first = np.cumsum(n_out, axis=1) - n_out
    _pop_cycles(steps, first, n_out, final=codes[:, -1], rng=rng)

    result = np.empty_like(codes)
    here = codes[:, 0].astype(np.int64)
    result[:, 0] = here
    flat, following = steps.ravel(), (first + rows[:, None] * (length - 1)).ravel()
    for position in range(1, length):
        at = rows * n_letters + here
        here = flat[following[at]].astype(np.int64)
        following[at] += 1
        result[:, position] = here
    return result


def _pop_cycles(
    steps: np.ndarray, first: np.ndarray, n_out: np.ndarray, *, final: np.ndarray, rng: np.random.Generator
) -> None:
    """Exchange last steps until following them leads from every base to the final one."""
    n, n_letters = n_out.shape
    letters = np.arange(n_letters)
    is_free = (n_out > 0) & (letters != final[:, None])
    last = first + np.maximum(n_out, 1) - 1
    while True:
        # Bases without steps, and the final one, count as arrived.
        leads_to = np.where(
            is_free, np.take_along_axis(steps, np.minimum(last, steps.shape[1] - 1), axis=1), final[:, None]
        )
        leads_to[np.arange(n), final] = final
        reached = np.broadcast_to(letters, (n, n_letters))
        on_cycle = np.zeros((n, n_letters), dtype=bool)
        for _ in range(n_letters):
            reached = np.take_along_axis(leads_to, reached, axis=1)
            on_cycle |= reached == letters
        on_cycle &= is_free
        if not on_cycle.any():
            return
        row, letter = np.nonzero(on_cycle)
        old = last[row, letter]
        new = first[row, letter] + rng.integers(0, n_out[row, letter])
        steps[row, old], steps[row, new] = steps[row, new], steps[row, old]
