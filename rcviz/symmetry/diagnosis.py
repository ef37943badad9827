"""Find the module that breaks the symmetry of the strands, by following sequences through a model.

What a layer does to the symmetry is what it declares (:mod:`rcviz.layers.symmetry`) or, for modules of torch, what the
table in :mod:`rcviz.layers.facts` says.
"""

import warnings
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import pandas as pd
import torch
from torch import Tensor, nn

from rcviz.layers.facts import symmetry_of
from rcviz.layers.pairing import reverse_complement_features
from rcviz.layers.symmetry import declares
from rcviz.models.outputs import check_weights
from rcviz.models.settings import self_contained
from rcviz.symmetry.advice import CONJOIN, suggestion_for
from rcviz.symmetry.comparison import (
    Relation,
    as_judged,
    compare_all,
    declared_views,
    largest_difference,
    reversed_output,
    rounding,
)
from rcviz.symmetry.recording import Call, Dependence, find_dependence, record

_Row: TypeAlias = tuple[str, str, float, str, str]
"""Columns of the diagnosis."""


@self_contained
def diagnose_equivariance(model: nn.Module, x: Any) -> pd.DataFrame:
    """Follow a batch and its RC through the model and report where the outputs stop matching.

    Parameters
    ----------
    model : nn.Module
        It is not modified: a float64 copy is run in evaluation mode. A model that computes in a narrower type even
        then, or cannot be copied, is judged in its own type. Of several outputs the worst is reported.
    x : Tensor or ndarray (batch, channels, length)

    Returns
    -------
    DataFrame
        ``.attrs["dtype"]`` is the floating-point type in which it was judged, such as "float64";
        ``.attrs["depends_on"]`` is "chance" where the model draws random numbers in evaluation mode, whose module is
        then the one that breaks the symmetry, "batch" where predictions depend on the other sequences of a batch
        (with a warning), otherwise empty.
        One row per module in order of use: ``module`` (dotted name, with a number if the module is used several times;
        the whole model is ``"(model)"``), ``kind`` (class), ``error`` (largest difference to the output that the
        symmetry demands; NaN for "unknown"), ``verdict`` and ``suggestion`` (what to use instead of a module that
        breaks it).
        Verdicts:

        - ``"equivariant"``: the RC of the input gives the RC of the output;
        - ``"invariant"``: both strands give the same;
        - ``"breaks"``: the inputs of the two strands match, the outputs do not, or not as the layer declares;
        - ``"propagated"``: the inputs do not match either, or a module inside breaks the symmetry;
        - ``"unknown"``: the outputs match in no way that a layer declares, and the module is not to blame: the strands
          match again after it, or its channels are paired in another way.

        Modules inside :class:`rcviz.RevCompConjoined` are not listed, because they may break the symmetry.
        The RC of channels of type +1 and -1, between :class:`rcviz.PairsToIrreps1d` and
        :class:`rcviz.IrrepsToPairs1d`, has its positions reversed and those of type -1 negated.

    See Also
    --------
    check_structure : needs no sequences, and finds problems that appear only in training.

    Examples
    --------
    >>> table = rcviz.diagnose_equivariance(standard, parts.test.one_hot(slice(0, 8)))
    >>> table["module"][0], table["verdict"][0]
    ('conv1', 'breaks')
    >>> table["suggestion"][0]
    'a plain convolution reads one strand; use rcviz.RevCompConv1d(4, n_filters=8, kernel_size=15)'
    """
    judged, x, dtype = as_judged(model, x)
    dependence = find_dependence(judged, x)
    uses = _follow(judged, x, dtype)
    if not uses:
        raise ValueError(
            f"{type(model).__name__} must return a floating-point tensor, which can be compared between the strands"
        )
    _check_numbers(judged, uses)
    if not _is_foreign(judged) and not _breaks_elsewhere(uses, _sound(uses)):
        uses = [replace(use, given=_as_broken(use.given), returned=_as_broken(use.returned)) for use in uses]
    sound = _sound(uses)
    rows = _judge(uses, sound, _matching_again(uses))
    if uses[-1].returned.kind == "broken" and not any(row[3] == "breaks" for row in rows):
        rows = _judge(uses, sound, set())
    if dependence is not None:
        rows = [_with_dependence(row, dependence) for row in rows]
        if dependence.on == "batch":
            warnings.warn(str(dependence), stacklevel=2)
    table = pd.DataFrame(rows, columns=["module", "kind", "error", "verdict", "suggestion"])
    table.attrs["dtype"] = str(dtype).removeprefix("torch.")
    table.attrs["depends_on"] = "" if dependence is None else dependence.on
    return table


def _with_dependence(row: _Row, dependence: Dependence) -> _Row:
    """Name the module because of which predictions depend on chance, which breaks any symmetry, or on the batch."""
    title, kind, error, verdict, suggestion = row
    first = title == dependence.modules[0]
    if dependence.on == "chance" and title in dependence.modules:
        verdict, suggestion = ("breaks", dependence.remedy) if first else ("propagated", "")
    elif dependence.on == "batch" and first:
        suggestion = "; ".join(filter(None, (suggestion, dependence.remedy)))
    return title, kind, error, verdict, suggestion


@dataclass(frozen=True)
class _Use(Call):
    """One use of a module for both strands, and the relations of the strands' inputs and of their outputs."""

    other_outputs: list[Tensor]
    given: Relation
    returned: Relation


