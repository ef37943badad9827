"""The explorer driven by its state and by its controls, without a browser."""

import gc
import re
import threading
import xml.etree.ElementTree as ElementTree

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
    filter_bank,
    filter_contributions,
    one_hot,
    palindromes,
    predict,
    read_jaspar,
    read_meme,
    read_transfac,
)

pytestmark = pytest.mark.usefixtures("no_names")


@pytest.fixture
def explorer(toy, make_model):
    return FilterExplorer(make_model(n_filters=5), toy)


def shown(explorer):
    return explorer._caption.value, explorer._logos.value, explorer._behaviour.value


def test_shows_the_best_filter_of_the_first_task(explorer, toy):
    found = filter_contributions(explorer._results.model, toy)
    assert explorer.state.ranking == tuple(found.ranking)
    assert f"<b>Filter {found.ranking[0]}</b>, rank 1 of 5: score {found.scores.max():+z.3f}" in explorer._caption.value
    assert explorer._logos.value.count('class="rcviz-logo"') == 2
    assert explorer._logos.value.count('class="rcviz-motif"') == 2
    assert explorer._behaviour.value.count('class="rcviz-figure"') == 2


def test_values_are_compared_between_the_upper_quarter_and_the_rest(toy, make_model):
    """Of a regression, whose predictions have no threshold; another part is chosen by set_positives."""
    data = SequenceSet(toy.codes, np.arange(120.0), label_kind="value")
    model = as_sequence_model(make_model("standard", n_tasks=1), output_is="value")
    explorer = FilterExplorer(model, data)
    each = filter_contributions(model, toy.codes).per_sequence
    assert explorer.state.positives == "upper 25%"
    assert {"predicted", "agreed", "labelled"}.isdisjoint(name for _, name in explorer._positives.options)
    for n_positive in (30, 60):
        scores = each[-n_positive:].mean(axis=0) - each[:-n_positive].mean(axis=0)
        np.testing.assert_allclose(explorer.table.set_index("filter")["score"].sort_index(), scores, atol=1e-6)
        assert "to the value of task_0" in explorer._caption.value
        explorer.set_positives(data.upper_part(0.5))
    classifier = FilterExplorer(make_model(n_tasks=1), data)
    assert "to the logit of task_0" in classifier._caption.value
    assert [name for _, name in FilterExplorer(make_model(), toy)._positives.options][1:3] == ["predicted", "agreed"]


def test_the_gallery_holds_every_filter_once_and_is_sorted(explorer):
    def ids():
        return [item[0] for item in explorer._gallery.items]

    assert ids() == list(explorer.state.ranking)
    explorer._sort.value = "number"
    assert ids() == [0, 1, 2, 3, 4]
    explorer._sort.value = "palindromicity"
    table = explorer._results.palindromicity("conv1").table.set_index("filter")["palindromicity"]
    assert list(table[ids()]) == sorted(table, reverse=True)
    score = explorer._results.contributions(*explorer.state.question).scores[ids()[0]]
    assert explorer._gallery.items[0][1] == f"{ids()[0]}: {score:+z.2f}"
    first = explorer.state.order[0]
    explorer.state.filter = first
    explorer.state.step(1)
    assert explorer.state.filter == explorer.state.order[1]


def test_a_large_gallery_has_pages(toy, make_model):
    """The page is that of the chosen filter; turning it chooses its first one."""
    explorer = FilterExplorer(make_model(n_filters=130), toy.subset(slice(20)))
    gallery, page, state = explorer._gallery, explorer._page, explorer.state

    def ids():
        return tuple(item[0] for item in gallery.items)

    assert [label for label, _ in page.options] == ["1 to 64 of 130", "65 to 128 of 130", "129 to 130 of 130"]
    assert page.layout.display is None
    assert (page.value, ids()) == (0, state.order[:64])
    page.value = 2
    assert state.filter == gallery.value == state.order[128]
    assert ids() == state.order[128:]
    gallery.value = state.order[129]
    assert (state.filter, page.value) == (state.order[129], 2)
    state.select_rank(70)
    assert (page.value, ids()) == (1, state.order[64:128])
    state.sort = "number"
    assert page.value == state.filter // 64
    assert ids() == tuple(range(130))[page.value * 64 : (page.value + 1) * 64]


