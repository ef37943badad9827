"""Where contributions are taken, layers that are used several times, convolutions over images and grouped ones."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from foreign import seeded
from scipy.stats import spearmanr
from torch import nn
from torch.utils.checkpoint import checkpoint

from rcviz import (
    RevCompConjoined,
    RevCompConv1d,
    SequenceSet,
    activation_profiles,
    as_sequence_model,
    filter_bank,
    filter_contributions,
    gap_by_filter,
    one_hot,
    reverse_complement,
)
from rcviz.analysis.neurons import find_neurons, sequence_layers

CODES = np.random.default_rng(7).integers(0, 4, (30, 40), dtype=np.uint8)


def sequences(codes=CODES):
    return torch.from_numpy(one_hot(codes, dtype="float64"))


class Network(nn.Module):
    """A convolution ``conv``, other parts by name, and a function of the network and its input as ``forward``."""

    def __init__(self, run, **parts):
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 5, padding=2)
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.run(self, x)


def products(model, module, rows=lambda values: values):
    """Gradient times output of every call of a module, from torch's autograd; ``rows`` maps rows to sequences."""
    kept = []
    handle = module.register_forward_hook(lambda m, args, y: kept.append(y))
    logits = model(sequences())
    handle.remove()
    slopes = torch.autograd.grad(logits[:, 0].sum(), kept)
    flat = [(slope * y).flatten(2).sum(2) for slope, y in zip(slopes, kept, strict=True)]
    return sum(rows(values) for values in flat).detach().numpy()


def without(model, module):
    """Logit minus that with each filter's output silenced, filter by filter."""
    effects = []
    with torch.no_grad():
        logits = model(sequences())[:, 0]
        for channel in range(module.out_channels):

            def silence(m, args, y, channel=channel):
                keep = torch.ones(y.shape[1], 1).to(y)
                keep[channel] = 0
                return y * keep

            handle = module.register_forward_hook(silence)
            effects.append(logits - model(sequences())[:, 0])
            handle.remove()
    return torch.stack(effects, dim=1).numpy()


def head(m, y):
    return m.out(F.max_pool1d(y.relu(), 8).flatten(1))


PARTS = {
    "norm": lambda: nn.BatchNorm1d(6),
    "act": nn.ReLU,
    "in_place": lambda: nn.ReLU(inplace=True),
    "gelu": nn.GELU,
    "second": lambda: nn.Conv1d(6, 6, 3, padding=1),
    "out": lambda: nn.Linear(30, 2),
}
CUTS = {
    "norm and activation": (lambda m, x: head(m, m.second(m.act(m.norm(m.conv(x))))), "activation"),
    "in place": (lambda m, x: head(m, m.second(m.in_place(m.conv(x)))), "activation"),
    "in place on the norm": (lambda m, x: head(m, m.second(m.in_place(m.norm(m.conv(x))))), "activation"),
    "residual after the activation": (
        lambda m, x: head(m, (lambda y: y + m.second(y))(m.act(m.conv(x)))),
        "activation",
    ),
    "two heads after the activation": (
        lambda m, x: (lambda y: head(m, m.second(y)) + y.mean((1, 2))[:, None])(m.act(m.conv(x))),
        "activation",
    ),
    "divided by its norm": (lambda m, x: head(m, m.act((lambda y: y / y.norm())(m.conv(x)))), "activation"),
    "scaled by its mean": (
        lambda m, x: head(m, (lambda y: m.act(y) * y.mean())(m.conv(x))),
        "convolution",
    ),
    "enformer's stem": (
        lambda m, x: head(m, (lambda y: y + m.second(m.gelu(m.norm(y))))(m.conv(x))),
        "convolution",
    ),
    "pre-activation with an activation in place": (
        lambda m, x: head(m, (lambda y: y + m.second(m.in_place(m.norm(y))))(m.conv(x))),
        "convolution",
    ),
    "sei": (lambda m, x: head(m, m.second(m.conv(x))), "convolution"),
    "gate": (lambda m, x: head(m, (lambda y: y.tanh() * y.sigmoid())(m.conv(x))), "convolution"),
    "gated linear unit": (lambda m, x: head(m, F.glu(m.conv(x).repeat(1, 2, 1), dim=1)), "convolution"),
    "silu by hand": (lambda m, x: head(m, (lambda y: y * torch.sigmoid(y))(m.conv(x))), "convolution"),
    "a second head from the convolution": (
        lambda m, x: (lambda y: head(m, m.second(m.act(y))) + y.mean((1, 2))[:, None])(m.conv(x)),
        "convolution",
    ),
    "concatenated with its activation": (
        lambda m, x: m.out(F.max_pool1d((lambda y: y + torch.cat([m.act(y)], 1))(m.conv(x)), 8).flatten(1)),
        "convolution",
    ),
    "positions moved before the activation": (lambda m, x: head(m, m.act(m.conv(x).flip(2))), "convolution"),
}


