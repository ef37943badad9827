"""Find the module that breaks the symmetry of the strands: by following sequences, or by reading the modules.

Both ways give the same advice, from :func:`suggestion_for`. What a module does to the symmetry is what it declares
(:mod:`rcviz.layers.symmetry`) or, for modules of torch, what the table in :mod:`rcviz.layers.facts` says.
"""

import copy
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from rcviz._core.checks import check_positive
from rcviz.layers import facts
from rcviz.layers.attention import RevCompSelfAttention1d
from rcviz.layers.facts import draws_random, first_number, symmetry_of
from rcviz.layers.irrep_batchnorm import IrrepBatchNorm1d
from rcviz.layers.irrep_conv import IrrepConv1d
from rcviz.layers.irreps import IrrepActivation1d, IrrepsToPairs1d, PairsToIrreps1d
from rcviz.layers.pairing import reverse_complement_features
from rcviz.layers.strategies import RevCompConjoined
from rcviz.layers.symmetry import NO_SYMMETRY, Representation, declares
from rcviz.layers.weighted_sum import WeightedSum1d
from rcviz.models.outputs import run_model
from rcviz.models.runtime import check_module, evaluating, exact_arithmetic
from rcviz.symmetry.comparison import (
    TOLERANCE,
    Relation,
    check_batch,
    compare_all,
    declared_views,
    largest_difference,
    reversed_output,
)

CONJOIN = "wrap the whole model, rcviz.RevCompConjoined(model)"

_MERGING = (nn.Linear, nn.Bilinear, nn.Embedding, nn.RNNBase, nn.MultiheadAttention, nn.modules.conv._ConvNd)
"""Modules whose tied counterpart, or the conjoined model, gives the same for both strands; but for nn.Conv1d."""
_KEEP_LENGTH = (
    *(IrrepActivation1d, IrrepBatchNorm1d, IrrepsToPairs1d, PairsToIrreps1d, RevCompSelfAttention1d),
    *(*facts.ACTIVATIONS, *facts.DROPOUTS, *facts.NORMS, nn.Identity, nn.PReLU, nn.RReLU),
)


