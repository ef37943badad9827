"""Effects of mutations against models run on every mutated sequence, in float64."""

import numpy as np
import pytest
import torch
from architectures import ARCHITECTURES, built
from hypothesis import given, settings
from reliability.architectures import SEEDS, composed, configs
from stirred import stirred
from torch import nn

import rcviz
from rcviz.analysis import mutagenesis as module
from rcviz.analysis.mutagenesis import can_follow
from rcviz.analysis.mutated_batch import MutatedBatch

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module", autouse=True)
def every_model_is_followed():
    """The smallest as well, of which whole passes take less time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_WORTH_FOLLOWING", 0)
        yield


def random_codes(n, length, unknown=0.1):
    letters = RNG.choice(5, (n, length), p=[*[(1 - unknown) / 4] * 4, unknown])
    return letters.astype(np.uint8)


def by_brute_force(plain, codes, task=0):
    """Effects (N, 4, L) on both strands: every mutated sequence as a whole, with its positions reversed for one."""
    x = torch.from_numpy(rcviz.one_hot(codes, dtype="float64"))
    n, _, length = x.shape
    mutated = x[:, None, None].repeat(1, 4, length, 1, 1)
    for position in range(length):
        mutated[:, :, position, :, position] = torch.eye(4, dtype=x.dtype)
    mutated = mutated.flatten(0, 2)
    with torch.no_grad():
        return [
            (plain(seen(mutated))[:, task].reshape(n, 4, length) - plain(seen(x))[:, task, None, None]).numpy()
            for seen in (lambda x: x, lambda x: x.flip(1, 2))
        ]


def assert_equal(mutations, expected):
    for effects, wanted in zip((mutations.forward, mutations.reverse), expected, strict=True):
        np.testing.assert_allclose(effects, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_published_architectures(name):
    architecture, network = ARCHITECTURES[name], built(name)
    model = rcviz.as_sequence_model(network, **architecture.declared)
    codes = random_codes(1, 48)
    mutations = rcviz.mutagenesis(model, codes, batch_size=97)
    assert_equal(mutations, by_brute_force(lambda x: architecture.plain(network, x), codes))
    assert abs(mutations.effects).max() > 1e-5
    with torch.no_grad():
        assert can_follow(model, codes[0], (0, 48))


@pytest.mark.parametrize("architecture", ["standard", "revcomp"])
def test_layers_that_are_computed_together_are_followed(architecture):
    """In float32 convolution, normalisation, rectifier and pooling are, some of it in place."""
    config = rcviz.ModelConfig.chipseq(architecture, n_filters=3, sequence_length=120, pool_size=8, pool_stride=4)
    model = stirred(rcviz.build_model(config), dtype=torch.float32)
    codes = random_codes(1, 120)
    with torch.no_grad():
        assert can_follow(model, codes[0], (0, 120))
    mutations = rcviz.mutagenesis(model, codes)
    expected = by_brute_force(model.double(), codes)
    for effects, wanted in zip((mutations.forward, mutations.reverse), expected, strict=True):
        np.testing.assert_allclose(effects, wanted, rtol=0, atol=1e-5 * abs(wanted).max())
    assert (mutations.reverse is mutations.forward) == (architecture == "revcomp")


@settings(max_examples=6)
@given(configs(), SEEDS)
def test_networks_of_a_configuration(config, seed):
    model = stirred(rcviz.build_model(config, seed=seed))
    codes = random_codes(1, config.sequence_length)
    assert_equal(rcviz.mutagenesis(model, codes, batch_size=41), by_brute_force(model, codes))


@settings(max_examples=8)
@given(composed())
def test_layers_in_any_order(made):
    model = stirred(made.network())
    codes = random_codes(1, made.length)
    mutations = rcviz.mutagenesis(model, codes, task="task_0")
    assert_equal(mutations, by_brute_force(model, codes))
    assert not mutations.gap.any()  # tied layers


class Recorded(nn.Module):
    """Notes whether it gets a batch of mutations, and how many positions of it are stored."""

    def __init__(self):
        super().__init__()
        self.widths = []

    def forward(self, x):
        self.widths.append(x.windows.width if isinstance(x, MutatedBatch) else None)
        return x


def test_only_what_a_mutation_reaches_is_computed():
    """Filters of 5 and 3: 5, then 7 windows read a base; pools of 8, every 4: at most (7 + 8 - 2) // 4 + 1."""
    seen = [Recorded() for _ in range(3)]
    convolutions = nn.Conv1d(4, 6, 5), seen[0], nn.BatchNorm1d(6), nn.Conv1d(6, 6, 3, stride=1), nn.ReLU(), seen[1]
    model = nn.Sequential(*convolutions, nn.MaxPool1d(8, 4), seen[2], nn.Flatten(), nn.LazyLinear(1)).eval().double()
    codes = random_codes(1, 96)
    with torch.no_grad():
        model(torch.zeros(1, 4, 96, dtype=torch.float64))
    expected = by_brute_force(model, codes)
    for each in seen:
        each.widths.clear()
    assert_equal(rcviz.mutagenesis(model, codes), expected)
    followed = [[width for width in each.widths if width is not None] for each in seen]
    assert [set(widths) for widths in followed] == [{5}, {7}, {4}]
    assert min(len(widths) for widths in followed) == 4  # a trial and all mutations, on each strand


