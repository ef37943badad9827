import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from rcviz.plots.colors import MODEL_COLORS
from rcviz.plots.comparisons import (
    common_epochs,
    metric_words,
    plot_architectures,
    plot_learning_curves,
    plot_training_size,
)

NAMES = ["RC $20$", "standard 20", "standard 40"]


def runs(values, **columns):
    """A row for each arm and seed, from the values of each arm's seeds."""
    rows = [(arm, seed, value) for arm, seeds in values.items() for seed, value in enumerate(seeds)]
    return pd.DataFrame(rows, columns=["arm", "seed", "valid_auroc"]).assign(**columns)


THREE = runs(dict(zip(NAMES, [[0.90, 0.92, 0.91], [0.80, 0.82, 0.84], [0.81, 0.85, 0.83]], strict=True)))


def seeds_of(ax):
    """Values of every set of markers, in the order in which they were drawn: seaborn's collections, or lines."""
    sets = [points.get_offsets()[:, 1].tolist() for points in ax.collections if hasattr(points, "get_sizes")]
    sets += [
        line.get_ydata().tolist() for line in ax.lines if line.get_linestyle() == "None" and line.get_marker() != "_"
    ]
    return [values for values in sets if values and not np.isnan(values).any()]


def means_of(ax):
    values = [line.get_ydata() for line in ax.lines if line.get_marker() == "_"]
    return [float(each[np.isfinite(each)][0]) for each in values]


def whiskers_of(ax):
    """Least and greatest of each line with two caps."""
    lines = [line.get_ydata() for line in ax.lines if len(line.get_xdata()) == 8]
    return [[np.nanmin(values), np.nanmax(values)] for values in lines]


def brackets(ax):
    """From where to where each bracket goes, and what is written over it."""
    lines = [line for line in ax.lines if len(line.get_xdata()) == 4]
    ends = [(line.get_xdata()[0], line.get_xdata()[-1]) for line in lines]
    return list(zip(ends, [text.get_text() for text in ax.texts], strict=True))


def note(ax):
    return ax.get_legend().get_title().get_text()


