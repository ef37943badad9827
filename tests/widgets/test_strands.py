"""The strand explorer driven by its state, its controls and its points, without a browser."""

import asyncio
import gc
import html
import itertools
import re
import threading
import xml.etree.ElementTree as ElementTree

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from foreign import Danq, ProfileAndCounts, seeded
from matplotlib.colors import to_hex
from torch import nn

from rcviz import (
    RevCompConjoined,
    SequenceSet,
    as_sequence_model,
    encode,
    predict,
    reverse_complement,
    strand_agreement,
)
from rcviz.analysis.strands import gap_by_filter
from rcviz.plots.colors import NEGATIVE, POSITIVE, UNKNOWN
from rcviz.widgets import _scatter
from rcviz.widgets.strands import StrandExplorer


@pytest.fixture
def models(make_model):
    return {
        "RC": make_model("revcomp"),
        "standard": make_model("standard"),
        "<b>other</b>": make_model("standard", seed=1),
    }


@pytest.fixture
def explorer(models, toy):
    return StrandExplorer(models, toy)


CONTROLS = ipywidgets.Select | ipywidgets.Dropdown | ipywidgets.IntSlider | ipywidgets.Text | ipywidgets.Button


def shown(explorer):
    return explorer._caption.value, explorer._logos.value, explorer._gaps.value


def lasso(explorer, model, indices):
    """What jupyter-scatter does when a person has drawn around points."""
    explorer._scatters._scatters[model].widget.selection = np.array(indices, np.uint32)


def listed(explorer):
    return [index for _, index in explorer._list.options]


def test_starts_with_the_largest_gap_of_the_most_divided_model(explorer, models, toy):
    gaps = {name: strand_agreement(model, toy).gap[:, 0] for name, model in models.items()}
    divided = max(gaps, key=lambda name: gaps[name].mean())
    assert explorer.state.model == explorer._model.value == divided
    assert explorer.state.sequence == explorer._list.value == gaps[divided].argmax()
    assert gaps[divided][listed(explorer)].tolist() == sorted(gaps[divided], reverse=True)
    assert f"<b>Sequence {gaps[divided].argmax()}</b>" in explorer._caption.value


def test_caption_and_filters_are_those_of_the_analysis(explorer, models, toy):
    explorer.state.sequence = 17
    forward = predict(models["standard"], toy)[17, 0]
    reverse = predict(models["standard"], reverse_complement(toy.codes))[17, 0]
    assert f"standard {forward:.3f} forward, {reverse:.3f} reverse" in explorer._caption.value
    split = gap_by_filter(models["standard"], toy.subset([17]))
    table = explorer.gap_table.query("model == 'standard'")
    filters = table[table["filter"] != "rest"]
    assert filters["filter"].tolist() == split.table["filter"].tolist()
    np.testing.assert_allclose(filters["difference"].astype(float), split.table["difference"], atol=1e-6)
    for column, whole in (
        ("forward", split.logits_forward),
        ("reverse", split.logits_reverse),
        ("difference", split.logit_difference),
    ):
        np.testing.assert_allclose(table[column].astype(float).sum(), whole[0], atol=1e-6)


def test_logos_of_both_strands_of_every_model_lie_under_each_other(explorer):
    assert explorer._logos.value.count('class="rcviz-logo"') == 6
    ElementTree.fromstring(f"<div>{explorer._logos.value}</div>")
    ElementTree.fromstring(f"<div>{explorer._gaps.value}</div>")


def test_every_control_writes_the_state_and_follows_it(explorer):
    explorer._list.value = listed(explorer)[3]
    assert explorer.state.sequence == listed(explorer)[3]
    explorer._model.value = "RC"
    assert explorer.state.model == "RC"
    explorer.state.model = "standard"
    assert explorer._model.value == "standard"
    explorer.state.sequence = listed(explorer)[1]
    assert explorer._list.value == listed(explorer)[1]
    explorer._task.value = 1
    assert explorer.state.task == 1
    assert "starts with A" in explorer._caption.value


