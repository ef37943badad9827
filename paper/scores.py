"""Scores and calibration of a network on every part of simulated data, and the scores of a perfect predictor there."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.optimize import isotonic_regression
from scipy.special import expit, logit, xlogy
from torch import nn

from rcviz.analysis.strands import strand_agreement
from rcviz.metrics import auprc, auroc
from rcviz.sequences.sequence_set import SimulatedSet
from rcviz.sequences.splits import Splits

N_BINS = 20
"""Bins of the expected calibration error, with equal numbers of sequences."""
GIVEN, LOGITS_AVERAGED, PROBABILITIES_AVERAGED = "given", "logits averaged", "probabilities averaged"
"""What is scored: predictions for the sequences as given, or averages of both strands."""

Values = Float[np.ndarray, " sequences"]


def score_parts(model: nn.Module, splits: Splits) -> pd.DataFrame:
    """Score predictions for every part, task and treatment of the strands.

    Columns: part ("train", "valid", "test"), strands (as given or averaged), task, auroc and auprc with the noisy
    labels, clean_auroc and clean_auprc with those before noise, then those of :func:`calibration`, noisy labels.
    """
    rows: list[dict[str, str | float]] = []
    for name, part in splits._asdict().items():
        assert isinstance(part, SimulatedSet)
        assert part.labels is not None
        both = strand_agreement(model, part, output="logit")
        forward, reverse = both.forward.astype(float), both.reverse.astype(float)
        predicted = {
            GIVEN: forward,
            LOGITS_AVERAGED: (forward + reverse) / 2,
            PROBABILITIES_AVERAGED: logit((expit(forward) + expit(reverse)) / 2),
        }
        for strands, logits in predicted.items():
            for index, task in enumerate(part.task_names):
                noisy, clean = part.labels[:, index].astype(float), part.clean_labels[:, index]
                rows.append(
                    {"part": name, "strands": strands, "task": task}
                    | {"auroc": auroc(noisy, logits[:, index]), "auprc": auprc(noisy, logits[:, index])}
                    | {"clean_auroc": auroc(clean, logits[:, index]), "clean_auprc": auprc(clean, logits[:, index])}
                    | {**calibration(noisy, logits[:, index])}
                )
    return pd.DataFrame(rows)


def score_perfect(splits: Splits) -> pd.DataFrame:
    """Score a predictor that knows every clean label, with the noisy ones: part, task, auroc, auprc, brier.

    No predictor from sequences can have a higher expected score: noise is independent of the sequence. Its probability
    is the share of noisy positives among sequences of its clean label. It ranks sequences of one clean label at random,
    as nothing tells them apart, see :func:`expected_auprc`.
    """
    rows = []
    for name, part in splits._asdict().items():
        assert isinstance(part, SimulatedSet)
        assert part.labels is not None
        for index, task in enumerate(part.task_names):
            noisy, clean = part.labels[:, index].astype(float), part.clean_labels[:, index]
            rates = np.array([noisy[clean == label].mean() for label in (0, 1)])
            brier = float(np.mean((rates[clean.astype(int)] - noisy) ** 2))
            scores = {"auroc": auroc(noisy, clean), "auprc": expected_auprc(noisy, clean), "brier": brier}
            rows.append({"part": name, "task": task, **scores})
    return pd.DataFrame(rows)


def expected_auprc(labels: Values, scores: Values) -> float:
    """Return the mean auPRC over all orders of sequences that have the same score.

    Average precision itself takes such sequences at once, which is less than a network with the same knowledge reaches,
    whose predictions differ by accident. (auROC counts a tie as one half, which is its mean over orders.)
    """
    total, before, positives_before = 0.0, 0, 0.0
    for score in np.unique(scores)[::-1]:
        own = labels[scores == score]
        n, positives = len(own), own.sum()
        place = np.arange(n)  # a positive at this place has, of the others, this share above it in the mean
        above = positives_before + place * (positives - 1) / max(n - 1, 1)
        total += positives * float(np.mean((above + 1) / (before + place + 1)))
        before, positives_before = before + n, positives_before + positives
    return total / float(labels.sum())


def calibration(labels: Values, logits: Values) -> dict[str, float]:
    """Measure how well probabilities fit labels of 0 and 1.

    Returns
    -------
    dict
        - log_loss: mean cross-entropy;
        - brier: mean squared difference of probability and label, which is miscalibration - discrimination +
          uncertainty. These are Murphy's terms without bins, from isotonic regression of labels on probabilities
          (Dimitriadis, Gneiting and Jordan, 2021);
        - ece: expected calibration error, the mean absolute difference between mean probability and share of positives
          in bins of equal numbers of sequences;
        - slope, intercept: logistic regression of labels on logits, 1 and 0 if calibrated; a slope below 1 means
          predictions that are too extreme.
    """
    probability = expit(logits)
    order = np.argsort(logits, kind="stable")
    # Equal predictions must stay equal: they enter isotonic regression once, with their mean label and their number.
    _, first, counts = np.unique(probability[order], return_index=True, return_counts=True)
    means = np.add.reduceat(labels[order], first) / counts
    recalibrated = np.repeat(isotonic_regression(means, weights=counts).x, counts)
    brier = np.mean((probability - labels) ** 2)
    best = np.mean((recalibrated - labels[order]) ** 2)
    uncertainty = np.mean((labels.mean() - labels) ** 2)
    bins = [chosen for chosen in np.array_split(order, N_BINS) if len(chosen)]
    gaps = [len(chosen) * abs(probability[chosen].mean() - labels[chosen].mean()) for chosen in bins]
    slope, intercept = _logistic_regression(labels, logits)
    values = {
        "log_loss": -np.mean(xlogy(labels, expit(logits)) + xlogy(1 - labels, expit(-logits))),
        "brier": brier,
        "miscalibration": brier - best,
        "discrimination": uncertainty - best,
        "uncertainty": uncertainty,
        "ece": sum(gaps) / len(labels),
        "slope": slope,
        "intercept": intercept,
    }
    return {name: float(value) for name, value in values.items()}


def _logistic_regression(labels: Values, logits: Values) -> tuple[float, float]:
    """Return slope and intercept of largest likelihood by Newton's method; NaN where it has none (separable labels)."""
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    estimate = np.array([1.0, 0.0])
    for _ in range(100):
        probability = expit(design @ estimate)
        gradient = design.T @ (labels - probability)
        information = (design * (probability * (1 - probability))[:, None]).T @ design
        if np.linalg.cond(information) > 1e12:
            break
        step = np.linalg.solve(information, gradient)
        estimate = estimate + step
        if np.abs(step).max() < 1e-10:
            return float(estimate[0]), float(estimate[1])
    return float("nan"), float("nan")
