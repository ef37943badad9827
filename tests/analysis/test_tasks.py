"""Tasks by name and by index, with and without labels."""

import numpy as np
import pytest
import torch

import rcviz
from rcviz.analysis.tasks import model_tasks, resolve_task

CODES = np.zeros((3, 8), np.uint8)
LABELLED = rcviz.SequenceSet(CODES, [[1, 0], [0, 1], [1, np.nan]], task_names=("CTCF", "MAX"))
PLAIN = rcviz.SequenceSet(CODES)


@pytest.mark.parametrize("task", ["MAX", 1, np.int64(1)])
def test_name_and_index_are_the_same_task(task):
    asked = resolve_task(LABELLED, task)
    assert (asked.index, asked.name) == (1, "MAX")
    np.testing.assert_array_equal(asked.labels, [0, 1, np.nan])


@pytest.mark.parametrize("task", ["task_2", 2, np.int64(2)])
def test_without_labels_tasks_have_numbered_names(task):
    asked = resolve_task(PLAIN, task)
    assert (asked.index, asked.name, asked.labels) == (2, "task_2", None)


@pytest.mark.parametrize(
    ("data", "task", "choices"),
    [(LABELLED, task, "0 to 1 or one of CTCF, MAX") for task in ("SPI1", "task_0", 2, -1, True, 0.0, None)]
    + [(PLAIN, task, "task_0, task_1") for task in ("CTCF", "task_", "task_-1", -1, False, 0.0, None)],
)
@pytest.mark.usefixtures("as_users_run")
def test_other_tasks_are_refused_with_the_choices(data, task, choices):
    with pytest.raises(ValueError, match=f"no task {task!r}: .*{choices}"):
        resolve_task(data, task)


def test_the_model_decides_how_many_tasks_unlabelled_data_have():
    logits = torch.arange(6.0).reshape(3, 2)
    assert resolve_task(PLAIN, "task_1").logits(logits).tolist() == [1, 3, 5]
    with pytest.raises(ValueError, match="no task 2: choose 0 to 1 or one of task_0, task_1"):
        resolve_task(PLAIN, 2).logits(logits)
    assert model_tasks(PLAIN, 2) == ("task_0", "task_1")
    assert model_tasks(LABELLED, 2) == ("CTCF", "MAX")
    with pytest.raises(ValueError, match=r"3 outputs .*CTCF, MAX"):
        model_tasks(LABELLED, 3)


def test_one_task_everywhere(make_model, toy):
    """Every analysis accepts name and index, and gives the same result for both."""
    model, few = make_model(), toy.subset(np.arange(12))
    for analysis in (rcviz.filter_contributions, rcviz.strand_attributions, rcviz.gap_by_filter):
        by_name, by_index = (analysis(model, few, task=task) for task in ("starts with A", 1))
        assert by_name.task == by_index.task == "starts with A"
        assert by_name.table.equals(by_index.table)
        assert analysis(model, few.codes, task="task_1").task == "task_1"
