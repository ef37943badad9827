"""What is asked of model, data and configuration before training changes anything."""

import platform
import warnings

import torch
from torch import nn

from rcviz.models.batches import one_hot_batch
from rcviz.models.outputs import gradients, logits_of
from rcviz.models.prediction import check_outputs
from rcviz.models.runtime import check_single_device, evaluating, exact_arithmetic
from rcviz.sequences.checks import check_both_classes
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.training.config import TrainConfig


def device_of(name: str) -> torch.device:
    """Device that :class:`rcviz.TrainConfig` names; "auto" is a GPU where there is one."""
    has_gpu = torch.cuda.is_available()
    device = torch.device(("cuda" if has_gpu else "cpu") if name == "auto" else name)
    present = {
        "cpu": True,
        "cuda": has_gpu and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
        "xpu": torch.xpu.is_available(),
    }
    if not present[device.type]:
        raise ValueError(f"torch finds no device {name!r} on this machine: choose 'auto' or 'cpu'")
    return device


def check_training(model: nn.Module, train: SequenceSet, valid: SequenceSet, config: TrainConfig) -> None:
    """Refuse what cannot be trained; the model is left as found."""
    if not isinstance(config, TrainConfig):
        raise ValueError(f"config must be a TrainConfig, got {type(config).__name__}; ModelConfig is for build_model")
    if device_of(config.device).type == "cpu" and config.precision == "bfloat16" and not _computes_bfloat16():
        warnings.warn(
            "this CPU has no bfloat16 units (AVX512-BF16 or AMX), so that precision='bfloat16' is several times slower "
            "than 'float32' here",
            stacklevel=3,
        )
    for what, data in (("train", train), ("valid", valid)):
        check_both_classes(data, what)
    if train.task_names != valid.task_names or train.length != valid.length:
        raise ValueError(
            f"train has tasks {train.task_names} on {train.length} bp, valid {valid.task_names} on {valid.length} bp; "
            f"make both from one SequenceSet, for example with split"
        )
    check_single_device(model)
    check_outputs(model, valid)
    _check_gradients(model, train)


def _check_gradients(model: nn.Module, train: SequenceSet) -> None:
    """Refuse a model whose weights cannot learn, as torch says it in the first step and in words of its own."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise ValueError("the model has no weights to train; make some learn with .requires_grad_()")
    with evaluating(model), exact_arithmetic(), torch.enable_grad():
        logits = logits_of(model, one_hot_batch(train.codes[:2], model))
        if all(found is None for found in gradients(logits, parameters)):
            raise ValueError(
                "the logits have no gradient with respect to any weight: the model does not use what it could learn, "
                "or works under torch.no_grad() or with .detach()"
            )


def _computes_bfloat16() -> bool:
    """Whether this CPU is known not to lack the units; of other kinds than x86 nothing is said."""
    return platform.machine() not in ("x86_64", "AMD64") or torch.cpu._is_avx512_bf16_supported()