def test_a_small_gallery_has_no_pages(explorer):
    assert explorer._page.layout.display == "none"


def test_state_redraws_and_controls_follow(explorer):
    before = shown(explorer)
    explorer.state.step(2)
    assert all(old != new for old, new in zip(before, shown(explorer), strict=True))
    assert explorer._gallery.value == explorer.state.filter
    explorer.state.select_rank(0)
    assert shown(explorer) == before


def test_the_gallery_writes_the_state(explorer):
    explorer._gallery.value = explorer.state.ranking[3]
    assert explorer.state.rank == 3
    assert "rank 4 of 5" in explorer._caption.value


def test_sites_and_their_number_are_those_of_the_bank(explorer, toy):
    index = explorer.state.filter
    sites = filter_bank(explorer._results.model).activating_sites(toy)
    rows = sites.filter_table(index)
    assert f"Motif of its {len(rows)} activating sites" in explorer._logos.value
    first = rows.iloc[0]
    text = re.sub(r"<[^>]+>", "|", explorer._behaviour.value)
    assert "|".join(("", str(first["sequence"]), "", f"{first['start']}-{first['end']}", "", first["strand"])) in text
    assert re.sub(r"<[^>]+>", "", explorer._behaviour.value).count(first["site"]) >= 1


def test_profiles_of_more_sequences_than_can_be_kept_are_those_of_a_sample(toy, make_model, monkeypatch):
    monkeypatch.setattr("rcviz.widgets._filter_results.PROFILE_NUMBERS", 40 * 5 * 90)
    explorer = FilterExplorer(make_model(n_filters=5), toy)
    results, state = explorer._results, explorer.state
    rows = results.profiled("conv1")
    assert len(set(rows)) == 90
    assert list(rows) == sorted(rows)
    assert "along the sequence (of 90 of the 120 sequences)" in explorer._behaviour.value
    everything = activation_profiles(results.model, toy)
    curves = results.curves(state.question, 2)
    for name, label in (("positives", 1), ("negatives", 0)):
        chosen = np.isin(np.arange(120), rows) & (toy.labels[:, 0] == label)
        np.testing.assert_allclose(curves[name], everything.mean(2, chosen), atol=1e-3)

    own = np.zeros(120, bool)
    own[np.setdiff1d(np.arange(120), rows)[0]] = True
    explorer.set_positives(own)
    assert list(results.curves(state.question, 2)) == ["negatives"]
    assert explorer.picture().axes[-1].get_title() == "of 90 of the 120 sequences"


def test_profiles_are_of_all_where_no_class_was_sampled(toy, make_model, monkeypatch):
    monkeypatch.setattr("rcviz.widgets._filter_results.PROFILE_NUMBERS", 40 * 5 * 90)
    labels = np.full((120, 1), np.nan, np.float32)
    out = np.setdiff1d(np.arange(120), np.sort(np.random.default_rng(0).permutation(120)[:90]))
    labels[out[:2], 0] = 0, 1
    explorer = FilterExplorer(make_model(n_filters=5, n_tasks=1), SequenceSet(toy.codes, labels, task_names=("GATA",)))
    assert list(explorer._results.curves(explorer.state.question, 2)) == ["all"]


def test_another_task_ranks_anew_and_keeps_the_filter(explorer, toy):
    explorer.state.step(1)
    kept = explorer.state.filter
    explorer._task.value = 1
    assert explorer.state.filter == kept
    found = filter_contributions(explorer._results.model, toy, task=1)
    assert explorer.state.ranking == tuple(found.ranking)
    assert "starts with A" in explorer._caption.value
    assert explorer._gallery.items[0][0] == found.ranking[0]
    explorer._task.value = 0
    assert explorer.state.filter == kept


