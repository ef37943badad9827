"""Layers that declare their facts, and networks that declare none: converted, trained, diagnosed."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from oracles import conv_revcomp
from strand_checks import gap, numbers, one_hot, other_strand, trained
from torch import nn

import rcviz
from rcviz.layers.facts import draws_random, symmetry_of
from rcviz.layers.symmetry import declares


class Scaled(rcviz.RevCompConv1d):
    """A subclass that keeps the forward pass and starts from other weights."""

    def reset_parameters(self):
        super().reset_parameters()
        with torch.no_grad():
            self.weight.mul_(3)


class Interleaved(nn.Module):
    """An own layer for RC partners, with an own forward: the mean over a pair of partners, without torch.fx's help.

    Output ``f`` is twice there, as channel ``f`` and as its partner, so that paired layers may follow.
    """

    symmetry = rcviz.Symmetry(input="paired", output="paired")
    draws_random = False

    def __init__(self, n_channels):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0.5, 2, n_channels // 2))

    def forward(self, x):
        if x.shape[1] != 2 * len(self.weight):  # torch.fx cannot follow this
            raise ValueError("another number of channels")
        return x * torch.cat([self.weight, self.weight.flip(0)])[:, None]

    def to_plain(self):
        n = 2 * len(self.weight)
        plain = nn.Conv1d(n, n, 1, bias=False).to(self.weight)
        with torch.no_grad():
            plain.weight.copy_(torch.diag(torch.cat([self.weight, self.weight.flip(0)]))[:, :, None])
        return plain


class Swapped(nn.Module):
    """A convolution whose filters ``2 i`` and ``2 i + 1`` are RC partners, which nothing declares.

    It reads channels in its own order or, with ``first=True``, the four bases.
    """

    def __init__(self, n_inputs, n_filters, width, *, first=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_filters, n_inputs, width))
        partners = torch.arange(n_inputs).reshape(-1, 2).flip(1).flatten()
        self.partners = torch.arange(n_inputs - 1, -1, -1) if first else partners

    def forward(self, x):
        reverse = self.weight[:, self.partners].flip(2)
        return F.conv1d(x, torch.stack([self.weight, reverse], dim=1).flatten(0, 1))


class Pooled(nn.Module):
    """The mean of both channels of a neighbouring pair: the same for both strands."""

    def forward(self, x):
        return x.unflatten(1, (-1, 2)).mean((2, 3))


def own_network():
    """Equivariant as a whole, of modules that declare nothing."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        parts = [Swapped(4, 3, 5, first=True), nn.ReLU(), Swapped(6, 2, 3), nn.Tanh(), Pooled(), nn.Linear(2, 1)]
        return nn.Sequential(*parts).double()


def network_with(layer):
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return nn.Sequential(
            Scaled(4, 3, 5),
            rcviz.RevCompBatchNorm1d(6),
            nn.ReLU(),
            layer,
            rcviz.RevCompMaxPool1d(4),
            rcviz.WeightedSum1d(6, 4),
            rcviz.RevCompLinear(6, 2),
        )


def test_facts_of_layers_and_their_subclasses():
    layer = Scaled(4, 2, 3)
    assert symmetry_of(layer) == rcviz.Symmetry(input="paired", output="paired")
    assert not draws_random(layer)
    assert declares(layer, "to_plain")

    class Noisy(rcviz.RevCompConv1d):
        def forward(self, x):
            return super().forward(x) + torch.randn(1)

    noisy = Noisy(4, 2, 3)  # what the base class declares is not about this forward
    assert symmetry_of(noisy) is None
    assert draws_random(noisy)
    assert not declares(noisy, "to_plain")
    replaced = rcviz.RevCompConv1d(4, 2, 3)
    replaced.forward = lambda x: x
    assert not declares(replaced, "symmetry")
    assert draws_random(nn.Dropout(0.5))
    assert not draws_random(nn.LSTM(3, 3))
    assert draws_random(nn.LSTM(3, 3, num_layers=2, dropout=0.1))


@pytest.mark.parametrize("wrong", [{"input": "pairs", "output": "paired"}, {"input": "any", "output": "any"}])
def test_symmetries_are_closed_sets(wrong):
    name = "input" if wrong["input"] == "pairs" else "output"
    with pytest.raises(ValueError, match=name):
        rcviz.Symmetry(**wrong)