@pytest.mark.parametrize("average", ["logit", "probability"])
def test_both_strands_of_a_conjoined_model_are_followed(average):
    seen = Recorded()
    model = nn.Sequential(nn.Conv1d(4, 3, 5), seen, nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(3, 2))
    conjoined = rcviz.RevCompConjoined(model, average=average).double().eval()
    codes = random_codes(2, 30)
    mutations = rcviz.mutagenesis(conjoined, codes, task=1)
    assert_equal(mutations, by_brute_force(conjoined, codes, task=1))
    assert 5 in seen.widths
    assert not mutations.gap.any()


def test_tasks_that_the_strands_exchange():
    """The reverse strand's effects are those of the partner, which the reverse complement of the sequence has."""
    model = nn.Sequential(nn.Conv1d(4, 3, 5), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 16, 2)).double()
    stranded = rcviz.RevCompConjoined(model, output_kind="stranded").eval()
    codes = random_codes(1, 20)
    mutations = rcviz.mutagenesis(stranded, codes, task=0)
    np.testing.assert_allclose(mutations.forward, by_brute_force(stranded, codes, task=0)[0], rtol=0, atol=1e-10)
    np.testing.assert_allclose(mutations.reverse, by_brute_force(stranded, codes, task=1)[1], rtol=0, atol=1e-10)


class ThroughNumpy(nn.Module):
    """Leaves torch, where nothing can be followed."""

    def forward(self, x):
        return torch.from_numpy(x.numpy()[:, :, ::2].sum(axis=(1, 2)) ** 2 + 3 * x.numpy()[:, 1, :5].sum(axis=1))


class OverAView(nn.Module):
    """Writes in place over a view of what it reads later."""

    def forward(self, x):
        x = x.clone()
        x[:, 0].mul_(3)
        return x[:, :2].flatten(1).cumsum(dim=1)[:, 5:]


@pytest.mark.parametrize("kind", [ThroughNumpy, OverAView])
def test_other_models_get_whole_sequences(kind):
    model = nn.Sequential(nn.Identity(), kind())
    model.register_buffer("number", torch.zeros(1, dtype=torch.float64))  # the type that the model is given
    codes = random_codes(2, 12)
    with torch.no_grad():
        assert not can_follow(model, codes[0], (0, 12))
    assert_equal(rcviz.mutagenesis(model, codes), by_brute_force(lambda x: model(x).reshape(len(x), -1), codes))


def motif_scores(letters="TGACTCA"):
    """Number of letters of a motif at each position."""
    scores = nn.Conv1d(4, 1, len(letters), bias=False).double()
    scores.weight.data = torch.from_numpy(rcviz.one_hot([letters], dtype="float64"))
    return scores


