"""Similarity of motifs: the nearest known motifs by Tomtom (Gupta et al. 2007)."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rcviz._core.checks import check_positive
from rcviz._core.shapes import Float
from rcviz.motifs.bundled import read_collection
from rcviz.motifs.formats.meme import read_meme
from rcviz.motifs.motif import Motif, listed_motifs
from rcviz.motifs.tomtom import tomtom

if TYPE_CHECKING:
    import pandas as pd

# Tomtom's null distribution is built from the columns of all targets, and with few targets it is unreliable.
_MIN_TARGETS = 50


def as_motifs(motifs: Any = None) -> list[Motif]:
    """Return motifs in any accepted form as a list: None for JASPAR 2024, the path of a MEME file, or Motifs.

    Raises
    ------
    ValueError
        When there are none, or one is not a Motif.
    """
    if motifs is None:
        return list(read_collection("JASPAR2024"))
    if isinstance(motifs, str | os.PathLike):
        if not Path(motifs).is_file():
            raise ValueError(f"there is no MEME file {str(motifs)!r}: give its path, Motifs, or None for JASPAR 2024")
        return read_meme(motifs)
    listed = listed_motifs("motifs", motifs)
    if not listed:
        raise ValueError("motifs is empty: give Motifs, the path of a MEME file, or None for JASPAR 2024")
    return listed


def match_motifs(queries: Sequence[Motif], motifs: Any = None, *, n_nearest: int = 5) -> "pd.DataFrame":
    """Find the known motifs nearest to each query by Tomtom's p-value.

    Parameters
    ----------
    queries : sequence of Motif
    motifs : list of Motif, path of a MEME file, or None
        None compares with the 879 vertebrate motifs of JASPAR 2024.
    n_nearest : int
        Number of motifs for each query, smallest p-value first.

    Returns
    -------
    DataFrame
        ``query`` (index in ``queries``), ``motif``, ``alternative_name``, ``strand`` ("-" if the motif is
        reverse-complemented to match the query, else "+"), ``offset`` (position in the query at which the motif, on
        that strand, begins; may be negative), ``overlap`` (number of aligned positions), ``similarity`` (cosine of the
        aligned columns, with 1/4 subtracted from every probability: 1 for equal columns, 0 for unrelated ones),
        ``p_value`` (of the best alignment on either strand of one query and one motif: multiply by the number of
        motifs for an E-value).

    Raises
    ------
    ValueError
        When there are no queries, no motifs, or one is not a Motif.

    Notes
    -----
    A small p-value alone does not mean that motifs are similar: a query with very little information (under 3 bits in
    total) can match the flank of a long motif with p-values down to 1e-14, because uninformative columns are equal,
    too. Its similarity is low.

    Of alignments with equal scores, the one with the largest overlap is returned, then the one on the strand "+".
    With fewer than 50 motifs, those of JASPAR are added for computing p-values, but are not returned.
    """
    import pandas as pd

    check_positive("n_nearest", n_nearest)
    queries = [] if isinstance(queries, Motif) else listed_motifs("queries", queries)
    if not queries:
        raise ValueError("queries must be a list of at least one Motif")
    targets = as_motifs(motifs)
    best = tomtom([query.probabilities for query in queries], _padded_targets(targets))
    nearest = np.argsort(best.p_value[:, : len(targets)], axis=1, kind="stable")[:, :n_nearest]
    rows = []
    for index, query in enumerate(queries):
        for target in nearest[index].tolist():
            motif = targets[target]
            strand = "-" if best.reverse[index, target] else "+"
            oriented = motif if strand == "+" else motif.reverse_complement()
            offset = int(best.offset[index, target])
            rows.append(
                (
                    index,
                    motif.name,
                    motif.alternative_name,
                    strand,
                    offset,
                    int(best.overlap[index, target]),
                    similarity(query.probabilities, oriented.probabilities, offset),
                    float(best.p_value[index, target]),
                )
            )
    names = ["query", "motif", "alternative_name", "strand", "offset", "overlap", "similarity", "p_value"]
    return pd.DataFrame(rows, columns=names)


def similarity(query: Float[np.ndarray, "4 width"], motif: Float[np.ndarray, "4 other"], offset: int) -> float:
    """Compute the cosine of the overlapping columns, minus 1/4, when the motif begins at ``offset`` of the query."""
    first, last = max(offset, 0), min(offset + motif.shape[1], query.shape[1])
    one, other = query[:, first:last] - 0.25, motif[:, first - offset : last - offset] - 0.25
    size = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / size) if size > 0 else 0.0


def _padded_targets(targets: list[Motif]) -> list[np.ndarray]:
    """Return the matrices of the targets; if they are few, also those of JASPAR."""
    others = as_motifs() if len(targets) < _MIN_TARGETS else []
    return [motif.probabilities for motif in (*targets, *others)]
