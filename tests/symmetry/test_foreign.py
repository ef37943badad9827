"""Networks that treat both strands alike in ways of their own are not blamed; what breaks the symmetry in them is."""

import pytest
import torch
import torch.nn.functional as F
from strand_checks import one_hot
from torch import nn

import rcviz


def rc(x):
    return x.flip(1, 2)


class Function(nn.Module):
    """A function of the input and of named parts."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x):
        return self.function(self, x)


class Paired(nn.Module):
    """A convolution whose partners are channels ``partners[i]``, by index arithmetic alone."""

    def __init__(self, n_inputs, n_filters, width, *, neighbours, channels_last=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_filters, n_inputs, width))
        self.neighbours, self.channels_last = neighbours, channels_last

    def forward(self, x):
        n = self.weight.shape[1]
        if n == 4:  # the bases
            partners = torch.arange(3, -1, -1)
        else:
            partners = torch.arange(n) ^ 1 if self.neighbours else torch.arange(n).roll(n // 2)
        reverse = self.weight[:, partners].flip(2)
        both = torch.stack([self.weight, reverse], dim=1).flatten(0, 1)
        weight = both if self.neighbours else torch.cat([self.weight, reverse])
        return F.conv1d(x.mT, weight).mT if self.channels_last else F.conv1d(x, weight)


class OnGroup(nn.Module):
    """A convolution over the group of two strands: (batch, channels, 2, length)."""

    def __init__(self, n_inputs, n_filters, width):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_filters, n_inputs, 2, width))

    def forward(self, x):
        strands = self.weight, self.weight.flip(2, 3)
        return torch.stack([F.conv1d(x.flatten(1, 2), weight.flatten(1, 2)) for weight in strands], dim=2)


def lifted():
    """From bases to the group: the filter on both strands."""
    return Function(lambda m, x: torch.stack([m.conv(x), m.conv(rc(x)).flip(2)], dim=2), conv=nn.Conv1d(4, 3, 5))


def strands():
    return Function(lambda m, x: (m.conv(x), m.conv(rc(x)).flip(2)), conv=nn.Conv1d(4, 6, 5))


def each_strand():
    return Function(lambda m, x: (m.conv(x[0]), m.conv(x[1].flip(2)).flip(2)), conv=nn.Conv1d(6, 4, 3))


def plain():
    return nn.Sequential(nn.Conv1d(4, 6, 5), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(6, 2))


def neighbours(*tail):
    return nn.Sequential(Paired(4, 3, 5, neighbours=True), nn.ReLU(), *tail)


def halves_last(*tail):
    body = (Function(lambda m, x: x.mT), Paired(4, 3, 5, neighbours=False, channels_last=True), nn.ReLU())
    return nn.Sequential(*body, *tail)


def in_the_batch(head):
    """Both strands, one after the other in the batch."""
    return nn.Sequential(
        Function(lambda m, x: torch.cat([x, rc(x)])),
        nn.Conv1d(4, 6, 5),
        nn.ReLU(),
        Function(lambda m, y: y.amax(2)),
        head,
    )


def beside_each_other(pool):
    """A strand axis (batch, 2, channels, length); the convolution reads (2 batch, channels, length)."""
    parts = {"conv": nn.Conv1d(4, 6, 5), "act": nn.ReLU(), "pool": pool, "out": nn.LazyLinear(2)}
    return Function(
        lambda m, x: m.out(
            m.pool(m.act(m.conv(torch.stack([x, rc(x)], dim=1).flatten(0, 1))).unflatten(0, (-1, 2))).flatten(1)
        ),
        **parts,
    )


def half_mean():
    return Function(lambda m, y: sum(y.chunk(2)) / 2)


def middle(axes):
    return Function(lambda m, y: y.mean(axes))


INVARIANT = {
    "maximum of both strands": lambda: Function(lambda m, x: torch.maximum(m.net(x), m.net(rc(x))), net=plain()),
    "sum of both strands": lambda: Function(lambda m, x: torch.stack([m.net(x), m.net(rc(x))]).sum(0), net=plain()),
    "strands in the batch": lambda: in_the_batch(nn.Sequential(half_mean(), nn.Linear(6, 2))),
    "strands in the batch, dense layer for each": lambda: in_the_batch(nn.Sequential(nn.Linear(6, 2), half_mean())),
    "neighbouring channels": lambda: neighbours(
        Paired(6, 2, 3, neighbours=True), Function(lambda m, y: y.unflatten(1, (-1, 2)).amax((2, 3))), nn.Linear(2, 2)
    ),
    "halves, channels last": lambda: halves_last(
        Paired(6, 2, 3, neighbours=False, channels_last=True),
        Function(lambda m, y: (y[..., :2] + y[..., 2:].flip(1)).mean(1)),
        nn.Linear(2, 2),
    ),
    "group, pooled, dense": lambda: nn.Sequential(
        lifted(), nn.ReLU(), OnGroup(3, 4, 3), nn.ReLU(), middle(2), middle(2), nn.Linear(4, 2)
    ),
    "strand axis": lambda: beside_each_other(Function(lambda m, y: y.amax((1, 3)))),
    "recurrent on both": lambda: Function(
        lambda m, x: m.out(m.rnn(x.mT)[0][:, -1] + m.rnn(rc(x).mT)[0][:, -1]),
        rnn=nn.GRU(4, 6, batch_first=True),
        out=nn.Linear(6, 2),
    ),
    "tuple of strands": lambda: nn.Sequential(
        strands(), each_strand(), Function(lambda m, y: m.out((y[0] + y[1]).mean(2)), out=nn.Linear(4, 2))
    ),
    "tied layers in between": lambda: nn.Sequential(
        rcviz.RevCompConv1d(4, 3, 5),
        Function(lambda m, y: y[:, [0, 5, 1, 4, 2, 3]]),
        Paired(6, 2, 3, neighbours=True),
        Function(lambda m, y: y.unflatten(1, (-1, 2)).amax((2, 3))),
    ),
}

EQUIVARIANT = {
    "neighbouring channels": lambda: neighbours(Paired(6, 2, 3, neighbours=True)),
    "halves, channels last": lambda: halves_last(Paired(6, 2, 3, neighbours=False, channels_last=True)),
    "group": lambda: nn.Sequential(lifted(), nn.ReLU(), OnGroup(3, 4, 3)),
    "group, pooled": lambda: nn.Sequential(lifted(), nn.ReLU(), middle(2)),
    "tuple of strands": lambda: nn.Sequential(strands(), each_strand()),
    "strands in the batch": lambda: in_the_batch(nn.Linear(6, 2)),
}

BREAKING = {
    "neighbours, plain convolution": (lambda: neighbours(nn.Conv1d(6, 4, 3), middle(2)), "2"),
    "neighbours, dense": (lambda: neighbours(middle(2), nn.Linear(6, 2)), "3"),
    "neighbours, an edge left over": (lambda: neighbours(nn.MaxPool1d(7), Paired(6, 2, 2, neighbours=True)), "2"),
    "halves, dense": (lambda: halves_last(nn.Linear(6, 2), middle(1)), "3"),
    "group, plain convolution": (
        lambda: nn.Sequential(lifted(), nn.ReLU(), middle(2), nn.Conv1d(3, 4, 3), middle(2)),
        "3",
    ),
    "group, flattened": (lambda: nn.Sequential(lifted(), nn.Flatten(), nn.Linear(120, 2)), "2"),
    "strand axis, flattened": (lambda: beside_each_other(nn.Flatten()), "out"),
    "tuple, strands told apart": (
        lambda: nn.Sequential(
            strands(), each_strand(), Function(lambda m, y: m.out(torch.cat(y, 1).mean(2)), out=nn.Linear(8, 2))
        ),
        "2.out",
    ),
    "tuple, one strand": (lambda: nn.Sequential(strands(), each_strand(), Function(lambda m, y: y[0].mean(2))), "2"),
    "batch, one strand": (lambda: in_the_batch(Function(lambda m, y: y.chunk(2)[0])), "4"),
}


def built(make, x):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = make().double().eval()
        with torch.no_grad():
            model(x)  # creates lazy parameters
    return model


@pytest.mark.parametrize("name", INVARIANT)
def test_an_invariant_network_of_another_style_is_not_blamed(name):
    x = one_hot(5, 24)
    model = built(INVARIANT[name], x)
    with torch.no_grad():
        torch.testing.assert_close(model(rc(x)), model(x), atol=1e-12, rtol=0)
    rcviz.assert_invariant(model, x)
    table = rcviz.diagnose_equivariance(model, x)
    assert table["verdict"].iloc[-1] == "invariant"
    assert not set(table["verdict"]) & {"breaks", "propagated"}
    assert (table["suggestion"] == "").all()


@pytest.mark.parametrize("name", EQUIVARIANT)
def test_an_equivariant_network_of_another_style_is_not_blamed_and_not_certified(name):
    """Its output matches in an order that only it knows, which assert_equivariant says."""
    x = one_hot(5, 24)
    model = built(EQUIVARIANT[name], x)
    assert set(rcviz.diagnose_equivariance(model, x)["verdict"]) <= {"unknown", "equivariant"}
    with pytest.raises(AssertionError, match="reverse_output"):
        rcviz.assert_equivariant(model, x)


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_the_symmetry_in_another_style_is_found(name):
    x = one_hot(5, 24)
    make, cause = BREAKING[name]
    table = rcviz.diagnose_equivariance(built(make, x), x)
    assert table.loc[table["verdict"] == "breaks", "module"].tolist() == [cause]
    with pytest.raises(AssertionError, match=rf"first broken by {cause} "):
        rcviz.assert_equivariant(built(make, x), x)
