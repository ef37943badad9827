"""Curves that grow with every epoch."""

import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from rcviz import TrainConfig, TrainingCurves, fit
from rcviz.training.history import EpochRecord, Metrics, ValueMetrics
from rcviz.widgets.data import unpack

CONFIG = TrainConfig(epochs=3, batch_size=20, samples_per_epoch=40)


def record(epoch, value=0.5, best=1, kind=Metrics):
    metrics = kind(*[value] * len(kind.__dataclass_fields__))
    return EpochRecord(epoch, metrics, metrics, best, 40, 0.5)


def test_every_epoch_is_drawn(toy, make_model, tmp_path):
    curves, sent = TrainingCurves(), []
    curves.observe(lambda change: sent.append([run["valid"]["shape"][0] for run in change["new"]["runs"]]), "_runs")
    histories = {
        name: fit(make_model(architecture), toy, toy, CONFIG, progress=False, on_epoch=curves.follow(name))
        for name, architecture in (("RC", "revcomp"), ("<i>standard</i>", "standard"))
    }
    assert sent == [[0], [1], [2], [3], [3, 0], [3, 1], [3, 2], [3, 3]]
    for run, (name, history) in zip(curves._runs["runs"], histories.items(), strict=True):
        assert (run["name"], run["best"]) == (name, history.best_epoch)
        expected = [record.valid.auroc for record in history.records]
        np.testing.assert_array_equal(unpack(run["valid"])[:, run["metrics"].index("auroc")], np.float32(expected))
    assert list(curves.table["model"].unique()) == list(histories)
    curves.to_html(tmp_path / "curves.html")
    page = (tmp_path / "curves.html").read_text()
    assert "<i>" not in page
    data = json.loads(re.search(r'id="rcviz-data">(.*?)</script>', page)[1])
    assert [run["name"] for run in data["_runs"]["runs"]] == list(histories)
    assert len(curves.picture().axes[0].get_lines()) >= 6
    assert "RC, &lt;i&gt;standard&lt;/i&gt;" in curves._still()
    assert plt.get_fignums() == []
    curves.close()


def test_starting_again_starts_the_curve_again(toy, make_model):
    curves = TrainingCurves(metric="loss")
    for _ in range(2):
        fit(make_model(), toy, toy, CONFIG, progress=False, on_epoch=curves.follow("RC"))
    assert len(curves.table) == 6


def test_epochs_that_come_again_after_an_interrupt_are_there_once():
    curves = TrainingCurves()
    follow = curves.follow("RC")
    for epoch in (1, 2, 1, 2, 3):
        follow(record(epoch))
    assert curves.table["epoch"].tolist() == [1, 1, 2, 2, 3, 3]


def test_an_unknown_metric_is_refused_before_training():
    with pytest.raises(ValueError, match="metric must be one of"):
        TrainingCurves(metric="auc")
    assert TrainingCurves().table.empty


def test_metrics_are_those_of_the_labels():
    curves = TrainingCurves()
    assert [name for name, *_ in curves._about["metrics"]] == ["auroc", "auprc", "loss"]
    curves.follow("values")(record(1, kind=ValueMetrics))
    assert [name for name, *_ in curves._about["metrics"]] == ["pearson", "spearman", "mse", "loss"]
    assert curves.state.metric == "pearson"
    with pytest.raises(ValueError, match="metric must be one of loss, pearson"):
        TrainingCurves(metric="auroc").follow("values")(record(1, kind=ValueMetrics))


def test_of_many_epochs_not_all_are_sent_at_once():
    """What crosses to the page stays in proportion to the number of epochs; after the cell, all are there."""
    curves, sent = TrainingCurves(), []
    follow = curves.follow("RC")
    curves.observe(lambda change: sent.append(change["new"]["runs"][0]["valid"]["data"].nbytes), "_runs")
    for epoch in range(1, 4002):
        follow(record(epoch))
    assert sum(sent) < 40 * 4001 * 1000
    assert len(curves.table) == 2 * 4001
    curves._tell()
    assert curves._runs["runs"][0]["valid"]["shape"] == [4001, 3]


def test_curves_can_be_shown_at_once_and_closed():
    curves = TrainingCurves(size=(5.0, 3.0))
    curves.show({"RC": [record(1), record(2, 0.7, best=2)]}, metric="loss")
    assert curves.picture().get_size_inches().tolist() == [5, 3]
    assert (curves.ready, curves.progress, curves.message) == (True, 1.0, "")
    curves.wait()
    curves.close()
    with pytest.raises(RuntimeError, match="TrainingCurves is closed"):
        curves.picture()
