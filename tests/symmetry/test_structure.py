"""A model read without sequences: what it says breaks the symmetry is measured to do so, and the cure to keep it."""

import pytest
import torch
from foreign import Danq, seeded
from strand_checks import gap, numbers, one_hot, trained
from torch import nn

import rcviz
from rcviz import check_structure


def found(model, length=None):
    """Findings by module."""
    table = check_structure(model, length=length)
    assert list(table.columns) == ["module", "kind", "verdict", "suggestion"]
    return {row["module"]: (row["verdict"], row["suggestion"]) for row in table.to_dict("records")}


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        yield


def network(**changes):
    """A sound network of 30 bp, some of its layers changed for others."""
    layers = {
        "conv": rcviz.RevCompConv1d(4, 3, 5),
        "norm": rcviz.RevCompBatchNorm1d(6),
        "relu": nn.ReLU(),
        "drop": rcviz.RevCompDropout1d(0.2),
        "second": rcviz.RevCompConv1d(6, 3, 3, padding="same"),
        "tanh": nn.Tanh(),
        "pool": rcviz.RevCompMaxPool1d(5, edge="trim"),
        "flat": nn.Flatten(),
        "hidden": rcviz.RevCompLinear(30, 8),
        "late": nn.Sequential(nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1)),
        "out": nn.Linear(8, 2),
    }
    model = nn.Sequential()
    for name, layer in {**layers, **changes}.items():
        model.add_module(name, layer)
    return model.double()


def test_a_sound_model_has_no_findings():
    """Nor has one with plain layers behind features that are the same for both strands."""
    for model in (
        network(),
        rcviz.build_model(rcviz.ModelConfig.simulated("revcomp")),
        rcviz.build_model(rcviz.ModelConfig.chipseq("revcomp", head="flatten", freeze_output=False)),
        rcviz.RevCompConjoined(Danq()),
        nn.Sequential(rcviz.RevCompConjoined(Danq()), nn.Linear(2, 1)),
        nn.Sequential(rcviz.RevCompKmers1d(2), rcviz.RevCompConv1d(20, 2, 3)),
        nn.Sequential(
            rcviz.RevCompResidual1d(nn.Sequential(rcviz.RevCompBatchNorm1d(4), rcviz.RevCompConv1d(4, 2, 3)))
        ),
    ):
        assert found(model, 200) == {}


