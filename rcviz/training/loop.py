"""Training: one generator, from which ``fit``, sessions, widgets and the command line all draw their epochs."""

import math
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from rcviz.layers.torch_internals import has_bfloat16_units
from rcviz.metrics import LOWER_IS_BETTER, score_tasks, score_values
from rcviz.models.outputs import gradients, logits_of
from rcviz.models.prediction import one_hot_batch, predict
from rcviz.models.runtime import check_single_device, evaluating, exact_arithmetic, model_lock, restore, snapshot
from rcviz.models.scale import output_scale, returned_scale
from rcviz.sequences.annotations import LabelKind
from rcviz.sequences.checks import check_both_classes, check_output_count, labels_of
from rcviz.sequences.sequence_set import SequenceSet, as_sequence_set
from rcviz.sequences.splits import Splits
from rcviz.symmetry.strands import reverse_labels
from rcviz.training.checkpoint import Progress, fingerprint, load_checkpoint, save_checkpoint
from rcviz.training.config import TrainConfig
from rcviz.training.epoch import (
    BatchRecord,
    items_of_epoch,
    parts_to_evaluate,
    sample_order,
    train_one_epoch,
    validate,
)
from rcviz.training.history import EpochRecord, History, Metrics, ValueMetrics, progress_text


class StopTraining(Exception):  # noqa: N818 - a request, like StopIteration
    """Raised by an ``on_batch`` callback to end training at once; the best weights so far go into the model."""


def train_epochs(
    model: nn.Module,
    train: SequenceSet | Splits,
    valid: SequenceSet | None = None,
    config: TrainConfig | None = None,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    on_batch: Callable[[BatchRecord], None] | None = None,
    on_validation_batch: Callable[[int], None] | None = None,
    interrupt: Callable[[], None] | None = None,
) -> Iterator[EpochRecord]:
    """Train ``model`` in place and yield a record after every epoch.

    When training ends for any reason (all epochs done, patience run out, :class:`StopTraining`, ``close()``, an
    interrupt or an error), the model gets the best weights so far and is in evaluation mode on the training device. If
    no epoch was finished, it keeps the latest weights; after an error it gets its starting weights back.

    Training mode is set as ``model.train()`` does, except that a part in evaluation mode whose parameters are all
    frozen stays in evaluation mode: the running statistics of its batch norms do not change, and its dropout draws
    nothing. So does a single layer that alone was put into evaluation mode, as with ``norm.eval()``, while the module
    around it is in training mode; its parameters are trained. Any other part in evaluation mode with trainable
    parameters is put into training mode. A frozen part in training mode stays in training mode.

    Another thread may use the model during training: it gets access between two batches, and the training gives the
    same numbers.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``.
    train, valid : SequenceSet
        With labels for every task; NaN labels are ignored. Instead of both, ``train`` may be the :class:`Splits` of
        :func:`rcviz.split`: ``train_epochs(model, splits, config=config)``.
    config : TrainConfig
    checkpoint : path-like, optional
        Written after every epoch. If the file exists, its epochs are yielded again and training continues after
        them, with the same numbers as an uninterrupted run on the same machine.
    on_batch : callable, optional
        Called after every step; it may wait, and may raise :class:`StopTraining`.
    on_validation_batch : callable, optional
        Called after every batch of the validation with the number of sequences done; it may wait and stop as well.
    interrupt : callable, optional
        Called between the forward and the backward pass of every step, because a large batch takes long. It may raise
        :class:`StopTraining` but must not wait, because the model is locked meanwhile.

    Yields
    ------
    EpochRecord

    Raises
    ------
    ValueError
        Before anything is changed, if data, labels, model and configuration do not fit each other.
    FloatingPointError
        If the loss, or a logit in the validation, is not finite, naming epoch and batch. Model and checkpoint keep the
        best weights so far.

    Examples
    --------
    >>> training = rcviz.TrainConfig(epochs=2, batch_size=100, samples_per_epoch=200)
    >>> for record in rcviz.train_epochs(model, parts.train, parts.valid, training):
    ...     print(record.epoch, record.n_samples)
    1 200
    2 200
    """
    train, valid, config = training_data(train, valid, config)
    check_training(model, train, valid, config)
    evaluated = parts_to_evaluate(model)  # now: the caller may change modes before the first epoch is drawn
    return _train_epochs(model, train, valid, config, checkpoint, on_batch, on_validation_batch, interrupt, evaluated)


