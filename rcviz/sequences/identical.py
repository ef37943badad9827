"""Which windows are one sequence, read on either strand."""

import numpy as np
from jaxtyping import Int64, UInt8

from rcviz.sequences.alphabet import reverse_complement

_ROWS_AT_ONCE = 4096


def strand_free_keys(codes: UInt8[np.ndarray, "n length"]) -> Int64[np.ndarray, " n"]:
    """Key of each sequence, the same for its reverse complement.

    Equal sequences have equal keys; different ones differ but for a chance of about one in 2**64. Keys hold within one
    process only.
    """
    keys = np.empty(len(codes), dtype=np.int64)
    length = codes.shape[1]
    for first in range(0, len(codes), _ROWS_AT_ONCE):
        block = np.ascontiguousarray(codes[first : first + _ROWS_AT_ONCE])
        forward, reverse = block.tobytes(), reverse_complement(block).tobytes()
        for row in range(len(block)):
            span = slice(row * length, (row + 1) * length)
            keys[first + row] = hash(min(forward[span], reverse[span]))
    return keys
