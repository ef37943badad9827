"""Shared by the motif formats: reading and writing files, parsing numbers, and errors that name the file and line."""

import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from rcviz._core.checks import check_positive, is_number, quoted
from rcviz._core.files import atomic_write
from rcviz._core.shapes import Float64, Int64
from rcviz._core.text_files import read_text
from rcviz.motifs.motif import Motif, listed_motifs, normalise_columns

Lines = list[tuple[int, str]]
"""Lines of a file with their numbers, 1-based."""


class LineError(ValueError):
    """A line that cannot be read; :func:`read_records` adds the path."""

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(problem)
        self.number = number


def read_records(
    path: str | os.PathLike[str], motifs_of: Callable[[Lines], Iterator[Motif]], expected: str
) -> list[Motif]:
    """Read the motifs that ``motifs_of`` finds in the lines of a file; an error if there are none."""
    try:
        motifs = list(motifs_of(list(enumerate(read_text(path).split("\n"), start=1))))
    except LineError as error:
        raise ValueError(f"{path}, line {error.number}: {error}") from None
    if not motifs:
        raise ValueError(f"{path} has no {expected}")
    return motifs


def warn_without_matrix(number: int, name: str) -> None:
    """Warn of a motif that is left out as it has a name and no matrix."""
    warnings.warn(
        f"line {number}: motif {quoted(name)} has no matrix and is left out; if it should have one, the file may be "
        f"truncated",
        UserWarning,
        stacklevel=2,
    )


def blocks(lines: Lines, begins: Callable[[str], bool]) -> list[Lines]:
    """Divide lines into those above the first line that begins a record, and the lines of each record."""
    parts: list[Lines] = [[]]
    for number, line in lines:
        if begins(line):
            parts.append([])
        parts[-1].append((number, line))
    return parts


def write_records(
    motifs: Iterable[Motif],
    path: str | os.PathLike[str],
    kind: str,
    record: Callable[[Motif], str],
    *,
    head: str = "",
    between: str = "",
) -> None:
    """Write ``head`` and the record of every motif, atomically."""
    text = head + between.join(record(motif) for motif in _checked_names(motifs, path, kind))
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _checked_names(motifs: Iterable[Motif], path: str | os.PathLike[str], kind: str) -> list[Motif]:
    """Return the motifs; raise if there are none, or names are repeated or not single words."""
    motifs = listed_motifs("motifs", motifs)
    if not motifs:
        raise ValueError(f"cannot write {path}: expected at least one motif, got none")
    seen: set[str] = set()
    for motif in motifs:
        if re.search(r"[\s\x00-\x1f\x7f-\x9f]", motif.name + motif.alternative_name) or not motif.name:
            raise ValueError(
                f"cannot write {path}: {kind} names must be single words without control characters, got "
                f"{motif.name!r} {motif.alternative_name!r}: replace spaces by underscores"
            )
        if motif.name in seen:
            raise ValueError(f"cannot write {path}: two motifs are named {motif.name!r}: rename one")
        seen.add(motif.name)
    return motifs


def format_numbers(motif: Motif, n_sites: int | np.integer | None) -> list[list[str]]:
    """Format the numbers of a motif, (4, width): probabilities in full precision, or counts of ``n_sites`` sites."""
    numbers = motif.probabilities if n_sites is None else whole_counts(motif.probabilities, n_sites)
    return [[repr(number) for number in row] for row in numbers.tolist()]


def whole_counts(
    probabilities: Float64[np.ndarray, "4 width"], n_sites: int | np.integer
) -> Int64[np.ndarray, "4 width"]:
    """Round ``n_sites`` times the probabilities so that every column sums to ``n_sites`` (largest remainder method)."""
    check_positive("n_sites", n_sites)
    shares = np.round(probabilities * n_sites, 9)  # remainders that are equal up to rounding are equal
    counts = np.floor(shares).astype(np.int64)
    missing = n_sites - counts.sum(axis=0)
    rank = np.argsort(np.argsort(counts - shares, axis=0, kind="stable"), axis=0)
    rounded: np.ndarray = counts + (rank < missing)
    return rounded


def counts_to_probabilities(number: int, counts: Float64[np.ndarray, "4 width"]) -> Float64[np.ndarray, "4 width"]:
    """Divide counts or frequencies by their column sums; ``number`` is the line for errors."""
    if not (np.isfinite(counts).all() and (counts >= 0).all()):
        raise LineError(number, "expected counts of at least 0, not a matrix of scores")
    empty = np.flatnonzero(counts.sum(axis=0) == 0)
    if empty.size:
        raise LineError(number, f"all counts are 0 at position {empty[0] + 1}: remove the position")
    return normalise_columns(counts)


def parse_numbers(number: int, words: list[str], expected: str, n: int | None = None) -> list[float]:
    """Parse the numbers of a line, ``n`` of them or at least one; ``expected`` describes them in an error."""
    if len(words) != (n or max(len(words), 1)) or not all(map(is_number, words)):
        raise LineError(number, f"expected {expected}, got {quoted(' '.join(words))}")
    return [float(word) for word in words]
