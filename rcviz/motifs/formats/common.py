"""What the formats of motifs have in common: names that fit, matrices that read, errors that name file and line."""

import os
import re
from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Float64, Int64

from rcviz._core.checks import check_positive, quoted
from rcviz._core.files import atomic_write
from rcviz.motifs.motif import Motif, with_exact_sums


def write_each(
    motifs: Iterable[Motif],
    path: str | os.PathLike[str],
    kind: str,
    record: Callable[[Motif], str],
    *,
    head: str = "",
    between: str = "",
) -> None:
    """Write every motif's record below ``head``, whole or not at all."""
    text = head + between.join(record(motif) for motif in _writable(motifs, path, kind))
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _writable(motifs: Iterable[Motif], path: str | os.PathLike[str], kind: str) -> list[Motif]:
    """Return motifs whose names a file can hold; raise where there is none, or a name is double or no single word."""
    motifs = list(motifs)
    if not motifs:
        raise ValueError(f"cannot write {path}: expected at least one motif, got none")
    seen: set[str] = set()
    for motif in motifs:
        if re.search(r"\s", motif.name + motif.alternative_name) or not motif.name:
            raise ValueError(
                f"cannot write {path}: {kind} names are single words, got {motif.name!r} {motif.alternative_name!r}; "
                f"replace blanks by underscores"
            )
        if motif.name in seen:
            raise ValueError(f"cannot write {path}: two motifs are named {motif.name!r}; rename one")
        seen.add(motif.name)
    return motifs


def written_numbers(motif: Motif, n_sites: int | np.integer | None) -> list[list[str]]:
    """Text of a motif's (4, width) numbers: probabilities in full, or counts of ``n_sites`` sites."""
    numbers = motif.probabilities if n_sites is None else whole_counts(motif.probabilities, n_sites)
    return [[repr(number) for number in row] for row in numbers.tolist()]


def whole_counts(
    probabilities: Float64[np.ndarray, "4 width"], n_sites: int | np.integer
) -> Int64[np.ndarray, "4 width"]:
    """Round ``n_sites`` times the probabilities so that every column still sums to ``n_sites`` (largest remainders)."""
    check_positive("n_sites", n_sites)
    shares = probabilities * n_sites
    counts = np.floor(shares).astype(np.int64)
    missing = n_sites - counts.sum(axis=0)
    rank = np.argsort(np.argsort(counts - shares, axis=0, kind="stable"), axis=0)
    rounded: np.ndarray = counts + (rank < missing)
    return rounded


def as_probabilities(
    path: str | os.PathLike[str], number: int, counts: Float64[np.ndarray, "4 width"]
) -> Float64[np.ndarray, "4 width"]:
    """Divide counts, or frequencies, by their column sums; ``number`` is the line that an error names."""
    if not (np.isfinite(counts).all() and (counts >= 0).all()):
        raise error(path, number, "expected counts of at least 0; a matrix of scores is not a motif's frequencies")
    empty = np.flatnonzero(counts.sum(axis=0) == 0)
    if empty.size:
        raise error(path, number, f"no base is counted at position {empty[0] + 1}; leave the position out")
    return with_exact_sums(counts)


def numbers_of(
    path: str | os.PathLike[str], number: int, words: list[str], expected: str, n: int | None = None
) -> list[float]:
    """Numbers in a line, ``n`` of them or any but none; ``expected`` says in an error what should be there."""
    if len(words) != (n or max(len(words), 1)) or not all(map(is_number, words)):
        raise error(path, number, f"expected {expected}, got {quoted(' '.join(words))}")
    return [float(word) for word in words]


def is_number(word: str) -> bool:
    """Whether a word reads as a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def error(path: str | os.PathLike[str], number: int, message: str) -> ValueError:
    """Say what is wrong in a line, counted from one."""
    return ValueError(f"{path}, line {number}: {message}")
