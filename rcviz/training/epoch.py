"""One epoch: the steps of the optimizer, and the validation after them."""

import math
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from rcviz.layers.facts import draws_random
from rcviz.layers.weighted_sum import WeightedSum1d
from rcviz.metrics import score_tasks, score_values
from rcviz.models.outputs import as_logits, check_weights, one_tensor, output_of
from rcviz.models.prediction import concatenate_batches, map_batches, one_hot_batch, to_numpy
from rcviz.models.runtime import device_and_dtype, threads_for, training_mode
from rcviz.models.scale import one_warning
from rcviz.models.settings import Autocast, RandomStream, in_batches
from rcviz.models.threads import Threads
from rcviz.sequences.alphabet import reverse_complement
from rcviz.sequences.checks import labels_of
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.symmetry.strands import reverse_labels
from rcviz.training.config import TrainConfig
from rcviz.training.history import Metrics, ValueMetrics

_VALIDATION_BATCH = 500  # sequences


def parts_to_evaluate(model: nn.Module) -> list[str]:
    """Names of the modules that stay in evaluation mode in training: they are in it, and nothing in them is trained.

    A module without parameters, such as dropout, is treated as the module around it. A single layer that alone was put
    into evaluation mode, such as a batch norm that keeps its running statistics, stays there even if it is trained.
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    names: list[str] = []
    for name, module in modules.items():  # a module comes before those in it
        trainable = [weight.requires_grad for weight in module.parameters()]
        around = name.rpartition(".")[0]
        alone = modules[around].training
        frozen = not any(trainable) and (bool(trainable) or around in names or alone)
        if not module.training and (frozen or (alone and not any(module.children()))):
            names.append(name)
    return names


@dataclass(frozen=True)
class BatchRecord:
    """One step of the optimizer: epoch (1-based), samples shown so far in this epoch, and the batch's loss."""

    epoch: int
    n_samples: int
    loss: float


@in_batches
@one_warning()
def train_one_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: SequenceSet,
    items: Int[np.ndarray, " samples"],
    config: TrainConfig,
    epoch: int,
    on_batch: Callable[[BatchRecord], None] | None,
    interrupt: Callable[[], None] | None = None,
    evaluated: Collection[str] = (),
) -> Metrics | ValueMetrics:
    """Take one step per batch of ``items``; those beyond the last sequence are the reverse complements, in order.

    The modules named in ``evaluated`` stay in evaluation mode.
    """
    labels = labels_of(train, "train")
    if config.augmentation == "revcomp":
        labels = np.concatenate([labels, reverse_labels(model, labels)])
    random_numbers = _random_numbers(model, config.seed, epoch)

    def steps() -> Iterator[Float[Tensor, "batch tasks"]]:
        for start in range(0, len(items), config.batch_size):
            batch = items[start : start + config.batch_size]
            targets, codes = torch.from_numpy(labels[batch]), _codes(train.codes, batch)
            with training_mode(model, evaluated=evaluated), threads_for(model, codes.size), random_numbers():
                x = one_hot_batch(codes, model)
                logits, loss = _logits_and_loss(model, x, targets, config)
                value = float(loss.detach())
                if not math.isfinite(value):
                    if start == 0 and epoch == 1:  # no step was taken
                        check_weights(model)
                        raise FloatingPointError(
                            f"the loss is {value} in batch 1 of epoch 1, before any training: the forward pass makes "
                            f"it, for example by a division by zero; the model is as it was given"
                        )
                    raise _diverged(f"the loss became {value} in batch {start // config.batch_size + 1}", epoch, config)
                if interrupt is not None:
                    interrupt()
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
            yield logits.detach()
            if on_batch is not None:
                on_batch(BatchRecord(epoch, start + len(batch), value))

    logits = to_numpy(concatenate_batches(steps(), len(items)))
    return _metrics(labels[items], logits, train.task_names, config)


@in_batches
@one_warning()
def validate(
    model: nn.Module,
    valid: SequenceSet,
    config: TrainConfig,
    epoch: int,
    on_batch: Callable[[int], None] | None,
) -> Metrics | ValueMetrics:
    """Score the whole validation set; ``on_batch`` is called after every batch with the number of sequences done."""

    def finite_logits() -> Iterator[Float[Tensor, "batch tasks"]]:
        n_sequences = 0

        def run(x: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "batch tasks"]:
            return as_logits(output_of(model, x), len(x))

        for logits in map_batches(run, model, valid.codes, _VALIDATION_BATCH):
            if not logits.isfinite().all():  # the last step of the epoch may have ruined the weights
                raise _diverged("a logit was not finite in the validation", epoch, config)
            yield logits
            n_sequences += len(logits)
            if on_batch is not None:
                on_batch(n_sequences)

    logits = to_numpy(concatenate_batches(finite_logits(), len(valid)))
    return _metrics(labels_of(valid, "valid"), logits, valid.task_names, config)


