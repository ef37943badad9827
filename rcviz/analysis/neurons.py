"""The neurons of a layer: where a forward pass computes them, and how to read or replace them there.

Users' networks call functions instead of modules, use one ReLU many times and modify tensors in place. So a trial run
is traced module by module and function by function, from the layer on.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from rcviz.analysis.filters import layer_of
from rcviz.layers.facts import has_paired_channels, is_convolution
from rcviz.layers.strategies import RevCompConjoined
from rcviz.models.outputs import run_model
from rcviz.models.runtime import find_module

At = Literal["activation", "convolution"]

_ACTIVATIONS = frozenset(
    (
        *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus"),
        *("hardswish", "hardtanh", "hardsigmoid", "logsigmoid", "softsign", "tanhshrink", "softshrink", "hardshrink"),
        *("threshold", "sigmoid", "tanh", "exp", "clamp", "clamp_min", "clip"),
    )
)
"""Elementwise functions, by their names in torch without the underscore of in-place variants."""

_MIXING = (
    "conv",
    "pool",
    "linear",
    "mm",
    "matmul",
    "einsum",
    "attention",
    "lstm",
    "gru",
    "rnn",
    "transpose",
    "permute",
)
"""Parts of the names of functions that mix neurons, even if the shape is the same."""


@dataclass(frozen=True)
class Neurons:
    """Neurons (batch, channels, positions) of one layer.

    Attributes
    ----------
    name : str
        The module that computes them, or the function and the convolution that it follows.
    tied : bool
        Whether channels ``i`` and ``n - 1 - i`` are one filter.
    conjoined : bool
        Whether the layer gets both strands in one batch, the two of a sequence next to each other.
    module : nn.Module or None
        None if a function computes them.
    use : int
        Number of the module's call in a forward pass, or of the activation function's, 0-based.
    """

    name: str
    tied: bool
    conjoined: bool
    module: nn.Module | None
    use: int = 0

    @contextmanager
    def tapped(self, tap: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
        """Call ``tap`` with the neurons of the next forward pass; if it returns a tensor, that replaces them."""
        uses = 0

        def on_result(result: Tensor, args: Any) -> Tensor:
            nonlocal uses
            uses += 1
            replaced = tap(result) if uses == self.use + 1 else None
            if replaced is None:
                return result
            # After an in-place operation the model may continue with the argument instead of the returned tensor.
            return result.copy_(replaced) if any(result is tensor for tensor in _tensors(args)) else replaced

        if self.module is None:
            with _Functions(lambda name, args, y: on_result(y, args) if name in _ACTIVATIONS else y):
                yield
        else:
            handle = self.module.register_forward_hook(lambda module, args, result: on_result(result, args))
            try:
                yield
            finally:
                handle.remove()

    def by_filter(
        self, values: Float[Tensor, "rows channels positions"], n_sequences: int
    ) -> Float[Tensor, "batch filters positions"]:
        """Sum the values of one filter in one sequence: over RC partners and the strands of a conjoined model."""
        if len(values) != (2 if self.conjoined else 1) * n_sequences:
            raise ValueError(
                f"{self.name} has {len(values)} rows for {n_sequences} sequences, so rows cannot be assigned to "
                f"sequences; give a layer that gets every sequence once"
            )
        if self.conjoined:
            forward, reverse = values[0::2], values[1::2]
            values = forward + reverse.flip(2)
        if self.tied:
            forward, reverse = values.chunk(2, dim=1)
            values = forward + reverse.flip(1)
        return values


def find_neurons(
    model: nn.Module, layer: nn.Module | str | None, at: At, x: Float[Tensor, "batch 4 length"]
) -> Neurons:
    """Find the neurons of a layer in a trial run on ``x``; the model must be in evaluation mode."""
    name, module = layer_of(model, layer)
    if at == "convolution" and not is_convolution(module):
        raise ValueError(f"at='convolution' needs a convolution, but {name} is a {type(module).__name__}")
    trial = _Trial(model, module, x)
    _check_reached(name, module, trial)
    conjoined = any(
        isinstance(part, RevCompConjoined) and any(inside is module for inside in part.modules())
        for part in model.modules()
    )
    if not is_convolution(module):
        before = trial.convolution_before(module)
        return Neurons(name, before is not None and has_paired_channels(before), conjoined, module)
    tied = has_paired_channels(module)
    if at == "convolution":
        return Neurons(name, tied, conjoined, module)
    if trial.activation is None:
        raise ValueError(f"no elementwise activation follows {name}; pass at='convolution', or choose another layer")
    kind, part, use = trial.activation
    label = f"{kind} after {name}" if part is None else find_module(model, part)[0]
    return Neurons(label, tied, conjoined, part, use)


def reached(model: nn.Module, x: Float[Tensor, "batch 4 length"]) -> list[nn.Module]:
    """List the modules that a forward pass uses once, in order of use."""
    trial = _Trial(model, None, x)
    return [part for part, _ in trial.calls if trial.uses(part) == 1]


def _check_reached(name: str, module: nn.Module, trial: "_Trial") -> None:
    uses = trial.uses(module)
    if uses == 0:
        raise ValueError(f"layer {name} is never used in a forward pass; give one that is{trial.such_as()}")
    if uses > 1:
        raise ValueError(
            f"layer {name} is used {uses} times in a forward pass, but contributions need a module that is used once; "
            f"give the model one module per use, or choose another layer"
        )
    result = next(result for part, result in trial.calls if part is module)
    if not isinstance(result, Tensor):
        raise ValueError(
            f"layer {name} returns a {type(result).__name__}, but contributions need neurons (batch, channels, "
            f"length) in one tensor; choose a layer before or after it"
        )
    if result.ndim != 3:
        raise ValueError(
            f"layer {name} returns shape {tuple(result.shape)}, but contributions need neurons (batch, channels, "
            f"length); choose a layer that has them"
        )


class _Trial:
    """One forward pass: the modules that it used, and the first activation after a target module."""

    def __init__(self, model: nn.Module, target: nn.Module | None, x: Tensor) -> None:
        self.calls: list[tuple[nn.Module, Any]] = []
        self.activation: tuple[str, nn.Module | None, int] | None = None
        self._names = {part: name for name, part in model.named_modules()}
        self._target = target
        self._same: list[Tensor] = []  # the target's result and what was computed from it, neuron by neuron
        self._running: list[_RunningModule] = []
        self._n_activations = 0
        handles = [part.register_forward_pre_hook(self._enter) for part in model.modules()]
        handles += [part.register_forward_hook(self._leave) for part in model.modules()]
        try:
            with torch.no_grad(), _Functions(self._function):
                run_model(model, x)
        finally:
            for handle in handles:
                handle.remove()

    def uses(self, module: nn.Module) -> int:
        """Number of times that a module was used."""
        return sum(part is module for part, _ in self.calls)

    def convolution_before(self, module: nn.Module) -> nn.Module | None:
        """The last convolution before a module that has as many channels."""
        position = next(i for i, (part, _) in enumerate(self.calls) if part is module)
        n_channels = self.calls[position][1].shape[1]
        before = [part for part, y in self.calls[:position] if is_convolution(part) and y.shape[1] == n_channels]
        return before[-1] if before else None

    def such_as(self) -> str:
        """Suggest the first convolution that was used, if any was."""
        used = (self._names[part] for part, _ in self.calls if is_convolution(part))
        return next((f", such as {name}" for name in used), "")

    def _enter(self, module: nn.Module, args: Any) -> None:
        self._running.append(_RunningModule(module, self._belongs(args)))

    def _leave(self, module: nn.Module, args: Any, result: Any) -> None:
        done = self._running.pop()
        self.calls.append((module, result))
        if module is self._target and isinstance(result, Tensor):
            self._same.append(result)
        elif done.belongs and not done.mixes and not any(module.children()):
            self._follow(result)  # also where the module reshapes inside, or calls functions that are not torch's

    def _function(self, name: str, args: Any, result: Any) -> Any:
        if not isinstance(result, Tensor):
            return result
        if name in _ACTIVATIONS:
            self._n_activations += 1
        if any(part in name for part in _MIXING):
            for module in self._running:
                module.mixes = True
        elif self._belongs(args):
            if name in _ACTIVATIONS and self.activation is None:
                self.activation = (name, *self._caller())
            self._follow(result)
        return result

    def _caller(self) -> tuple[nn.Module | None, int]:
        """The module that is an activation and nothing else, and its use; or None and the number of the call."""
        inner = self._running[-1] if self._running else None
        if inner is None or not inner.belongs or any(inner.module.children()):
            return None, self._n_activations - 1
        return inner.module, self.uses(inner.module)

    def _belongs(self, args: Any) -> bool:
        return any(tensor is same for tensor in _tensors(args) for same in self._same)

    def _follow(self, result: Any) -> None:
        if isinstance(result, Tensor) and result.shape == self._same[0].shape:
            self._same.append(result)


@dataclass
class _RunningModule:
    """A module that is being called: whether it got neurons of the target, and whether it has mixed neurons so far."""

    module: nn.Module
    belongs: bool
    mixes: bool = False


class _Functions(TorchFunctionMode):
    """Call ``replace`` with the name, arguments and result of every torch function; what it returns is the result."""

    def __init__(self, replace: Callable[[str, Any, Any], Any]) -> None:
        super().__init__()
        self._replace = replace

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        return self._replace(name.rstrip("_"), (*args, *(kwargs or {}).values()), result)


def _tensors(args: Any) -> Iterator[Tensor]:
    for value in args if isinstance(args, tuple | list) else (args,):
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors(value)
