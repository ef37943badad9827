"""The filter explorer driven by its state, and what it sends to its page; without a browser."""

import dataclasses
import gc
import re
import sys
import threading
import weakref
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import anywidget
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from foreign import ChannelsLast, Danq, ProfileAndCounts, seeded
from torch import nn

from rcviz import (
    FilterExplorer,
    Motif,
    RevCompConjoined,
    SequenceSet,
    StrandExplorer,
    activation_profiles,
    as_sequence_model,
    decode,
    filter_ablation,
    filter_bank,
    filter_contributions,
    one_hot,
    palindromes,
    predict,
    read_jaspar,
    read_meme,
    read_transfac,
)
from rcviz.motifs.similarity import match_motifs
from rcviz.widgets.data import unpack

pytestmark = pytest.mark.usefixtures("no_names")
MINUTE = 60


@pytest.fixture
def explorer(toy, make_model):
    explorer = FilterExplorer(make_model(n_filters=5), toy)
    explorer.wait(MINUTE)
    yield explorer
    explorer.close()


@pytest.fixture(scope="module")
def unchanged(toy, make_model):
    """An explorer for tests that read it, and of what it refuses; none of its filters has a name."""
    explorer = FilterExplorer(make_model(n_filters=5), toy, motifs=[Motif("flat", np.full((4, 6), 0.25))])
    explorer.wait(MINUTE)
    yield explorer
    explorer.close()


def from_page(explorer, **changes):
    """What the front end does when a control changes."""
    explorer.set_state({"_state": {**explorer._state, **changes}})


def scores(explorer):
    explorer.wait(MINUTE)
    sent = unpack(explorer._scores["scores"])
    by_filter = explorer.table.set_index("filter")["score"].sort_index()
    np.testing.assert_allclose(sent, by_filter, rtol=1e-6)
    return by_filter.to_numpy()


def test_it_begins_with_the_best_filter_of_the_first_task(explorer, toy):
    result = filter_contributions(explorer._models[0], toy)
    assert explorer.ready
    assert explorer.progress == 1.0
    assert explorer.state.ranking == explorer.state.order == tuple(result.ranking)
    assert explorer.state.filter == result.ranking[0]
    assert explorer._state["filter"] == result.ranking[0]
    np.testing.assert_allclose(scores(explorer), result.scores, rtol=1e-6)
    assert explorer._status == {"state": "ready", "progress": 1.0, "message": ""}


