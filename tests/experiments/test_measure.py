"""What a record says is what the trained network does."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

import rcviz
from rcviz.experiments.measure import measure
from rcviz.experiments.runner import one_thread
from rcviz.experiments.sources import load_parts
from rcviz.experiments.tables import filters_table, history_table, runs_table, strands_table
from rcviz.metrics import auroc


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """One short training of three strategies: the run, its record, and the same network trained by hand."""
    from rcviz.experiments import arms, runs

    done = {}
    chosen = [arm for arm in arms.arms_of("fig4", scale="quick", epochs=1) if arm.strategy != "augmented"]
    for run in runs.runs_of(chosen, (1,), scale="quick", data=None):
        with one_thread():
            record = {**measure(run, tmp_path_factory.mktemp("run") / "checkpoint"), "format": ""}
            model = rcviz.build_model(run.arm.model, seed=1)
            learner = rcviz.RevCompConjoined(model) if run.arm.strategy == "siamese" else model
            parts = load_parts(run.source, 1, 1.0)
            history = rcviz.fit(learner, parts.train, parts.valid, run.training, progress=False)
        done[run.arm.name] = (run, record, model, parts, history)
    return done


def probabilities(model, codes):
    """Straight through the modules, one strand, in double precision from the logits on."""
    with torch.no_grad():
        logits = model.eval()(torch.from_numpy(rcviz.one_hot(codes)))
    return logits[:, 0].double().numpy()


@pytest.mark.parametrize("name", ["standard-16", "RC-16", "standard-16, siamese"])
def test_the_history_is_that_of_the_training(measured, name):
    _, record, _, _, history = measured[name]
    table = history_table([record]).query("figure == 'fig4'")
    pd.testing.assert_frame_equal(
        table[["epoch", "split", "loss", "auroc", "auprc"]].reset_index(drop=True), history.table
    )
    assert record["best_epoch"] == history.best_epoch


@pytest.mark.parametrize("part", ["valid", "test"])
def test_post_hoc_rows_are_averages_of_both_strands_done_by_hand(measured, part):
    name = "standard-16"
    _, record, model, parts, _ = measured[name]
    data = getattr(parts, part)
    labels, codes = data.labels[:, 0], data.codes
    forward, reverse = probabilities(model, codes), probabilities(model, 3 - codes[:, ::-1])
    by_hand = {
        name: forward,
        f"{name}, both strands averaged": forward + reverse,
        f"{name}, both strands' probabilities averaged": 1 / (1 + np.exp(-forward)) + 1 / (1 + np.exp(-reverse)),
    }
    table = runs_table([record]).query("figure == 'fig4'").set_index("arm")
    assert list(table.index) == list(by_hand)
    for arm, scores in by_hand.items():
        assert table.loc[arm, f"{part}_auroc"] == pytest.approx(auroc(labels, scores), abs=1e-9)
    assert list(table["strategy"][1:]) == ["posthoc", "posthoc_probability"]
    assert not table["paper"][1:].any()
    assert (table["gap_max"][1:] == 0).all()


@pytest.mark.parametrize("average", ["logit", "probability"])
def test_post_hoc_rows_are_what_the_wrapper_scores(measured, average):
    _, record, model, parts, _ = measured["standard-16"]
    wrapped = rcviz.evaluate(rcviz.RevCompConjoined(model, average=average), parts.test)
    assert record["scores"]["conjoined"]["test"][average]["auprc"] == pytest.approx(wrapped["auprc"][0], abs=1e-6)


@pytest.mark.parametrize("name", ["RC-16", "standard-16, siamese"])
def test_networks_that_know_both_strands_are_not_averaged_again(measured, name):
    record = measured[name][1]
    assert "conjoined" not in record["scores"]
    assert record["gap"]["probability"]["max"] < 1e-5
    assert len(runs_table([record]).query("figure == 'fig4'")) == 1


def test_the_gap_is_that_of_the_best_network(measured):
    _, record, model, parts, _ = measured["standard-16"]
    agreement = rcviz.strand_agreement(model, parts.valid)
    assert record["gap"]["probability"] == {
        "max": pytest.approx(agreement.max_gap, abs=1e-6),
        "mean": pytest.approx(agreement.mean_gap, abs=1e-6),
    }
    assert record["gap"]["probability"]["max"] > 0.01


def test_both_predictions_of_figure_4_are_in_the_table(measured):
    _, record, model, parts, _ = measured["standard-16"]
    table = strands_table([record]).query("figure == 'fig4'")
    assert list(table["sequence"]) == list(range(len(parts.test)))  # fewer than the ten thousand shown at most
    assert (table["label"].to_numpy() == parts.test.labels[:, 0]).all()
    np.testing.assert_allclose(table["forward"], rcviz.predict(model, parts.test)[:, 0], atol=1e-6)
    np.testing.assert_allclose(table["reverse"], rcviz.predict(model, parts.test.reverse_complement())[:, 0], atol=1e-6)


def test_a_record_says_what_was_trained_on_what_and_by_what(measured):
    run, record, model, parts, history = measured["RC-16"]
    assert rcviz.ModelConfig(**record["model"]) == run.arm.model
    assert rcviz.TrainConfig(**record["training"]) == run.training
    (row,) = runs_table([record]).query("figure == 'fig4'").to_dict("records")
    assert row["n_parameters"] == rcviz.count_parameters(model)
    assert row["n_train"] == len(parts.train)
    assert row["n_train_positive"] == len(parts.train.positives())
    assert row["chromosomes"] == "at random, 70% train, 15% valid, 15% test"
    assert row["wall_seconds"] == sum(epoch["seconds"] for epoch in record["history"])
    assert row["cpu_seconds"] > 0
    assert 50 < row["peak_memory_mb"] < 10_000
    assert row["threads"] == 1
    assert len(history.records) == row["n_epochs"] == 1


def test_one_record_is_in_every_figure_that_shows_it(measured):
    record = measured["RC-16"][1]
    assert {*runs_table([record])["figure"]} == {"fig4", "fig6", "fig7a", "fig7b"}


def test_filters_of_figure_5_come_best_first_with_their_weights(tmp_path, quick_runs):
    run = quick_runs("fig5", ["RC-8"])[0]
    with one_thread():
        record = measure(run, tmp_path / "checkpoint")
        model = rcviz.build_model(run.arm.model, seed=0)
        parts = load_parts(run.source, 0, 1.0)
        rcviz.fit(model, parts.train, parts.valid, run.training, progress=False)
    table = filters_table([record]).query("figure == 'fig5'")
    assert list(table["rank"]) == list(range(1, 9))
    assert table["score"].is_monotonic_decreasing
    bank = rcviz.filter_bank(model)
    columns = [f"{base}{position}" for base in "ACGT" for position in range(15)]
    for _, row in table.iterrows():
        weights = row[columns].to_numpy(dtype=float).reshape(4, 15)
        np.testing.assert_allclose(weights, bank.weights[row["filter"]], atol=1e-6)
        np.testing.assert_allclose(weights.sum(axis=0), 0, atol=1e-5)
    assert set(table["verdict"]) <= {"none", "genuine", "hybrid"}
    assert table["ctcf_p_value"].between(0, 1).all()


def test_a_run_that_was_cut_off_goes_on_with_the_same_numbers(tmp_path, quick_runs, no_times):
    (run,) = quick_runs("fig4", ["standard-16"], epochs=2)
    with one_thread():
        whole = measure(run, tmp_path / "whole")
        parts = load_parts(run.source, run.seed, 1.0)
        epochs = rcviz.train_epochs(
            rcviz.build_model(run.arm.model, seed=run.seed),
            parts.train,
            parts.valid,
            run.training,
            checkpoint=tmp_path / "cut",
        )
        next(epochs)
        epochs.close()
        resumed = measure(run, tmp_path / "cut")
    for table in (history_table, runs_table, strands_table):
        pd.testing.assert_frame_equal(no_times(table([resumed])), no_times(table([whole])))
    assert resumed["seconds"]["cpu"] is None
    assert whole["seconds"]["cpu"] > 0


def test_the_model_and_the_set_of_a_run_are_left_for_the_next(measured):
    """Workers keep the sequences; a run must not have changed them."""
    run, *_, parts, _ = measured["RC-16"]
    assert load_parts(run.source, 1, 1.0).train is parts.train
    fresh = dataclasses.replace(run.source, fingerprint="")
    assert np.array_equal(load_parts(fresh, 1, 1.0).train.codes, parts.train.codes)
