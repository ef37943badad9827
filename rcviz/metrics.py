"""Metrics of predictions per task, and the exact rank-sum test between two sets of runs."""

import functools
from collections.abc import Sequence
from math import comb, fsum
from typing import TYPE_CHECKING, Any

import numpy as np

from rcviz._core.checks import check_choice, shown

if TYPE_CHECKING:
    import pandas as pd

METRIC_NAMES = {
    **{"loss": "loss", "auroc": "auROC", "auprc": "auPRC"},
    **{"pearson": "Pearson correlation", "spearman": "Spearman correlation", "mse": "mean squared error"},
}
"""Metrics by their names in tables, as written in figures and messages."""
LOWER_IS_BETTER = ("loss", "mse")

# Takes a few seconds, enough for 100 values against 100; ten against ten need 90,000.
_MOST_ADDITIONS = 2_000_000_000
_BLOCK = 100_000  # scores


def auroc(labels: Any, scores: Any) -> float:
    """Area under the ROC curve: probability that a positive scores above a negative, ties counted as one half.

    Parameters
    ----------
    labels : array (n,)
        1 positive, 0 negative, NaN unknown (ignored).
    scores : array (n,)
        Logits, probabilities or anything that increases with them.

    Returns
    -------
    float
        In [0, 1]; NaN if a class is absent.

    Raises
    ------
    ValueError
        If shapes differ, a label is not 0, 1 or NaN, or the score of a known label is not finite.
    """
    return _auroc(*_sorted_classes(labels, scores))


def auprc(labels: Any, scores: Any) -> float:
    """Area under the precision-recall curve, as average precision.

    Parameters, errors and NaN are those of :func:`auroc`. A random predictor reaches the share of positives.
    """
    return _auprc(*_sorted_classes(labels, scores))


def score_tasks(labels: Any, scores: Any, task_names: Sequence[str]) -> "pd.DataFrame":
    """Compute the metrics of every task on its known labels.

    Parameters
    ----------
    labels, scores : array (n, n_tasks)
    task_names : sequence of n_tasks str

    Returns
    -------
    DataFrame, one row per task
        ``task``, ``n_positive``, ``n_negative``, ``auroc``, ``auprc``.

    Raises
    ------
    ValueError
        As for :func:`auroc`, and if the number of names is not the number of tasks.
    """
    import pandas as pd

    labels, scores = _columns_of_tasks(labels, scores, task_names)
    rows = []
    for name, *columns in zip(task_names, labels.T, scores.T, strict=True):
        positives, negatives = _sorted_classes(*columns)
        areas = _auroc(positives, negatives), _auprc(positives, negatives)
        rows.append((name, len(positives), len(negatives), *areas))
    return pd.DataFrame(rows, columns=["task", "n_positive", "n_negative", "auroc", "auprc"])


def pearson(labels: Any, values: Any) -> float:
    """Pearson's correlation of predictions with labels that are values.

    Parameters
    ----------
    labels : array (n,)
        Finite numbers; NaN unknown (ignored).
    values : array (n,)
        Predictions.

    Returns
    -------
    float
        In [-1, 1]; NaN if fewer than two labels are known, or all labels or all predictions are equal.

    Raises
    ------
    ValueError
        If shapes differ, or a label or the prediction of a known label is infinite.
    """
    labels, values = _known_values(labels, values)
    if not (_varies(labels) and _varies(values)):
        return float("nan")
    from scipy.stats import pearsonr

    return float(pearsonr(labels, values).statistic)


def spearman(labels: Any, values: Any) -> float:
    """Spearman's rank correlation of predictions with labels that are values; equal ones have their mean rank.

    Parameters, errors and NaN are those of :func:`pearson`.
    """
    labels, values = _known_values(labels, values)
    if not (_varies(labels) and _varies(values)):
        return float("nan")
    from scipy.stats import spearmanr

    return float(spearmanr(labels, values).statistic)


