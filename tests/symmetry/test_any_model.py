"""The diagnosis of any network: functions, tuples, shared modules, work in place, and what to use instead."""

import pytest
import torch
import torch.nn.functional as F
from foreign import ChannelsLast, Danq, ProfileAndCounts, seeded
from strand_checks import BrokenConv, model_with_plain_batch_norm, one_hot, trained
from torch import nn

import rcviz
from rcviz import diagnose_equivariance


def instead(table):
    """What to use instead of each module that breaks the symmetry."""
    return dict(table.loc[table["verdict"] == "breaks", ["module", "suggestion"]].to_numpy())


def test_the_module_that_breaks_it_is_told_apart_with_its_cure():
    model = trained(model_with_plain_batch_norm().double(), 20)
    table = diagnose_equivariance(model, one_hot(6, 20))
    assert list(table.columns) == ["module", "kind", "error", "verdict", "suggestion"]
    assert "use rcviz.RevCompBatchNorm1d(6)" in instead(table)["norm"]
    assert (table.loc[table["verdict"] != "breaks", "suggestion"] == "").all()
    with pytest.raises(AssertionError, match=r"first broken by norm \(BatchNorm1d\): .*RevCompBatchNorm1d\(6\)"):
        rcviz.assert_invariant(model, one_hot(6, 20))


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Conv1d(6, 4, 3), "use rcviz.RevCompConv1d(6, n_filters=2, kernel_size=3)"),
        (nn.MaxPool1d(4), "use rcviz.RevCompMaxPool1d"),
        (nn.AvgPool1d(4), "use rcviz.RevCompAvgPool1d"),
        (nn.Sequential(nn.Flatten(), nn.Linear(102, 3)), "use rcviz.RevCompLinear(102, 3)"),
        (nn.LSTM(17, 3), "rcviz.RevCompConjoined(model)"),
        (BrokenConv(6, 2, 3, (1, 2)), "BrokenConv treats the strands differently; build it from tied layers"),
    ],
)
def test_every_kind_of_culprit_has_a_cure(layer, words):
    model = seeded(lambda: nn.Sequential(rcviz.RevCompConv1d(4, 3, 4), layer))
    (said,) = instead(diagnose_equivariance(model, one_hot(4, 20))).values()
    assert words in said


class Functional(nn.Module):
    """Tied layers, and a function between them or after them."""

    def __init__(self, between, after):
        super().__init__()
        self.conv, self.second = rcviz.RevCompConv1d(4, 3, 4), rcviz.RevCompConv1d(6, 2, 2)
        self.between, self.after = between, after

    def forward(self, x):
        return self.after(self.second(self.between(self.conv(x))))


def ragged(x):
    return F.max_pool1d(x, 4)  # 17 positions


@pytest.mark.parametrize(
    ("between", "after", "place"),
    [
        (ragged, torch.relu, "between body.conv and body.second"),
        (torch.relu, lambda x: x[:, 1:], "between body.second and its output"),
    ],
)
def test_functions_are_the_fault_of_the_module_that_calls_them(between, after, place):
    model = nn.Sequential()
    model.add_module("body", seeded(Functional, between, after))
    model.add_module("relu", nn.ReLU())
    table = diagnose_equivariance(model.double(), one_hot(4, 20))
    (culprit,) = instead(table).items()
    assert culprit[0] == "body"
    assert place in culprit[1]
    assert set(table["verdict"].iloc[-2:]) == {"propagated"}
    with pytest.raises(AssertionError, match=f"first broken by body .*{place}"):
        rcviz.assert_invariant(model, one_hot(4, 20))


class InPlace(nn.Module):
    """Writes over what it was given, the first position differently from the last."""

    def forward(self, x):
        return x.mul_(torch.linspace(1, 2, x.shape[2], dtype=x.dtype))


@pytest.mark.parametrize("tool", ["equivariance_error", "diagnose_equivariance"])
def test_work_in_place_is_seen_and_reaches_nobody(tool):
    model = nn.Sequential(InPlace(), nn.ReLU(inplace=True)).double()
    x = one_hot(3, 15)
    kept = x.clone()
    result = getattr(rcviz, tool)(model, x)
    assert torch.equal(x, kept)
    if tool == "equivariance_error":
        assert result == pytest.approx(1)  # 1 on one strand where the other has 2
    else:
        assert instead(result).keys() == {"0"}  # it was given a sound pair, although it left none behind
        assert result["error"].tolist() == pytest.approx([1, 1, 1])


def test_a_module_used_twice_has_a_row_for_each_use():
    table = diagnose_equivariance(seeded(ProfileAndCounts), one_hot(3, 30))
    assert table["module"].is_unique
    assert [name for name in table["module"] if name.startswith("relu")] == ["relu", "relu (use 2)", "relu (use 3)"]