def cut(case):
    run, at = CUTS[case]
    model = seeded(Network, run, **{name: make() for name, make in PARTS.items()})
    with torch.no_grad():
        model.norm.running_mean.uniform_(-0.2, 0.2)
        model.norm.weight.uniform_(0.5, 2)
    return model.eval(), at


@pytest.mark.parametrize("case", CUTS)
def test_the_activation_is_taken_where_all_paths_go_through_it(case):
    model, at = cut(case)
    found = filter_contributions(model, CODES)
    assert found.at.startswith(at)
    if at == "convolution":
        assert found.layer == "conv"
        model_parts = [model.conv]
        expected = products(model, model.conv)
    else:
        activation = next(part for part in (model.act, model.in_place) if found.layer == model_name(model, part))
        model_parts = [activation]
        if activation is model.in_place:
            model.in_place.inplace = False
        expected = products(model, activation)
    np.testing.assert_allclose(found.per_sequence, expected, atol=1e-12)
    assert np.abs(expected).max() > 1e-4
    explicit = filter_contributions(model, CODES, at=at).per_sequence
    np.testing.assert_allclose(explicit, expected, atol=1e-12)
    profiles = activation_profiles(model, CODES)
    assert profiles.at == found.at == gap_by_filter(model, CODES).at
    assert all(not part._forward_hooks for part in model_parts)


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_a_checkpoint_that_needs_reentry_is_refused_with_its_remedy():
    def run(m, x, *, use_reentrant):
        y = m.conv(x)
        return head(m, checkpoint(lambda y: m.second(m.act(y)), y, use_reentrant=use_reentrant))

    parts = {name: make() for name, make in PARTS.items()}
    model = seeded(Network, lambda m, x: run(m, x, use_reentrant=True), **parts).eval()
    with pytest.raises(ValueError, match="use_reentrant=False"):
        filter_contributions(model, CODES)
    model.run = lambda m, x: run(m, x, use_reentrant=False)
    np.testing.assert_allclose(filter_contributions(model, CODES).per_sequence, products(model, model.act), atol=1e-12)


def model_name(model, part):
    return next(name for name, each in model.named_modules() if each is part)


