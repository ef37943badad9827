"""Motifs in HOMER's format: a line with consensus, name and threshold, then four probabilities per position."""

import os
from collections.abc import Iterable

import numpy as np

from rcviz._core.checks import shown
from rcviz.motifs.formats import common
from rcviz.motifs.motif import Motif

_LEAST = 0.001  # the smallest probability that HOMER writes: it takes logarithms


def write_homer(motifs: Iterable[Motif], path: str | os.PathLike[str], *, threshold: float | int = 0.8) -> None:
    """Write motifs as a HOMER motif file, atomically; :func:`rcviz.read_motifs` reads it.

    Probabilities are written in full precision; the format has no second name. HOMER scores sites with the natural
    logarithm of probability over 0.25 and replaces probabilities below 0.001.

    Parameters
    ----------
    motifs : iterable of Motif
    path : path-like
        Text file with any ending; the folder must exist.
    threshold : float
        Detection threshold, as a share of the best possible score, above 0 and at most 1.

    Raises
    ------
    ValueError
        As in :func:`rcviz.write_jaspar`, and for a threshold outside this range.

    Examples
    --------
    >>> import rcviz
    >>> motif = rcviz.load_motif("CTCF_known1")
    >>> rcviz.write_homer([motif], "motifs.homer")
    >>> rcviz.read_motifs("motifs.homer")
    [Motif('CTCF_known1', width=19, consensus='YNRCCASYAGRKGGCRSYN')]
    """
    if isinstance(threshold, bool | str) or not 0 < threshold <= 1:
        raise ValueError(f"threshold must be a share of the best score, above 0 and at most 1, got {shown(threshold)}")

    def record(motif: Motif) -> str:
        best = float(np.log(np.maximum(motif.probabilities, _LEAST).max(axis=0) / 0.25).sum())
        rows = "".join("\t".join(map(repr, row)) + "\n" for row in motif.probabilities.T.tolist())
        return f">{motif.consensus}\t{motif.name}\t{threshold * best:.6f}\t0\n{rows}"

    common.write_records(motifs, path, "HOMER", record)