PUBLIC_LAYERS = [
    rcviz.RevCompConv1d(6, 2, 3),
    rcviz.RevCompBatchNorm1d(6),
    rcviz.RevCompMaxPool1d(3),
    rcviz.RevCompAvgPool1d(3),
    rcviz.RevCompDropout1d(0.3),
    rcviz.RevCompSelfAttention1d(6, 1),
    rcviz.RevCompGlobalPool1d(),
    rcviz.RevCompResidual1d(rcviz.RevCompConv1d(6, 3, 3)),
    rcviz.WeightedSum1d(6, 9),
    rcviz.PairsToIrreps1d(),
    nn.Sequential(rcviz.PairsToIrreps1d(), rcviz.IrrepConv1d((3, 3), (2, 1), 3)),
    rcviz.RevCompConjoined(nn.Conv1d(4, 3, 3), output_kind="profile"),
    rcviz.RevCompConjoined(nn.Conv1d(4, 4, 3), output_kind="profile", permutation=(1, 0, 3, 2)),
    rcviz.RevCompConjoined(nn.Sequential(nn.Flatten(), nn.Linear(36, 2)), output_kind="stranded"),
]


@pytest.mark.parametrize("layer", PUBLIC_LAYERS, ids=lambda layer: type(layer).__name__)
def test_what_a_layer_declares_is_what_it_does(layer):
    """From paired channels, the output for the RC is the declared view of the output."""
    from rcviz.symmetry.comparison import reversed_output

    layer = layer.double().eval()
    last = layer[-1] if isinstance(layer, nn.Sequential) else layer
    x = numbers(3, 4 if isinstance(layer, rcviz.RevCompConjoined) else 6, 9)
    with torch.no_grad():
        y, there = layer(x), layer(other_strand(x))
    symmetry = symmetry_of(last)
    expected = other_strand(y) if symmetry.output == "same" else reversed_output(last, y)
    torch.testing.assert_close(there, expected, atol=1e-12, rtol=0)


def test_a_subclass_and_an_own_layer_convert_train_and_are_diagnosed():
    model = network_with(Interleaved(6)).double()
    x = one_hot(5, 20)
    before = model[3].weight.detach().clone()
    trained(model, 20)
    assert not torch.equal(model[3].weight, before)
    table = rcviz.diagnose_equivariance(model, x)
    verdicts = dict(zip(table["module"], table["verdict"], strict=True))
    assert [verdicts[str(i)] for i in range(6)] == ["equivariant"] * 6
    assert verdicts["6"] == verdicts["(model)"] == "invariant"
    assert rcviz.check_structure(model, length=20).empty
    standard = rcviz.to_standard(model)
    assert all(type(part).__module__.startswith("torch.") for part in standard)
    with torch.no_grad():
        torch.testing.assert_close(standard(x), model(x), atol=1e-12, rtol=0)
        stored, bias = model[0].weight.numpy(), model[0].bias.numpy()
        np.testing.assert_allclose(standard[0](x).numpy(), conv_revcomp(x.numpy(), stored, bias), atol=1e-12)


def test_training_draws_no_numbers_for_layers_that_declare_so(monkeypatch):
    """And reproduces a network of plain layers with a layer that may draw: the numbers are the same."""
    from rcviz.training import epoch

    data = rcviz.simulate_motifs(n_per_motif=40, length=24, mean_instances=1.0, max_instances=1)
    parts = rcviz.split(data, seed=0)
    config = rcviz.TrainConfig.simulated(epochs=2, batch_size=5, samples_per_epoch=20)
    streams = []
    stream = epoch.RandomStream
    monkeypatch.setattr(epoch, "RandomStream", lambda *given: streams.append(given) or stream(*given))
    histories = {}
    for declared in (True, False):
        monkeypatch.setattr(Interleaved, "draws_random", not declared)
        model = network_with(Interleaved(6))
        model[-2], model[-1] = rcviz.WeightedSum1d(6, 5), rcviz.RevCompLinear(6, 3)
        with torch.no_grad():
            model[-2].weight.fill_(0.1)
            model[-1].weight.fill_(0.1)
        histories[declared] = rcviz.fit(model, parts.train, parts.valid, config, progress=False).table["loss"]
        assert bool(streams) is not declared
    assert histories[True].tolist() == histories[False].tolist()


def test_filters_of_a_subclass_are_tied():
    model = nn.Sequential(Scaled(4, 3, 5), nn.ReLU(), rcviz.RevCompGlobalPool1d(), nn.Linear(3, 1))
    assert rcviz.filter_bank(model).tied


def test_a_network_that_nothing_is_known_of_is_not_blamed():
    model, x = own_network(), one_hot(4, 24)
    assert gap(model, x) < 1e-12
    rcviz.assert_invariant(model, x)
    table = rcviz.diagnose_equivariance(model, x)
    verdicts = dict(zip(table["module"], table["verdict"], strict=True))
    assert verdicts == {**dict.fromkeys("0123", "unknown"), "4": "invariant", "5": "invariant", "(model)": "invariant"}
    assert table.loc[table["verdict"] == "unknown", "error"].isna().all()
    assert (table["suggestion"] == "").all()


