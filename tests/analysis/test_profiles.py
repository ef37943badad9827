"""Profiles of activation: centres by hand, means against a loop over neurons, and the same from the other strand."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rcviz import RevCompConv1d, one_hot, reverse_complement
from rcviz.analysis.profiles import ActivationProfiles, activation_profiles

SINGLE = {"rtol": 2**-22, "atol": 1e-7}  # profiles are stored as float32


def network(convolution, seed=0):
    """One convolution with its ReLU and something that gives a logit."""
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.LazyLinear(1)).double()
    with torch.no_grad():
        for parameter in convolution.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model


def sequences(n, length, seed=1, letters=4):
    return np.random.default_rng(seed).integers(0, letters, (n, length), dtype=np.uint8)


def neurons(model, codes):
    """Activations in float64; a tied filter's two channels, i and 2F-1-i, are added."""
    with torch.no_grad():
        values = model[:2](torch.from_numpy(one_hot(codes, dtype="float64"))).numpy()
    if not isinstance(model[0], RevCompConv1d):
        return values
    channels = values.shape[1]
    return np.stack([values[:, i] + values[:, channels - 1 - i] for i in range(channels // 2)], axis=1)


def means_by_loop(values, centers, edges):
    """Mean of the neurons in each of equal bins, one on the bound of two counting half in each; in exact fractions."""
    bins, first, last = len(edges) - 1, Fraction(edges[0]), Fraction(edges[-1])
    bounds = [first + (last - first) * Fraction(j, bins) for j in range(bins + 1)]
    means = []
    for start, end in pairwise(bounds):
        weights = [(start < c < end) + Fraction(c in (start, end), 2) for c in map(Fraction, centers)]
        assert sum(weights) > 0, "no bin is empty"
        means.append(sum(values[:, :, p] * float(w) for p, w in enumerate(weights)) / float(sum(weights)))
    return np.stack(means, axis=2)


# Settings, length of the sequences, and the centre of the windows of the neurons, counted by hand: a window that covers
# the bases 0, 1 and 2 reaches from 0 to 3 bp and has its centre at 1.5.
CENTERS = {
    "valid": ({"kernel_size": 3}, 7, [1.5, 2.5, 3.5, 4.5, 5.5]),
    "an even width": ({"kernel_size": 4}, 7, [2, 3, 4, 5]),
    "stride": ({"kernel_size": 3, "stride": 2}, 9, [1.5, 3.5, 5.5, 7.5]),
    "dilation": ({"kernel_size": 3, "dilation": 2}, 8, [2.5, 3.5, 4.5, 5.5]),
    "padding": ({"kernel_size": 3, "padding": 2}, 4, [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5]),
    "padding and stride": ({"kernel_size": 4, "stride": 3, "padding": 1}, 8, [1, 4, 7]),
    "same": ({"kernel_size": 5, "padding": "same"}, 6, [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]),
    "same and dilated": ({"kernel_size": 3, "dilation": 2, "padding": "same"}, 6, [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]),
}
# torch pads an even width by one zero more at the right: neuron 0 reads the bases -1, 0, 1, 2 with its centre at 1.
ONLY_PLAIN = {"same and even": ({"kernel_size": 4, "padding": "same"}, 5, [1, 2, 3, 4, 5])}
CASES = [(layer, *case) for layer in (nn.Conv1d, RevCompConv1d) for case in CENTERS.values()]
CASES += [(nn.Conv1d, *case) for case in ONLY_PLAIN.values()]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(("layer", "options", "length", "centers"), CASES)
def test_windows_are_centred_where_they_are_by_hand(layer, options, length, centers):
    model, codes = network(layer(4, 3, **options)), sequences(5, length)
    values = neurons(model, codes)
    assert values.shape[2] == len(centers)
    # As many stretches as neurons: each has its own, with the centre in the middle.
    profiles = activation_profiles(model, codes, bins=100)
    np.testing.assert_allclose((profiles.edges[:-1] + profiles.edges[1:]) / 2, centers, atol=1e-12)
    np.testing.assert_allclose(np.diff(profiles.edges), options.get("stride", 1), atol=1e-12)
    np.testing.assert_allclose(profiles.binned, values, **SINGLE)
    for bins in range(1, len(centers) + 1):
        profiles = activation_profiles(model, codes, bins=bins)
        assert len(profiles.edges) == bins + 1
        np.testing.assert_allclose(profiles.binned, means_by_loop(values, centers, profiles.edges), **SINGLE)


@settings(max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([nn.Conv1d, RevCompConv1d]),
    st.integers(1, 7),
    st.integers(1, 4),
    st.integers(0, 40),
    st.integers(1, 45),
)
def test_means_are_those_of_a_loop_over_neurons(seed, layer, width, stride, steps, bins):
    length = width + stride * steps
    model, codes = network(layer(4, 2, width, stride=stride), seed), sequences(4, length, seed, letters=5)
    centers = [p * stride + width / 2 for p in range(steps + 1)]
    profiles = activation_profiles(model, codes, bins=bins)
    assert profiles.binned.shape == (4, 2, min(bins, steps + 1))
    assert (np.diff(profiles.edges) > 0).all()
    np.testing.assert_allclose(np.diff(profiles.edges), np.diff(profiles.edges)[0])
    assert profiles.edges[0] == centers[0] - stride / 2
    assert profiles.edges[-1] == centers[-1] + stride / 2
    expected = means_by_loop(neurons(model, codes), centers, profiles.edges)
    np.testing.assert_allclose(profiles.binned, expected, **SINGLE)


def test_a_motif_shows_where_it_is():
    """GATAAG at 20 to 26 on the forward strand of one half, at 40 to 46 on the reverse strand of the other."""
    convolution = RevCompConv1d(4, 1, 6)
    model = network(convolution)
    with torch.no_grad():
        convolution.weight.fill_(-1)
        convolution.weight[0, [2, 0, 3, 0, 0, 2], range(6)] = 1
        convolution.bias.fill_(-5)
    codes = np.full((10, 65), 1, np.uint8)
    codes[:5, 20:26] = [2, 0, 3, 0, 0, 2]
    codes[5:, 40:46] = reverse_complement(np.uint8([2, 0, 3, 0, 0, 2]))
    profiles = activation_profiles(model, codes, bins=60)
    first = np.arange(10) < 5
    for chosen, center in ((first, 23), (~first, 43)):
        mean = profiles.mean(0, chosen)
        (place,) = np.flatnonzero(mean)
        assert mean[place] == 1
        assert profiles.edges[place] < center < profiles.edges[place + 1]
    np.testing.assert_array_equal(profiles.mean(0), (profiles.mean(0, first) + profiles.mean(0, ~first)) / 2)


@pytest.mark.parametrize(
    ("n_positions", "bins"),
    [(40, 40), (41, 41), (40, 8), (45, 9), (45, 5), (46, 46), (47, 1), (40, 7), (48, 40), (50, 9), (3, 2), (45, 30)],
)
@pytest.mark.parametrize("width", [6, 7])
def test_the_other_strand_of_the_data_has_the_mirrored_profile(n_positions, bins, width):
    """Bins of equally many neurons or not, and neurons on their bounds; odd and even numbers of each and of bp."""
    length = n_positions + width - 1
    model, codes = network(RevCompConv1d(4, 3, width)), sequences(6, length)
    forward = activation_profiles(model, codes, bins=bins)
    reverse = activation_profiles(model, reverse_complement(codes), bins=bins)
    np.testing.assert_allclose(reverse.binned, forward.binned[:, :, ::-1], **SINGLE)
    np.testing.assert_allclose(length - reverse.edges[::-1], forward.edges, atol=1e-9)
    assert not np.allclose(forward.mean(0), forward.mean(0)[::-1]) or bins == 1


def test_at_convolution_takes_what_comes_before_the_nonlinearity(make_model, toy):
    model = make_model().double()
    with torch.no_grad():
        values = model.conv1(torch.from_numpy(one_hot(toy.codes, dtype="float64"))).numpy()
    values = values[:, :3] + values[:, :2:-1]
    profiles = activation_profiles(model, toy, at="convolution", bins=54)
    np.testing.assert_allclose(profiles.binned, values, **SINGLE)
    assert (values < 0).any()


def test_an_in_place_nonlinearity_after_the_convolution_does_no_harm():
    model, codes = network(nn.Conv1d(4, 2, 5)), sequences(6, 30)
    expected = activation_profiles(model, codes, at="convolution").binned
    model[1] = nn.ReLU(inplace=True)
    np.testing.assert_array_equal(activation_profiles(model, codes, at="convolution").binned, expected)
    assert (expected < 0).any()


@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
def test_at_activation_takes_the_blocks_output_in_evaluation_mode(make_model, toy, architecture, same_weights):
    model = make_model(architecture).double()
    for _ in range(3):  # running statistics that are neither 0 and 1 nor those of the data
        model(torch.from_numpy(toy.one_hot(slice(0, 30))).double())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    profiles = activation_profiles(model, toy, layer=model.conv1, bins=54)
    assert model.training
    assert model.norm1.training
    assert same_weights(model.state_dict(), before)
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    model.eval()
    with torch.no_grad():
        values = model[:3](torch.from_numpy(one_hot(toy.codes, dtype="float64"))).numpy()
    if architecture == "revcomp":
        values = values[:, :3] + values[:, :2:-1]
    np.testing.assert_allclose(profiles.binned, values, **SINGLE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_models_of_other_precision(dtype):
    model, codes = network(nn.Conv1d(4, 3, 5)), sequences(6, 30)
    exact = activation_profiles(model, codes, bins=7)
    np.testing.assert_allclose(
        activation_profiles(model.to(dtype), codes, bins=7).binned,
        exact.binned,
        rtol=2.0**-6,
        atol=0.05 if dtype is torch.bfloat16 else 0.005,
    )


def test_batches_do_not_matter(make_model, toy):
    model = make_model()
    whole = activation_profiles(model, toy)
    for batch_size in (1, 7, 120):
        parts = activation_profiles(model, toy, batch_size=batch_size)
        np.testing.assert_allclose(parts.binned, whole.binned, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(parts.edges, whole.edges)


def test_means_and_table_do_not_add_up_in_single_precision():
    """Above 2**24 a number in single precision cannot grow by one; the mean of a million equal ones must not change."""
    profiles = ActivationProfiles(np.full((1_000_000, 1, 1), 40.1, np.float32), np.array([0.0, 4]))
    assert profiles.mean(0)[0] == pytest.approx(np.float32(40.1), rel=1e-12)
    assert profiles.table["activation"][0] == pytest.approx(np.float32(40.1), rel=1e-12)
    assert profiles.mean(0, np.arange(1_000_000) < 3)[0] == np.float32(40.1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_exponential_activations_stay_finite(dtype):
    """Half precision ends at 65,504 = exp(11.09); 20 neurons of exp(14) are in a bin."""
    convolution = nn.Conv1d(4, 1, 1)
    model = nn.Sequential(convolution, Exponential(), nn.AdaptiveAvgPool1d(1), nn.Flatten()).to(dtype)
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.bias.fill_(14)
    profiles = activation_profiles(model, sequences(2, 40), bins=2)
    np.testing.assert_allclose(profiles.binned, np.exp(14), rtol=1e-6 if dtype is not torch.bfloat16 else 0.01)


def test_the_table_has_a_row_per_filter_and_bin():
    convolution = nn.Conv1d(4, 2, 3)
    model = network(convolution)
    with torch.no_grad():
        convolution.weight.fill_(0)
        convolution.bias.copy_(torch.tensor([1.0, 20]))
    expected = pd.DataFrame(
        {
            "filter": [0, 0, 1, 1],
            "start": [1.0, 3.0, 1.0, 3.0],
            "end": [3.0, 5.0, 3.0, 5.0],
            "activation": [1.0, 1.0, 20.0, 20.0],
        }
    )
    pd.testing.assert_frame_equal(activation_profiles(model, np.zeros((3, 6), np.uint8), bins=2).table, expected)


class Exponential(nn.Module):
    def forward(self, x):
        return torch.exp(x)


@pytest.mark.usefixtures("as_users_run")
def test_a_mean_is_over_the_sequences_of_a_mask_and_never_over_zeros_and_ones_as_indices():
    profiles = ActivationProfiles(np.float32([[[1.0]], [[2.0]], [[6.0]]]), np.array([0.0, 1.0]))
    mask = np.array([True, False, True])
    assert profiles.mean(0, mask) == 3.5
    with pytest.raises(ValueError, match="mask"):
        profiles.mean(0, mask.astype(int))


def test_plot_draws_the_mean_of_one_filter():
    model, codes = network(nn.Conv1d(4, 3, 5)), sequences(20, 30)
    profiles = activation_profiles(model, codes, bins=6)
    (steps,) = profiles.plot(filter=2).patches
    np.testing.assert_array_equal(steps.get_data().values, profiles.mean(2))
    np.testing.assert_array_equal(steps.get_data().edges, profiles.edges)


def test_refusals(as_users_run, make_model, toy):
    model = make_model(kernel_sizes=(7, 5), pool_size=5, pool_stride=5)
    profiles = activation_profiles(model, toy, bins=3)
    with pytest.raises(ValueError, match="no sequences"):
        profiles.mean(0, np.zeros(120, bool))
    with pytest.raises(ValueError, match="no filter 3: choose 0 to 2"):
        profiles.mean(3)
    with pytest.raises(ValueError, match="no filter -1"):
        profiles.plot(filter=-1)
    with pytest.raises(ValueError, match="no sequences"):
        activation_profiles(model, np.zeros((0, 60), np.uint8))
    with pytest.raises(ValueError, match="bins"):
        activation_profiles(model, toy, bins=0)
    with pytest.raises(ValueError, match="batch_size"):
        activation_profiles(model, toy, batch_size=0)
    with pytest.raises(ValueError, match=r"at must be .*activation.*convolution"):
        activation_profiles(model, toy, at="relu")
    with pytest.raises(ValueError, match="no layer named 'conv9'"):
        activation_profiles(model, toy, layer="conv9")
    with pytest.raises(ValueError, match="relu1 is a ReLU"):
        activation_profiles(model, toy, layer="relu1")
    with pytest.raises(ValueError, match="conv2 does not read the sequence itself"):
        activation_profiles(model, toy, layer="conv2")
    with pytest.raises(ValueError, match="has no one-dimensional convolution"):
        activation_profiles(nn.Sequential(nn.Flatten(), nn.Linear(240, 1)), toy)
    assert not any(module._forward_hooks for module in model.modules())