def test_what_counts_as_positive_can_be_chosen(explorer, toy):
    per_sequence = filter_contributions(explorer._results.model, toy).per_sequence
    labels = toy.labels[:, 0]
    predicted = predict(explorer._results.model, toy)[:, 0] >= 0.5
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
        explorer._positives.value = name
        assert explorer.state.positives == name
        scores = per_sequence[positive].mean(axis=0) - per_sequence[negative].mean(axis=0)
        np.testing.assert_allclose(explorer.table.set_index("filter")["score"].sort_index(), scores, rtol=1e-5)

    explorer.set_positives(~own)
    scores = per_sequence[~own].mean(axis=0) - per_sequence[own].mean(axis=0)
    np.testing.assert_allclose(explorer.table.set_index("filter")["score"].sort_index(), scores, rtol=1e-5)
    assert f"score {scores[explorer.state.filter]:+z.3f}" in explorer._caption.value


@pytest.mark.parametrize(
    ("mask", "message"),
    [([1, 0], "mask must be .* 120"), (np.zeros(120, bool), "0 of 120"), (np.ones(120, bool), "120 of 120")],
)
def test_a_choice_that_cannot_be_compared_is_refused(explorer, mask, message):
    before = shown(explorer)
    with pytest.raises(ValueError, match=message):
        explorer.set_positives(mask)
    assert (explorer.state.positives, shown(explorer)) == ("labelled", before)


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
    explorer._layer.value = "wide"
    assert len(explorer._gallery.items) == 6
    assert f"<b>Filter {explorer.state.filter}</b>" in explorer._caption.value
    explorer.state.filter = 5
    explorer._layer.value = "narrow"
    assert explorer.state.filter in (0, 1)
    assert len(explorer._gallery.items) == 2
    assert FilterExplorer(Branches(), toy, layer="wide").state.layers == ("wide", "narrow")
    with pytest.raises(ValueError, match="deep reads 8 channels"):
        FilterExplorer(Branches(), toy, layer="deep")
    with pytest.raises(ValueError, match="no layer named 'none'; its layers are: narrow, wide, "):
        FilterExplorer(Branches(), toy, layer="none")


def test_a_panel_is_drawn_once(explorer, monkeypatch):
    drawn = []
    original = type(explorer._logos).show
    monkeypatch.setattr(
        type(explorer._logos), "show", lambda pane, markup: (drawn.append(pane), original(pane, markup))
    )
    explorer.state.step(1)
    assert drawn.count(explorer._logos) == 1
    explorer._gallery.value = explorer.state.ranking[4]
    assert drawn.count(explorer._logos) == 2


def test_analysis_is_computed_once(explorer, monkeypatch):
    for rank in range(5):
        explorer.state.select_rank(rank)
    explorer._task.value = 1
    explorer._task.value = 0
    for name in ("filter_contributions", "activation_profiles", "palindromes", "filter_bank"):
        monkeypatch.setattr(f"rcviz.widgets._filter_results.{name}", None)
    monkeypatch.setattr("rcviz.widgets._filter_panels.logo_svg", None)
    for rank in (0, 3, 1):
        explorer.state.select_rank(rank)


def test_names_arrive_later(explorer, no_names):
    waiting = no_names.made[-1]
    assert "in the background" in explorer._named.value
    assert [motif.name for motif in waiting.queries] == [f"filter_{index}" for index in range(5)]
    rows = [(index, f"M{index}", "<i>", "-", index - 2, 0.5, 1e-3) for index in range(5)]
    names = ["filter", "motif", "alternative_name", "strand", "offset", "similarity", "p_value"]
    waiting.table = pd.DataFrame(rows, columns=names)
    waiting.on_end()
    index = explorer.state.filter
    assert f"&lt;i&gt; (M{index})" in explorer._named.value
    assert f"<td>{index - 2:+d}</td>" in explorer._named.value
    table = explorer.table
    assert list(table["motif"]) == [f"M{index}" for index in table["filter"]]


def test_why_there_are_no_names_is_said(explorer, no_names):
    no_names.made[-1].error = "the file <is missing>"
    no_names.made[-1].on_end()
    assert "the file &lt;is missing&gt;" in explorer._named.value