@pytest.mark.parametrize(
    ("position", "module"),
    [(2, nn.Conv1d(6, 4, 3)), (3, nn.PReLU(4)), (3, nn.MaxPool1d(5))],
)
def test_a_break_behind_own_pairs_is_found(position, module):
    """The own layers match up to the order of their channels, and the first module that does not is to blame."""
    model, x = own_network(), one_hot(4, 24)
    if isinstance(module, nn.PReLU):
        module.weight.data = torch.linspace(0.1, 0.9, 4)
    model[position] = module.double()
    table = rcviz.diagnose_equivariance(model, x)
    (cause,) = table.loc[table["verdict"] == "breaks", "module"]
    assert cause.split(".")[0] == str(position)
    assert set(table.loc[table["module"].isin([str(i) for i in range(position)]), "verdict"]) == {"unknown"}


def test_own_pairs_before_a_tied_layer_are_the_cause():
    """A tied layer reads channels i and n-1-i: the layer that pairs them otherwise does not belong before it."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = nn.Sequential(rcviz.RevCompConv1d(4, 3, 5), Swapped(6, 2, 3), nn.ReLU(), rcviz.RevCompConv1d(4, 2, 3))
    table = rcviz.diagnose_equivariance(model.double(), one_hot(4, 24))
    assert table["verdict"].tolist()[:3] == ["equivariant", "breaks", "propagated"]


def test_a_layer_that_does_not_do_what_it_declares_is_the_cause():
    class Wrong(Interleaved):
        symmetry = rcviz.Symmetry(input="paired", output="paired")

        def forward(self, x):
            return super().forward(x)[:, torch.arange(6).roll(1)]

    model, x = network_with(Wrong(6)).double(), one_hot(4, 20)
    table = rcviz.diagnose_equivariance(model, x)
    (cause,) = table.loc[table["verdict"] == "breaks"].to_dict("records")
    assert cause["module"] == "3"
    assert "declares" in cause["suggestion"]


def test_modules_inside_a_layer_that_matches_are_not_blamed():
    class BothStrands(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(4, 3, 5)

        def forward(self, x):
            return torch.cat([self.conv(x), self.conv(x.flip(1, 2)).flip(1, 2)], dim=1)

    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = nn.Sequential(BothStrands(), nn.ReLU(), nn.Conv1d(6, 2, 3)).double()
    table = rcviz.diagnose_equivariance(model, one_hot(4, 24))
    verdicts = dict(zip(table["module"], table["verdict"], strict=True))
    assert verdicts["0.conv"] == verdicts["0.conv (use 2)"] == "unknown"
    assert verdicts["0"] == "equivariant"
    assert verdicts["2"] == "breaks"


def test_a_module_behind_which_the_strands_match_again_is_not_blamed():
    """A change of basis and back: only the plain convolution behind both is to blame."""
    basis = torch.linalg.qr(torch.tensor(np.random.default_rng(0).normal(size=(6, 6)))).Q

    class Mix(nn.Module):
        def __init__(self, matrix):
            super().__init__()
            self.matrix = matrix

        def forward(self, x):
            return torch.einsum("ij,bjl->bil", self.matrix, x)

    with torch.random.fork_rng():
        torch.manual_seed(5)
        layers = [rcviz.RevCompConv1d(4, 3, 5), Mix(basis), Mix(basis.T), nn.Conv1d(6, 2, 3), nn.ReLU()]
    table = rcviz.diagnose_equivariance(nn.Sequential(*layers).double(), one_hot(4, 24))
    verdicts = ["equivariant", "unknown", "equivariant", "breaks", "propagated", "propagated"]
    assert table["verdict"].tolist() == verdicts


def test_a_parametrised_subclass_is_written_out_as_it_is_used():
    layer = nn.utils.parametrizations.weight_norm(Scaled(4, 3, 5)).double()
    with torch.no_grad():
        layer.parametrizations.weight.original0.mul_(2)
    x = one_hot(3, 20)
    (plain,) = rcviz.to_standard(nn.Sequential(layer))
    assert type(plain) is nn.Conv1d
    torch.testing.assert_close(plain(x), layer(x), atol=1e-12, rtol=0)


def test_a_layer_that_is_tied_already_is_not_converted_again():
    with pytest.raises(ValueError, match=r"0 \(Interleaved\)"):
        rcviz.to_revcomp(nn.Sequential(Interleaved(6)))
