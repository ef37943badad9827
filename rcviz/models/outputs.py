"""Running any model on one-hot sequences, its output as logits ``(batch, tasks)``, and gradients of these."""

import dataclasses
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rcviz.models.runtime import check_not_meta, evaluating, several_devices_error

Layout = Literal["NCL", "NLC", "NC1L", "NCL1", "N1CL", "N1LC"]

_AXES = {"N": "batch", "C": "4", "L": "length", "1": "1"}
_SIZES = re.compile("shape|size|dimension|channels|elements|expected")  # words in errors about a length or layout


def logits_of(model: nn.Module, x: Float[Tensor, "batch 4 length"]) -> Float[Tensor, "batch tasks"]:
    """Run a model that returns logits (batch, tasks), or (batch,) for one task; NaN weights are refused by name."""
    y = as_logits(output_of(model, x), x.shape[0], getattr(model, "expression", "y"))
    if y.isnan().any():
        check_weights(model)
    return y


def check_weights(model: nn.Module, name: str = "") -> None:
    """Refuse a model, or the part of one that is called ``name``, with weights that are NaN; they are listed."""
    tensors = chain(model.named_parameters(name), model.named_buffers(name))
    names = [name for name, tensor in tensors if tensor.is_floating_point() and tensor.isnan().any()]
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise ValueError(
            f"the model's outputs are NaN because weights are NaN ({', '.join(names[:3])}{more}): training has "
            f"diverged, or the weights were loaded wrongly; load them again, or train with a lower learning rate"
        )


def warn_of_nan(n_nan: int, n_sequences: int, what: str = "outputs") -> None:
    """Warn of outputs, or what is computed from them, that are NaN though no weight is."""
    if n_nan:
        warnings.warn(
            f"{what} of {n_nan:,} of {n_sequences:,} sequences are NaN, and no weight is: the forward pass makes them, "
            f"for example by a division by zero, a logarithm of zero, or numbers beyond the range of its dtype",
            stacklevel=5,
        )


def output_of(model: nn.Module, x: Float[Tensor, "batch 4 length"]) -> Tensor:
    """Run a model that returns one tensor, of any shape."""
    return one_tensor(run_model(model, x))


def run_model(
    model: nn.Module,
    x: Float[Tensor, "..."],
    *,
    layout: Layout = "NCL",
    inputs: Callable[[Tensor], Any] | None = None,
) -> Any:
    """Run a model; torch's errors about layout, length, inputs or device are replaced by one that names the remedy."""
    args, named = _arguments(x, layout, inputs)
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined]
        return model(*args, **named)
    check_not_meta(model)
    try:
        return model(*args, **named)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # a user's model may raise anything
        better = _explained(error, model, x, layout, None if inputs is None else (*args, *named.values()))
        if better is None:
            raise
        raise better from error


def in_layout(x: Float[Tensor, "..."], layout: Layout) -> Tensor:
    """Order the axes of sequences as ``layout`` names them; 1 is an axis of size one."""
    if layout.index("L") < layout.index("C"):
        x = x.transpose(1, 2).contiguous()
    return x.unsqueeze(layout.index("1")) if "1" in layout else x


