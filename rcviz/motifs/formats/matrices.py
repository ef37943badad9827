"""Matrices of bare numbers: whether their rows are bases or positions, recognised by labels, shape and sums."""

from typing import Literal

import numpy as np

from rcviz._core.checks import is_number, quoted
from rcviz._core.shapes import Float64
from rcviz.motifs.formats import common
from rcviz.motifs.formats.common import LineError, Lines
from rcviz.sequences.alphabet import BASES

Rows = Literal["bases", "positions"]

_ROUNDING = 0.021  # four numbers of two decimals may miss their sum by this
_LETTERS = set("ACGTRYSWKMBDHVN")


def read_matrix(lines: Lines, name: str, first: int, *, rows: Rows | None = None) -> Float64[np.ndarray, "4 width"]:
    """Read counts or frequencies as probabilities.

    ``lines`` are those of one matrix, with or without a letter before the numbers; ``first`` is the line for errors
    about all of it; ``rows`` is what rows are where a matrix of 4 x 4 does not tell.
    """
    numbers: list[list[float]] = []
    labels: list[str] = []
    repeated = 0
    for number, line in lines:
        words = line.replace("[", " ").replace("]", " ").replace("|", " ").split()
        if not words or words[0].startswith("#"):
            continue
        label = words[0].rstrip(":").upper()
        if not is_number(words[0]) and (label in _LETTERS or len(words) > 1):
            repeated = repeated or (number if label in labels else 0)
            labels.append(label)
            words = words[1:]
        row = common.parse_numbers(number, words, "a row of counts")
        if numbers and len(row) != len(numbers[0]):
            raise LineError(
                number, "expected four rows of one length, one for each of A, C, G and T, or rows of four numbers"
            )
        numbers.append(row)
        if labels and len(labels) != len(numbers):
            raise LineError(number, "expected a letter before the numbers of every row, or of none")
        if labels and labels[-1] not in _LETTERS:
            raise LineError(number, f"expected a base before the numbers, got {quoted(labels[-1])}")
    matrix = np.array(numbers) if numbers else np.empty((0, 0))
    are_bases = sorted(labels) == sorted(BASES)
    if labels and not are_bases and set(labels) <= set(BASES) and matrix.shape[1] != len(BASES):
        if repeated:
            raise LineError(repeated, "expected four rows, one for each of A, C, G and T")
        raise LineError(first, f"matrix {quoted(name)} has {len(labels)} of 4 rows: the file may be truncated")
    which = _rows_of(matrix, labels, name, first, rows, are_bases=are_bases)
    if which == "bases" and are_bases:
        matrix = matrix[[labels.index(base) for base in BASES]]
    return common.counts_to_probabilities(first, matrix if which == "bases" else matrix.T)


def is_wide(lines: Lines) -> Rows | None:
    """Tell what the rows of a matrix are from its shape alone; None for 4 x 4 and for what is not a matrix."""
    words = [line.replace("[", " ").replace("]", " ").split() for _, line in lines if line.strip()]
    sizes = {sum(map(is_number, row)) for row in words}
    if len(sizes) != 1 or (len(words) == len(BASES)) == (sizes == {len(BASES)}):
        return None
    return "bases" if len(words) == len(BASES) else "positions"


def _rows_of(
    matrix: np.ndarray, labels: list[str], name: str, first: int, rows: Rows | None, *, are_bases: bool
) -> Rows:
    n_rows, n_columns = matrix.shape
    if labels and not are_bases:  # the consensus before every position, as ENCODE writes it
        if n_columns != len(BASES):
            raise LineError(first, f"matrix {quoted(name)} has rows of {n_columns} numbers, expected four, A to T")
        return "positions"
    if n_rows != len(BASES):
        if n_columns != len(BASES):
            raise LineError(first, f"matrix {quoted(name)} has {n_rows} of 4 rows: the file may be truncated")
        return "positions"
    if n_columns != len(BASES):
        return "bases"
    # 4 x 4: positions sum to one number, bases do not.
    by_rows, by_columns = _are_equal(matrix.sum(axis=1)), _are_equal(matrix.sum(axis=0))
    if by_rows != by_columns:
        return "positions" if by_rows else "bases"
    if are_bases:
        in_order = labels == list(BASES)
        agrees = all(matrix[at].argmax() == BASES.index(label) for at, label in enumerate(labels))
        return "positions" if by_rows and agrees and not in_order else "bases"
    if rows is not None or np.array_equal(matrix, matrix.T):
        return rows or "bases"
    raise LineError(
        first,
        f"the rows of matrix {quoted(name)}, 4 x 4, may be bases or positions: begin them with A, C, G and T if they "
        f"are bases, or write the motif as MEME",
    )


def _are_equal(sums: np.ndarray) -> bool:
    return bool(np.ptp(sums) <= _ROUNDING * max(1.0, float(sums.max()) / 100))