def fit(
    model: nn.Module,
    train: SequenceSet | Splits,
    valid: SequenceSet | None = None,
    config: TrainConfig | None = None,
    *,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> History:
    """Train ``model`` in place, leave its best weights in it and return what was recorded.

    Frozen parts that are in evaluation mode stay in it, for example a pretrained trunk after
    ``model.trunk.eval().requires_grad_(False)``, and so does a single layer that alone is in it, such as a batch norm.
    All other parts are put into training mode, also those in evaluation mode, as :func:`rcviz.load_model` returns them;
    :func:`train_epochs` has the details.

    Parameters
    ----------
    model, train, valid, config, checkpoint
        As in :func:`train_epochs`; ``fit(model, splits, config=config)`` works as well.
    progress : bool
        Show a progress bar with the loss and auROC, or Pearson's correlation of values.
    on_epoch : callable, optional
        Called with every :class:`EpochRecord`, for example ``TrainingCurves().follow("RC")``.

    Returns
    -------
    History

    Examples
    --------
    >>> import rcviz
    >>> parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15)
    >>> config = rcviz.ModelConfig.one_layer("revcomp", n_filters=8, sequence_length=200, pool_size=31)
    >>> model = rcviz.build_model(config)
    >>> training = rcviz.TrainConfig(epochs=1, batch_size=100, samples_per_epoch=500)
    >>> history = rcviz.fit(model, parts.train, parts.valid, training, progress=False)
    >>> history.best_epoch
    1
    """
    from tqdm.auto import tqdm

    train, valid, config = training_data(train, valid, config)
    epochs = train_epochs(model, train, valid, config, checkpoint=checkpoint)
    records = []
    with tqdm(total=config.epochs, unit="epoch", disable=not progress) as bar:
        for record in epochs:
            records.append(record)
            bar.update()
            bar.set_postfix_str(progress_text(record))
            if on_epoch is not None:
                on_epoch(record)
    return History(config, tuple(records))


def evaluate(model: nn.Module, data: Any, *, labels: Any = None, batch_size: int = 500) -> pd.DataFrame:
    """Measure how well a model predicts the labels of sequences; the model is not modified.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
    labels : array (N,) or (N, tasks), optional
        1, 0 or NaN (unknown, ignored), or values where the model declares ``output_is="value"``; by default those of
        the SequenceSet.
    batch_size : int
        Number of sequences that are in memory as floats at a time.

    Returns
    -------
    DataFrame
        One row per task: task, n_positive, n_negative, auroc, auprc. For labels that are values: task, n, pearson,
        spearman, mse, which compare them with the model's outputs as they are.

    Examples
    --------
    >>> table = rcviz.evaluate(model, parts.test)
    >>> table[["n_positive", "n_negative"]].values.tolist(), 0 <= table["auroc"].item() <= 1
    ([[68, 307]], True)
    """
    data = as_sequence_set(data)
    if labels is not None:
        data = SequenceSet(data.codes, labels, label_kind=_kind_for(model, labels))
    known = labels_of(data)
    if data.label_kind == "value":
        check_declares_values(model, "labels are values")
    predictions = predict(model, data, batch_size=batch_size, output=returned_scale(model))
    check_output_count(predictions.shape[1], data)
    score = score_values if data.label_kind == "value" else score_tasks
    return score(known, predictions, data.task_names)


def training_data(
    train: SequenceSet | Splits, valid: SequenceSet | None, config: TrainConfig | None
) -> tuple[SequenceSet, SequenceSet, TrainConfig]:
    """Resolve the arguments ``(train, valid, config)`` or ``(splits, config=config)``."""
    if isinstance(train, Splits):
        if valid is not None:
            raise ValueError(
                f"valid must be left out when splits are given, got {type(valid).__name__}; the validation set is "
                f"splits.valid, and the configuration is passed by keyword: config=TrainConfig(...)"
            )
        training, valid = train.train, train.valid
    else:
        training = train
    if valid is None:
        raise ValueError(
            "valid is missing; pass train and valid, or the splits that rcviz.split returns in place of both"
        )
    if config is None:
        raise ValueError("config is missing; pass config=TrainConfig(...)")
    if not isinstance(config, TrainConfig):
        raise ValueError(f"config must be a TrainConfig, got {type(config).__name__}; ModelConfig is for build_model")
    return training, valid, config


def check_training(model: nn.Module, train: SequenceSet, valid: SequenceSet, config: TrainConfig) -> None:
    """Refuse what cannot be trained; the model is not modified."""
    if device_of(config.device).type == "cpu" and config.precision == "bfloat16" and not _computes_bfloat16():
        warnings.warn(
            "this CPU has no bfloat16 units (AVX512-BF16 or AMX), so that precision='bfloat16' is several times slower "
            "than 'float32' here",
            stacklevel=3,
        )
    _check_loss(model, train, valid, config)
    check_both_classes(train, "train")
    check_both_classes(valid, "valid")
    if train.task_names != valid.task_names or train.length != valid.length:
        raise ValueError(
            f"train and valid must have the same tasks and length, got {train.task_names} on {train.length} bp and "
            f"{valid.task_names} on {valid.length} bp; make both from one SequenceSet, for example with rcviz.split"
        )
    check_single_device(model)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise ValueError("the model has no weights to train; make some trainable with .requires_grad_()")
    if config.augmentation == "revcomp":
        reverse_labels(model, labels_of(train, "train")[:1])
    with evaluating(model), exact_arithmetic(), torch.enable_grad():
        logits = logits_of(model, one_hot_batch(train.codes[:2], model))
        check_output_count(logits.shape[1], train)
        if all(gradient is None for gradient in gradients(logits, parameters)):
            raise ValueError(
                "the logits have no gradient with respect to any weight: the model does not use its trainable weights, "
                "or runs under torch.no_grad() or with .detach()"
            )


def _check_loss(model: nn.Module, train: SequenceSet, valid: SequenceSet, config: TrainConfig) -> None:
    """Refuse a loss that does not fit the labels, or labels that do not fit the model's declared scale."""
    kinds = {labelled.label_kind for labelled in (train, valid) if isinstance(labelled, SequenceSet)}
    if kinds == {"binary", "value"}:
        raise ValueError('train and valid must have the same label_kind, got "binary" and "value"')
    if "value" in kinds:
        if config.loss == "bce":
            raise ValueError("labels that are values need loss='mse' or loss='poisson', got loss='bce'")
        check_declares_values(model, "labels are values")
        if config.loss == "poisson" and any(np.any(labels_of(labelled) < 0) for labelled in (train, valid)):
            raise ValueError("loss='poisson' needs counts, which are at least 0; use loss='mse' for negative labels")
        return
    if config.loss != "bce":
        raise ValueError(
            f'loss={config.loss!r} needs labels that are values, SequenceSet(codes, labels, label_kind="value"); '
            f"for classes 0 and 1 use loss='bce'"
        )
    if output_scale(model) == "value":
        raise ValueError(
            'the model declares values and the labels are classes; use label_kind="value" in the SequenceSet, or '
            "declare logits with output_is='logit'"
        )


def check_declares_values(model: nn.Module, why: str) -> None:
    """Refuse a model that does not declare that its outputs are values."""
    if output_scale(model) != "value":
        raise ValueError(
            f"{why}, but the model's scale is {output_scale(model)!r}; declare values with "
            f"rcviz.as_sequence_model(model, output_is='value'), or ModelConfig(..., output_is='value')"
        )


def _kind_for(model: nn.Module, labels: Any) -> LabelKind:
    """Kind of labels given as an array: values where the model declares them and one is not 0, 1 or NaN."""
    array = np.asarray(labels, dtype=float)
    are_classes = bool(((array == 0) | (array == 1) | np.isnan(array)).all())
    return "value" if output_scale(model) == "value" and not are_classes else "binary"


def device_of(name: str) -> torch.device:
    """Device that :class:`rcviz.TrainConfig` names; "auto" is a GPU if there is one."""
    has_gpu = torch.cuda.is_available()
    device = torch.device(("cuda" if has_gpu else "cpu") if name == "auto" else name)
    available = {
        "cpu": True,
        "cuda": has_gpu and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
        "xpu": torch.xpu.is_available(),
    }
    if not available[device.type]:
        raise ValueError(f"torch finds no device {name!r} on this machine: choose 'auto' or 'cpu'")
    return device


def _computes_bfloat16() -> bool:
    """Return False for an x86 CPU without the units; other kinds of CPU are not asked."""
    return platform.machine() not in ("x86_64", "AMD64") or has_bfloat16_units()


def _train_epochs(
    model: nn.Module,
    train: SequenceSet,
    valid: SequenceSet,
    config: TrainConfig,
    checkpoint: str | os.PathLike[str] | None,
    on_batch: Callable[[BatchRecord], None] | None,
    on_validation_batch: Callable[[int], None] | None,
    interrupt: Callable[[], None] | None,
    evaluated: list[str],
) -> Iterator[EpochRecord]:
    with model_lock(model):
        model.to(device_of(config.device)).eval()
    starting_weights = snapshot(model)
    optimizer = torch.optim.Adam(
        [parameter for parameter in model.parameters() if parameter.requires_grad], lr=config.learning_rate
    )
    progress, data = Progress("", evaluated=evaluated), ""  # the digest is needed by checkpoints only
    if checkpoint is not None:
        data = fingerprint(train, valid)
        progress = load_checkpoint(checkpoint, model, optimizer, config, data, evaluated)
    order = sample_order(len(train), config)
    try:
        yield from progress.records
        while not progress.finished(config):
            started = time.perf_counter()
            epoch = len(progress.records) + 1
            items = items_of_epoch(order, epoch, config)
            train_metrics = train_one_epoch(
                model, optimizer, train, items, config, epoch, on_batch, interrupt, progress.evaluated
            )
            valid_metrics = validate(model, valid, config, epoch, on_validation_batch)
            best = best_epoch(progress.records, valid_metrics, str(config.monitor))
            if best == epoch:
                progress.best_weights = snapshot(model)
            seconds = time.perf_counter() - started
            progress.records.append(EpochRecord(epoch, train_metrics, valid_metrics, best, len(items), seconds))
            if checkpoint is not None:
                save_checkpoint(checkpoint, model, optimizer, progress, config, data)
            yield progress.records[-1]
    except StopTraining:
        pass
    except Exception:
        progress.best_weights = progress.best_weights or starting_weights
        raise
    finally:
        restore(model, progress.best_weights)


def best_epoch(records: list[EpochRecord], newest: Metrics | ValueMetrics, monitor: str) -> int:
    """Number of the best epoch when ``newest`` follows ``records``; of equal values the earlier stays best."""
    if not records:
        return 1
    best = records[-1].best_epoch
    is_better = _merit(newest, monitor) > _merit(records[best - 1].valid, monitor)
    return len(records) + 1 if is_better else best


def _merit(metrics: Metrics | ValueMetrics, monitor: str) -> float:
    """Monitored metric as a number that is larger for a better epoch; NaN is worse than any number."""
    value = float(getattr(metrics, monitor))
    if math.isnan(value):
        return -math.inf
    return -value if monitor in LOWER_IS_BETTER else value