def test_a_lasso_chooses_in_every_panel_and_lists_the_most_discrepant_first(explorer):
    lasso(explorer, "RC", [5, 9, 2, 40])
    gap = explorer._results.gap(explorer.state.model, 0)
    assert sorted(explorer.state.selection) == [2, 5, 9, 40]
    assert listed(explorer) == sorted([2, 5, 9, 40], key=lambda index: -gap[index])
    assert explorer.state.sequence == listed(explorer)[0]
    for scatter in explorer._scatters._scatters.values():
        assert sorted(scatter.widget.selection) == [2, 5, 9, 40]
    assert set(explorer.table["sequence"]) == {2, 5, 9, 40}
    explorer._all.click()
    assert explorer.state.selection == ()
    assert len(listed(explorer)) == 120
    assert all(len(scatter.widget.selection) == 0 for scatter in explorer._scatters._scatters.values())


def test_a_click_shows_that_sequence(explorer):
    lasso(explorer, "standard", [33])
    assert (explorer.state.selection, explorer.state.sequence) == ((33,), 33)
    assert "<b>Sequence 33</b>" in explorer._caption.value


def drawn(explorer, model):
    """What goes to the front end: probabilities and the colour of every point."""
    widget = explorer._scatters._scatters[model].widget
    low, high = explorer._scatters._ranges[model]
    forward, reverse = ((np.array(widget.points)[:, column] + 1) / 2 * (high - low) + low for column in (0, 1))
    colors = [to_hex(widget.color[int(code)]) for code in np.array(widget.points)[:, 2]]
    return forward, reverse, colors


@pytest.mark.parametrize("second", ["as they are", "all negative", "one unknown"])
def test_points_are_the_predictions_coloured_by_label(models, toy, second):
    labels = toy.labels.copy()
    if second == "all negative":
        labels[:, 1] = 0
    elif second == "one unknown":
        labels[:, 1] = np.where(np.arange(120) == 0, np.nan, 0)
    explorer = StrandExplorer(models, SequenceSet(toy.codes, labels, task_names=toy.task_names))
    for task in (0, 1, 0, 1):
        explorer.state.task = task
        wanted = np.select([labels[:, task] == 1, labels[:, task] == 0], [POSITIVE, NEGATIVE], UNKNOWN)
        for name, model in models.items():
            forward, reverse, colors = drawn(explorer, name)
            np.testing.assert_allclose(forward, predict(model, toy)[:, task], atol=1e-6)
            np.testing.assert_allclose(reverse, predict(model, reverse_complement(toy.codes))[:, task], atol=1e-6)
            assert colors == wanted.tolist()


def test_each_model_is_shown_on_its_scale(models, toy, tmp_path):
    """A classifier beside a regression with a gap of 4.59, and beside a model whose tasks the strands exchange."""
    regression = Regression().double()
    models = {
        "counts": as_sequence_model(regression, output_is="value"),
        "classifier": models["standard"],
        "stranded": RevCompConjoined(models["standard"], output_kind="stranded"),
    }
    explorer = StrandExplorer(models, toy)
    gap = explorer.table.set_index("model")["gap"]
    assert gap["counts"].max() == pytest.approx(4.59)
    assert gap["stranded"].max() < 1e-5 < gap["classifier"].max()
    assert explorer.state.model == "counts"
    forward, reverse, _ = drawn(explorer, "counts")
    np.testing.assert_allclose(forward, predict(models["counts"], toy)[:, 0], atol=1e-5)
    assert np.abs(forward - reverse).max() == pytest.approx(4.59, abs=1e-4)
    assert [ax.get_xlabel().split(",")[0] for ax in explorer.picture().axes] == ["value", "probability", "probability"]
    assert "(value)" in explorer._caption.value
    assert re.findall(r'<th scope="row">(value|logit)</th>', explorer._gaps.value) == ["value", "logit", "logit"]
    rows = explorer.gap_table.query("model == 'counts'")
    assert rows["difference"].abs().sum() == pytest.approx(4.59)
    assert explorer.gap_table.query("model == 'stranded'")["difference"].abs().max() < 1e-5


def test_labels_that_are_values_colour_the_points(toy):
    labels = np.arange(240, dtype=float).reshape(120, 2)
    data = SequenceSet(toy.codes, labels, label_kind="value")
    explorer = StrandExplorer(as_sequence_model(Regression().double(), output_is="value"), data)
    explorer.state.sequence = 7
    assert "label 14 for task_0" in explorer._caption.value
    assert "198 to 238" in explorer.children[1].value  # the lightest of six colours, for twenty sequences


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


