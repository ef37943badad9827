"""The strand explorer driven by its state, and what it sends to its page, without a browser."""

import gc
import itertools
import threading
import weakref

import ipywidgets
import numpy as np
import pandas as pd
import pytest
import torch
from foreign import Danq, ProfileAndCounts, seeded
from torch import nn

from rcviz import (
    RevCompConjoined,
    SequenceSet,
    TrainConfig,
    as_sequence_model,
    encode,
    filter_bank,
    fit,
    predict,
    reverse_complement,
    strand_agreement,
    strand_attributions,
)
from rcviz.analysis.strands import gap_by_filter
from rcviz.widgets import strands
from rcviz.widgets.data import unpack
from rcviz.widgets.strands import StrandExplorer

LONG = 300  # seconds; machines that run tests are busy


@pytest.fixture
def models(make_model):
    return {
        "RC": make_model("revcomp"),
        "standard": make_model("standard"),
        "<b>other</b>": make_model("standard", seed=1),
    }


@pytest.fixture
def opened():
    """Open explorers, wait for them, and close them after the test."""
    explorers = []

    def open_explorer(*args, **options):
        explorers.append(StrandExplorer(*args, **options))
        explorers[-1].wait(LONG)
        return explorers[-1]

    yield open_explorer
    for explorer in explorers:
        explorer.close()


@pytest.fixture
def explorer(opened, models, toy):
    return opened(models, toy)


@pytest.fixture(scope="module")
def unchanged(make_model, toy):
    """An explorer for tests of what it refuses."""
    explorer = StrandExplorer({"RC": make_model("revcomp"), "standard": make_model("standard")}, toy)
    explorer.wait(LONG)
    yield explorer
    explorer.close()


def choose(explorer, **choices):
    """What the page does when somebody chooses."""
    explorer.set_state({"_state": {**explorer._state, **choices}})
    explorer.wait(LONG)


def listed(explorer):
    return explorer.table["sequence"].drop_duplicates().tolist()


def points(explorer):
    """Predictions and labels that the page draws, by model."""
    sent = explorer._points
    group = unpack(sent["group"])
    return {
        each["name"]: {
            **{key: unpack(each[key]) for key in ("forward", "reverse", "gap")},
            "labels": [sent["groups"][number]["name"] for number in group],
        }
        for each in sent["models"]
    }


def details(explorer, part="_chosen"):
    """Attributions, filters and outputs by model and sequence that the page has."""
    sent = getattr(explorer, part)
    sequences = unpack(sent["sequences"]).tolist()
    return {
        name: {
            sequence: {key: unpack(each[key])[place] for key in ("attributions", "filters", "outputs") if each[key]}
            for place, sequence in enumerate(sequences)
        }
        for name, each in sent["models"].items()
    }


def test_starts_with_the_largest_gap_of_the_most_divided_model(explorer, models, toy):
    gaps = {name: strand_agreement(model, toy).gap[:, 0] for name, model in models.items()}
    divided = max(gaps, key=lambda name: gaps[name].mean())
    assert explorer.state.model == divided
    assert explorer.state.sequence == gaps[divided].argmax()
    assert gaps[divided][listed(explorer)].tolist() == sorted(gaps[divided], reverse=True)
    assert list(details(explorer)[divided]) == [gaps[divided].argmax()]


