"""Comparison of what a module returns for a batch and for its RC."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from rcviz.layers.facts import symmetry_of
from rcviz.layers.strategies import RevCompConjoined
from rcviz.layers.symmetry import Representation, declares, reverse
from rcviz.models.outputs import run_model
from rcviz.models.runtime import check_module, copy_module, device_and_dtype, evaluating
from rcviz.models.settings import FunctionMode

_TOLERANCES = {
    torch.float64: (1e-10, 1e-10),
    torch.float32: (1e-4, 1e-6),
    torch.float16: (2e-2, 5e-3),
    torch.bfloat16: (1e-1, 5e-2),
}
"""Largest difference that is treated as rounding: relative to the largest number, and absolute."""


class View(NamedTuple):
    """A way in which features change for the reverse complement."""

    representation: Representation
    reverse: Callable[[Tensor], Tensor | None]


Kind: TypeAlias = Literal["equivariant", "invariant", "own pairing", "broken"]


@dataclass(frozen=True)
class Relation:
    """How tensors for the two strands of one batch are related.

    Attributes
    ----------
    kind : "equivariant", "invariant", "own pairing" or "broken"
        ``"own pairing"``: the channels are the same numbers in an order, or with signs, that no layer declares. The two
        strands may also be two tensors, or lie beside each other in the batch.
    error : float
        Largest difference to the representation that was expected.
    representation : str or None
        The one that matches, if any.
    """

    kind: Kind
    error: float
    representation: Representation | None = None


def check_batch(module: nn.Module, x: Any) -> Tensor:
    """Bring a batch (batch, channels, length) to the device and floating-point type of a module."""
    check_module(module)
    device, dtype = device_and_dtype(module)
    shape = getattr(x, "shape", None)
    if shape is None or len(shape) != 3:
        given = type(x).__name__ if shape is None else tuple(shape)
        raise ValueError(f"x must be (batch, channels, length), got {given}; rcviz.one_hot(x) encodes sequences")
    batch = torch.as_tensor(x).to(device=device, dtype=dtype)
    if batch.isnan().any():
        raise ValueError("x must be numbers, and some are NaN; rcviz.one_hot(x) encodes sequences")
    return batch


def as_judged(model: nn.Module, x: Any) -> tuple[nn.Module, Tensor, torch.dtype]:
    """Return a model as it is judged, a batch for it, and the floating-point type that decides what is rounding.

    That is a float64 copy. A model whose forward pass computes in a narrower type even then, or cannot be copied or run
    in float64, is judged in its own type.
    """
    check_module(model)
    with suppress(Exception):  # a user's model may raise anything; run in its own type, it raises that again
        twin = copy_module(model).double()
        batch = check_batch(twin, x).double()  # also for modules without parameters
        if _narrowest_type(twin, batch) == torch.float64:
            return twin, batch, torch.float64
    with suppress(Exception):
        model = copy_module(model)
    batch = check_batch(model, x)
    return model, batch, _narrowest_type(model, batch)


def _narrowest_type(model: nn.Module, x: Tensor) -> torch.dtype:
    """The floating-point type with the fewest digits among the tensors that a forward pass computes."""
    with evaluating(model), _FloatingTypes() as types:
        run_model(model, x.clone())
    return max(types.seen, key=lambda dtype: torch.finfo(dtype).eps, default=x.dtype)


class _FloatingTypes(FunctionMode):
    """Note the floating-point types of what torch's functions return."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[torch.dtype] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.is_floating_point():
            self.seen.add(result.dtype)
        return result


def rounding(y: Tensor) -> float:
    """Largest difference to a tensor that its floating-point type explains."""
    relative, absolute = _TOLERANCES[y.dtype]
    return max(absolute, relative * float(y.abs().max())) if y.numel() else absolute


def largest_difference(a: Tensor, b: Tensor) -> float:
    """Largest absolute difference of two tensors, zero of empty ones."""
    return float((a - b).abs().max()) if a.numel() else 0.0


def declared_views(model: nn.Module) -> list[View]:
    """Views of the inputs and outputs of a model's layers, beyond paired and invariant features."""
    views: list[View] = []
    for module in model.modules():
        symmetry = symmetry_of(module) if declares(module, "symmetry") else None
        if symmetry is None:
            continue
        if isinstance(module, RevCompConjoined):
            views += [View(name, partial(_applied, function)) for name, function in module.views]
        elif symmetry.output != "same" and symmetry.output not in ("paired", "invariant"):
            views.append(View(symmetry.output, partial(reversed_output, module)))
        if declares(module, "reverse_input"):
            names = symmetry.input if isinstance(symmetry.input, tuple) else (symmetry.input,)
            views += [View(name, partial(_method, module, "reverse_input")) for name in names if name != "any"]
    return views


