"""Attributions that others have computed, such as Captum and tangermeme, checked: one array per strand.

One rule holds everywhere: arrays are in forward coordinates. Position i of the reverse strand's array belongs to base i
of the sequence as given, and its rows are the bases of the forward strand. ``rcviz.reverse_complement(array)`` brings
there what was computed for the reverse complements.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from rcviz._core.checks import as_numbers
from rcviz.sequences.alphabet import one_hot, reverse_complement


def observed_attributions(
    name: str, values: Any, codes: UInt8[np.ndarray, "n length"]
) -> Float[np.ndarray, "n length"]:
    """Attribution of each observed base, zero where it is not known.

    ``values`` is (N, L), one number per observed base, or (N, 4, L), of which the observed bases are read. An array
    that is zero for the observed bases but not for those of the reverse complement is refused: it is not in forward
    coordinates.
    """
    numbers = _checked(name, values, codes, one_per_base=True)
    if numbers.ndim == 2:
        return np.where(codes < 4, numbers, 0.0)
    own = (numbers * one_hot(codes, dtype="float64")).sum(axis=1)
    if not own.any() and numbers.any():
        raise ValueError(f"{name} is zero at all observed bases: {_remedy(numbers, codes)}")
    if (np.count_nonzero(numbers, axis=1) <= 1).all():  # not hypothetical: only observed bases have numbers
        elsewhere = np.count_nonzero(numbers) - np.count_nonzero(own)
        if elsewhere:
            raise ValueError(
                f"{name} has numbers at {elsewhere:,} bases that are not those of the sequences: "
                f"{_remedy(numbers, codes)}"
            )
    return own


def hypothetical(name: str, values: Any, codes: UInt8[np.ndarray, "n length"]) -> Float[np.ndarray, "n 4 length"]:
    """Attributions of all four bases at every position."""
    numbers = _checked(name, values, codes, one_per_base=False)
    if (np.count_nonzero(numbers, axis=1) <= 1).all():
        raise ValueError(
            f"{name} has numbers for one base per position only, and hypothetical attributions are those of all four, "
            f"before they are multiplied by the sequence; for example tangermeme's deep_lift_shap(..., "
            f"hypothetical=True), or gradients without the input"
        )
    return numbers


def _checked(
    name: str, values: Any, codes: UInt8[np.ndarray, "n length"], *, one_per_base: bool
) -> Float[np.ndarray, "..."]:
    numbers = as_numbers(name, values)
    n, length = codes.shape
    wanted = [(n, 4, length), *([(n, length)] if one_per_base else [])]
    if numbers.shape not in wanted:
        remedy = ""
        if numbers.shape == (n, length, 4):
            remedy = f"; {name}.transpose(0, 2, 1) puts the bases before the positions"
        raise ValueError(
            f"{name} must be {' or '.join(map(str, wanted))} for {n:,} sequences of {length:,} bp, got "
            f"{numbers.shape}{remedy}"
        )
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        first = int(np.argwhere(wrong)[0][0])
        raise ValueError(f"{name} has numbers that are NaN or infinite, the first in sequence {first}: leave it out")
    return numbers


def _remedy(numbers: Float[np.ndarray, "n 4 length"], codes: UInt8[np.ndarray, "n length"]) -> str:
    reverse = one_hot(reverse_complement(codes), dtype="float64")
    if not (numbers * (1 - reverse)).any():
        return (
            "they are those of the reverse complements; give them in forward coordinates, "
            "rcviz.reverse_complement(array)"
        )
    return "they belong to other sequences, or to another order of the bases than A, C, G, T"