def test_details_are_those_of_the_analyses(explorer, models, toy):
    explorer.state.sequence = 17
    table = explorer.gap_table
    for name, model in models.items():
        found = details(explorer)[name][17]
        attributions = strand_attributions(model, toy.subset([17]))
        both = np.stack([attributions.forward[0].sum(axis=0), attributions.reverse[0].sum(axis=0)])
        np.testing.assert_allclose(found["attributions"], both, atol=1e-6)
        split = gap_by_filter(model, toy.subset([17]))
        np.testing.assert_allclose(found["filters"], np.stack([split.forward[0], split.reverse[0]]), atol=1e-6)
        np.testing.assert_allclose(found["outputs"], [split.logits_forward[0], split.logits_reverse[0]], atol=1e-6)
        rows = table[table["model"] == name]
        assert rows["filter"].tolist() == [*split.table["filter"], "rest"]
        np.testing.assert_allclose(rows["difference"][:-1].astype(float), split.table["difference"], atol=1e-6)
        for column, whole in (
            ("forward", split.logits_forward),
            ("reverse", split.logits_reverse),
            ("difference", split.logit_difference),
        ):
            np.testing.assert_allclose(rows[column].astype(float).sum(), whole[0], atol=1e-6)


def test_filters_of_the_page_are_those_of_the_bank(explorer, models):
    for name, model in models.items():
        bank, sent = filter_bank(model, length=60), explorer._filters["models"][name]
        np.testing.assert_allclose(unpack(sent["matrices"]), bank.weights, rtol=1e-6)
        np.testing.assert_allclose(unpack(sent["limit"]), bank.firing.threshold - bank.bias, rtol=1e-5, atol=1e-6)
        assert (sent["tied"], sent["stride"], sent["padding"]) == (bank.tied, bank.stride, bank.padding)


def test_what_the_page_chooses_is_the_state(explorer):
    order = listed(explorer)
    choose(explorer, sequence=order[3], position=None)
    assert explorer.state.sequence == order[3]
    assert list(details(explorer)["RC"]) == [order[3]]
    choose(explorer, model="RC", position=0, window=20)
    assert (explorer.state.model, explorer.state.position, explorer.state.window) == ("RC", 0, 20)
    choose(explorer, task=1)
    assert explorer._points["task"] == explorer._chosen["task"] == 1
    assert explorer._state["task"] == 1


def test_an_outline_lists_what_is_inside_the_most_discrepant_first(explorer):
    explorer.state.selection = (5, 9, 2, 40)
    gap = points(explorer)[explorer.state.model]["gap"]
    assert listed(explorer) == sorted([2, 5, 9, 40], key=lambda index: -gap[index])
    assert explorer.state.sequence == listed(explorer)[0]
    choose(explorer, selection=[2, 5, 9, 40, 7], sequence=7)
    assert explorer.state.sequence == 7
    assert explorer.state.selection == (2, 5, 9, 40, 7)
    explorer.select_all()
    assert explorer._state["selection"] == []
    assert len(listed(explorer)) == 120
    assert explorer.state.sequence == 7


@pytest.mark.parametrize("second", ["as they are", "all negative", "one unknown"])
def test_points_are_the_predictions_with_their_labels(opened, models, toy, second):
    labels = toy.labels.copy()
    if second == "all negative":
        labels[:, 1] = 0
    elif second == "one unknown":
        labels[:, 1] = np.where(np.arange(120) == 0, np.nan, 0)
    explorer = opened(models, SequenceSet(toy.codes, labels, task_names=toy.task_names), batch_size=50)
    flipped = reverse_complement(toy.codes)
    expected = {name: (predict(model, toy), predict(model, flipped)) for name, model in models.items()}
    agreements = {name: strand_agreement(model, toy) for name, model in models.items()}
    for task in (0, 1, 0):
        explorer.state.task = task
        explorer.wait(LONG)
        wanted = np.select([labels[:, task] == 1, labels[:, task] == 0], ["positive", "negative"], "unknown")
        for name, (forward, reverse) in expected.items():
            found = points(explorer)[name]
            np.testing.assert_allclose(found["forward"], forward[:, task], atol=1e-6)
            np.testing.assert_allclose(found["reverse"], reverse[:, task], atol=1e-6)
            assert found["labels"] == wanted.tolist()
            agreement = agreements[name]
            sent = next(each for each in explorer._points["models"] if each["name"] == name)
            assert sent["flips"] == agreement.flips[:, task].sum()
            assert sent["mean_gap"] == pytest.approx(agreement.gap[:, task].mean(), rel=1e-4, abs=1e-8)


