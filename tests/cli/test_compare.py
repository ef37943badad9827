"""rcviz compare: the library's answer as text, tables and a figure; the same command goes on where it was."""

import json

import pandas as pd
import pytest

import rcviz
from rcviz.sweeps import runner

SMALL = [
    *("--n-filters", 2, "--seeds", 1, "--epochs", 1, "--samples-per-epoch", 40, "--batch-size", 20, "--device", "cpu"),
    *("--train", "chr1", "--valid", "chr2", "--jobs", 1),
]


def without(*names):
    """The options but some, each of which takes one value."""
    pairs = zip(SMALL[::2], SMALL[1::2], strict=True)
    return [part for pair in pairs if pair[0] not in names for part in pair]


def test_it_gives_what_the_library_gives(run, dataset, work):
    result = run("compare", dataset, *SMALL, "--out", "tables", "--plot", "figure.png", "--json")
    assert result.exit_code == 0, result.stderr
    values = json.loads(result.stdout)
    parts = rcviz.split_by_chromosome(rcviz.SequenceSet.load(dataset), train="chr1", valid="chr2", test="chr3")
    training = {"epochs": 1, "samples_per_epoch": 40, "batch_size": 20, "device": "cpu"}
    expected = rcviz.compare_strategies(parts, n_filters=2, seeds=1, training=training, n_jobs=1, progress=False)
    assert [row["auroc"] for row in values["test"]] == pytest.approx(expected.test["auroc"].tolist(), abs=1e-12)
    assert values["summary"] == expected.summary()
    assert values["n_sequences"] == {"train": 40, "valid": 40, "test": 40}
    assert values["files"] == [
        *(f"tables/{name}.csv" for name in ("comparison", "test", "runs", "epochs")),
        "figure.png",
    ]
    assert len(pd.read_csv("tables/test.csv")) == 6
    assert (work / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((work / "runs" / "compare").glob("*.json"))) == 5


def test_the_text_describes_the_arms_and_ends_with_the_sentence(run, dataset, work, monkeypatch):
    first = run("compare", dataset, *SMALL)
    assert first.exit_code == 0, first.stderr
    for name in ("shared", "standard, twice the filters", "siamese", "too few seeds to tell", "test auroc"):
        assert name in first.stdout
    monkeypatch.setattr(runner, "train_run", None)  # nothing is trained again
    assert run("compare", dataset, *SMALL).stdout == first.stdout


def test_runs_that_fail_end_with_code_1_and_the_others_are_shown(run, dataset, work):
    result = run("compare", dataset, *without("--epochs"), "--learning-rate", 1e30, "--epochs", 5)
    assert result.exit_code == 1
    assert "FloatingPointError" in result.stderr
    assert "nothing to compare" in result.stdout


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--seeds", "many"], "--seeds"),
        (["--seeds", ","], "--seeds"),
        (["--seeds", "9" * 30], "--seeds"),
        (["--train", ","], "--train is empty"),
        (["--plot", "."], "its ending must be"),
        (["--metric", "accuracy"], "--metric"),
        (["--plot", "figure.txt"], "figure.txt"),
        (["--plot", "nowhere/figure.png"], "nowhere"),
        (["--test", "none"], "test part is empty"),
        (["--split", "chr8/chr9/rest"], "preset"),
        (["--learning-rate", "-1"], "learning_rate"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_trained(refused, dataset, work, options, word):
    given = ("--train", "--valid") if "--split" in options else options[::2]
    arguments = without(*given)
    assert word in refused("compare", dataset, *arguments, *options)
    assert not (work / "runs").exists()


def test_values_are_compared_by_their_metrics(run, refused, values, work):
    result = run("compare", values, *SMALL, "--metric", "mse", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    parts = rcviz.split_by_chromosome(rcviz.SequenceSet.load(values), train="chr1", valid="chr2", test="chr3")
    training = {"epochs": 1, "samples_per_epoch": 40, "batch_size": 20, "device": "cpu"}
    expected = rcviz.compare_strategies(parts, n_filters=2, seeds=1, training=training, n_jobs=1, progress=False)
    assert [row["mse"] for row in found["test"]] == pytest.approx(expected.test["mse"].tolist())
    assert found["summary"] == expected.summary(metric="mse")
    assert "test pearson" in run("compare", values, *SMALL).stdout
    assert "--metric" in refused("compare", values, *SMALL, "--metric", "auroc")
    assert "loss" in refused("compare", values, *SMALL, "--loss", "bce")
