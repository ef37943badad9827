"""RevCompConv1d against section 3.1.1: the filters, then their reverse complements in the opposite order."""

import itertools

import numpy as np
import oracles
import pytest
import torch
from drawn import TOLERANCE, filled, numbers
from torch.nn.functional import conv1d

import rcviz

# ---------------------------------------------------------------- the oracle itself


def test_oracle_finds_a_word_on_either_strand():
    """ACG stands on the reverse strand wherever CGT stands on the forward one."""
    word = np.zeros((2, 4, 3))
    for filter_index, letters in enumerate(("ACG", "AAA")):
        for position, letter in enumerate(letters):
            word[filter_index, "ACGT".index(letter), position] = 1.0
    x = np.zeros((1, 4, 9))
    for position, letter in enumerate("TTCGTAACG"):
        x[0, "ACGT".index(letter), position] = 1.0
    hits = oracles.conv_revcomp(x, word) == 3.0
    assert hits.shape == (1, 4, 7)
    assert np.argwhere(hits[0]).tolist() == [[0, 6], [3, 2]]


def test_oracle_reads_the_opposite_strand():
    """Channel 2F-1-f at position p is filter f on the other strand at position l-1-p."""
    x, w, b = numbers(2, 6, 11), numbers(3, 6, 4, seed=2), numbers(3, seed=3)
    there = oracles.conv_standard(oracles.opposite_strand(x), w, b)
    y = oracles.conv_revcomp(x, w, b)
    for f, p in itertools.product(range(3), range(8)):
        np.testing.assert_allclose(y[:, 5 - f, p], there[:, f, 7 - p], atol=1e-12)


def test_oracle_agrees_with_torch_on_written_out_weights():
    x, w, b = numbers(2, 4, 12), numbers(2, 4, 3, seed=2), numbers(2, seed=3)
    full = np.zeros((4, 4, 3))
    for f, c, k in itertools.product(range(2), range(4), range(3)):
        full[f, c, k] = w[f, c, k]
        full[3 - f, 3 - c, 2 - k] = w[f, c, k]
    bias = torch.tensor([b[0], b[1], b[1], b[0]])
    for stride, dilation, pad in ((1, 1, 0), (3, 1, 0), (1, 2, 2)):
        torchs = conv1d(torch.tensor(x), torch.tensor(full), bias, stride, pad, dilation)
        ours = oracles.conv_revcomp(x, w, b, stride, dilation, (pad, pad))
        np.testing.assert_allclose(ours, torchs.numpy(), atol=1e-12)


# ---------------------------------------------------------------- values


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("channels", "n_filters", "kernel", "stride", "dilation", "length"),
    [
        (4, 1, 1, 1, 1, 1),
        (4, 2, 3, 1, 1, 10),
        (4, 3, 4, 1, 1, 11),
        (6, 3, 5, 2, 1, 13),
        (2, 1, 4, 3, 1, 10),
        (8, 2, 3, 1, 3, 12),
        (4, 5, 2, 2, 4, 13),
        (10, 1, 7, 1, 1, 7),
    ],
)
def test_matches_oracle(channels, n_filters, kernel, stride, dilation, length, bias, dtype):
    layer = rcviz.RevCompConv1d(channels, n_filters, kernel, stride=stride, dilation=dilation, bias=bias)
    filled(layer, dtype=dtype)
    x = torch.tensor(numbers(3, channels, length), dtype=dtype)
    want = oracles.conv_revcomp(
        x.numpy(),
        layer.weight.detach().numpy(),
        layer.bias.detach().numpy() if bias else None,
        stride,
        dilation,
    )
    y = layer(x)
    assert y.dtype == dtype
    assert y.shape == want.shape == (3, 2 * n_filters, want.shape[2])
    np.testing.assert_allclose(y.detach().numpy(), want, atol=TOLERANCE[dtype])


@pytest.mark.parametrize(
    ("kernel", "dilation", "length"), [(1, 1, 6), (3, 1, 9), (5, 1, 8), (3, 2, 9), (4, 2, 12), (2, 2, 7)]
)
def test_same_padding_matches_oracle(kernel, dilation, length):
    """An odd effective width leaves as much on the left as on the right, whatever the number of taps."""
    layer = filled(rcviz.RevCompConv1d(4, 3, kernel, padding="same", dilation=dilation))
    pad = dilation * (kernel - 1) // 2
    x = torch.tensor(numbers(2, 4, length))
    want = oracles.conv_revcomp(
        x.numpy(), layer.weight.detach().numpy(), layer.bias.detach().numpy(), 1, dilation, (pad, pad)
    )
    y = layer(x).detach().numpy()
    assert y.shape == (2, 6, length)
    np.testing.assert_allclose(y, want, atol=1e-12)