class Regression(nn.Module):
    """Log counts 5 of sequences that begin with A, 0.41 of the others, from one filter."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 1, 1)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([4.59, 0, 0, 0])[None, :, None])
            self.conv.bias.fill_(0.41)

    def forward(self, x):
        return torch.relu(self.conv(x))[:, :, 0].expand(-1, 2)


def test_each_model_is_shown_on_its_scale(opened, models, toy):
    """A classifier beside a regression with a gap of 4.59, and beside a model whose tasks the strands exchange."""
    models = {
        "counts": as_sequence_model(Regression().double(), output_is="value"),
        "classifier": models["standard"],
        "stranded": RevCompConjoined(models["standard"], output_kind="stranded"),
    }
    explorer = opened(models, toy)
    gap = explorer.table.set_index("model")["gap"]
    assert gap["counts"].max() == pytest.approx(4.59)
    assert gap["stranded"].max() < 1e-5 < gap["classifier"].max()
    assert explorer.state.model == "counts"
    sent = {each["name"]: (each["scale"], each["unit"], each["threshold"]) for each in explorer._points["models"]}
    assert sent["counts"] == ("value", "value", None)
    assert sent["stranded"] == ("probability", "logit", 0.5)
    assert [ax.get_xlabel().split(",")[0] for ax in explorer.picture().axes] == ["value", "probability", "probability"]
    rows = explorer.gap_table.query("model == 'counts'")
    assert rows["difference"].abs().sum() == pytest.approx(4.59)
    assert explorer.gap_table.query("model == 'stranded'")["difference"].abs().max() < 1e-5


def test_the_scale_can_be_asked_for(opened, models, toy):
    explorer = opened(models, toy, output="logit")
    agreement = strand_agreement(models["standard"], toy, output="logit")
    np.testing.assert_allclose(points(explorer)["standard"]["forward"], agreement.forward[:, 0], atol=1e-6)
    sent = explorer._points["models"][1]
    assert (sent["scale"], sent["threshold"], sent["flips"]) == ("logit", 0.0, agreement.flips[:, 0].sum())
    with pytest.raises(ValueError, match="output must be one of"):
        StrandExplorer(models, toy, output="logits")
    with pytest.raises(ValueError, match="output must be a scale that the model has"):
        StrandExplorer(models, toy, output="value")


def test_values_colour_the_points_and_are_listed(opened, models, toy, tmp_path):
    values = np.stack([np.linspace(-3, 9, 120), np.arange(120) % 2], axis=1)  # the second would pass for classes
    values[5] = np.nan
    data = SequenceSet(toy.codes, values, task_names=toy.task_names, label_kind="value")
    explorer = opened(models, data)
    for task, n_groups in ((0, 6), (1, 2)):
        explorer.state.task = task
        explorer.wait(LONG)
        names = points(explorer)["RC"]["labels"]
        assert names[5] == "unknown"
        of_name = [[values[i, task] for i in range(120) if names[i] == name] for name in dict.fromkeys(names)]
        ranges = sorted((min(part), max(part)) for part in of_name if not np.isnan(part).any())
        assert len(ranges) == n_groups
        assert all(high < low for (_, high), (low, _) in itertools.pairwise(ranges))
        groups = explorer._points["groups"]
        assert {"positive", "negative"}.isdisjoint(group["name"] for group in groups)
        assert (
            len({group["light"] for group in groups[:-1]}) == len({group["dark"] for group in groups[:-1]}) == n_groups
        )
        np.testing.assert_allclose(unpack(explorer._points["values"]), values[:, task], rtol=1e-6)
    explorer.state.task = 0
    table = explorer.table.drop_duplicates("sequence").set_index("sequence").sort_index()
    np.testing.assert_allclose(table["label"], values[:, 0], rtol=1e-6)
    explorer.export_figure(tmp_path / "strands.svg")


def test_a_sequence_without_a_base_is_explained_and_the_last_one_kept(opened, models, toy):
    codes = toy.codes.copy()
    codes[7] = 4
    explorer = opened(models, SequenceSet(codes, toy.labels, task_names=toy.task_names))
    kept = explorer.state.sequence
    choose(explorer, sequence=7)
    assert "sequence 7 has only unknown bases" in explorer._status["message"]
    assert (explorer.state.sequence, explorer._state["sequence"]) == (kept, kept)
    choose(explorer, sequence=kept)
    with pytest.raises(ValueError, match="only unknown bases"):
        explorer.state.sequence = 7
    explorer.state.selection = (7,)
    assert explorer.state.sequence == kept
    assert listed(explorer) == [7]


def test_nothing_but_unknown_bases(opened, models):
    with pytest.warns(UserWarning, match="unknown"):
        explorer = opened(models, ["N" * 60, "N" * 60])
    assert "sequences" not in explorer._chosen
    assert len(explorer.table) == 6


def test_a_model_that_does_not_take_the_data_is_left_out_with_a_reason(opened, models, toy, make_model):
    class Odd(nn.Module):
        def forward(self, x):
            return x.sum(dim=(1, 2))[:, None].expand(-1, 2) * float("nan")

    short, single = make_model(sequence_length=50), make_model(n_tasks=1)
    explorer = opened({**models, "short": short, "one task": single, "odd": Odd()}, toy)
    assert explorer.state.models == tuple(models)
    for name, reason in (("short", "50"), ("one task", "1 outputs"), ("odd", "not finite")):
        assert f"{name} has no predictions for sequences of 60 bp and is excluded" in explorer._about["refused"]
        assert reason in explorer._about["refused"]
    assert [each["name"] for each in explorer._points["models"]] == list(models)
    with pytest.raises(ValueError, match="model has no predictions for sequences of 60 bp"):
        StrandExplorer(short, toy)


class Failing(nn.Module):
    """Predictions of the sequence with TTTTTTTT are not finite."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 2, 8)

    def forward(self, x):
        y = self.conv(x).amax(dim=2)
        runs = nn.functional.avg_pool1d(x[:, 3:], 8, 1).amax(dim=2) == 1
        return torch.where(runs, float("inf"), y)


