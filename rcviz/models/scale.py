"""Scale of a model's outputs: logits, probabilities or values; and logits of models that return probabilities."""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from rcviz._core.changes import Variable
from rcviz._core.checks import check_choice
from rcviz.models.runtime import check_module, is_compiled
from rcviz.models.settings import FunctionMode

Scale = Literal["logit", "probability", "value"]

_SIGMOIDS = frozenset(("sigmoid", "special_expit", "expit"))
_MOVES = frozenset(
    (
        *("__getitem__", "select", "narrow", "index_select", "unbind", "split", "tensor_split", "chunk", "flip"),
        *("gather", "take_along_dim", "masked_select", "roll", "repeat", "repeat_interleave", "tile", "broadcast_to"),
        *("squeeze", "unsqueeze", "reshape", "view", "flatten", "unflatten", "ravel", "expand", "contiguous", "clone"),
        *("transpose", "swapaxes", "t", "permute", "movedim", "moveaxis", "detach", "__get__"),
        *("cat", "concat", "concatenate", "stack", "hstack", "vstack", "column_stack"),
    )
)
"""Functions of torch that move numbers and compute nothing; ``__get__`` is that of ``y.T`` and ``y.mT``."""
_BOUNDS = {"clamp": ("min", "max"), "clip": ("min", "max"), "clamp_min": ("min",), "clamp_max": ("max",)}
_IN_PLACE = re.compile("[a-z].*_|__i.*__|__set.*__")
_CONVERSIONS = frozenset(("to", "type", "float", "double", "half", "bfloat16", "cpu", "cuda"))

_rounded: ContextVar[list[int] | None] = ContextVar("rounded", default=None)
"""Number of probabilities that were rounded to 0 or 1, and of all, in the computation that is running."""


def output_scale(model: nn.Module) -> Scale:
    """Scale of a model's predictions, as ``as_sequence_model(..., output_is=...)`` declares it; "logit" for others.

    A model around an adapted one, such as :class:`rcviz.RevCompConjoined`, ``DataParallel`` or a compiled model, has
    the scale of the model inside. A module of your own declares its scale with the attribute ``output_is``, "logit" or
    "value". A traced or exported program does not keep what the model declared: adapt it again.

    Returns
    -------
    str
        ``"logit"``, ``"probability"`` or ``"value"``. A model of the scale "probability" is called like one of the
        scale "logit": an adapted model converts its probabilities, so that its ``forward`` returns logits.

    Raises
    ------
    ValueError
        If models inside declare different scales, or one that does not exist.

    Examples
    --------
    >>> import torch, rcviz
    >>> counts = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(800, 1))
    >>> rcviz.output_scale(counts), rcviz.output_scale(rcviz.as_sequence_model(counts, output_is="value"))
    ('logit', 'value')
    """
    check_module(model)
    scales = sorted(_declared(model))
    if len(scales) > 1:
        raise ValueError(
            f"expected one scale of outputs, but parts of the model declare {' and '.join(map(repr, scales))}; declare "
            f"that of the whole with rcviz.as_sequence_model(model, output_is=...)"
        )
    return scales[0] if scales else "logit"


def returned_scale(model: nn.Module) -> Literal["logit", "value"]:
    """Scale of what ``model(x)`` returns, in which contributions and differences are computed."""
    return "value" if output_scale(model) == "value" else "logit"


def resolve_output(model: nn.Module, output: Scale | None) -> Scale:
    """Scale of predictions that was asked for, by default that of the model; refused where the model has another."""
    has_values = returned_scale(model) == "value"
    if output is None:
        return "value" if has_values else "probability"
    check_choice("output", output, get_args(Scale))
    if has_values != (output == "value"):
        has = "values (output_is='value')" if has_values else "logits and probabilities"
        raise ValueError(
            f"output must be a scale that the model has, got {output!r} and a model of {has}; leave output out, or "
            f"declare another scale with rcviz.as_sequence_model(model, output_is=...)"
        )
    return output