def crosses(explorer):
    return [
        {type(line).__name__: getattr(line, "x", None) or getattr(line, "y", None) for line in scatter._annotations[1:]}
        for scatter in explorer._scatters._scatters.values()
    ]


def test_a_cross_is_on_the_sequence_that_is_shown(explorer, models, toy):
    """At once without a kernel; in a kernel, whose loop runs, once and after a pause."""
    explorer.state.sequence = 11
    for cross, model in zip(crosses(explorer), models.values(), strict=True):
        assert cross["VLine"] == predict(model, toy)[11, 0]
        assert cross["HLine"] == predict(model, reverse_complement(toy.codes))[11, 0]

    async def hurry():
        marked = []
        mark = explorer._scatters._mark
        explorer._scatters._mark = lambda sequence: marked.append(sequence) or mark(sequence)
        for sequence in (20, 21, 22):
            explorer.state.sequence = sequence
        assert marked == []
        await asyncio.sleep(2 * _scatter._PAUSE)
        return marked

    assert asyncio.run(hurry()) == [22]
    assert crosses(explorer)[0]["VLine"] == predict(models["RC"], toy)[22, 0]


def test_an_empty_lasso_keeps_what_is_seen(explorer):
    lasso(explorer, "standard", [3, 4])
    before = shown(explorer), explorer.state.selection
    lasso(explorer, "standard", [])
    assert "no point was chosen" in explorer._error.value
    assert (shown(explorer), explorer.state.selection) == before
    assert sorted(explorer._scatters._scatters["standard"].widget.selection) == [3, 4]
    lasso(explorer, "standard", [4])
    assert explorer._error.value == ""


def test_a_sequence_without_a_base_is_explained_and_the_last_view_kept(models, toy):
    codes = toy.codes.copy()
    codes[7] = 4
    explorer = StrandExplorer(models, SequenceSet(codes, toy.labels, task_names=toy.task_names))
    before, kept = shown(explorer), explorer.state.sequence
    explorer._list.value = 7
    assert "sequence 7 has only unknown bases" in explorer._error.value
    assert (shown(explorer), explorer.state.sequence, explorer._list.value) == (before, kept, kept)
    lasso(explorer, "RC", [7])
    assert "sequence 7 has only unknown bases" in explorer._error.value
    assert shown(explorer) == before
    with pytest.raises(ValueError, match="only unknown bases"):
        explorer.state.sequence = 7
    assert explorer.state.sequence == kept


def test_nothing_but_unknown_bases(models):
    with pytest.warns(UserWarning, match="unknown"):
        explorer = StrandExplorer(models, ["N" * 60, "N" * 60])
    assert "only unknown bases" in explorer._error.value


def test_a_model_that_does_not_take_the_data_is_left_out_with_a_reason(models, toy, make_model):
    class Odd(nn.Module):
        def forward(self, x):
            return x.sum(dim=(1, 2))[:, None].expand(-1, 2) * float("nan")

    short, single = make_model(sequence_length=50), make_model(n_tasks=1)
    explorer = StrandExplorer({**models, "short": short, "one task": single, "odd": Odd()}, toy)
    assert explorer.state.models == tuple(models)
    for name, reason in (("short", "50"), ("one task", "1 outputs"), ("odd", "not finite")):
        assert f"{name} has no predictions for sequences of 60 bp and is excluded" in explorer._error.value
        assert reason in explorer._error.value
    assert "Sequence" in explorer._caption.value
    with pytest.raises(ValueError, match="model has no predictions for sequences of 60 bp"):
        StrandExplorer(short, toy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: setattr(state, "task", 2), "no task 2: .* GATA, starts with A"),
        (lambda state: setattr(state, "model", "x"), "there is no model 'x'; the models are RC, standard"),
        (lambda state: setattr(state, "sequence", 120), "no sequence 120: choose 0 to 119"),
        (lambda state: setattr(state, "selection", (3, -1)), "there is no sequence -1"),
    ],
)
def test_what_is_not_there_is_refused_and_nothing_changes(explorer, change, message):
    before = shown(explorer), listed(explorer)
    with pytest.raises(ValueError, match=message):
        change(explorer.state)
    assert (shown(explorer), listed(explorer)) == before


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
    ],
)
def test_bad_arguments_are_explained(as_users_run, models, toy, arguments, settings, message):
    given, data = arguments
    with pytest.raises(ValueError, match=message):
        StrandExplorer(models if given is None else given, toy if data is None else data, **settings)


