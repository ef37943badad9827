"""The one loop over batches."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

from rcviz.models.prediction import concatenate_batches, map_batches, one_hot_batch
from rcviz.models.runtime import evaluating


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_batches_are_concatenated_without_their_graph(dtype):
    batches = [torch.randn(n, 3, dtype=dtype, requires_grad=True) for n in (4, 4, 1)]
    whole = concatenate_batches(iter(batches), 9)
    assert torch.equal(whole, torch.cat(batches))
    assert whole.dtype == dtype
    assert not whole.requires_grad


def test_a_batch_has_the_dtype_of_the_model():
    model = nn.Linear(1, 1).double()
    batch = one_hot_batch(np.array([[0, 3, 4]], np.uint8), model)
    assert batch.tolist() == [[[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0]]]


def test_batches_together_are_the_whole(make_model, toy):
    """Every batch in evaluation mode; between two of them the model's mode is restored and its lock is free."""
    model = make_model().train()
    modes = []

    def compute(x):
        modes.append(model.training)
        return x.sum(2)

    def lock_is_free():
        thread = threading.Thread(target=lambda: evaluating(model).__enter__(), daemon=True)
        thread.start()
        thread.join(30)
        return not thread.is_alive()

    batches = map_batches(compute, model, toy.codes[:50], 20)
    first = next(batches)
    assert model.training
    assert lock_is_free()
    model.train()
    whole = torch.cat([first, *batches])
    assert modes == [False] * 3
    assert torch.equal(whole, torch.from_numpy(toy.one_hot(slice(0, 50))).sum(2))


def test_an_error_in_a_batch_restores_the_mode(make_model, toy):
    model = make_model().train()
    with pytest.raises(ZeroDivisionError):
        next(map_batches(lambda x: x / (1 // 0), model, toy.codes, 20))
    assert all(module.training for module in model.modules())
