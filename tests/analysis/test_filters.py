"""Filters as matrices: mean-centring keeps outputs, and the bank knows its strands."""

import dataclasses

import logomaker
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import rcviz
from rcviz import FilterBank, filter_bank, mean_center, one_hot
from rcviz.analysis.filters import weights_as_motif
from rcviz.layers.conv import RevCompConv1d
from rcviz.motifs.motif import Motif


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
    with pytest.raises(ValueError, match="no filter 3: choose 0 to 2"):
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


class Standardised(nn.Conv1d):
    """A convolution that standardises its weights in forward, as in networks with weight standardisation."""

    def forward(self, x):
        weight = self.weight - self.weight.mean(dim=(1, 2), keepdim=True)
        weight = weight / (weight.std(dim=(1, 2), keepdim=True) + 1e-5)
        return F.conv1d(x, weight, bias=self.bias, padding=self.padding[0])


class Positive(RevCompConv1d):
    """A tied layer whose filters are exponentials of what is stored."""

    def expanded_weight(self):
        return super().expanded_weight().exp()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", [Standardised, Positive])
def test_filters_of_a_custom_class_are_those_that_it_scans_with(kind, bias):
    """Its outputs on one-hot DNA are those of a plain convolution with the filters of the bank."""
    torch.manual_seed(0)
    layer = kind(4, 3, 5, padding=2, bias=bias).double().train()
    bank = filter_bank(nn.Sequential(layer))
    assert layer.training
    x = torch.from_numpy(one_hot(["ACGTTGCATGCCATGAATCA"], dtype="float64"))
    with torch.no_grad():
        outputs = layer(x)[:, :3, 2:-2]  # windows inside the sequence
    expected = F.conv1d(x, torch.from_numpy(bank.weights), torch.from_numpy(bank.bias))
    torch.testing.assert_close(outputs, expected, atol=1e-12, rtol=0)


def test_plot_draws_every_filter(make_model):
    assert filter_bank(make_model()).plot().collections


def test_refusals(make_model):
    model = make_model(kernel_sizes=(7, 5), pool_size=5, pool_stride=5)
    with pytest.raises(ValueError, match="conv2 reads 6 channels"):
        filter_bank(model, layer="conv2")
    with pytest.raises(ValueError, match="relu1 is a ReLU"):
        filter_bank(model, layer=model.relu1)
    with pytest.raises(ValueError, match="no layer named 'conv9'; its layers are: conv1, norm1"):
        filter_bank(model, layer="conv9")
    with pytest.raises(ValueError, match="has no one-dimensional convolution"):
        filter_bank(nn.Sequential(nn.Flatten(), nn.Linear(8, 1)))
    with pytest.raises(ValueError, match=r"expected filters \(..., 4, width\)"):
        mean_center(np.zeros((3, 5, 4, 7))[:, 0].swapaxes(1, 2))


def bits(probabilities):
    """Information of each column, from its definition: sum of p log2(p / 0.25)."""
    return [sum(p * np.log2(p / 0.25) for p in column if p > 0) for column in probabilities.T]


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(1e-6, 1e6))
def test_weights_as_probabilities(seed, width, scale):
    """The definition: exp(a weight) in proportion, with one a for all columns, the strongest column having 1.5 bits."""
    rng = np.random.default_rng(seed)
    weights = rng.permuted(np.tile(np.arange(4.0)[:, None], width), axis=0) + rng.uniform(-0.4, 0.4, (4, width))
    motif = weights_as_motif(weights)
    p = motif.probabilities
    assert max(bits(p)) == pytest.approx(1.5, abs=1e-6)
    np.testing.assert_array_equal(np.argsort(p, axis=0), np.argsort(weights, axis=0))
    differences = np.log(p) - np.log(p).mean(axis=0)
    centred = weights - weights.mean(axis=0)
    np.testing.assert_allclose(differences, centred * (differences[0, 0] / centred[0, 0]), rtol=1e-6, atol=1e-9)
    # Neither the scale of the weights nor what is added to a whole column means anything.
    shift = rng.normal(size=width)
    np.testing.assert_allclose(weights_as_motif(scale * (weights + shift)).probabilities, p, atol=1e-6)
    np.testing.assert_allclose(weights_as_motif(weights[::-1, ::-1]).probabilities, p[::-1, ::-1], atol=1e-12)


def test_motifs_of_weights_can_be_written_and_read(make_model, tmp_path):
    bank = filter_bank(make_model())
    motifs = bank.motifs()
    assert [motif.name for motif in motifs] == ["filter_0", "filter_1", "filter_2"]
    for motif, weights in zip(motifs, bank.weights, strict=True):
        np.testing.assert_array_equal(motif.probabilities, weights_as_motif(weights).probabilities)
    for kind in ("meme", "jaspar", "transfac"):
        getattr(rcviz, f"write_{kind}")(motifs, tmp_path / kind)
        assert getattr(rcviz, f"read_{kind}")(tmp_path / kind) == motifs


def test_weights_as_probabilities_by_hand():
    """Two bases ahead alike and two behind have 1 bit at most; the column with one base ahead gives the scale."""
    p = weights_as_motif(np.array([[1.0, 2, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]])).probabilities
    np.testing.assert_allclose(p[:, 2], 0.25)
    np.testing.assert_allclose(p[0, 0], p[1, 0])
    np.testing.assert_allclose(p[2, 0], p[3, 0])
    assert bits(p)[1] == pytest.approx(1.5, abs=1e-9)
    # q for the base ahead and (1 - q) / 3 for the others; half the lead in weight is the root of the lead.
    np.testing.assert_allclose(p[0, 0] / p[2, 0], np.sqrt(p[0, 1] / p[1, 1]))


