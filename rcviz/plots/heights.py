"""Heights of a logo's letters and the range of its y axis, from weights, probabilities or motifs."""

from collections.abc import Sequence
from typing import Any, SupportsFloat

import numpy as np

from rcviz._core.checks import as_numbers, base_columns, check_choice, improper_column, look_like_counts, shown
from rcviz._core.shapes import Float
from rcviz.motifs.motif import normalise_columns

KINDS = ("weights", "information", "probability")
UNITS = {"weights": "weight", "information": "bits", "probability": "probability"}

FULL_RANGE = {"information": (0.0, 2.0), "probability": (0.0, 1.0)}
"""Possible range of the kinds that are bounded."""

Limits = Sequence[SupportsFloat]
"""Lowest and highest value to draw."""


ALPHABETS = {"DNA": "ACGT", "RNA": "ACGU"}


def letter_heights(
    matrix: Any, kind: str | None = None, alphabet: str | None = None
) -> tuple[Float[np.ndarray, "4 W"], str, str]:
    """Return the height of each letter, their kind, and the letters of the four rows; see `rcviz.plot_logo`.

    "information" is probability times the information content of the position, 2 + sum p log2 p bits. What a masked
    array hides has no height. A ValueError refuses another shape than (4, W), values that are not finite, and positions
    that are not probabilities where `kind` needs them.
    """
    chosen = kind is not None
    if kind is None:
        kind = "information" if hasattr(matrix, "probabilities") else "weights"
    check_choice("kind", kind, KINDS)
    if alphabet is not None and alphabet not in ALPHABETS:
        raise ValueError(f"alphabet must be one of DNA, RNA, got {shown(alphabet)}: only nucleotides can be drawn")
    values, letters = _rows(matrix)
    letters = letters if alphabet is None else ALPHABETS[alphabet]
    if values.ndim != 2 or values.shape[0] != 4 or values.shape[1] == 0:
        raise ValueError(f"expected a matrix of shape (4, W), rows A, C, G, T, got {values.shape}{_remedy(values)}")
    hidden = np.ma.getmaskarray(matrix) if np.ma.isMaskedArray(matrix) else None
    finite = np.isfinite(values) if hidden is None else np.isfinite(values) | hidden
    if not finite.all():
        row, position = np.argwhere(~finite)[0]
        raise ValueError(
            f"the matrix has {values[row, position]} at {letters[row]}, position {position}: a logo needs finite values"
        )
    if hidden is not None:
        values = np.where(hidden, 0.0, values)
    if kind == "weights":
        if not chosen and look_like_counts(values):
            raise ValueError(
                'these look like counts: divide each column by its sum and give kind="information"; '
                'kind="weights" draws them as they are'
            )
        return values, kind, letters
    kept = np.ones(values.shape[1], dtype=bool) if hidden is None else ~hidden.all(axis=0)
    values = values.copy()
    wrong = improper_column(values[:, kept], letters)
    if wrong is not None:
        raise ValueError(f'kind="{kind}": {wrong[1]}; kind="weights" draws values of any sign and size')
    values[:, kept] = normalise_columns(values[:, kept])
    if kind == "information":
        logs = np.log2(values, out=np.zeros_like(values), where=values > 0)
        bits = np.maximum(2.0 + (values * logs).sum(axis=0), 0.0)
        values = values * bits
    return values, kind, letters


def logo_positions(matrix: Any, count: int, start: Any = 0, positions: Any = None) -> Float[np.ndarray, " W"]:
    """Return the position of each column of a logo: as given, else the index of a table of whole numbers, else 0-based.

    `start` is the position of the first column.
    """
    if positions is not None:
        given = as_numbers("positions", positions)
        if given.shape != (count,) or not np.isfinite(given).all() or len(np.unique(given)) < count:
            raise ValueError(
                f"positions must be {count} different numbers, one for each column, got {shown(positions)}"
            )
        return given
    if isinstance(start, int) and start == 0 and not hasattr(matrix, "columns"):
        return np.arange(float(count))
    first = as_numbers("start", start)
    if first.ndim or not np.isfinite(first):
        raise ValueError(f"start must be the position of the first column, got {shown(start)}")
    index = getattr(matrix, "index", None)
    if first == 0 and hasattr(matrix, "columns") and getattr(getattr(index, "dtype", None), "kind", "") in "iuf":
        of_table = as_numbers("the index", index)
        if np.isfinite(of_table).all() and len(np.unique(of_table)) == count:
            return of_table
    return float(first) + np.arange(count)


def motif_name(matrix: Any) -> str | None:
    """Return the name of a Motif; None for other matrices."""
    return getattr(matrix, "name", None) if hasattr(matrix, "probabilities") else None


def _rows(matrix: Any) -> tuple[Any, str]:
    if hasattr(matrix, "probabilities"):
        return np.asarray(matrix.probabilities, dtype=float), "ACGT"
    if not hasattr(matrix, "columns"):
        return as_numbers("the matrix", matrix), "ACGT"
    columns, letters = base_columns(matrix.columns)
    return as_numbers("the matrix", matrix[columns]).T, letters


def _remedy(values: Any) -> str:
    if values.ndim == 2 and values.shape[1] == 4:
        return ": the letters are last; use matrix.T"
    if values.ndim == 2 and 20 in values.shape:
        return ": only nucleotides can be drawn, not proteins; logomaker draws any letters"
    if values.ndim == 3:
        return ": draw one, as in matrices[0], or all of them with plot_filters"
    return ""


def y_limits(heights: Float[np.ndarray, "4 W"], kind: str, y_range: Limits | None = None) -> tuple[float, float]:
    """Return the range to draw: `y_range`, else the possible one (2 bits, probability 1) or that of the data."""
    if y_range is not None:
        limits = [float(limit) for limit in y_range]
        if len(limits) != 2 or not np.isfinite(limits).all() or limits[0] >= limits[1]:
            raise ValueError(f"y_range must be two finite numbers, the lower first, got {limits}")
        return limits[0], limits[1]
    if kind in FULL_RANGE:
        return FULL_RANGE[kind]
    low = float(np.minimum(heights, 0.0).sum(axis=0).min())
    high = float(np.maximum(heights, 0.0).sum(axis=0).max())
    # A matrix of zeros still gets an axis.
    return (low, high) if high > low else (-1.0, 1.0)