def test_a_model_that_fails_later_is_left_out_then(opened, models):
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 3, (200, 60), dtype=np.uint8)
    codes[150, 10:20] = 3
    explorer = opened({"failing": Failing(), "RC": models["RC"]}, codes, batch_size=20)
    assert explorer.state.models == ("RC",)
    assert explorer.state.model == "RC"
    assert "failing has no predictions" in explorer._about["refused"]
    alone = StrandExplorer(Failing(), codes, batch_size=20)
    with pytest.raises(ValueError, match="not finite"):
        alone.wait(LONG)
    assert alone._status["state"] == "error"
    alone.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: setattr(state, "task", 2), "no task 2: .* GATA, starts with A"),
        (lambda state: setattr(state, "model", "x"), "there is no model 'x'; the models are RC, standard"),
        (lambda state: setattr(state, "split", "x"), "there is no model 'x'; the models are RC, standard"),
        (lambda state: setattr(state, "sequence", 120), "no sequence 120: choose 0 to 119"),
        (lambda state: setattr(state, "selection", (3, -1)), "there is no sequence -1"),
    ],
)
def test_what_is_not_there_is_refused_and_nothing_changes(unchanged, change, message):
    before = dict(unchanged._state)
    with pytest.raises(ValueError, match=message):
        change(unchanged.state)
    assert unchanged._state == before == unchanged.state.as_dict()


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (({}, None), {}, "there are no models"),
        (({"RC": 3}, None), {}, "RC must be a torch.nn.Module, got int"),
        (([], None), {}, "there are no models"),
        ((None, None), {"task": 2}, "there is no task 2: choose 0 to 1"),
        ((None, None), {"task": "MAX"}, "no task 'MAX'"),
        ((None, SequenceSet(np.zeros((0, 60), np.uint8))), {}, "no sequences"),
        ((None, ["ACGT" * 15]), {"task": 2}, "no task 2: .* task_0, task_1"),
        ((None, None), {"batch_size": 0}, "batch_size"),
        ((None, None), {"at": "neurons"}, "at must be one of"),
    ],
)
def test_bad_arguments_are_explained(as_users_run, models, toy, arguments, settings, message):
    given, data = arguments
    with pytest.raises(ValueError, match=message):
        StrandExplorer(models if given is None else given, toy if data is None else data, **settings)