def reversed_output(module: nn.Module, y: Tensor) -> Tensor | None:
    """Output of a layer as it is for the reverse complement; None where that is not declared, or does not fit."""
    if declares(module, "reverse_output"):
        return _method(module, "reverse_output", y)
    symmetry = symmetry_of(module)
    return None if symmetry is None or symmetry.output == "same" else reverse(y, symmetry.output)


def _method(module: nn.Module, name: str, features: Tensor) -> Tensor | None:
    return _applied(getattr(module, name), features)


def _applied(function: Callable[[Tensor], Tensor], features: Tensor) -> Tensor | None:
    """Apply ``reverse_input`` or ``reverse_output``, which may refuse features of another shape."""
    try:
        seen = function(features)
    except (ValueError, RuntimeError, IndexError):
        return None
    return seen if seen.shape == features.shape else None


def compare(one: Tensor, other: Tensor, views: list[View]) -> Relation:
    """Relation of a pair of tensors that belong to the two strands of one batch."""
    if one.shape != other.shape:
        return Relation("broken", float("inf"))
    relations: list[tuple[Kind, Representation, Tensor]] = [("invariant", "invariant", one)]
    if one.ndim == 3:
        relations.insert(0, ("equivariant", "paired", _reversed(one)))
    elif one.ndim == 2:
        relations.append(("equivariant", "paired", _reversed(one)))
    n_usual = len(relations)
    others = [(view.representation, view.reverse(one)) for view in views]
    relations += [("equivariant", name, seen) for name, seen in others if seen is not None]
    limit = rounding(one)
    errors = [largest_difference(other, expected) for _, _, expected in relations]
    for (kind, representation, _), error in zip(relations, errors, strict=True):
        if error <= limit:
            return Relation(kind, error, representation)
    error = min(errors[0], *errors[n_usual:]) if errors[n_usual:] else errors[0]
    return Relation("own pairing" if _have_own_pairing(one, other, limit) else "broken", error)


def compare_all(ones: list[Tensor], others: list[Tensor], views: list[View], n_sequences: int) -> Relation:
    """The worst relation of several pairs; invariant where there is none."""
    relations = [compare(one, other, views) for one, other in zip(ones, others, strict=True)]
    if any(relation.kind == "broken" for relation in relations):
        both = _strands_as_channels(ones, n_sequences), _strands_as_channels(others, n_sequences)
        for one, other in zip(*both, strict=True):
            if one.shape == other.shape and _have_own_pairing(one, other, rounding(one)):
                return Relation("own pairing", max(relation.error for relation in relations))
    for kind in ("broken", "own pairing", "equivariant", "invariant"):
        of_kind = [relation for relation in relations if relation.kind == kind]
        if of_kind:
            return max(of_kind, key=lambda relation: relation.error)
    return Relation("invariant", 0.0, "invariant")


def _reversed(y: Tensor) -> Tensor:
    seen = reverse(y, "paired")
    assert seen is not None
    return seen


def _strands_as_channels(tensors: list[Tensor], n_sequences: int) -> list[Tensor]:
    """Tensors of the two strands as channels of one: of a tuple of strands, or one after the other in the batch."""
    if not tensors or tensors[0].ndim < 2 or any(tensor.shape != tensors[0].shape for tensor in tensors):
        return []
    joined = torch.cat(tensors, dim=1)
    arranged = [joined] if len(tensors) > 1 else []
    if len(joined) == 2 * n_sequences:
        halves, neighbours = joined.unflatten(0, (2, -1)).transpose(0, 1), joined.unflatten(0, (-1, 2))
        arranged += [halves.flatten(1, 2), neighbours.flatten(1, 2)]
    return arranged


def _have_own_pairing(one: Tensor, other: Tensor, limit: float) -> bool:
    """Whether the channels of both are the same up to their order and their signs, positions reversed or not.

    Channels may be the last axis. They are compared by several projections on random numbers, which are the
    same for the same channels.
    """
    if one.ndim < 2 or not one.numel():
        return False
    if one.ndim == 3 and _match_as_channels(one.transpose(1, 2), other.transpose(1, 2), limit):
        return True
    return _match_as_channels(one, other, limit)


def _match_as_channels(one: Tensor, other: Tensor, limit: float) -> bool:
    shape = (len(one), -1, one.shape[-1] if one.ndim > 2 else 1)
    channels = one.reshape(shape)
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(8, len(one), channels.shape[2], generator=generator, dtype=torch.float64).to(one)
    expected = _projections(channels, weights)
    limit *= weights[0].numel() ** 0.5
    candidates = (other.reshape(shape), other.reshape(shape).flip(-1))
    return any(largest_difference(_projections(candidate, weights), expected) <= limit for candidate in candidates)


def _projections(channels: Tensor, weights: Tensor) -> Tensor:
    return torch.einsum("ncl,knl->kc", channels, weights).abs().sort().values
