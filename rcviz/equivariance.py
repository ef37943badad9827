"""Measure strand symmetry, insist on it, and name the module that breaks it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from rcviz.layers._tying import reverse_complement_features
from rcviz.modules import evaluating, exact_arithmetic, place

TOLERANCE = 1e-10
"""Largest relative difference, in float64, that counts as rounding."""


def equivariance_error(module: nn.Module, x: Any) -> float:
    """Largest ``|f(rc x) - rc f(x)|`` over a batch, in evaluation mode and in the module's own floating-point type.

    Parameters
    ----------
    module : nn.Module
        A layer or a whole model; left as found.
    x : Tensor or ndarray (batch, channels, length)
        One-hot sequences or a feature map in which channels ``i`` and ``n - 1 - i`` are RC partners.

    Returns
    -------
    float
        Outputs ``(batch, channels, length)`` are compared after RC, ``(batch, outputs)`` as they are; those of an RC
        weighted sum come in opposite order, which :func:`assert_equivariant` allows for. In the unit of the output.
        Rounding alone gives about 1e-15 in float64 and 1e-6 in float32; float32 depends on the order of summation, so
        judge in float64: ``equivariance_error(copy.deepcopy(module).double(), x)``.
    """
    out, out_rc = _both_strands(module, _batch(module, x))
    return _gap(out_rc, reverse_complement_features(out) if out.ndim == 3 else out)


def assert_equivariant(module: nn.Module, x: Any) -> None:
    """Raise unless the RC of ``x`` gives the RC of the output, judged on a float64 copy.

    Outputs ``(batch, channels)`` that come from an RC weighted sum may be in opposite order or, where the strands
    have met, the same.

    Raises
    ------
    AssertionError
        With the error measured and the first module that causes it.
    """
    _assert(module, x, {"equivariant", "invariant"}, "equivariant")


def assert_invariant(model: nn.Module, x: Any) -> None:
    """Raise unless both strands get the same output ``(batch, outputs)``, judged on a float64 copy.

    Raises
    ------
    AssertionError
        With the error measured and the first module that causes it.
    """
    _assert(model, x, {"invariant"}, "invariant")


def diagnose_equivariance(model: nn.Module, x: Any) -> pd.DataFrame:
    """Follow a batch and its RC through the model and say where the two stop matching, in float64.

    Parameters
    ----------
    model : nn.Module
        Left as found; a float64 copy is run in evaluation mode.
    x : Tensor or ndarray (batch, channels, length)

    Returns
    -------
    DataFrame
        One row per module in order of use: ``module`` (dotted name; the whole model is ``"(model)"``), ``kind``
        (class), ``error`` (largest difference to what the symmetry asks for), ``verdict``: ``"equivariant"`` (the RC
        comes out), ``"invariant"`` (both strands give the same), ``"breaks"`` (a matching pair went in, none came out),
        ``"inherits"`` (broken upstream or inside).
    """
    twin = copy.deepcopy(model).double()
    x = _batch(twin, x)
    calls = [_record(twin, strand) for strand in (x, reverse_complement_features(x))]
    rows: list[tuple[str, str, float, str]] = []
    broken: list[str] = []
    for one, other in zip(*calls, strict=True):
        error, verdict = _judge(one.output, other.output)
        if verdict == "broken":
            healthy_input = all(_judge(a, b)[1] != "broken" for a, b in zip(one.inputs, other.inputs, strict=True))
            inside = any(name.startswith(f"{one.name}.") or one.name == "" for name in broken)
            verdict = "breaks" if healthy_input and not inside else "inherits"
            broken.append(one.name)
        rows.append((one.name or "(model)", one.kind, error, verdict))
    return pd.DataFrame(rows, columns=["module", "kind", "error", "verdict"])


@dataclass
class _Call:
    """What one module was given and what it returned."""

    name: str
    kind: str
    output: Tensor
    inputs: list[Tensor] = field(default_factory=list)


def _record(model: nn.Module, x: Tensor) -> list[_Call]:
    calls: list[_Call] = []

    def keep(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            outputs = _tensors(output)
            if outputs:
                calls.append(_Call(name, type(module).__name__, outputs[0], _tensors(inputs)))

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in model.named_modules()]
    try:
        with evaluating(model), torch.no_grad(), exact_arithmetic():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return calls


def _tensors(value: object) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value.detach().clone()] if value.is_floating_point() else []
    return [tensor for item in value for tensor in _tensors(item)] if isinstance(value, tuple | list) else []


def _judge(one: Tensor, other: Tensor) -> tuple[float, str]:
    """Error and relation of a pair of tensors that belong to the two strands of one batch."""
    if one.shape != other.shape:
        return float("inf"), "broken"
    relations = [("invariant", one)]
    if one.ndim == 3:
        relations.insert(0, ("equivariant", reverse_complement_features(one)))
    elif one.ndim == 2:
        relations.append(("equivariant", one.flip(1)))
    scale = max(1.0, float(one.abs().max())) if one.numel() else 1.0
    errors = [_gap(other, wanted) for _, wanted in relations]
    for (verdict, _), error in zip(relations, errors, strict=True):
        if error <= TOLERANCE * scale:
            return error, verdict
    return errors[0], "broken"


def _assert(module: nn.Module, x: Any, allowed: set[str], what: str) -> None:
    table = diagnose_equivariance(module, x)
    whole = table.iloc[-1]
    if whole["verdict"] in allowed:
        return
    culprits = table[table["verdict"] == "breaks"]
    if len(culprits):
        first = culprits.iloc[0]
        cause = f"first broken by {first['module']} ({first['kind']})"
    else:
        cause = f"its output is {whole['verdict']}"
    raise AssertionError(f"{type(module).__name__} is not {what} in float64: error {whole['error']:.3g}, {cause}")


def _batch(module: nn.Module, x: Any) -> Tensor:
    device, dtype = place(module)
    shape = getattr(x, "shape", None)
    if shape is None or len(shape) != 3:
        came = type(x).__name__ if shape is None else tuple(shape)
        raise ValueError(f"expected (batch, channels, length), got {came}; sequences become that by rcviz.one_hot(x)")
    return torch.as_tensor(x).to(device=device, dtype=dtype)


def _both_strands(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    with evaluating(module), torch.no_grad(), exact_arithmetic():
        return module(x), module(reverse_complement_features(x))


def _gap(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max()) if a.numel() else 0.0