def test_one_model_or_several_and_sequences_without_labels(opened, models):
    one = opened(models["standard"], ["ACGT" * 15, "GATAAG" * 10], task=1)
    assert (one.state.models, one.state.task) == (("model",), 1)
    assert one.table["label"].isna().all()
    assert not one._about["labelled"]
    several = opened(list(models.values()), ["GATAAG" * 10])
    assert several.state.models == ("model 1", "model 2", "model 3")


def test_a_network_of_ones_own_without_an_activation_has_attributions_all_the_same(opened, toy):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(4, 3, 7)

        def forward(self, x):
            return self.conv(x).amax(2)[:, :2]

    explorer = opened(Own(), toy, at="activation")
    sent = explorer._chosen["models"]["model"]
    assert "no elementwise activation follows conv" in sent["no_filters"]
    assert sent["attributions"]["shape"] == [1, 2, 60]
    with pytest.raises(ValueError, match="could be split by filter"):
        _ = explorer.gap_table
    for at in ("auto", "convolution"):
        assert len(opened(Own(), toy, at=at).gap_table) == 4


def test_networks_of_torch_modules_beside_each_other_and_conjoined(opened, toy):
    """Tuples from an LSTM, functions in place, one ReLU for all, outputs to pick from."""
    danq, profile = (seeded(make, dtype=torch.float32) for make in (Danq, ProfileAndCounts))
    models = {
        "LSTM": danq,
        "dilated": as_sequence_model(profile, output=lambda y: torch.cat([y[1], y[0].amax(dim=2)], 1)),
        "conjoined": RevCompConjoined(danq),
        "tuple": profile,
    }
    explorer = opened(models, toy)
    assert explorer.state.models == ("LSTM", "dilated", "conjoined")
    refused = explorer._about["refused"]
    assert "tuple has no predictions for sequences of 60 bp and is excluded: " in refused
    assert "rcviz.as_sequence_model(model, output=0)" in refused
    table = explorer.gap_table
    for name, model in list(models.items())[:3]:
        split = gap_by_filter(model, toy.subset([explorer.state.sequence]))
        rows = table[table["model"] == name]
        assert len(rows) == split.forward.shape[1] + 1
        np.testing.assert_allclose(rows["difference"].astype(float).sum(), split.logit_difference[0], atol=1e-5)
    assert np.abs(table.loc[table["model"] == "conjoined", "difference"].astype(float)).max() < 1e-5


def test_the_gap_is_split_by_the_layer_that_is_named(opened, toy, make_model):
    deep = make_model(kernel_sizes=(5, 3), n_filters=4)
    plain = make_model("standard", n_filters=6)
    given = {"RC": deep, "plain": plain}
    sequence = toy.subset([opened(given, toy).state.sequence])
    for layer, of in (({"RC": "conv2"}, deep.conv2), ({"RC": deep.conv2}, deep.conv2), ("conv1", deep.conv1)):
        explorer = opened(given, toy, layer=layer)
        table = explorer.gap_table
        for name, model, wanted in (("RC", deep, of), ("plain", plain, plain.conv1)):
            split = gap_by_filter(model, sequence, layer=wanted)
            found = table[(table["model"] == name) & (table["filter"] != "rest")].set_index("filter")["difference"]
            np.testing.assert_allclose(found.sort_index().astype(float), split.difference[0], atol=1e-6)
        assert ("reason" in explorer._filters["models"]["RC"]) == (of is deep.conv2)  # it reads channels, not bases
    for layer, message in (
        ("conv2", "no layer named 'conv2'; its layers are: conv1"),  # the plain one has none
        ({"other": "conv1"}, "layer names a model 'other', and the models are: RC, plain"),
    ):
        with pytest.raises(ValueError, match=message):
            StrandExplorer(given, toy, layer=layer)


