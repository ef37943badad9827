"""Predictions of any model for any kind of sequence data, in batches."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from rcviz._core.checks import check_choice, check_positive
from rcviz._core.memory import reuse_memory
from rcviz.models.runtime import concatenate_batches, evaluating, exact_arithmetic, logits_of, one_hot_batch, to_numpy
from rcviz.sequences.alphabet import UNKNOWN
from rcviz.sequences.sequence_set import as_sequence_set


@reuse_memory()
def predict(
    model: nn.Module,
    data: Any,
    *,
    batch_size: int = 500,
    output: Literal["probability", "logit"] = "probability",
) -> Float[np.ndarray, "sequences tasks"]:
    """Predict every sequence, in batches and in evaluation mode; the model is left as found.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)`` or ``(batch,)``; what does not becomes one that
        does by :func:`rcviz.as_sequence_model`.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
    batch_size : int
        Sequences that are in memory as floats at a time.
    output : "probability" or "logit"
        Whether to apply the sigmoid.

    Returns
    -------
    ndarray (N, tasks)
        In the model's floating-point type.

    Raises
    ------
    ValueError
        When there are no sequences, or the model returns no logits, wants its channels last or is not all on one
        device and in one floating-point type.

    Examples
    --------
    >>> rcviz.predict(model, parts.test).shape
    (375, 1)
    >>> rcviz.predict(model, ["ACGT" * 50], output="logit").shape
    (1, 1)
    """
    check_choice("output", output, ("probability", "logit"))
    check_positive("batch_size", batch_size)
    codes = as_sequence_set(data).codes
    if not len(codes):
        raise ValueError("there are no sequences to predict; the selection that made the data is empty")
    with evaluating(model):  # all batches with the same weights, should another thread be training them
        logits = concatenate_batches(batches_of_logits(model, codes, batch_size), len(codes))
    return to_numpy(logits.sigmoid() if output == "probability" else logits)


def count_outputs(model: nn.Module, length: int) -> int:
    """Logits that a model gives a sequence of ``length`` bp; tried with one of unknown bases."""
    return predict(model, np.full((1, length), UNKNOWN, dtype=np.uint8)).shape[1]


def batches_of_logits(
    model: nn.Module, codes: UInt8[np.ndarray, "sequences length"], batch_size: int = 500
) -> Iterator[Float[Tensor, "batch tasks"]]:
    """Yield the logits batch by batch; between two batches the model is as it was found and nothing is held."""
    for start in range(0, len(codes), batch_size):
        with evaluating(model), torch.no_grad(), exact_arithmetic():
            logits = logits_of(model, one_hot_batch(codes[start : start + batch_size], model))
        yield logits