def mean_squared_error(labels: Any, values: Any) -> float:
    """Mean squared difference of predictions and labels that are values; NaN if no label is known.

    Parameters and errors are those of :func:`pearson`.
    """
    labels, values = _known_values(labels, values)
    return float(np.mean((labels - values) ** 2)) if labels.size else float("nan")


def score_values(labels: Any, values: Any, task_names: Sequence[str]) -> "pd.DataFrame":
    """Compute the metrics of every task whose labels are values, on its known labels.

    Parameters
    ----------
    labels, values : array (n, n_tasks)
    task_names : sequence of n_tasks str

    Returns
    -------
    DataFrame, one row per task
        ``task``, ``n`` (known labels), ``pearson``, ``spearman``, ``mse``.
    """
    import pandas as pd

    labels, values = _columns_of_tasks(labels, values, task_names)
    pairs = list(zip(labels.T, values.T, strict=True))
    return pd.DataFrame(
        {
            "task": list(task_names),
            "n": np.count_nonzero(~np.isnan(labels), axis=0),
            "pearson": [pearson(*columns) for columns in pairs],
            "spearman": [spearman(*columns) for columns in pairs],
            "mse": [mean_squared_error(*columns) for columns in pairs],
        }
    )


def rank_sum_test(a: Any, b: Any, *, alternative: str = "greater") -> float:
    """Exact Wilcoxon rank-sum test between two independent samples (section 3.8).

    The p-value is the fraction of all assignments of the pooled values to two samples of these sizes whose rank sum is
    at least as extreme as the observed one. Tied values have their mean rank; the test stays exact.

    Parameters
    ----------
    a, b : array (n,), (m,)
        For example the auROCs of ten seeds each.
    alternative : {"greater", "less", "two-sided"}
        Alternative hypothesis: ``a`` tends to be above ``b``, below it, or either (twice the smaller p, at most 1).

    Returns
    -------
    float
        At least ``1 / comb(n + m, n)``: 5.413e-06 for ten against ten.

    Raises
    ------
    ValueError
        If a sample is empty, not one-dimensional or has NaN, if there are too many values for an exact test, or for
        another alternative.

    Examples
    --------
    >>> import rcviz
    >>> round(rcviz.rank_sum_test([0.93, 0.92, 0.94], [0.90, 0.91, 0.89]), 3)  # 1 of 20 orders
    0.05
    """
    check_choice("alternative", alternative, ("greater", "less", "two-sided"))
    a, b = _sample("a", a), _sample("b", b)
    _, inverse, counts = np.unique(np.concatenate([a, b]), return_inverse=True, return_counts=True)
    # Twice the mean rank of a tied group is whole: one more than the values below plus those up to its end.
    doubled_ranks = (2 * counts.cumsum() - counts + 1)[inverse]
    observed = int(doubled_ranks[: len(a)].sum())

    n_ways = _count_rank_sums(tuple(sorted(doubled_ranks.tolist())), len(a))
    n_all = comb(len(a) + len(b), len(a))
    greater = float(n_ways[observed:].sum()) / n_all
    less = float(n_ways[: observed + 1].sum()) / n_all
    return min(1.0, {"greater": greater, "less": less, "two-sided": 2 * min(greater, less)}[alternative])


@functools.lru_cache(maxsize=32)  # without ties it depends on the numbers of values alone
def _count_rank_sums(ranks: tuple[int, ...], n_chosen: int) -> np.ndarray:
    """Count the ways to choose ``n_chosen`` of the ranks, for every possible sum; exact up to 2**53 ways."""
    total = sum(ranks)
    if len(ranks) * n_chosen * total > _MOST_ADDITIONS:
        raise ValueError(
            f"{len(ranks)} values are too many for the exact test; use scipy.stats.mannwhitneyu(method='asymptotic')"
        )
    n_ways = np.zeros((n_chosen + 1, total + 1))
    n_ways[0, 0] = 1
    for rank in ranks:
        n_ways[1:, rank:] += n_ways[:-1, : total + 1 - rank]
    chosen: np.ndarray = n_ways[n_chosen].copy()
    chosen.flags.writeable = False
    return chosen


