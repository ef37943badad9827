"""The one loop over batches: sequences become one-hot tensors, and the results of all batches one array."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from rcviz.models.outputs import logits_of
from rcviz.models.runtime import device_and_dtype, evaluating, exact_arithmetic


def map_batches(
    function: Callable[[Float[Tensor, "batch 4 length"]], Tensor],
    model: nn.Module,
    codes: UInt8[np.ndarray, "sequences length"],
    batch_size: int,
) -> Iterator[Tensor]:
    """Yield ``function(x)`` for every batch of one-hot sequences, computed with the model in evaluation mode.

    Between two batches the model's modes are restored and its lock is free. A caller for whom all batches must see
    the same weights, even if another thread trains the model, holds ``evaluating(model)`` around the loop.
    """
    for start in range(0, len(codes), batch_size):
        with evaluating(model), exact_arithmetic():
            result = function(one_hot_batch(codes[start : start + batch_size], model))
        yield result


def batches_of_logits(
    model: nn.Module, codes: UInt8[np.ndarray, "sequences length"], batch_size: int
) -> Iterator[Float[Tensor, "batch tasks"]]:
    """Yield the model's logits batch by batch, without gradients."""
    return map_batches(torch.no_grad()(lambda x: logits_of(model, x)), model, codes, batch_size)


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
    """Bring a tensor to NumPy, which has no bfloat16."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