def _arguments(
    x: Tensor, layout: Layout, inputs: Callable[[Tensor], Any] | None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments that a model is called with, by position and by name."""
    x = in_layout(x, layout)
    if inputs is None:
        return (x,), {}
    given = inputs(x)
    # A tuple of types, as torch.compile of torch 2.9 does not know their union.
    args = () if isinstance(given, Mapping) else tuple(given) if isinstance(given, (tuple, list)) else (given,)
    named = dict(given) if isinstance(given, Mapping) else {}
    tensors = [value for value in (*args, *named.values()) if isinstance(value, Tensor)]
    if not tensors:
        raise ValueError(
            f"inputs must return what the model is called with, a tensor, or a tuple or dict of tensors, got a "
            f"{describe_output(given)}"
        )
    if x.requires_grad and torch.is_grad_enabled() and not any(tensor.requires_grad for tensor in tensors):
        raise ValueError(
            "the output has no gradient with respect to the bases, because inputs= makes integers of them, such as "
            "token ids, or detaches them; rcviz.filter_contributions(model, data, layer=...) of a layer after the "
            "embedding needs no such gradient"
        )
    return args, named


def _explained(
    error: Exception, model: nn.Module, x: Tensor, layout: Layout, given: Sequence[Any] | None
) -> ValueError | None:
    """Error that names the remedy for what a model raised, or None where there is none to name."""
    message = (str(error) or type(error).__name__).splitlines()[0]
    if given is not None and _is_about_arguments(error, message) and several_devices_error(model) is None:
        described = ", ".join(
            f"{tuple(each.shape)} of {str(each.dtype).removeprefix('torch.')}"
            if isinstance(each, Tensor)
            else type(each).__name__
            for each in given
        )
        return ValueError(f"the model does not accept what inputs= returned, {described}: {message}")
    if isinstance(error, TypeError) and "required positional argument" in message:
        return ValueError(
            f"the model takes more than the sequences ({message}); pass everything that it is called with, for "
            f"example rcviz.as_sequence_model(model, inputs=lambda x: (x, controls))"
        )
    if isinstance(error, RuntimeError) and "indices" in message and "embedding" in message:
        return ValueError(
            f"the model reads integer token ids ({message}); convert one-hot sequences to them with "
            f"rcviz.as_sequence_model(model, inputs=lambda x: ...)"
        )
    if "more than 1 value per channel" in message:
        return ValueError(
            "a batch norm without running statistics, or in training mode, cannot normalise a batch of one sequence; "
            "use running statistics (track_running_stats=True), or a batch_size that leaves no single sequence over"
        )
    if message.startswith("Inference tensors cannot be saved"):
        return ValueError(
            "weights that were created under torch.inference_mode() have no gradients; build or load the model outside "
            "of it, or pass copy.deepcopy(model), made outside of it"
        )
    about_sizes = _SIZES.search(message) is not None
    if not isinstance(error, RuntimeError | IndexError | AssertionError) and not about_sizes:
        return None
    if (several := several_devices_error(model)) is not None:
        return several
    accepted = (
        [name for name in get_args(Layout) if name != layout and _accepts(model, x, name)] if given is None else []
    )
    if accepted:
        axes = ", ".join(_AXES[axis] for axis in accepted[0])
        return ValueError(
            f"the model reads sequences as ({axes}); declare that with "
            f"rcviz.as_sequence_model(model, layout={accepted[0]!r})"
        )
    if not isinstance(error, RuntimeError) or not about_sizes:  # an error of the model's own code is passed on
        return None
    return ValueError(
        f"the model does not accept one-hot sequences (batch, {', '.join(map(str, x.shape[1:]))}): {message}; pass "
        f"sequences of the length that it was built for, and declare another layout with rcviz.as_sequence_model"
    )


def _is_about_arguments(error: Exception, message: str) -> bool:
    """Whether an error is about number, names, shapes or types of arguments, and not one of the model's own code."""
    if isinstance(error, TypeError):
        return "argument" in message
    about_values = _SIZES.search(message) is not None or "index" in message or "indices" in message
    return isinstance(error, RuntimeError | IndexError) and about_values


def _accepts(model: nn.Module, x: Tensor, layout: Layout) -> bool:
    """Whether a model runs on sequences in that layout, tried with three of them."""
    if x.ndim != 3 or x.shape[1] != 4 or not len(x):
        return False
    try:
        with evaluating(model):
            y = model(in_layout(x[:1].expand(3, -1, -1), layout))
    except Exception:  # a user's model may raise anything
        return False
    return not isinstance(y, Tensor) or (y.ndim > 0 and len(y) == 3)


def one_tensor(y: Any) -> Tensor:
    """Return a model's output if it is a tensor; the error names the way to select one of several outputs."""
    if isinstance(y, Tensor):
        return y
    names = [name for name, value in fields_of(y).items() if isinstance(value, Tensor)]
    selector = repr(names[0]) if names else "0" if isinstance(y, tuple | list) else "lambda y: ..."
    raise ValueError(
        f"expected logits from the model, one tensor (batch, tasks), got a {describe_output(y)}; select it with "
        f"rcviz.as_sequence_model(model, output={selector})"
    )


def tensors_in(y: Any) -> list[Tensor]:
    """List tensors in arguments or in an output: alone, or in tuples, lists and dictionaries."""
    if isinstance(y, Tensor):
        return [y]
    parts = y.values() if isinstance(y, Mapping) else y if isinstance(y, tuple | list) else ()
    return [tensor for part in parts for tensor in tensors_in(part)]


def fields_of(y: Any) -> dict[Any, Any]:
    """Entries of an output that have names: keys of a mapping, fields of a named tuple, attributes of an object."""
    if isinstance(y, Mapping):
        return dict(y)
    if isinstance(y, tuple):
        return {name: getattr(y, name) for name in getattr(y, "_fields", ())}
    if dataclasses.is_dataclass(y):
        return {field.name: getattr(y, field.name) for field in dataclasses.fields(y)}
    return {} if isinstance(y, Tensor) else dict(getattr(y, "__dict__", {}))


def describe_output(y: Any) -> str:
    """Describe a model's output for an error: its type and the entries to select from."""
    kind = type(y).__name__
    if isinstance(y, Mapping):
        return f"{kind} with the keys {', '.join(map(repr, y))}"
    if fields := fields_of(y):
        return f"{kind} with the fields {', '.join(map(repr, fields))}"
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
    if y.ndim == 2 and y.shape[0] == n_sequences:  # not len(), which torch.export would record as a fixed number
        return y
    if y.ndim < 2 or y.shape[0] != n_sequences:
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
        f"the logit has no gradient with respect to {name}: the model does not use it for this output, runs under "
        f"torch.no_grad(), or makes integers of it or detaches it, as with token ids or .detach()"
    )


def gradients(values: Tensor, of: Sequence[Tensor]) -> Sequence[Tensor | None]:
    """Gradients of the sum of ``values``, None where there is none; what torch cannot differentiate gets an error."""
    if not values.requires_grad:
        return [None] * len(of)
    try:
        return torch.autograd.grad(values.sum(), of, allow_unused=True)
    except RuntimeError as error:
        if "use_reentrant" in str(error):
            raise ValueError(
                "the model calls torch.utils.checkpoint with use_reentrant=True, which has no gradients of neurons; "
                "pass use_reentrant=False"
            ) from error
        if "inplace operation" not in str(error):
            raise
        raise ValueError(
            "the model writes in place over a tensor that its gradient needs; use operations that return a new one, "
            "such as y = y * 2 instead of y *= 2"
        ) from error
