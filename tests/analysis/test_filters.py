"""Filters as matrices: mean-centring keeps outputs, and the bank knows its strands."""

import logomaker
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rcviz import filter_bank, mean_center, one_hot


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 9))
def test_mean_centring_keeps_the_convolution_on_one_hot_dna(seed, n_filters, width):
    rng = np.random.default_rng(seed)
    weights, bias = rng.normal(size=(n_filters, 4, width)), rng.normal(size=n_filters)
    x = torch.from_numpy(one_hot(rng.integers(0, 4, (3, 20), dtype=np.uint8), dtype="float64"))
    centred, moved = mean_center(weights, bias)
    np.testing.assert_allclose(centred.sum(axis=1), 0, atol=1e-12)
    before = F.conv1d(x, torch.from_numpy(weights), torch.from_numpy(bias))
    after = F.conv1d(x, torch.from_numpy(centred), torch.from_numpy(moved))
    torch.testing.assert_close(after, before, atol=1e-12, rtol=1e-12)


def test_mean_centring_does_not_keep_outputs_over_n():
    """An N is an all-zero column, over which the mean is added to the bias all the same."""
    weights, bias = mean_center(np.ones((1, 4, 1)), np.zeros(1))
    assert bias[0] == 1
    assert weights.sum() == 0


def test_mean_centring_by_hand():
    weights = np.array([[[1.0, 0], [2, 0], [3, 0], [6, 8]]])
    centred, bias = mean_center(weights, np.array([0.5]))
    np.testing.assert_allclose(centred[0], [[-2, -2], [-1, -2], [0, -2], [3, 6]])
    assert bias[0] == 0.5 + 3 + 2
    assert mean_center(weights)[1] is None


@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
def test_expanded_filters_are_those_that_the_layer_scans_with(make_model, architecture):
    model = make_model(architecture)
    bank = filter_bank(model)
    scanned = model.conv1.expanded_weight() if architecture == "revcomp" else model.conv1.weight
    np.testing.assert_allclose(bank.expanded, mean_center(scanned.detach().double().numpy())[0], atol=1e-12)
    assert (len(bank), bank.width, bank.layer, bank.tied) == (3, 7, "conv1", architecture == "revcomp")


def test_logomaker_takes_a_filter_in_one_call(make_model):
    bank = filter_bank(make_model())
    logo = logomaker.Logo(bank.frame(2))
    np.testing.assert_allclose(logo.df.to_numpy(), bank.weights[2].T)
    with pytest.raises(ValueError, match="there is no filter 3; the filters are 0 to 2"):
        bank.frame(3)


def test_table_names_the_preferred_bases():
    layer = nn.Conv1d(4, 1, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[0.0, 5, 0], [1, 0, 0], [0, 0, 0], [0, 0, 2]]]))
    assert filter_bank(nn.Sequential(layer)).table["consensus"].tolist() == ["CAT"]


def test_bank_leaves_the_model_as_found(make_model, same_weights):
    model = make_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    bank = filter_bank(model)
    bank.weights[:] = 0
    assert same_weights(model.state_dict(), before)
    assert model.training


def test_plot_draws_every_filter(make_model):
    assert filter_bank(make_model()).plot().collections


def test_refusals(make_model):
    model = make_model(kernel_sizes=(7, 5), pool_size=5, pool_stride=5)
    with pytest.raises(ValueError, match="conv2 reads 6 channels of the layer before it, not the 4 bases"):
        filter_bank(model, layer="conv2")
    with pytest.raises(ValueError, match="relu1 is a ReLU"):
        filter_bank(model, layer=model.relu1)
    with pytest.raises(ValueError, match="no layer named 'conv9'; its layers are: conv1, norm1"):
        filter_bank(model, layer="conv9")
    with pytest.raises(ValueError, match="has no one-dimensional convolution"):
        filter_bank(nn.Sequential(nn.Flatten(), nn.Linear(8, 1)))
    with pytest.raises(ValueError, match=r"expected filters \(..., 4, width\)"):
        mean_center(np.zeros((3, 5, 4, 7))[:, 0].swapaxes(1, 2))
