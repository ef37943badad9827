"""What the modules of a model are given and return, and predictions that depend on more than their sequence."""

import random
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from rcviz.layers.strategies import RevCompConjoined
from rcviz.models.outputs import run_model, tensors_in
from rcviz.models.runtime import check_layers_visible, device_and_dtype, evaluating, uncompiled
from rcviz.models.settings import Hooks, RandomStream
from rcviz.symmetry.comparison import largest_difference, rounding

_FEW = 4
"""Sequences of which predictions are computed again."""


@dataclass(frozen=True)
class Call:
    """One use of a module: its inputs and its outputs, for one strand."""

    name: str
    title: str
    module: nn.Module
    inputs: list[Tensor]
    outputs: list[Tensor]


def record(model: nn.Module, x: Tensor, dtype: torch.dtype) -> list[Call]:
    """Run a model and list the uses of its modules, in the order in which they end; tensors are kept in ``dtype``."""
    calls: list[Call] = []
    waiting: list[list[Tensor]] = []  # inputs of the modules at work, copied before these may write over them
    uses: Counter[str] = Counter()
    wrapped = [part for part in model.modules() if isinstance(part, RevCompConjoined)]
    hidden = {id(inner) for wrapper in wrapped for inner in wrapper.model.modules()}

    def note(name: str, module: nn.Module, output: object) -> None:
        inputs, outputs = waiting.pop(), copies_of(output, dtype)
        if outputs:
            uses[name] += 1
            title = (name or "(model)") + (f" (use {uses[name]})" if uses[name] > 1 else "")
            calls.append(Call(name, title, module, inputs, outputs))

    check_layers_visible(model)
    parts = [(name, module) for name, module in model.named_modules() if id(module) not in hidden]
    before = [
        (module, lambda part, args, named: waiting.append(copies_of((args, named), dtype))) for _, module in parts
    ]
    after = [(module, lambda part, args, output, name=name: note(name, part, output)) for name, module in parts]
    with Hooks(before, after), evaluating(model), uncompiled(model):
        run_model(model, x.clone())
    return calls


def copies_of(value: object, dtype: torch.dtype | None = None) -> list[Tensor]:
    """Copies of the floating-point tensors in what a module returned."""
    return [tensor.detach().clone().to(dtype) for tensor in tensors_in(value) if tensor.is_floating_point()]


@dataclass(frozen=True)
class Dependence:
    """What the predictions of a model depend on, besides their sequence.

    Attributes
    ----------
    on : "chance" or "batch"
        ``"chance"``: random numbers in evaluation mode, or a state that the model keeps. ``"batch"``: the other
        sequences of a batch.
    difference : float
        Largest difference of the predictions.
    modules : tuple of str
        Modules whose outputs differ, in order of use, with the number of the use; the first is where it begins.
    kind : str
        Class of the first.
    """

    on: Literal["chance", "batch"]
    difference: float
    modules: tuple[str, ...]
    kind: str

    @property
    def remedy(self) -> str:
        """Say what the first module does, and what to do instead."""
        if self.on == "chance":
            return (
                "it draws random numbers in evaluation mode, or keeps a state, and gives other outputs for the same "
                "input each time; let it draw in training only, as F.dropout(x, p, self.training) does"
            )
        return (
            "its output for a sequence depends on the other sequences of the batch; normalise with running statistics "
            "(track_running_stats=True) or within each sequence (nn.LayerNorm, nn.GroupNorm)"
        )

    def __str__(self) -> str:
        cause = {"chance": "are different each time", "batch": "depend on the other sequences of the batch"}[self.on]
        return (
            f"predictions {cause} (by {self.difference:.3g}), because of {self.modules[0]} ({self.kind}): {self.remedy}"
        )


def find_dependence(model: nn.Module, x: Tensor) -> Dependence | None:
    """Predict the first sequences of a batch twice, and the last of them alone; None where predictions are the same.

    Global random generators are not disturbed. A model that cannot predict a part of a batch is not asked about it.
    """
    x = x[:_FEW]
    device, _ = device_and_dtype(model)
    with _own_random_numbers(device):
        once, again = (_outputs(model, x) for _ in range(2))
        if difference := _difference(once, again, len(x)):
            calls = [record(model, x, once[0].dtype) for _ in range(2)]
            return _located("chance", difference, calls, len(x))
        # The last ones alone: a reference that a model takes from a batch is often its first sequences.
        whole, part = x, x[len(x) // 2 :]
        if len(x) == 1:  # after another one, whose channels are exchanged
            whole, part = torch.cat([x.roll(1, dims=1), x]), x
        with suppress(Exception):  # a model for batches of one size may raise anything
            if difference := _difference(_outputs(model, whole), _outputs(model, part), len(part)):
                calls = [record(model, batch, once[0].dtype) for batch in (whole, part)]
                return _located("batch", difference, calls, len(part))
    return None


def warn_of_dependence(model: nn.Module, x: Tensor) -> None:
    """Warn where predictions depend on chance or on the other sequences of a batch."""
    dependence = find_dependence(model, x)
    if dependence is not None:
        warnings.warn(str(dependence), stacklevel=3)


@contextmanager
def _own_random_numbers(device: torch.device) -> Iterator[None]:
    states = np.random.get_state(), random.getstate()  # noqa: NPY002 - what a model may draw from
    with RandomStream(0, device).drawing():
        try:
            yield
        finally:
            np.random.set_state(states[0])  # noqa: NPY002
            random.setstate(states[1])


def _outputs(model: nn.Module, x: Tensor) -> list[Tensor]:
    with evaluating(model):
        return copies_of(run_model(model, x.clone()))


def _difference(whole: list[Tensor], part: list[Tensor], n_rows: int) -> float:
    """Largest difference beyond rounding, zero if there is none; rows of ``part`` are the last ``n_rows`` of all.

    Tensors whose rows are not those of sequences, such as both strands' one after the other, are not compared.
    """
    largest = 0.0
    for one, other in zip(whole, part, strict=False):
        last = one[-n_rows:] if one.ndim and other.ndim and len(other) == n_rows else one
        if last.shape == other.shape and (difference := largest_difference(last, other)) > rounding(last):
            largest = max(largest, difference)
    return largest


def _located(on: Literal["chance", "batch"], difference: float, calls: list[list[Call]], n_rows: int) -> Dependence:
    """Name the modules whose outputs differ, beginning with the first whose inputs do not."""
    whole, part = calls
    differing = [
        (one, other)
        for one, other in zip(whole, part, strict=False)
        if one.name == other.name and _difference(one.outputs, other.outputs, n_rows)
    ]
    causes = [one for one, other in differing if not _difference(one.inputs, other.inputs, n_rows)]
    cause = (causes or whole[-1:])[0]
    names = dict.fromkeys([cause.title, *(one.title for one, _ in differing)])
    return Dependence(on, difference, tuple(names), type(cause.module).__name__)
