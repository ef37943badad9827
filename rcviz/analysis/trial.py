"""Trial runs of a model: which modules and functions it uses on a few sequences, and what follows a layer.

Users' networks call functions instead of modules, use one ReLU many times and modify tensors in place. So a run is
traced module by module and function by function, from each use of the layer on.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rcviz.layers.facts import has_paired_channels, is_convolution, nearest
from rcviz.layers.plain import with_current_weights
from rcviz.models.outputs import run_model, tensors_in
from rcviz.models.runtime import check_layers_visible, uncompiled
from rcviz.models.settings import FunctionMode, Hooks, RandomStream

ACTIVATIONS = frozenset(
    (
        *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus"),
        *("hardswish", "hardtanh", "hardsigmoid", "logsigmoid", "softsign", "tanhshrink", "softshrink", "hardshrink"),
        *("threshold", "sigmoid", "tanh", "exp", "clamp", "clamp_min", "clip"),
    )
)
"""Elementwise functions, by their names in torch without the underscore of in-place variants."""

_MIXING = (
    *("conv", "pool", "linear", "mm", "matmul", "einsum", "attention", "lstm", "gru", "rnn", "transpose", "permute"),
    *("flip", "roll", "sort", "cumsum", "softmax", "getitem", "select", "gather", "take"),
)
"""Parts of the names of functions that mix or move neurons, even if the shape is the same."""


@dataclass(eq=False)
class Call:
    """One call of the layer.

    Attributes
    ----------
    number : int
        Among the calls of the layer, 0-based.
    position : int
        Number of calls of other modules that ended before it.
    read : Tensor or None
        Copy of its input.
    result : Tensor
        Copy of its output.
    activation : (str, nn.Module or None, int) or None
        First elementwise function after it: its name, the module that is that function and nothing else, and the
        number of the call, of this module or of all activation functions.
    """

    number: int
    position: int
    read: Tensor | None
    result: Tensor
    activation: tuple[str, nn.Module | None, int] | None = None
    same: list[Tensor] = field(default_factory=list)  # its output, and what was computed from it neuron by neuron


class Trial:
    """One forward pass on ``x``: the modules that it used, and the first activation after each call of a layer.

    A model that draws random numbers draws the same ones in every trial. With ``until_activation`` the pass ends at the
    first activation after the first call of the layer.
    """

    def __init__(
        self,
        model: nn.Module,
        layer: nn.Module | None,
        x: Float[Tensor, "batch 4 length"],
        *,
        until_activation: bool = False,
    ) -> None:
        self.used: list[tuple[nn.Module, Any]] = []
        self.inputs: dict[nn.Module, Tensor] = {}
        self.calls: list[Call] = []
        self.other: Any = None
        self._layer = layer
        self._running: list[_RunningModule] = []
        self._n_activations = 0
        self._until_activation = until_activation
        check_layers_visible(model)
        parts = list(model.modules())
        hooks = Hooks([(part, self._enter) for part in parts], [(part, self._leave) for part in parts])
        stream = RandomStream(0, x.device)
        with (
            hooks,
            stream.drawing(),
            uncompiled(model),
            torch.no_grad(),
            suppress(_ActivationFoundError),
            Functions(self._function),
        ):
            run_model(model, x)

    def convolution_before(self, call: Call) -> nn.Module | None:
        """The last convolution before a call of the layer that has as many channels."""
        n_channels = call.result.shape[1]
        before = [part for part, y in self.used[: call.position] if is_convolution(part) and y.shape[1] == n_channels]
        return before[-1] if before else None

    def _enter(self, module: nn.Module, args: Any, named: Any) -> None:
        read = next(iter(tensors_in(args)), None)
        if read is not None and is_convolution(module):
            self.inputs.setdefault(module, read.detach().clone())
        self._running.append(_RunningModule(module, self._follows(args), read if module is self._layer else None))

    def _leave(self, module: nn.Module, args: Any, result: Any) -> None:
        done = self._running.pop()
        if module is self._layer:
            if isinstance(result, Tensor):
                read = None if done.read is None else done.read.detach().clone()
                call = Call(len(self.calls), len(self.used), read, result.detach().clone())
                call.same.append(result)
                self.calls.append(call)
            else:
                self.other = result
        elif not done.mixes and not any(module.children()):
            self._follow(done.follows, result)  # also where it reshapes inside, or calls functions that are not torch's
        self.used.append((module, result))

    def _function(self, name: str, args: Any, result: Any) -> Any:
        if not isinstance(result, Tensor):
            return result
        if name in ACTIVATIONS:
            self._n_activations += 1
        if any(part in name for part in _MIXING):
            for module in self._running:
                module.mixes = True
            return result
        follows = self._follows(args)
        for call in follows:
            if name in ACTIVATIONS and call.activation is None:
                call.activation = (name, *self._caller(call))
                if self._until_activation:
                    raise _ActivationFoundError
        self._follow(follows, result)
        return result

    def _caller(self, call: Call) -> tuple[nn.Module | None, int]:
        """The module that is an activation and nothing else, and its call; or None and the number of the function's."""
        inner = self._running[-1] if self._running else None
        if inner is None or call not in inner.follows or any(inner.module.children()):
            return None, self._n_activations - 1
        return inner.module, sum(part is inner.module for part, _ in self.used)

    def _follows(self, args: Any) -> list[Call]:
        tensors = tensors_in(args)
        return [call for call in self.calls if any(tensor is same for tensor in tensors for same in call.same)]

    @staticmethod
    def _follow(follows: list[Call], result: Any) -> None:
        """Remember what has one number per neuron, if with another number of axes of length one."""
        if isinstance(result, Tensor):
            for call in follows:
                if _without_ones(result) == _without_ones(call.result):
                    call.same.append(result)