def test_one_model_or_several_and_sequences_without_labels(models):
    one = StrandExplorer(models["standard"], ["ACGT" * 15, "GATAAG" * 10], task=1)
    assert (one.state.models, one.state.task) == (("model",), 1)
    assert one.table["label"].isna().all()
    assert "unknown for task_1" in one._caption.value
    several = StrandExplorer(list(models.values()), ["GATAAG" * 10])
    assert several.state.models == ("model 1", "model 2", "model 3")


def test_a_network_of_ones_own_without_an_activation_has_logos_all_the_same(toy):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(4, 3, 7)

        def forward(self, x):
            return self.conv(x).amax(2)[:, :2]

    explorer = StrandExplorer(Own(), toy, at="activation")
    assert "no elementwise activation follows conv" in explorer._gaps.value
    assert explorer._logos.value.count("rcviz-logo") == 2
    with pytest.raises(ValueError, match="could be split by filter"):
        _ = explorer.gap_table
    for at in ("auto", "convolution"):
        assert len(StrandExplorer(Own(), toy, at=at).gap_table) == 4


def test_networks_of_torch_modules_beside_each_other_and_conjoined(toy):
    """Tuples from an LSTM, functions in place, one ReLU for all, outputs to pick from."""
    danq, profile = (seeded(make, dtype=torch.float32) for make in (Danq, ProfileAndCounts))
    models = {
        "LSTM": danq,
        "dilated": as_sequence_model(profile, output=lambda y: torch.cat([y[1], y[0].amax(dim=2)], 1)),
        "conjoined": RevCompConjoined(danq),
        "tuple": profile,
    }
    explorer = StrandExplorer(models, toy)
    assert explorer.state.models == ("LSTM", "dilated", "conjoined")
    assert "tuple has no predictions for sequences of 60 bp and is excluded: " in words(explorer)
    assert "rcviz.as_sequence_model(model, output=0)" in words(explorer)
    table = explorer.gap_table
    for name, model in list(models.items())[:3]:
        split = gap_by_filter(model, toy.subset([explorer.state.sequence]))
        rows = table[table["model"] == name]
        assert len(rows) == split.forward.shape[1] + 1
        np.testing.assert_allclose(rows["difference"].astype(float).sum(), split.logit_difference[0], atol=1e-5)
    assert np.abs(table.loc[table["model"] == "conjoined", "difference"].astype(float)).max() < 1e-5


def test_the_gap_is_split_by_the_layer_that_is_named(toy, make_model):
    deep = make_model(kernel_sizes=(5, 3), n_filters=4)
    plain = make_model("standard", n_filters=6)
    given = {"RC": deep, "plain": plain}
    sequence = toy.subset([StrandExplorer(given, toy).state.sequence])
    for layer, of in (({"RC": "conv2"}, deep.conv2), ({"RC": deep.conv2}, deep.conv2), ("conv1", deep.conv1)):
        table = StrandExplorer(given, toy, layer=layer).gap_table
        for name, model, wanted in (("RC", deep, of), ("plain", plain, plain.conv1)):
            split = gap_by_filter(model, sequence, layer=wanted)
            found = table[(table["model"] == name) & (table["filter"] != "rest")].set_index("filter")["difference"]
            np.testing.assert_allclose(found.sort_index().astype(float), split.difference[0], atol=1e-6)
    for layer, message in (
        ("conv2", "no layer named 'conv2'; its layers are: conv1"),  # the plain one has none
        ({"other": "conv1"}, "layer names a model 'other', and the models are: RC, plain"),
    ):
        with pytest.raises(ValueError, match=message):
            StrandExplorer(given, toy, layer=layer)


def words(explorer):
    """What the error pane says."""
    return html.unescape(explorer._error.value)


def test_names_from_files_are_escaped(models, toy):
    bad = "<img src=x onerror=alert(1)>"
    data = SequenceSet(toy.codes, toy.labels, task_names=(bad, "b"), names=[bad] * 120)
    explorer = StrandExplorer({bad: models["standard"]}, data)
    panes = [pane.value for pane in every(explorer) if isinstance(pane, ipywidgets.HTML)]
    assert sum("&lt;img" in value for value in panes) >= 3
    assert not any("<img" in value for value in panes)