def test_the_page_gets_what_the_analyses_give(explorer, toy):
    """Weights, means, profiles, motifs and sites, each against the function of the same name."""
    model, positive = explorer._models[0], toy.labels[:, 0] == 1
    bank, contributions = filter_bank(model), filter_contributions(model, toy)
    np.testing.assert_allclose(unpack(explorer._weights["matrices"]), bank.weights, atol=1e-7)
    for name, label in (("positive", 1), ("negative", 0)):
        of_class = contributions.per_sequence[toy.labels[:, 0] == label]
        np.testing.assert_allclose(unpack(explorer._scores[f"mean_{name}"]), of_class.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(unpack(explorer._scores[name]), np.sort(of_class, axis=0).T, rtol=1e-5)
    profiles = activation_profiles(model, toy)
    np.testing.assert_allclose(unpack(explorer._profiles["edges"]), profiles.edges)
    for name, mask in (("positives", positive), ("negatives", ~positive)):
        means = [profiles.mean(index, mask) for index in range(5)]
        np.testing.assert_allclose(unpack(explorer._profiles[name]), means, rtol=1e-5)
    sites = explorer._sites
    for index, score in enumerate(contributions.scores):
        rows = np.flatnonzero(positive if score >= 0 else ~positive)
        table = bank.activating_sites(toy.subset(rows), top=60).filter_table(index)
        assert unpack(sites["counts"])[index] == len(table)
        names = unpack(sites["index"])[unpack(sites["sequence"])[index]]
        assert names.tolist() == rows[table["sequence"]].tolist()
        assert unpack(sites["start"])[index].tolist() == table["start"].tolist()
        assert decode(unpack(sites["letters"])[index]) == table["site"].tolist()
        motif = bank.activating_sites(toy.subset(rows), top=60).motif(index)
        np.testing.assert_allclose(unpack(sites["motifs"])[index], motif.probabilities, atol=1e-6)


def test_sites_are_where_the_filter_fires(toy, make_model, tmp_path):
    """Normalisation silences one filter: it has no sites, no motif and no name, whatever its best windows are."""
    model = make_model(n_filters=3)
    with torch.no_grad():
        model.norm1.bias[1] = -1e4
    explorer = FilterExplorer(model, toy)
    explorer.wait(MINUTE)
    assert unpack(explorer._sites["counts"])[1] == 0
    assert (unpack(explorer._sites["counts"])[[0, 2]] > 0).all()
    assert explorer.table.set_index("filter").loc[1, "fires_in"] == 0
    assert explorer._verdicts["rows"]["1"]["verdict"] == "inactive"
    assert explorer._names["rows"][1] == []
    explorer.export(tmp_path / "motifs.meme")
    assert {motif.name for motif in read_meme(tmp_path / "motifs.meme")} == {"filter_0", "filter_2"}
    explorer.state.filter = 1
    explorer.picture()
    explorer.close()


def test_contributions_of_many_sequences_are_an_even_sample(toy, make_model, monkeypatch):
    monkeypatch.setattr("rcviz.widgets.data.TICKS", 7)
    explorer = FilterExplorer(make_model(n_filters=2), toy)
    explorer.wait(MINUTE)
    every = np.sort(filter_contributions(explorer._models[0], toy).positive(1))
    drawn = unpack(explorer._scores["positive"])[1]
    assert drawn.shape == (7,)
    np.testing.assert_allclose(drawn, every[[0, 10, 20, 30, 39, 49, 59]], rtol=1e-6)
    assert explorer._scores["n_positive"] == 60
    explorer.close()


def test_another_task_ranks_anew_and_keeps_the_filter(explorer, toy):
    explorer.state.step(1)
    kept = explorer.state.filter
    from_page(explorer, task=1)
    explorer.wait(MINUTE)
    result = filter_contributions(explorer._models[0], toy, task=1)
    assert explorer.state.filter == kept
    assert explorer.state.ranking == tuple(result.ranking)
    np.testing.assert_allclose(scores(explorer), result.scores, rtol=1e-6)


def test_the_order_follows_the_sort(explorer):
    assert explorer.state.order == explorer.state.ranking
    explorer.state.sort = "number"
    assert explorer.state.order == (0, 1, 2, 3, 4)
    from_page(explorer, sort="palindromicity")
    table = palindromes(filter_bank(explorer._models[0])).table
    expected = table.sort_values("palindromicity", ascending=False, kind="stable")["filter"]
    assert explorer.state.order == tuple(expected)
    explorer.state.sort = "name"  # none has a name
    assert explorer.state.order == explorer.state.ranking


def test_choices_of_the_page_and_of_python_are_one(explorer):
    from_page(explorer, filter=3, strand="-", search="GAT", pinned=2)
    state = explorer.state
    assert (state.filter, state.strand, state.search, state.pinned) == (3, "-", "GAT", 2)
    state.strand, state.pinned = "both", None
    assert (explorer._state["strand"], explorer._state["pinned"]) == ("both", None)


def test_what_counts_as_positive_can_be_chosen(explorer, toy):
    model = explorer._models[0]
    per_sequence = filter_contributions(model, toy).per_sequence
    labels = toy.labels[:, 0]
    predicted = predict(model, toy)[:, 0] >= 0.5
    own = toy.codes[:, 3] == 2
    explorer.set_positives(own)
    for name, positive, negative in (
        ("own", own, ~own),
        ("predicted", predicted, ~predicted),
        ("agreed", predicted & (labels == 1), ~predicted & (labels == 0)),
        ("labelled", labels == 1, labels == 0),
    ):
        assert positive.any()
        assert negative.any()
        from_page(explorer, positives=name)
        expected = per_sequence[positive].mean(axis=0) - per_sequence[negative].mean(axis=0)
        np.testing.assert_allclose(scores(explorer), expected, rtol=1e-5)
        assert unpack(explorer._sites["counts"]).max() <= positive.sum()
    explorer.set_positives(~own)
    expected = per_sequence[~own].mean(axis=0) - per_sequence[own].mean(axis=0)
    np.testing.assert_allclose(scores(explorer), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("mask", "message"),
    [([1, 0], "mask must be .* 120"), (np.zeros(120, bool), "0 of 120"), (np.ones(120, bool), "120 of 120")],
)
def test_a_selection_that_cannot_be_compared_is_refused(unchanged, mask, message):
    with pytest.raises(ValueError, match=message):
        unchanged.set_positives(mask)
    assert unchanged.state.positives == "labelled"
    assert unchanged.ready


def test_a_refused_choice_is_shown_and_the_page_gets_the_state_again(toy, make_model):
    labels = toy.labels.copy()
    labels[:, 1] = 0
    explorer = FilterExplorer(make_model(), SequenceSet(toy.codes, labels, task_names=("GATA", "<b>none</b>")))
    explorer.wait(MINUTE)
    from_page(explorer, task=1)
    assert explorer._status["message"].startswith("the selection (labelled) has no positives for task <b>none</b>")
    assert (explorer.state.task, explorer._state["task"]) == (0, 0)
    from_page(explorer, filter=2)
    assert explorer._status["message"] == ""
    from_page(explorer, positives="own")
    assert "set_positives" in explorer._status["message"]
    assert explorer._state["positives"] == "labelled"
    assert explorer.ready
    explorer.close()


@pytest.mark.parametrize(
    ("trait", "value"),
    [("task", 7), ("filter", 99), ("pinned", -1), ("layer", "conv9"), ("sort", "size"), ("strand", 3)],
)
def test_what_is_not_there_is_refused(unchanged, trait, value):
    before = unchanged.state.as_dict()
    with pytest.raises((ValueError, Exception), match=r"there is no (task|filter)|must be one of|expected"):
        setattr(unchanged.state, trait, value)
    assert unchanged.state.as_dict() == before


def test_layers_that_read_bases_can_be_chosen(toy):
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.narrow, self.wide = nn.Conv1d(4, 2, 5, padding=2), nn.Conv1d(4, 6, 9, padding=4)
            self.relu1, self.relu2, self.deep = nn.ReLU(), nn.ReLU(), nn.Conv1d(8, 2, 3)

        def forward(self, x):
            return self.deep(torch.cat([self.relu1(self.narrow(x)), self.relu2(self.wide(x))], 1)).mean(2)

    torch.manual_seed(0)
    explorer = FilterExplorer(Branches(), toy)
    assert explorer.state.layers == ("narrow", "wide")
    from_page(explorer, layer="wide")
    assert explorer._weights["matrices"]["shape"] == [6, 4, 9]
    assert len(scores(explorer)) == 6
    explorer.state.filter, explorer.state.pinned = 5, 4
    explorer.state.layer = "narrow"
    assert explorer.state.filter in (0, 1)
    assert explorer.state.pinned is None
    assert len(scores(explorer)) == 2
    explorer.close()
    assert FilterExplorer(Branches(), toy, layer="wide").state.layers == ("wide", "narrow")
    with pytest.raises(ValueError, match="deep reads 8 channels"):
        FilterExplorer(Branches(), toy, layer="deep")
    with pytest.raises(ValueError, match="no layer named 'none'; its layers are: narrow, wide, "):
        FilterExplorer(Branches(), toy, layer="none")


def test_the_model_runs_once_over_the_data_and_once_more_for_another_task(toy, make_model):
    """One forward and backward pass serves contributions, predictions, profiles and sites."""
    model, rows = make_model(n_filters=5), []
    model.register_forward_hook(lambda part, args, y: rows.append(len(args[0])))
    explorer = FilterExplorer(model, toy, batch_size=40)
    explorer.wait(MINUTE)
    once = [16, 40, 40, 24]  # and smaller ones, which find out what the model is
    assert [n for n in rows if n > 3] == once
    rows.clear()
    explorer.state.positives = "predicted"
    explorer.wait(MINUTE)
    explorer.state.sort = "number"
    assert rows == []
    explorer.state.task = 1
    explorer.wait(MINUTE)
    explorer.state.task = 0
    explorer.wait(MINUTE)
    assert [n for n in rows if n > 3] == once
    explorer.close()


@pytest.mark.parametrize("explorer", [FilterExplorer, StrandExplorer])
def test_no_batch_is_larger_than_asked(explorer, toy):
    """Also where all data are read once; a strand explorer reads both strands."""
    model, sizes = seeded(Danq), []
    model.register_forward_hook(lambda part, args, y: sizes.append(len(args[0])))
    explorer(model, toy.codes[:11], batch_size=4).close()
    assert max(sizes) == 4


def test_values_are_compared_between_the_upper_quarter_and_the_rest(toy, make_model):
    """Of a regression, whose predictions have no threshold; another part is chosen by set_positives."""
    data = SequenceSet(toy.codes, np.arange(120.0), label_kind="value")
    model = as_sequence_model(make_model("standard", n_tasks=1), output_is="value")
    explorer = FilterExplorer(model, data)
    each = filter_contributions(model, toy.codes).per_sequence
    assert explorer.state.positives == "upper 25%"
    choices = [name for name, _ in explorer._about["positives"]]
    assert {"predicted", "agreed", "labelled"}.isdisjoint(choices)
    assert explorer._about["scale"] == "value"
    for n_positive in (30, 60):
        expected = each[-n_positive:].mean(axis=0) - each[:-n_positive].mean(axis=0)
        np.testing.assert_allclose(scores(explorer), expected, atol=1e-6)
        explorer.set_positives(data.upper_part(0.5))
    explorer.close()
    assert FilterExplorer(make_model(n_tasks=1), data)._about["scale"] == "logit"
    labelled = FilterExplorer(make_model(), toy)._about["positives"]
    assert [name for name, _ in labelled] == ["labelled", "predicted", "agreed", "own"]


def test_an_upper_part_of_values_is_positive(toy, make_model):
    values = toy.labels.copy()
    values[:, 0] = np.random.default_rng(0).normal(size=120)
    values[::9, 0] = np.nan
    data = SequenceSet(toy.codes, values, task_names=toy.task_names, label_kind="value")
    explorer = FilterExplorer(make_model(n_filters=5), data)
    every = filter_contributions(explorer._models[0], toy.codes).per_sequence
    known = ~np.isnan(values[:, 0])

    def expected(upper):
        return every[upper].mean(axis=0) - every[known & ~upper].mean(axis=0)

    n_upper = round(0.25 * known.sum())
    upper = known & (values[:, 0] >= np.sort(values[known, 0])[-n_upper])
    assert upper.sum() == n_upper
    np.testing.assert_allclose(scores(explorer), expected(upper), rtol=1e-5)
    explorer.state.positives = "upper 12.5%"
    np.testing.assert_allclose(scores(explorer), expected(data.upper_part(0.125)), rtol=1e-5)
    assert explorer._about["positives"][-1] == ["upper 12.5%", "upper 12.5% of the values"]
    explorer.state.positives = "all"
    np.testing.assert_allclose(scores(explorer), every.mean(axis=0), rtol=1e-5)
    for wrong in ("upper 0%", "upper 100%", "upper", "labelled", "predicted"):
        with pytest.raises(ValueError, match="positives"):
            explorer.state.positives = wrong
    explorer.close()


def test_values_that_are_nearly_all_equal_are_compared_where_there_is_a_rest(toy, make_model):
    for n_others, first in ((20, "upper 5%"), (0, "all")):
        values = np.zeros(120)
        values[:n_others] = np.arange(n_others)
        data = SequenceSet(toy.codes, values, label_kind="value")
        assert FilterExplorer(make_model(n_tasks=1), data).state.positives == first


def test_classes_have_no_upper_part(unchanged):
    with pytest.raises(ValueError, match="positives"):
        unchanged.state.positives = "upper 25%"


@pytest.mark.parametrize("form", [lambda codes: codes, decode, SequenceSet, one_hot])
def test_sequences_without_labels(form, toy, make_model, tmp_path):
    """Scores are means over all sequences, until some are selected."""
    model = make_model(n_filters=5)
    explorer = FilterExplorer(model, form(toy.codes), task="task_1", batch_size=7)
    expected = filter_contributions(model, toy.codes, task=1)
    np.testing.assert_allclose(scores(explorer), expected.scores, atol=1e-6)
    assert explorer.state.task_names == ("task_0", "task_1")
    assert explorer.state.positives == "all"
    assert explorer.state.ranking == tuple(expected.ranking)
    assert not explorer._scores["labelled"]
    assert list(explorer._profiles) == ["edges", "sample", "all"]
    explorer.picture()
    explorer.export(tmp_path / "page.html")
    mask = np.arange(len(toy)) % 3 == 0
    explorer.set_positives(mask)
    expected = filter_contributions(model, toy.codes, task=1, positives=mask)
    np.testing.assert_allclose(scores(explorer), expected.scores, atol=1e-6)
    assert (explorer._scores["labelled"], explorer._scores["n_positive"]) == (True, 40)
    explorer.state.positives = "predicted"
    predicted = predict(model, toy.codes)[:, 1] >= 0.5
    expected = filter_contributions(model, toy.codes, task=1, positives=predicted)
    np.testing.assert_allclose(scores(explorer), expected.scores, atol=1e-6)
    assert [name for name, _ in explorer._about["positives"]] == ["all", "predicted", "own"]
    explorer.close()


@pytest.mark.parametrize(
    ("make", "layer"),
    [
        (lambda: seeded(Danq), "conv"),
        (lambda: RevCompConjoined(seeded(Danq, dtype=torch.float32)), "model.conv"),
        (lambda: as_sequence_model(seeded(ChannelsLast), layout="NLC", output="probabilities"), "model.conv"),
        (
            lambda: as_sequence_model(
                seeded(ProfileAndCounts), output=lambda y: torch.cat([y[1], y[0].amax(dim=2)], 1), bases="TGCA"
            ),
            "model.iconv",
        ),
    ],
    ids=["LSTM", "conjoined", "channels last", "dilated"],
)
def test_networks_of_torch_modules(make, layer, toy):
    """Scores and profiles of every filter and task agree with the analysis."""
    model = make()
    explorer = FilterExplorer(model, toy)
    assert explorer.state.layers == (layer,)
    for task in (0, 1):
        explorer.state.task = task
        expected = filter_contributions(model, toy, task=task)
        np.testing.assert_allclose(scores(explorer), expected.scores, rtol=1e-4, atol=1e-6)
        assert explorer.state.ranking == tuple(expected.ranking)
        positive = toy.labels[:, task] == 1
        profiles = activation_profiles(model, toy)
        means = [profiles.mean(index, positive) for index in range(len(expected.scores))]
        np.testing.assert_allclose(unpack(explorer._profiles["positives"]), means, rtol=1e-4, atol=1e-6)
    explorer.close()


def test_several_outputs_are_refused_with_what_to_do(toy):
    with pytest.raises(ValueError, match=r"tuple of 2.*rcviz.as_sequence_model\(model, output=0\)"):
        FilterExplorer(seeded(ProfileAndCounts), toy)


def test_a_network_of_ones_own(toy):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.conv = nn.Conv1d(4, 2, 5), nn.Conv1d(4, 3, 7)

        def forward(self, x):
            return torch.relu(self.conv(x)).mean(2)[:, :2]

    explorer = FilterExplorer(Own(), toy)
    assert explorer.state.layers == ("conv",)  # the first is never used
    assert len(scores(explorer)) == 3
    explorer.close()
    with pytest.raises(ValueError, match=r"layer first is never used .* such as conv"):
        FilterExplorer(Own(), toy, layer="first")


@pytest.mark.parametrize("batch_size", [0, -3])
def test_a_batch_size_that_is_none(batch_size, toy, make_model):
    with pytest.raises(ValueError, match="batch_size"):
        FilterExplorer(make_model(), toy, batch_size=batch_size)


def test_sequences_of_nothing_but_n_are_refused(toy, make_model):
    data = SequenceSet(np.full_like(toy.codes, 4), toy.labels)
    with pytest.raises(ValueError, match="every window of 7 bp holds an N"):
        FilterExplorer(make_model(), data)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda make: make(sequence_length=69), r"expected \(batch, 4, 69\).*bring the sequences to a length of 69"),
        (lambda make: make(n_tasks=3), "3 outputs .* 2 tasks .*GATA, starts"),
        (
            lambda make: nn.Sequential(nn.Conv1d(4, 2, 5), nn.ReLU(), nn.Flatten(), nn.Linear(99, 2)),
            r"the model does not accept one-hot sequences \(batch, 4, 60\): \w+",
        ),
    ],
    ids=["length", "tasks", "own"],
)
def test_a_model_that_does_not_take_the_data_is_refused(toy, make_model, model, message):
    with pytest.raises(ValueError, match=message):
        FilterExplorer(model(make_model), toy)


