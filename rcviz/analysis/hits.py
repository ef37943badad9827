"""Windows of one sequence in which filters fire."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from rcviz.analysis.filters import FilterBank


class FilterHit(NamedTuple):
    """A window in which a filter fires; ``start`` to ``end`` on the sequence as given, the end not included.

    ``strand`` is "+" where the filter matches the bases as given, "-" where it matches their reverse complement.
    """

    filter: int
    start: int
    end: int
    strand: str
    strength: float


def filter_hits(bank: FilterBank, codes: UInt8[np.ndarray, " length"], filters: list[int]) -> list[FilterHit]:
    """Find the windows in which filters fire, on each strand the strongest of each filter.

    ``strength`` is by how much the convolution is beyond the value from which the filter fires. Only windows that the
    layer reads (stride, padding) and whose bases are known can fire; those that reach into the padding are left out.
    """
    hits: list[FilterHit] = []
    if bank.width > len(codes):
        return hits
    read = (np.arange(len(codes) - bank.width + 1) + bank.padding) % bank.stride == 0
    strands = {"+": codes, "-": np.where(codes < 4, 3 - codes, codes)[::-1]}
    for index in filters:
        firing = bank.firing
        least = 0.0 if firing is None else float(firing.threshold[index])
        sign = -1.0 if firing is not None and firing.falling[index] else 1.0
        for strand, letters in strands.items():
            beyond = sign * (_sums(bank.weights[index], letters) + bank.bias[index] - least)
            beyond = np.where(read & (beyond > 0), beyond, -np.inf)  # NaN compares as False
            at = int(beyond.argmax())
            if beyond[at] == -np.inf:
                continue
            start = at if strand == "+" else len(codes) - bank.width - at
            hits.append(FilterHit(index, start, start + bank.width, strand, float(beyond[at])))
    return hits


def _sums(weights: Float[np.ndarray, "4 width"], codes: UInt8[np.ndarray, " length"]) -> Float[np.ndarray, " windows"]:
    """Sum of the weights at each window, NaN where a base is unknown."""
    known = np.vstack([weights, np.full((1, weights.shape[1]), np.nan)])
    windows = np.lib.stride_tricks.sliding_window_view(codes, weights.shape[1])
    sums: np.ndarray = known[windows, np.arange(weights.shape[1])].sum(axis=1)
    return sums