def test_motifs_of_ones_own(toy, make_model, no_names, tmp_path):
    own = Motif("mine", np.eye(4))
    FilterExplorer(make_model(), toy, motifs=[own])
    assert no_names.made[-1].targets == [own]
    with pytest.raises(ValueError, match="there is no MEME file"):
        FilterExplorer(make_model(), toy, motifs=tmp_path / "none.meme")


def test_closing_ends_the_search(explorer, no_names):
    explorer.close()
    assert no_names.made[-1].stopped


def test_an_error_is_shown_and_the_last_view_kept(toy, make_model):
    labels = toy.labels.copy()
    labels[:, 1] = 0
    explorer = FilterExplorer(make_model(), SequenceSet(toy.codes, labels, task_names=("GATA", "<b>none</b>")))
    before = shown(explorer)
    explorer._task.value = 1
    assert "no positives for task &lt;b&gt;none&lt;/b&gt;" in explorer._error.value
    assert 'role="alert"' in explorer._error.value
    assert shown(explorer) == before
    assert (explorer.state.task, explorer._task.value) == (0, 0)
    explorer.state.step(1)
    explorer._gallery.value = explorer.state.ranking[0]
    assert explorer._error.value == ""
    explorer._positives.value = "own"
    assert "set_positives" in explorer._error.value
    assert (explorer.state.positives, explorer._positives.value) == ("labelled", "labelled")


@pytest.mark.parametrize(("trait", "value"), [("task", 7), ("filter", 99), ("layer", "conv9"), ("sort", "size")])
def test_what_is_not_there_is_refused(explorer, trait, value):
    before = shown(explorer)
    with pytest.raises(ValueError, match=r"there is no (task|filter)|must be one of"):
        setattr(explorer.state, trait, value)
    assert shown(explorer) == before


def test_names_from_files_are_escaped(toy, make_model, tmp_path):
    name = "<img src=x onerror=alert(1)>"
    data = SequenceSet(toy.codes, toy.labels[:, 0], task_names=(name,), names=[name] * len(toy))
    explorer = FilterExplorer(make_model(n_tasks=1), data)
    explorer.to_html(tmp_path / "page.html")
    for markup in (*shown(explorer), (tmp_path / "page.html").read_text()):
        assert "<img" not in markup
    assert "&lt;img" in explorer._caption.value
    assert "&lt;img" in explorer._behaviour.value


def test_pictures_are_well_formed_and_no_pyplot_figure_is_left(explorer):
    for rank in range(5):
        explorer.state.select_rank(rank)
        for pane in (explorer._logos, explorer._behaviour):
            ElementTree.fromstring(f"<div>{pane.value}</div>")
    assert plt.get_fignums() == []


def test_a_still_picture_is_of_the_chosen_filter_and_not_pyplots(explorer):
    explorer.state.select_rank(2)
    figure = explorer.picture()
    assert figure.get_suptitle().startswith(f"filter {explorer.state.filter}: score")
    assert plt.get_fignums() == []


def test_colours_can_be_the_usual_ones(toy, make_model):
    usual = FilterExplorer(make_model(), toy, colors="classic")
    assert 'fill="#008000"' in usual._logos.value
    assert 'fill="#008000"' not in FilterExplorer(make_model(), toy)._logos.value


