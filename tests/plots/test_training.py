import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from rcviz.plots.colors import MODEL_COLORS
from rcviz.plots.training import plot_history


def history(valid, train=None, **columns):
    """A tidy history from validation values; the loss is one minus the rest."""
    rows = [("valid", epoch, value) for epoch, value in enumerate(valid, 1)]
    rows += [("train", epoch, value) for epoch, value in enumerate(train or [v + 0.1 for v in valid], 1)]
    table = pd.DataFrame(rows, columns=["split", "epoch", "auroc"])
    return table.assign(auprc=table["auroc"] / 2, loss=1 - table["auroc"], **columns)


def curves(ax, style):
    return [line for line in ax.lines if line.get_linestyle() == style]


def best(ax):
    return [tuple(point) for line in curves(ax, "None") for point in line.get_xydata().tolist()]


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts() if text.get_text().strip()]


def test_validation_is_solid_and_training_dotted(axes):
    ax = plot_history(history([0.5, 0.8, 0.7]), axes)
    (valid,), (train,) = curves(ax, "-"), curves(ax, ":")
    np.testing.assert_allclose(valid.get_xydata(), [[1, 0.5], [2, 0.8], [3, 0.7]])
    np.testing.assert_allclose(train.get_ydata(), [0.6, 0.9, 0.8])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "auROC")
    assert labels(ax) == ["validation", "training", "best 0.800 at epoch 2"]


@pytest.mark.parametrize(("metric", "at"), [("auroc", (2, 0.8)), ("auprc", (2, 0.4)), ("loss", (2, 0.2))])
def test_the_best_epoch_is_marked_whichever_way_is_up(metric, at, axes):
    (found,) = best(plot_history(history([0.5, 0.8, 0.7]), axes, metric=metric))
    assert found == pytest.approx(at)


def test_rows_may_come_in_any_order(axes):
    ax = plot_history(history([0.5, 0.8, 0.7]).sample(frac=1, random_state=0), axes)
    assert curves(ax, "-")[0].get_xdata().tolist() == [1, 2, 3]


def test_models_have_a_colour_each(axes):
    table = pd.concat([history([0.5, 0.9], model="RC $a$"), history([0.5, 0.7], model="standard")])
    ax = plot_history(table, axes)
    ax.figure.canvas.draw()
    assert [to_hex(line.get_color()) for line in curves(ax, "-")] == list(MODEL_COLORS[:2])
    assert [to_hex(line.get_color()) for line in curves(ax, ":")] == list(MODEL_COLORS[:2])
    assert labels(ax) == [
        "RC $a$: best 0.900 at epoch 2",
        "standard: best 0.700 at epoch 2",
        "validation",
        "training",
    ]


def test_seeds_share_the_colour_of_their_model(axes):
    table = pd.concat([history([0.5, 0.7 + 0.1 * seed], model="RC", seed=seed) for seed in range(3)])
    ax = plot_history(table, axes)
    assert len(curves(ax, "-")) == 3
    assert {to_hex(line.get_color()) for line in curves(ax, "-")} == {MODEL_COLORS[0]}
    np.testing.assert_allclose(best(ax), [(2, 0.7), (2, 0.8), (2, 0.9)])
    assert labels(ax)[0] == "RC: best 0.800 (median of 3 runs)"


def test_a_single_epoch_is_visible_and_tells_the_splits_apart(axes):
    ax = plot_history(history([0.5]), axes)
    (valid,), (train,) = curves(ax, "-"), curves(ax, ":")
    assert valid.get_marker() == train.get_marker() == "o"
    assert train.get_markerfacecolor() == "white" != valid.get_markerfacecolor()
    assert all(tick == int(tick) for tick in ax.get_xticks())


def test_unknown_values_leave_gaps_and_are_never_best(axes):
    ax = plot_history(history([np.nan, 0.6, 0.7]), axes)
    np.testing.assert_allclose(best(ax), [(3, 0.7)])
    none = plot_history(history([np.nan, np.nan]))
    assert best(none) == []
    assert labels(none) == ["validation", "training", "no validation value"]
    assert none.get_legend().get_title().get_text() == "no values: training, validation"


def test_runs_without_values_are_named(axes):
    table = pd.concat(
        [
            history([0.5, 0.6], model="RC", seed=0),
            history([np.nan, np.nan], [0.5, 0.7], model="RC", seed=1),
            history([np.nan], [np.nan], model="standard", seed=0)[:1],
        ]
    )
    ax = plot_history(table, axes)
    note = ax.get_legend().get_title().get_text().replace("\n", " ")
    assert note == "no values: validation RC 1, training standard 0, validation standard 0"
    assert labels(ax)[:2] == ["RC: best 0.600 at epoch 2", "standard: no validation value"]


def test_one_split_alone(axes):
    table = history([0.5, 0.6])
    assert labels(plot_history(table[table["split"] == "train"], axes))[0] == "training"


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (history([0.5]), {"metric": "accuracy"}, "metric must be one of"),
        (history([0.5]).drop(columns="auprc"), {"metric": "auprc"}, "without auprc"),
        (history([0.5]).head(0), {}, "at least one epoch"),
        (history([0.5], model=[None, "RC"]), {}, "model is missing in 1 of 2 rows"),
        (history([0.5], seed=[np.nan, 1]), {}, "seed is missing in 1"),
        (history([0.5]).replace("train", None), {}, "split is missing in 1"),
        (history([0.5]).replace("valid", "validation"), {}, "split must be one of train, valid, got 'validation'"),
        (pd.concat([history([0.5])] * 2), {}, "two rows for epoch 1, split valid.*seed, model"),
    ],
)
def test_bad_tables_are_explained(table, options, message):
    with pytest.raises(ValueError, match=message):
        plot_history(table, **options)
    assert plt.get_fignums() == []
