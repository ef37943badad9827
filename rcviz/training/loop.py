"""One generator trains; ``fit``, the widgets, the command line and the tests all draw from it."""

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from rcviz.layers.weighted_sum import WeightedSum1d
from rcviz.metrics import score_tasks
from rcviz.models.prediction import predict
from rcviz.modules import exact_arithmetic, one_hot_batch, to_numpy
from rcviz.sequences.alphabet import reverse_complement
from rcviz.sequences.dataset import SequenceSet
from rcviz.training.checkpoint import Progress, fingerprint, load_checkpoint, save_checkpoint
from rcviz.training.config import TrainConfig
from rcviz.training.history import EpochRecord, History, Scores


class StopTraining(Exception):  # noqa: N818 - a request, like StopIteration
    """Raised by an ``on_batch`` callback to end training at once; the best weights so far go into the model."""


@dataclass(frozen=True)
class BatchRecord:
    """One step of the optimizer: epoch (from one), samples shown in this epoch so far, and the batch's loss."""

    epoch: int
    n_samples: int
    loss: float


def train_epochs(
    model: nn.Module,
    train: SequenceSet,
    valid: SequenceSet,
    config: TrainConfig,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    on_batch: Callable[[BatchRecord], None] | None = None,
) -> Iterator[EpochRecord]:
    """Train ``model`` in place and yield a record after every epoch.

    However it ends - all epochs done, patience run out, :class:`StopTraining`, ``close()``, an interrupt or an
    error - the best weights so far are then in the model, which is left in evaluation mode on the training device.

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

    Yields
    ------
    EpochRecord

    Raises
    ------
    ValueError
        Before anything is changed, when data, labels, model and configuration do not fit each other.
    FloatingPointError
        When the loss is no longer finite; the best weights so far are kept.
    """
    _check(model, train, valid, config)
    return _train_epochs(model, train, valid, config, checkpoint, on_batch)


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
    """
    logits = predict(model, data, batch_size=batch_size, output="logit")
    return score_tasks(_labels(data, "data"), logits, data.task_names)


def _train_epochs(
    model: nn.Module,
    train: SequenceSet,
    valid: SequenceSet,
    config: TrainConfig,
    checkpoint: str | os.PathLike[str] | None,
    on_batch: Callable[[BatchRecord], None] | None,
) -> Iterator[EpochRecord]:
    model.to(_device(config.device))
    optimizer = torch.optim.Adam(
        [parameter for parameter in model.parameters() if parameter.requires_grad], lr=config.learning_rate
    )
    progress, data = Progress(), ""
    if checkpoint is not None:
        data = fingerprint(train, valid)
        progress = load_checkpoint(checkpoint, model, optimizer, config, data)
    order = _order(len(train), config)
    try:
        yield from progress.records
        while not progress.finished(config):
            started = time.perf_counter()
            epoch = len(progress.records) + 1
            positions = np.arange((epoch - 1) * config.samples_per_epoch, epoch * config.samples_per_epoch)
            with exact_arithmetic(), _own_random_state(config.seed, epoch):
                trained = _train_one_epoch(
                    model, optimizer, train, order[positions % len(order)], config, epoch, on_batch
                )
            logits = predict(model, valid, output="logit")
            validated = _scores(_labels(valid, "valid"), logits, valid.task_names, config.positive_weight)
            best = progress.records[-1].best_epoch if progress.records else epoch
            before = progress.records[best - 1].valid if progress.records else None
            if before is None or _better(validated, before, config.monitor):
                best = epoch
                progress.best_weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
            seconds = time.perf_counter() - started
            progress.records.append(EpochRecord(epoch, trained, validated, best, len(positions), seconds))
            if checkpoint is not None:
                save_checkpoint(checkpoint, model, optimizer, progress, config, data)
            yield progress.records[-1]
    except StopTraining:
        pass
    finally:
        if progress.best_weights:
            model.load_state_dict(progress.best_weights)
        model.eval()


def _train_one_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: SequenceSet,
    items: Int[np.ndarray, " samples"],
    config: TrainConfig,
    epoch: int,
    on_batch: Callable[[BatchRecord], None] | None,
) -> Scores:
    model.train()
    labels = _labels(train, "train")
    smooth = [module for module in model.modules() if isinstance(module, WeightedSum1d) and module.smoothness > 0]
    device = next(model.parameters()).device
    seen = []
    for start in range(0, len(items), config.batch_size):
        batch = items[start : start + config.batch_size]
        x = one_hot_batch(_codes(train.codes, batch), model)
        targets = labels[batch % len(train)]
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
            logits = model(x)
        logits = logits.float() if config.precision == "bfloat16" else logits
        logits = logits.reshape(len(batch), -1)
        loss = _loss(logits, torch.from_numpy(targets).to(logits), config.positive_weight)
        for module in smooth:
            loss = loss + module.smoothness_penalty()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise FloatingPointError(
                f"the loss became {value} in epoch {epoch} after {start} samples; lower learning_rate (it is "
                f"{config.learning_rate}); the best weights so far are in the model"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        seen.append((targets, to_numpy(logits)))
        if on_batch is not None:
            on_batch(BatchRecord(epoch, start + len(batch), value))
    targets, predicted = (np.concatenate(part) for part in zip(*seen, strict=True))
    return _scores(targets, predicted, train.task_names, config.positive_weight)


def _codes(codes: UInt8[np.ndarray, "n length"], items: Int[np.ndarray, " batch"]) -> UInt8[np.ndarray, "batch length"]:
    """Sequences by item; items beyond the last sequence are the same sequences' reverse complements."""
    chosen = codes[items % len(codes)]
    reverse = items >= len(codes)
    if reverse.any():
        chosen[reverse] = reverse_complement(chosen[reverse])
    return chosen