def test_two_bases_preferred_alike_have_one_bit():
    p = weights_as_motif(np.array([[1.0, 0.1], [1, 0.1], [0, 0], [0, 0]])).probabilities
    np.testing.assert_allclose(p[:, 0], [0.5, 0.5, 0, 0], atol=1e-9)
    np.testing.assert_array_equal(p[0], p[1])


def test_weights_that_say_nothing_are_uniform():
    for weights in (np.zeros((4, 5)), np.ones((4, 3)) * [1.0, -2, 7]):
        np.testing.assert_array_equal(weights_as_motif(weights).probabilities, 0.25)


@pytest.fixture(scope="module")
def gata_and_cat():
    """Two motifs, and a bank of their weights with two positions before and one behind, the second one turned."""
    gata, cat = np.full((4, 10), -1.0), np.full((4, 9), -1.0)
    gata[[2, 0, 3, 0, 0, 2, 2, 1, 0, 3], range(10)] = 2
    cat[[1, 0, 1, 3, 3, 2, 0, 2, 2], range(9)] = 2
    motifs = [Motif(name, weights_as_motif(w).probabilities, "alt") for name, w in (("GATA", gata), ("CAT", cat))]
    weights = np.zeros((2, 4, 13))
    weights[0, :, 2:12] = gata - gata.mean(axis=0)
    weights[1, :, 3:12] = (cat - cat.mean(axis=0))[::-1, ::-1]
    return motifs, FilterBank(weights, np.zeros(2), "conv", True)


def test_filters_are_named_by_their_weights(gata_and_cat):
    motifs, bank = gata_and_cat
    table = bank.match(motifs, n_nearest=1)
    assert table.columns.tolist() == [
        "filter", "motif", "strand", "offset", "similarity", "p_value", "alternative_name", "overlap", "fires_in"
    ]  # fmt: skip
    assert table["fires_in"].isna().all()
    assert table.drop(columns=["similarity", "p_value", "fires_in"]).values.tolist() == [
        [0, "GATA", "+", 2, "alt", 10],
        [1, "CAT", "-", 3, "alt", 9],
    ]
    np.testing.assert_allclose(table["similarity"], 1, atol=1e-6)
    assert (table["p_value"] < 1e-3).all()


def test_filters_are_named_by_their_sites(gata_and_cat):
    """The PWM of the sites is compared, and not the weights: its similarity is that of the sites."""
    motifs, bank = gata_and_cat
    codes = np.random.default_rng(0).integers(0, 4, (60, 40), dtype=np.uint8)
    codes[:, 10:20] = np.uint8([2, 0, 3, 0, 3, 2, 2, 1, 0, 3])  # GATAT instead of GATAA
    table = bank.match(motifs, data=codes, n_nearest=1)
    first = table.iloc[0]
    assert (first["filter"], first["motif"], first["strand"], first["offset"]) == (0, "GATA", "+", 2)
    pwm = bank.motifs(codes)[0].probabilities[:, 2:12] - 0.25
    known = motifs[0].probabilities - 0.25
    cosine = (pwm * known).sum() / np.sqrt((pwm**2).sum() * (known**2).sum())
    assert first["similarity"] == pytest.approx(cosine, abs=1e-9)
    assert 0.8 < cosine < 0.95


def test_a_filter_that_never_fires_has_no_name(gata_and_cat):
    motifs, bank = gata_and_cat
    codes = np.random.default_rng(0).integers(0, 4, (60, 40), dtype=np.uint8)
    shares = bank.activating_sites(codes).fires_in
    silenced = dataclasses.replace(bank, bias=np.array([-100.0, 0.0]))
    table = silenced.match(motifs, data=codes, n_nearest=2)
    assert table["filter"].tolist() == [1, 1]
    np.testing.assert_allclose(table["fires_in"], shares[1])
    assert [motif.name for motif in silenced.motifs(codes)] == ["filter_1"]
    np.testing.assert_array_equal(silenced.activating_sites(codes).motif(0).probabilities, 0.25)
    silent = dataclasses.replace(bank, bias=np.array([-100.0, -100.0])).match(motifs, data=codes)
    assert silent.columns.tolist() == table.columns.tolist()
    assert len(silent) == 0


def test_match_hands_on_what_it_is_asked(gata_and_cat):
    motifs, bank = gata_and_cat
    with pytest.raises(ValueError, match="n_nearest"):
        bank.match(motifs, n_nearest=0)
    with pytest.raises(ValueError, match="motifs"):
        bank.match([])
    assert len(bank.match(motifs, n_nearest=9)) == 4


@pytest.mark.parametrize(
    "layer", [nn.Conv1d(4, 3, 5, dilation=3), RevCompConv1d(4, 3, 5, dilation=3)], ids=["plain", "tied"]
)
def test_a_dilated_filter_skips_positions(layer):
    model = nn.Sequential(layer.double())
    bank = filter_bank(model)
    assert bank.width == 13
    codes = np.random.default_rng(0).integers(0, 4, (6, 40), dtype=np.uint8)
    sites = bank.activating_sites(codes, strands="forward")
    with torch.no_grad():
        outputs = model(torch.from_numpy(one_hot(codes, dtype="float64")))[:, :3]
    np.testing.assert_allclose(sites.best, outputs.amax(2).numpy(), atol=1e-12)
    np.testing.assert_array_equal(sites.start, outputs.argmax(2).numpy())
