"""What every module does to the symmetry of the strands, read off its class and settings: no sequence is needed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from torch import nn

from rcviz._core.checks import check_positive
from rcviz.layers.attention import RevCompSelfAttention1d
from rcviz.layers.batchnorm import RevCompBatchNorm1d
from rcviz.layers.conv import RevCompConv1d
from rcviz.layers.dense import RevCompLinear
from rcviz.layers.dropout import RevCompDropout1d
from rcviz.layers.irrep_batchnorm import IrrepBatchNorm1d
from rcviz.layers.irrep_conv import IrrepConv1d
from rcviz.layers.irreps import IrrepActivation1d, IrrepsToPairs1d, PairsToIrreps1d
from rcviz.layers.pooling import RevCompAvgPool1d, RevCompGlobalPool1d, RevCompMaxPool1d
from rcviz.layers.strategies import RevCompConjoined
from rcviz.layers.weighted_sum import WeightedSum1d
from rcviz.models.runtime import check_module

Basis = Literal["pairs", "irreps", "free"]

CONJOIN = "wrap the whole model, rcviz.RevCompConjoined(model)"

_PAIRS = (RevCompConv1d, RevCompBatchNorm1d, RevCompSelfAttention1d, RevCompLinear, RevCompGlobalPool1d, WeightedSum1d)
_IRREPS = (IrrepConv1d, IrrepBatchNorm1d, IrrepActivation1d)
_TIED = (*_PAIRS, *_IRREPS, PairsToIrreps1d, IrrepsToPairs1d)
_TIED_POOLS = (RevCompMaxPool1d, RevCompAvgPool1d)
_POOLS = (nn.MaxPool1d, nn.AvgPool1d, nn.LPPool1d)
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.modules.instancenorm._InstanceNorm)
_PADS = (nn.ZeroPad1d, nn.ConstantPad1d, nn.ReflectionPad1d, nn.ReplicationPad1d, nn.CircularPad1d)
_CONVOLUTIONS = (RevCompConv1d, IrrepConv1d, nn.Conv1d)
_ACTIVATIONS = "torch.nn.modules.activation"
_ODD = (nn.Tanh, nn.Softsign, nn.Tanhshrink)
_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.AlphaDropout, nn.FeatureAlphaDropout)
_MERGING = (RevCompConjoined, RevCompGlobalPool1d, RevCompLinear, nn.Linear)
_OTHERS = (nn.modules.conv._ConvNd, nn.RNNBase, nn.MultiheadAttention, nn.Embedding, nn.Bilinear)


def check_structure(model: nn.Module, *, length: int | None = None) -> pd.DataFrame:
    """Read a model's modules one after another and list those that break the symmetry of the strands.

    A first look that needs no sequences: modules are taken in the order in which they were registered, and what a
    ``forward`` does between them is not read. :func:`rcviz.diagnose_equivariance` follows sequences through the model
    and measures; but only this sees what shows in training alone, such as plain dropout.

    Parameters
    ----------
    model : nn.Module
        Left as found.
    length : int, optional
        Length of the sequences in bp, to tell whether a plain pooling leaves a ragged edge.

    Returns
    -------
    DataFrame
        One row per finding, none for a model in order: ``module`` (dotted name; the whole model is ``"(model)"``),
        ``kind`` (class), ``verdict``, ``suggestion`` (why, and what to use instead). Verdicts: ``"breaks"``;
        ``"in training"`` (evaluation does not show it); ``"may break"`` (depends on what cannot be read here);
        ``"unknown"`` (a layer of one's own).

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
    state = _State(length, certain=isinstance(model, nn.Sequential))
    rows: list[tuple[str, str, str, str]] = []
    if not any(isinstance(part, (*_TIED, RevCompConjoined)) for part in model.modules()):
        why = f"none of its layers is tied; build it from rcviz.RevCompConv1d and the layers beside it, or {CONJOIN}"
        rows.append(("(model)", type(model).__name__, "breaks", why))
    else:
        for name, module in _leaves(model):
            verdict, instead = state.read(name, module)
            if verdict:
                rows.append((name or "(model)", type(module).__name__, verdict, instead))
    return pd.DataFrame(rows, columns=["module", "kind", "verdict", "suggestion"])


def instead_of(module: nn.Module, basis: Basis = "pairs") -> str:
    """Say why a module breaks the symmetry of channels in a basis, and what to use instead."""
    if basis == "irreps":
        found = _in_irreps(module)
    else:
        found = _without_types(module) if isinstance(module, _IRREPS) else _plain(module, "") or ("", "")
    if not found[1] and isinstance(module, (*_PAIRS, PairsToIrreps1d)):
        return (
            f"{type(module).__name__} takes channels i and n-1-i for RC partners, and it is given others; reorder them"
        )
    if not found[1]:
        return f"{type(module).__name__} treats the strands differently; build it from tied layers, or {CONJOIN}"
    return found[1]


def _leaves(model: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Modules that are not made of others, with those of rcviz and torch that are, as one."""
    if isinstance(model, (*_TIED, *_OTHERS, RevCompConjoined)) or not any(model.children()):
        yield prefix, model
        return
    for name, part in model.named_children():
        yield from _leaves(part, f"{prefix}.{name}" if prefix else name)


@dataclass
class _State:
    """How the strands lie in what the next module is given."""

    length: int | None
    certain: bool  # of the length: modules may run beside each other
    basis: Basis = "pairs"
    flattened: str = ""
    only_plus: bool = False  # no channel is of type -1

    def read(self, name: str, module: nn.Module) -> tuple[str, str]:
        """Verdict on a module and what to use instead, or nothing; what it returns is the next one's."""
        found = ("", "") if self.basis == "free" else self._judged(module)
        if isinstance(module, nn.Flatten):
            self.flattened, self.length = name, None
            self.basis = "pairs" if self.basis == "irreps" else self.basis  # once what was found there is mended
        elif isinstance(module, _IRREPS):
            self.only_plus = not _n_minus(module)
        elif self.basis == "irreps" and self.only_plus and _is_global(module):
            self.basis = "free"
        elif isinstance(module, (*_MERGING, *_OTHERS)) and not isinstance(module, nn.Conv1d):
            self.basis = "free"  # or ought to be: once this module is mended, what follows may be plain
        elif isinstance(module, PairsToIrreps1d | IrrepsToPairs1d):
            self.basis = "irreps" if isinstance(module, PairsToIrreps1d) else "pairs"
        self.length = None if self.length is None else _length_after(module, self.length)
        return found

    def _judged(self, module: nn.Module) -> tuple[str, str]:
        if self.basis == "irreps":
            if isinstance(module, _POOLS if self.only_plus else nn.AvgPool1d):
                return self._pooled(module)
            plain = isinstance(module, nn.BatchNorm1d) or type(module).__module__ == _ACTIVATIONS
            return ("", "") if self.only_plus and plain else _in_irreps(module)
        if isinstance(module, _IRREPS):
            return _without_types(module)
        if isinstance(module, _POOLS):
            return self._pooled(module)
        found = _plain(module, self.flattened)
        if found is not None:
            return found
        own = next(module.parameters(recurse=False), None) is not None
        known = isinstance(module, (*_TIED, *_NORMS, nn.PReLU)) or type(module).__module__.startswith("torch.nn")
        if own and not known:
            return "unknown", (
                f"{type(module).__name__} is not known here; rcviz.diagnose_equivariance(model, x) measures it"
            )
        return "", ""

    def _pooled(self, module: Any) -> tuple[str, str]:
        stride = _stride(module)
        if stride == 1:
            return "", ""
        kind = "Avg" if isinstance(module, nn.AvgPool1d) else "Max"
        instead = f"use rcviz.RevComp{kind}Pool1d({_number(module.kernel_size)}, {stride})"
        if self.length is None:
            return "may break", (
                f"where its windows do not fill the length, the other strand is pooled at other places; {instead}, "
                f"which refuses such a length"
            )
        ragged = _spare(module, self.length) % stride
        if not ragged:
            return "", ""
        trimmed = f"{instead[:-1]}, edge='trim'), which leaves out {ragged // 2} at each end"
        shorter = self.length - ragged
        fits = f"{instead} on {shorter} or {shorter + stride} positions"
        return "breaks" if self.certain else "may break", (
            f"its windows leave {ragged} of {self.length} positions over at one end, and the other strand is pooled at "
            f"other places; {fits if ragged % 2 else trimmed}"
        )


def _plain(module: Any, flattened: str) -> tuple[str, str] | None:
    """Verdict on a module between paired channels, and the sentence; None where it does no harm."""
    if isinstance(module, nn.Conv1d):
        return "breaks", (
            f"a plain convolution reads one strand; use rcviz.RevCompConv1d({module.in_channels}, "
            f"n_filters={max(module.out_channels // 2, 1)}, kernel_size={_number(module.kernel_size)})"
        )
    if isinstance(module, RevCompBatchNorm1d | RevCompDropout1d):
        return None
    if isinstance(module, _NORMS) and module.state_dict():
        n = getattr(module, "num_features", getattr(module, "num_channels", "n_channels"))
        return "breaks", (
            f"a plain normalisation has numbers of its own for each channel or position, and RC partners drift apart "
            f"in training; use rcviz.RevCompBatchNorm1d({n})"
        )
    if isinstance(module, _DROPOUTS) and module.p:
        return "in training", (
            f"plain dropout drops a channel and keeps its RC partner; use rcviz.RevCompDropout1d({module.p:g})"
        )
    if isinstance(module, _POOLS):
        return "breaks", (
            f"its windows leave positions over at one end, and the other strand is pooled at other places; use "
            f"rcviz.RevComp{'Avg' if isinstance(module, nn.AvgPool1d) else 'Max'}Pool1d, which refuses such a length"
        )
    if isinstance(module, nn.Linear):
        merged = f"what {flattened} lays flat" if flattened else "what it is given"
        return "breaks", (
            f"{merged} still tells the strands apart; use rcviz.RevCompLinear({module.in_features}, "
            f"{module.out_features}), or merge the strands before, with rcviz.RevCompGlobalPool1d()"
        )
    if isinstance(module, WeightedSum1d) and not module.revcomp:
        return "breaks", "its profiles are not mirrored for RC partners; use revcomp=True"
    if isinstance(module, nn.PReLU) and module.num_parameters > 1:
        return "breaks", "a slope for each channel tells RC partners apart; use one for all, torch.nn.PReLU()"
    if isinstance(module, _PADS) and len(set(module.padding)) > 1:
        return "breaks", f"it pads the two ends by {tuple(module.padding)}; pad both alike"
    if isinstance(module, nn.MultiheadAttention):
        return "breaks", f"attention without partners reads one strand; use rcviz.RevCompSelfAttention1d, or {CONJOIN}"
    if isinstance(module, nn.RNNBase):
        return "breaks", f"no recurrent layer is tied between the strands, a bidirectional one neither; {CONJOIN}"
    if isinstance(module, _OTHERS):
        return "breaks", f"{type(module).__name__} has no tied counterpart here; {CONJOIN}"
    return None


def _without_types(module: nn.Module) -> tuple[str, str]:
    """Verdict on a layer for channels of type +1 and -1 that is given RC pairs."""
    kind = type(module).__name__
    return "breaks", f"{kind} reads channels of type +1 and -1; put rcviz.PairsToIrreps1d() before it"


def _in_irreps(module: nn.Module) -> tuple[str, str]:
    """Verdict on a module between channels of type +1 and -1."""
    kind = type(module).__name__
    if isinstance(module, (*_PAIRS, RevCompMaxPool1d, nn.MaxPool1d)):
        return (
            "breaks",
            f"{kind} between channels of type +1 and -1 mixes the types; put rcviz.IrrepsToPairs1d() before it",
        )
    if isinstance(module, nn.Conv1d) or (isinstance(module, _NORMS) and module.state_dict()):
        tied = "IrrepConv1d" if isinstance(module, nn.Conv1d) else "IrrepBatchNorm1d"
        return "breaks", f"{kind} knows no types of channels; use rcviz.{tied}"
    if isinstance(module, nn.Flatten):
        return "breaks", f"{kind} lays channels flat that have no partners; put rcviz.IrrepsToPairs1d() before it"
    if isinstance(module, (*_PADS, *_OTHERS, nn.Linear)):
        return _plain(module, "") or ("", "")
    if type(module).__module__ == _ACTIVATIONS and not isinstance(module, _ODD):
        return "breaks", f"{kind} leaves a channel of type -1 without a type; use rcviz.IrrepActivation1d"
    return "", ""


def _n_minus(module: Any) -> int:
    """Channels of type -1 that a layer puts out."""
    return int(module.outputs[1] if isinstance(module, IrrepConv1d) else module.n_minus)


def _is_global(module: Any) -> bool:
    """Whether a pooling leaves one position."""
    return isinstance(module, nn.AdaptiveMaxPool1d | nn.AdaptiveAvgPool1d) and _number(module.output_size) == 1


def _spare(module: Any, length: int) -> int:
    """Positions beyond the first window."""
    padding = getattr(module, "padding", 0)
    reach = _number(getattr(module, "dilation", 1)) * (_number(module.kernel_size) - 1) + 1
    return length + (0 if padding == "valid" else 2 * _number(padding)) - reach


def _length_after(module: Any, length: int) -> int | None:
    """Positions that a module returns; None where that cannot be told."""
    if isinstance(module, (*_CONVOLUTIONS, *_POOLS, *_TIED_POOLS)):
        if getattr(module, "padding", 0) == "same":
            return length
        return _spare(module, length) // _stride(module) + 1
    if isinstance(module, nn.AdaptiveMaxPool1d | nn.AdaptiveAvgPool1d):
        return _number(module.output_size)
    if isinstance(module, _PADS):
        return length + sum(module.padding)
    keeps = isinstance(module, (*_TIED, *_NORMS, *_DROPOUTS, nn.Identity))
    return length if keeps or type(module).__module__ == _ACTIVATIONS else None


def _stride(module: Any) -> int:
    return _number(module.kernel_size if module.stride is None else module.stride)


def _number(setting: Any) -> int:
    """A setting of a layer: torch's layers may hold tuples, the tied ones numbers."""
    return int(np.ravel(setting)[0])
