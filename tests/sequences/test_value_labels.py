"""Labels that are values, for regressions."""

import numpy as np
import pytest
from scipy.stats import spearmanr

import rcviz

VALUES = np.array([[0.5, -2.0], [3.25, np.nan], [-1.0, 7.0], [2.0, 7.0]], dtype=np.float32)


@pytest.fixture
def data():
    return rcviz.SequenceSet(
        ["ACGT", "GGGG", "TTAA", "CCAN"], VALUES, task_names=["counts", "signal"], label_kind="value"
    )


def test_values_are_kept_by_every_operation(data, tmp_path):
    data.save(tmp_path / "values.safetensors")
    for other in (data, rcviz.SequenceSet.load(tmp_path / "values.safetensors"), data.reverse_complement()):
        assert other.label_kind == "value"
        np.testing.assert_array_equal(other.labels, VALUES)
    chosen = data.subset([2, 0])
    np.testing.assert_array_equal(chosen.labels, VALUES[[2, 0]])
    assert chosen.label_kind == "value"


def test_numbers_that_are_no_classes_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match='label_kind="value"'):
        rcviz.SequenceSet(["ACGT"], [0.5])
    with pytest.raises(ValueError, match="finite"):
        rcviz.SequenceSet(["ACGT"], [np.inf], label_kind="value")
    with pytest.raises(ValueError, match="label_kind"):
        rcviz.SequenceSet(["ACGT"], [1], label_kind="values")


def test_values_have_an_upper_part_and_no_positives(data, as_users_run):
    assert data.upper_part(0.5).tolist() == [False, True, False, True]
    assert data.upper_part(0.25).tolist() == [False, True, False, False]
    assert data.upper_part(0.01).tolist() == [False, True, False, False]
    # Of three known labels two are equal: both belong to the upper third.
    assert data.upper_part(1 / 3, task="signal").tolist() == [False, False, True, True]
    for function in (data.positives, data.negatives):
        with pytest.raises(ValueError, match="upper_part"):
            function()
    for share in (0, 1, 1.5, True, "half"):
        with pytest.raises(ValueError, match="share"):
            data.upper_part(share)


def test_the_summary_of_values(data):
    table = data.summary()
    assert table["n"].tolist() == [4, 3]
    assert table["n_unknown"].tolist() == [0, 1]
    np.testing.assert_allclose(table["mean"], np.nanmean(VALUES, axis=0), rtol=1e-6)
    np.testing.assert_allclose(table["std"], np.nanstd(VALUES, axis=0, ddof=1), rtol=1e-6)
    assert table["min"].tolist() == [-1.0, -2.0]
    assert table["max"].tolist() == [3.25, 7.0]
    gc = [0.5, 1.0, 0.0, 2 / 3]
    assert table["gc_correlation"][0] == pytest.approx(spearmanr(VALUES[:, 0], gc).statistic)


def test_parts_of_a_split_need_two_different_values():
    data = rcviz.SequenceSet(["ACGT", "ACGA", "ACGC", "AAAA"] * 5, [1.5] * 20, label_kind="value")
    with pytest.raises(ValueError, match="two different values"):
        rcviz.split(data)
    parts = rcviz.split(rcviz.SequenceSet(data.codes, np.arange(20) / 7, label_kind="value"))
    assert parts.train.label_kind == "value"
