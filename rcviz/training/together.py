"""The seeds of an arm trained together, for a GPU that a single small model leaves idle."""

import dataclasses
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from rcviz._core.memory import keeping_memory
from rcviz.models.runtime import device_and_dtype, model_lock, one_hot_tensor
from rcviz.sequences.alphabet import reverse_complement
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.training.alike import check_together
from rcviz.training.checking import device_of, labels_of
from rcviz.training.checkpoint import Progress
from rcviz.training.config import TrainConfig
from rcviz.training.epoch import diverged, items_of_epoch, sample_order
from rcviz.training.history import EpochRecord, History, Scores
from rcviz.training.loop import best_epoch
from rcviz.training.scoring import score_models
from rcviz.training.stack import Learner, Stack


def fit_together(
    models: Sequence[nn.Module],
    train: SequenceSet,
    valid: SequenceSet,
    configs: Sequence[TrainConfig],
    *,
    progress: bool = True,
) -> list[History]:
    """Train models of one architecture in place and at the same time, each as :func:`rcviz.fit` would train it alone.

    Each keeps its own order of samples, its own best weights and its own early stopping; one that has stopped takes no
    part in the steps of the others. Results are those of ``fit`` up to rounding. Meant for a GPU, which has room for
    many small models beside each other, and needs memory for a batch of each at once; on a CPU ``fit`` has faster ways
    of its own, one model after the other.

    Parameters
    ----------
    models : sequence of nn.Module
        One architecture and its settings, other weights: ``[build_model(config, seed=seed) for seed in range(10)]``.
        They are left as :func:`rcviz.fit` leaves one.
    train, valid : SequenceSet
        As in :func:`rcviz.train_epochs`. On a GPU each is there once, for all models, a byte a base.
    configs : sequence of TrainConfig
        One for each model; they differ in ``seed`` alone.
    progress : bool
        Show a progress bar with how many models are still in training and their mean loss and auROC.

    Returns
    -------
    list of History
        In the order of ``models``. The seconds of an epoch are those of all models together.

    Raises
    ------
    ValueError
        Before anything is changed: as :func:`rcviz.train_epochs`, and when models or configurations differ in more than
        weights and seeds, or torch cannot map a network over weights. Among these is a network that draws random
        numbers in training, such as for dropout: models in a stack would not draw what each draws alone.
    FloatingPointError
        When a loss is no longer finite. Whatever ends it, all models have their best weights so far, or those they
        started with.

    Examples
    --------
    >>> import rcviz
    >>> parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15)
    >>> config = rcviz.ModelConfig.one_layer("revcomp", n_filters=4, sequence_length=200, pool_size=31)
    >>> models = [rcviz.build_model(config, seed=seed) for seed in range(3)]
    >>> trainings = [rcviz.TrainConfig(epochs=1, batch_size=100, samples_per_epoch=500, seed=seed) for seed in range(3)]
    >>> histories = rcviz.fit_together(models, parts.train, parts.valid, trainings, progress=False)
    >>> [history.config.seed for history in histories]
    [0, 1, 2]
    """
    from tqdm.auto import tqdm

    models, configs = list(models), list(configs)
    check_together(models, train, valid, configs)
    device = device_of(configs[0].device)
    for model in models:
        with model_lock(model):
            model.to(device).eval()
    runs = [
        _Run(Learner(model, config), sample_order(len(train), config))
        for model, config in zip(models, configs, strict=True)
    ]
    epochs = _epochs(runs, _Resident(train, models[0]), _Resident(valid, models[0]))
    with closing(epochs), tqdm(total=configs[0].epochs, unit="epoch", disable=not progress) as bar:
        for at_work in epochs:
            newest = [run.records[-1] for run in at_work]
            loss, auroc = (
                np.mean(values) for values in zip(*((r.train.loss, r.valid.auroc) for r in newest), strict=True)
            )
            bar.update()
            bar.set_postfix_str(f"{len(at_work)} models, mean loss {loss:.3f}, mean validation auROC {auroc:.4f}")
    return [History(run.config, tuple(run.records)) for run in runs]


