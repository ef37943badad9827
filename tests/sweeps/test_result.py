"""Tables of a sweep hold what its models say."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu, pearsonr, spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

import rcviz
from rcviz.sweeps.result import Sweep
from rcviz.sweeps.runner import one_thread


@pytest.fixture
def on_one_thread():
    """Compute by hand as a run of a sweep does: with another number of threads, sums have other last digits."""
    with one_thread():
        yield


def fitted(arm, splits, seed):
    """The model of one run, trained by hand."""
    model = arm.as_trained(arm.build(seed))
    training = rcviz.TrainConfig(**{**vars(arm.training), "seed": seed})
    return model, rcviz.fit(model, splits.train, splits.valid, training, progress=False)


@pytest.mark.usefixtures("on_one_thread")
@pytest.mark.parametrize("strategy", ["as is", "conjoined", "siamese"])
@pytest.mark.parametrize("average", ["logit", "probability"])
def test_test_metrics_are_those_of_the_best_epoch_on_the_test_part(quick, arm, splits, strategy, average):
    one = arm("standard", strategy=strategy, average=average, training={"epochs": 3, "learning_rate": 0.05})
    result = quick({"one": one}, seeds=[3])
    model, history = fitted(one, splits, 3)
    test = splits.test
    logits = rcviz.predict(model, test, output="logit")
    if strategy == "conjoined":
        reverse = rcviz.predict(model, rcviz.reverse_complement(test.codes), output="logit")
        pair = [values.astype(float) for values in (logits, reverse)]
        logits = sum(pair if average == "logit" else [1 / (1 + np.exp(-values)) for values in pair])
    for task, name in enumerate(test.task_names):
        row = result.test[result.test["task"] == name].iloc[0]
        assert row["auroc"] == pytest.approx(roc_auc_score(test.labels[:, task], logits[:, task]), abs=1e-9)
        assert row["auprc"] == pytest.approx(average_precision_score(test.labels[:, task], logits[:, task]), abs=1e-9)
    assert result.runs["best_epoch"].item() == history.best_epoch
    columns = ["epoch", "split", "loss", "auroc", "auprc"]
    pd.testing.assert_frame_equal(result.table[columns], history.table, check_exact=True)


def test_rows_come_by_arm_and_seed(quick, two_arms, splits):
    result = quick(two_arms, seeds=[2, 0])
    keys = [("shared", 2), ("shared", 0), ("standard", 2), ("standard", 0)]
    assert list(zip(result.runs["arm"], result.runs["seed"], strict=True)) == keys
    assert list(result.test) == ["arm", "seed", "task", "auroc", "auprc", "n_positive", "n_negative"]
    assert len(result.test) == len(keys) * 2
    assert len(result.table) == len(keys) * 2 * 2
    means = result.test.groupby(["arm", "seed"])["auroc"].mean()
    for row in result.runs.itertuples():
        assert row.test_auroc == pytest.approx(means[row.arm, row.seed])
    assert result.failures.empty


def test_arms_that_differ_in_averaging_afterwards_share_their_training(quick, arm, tmp_path):
    arms = {"as is": arm("standard"), "conjoined": arm("standard", strategy="conjoined")}
    result = quick(arms)
    assert len(list((tmp_path / "store").glob("*.json"))) == 1
    runs = result.runs.set_index("arm")
    assert runs.loc["as is", "gap_max"] > 0
    assert runs.loc["conjoined", "gap_max"] == 0


def _tables(model, splits):
    predicted = rcviz.predict(model, splits.test)
    return {
        "predictions": pd.DataFrame({"first": predicted[:, 0], "n": np.arange(len(predicted)), "word": "a"}),
        "sizes": pd.DataFrame({"n_train": [len(splits.train)], "unknown": [np.nan]}),
    }


def test_measure_adds_tables_of_the_trained_model(quick, arm, splits):
    result = quick({"one": arm(fraction=0.5), "other": arm()}, measure={"one": _tables}, seeds=2)
    sizes = result.measured["sizes"]
    assert sizes[["arm", "seed", "n_train"]].values.tolist() == [
        ["one", seed, len(splits.train) // 2] for seed in (0, 1)
    ]
    assert sizes["unknown"].isna().all()
    predictions = result.measured["predictions"].query("seed == 0")
    assert predictions["first"].dtype == np.float32
    table = result.test.query("arm == 'one' and seed == 0").iloc[0]
    assert roc_auc_score(splits.test.labels[:, 0], predictions["first"]) == pytest.approx(table["auroc"], abs=1e-9)


def test_a_sweep_without_a_test_part(quick, arm, splits):
    without = splits._replace(test=splits.test.subset(np.arange(0)))
    result = rcviz.sweep({"one": arm()}, without, seeds=1, n_jobs=1, progress=False)
    assert result.test.empty
    assert list(result.test)[:4] == ["arm", "seed", "task", "auroc"]
    assert len(result.valid) == 2
    assert result.runs["valid_auroc"].notna().all()


def test_a_plot_has_every_seed_of_every_arm(quick, two_arms):
    result = quick(two_arms, seeds=2)
    ax = result.plot(metric="auprc", compare=[])
    assert "auPRC" in ax.get_ylabel()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["shared", "standard"]


VALUES = {"training": {"loss": "mse", "learning_rate": 0.05}, "model": {"output_is": "value"}}


@pytest.fixture(scope="session")
def value_splits(toy):
    """The toy sequences with their G and A content as labels, some of them unknown."""
    shares = np.stack([(toy.codes == base).mean(axis=1) for base in (2, 0)], axis=1)
    labels = 10 * shares + np.random.default_rng(0).normal(0, 0.1, shares.shape)
    labels[::10, 1] = np.nan
    data = rcviz.SequenceSet(toy.codes, labels, task_names=["G", "A"], label_kind="value")
    return rcviz.split(data, train=0.5, valid=0.25, test=0.25)


@pytest.mark.usefixtures("on_one_thread")
@pytest.mark.parametrize("strategy", ["as is", "conjoined", "siamese"])
def test_test_metrics_of_values_are_those_of_scipy(arm, value_splits, strategy):
    one = arm("standard", strategy=strategy, **VALUES)
    result = rcviz.sweep({"one": one}, value_splits, seeds=[3], n_jobs=1, progress=False)
    model, history = fitted(one, value_splits, 3)
    test = value_splits.test
    values = rcviz.predict(model, test).astype(float)
    reverse = rcviz.predict(model, test.reverse_complement()).astype(float)
    predicted = (values + reverse) / 2 if strategy == "conjoined" else values
    assert list(result.test) == ["arm", "seed", "task", "pearson", "spearman", "mse", "n"]
    for task, name in enumerate(test.task_names):
        row = result.test[result.test["task"] == name].iloc[0]
        known = ~np.isnan(test.labels[:, task])
        labels, of_task = test.labels[known, task].astype(float), predicted[known, task]
        assert row["n"] == known.sum()
        assert row["pearson"] == pytest.approx(pearsonr(labels, of_task).statistic, abs=1e-9)
        assert row["spearman"] == pytest.approx(spearmanr(labels, of_task).statistic, abs=1e-9)
        assert row["mse"] == pytest.approx(((labels - of_task) ** 2).mean(), abs=1e-9)
    columns = ["epoch", "split", "loss", "pearson", "spearman", "mse"]
    pd.testing.assert_frame_equal(result.table[columns], history.table, check_exact=True)
    run = result.runs.iloc[0]
    assert "n_train_positive" not in run
    assert run["test_mse"] == pytest.approx(result.test["mse"].mean())
    gap = np.abs(
        rcviz.predict(model, value_splits.valid) - rcviz.predict(model, value_splits.valid.reverse_complement())
    )
    assert run["gap_max"] == pytest.approx(0 if strategy == "conjoined" else gap.max(), abs=1e-6)


def test_arms_are_compared_and_drawn_by_metrics_of_values(arm, value_splits):
    arms = {"shared": arm("revcomp", **VALUES), "standard": arm("standard", **VALUES)}
    result = rcviz.sweep(arms, value_splits, seeds=2, n_jobs=1, progress=False)
    for metric, alternative in (("pearson", "greater"), ("mse", "less")):
        means = result.test.groupby(["arm", "seed"])[metric].mean()
        expected = mannwhitneyu(means["shared"], means["standard"], alternative=alternative, method="exact").pvalue
        assert result.compare("shared", "standard", metric=metric).p_value == pytest.approx(expected)
        ax = result.plot(metric=metric)
        assert f"p = {expected:.2g}" in [text.get_text() for text in ax.texts]
    assert result.compare("shared", "standard").metric == "pearson"
    assert "mean squared error" in result.plot(metric="mse").get_ylabel()
    assert "Pearson" in rcviz.plot_architectures(result).get_ylabel()
    assert "Spearman" in rcviz.plot_learning_curves(result, metric="spearman").get_ylabel()
    with pytest.raises(ValueError, match=r"metric.*pearson"):
        result.compare("shared", "standard", metric="auroc")


def test_a_correlation_that_a_run_lacks_is_not_left_out(arm):
    rows = [{"task": "a", "pearson": value, "spearman": value, "mse": 1.0, "n": 3} for value in (0.5, 0.6, 0.7, None)]
    keys = [("one", 0), ("one", 1), ("other", 0), ("other", 1)]
    records = {key: {"metrics": {"test": {"as is": [row]}}} for key, row in zip(keys, rows, strict=True)}
    made_up = Sweep({"one": arm(**VALUES), "other": arm(**VALUES)}, (0, 1), records, pd.DataFrame())
    with pytest.raises(ValueError, match="pearson is not defined for seed 1 of 'other'"):
        made_up.compare("one", "other")
    assert made_up.compare("one", "other", "mse").effect == 0


@pytest.mark.parametrize("strategy", ["conjoined", "siamese"])
def test_probabilities_of_values_are_refused(arm, value_splits, strategy):
    arms = {"one": arm("standard", strategy=strategy, average="probability", **VALUES)}
    with pytest.raises(ValueError, match="average"):
        rcviz.sweep(arms, value_splits, seeds=1, n_jobs=1, progress=False)