def test_profiles_of_more_sequences_than_can_be_kept_are_those_of_a_sample(toy, make_model, monkeypatch):
    monkeypatch.setattr("rcviz.widgets.filter_results.PROFILE_NUMBERS", 40 * 5 * 90)
    explorer = FilterExplorer(make_model(n_filters=5), toy, batch_size=32)
    explorer.wait(MINUTE)
    rows = explorer._results.profiled("conv1")
    assert len(set(rows)) == 90
    assert explorer._profiles["sample"] == "of 90 of the 120 sequences"
    everything = activation_profiles(explorer._models[0], toy)
    for name, label in (("positives", 1), ("negatives", 0)):
        chosen = np.isin(np.arange(120), rows) & (toy.labels[:, 0] == label)
        means = [everything.mean(index, chosen) for index in range(5)]
        np.testing.assert_allclose(unpack(explorer._profiles[name]), means, atol=1e-5)
    own = np.zeros(120, bool)
    own[np.setdiff1d(np.arange(120), rows)[0]] = True
    explorer.set_positives(own)
    explorer.wait(MINUTE)
    assert list(explorer._profiles) == ["edges", "sample", "negatives"]
    assert explorer.picture().axes[-1].get_title() == "of 90 of the 120 sequences"
    explorer.close()


@pytest.mark.usefixtures("no_names")
def test_exports_can_be_read_back(explorer, tmp_path):
    kinds = ("csv", "parquet", "meme", "jaspar", "transfac", "svg", "pdf", "png", "html")
    assert {f".{kind}" for kind in kinds} == set(explorer.kinds)
    sent = []
    explorer.send = lambda content, buffers=None: sent.append(content)
    for kind in kinds:
        explorer._save(str(tmp_path / f"filters.{kind}"))
        assert sent[-1] == {"kind": "saved", "path": str(tmp_path / f"filters.{kind}")}
    for read in (pd.read_csv(tmp_path / "filters.csv"), pd.read_parquet(tmp_path / "filters.parquet")):
        assert list(read) == list(explorer.table)
        numbers = explorer.table.select_dtypes("number").columns
        pd.testing.assert_frame_equal(read[numbers], explorer.table[numbers], check_dtype=False)
    probabilities = unpack(explorer._sites["motifs"])
    for kind, read_back in {"meme": read_meme, "jaspar": read_jaspar, "transfac": read_transfac}.items():
        motifs = read_back(tmp_path / f"filters.{kind}")
        assert [motif.name for motif in motifs] == [f"filter_{index}" for index in explorer.state.order]
        for motif, index in zip(motifs, explorer.state.order, strict=True):
            np.testing.assert_allclose(motif.probabilities, probabilities[index], atol=1e-6)
    ElementTree.parse(tmp_path / "filters.svg")
    assert (tmp_path / "filters.png").read_bytes().startswith(b"\x89PNG")
    assert not re.search(r"(src|href)=.?https?://|url\(https?:|@import", (tmp_path / "filters.html").read_text())


