"""A comparison of six strategies for the two strands, on one data set."""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rcviz._core.checks import check_positive, check_settings
from rcviz.models.config import Architecture, ModelConfig
from rcviz.sequences.splits import Splits
from rcviz.sweeps.arms import Arm, Strategy
from rcviz.sweeps.result import Sweep
from rcviz.sweeps.runner import checked_splits, sweep
from rcviz.training.config import Augmentation, TrainConfig

if TYPE_CHECKING:
    from distributed import Client

LONG = 500
"""Least length in bp at which the network has the paper's three convolutions; below it has one."""

_FIXED = ("architecture", "n_filters", "sequence_length", "n_tasks")


def compare_strategies(
    splits: Splits,
    *,
    n_filters: int = 16,
    seeds: int | Iterable[int] = 5,
    model: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | TrainConfig | None = None,
    store: str | os.PathLike[str] | None = None,
    backend: "Literal['loky', 'dask'] | Client | None" = None,
    n_jobs: int | None = None,
    progress: bool = True,
) -> Sweep:
    """Find out whether parameter sharing helps on your data: the same network with six strategies for the two strands.

    ============================= ========== =====================================================================
    arm                           filters    the two strands
    ============================= ========== =====================================================================
    "shared"                      n_filters  every filter is scanned as it is and as its reverse complement, with
                                             shared weights: both strands get the same prediction
    "standard"                    n_filters  no treatment
    "standard, twice the filters" twice      no treatment; as many channels, thus as much memory as "shared"
    "augmented"                   twice      trained on every sequence and its reverse complement
    "conjoined"                   twice      "standard, twice the filters" whose predictions for a sequence and its
                                             reverse complement are averaged after training (costs no training)
    "siamese"                     n_filters  the predictions for both strands are averaged in training as well
    ============================= ========== =====================================================================

    All arms have the same shape and the same head, a weighted sum over positions. All are trained in the same way,
    until the validation auROC has not improved for 10 epochs, and the best epoch is evaluated on the test part. Labels
    that are values are learned with the mean squared error, until that of the validation part has not improved.

    Parameters
    ----------
    splits : Splits
        Train, validate and test, all labelled.
    n_filters : int
        Number of filters of every convolution of the shared network.
    seeds : int or list of int
        Number of seeds (0, 1, ...), or a list of seeds. Five are the fewest with which a difference in either direction
        can be significant against the best of five rivals.
    model : dict, optional
        Changes to the shape, any field of :class:`rcviz.ModelConfig` such as ``{"kernel_sizes": (19,)}``. By default
        it follows from the length, see :func:`rcviz.sweeps.strategies.network_shape`.
    training : dict or TrainConfig, optional
        Changes to the training, such as ``{"epochs": 30}``, or ``{"loss": "poisson"}`` for counts, or a complete
        TrainConfig. By default at most 100 epochs of 5,000 samples in batches of 100, patience 10, and positives
        weighted by the ratio of negatives to positives.
    store, backend, n_jobs, progress
        As in :func:`rcviz.sweep`: with a store, a comparison that was stopped continues where it stopped.

    Returns
    -------
    Sweep
        ``.test`` holds the metrics, ``.summary()`` states in one sentence whether sharing is ahead of the best of the
        other arms, level with it or behind it, ``.compare("shared", "augmented")`` compares two arms, ``.plot()``
        draws all of them.

    Raises
    ------
    ValueError
        When the test part is empty, or data and options do not fit each other.

    Examples
    --------
    >>> short = {"epochs": 1, "samples_per_epoch": 300}  # leave it out, and take more seeds, for an answer
    >>> result = rcviz.compare_strategies(parts, n_filters=2, seeds=1, training=short, n_jobs=1, progress=False)
    >>> result.comparisons()["arm"].tolist()
    ['shared', 'standard', 'standard, twice the filters', 'augmented', 'conjoined', 'siamese']
    >>> "too few seeds to tell" in result.summary()
    True
    """
    splits = checked_splits(splits)
    if not len(splits.test):
        raise ValueError("splits: the test part is empty, and the strategies are compared on it; split the data again")
    arms = strategy_arms(splits, n_filters=n_filters, model=model, training=training)
    return sweep(arms, splits, seeds=seeds, store=store, backend=backend, n_jobs=n_jobs, progress=progress)


