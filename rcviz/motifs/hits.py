"""Places of a sequence that match known motifs better than chance would have it, on both strands."""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from rcviz.motifs.motif import Motif

_STEP = 0.1
"""Bits to which the entries of a motif are rounded, so that the distribution of their sums is a short table."""


class MotifHit(NamedTuple):
    """A match of a motif; ``start`` to ``end`` on the sequence as given, 0-based, the end not included."""

    motif: str
    start: int
    end: int
    strand: str
    p_value: float
    expected: float


def motif_hits(
    motifs: Iterable[Motif],
    codes: UInt8[np.ndarray, " length"],
    *,
    expected: float = 1.0,
    p_value: float = 1e-4,
    most: int = 12,
) -> list[MotifHit]:
    """Find the best matches of motifs in one sequence, none over most of another, the smallest p-value first.

    A window's score is the sum of the motif's log-odds, rounded to 0.1 bit; its p-value is the probability that a
    random window, with four equally frequent bases, scores as high.

    Parameters
    ----------
    motifs : iterable of Motif
    codes : uint8 array (length,)
        Windows with an unknown base do not match.
    expected : float
        Number of matches as good as this that chance is expected to give among all motifs, positions and strands; a
        match is listed if it is not larger.
    p_value : float
        A match is listed if its p-value is not larger.
    most : int
        Longest list.
    """
    fitting = [motif for motif in motifs if motif.width <= len(codes)]
    trials = sum(2 * (len(codes) - motif.width + 1) for motif in fitting)
    largest = min(p_value, expected / max(1, trials))
    found = []
    for motif in fitting:
        scores, tail = _table(motif)
        for strand, matrix in (("+", scores), ("-", scores[::-1, ::-1])):
            sums = _sums(matrix, codes)
            p_values = np.where(sums < 0, 1.0, tail[sums])
            for start in np.flatnonzero(p_values <= largest).tolist():
                p = float(p_values[start])
                name = motif.alternative_name or motif.name
                found.append(MotifHit(name, start, start + motif.width, strand, p, p * trials))
    found.sort(key=lambda hit: (hit.p_value, hit.start, hit.strand))
    kept: list[MotifHit] = []
    for hit in found:
        if len(kept) < most and not any(_share(hit, other) for other in kept):
            kept.append(hit)
    return kept


def _share(one: MotifHit, other: MotifHit) -> bool:
    """Whether two matches share more than half of the shorter one."""
    common = min(one.end, other.end) - max(one.start, other.start)
    return 2 * common > min(one.end - one.start, other.end - other.start)


def _sums(scores: Int64[np.ndarray, "4 width"], codes: UInt8[np.ndarray, " length"]) -> Int64[np.ndarray, " windows"]:
    """Score of every window; -1 where a base is unknown."""
    windows = np.lib.stride_tricks.sliding_window_view(codes, scores.shape[1])
    sums: np.ndarray = scores[np.minimum(windows, 3), np.arange(scores.shape[1])].sum(axis=1)
    return np.where((windows > 3).any(axis=1), -1, sums)


@lru_cache(maxsize=2048)
def _table(motif: Motif) -> tuple[Int64[np.ndarray, "4 width"], Float64[np.ndarray, " scores"]]:
    """Log-odds in steps from 0 on, and for each sum the probability that a random window reaches it."""
    steps = np.rint(motif.log_odds() / _STEP).astype(np.int64)
    steps -= steps.min(axis=0)
    density = np.ones(1)
    for column in steps.T:
        wider = np.zeros(len(density) + int(column.max()))
        for step in column.tolist():
            wider[step : step + len(density)] += density / 4
        density = wider
    return steps, np.minimum(density[::-1].cumsum()[::-1], 1.0)
