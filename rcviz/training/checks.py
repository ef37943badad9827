"""What is checked before a training begins; the model is not modified."""

import os
import platform
import warnings
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from rcviz._core.checks import brief, shown
from rcviz._core.files import check_target
from rcviz.layers.torch_internals import has_bfloat16_units
from rcviz.models.outputs import gradients, logits_of
from rcviz.models.prediction import one_hot_batch
from rcviz.models.runtime import (
    check_single_device,
    copy_module,
    device_and_dtype,
    differentiating,
    evaluating,
    training_mode,
)
from rcviz.models.scale import output_scale
from rcviz.models.settings import RandomStream, self_contained
from rcviz.sequences.checks import check_both_classes, check_output_count, labels_of
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.sequences.splits import Splits
from rcviz.symmetry.strands import reverse_labels
from rcviz.training.config import TrainConfig
from rcviz.training.epoch import parts_to_evaluate


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


@self_contained
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
    if device_and_dtype(model)[1] == torch.float16:
        raise ValueError(
            "weights in float16 cannot be trained by Adam, whose epsilon is 0 in that type; train model.float(), with "
            "precision='bfloat16' for speed"
        )
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise ValueError("the model has no weights to train; make some trainable with .requires_grad_()")
    if config.augmentation == "revcomp":
        reverse_labels(model, labels_of(train, "train")[:1])
    x = one_hot_batch(train.codes[:2], model)
    with evaluating(model), differentiating(model):
        logits = logits_of(model, x)
        if logits.isnan().any():
            raise ValueError(
                "the model's outputs are NaN before any training, and no weight is: its forward pass makes them, for "
                "example by a division by zero"
            )
        check_output_count(logits.shape[1], train)
        if all(gradient is None for gradient in gradients(logits, parameters)):
            raise ValueError(
                "the logits have no gradient with respect to any weight: the model does not use its trainable weights, "
                "or runs under torch.no_grad() or with .detach()"
            )
    if 1 in (config.batch_size, config.samples_per_epoch % config.batch_size):
        _check_batch_of_one(model, x[:1], config)


def _check_batch_of_one(model: nn.Module, x: Float[Tensor, "1 4 length"], config: TrainConfig) -> None:
    """Refuse a batch of one sequence where a batch norm would need several; tried with a copy of the model."""
    try:
        twin = copy_module(model)
    except Exception:  # a module that cannot be copied may raise anything
        return
    try:
        with training_mode(twin, evaluated=parts_to_evaluate(model)), RandomStream(0, x.device).drawing():
            twin(x)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ValueError(
            f"the last batch of an epoch has one sequence (samples_per_epoch={config.samples_per_epoch}, "
            f"batch_size={config.batch_size}), of which a batch norm cannot compute a variance; choose another "
            f"batch_size, or samples_per_epoch={max(config.samples_per_epoch - 1, 2)}"
        ) from error


def check_checkpoint(path: str | os.PathLike[str]) -> Path:
    """Return the path of a checkpoint, ``~`` resolved; refuse one that could not be written."""
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"cannot write the checkpoint {shown(path)}: it must be a path, got {type(path).__name__}")
    try:
        target = Path(path).expanduser()
    except (RuntimeError, TypeError) as error:  # no such user, or a path of bytes
        raise ValueError(f"cannot write the checkpoint {shown(path)}: {brief(error)}; choose another name") from error
    check_target(target, "the checkpoint")
    return target


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