def _declared(module: nn.Module) -> set[Scale]:
    """Scale that a module declares, or those that the modules inside declare."""
    scale: Any = getattr(module, "output_is", None)
    if getattr(module, "original_name", "") == "AdaptedModel":
        raise ValueError(
            "TorchScript does not keep what an adapted model declares, and its logits or values are returned; declare "
            "them again with rcviz.as_sequence_model(model, output_is='logit'), or 'value'"
        )
    if scale is None:
        return {scale for child in module.children() for scale in _declared(child)}
    check_choice("output_is", scale, get_args(Scale))
    if scale == "probability" and not getattr(module, "converts_probabilities", False):
        raise ValueError(
            f"{type(module).__name__} declares output_is='probability' by itself, but analyses need its logits; let "
            f"rcviz.as_sequence_model(model, output_is='probability') convert them, or return logits"
        )
    return {scale}


def logits_of_probabilities(
    model: nn.Module, probabilities: Callable[[], Float[Tensor, "batch tasks *length"]]
) -> Float[Tensor, "batch tasks *length"]:
    """Call a function that computes probabilities with ``model``, and return their logits.

    Where the probabilities are the result of a sigmoid, that is the tensor which went into it, exactly. Else, and in
    compiled or traced code, the logits are computed from the probabilities. An export (``torch.export``, ONNX) has the
    exact ones as well.
    """
    if torch.compiler.is_dynamo_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined]
        return _logit(probabilities(), check=False)
    if is_compiled(model):  # it could not be compiled while functions are followed
        return _logit(probabilities(), check=True)
    sigmoids = _SigmoidInputs()
    with sigmoids:
        y = probabilities()
    logits = sigmoids.input_of(y)
    return _logit(y, check=not torch.compiler.is_compiling()) if logits is None else logits


def _logit(y: Float[Tensor, "batch tasks *length"], *, check: bool) -> Float[Tensor, "batch tasks *length"]:
    """Logits of probabilities, in float32 or better; a probability that was rounded to 0 or 1 gets a finite one.

    It is treated as the smallest number above 0, or the largest below 1, of its dtype: near 1 these are much farther
    apart than near 0.
    """
    if check:
        _check_probabilities(y)
    own, wide = torch.finfo(y.dtype), torch.float32 if y.device.type == "mps" else torch.float64
    lowest = max(own.smallest_normal * own.eps, torch.finfo(wide).smallest_normal)
    logits = torch.logit(y.to(wide).clamp(lowest, 1 - own.eps / 2))
    return logits.to(torch.promote_types(y.dtype, torch.float32))


@contextmanager
def one_warning() -> Iterator[None]:
    """Count probabilities of exactly 0 or 1 in all batches inside, and warn of them once, at the end."""
    if _rounded.get() is not None:  # the outer one warns
        yield
        return
    counts = [0, 0]
    with Variable(_rounded, counts):
        yield
    _warn_of_rounded(*counts)


@contextmanager
def uncounted() -> Iterator[None]:
    """Leave probabilities of exactly 0 or 1 inside out of the warning, for predictions that are made a second time."""
    with Variable(_rounded, [0, 0]):
        yield


def _warn_of_rounded(n_rounded: int, n: int) -> None:
    if n_rounded:
        warnings.warn(
            f"{n_rounded:,} of {n:,} probabilities that the model returned are exactly 0 or 1, or clamped, so that "
            f"their logits are cut off and have no gradient; return the logit instead, and declare output_is='logit'",
            stacklevel=3,
        )


def _check_probabilities(y: Float[Tensor, "batch tasks *length"]) -> None:
    if bool(((y < 0) | (y > 1)).any()):
        raise ValueError(
            f"output_is='probability' needs outputs between 0 and 1, got values from {float(y.min()):.3g} to "
            f"{float(y.max()):.3g}; use output_is='logit', or 'value' for a regression"
        )
    _count_rounded((y == 0) | (y == 1))


def _count_rounded(rounded: Tensor) -> None:
    """Warn of probabilities that are rounded or clamped, or leave that to the end of :func:`one_warning`."""
    n_rounded, counts = int(rounded.sum()), _rounded.get()
    if counts is None:
        _warn_of_rounded(n_rounded, rounded.numel())
    else:
        counts[:] = counts[0] + n_rounded, counts[1] + rounded.numel()


