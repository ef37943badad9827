"""Measure strand symmetry, insist on it, and name the module that breaks it."""

import copy
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import pandas as pd
import torch
from torch import Tensor, nn

from rcviz.layers.irrep_batchnorm import IrrepBatchNorm1d
from rcviz.layers.irrep_conv import IrrepConv1d
from rcviz.layers.irreps import IrrepActivation1d, PairsToIrreps1d, signs_of
from rcviz.layers.pairing import reverse_complement_features, reverse_positions
from rcviz.layers.strategies import RevCompConjoined
from rcviz.models.outputs import one_tensor, run_model
from rcviz.models.runtime import check_module, device_and_dtype, evaluating, exact_arithmetic
from rcviz.symmetry.diagnosis import CONJOIN, instead_of

TOLERANCE = 1e-10
"""Largest relative difference, in float64, that counts as rounding."""

_NOTHING = "{} returns no floating-point tensor, so that there is nothing to compare; return what it computes"

View: TypeAlias = Callable[[Tensor], Tensor | None]
"""How features look from the other strand; None where they are none of that kind."""


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
        weighted sum come in opposite order, which :func:`assert_equivariant` allows for, and those of a
        :class:`rcviz.RevCompConjoined` are compared as it declares them. In the unit of the output.
        Rounding alone gives about 1e-15 in float64 and 1e-6 in float32; float32 depends on the order of summation, so
        judge in float64: ``equivariance_error(copy.deepcopy(module).double(), x)``.

    Examples
    --------
    >>> import torch, rcviz
    >>> layer = rcviz.RevCompConv1d(4, n_filters=8, kernel_size=15).double()
    >>> rcviz.equivariance_error(layer, torch.rand(2, 4, 100, dtype=torch.float64)) < 1e-12
    True
    """
    out, out_rc = _both_strands(module, _batch(module, x))
    if isinstance(module, RevCompConjoined):
        return _gap(out_rc, module.read_back(out))
    return _gap(out_rc, reverse_complement_features(out) if out.ndim == 3 else out)


def assert_equivariant(module: nn.Module, x: Any) -> None:
    """Raise unless the RC of ``x`` gives the RC of the output, judged on a float64 copy.

    Outputs ``(batch, channels)`` that come from an RC weighted sum may be in opposite order or, where the strands
    have met, the same.

    Raises
    ------
    AssertionError
        With the error measured and the first module that causes it.

    Examples
    --------
    >>> import torch, rcviz
    >>> rcviz.assert_equivariant(rcviz.RevCompConv1d(4, n_filters=8, kernel_size=15), torch.rand(2, 4, 100))
    >>> rcviz.assert_equivariant(torch.nn.Conv1d(4, 16, 15), torch.rand(2, 4, 100))
    Traceback (most recent call last):
    ...
    AssertionError: ...
    """
    _assert(module, x, {"equivariant", "invariant"}, "equivariant")


def assert_invariant(model: nn.Module, x: Any) -> None:
    """Raise unless both strands get the same output ``(batch, outputs)``, judged on a float64 copy.

    Raises
    ------
    AssertionError
        With the error measured and the first module that causes it.

    Examples
    --------
    >>> rcviz.assert_invariant(model, parts.test.one_hot(slice(0, 8)))
    >>> rcviz.assert_invariant(standard, parts.test.one_hot(slice(0, 8)))
    Traceback (most recent call last):
    ...
    AssertionError: ...
    """
    _assert(model, x, {"invariant"}, "invariant")


def diagnose_equivariance(model: nn.Module, x: Any) -> pd.DataFrame:
    """Follow a batch and its RC through the model and say where the two stop matching, in float64.

    Parameters
    ----------
    model : nn.Module
        Left as found; a float64 copy is run in evaluation mode. Of several outputs the worst counts.
    x : Tensor or ndarray (batch, channels, length)

    Returns
    -------
    DataFrame
        One row per module in order of use: ``module`` (dotted name, and which use from the second on; the whole model
        is ``"(model)"``), ``kind`` (class), ``error`` (largest difference to what the symmetry asks for), ``verdict``:
        ``"equivariant"`` (the RC comes out), ``"invariant"`` (both strands give the same), ``"breaks"`` (a matching
        pair went in, none came out), ``"propagated"`` (broken upstream or inside), and ``suggestion``: what to use
        instead of a module that breaks it. What :class:`rcviz.RevCompConjoined` wraps has no rows: it may break it.
        The RC of channels of type +1 and -1, between :class:`rcviz.PairsToIrreps1d` and
        :class:`rcviz.IrrepsToPairs1d`, has its positions reversed and those of type -1 negated.

    See Also
    --------
    check_structure : needs no sequences, and knows what shows in training only.

    Examples
    --------
    >>> table = rcviz.diagnose_equivariance(standard, parts.test.one_hot(slice(0, 8)))
    >>> table["module"][0], table["verdict"][0]
    ('conv1', 'breaks')
    >>> table["suggestion"][0]
    'a plain convolution reads one strand; use rcviz.RevCompConv1d(4, n_filters=8, kernel_size=15)'
    """
    check_module(model)
    twin = copy.deepcopy(model).double()
    x = _batch(twin, x)
    calls = [_record(twin, strand) for strand in (x, reverse_complement_features(x))]
    if not calls[0]:
        raise ValueError(_NOTHING.format(type(model).__name__))
    types, views = _types(twin), _declared(twin)
    rows: list[tuple[str, str, float, str, str]] = []
    broken: list[str] = []
    culprits: list[str] = []
    last_sound = "its input"
    for one, other in zip(*calls, strict=True):
        error, verdict = _judge_all(one.outputs, other.outputs, [*types, *views])
        instead = ""
        if verdict == "broken":
            given = list(zip(one.inputs, other.inputs, strict=True))
            healthy = all(_judge(a, b, [*types, *views])[1] != "broken" for a, b in given)
            in_pairs = all(_judge(a, b, views)[1] != "broken" for a, b in given)
            inside = [name for name in broken if name.startswith(f"{one.name}.") or not one.name]
            verdict = "propagated"
            if healthy and not any(name in culprits for name in inside):
                verdict = "breaks"
                whole = any(one.module.children())
                instead = (
                    _between(last_sound, [*inside, "its output"][0])
                    if whole
                    else instead_of(one.module, "pairs" if in_pairs else "irreps")
                )
                culprits.append(one.name)
            broken.append(one.name)
        elif not broken:
            last_sound = one.name
        rows.append((one.title, type(one.module).__name__, error, verdict, instead))
    return pd.DataFrame(rows, columns=["module", "kind", "error", "verdict", "suggestion"])


def _types(model: nn.Module) -> list[View]:
    """Views of channels of type +1 and -1, as many of each as some layer of the model puts out."""
    typed = (PairsToIrreps1d, IrrepConv1d, IrrepBatchNorm1d, IrrepActivation1d)
    return [partial(_typed, part) for part in model.modules() if isinstance(part, typed)]


def _typed(part: Any, y: Tensor) -> Tensor | None:
    if y.ndim != 3:
        return None
    if isinstance(part, PairsToIrreps1d):
        plus, minus = (y.shape[1] + 1) // 2, y.shape[1] // 2
    else:
        plus, minus = part.outputs if isinstance(part, IrrepConv1d) else (part.n_plus, part.n_minus)
    return reverse_positions(y) * signs_of(plus, minus, y)[:, None] if y.shape[1] == plus + minus else None


def _declared(model: nn.Module) -> list[View]:
    """Views of outputs as conjoined models declare them."""
    return [partial(_conjoined, part) for part in model.modules() if isinstance(part, RevCompConjoined)]


def _conjoined(part: RevCompConjoined, y: Tensor) -> Tensor | None:
    partners = None if isinstance(part.permutation, str) else part.permutation
    fits = partners is None or (y.ndim > 1 and y.shape[1] == len(partners))
    return part.read_back(y) if fits and y.ndim in part.axes else None


def _between(before: str, after: str) -> str:
    return (
        f"what its own forward does between {before} and {after} treats the strands differently; use modules there "
        f"instead of functions, such as rcviz.RevCompMaxPool1d and rcviz.RevCompLinear, or {CONJOIN}"
    )


@dataclass
class _Call:
    """What one use of a module was given and what it returned."""

    name: str
    title: str
    module: nn.Module
    inputs: list[Tensor]
    outputs: list[Tensor]


def _record(model: nn.Module, x: Tensor) -> list[_Call]:
    calls: list[_Call] = []
    given: list[list[Tensor]] = []  # of the modules at work; read before they may write over it
    uses: Counter[str] = Counter()
    wrapped = [part for part in model.modules() if isinstance(part, RevCompConjoined)]
    hidden = {id(inner) for wrapper in wrapped for inner in wrapper.model.modules()}

    def note(name: str, module: nn.Module, output: object) -> None:
        inputs, outputs = given.pop(), _tensors(output)
        if outputs:
            uses[name] += 1
            title = (name or "(model)") + (f" (use {uses[name]})" if uses[name] > 1 else "")
            calls.append(_Call(name, title, module, inputs, outputs))

    handles = []
    for name, module in model.named_modules():
        if id(module) not in hidden:
            handles += [
                module.register_forward_pre_hook(
                    lambda part, args, named: given.append(_tensors((args, named))), with_kwargs=True
                ),
                module.register_forward_hook(lambda part, args, output, name=name: note(name, part, output)),
            ]
    try:
        with evaluating(model), torch.no_grad(), exact_arithmetic():
            run_model(model, x.clone())
    finally:
        for handle in handles:
            handle.remove()
    return calls


def _tensors(value: object) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value.detach().clone()] if value.is_floating_point() else []
    if isinstance(value, Mapping):
        value = tuple(value.values())
    return [tensor for item in value for tensor in _tensors(item)] if isinstance(value, tuple | list) else []


def _judge_all(ones: list[Tensor], others: list[Tensor], views: list[View]) -> tuple[float, str]:
    """The worst relation of several pairs."""
    found = [_judge(one, other, views) for one, other in zip(ones, others, strict=True)]
    for verdict in ("broken", "equivariant", "invariant"):
        errors = [error for error, each in found if each == verdict]
        if errors:
            return max(errors), verdict
    raise AssertionError("a call has an output")


def _judge(one: Tensor, other: Tensor, views: list[View]) -> tuple[float, str]:
    """Error and relation of a pair of tensors that belong to the two strands of one batch.

    Where RC pairs do not match, ``views`` may.
    """
    if one.shape != other.shape:
        return float("inf"), "broken"
    relations = [("invariant", one)]
    if one.ndim == 3:
        relations.insert(0, ("equivariant", reverse_complement_features(one)))
    elif one.ndim == 2:
        relations.append(("equivariant", one.flip(1)))
    n_usual = len(relations)
    relations += [("equivariant", seen) for view in views if (seen := view(one)) is not None]
    scale = max(1.0, float(one.abs().max())) if one.numel() else 1.0
    errors = [_gap(other, wanted) for _, wanted in relations]
    for (verdict, _), error in zip(relations, errors, strict=True):
        if error <= TOLERANCE * scale:
            return error, verdict
    return min(errors[0], *errors[n_usual:]) if errors[n_usual:] else errors[0], "broken"


def _assert(module: nn.Module, x: Any, allowed: set[str], what: str) -> None:
    table = diagnose_equivariance(module, x)
    if table["module"].iloc[-1] != "(model)":
        raise ValueError(_NOTHING.format(type(module).__name__))
    whole = table.iloc[-1]
    if whole["verdict"] in allowed:
        return
    culprits = table[table["verdict"] == "breaks"]
    if len(culprits):
        first = culprits.iloc[0]
        cause = f"first broken by {first['module']} ({first['kind']}): {first['suggestion']}"
    else:
        cause = f"its output is {whole['verdict']}"
    raise AssertionError(f"{type(module).__name__} is not {what} in float64: error {whole['error']:.3g}, {cause}")


def _batch(module: nn.Module, x: Any) -> Tensor:
    check_module(module)
    device, dtype = device_and_dtype(module)
    shape = getattr(x, "shape", None)
    if shape is None or len(shape) != 3:
        came = type(x).__name__ if shape is None else tuple(shape)
        raise ValueError(f"expected (batch, channels, length), got {came}; sequences become that by rcviz.one_hot(x)")
    return torch.as_tensor(x).to(device=device, dtype=dtype)


def _both_strands(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    strands = x.clone(), reverse_complement_features(x)  # copies both: a module may work in place
    with evaluating(module), torch.no_grad(), exact_arithmetic():
        one, other = (one_tensor(run_model(module, strand)) for strand in strands)
    return one, other


def _gap(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max()) if a.numel() else 0.0