def test_exports_can_be_read_back(explorer, tmp_path):
    for kind in ("csv", "parquet", "meme", "jaspar", "transfac", "svg", "pdf", "png", "html"):
        explorer._export.path.value = str(tmp_path / f"filters.{kind}")
        explorer._export.save()
        assert explorer._error.value == ""
        assert f"filters.{kind}" in explorer._export.confirmation.value
    read = pd.read_csv(tmp_path / "filters.csv")
    pd.testing.assert_frame_equal(read, explorer.table, check_dtype=False)
    sites = explorer._results.sites("conv1")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "filters.parquet"), explorer.table)
    motifs = [sites.motif(index) for index in explorer.state.order]
    for kind, read_back in {"meme": read_meme, "jaspar": read_jaspar, "transfac": read_transfac}.items():
        assert read_back(tmp_path / f"filters.{kind}") == motifs
    ElementTree.parse(tmp_path / "filters.svg")
    assert (tmp_path / "filters.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "filters.html").read_text()
    assert all(f'id="filter-{index}"' in page for index in range(5))
    assert not re.search(r"(src|href)=.?https?://|url\(https?:|@import", page)


@pytest.mark.parametrize(("path", "message"), [("filters.doc", "its ending must be"), ("none/f.csv", "does not exist")])
def test_an_export_that_cannot_be_is_refused_before_it_begins(explorer, tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    explorer._export.path.value = path
    explorer._export.save()
    assert message in explorer._error.value
    assert list(tmp_path.iterdir()) == []


def test_nothing_grows_over_many_choices(explorer):
    """Figures, threads, observers and objects; memory is measured by the benchmark."""

    def count():
        gc.collect()
        observers = sum(len(calls) for names in explorer.state._trait_notifiers.values() for calls in names.values())
        return plt.get_fignums(), threading.active_count(), observers, len(explorer._markup)

    def choose(times):
        for turn in range(times):
            explorer.state.select_rank(turn % 5)
            explorer._sort.value = ("number", "contribution")[turn % 2]
            explorer._task.value = turn // 5 % 2

    choose(20)
    before = count()
    choose(100)
    assert count() == before


def test_a_network_of_ones_own(toy):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.conv = nn.Conv1d(4, 2, 5), nn.Conv1d(4, 3, 7)

        def forward(self, x):
            return torch.relu(self.conv(x)).mean(2)[:, :2]

    explorer = FilterExplorer(Own(), toy)
    assert explorer.state.layers == ("conv",)  # the first is never used
    assert "of 3:" in explorer._caption.value
    with pytest.raises(ValueError, match=r"layer first is never used .* such as conv"):
        FilterExplorer(Own(), toy, layer="first")


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
    """Every panel of every filter and task agrees with the analysis."""
    model = make()
    explorer = FilterExplorer(model, toy)
    assert explorer.state.layers == (layer,)
    for task in (0, 1):
        explorer.state.task = task
        found = filter_contributions(model, toy, task=task)
        assert explorer.state.ranking == tuple(found.ranking)
        for index in explorer.state.order:
            explorer.state.filter = index
            assert f"score {found.scores[index]:+z.3f}" in explorer._caption.value
            assert explorer._logos.value.count('class="rcviz-logo"') == 2
            assert explorer._logos.value.count('class="rcviz-motif"') == 2
            assert explorer._behaviour.value.count('class="rcviz-figure"') == 2
    assert explorer._error.value == ""
    with pytest.raises(ValueError, match=r"tuple of 2.*rcviz.as_sequence_model\(model, output=0\)"):
        FilterExplorer(seeded(ProfileAndCounts), toy)


@pytest.mark.parametrize("form", [lambda codes: codes, decode, SequenceSet, one_hot])
def test_sequences_without_labels(form, toy, make_model, tmp_path):
    """Scores are means over all sequences, until some are selected."""
    model = make_model(n_filters=5)
    explorer = FilterExplorer(model, form(toy.codes), task="task_1", batch_size=7)
    want = filter_contributions(model, toy.codes, task=1)
    assert explorer.state.task_names == ("task_0", "task_1")
    assert explorer.state.positives == "all"
    assert explorer.state.ranking == tuple(want.ranking)
    np.testing.assert_allclose(explorer.table["score"], want.scores[want.ranking], atol=1e-6)
    assert "on average" in explorer._caption.value
    assert "positive" not in explorer._caption.value + explorer._behaviour.value
    explorer.picture()
    explorer.export(tmp_path / "page.html")
    assert "positives" not in (tmp_path / "page.html").read_text().partition("<script>")[0]
    mask = np.arange(len(toy)) % 3 == 0
    explorer.set_positives(mask)
    want = filter_contributions(model, toy.codes, task=1, positives=mask)
    np.testing.assert_allclose(explorer.table["score"], want.scores[want.ranking], atol=1e-6)
    assert "in a positive" in explorer._caption.value
    explorer._positives.value = "predicted"
    predicted = predict(model, toy.codes)[:, 1] >= 0.5
    want = filter_contributions(model, toy.codes, task=1, positives=predicted)
    np.testing.assert_allclose(explorer.table["score"], want.scores[want.ranking], atol=1e-6)
    assert {value for _, value in explorer._positives.options} == {"all", "predicted", "own"}


@pytest.mark.parametrize("explorer", [FilterExplorer, StrandExplorer])
def test_no_batch_is_larger_than_asked(explorer, toy):
    """Also where all data are read once; a strand explorer reads both strands."""
    model, sizes = seeded(Danq), []
    model.register_forward_hook(lambda part, args, y: sizes.append(len(args[0])))
    explorer(model, toy.codes[:11], batch_size=4).close()
    assert max(sizes) == 4


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
            r"the model does not accept one-hot sequences \(batch, 4, 60\): mat1 and mat2",
        ),
    ],
    ids=["length", "tasks", "own"],
)
def test_a_model_that_does_not_take_the_data_is_refused(toy, make_model, model, message):
    with pytest.raises(ValueError, match=message):
        FilterExplorer(model(make_model), toy)


