"""Scores of several models in one go, on the device of their logits.

:mod:`rcviz.metrics` is the definition. It sorts one task of one model at a time, on the host, and a GPU that trains ten
models together would wait for it longest.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rcviz.training.epoch import mean_loss
from rcviz.training.history import Scores


def score_models(
    labels: Float[Tensor, "models n tasks"], logits: Float[Tensor, "models n tasks"], positive_weight: float
) -> list[Scores]:
    """Loss, auROC and auPRC of every model, averaged over the tasks that have both classes; finite logits."""
    if not logits.is_cuda:  # other accelerators lack float64
        labels, logits = labels.cpu(), logits.cpu()
    losses = torch.func.vmap(lambda *of_one: mean_loss(of_one[0], of_one[1], positive_weight))(
        logits, labels.to(logits)
    )
    areas = (area.nanmean(dim=-1) for area in areas_under_curves(labels.mT, logits.mT))
    columns = torch.stack([losses.double(), *areas]).tolist()  # one wait for the device
    return [Scores(*row) for row in zip(*columns, strict=True)]


def areas_under_curves(
    labels: Float[Tensor, "*batch n"], scores: Float[Tensor, "*batch n"]
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Give what :func:`rcviz.metrics.auroc` and :func:`rcviz.metrics.auprc` give, along the last axis.

    Both count, for every sample, positives and negatives that score at least as high as it does; ties share the count
    of the last of them.
    """
    scores, order = scores.sort(dim=-1, descending=True)
    labels = labels.gather(-1, order)
    positive, negative = labels == 1, labels == 0
    places = torch.arange(labels.shape[-1], device=labels.device).expand(labels.shape)
    ends_a_tie = F.pad(scores.diff(dim=-1) != 0, (0, 1), value=True)
    last = places.where(ends_a_tie, labels.shape[-1]).flip(-1).cummin(-1).values.flip(-1)
    positives, negatives = (found.cumsum(-1).gather(-1, last) for found in (positive, negative))
    n_positive, n_negative = positive.sum(-1), negative.sum(-1)
    both = n_positive * n_negative
    # Pairs in which the positive is not below, and in which it is above.
    not_below = (positives * negative).sum(-1)
    above = both - (negatives * positive).sum(-1)
    precision = (positives.double() / (positives + negatives).clamp(min=1) * positive).sum(-1) / n_positive
    return (not_below + above).double() / (2 * both), precision.where(both > 0, torch.nan)