def test_positions_stay_inside(explorer):
    assert explorer.state.window == 60  # the sequences are no longer
    explorer.state.window = 25
    explorer.state.position = 5000
    assert explorer.state.position == 35
    explorer.state.window = 3
    assert explorer.state.window == 10


def test_files_are_what_is_shown(explorer, tmp_path):
    explorer.state.selection = (1, 2, 3)
    explorer.export(tmp_path / "strands.csv")
    back = pd.read_csv(tmp_path / "strands.csv")
    pd.testing.assert_frame_equal(back, explorer.table, check_dtype=False)
    assert back["model"].tolist() == list(explorer.state.models) * 3
    gap = back[back["model"] == explorer.state.model]["gap"]
    assert gap.is_monotonic_decreasing
    explorer.export_gap(tmp_path / "gap.csv")
    explorer.export(tmp_path / "this.gap.csv")
    assert (tmp_path / "this.gap.csv").read_bytes() == (tmp_path / "gap.csv").read_bytes()
    filters = pd.read_csv(tmp_path / "gap.csv")
    assert (filters["sequence"] == explorer.state.sequence).all()
    np.testing.assert_allclose(filters["difference"], explorer.gap_table["difference"].astype(float))
    explorer.export(tmp_path / "this.gap.parquet")
    assert pd.read_parquet(tmp_path / "this.gap.parquet")["filter"].tolist() == filters["filter"].tolist()
    for name, start in (("panels.svg", b"<svg"), ("panels.pdf", b"%PDF"), ("panels.png", b"\x89PNG")):
        explorer.export(tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(ValueError, match="ending must be one of"):
        explorer.export(tmp_path / "strands.xlsx")
    for method, name in (
        (explorer.export_table, "a.svg"),
        (explorer.export_gap, "a.png"),
        (explorer.export_figure, "a.csv"),
    ):
        with pytest.raises(ValueError, match="ending must be one of"):
            method(tmp_path / name)


def test_a_picture_has_a_panel_for_each_model_and_is_of_the_chosen_task(explorer):
    explorer.state.task = 1
    drawn = [np.concatenate([dots.get_offsets()[:, 0] for dots in ax.collections]) for ax in explorer.picture().axes]
    for name, shown in zip(explorer.state.models, drawn, strict=True):
        np.testing.assert_allclose(np.sort(shown), np.sort(points(explorer)[name]["forward"]), atol=1e-6)
    still = explorer._repr_mimebundle_()[0]["image/svg+xml"]
    assert still.count("<circle") == 3 * 120
    assert "&lt;b&gt;other" in still


def test_details_of_the_next_sequences_are_there_before_they_are_chosen(explorer, monkeypatch, models, toy):
    order = listed(explorer)
    ahead = details(explorer, "_ahead")["standard"]
    assert list(ahead) == order[: strands.AHEAD]
    wanted = gap_by_filter(models["standard"], toy.subset([order[9]]))
    np.testing.assert_allclose(ahead[order[9]]["filters"], np.stack([wanted.forward[0], wanted.reverse[0]]), atol=1e-6)
    computed = []
    split = explorer._results._split
    monkeypatch.setattr(explorer._results, "_split", lambda *key: computed.extend(key[2]) or split(*key))
    for index in order[:9]:
        explorer.state.sequence = index
        explorer.wait(LONG)
    assert computed == []
    explorer.state.sequence = order[70]
    explorer.wait(LONG)
    assert computed[:3] == [order[70]] * 3  # the chosen one first, by each model
    assert list(details(explorer, "_ahead")["standard"]) == order[70 : 70 + strands.AHEAD]
    explorer.state.selection = tuple(order[110:])
    explorer.wait(LONG)
    assert list(details(explorer, "_ahead")["standard"]) == order[110:]
    explorer.state.selection = ()
    explorer.state.model = next(name for name in explorer.state.models if name != explorer.state.model)
    explorer.wait(LONG)
    order = listed(explorer)
    place = order.index(explorer.state.sequence)
    assert list(details(explorer, "_ahead")["standard"]) == order[place : place + strands.AHEAD]


def test_a_saved_page_has_more_details_within_its_size(opened, models, toy, monkeypatch):
    explorer = opened(models, toy)
    assert unpack(explorer._page_data("")["_ahead"]["sequences"]).tolist() == listed(explorer)
    monkeypatch.setattr(strands, "DETAIL_BYTES", 10 * strands.detail_bytes(explorer._results))
    assert unpack(explorer._page_data("")["_ahead"]["sequences"]).tolist() == listed(explorer)[:10]
    packed = explorer._page_data("")["_ahead"]
    nbytes = sum(
        part["data"].nbytes for each in packed["models"].values() for part in each.values() if isinstance(part, dict)
    )
    assert nbytes <= 10 * strands.detail_bytes(explorer._results)


class Held:
    """A model's second large batch is held until the test lets it go."""

    def __init__(self, model):
        self.go, self.reached, self.batches = threading.Event(), threading.Event(), 0
        model.register_forward_hook(self.hold)

    def __deepcopy__(self, memo):
        return self

    def hold(self, part, args, result):
        self.batches += len(args[0]) == 40
        if self.batches == 3:  # two were the first batch, on both strands
            self.reached.set()
            self.go.wait(LONG)


def test_what_is_known_is_shown_while_the_rest_is_predicted(make_model, toy):
    model = make_model("standard")
    hold = Held(model)
    explorer = StrandExplorer(model, toy, batch_size=40)
    try:
        assert hold.reached.wait(LONG)
        assert not explorer.ready
        assert explorer.message == "Predicting both strands"
        assert (explorer._status["state"], explorer._points["known"]) == ("computing", 40)
        chosen = explorer.state.sequence
        assert list(details(explorer)["model"]) == [chosen]
        assert chosen == points(explorer)["model"]["gap"].argmax()
        explorer.set_state({"_state": {**explorer._state, "sequence": 33 if chosen != 33 else 32}})
        hold.go.set()
        explorer.wait(LONG)
        assert explorer.state.sequence == (33 if chosen != 33 else 32)  # chosen before all was known
        assert explorer._points["known"] == 120
        whole = strand_agreement(explorer._models[0], toy).forward[:, 0]
        np.testing.assert_allclose(points(explorer)["model"]["forward"], whole, atol=1e-6)
        assert model.training
    finally:
        hold.go.set()
        explorer.close()


def test_no_sequence_is_predicted_twice(make_model, toy):
    model, rows = make_model("standard"), []
    model.register_forward_hook(lambda part, args, y: rows.append(len(args[0])))
    explorer = StrandExplorer(model, toy, batch_size=50)
    explorer.wait(LONG)
    batches = (50, 20)  # details are of one sequence, and of fewer than 50
    assert [n for n in rows if n in batches] == [50, 50, 50, 50, 20, 20]
    rows.clear()
    explorer.state.task = 1
    explorer.wait(LONG)
    assert rows
    assert [n for n in rows if n in batches] == []
    explorer.close()


def test_trained_in_place_beside_it(opened, models, toy):
    """It says so, mixes nothing, and refresh shows the new weights."""
    explorer = opened(models, toy)
    before = predict(models["standard"], toy)[:, 0]
    config = TrainConfig(epochs=1, batch_size=20, samples_per_epoch=60, learning_rate=0.1)
    fit(models["standard"], toy, toy, config, progress=False)
    assert explorer.stale
    explorer._on_message(explorer, {"kind": "check"}, [])
    assert explorer._status["state"] == "stale"
    explorer.state.sequence = listed(explorer)[80]
    explorer.wait(LONG)
    shown = explorer.gap_table.query("model == 'standard'")["forward"].astype(float).sum()
    assert shown == pytest.approx(np.log(before / (1 - before))[explorer.state.sequence], abs=1e-4)
    explorer._on_message(explorer, {"kind": "refresh"}, [])
    explorer.wait(LONG)
    after = predict(models["standard"], toy)[:, 0]
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(points(explorer)["standard"]["forward"], after, atol=1e-6)
    assert explorer._status["state"] == "ready"


def test_closing_frees_everything(make_model, toy):
    """Ten openings and closings leave nothing: no widget, no thread, no arrays."""
    model = make_model("standard")

    def once():
        explorer = StrandExplorer(model, toy.codes[:20])
        explorer.wait(LONG)
        alive = [weakref.ref(explorer), weakref.ref(explorer._results), weakref.ref(explorer.state)]
        explorer.close()
        return alive

    once()
    gc.collect()
    registered, threads = set(ipywidgets.widget._instances), threading.active_count()
    alive = [ref for _ in range(10) for ref in once()]
    gc.collect()
    assert [ref() for ref in alive] == [None] * 30
    assert threading.active_count() == threads
    assert set(ipywidgets.widget._instances) == registered


def test_models_are_left_as_found(opened, models, toy):
    for model in models.values():
        model.train()
    explorer = opened(models, toy)
    explorer.state.sequence = 3
    explorer.wait(LONG)
    for model in models.values():
        assert all(module.training for module in model.modules())
        assert all(not module._forward_hooks for module in model.modules())
        assert all(parameter.grad is None for parameter in model.parameters())


def test_codes_and_strings_are_the_same(opened, models):
    strings = ["GATAAG" * 10, "ACGGT" * 12]
    one, other = (opened(models, data).table for data in (strings, encode(strings)))
    pd.testing.assert_frame_equal(one, other)


def test_attributions_that_are_given_are_shown(opened, models, toy):
    """Those of one model and task, in place of the explorer's; others are computed, and other tasks say why not."""
    rng = np.random.default_rng(0)
    forward, reverse = rng.normal(size=(2, *toy.codes.shape))
    explorer = opened(models, toy, attributions={"standard": (forward, torch.from_numpy(reverse))})
    own = strand_attributions(models["RC"], toy)
    for sequence, found in details(explorer)["standard"].items():
        np.testing.assert_allclose(found["attributions"], [forward[sequence], reverse[sequence]], rtol=1e-3, atol=1e-3)
        expected = own.forward[sequence].sum(axis=0)
        np.testing.assert_allclose(details(explorer)["RC"][sequence]["attributions"][0], expected, rtol=1e-3, atol=1e-3)
    choose(explorer, task=1)
    assert not explorer._chosen["models"]["standard"]["attributions"]
    assert "GATA" in explorer._chosen["models"]["standard"]["no_attributions"]
    assert explorer._chosen["models"]["RC"]["attributions"]


@pytest.mark.parametrize(
    ("attributions", "message"),
    [
        ({"other": (0, 0)}, "attributions names a model 'other'"),
        ((0, 0), "dict of model"),
        ({"RC": np.zeros(3)}, "attributions of RC must be a pair"),
        ({"RC": (np.zeros((1, 2)), np.zeros((1, 2)))}, "attributions of RC: forward must be"),
    ],
)
def test_other_attributions_are_refused(models, toy, attributions, message):
    with pytest.raises(ValueError, match=message):
        StrandExplorer(models, toy, attributions=attributions)
