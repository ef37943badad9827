"""Negatives without accessible regions: windows matched for GC content, and shuffled positives."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from rcviz._core.shapes import UInt8
from rcviz.genome.extraction import count_unknown, read_blocks
from rcviz.genome.intervals import CandidateWindows, overlaps
from rcviz.sequences.alphabet import UNKNOWN, as_codes, gc_content

if TYPE_CHECKING:
    import pandas as pd

    from rcviz.genome.fasta import Genome

GC_BIN = 0.02
REPEAT_BIN = 0.1
_CANDIDATES_PER_NEGATIVE = 50
_WARN_ABOVE_MISSING_SHARE = 0.01
_MIN_CANDIDATES = 20_000  # per chromosome, so that rare bins of a small set are filled as well


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
) -> CandidateWindows:
    """Draw windows of the genome with the GC content of the positives on the same chromosomes.

    Parameters
    ----------
    genome : Genome
    positives : DataFrame
        ``chrom`` and ``window``, the windows to match.
    n, width : int
        Number of windows, and their width in bp.
    avoid : DataFrame
        Intervals that the windows must not overlap.
    match_repeats : bool
        Match the share of soft-masked bases as well.
    max_n_share : float
    rng : numpy Generator

    Returns
    -------
    CandidateWindows
        Tiles of the chromosomes, so that no two overlap; in each bin of 2% GC content (and 10% repeats) as many
        as there are positives.

    Raises
    ------
    ValueError
        When repeats should be matched but the FASTA is not soft-masked.

    Warns
    -----
    UserWarning
        When bins have too few candidates, so that more than 1% of the negatives are missing.
    """
    import pandas as pd

    bins = _bins(genome, positives, width, match_repeats=match_repeats)
    if match_repeats and (bins["repeats"] == 0).all():
        raise ValueError(
            "negatives='gc_and_repeats_matched' needs a soft-masked genome, but no positive window has a lower-case "
            "base: use the soft-masked FASTA, or negatives='gc_matched'"
        )
    # Every positive is matched equally often; a remainder goes to positives chosen at random.
    templates = np.concatenate(
        [np.tile(np.arange(len(bins)), n // len(bins)), rng.permutation(len(bins))[: n % len(bins)]]
    )
    wanted = bins.iloc[templates].value_counts()

    tiles = [
        _tiles(chrom, genome.lengths[chrom], width, int(wanted.loc[chrom].sum()), rng)
        for chrom in positives["chrom"].unique()
        if chrom in wanted.index.get_level_values("chrom")
    ]
    drawn = CandidateWindows(pd.concat(tiles, ignore_index=True), width)
    drawn.drop("near_peaks", overlaps(drawn.table, avoid))
    unknown = np.concatenate([count_unknown(codes) for _, codes in read_blocks(genome, drawn.table, width)])
    drawn.drop("unknown_bases", unknown > max_n_share * width)

    tile_bins = _bins(genome, drawn.table, width, match_repeats=match_repeats)
    keys = list(tile_bins)
    rank = tile_bins.groupby(keys).cumcount().to_numpy()
    quota = pd.MultiIndex.from_frame(tile_bins).map(wanted.to_dict())
    drawn.drop("not_needed", ~(rank < np.nan_to_num(quota.to_numpy(dtype=float))))
    if len(drawn.table) < (1 - _WARN_ABOVE_MISSING_SHARE) * n:
        warnings.warn(
            f"only {len(drawn.table):,} of {n:,} negatives could be matched, because some positives have a GC "
            f"content that is rare elsewhere: use a smaller negatives_per_positive",
            UserWarning,
            stacklevel=3,
        )
    return drawn


def _tiles(chrom: str, length: int, width: int, n: int, rng: np.random.Generator) -> "pd.DataFrame":
    """Return tiles of a chromosome from a random offset, in random order, as peaks without summit."""
    import pandas as pd

    starts = np.arange(rng.integers(0, max(1, min(width, length - width + 1))), length - width + 1, width)
    starts = rng.permutation(starts)[: max(_MIN_CANDIDATES, n * _CANDIDATES_PER_NEGATIVE)]
    return pd.DataFrame({"chrom": chrom, "start": starts, "end": starts + width, "summit": -1, "signal": np.nan})


def _bins(genome: "Genome", windows: "pd.DataFrame", width: int, *, match_repeats: bool) -> "pd.DataFrame":
    """Return the chromosome, the bin of GC content and, if asked for, the bin of repeat content of each window."""
    import pandas as pd

    gc = [gc_content(codes) for _, codes in read_blocks(genome, windows, width)]
    bins = {"chrom": windows["chrom"].to_numpy(dtype=object), "gc": _bin(np.concatenate(gc), GC_BIN)}
    if match_repeats:
        masked = [block.mean(axis=1) for _, block in read_blocks(genome, windows, width, soft_masked=True)]
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
    sequences : sequences of one length, as :func:`rcviz.encode` takes or returns them
    seed : int or numpy Generator

    Returns
    -------
    uint8 array (n, length)
        The first and last base stay the same, as they must. All sequences with these counts are equally likely.

    Notes
    -----
    A sequence is a walk over bases, and a shuffled one is another walk over the same steps (Altschul and Erickson
    1985). The last steps out of the bases must all lead to the final base; they are drawn uniformly by cycle popping
    (Propp and Wilson 1998), and all other steps are in random order.

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

    # The steps out of each base, in random order, base by base: those of base b are steps[first[b]:first[b + 1]].
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
    """Swap last steps until following them leads from every base to the final one."""
    letters = np.arange(n_out.shape[1])
    rows = np.arange(len(n_out))
    while len(rows):  # those that still have a cycle
        ends, out, begin = final[rows], n_out[rows], first[rows]
        is_free = (out > 0) & (letters != ends[:, None])
        last = begin + np.maximum(out, 1) - 1
        # Bases without steps, and the final one, lead to the final base.
        leads_to = np.where(is_free, steps[rows[:, None], np.minimum(last, steps.shape[1] - 1)], ends[:, None])
        leads_to[np.arange(len(rows)), ends] = ends
        reached = np.broadcast_to(letters, leads_to.shape)
        on_cycle = np.zeros(leads_to.shape, dtype=bool)
        for _ in letters:
            reached = np.take_along_axis(leads_to, reached, axis=1)
            on_cycle |= reached == letters
        on_cycle &= is_free
        row, letter = np.nonzero(on_cycle)
        old = last[row, letter]
        new = begin[row, letter] + rng.integers(0, out[row, letter])
        steps[rows[row], old], steps[rows[row], new] = steps[rows[row], new], steps[rows[row], old]
        rows = rows[np.unique(row)]
