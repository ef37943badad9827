"""Find modules that break the symmetry of the strands from their classes and settings, without sequences."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from torch import nn

from rcviz._core.checks import check_positive
from rcviz.layers import facts
from rcviz.layers.attention import RevCompSelfAttention1d
from rcviz.layers.batchnorm import RevCompBatchNorm1d
from rcviz.layers.facts import draws_random, first_number, symmetry_of
from rcviz.layers.irrep_batchnorm import IrrepBatchNorm1d
from rcviz.layers.irreps import IrrepActivation1d, IrrepsToPairs1d, PairsToIrreps1d
from rcviz.layers.symmetry import NO_SYMMETRY, Representation, declares
from rcviz.models.runtime import check_module
from rcviz.models.settings import self_contained
from rcviz.symmetry.advice import CONJOIN, suggestion_for

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_MERGING = (
    *(nn.Linear, nn.Bilinear, nn.Embedding, nn.RNNBase, nn.MultiheadAttention),
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED),
)
"""Modules whose tied counterpart, or the conjoined model, gives the same for both strands; but for nn.Conv1d."""
_KEEP_LENGTH = (
    *(IrrepActivation1d, IrrepBatchNorm1d, IrrepsToPairs1d, PairsToIrreps1d),
    *(RevCompBatchNorm1d, RevCompSelfAttention1d),
    *(*facts.ACTIVATIONS, *facts.DROPOUTS, *facts.NORMS, nn.Identity, nn.PReLU, nn.RReLU),
)


@self_contained
def check_structure(model: nn.Module, *, length: int | None = None) -> pd.DataFrame:
    """List the modules of a model that break the symmetry of the strands, from their classes and settings.

    A first check that needs no sequences. Modules are read in the order in which they were registered; functions that a
    ``forward`` calls between them are not read. :func:`rcviz.diagnose_equivariance` follows sequences through the model
    and measures, but only this function detects problems that appear only in training, such as plain dropout.

    Parameters
    ----------
    model : nn.Module
        It is not modified.
    length : int, optional
        Length of the sequences in bp, to find out whether the windows of a plain pooling fill it.

    Returns
    -------
    DataFrame
        One row per problem, empty if none was found: ``module`` (dotted name; the whole model is ``"(model)"``),
        ``kind`` (class), ``verdict``, ``suggestion`` (why, and what to use instead). Verdicts: ``"breaks"``;
        ``"in training"`` (only in training mode); ``"may break"`` (depends on settings that cannot be read here);
        ``"unknown"`` (a layer with weights that declares no symmetry).

    Examples
    --------
    >>> import torch, rcviz
    >>> own = torch.nn.Sequential(rcviz.RevCompConv1d(4, 8, 15), torch.nn.BatchNorm1d(16), torch.nn.ReLU())
    >>> rcviz.check_structure(own)["suggestion"].item()
    'a plain normalisation has its own parameters ...; use rcviz.RevCompBatchNorm1d(16)'
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
        """Verdict on a module, empty where it keeps the symmetry, and what to use instead; then continue after it."""
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
        """Representation after a module; of one that breaks the symmetry, after the one to be used instead."""
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
    if not has_windows or isinstance(module, _TRANSPOSED):
        return None
    return _spare(module, length) // _stride(module) + 1


def _stride(module: Any) -> int:
    return first_number(module.kernel_size if module.stride is None else module.stride)