def _clamped(logits: Tensor, low: float | int, high: float | int) -> Tensor:
    """Logits of probabilities that a model clamps between ``low`` and ``high``."""
    lowest, highest = torch.logit(torch.tensor([max(low, 0.0), min(high, 1.0)], dtype=torch.float64)).tolist()
    _count_rounded((logits < lowest) | (logits > highest))
    return logits.clamp(lowest, highest)


class _SigmoidInputs(FunctionMode):
    """Remember for the result of each sigmoid, and for what is moved or clamped from it, how to compute its logits."""

    def __init__(self) -> None:
        super().__init__()
        # Functions, so that nothing is computed for the sigmoids inside a network, whose results are soon freed.
        self._logits: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self._in_place = False  # whether anything was modified since the first sigmoid

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        argument = args[0].clone() if name == "sigmoid_" else args[0] if args else None
        before = self._logits_of(argument)
        result = func(*args, **kwargs)
        if self._logits and name != "sigmoid_":
            self._in_place |= "out" in kwargs or _IN_PLACE.fullmatch(name) is not None
        if "out" in kwargs:
            return result
        name = name if name.startswith("__") else name.rstrip("_")
        if isinstance(argument, Tensor) and name in _SIGMOIDS:
            self._logits[result] = lambda: argument
        elif isinstance(argument, Tensor) and name == "softmax":
            axis = kwargs.get("dim", args[1] if len(args) > 1 else None)
            if isinstance(axis, int) and argument.shape[axis] == 2:
                self._logits[result] = lambda: argument - argument.flip(axis)
        elif before is not None:
            self._follow(name, result, before, func, args[1:], kwargs)
        return result

    def _logits_of(self, y: Any) -> Callable[[], Any] | None:
        """Compute the logits of a tensor, or of each of several; None if one has none."""
        if isinstance(y, Tensor):
            return self._logits.get(y)
        parts = [self._logits_of(part) for part in y] if isinstance(y, tuple | list) else []
        known = [part for part in parts if part is not None]
        return (lambda: [part() for part in known]) if known and len(known) == len(parts) else None

    def _follow(self, name: str, result: Any, before: Callable[[], Any], func: Any, args: Any, kwargs: Any) -> None:
        """Remember the logits of what a function of torch returned for probabilities with the logits ``before``."""
        if name in _MOVES and isinstance(result, tuple | list):
            for i, part in enumerate(result):
                if isinstance(part, Tensor):
                    self._logits[part] = partial(lambda i: func(before(), *args, **kwargs)[i], i)
        elif not isinstance(result, Tensor):
            return
        elif name in _MOVES:
            self._logits[result] = lambda: func(before(), *args, **kwargs)
        elif name in _CONVERSIONS:
            device = result.device
            self._logits[result] = lambda: before().to(device)
        elif name in _BOUNDS:
            bounds = {**dict(zip(_BOUNDS[name], args, strict=False)), **kwargs}
            given = {end: bound for end, bound in bounds.items() if bound is not None}
            if not any(isinstance(bound, Tensor) for bound in given.values()):
                self._logits[result] = lambda: _clamped(before(), given.get("min", 0), given.get("max", 1))
        elif name in ("__rsub__", "rsub") and not kwargs and not isinstance(args[0], Tensor) and args[0] == 1:
            self._logits[result] = lambda: -before()

    def input_of(self, y: Tensor) -> Tensor | None:
        """Tensor whose sigmoid ``y`` is; None if there is none, or if ``y`` was modified in place since."""
        before = self._logits.get(y)
        if before is None or (self._in_place and torch.compiler.is_compiling()):  # an export has no numbers to compare
            return None
        logits: Tensor = before()
        if torch.compiler.is_compiling():
            return logits
        # Compared, because an in-place operation on ``y``, or on a tensor that shares its memory, is not seen above.
        expected = logits.detach().to(torch.promote_types(y.dtype, torch.float32)).sigmoid()
        rounding = 4 * max(torch.finfo(dtype).eps for dtype in (y.dtype, logits.dtype))
        same = torch.allclose(expected, y.detach().to(expected.dtype), 0, rounding, equal_nan=True)
        return logits if same else None