def diagnose_equivariance(model: nn.Module, x: Any) -> pd.DataFrame:
    """Follow a batch and its RC through the model and find where the two stop matching, in float64.

    Parameters
    ----------
    model : nn.Module
        It is not modified: a float64 copy is run in evaluation mode. Of several outputs the worst counts.
    x : Tensor or ndarray (batch, channels, length)

    Returns
    -------
    DataFrame
        One row per module in order of use: ``module`` (dotted name, with the number of the use from the second on; the
        whole model is ``"(model)"``), ``kind`` (class), ``error`` (largest difference to the output that the symmetry
        demands; NaN for "unknown"), ``verdict`` and ``suggestion`` (what to use instead of a module that breaks it).
        Verdicts:

        - ``"equivariant"``: the RC of the input gives the RC of the output;
        - ``"invariant"``: both strands give the same;
        - ``"breaks"``: the inputs of the two strands match, the outputs do not, or not as the layer declares;
        - ``"propagated"``: the inputs do not match either, or a module inside breaks the symmetry;
        - ``"unknown"``: the outputs match in no way that a layer declares, and the module is not to blame: the strands
          match again behind it, or its channels are paired in another way.

        Modules inside :class:`rcviz.RevCompConjoined` have no rows: they may break the symmetry.
        The RC of channels of type +1 and -1, between :class:`rcviz.PairsToIrreps1d` and
        :class:`rcviz.IrrepsToPairs1d`, has its positions reversed and those of type -1 negated.

    See Also
    --------
    check_structure : needs no sequences, and finds what shows in training only.

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
    x = check_batch(twin, x)
    uses = _follow(twin, x)
    if not uses:
        raise ValueError(
            f"{type(model).__name__} must return a floating-point tensor, which can be compared between the strands"
        )
    sound = [
        f"{use.name}." if use.name else ""
        for use in uses
        if use.returned.representation is not None and (not use.name or any(use.module.children()))
    ]
    if not _breaks_elsewhere(uses, sound):
        uses = [replace(use, given=_as_broken(use.given), returned=_as_broken(use.returned)) for use in uses]
    rows = _judge(uses, sound, _matching_again(uses))
    if uses[-1].returned.kind == "broken" and not any(row[3] == "breaks" for row in rows):
        rows = _judge(uses, sound, set())
    return pd.DataFrame(rows, columns=["module", "kind", "error", "verdict", "suggestion"])


def check_structure(model: nn.Module, *, length: int | None = None) -> pd.DataFrame:
    """Read a model's modules one after another and list those that break the symmetry of the strands.

    A first look that needs no sequences. Modules are read in the order in which they were registered; functions that a
    ``forward`` calls between them are not read. :func:`rcviz.diagnose_equivariance` follows sequences through the model
    and measures, but only this finds what shows in training alone, such as plain dropout.

    Parameters
    ----------
    model : nn.Module
        It is not modified.
    length : int, optional
        Length of the sequences in bp, to find out whether the windows of a plain pooling fill it.

    Returns
    -------
    DataFrame
        One row per finding, none for a model without any: ``module`` (dotted name; the whole model is ``"(model)"``),
        ``kind`` (class), ``verdict``, ``suggestion`` (why, and what to use instead). Verdicts: ``"breaks"``;
        ``"in training"`` (does not show in evaluation); ``"may break"`` (depends on what cannot be read here);
        ``"unknown"`` (a layer with weights that declares no symmetry).

    Examples
    --------
    >>> import torch, rcviz
    >>> own = torch.nn.Sequential(rcviz.RevCompConv1d(4, 8, 15), torch.nn.BatchNorm1d(16), torch.nn.ReLU())
    >>> rcviz.check_structure(own)["suggestion"].item()
    'a plain normalisation has numbers of its own ...; use rcviz.RevCompBatchNorm1d(16)'
    """
    if length is not None:
        check_positive("length", length)
    check_module(model)
    reader = _Reader(length, certain=isinstance(model, nn.Sequential))
    rows: list[tuple[str, str, str, str]] = []
    if not any(_is_tied(part) for part in model.modules()):
        why = f"none of its layers is tied; build it from rcviz.RevCompConv1d and the layers beside it, or {CONJOIN}"
        rows.append(("(model)", type(model).__name__, "breaks", why))
    else:
        for name, module in _leaves(model):
            verdict, suggestion = reader.read(name, module)
            if verdict:
                rows.append((name or "(model)", type(module).__name__, verdict, suggestion))
    return pd.DataFrame(rows, columns=["module", "kind", "verdict", "suggestion"])


# ---------------------------------------------------------------- following sequences


@dataclass
class _Call:
    """One use of a module: its inputs and its outputs."""

    name: str
    title: str
    module: nn.Module
    inputs: list[Tensor]
    outputs: list[Tensor]


def _record(model: nn.Module, x: Tensor) -> list[_Call]:
    """Run a model and list the uses of its modules, in the order in which they end."""
    calls: list[_Call] = []
    waiting: list[list[Tensor]] = []  # inputs of the modules at work, copied before these may write over them
    uses: Counter[str] = Counter()
    wrapped = [part for part in model.modules() if isinstance(part, RevCompConjoined)]
    hidden = {id(inner) for wrapper in wrapped for inner in wrapper.model.modules()}

    def note(name: str, module: nn.Module, output: object) -> None:
        inputs, outputs = waiting.pop(), _tensors(output)
        if outputs:
            uses[name] += 1
            title = (name or "(model)") + (f" (use {uses[name]})" if uses[name] > 1 else "")
            calls.append(_Call(name, title, module, inputs, outputs))

    handles = []
    for name, module in model.named_modules():
        if id(module) not in hidden:
            handles += [
                module.register_forward_pre_hook(
                    lambda part, args, named: waiting.append(_tensors((args, named))), with_kwargs=True
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
    """Copies of the floating-point tensors in what a module returned."""
    if isinstance(value, Tensor):
        return [value.detach().clone()] if value.is_floating_point() else []
    if isinstance(value, Mapping):
        value = tuple(value.values())
    return [tensor for item in value for tensor in _tensors(item)] if isinstance(value, tuple | list) else []


@dataclass(frozen=True)
class _Use:
    """One use of a module for both strands.

    Attributes
    ----------
    name, title : str
    module : nn.Module
    inputs : list of Tensor
        For one strand.
    outputs, other_outputs : list of Tensor
        For one strand, and for the other.
    given, returned : Relation
        Of the inputs for both strands, and of the outputs.
    """

    name: str
    title: str
    module: nn.Module
    inputs: list[Tensor]
    outputs: list[Tensor]
    other_outputs: list[Tensor]
    given: Relation
    returned: Relation


def _follow(model: nn.Module, x: Tensor) -> list[_Use]:
    """Run a model on both strands."""
    calls, others = (_record(model, strand) for strand in (x, reverse_complement_features(x)))
    views = declared_views(model)
    return [
        _Use(
            one.name,
            one.title,
            one.module,
            one.inputs,
            one.outputs,
            other.outputs,
            given=compare_all(one.inputs, other.inputs, views),
            returned=compare_all(one.outputs, other.outputs, views),
        )
        for one, other in zip(calls, others, strict=True)
    ]


def _judge(uses: list[_Use], sound: list[str], excused: set[int]) -> list[tuple[str, str, float, str, str]]:
    """Rows of the diagnosis; ``excused`` are uses that are not to blame, by index."""
    rows: list[tuple[str, str, float, str, str]] = []
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
        scale = max(1.0, float(one.abs().max())) if one.numel() else 1.0
        if expected is None:
            continue
        if expected.shape != other.shape or largest_difference(expected, other) > TOLERANCE * scale:
            return True
    return False


def _is_inside(use: _Use, sound: list[str]) -> bool:
    """Whether a module is inside one behind which the strands match, the whole model included."""
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
    """Uses, by index, whose outputs lead to a module behind which the strands match again."""
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


# ---------------------------------------------------------------- reading modules


def _is_tied(module: nn.Module) -> bool:
    symmetry = symmetry_of(module) if declares(module, "symmetry") else None
    return symmetry is not None and symmetry.output != "same" and symmetry != NO_SYMMETRY


def _leaves(model: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Modules that are read as one: those without others inside, those that declare their output, and torch's."""
    symmetry = symmetry_of(model)
    whole = symmetry is not None and (symmetry.output != "same" or not any(model.children()))
    if whole or not any(model.children()):
        yield prefix, model
        return
    for name, part in model.named_children():
        yield from _leaves(part, f"{prefix}.{name}" if prefix else name)


