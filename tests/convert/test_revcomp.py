"""to_revcomp: a plain network's outputs, averaged over the strands, from weights that the strands share."""

import numpy as np
import oracles
import pytest
import torch
import torch.nn.functional as F
from drawn import learned, numbers, one_hot, other_strand
from torch import nn

import rcviz


def mean_of_strands(network, x):
    """What is promised, from the plain network alone."""
    with torch.no_grad():
        return (network(x) + network(other_strand(x))) / 2


def holds(network, x, length=None):
    """Convert, compare, and return the conversion."""
    before = {name: value.clone() for name, value in network.state_dict().items()}
    conversion = rcviz.to_revcomp(network, length=length)
    with torch.no_grad():
        torch.testing.assert_close(conversion.model(x), mean_of_strands(network, x), atol=1e-12, rtol=0)
    rcviz.assert_invariant(conversion.model, x)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert (network(x) - network(other_strand(x))).abs().max() > 1e-3  # there was something to do
    return conversion


# ---------------------------------------------------------------- whole networks


def deep():
    """Two blocks, a dense layer with a nonlinearity: everything that can be between first and last."""
    return nn.Sequential(
        nn.Conv1d(4, 6, 5),
        nn.BatchNorm1d(6),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(6, 5, 3, padding=1, bias=False),
        nn.Dropout1d(0.2),
        nn.PReLU(),
        nn.AvgPool1d(4, 2),
        nn.Dropout(0.1),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(5 * 7, 8),
        nn.BatchNorm1d(8),
        nn.GELU(),
        nn.Dropout(0.3),
        nn.Linear(8, 3),
        nn.Softmax(dim=1),
    )


def test_a_deep_network(stirred):
    network, x = stirred(deep()), one_hot(5, 36)
    conversion = rcviz.to_revcomp(network, length=36)
    logits = network[:-1]
    want = torch.softmax(
        mean_of_strands(logits, x), dim=1
    )  # of the last dense layer; what follows comes behind the mean
    torch.testing.assert_close(conversion.model(x), want, atol=1e-12, rtol=0)
    rcviz.assert_invariant(conversion.model, x)
    assert (logits(x) - logits(other_strand(x))).abs().max() > 1e-3


