"""Predictions of any model for any kind of sequence data, and the one loop over batches."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from rcviz._core.checks import check_positive
from rcviz.models.outputs import logits_of, warn_of_nan
from rcviz.models.runtime import device_and_dtype, evaluating, threads_for
from rcviz.models.scale import Scale, one_warning, resolve_output
from rcviz.models.settings import in_batches
from rcviz.sequences.alphabet import UNKNOWN
from rcviz.sequences.checks import check_not_empty
from rcviz.sequences.sequence_set import SequenceSet, as_sequence_set


@in_batches
def predict(
    model: nn.Module,
    data: Any,
    *,
    batch_size: int = 500,
    output: Scale | None = None,
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
    output : "probability", "logit" or "value", optional
        Scale of the predictions; by default probabilities of a classifier, and values of a model that declares
        ``output_is="value"``, which has nothing else.

    Returns
    -------
    ndarray (N, tasks)
        In the model's floating-point type, float32 if that is narrower. The sigmoid is taken in that type.

    Raises
    ------
    ValueError
        When there are no sequences, the model does not have the ``output`` asked for, does not return logits, reads
        (batch, length, 4), or has parameters that are NaN, on different devices or of different dtypes.

    Examples
    --------
    >>> rcviz.predict(model, parts.test).shape
    (375, 1)
    >>> rcviz.predict(model, ["ACGT" * 50], output="logit").shape
    (1, 1)
    """
    output = resolve_output(model, output)
    check_positive("batch_size", batch_size)
    data = as_sequence_set(data)
    check_not_empty(data)
    return predict_outputs(logits_of, model, data, batch_size, output)


def predict_outputs(
    outputs_of: Callable[[nn.Module, Float[Tensor, "batch 4 length"]], Tensor],
    model: nn.Module,
    data: SequenceSet,
    batch_size: int,
    output: Scale,
) -> np.ndarray:
    """Predict every sequence with ``outputs_of(model, x)``, on a scale that the model has."""
    with evaluating(model), one_warning():  # all batches see the same weights, even if another thread trains the model
        batches = map_batches(partial(outputs_of, model), model, data.codes, batch_size)
        outputs = concatenate_batches(batches, len(data))
    warn_of_nan(int(outputs.isnan().flatten(1).any(dim=1).sum()), len(data))
    outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))  # half precision rounds sigmoids to 1
    return to_numpy(outputs.sigmoid() if output == "probability" else outputs)


def count_outputs(model: nn.Module, length: int) -> int:
    """Number of logits per sequence of ``length`` bp, from a prediction for one sequence of unknown bases."""
    return predict(model, np.full((1, length), UNKNOWN, dtype=np.uint8)).shape[1]


def map_batches(
    function: Callable[[Float[Tensor, "batch 4 length"]], Tensor],
    model: nn.Module,
    codes: UInt8[np.ndarray, "sequences length"],
    batch_size: int,
) -> Iterator[Tensor]:
    """Yield ``function(x)`` for every batch of one-hot sequences; the model is in evaluation mode, without gradients.

    Between two batches the model's modes are restored and its lock is free. A caller for whom all batches must see
    the same weights, even if another thread trains the model, holds ``evaluating(model)`` around the loop.
    """
    for start in range(0, len(codes), batch_size):
        batch = codes[start : start + batch_size]
        with evaluating(model), threads_for(model, batch.size):
            result = function(one_hot_batch(batch, model))
        yield result


def one_hot_batch(codes: UInt8[np.ndarray, "batch length"], model: nn.Module) -> Float[Tensor, "batch 4 length"]:
    """One-hot floats of one batch on the model's device and in its dtype; an N is an all-zero column."""
    device, dtype = device_and_dtype(model)
    letters = torch.from_numpy(np.array(codes)).to(device)  # a copy: views may run backwards, read-only arrays warn
    bases = torch.arange(4, dtype=torch.uint8, device=device)
    return (letters[:, None, :] == bases[:, None]).to(dtype)


def concatenate_batches(batches: Iterable[Tensor], n_rows: int) -> Tensor:
    """Write the results of batches, at least one, into one tensor as they are computed.

    A list of them would do, but each small result that is kept occupies a part of the large buffer of its batch, which
    the allocator then cannot reuse for the next: memory would grow by a buffer per batch.
    """
    result, first = None, 0
    for batch in batches:
        values = batch.detach()
        if result is None:
            result = values.new_empty((n_rows, *values.shape[1:]))
        result[first : first + len(values)] = values
        first += len(values)
    assert result is not None
    assert first == n_rows
    return result


def to_numpy(tensor: Tensor) -> np.ndarray:
    """Bring a tensor to NumPy, in float32 if its own floating-point type is narrower."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor).numpy()