def _order(n_sequences: int, config: TrainConfig) -> Int[np.ndarray, " items"]:
    n_items = n_sequences * (2 if config.augmentation == "revcomp" else 1)
    return np.random.default_rng(config.seed).permutation(n_items)


def _loss(
    logits: Float[Tensor, "batch tasks"], targets: Float[Tensor, "batch tasks"], positive_weight: float
) -> Float[Tensor, ""]:
    """Binary cross-entropy, averaged over the known labels."""
    known = ~targets.isnan()
    losses = F.binary_cross_entropy_with_logits(
        logits[known], targets[known], pos_weight=logits.new_tensor(positive_weight), reduction="sum"
    )
    return losses / known.sum().clamp(min=1)


def _scores(
    labels: Float[np.ndarray, "n tasks"],
    logits: Float[np.ndarray, "n tasks"],
    task_names: tuple[str, ...],
    positive_weight: float,
) -> Scores:
    loss = _loss(torch.from_numpy(logits), torch.from_numpy(labels).to(torch.from_numpy(logits)), positive_weight)
    tasks = score_tasks(labels, logits, task_names)
    return Scores(float(loss), float(tasks["auroc"].mean()), float(tasks["auprc"].mean()))


def _better(new: Scores, old: Scores, monitor: str) -> bool:
    sign = -1 if monitor == "loss" else 1
    return sign * float(getattr(new, monitor)) > sign * float(getattr(old, monitor))


@contextmanager
def _own_random_state(seed: int, epoch: int) -> Iterator[None]:
    """Let dropout draw from a state that only the seed and the epoch determine; give the caller's back afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0]))
        yield


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def _labels(data: Any, what: str) -> Float[np.ndarray, "n tasks"]:
    labels = getattr(data, "labels", None)
    if labels is None:
        raise ValueError(f"{what} has no labels; make it with SequenceSet(codes, labels)")
    return labels


def _check(model: nn.Module, train: SequenceSet, valid: SequenceSet, config: TrainConfig) -> None:
    if not isinstance(config, TrainConfig):
        raise ValueError(f"config must be a TrainConfig, got {type(config).__name__}; ModelConfig is for build_model")
    for what, data in (("train", train), ("valid", valid)):
        labels = _labels(data, what)
        for task, name in enumerate(data.task_names):
            for value, kind in ((1, "positives"), (0, "negatives")):
                if not (labels[:, task] == value).any():
                    raise ValueError(
                        f"{what} has no {kind} for task {name}, so that its auROC is not defined; split the data anew"
                    )
    if train.task_names != valid.task_names or train.length != valid.length:
        raise ValueError(
            f"train has tasks {train.task_names} on {train.length} bp, valid {valid.task_names} on {valid.length} bp; "
            f"make both from one SequenceSet, for example with split"
        )
    n_outputs = predict(model, valid.codes[:1]).shape[1]
    if n_outputs != len(train.task_names):
        raise ValueError(
            f"the model gives {n_outputs} logits a sequence, but the data has {len(train.task_names)} tasks; "
            f"build it with n_tasks={len(train.task_names)}"
        )
