"""Figures are trained as sweeps, and their tables hold what the trained networks do."""

import dataclasses
import gzip

import numpy as np
import pandas as pd
import pytest

import rcviz
from paper.__main__ import main
from paper.data import load_splits
from paper.figures import SET_PER_SEED, arms_of
from paper.run import run_figures
from paper.scores import GIVEN, LOGITS_AVERAGED, score_parts, score_perfect
from paper.tables import EPOCHS, RUNS, by_figure, read_results, write_tables
from rcviz.sweeps.runner import FailedRunsWarning, one_thread

QUICK = {"scale": "quick", "epochs": 1, "seeds": 1, "n_jobs": 1, "progress": False}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def trainings(store):
    """Two arms of Figures 4 and 7a for one epoch, on the bundled example."""
    return run_figures(["fig4", "fig7a"], arms=["RC-16", "standard-16"], store=store, **QUICK)


@pytest.fixture(scope="module")
def by_hand():
    """The standard network of Figure 4 trained with rcviz.fit, its history, and the sequences."""
    (arm,) = [arm.arm for arm in arms_of("fig4", scale="quick", epochs=1) if arm.name == "standard-16"]
    parts, _ = load_splits("CTCF", "random", scale="quick", data=None)
    model = rcviz.build_model(arm.model, seed=0)
    with one_thread():
        history = rcviz.fit(model, parts.train, parts.valid, arm.training, progress=False)
    return model, history, parts


def test_every_run_is_stored_once_and_shown_by_every_figure_that_has_it(trainings, store):
    runs = trainings["runs"]
    assert list(runs) == RUNS
    assert list(trainings["epochs"]) == EPOCHS
    assert len(list(store.glob("*.json"))) == runs["run"].nunique() == 2
    assert set(runs["figures"]) == {"fig4 fig7a"}
    tables = by_figure(trainings)
    assert set(tables) == {"fig4", "fig4_runs", "fig4_strands", "fig7a", "fig7a_runs"}
    averages = ["standard-16, both strands averaged", "standard-16, both strands' probabilities averaged"]
    assert list(tables["fig7a_runs"]["arm"]) == ["RC-16", "standard-16", *averages]
    assert list(tables["fig7a_runs"]["paper"]) == [True, True, False, False]
    assert len(tables["fig7a"]) == 4  # two networks, two splits


def test_numbers_are_those_of_the_same_training_by_hand(trainings, by_hand):
    model, history, parts = by_hand
    tables = by_figure(trainings)
    table = tables["fig4"].query("arm == 'standard-16'").reset_index(drop=True)
    columns = ["epoch", "split", "loss", "auroc", "auprc"]
    pd.testing.assert_frame_equal(table[columns], history.table[columns])
    rows = tables["fig4_runs"].set_index("arm")
    expected = rcviz.evaluate(model, parts.test)["auprc"][0]
    assert rows.loc["standard-16", "test_auprc"] == pytest.approx(expected, abs=1e-6)
    for words, average in (("both strands", "logit"), ("both strands' probabilities", "probability")):
        expected = rcviz.evaluate(rcviz.RevCompConjoined(model, average=average), parts.valid)["auroc"][0]
        assert rows.loc[f"standard-16, {words} averaged", "valid_auroc"] == pytest.approx(expected, abs=1e-6)
    row = rows.loc["standard-16"]
    assert row["gap_max"] == pytest.approx(rcviz.strand_agreement(model, parts.valid).max_gap, abs=1e-6)
    assert (row["n_train"], row["n_train_positive"]) == (len(parts.train), len(parts.train.positives()))
    assert row["chromosomes"] == "at random, 70% train, 15% valid, 15% test"
    assert rows.loc["RC-16", "gap_max"] < 1e-5


def test_predictions_for_both_strands_are_those_of_the_network(trainings, by_hand):
    model, _, parts = by_hand
    table = by_figure(trainings)["fig4_strands"].query("arm == 'standard-16'")
    assert list(table["sequence"]) == list(range(len(parts.test)))
    assert (table["label"].to_numpy() == parts.test.labels[:, 0]).all()
    np.testing.assert_allclose(table["forward"], rcviz.predict(model, parts.test)[:, 0], atol=1e-6)
    np.testing.assert_allclose(table["reverse"], rcviz.predict(model, parts.test.reverse_complement())[:, 0], atol=1e-6)


