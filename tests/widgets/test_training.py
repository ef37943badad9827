"""Curves that grow with every epoch."""

import matplotlib.pyplot as plt
import pytest

from rcviz import TrainConfig, TrainingCurves, fit


def test_every_epoch_redraws(toy, make_model):
    curves, pictures = TrainingCurves(), []
    curves._pane.observe(lambda change: pictures.append(change["new"]), "value")
    config = TrainConfig(epochs=3, batch_size=20, samples_per_epoch=40)
    histories = {
        name: fit(make_model(architecture), toy, toy, config, progress=False, on_epoch=curves.follow(name))
        for name, architecture in (("RC", "revcomp"), ("<i>standard</i>", "standard"))
    }
    assert len(pictures) == 6
    assert "RC: epoch 3, &lt;i&gt;standard&lt;/i&gt;: epoch 3" in pictures[-1]
    assert "<i>" not in pictures[-1]
    assert list(curves.table["model"].unique()) == list(histories)
    assert plt.get_fignums() == []


def test_starting_again_starts_the_curve_again(toy, make_model):
    curves = TrainingCurves(metric="loss")
    config = TrainConfig(epochs=2, batch_size=20, samples_per_epoch=40)
    for _ in range(2):
        fit(make_model(), toy, toy, config, progress=False, on_epoch=curves.follow("RC"))
    assert len(curves.table) == 4


def test_an_unknown_metric_is_refused_before_training():
    with pytest.raises(ValueError, match="metric must be one of"):
        TrainingCurves(metric="auc")
    assert TrainingCurves().table.empty