def test_a_network_by_hand(stirred):
    """From the oracles' loops, plain layers only, on either strand."""
    network = stirred(
        nn.Sequential(
            nn.Conv1d(4, 3, 4), nn.BatchNorm1d(3, eps=1e-3), nn.ReLU(), nn.MaxPool1d(3), nn.Flatten(), nn.Linear(9, 2)
        )
    )
    stored = {name: value.detach().numpy() for name, value in network.state_dict().items()}

    def plain(x):
        y = oracles.conv_standard(x, stored["0.weight"], stored["0.bias"])
        statistics = [stored[f"1.{name}"] for name in ("weight", "bias", "running_mean", "running_var")]
        y = oracles.max_pool(oracles.relu(oracles.batchnorm_standard(y, *statistics)), 3, 3)
        return oracles.dense_standard(y.reshape(len(y), -1), stored["5.weight"], stored["5.bias"])

    x = numbers(3, 4, 12)
    want = (plain(x) + plain(oracles.opposite_strand(x))) / 2
    got = rcviz.to_revcomp(network, length=12).model(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.parametrize("pool", [nn.AdaptiveMaxPool1d(1), nn.AdaptiveAvgPool1d(1), nn.AdaptiveMaxPool1d(3)])
def test_adaptive_pooling_fits_any_length(pool, stirred):
    network = stirred(nn.Sequential(nn.Conv1d(4, 4, 3), pool, nn.Flatten(), nn.Linear(4 * pool.output_size, 2)))
    for length in (10, 13):
        holds(network, one_hot(4, length))


def test_without_a_dense_layer_the_mean_is_added(stirred):
    network = nn.Sequential(nn.Conv1d(4, 6, 3), nn.Sigmoid(), nn.Conv1d(6, 2, 5), nn.AdaptiveMaxPool1d(1), nn.Flatten())
    conversion = holds(stirred(network), one_hot(4, 15))
    assert conversion.table["became"].iloc[-1] == "Unflatten, RevCompGlobalPool1d"


def test_a_feature_map_stays_one(stirred):
    """Profiles: channel t reads as before, channel 2T - 1 - t is the profile of the other strand, reversed."""
    network, x = stirred(nn.Sequential(nn.Conv1d(4, 5, 3), nn.Tanh(), nn.Conv1d(5, 2, 3, stride=2))), one_hot(3, 13)
    model = rcviz.to_revcomp(network, length=13).model
    with torch.no_grad():
        y, here, there = model(x), network(x), network(other_strand(x))
    for n, t, p in np.ndindex(3, 2, 5):
        assert float(y[n, t, p]) == pytest.approx(float(here[n, t, p]), abs=1e-12)
        assert float(y[n, 3 - t, p]) == pytest.approx(float(there[n, t, 4 - p]), abs=1e-12)
    rcviz.assert_equivariant(model, x)


def test_dense_networks(stirred):
    """The sequence itself consists of pairs."""
    holds(stirred(nn.Sequential(nn.Flatten(), nn.Linear(40, 2))), one_hot(4, 10), length=10)
    hidden = nn.Sequential(nn.Flatten(), nn.Linear(40, 5), nn.ReLU(), nn.Linear(5, 2))
    holds(stirred(hidden), one_hot(4, 10), length=10)


@pytest.mark.parametrize("head", ["flatten", "weighted_sum"])
def test_models_of_the_paper_stay_models(head, stirred, tmp_path):
    config = rcviz.ModelConfig.chipseq(
        "standard", n_filters=6, kernel_sizes=(5, 3, 2), sequence_length=27, pool_size=8, pool_stride=4, head=head
    )
    model, x = stirred(rcviz.build_model(config)), one_hot(4, 27)
    converted = holds(model, x).model
    assert isinstance(converted, rcviz.SequenceModel)
    assert converted.config.architecture == "revcomp"
    want = oracles.forward(converted.config, oracles.stored_parameters(converted), x.numpy())
    np.testing.assert_allclose(mean_of_strands(model, x).numpy(), want, atol=1e-12)
    rcviz.save_model(converted, tmp_path / "model.safetensors")
    torch.testing.assert_close(rcviz.load_model(tmp_path / "model.safetensors")(x), converted(x), atol=0, rtol=0)


def test_a_forward_pass_of_ones_own(stirred):
    """Functions, reused activations, shapes asked for, a squeeze at the end."""

    class Block(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.conv = nn.Conv1d(channels, 5, 3, padding="same", dilation=2)
            self.norm = nn.BatchNorm1d(5)

        def forward(self, x):
            return F.relu(self.norm(self.conv(x)))

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.Sequential(Block(4), Block(5))
            self.act = nn.LeakyReLU()
            self.conv = nn.Conv1d(5, 6, 4)
            self.dense, self.out = nn.Linear(12, 7), nn.Linear(7, 1)

        def forward(self, x, mask=None):
            x = F.max_pool1d(self.act(self.blocks(x)), 2)
            x = F.avg_pool1d(self.act(self.conv(x)), kernel_size=3, stride=4)
            x = x.view(x.shape[0], x.size(1) * x.size(2))
            x = torch.tanh(self.dense(F.dropout(x, 0.5, self.training)))
            return self.out(x).squeeze(-1)

    network, x = stirred(Network()), one_hot(6, 20)
    table = holds(network, x, length=20).table
    assert table["module"].tolist()[:4] == ["blocks.0.conv", "blocks.0.norm", "blocks.0.relu", "blocks.1.conv"]


def test_pooling_over_positions_by_a_function(stirred):
    class Network(nn.Module):
        def __init__(self, take):
            super().__init__()
            self.conv, self.out, self.take = nn.Conv1d(4, 6, 3), nn.Linear(6, 2), take

        def forward(self, x):
            return self.out(self.take(self.conv(x).relu()))

    for take in (
        lambda x: x.mean(dim=2),
        lambda x: x.mean(-1, keepdim=True).flatten(1),
        lambda x: torch.amax(x, 2),
        lambda x: F.adaptive_max_pool1d(x, 1).squeeze(-1),
        lambda x: F.adaptive_avg_pool1d(x, 1).reshape(-1, 6),
    ):
        holds(stirred(Network(take)), one_hot(4, 12))


# ---------------------------------------------------------------- the report, and what comes after


def test_the_table_counts(stirred):
    network = stirred(deep())
    conversion = rcviz.to_revcomp(network, length=36)
    table = conversion.table
    assert table["parameters"].sum() == sum(parameter.numel() for parameter in network.parameters())
    assert table["parameters_after"].sum() == sum(parameter.numel() for parameter in conversion.model.parameters())
    stored = {name: value for name, value in conversion.model.named_parameters() if name.endswith("weight")}
    zeros = sum(int((value == 0).sum()) for value in stored.values())
    assert table["zeros"].sum() == zeros == 5 * 6 * 3 + 8 * 35
    rows = table.set_index("module")
    assert rows["became"].to_dict() == {
        "0": "RevCompConv1d",
        "1": "RevCompBatchNorm1d",
        "2": "ReLU",
        "3": "RevCompMaxPool1d",
        "4": "RevCompConv1d",
        "5": "RevCompDropout1d",
        "6": "PReLU",
        "7": "RevCompAvgPool1d",
        "8": "Dropout",
        "9": "Flatten",
        "10": "RevCompDropout1d",
        "11": "Unflatten, RevCompConv1d",
        "12": "RevCompBatchNorm1d",
        "13": "GELU",
        "14": "RevCompDropout1d",
        "15": "Flatten, RevCompLinear",
        "16": "Softmax",
    }
    assert "zero" in rows.loc["4", "change"]
    assert "halved" in rows.loc["15", "change"]


def test_it_stays_invariant_when_trained_on(stirred):
    model = rcviz.to_revcomp(stirred(deep())[:-1], length=36).model
    zeros = [value.detach() == 0 for name, value in model.named_parameters() if name == "4.weight"]
    learned(model, lambda seed: one_hot(8, 36, seed))
    rcviz.assert_invariant(model, one_hot(5, 36))
    moved = dict(model.named_parameters())["4.weight"][zeros[0]] != 0
    assert moved.double().mean() > 0.5, "the other strand is learned"


def test_type_mode_frozen_weights_and_random_state_are_kept():
    network = nn.Sequential(nn.Conv1d(4, 3, 3), nn.BatchNorm1d(3), nn.Flatten(), nn.Linear(24, 1)).bfloat16()
    network[1].eval()
    network[0].requires_grad_(False)
    state = torch.get_rng_state()
    model = rcviz.to_revcomp(network, length=10).model
    assert torch.equal(torch.get_rng_state(), state)
    assert [part.training for part in model] == [True, False, True, True]
    learned_names = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learned_names == {"1.weight", "1.bias", "3.weight", "3.bias"}
    assert {value.dtype for value in model.state_dict().values() if value.is_floating_point()} == {torch.bfloat16}
