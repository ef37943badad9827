"""Predictions for both strands of sequences, batch by batch."""

from collections.abc import Iterator
from itertools import chain

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from rcviz._core.checks import check_positive
from rcviz.models.outputs import logits_of, output_of, warn_of_nan
from rcviz.models.prediction import map_batches, one_hot_batch, to_numpy
from rcviz.models.runtime import check_module, evaluating
from rcviz.models.scale import Scale, one_warning, resolve_output, returned_scale, uncounted
from rcviz.models.settings import self_contained
from rcviz.sequences.checks import check_not_empty
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.symmetry.recording import warn_of_dependence
from rcviz.symmetry.strands import OtherStrand, declares_output


class StrandPass:
    """One pass over the data for :func:`rcviz.strand_agreement`, which may pause between two batches.

    Parameters
    ----------
    model : nn.Module
        It must not be trained during the pass.
    data : SequenceSet
    output : "probability", "logit" or "value", optional
    batch_size : int
    first : int, optional
        Size of a smaller first batch.

    Attributes
    ----------
    known : int
        Number of sequences that have predictions.
    finite : bool
        Whether all of them are finite.
    scale : "probability", "logit" or "value"
    profiles : bool
        Whether the model returns profiles.
    """

    @self_contained
    def __init__(
        self,
        model: nn.Module,
        data: SequenceSet,
        *,
        output: Scale | None = None,
        batch_size: int = 500,
        first: int | None = None,
    ) -> None:
        check_not_empty(data)
        check_positive("batch_size", batch_size)
        check_module(model)
        self._model, self._codes, self._batch_size = model, data.codes, batch_size
        self._first, self.known, self._n_nan = min(first or batch_size, batch_size), 0, 0
        self.finite = True
        self._outputs: tuple[Tensor, ...] = ()
        self._computed: tuple[int, list[np.ndarray]] = 0, []
        with evaluating(model), one_warning(), uncounted():
            warn_of_dependence(model, one_hot_batch(data.codes[: min(batch_size, 4)], model))
            self.profiles = _returns_profiles(model, data)
        self.scale = resolve_output(model, returned_scale(model) if self.profiles and output is None else output)

    def batches(self) -> Iterator[int]:
        """Predict batch by batch; yields the number of sequences that are done. At the end it warns of NaN."""
        run = output_of if self.profiles else logits_of
        strands = self._model, OtherStrand(self._model)

        def step(x: Float[Tensor, "batch 4 length"]) -> Tensor:
            return torch.stack([run(strand, x) for strand in strands])

        parts = self._codes[: self._first], self._codes[self._first :]
        for both in chain.from_iterable(map_batches(step, self._model, part, self._batch_size) for part in parts):
            self.finite &= bool(both.isfinite().all())
            self._n_nan += int(both.isnan().flatten(2).any(dim=2).any(dim=0).sum())
            if not self.known:
                shape = (len(self._codes), *both.shape[2:])
                self._outputs = both.new_empty(shape), both.new_empty(shape)
            rows = slice(self.known, self.known + both.shape[1])
            for outputs, part in zip(self._outputs, both, strict=True):
                outputs[rows] = part
            self.known = rows.stop
            yield self.known
        warn_of_nan(self._n_nan, len(self._codes))

    @property
    def forward(self) -> Float[np.ndarray, "known tasks *length"]:
        """Predictions for the sequences that are done, as given."""
        return self._predictions()[0]

    @property
    def reverse(self) -> Float[np.ndarray, "known tasks *length"]:
        """Predictions for their reverse complements, in the order of ``forward``."""
        return self._predictions()[1]

    def _predictions(self) -> list[np.ndarray]:
        if self._computed[0] != self.known:
            known = [outputs[: self.known] for outputs in self._outputs]
            # Half precision rounds sigmoids to 1.
            known = [outputs.to(torch.promote_types(outputs.dtype, torch.float32)) for outputs in known]
            done = [outputs.sigmoid() if self.scale == "probability" else outputs for outputs in known]
            self._computed = self.known, [to_numpy(outputs) for outputs in done]
        return self._computed[1]


def _returns_profiles(model: nn.Module, data: SequenceSet) -> bool:
    """Whether a model that declares how the strands change its output returns (batch, tasks, length)."""
    if not declares_output(model):
        return False
    return output_of(model, one_hot_batch(data.codes[:1], model)).ndim == 3