def test_the_verdict_is_that_of_the_labelled_data(explorer, toy):
    table = palindromes(filter_bank(explorer._results.model), toy).table.set_index("filter")
    for index in range(5):
        explorer.state.filter = index
        assert f"Palindrome: {table.loc[index, 'verdict']}</h4>" in explorer._behaviour.value
        assert f"p = {table.loc[index, 'p_value']:.2g} among" in explorer._behaviour.value


def test_an_upper_part_of_values_is_positive(toy, make_model):
    values = toy.labels.copy()
    values[:, 0] = np.random.default_rng(0).normal(size=120)
    values[::9, 0] = np.nan
    data = SequenceSet(toy.codes, values, task_names=toy.task_names, label_kind="value")
    explorer = FilterExplorer(make_model(n_filters=5), data)
    every = filter_contributions(explorer._results.model, toy.codes).per_sequence
    known = ~np.isnan(values[:, 0])

    def scores():
        return explorer.table.set_index("filter")["score"].sort_index()

    def expected(upper):
        return every[upper].mean(axis=0) - every[known & ~upper].mean(axis=0)

    assert explorer.state.positives == explorer._positives.value == "upper 25%"
    n_upper = round(0.25 * known.sum())
    upper = known & (values[:, 0] >= np.sort(values[known, 0])[-n_upper])
    assert upper.sum() == n_upper
    np.testing.assert_allclose(scores(), expected(upper), rtol=1e-5)
    explorer.state.positives = "upper 12.5%"
    assert explorer._positives.value == "upper 12.5%"
    np.testing.assert_allclose(scores(), expected(data.upper_part(0.125)), rtol=1e-5)
    assert "12.5%" in explorer.html_parts()[2]
    explorer._positives.value = "all"
    np.testing.assert_allclose(scores(), every.mean(axis=0), rtol=1e-5)
    own = toy.codes[:, 3] == 2
    explorer.set_positives(own)
    np.testing.assert_allclose(scores(), every[own].mean(axis=0) - every[~own].mean(axis=0), rtol=1e-5)
    for wrong in ("upper 0%", "upper 100%", "upper", "labelled", "predicted"):
        with pytest.raises(ValueError, match="positives"):
            explorer.state.positives = wrong
    expected_row = palindromes(explorer._results.bank("conv1"), toy.codes, filters=[2]).table.iloc[0]
    pd.testing.assert_series_equal(explorer._results.palindrome("conv1", 2), expected_row)


def test_values_that_are_nearly_all_equal_are_compared_where_there_is_a_rest(toy, make_model):
    for n_others, first in ((20, "upper 5%"), (0, "all")):
        values = np.zeros(120)
        values[:n_others] = np.arange(n_others)
        data = SequenceSet(toy.codes, values, label_kind="value")
        assert FilterExplorer(make_model(n_tasks=1), data).state.positives == first


def test_classes_have_no_upper_part(explorer):
    with pytest.raises(ValueError, match="positives"):
        explorer.state.positives = "upper 25%"
