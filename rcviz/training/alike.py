"""What is asked of models and configurations before they are trained together."""

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from rcviz.models.runtime import one_hot_batch
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.training.checking import check_training, labels_of
from rcviz.training.config import TrainConfig
from rcviz.training.stack import Learner, Stack

_N_TRIED = 8
"""Sequences with which it is tried whether a stack computes what its models do."""
_MEND = "build all with build_model and one ModelConfig, or train them one after the other with fit"


def check_together(
    models: Sequence[nn.Module], train: SequenceSet, valid: SequenceSet, configs: Sequence[TrainConfig]
) -> None:
    """Refuse what cannot be trained together; all models are left as found."""
    if not models or len(models) != len(configs):
        raise ValueError(
            f"fit_together takes one or more models and a configuration for each, got {len(models)} models and "
            f"{len(configs)} configurations; use [dataclasses.replace(config, seed=seed) for seed in range(n)]"
        )
    if len({id(model) for model in models}) < len(models):
        raise ValueError("one model is listed twice; build one for each seed, build_model(config, seed=seed)")
    for model, config in zip(models, configs, strict=True):
        check_training(model, train, valid, config)
    for position, config in enumerate(configs):
        changed = [
            field.name
            for field in dataclasses.fields(config)
            if field.name != "seed" and getattr(config, field.name) != getattr(configs[0], field.name)
        ]
        if changed:
            raise ValueError(
                f"configs[{position}] differs from configs[0] in {', '.join(changed)}, and models trained together "
                f"differ in seed alone; use dataclasses.replace(config, seed=seed), or train it with fit"
            )
    for position, model in enumerate(models):
        if _shapes(model) != _shapes(models[0]):
            raise ValueError(
                f"models[{position}] has parameters of another name, shape or type than models[0]; {_MEND}"
            )
    _try_out(models, train, configs[0])


def _shapes(model: nn.Module) -> list[tuple[Any, ...]]:
    return [
        (name, tensor.shape, tensor.dtype, tensor.requires_grad)
        for name, tensor in (*model.named_parameters(), *model.named_buffers())
    ]


def _try_out(models: Sequence[nn.Module], train: SequenceSet, config: TrainConfig) -> None:
    """Compute a step and a prediction both ways, with copies in float64, where equal means equal.

    Nothing else tells for any network whether torch.func can map it and whether its settings are those of the others.
    """
    config = dataclasses.replace(config, precision="float32")  # without autocast
    learners = [Learner(copy.deepcopy(model).to("cpu", torch.float64), config) for model in models]
    x = one_hot_batch(train.codes[:_N_TRIED], learners[0])
    targets = torch.tensor(labels_of(train, "train")[:_N_TRIED])
    try:
        stack = Stack.of(learners)
        of_step = stack.compute(*(tensor.expand(len(models), *tensor.shape) for tensor in (x, targets)))
        of_stack = [*of_step, stack.predict(x), *stack.parameters.values(), *stack.buffers.values()]
    except Exception as error:  # a network of one's own may fail in any way
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if "random" in reason:
            reason = (
                "it draws random numbers, such as for dropout, and in a stack it would not draw those it draws alone"
            )
        raise ValueError(
            f"this network cannot be trained together with others: {reason}; train one after the other with fit"
        ) from error
    for row, learner in enumerate(learners):
        alone = [*learner.train()(x, targets), learner.eval()(x)[0], *learner.stored().values()]
        if not all(torch.allclose(one, many[row], equal_nan=True) for one, many in zip(alone, of_stack, strict=True)):
            raise ValueError(
                f"models[{row}] computes something else in a stack than alone, as its settings are not those of "
                f"models[0] or it keeps numbers outside parameters and buffers; {_MEND}"
            )