def keys(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_long_names_go_into_a_legend_where_nothing_overlaps():
    """Short names are wrapped below their arm."""
    seeds = [0.8, 0.9]
    short = plot_architectures(runs({"shared": seeds, "standard, twice the filters": seeds, "augmented": seeds}))
    assert [label.get_text().replace("\n", " ") for label in short.get_xticklabels()][
        1
    ] == "standard, twice the filters"
    names = [f"a network of my own with a very long name, number {number}" for number in range(6)]
    ax = plot_architectures(runs(dict.fromkeys(names, seeds)))
    ax.figure.draw_without_rendering()
    assert not any(label.get_text() for label in ax.get_xticklabels())
    legend = ax.get_legend()
    assert [text.get_text().replace("\n", " ") for text in legend.get_texts()] == names
    box, page = legend.get_window_extent(), ax.figure.bbox
    assert page.x0 <= box.x0 < box.x1 <= page.x1
    assert page.y0 <= box.y0 < box.y1 < ax.get_window_extent().y0


def test_every_seed_the_mean_and_the_extremes_are_drawn(axes):
    ax = plot_architectures(THREE, axes)
    dots = [points for points in ax.collections if len(points.get_offsets())]
    assert [to_hex(points.get_facecolor()[0]) for points in dots] == list(MODEL_COLORS[:3])
    assert len({len(points.get_paths()[0].vertices) for points in dots}) == 3, "markers differ"
    assert seeds_of(ax) == [[0.90, 0.92, 0.91], [0.80, 0.82, 0.84], [0.81, 0.85, 0.83]]
    np.testing.assert_allclose(means_of(ax), [0.91, 0.82, 0.83])
    np.testing.assert_allclose(whiskers_of(ax), [[0.90, 0.92], [0.80, 0.84], [0.81, 0.85]])
    assert ax.get_ylabel() == "validation auROC"
    assert note(ax) == (
        "mean, and least to greatest of 3 seeds\np: exact one-sided rank-sum test, RC $20$ above the other"
    )
    ax.figure.canvas.draw()
    assert [label.get_text().replace("\n", " ") for label in ax.get_xticklabels()] == NAMES


def test_p_values_are_of_the_first_arm_above_the_others(axes):
    # Three of three above all others: one deal of 6 over 3 = 20.
    assert brackets(plot_architectures(THREE, axes)) == [((0, 1), "p = 0.05"), ((0, 2), "p = 0.05")]


def test_pairs_may_be_chosen_and_have_a_direction():
    # Ranks of 0.81, 0.85, 0.83 among all six are 2, 6, 4: a sum of at least 12 comes in 7 of 20 deals, at most in 16.
    ax = plot_architectures(THREE, compare=[("standard 40", "standard 20"), ("standard 20", "standard 40")])
    assert brackets(ax) == [((1, 2), "p = 0.35"), ((1, 2), "p = 0.8")]
    assert note(ax).replace("\n", " ").endswith("standard 40 above standard 20; standard 20 above standard 40")


def test_brackets_do_not_cross_markers_or_each_other_and_lie_within_the_axes(axes):
    ax = plot_architectures(THREE, axes)
    heights = [max(line.get_ydata()) for line in ax.lines if len(line.get_xdata()) == 4]
    assert THREE["valid_auroc"].max() < heights[0] < heights[1] < ax.get_ylim()[1]
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not boxes[0].overlaps(boxes[1])
    assert all(box.y1 <= ax.bbox.y1 for box in boxes)


@pytest.mark.parametrize(("factor", "beyond"), [(1.0, False), (2.0, True)])
def test_no_tick_says_that_a_score_is_above_one(factor, beyond, axes):
    """Brackets go above one where scores come near it; other quantities may be larger."""
    table = runs(dict(zip(NAMES, [[0.98, 1.0], [0.5, 0.6], [0.5, 0.7]], strict=True)))
    ax = plot_architectures(table.assign(valid_auroc=factor * table["valid_auroc"]), axes)
    shown = [tick for tick in ax.get_yticks() if tick <= ax.get_ylim()[1]]
    assert bool(max(shown) > 1 + 1e-9) is beyond
    assert any(np.isclose(shown, 1.0))
    assert ax.get_ylim()[1] > 1.05
    assert ax.get_ylim()[0] < 0.5 * factor


def test_groups_stand_side_by_side_and_may_lack_an_arm(axes):
    table = pd.concat([THREE.assign(dataset="CTCF"), THREE[THREE["arm"] != "standard 40"].assign(dataset="MAX")])
    ax = plot_architectures(table, axes, group="dataset")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["CTCF", "MAX"]
    third = 0.8 / 3
    found = [ends for ends, _ in brackets(ax)]
    np.testing.assert_allclose(found, [(-third, 0), (-third, third), (1 - third, 1)], atol=1e-9)
    assert keys(ax) == NAMES
    assert len(seeds_of(ax)) == 5
    assert "no run of standard 40 (dataset MAX)" in note(ax).replace("\n", " ")
    assert "no run" not in note(plot_architectures(THREE.assign(dataset="CTCF"), group="dataset"))


def test_seeds_stand_apart_even_where_they_are_equal(axes):
    ax = plot_architectures(runs({"a": [0.5] * 4, "b": [0.5]}), axes)
    (four, one) = [points.get_offsets()[:, 0].tolist() for points in ax.collections if len(points.get_offsets())]
    assert len(set(four)) == 4
    assert one == [1]
    assert note(ax).startswith("mean, and least to greatest of 1 to 4 seeds")


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (THREE.drop(columns="seed"), {}, "without seed"),
        (THREE[:0], {}, "at least one trained network"),
        (THREE, {"metric": "test_auroc"}, "without test_auroc"),
        (THREE, {"group": "dataset"}, "without dataset"),
        (THREE.replace(0.92, np.nan), {}, r"valid_auroc is nan for arm RC \$20\$, seed 1"),
        (THREE.replace("standard 40", np.nan), {}, "arm is missing in 3 of 9 rows"),
        (THREE.assign(seed=[0, 1, None] * 3), {}, "seed is missing in 3"),
        (THREE.assign(dataset=["CTCF"] * 8 + [None]), {"group": "dataset"}, "dataset is missing in 1"),
        (pd.concat([THREE, THREE[:1]]), {}, r"two rows for arm RC \$20\$, seed 0"),
        (THREE, {"compare": [("RC", "standard 20")]}, r"compare .*'RC'.* RC \$20\$, st"),
    ],
)
def test_bad_tables_of_runs_are_explained(table, options, message):
    with pytest.raises(ValueError, match=message):
        plot_architectures(table, **options)
    assert plt.get_fignums() == []