@dataclass
class _Reader:
    """How the strands lie in the features that the next module is given."""

    length: int | None
    certain: bool  # of the length: in other models, modules may run beside each other
    representation: Representation = "paired"
    flattened: str = ""

    def read(self, name: str, module: nn.Module) -> tuple[str, str]:
        """Verdict on a module, empty where it keeps the symmetry, and what to use instead; then go on behind it."""
        finding = ("", "") if self.representation == "invariant" else self._judge(module)
        self.representation = self._after(module)
        if isinstance(module, nn.Flatten):
            self.flattened, self.length = name, None
        self.length = None if self.length is None else _length_after(module, self.length)
        return finding

    def _judge(self, module: nn.Module) -> tuple[str, str]:
        symmetry = symmetry_of(module)
        if symmetry is None:
            if next(module.parameters(recurse=False), None) is None:
                return "", ""
            return "unknown", (
                f"{type(module).__name__} declares no symmetry; rcviz.diagnose_equivariance(model, x) measures it"
            )
        if not symmetry.accepts(self.representation):
            return "breaks", suggestion_for(module, self.representation, self.flattened)
        if isinstance(module, facts.POOLS):
            return self._judge_windows(module)
        if self.representation == "paired" and draws_random(module) and not declares(module, "symmetry"):
            return "in training", suggestion_for(module, self.representation)
        return "", ""

    def _after(self, module: nn.Module) -> Representation:
        """Representation behind a module; of one that breaks the symmetry, behind the one to be used instead."""
        symmetry = symmetry_of(module)
        if symmetry is None or self.representation == "invariant":
            return self.representation
        if symmetry.accepts(self.representation):
            return facts.plain_output(module, symmetry.after(self.representation))
        if symmetry.output != "same" and symmetry != NO_SYMMETRY:
            return symmetry.output
        merges = isinstance(module, _MERGING) and not isinstance(module, nn.Conv1d)
        return "invariant" if merges else self.representation

    def _judge_windows(self, module: Any) -> tuple[str, str]:
        stride = _stride(module)
        if stride == 1:
            return "", ""
        kind = "Avg" if isinstance(module, nn.AvgPool1d) else "Max"
        instead = f"use rcviz.RevComp{kind}Pool1d({first_number(module.kernel_size)}, {stride})"
        if self.length is None:
            return "may break", (
                f"where its windows do not fill the length, the other strand is pooled at other places; {instead}, "
                f"which refuses such a length"
            )
        left_over = _spare(module, self.length) % stride
        if not left_over:
            return "", ""
        trimmed = f"{instead[:-1]}, edge='trim'), which leaves out {left_over // 2} at each end"
        shorter = self.length - left_over
        fits = f"{instead} on {shorter} or {shorter + stride} positions"
        return "breaks" if self.certain else "may break", (
            f"its windows leave {left_over} of {self.length} positions over at one end, and the other strand is pooled "
            f"at other places; {fits if left_over % 2 else trimmed}"
        )


