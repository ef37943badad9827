"""The comparison of strategies: its arms, their shape, and the sentence that comes out."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import rcviz
from rcviz.sweeps.result import Sweep
from rcviz.sweeps.strategies import network_shape, strategy_arms

SMALL = {"kernel_sizes": (7,), "pool_size": 9}
SHORT = {"epochs": 1, "samples_per_epoch": 60, "device": "cpu"}


def test_the_arms_differ_in_what_their_names_say_and_in_nothing_else(splits):
    arms = strategy_arms(splits, n_filters=4)
    shared = arms["shared"]
    for name, (architecture, n_filters, strategy, augmentation) in {
        "shared": ("revcomp", 4, "as is", "none"),
        "standard": ("standard", 4, "as is", "none"),
        "standard, twice the filters": ("standard", 8, "as is", "none"),
        "augmented": ("standard", 8, "as is", "revcomp"),
        "conjoined": ("standard", 8, "conjoined", "none"),
        "siamese": ("standard", 4, "siamese", "none"),
    }.items():
        arm = arms.pop(name)
        assert arm.model == dataclasses.replace(shared.model, architecture=architecture, n_filters=n_filters)
        assert arm.training == dataclasses.replace(shared.training, augmentation=augmentation)
        assert arm.strategy == strategy
        assert arm.description.startswith(f"{n_filters} filters")
    assert not arms
    assert shared.model.head == "weighted_sum"
    labels = splits.train.labels
    assert shared.training.positive_weight == pytest.approx((labels == 0).sum() / (labels == 1).sum(), rel=0.005)


@pytest.mark.parametrize("length", [4, 17, 60, 101, 200, 251, 499, 500, 501, 1000, 1013, 2114])
def test_every_length_has_a_shape_that_both_architectures_can_have(length):
    shape = network_shape(length)
    for architecture in ("revcomp", "standard"):
        config = rcviz.ModelConfig(architecture=architecture, n_filters=2, sequence_length=length, **shape)
        assert config.pooled_length >= 4


def test_options_change_shape_and_training(splits):
    arms = strategy_arms(splits, n_filters=2, model=SMALL, training={"epochs": 3, "positive_weight": 2.0})
    assert arms["siamese"].model.kernel_sizes == (7,)
    assert arms["siamese"].model.pool_stride == 9
    assert arms["siamese"].training.epochs == 3
    assert arms["siamese"].training.positive_weight == 2
    assert arms["siamese"].training.patience == 10
    whole = rcviz.TrainConfig.chipseq(epochs=2)
    assert strategy_arms(splits, training=whole)["shared"].training == whole
    one_task = rcviz.SequenceSet(splits.train.codes, splits.train.labels[:, 0])
    single = strategy_arms(splits._replace(train=one_task))["shared"].model
    assert single.freeze_output
    flat = strategy_arms(splits._replace(train=one_task), model={"head": "flatten"})["shared"].model
    assert not flat.freeze_output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_filters": 0}, "n_filters"),
        ({"model": {"n_filters": 3}}, "n_filters"),
        ({"model": {"widths": (3,)}}, "widths"),
        ({"training": {"epoch": 3}}, "epoch"),
        ({"seeds": 0}, "seeds"),
    ],
)
def test_wrong_options_are_refused(splits, options, words):
    with pytest.raises(ValueError, match=words):
        rcviz.compare_strategies(splits, **{"progress": False, **options})


def test_without_a_test_part_there_is_nothing_to_compare(splits):
    with pytest.raises(ValueError, match="test part is empty"):
        rcviz.compare_strategies(splits._replace(test=splits.test.subset(np.arange(0))), progress=False)


def test_six_arms_are_five_trainings_per_seed(splits, tmp_path, same):
    options = {"n_filters": 2, "model": SMALL, "training": SHORT, "n_jobs": 1, "progress": False}
    result = rcviz.compare_strategies(splits, seeds=1, store=tmp_path, **options)
    assert len(list(tmp_path.glob("*.json"))) == 5
    assert list(result.arms) == list(dict.fromkeys(result.test["arm"]))
    gaps = result.runs.set_index("arm")["gap_max"]
    assert (gaps[["shared", "conjoined", "siamese"]] < 1e-6).all()
    assert (gaps[["standard", "standard, twice the filters", "augmented"]] > 1e-6).all()
    assert "too few seeds to tell" in result.summary()
    same(rcviz.compare_strategies(splits, seeds=1, store=tmp_path, **options), result)


def test_strategies_on_values(splits):
    def as_values(part):
        gc = (part.codes == 2).mean(axis=1) * 5 + 3
        return rcviz.SequenceSet(part.codes, gc, task_names=["G"], label_kind="value")

    parts = type(splits)(*map(as_values, splits))
    arms = strategy_arms(parts, n_filters=2, training={"epochs": 3})
    assert {(arm.model.output_is, arm.training.loss, arm.training.monitor) for arm in arms.values()} == {
        ("value", "mse", "loss")
    }
    assert not arms["shared"].model.freeze_output
    assert arms["shared"].training.positive_weight == 1
    counts = strategy_arms(parts, training={"loss": "poisson", "monitor": "pearson"})["shared"].training
    assert (counts.loss, counts.monitor) == ("poisson", "pearson")
    options = {"n_filters": 2, "model": SMALL, "training": SHORT, "n_jobs": 1, "progress": False}
    result = rcviz.compare_strategies(parts, seeds=1, **options)
    assert list(result.arms) == result.test["arm"].tolist()
    best = result.test.set_index("arm")["mse"].drop("shared").idxmin()
    assert f"{best!r}" in result.summary(metric="mse")
    assert result.comparisons(metric="spearman")["mean"].tolist() == result.test["spearman"].tolist()


@pytest.fixture
def made_up():
    """A sweep whose metrics are chosen."""

    def made_up(values):
        records = {
            (arm, seed): {"metrics": {"test": {"as is": [{"task": "a", "auroc": value, "n_positive": 3}]}}}
            for arm, of_arm in values.items()
            for seed, value in enumerate(of_arm)
        }
        seeds = tuple(range(max(map(len, values.values()))))
        arm = rcviz.Arm(model=rcviz.ModelConfig.simulated("revcomp"), training=rcviz.TrainConfig.simulated())
        return Sweep(arms=dict.fromkeys(values, arm), seeds=seeds, records=records, failures=pd.DataFrame())

    return made_up


@pytest.mark.parametrize(
    ("shared", "verdict"),
    [
        ([0.91, 0.92, 0.93, 0.94, 0.95], "is ahead of"),
        ([0.81, 0.92, 0.83, 0.89, 0.84], "is level with"),
        ([0.71, 0.72, 0.73, 0.74, 0.75], "is behind"),
        ([0.91, 0.92], "too few seeds to tell"),
    ],
)
def test_the_summary_says_what_the_seeds_show(made_up, shared, verdict):
    n = len(shared)
    values = {"shared": shared, "weak": [0.5, 0.51, 0.52, 0.53, 0.54][:n], "strong": [0.81, 0.83, 0.85, 0.86, 0.87][:n]}
    result = made_up(values)
    text = result.summary()
    assert verdict in text
    assert "'strong'" in text
    assert text.count(". ") == 0  # one sentence
    table = result.comparisons().set_index("arm")
    one = result.compare("shared", "strong")
    assert table.loc["strong", "difference"] == pytest.approx(np.mean(shared) - np.mean(values["strong"]))
    assert tuple(table.loc["strong", ["low", "high"]]) == pytest.approx(one.interval)
    assert table.loc["strong", "p_value"] == one.p_value
    assert table.loc["shared", "verdict"] == ""
    assert table["mean"].tolist() == pytest.approx([np.mean(of_arm) for of_arm in values.values()])


@pytest.mark.parametrize(
    ("options", "words"),
    [({"b": "nobody"}, "no arm 'nobody'"), ({"metric": "loss"}, "metric"), ({"task": "b"}, "task")],
)
def test_what_cannot_be_compared_is_refused(made_up, options, words):
    with pytest.raises(ValueError, match=words):
        made_up({"a": [0.5], "b": [0.6]}).compare(**{"a": "a", "b": "b", **options})