def _follow(model: nn.Module, x: Tensor, dtype: torch.dtype) -> list[_Use]:
    """Run a model on both strands."""
    calls, others = (record(model, strand, dtype) for strand in (x, reverse_complement_features(x)))
    views = declared_views(model)
    return [
        _Use(
            **vars(one),
            other_outputs=other.outputs,
            given=compare_all(one.inputs, other.inputs, views, len(x)),
            returned=compare_all(one.outputs, other.outputs, views, len(x)),
        )
        for one, other in zip(calls, others, strict=True)
    ]


def _check_numbers(model: nn.Module, uses: list[_Use]) -> None:
    """Refuse outputs that are NaN, which cannot be compared, and name the module that makes them."""
    for use in uses:
        if _has_nan([*use.outputs, *use.other_outputs]) and not _has_nan(use.inputs):
            check_weights(model)
            raise ValueError(
                f"outputs of {use.title} ({type(use.module).__name__}) are NaN, and no weight is, so strands cannot be "
                f"compared: it divides by zero or takes a logarithm of zero, for example"
            )


def _has_nan(tensors: list[Tensor]) -> bool:
    return any(bool(tensor.isnan().any()) for tensor in tensors)


def _judge(uses: list[_Use], sound: list[str], excused: set[int]) -> list[_Row]:
    """Rows of the diagnosis; ``excused`` are uses that are not to blame, by index."""
    rows: list[_Row] = []
    broken: list[str] = []
    causes: list[str] = []
    last_sound = "its input"
    for index, use in enumerate(uses):
        kind = use.returned.kind
        error, verdict, suggestion = use.returned.error, str(kind), ""
        inside = [name for name in broken if name.startswith(f"{use.name}.") or not use.name]
        if _contradicts(use):
            verdict = "breaks"
        elif kind == "own pairing" or (kind == "broken" and (index in excused or _is_inside(use, sound))):
            error, verdict = float("nan"), "unknown"
        elif kind == "broken":
            blamed = use.given.kind != "broken" and not any(name in causes for name in inside)
            verdict = "breaks" if blamed else "propagated"
        if verdict == "breaks":
            if any(use.module.children()) and not declares(use.module, "symmetry"):
                suggestion = _between(last_sound, [*inside, "its output"][0])
            else:
                suggestion = suggestion_for(use.module, use.given.representation)
            causes.append(use.name)
        if verdict in ("breaks", "propagated"):
            broken.append(use.name)
        elif not broken:
            last_sound = use.name
        rows.append((use.title, type(use.module).__name__, error, verdict, suggestion))
    return rows


def _contradicts(use: _Use) -> bool:
    """Whether a layer was given what it declares to read and did not return what it declares to return."""
    symmetry = symmetry_of(use.module) if declares(use.module, "symmetry") else None
    given = use.given.representation
    if symmetry is None or symmetry.output == "same" or given is None or not symmetry.accepts(given):
        return False
    if use.returned.kind == "invariant":
        return False
    for one, other in zip(use.outputs, use.other_outputs, strict=True):
        expected = one if given == "invariant" else reversed_output(use.module, one)
        if expected is None:
            continue
        if expected.shape != other.shape or largest_difference(expected, other) > rounding(one):
            return True
    return False


def _is_foreign(model: nn.Module) -> bool:
    """Whether no layer of a model declares how its channels are paired, so that any pairing may be meant."""
    declared = [symmetry_of(part) for part in model.modules() if declares(part, "symmetry")]
    return all(symmetry is None or symmetry.output in ("same", "invariant") for symmetry in declared)


def _sound(uses: list[_Use]) -> list[str]:
    """Prefixes of the names inside modules after which the strands match, the whole model included."""
    return [
        f"{use.name}." if use.name else ""
        for use in uses
        if use.returned.kind != "broken" and (not use.name or any(use.module.children()))
    ]


def _is_inside(use: _Use, sound: list[str]) -> bool:
    """Whether a module is inside one after which the strands match, the whole model included."""
    return any(use.name.startswith(name) for name in sound)


def _breaks_elsewhere(uses: list[_Use], sound: list[str]) -> bool:
    """Whether a module that was given channels paired in another way breaks the symmetry, and not their pairing.

    The pairing is to blame where nothing else breaks the symmetry, or where the layer that does declares other pairs.
    """
    for use in uses:
        if use.returned.kind == "broken" and use.given.kind != "broken" and not _is_inside(use, sound):
            return use.given.kind == "own pairing" and not declares(use.module, "symmetry")
    return False


def _as_broken(relation: Relation) -> Relation:
    return Relation("broken", relation.error) if relation.kind == "own pairing" else relation


def _matching_again(uses: list[_Use]) -> set[int]:
    """Uses, by index, whose outputs lead to a module after which the strands match again."""
    leading: set[int] = set()
    for start, use in enumerate(uses):
        waiting = [start] if use.given.kind == "broken" and use.returned.representation is not None else []
        while waiting:
            index = waiting.pop()
            for before in range(index):
                is_source = before not in leading and uses[before].returned.kind == "broken"
                if is_source and _share_a_tensor(uses[before].outputs, uses[index].inputs):
                    leading.add(before)
                    waiting.append(before)
    return leading


def _share_a_tensor(outputs: list[Tensor], inputs: list[Tensor]) -> bool:
    return any(torch.equal(output, tensor) for output in outputs for tensor in inputs)


def _between(before: str, after: str) -> str:
    return (
        f"what its forward does between {before} and {after} treats the strands differently; use modules there instead "
        f"of functions, such as rcviz.RevCompMaxPool1d and rcviz.RevCompLinear, or {CONJOIN}"
    )
