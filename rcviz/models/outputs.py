"""Running any model on one-hot sequences, its output as logits ``(batch, tasks)``, and gradients of these."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rcviz.models.runtime import check_not_meta, several_devices_error

_SIZES = re.compile("shape|size|dimension|channels")  # words in torch's errors about another length or layout


def logits_of(model: nn.Module, x: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "batch tasks"]:
    """Run a model that returns logits (batch, tasks), or (batch,) for one task."""
    return as_logits(one_tensor(run_model(model, x)), len(x))


def run_model(model: nn.Module, x: Float[Tensor, "..."]) -> Any:
    """Run a model; torch's errors about layout, length or device are replaced by one that names the remedy."""
    check_not_meta(model)
    try:
        return model(x)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if (several := several_devices_error(model)) is not None:
            raise several from error
        if _accepts(model, x.transpose(1, 2).contiguous()):
            axes, layout = ("length, 4", "NLC") if x.shape[1] == 4 else ("4, length", "NCL")
            raise ValueError(
                f"the model reads sequences as (batch, {axes}); declare that with "
                f"rcviz.as_sequence_model(model, layout={layout!r})"
            ) from error
        if not _SIZES.search(str(error)):  # an error of the model's own code is passed on
            raise
        raise ValueError(
            f"the model does not accept one-hot sequences (batch, {x.shape[1]}, {x.shape[2]}): "
            f"{str(error).splitlines()[0]}; pass sequences of the length that it was built for, and declare another "
            f"layout with rcviz.as_sequence_model"
        ) from error


def _accepts(model: nn.Module, x: Tensor) -> bool:
    try:
        model(x)
    except Exception:  # a user's model may raise anything
        return False
    return True


def one_tensor(y: Any) -> Tensor:
    """Return a model's output if it is a tensor; the error names the way to select one of several outputs."""
    if isinstance(y, Tensor):
        return y
    selector = "lambda y: ..."
    if isinstance(y, Mapping) and y:
        selector = repr(next(iter(y)))
    elif isinstance(y, tuple | list):
        selector = "0"
    raise ValueError(
        f"expected logits from the model, one tensor (batch, tasks), got a {describe_output(y)}; select it with "
        f"rcviz.as_sequence_model(model, output={selector})"
    )


def describe_output(y: Any) -> str:
    """Describe a model's output for an error: its type and the entries to select from."""
    kind = type(y).__name__
    if isinstance(y, Mapping):
        return f"{kind} with the keys {', '.join(map(repr, y))}"
    return f"{kind} of {len(y)}" if isinstance(y, tuple | list) else kind


def as_logits(y: Tensor, n_sequences: int, expression: str = "y") -> Float[Tensor, "batch tasks"]:
    """Give logits of ``n_sequences`` an axis of tasks; ``expression`` is how advice writes the tensor.

    Models that squeeze their output also lose the axis of a batch of one.
    """
    if not y.is_floating_point():
        raise ValueError(
            f"expected floating-point logits from the model, got {str(y.dtype).removeprefix('torch.')}; return what "
            f"its last layer computes, before a threshold or argmax"
        )
    if y.ndim <= 1 and (n_sequences == 1 or y.shape == (n_sequences,)):
        return y.reshape(n_sequences, -1)
    if y.ndim == 2 and len(y) == n_sequences:
        return y
    if y.ndim < 2 or len(y) != n_sequences:
        advice = "return one row per sequence"
    else:
        axes = "2" if y.ndim == 3 else str(tuple(range(2, y.ndim)))
        advice = (
            f"rcviz.as_sequence_model(model, output=lambda y: {expression}.mean(dim={axes})) makes it one number "
            f"per task"
        )
    raise ValueError(
        f"expected logits (batch, tasks) from the model, got {tuple(y.shape)} for a batch of {n_sequences}; {advice}"
    )


def gradient(logits: Float[Tensor, " batch"], of: Tensor, name: str) -> Tensor:
    """Gradient of each sequence's logit with respect to ``of``, which errors call ``name``."""
    (result,) = gradients(logits, [of])
    if result is None:
        raise no_gradient(name)
    return result


def no_gradient(name: str) -> ValueError:
    """Error for a logit that does not depend on ``name``."""
    return ValueError(
        f"the logit has no gradient with respect to {name}: the model does not use it for this output, or runs under "
        f"torch.no_grad() or with .detach()"
    )


def gradients(values: Tensor, of: Sequence[Tensor]) -> Sequence[Tensor | None]:
    """Gradients of the sum of ``values``, None where there is none; an in-place operation gets its own error."""
    if not values.requires_grad:
        return [None] * len(of)
    try:
        return torch.autograd.grad(values.sum(), of, allow_unused=True)
    except RuntimeError as error:
        if "inplace operation" not in str(error):
            raise
        raise ValueError(
            "the model writes in place over a tensor that its gradient needs; use operations that return a new one, "
            "such as y = y * 2 instead of y *= 2"
        ) from error