def every(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from every(child)


def test_every_control_can_be_said(explorer):
    controls = [widget for widget in every(explorer) if isinstance(widget, CONTROLS)]
    assert len(controls) == 9
    assert all(control.description and control.tooltip for control in controls)


def test_long_sequences_are_drawn_in_part_where_it_matters(make_model):
    rng = np.random.default_rng(0)
    codes = np.zeros((4, 1000), np.uint8)
    codes[:, 600:620] = rng.integers(0, 4, (4, 20), dtype=np.uint8)
    model = make_model("standard", sequence_length=1000, pool_size=142, pool_stride=142)
    explorer = StrandExplorer(model, codes)
    found = explorer._results.sequence(0, explorer.state.sequence).attributions["model"]
    size = np.abs(found.forward[0]).sum(axis=0) + np.abs(found.reverse[0]).sum(axis=0)
    sums = [size[start : start + 60].sum() for start in range(941)]
    assert sums[explorer.state.position] == pytest.approx(max(sums))
    assert explorer._logos.value.count("<path fill=") <= 2 * 60
    explorer._position.value = 100
    assert explorer.state.position == 100
    assert "positions 100 to 159" in explorer._logos.value
    explorer.state.position = 5000
    assert (explorer.state.position, explorer._position.value) == (940, 940)


def test_files_are_what_is_shown(explorer, tmp_path):
    lasso(explorer, "standard", [1, 2, 3])
    explorer.export(tmp_path / "strands.csv")
    back = pd.read_csv(tmp_path / "strands.csv")
    pd.testing.assert_frame_equal(back, explorer.table, check_dtype=False)
    assert back["model"].tolist() == list(explorer.state.models) * 3
    gap = back[back["model"] == explorer.state.model]["gap"]
    assert gap.is_monotonic_decreasing
    explorer.export_gap(tmp_path / "gap.csv")
    filters = pd.read_csv(tmp_path / "gap.csv")
    assert (filters["sequence"] == explorer.state.sequence).all()
    np.testing.assert_allclose(filters["difference"], explorer.gap_table["difference"].astype(float))
    explorer.export_gap(tmp_path / "gap.parquet")
    assert pd.read_parquet(tmp_path / "gap.parquet")["filter"].tolist() == filters["filter"].tolist()
    for name, start in (("panels.svg", b"<svg"), ("panels.pdf", b"%PDF"), ("panels.png", b"\x89PNG")):
        explorer.export(tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)


def test_a_still_picture_has_a_panel_for_each_model_and_is_of_the_chosen_task(explorer):
    explorer.state.task = 1
    forward = [explorer._results.predictions(1)[name][0] for name in explorer.state.models]
    drawn = [np.concatenate([dots.get_offsets()[:, 0] for dots in ax.collections]) for ax in explorer.picture().axes]
    for values, shown in zip(forward, drawn, strict=True):
        np.testing.assert_allclose(np.sort(shown), np.sort(values), atol=1e-6)


def test_a_file_of_another_kind_is_refused_in_the_error_pane(explorer, tmp_path):
    explorer._export.path.value = str(tmp_path / "strands.xlsx")
    explorer._export.button.click()
    assert "ending must be one of .csv, .parquet, .svg, .pdf, .png" in explorer._error.value
    assert list(tmp_path.iterdir()) == []
    explorer._export.path.value = str(tmp_path / "strands.csv")
    explorer._export.button.click()
    assert explorer._error.value == ""
    assert "strands.csv" in explorer._export.confirmation.value
    for method, name in (
        (explorer.export_table, "a.svg"),
        (explorer.export_gap, "a.png"),
        (explorer.export_figure, "a.csv"),
    ):
        with pytest.raises(ValueError, match="ending must be one of"):
            method(tmp_path / name)


def test_without_jupyter_scatter_there_are_pictures_and_the_list(models, toy, monkeypatch):
    monkeypatch.setattr(_scatter, "can_select", lambda: False)
    explorer = StrandExplorer(models, toy)
    markup = "".join(pane.value for pane in every(explorer) if isinstance(pane, ipywidgets.HTML))
    assert "pip install &quot;rcviz[lab]&quot;" in markup
    assert len(explorer._scatters.children) == 3
    assert all("<svg" in panel.children[1].value for panel in explorer._scatters.children)
    explorer._list.value = listed(explorer)[5]
    assert explorer.state.sequence == listed(explorer)[5]
    before = explorer._scatters.children[1].children[1].value
    explorer.state.task = 1
    assert explorer._scatters.children[1].children[1].value != before


def test_details_are_computed_once_and_the_oldest_forgotten(explorer, monkeypatch):
    monkeypatch.setattr("rcviz.widgets._strand_results._CACHED", 4)
    computed = []
    compute = explorer._results._computed
    monkeypatch.setattr(explorer._results, "_computed", lambda *key: computed.append(key) or compute(*key))
    for index in (50, 51, 50):
        explorer.state.sequence = index
    assert computed == [(0, 50), (0, 51)]
    for index in range(10):
        explorer.state.sequence = index
    assert list(explorer._results._sequences) == [(0, 6), (0, 7), (0, 8), (0, 9)]


def test_nothing_is_left_behind_by_100_interactions(models, toy):
    """Only many interactions show that widgets and observers do not accumulate."""
    explorer = StrandExplorer({"standard": models["standard"]}, toy)

    def observers():
        found = list(every(explorer))
        return sum(len(calls) for widget in found for by in widget._trait_notifiers.values() for calls in by.values())

    def interact(steps):
        rng = np.random.default_rng(steps)
        for step in range(steps):
            if step % 5 == 0:
                lasso(explorer, "standard", rng.choice(120, 20, replace=False))
            elif step % 5 == 4:
                explorer.state.task = 1 - explorer.state.task
            else:
                explorer.state.sequence = int(rng.integers(120))

    def counts():
        alive = sum(issubclass(type(thing), ipywidgets.Widget) for thing in gc.get_objects())
        return observers(), threading.active_count(), len(list(every(explorer))), alive

    interact(20)
    before = counts()
    interact(100)
    assert counts() == before
    assert plt.get_fignums() == []


def test_models_are_left_as_found(models, toy):
    for model in models.values():
        model.train()
    explorer = StrandExplorer(models, toy)
    explorer.state.sequence = 3
    for model in models.values():
        assert all(module.training for module in model.modules())
        assert all(not module._forward_hooks for module in model.modules())
        assert all(parameter.grad is None for parameter in model.parameters())


def test_codes_and_strings_are_the_same(models):
    strings = ["GATAAG" * 10, "ACGGT" * 12]
    one, other = (StrandExplorer(models, data).table for data in (strings, encode(strings)))
    pd.testing.assert_frame_equal(one, other)


def test_values_colour_the_points_and_are_listed(models, toy, tmp_path):
    values = np.stack([np.linspace(-3, 9, 120), np.arange(120) % 2], axis=1)  # the second would pass for classes
    values[5] = np.nan
    data = SequenceSet(toy.codes, values, task_names=toy.task_names, label_kind="value")
    explorer = StrandExplorer(models, data)
    for task, n_groups in ((0, 6), (1, 2)):
        explorer.state.task = task
        _, _, colors = drawn(explorer, "RC")
        assert colors[5] == UNKNOWN
        of_color = [[values[i, task] for i in range(120) if colors[i] == color] for color in dict.fromkeys(colors)]
        ranges = sorted((min(part), max(part)) for part in of_color if not np.isnan(part).any())
        assert len(ranges) == n_groups
        assert all(high < low for (_, high), (low, _) in itertools.pairwise(ranges))
        assert {POSITIVE, NEGATIVE}.isdisjoint(colors)
        assert "positive" not in explorer._legend.value
        assert "unknown" in explorer._legend.value
        explorer.state.sequence = 7
        assert f"label {values[7, task]:.4g} for {toy.task_names[task]}" in explorer._caption.value
    explorer.state.task = 0
    table = explorer.table.drop_duplicates("sequence").set_index("sequence").sort_index()
    np.testing.assert_allclose(table["label"], values[:, 0], rtol=1e-6)
    explorer.export_figure(tmp_path / "strands.svg")


def test_values_without_jupyter_scatter(models, toy, monkeypatch):
    monkeypatch.setattr(_scatter, "can_select", lambda: False)
    explorer = StrandExplorer(models, SequenceSet(toy.codes, toy.labels, label_kind="value"))
    assert "label" in explorer._scatters._panes["RC"].value
