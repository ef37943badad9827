"""Palindromicity: how similar a matrix is to its own reverse complement, with a permutation p-value."""

from typing import Any, NamedTuple

import numpy as np

from rcviz._core.checks import as_numbers, check_positive, generator_of
from rcviz._core.shapes import Float, Int

_ROUNDING = 1e-12
_LONGEST_UNIT = 4  # of a repeat; in a filter of 15 bp longer ones occur too few times to be distinguished from a motif
_LEAST_WEIGHT_OF_PAIRS = 0.4
_LEAST_FARTHER = 0.25  # of 600 repeats of two to four bases with noise 99.5% have more, GGGGAATTCCCC less than zero


class Palindromicity(NamedTuple):
    """The palindromicity of a matrix, and the centre of the palindrome.

    Attributes
    ----------
    score : float
        In [-1, 1]; NaN for a matrix of zeros.
    shift : int
        Number of positions by which the reverse complement is shifted to the right for the best fit.
    center : float
        Centre of the palindrome, 0-based; a half is between two positions. Columns ``i`` and ``2 * center - i`` are
        partners.
    """

    score: float
    shift: int
    center: float


def palindromicity(matrix: Float[np.ndarray, "..."]) -> Palindromicity:
    """Compare a matrix with its own reverse complement at every shift, and return the best.

    The score is the maximum of ``<W, RC(W) shifted by s> / <W, W>``, with zeros for columns shifted in from outside.
    It is 1 only if the matrix is exactly its own reverse complement about some centre. Of equal fits, the one with the
    leftmost centre is returned.

    Parameters
    ----------
    matrix : ndarray (4, width)
        Mean-centred weights; for a motif, for example, its probabilities minus 1/4. Bases in the order A, C, G, T.
    """
    products = _products(matrix)
    width = len(products)
    scores = _sums_about_centers(products[None])[0]
    best = int((scores >= scores.max() - _ROUNDING * np.abs(products).sum()).argmax())
    size = float((np.asarray(matrix) ** 2).sum())
    if size == 0:
        return Palindromicity(float("nan"), 0, (width - 1) / 2)
    # Without clipping, rounding could make the score of an exact palindrome slightly larger than one.
    return Palindromicity(float(np.clip(scores[best] / size, -1, 1)), best - (width - 1), best / 2)


def palindromicity_p_value(
    matrix: Float[np.ndarray, "..."], *, n_permutations: int = 999, seed: int | np.integer | np.random.Generator = 0
) -> float:
    """Compute the share of permutations of the columns that are at least as palindromic as the matrix.

    The null hypothesis is that the order of the columns is arbitrary: whole columns are permuted, and the best shift
    is found for each permutation. Estimated as ``(1 + hits) / (1 + n_permutations)``, which
    is never zero and gives a test of exact level (Phipson and Smyth 2010).

    Parameters
    ----------
    matrix : ndarray (4, width)
        As in :func:`palindromicity`.
    n_permutations : int
    seed : int or numpy Generator

    Returns
    -------
    float
        1 for a matrix of zeros.
    """
    check_positive("n_permutations", n_permutations)
    products = _products(matrix)
    orders = _orders(len(products), n_permutations, generator_of(seed))
    shuffled = _sums_about_centers(products[orders[:, :, None], orders[:, None, :]]).max(axis=1)
    observed = _sums_about_centers(products[None]).max()
    hits = np.count_nonzero(shuffled >= observed - _ROUNDING * np.abs(products).sum())
    return (1 + hits) / (1 + n_permutations)


def repetition(matrix: Float[np.ndarray, "..."]) -> float:
    """Measure how much a matrix repeats itself after one to four positions: 1 for a repeat, about 0 for a motif.

    The largest, over these distances, of the mean cosine between two columns so far apart; each pair counts by the
    lengths of its columns. At a distance of one it is large for a composition, such as many G and C in any order. A
    distance counts if the matrix has room for three copies and its pairs hold 40% of the weight, so that the ends of a
    short motif are not treated as a repeat. A repeat is also alike two and more units apart: where the mean over all
    multiples of the distance is below 0.25, it is the value of this distance. So GGGGAATTCCCC is not a repeat of G.

    Parameters
    ----------
    matrix : ndarray (4, width)
        As in :func:`palindromicity`.

    Returns
    -------
    float
        In [-1, 1]; NaN for a matrix of zeros.
    """
    matrix = _checked(matrix)
    width = matrix.shape[1]
    lengths = np.linalg.norm(matrix, axis=0)
    # Of the pairs at every distance: their products, and the products of their lengths.
    products, weights = (
        np.array([np.trace(pairs, distance) for distance in range(width)])
        for pairs in (matrix.T @ matrix, np.outer(lengths, lengths))
    )
    similarities = []
    for distance in range(1, min(_LONGEST_UNIT, width // 3) + 1):
        if weights[distance] > _LEAST_WEIGHT_OF_PAIRS * weights[0]:
            near = products[distance] / weights[distance]
            all_multiples = products[distance::distance].sum() / weights[distance::distance].sum()
            similarities.append(float(near if all_multiples >= _LEAST_FARTHER else min(near, all_multiples)))
    return max(similarities, default=float("nan"))


def _products(matrix: Any) -> Float[np.ndarray, "width width"]:
    """Compute the inner product of every column with the complement of every column; a symmetric matrix."""
    matrix = _checked(matrix)
    products: np.ndarray = matrix.T @ matrix[::-1]
    return products


def _checked(matrix: Any) -> Float[np.ndarray, "4 width"]:
    matrix = as_numbers("the matrix", matrix)
    if matrix.ndim != 2 or matrix.shape[0] != 4 or matrix.shape[1] == 0:
        raise ValueError(f"expected a matrix (4, width), got {matrix.shape}: pass one filter at a time")
    if not np.isfinite(matrix).all():
        raise ValueError("the matrix has values that are not finite: check whether training diverged")
    checked: np.ndarray = matrix
    return checked


def _orders(width: int, count: int, rng: np.random.Generator) -> Int[np.ndarray, "count width"]:
    return rng.permuted(np.broadcast_to(np.arange(width), (count, width)), axis=1)


def _sums_about_centers(products: Float[np.ndarray, "count width width"]) -> Float[np.ndarray, "count centers"]:
    """Sum the products of partner columns about each of the ``2 * width - 1`` centres: the anti-diagonals."""
    count, width = products.shape[:2]
    # Moving row i by i places to the right turns anti-diagonals into columns.
    skewed = np.zeros((count, width, 2 * width))
    skewed[:, :, :width] = products
    flat = skewed.reshape(count, -1)[:, : width * (2 * width - 1)]
    return flat.reshape(count, width, 2 * width - 1).sum(axis=1)
