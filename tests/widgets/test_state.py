"""The selection, without any front end."""

import json
import subprocess
import sys

import pytest

from rcviz.widgets.state import FilterState


@pytest.fixture
def state():
    return FilterState(
        layers=("conv1", "conv2"),
        task_names=("CTCF", "MAX"),
        positives=("labelled", "predicted"),
        sorts=("score", "number"),
        ranking=(4, 0, 2, 1, 3),
    )


def test_starts_at_the_best_filter(state):
    assert (state.filter, state.rank, state.task) == (4, 0, 0)


def test_steps_hold_at_the_ends(state):
    state.step(-1)
    assert state.rank == 0
    state.step(2)
    assert state.filter == 2
    state.step(99)
    assert (state.filter, state.rank) == (3, 4)


def test_steps_follow_the_order_of_the_list(state):
    state.order = (0, 1, 2, 3, 4)
    state.step(-1)
    assert (state.filter, state.rank) == (3, 4)


def test_the_question_is_layer_task_and_positives(state):
    assert state.question == ("conv1", 0, "labelled")
    state.layer, state.task, state.positives = "conv2", 1, "predicted"
    assert state.question == ("conv2", 1, "predicted")


def test_a_choice_that_the_explorer_refuses_is_undone():
    def check(question):
        if question.positives == "own" or question.task == 1:
            raise ValueError(f"not {question}")

    state = FilterState(
        layers=("conv1",),
        task_names=("CTCF", "MAX"),
        positives=("labelled", "own"),
        sorts=("score",),
        ranking=(0, 1),
        check=check,
    )
    with pytest.raises(ValueError, match=r"not .*positives='own'"):
        state.positives = "own"
    with pytest.raises(ValueError, match=r"not .*task=1"):
        state.task = 1
    assert state.question == ("conv1", 0, "labelled")


def test_the_page_has_the_choices_as_json(state):
    state.pinned, state.strand = 3, "both"
    assert state.as_dict() == {
        "layer": "conv1",
        "task": 0,
        "positives": "labelled",
        "sort": "score",
        "search": "",
        "filter": 4,
        "pinned": 3,
        "strand": "both",
    }
    assert json.loads(json.dumps(state.as_dict())) == state.as_dict()


def test_a_new_ranking_keeps_the_filter(state):
    state.filter = 2
    state.ranking = (2, 4, 0, 1, 3)
    assert (state.filter, state.rank) == (2, 0)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda state: setattr(state, "filter", 5), "no filter 5: choose 0 to 4"),
        (lambda state: setattr(state, "task", 2), "no task 2: .* CTCF, MAX"),
        (lambda state: setattr(state, "layer", "x"), "layer must be one of conv1, conv2, got 'x'"),
        (lambda state: setattr(state, "sort", "size"), "sort must be one of score, number, got 'size'"),
        (lambda state: state.select_rank(-1), "no rank -1: choose 0 to 4"),
    ],
)
def test_what_is_not_there_is_refused_and_nothing_changes(state, change, match):
    with pytest.raises(ValueError, match=match):
        change(state)
    assert (state.filter, state.task) == (4, 0)


def test_needs_no_front_end_and_nothing_heavy():
    script = (
        "import sys, rcviz.widgets.state; "
        "print([name for name in ('torch', 'ipywidgets', 'matplotlib') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"