def _logits_and_loss(
    model: nn.Module, x: Float[Tensor, "batch 4 length"], targets: Float[Tensor, "batch tasks"], config: TrainConfig
) -> tuple[Float[Tensor, "batch tasks"], Float[Tensor, ""]]:
    """Logits of a batch and the loss to minimise, with the smoothness penalties of the model's weighted sums."""
    with Autocast(x.device.type) if config.precision == "bfloat16" else nullcontext():
        logits = as_logits(one_tensor(model(x)), len(x))
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    loss = mean_loss(logits, targets.to(logits), config)
    for module in model.modules():
        if isinstance(module, WeightedSum1d) and module.smoothness > 0:
            loss = loss + module.smoothness_penalty()
    return logits, loss


def _diverged(problem: str, epoch: int, config: TrainConfig) -> FloatingPointError:
    return FloatingPointError(
        f"{problem} of epoch {epoch} (seed {config.seed}); lower learning_rate (it is {config.learning_rate}); "
        f"the model has its best weights so far, or those it started with"
    )


def _codes(codes: UInt8[np.ndarray, "n length"], items: Int[np.ndarray, " batch"]) -> UInt8[np.ndarray, "batch length"]:
    """Sequences of a batch; item ``len(codes) + i`` is the reverse complement of sequence ``i``."""
    chosen = codes[items % len(codes)]
    reverse = items >= len(codes)
    if reverse.any():
        chosen[reverse] = reverse_complement(chosen[reverse])
    return chosen


def sample_order(n_sequences: int, config: TrainConfig) -> Int[np.ndarray, " items"]:
    """Shuffle once for all epochs: sequences and, if augmented, their reverse complements."""
    n_items = n_sequences * (2 if config.augmentation == "revcomp" else 1)
    return np.random.default_rng(config.seed).permutation(n_items)


def items_of_epoch(order: Int[np.ndarray, " items"], epoch: int, config: TrainConfig) -> Int[np.ndarray, " samples"]:
    """Take the next ``samples_per_epoch`` items of the order, starting again after the last one; epochs are 1-based."""
    positions = np.arange((epoch - 1) * config.samples_per_epoch, epoch * config.samples_per_epoch)
    return order[positions % len(order)]


def mean_loss(
    outputs: Float[Tensor, "batch tasks"], targets: Float[Tensor, "batch tasks"], config: TrainConfig
) -> Float[Tensor, ""]:
    """Loss of the configuration, averaged over the known labels."""
    known, targets = ~targets.isnan(), targets.nan_to_num()
    if config.loss == "bce":
        weight = outputs.new_tensor(config.positive_weight)
        losses = F.binary_cross_entropy_with_logits(outputs, targets, pos_weight=weight, reduction="none")
    elif config.loss == "mse":
        losses = F.mse_loss(outputs, targets, reduction="none")
    else:
        losses = F.poisson_nll_loss(outputs, targets, log_input=True, reduction="none")
    return losses.where(known, 0.0).sum() / known.sum().clamp(min=1)


def _metrics(
    labels: Float[np.ndarray, "n tasks"],
    outputs: Float[np.ndarray, "n tasks"],
    task_names: tuple[str, ...],
    config: TrainConfig,
) -> Metrics | ValueMetrics:
    values = torch.from_numpy(outputs)
    with Threads(1):
        loss = float(mean_loss(values, torch.from_numpy(labels).to(values), config))
    if config.loss == "bce":
        tasks = score_tasks(labels, outputs, task_names)
        return Metrics(loss, float(tasks["auroc"].mean()), float(tasks["auprc"].mean()))
    tasks = score_values(labels, outputs, task_names)
    return ValueMetrics(loss, *(float(tasks[name].mean()) for name in ("pearson", "spearman", "mse")))


def _random_numbers(model: nn.Module, seed: int, epoch: int) -> Callable[[], AbstractContextManager[None]]:
    """Context for each step of an epoch, in which seed and epoch alone determine the numbers that dropout draws.

    If no module of the model draws random numbers, torch's global generators are not touched.
    """
    if not any(draws_random(module) for module in model.modules()):
        return nullcontext
    own_seed = int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])
    return RandomStream(own_seed, device_and_dtype(model)[0]).drawing
