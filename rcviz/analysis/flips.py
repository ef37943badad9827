"""Single-base changes that bring a prediction across its threshold, or nearest to it."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, UInt8

from rcviz.sequences.alphabet import BASES

LETTERS = np.array([*BASES, "N"], dtype=object)
"""Letters of the codes."""


def flips(
    outputs: Float[np.ndarray, "2 ..."], changed: Float[np.ndarray, "2 ..."], threshold: float | None
) -> Bool[np.ndarray, "2 ..."]:
    """Whether outputs that have changed are on the other side of the threshold, on each strand.

    An output at or above the threshold is positive. Without a threshold, or where an output is NaN, nothing
    flips.
    """
    if threshold is None:
        return np.zeros(np.broadcast_shapes(outputs.shape, changed.shape), dtype=bool)
    known = ~(np.isnan(outputs) | np.isnan(changed))
    return ((outputs >= threshold) != (changed >= threshold)) & known


def rank_changes(
    codes: UInt8[np.ndarray, " length"],
    position: np.ndarray,
    base: np.ndarray,
    outputs: Float[np.ndarray, " 2"],
    changed: Float[np.ndarray, "2 n"],
    threshold: float | None,
) -> pd.DataFrame:
    """List changes of one base, those that flip the decision first.

    Parameters
    ----------
    codes : uint8 array (L,)
        The sequence.
    position, base : int arrays (n,)
        Where it is changed, and to what.
    outputs : ndarray (2,)
        Logit, or value, of the sequence on the forward and the reverse strand.
    changed : ndarray (2, n)
        Those of the changed sequences.
    threshold : float or None
        Smallest logit, or value, of a sequence that is treated as positive.

    Returns
    -------
    DataFrame
        position, reference, alternative; forward and reverse, the change of the output; output_forward and
        output_reverse; flips_forward and flips_reverse. Changes that flip both strands come first, then those that
        flip one, then the rest; among these, by how far the output is beyond the threshold, or how near to it, on the
        strand where it is farther beyond or nearer. Without a threshold by the largest change on either strand.
        Changes whose output is NaN are left out.
    """
    flipped = flips(outputs[:, None], changed, threshold)
    change = changed - outputs[:, None]
    if threshold is None:
        distance = -np.abs(change).max(axis=0)
    else:
        side = np.where(outputs >= threshold, 1.0, -1.0)
        distance = (side[:, None] * (changed - threshold)).min(axis=0)
    order = np.lexsort((base, position, distance, -flipped.sum(axis=0)))
    order = order[np.isfinite(distance[order])]
    columns = {
        "position": position[order],
        "reference": LETTERS[codes[position[order]]],
        "alternative": LETTERS[base[order]],
        "forward": change[0, order],
        "reverse": change[1, order],
        "output_forward": changed[0, order],
        "output_reverse": changed[1, order],
        "flips_forward": flipped[0, order],
        "flips_reverse": flipped[1, order],
    }
    return pd.DataFrame(columns)
