"""The benchmark that compares contributions with knock-outs: what it holds fixed, and what it counts."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import rcviz

ROOT = Path(__file__).parents[2]
WORDS = {"RC": "revcomp", "standard": "standard"}


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import contributions_knockouts

    yield contributions_knockouts
    del sys.modules["contributions_knockouts"]


def network(kind, preset, **pool):
    """A network in float64 whose normalisation has seen data, so that biases and slopes are not those of the start."""
    model = rcviz.build_model(preset(WORDS[kind], n_filters=4, sequence_length=120, **pool), seed=1).double()
    draw = torch.Generator().manual_seed(0)
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if "norm" in name and value.is_floating_point():
            drawn = torch.rand(value.shape, generator=draw, dtype=torch.float64)
            value.data = drawn + 0.5 if "var" in name or "weight" in name else drawn - 0.5
    return model.eval()


def sequences():
    return rcviz.one_hot(np.random.default_rng(3).integers(0, 4, (6, 120)).astype(np.uint8), dtype="float64")


@pytest.mark.parametrize("kind", list(WORDS))
def test_with_nothing_fixed_they_are_those_of_the_library(script, kind):
    model = network(kind, rcviz.ModelConfig.chipseq, pool_size=40, pool_stride=20)
    for layer in (1, 2, 3):
        x = sequences()
        effects = script.knock_outs(model, torch.from_numpy(x), getattr(model, f"relu{layer}"), [], shared=kind == "RC")
        found = rcviz.filter_ablation(model, x, layer=f"conv{layer}").effects
        np.testing.assert_allclose(effects[:, :, 0], found, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", list(WORDS))
@pytest.mark.parametrize("layer", [1, 2])
def test_with_the_choices_of_rectifiers_and_pooling_fixed_the_effect_is_the_contribution(script, kind, layer):
    """Then the rest of the network is linear; without it is not."""
    model = network(kind, rcviz.ModelConfig.chipseq, pool_size=40, pool_stride=20)
    act = getattr(model, f"relu{layer}")
    x = sequences()
    rectifiers, poolings = script.behind(model, act)
    assert (len(rectifiers), len(poolings)) == (3 - layer, 1)
    fixed = script.knock_outs(model, torch.from_numpy(x), act, [*rectifiers, *poolings], shared=kind == "RC")
    free = rcviz.filter_ablation(model, x, layer=act)
    np.testing.assert_allclose(fixed[:, :, 0], free.contributions.per_sequence, rtol=0, atol=1e-10)
    assert abs(free.effects - free.contributions.per_sequence).max() > 1e-3


@pytest.mark.parametrize("kind", list(WORDS))
def test_of_the_last_convolution_contributions_are_the_effects(kind):
    """Behind it are a maximum of each channel by itself and linear layers."""
    model = network(kind, rcviz.ModelConfig.one_layer, pool_size=40, pool_stride=22)
    found = rcviz.filter_ablation(model, sequences())
    np.testing.assert_allclose(found.effects, found.contributions.per_sequence, rtol=0, atol=1e-12)


class Words(nn.Module):
    """Minus the number of GA, plus the number of TC."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(4, 2, 2)
        self.conv1.weight.data = torch.from_numpy(rcviz.one_hot(["GA", "TC"]))
        self.conv1.bias.data.fill_(-1.0)
        self.relu1 = nn.ReLU()

    def forward(self, x):
        counts = self.relu1(self.conv1(x)).sum(2)
        return counts[:, 1:] - counts[:, :1]


def test_a_filter_with_a_positive_score_can_be_evidence_against_in_both_classes(script):
    """GA is once in the positives and twice in the negatives: -1 and -2, so its score is 1; TC has 2 and 0."""
    data = rcviz.SequenceSet(rcviz.encode(["GATCTC", "GATCTC", "GAAAGA", "GAGAAA"]), [1, 1, 0, 0])
    ablation = rcviz.filter_ablation(Words(), data)
    assert ablation.effects.tolist() == [[-1, 2], [-1, 2], [-2, 0], [-2, 0]]
    found = script.measured(ablation)
    assert (found["positive"], found["positive, against in both classes"]) == (2, 1)
    assert found["largest of these"] == 0.5
    assert found["spearman"] == pytest.approx(1)
    assert found["sign changes"] == 0
    assert found["size"]["zero"] == 1.0


def test_the_page_holds_the_tables_of_the_file(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import contributions_tables

    page = contributions_tables.PAGE.read_text()
    assert page == contributions_tables.filled(page, contributions_tables.TABLES), "run make bench-contributions"
    for name in ("contributions_tables", "tables"):
        del sys.modules[name]
