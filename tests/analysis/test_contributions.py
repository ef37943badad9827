"""Contributions of any network and layer; the oracle's numbers are in test_contributions_oracle.py."""

import numpy as np
import pytest
import torch
from torch import nn

from rcviz import SequenceSet, TrainConfig, filter_contributions, fit, one_hot


class Branched(nn.Module):
    """A custom network, with modules inside modules and an in-place ReLU."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv1d(4, 5, 7), nn.ReLU(inplace=True), nn.MaxPool1d(3))
        self.tail = nn.ModuleList([nn.Conv1d(5, 6, 3), nn.GELU()])
        self.out = nn.LazyLinear(2)
        self.unused = nn.Conv1d(4, 1, 1)

    def forward(self, x):
        x = self.stem(x)
        for layer in self.tail:
            x = layer(x)
        return self.out(x.flatten(1))


@pytest.fixture
def branched(toy):
    torch.manual_seed(0)
    model = Branched().double()
    model(torch.from_numpy(toy.one_hot(slice(0, 2))).double())
    return model


def by_hand(model, data, module, task):
    """Gradient times activation from torch's own retained gradient."""
    kept = []
    handle = module.register_forward_hook(lambda m, i, o: kept.append(o))
    x = torch.from_numpy(one_hot(data.codes, dtype="float64")).requires_grad_()
    logits = model(x)
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[:, task].sum(), kept[0])
    return (gradient * kept[0]).sum(2).detach().numpy()


@pytest.mark.parametrize("layer", ["tail.1", "tail.0"])
def test_any_module_and_any_layer(branched, toy, layer):
    found = filter_contributions(branched, toy, task=1, layer=layer, at="activation")
    expected = by_hand(branched, toy, branched.tail[1], 1)  # the activation that follows the convolution
    np.testing.assert_allclose(found.per_sequence, expected, atol=1e-12)
    assert found.layer == "tail.1"
    assert found.task == "starts with A"


def test_an_in_place_relu_after_the_convolution_does_no_harm(branched, toy):
    found = filter_contributions(branched, toy, layer="stem.0", at="convolution")
    branched.stem[1] = nn.ReLU()
    np.testing.assert_allclose(found.per_sequence, by_hand(branched, toy, branched.stem[0], 0), atol=1e-12)


def test_batches_do_not_matter(branched, toy):
    whole = filter_contributions(branched, toy, batch_size=1000)
    parts = filter_contributions(branched, toy, batch_size=7)
    np.testing.assert_allclose(parts.per_sequence, whole.per_sequence, atol=1e-12)


def test_the_filter_that_matters_comes_first(toy, make_model):
    model = make_model(n_filters=4)
    fit(
        model,
        toy,
        toy,
        TrainConfig(epochs=15, batch_size=20, samples_per_epoch=400, learning_rate=0.01),
        progress=False,
    )
    found = filter_contributions(model, toy, task="GATA")
    assert found.table["score"].is_monotonic_decreasing
    best = found.ranking[0]
    assert found.table["filter"].iloc[0] == best
    assert np.median(found.positive(best)) > np.median(found.negative(best))
    assert len(found.positive(best)) == 60


def test_without_labels_scores_are_means(branched, toy):
    found = filter_contributions(branched, toy.codes, task=1)
    np.testing.assert_allclose(found.scores, found.per_sequence.mean(0))
    assert found.table[["mean_positive", "mean_negative"]].isna().all(axis=None)


def test_unknown_labels_count_for_nothing(branched, toy):
    labels = toy.labels.copy()
    labels[::3] = np.nan
    known = ~np.isnan(labels[:, 0])
    some = filter_contributions(branched, SequenceSet(toy.codes, labels))
    fewer = filter_contributions(branched, toy.subset(known))
    np.testing.assert_allclose(some.scores, fewer.scores, atol=1e-12)


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"layer": "unused"}, "layer unused is never used"),
        ({"layer": "out"}, "contributions need neurons"),
        ({"layer": "stem.1", "at": "convolution"}, "stem.1 is a ReLU"),
        ({"task": "SPI1"}, "no task 'SPI1': .*GATA"),
        ({"layer": "stem.7"}, "its layers are: stem, stem.0"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
    ],
)
def test_refusals(branched, toy, how, match):
    with pytest.raises(ValueError, match=match):
        filter_contributions(branched, toy, **how)


def test_a_module_used_twice_has_the_sum_of_its_uses(toy):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.mix, self.relu = nn.Conv1d(4, 3, 3), nn.Conv1d(3, 3, 3, padding=1), nn.ReLU()

        def forward(self, x):
            return self.mix(self.relu(self.mix(self.conv(x)))).mean(2)

    torch.manual_seed(0)
    model, kept = Twice().double(), []
    handle = model.mix.register_forward_hook(lambda m, i, o: kept.append(o))
    logits = model(torch.from_numpy(one_hot(toy.codes, dtype="float64")))
    handle.remove()
    slopes = torch.autograd.grad(logits[:, 0].sum(), kept)
    expected = sum((slope * y).sum(2) for slope, y in zip(slopes, kept, strict=True)).detach().numpy()
    found = filter_contributions(model, toy, layer="mix")
    assert found.at.startswith("convolution: no elementwise activation follows mix")  # none follows the second use
    np.testing.assert_allclose(found.per_sequence, expected, atol=1e-12)


def test_recurrent_parts_before_the_layer_do_no_harm(toy):
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.relu = nn.LSTM(4, 3, batch_first=True), nn.ReLU()

        def forward(self, x):
            return self.relu(self.lstm(x.transpose(1, 2))[0].transpose(1, 2)).mean(2)

    assert filter_contributions(Recurrent(), toy, layer="relu").scores.shape == (3,)


def test_bfloat16_models_and_empty_sets(toy, make_model):
    model = make_model().bfloat16()
    assert filter_contributions(model, toy).per_sequence.dtype == np.float32
    with pytest.raises(ValueError, match="no sequences"):
        filter_contributions(model, toy.subset(np.zeros(len(toy), bool)))


def test_values_are_compared_by_a_mask_only(branched, toy):
    values = toy.labels.copy()  # 0 and 1, which are no classes here
    values[::5, 1] = np.nan
    data = SequenceSet(toy.codes, values, task_names=toy.task_names, label_kind="value")
    with pytest.raises(ValueError, match=r"positives=data\.upper_part"):
        filter_contributions(branched, data, task=1, layer="tail.1")
    mask = np.arange(len(data)) % 3 == 0
    found = filter_contributions(branched, data, task=1, layer="tail.1", positives=mask)
    every = by_hand(branched, toy, branched.tail[1], 1)
    np.testing.assert_allclose(found.per_sequence, every, atol=1e-12)
    others = ~mask & ~np.isnan(values[:, 1])
    np.testing.assert_allclose(found.scores, every[mask].mean(0) - every[others].mean(0), atol=1e-12)
    row = found.table.iloc[0]
    assert row["mean_negative"] == pytest.approx(every[others, int(row["filter"])].mean())
    unlabelled = filter_contributions(branched, SequenceSet(data.codes), task=1, layer="tail.1")
    np.testing.assert_allclose(unlabelled.scores, every.mean(0), atol=1e-12)
    with pytest.raises(ValueError, match="positives"):
        filter_contributions(branched, data, task=1, layer="tail.1", positives=~np.isnan(values[:, 1]))