@pytest.mark.parametrize(("path", "message"), [("filters.doc", "its ending must be"), ("none/f.csv", "does not exist")])
def test_an_export_that_cannot_be_is_refused_before_it_begins(unchanged, tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    sent = []
    monkeypatch.setattr(unchanged, "send", lambda content, buffers=None: sent.append(content))
    unchanged._save(path)
    assert message in sent[0]["error"]
    assert list(tmp_path.iterdir()) == []


def test_a_still_picture_is_of_the_chosen_filter_and_not_pyplots(explorer):
    explorer.state.select_rank(2)
    assert explorer.picture().get_suptitle().startswith(f"filter {explorer.state.filter}: score")
    assert plt.get_fignums() == []


def test_a_reader_without_a_kernel_sees_a_picture(unchanged):
    bundle, _ = unchanged._repr_mimebundle_()
    picture = ElementTree.fromstring(bundle["image/svg+xml"])
    text = "".join(picture.itertext())
    assert "run this cell again" in text
    assert all(f"filter {index}" in text for index in range(5))
    assert bundle["text/plain"] == "FilterExplorer(5 filters of conv1, 120 sequences)"


def test_colab_and_vs_code_are_told_where_the_widget_is(toy, make_model, monkeypatch):
    """Both load the code of anywidget by its name and version, and Colab once its manager of widgets is switched on."""
    url, enabled = "https://example.org/manager.js", []
    colab = SimpleNamespace(
        enable_custom_widget_manager=lambda: enabled.append(True), _widgets=SimpleNamespace(_installed_url=url)
    )
    monkeypatch.setitem(sys.modules, "google.colab.output", colab)
    explorer = FilterExplorer(make_model(n_filters=2), toy)
    state = explorer.get_state()
    assert (state["_model_module"], state["_view_module"]) == ("anywidget", "anywidget")
    assert anywidget.__version__.startswith(state["_model_module_version"].strip("~*"))
    data, metadata = explorer._repr_mimebundle_()
    explorer.close()
    view = "application/vnd.jupyter.widget-view+json"
    assert {"image/svg+xml", "text/plain", view} == set(data)
    assert enabled == [True]
    assert metadata == {view: {"colab": {"custom_widget_manager": {"url": url}}}}


def test_colours_can_be_the_usual_ones(toy, make_model):
    assert FilterExplorer(make_model(), toy, colors="classic")._about["letters"]["A"] == "#008000"
    assert FilterExplorer(make_model(), toy)._about["letters"] is None  # those of the page, light or dark


def test_the_verdict_is_that_of_the_sites(unchanged):
    results, question = unchanged._results, unchanged.state.question
    table = palindromes(filter_bank(unchanged._models[0]), results.sites(question)).table
    for row in table.to_dict("records"):
        sent = unchanged._verdicts["rows"][str(row["filter"])]
        assert sent["verdict"] == row["verdict"]
        assert sent["p_value"] == row["p_value"]


def test_names_are_those_of_tomtom_from_one_half_on(toy, make_model, monkeypatch):
    """A motif that is the filter's own is found; a similarity below 0.5 gives no name, in the table either."""
    monkeypatch.setattr("rcviz.widgets.filter_results.match_motifs", match_motifs)
    model = make_model(n_filters=3)
    first = FilterExplorer(model, toy, motifs=[Motif("flat", np.full((4, 6), 0.25))])
    first.wait(5 * MINUTE)
    assert first.table["motif"].isna().all()
    assert first._names["rows"] == [[], [], []]
    own = first._results.motifs(first.state.question)[2]
    first.close()
    known = [Motif("own", own.reverse_complement().probabilities, "<i>"), Motif("flat", np.full((4, 6), 0.25))]
    explorer = FilterExplorer(model, toy, motifs=known)
    explorer.wait(5 * MINUTE)
    row = explorer.table.set_index("filter").loc[2]
    assert (row["motif"], row["alternative_name"]) == ("own", "<i>")
    assert row["similarity"] == pytest.approx(1)
    sent = explorer._names["rows"][2][0]
    assert (sent["strand"], sent["offset"]) == ("-", 0)
    assert explorer._names["motifs"][sent["motif"]]["name"] == "<i>"
    assert (explorer.table["similarity"].dropna() >= 0.5).all()
    explorer.state.sort = "name"
    assert explorer.state.order[0] in {index for index, row in enumerate(explorer._names["rows"]) if row}
    explorer.close()


def test_a_name_takes_five_sites_and_more_than_chance(toy, make_model, monkeypatch):
    """The motif of one site resembles many known ones by chance, and looks certain."""

    def matches(queries, targets):
        rows = [(index, "a", "", "+", 0, 6, 0.51, p) for index in range(len(queries)) for p in (0.02, 0.03)]
        names = ["query", "motif", "alternative_name", "strand", "offset", "overlap", "similarity", "p_value"]
        return pd.DataFrame(rows, columns=names)

    monkeypatch.setattr("rcviz.widgets.filter_results.match_motifs", matches)
    known = [Motif("a", np.full((4, 6), 0.25)), Motif("b", np.full((4, 6), 0.25))]
    explorer = FilterExplorer(make_model(n_filters=3), toy, motifs=known)
    for n_sites, n_names in ((4, 0), (5, 1)):  # E-values of 0.04 and 0.06
        explorer.set_positives(np.arange(len(toy)) < n_sites)
        explorer.wait(MINUTE)
        counts = unpack(explorer._sites["counts"])
        named = [len(row) for row in explorer._names["rows"]]
        assert counts.max() == n_sites
        assert named == [n_names if count == n_sites else 0 for count in counts]
    explorer.close()


def test_motifs_of_ones_own_must_exist(toy, make_model, tmp_path):
    with pytest.raises(ValueError, match="there is no MEME file"):
        FilterExplorer(make_model(), toy, motifs=tmp_path / "none.meme")


def test_nothing_grows_over_many_choices(explorer):
    """Figures, threads and observers; memory is measured by the benchmark."""

    def state():
        gc.collect()
        observers = sum(len(calls) for names in explorer.state._trait_notifiers.values() for calls in names.values())
        return plt.get_fignums(), threading.active_count(), observers, len(explorer._results._results)

    def choose(times):
        for turn in range(times):
            from_page(explorer, filter=explorer.state.ranking[turn % 5], sort=("number", "score")[turn % 2])
            explorer.state.task = turn // 5 % 2
        explorer.wait(MINUTE)

    choose(20)
    before = state()
    choose(60)
    assert state() == before


def test_closing_frees_everything(toy, make_model):
    registered, threads = set(ipywidgets.widget._instances), threading.active_count()
    explorer = FilterExplorer(make_model(n_filters=4), toy)
    explorer.wait(MINUTE)
    explorer.table, explorer._repr_mimebundle_()
    results, model, alive = map(weakref.ref, (explorer._results, explorer._results.model, explorer))
    explorer.close()
    assert repr(explorer) == "FilterExplorer(closed)"
    gc.collect()
    assert (results(), model()) == (None, None)  # even while somebody holds the closed explorer
    del explorer
    gc.collect()
    assert alive() is None
    assert threading.active_count() == threads
    assert set(ipywidgets.widget._instances) == registered


def test_ten_openings_leave_no_arrays(toy, make_model, monkeypatch):
    """Of any analysis of any opening; the benchmark records the memory of the process."""

    def arrays(results):
        for value in results._results.values():
            parts = vars(value).values() if dataclasses.is_dataclass(value) else [value]
            yield from (part for part in parts if isinstance(part, np.ndarray))

    model, data, alive = make_model(n_filters=2), toy.subset(slice(40)), []
    threads, registered = threading.active_count(), len(ipywidgets.widget._instances)
    for _ in range(10):
        explorer = FilterExplorer(model, data)
        explorer.wait(MINUTE)
        opened = [weakref.ref(array) for array in arrays(explorer._results) if array is not data.codes]
        assert len(opened) > 10
        alive += opened
        explorer.close()
        monkeypatch.setattr(FilterExplorer, "_judge", lambda *_: None)  # most of the time; once is enough
    del explorer
    gc.collect()
    assert [array().shape for array in alive if array() is not None] == []
    assert (threading.active_count(), len(ipywidgets.widget._instances)) == (threads, registered)


def test_a_thousand_filters_stay_small():
    """20 MB for the page, whatever the number of sequences; the parts are packed as the explorer packs them."""
    from rcviz.analysis.contributions import FilterContributions
    from rcviz.analysis.firing import Firing
    from rcviz.analysis.sites import ActivatingSites
    from rcviz.widgets.data import pack_scores, pack_sites

    rng = np.random.default_rng(0)
    n, n_filters, width = 2000, 1000, 21
    codes = rng.integers(0, 4, (n, 200), dtype=np.uint8)
    best = rng.normal(size=(n, n_filters))
    sites = ActivatingSites(
        codes, width, best, rng.integers(0, 170, best.shape), best > 1, 500, Firing.everywhere(1000, "")
    )
    labels = np.arange(n) % 2 * 1.0
    contributions = FilterContributions(rng.normal(size=best.shape).astype(np.float32), labels, "a", "conv")
    motifs = dict.fromkeys(range(n_filters), Motif("a", np.full((4, width), 0.25)))
    table = pd.DataFrame(index=range(n))
    packed = [pack_scores(contributions), pack_sites(sites, contributions, motifs, sites.fires_in, table)]
    sizes = [value["data"].nbytes for part in packed for value in part.values() if isinstance(value, dict)]
    assert sum(sizes) < 12e6
    assert packed[1]["letters"]["shape"][1] >= 100


def test_knock_outs_are_computed_when_the_list_is_sorted_by_them(explorer, toy):
    assert not explorer._knock_outs
    assert "knock_out" not in explorer.table
    explorer.state.sort = "knock-out"
    explorer.wait(MINUTE)
    expected = filter_ablation(explorer._models[0], toy)
    np.testing.assert_allclose(unpack(explorer._knock_outs["scores"]), expected.scores, rtol=1e-5, atol=1e-6)
    assert list(explorer.state.order) == expected.ranking.tolist()
    by_filter = explorer.table.set_index("filter")["knock_out"]
    np.testing.assert_allclose(by_filter.sort_index(), expected.scores, rtol=1e-5, atol=1e-6)
    explorer.state.task = 1
    explorer.wait(MINUTE)
    expected = filter_ablation(explorer._models[0], toy, task=1)
    np.testing.assert_allclose(unpack(explorer._knock_outs["scores"]), expected.scores, rtol=1e-5, atol=1e-6)
