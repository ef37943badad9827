"""Advice on a module that breaks the symmetry of the strands: why, and what to use instead."""

from typing import Any

from torch import nn

from rcviz.layers import facts
from rcviz.layers.batchnorm import RevCompBatchNorm1d
from rcviz.layers.facts import first_number, symmetry_of
from rcviz.layers.irrep_conv import IrrepConv1d
from rcviz.layers.symmetry import Representation, declares
from rcviz.layers.weighted_sum import WeightedSum1d

CONJOIN = "wrap the whole model, rcviz.RevCompConjoined(model)"


def suggestion_for(module: Any, given: Representation | None, flattened: str = "") -> str:
    """Explain why a module breaks the symmetry of features in a representation, and what to use instead.

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
    elif given in ("paired", "positions reversed", "invariant"):  # invariant also where it reads integers
        advice = _advice_on_torch(module, flattened)
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
        return f"{kind} treats channels i and n-1-i as RC partners, but its input pairs other channels; reorder them"
    return ""


def _advice_between_irreps(module: Any) -> str:
    kind = type(module).__name__
    if isinstance(module, nn.MaxPool1d | nn.LPPool1d):
        return f"{kind} between channels of type +1 and -1 mixes the types; put rcviz.IrrepsToPairs1d() before it"
    if isinstance(module, nn.Conv1d):
        return f"{kind} does not distinguish channels of type +1 and -1; use rcviz.IrrepConv1d"
    if isinstance(module, (*facts.NORMS, RevCompBatchNorm1d)):
        return f"{kind} does not distinguish channels of type +1 and -1; use rcviz.IrrepBatchNorm1d"
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
            f"a plain normalisation has its own parameters for each channel or position, and RC partners become "
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
        return "it draws a random slope for each value; use torch.nn.LeakyReLU()"
    if isinstance(module, facts.PADS):
        return f"it pads the two ends by {tuple(module.padding)}; pad both alike"
    if isinstance(module, nn.MultiheadAttention):
        return f"attention without paired heads reads one strand; use rcviz.RevCompSelfAttention1d, or {CONJOIN}"
    if isinstance(module, nn.RNNBase):
        return f"recurrent layers, bidirectional ones included, are not tied between the strands; {CONJOIN}"
    if isinstance(module, facts.NO_PARTNERS):
        return f"{kind} has no tied counterpart here; {CONJOIN}"
    return ""
