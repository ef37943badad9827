"""Training: one generator, from which ``fit``, sessions, widgets and the command line all draw their epochs."""

import math
import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from rcviz.metrics import LOWER_IS_BETTER, score_tasks, score_values
from rcviz.models.prediction import predict
from rcviz.models.scale import output_scale, returned_scale
from rcviz.models.settings import in_batches
from rcviz.sequences.annotations import LabelKind
from rcviz.sequences.checks import check_output_count, labels_of
from rcviz.sequences.sequence_set import SequenceSet, as_sequence_set
from rcviz.sequences.splits import Splits
from rcviz.training.checks import check_checkpoint, check_declares_values, check_training, training_data
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
from rcviz.training.run import Run, hand_over


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
) -> Generator[EpochRecord, None, None]:
    """Train ``model`` in place and yield a record after every epoch.

    When training ends for any reason (all epochs done, patience run out, :class:`StopTraining`, ``close()``, an
    interrupt or an error), the model gets the best weights so far and is in evaluation mode on the training device. If
    no epoch was finished, it keeps the latest weights; after an interrupt or an error it is as it was given.

    A training that was interrupted, or ended by an error, goes on after its last finished epoch when it is called
    again with the same model, data and configuration, and has the numbers of an uninterrupted run: from the checkpoint,
    in any process, or else from memory, if the model still has the weights that it was left with. To train on from
    these weights instead, change the configuration, for example the seed.

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
        Written before the first step and after every epoch; ``~`` is the home folder. If the file exists, its epochs
        are yielded again and training continues after them, with the same numbers as an uninterrupted run on the same
        machine. The model must have weights of that run: those at its start, or any that it has had after an epoch.
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
        Before anything is changed, if data, labels, model and configuration do not fit each other, or the checkpoint
        cannot be written or belongs to another run.
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
    start = _checked(model, train, valid, config, checkpoint)
    return _train_epochs(start, on_batch, on_validation_batch, interrupt)


def fit(
    model: nn.Module,
    train: SequenceSet | Splits,
    valid: SequenceSet | None = None,
    config: TrainConfig | None = None,
    *,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    on_start: Callable[[], None] | None = None,
) -> History:
    """Train ``model`` in place, leave its best weights in it and return what was recorded.

    If it is interrupted or fails, the same call goes on after the last finished epoch, with the same numbers; see
    :func:`train_epochs`, also for ``checkpoint``, with which it does so in another process as well.

    Frozen parts that are in evaluation mode stay in it, for example a pretrained trunk after
    ``model.trunk.eval().requires_grad_(False)``, and so does a single layer that alone is in it, such as a batch norm.
    All other parts are put into training mode, also those in evaluation mode, as :func:`rcviz.load_model` returns them;
    :func:`train_epochs` has the details.

    Parameters
    ----------
    model, train, valid, config, checkpoint
        As in :func:`train_epochs`; ``fit(model, splits, config=config)`` works as well.
    progress : bool
        Show a progress bar with the loss and auROC, or Pearson's correlation of values, and a sentence if the training
        goes on from an earlier one.
    on_epoch : callable, optional
        Called with every :class:`EpochRecord`, for example ``TrainingCurves().follow("RC")``.
    on_start : callable, optional
        Called once, in the first step, when everything has been checked; not if there is nothing left to train.

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
    waiting = [] if on_start is None else [on_start]

    def first_step() -> None:
        while waiting:
            waiting.pop()()

    start = _checked(model, train, valid, config, checkpoint)
    records = []
    bar = tqdm(total=config.epochs, unit="epoch", disable=not progress)
    epochs = _train_epochs(
        start, interrupt=first_step, forgets=False, say=partial(bar.write, file=bar.fp) if progress else None
    )
    with bar, closing(epochs):
        try:
            for record in epochs:
                records.append(record)
                bar.update()
                bar.set_postfix_str(progress_text(record))
                if on_epoch is not None:
                    on_epoch(record)
        except BaseException as error:  # also between two epochs, or in on_epoch
            with suppress(StopIteration):
                epochs.throw(error)
            raise
    return hand_over(model, History(config, tuple(records)))


@in_batches
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


def _kind_for(model: nn.Module, labels: Any) -> LabelKind:
    """Kind of labels given as an array: values where the model declares them and one is not 0, 1 or NaN."""
    array = np.asarray(labels, dtype=float)
    are_classes = bool(((array == 0) | (array == 1) | np.isnan(array)).all())
    return "value" if output_scale(model) == "value" and not are_classes else "binary"


def _checked(
    model: nn.Module,
    train: SequenceSet | Splits,
    valid: SequenceSet | None,
    config: TrainConfig | None,
    checkpoint: str | os.PathLike[str] | None,
) -> Callable[[], Run]:
    """Check a training and return what makes the run."""
    train, valid, config = training_data(train, valid, config)
    check_training(model, train, valid, config)
    path = None if checkpoint is None else check_checkpoint(checkpoint)
    evaluated = parts_to_evaluate(model)  # now: the caller may change modes before the first epoch is drawn
    return lambda: Run(model, train, valid, config, path, evaluated)


def _train_epochs(
    start: Callable[[], Run],
    on_batch: Callable[[BatchRecord], None] | None = None,
    on_validation_batch: Callable[[int], None] | None = None,
    interrupt: Callable[[], None] | None = None,
    *,
    forgets: bool = True,
    say: Callable[[str], None] | None = None,
) -> Generator[EpochRecord, None, None]:
    run = start()  # when the first epoch is drawn, with the weights that the model has then
    config = run.config
    if run.explanation and say is not None:
        say(run.explanation)
    order = sample_order(len(run.train), config)
    try:
        try:
            run.begin()
            yield from run.state.records
            while not run.state.finished(config):
                started = time.perf_counter()
                epoch = len(run.state.records) + 1
                items = items_of_epoch(order, epoch, config)
                train_metrics = train_one_epoch(
                    run.model, run.optimizer, run.train, items, config, epoch, on_batch, interrupt, run.state.evaluated
                )
                valid_metrics = validate(run.model, run.valid, config, epoch, on_validation_batch)
                best = best_epoch(run.state.records, valid_metrics, str(config.monitor))
                seconds = time.perf_counter() - started
                run.store(EpochRecord(epoch, train_metrics, valid_metrics, best, len(items), seconds))
                yield run.state.records[-1]
            run.on_purpose = True
        except StopTraining:
            run.on_purpose = True
        except GeneratorExit:
            run.on_purpose = True
            raise
        finally:
            run.leave()
        if forgets:
            run.forget()
    except GeneratorExit:
        run.forget()
        raise
    finally:  # once more, if an interrupt came in the middle of that
        run.leave()


def best_epoch(records: Sequence[EpochRecord], newest: Metrics | ValueMetrics, monitor: str) -> int:
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
