"""Gradient x activation: what each filter adds to a model's logit (section 3.5)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from rcviz._checks import check_choice, check_positive
from rcviz.analysis.filters import first_convolution
from rcviz.layers.conv import RevCompConv1d
from rcviz.modules import evaluating, exact_arithmetic, find_module, one_hot_batch, to_numpy
from rcviz.sequences.dataset import as_sequence_set

At = Literal["activation", "convolution"]


@dataclass(frozen=True)
class FilterContributions:
    """What each filter adds to one task's logit, by sequence.

    Attributes
    ----------
    per_sequence : ndarray (N, F)
        Gradient x activation, summed over positions and, under RC sharing, over the filter's two channels.
    labels : ndarray (N,) or None
        1 positive, 0 negative, NaN unknown.
    task : str
    layer : str
        The module whose output the contributions belong to.
    """

    per_sequence: Float[np.ndarray, "sequences filters"]
    labels: Float[np.ndarray, " sequences"] | None
    task: str
    layer: str

    def positive(self, index: int | np.integer) -> Float[np.ndarray, " positives"]:
        """Contributions of one filter in the positives."""
        return self._of_class(1)[:, index]

    def negative(self, index: int | np.integer) -> Float[np.ndarray, " negatives"]:
        """Contributions of one filter in the negatives."""
        return self._of_class(0)[:, index]

    def _of_class(self, label: int) -> Float[np.ndarray, "n filters"]:
        chosen = np.zeros(len(self.per_sequence), bool) if self.labels is None else self.labels == label
        return self.per_sequence[chosen]

    @cached_property
    def scores(self) -> Float[np.ndarray, " filters"]:
        """Mean over positives minus mean over negatives; without labels, the mean over all sequences."""
        if self.labels is None:
            return self.per_sequence.mean(axis=0)
        return self._of_class(1).mean(axis=0) - self._of_class(0).mean(axis=0)

    @cached_property
    def ranking(self) -> Int[np.ndarray, " filters"]:
        """Filters, largest score first."""
        return np.argsort(-self.scores, kind="stable")

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per filter, largest score first: filter, score, mean_positive, mean_negative."""
        missing = np.full(self.per_sequence.shape[1], np.nan)
        means = [missing if self.labels is None else self._of_class(label).mean(axis=0) for label in (1, 0)]
        columns = {
            "filter": np.arange(len(missing)),
            "score": self.scores,
            "mean_positive": means[0],
            "mean_negative": means[1],
        }
        return pd.DataFrame(columns).iloc[self.ranking].reset_index(drop=True)

    def plot(self, ax: Any = None) -> Any:
        """Draw the ranked filters, see :func:`rcviz.plot_contributions`."""
        from rcviz.plots.contributions import plot_contributions

        return plot_contributions(self.table, ax)


def filter_contributions(
    model: nn.Module,
    data: Any,
    *,
    task: int | str = 0,
    layer: nn.Module | str | None = None,
    at: At = "activation",
    batch_size: int = 100,
) -> FilterContributions:
    """Contribution of every filter to a task's logit: gradient times activation, summed (section 3.5).

    The product is the first-order Taylor estimate of how much the logit would fall if the neuron were set to zero.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``; left as found.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
        Without labels, scores are means over all sequences.
    task : int or str
        Which logit, by index or by name.
    layer : nn.Module or str, optional
        A convolution, or any module with outputs ``(batch, channels, length)``; by default the first convolution.
    at : "activation" or "convolution"
        Which neurons of a convolution: its block's output after the nonlinearity that follows (the activation whose
        setting to zero the Taylor argument speaks of), or the convolution's own output.
    batch_size : int
        Sequences in memory at a time.

    Returns
    -------
    FilterContributions
        Scores are in the unit of the logit.

    Raises
    ------
    ValueError
        For a task, layer or class that is not there.
    """
    check_choice("at", at, get_args(At))
    check_positive("batch_size", batch_size)
    data = as_sequence_set(data)
    if not len(data):
        raise ValueError("there are no sequences; the selection that made the data is empty")
    labels, index, name = _task(data, task)
    with evaluating(model), exact_arithmetic():
        neurons = find_neurons(model, layer, at, one_hot_batch(data.codes[:1], model))
        parts = [
            _contributions(model, neurons, one_hot_batch(data.codes[start : start + batch_size], model), index)
            for start in range(0, len(data), batch_size)
        ]
    return FilterContributions(np.concatenate(parts), labels, name, neurons.name)