def test_arms_may_have_numbers_for_names(axes):
    ax = plot_architectures(runs({20: [0.8, 0.9], 40: [0.7, 0.6]}), axes)
    assert seeds_of(ax) == [[0.8, 0.9], [0.7, 0.6]]
    assert brackets(plot_architectures(runs({20: [0.8], 40: [0.7]}), compare=[(20, 40)]))[0][0] == (0, 1)
    sizes = plot_training_size(runs({20: [0.8], 40: [0.7]}, fraction=1.0))
    assert (keys(sizes), seeds_of(sizes)) == (["20", "40"], [[0.8], [0.7]])
    curves = plot_learning_curves(pd.concat([history(20, 0, [0.5]), history(40, 0, [0.6])]))
    assert sorted(line.get_ydata()[0] for line in curves.lines) == pytest.approx([0.5, 0.6, 0.6, 0.7])


SIZES = pd.concat(
    runs({"RC": [0.7 + size, 0.71 + size, 0.75 + size], "standard": [0.6 + size]}, fraction=size)
    for size in (0.2, 0.05, 0.1)
)


def test_a_line_at_the_medians_and_a_marker_for_each_seed(axes):
    ax = plot_training_size(SIZES, axes)
    medians = [line for line in ax.lines if line.get_linestyle() != "None"]
    np.testing.assert_allclose(medians[0].get_ydata(), [0.76, 0.81, 0.91])
    np.testing.assert_allclose(medians[1].get_ydata(), [0.65, 0.7, 0.8])
    assert sorted(seeds_of(ax)[0]) == sorted(SIZES.loc[SIZES["arm"] == "RC", "valid_auroc"])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["5", "10", "20"]
    assert ax.get_xscale() == "log"
    assert note(ax) == "median of 1 to 3 seeds"
    assert keys(ax) == ["RC", "standard"]
    ratios = ax.lines[2].get_xdata() / ax.lines[0].get_xdata()
    np.testing.assert_allclose(ratios, ratios[0])
    assert 1 < ratios[0] < 1.1
    assert ax.lines[0].get_linestyle() != ax.lines[2].get_linestyle()
    assert ax.lines[1].get_marker() != ax.lines[3].get_marker()


def test_a_size_without_a_run_and_a_single_seed_are_said(axes):
    some = SIZES[(SIZES["arm"] == "RC") | (SIZES["fraction"] != 0.1)]
    assert note(plot_training_size(some, axes)) == "median of 1 to 3 seeds\nno run of standard (fraction 0.1)"
    assert note(plot_training_size(SIZES[SIZES["seed"] == 0])) == "median of 1 seed"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (SIZES.drop(columns="fraction"), "without fraction"),
        (SIZES.assign(fraction=25 * SIZES["fraction"]), r"fraction must be in \(0, 1\], got 5"),
        (SIZES.replace(0.1, np.nan), "fraction is missing in 4"),
        (SIZES.replace("RC", np.nan), "arm is missing"),
        (SIZES.assign(fraction=0.1), "two rows for arm RC, fraction 0.1, seed 0"),
        (SIZES.replace(0.7 + 0.2, np.inf), "valid_auroc is inf for arm RC, fraction 0.2, seed 0"),
    ],
)
def test_bad_tables_of_sizes_are_explained(table, message):
    with pytest.raises(ValueError, match=message):
        plot_training_size(table)


