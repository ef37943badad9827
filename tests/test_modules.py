"""Models are left as found."""

import pytest
import torch
from torch import nn

from rcviz.modules import evaluating, exact_arithmetic, find_module, one_hot_batch, place


def test_every_part_gets_its_own_mode_back():
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.ReLU(), nn.BatchNorm1d(3)))
    model[1][1].eval()
    with pytest.raises(RuntimeError), evaluating(model):
        assert not any(module.training for module in model.modules())
        raise RuntimeError
    assert [module.training for module in model.modules()] == [True, True, True, True, False]


def settings():
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return cudnn.deterministic, cudnn.benchmark, cudnn.conv.fp32_precision, matmul.fp32_precision


@pytest.mark.parametrize("chosen", ["none", "tf32", "ieee"])
def test_exact_arithmetic_gives_the_settings_back(chosen):
    matmul = torch.backends.cuda.matmul
    found = matmul.fp32_precision
    try:
        matmul.fp32_precision = chosen
        before = settings()
        with pytest.raises(RuntimeError), exact_arithmetic():
            assert settings() == (True, False, "ieee", "ieee")
            raise RuntimeError
        assert settings() == before
    finally:
        matmul.fp32_precision = found


def test_the_older_switches_can_still_be_read_afterwards():
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with exact_arithmetic():
        pass
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before


def test_parts_are_found_by_name_and_by_module():
    model = nn.Sequential(nn.Sequential(nn.ReLU()))
    assert find_module(model, "0.0") == ("0.0", model[0][0])
    assert find_module(model, model[0][0]) == ("0.0", model[0][0])
    with pytest.raises(ValueError, match=r"no layer that is the given Tanh; its layers are: 0, 0\.0"):
        find_module(model, nn.Tanh())


def test_a_batch_goes_where_the_model_is():
    import numpy as np

    model = nn.Linear(1, 1).double()
    assert place(model) == (torch.device("cpu"), torch.float64)
    assert place(nn.ReLU()) == (torch.device("cpu"), torch.float32)
    batch = one_hot_batch(np.array([[0, 3, 4]], np.uint8), model)
    assert batch.tolist() == [[[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0]]]
