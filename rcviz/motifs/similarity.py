"""Which known motifs resemble a motif: Tomtom (Gupta et al. 2007), by memelite."""

import os
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from rcviz._core.checks import check_positive
from rcviz.motifs.bundled import read_collection
from rcviz.motifs.formats.meme import read_meme
from rcviz.motifs.motif import Motif

if TYPE_CHECKING:
    import pandas as pd

# Tomtom's null is made of the columns of all targets: with few it would say more about them than about the match.
_FEWEST_TARGETS = 50


def as_motifs(motifs: Any = None) -> list[Motif]:
    """Take motifs in whatever form they come: None for JASPAR 2024, a MEME file's path, or Motifs.

    Raises
    ------
    ValueError
        When there is none, or something is not a Motif.
    """
    if motifs is None:
        return list(read_collection("JASPAR2024"))
    if isinstance(motifs, str | os.PathLike):
        if not Path(motifs).is_file():
            raise ValueError(f"there is no MEME file {str(motifs)!r}; give its path, Motifs, or None for JASPAR 2024")
        return read_meme(motifs)
    motifs = list(motifs) if isinstance(motifs, Iterable) else [motifs]
    if not motifs:
        raise ValueError("there are no motifs to compare with; give Motifs, a MEME file, or None for JASPAR 2024")
    for motif in motifs:
        if not isinstance(motif, Motif):
            raise ValueError(f"expected Motifs to compare with, got {type(motif).__name__}; make it with rcviz.Motif")
    return motifs


def match_motifs(queries: Sequence[Motif], motifs: Any = None, *, n_nearest: int = 5) -> "pd.DataFrame":
    """Find the known motifs nearest to each query by Tomtom's p-value.

    Parameters
    ----------
    queries : sequence of Motif
    motifs : list of Motif, path of a MEME file, or None
        None compares with the 879 vertebrate motifs of JASPAR 2024.
    n_nearest : int
        Rows for each query, the smallest p-value first.

    Returns
    -------
    DataFrame
        ``query`` (place in ``queries``), ``motif``, ``alternative_name``, ``strand`` ("+" or "-": how the motif lies
        on the query), ``offset`` (position of the query at which the motif, so turned, begins; may be negative),
        ``overlap`` (positions that both have), ``similarity`` (cosine of the aligned columns after taking 1/4 off
        every probability: 1 for equal ones, 0 for unrelated ones, -1 at most for opposites), ``p_value`` (of the best
        alignment on either strand, one query against one motif: multiply by the number of motifs for an E-value).

    Raises
    ------
    ValueError
        When there are no queries, no motifs, or something is not a Motif.
    ModuleNotFoundError
        When memelite is not installed.

    Notes
    -----
    A small p-value alone does not make a resemblance: a query that says next to nothing (under 3 bits in all) lies on
    the silent flank of a long motif with p-values down to 1e-14, since equal columns count whatever they say. Its
    similarity stays low.

    The first call on a machine compiles for about 40 s. With fewer than 50 motifs, JASPAR's stand beside them while
    p-values are computed, and are not returned.
    """
    import pandas as pd

    check_positive("n_nearest", n_nearest)
    if isinstance(queries, Motif) or not queries:
        raise ValueError("expected a list of Motifs to find the nearest of, with at least one in it")
    targets = as_motifs(motifs)
    found = _tomtom([query.probabilities for query in queries], _with_company(targets))[:, :, : len(targets)]
    p_values, _, offsets, overlaps, strands = found
    nearest = np.argsort(p_values, axis=1, kind="stable")[:, :n_nearest]
    rows = []
    for index, query in enumerate(queries):
        for target in nearest[index].tolist():
            motif = targets[target]
            strand = "-" if strands[index, target] else "+"
            turned = motif if strand == "+" else motif.reverse_complement()
            offset = -int(offsets[index, target])
            rows.append(
                (
                    index,
                    motif.name,
                    motif.alternative_name,
                    strand,
                    offset,
                    int(overlaps[index, target]),
                    similarity(query.probabilities, turned.probabilities, offset),
                    float(p_values[index, target]),
                )
            )
    names = ["query", "motif", "alternative_name", "strand", "offset", "overlap", "similarity", "p_value"]
    return pd.DataFrame(rows, columns=names)


def similarity(query: Float[np.ndarray, "4 width"], motif: Float[np.ndarray, "4 other"], offset: int) -> float:
    """Cosine of the columns that overlap when the motif begins at ``offset`` of the query, 1/4 taken off each value."""
    first, last = max(offset, 0), min(offset + motif.shape[1], query.shape[1])
    one, other = query[:, first:last] - 0.25, motif[:, first - offset : last - offset] - 0.25
    size = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / size) if size > 0 else 0.0


def _with_company(targets: list[Motif]) -> list[np.ndarray]:
    company = as_motifs() if len(targets) < _FEWEST_TARGETS else []
    return [motif.probabilities for motif in (*targets, *company)]


def _tomtom(queries: list[np.ndarray], targets: list[np.ndarray]) -> Float[np.ndarray, "5 queries targets"]:
    try:
        from memelite import tomtom
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('comparing motifs needs memelite: pip install "rcviz[lab]"') from error
    # In a thread of its own: numba sets the calling thread's number of OpenMP threads, which torch would go on with.
    with warnings.catch_warnings(), ThreadPoolExecutor(1) as aside:
        warnings.simplefilter("ignore")  # numba's, about the machine's threading layer
        found = aside.submit(tomtom, [np.ascontiguousarray(query) for query in queries], targets, n_jobs=1)
        return np.asarray(found.result())