def history(arm, seed, values):
    table = pd.DataFrame({"arm": arm, "seed": seed, "epoch": range(1, 1 + len(values)), "auroc": values})
    return pd.concat([table.assign(split="train", auroc=table["auroc"] + 0.1), table.assign(split="valid")])


CURVES = pd.concat(
    [
        history("RC", 0, [0.5, 0.7, 0.9]),
        history("RC", 1, [0.6, 0.8]),
        history("RC", 2, [0.55, 0.6, 0.7]),
        history("standard", 0, [0.5, 0.6, 0.7, 0.8]),
    ]
)


def test_curves_are_medians_up_to_the_last_epoch_of_all_seeds(axes):
    ax = plot_learning_curves(CURVES, axes)
    valid = [line for line in ax.lines if line.get_linestyle() == "-"]
    train = [line for line in ax.lines if line.get_linestyle() == ":"]
    np.testing.assert_allclose(valid[0].get_xydata(), [[1, 0.55], [2, 0.7]])
    np.testing.assert_allclose(train[0].get_xydata(), [[1, 0.65], [2, 0.8]])
    np.testing.assert_allclose(valid[1].get_ydata(), [0.5, 0.6, 0.7, 0.8])
    band = ax.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (0.5, 0.8)
    assert note(ax).startswith("median of 1 to 3 seeds")
    assert note(ax).endswith("up to the last epoch that all seeds reached")
    assert common_epochs(CURVES) == 2
    assert len({line.get_marker() for line in valid}) == len({to_hex(line.get_color()) for line in valid}) == 2


def test_one_split_alone(axes):
    valid = CURVES[CURVES["split"] == "valid"]
    assert {line.get_linestyle() for line in plot_learning_curves(valid, axes).lines} == {"-"}


def test_a_curve_of_one_epoch_is_seen_and_a_missing_one_is_named(axes):
    first, second = CURVES["arm"].unique()
    some = CURVES[(CURVES["arm"] == first) | ((CURVES["epoch"] == 1) & (CURVES["split"] == "valid"))]
    ax = plot_learning_curves(some, axes)
    (point,) = [line for line in ax.lines if len(line.get_xdata()) == 1]
    assert point.get_markevery()[0] == 0
    assert f"training of {second}" in note(ax).replace("\n", " ")


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (CURVES, {"metric": "accuracy"}, "metric must be one of loss, auroc, auprc"),
        (CURVES, {"metric": "loss"}, "without loss"),
        (CURVES.replace("valid", "test"), {}, "split must be one of train, valid, got 'test'"),
        (pd.concat([CURVES, CURVES]), {}, "two rows for arm RC, seed 0, epoch 1, split train"),
        (CURVES.replace(0.55, np.nan), {}, "auroc is nan for arm RC, seed 2, epoch 1, split valid"),
        (CURVES.replace("standard", np.nan), {}, "arm is missing in 8"),
        (CURVES[CURVES["auroc"] != 0.55], {}, "a seed of arm 'RC' lacks"),
        (CURVES[(CURVES["seed"] < 2) | (CURVES["split"] == "train")], {}, "a seed of arm 'RC' lacks"),
    ],
)
def test_bad_tables_of_epochs_are_explained(table, options, message):
    with pytest.raises(ValueError, match=message):
        plot_learning_curves(table, **options)


def test_metrics_in_words():
    assert metric_words("valid_auprc") == "validation auPRC"
    assert metric_words("loss") == "loss"
    assert metric_words("gap_max") == "largest gap between the strands"