class Scored(nn.Module):
    """A function of the scores of a motif, which the first of two sequences does not have and the second has."""

    sequences = ("A" * 40, "ACGTTGCATCGGA" + "TGACTCA" + "CTTAGCAGGTACCATGATCA")

    def __init__(self, run):
        super().__init__()
        self.scores, self.run = motif_scores(), run

    def forward(self, x):
        return self.run(self.scores(x))


def clamped(*views):
    """Write over views of the scores, which changes those of the motif alone."""

    def run(y):
        for view in views:
            for part in view(y):
                part.clamp_(max=4)
        return y.sum(dim=2)

    return run


def all_at_once(y):
    torch._foreach_clamp_max_([y], 4)
    return y.sum(dim=2)


def place_of_the_best(y):
    best, place = nn.functional.max_pool1d(y, 34, return_indices=True)
    return (best + (best > 4) * place)[:, :, 0]


def by_the_best(y):
    if y.max() > 6:
        y.transpose(1, 2).mul_(2)
    return (y * torch.linspace(0, 1, y.shape[2])).sum(dim=2)


@pytest.mark.parametrize(
    "run",
    [
        clamped(lambda y: [y[:, :, 1::2]]),
        clamped(lambda y: y.unbind(2)),
        clamped(lambda y: [y.unfold(2, 4, 4)]),
        all_at_once,
        place_of_the_best,
    ],
)
def test_what_only_some_sequences_meet_is_not_missed(run):
    """The trial is with the first sequence, for which nothing differs."""
    model = Scored(run)
    codes = rcviz.encode(Scored.sequences)
    expected = by_brute_force(model, codes)
    assert abs(expected[0][1]).max() >= 1
    assert_equal(rcviz.mutagenesis(model, codes), expected)


def test_sequences_that_take_another_way_through_the_model_are_run_whole():
    model = Scored(by_the_best)
    codes = rcviz.encode(Scored.sequences)
    with torch.no_grad():
        assert can_follow(model, codes[0], (0, 40))
    found = rcviz.mutagenesis(model, codes, batch_size=200)  # each sequence alone, with all its mutations
    expected = [by_brute_force(model, codes[[row]])[0] for row in (0, 1)]
    np.testing.assert_allclose(found.forward, np.concatenate(expected), rtol=0, atol=1e-10)


def test_what_is_left_of_a_sum_keeps_its_digits():
    """A mutation of the motif takes nearly all of a partition function."""
    model = Scored(lambda y: (12 * y - 40).exp().sum(dim=2).log())
    codes = rcviz.encode(Scored.sequences)
    with torch.no_grad():
        assert can_follow(model, codes[1], (0, 40))
    found = rcviz.mutagenesis(model, codes)
    for effects, wanted in zip((found.forward, found.reverse), by_brute_force(model, codes), strict=True):
        np.testing.assert_allclose(effects, wanted, rtol=0, atol=1e-13)


def test_a_large_constant_does_not_hide_that_the_strands_differ():
    class Counts(Scored):
        symmetry = rcviz.Symmetry(input="paired", output="invariant")

    model = Counts(lambda y: y.relu().sum(dim=2) + 1e5).float()
    codes = rcviz.encode(Scored.sequences)
    found = rcviz.mutagenesis(nn.Sequential(model), codes)
    expected = by_brute_force(model.double(), codes)
    for effects, wanted in zip((found.forward, found.reverse), expected, strict=True):
        np.testing.assert_allclose(effects, wanted, rtol=0, atol=0.5)
    assert found.gap.max() >= 1


def test_a_declared_symmetry_that_is_broken_is_not_believed():
    class Wrong(nn.Module):
        symmetry = rcviz.Symmetry(input="paired", output="invariant")

        def forward(self, x):
            return x[:, 0, 0] + 2 * x[:, 1, 3]

    mutations = rcviz.mutagenesis(nn.Sequential(Wrong()), ["ACGTA"])
    assert mutations.forward[0, 0].tolist() == [0, 0, 0, 0, 0]
    assert mutations.forward[0, 1].tolist() == [-1, 0, 0, 2, 0]
    assert mutations.reverse[0, 3].tolist() == [0, 0, 0, 0, 1]  # T in the last place is A in the first of the reverse
    assert mutations.reverse[0, 2].tolist() == [0, 2, 0, 0, 0]