def test_contributions_rank_filters_as_silencing_does_where_a_shortcut_passes_the_activation():
    """Of 32 filters of Enformer's stem."""

    class Stem(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.gelu = nn.Conv1d(4, 32, 15, padding=7), nn.BatchNorm1d(32), nn.GELU()
            self.second, self.out = nn.Conv1d(32, 32, 1), nn.Linear(160, 1)

        def forward(self, x):
            y = self.conv(x)
            y = y + self.second(self.gelu(self.norm(y)))
            return self.out(F.avg_pool1d(y, 8).flatten(1))

    model = seeded(Stem)
    silenced = without(model, model.conv).mean(axis=0)
    by_default = filter_contributions(model, CODES)
    assert by_default.at.startswith("convolution")
    branch = filter_contributions(model, CODES, at="activation")
    assert branch.at.startswith("activation")
    assert branch.layer == "gelu"
    np.testing.assert_allclose(branch.per_sequence, products(model, model.gelu), atol=1e-12)
    correlations = [spearmanr(found.scores, silenced).statistic for found in (by_default, branch)]
    assert correlations[0] > 0.9
    assert correlations[1] < 0.7


def test_explicit_activation_needs_one():
    model, _ = cut("sei")
    model.run = lambda m, x: m.out(F.max_pool1d(m.second(m.conv(x)), 8).flatten(1))
    with pytest.raises(ValueError, match="activation"):
        filter_contributions(model, CODES, at="activation")
    assert filter_contributions(model, CODES).at.startswith("convolution: no")


def strand_mean(m, x):
    return (m.body(x) + m.body(x.flip((1, 2)))) / 2


def tuple_of_strands(m, x):
    forward, reverse = m.act(m.conv(x)), m.act(m.conv(x.flip((1, 2))))
    return m.out(torch.cat([F.max_pool1d(y, 8) for y in (forward, reverse.flip(2))], dim=1).flatten(1))


def conv_twice_one_relu(m, x):
    """The strands are added before the activation."""
    y = m.conv(x) + m.conv(x.flip((1, 2))).flip(2)
    return m.out(F.max_pool1d(y.relu(), 8).flatten(1))


def stacked(m, x):
    y = F.max_pool1d(m.act(m.conv(torch.cat([x, x.flip((1, 2))]))), 8).flatten(1)
    forward, reverse = m.out(y).chunk(2)
    return torch.maximum(forward, reverse)


def alternating(m, x):
    both = torch.stack([x.flip((1, 2)), x], dim=1).flatten(0, 1)
    y = F.max_pool1d(m.act(m.conv(both)), 8).flatten(1)
    return m.out(y).unflatten(0, (-1, 2)).amax(dim=1)


def functional(m, x):
    return m.out(F.max_pool1d(F.relu(m.conv(x)) * F.relu(m.conv(x.flip((1, 2)))), 8).flatten(1))


def body(length=40):
    return nn.Sequential(nn.Conv1d(4, 6, 5, padding=2), nn.ReLU(), nn.MaxPool1d(8), nn.Flatten(), nn.Linear(30, 2))


def every(values):
    return values


STRANDS = {
    "averaging wrapper": (strand_mean, {"body": body}, "body.0", "body.1", every),
    "tuple of strands": (
        tuple_of_strands,
        {"act": nn.ReLU, "out": lambda: nn.Linear(60, 2)},
        "conv",
        "act",
        every,
    ),
    "rows of one strand after the other": (
        stacked,
        {"act": nn.ReLU, "out": lambda: nn.Linear(30, 2)},
        "conv",
        "act",
        lambda values: values[:30] + values[30:],
    ),
    "rows that alternate": (
        alternating,
        {"act": nn.ReLU, "out": lambda: nn.Linear(30, 2)},
        "conv",
        "act",
        lambda values: values[0::2] + values[1::2],
    ),
}


@pytest.mark.parametrize("at", ["auto", "convolution"])
@pytest.mark.parametrize("case", STRANDS)
def test_contributions_and_profiles_are_sums_over_both_strands(case, at):
    run, parts, layer, act, rows = STRANDS[case]
    model = seeded(Network, run, **{name: make() for name, make in parts.items()})
    if case == "averaging wrapper":
        model.conv = nn.Identity()
    name = act if at == "auto" else layer
    found = filter_contributions(model, CODES, layer=layer, at=at, batch_size=30)
    assert found.layer == name
    np.testing.assert_allclose(found.per_sequence, products(model, model.get_submodule(name), rows), atol=1e-12)
    np.testing.assert_allclose(
        filter_contributions(model, CODES, layer=layer, at=at, batch_size=7).per_sequence,
        found.per_sequence,
        atol=1e-12,
    )
    convolution = model.get_submodule(layer)
    with torch.no_grad():
        forward, reverse = convolution(sequences()), convolution(sequences(reverse_complement(CODES)))
    if at == "auto":
        forward, reverse = forward.relu(), reverse.relu()
    profiles = activation_profiles(model, CODES, layer=layer, at=at, bins=100)
    np.testing.assert_allclose(profiles.binned, forward + reverse.flip(2), rtol=1e-6, atol=1e-6)
    other = activation_profiles(model, reverse_complement(CODES), layer=layer, at=at, bins=7)
    again = activation_profiles(model, CODES, layer=layer, at=at, bins=7)
    np.testing.assert_allclose(other.binned, again.binned[:, :, ::-1], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(40 - other.edges[::-1], again.edges, atol=1e-12)


def test_functions_after_several_uses():
    model = seeded(Network, functional, out=nn.Linear(30, 2))
    found = filter_contributions(model, CODES)
    assert found.layer == "relu after conv"
    leaves = [model.conv(x).relu().detach().requires_grad_() for x in (sequences(), sequences().flip((1, 2)))]
    logits = model.out(F.max_pool1d(leaves[0] * leaves[1], 8).flatten(1))
    slopes = torch.autograd.grad(logits[:, 0].sum(), leaves)
    expected = sum((slope * y).sum(2) for slope, y in zip(slopes, leaves, strict=True)).detach().numpy()
    np.testing.assert_allclose(found.per_sequence, expected, atol=1e-12)


def test_strands_added_before_the_activation_count_at_the_convolution():
    """The reverse strand is turned around before the sum, so that no activation has its neurons at their places."""
    model = seeded(Network, conv_twice_one_relu, out=nn.Linear(30, 2))
    found = filter_contributions(model, CODES)
    assert found.at.startswith("convolution")
    np.testing.assert_allclose(found.per_sequence, products(model, model.conv), atol=1e-12)


def test_deeper_layers_of_a_network_that_reads_both_strands():
    inner = lambda: nn.Sequential(  # noqa: E731
        nn.Conv1d(4, 6, 5), nn.ReLU(), nn.Conv1d(6, 6, 3), nn.ReLU(), nn.MaxPool1d(8), nn.Flatten(), nn.Linear(24, 2)
    )
    model = seeded(Network, strand_mean, body=inner())
    model.conv = nn.Identity()
    for layer, name in (("body.2", "body.3"), ("body.3", "body.3"), ("body.4", "body.4")):
        found = filter_contributions(model, CODES, layer=layer)
        assert found.layer == name
        np.testing.assert_allclose(found.per_sequence, products(model, model.get_submodule(name)), atol=1e-12)
    both = RevCompConjoined(seeded(inner))
    found = filter_contributions(both, CODES, layer="model.2")
    pairs = lambda values: values[0::2] + values[1::2]  # noqa: E731
    np.testing.assert_allclose(found.per_sequence, products(both, both.model[3], pairs), atol=1e-12)


def test_both_strands_joined_into_one_sequence_have_no_profile():
    model = seeded(Network, lambda m, x: m.conv(torch.cat([x, x.flip((1, 2))], dim=2)).relu().mean(2))
    found = filter_contributions(model, CODES)
    assert found.at.startswith("activation")
    with pytest.raises(ValueError, match="positions"):
        activation_profiles(model, CODES)


def test_recomputed_blocks_have_the_same_contributions():
    """Activation checkpointing runs a block a second time, in the backward pass."""

    def block(m):
        return lambda x: m.out(F.max_pool1d(m.act(m.conv(x)), 8).flatten(1))

    parts = {"act": nn.ReLU(), "out": seeded(nn.Linear, 30, 2)}
    plain = seeded(Network, lambda m, x: block(m)(x) ** 2, **parts)
    kept = seeded(Network, lambda m, x: checkpoint(block(m), x, use_reentrant=False) ** 2, **parts)
    np.testing.assert_allclose(
        filter_contributions(kept, CODES).per_sequence, filter_contributions(plain, CODES).per_sequence, atol=1e-12
    )


def test_rows_are_told_apart_in_a_model_that_draws_random_numbers():
    """The draws are the same in every trial, and the user's own go on as if there had been none."""
    model = seeded(
        Network, lambda m, x: stacked(m, F.dropout(x, 0.5, training=True)), act=nn.ReLU(), out=nn.Linear(30, 2)
    )
    state = torch.get_rng_state()
    neurons = find_neurons(model, None, "auto", sequences(CODES[:1]))
    assert torch.equal(torch.get_rng_state(), state)
    assert [(len(use.strands), use.alternating) for use in neurons.uses] == [(2, False)]


def test_values_are_compared_by_positives():
    model = as_sequence_model(seeded(Network, lambda m, x: m.conv(x).relu().mean(2)), output_is="value")
    data = SequenceSet(CODES, np.random.default_rng(0).normal(size=(30, 6)), label_kind="value")
    with pytest.raises(ValueError, match="positives"):
        filter_contributions(model, data, task=2)
    found = filter_contributions(model, CODES, task=2)
    np.testing.assert_allclose(found.scores, found.per_sequence.mean(axis=0), atol=1e-14)
    upper = data.upper_part(0.3, task=2)
    compared = filter_contributions(model, data, task=2, positives=upper)
    expected = found.per_sequence[upper].mean(axis=0) - found.per_sequence[~upper].mean(axis=0)
    np.testing.assert_allclose(compared.scores, expected, atol=1e-14)


def test_rows_that_belong_to_no_sequence_alone_are_refused():
    def mixed(m, x):
        shuffled = torch.cat([x, x.flip((1, 2))])
        shuffled = shuffled[torch.arange(len(shuffled)).flip(0)]
        y = m.conv(shuffled).relu().mean(2).flip(0)
        return y[: len(x)] + y[len(x) :]

    def pairs_of_sequences(m, x):
        return m.conv(torch.cat([x, x[:1]])).relu().mean(2)[: len(x)]

    for run in (mixed, pairs_of_sequences):
        with pytest.raises(ValueError, match="rows for 2 sequences"):
            filter_contributions(seeded(Network, run), CODES)


def test_a_padded_or_cropped_sequence_is_found_in_what_the_convolution_reads():
    """Centres of windows are those on the sequence, wherever the network put it."""
    model = seeded(Network, lambda m, x: m.conv(F.pad(x, (3, 1)) * 2 - 0.5).relu().mean(2))
    profiles = activation_profiles(model, CODES, bins=100)
    np.testing.assert_allclose((profiles.edges[1:] + profiles.edges[:-1]) / 2, np.arange(44) - 2.5)
    with torch.no_grad():
        values = model.conv(F.pad(sequences(), (3, 1)) * 2 - 0.5).relu()
    np.testing.assert_allclose(profiles.binned, values, rtol=1e-6)
    model = seeded(Network, lambda m, x: m.conv(x.flip((1, 2))[:, :, 4:-10]).relu().mean(2))
    profiles = activation_profiles(model, CODES, bins=100)
    np.testing.assert_allclose((profiles.edges[1:] + profiles.edges[:-1]) / 2, np.arange(26) + 10.5)
    with torch.no_grad():
        values = model.conv(sequences().flip((1, 2))[:, :, 4:-10]).relu().flip(2)
    np.testing.assert_allclose(profiles.binned, values, rtol=1e-6)


LAYOUTS = {
    "NC1L": (lambda x: x[:, :, None], 4, (1, 7), lambda w: w[:, :, None]),
    "NCL1": (lambda x: x[:, :, :, None], 4, (7, 1), lambda w: w[:, :, :, None]),
    "N1CL": (lambda x: x[:, None], 1, (4, 7), lambda w: w[:, None]),
    "N1LC": (lambda x: x.mT[:, None], 1, (7, 4), lambda w: w.mT[:, None]),
}


class Image(nn.Module):
    """Conv2d networks: each layout of a sequence as an image, and the one-dimensional network with the same weights."""

    def __init__(self, layout, line, *, squeeze):
        super().__init__()
        self.turn, channels, kernel, shape = LAYOUTS[layout]
        vertical = kernel[0] == 7
        both = lambda along, across: (along, across) if vertical else (across, along)  # noqa: E731
        self.conv = nn.Conv2d(channels, 6, kernel, stride=both(2, 1), padding=both(3, 0), dilation=both(2, 1))
        self.norm, self.act = nn.BatchNorm2d(6), nn.ReLU()
        self.second = nn.Conv2d(6, 5, both(3, 1))
        self.out, self.squeeze = nn.Linear(5, 2), squeeze
        second_shape = (lambda w: w[..., None]) if vertical else (lambda w: w[:, :, None])
        with torch.no_grad():
            self.conv.weight.copy_(shape(line[0].weight))
            self.conv.bias.copy_(line[0].bias)
            self.second.weight.copy_(second_shape(line[3].weight))
            self.second.bias.copy_(line[3].bias)
        self.norm.load_state_dict(line[1].state_dict())
        self.out.load_state_dict(line[6].state_dict())

    def forward(self, x):
        y = self.norm(self.conv(self.turn(x)))
        y = self.act(y.flatten(2)).reshape(y.shape) if self.squeeze else self.act(y)
        return self.out(self.second(y).amax(dim=(2, 3)))


def line():
    first, second = nn.Conv1d(4, 6, 7, stride=2, padding=3, dilation=2), nn.Conv1d(6, 5, 3)
    norm = nn.BatchNorm1d(6)
    with torch.no_grad():
        norm.running_mean.uniform_(-0.3, 0.3)
        norm.weight.uniform_(0.5, 2)
    return nn.Sequential(first, norm, nn.ReLU(), second, nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(5, 2))


@pytest.mark.parametrize(
    ("bases", "declared", "squeeze"), [("ACGT", True, False), ("TGAC", False, True), ("TGAC", True, True)]
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_convolutions_over_images_are_those_over_sequences(layout, bases, declared, squeeze):
    """Whether the network makes the image or its layout is declared."""
    one = seeded(line)
    image = Image(layout, one, squeeze=squeeze).double().eval()
    if declared:
        image.turn = nn.Identity()
    image = as_sequence_model(image, bases=bases, layout=layout if declared else "NCL")
    plain = as_sequence_model(one, bases=bases)
    banks = filter_bank(image), filter_bank(plain)
    assert banks[0].layer == "model.conv"
    np.testing.assert_allclose(banks[0].weights, banks[1].weights, atol=1e-14)
    np.testing.assert_allclose(banks[0].bias, banks[1].bias, atol=1e-14)
    assert (banks[0].stride, banks[0].padding, banks[0].width) == (2, 3, 13)
    sites = [bank.activating_sites(CODES) for bank in banks]
    np.testing.assert_array_equal(sites[0].start, sites[1].start)
    np.testing.assert_allclose(sites[0].best, sites[1].best, atol=1e-12)
    for at in ("auto", "convolution"):
        contributions = [filter_contributions(model, CODES, task=1, at=at) for model in (image, plain)]
        assert [found.at.split(":")[0] for found in contributions] == [
            "activation" if at == "auto" else "convolution, as chosen"
        ] * 2
        np.testing.assert_allclose(contributions[0].per_sequence, contributions[1].per_sequence, atol=1e-12)
        profiles = [activation_profiles(model, CODES, at=at, bins=9) for model in (image, plain)]
        np.testing.assert_allclose(profiles[0].binned, profiles[1].binned, rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(profiles[0].edges, profiles[1].edges)
        gaps = [gap_by_filter(model, CODES, at=at) for model in (image, plain)]
        np.testing.assert_allclose(gaps[0].difference, gaps[1].difference, atol=1e-12)
    deeper = [
        filter_contributions(model, CODES, layer=name) for model, name in ((image, "model.second"), (plain, "model.3"))
    ]
    np.testing.assert_allclose(deeper[0].per_sequence, deeper[1].per_sequence, atol=1e-12)
    with pytest.raises(ValueError, match="reads 6 channels"):
        filter_bank(image, layer="model.second")


def test_square_kernels_tell_nothing_of_their_rows():
    def square():
        return nn.Sequential(nn.Conv2d(1, 6, (4, 4)), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten())

    model = seeded(square)
    for network in (model, as_sequence_model(model, layout="N1LC")):
        with pytest.raises(ValueError, match="N1CL"):
            filter_bank(network)
    bank = filter_bank(as_sequence_model(model, layout="N1CL"))
    weight = model[0].weight.detach().numpy()[:, 0]
    np.testing.assert_allclose(bank.weights, weight - weight.mean(axis=1, keepdims=True), atol=1e-14)


def test_images_proper_are_no_sequences():
    model = seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveMaxPool2d(1), nn.Flatten()))
    with pytest.raises(ValueError, match="no one-dimensional convolution"):
        filter_bank(model)


def explainn(m, x):
    y = m.act(m.conv(x.repeat(1, 5, 1)))
    return m.out(F.max_pool1d(y, 8).flatten(1))


def grouped(per_group=1, run=explainn):
    model = seeded(Network, run, act=nn.ReLU(), out=nn.Linear(25 * per_group, 2))
    model.conv = seeded(nn.Conv1d, 20, 5 * per_group, 5, padding=2, groups=5)
    return model


@pytest.mark.parametrize("per_group", [1, 2])
def test_grouped_convolutions_over_the_repeated_sequence_have_logos(per_group):
    model = as_sequence_model(grouped(per_group), bases="CAGT")
    bank = filter_bank(model)
    weight = model.model.conv.weight.detach().numpy()[:, [1, 0, 2, 3]]
    np.testing.assert_allclose(bank.weights, weight - weight.mean(axis=1, keepdims=True), atol=1e-14)
    assert sequence_layers(model, sequences(CODES[:1])) == ["model.conv"]
    found = filter_contributions(model, CODES)
    np.testing.assert_allclose(found.per_sequence, products(model, model.model.act), atol=1e-12)
    profiles = activation_profiles(model, CODES, at="convolution", bins=100)
    with torch.no_grad():
        values = F.conv1d(sequences(), torch.from_numpy(weight), model.model.conv.bias, padding=2)
    np.testing.assert_allclose(profiles.binned, values, rtol=1e-5, atol=1e-6)
    sites = bank.activating_sites(CODES, strands="forward")
    np.testing.assert_allclose(sites.best, values[:, :, 2:-2].amax(dim=2), atol=1e-12)


def test_grouped_convolutions_over_something_else_have_none():
    interleaved = grouped(run=lambda m, x: m.out(F.max_pool1d(m.act(m.conv(x.repeat_interleave(5, 1))), 8).flatten(1)))
    assert sequence_layers(interleaved, sequences(CODES[:1])) == []
    depthwise = seeded(
        lambda: nn.Sequential(nn.Conv1d(4, 4, 5, groups=4), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten())
    )
    with pytest.raises(ValueError, match="reads 1 channels"):
        filter_bank(depthwise)


def test_positives_of_the_users_choice(toy):
    model = seeded(Network, lambda m, x: m.conv(x).relu().mean(2))
    mask = np.arange(len(toy)) % 3 == 1
    plain = filter_contributions(model, toy.codes)
    for data in (toy, toy.codes):
        found = filter_contributions(model, data, positives=mask)
        np.testing.assert_array_equal(found.per_sequence, plain.per_sequence)
        expected = plain.per_sequence[mask].mean(axis=0) - plain.per_sequence[~mask].mean(axis=0)
        np.testing.assert_allclose(found.scores, expected, atol=1e-14)
        assert len(found.positive(0)) == mask.sum()
        assert found.plot() is not None
    for wrong in (mask[:-1], mask.astype(int), np.ones(len(toy), bool), np.zeros(len(toy), bool)):
        with pytest.raises(ValueError, match="positives"):
            filter_contributions(model, toy, positives=wrong)


def test_tied_layers_used_on_both_strands_count_once():
    """A tied layer under a strand-averaging wrapper: partners and uses are both summed."""
    tied = lambda: nn.Sequential(RevCompConv1d(4, 3, 5), nn.ReLU(), nn.MaxPool1d(9), nn.Flatten(), nn.Linear(24, 2))  # noqa: E731
    model = seeded(Network, strand_mean, body=tied())
    model.conv = nn.Identity()
    found = filter_contributions(model, CODES)
    channels = products(model, model.body[1])
    np.testing.assert_allclose(found.per_sequence, channels[:, :3] + channels[:, :2:-1], atol=1e-12)
