"""How long a training will take, measured on a copy of the model before it starts."""

import math
import time

import numpy as np
from torch import nn

from rcviz.models.runtime import copy_module
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.training.adam import Adam
from rcviz.training.checks import device_of
from rcviz.training.config import TrainConfig
from rcviz.training.epoch import train_one_epoch, validate

_STEPS = 3
_VALIDATED = 500


def expected_seconds(model: nn.Module, train: SequenceSet, valid: SequenceSet, config: TrainConfig) -> float:
    """Estimate the seconds of all epochs from a few steps of a copy, after others that warm up."""
    twin = copy_module(model).to(device_of(config.device))
    optimizer = Adam(twin.parameters(), lr=config.learning_rate)
    items = np.arange(_STEPS * config.batch_size) % len(train)
    some = valid.subset(slice(0, _VALIDATED))
    for _ in range(2):
        started = time.perf_counter()
        train_one_epoch(twin, optimizer, train, items, config, 1, None)
        of_step = (time.perf_counter() - started) / _STEPS
    started = time.perf_counter()
    validate(twin, some, config, 1, None)
    of_sequence = (time.perf_counter() - started) / len(some)
    n_steps = math.ceil(config.samples_per_epoch / config.batch_size)
    return config.epochs * (n_steps * of_step + len(valid) * of_sequence)


def duration(seconds: float) -> str:
    """Write a duration as text, rounded as an estimate should be."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