def strategy_arms(
    splits: Splits,
    *,
    n_filters: int = 16,
    model: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | TrainConfig | None = None,
) -> dict[str, Arm]:
    """Return the arms of :func:`compare_strategies`, to add others or to leave some out.

    Examples
    --------
    >>> from rcviz.sweeps.strategies import strategy_arms
    >>> arms = strategy_arms(parts, n_filters=8)
    >>> list(arms)
    ['shared', 'standard', 'standard, twice the filters', 'augmented', 'conjoined', 'siamese']
    >>> arms["shared"].model.kernel_sizes, arms["shared"].model.pooled_length
    ((15,), 6)
    """
    check_positive("n_filters", n_filters)
    config = _training_of(splits, training)
    shape = _shape_of(splits, model)

    def arm(
        architecture: Architecture,
        factor: int,
        description: str,
        strategy: Strategy = "as is",
        augmentation: Augmentation = "none",
    ) -> Arm:
        return Arm(
            model=ModelConfig(architecture=architecture, n_filters=factor * n_filters, **shape),
            training=dataclasses.replace(config, augmentation=augmentation),
            strategy=strategy,
            description=f"{factor * n_filters} filters, {description}",
        )

    both = "every training sequence shown as it is and as its reverse complement"
    return {
        "shared": arm("revcomp", 1, "each scanned on both strands with shared weights"),
        "standard": arm("standard", 1, "each scanned on the strand that is given"),
        "standard, twice the filters": arm("standard", 2, "each scanned on the strand that is given"),
        "augmented": arm("standard", 2, both, augmentation="revcomp"),
        "conjoined": arm("standard", 2, "predictions for the two strands averaged after training", "conjoined"),
        "siamese": arm("standard", 1, "predictions for the two strands averaged in training and after it", "siamese"),
    }


def network_shape(length: int) -> dict[str, Any]:
    """Return widths and pooling for sequences of a length in bp.

    From 500 bp on the paper's convolutions of 15, 14 and 14 bp, pooled over 40 positions every 20 (section 3.4.2).
    Below, one convolution of 15 bp, at most a quarter of the sequence, pooled into about six windows side by side. The
    width of a window is the nearest one with which the windows are at the same positions on both strands.

    Examples
    --------
    >>> from rcviz.sweeps.strategies import network_shape
    >>> network_shape(1000)
    {'kernel_sizes': (15, 14, 14), 'pool_size': 40, 'pool_stride': 20}
    >>> network_shape(200)
    {'kernel_sizes': (15,), 'pool_size': 31, 'pool_stride': 31}
    """
    check_positive("length", length)
    kernel_sizes = (15, 14, 14) if length >= LONG else (min(15, max(1, length // 4)),)
    n_positions = length - sum(width - 1 for width in kernel_sizes)
    if length >= LONG:
        return {"kernel_sizes": kernel_sizes, "pool_size": 40 + (n_positions - 40) % 20 % 2, "pool_stride": 20}
    fitting = (size for size in range(max(1, n_positions // 6), 0, -1) if n_positions % size % 2 == 0)
    size = next(fitting)
    return {"kernel_sizes": kernel_sizes, "pool_size": size, "pool_stride": size}


def _shape_of(splits: Splits, model: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return every field of the arms' ModelConfig but those that differ between them."""
    changes = dict(model or {})
    fields = [field.name for field in dataclasses.fields(ModelConfig) if field.name not in _FIXED]
    check_settings("model", changes, fields)
    n_tasks, is_value = len(splits.train.task_names), splits.train.label_kind == "value"
    shape = {**network_shape(splits.train.length), "head": "weighted_sum", **changes}
    if is_value:
        shape = {"output_is": "value", **shape}
    if "pool_size" in changes and "pool_stride" not in changes:
        shape["pool_stride"] = changes["pool_size"]
    # As in the paper (section 3.4.2); values have an offset and a scale, which a frozen output could not learn.
    frozen = n_tasks == 1 and shape["head"] == "weighted_sum" and not is_value
    return {"sequence_length": splits.train.length, "n_tasks": n_tasks, "freeze_output": frozen, **shape}


def _training_of(splits: Splits, training: Mapping[str, Any] | TrainConfig | None) -> TrainConfig:
    if isinstance(training, TrainConfig):
        return training
    changes = dict(training or {})
    check_settings("training", changes, [field.name for field in dataclasses.fields(TrainConfig)])
    loss = "mse" if splits.train.label_kind == "value" else "bce"
    settings = {"epochs": 100, "batch_size": 100, "patience": 10, "loss": loss, **changes}
    return TrainConfig(**({"positive_weight": _ratio(splits), **settings} if settings["loss"] == "bce" else settings))


def _ratio(splits: Splits) -> float:
    """Return the negatives per positive of the training part, all tasks together, to three digits; 1 for values."""
    labels = splits.train.labels
    if labels is None or splits.train.label_kind == "value":
        return 1.0
    n_positive, n_negative = np.count_nonzero(labels == 1), np.count_nonzero(labels == 0)
    return float(f"{n_negative / n_positive:.3g}") if n_positive and n_negative else 1.0
