"""What both strands of a sequence get, attributed to bases and to filters: the details of explorers."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from torch import nn

from rcviz.analysis.attributions import StrandAttributions, strand_attributions
from rcviz.analysis.filters import FilterBank, filter_bank
from rcviz.analysis.neurons import At
from rcviz.analysis.strands import gap_by_filter


@dataclass(frozen=True)
class Split:
    """One sequence, read by one model: attributions, and the gap by filter; a reason where one is missing."""

    attributions: Float[np.ndarray, "2 length"] | None = None
    filters: Float[np.ndarray, "2 filters"] | None = None
    outputs: Float[np.ndarray, " 2"] = field(default_factory=lambda: np.zeros(2))
    no_attributions: str = ""
    no_filters: str = ""


def split_by_filter(
    model: nn.Module,
    codes: UInt8[np.ndarray, "n length"],
    task: int,
    *,
    layer: str | None,
    at: At,
    batch_size: int,
    own: Float[np.ndarray, "n 2 length"] | str | None = None,
) -> list[Split]:
    """Attribute what both strands of sequences get to bases and to filters; a reason stands where that fails.

    ``own`` are attributions of the user, or why there are none; by default gradient times input.
    """
    n = len(codes)
    options: dict[str, Any] = {"task": task, "batch_size": batch_size}
    attributions: Any = [None] * n
    filters: Any = [None] * n
    outputs, no_attributions, no_filters = np.zeros((n, 2)), "", ""
    try:
        if own is None:
            found = strand_attributions(model, codes, **options)
            attributions = np.stack([found.forward.sum(axis=1), found.reverse.sum(axis=1)], axis=1)
        elif isinstance(own, str):
            no_attributions = own
        else:
            attributions = own
    except Exception as error:  # a user's model may raise anything; the others are shown
        no_attributions = reason_of(error)
    try:
        split = gap_by_filter(model, codes, layer=layer, at=at, **options)
        filters = np.stack([split.forward, split.reverse], axis=1)
        outputs = np.stack([split.logits_forward, split.logits_reverse], axis=1)
    except Exception as error:  # such as a network without filters
        no_filters = reason_of(error)
    return [Split(*row, no_attributions, no_filters) for row in zip(attributions, filters, outputs, strict=True)]


def own_attributions(
    own: StrandAttributions, sequences: list[int], task_name: str
) -> Float[np.ndarray, "n 2 length"] | str:
    """Attributions of the user for some sequences, or the reason why there are none for a task."""
    if own.task != task_name:
        return f"those that were given are of {own.task}"
    return np.stack([own.forward[sequences].sum(axis=1), own.reverse[sequences].sum(axis=1)], axis=1)


def bank_or_reason(model: nn.Module, layer: str | None, length: int) -> FilterBank | str:
    """Filters of a layer; a reason where they have no logos."""
    try:
        return filter_bank(model, layer=layer, length=length)
    except ValueError as error:
        return reason_of(error)


def reason_of(error: Exception) -> str:
    """First line of an error, for a sentence."""
    return (str(error) or type(error).__name__).splitlines()[0]