def _spare(module: Any, length: int) -> int:
    """Positions beyond the first window."""
    padding = getattr(module, "padding", 0)
    reach = first_number(getattr(module, "dilation", 1)) * (first_number(module.kernel_size) - 1) + 1
    return length + (0 if padding == "valid" else 2 * first_number(padding)) - reach


def _length_after(module: Any, length: int) -> int | None:
    """Number of positions that a module returns; None where that is not known."""
    if isinstance(module, nn.AdaptiveMaxPool1d | nn.AdaptiveAvgPool1d):
        return first_number(module.output_size)
    if isinstance(module, facts.PADS):
        return length + sum(module.padding)
    if isinstance(module, _KEEP_LENGTH) or getattr(module, "padding", 0) == "same":
        return length
    has_windows = hasattr(module, "kernel_size") and hasattr(module, "stride") and symmetry_of(module) is not None
    if not has_windows or isinstance(module, nn.modules.conv._ConvTransposeNd):
        return None
    return _spare(module, length) // _stride(module) + 1


def _stride(module: Any) -> int:
    return first_number(module.kernel_size if module.stride is None else module.stride)


# ---------------------------------------------------------------- advice


def suggestion_for(module: Any, given: Representation | None, flattened: str = "") -> str:
    """Say why a module breaks the symmetry of features in a representation, and what to use instead.

    ``flattened`` is the name of the module that laid the features flat, if any.
    """
    kind = type(module).__name__
    advice = ""
    if declares(module, "symmetry"):
        advice = _advice_on_declared(module, given)
    elif given == "irreps":
        advice = _advice_between_irreps(module) or _advice_on_torch(module, flattened)
    elif given == "positions reversed" and isinstance(module, nn.Conv1d | nn.Flatten):
        advice = _advice_between_irreps(module)
    elif given in ("paired", "positions reversed"):
        advice = _advice_on_torch(module, flattened)
    elif given == "invariant":
        advice = "it does not return the same for the same input; give it no random numbers in evaluation mode"
    return advice or f"{kind} treats the strands differently; build it from tied layers, or {CONJOIN}"


