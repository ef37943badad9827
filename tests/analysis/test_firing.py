"""When a filter fires: thresholds behind normalisation and nonlinearity against the formulas of the layers."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import rcviz
from rcviz.analysis.firing import measure_firing


class Network(nn.Module):
    """A convolution, a function after it, and a sum."""

    def __init__(self, after):
        super().__init__()
        self.conv, self.after = nn.Conv1d(4, 3, 5), after

    def forward(self, x):
        return self.after(self.conv(x)).sum(dim=(1, 2))[:, None]


def measured(after):
    model = Network(after)
    return measure_firing(model, model.conv, 3)


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize("architecture", ["standard", "revcomp"])
def test_behind_batch_norm_the_threshold_is_where_the_rectifier_opens(make_model, architecture):
    model = make_model(architecture=architecture)
    norm, n = model.norm1, len(rcviz.filter_bank(model))
    with torch.no_grad():
        for tensor, low, high in ((norm.weight, 0.5, 2), (norm.bias, -1, 1), (norm.running_mean, -1, 1)):
            tensor.uniform_(low, high)
        norm.running_var.uniform_(0.5, 2)
        norm.weight[1] *= -1
        norm.weight[2], norm.bias[2] = 0, -1
    firing = rcviz.filter_bank(model).firing
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps))[:n].detach().numpy()
    with np.errstate(divide="ignore"):
        expected = norm.running_mean[:n].numpy() - norm.bias[:n].detach().numpy() / scale
    others = np.arange(n) != 2
    np.testing.assert_allclose(firing.threshold[others], expected[others], atol=1e-4)
    assert firing.threshold[2] == np.inf
    assert firing.falling.tolist() == [index == 1 for index in range(n)]
    assert firing.behind == "behind relu"


@pytest.mark.parametrize(
    ("after", "threshold", "falling"),
    [
        (F.relu, 0, False),
        (nn.ReLU(inplace=True), 0, False),
        (F.gelu, 0, False),
        (lambda y: F.relu(y - 2), 2, False),
        (lambda y: F.leaky_relu(2 - y), 2, True),
        (lambda y: F.relu(0 * y - 1), np.inf, False),
        (lambda y: F.relu(0 * y + 1), -np.inf, False),
    ],
)
def test_thresholds_of_functions(after, threshold, falling):
    firing = measured(after)
    np.testing.assert_allclose(firing.threshold, threshold, atol=1e-6)
    assert firing.falling.tolist() == [falling] * 3


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (lambda y: y, "no elementwise activation"),
        (lambda y: F.relu(F.layer_norm(y, y.shape[1:])), "more than one value"),
        (lambda y: F.relu(F.instance_norm(y)), "more than one value"),
    ],
)
def test_what_cannot_be_measured_is_said_and_silences_no_filter(after, words):
    firing = measured(after)
    assert words in firing.behind
    assert (firing.threshold == -np.inf).all()


def test_a_model_of_one_length_is_measured_at_that_length():
    class Fixed(Network):
        def forward(self, x):
            if x.shape[2] != 77:
                raise ValueError("77 bp only")
            return super().forward(x)

    model = Fixed(lambda y: F.relu(y - 1e4))
    assert "77 bp only" in rcviz.filter_bank(model).firing.behind
    assert rcviz.filter_bank(model, length=77).firing.threshold.tolist() == pytest.approx([1e4] * 3)
    codes = np.random.default_rng(0).integers(0, 4, (40, 77), dtype=np.uint8)
    assert rcviz.palindromes(model, codes).table["verdict"].tolist() == ["inactive"] * 3


def test_the_share_of_sequences_is_that_in_which_the_activation_is_above_zero():
    """The model itself on both strands, sequence by sequence."""
    torch.manual_seed(0)
    model = Network(lambda y: F.relu(y - 0.5))
    codes = np.random.default_rng(0).integers(0, 4, (200, 30), dtype=np.uint8)
    sites = rcviz.filter_bank(model).activating_sites(codes)
    with torch.no_grad():
        activations = [
            F.relu(model.conv(torch.from_numpy(rcviz.one_hot(x))) - 0.5) for x in (codes, codes[:, ::-1] ^ 3)
        ]
    fires = np.stack([values.amax(dim=2).numpy() > 0 for values in activations])
    np.testing.assert_array_equal(sites.fires, fires.any(axis=0))
    np.testing.assert_allclose(sites.fires_in, fires.any(axis=0).mean(axis=0))
    assert len(np.unique(sites.fires_in)) == 3
    for index in range(3):
        assert len(sites.sequences(index)) == fires.any(axis=0)[:, index].sum()
    table = rcviz.filter_contributions(model, codes).table.set_index("filter")
    np.testing.assert_allclose(table["fires_in"].sort_index(), fires[0].mean(axis=0))
    assert rcviz.filter_contributions(model, codes, at="convolution").table["fires_in"].isna().all()


def test_a_filter_that_fires_at_its_lowest_values_has_its_sites_there():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(1, 4, 5))
    codes = rng.integers(0, 4, (50, 30), dtype=np.uint8)
    plain = rcviz.FilterBank(weights, np.array([0.0]), "drawn", False)
    firing = rcviz.analysis.firing.Firing(np.array([-2.0]), np.array([True]), "drawn")
    turned = dataclasses.replace(plain, firing=firing).activating_sites(codes)
    opposite = dataclasses.replace(plain, weights=-weights, bias=np.array([-2.0])).activating_sites(codes)
    assert turned.sequences(0).tolist() == opposite.sequences(0).tolist()
    np.testing.assert_array_equal(turned.site_codes(0), opposite.site_codes(0))
    np.testing.assert_allclose(turned.best, -2 - opposite.best)