def test_outputs_that_are_tuples_or_dicts():
    """The diagnosis takes all of them; an error measured needs one."""
    for make, x in ((ProfileAndCounts, one_hot(3, 30)), (Danq, one_hot(3, 60))):
        table = diagnose_equivariance(seeded(make), x)
        assert table["module"].iloc[-1] == "(model)"
        assert table["verdict"].iloc[-1] == "propagated"
    with pytest.raises(ValueError, match=r"rcviz.as_sequence_model\(model, output=0\)"):
        rcviz.equivariance_error(seeded(ProfileAndCounts), one_hot(3, 30))
    with pytest.raises(ValueError, match=r"reads sequences as \(batch, length, 4\)"):
        diagnose_equivariance(seeded(ChannelsLast), one_hot(3, 30))
    adapted = rcviz.as_sequence_model(seeded(ChannelsLast), layout="NLC", output="probabilities")
    assert instead(diagnose_equivariance(adapted, one_hot(3, 30))).keys() == {"model.conv"}

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.pool = rcviz.RevCompConv1d(4, 2, 3), rcviz.RevCompGlobalPool1d()

        def forward(self, x):
            y = self.conv(x)
            return {"profile": y, "more": (self.pool(y), None)}

    table = diagnose_equivariance(seeded(Both), one_hot(3, 30))
    assert table["verdict"].tolist() == ["equivariant", "invariant", "equivariant"]


def test_keyword_inputs_are_judged_too():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv1d(4, 4, 3, padding=1), nn.ReLU()

        def forward(self, x):
            return self.second(input=self.first(x))

    assert instead(diagnose_equivariance(seeded(Named), one_hot(3, 20))).keys() == {"first"}


def test_what_is_conjoined_is_not_looked_into():
    model = rcviz.RevCompConjoined(seeded(Danq))
    table = diagnose_equivariance(nn.Sequential(model, nn.Linear(2, 1)).double(), one_hot(3, 60))
    assert table["module"].tolist() == ["0", "1", "(model)"]
    assert set(table["verdict"]) == {"invariant"}
    rcviz.assert_invariant(model, one_hot(3, 60))
    with pytest.raises(AssertionError, match=r"first broken by conv \(Conv1d\)"):
        rcviz.assert_invariant(model.model, one_hot(3, 60))


def between_irreps(*layers):
    """Layers where 5 channels are of type +1 and 3 of type -1."""
    body = (rcviz.PairsToIrreps1d(), rcviz.IrrepConv1d((2, 2), (5, 3), 4), rcviz.IrrepBatchNorm1d(5, 3))
    return seeded(lambda: nn.Sequential(*body, *layers)).double()


def test_types_of_channels_are_judged_in_their_own_basis():
    out = rcviz.IrrepConv1d((5, 3), (4, 4), 3)
    sound = between_irreps(rcviz.IrrepActivation1d(5, 3), out, rcviz.IrrepsToPairs1d(), rcviz.RevCompConv1d(8, 2, 3))
    table = diagnose_equivariance(sound, one_hot(4, 20))
    assert set(table["verdict"]) == {"equivariant"}
    assert table["error"].max() < 1e-12
    assert len(table) == 8


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.ReLU(), "use rcviz.IrrepActivation1d"),
        (nn.Conv1d(8, 4, 3), "use rcviz.IrrepConv1d"),
        (nn.GroupNorm(2, 8), "use rcviz.IrrepBatchNorm1d"),
        (rcviz.RevCompConv1d(8, 4, 3), "put rcviz.IrrepsToPairs1d() before it"),
        (rcviz.RevCompMaxPool1d(17), "put rcviz.IrrepsToPairs1d() before it"),
        (nn.Flatten(), "put rcviz.IrrepsToPairs1d() before it"),
        (nn.ZeroPad1d((1, 0)), "pad both alike"),
        (rcviz.IrrepsToPairs1d(), "IrrepsToPairs1d treats the strands differently"),  # of 5 and 3
    ],
)
def test_culprits_among_types_have_a_cure_of_their_own(layer, words):
    table = diagnose_equivariance(between_irreps(layer), one_hot(4, 20))
    assert {name: words in said for name, said in instead(table).items()} == {"3": True}
    assert table["error"].iloc[3] > 0.01


def test_layers_for_types_are_not_for_pairs():
    lone = seeded(rcviz.IrrepConv1d, (2, 2), (2, 2), 3).double()
    (said,) = instead(diagnose_equivariance(lone, one_hot(4, 20))).values()
    assert "put rcviz.PairsToIrreps1d() before it" in said


@pytest.mark.parametrize(
    ("declared", "n_channels"),
    [({}, 1), ({}, 2), ({"permutation": "reversed"}, 2), ({"permutation": (1, 0, 3, 2)}, 4)],
)
def test_conjoined_profiles_are_judged_as_they_are_declared(declared, n_channels):
    x = one_hot(3, 20)
    model = rcviz.RevCompConjoined(seeded(nn.Conv1d, 4, n_channels, 5).double(), output_kind="profile", **declared)
    assert rcviz.equivariance_error(model, x) < 1e-12
    rcviz.assert_equivariant(model, x)
    behind = nn.Sequential(model, nn.Tanh(), nn.ConstantPad1d((1, 0), 1.0))
    assert instead(diagnose_equivariance(behind, x)).keys() == {"2"}
    if n_channels == 4:
        paired = nn.Sequential(model, rcviz.RevCompConv1d(4, 2, 3)).double()
        assert "treats channels i and n-1-i as RC partners" in instead(diagnose_equivariance(paired, x))["1"]