def _sample(name: str, values: Any) -> np.ndarray:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or sample.size == 0 or np.isnan(sample).any():
        raise ValueError(
            f"{name} must be a list of one or more numbers without NaN, got {shown(values)}; drop failed runs first"
        )
    return sample


def _sorted_classes(labels: Any, scores: Any) -> tuple[np.ndarray, np.ndarray]:
    """Scores of positives and of negatives, each sorted: one copy of the scores, in their type.

    scikit-learn's metrics hold some ninety bytes for each score while they compute.
    """
    labels, scores = _with_known_label(labels, scores)
    positive, negative = labels == 1, labels == 0
    if np.count_nonzero(positive) + np.count_nonzero(negative) < len(labels):
        wrong = labels[~(positive | negative)][0]
        raise ValueError(f"labels must be 0, 1 or NaN (unknown), got {wrong:g}; binarise them first")
    classes = scores[positive], scores[negative]
    for each in classes:
        each.sort()
    return classes


def _auroc(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Count the pairs in which the positive is above, and half of those with a tie."""
    if not (len(positives) and len(negatives)):
        return float("nan")
    doubled = 0
    for first in range(0, len(positives), _BLOCK):
        block = positives[first : first + _BLOCK]
        for side in ("left", "right"):
            doubled += int(np.searchsorted(negatives, block, side).sum())
    return doubled / (2 * len(positives) * len(negatives))


def _auprc(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Average the precisions at the scores of all positives; of equal ones at that of all of them."""
    if not (len(positives) and len(negatives)):
        return float("nan")
    sums = []
    for first in range(0, len(positives), _BLOCK):
        block = positives[first : first + _BLOCK]
        found = len(positives) - np.searchsorted(positives, block)
        wrong = len(negatives) - np.searchsorted(negatives, block)
        sums.append(float((found / (found + wrong)).sum()))
    return fsum(sums) / len(positives)


def _with_known_label(labels: Any, scores: Any) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = _as_floats(labels), _as_floats(scores)
    if labels.ndim != 1 or labels.shape != scores.shape:
        raise ValueError(
            f"expected labels and scores of one shape (n,), got {labels.shape} and {scores.shape}; select one task, "
            f"such as labels[:, 0] and scores[:, 0]"
        )
    known = ~np.isnan(labels)
    if not known.all():
        labels, scores = labels[known], scores[known]
    if not np.isfinite(scores).all():
        n_wrong = np.count_nonzero(~np.isfinite(scores))
        raise ValueError(f"scores must be finite, {n_wrong} of {len(scores)} are not; the model may have diverged")
    return labels, scores


def _as_floats(values: Any) -> np.ndarray:
    """Return float32 and float64 as they are, without a copy, and all else as float64."""
    array = np.asarray(values)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _columns_of_tasks(labels: Any, scores: Any, task_names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = np.asarray(labels), np.asarray(scores)
    if labels.ndim != 2 or scores.shape != labels.shape or len(task_names) != labels.shape[1]:
        raise ValueError(
            f"expected labels and scores of one shape (n, {len(task_names)}), a column for each task name, "
            f"got {labels.shape} and {scores.shape}"
        )
    return labels, scores


def _known_values(labels: Any, values: Any) -> tuple[np.ndarray, np.ndarray]:
    labels, values = _with_known_label(labels, values)
    labels, values = labels.astype(np.float64), values.astype(np.float64)
    if not np.isfinite(labels).all():
        raise ValueError("labels must be finite or NaN (unknown), got an infinite one: drop it")
    return labels, values


def _varies(values: np.ndarray) -> bool:
    return values.size > 1 and bool(np.ptp(values) > 0)