# The plain layer and what the sentence must name.
PLAIN = {
    "second": (nn.Conv1d(6, 6, 3, padding=1), "rcviz.RevCompConv1d(6, n_filters=3, kernel_size=3)"),
    "norm": (nn.BatchNorm1d(6), "rcviz.RevCompBatchNorm1d(6)"),
    "pool": (nn.MaxPool1d(5), "rcviz.RevCompMaxPool1d(5, 5, edge='trim')"),
    "hidden": (nn.Linear(30, 8), "rcviz.RevCompLinear(30, 8)"),
    "relu": (nn.PReLU(6), "torch.nn.PReLU()"),
    "tanh": (nn.ReplicationPad1d((0, 2)), "pad both alike"),
    "drop": (nn.GroupNorm(2, 6), "rcviz.RevCompBatchNorm1d(6)"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_said_to_break_does_and_what_is_named_does_not(name):
    layer, instead = PLAIN[name]
    changes, length = {name: layer}, 31  # 27 positions after the first layer: two too many for the pool
    model = network(**changes)
    (finding,) = found(model, length).items()
    assert finding[0] == name
    assert finding[1][0] == "breaks"
    assert instead in finding[1][1]
    x = one_hot(6, length)
    trained(model, length)
    with pytest.raises(AssertionError, match=f"first broken by {name} "):
        rcviz.assert_invariant(model, x)
    if "rcviz." in instead:
        cured = network(**{**changes, name: eval(instead, {"rcviz": rcviz})})
        if name == "second":
            cured.second = rcviz.RevCompConv1d(6, n_filters=3, kernel_size=3, padding=1).double()
        assert found(cured, length) == {}
        trained(cured, length)
        rcviz.assert_invariant(cured, x)


def test_plain_dropout_shows_in_training_only():
    model = network(drop=nn.Dropout(0.5))
    assert found(model) == {"drop": ("in training", found(model)["drop"][1])}
    assert "rcviz.RevCompDropout1d(0.5)" in found(model)["drop"][1]
    x = numbers(3, 6, 8)
    rcviz.assert_equivariant(nn.Dropout(0.5).train(), x)  # measured in evaluation
    with torch.random.fork_rng():
        dropped = [nn.Dropout(0.5).train()(torch.ones(1, 6, 1))[0, :, 0] for _ in range(20)]
    assert any(not torch.equal(one, one.flip(0)) for one in dropped)
    assert found(network(drop=nn.Dropout(0.0))) == {}


@pytest.mark.parametrize(
    ("pool", "length", "verdict"),
    [
        (nn.MaxPool1d(4), None, "may break"),
        (nn.MaxPool1d(4), 20, None),
        (nn.MaxPool1d(4), 21, "breaks"),
        (nn.AvgPool1d(4, 3), 22, None),
        (nn.AvgPool1d(4, 3), 23, "breaks"),
        (nn.MaxPool1d(4, 1), None, None),
        (nn.MaxPool1d(3, 2, padding=1), 21, None),
        (nn.MaxPool1d(3, 2, padding=1), 22, "breaks"),
        (nn.MaxPool1d(2, 3, dilation=2), 21, None),
        (nn.MaxPool1d(2, 3, dilation=2), 22, "breaks"),
        (nn.MaxPool1d(4, ceil_mode=True), 22, "breaks"),
        (nn.AdaptiveMaxPool1d(3), 20, None),
        (nn.AdaptiveAvgPool1d(3), 20, None),
    ],
)
def test_pooling_is_judged_by_the_length(pool, length, verdict):
    """And the judgement is what measuring finds."""
    model = nn.Sequential(rcviz.RevCompConv1d(4, 2, 3, padding="same"), pool).double()
    said = found(model, length)
    assert [finding[0] for finding in said.values()] == ([] if verdict is None else [verdict])
    if length is not None:
        assert (gap(model, one_hot(5, length)) > 1e-6) == (verdict == "breaks")
    if verdict == "may break":
        assert "RevCompMaxPool1d(4, 4)" in said["1"][1]


def test_the_pooling_that_is_named_fits():
    """21 positions, 4 wide every 3: two are left over. With 20 wide every 2, one."""
    for pool, named in ((nn.MaxPool1d(4, 3), "edge='trim')"), (nn.MaxPool1d(4, 2), "on 20 or 22 positions")):
        model = nn.Sequential(rcviz.RevCompConv1d(4, 2, 3, padding="same"), pool)
        ((_, instead),) = found(model, 21).values()
        assert named in instead
        cure = eval(instead.split("use ")[1].split(" on ")[0].split(", which")[0], {"rcviz": rcviz})
        for length in (21,) if "trim" in named else (20, 22):
            assert gap(nn.Sequential(model[0], cure).double(), one_hot(3, length)) < 1e-12


def test_lengths_are_followed_and_only_certain_in_a_sequence():
    """26 positions after the first layer, 24 after the second: 8 windows of 3."""
    layers = [rcviz.RevCompConv1d(4, 2, 5), rcviz.RevCompConv1d(4, 2, 3), nn.ReLU(), nn.MaxPool1d(3)]
    assert found(nn.Sequential(*layers), 30) == {}
    assert found(nn.Sequential(*layers), 31)["3"][0] == "breaks"

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(layers)

    assert found(Own(), 31)["layers.3"][0] == "may break"
    after_a_stranger = nn.Sequential(layers[0], nn.Upsample(scale_factor=2), layers[3])
    assert found(after_a_stranger, 31)["2"][0] == "may break"


def test_types_of_channels_have_layers_of_their_own():
    sound = [rcviz.RevCompConv1d(4, 3, 5), rcviz.PairsToIrreps1d(), rcviz.IrrepConv1d((3, 3), (2, 2), 3)]
    sound += [rcviz.IrrepBatchNorm1d(2, 2), rcviz.IrrepActivation1d(2, 2), rcviz.IrrepsToPairs1d(), nn.ReLU()]
    assert found(nn.Sequential(*sound)) == {}
    for position, layer, instead in (
        (2, nn.Conv1d(6, 4, 3), "use rcviz.IrrepConv1d"),
        (3, nn.BatchNorm1d(4), "use rcviz.IrrepBatchNorm1d"),
        (4, nn.ReLU(), "use rcviz.IrrepActivation1d"),
        (3, rcviz.RevCompBatchNorm1d(4), "put rcviz.IrrepsToPairs1d() before it"),
        (4, nn.MaxPool1d(2, 1), "put rcviz.IrrepsToPairs1d() before it"),
    ):
        changed = nn.Sequential(*sound[:position], layer, *sound[position + 1 :]).double()
        assert instead in found(changed)[str(position)][1]
        trained(changed, 20, steps=2)
        with pytest.raises(AssertionError):
            rcviz.assert_equivariant(changed, one_hot(3, 20))
    for harmless in (nn.Tanh(), rcviz.RevCompAvgPool1d(2), nn.AvgPool1d(2)):
        also = nn.Sequential(*sound[:4], harmless, *sound[5:]).double()
        assert found(also, 20) == {}
        rcviz.assert_equivariant(also, one_hot(3, 20))
    assert "leave 1 of 15 positions over" in found(also, 21)["4"][1]
    flat = nn.Sequential(*sound[:4], nn.Flatten(), nn.Linear(56, 2))
    assert "put rcviz.IrrepsToPairs1d() before it" in found(flat)["4"][1]
    assert "use rcviz.RevCompLinear(56, 2)" in found(flat)["5"][1]
    assert "pads the two ends" in found(nn.Sequential(*sound[:4], nn.ZeroPad1d((1, 0))))["4"][1]
    assert "put rcviz.PairsToIrreps1d() before it" in found(nn.Sequential(sound[0], sound[2]))["1"][1]


def test_channels_of_type_plus_alone_may_be_treated_as_any():
    """Each is its own partner; without its positions it is invariant."""
    body = [rcviz.PairsToIrreps1d(), rcviz.IrrepConv1d((2, 2), (6, 0), 4)]
    plain = [nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(3), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(6, 2)]
    model = seeded(lambda: nn.Sequential(*body, *plain))
    assert found(model, 21) == {}
    rcviz.assert_invariant(trained(model.double(), 21, steps=2), one_hot(3, 21))
    assert "use rcviz.RevCompMaxPool1d(3, 3)" in found(model, 22)["4"][1]
    mixed = nn.Sequential(body[0], rcviz.IrrepConv1d((2, 2), (5, 1), 4), *plain)
    assert {"2", "3", "4", "6"} <= found(mixed, 21).keys()


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.LSTM(6, 3, bidirectional=True), "recurrent layers"),
        (nn.MultiheadAttention(6, 2), "rcviz.RevCompSelfAttention1d"),
        (
            nn.ConvTranspose1d(6, 6, 3),
            "has no tied counterpart here; wrap the whole model, rcviz.RevCompConjoined(model)",
        ),
        (rcviz.WeightedSum1d(6, 26, revcomp=False), "use revcomp=True"),
        (nn.InstanceNorm1d(6, affine=True), "rcviz.RevCompBatchNorm1d(6)"),
    ],
)
def test_layers_without_a_counterpart_say_what_to_do(layer, words):
    assert words in found(nn.Sequential(rcviz.RevCompConv1d(4, 3, 5), layer))["1"][1]


def test_norms_without_numbers_are_no_finding():
    for norm in (nn.InstanceNorm1d(6), nn.GroupNorm(3, 6, affine=False), nn.LayerNorm(26, elementwise_affine=False)):
        model = nn.Sequential(rcviz.RevCompConv1d(4, 3, 5), norm).double()
        assert found(model) == {}
        rcviz.assert_equivariant(model, one_hot(3, 30))


def test_a_layer_of_ones_own_is_unread_and_an_untied_model_is_one_finding():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(6, 1))

    said = found(nn.Sequential(rcviz.RevCompConv1d(4, 3, 5), Own()))
    assert said["1"][0] == "unknown"
    assert "rcviz.diagnose_equivariance(model, x)" in said["1"][1]
    ((name, (verdict, instead)),) = found(Danq()).items()
    assert (name, verdict) == ("(model)", "breaks")
    assert "rcviz.RevCompConv1d" in instead
    assert "rcviz.RevCompConjoined(model)" in instead
    with pytest.raises(ValueError, match="length must be at least 1"):
        check_structure(Danq(), length=0)