@dataclass(frozen=True)
class Neurons:
    """A module, its dotted name, and whether channels ``i`` and ``n - 1 - i`` of its output are one filter."""

    name: str
    module: nn.Module
    tied: bool


def _contributions(
    model: nn.Module, neurons: Neurons, x: Float[Tensor, "batch 4 length"], task: int
) -> Float[np.ndarray, "batch filters"]:
    activations: list[Tensor] = []

    def cut(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        # The graph starts here: nothing before the neurons is differentiated. The clone shields the leaf from
        # in-place operations further on.
        activations.append(output.detach().requires_grad_())
        return activations[-1].clone()

    handle = neurons.module.register_forward_hook(cut)
    try:
        with torch.enable_grad():
            logits = model(x).reshape(len(x), -1)
            if task >= logits.shape[1]:
                raise ValueError(f"there is no task {task}; the model has {logits.shape[1]}, counted from 0")
            (gradient,) = torch.autograd.grad(logits[:, task].sum(), activations[0])
    finally:
        handle.remove()
    products = (gradient * activations[0].detach()).sum(dim=2)
    if neurons.tied:
        forward, reverse = products.chunk(2, dim=1)
        products = forward + reverse.flip(1)
    return to_numpy(products)


def _task(data: Any, task: int | str) -> tuple[Float[np.ndarray, " n"] | None, int, str]:
    """Labels, index and name of a task; both classes must be there, or no labels at all."""
    if data.labels is None:
        if isinstance(task, str):
            raise ValueError(f"the data has no labels and so no task named {task!r}; give the task's index")
        if task < 0:
            raise ValueError(f"there is no task {task}; tasks are counted from 0")
        return None, task, f"task {task}"
    index = data.task_index(task)
    labels = data.labels[:, index]
    for value, kind in ((1, "positives"), (0, "negatives")):
        if not (labels == value).any():
            raise ValueError(
                f"there are no {kind} for task {data.task_names[index]}, and a score compares both classes"
            )
    return labels, index, data.task_names[index]


def find_neurons(
    model: nn.Module, layer: nn.Module | str | None, at: At, x: Float[Tensor, "batch 4 length"]
) -> Neurons:
    """Find the module whose output are the neurons of a layer; the model must be in evaluation mode."""
    name, module = first_convolution(model) if layer is None else find_module(model, layer)
    calls = _calls(model, x)
    uses = [position for position, (used, _) in enumerate(calls) if used == name]
    if len(uses) != 1:
        how = "is never used" if not uses else f"is used {len(uses)} times"
        raise ValueError(f"layer {name} {how} in a forward pass; contributions need a module that is used once")
    (position,) = uses
    shape = calls[position][1]
    if len(shape) != 3:
        raise ValueError(f"layer {name} gives {shape}; contributions need neurons (batch, channels, length)")
    parts = dict(model.named_modules())
    if isinstance(module, nn.Conv1d | RevCompConv1d):
        tied = isinstance(module, RevCompConv1d)
        if at == "convolution":
            return Neurons(name, module, tied)
        for after, shape_after in calls[position + 1 :]:
            if shape_after != shape:
                break
            if type(parts[after]).__module__ == "torch.nn.modules.activation":
                return Neurons(after, parts[after], tied)
        raise ValueError(
            f"no activation module follows {name}; pass at='convolution', or the module whose output you mean as layer"
        )
    if at == "convolution":
        raise ValueError(f"at='convolution' needs a convolution, and {name} is a {type(module).__name__}")
    before = [
        parts[used] for used, shape_before in calls[:position] if len(shape_before) == 3 and shape_before[1] == shape[1]
    ]
    convolutions = [part for part in before if isinstance(part, nn.Conv1d | RevCompConv1d)]
    return Neurons(name, module, bool(convolutions) and isinstance(convolutions[-1], RevCompConv1d))


def _calls(model: nn.Module, x: Tensor) -> list[tuple[str, tuple[int, ...]]]:
    """Names of the modules in order of use, with the shape of their outputs."""
    calls: list[tuple[str, tuple[int, ...]]] = []

    def note(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            calls.append((name, tuple(output.shape) if isinstance(output, Tensor) else ()))

        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in model.named_modules()]
    try:
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return calls
