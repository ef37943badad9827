"""The neurons that belong to a layer: where a forward pass comes by them, and how to read or replace them there.

Networks of one's own call functions instead of modules, use one ReLU many times and work in place. So a trial run is
followed module by module and function by function, from the layer's output on.
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
"""Functions of one neuron each, by the names that torch has for them, less the underscore of those in place."""

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
"""Parts of the names of functions whose outputs belong to other neurons than their inputs, whatever their shape."""


@dataclass(frozen=True)
class Neurons:
    """Neurons (batch, channels, positions) of one layer.

    Attributes
    ----------
    name : str
        The module whose output they are, or the function and the convolution that it follows.
    tied : bool
        Whether channels ``i`` and ``n - 1 - i`` are one filter.
    conjoined : bool
        Whether the layer sees both strands in one batch, the two of a sequence beside each other.
    module : nn.Module or None
        None for the output of a function.
    use : int
        Which of the module's uses in a forward pass, or which call of an activation function; from zero.
    """

    name: str
    tied: bool
    conjoined: bool
    module: nn.Module | None
    use: int = 0

    @contextmanager
    def tapped(self, tap: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
        """Hand the neurons of the one forward pass made meanwhile to ``tap``; what it returns takes their place."""
        uses = 0

        def on_output(output: Tensor, given: Any) -> Tensor:
            nonlocal uses
            uses += 1
            replaced = tap(output) if uses == self.use + 1 else None
            if replaced is None:
                return output
            # Written in place, the result is also read where nobody looks at what the function returned.
            return output.copy_(replaced) if any(output is tensor for tensor in _tensors(given)) else replaced

        if self.module is None:
            with _Functions(lambda name, args, y: on_output(y, args) if name in _ACTIVATIONS else y):
                yield
        else:
            handle = self.module.register_forward_hook(lambda module, given, output: on_output(output, given))
            try:
                yield
            finally:
                handle.remove()

    def by_filter(
        self, values: Float[Tensor, "rows channels positions"], n_sequences: int
    ) -> Float[Tensor, "batch filters positions"]:
        """Add up what belongs to one filter of one sequence: RC partners, and both strands of a conjoined model."""
        if len(values) != (2 if self.conjoined else 1) * n_sequences:
            raise ValueError(
                f"{self.name} has {len(values)} rows for {n_sequences} sequences, and it is not known which belong "
                f"together; name a layer that sees every sequence once"
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
        raise ValueError(f"at='convolution' needs a convolution, and {name} is a {type(module).__name__}")
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
        raise ValueError(
            f"no activation follows {name} neuron by neuron; pass at='convolution', or the module whose output you "
            f"mean as layer"
        )
    kind, part, use = trial.activation
    found = f"{kind} after {name}" if part is None else find_module(model, part)[0]
    return Neurons(found, tied, conjoined, part, use)


def reached(model: nn.Module, x: Float[Tensor, "batch 4 length"]) -> list[nn.Module]:
    """Modules that a forward pass uses once, in order of use."""
    trial = _Trial(model, None, x)
    return [part for part, _ in trial.calls if trial.uses(part) == 1]


def _check_reached(name: str, module: nn.Module, trial: "_Trial") -> None:
    uses = trial.uses(module)
    if uses == 0:
        raise ValueError(f"layer {name} is never used in a forward pass; name one that is{trial.such_as()}")
    if uses > 1:
        raise ValueError(
            f"layer {name} is used {uses} times in a forward pass, and contributions need a module that is used once; "
            f"give the model a module for each use, or name another layer"
        )
    output = next(output for part, output in trial.calls if part is module)
    if not isinstance(output, Tensor):
        raise ValueError(
            f"layer {name} returns a {type(output).__name__}, and contributions need neurons (batch, channels, "
            f"length) in one tensor; name a layer before or after it"
        )
    if output.ndim != 3:
        raise ValueError(
            f"layer {name} gives {tuple(output.shape)}, and contributions need neurons (batch, channels, length); "
            f"name a layer that has them"
        )


class _Trial:
    """One forward pass: which modules it used, and the first activation of what a target module put out."""

    def __init__(self, model: nn.Module, target: nn.Module | None, x: Tensor) -> None:
        self.calls: list[tuple[nn.Module, Any]] = []
        self.activation: tuple[str, nn.Module | None, int] | None = None
        self._names = {part: name for name, part in model.named_modules()}
        self._target = target
        self._same: list[Tensor] = []  # the target's output and what was made of it, neuron by neuron
        self._inside: list[_AtWork] = []
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
        """How often a module was used."""
        return sum(part is module for part, _ in self.calls)

    def convolution_before(self, module: nn.Module) -> nn.Module | None:
        """The last convolution before a module that has as many channels."""
        position = next(i for i, (part, _) in enumerate(self.calls) if part is module)
        n_channels = self.calls[position][1].shape[1]
        before = [part for part, y in self.calls[:position] if is_convolution(part) and y.shape[1] == n_channels]
        return before[-1] if before else None

    def such_as(self) -> str:
        """Name the first convolution that was used, if any was."""
        used = (self._names[part] for part, _ in self.calls if is_convolution(part))
        return next((f", such as {name}" for name in used), "")

    def _enter(self, module: nn.Module, given: Any) -> None:
        self._inside.append(_AtWork(module, self._belongs(given)))

    def _leave(self, module: nn.Module, given: Any, output: Any) -> None:
        done = self._inside.pop()
        self.calls.append((module, output))
        if module is self._target and isinstance(output, Tensor):
            self._same.append(output)
        elif done.belongs and not done.mixes and not any(module.children()):
            self._follow(output)  # also where it computes in other shapes, or by functions of its own

    def _function(self, name: str, args: Any, output: Any) -> Any:
        if not isinstance(output, Tensor):
            return output
        if name in _ACTIVATIONS:
            self._n_activations += 1
        if any(part in name for part in _MIXING):
            for module in self._inside:
                module.mixes = True
        elif self._belongs(args):
            if name in _ACTIVATIONS and self.activation is None:
                self.activation = (name, *self._place())
            self._follow(output)
        return output

    def _place(self) -> tuple[nn.Module | None, int]:
        """The module that is an activation and nothing else, and its use; or None and the number of the call."""
        inner = self._inside[-1] if self._inside else None
        if inner is None or not inner.belongs or any(inner.module.children()):
            return None, self._n_activations - 1
        return inner.module, self.uses(inner.module)

    def _belongs(self, given: Any) -> bool:
        return any(tensor is same for tensor in _tensors(given) for same in self._same)

    def _follow(self, output: Any) -> None:
        if isinstance(output, Tensor) and output.shape == self._same[0].shape:
            self._same.append(output)


@dataclass
class _AtWork:
    """A module that is being used, whether it was given such a tensor, and whether it has mixed neurons so far."""

    module: nn.Module
    belongs: bool
    mixes: bool = False


class _Functions(TorchFunctionMode):
    """Show every torch function's name, arguments and output to ``look``, which returns what is to go on."""

    def __init__(self, look: Callable[[str, Any, Any], Any]) -> None:
        super().__init__()
        self._look = look

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        return self._look(name.rstrip("_"), (*args, *(kwargs or {}).values()), output)


def _tensors(given: Any) -> Iterator[Tensor]:
    for value in given if isinstance(given, tuple | list) else (given,):
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors(value)
