"""Knock-outs against brute force in float64: hooks on plain networks, and weights set to zero."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from architectures import ARCHITECTURES, LENGTH
from architectures import built as built_architecture
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import rcviz
from rcviz.analysis import ablation
from rcviz.analysis.trial import random_sequences

CODES = np.random.default_rng(3).integers(0, 5, (7, 60)).astype(np.uint8)
SIZES = {"n_filters": 3, "sequence_length": 60, "n_tasks": 2, "pool_size": 10, "pool_stride": 19}


@pytest.fixture
def repeated(monkeypatch):
    """Whether repetitions were found to give what whole passes give."""
    answers = []

    def can_repeat(*arguments):
        answers.append(original(*arguments))
        return answers[-1]

    original = ablation.can_repeat
    monkeypatch.setattr(ablation, "can_repeat", can_repeat)
    return answers


def sequences(codes=CODES):
    return torch.from_numpy(rcviz.one_hot(codes, dtype="float64"))


def brute_force(run, module, *, tied=False, task=0, n_calls=1, values=None, codes=CODES):
    """Output minus that with each filter's channels replaced in the first calls of a module, by whole passes."""
    x, effects, shapes = sequences(codes), [], []
    with torch.no_grad():
        handle = module.register_forward_hook(lambda m, args, y: shapes.append(y.shape))
        whole = run(x.clone())[:, task]
        handle.remove()
        n = shapes[0][1]
        for index in range(n // 2 if tied else n):
            calls = []

            def silence(m, args, y, index=index, calls=calls):
                calls.append(index)
                if len(calls) > n_calls:
                    return None
                y = y.clone()
                y[:, [index, n - 1 - index] if tied else index] = 0 if values is None else values[index]
                return y

            handle = module.register_forward_hook(silence)
            effects.append(whole - run(x.clone())[:, task])
            handle.remove()
    return torch.stack(effects, dim=1).numpy()


@pytest.mark.parametrize("name", [name for name, each in ARCHITECTURES.items() if each.layer])
def test_architectures_of_others(name, repeated):
    given, network = ARCHITECTURES[name], built_architecture(name)
    model = rcviz.as_sequence_model(network, **given.declared)
    codes = np.random.default_rng(0).integers(0, 5, (4, LENGTH)).astype(np.uint8)
    # Where the rectifier is a function, zero before it is zero behind it.
    expected = brute_force(
        lambda x: given.plain(network, x), network.get_submodule(given.neurons), n_calls=len(given.uses), codes=codes
    )
    found = rcviz.filter_ablation(model, codes)
    np.testing.assert_allclose(found.effects, expected, rtol=0, atol=1e-10)
    assert abs(expected).max() > 1e-3
    assert found.at.startswith(given.at)
    assert repeated == [True]
    np.testing.assert_array_equal(
        found.contributions.per_sequence, rcviz.filter_contributions(model, codes).per_sequence
    )


@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_networks_of_the_paper(architecture, layer, repeated):
    model = rcviz.build_model(rcviz.ModelConfig.chipseq(architecture, **SIZES, kernel_sizes=(7, 5, 3)), seed=1).double()
    act = getattr(model, f"relu{layer}")
    expected = brute_force(model.eval(), act, tied=architecture == "revcomp", task=1)
    found = rcviz.filter_ablation(model, CODES, task=1, layer=f"conv{layer}", batch_size=3)
    np.testing.assert_allclose(found.effects, expected, rtol=0, atol=1e-10)
    assert abs(expected).max() > 1e-3
    assert repeated == [True]
    assert found.layer == f"relu{layer}"


def test_without_a_filter_of_a_shared_layer_is_with_zeros_in_its_weights():
    """An oracle without hooks: scale and shift of zero silence both channels behind the normalisation."""
    model = rcviz.build_model(rcviz.ModelConfig.chipseq("revcomp", **SIZES, kernel_sizes=(7, 5, 3))).double().eval()
    found = rcviz.filter_ablation(model, CODES).effects
    whole = rcviz.predict(model, CODES, output="logit")[:, 0]
    for index in range(3):
        without = rcviz.build_model(model.config).double()
        without.load_state_dict(model.state_dict())
        with torch.no_grad():
            without.norm1.weight[index] = without.norm1.bias[index] = 0
        expected = whole - rcviz.predict(without, CODES, output="logit")[:, 0]
        np.testing.assert_allclose(found[:, index], expected, rtol=0, atol=1e-10)


def test_both_strands_of_a_siamese_are_silenced():
    network = rcviz.build_model(rcviz.ModelConfig.chipseq("standard", **SIZES, kernel_sizes=(7, 5, 3))).double()
    model = rcviz.RevCompConjoined(network).eval()
    expected = brute_force(lambda x: (network(x) + network(x.flip(1, 2))) / 2, network.relu1, n_calls=2)
    np.testing.assert_allclose(rcviz.filter_ablation(model, CODES).effects, expected, rtol=0, atol=1e-10)


class Network(nn.Module):
    """A convolution, a second one, and a function of the network and its input as ``forward``."""

    def __init__(self, run):
        super().__init__()
        self.conv, self.second = nn.Conv1d(4, 5, 5, padding=2), nn.Conv1d(5, 5, 3, padding=1)
        self.act, self.in_place, self.out = nn.ReLU(), nn.ReLU(inplace=True), nn.Linear(5, 2)
        self.run = run

    def forward(self, x):
        return self.run(self, x)


def head(m, y):
    return m.out(y.relu().amax(dim=2))


def overwritten(m, x):
    """The model continues with the argument of its in-place activation."""
    y = m.conv(x)
    m.in_place(y)
    return head(m, m.second(y))


def into_a_buffer(m, x):
    held = x.new_zeros(len(x), 5, x.shape[2])
    held += m.second(m.act(m.conv(x)))
    return head(m, held)


def number_read(m, x):
    y = m.act(m.conv(x))
    return head(m, m.second(y)) * (1 + y.mean().item())


def through_numpy(m, x):
    y = torch.from_numpy(m.act(m.conv(x)).detach().numpy())
    return head(m, m.second(y))


def at_random(m, x):
    return head(m, F.dropout(m.second(m.act(m.conv(x))), 0.3, training=True))


def data_changed(m, x):
    """Changes what was read before, where only the first filter meets it."""
    other, y = x[:, :1].repeat(1, 5, 1), m.act(m.conv(x))
    before = head(m, y * other)
    other.data[:, 0] = 0
    return before + 2 * head(m, y * other)


RUNS = {
    "modules": (lambda m, x: head(m, m.second(m.act(m.conv(x)))), True),
    "a residual": (lambda m, x: (lambda y: head(m, y + m.second(y)))(m.act(m.conv(x))), True),
    "in place": (lambda m, x: head(m, m.second(m.in_place(m.conv(x)))), True),
    "in place, argument kept": (overwritten, True),
    "in place, a view of it read": (
        lambda m, x: (lambda y: (lambda flat: m.in_place(y) is None or head(m, m.second(flat)))(y.view(y.shape)))(
            m.conv(x)
        ),
        True,
    ),
    "into a buffer": (into_a_buffer, False),
    "a number read": (number_read, True),
    "through numpy": (through_numpy, True),
    "data changed": (data_changed, False),
    "input changed": (lambda m, x: head(m, m.second(m.act(m.conv(x.sub_(0.3))))), True),
}


@pytest.mark.parametrize("name", list(RUNS))
def test_however_a_model_is_written(name, repeated):
    run, expected_to_repeat = RUNS[name]
    torch.manual_seed(0)
    model = Network(run).double().eval()
    expected = by_weights(model) if "in place" in name else brute_force(model, model.act)
    with pytest.warns(UserWarning, match="gradient") if name == "through numpy" else nullcontext():
        found = rcviz.filter_ablation(model, CODES)
    np.testing.assert_allclose(found.effects, expected, rtol=0, atol=1e-10)
    assert abs(expected).max() > 1e-3
    assert repeated == [expected_to_repeat]


@pytest.mark.parametrize(
    "count", [lambda y: y.nonzero().shape[0], lambda y: len(y[y]), lambda y: torch.where(y)[0].numel()]
)
def test_neurons_that_a_model_counts_are_counted_again(count):
    """Nothing is counted in the sequences of the trial, and the shape of a tensor tells how many there are."""

    def run(m, x):
        y = m.act(m.conv(x))
        return head(m, y) * torch.full((), 1 + count(y > limit), dtype=y.dtype)

    torch.manual_seed(0)
    model, codes = Network(run).double().eval(), CODES.copy()
    with torch.no_grad():
        limit = model.conv(random_sequences(3, sequences())).max()
        best = (model.conv.weight.amax(dim=1).sum(dim=1) + model.conv.bias).argmax()
        codes[:, 20:25] = model.conv.weight[best].argmax(dim=0)
        assert (model.conv(sequences(codes)) > limit).any()
    expected = brute_force(model, model.act, codes=codes)
    np.testing.assert_allclose(rcviz.filter_ablation(model, codes).effects, expected, rtol=0, atol=1e-10)


def by_weights(model):
    """Output minus that with the weights and the bias of each filter of the first convolution at zero."""
    with torch.no_grad():
        whole, effects = model(sequences())[:, 0], []
        for index in range(5):
            kept = model.conv.weight[index].clone(), model.conv.bias[index].clone()
            model.conv.weight[index], model.conv.bias[index] = 0, 0
            effects.append(whole - model(sequences())[:, 0])
            model.conv.weight[index], model.conv.bias[index] = kept
    return torch.stack(effects, dim=1).numpy()


def test_a_model_that_draws_random_numbers_draws_the_same_with_and_without_a_filter(repeated):
    torch.manual_seed(0)
    model = Network(at_random).double().eval()
    with torch.no_grad():
        model.out.weight[:, 2] = 0  # nothing of this filter reaches the output
    found = rcviz.filter_ablation(model, CODES, layer="second", at="convolution").effects
    assert repeated == [False]
    assert not found[:, 2].any()
    assert abs(found).max() > 1e-3


class Convolutions(TorchDispatchMode):
    """Count convolutions, by their number of input channels."""

    def __init__(self):
        super().__init__()
        self.counts = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if "convolution" in func.name():
            channels = args[1].shape[1]
            self.counts[channels] = self.counts.get(channels, 0) + 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("wrap", [lambda model: model, rcviz.RevCompConjoined])
def test_nothing_before_the_layer_is_computed_for_each_filter(wrap):
    """Counted by torch's dispatcher: with 3 filters and with 12, the layers before run as often."""
    config = {"kernel_sizes": (7, 5, 3), "sequence_length": 60, "pool_size": 10, "pool_stride": 19}
    counts = []
    for n_filters in (3, 12):
        model = wrap(rcviz.build_model(rcviz.ModelConfig.chipseq("standard", n_filters=n_filters, **config)))
        with Convolutions() as convolutions:
            rcviz.filter_ablation(model, CODES, layer="model.conv3" if wrap is rcviz.RevCompConjoined else "conv3")
        counts.append(convolutions.counts)
    assert counts[0][4] == counts[1][4]
    assert counts[0][3] == counts[1][12]


def test_the_mean_is_that_of_a_filter_over_data_positions_and_both_channels():
    model = rcviz.build_model(rcviz.ModelConfig.chipseq("revcomp", **SIZES, kernel_sizes=(7, 5, 3)), seed=2).double()
    kept = []
    handle = model.eval().relu1.register_forward_hook(lambda m, args, y: kept.append(y))
    with torch.no_grad():
        model(sequences())
    handle.remove()
    means = kept[0].mean(dim=(0, 2))
    means = (means + means.flip(0)) / 2
    expected = brute_force(model, model.relu1, tied=True, values=means)
    found = rcviz.filter_ablation(model, CODES, replace="mean", batch_size=4)
    np.testing.assert_allclose(found.effects, expected, rtol=0, atol=1e-10)
    assert found.replaced_by == "mean"
    of_reverse = rcviz.filter_ablation(model, rcviz.reverse_complement(CODES), replace="mean")
    np.testing.assert_allclose(of_reverse.effects, found.effects, rtol=0, atol=1e-10)


def test_scores_ranks_and_signs(toy, make_model):
    model = make_model(n_filters=4)
    found, labels = rcviz.filter_ablation(model, toy), toy.labels[:, 0]
    expected = found.effects[labels == 1].mean(axis=0) - found.effects[labels == 0].mean(axis=0)
    np.testing.assert_array_equal(found.scores, expected)
    estimate, table = rcviz.filter_contributions(model, toy), found.table
    assert table["filter"].tolist() == np.argsort(-expected, kind="stable").tolist() == found.ranking.tolist()
    assert table["rank"].tolist() == [1, 2, 3, 4]
    by_filter = table.set_index("filter")
    np.testing.assert_array_equal(by_filter["gradient_x_activation"].sort_index(), estimate.scores)
    assert by_filter["gradient_x_activation_rank"].loc[estimate.ranking].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(table["mean_positive"] - table["mean_negative"], table["score"])
    # Behind a single convolution all is linear, or a maximum: the estimate is exact.
    np.testing.assert_allclose(found.effects, estimate.per_sequence, atol=1e-5)
    assert found.rank_correlation == pytest.approx(1)
    chosen = rcviz.filter_ablation(model, toy.codes, positives=labels == 1)
    np.testing.assert_array_equal(chosen.scores, found.scores)


def test_a_filter_that_adds_has_a_positive_effect():
    """The logit counts GA minus TC."""
    conv, act = nn.Conv1d(4, 2, 2), nn.ReLU()
    conv.weight.data = torch.from_numpy(rcviz.one_hot(["GA", "TC"]))
    conv.bias.data.fill_(-1.0)
    sums, out = nn.AdaptiveAvgPool1d(1), nn.Linear(2, 1)
    out.weight.data, out.bias.data = torch.tensor([[1.0, -1.0]]), torch.zeros(1)
    model = nn.Sequential(conv, act, sums, nn.Flatten(), out)
    found = rcviz.filter_ablation(model, ["GATCTC", "CCCCCC"])
    np.testing.assert_allclose(found.effects * 5, [[1, -2], [0, 0]], atol=1e-6)


def test_effects_do_not_need_a_gradient():
    class Steps(nn.Module):
        def forward(self, y):
            return (y > 0.3).to(y).mean(dim=2)

    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(4, 3, 5), nn.ReLU(), Steps(), nn.Linear(3, 1)).double().eval()
    with pytest.warns(UserWarning, match="gradient"):
        found = rcviz.filter_ablation(model, CODES)
    np.testing.assert_allclose(found.effects, brute_force(model, model[1]), rtol=0, atol=1e-10)
    assert found.table["gradient_x_activation"].isna().all()
    with pytest.raises(ValueError, match="nothing to compare"):
        found.plot()


def test_the_model_is_left_as_it_was(toy, make_model):
    model = make_model(n_filters=3).train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    rcviz.filter_ablation(model, toy, replace="mean")
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"replace": "median"}, "replace.*zero.*mean"),
        ({"at": "relu"}, "at"),
        ({"task": 7}, "task"),
        ({"layer": "conv9"}, "conv9"),
        ({"batch_size": 0}, "batch_size"),
        ({"positives": [True]}, "positives"),
    ],
)
def test_refusals(toy, make_model, options, match):
    with pytest.raises(ValueError, match=match):
        rcviz.filter_ablation(make_model(), toy, **options)


@pytest.mark.usefixtures("as_users_run")
def test_knock_outs_are_not_drawn_as_contributions(toy, make_model):
    """The tables have the same columns, and the labels would be wrong."""
    found = rcviz.filter_ablation(make_model(sequence_length=toy.length), toy)
    with pytest.raises(ValueError, match="use plot_ablation"):
        rcviz.plot_contributions(found)
    rcviz.plot_contributions(found.contributions)