def test_filters_come_best_first_with_their_weights(store):
    table = by_figure(run_figures("fig5", arms=["RC-8"], store=store, **QUICK))["fig5_filters"]
    (arm,) = [arm.arm for arm in arms_of("fig5", scale="quick", epochs=1) if arm.name == "RC-8"]
    parts, _ = load_splits("CTCF", "random", scale="quick", data=None)
    model = rcviz.build_model(arm.model, seed=0)
    with one_thread():
        rcviz.fit(model, parts.train, parts.valid, arm.training, progress=False)
    bank = rcviz.filter_bank(model)
    assert list(table["rank"]) == list(range(1, 9))
    assert table["score"].is_monotonic_decreasing
    columns = [f"{base}{position}" for base in "ACGT" for position in range(15)]
    weights = table[columns].to_numpy(dtype=float).reshape(8, 4, 15)
    np.testing.assert_allclose(weights, bank.weights[table["filter"].to_numpy()], atol=1e-6)
    assert set(table["verdict"]) <= {"none", "genuine", "hybrid", "low complexity", "inactive", "unknown"}
    assert table["ctcf_p_value"].between(0, 1).all()


def test_shares_of_the_training_set_are_arms_of_one_sweep(store):
    """Only all seven trainings of Figure 6 show that arms of one name and several shares are kept apart."""
    trainings = run_figures("fig6", arms=["standard-16"], store=store, **{**QUICK, "seeds": [3]})
    runs = by_figure(trainings)["fig6_runs"].query("strategy == 'none'")
    whole = runs.loc[runs["fraction"] == 1, "n_train"].item()
    assert list(runs["n_train"]) == [round(fraction * whole) for fraction in runs["fraction"]]
    assert list(runs["fraction"]) == [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert set(runs["seed"]) == {3}


@pytest.fixture(scope="module")
def matched(store):
    """Two arms of "matched" for one epoch, seeds 0 and 2."""
    arms = ["RC-20, flattened", "standard-20, weighted sum"]
    return run_figures("matched", arms=arms, store=store, **{**QUICK, "seeds": [0, 2]})


def test_every_seed_of_matched_has_its_own_data_and_both_arms_of_a_seed_the_same(matched):
    tables = by_figure(matched)
    perfect = tables["matched_perfect"]
    for seed in (0, 2):
        parts, _ = load_splits(SET_PER_SEED, "random", scale="quick", data=None, seed=seed)
        expected = score_perfect(parts).assign(seed=seed)
        pd.testing.assert_frame_equal(perfect[perfect["seed"] == seed].reset_index(drop=True), expected)
    assert not perfect.duplicated(["part", "task", "auroc"]).any()
    runs = tables["matched_runs"].query("strategy in ('none', 'shared')")
    assert sorted(zip(runs["arm"], runs["seed"], strict=True)) == [
        (arm, seed) for arm in ("RC-20, flattened", "standard-20, weighted sum") for seed in (0, 2)
    ]


def test_scores_of_matched_are_those_of_the_network_and_of_its_averages(matched):
    tables = by_figure(matched)
    (arm,) = [arm.arm for arm in arms_of("matched", scale="quick", epochs=1) if arm.name == "standard-20, weighted sum"]
    parts, _ = load_splits(SET_PER_SEED, "random", scale="quick", data=None, seed=2)
    model = rcviz.build_model(arm.model, seed=2)
    with one_thread():
        rcviz.fit(model, parts.train, parts.valid, dataclasses.replace(arm.training, seed=2), progress=False)
    scores = tables["matched_scores"].query("arm == 'standard-20, weighted sum' and seed == 2")
    expected = score_parts(model, parts)
    pd.testing.assert_frame_equal(scores[[*expected]].reset_index(drop=True), expected, rtol=1e-4)
    means = scores.groupby(["part", "strands"])["auroc"].mean()
    runs = tables["matched_runs"].query("seed == 2").set_index("arm")["test_auroc"]
    for name, strands in (("", GIVEN), (", both strands averaged", LOGITS_AVERAGED)):
        assert runs[f"standard-20, weighted sum{name}"] == pytest.approx(means["test", strands], abs=1e-6)


def test_tables_of_matched_are_read_as_they_were_written(matched, tmp_path):
    written = write_tables(matched, tmp_path)
    kinds = ("epochs", "perfect", "runs", "scores")
    assert sorted(path.name for path in written) == [f"matched_{kind}.csv.gz" for kind in kinds]
    results = read_results(tmp_path)
    for name, table in by_figure(matched).items():
        pd.testing.assert_frame_equal(results[name], table, check_dtype=False, rtol=1e-5, atol=1e-9)


def test_tables_are_read_as_they_were_written(trainings, tmp_path):
    written = write_tables(trainings, tmp_path)
    assert sorted(path.name for path in written) == [
        f"fig4_fig7a_{kind}.csv.gz" for kind in ("epochs", "runs", "strands")
    ]
    before = [path.read_bytes() for path in written]
    assert [path.read_bytes() for path in write_tables(trainings, tmp_path)] == before
    results = read_results(tmp_path)
    for name, table in by_figure(trainings).items():
        pd.testing.assert_frame_equal(results[name], table, check_dtype=False, rtol=1e-5, atol=1e-9)


def test_two_files_with_the_same_figure_are_refused(trainings, tmp_path):
    (first, *_) = [path for path in write_tables(trainings, tmp_path) if path.name.endswith("_runs.csv.gz")]
    (tmp_path / "again_runs.csv.gz").write_bytes(first.read_bytes())
    with pytest.raises(ValueError, match="fig4_runs"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"no gzip", gzip.compress(b"a,b\n1,2\n", mtime=0), gzip.compress(b"\xff\xfe", mtime=0)]
)
def test_a_file_that_is_not_such_a_table_is_named(content, tmp_path):
    (tmp_path / "fig3_runs.csv.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"fig3_runs\.csv\.gz"):
        read_results(tmp_path)


def test_the_command_writes_tables_and_goes_on_where_it_was(store, tmp_path, capsys):
    command = ["fig7a", "--scale", "quick", "--epochs", "1", "--seeds", "1", "--jobs", "1"]
    command += ["--arms", "RC-16", "--arms", "standard-16", "--store", str(store), "--out", str(tmp_path)]
    before = {path: path.read_bytes() for path in store.glob("*.json")}
    assert main(command) == 0
    assert {path: path.read_bytes() for path in store.glob("*.json")} == before
    assert "RC-16" in capsys.readouterr().out
    assert set(read_results(tmp_path)) == {"fig7a", "fig7a_runs"}


def test_failed_runs_are_reported_and_the_others_written(tmp_path, monkeypatch, capsys):
    from rcviz.sweeps import runner

    train_run = runner.train_run

    def failing(run, splits, checkpoint):
        if run.arm.model.architecture == "standard":
            raise MemoryError("out of memory")
        return train_run(run, splits, checkpoint)

    monkeypatch.setattr(runner, "train_run", failing)
    command = ["fig7a", "--scale", "quick", "--epochs", "1", "--seeds", "1", "--jobs", "1"]
    command += ["--arms", "RC-16", "--arms", "standard-16", "--store", str(tmp_path / "s"), "--out", str(tmp_path)]
    assert main(command) == 1
    assert "MemoryError" in capsys.readouterr().err
    assert set(read_results(tmp_path)["fig7a_runs"]["arm"]) == {"RC-16"}
    with pytest.warns(FailedRunsWarning):
        run_figures("fig7a", arms=["RC-16", "standard-16"], store=tmp_path / "s", **QUICK)


@pytest.mark.parametrize(
    ("command", "argument"),
    [
        (["fig4"], "data="),
        (["fig1"], "figure"),
        (["fig3", "--seeds", "ten"], "--seeds"),
        (["fig3", "--seeds", "1,x"], "--seeds"),
        (["fig3", "--scale", "small"], "scale"),
        (["fig3", "--scale", "quick", "--arms", "RC-9"], "arms"),
        (["report", "--results", "nowhere"], "nowhere"),
    ],
)
def test_wrong_input_is_one_sentence(command, argument, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(command) == 2
    message = capsys.readouterr().err
    assert message.startswith("paper: ")
    assert argument in message
    assert list(tmp_path.iterdir()) == []
