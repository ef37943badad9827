"""Forward against reverse predictions."""

import matplotlib.figure
import numpy as np
import pytest

from rcviz import SequenceSet, TrainConfig, fit, predict, reverse_complement, strand_agreement


@pytest.fixture(scope="module")
def agreements(toy):
    import rcviz

    found = {}
    for architecture in ("revcomp", "standard"):
        config = rcviz.ModelConfig(
            architecture=architecture,
            sequence_length=60,
            n_filters=3,
            kernel_sizes=(7,),
            pool_size=9,
            pool_stride=9,
            n_tasks=2,
        )
        model = rcviz.build_model(config)
        fit(model, toy, toy, TrainConfig(epochs=3, batch_size=20, samples_per_epoch=100), progress=False)
        found[architecture] = (model, strand_agreement(model, toy))
    return found


@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
def test_both_strands_are_the_predictions_for_both(agreements, toy, architecture):
    model, agreement = agreements[architecture]
    np.testing.assert_array_equal(agreement.forward, predict(model, toy))
    np.testing.assert_array_equal(agreement.reverse, predict(model, reverse_complement(toy.codes)))
    assert agreement.max_gap == np.abs(agreement.forward - agreement.reverse).max()
    assert agreement.mean_gap == pytest.approx(np.abs(agreement.forward - agreement.reverse).mean())


def test_sharing_closes_the_gap_and_only_sharing(agreements):
    assert agreements["revcomp"][1].max_gap <= 1e-5
    assert agreements["standard"][1].max_gap > 1e-3


def test_table_is_tidy_and_sorted(agreements, toy):
    table = agreements["standard"][1].table
    assert list(table.columns) == ["sequence", "task", "label", "forward", "reverse", "gap"]
    assert len(table) == 2 * len(toy)
    assert table["gap"].is_monotonic_decreasing
    row = table.iloc[5]
    assert row["label"] == toy.labels[row["sequence"], toy.task_names.index(row["task"])]


def test_plot_takes_the_task_and_the_axes(agreements):
    agreement = agreements["standard"][1]
    axes = matplotlib.figure.Figure().add_subplot()
    assert agreement.plot(axes, task=1) is axes
    with pytest.raises(ValueError, match="there is no task 2; the tasks are GATA, starts with A"):
        agreement.plot(axes, task=2)


def test_strings_without_labels(agreements):
    model, _ = agreements["standard"]
    agreement = strand_agreement(model, ["ACGT" * 15, "GGCA" * 15], output="logit")
    assert agreement.forward.shape == (2, 2)
    assert agreement.forward[0] == pytest.approx(agreement.reverse[0])  # its own reverse complement
    assert agreement.table["label"].isna().all()


def test_labels_of_other_tasks_are_refused(agreements, toy):
    model, agreement = agreements["standard"]
    other = SequenceSet(toy.codes, toy.labels[:, :1])
    with pytest.raises(ValueError, match="gives 2 outputs a sequence, but the data has 1 tasks"):
        strand_agreement(model, other)
    with pytest.raises(ValueError, match="there are no sequences to predict"):
        strand_agreement(model, toy.subset(np.zeros(len(toy), bool)))
    assert agreement.plot(task="starts with A").get_xlabel()