@pytest.mark.parametrize(("padding", "stride", "length"), [(2, 1, 5), (3, 2, 10), (1, 3, 11)])
def test_padding_by_a_number_matches_oracle(padding, stride, length):
    """So many zeros at either end, also with strides (4 taps: length + 2 * padding - 4 is a whole number of them)."""
    layer = filled(rcviz.RevCompConv1d(4, 3, 4, padding=padding, stride=stride))
    assert (length + 2 * padding - 4) % stride == 0
    x = numbers(2, 4, length)
    parts = (layer.weight.detach().numpy(), layer.bias.detach().numpy())
    want = oracles.conv_revcomp(x, *parts, stride, 1, (padding, padding))
    y = layer(torch.tensor(x)).detach().numpy()
    assert y.shape == want.shape
    np.testing.assert_allclose(y, want, atol=1e-12)


def test_two_layers_match_oracle():
    """The second layer needs its weights reversed along the channels as well."""
    one, two = filled(rcviz.RevCompConv1d(4, 3, 3)), filled(rcviz.RevCompConv1d(6, 2, 4), seed=5)
    x = numbers(2, 4, 14)
    parts = [parameter.detach().numpy() for parameter in (one.weight, one.bias, two.weight, two.bias)]
    want = oracles.conv_revcomp(oracles.conv_revcomp(x, *parts[:2]), *parts[2:])
    np.testing.assert_allclose(two(one(torch.tensor(x))).detach().numpy(), want, atol=1e-12)


# ---------------------------------------------------------------- storage


def test_expanded_tensors():
    layer = filled(rcviz.RevCompConv1d(6, 5, 4))
    weight, bias = layer.expanded_weight().detach(), layer.expanded_bias().detach()
    assert weight.shape == (10, 6, 4)
    assert bias.shape == (10,)
    for f in range(5):
        assert bias[f] == bias[9 - f] == layer.bias[f]
        for c, k in itertools.product(range(6), range(4)):
            assert weight[f, c, k] == weight[9 - f, 5 - c, 3 - k] == layer.weight[f, c, k]


def test_expanded_weight_follows_the_stored_one():
    """Nothing is cached: a changed weight is seen by the next forward pass."""
    layer = filled(rcviz.RevCompConv1d(4, 2, 3))
    x = torch.tensor(numbers(1, 4, 6))
    before = layer(x).detach()
    with torch.no_grad():
        layer.weight.mul_(2.0)
        layer.bias.mul_(2.0)
    torch.testing.assert_close(layer(x).detach(), 2 * before)


# ---------------------------------------------------------------- refusals


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("sizes", "settings", "message"),
    [
        ((5, 3, 3), {}, "even.* 5"),
        ((0, 3, 3), {}, "even.* 0"),
        ((4, 0, 3), {}, "n_filters .*0"),
        ((4, -2, 3), {}, "n_filters .*-2"),
        ((4, 3, 0), {}, "kernel_size .*0"),
        ((4, 3, 3), {"stride": 0}, "stride .*0"),
        ((4, 3, 3), {"dilation": 0}, "dilation .*0"),
        ((4, 3, 2), {"padding": "same"}, "padding='same'"),
        ((4, 3, 4), {"padding": "same"}, "padding='same'"),
        ((4, 3, 4), {"padding": "same", "dilation": 3}, "padding='same'"),
        ((4, 3, 3), {"padding": "same", "stride": 2}, "stride"),
        ((4, 3, 3), {"padding": "full"}, "padding .*valid.*same"),
        ((4, 3, 3), {"padding": -1}, "padding .*-1"),
        ((4, 3, 3), {"initializer": "he"}, "initializer .*glorot.*keras1"),
    ],
)
def test_settings_that_break_the_symmetry_or_do_not_exist_are_refused(sizes, settings, message):
    with pytest.raises(ValueError, match=message):
        rcviz.RevCompConv1d(*sizes, **settings)


@pytest.mark.parametrize(
    ("settings", "shape", "message"),
    [
        ({}, (2, 30, 4), "channels are last"),
        ({}, (2, 6, 30), "4.*6"),
        ({}, (2, 4, 2), "3 positions.*length of 2"),
        ({"stride": 2}, (1, 4, 10), "stride"),
        ({"stride": 2, "dilation": 3}, (1, 4, 10), "stride"),  # an effective width of 7
    ],
)
def test_inputs_that_do_not_fit_are_refused(settings, shape, message):
    layer = rcviz.RevCompConv1d(4, 3, 3, **settings)
    assert layer(torch.zeros(1, 4, 9)).shape[:2] == (1, 6)
    with pytest.raises(ValueError, match=message):
        layer(torch.zeros(shape))