@dataclass
class _Run:
    """One model on its way: the order of its samples, and how far it is."""

    learner: Learner
    order: Int[np.ndarray, " items"]
    progress: Progress = dataclasses.field(default_factory=lambda: Progress(""))

    @property
    def config(self) -> TrainConfig:
        return self.learner.config

    @property
    def records(self) -> list[EpochRecord]:
        return self.progress.records


class _Resident:
    """A data set where it is used: on a CPU as it is, elsewhere copied once, a byte a base."""

    def __init__(self, data: SequenceSet, model: nn.Module) -> None:
        self.device, self.dtype = device_and_dtype(model)
        self.codes: Any = data.codes
        if self.device.type != "cpu":
            self.codes = torch.from_numpy(np.array(data.codes)).to(self.device)
        self.labels = torch.from_numpy(np.array(labels_of(data, "data"))).to(self.device)

    def batch(
        self, items: Int[Tensor, "*models batch"], *, both_strands: bool
    ) -> tuple[Float[Tensor, "*models batch 4 length"], Float[Tensor, "*models batch tasks"]]:
        """One-hot sequences and labels; items beyond the last sequence are the same sequences' reverse complements."""
        rows = items % len(self.labels)
        on_host = isinstance(self.codes, np.ndarray)
        x = one_hot_tensor(torch.from_numpy(self.codes[rows.numpy()]) if on_host else self.codes[rows], self.dtype)
        if both_strands:
            x = reverse_complement(x).where((items >= len(self.labels))[..., None, None], x)
        return x, self.labels[rows]


def _epochs(runs: list[_Run], train: _Resident, valid: _Resident) -> Generator[list[_Run], None, None]:
    """Train, and yield after every epoch the runs that were in it."""
    config, stack = runs[0].config, Stack.of([run.learner for run in runs])
    try:
        while runs:
            started = time.perf_counter()
            epoch = len(runs[0].records) + 1
            items = items_of_epoch(np.stack([run.order for run in runs]), epoch, config)
            trained = _learn(stack, train, items, epoch)
            validated = _validate(stack, valid, epoch)
            best = [
                best_epoch(run.records, scores, config.monitor) for run, scores in zip(runs, validated, strict=True)
            ]
            stack.remember([row for row in range(len(runs)) if best[row] == epoch])
            seconds = time.perf_counter() - started
            for row, run in enumerate(runs):
                run.records.append(EpochRecord(epoch, trained[row], validated[row], best[row], items.shape[1], seconds))
            yield runs
            going_on = [row for row, run in enumerate(runs) if not run.progress.finished(config)]
            if len(going_on) < len(runs):
                stack.hand_back()
                stack, runs = stack.only(going_on), [runs[row] for row in going_on]
    finally:
        stack.hand_back()


@keeping_memory()
def _learn(stack: Stack, train: _Resident, items: Int[np.ndarray, "models samples"], epoch: int) -> list[Scores]:
    config = stack.skeleton.config
    steps: list[tuple[Tensor, Tensor, Tensor]] = []
    for batch in torch.from_numpy(items).to(train.device).split(config.batch_size, dim=1):
        x, targets = train.batch(batch, both_strands=config.augmentation == "revcomp")
        steps.append((targets, *stack.learn(x, targets)))
    labels, logits, losses = zip(*steps, strict=True)
    of_steps = torch.stack(losses).cpu()  # the only wait for the device in an epoch of steps
    for step, row in (~of_steps.isfinite()).nonzero().tolist():
        what = f"the loss became {float(of_steps[step, row])} in batch {step + 1}"
        raise diverged(what, epoch, stack.learners[row].config)
    return score_models(torch.cat(labels, dim=1), torch.cat(logits, dim=1), config.positive_weight)


@keeping_memory()
def _validate(stack: Stack, valid: _Resident, epoch: int) -> list[Scores]:
    """Score all models on the whole set; as many sequences at a time as in a step, since a step's memory is there."""
    config = stack.skeleton.config
    batches = torch.arange(len(valid.labels), device=valid.device).split(config.batch_size)
    logits = torch.cat([stack.predict(valid.batch(batch, both_strands=False)[0]) for batch in batches], dim=1)
    for row in (~logits.isfinite().flatten(1).all(1)).nonzero()[:, 0].tolist():
        raise diverged("a logit was not finite in the validation", epoch, stack.learners[row].config)
    return score_models(valid.labels.expand(logits.shape), logits, config.positive_weight)
