"""The neurons of a layer: where a forward pass computes them, and how to read or replace them there.

A layer may be used several times in a forward pass, and a batch may hold both strands of every sequence, as in a model
that averages its strands. Trial runs show which calls there are and what each of them reads.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from rcviz.analysis.filters import layer_of
from rcviz.analysis.trial import ACTIVATIONS, Call, Functions, Trial, random_sequences
from rcviz.layers.facts import has_paired_channels, is_convolution, position_axis, reads_bases, windows_of
from rcviz.layers.torch_internals import version_of
from rcviz.models.adapter import channel_of_each_base
from rcviz.models.outputs import gradients, run_model, tensors_in
from rcviz.models.runtime import differentiating, find_module
from rcviz.models.settings import Hooks, RandomStream

At = Literal["auto", "activation", "convolution"]


@dataclass(frozen=True)
class Strand:
    """The sequence in the input of a convolution.

    Attributes
    ----------
    reverse : bool
        Whether it is the reverse complement.
    start : int
        Position of its first base in the input; negative where the input begins within the sequence.
    length : int
        Number of positions of the input.
    """

    reverse: bool
    start: int
    length: int


@dataclass(frozen=True)
class Use:
    """One call, in a forward pass, of the module or function that computes neurons.

    Attributes
    ----------
    module : nn.Module or None
        None for an activation function.
    call : int
        Number of the call, of the module or of all activation functions, 0-based.
    strands : tuple of (Strand or None)
        One for each row that a sequence has in the batch: what the convolution reads there, None where not known.
    alternating : bool
        Whether the rows of a sequence follow each other; otherwise each strand of all sequences follows the other.
    """

    module: nn.Module | None
    call: int
    strands: tuple[Strand | None, ...] = (None,)
    alternating: bool = False


Tap: TypeAlias = Callable[[Use, Tensor], Tensor | None]


@dataclass(frozen=True)
class Neurons:
    """Neurons (batch, channels, positions) of one layer.

    Attributes
    ----------
    name : str
        The module that computes them, or the function and the convolution that it follows.
    at : str
        Begins with "activation" or "convolution", and says why.
    tied : bool
        Whether channels ``i`` and ``n - 1 - i`` are one filter.
    uses : tuple of Use
        In order of use.
    """

    name: str
    at: str
    tied: bool
    uses: tuple[Use, ...]

    @contextmanager
    def tapped(self, tap: Tap) -> Iterator[None]:
        """Call ``tap`` with each use and its neurons in the next forward pass; what it returns replaces them."""
        calls: dict[nn.Module | None, int] = {}

        def on_result(module: nn.Module | None, args: Any, result: Tensor) -> Tensor:
            call = calls[module] = calls.get(module, -1) + 1
            use = next((use for use in self.uses if use.module is module and use.call == call), None)
            replaced = None if use is None else tap(use, result)
            if replaced is None:
                return result
            # After an in-place operation the model may continue with the argument instead of the returned tensor.
            return result.copy_(replaced) if any(result is tensor for tensor in tensors_in(args)) else replaced

        modules = {use.module for use in self.uses}
        functions = Functions(lambda name, args, y: on_result(None, args, y) if name in ACTIVATIONS else y)
        hooks = Hooks(after=[(module, on_result) for module in modules if module is not None])
        with hooks, functions if None in modules else nullcontext():
            yield

    def by_filter(
        self, use: Use, values: Float[Tensor, "rows channels *positions"], n_sequences: int
    ) -> list[Float[Tensor, "batch filters positions"]]:
        """Values of a use for each of the rows that a sequence has; RC partners are summed."""
        n_rows = len(use.strands)
        if len(values) != n_rows * n_sequences:
            raise _unclear_rows(self.name, len(values), n_sequences)
        values = values.reshape(*values.shape[:2], -1)
        if self.tied:
            forward, reverse = values.chunk(2, dim=1)
            values = forward + reverse.flip(1)
        return list(values.unflatten(0, (-1, n_rows)).unbind(1) if use.alternating else values.chunk(n_rows))


def find_neurons(
    model: nn.Module, layer: nn.Module | str | None, at: At, x: Float[Tensor, "batch 4 length"]
) -> Neurons:
    """Find the neurons of a layer in trial runs on sequences like ``x``; the model must be in evaluation mode.

    With ``at="auto"`` they are those of the activation after a convolution if everything that the convolution computes
    goes through it, and otherwise those of the convolution.
    """
    name, layer_module = layer_of(model, layer)
    if at == "convolution" and not is_convolution(layer_module):
        raise ValueError(f"at='convolution' needs a convolution, but {name} is a {type(layer_module).__name__}")
    x = random_sequences(3, x)
    trial = Trial(model, layer_module, x[:1])
    _check_calls(name, layer_module, trial, model)
    uses = _uses(model, name, layer_module, trial.calls, x)
    if not is_convolution(layer_module):
        before = {trial.convolution_before(call) for call in trial.calls}
        if len(before) > 1:
            raise ValueError(
                f"layer {name} is used {len(uses)} times in a forward pass, after different convolutions, whose "
                f"filters cannot be added; give the convolution, or the model one module per use"
            )
        tied = any(part is not None and has_paired_channels(part) for part in before)
        return Neurons(name, f"activation: the output of {name}, as chosen", tied, uses)
    convolution = Neurons(name, "convolution, as chosen", has_paired_channels(layer_module), uses)
    if at == "convolution":
        return convolution
    activation = _activation_after(model, convolution, trial.calls)
    if at == "activation":
        if activation is None:
            raise ValueError(
                f"no elementwise activation follows {name}; pass at='convolution', or choose another layer"
            )
        return replace(activation, at="activation, as chosen")
    if activation is None:
        return replace(convolution, at=f"convolution: no elementwise activation follows {name}")
    if _is_cut(model, x[:1], convolution, activation):
        return replace(activation, at=f"activation: all that {name} computes goes through {activation.name}")
    return replace(convolution, at=f"convolution: not all that {name} computes goes through {activation.name}")


def sequence_layers(model: nn.Module, x: Float[Tensor, "batch 4 length"]) -> list[str]:
    """Names of the convolutions in use whose filters read the bases; a grouped one must read the repeated sequence."""
    x = random_sequences(1, x)
    inputs = Trial(model, None, x).inputs

    def has_logos(part: nn.Module) -> bool:
        grouped = getattr(part, "groups", 1) > 1
        return (
            part in inputs and reads_bases(part) and (not grouped or None not in _strands(model, part, inputs[part], x))
        )

    return [name for name, part in model.named_modules() if has_logos(part)]


def window_centers(convolution: nn.Module, strand: Strand, length: int) -> Float[np.ndarray, " windows"]:
    """Centre of each window of a convolution on a sequence of ``length`` bp, in bp from its start as given."""
    centers = windows_of(convolution).centers(strand.length) - strand.start
    return length - centers if strand.reverse else centers


def _check_calls(name: str, module: nn.Module, trial: Trial, model: nn.Module) -> None:
    if trial.other is not None:
        raise ValueError(
            f"layer {name} returns a {type(trial.other).__name__}, but contributions need neurons (batch, channels, "
            f"length) in one tensor; choose a layer before or after it"
        )
    if not trial.calls:
        names = {part: key for key, part in model.named_modules()}
        such_as = next((f", such as {names[part]}" for part, _ in trial.used if is_convolution(part)), "")
        raise ValueError(f"layer {name} is never used in a forward pass; give one that is{such_as}")
    shape = tuple(trial.calls[0].result.shape)
    last = isinstance(module, nn.Linear | nn.LayerNorm | nn.Embedding)  # channels are their last axis
    if (len(shape) != 3 or last) and not (len(shape) == 4 and 1 in shape[2:]):
        raise ValueError(
            f"layer {name} returns shape {shape}, but contributions need neurons (batch, channels, length); choose a "
            f"layer that has them"
        )


def _uses(
    model: nn.Module, name: str, module: nn.Module, calls: list[Call], x: Float[Tensor, "3 4 length"]
) -> tuple[Use, ...]:
    """Uses of a layer, from its calls on the first of three sequences; the others show whose rows are whose."""
    numbers = [len(call.result) for call in calls]
    alternating = [False] * len(calls)
    if set(numbers) != {1}:
        one, other = (Trial(model, module, x[rows]).calls for rows in ([0, 1], [0, 2]))
        for index, (n, a, b) in enumerate(zip(numbers, one, other, strict=True)):
            if len(a.result) != 2 * n:
                raise _unclear_rows(name, len(a.result), 2)
            change = (a.result - b.result).abs().flatten(1).amax(dim=1)
            of_second = (change > 1e-6 * a.result.abs().max()).tolist()
            alternating[index] = of_second == [False] * n + [True] * n
            if not alternating[index] and of_second != [False, True] * n:
                raise _unclear_rows(name, len(a.result), 2)
    return tuple(
        Use(module, number, _strands(model, module, call.read, x) or (None,) * n, next_to_each_other)
        for number, (call, n, next_to_each_other) in enumerate(zip(calls, numbers, alternating, strict=True))
    )


def _unclear_rows(name: str, n_rows: int, n_sequences: int) -> ValueError:
    return ValueError(
        f"{name} has {n_rows} rows for {n_sequences} sequences, so rows cannot be assigned to sequences; give a layer "
        f"that gets every sequence once, or both strands of all sequences in one batch"
    )


def _strands(
    model: nn.Module, module: nn.Module, read: Tensor | None, x: Float[Tensor, "batch 4 length"]
) -> tuple[Strand | None, ...]:
    """Find the first sequence of ``x`` in each row that a convolution over the bases reads; empty for other layers."""
    if read is None or not reads_bases(module):
        return ()
    if read.ndim == 4 and read.shape[1] == 1:
        read = read[:, 0].movedim(1 + position_axis(module), 2)
    repeats = read.reshape(len(read), -1, 4, read.shape[2:].numel())
    order = channel_of_each_base(model, module)
    return tuple(_strand(row[0, order], x[0]) if bool((row == row[0]).all()) else None for row in repeats)


def _strand(read: Float[Tensor, "4 positions"], sequence: Float[Tensor, "4 length"]) -> Strand | None:
    """Which strand of a sequence an input is, which may be longer or shorter and have other numbers than 0 and 1."""
    bases, strands = _letters(read), []
    for reverse in (False, True):
        letters = _letters(sequence.flip((0, 1)) if reverse else sequence)
        if letters in bases:
            strands.append(Strand(reverse, bases.index(letters), len(bases)))
        elif bases in letters:
            strands.append(Strand(reverse, -letters.index(bases), len(bases)))
    return strands[0] if len(strands) == 1 else None  # both, where they are joined into one sequence


def _letters(one_hot: Float[Tensor, "4 positions"]) -> bytes:
    return one_hot.argmax(dim=0).to(torch.uint8).cpu().numpy().tobytes()


def _activation_after(model: nn.Module, convolution: Neurons, calls: list[Call]) -> Neurons | None:
    """Neurons of the activations that follow the calls of a convolution; None unless one follows each of them."""
    uses: dict[tuple[nn.Module | None, int], Use] = {}
    names: dict[str, None] = {}
    for use, call in zip(convolution.uses, calls, strict=True):
        if call.activation is None:
            return None
        kind, part, number = call.activation
        key = part, number
        strands = use.strands if key not in uses or uses[key].strands == use.strands else (None,) * len(use.strands)
        uses[key] = replace(use, module=part, call=number, strands=strands)
        names[f"{kind} after {convolution.name}" if part is None else find_module(model, part)[0]] = None
    return Neurons(" and ".join(names), "", convolution.tied, tuple(uses.values()))


def _is_cut(model: nn.Module, x: Float[Tensor, "1 4 length"], convolution: Neurons, activation: Neurons) -> bool:
    """Whether no path leads from the convolution to the output without the activation.

    The gradient stops at the activation; what still reaches the convolution came on another path.
    """
    leaves: list[Tensor] = []
    in_place = False

    def begin(use: Use, neurons: Tensor) -> Tensor:
        leaves.append(neurons.detach().clone().requires_grad_())
        return leaves[-1].clone()

    def end(use: Use, neurons: Tensor) -> Tensor | None:
        nonlocal in_place
        if version_of(neurons) == 0 or not neurons.requires_grad:
            return neurons.detach()
        in_place = True  # the model may continue with the tensor itself
        neurons.register_hook(torch.zeros_like)
        return None

    with RandomStream(0, x.device).drawing(), differentiating(model), convolution.tapped(begin), activation.tapped(end):
        outputs = [y.sum() for y in tensors_in(run_model(model, x)) if y.requires_grad]
        if not outputs:
            return True
        try:
            slopes = gradients(torch.stack([y.double() for y in outputs]), leaves)
        except ValueError:  # the model writes over what its gradient needs
            return False
    return all(slope is None or (in_place and not slope.any()) for slope in slopes)
