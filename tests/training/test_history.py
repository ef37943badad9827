"""Histories are tidy, draw themselves and survive a file."""

import matplotlib.figure
import pytest

from rcviz import History, TrainConfig, fit


@pytest.fixture
def history(toy, make_model):
    config = TrainConfig(epochs=3, batch_size=20, samples_per_epoch=40)
    return fit(make_model(), toy, toy, config, progress=False)


def test_table_has_one_row_per_epoch_and_split(history):
    assert list(history.table.columns) == ["epoch", "split", "loss", "auroc", "auprc"]
    assert list(zip(history.table["epoch"], history.table["split"], strict=True)) == [
        (epoch, split) for epoch in (1, 2, 3) for split in ("train", "valid")
    ]
    valid = history.table[history.table["split"] == "valid"]
    assert history.best.valid.auroc == valid["auroc"].max()


def test_round_trip(history, tmp_path):
    history.save(tmp_path / "history.json")
    assert History.load(tmp_path / "history.json") == history


@pytest.mark.parametrize("content", ["", "{}", '{"format": "rcviz.history", "records": 3}', "\x00"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "history.json").write_text(content)
    with pytest.raises(ValueError, match="not a history that rcviz wrote"):
        History.load(tmp_path / "history.json")


def test_plot_draws_into_the_axes_given(history):
    axes = matplotlib.figure.Figure().add_subplot()
    assert history.plot(axes) is axes
    assert axes.lines


def test_progress_bar_shows_loss_and_auroc(toy, make_model, capsys):
    fit(make_model(), toy, toy, TrainConfig(epochs=2, batch_size=20, samples_per_epoch=40))
    shown = capsys.readouterr().err
    assert "loss" in shown
    assert "validation auROC" in shown