class _ActivationFoundError(Exception):
    """Ends a trial."""


@dataclass(eq=False)
class _RunningModule:
    """A module that is being called, the calls of the layer that it follows, and whether it has mixed neurons."""

    module: nn.Module
    follows: list[Call]
    read: Tensor | None
    mixes: bool = False


class Functions(FunctionMode):
    """Call ``replace`` with the name, arguments and result of every torch function; what it returns is the result."""

    def __init__(self, replace: Callable[[str, Any, Any], Any]) -> None:
        super().__init__()
        self._replace = replace

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        return self._replace(name.rstrip("_"), (*args, *(kwargs or {}).values()), result)


@torch.no_grad()
def weights_used(convolution: Any) -> tuple[Tensor, Tensor | None]:
    """Filters and biases of a convolution as its next forward pass in evaluation mode uses them.

    A class with a ``forward`` of its own, such as one that standardises its weights, shows them when it is called.
    """
    plain = with_current_weights(convolution)
    if hasattr(plain, "expanded_weight"):
        weight, bias = plain.expanded_weight(), plain.expanded_bias()
        stored = slice(len(weight) // 2 if has_paired_channels(plain) else None)
        return weight[stored], None if bias is None else bias[stored]
    given: list[list[Tensor]] = []

    def record(name: str, args: Any, result: Any) -> Any:
        if name in ("conv1d", "conv2d"):
            given.append([tensor for tensor in args if isinstance(tensor, Tensor)])
        return result

    if nearest(plain, {nn.Conv1d: True, nn.Conv2d: True}) is None and isinstance(plain, nn.Conv1d | nn.Conv2d):
        reach = [d * (k - 1) + 1 for k, d in zip(plain.kernel_size, plain.dilation, strict=True)]
        training, plain.training = plain.training, False
        try:
            with Functions(record):
                plain.forward(plain.weight.new_zeros(1, plain.in_channels, *reach))
        finally:
            plain.training = training
    if len(given) != 1 or given[0][1].shape != plain.weight.shape:
        return plain.weight, plain.bias
    _, weight, *bias = given[0]
    return weight, bias[0] if bias else None


def random_sequences(n: int, like: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "n 4 length"]:
    """One-hot sequences, always the same ones, of the length, device and type of others."""
    bases = torch.randint(4, (n, like.shape[2]), generator=torch.Generator().manual_seed(0))
    return nn.functional.one_hot(bases, 4).mT.to(like)


def _without_ones(tensor: Tensor) -> tuple[int, ...]:
    return *tensor.shape[:1], *(size for size in tensor.shape[1:] if size != 1)