def test_an_unknown_base_has_four_mutations_and_others_three():
    weights = np.arange(12.0, dtype=np.float32).reshape(4, 3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 1, bias=False))
    model[1].weight.data = torch.from_numpy(weights.reshape(1, 12))
    mutations = rcviz.mutagenesis(model, ["ANG"])
    np.testing.assert_array_equal(mutations.forward[0], weights - [0, 0, weights[2, 2]] - [weights[0, 0], 0, 0])
    table = mutations.table
    assert table[["position", "reference", "alternative"]].to_numpy().tolist() == [
        *([0, "A", base] for base in "CGT"),
        *([1, "N", base] for base in "ACGT"),
        *([2, "G", base] for base in "ACT"),
    ]
    row = table.iloc[5]
    assert row["forward"] == weights[2, 1]
    assert row["reverse"] == weights[1, 1]  # its complement, at the same place from the other end
    assert (row["effect"], row["gap"]) == ((7 + 4) / 2, 3)


def test_a_region_is_mutated_alone():
    model = nn.Sequential(nn.Conv1d(4, 2, 3), nn.Flatten(), nn.Linear(16, 1)).double()
    codes = random_codes(2, 10, unknown=0)
    whole, part = rcviz.mutagenesis(model, codes), rcviz.mutagenesis(model, codes, region=(3, 6))
    np.testing.assert_allclose(part.forward[:, :, 3:6], whole.forward[:, :, 3:6], rtol=0, atol=1e-14)
    assert np.isnan(part.effects[:, :, [0, 1, 2, 6, 7, 8, 9]]).all()
    assert sorted(set(part.table["position"])) == [3, 4, 5]
    assert len(part.table) == 2 * 3 * 3


def test_the_model_is_not_modified():
    model = nn.Sequential(
        nn.Conv1d(4, 2, 3), nn.BatchNorm1d(2), nn.Dropout(0.5), nn.Flatten(), nn.Linear(16, 1)
    ).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    rcviz.mutagenesis(model, random_codes(1, 10))
    assert all(part.training for part in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": 2}, "no task 2"),
        ({"task": "CTCF"}, "no task 'CTCF'"),
        ({"region": (3, 11)}, "region"),
        ({"region": (3, 3)}, "region"),
        ({"region": 3}, "region"),
        ({"region": (0.5, 3)}, "region"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    model = nn.Sequential(nn.Flatten(), nn.Linear(40, 1))
    with pytest.raises(ValueError, match=message):
        rcviz.mutagenesis(model, ["ACGTACGTAC"], **options)


def test_no_sequences_and_another_length_are_refused():
    model = nn.Sequential(nn.Flatten(), nn.Linear(40, 1))
    with pytest.raises(ValueError, match="sequence"):
        rcviz.mutagenesis(model, np.zeros((0, 10), dtype=np.uint8))
    with pytest.raises(ValueError, match="length"):
        rcviz.mutagenesis(model, ["ACGT"])


@pytest.mark.parametrize(("n_filters", "is_followed"), [(8, False), (64, True)])
def test_only_large_models_are_followed_and_small_ones_have_the_same_effects(n_filters, is_followed):
    """The quickstart's network has 561 weights: whole passes for 200 bp take less time than to follow mutations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_WORTH_FOLLOWING", 300_000)
        config = rcviz.ModelConfig.one_layer("standard", n_filters=n_filters, sequence_length=200, pool_size=31)
        model, followed = rcviz.build_model(config).double().eval(), []
        patch.setattr(module, "MutatedBatch", lambda *windows: followed.append(1) or MutatedBatch(*windows))
        codes = random_codes(1, 200)
        effects = rcviz.mutagenesis(model, codes).effects
        assert bool(followed) == is_followed
        patch.setattr(module, "_WORTH_FOLLOWING", 0)
        np.testing.assert_allclose(rcviz.mutagenesis(model, codes).effects, effects, rtol=0, atol=1e-12)