def _advice_on_declared(module: Any, given: Representation | None) -> str:
    kind, symmetry = type(module).__name__, symmetry_of(module)
    assert symmetry is not None
    if isinstance(module, WeightedSum1d) and not module.revcomp:
        return "its profiles are not mirrored for RC partners; use revcomp=True"
    if given is not None and symmetry.accepts(given):
        return (
            f"{kind} treats the strands differently, although it declares {symmetry.input!r} -> {symmetry.output!r}; "
            f"correct its forward, or what it declares"
        )
    inputs = symmetry.input if isinstance(symmetry.input, tuple) else (symmetry.input,)
    if given == "irreps" and "paired" in inputs:
        return f"{kind} between channels of type +1 and -1 mixes the types; put rcviz.IrrepsToPairs1d() before it"
    if given == "paired" and ("irreps" in inputs or isinstance(module, IrrepConv1d)):
        return f"{kind} reads channels of type +1 and -1; put rcviz.PairsToIrreps1d() before it"
    if "paired" in inputs:
        return f"{kind} takes channels i and n-1-i for RC partners, and it is given others; reorder them"
    return ""


def _advice_between_irreps(module: Any) -> str:
    kind = type(module).__name__
    if isinstance(module, nn.MaxPool1d | nn.LPPool1d):
        return f"{kind} between channels of type +1 and -1 mixes the types; put rcviz.IrrepsToPairs1d() before it"
    if isinstance(module, nn.Conv1d):
        return f"{kind} does not know the types of its channels; use rcviz.IrrepConv1d"
    if isinstance(module, facts.NORMS):
        return f"{kind} does not know the types of its channels; use rcviz.IrrepBatchNorm1d"
    if isinstance(module, nn.Flatten):
        return f"{kind} flattens channels that have no partners; put rcviz.IrrepsToPairs1d() before it"
    if isinstance(module, facts.ACTIVATIONS):
        return f"{kind} leaves a channel of type -1 without a type; use rcviz.IrrepActivation1d"
    return ""


def _advice_on_torch(module: Any, flattened: str) -> str:
    kind = type(module).__name__
    if isinstance(module, nn.Conv1d):
        return (
            f"a plain convolution reads one strand; use rcviz.RevCompConv1d({module.in_channels}, "
            f"n_filters={max(module.out_channels // 2, 1)}, kernel_size={first_number(module.kernel_size)})"
        )
    if isinstance(module, facts.NORMS):
        n = getattr(module, "num_features", getattr(module, "num_channels", "n_channels"))
        return (
            f"a plain normalisation has numbers of its own for each channel or position, and RC partners become "
            f"different in training; use rcviz.RevCompBatchNorm1d({n})"
        )
    if isinstance(module, facts.DROPOUTS):
        return f"plain dropout drops a channel and keeps its RC partner; use rcviz.RevCompDropout1d({module.p:g})"
    if isinstance(module, facts.POOLS):
        return (
            f"its windows leave positions over at one end, and the other strand is pooled at other places; use "
            f"rcviz.RevComp{'Avg' if isinstance(module, nn.AvgPool1d) else 'Max'}Pool1d, which refuses such a length"
        )
    if isinstance(module, nn.Linear):
        features = f"what {flattened} flattens" if flattened else "its input"
        return (
            f"{features} is not the same for both strands; use rcviz.RevCompLinear({module.in_features}, "
            f"{module.out_features}), or merge the strands before, with rcviz.RevCompGlobalPool1d()"
        )
    if isinstance(module, nn.PReLU):
        return "a slope per channel treats RC partners differently; use one slope for all, torch.nn.PReLU()"
    if isinstance(module, nn.RReLU):
        return "it draws slopes for each number by itself; use torch.nn.LeakyReLU()"
    if isinstance(module, facts.PADS):
        return f"it pads the two ends by {tuple(module.padding)}; pad both alike"
    if isinstance(module, nn.MultiheadAttention):
        return f"attention without paired heads reads one strand; use rcviz.RevCompSelfAttention1d, or {CONJOIN}"
    if isinstance(module, nn.RNNBase):
        return f"no recurrent layer is tied between the strands, not even a bidirectional one; {CONJOIN}"
    if isinstance(module, facts.NO_PARTNERS):
        return f"{kind} has no tied counterpart here; {CONJOIN}"
    return ""
