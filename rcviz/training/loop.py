"""One generator trains; ``fit``, the widgets, the command line and the tests all draw from it."""

import os
import time
from collections.abc import Callable, Iterator

import pandas as pd
import torch
from torch import Tensor, nn

from rcviz.metrics import score_tasks
from rcviz.models.prediction import predict
from rcviz.models.runtime import model_lock
from rcviz.sequences.checks import labels_of
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.training.checking import check_training, device_of
from rcviz.training.checkpoint import Progress, fingerprint, load_checkpoint, save_checkpoint
from rcviz.training.config import TrainConfig
from rcviz.training.epoch import BatchRecord, items_of_epoch, sample_order, train_one_epoch, validate
from rcviz.training.history import EpochRecord, History, Scores


class StopTraining(Exception):  # noqa: N818 - a request, like StopIteration
    """Raised by an ``on_batch`` callback to end training at once; the best weights so far go into the model."""


def train_epochs(
    model: nn.Module,
    train: SequenceSet,
    valid: SequenceSet,
    config: TrainConfig,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    on_batch: Callable[[BatchRecord], None] | None = None,
    on_validation_batch: Callable[[int], None] | None = None,
    interrupt: Callable[[], None] | None = None,
) -> Iterator[EpochRecord]:
    """Train ``model`` in place and yield a record after every epoch.

    However it ends - all epochs done, patience run out, :class:`StopTraining`, ``close()``, an interrupt or an
    error - the best weights so far are then in the model, which is left in evaluation mode on the training device.
    When not one epoch was finished, the latest weights stay; after an error, those it started with come back.

    Another thread may analyse the model meanwhile: it gets it between two batches, and training is not disturbed.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``.
    train, valid : SequenceSet
        With labels for every task; NaN labels count for nothing.
    config : TrainConfig
    checkpoint : path-like, optional
        Written after every epoch. When the file exists, its epochs are yielded again and training goes on from
        there, with the same numbers as an uninterrupted run on the same machine.
    on_batch : callable, optional
        Called after every step; it may wait, and may raise :class:`StopTraining`.
    on_validation_batch : callable, optional
        Called after every batch of the validation with the count of sequences done; it may wait and stop as well.
    interrupt : callable, optional
        Called between the forward and the backward pass of every step, as a large batch takes long; it may raise
        :class:`StopTraining` but must not wait, as the model is held meanwhile.

    Yields
    ------
    EpochRecord

    Raises
    ------
    ValueError
        Before anything is changed, when data, labels, model and configuration do not fit each other.
    FloatingPointError
        When the loss is no longer finite, naming epoch and batch, or a logit in the validation; the best weights so
        far are kept, in the model and in the checkpoint.

    Examples
    --------
    >>> training = rcviz.TrainConfig(epochs=2, batch_size=100, samples_per_epoch=200)
    >>> for record in rcviz.train_epochs(model, parts.train, parts.valid, training):
    ...     print(record.epoch, record.n_samples)
    1 200
    2 200
    """
    check_training(model, train, valid, config)
    return _train_epochs(model, train, valid, config, checkpoint, on_batch, on_validation_batch, interrupt)


def fit(
    model: nn.Module,
    train: SequenceSet,
    valid: SequenceSet,
    config: TrainConfig,
    *,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> History:
    """Train ``model`` in place, leave its best weights in it and return what happened.

    Parameters
    ----------
    model, train, valid, config, checkpoint
        As in :func:`train_epochs`.
    progress : bool
        Show a progress bar with loss and auROC.
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

    epochs = train_epochs(model, train, valid, config, checkpoint=checkpoint)
    records = []
    with tqdm(total=config.epochs, unit="epoch", disable=not progress) as bar:
        for record in epochs:
            records.append(record)
            bar.update()
            bar.set_postfix_str(
                f"loss {record.train.loss:.3f}, validation auROC {record.valid.auroc:.4f}, best {record.best_epoch}"
            )
            if on_epoch is not None:
                on_epoch(record)
    return History(config, tuple(records))


def evaluate(model: nn.Module, data: SequenceSet, *, batch_size: int = 500) -> pd.DataFrame:
    """Score a model on labelled sequences; the model is left as found.

    Returns
    -------
    DataFrame
        One row per task: task, n_positive, n_negative, auroc, auprc. NaN labels are left out.

    Examples
    --------
    >>> table = rcviz.evaluate(model, parts.test)
    >>> table[["n_positive", "n_negative"]].values.tolist(), 0 <= table["auroc"].item() <= 1
    ([[68, 307]], True)
    """
    logits = predict(model, data, batch_size=batch_size, output="logit")
    return score_tasks(labels_of(data, "data"), logits, data.task_names)


def _train_epochs(
    model: nn.Module,
    train: SequenceSet,
    valid: SequenceSet,
    config: TrainConfig,
    checkpoint: str | os.PathLike[str] | None,
    on_batch: Callable[[BatchRecord], None] | None,
    on_validation_batch: Callable[[int], None] | None,
    interrupt: Callable[[], None] | None,
) -> Iterator[EpochRecord]:
    with model_lock(model):
        model.to(device_of(config.device)).eval()
    at_start = _weights(model)
    optimizer = torch.optim.Adam(
        [parameter for parameter in model.parameters() if parameter.requires_grad], lr=config.learning_rate
    )
    progress, data = Progress(""), ""  # the digest is for checkpoints alone
    if checkpoint is not None:
        data = fingerprint(train, valid)
        progress = load_checkpoint(checkpoint, model, optimizer, config, data)
    order = sample_order(len(train), config)
    try:
        yield from progress.records
        while not progress.finished(config):
            started = time.perf_counter()
            epoch = len(progress.records) + 1
            items = items_of_epoch(order, epoch, config)
            trained = train_one_epoch(model, optimizer, train, items, config, epoch, on_batch, interrupt)
            validated = validate(model, valid, config, epoch, on_validation_batch)
            best = best_epoch(progress.records, validated, config.monitor)
            if best == epoch:
                progress.best_weights = _weights(model)
            seconds = time.perf_counter() - started
            progress.records.append(EpochRecord(epoch, trained, validated, best, len(items), seconds))
            if checkpoint is not None:
                save_checkpoint(checkpoint, model, optimizer, progress, config, data)
            yield progress.records[-1]
    except StopTraining:
        pass
    except Exception:
        progress.best_weights = progress.best_weights or at_start
        raise
    finally:
        with model_lock(model):
            if progress.best_weights:
                model.load_state_dict(progress.best_weights)
            model.eval()


def best_epoch(records: list[EpochRecord], newest: Scores, monitor: str) -> int:
    """Return the best epoch, counted from one, once ``newest`` is the score of the one after ``records``."""
    if not records:
        return 1
    best = records[-1].best_epoch
    sign = -1 if monitor == "loss" else 1
    new, old = (sign * float(getattr(scores, monitor)) for scores in (newest, records[best - 1].valid))
    return len(records) + 1 if new > old else best


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
