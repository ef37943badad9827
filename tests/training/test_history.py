"""Histories are tidy, draw themselves and survive a file."""

import matplotlib.figure
import pytest

from rcviz import History, TrainConfig, fit
from rcviz.training.history import epochs_in_order


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


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (("epoch",), 1.0),
        (("best_epoch",), 2),
        (("n_samples",), 0),
        (("seconds",), 1),
        (("seconds",), "0.5"),
        (("train",), -1),
        (("train", "loss"), None),
        (("valid", "auroc"), True),
        (("valid", "auprc"), [0.5]),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_the_reader_itself(field, value):
    """Without the type checker of the tests; checkpoints and histories share the reader."""
    scores = {"loss": 0.5, "auroc": 0.5, "auprc": 0.5}
    record = {"epoch": 1, "train": scores, "valid": {**scores}, "best_epoch": 1, "n_samples": 6, "seconds": 0.25}
    assert epochs_in_order([record])[0].epoch == 1
    *outside, name = field
    changed = {**record, outside[0]: {**scores, name: value}} if outside else {**record, name: value}
    for content in ([changed], [[changed]], changed, [{**record, "more": 1}], [{"epoch": 1}], [record, record]):
        with pytest.raises(ValueError, match=r"epoch|train|valid"):
            epochs_in_order(content)


def test_plot_draws_into_the_axes_given(history):
    axes = matplotlib.figure.Figure().add_subplot()
    assert history.plot(axes) is axes
    assert axes.lines


def test_progress_bar_shows_loss_and_auroc(toy, make_model, capsys):
    fit(make_model(), toy, toy, TrainConfig(epochs=2, batch_size=20, samples_per_epoch=40))
    shown = capsys.readouterr().err
    assert "loss" in shown
    assert "validation auROC" in shown
