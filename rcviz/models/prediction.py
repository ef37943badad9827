"""Predictions of any model for any kind of sequence data, in batches."""

from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from torch import nn

from rcviz._core.checks import check_choice, check_positive
from rcviz._core.memory import reuse_memory
from rcviz.models.batches import batches_of_logits, concatenate_batches, to_numpy
from rcviz.models.runtime import evaluating
from rcviz.sequences.alphabet import UNKNOWN
from rcviz.sequences.checks import check_not_empty, check_output_count
from rcviz.sequences.sequence_set import SequenceSet, as_sequence_set


@reuse_memory()
def predict(
    model: nn.Module,
    data: Any,
    *,
    batch_size: int = 500,
    output: Literal["probability", "logit"] = "probability",
) -> Float[np.ndarray, "sequences tasks"]:
    """Predict every sequence, in batches and in evaluation mode; the model is not modified.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)`` or ``(batch,)``. Wrap any other model with
        :func:`rcviz.as_sequence_model`.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
    batch_size : int
        Number of sequences that are in memory as floats at a time.
    output : "probability" or "logit"
        Whether to apply the sigmoid.

    Returns
    -------
    ndarray (N, tasks)
        In the model's floating-point type.

    Raises
    ------
    ValueError
        When there are no sequences, or the model does not return logits, reads (batch, length, 4), or has parameters on
        different devices or of different dtypes.

    Examples
    --------
    >>> rcviz.predict(model, parts.test).shape
    (375, 1)
    >>> rcviz.predict(model, ["ACGT" * 50], output="logit").shape
    (1, 1)
    """
    check_choice("output", output, ("probability", "logit"))
    check_positive("batch_size", batch_size)
    data = as_sequence_set(data)
    check_not_empty(data)
    with evaluating(model):  # all batches see the same weights, even if another thread trains the model
        logits = concatenate_batches(batches_of_logits(model, data.codes, batch_size), len(data))
    return to_numpy(logits.sigmoid() if output == "probability" else logits)


def count_outputs(model: nn.Module, length: int) -> int:
    """Number of logits per sequence of ``length`` bp, from a prediction for one sequence of unknown bases."""
    return predict(model, np.full((1, length), UNKNOWN, dtype=np.uint8)).shape[1]


def check_outputs(model: nn.Module, data: SequenceSet) -> None:
    """Refuse a model that does not give one output per task of ``data``."""
    check_output_count(count_outputs(model, data.length), data)
