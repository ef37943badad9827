"""The explorer driven by its state and by its controls, without a browser."""

import xml.etree.ElementTree as ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

from rcviz import FilterExplorer, SequenceSet, filter_contributions
from rcviz.widgets.filters import _ranking


@pytest.fixture
def explorer(toy, make_model):
    return FilterExplorer(make_model(n_filters=5), toy)


def shown(explorer):
    return explorer._caption.value, explorer._logos.value, explorer._distribution.value


def test_shows_the_best_filter_of_the_first_task(explorer, toy):
    found = filter_contributions(explorer._model, toy)
    assert explorer.state.ranking == _ranking(found)
    assert f"<b>Filter {found.ranking[0]}</b>, rank 1 of 5: score {found.scores.max():+.3f}" in explorer._caption.value
    assert explorer._logos.value.count("rcviz-logo") == 2


def test_state_redraws_and_controls_follow(explorer):
    before = shown(explorer)
    explorer.state.step(2)
    assert all(old != new for old, new in zip(before, shown(explorer), strict=True))
    assert explorer._slider.value == 3
    assert explorer._list.value == explorer.state.filter
    explorer.state.select_rank(0)
    assert shown(explorer)[:2] == before[:2]


def test_every_control_writes_the_state(explorer):
    explorer._slider.value = 4
    assert explorer.state.rank == 3
    explorer._list.value = explorer.state.ranking[1]
    assert explorer.state.rank == 1
    assert explorer._slider.value == 2


def test_another_task_ranks_anew_and_keeps_the_filter(explorer, toy):
    explorer.state.step(1)
    kept = explorer.state.filter
    explorer._task.value = 1
    assert explorer.state.filter == kept
    found = filter_contributions(explorer._model, toy, task=1)
    assert explorer.state.ranking == _ranking(found)
    assert "starts with A" in explorer._caption.value
    assert explorer._list.options[0][1] == found.ranking[0]
    explorer._task.value = 0
    assert explorer.state.filter == kept


def test_a_redraw_happens_once(explorer, monkeypatch):
    drawn = []
    monkeypatch.setattr(explorer, "_show_filter", drawn.append)
    explorer.state.step(1)
    assert len(drawn) == 1
    explorer._slider.value = 5
    assert len(drawn) == 2


def test_analysis_is_computed_once_per_task(explorer, monkeypatch):
    calls = []
    monkeypatch.setattr("rcviz.widgets.filters.filter_contributions", lambda *a, **k: calls.append(k))
    for rank in (0, 3, 1):
        explorer.state.select_rank(rank)
    assert not calls


def test_an_error_is_shown_and_the_last_view_kept(toy, make_model):
    labels = toy.labels.copy()
    labels[:, 1] = 0
    explorer = FilterExplorer(make_model(), SequenceSet(toy.codes, labels, task_names=("GATA", "<b>none</b>")))
    before = shown(explorer)
    explorer._task.value = 1
    assert "there are no positives for task &lt;b&gt;none&lt;/b&gt;" in explorer._error.value
    assert 'role="alert"' in explorer._error.value
    assert shown(explorer) == before
    assert (explorer.state.task, explorer._task.value) == (0, 0)
    explorer.state.step(1)
    explorer._slider.value = 1
    assert explorer._error.value == ""


def test_names_from_files_are_escaped(toy, make_model):
    name = "<img src=x onerror=alert(1)>"
    explorer = FilterExplorer(make_model(n_tasks=1), SequenceSet(toy.codes, toy.labels[:, 0], task_names=(name,)))
    for markup in shown(explorer):
        assert "<img" not in markup
    assert "&lt;img" in explorer._caption.value


def test_pictures_are_well_formed_and_no_pyplot_figure_is_left(explorer):
    for rank in range(5):
        explorer.state.select_rank(rank)
        ElementTree.fromstring(f"<div>{explorer._logos.value}</div>")
    assert plt.get_fignums() == []


def test_a_network_of_ones_own(toy):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.conv = nn.Conv1d(4, 2, 5), nn.Conv1d(4, 3, 7)

        def forward(self, x):
            return torch.relu(self.conv(x)).mean(2)[:, :2]

    explorer = FilterExplorer(Own(), toy, layer="conv", at="convolution")
    assert "of 3:" in explorer._caption.value


@pytest.mark.parametrize("data", [["ACGT" * 15], SequenceSet(np.zeros((2, 60), np.uint8))], ids=["strings", "codes"])
def test_data_without_labels_are_refused(as_users_run, make_model, data):
    with pytest.raises(ValueError, match="a SequenceSet with labels"):
        FilterExplorer(make_model(), data)
