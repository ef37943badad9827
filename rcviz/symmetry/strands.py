"""The other strand: what a model returns for the reverse complement, with the partners that it declares exchanged."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from rcviz.layers.facts import plain_output, symmetry_of
from rcviz.layers.symmetry import Representation, declares, reverse
from rcviz.models.adapter import AdaptedModel
from rcviz.models.network import SequenceModel
from rcviz.models.runtime import without_wrapper
from rcviz.models.settings import Hooks
from rcviz.sequences.alphabet import reverse_complement


class OtherStrand(nn.Module):
    """A model that reads the reverse complement of every batch, and whose outputs compare with those for the batch.

    Where the model declares that the reverse complement exchanges outputs (tasks of :class:`rcviz.RevCompConjoined`
    with ``output_kind="stranded"``, positions of a profile), they are exchanged back. A model that declares its
    symmetry thus gives exactly what it gives for the batch.

    Parameters
    ----------
    model : nn.Module
        Shared, not copied.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Float[Tensor, "batch 4 length"]) -> Any:
        """Run the model on the reverse complements."""
        declared = _declared(self.model)
        if declared is None:
            return self.model(reverse_complement(x))
        # In an adapted model, partners are exchanged before one of several outputs is selected.
        with Hooks(after=[(declared.returned_by, lambda module, args, y: declared.reversed(y))]):
            return self.model(reverse_complement(x))


def declares_output(model: nn.Module) -> bool:
    """Whether a model declares what the reverse complement does to its output."""
    return _declared(model) is not None


def declares_invariance(model: nn.Module) -> bool:
    """Whether a model declares that both strands get the same output."""
    declared = _declared(model)
    return declared is not None and declared.representation == "invariant"


def reverse_labels(model: nn.Module, labels: Float[np.ndarray, "n tasks"]) -> Float[np.ndarray, "n tasks"]:
    """Labels of the reverse complements: those of the partners that a model declares, else the labels themselves."""
    declared = _declared(model)
    if declared is None or declared.representation == "invariant":
        return labels
    if declared.selected:
        raise ValueError(
            "augmentation='revcomp' needs the labels of the reverse complements, but the model selects an output from "
            "tasks or positions that it exchanges between the strands; such a model is equivariant without "
            "augmentation, so use augmentation='none'"
        )
    try:
        return declared.reversed(torch.from_numpy(labels)).numpy()
    except (ValueError, IndexError, RuntimeError) as error:
        raise ValueError(
            f"augmentation='revcomp' cannot exchange labels of {labels.shape[1]} tasks as the model declares it for "
            f"its outputs: {error}; use augmentation='none'"
        ) from error


class _Declared(NamedTuple):
    """What a model declares about its output: how it is represented, by which module, and where that is returned.

    ``selected``: an adapter selects one of several outputs from it.
    """

    representation: Representation
    declared_by: nn.Module
    returned_by: nn.Module
    selected: bool

    def reversed(self, y: Any) -> Any:
        """Output as it is for the reverse complement."""
        if self.representation == "invariant":
            return y
        if declares(self.declared_by, "reverse_output"):
            return self.declared_by.reverse_output(y)  # type: ignore[operator]
        seen = reverse(y, self.representation)
        if seen is None:
            raise ValueError(
                f"{type(self.declared_by).__name__} declares its output as {self.representation!r} and not how the "
                f"strands change it; add reverse_output(y)"
            )
        return seen


def _declared(model: nn.Module) -> _Declared | None:
    """Find what a model declares about its output; None if it declares nothing, or its layers break the symmetry."""
    returned_by = inside = model
    selected = False
    while (wrapped := _wrapped(inside)) is not None:
        if isinstance(inside, AdaptedModel):
            selected |= inside.output is not None
            returned_by = wrapped
        inside = wrapped
    representation: Representation = "paired"
    declared_by = None
    for part in _parts(inside):
        symmetry = symmetry_of(part)
        if symmetry is None or not symmetry.accepts(representation):
            return None
        representation = plain_output(part, symmetry.after(representation))
        declared_by = part if symmetry.output != "same" else declared_by
    return None if declared_by is None else _Declared(representation, declared_by, returned_by, selected)


def _wrapped(model: nn.Module) -> nn.Module | None:
    """Model inside an adapter, or inside a wrapper of torch: DataParallel, DDP, a compiled model."""
    if isinstance(model, AdaptedModel):
        return model.model
    inside = without_wrapper(model)
    return None if inside is model else inside


def _parts(model: nn.Module) -> Iterator[nn.Module]:
    """Layers of a chain, in order; any other model is one part."""
    forward = getattr(type(model), "forward", None)
    if isinstance(model, nn.Sequential) and forward in (nn.Sequential.forward, SequenceModel.forward):
        for part in model:
            yield from _parts(part)
    else:
        yield model
