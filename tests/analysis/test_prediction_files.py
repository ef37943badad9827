"""Predictions as files: those of the library, for both strands, with coordinates, block by block."""

import bioframe
import numpy as np
import pandas as pd
import pytest

import rcviz
from rcviz.analysis import prediction_files

N, LENGTH = 25, 40


@pytest.fixture(scope="module")
def model():
    config = rcviz.ModelConfig.one_layer(
        "standard", n_filters=3, kernel_sizes=(7,), pool_size=9, sequence_length=LENGTH, n_tasks=2
    )
    return rcviz.build_model(config).double()


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, (N, 2)).astype(float)
    labels[3, 1] = np.nan
    return rcviz.SequenceSet(
        rng.integers(0, 5, (N, LENGTH)).astype(np.uint8), labels, task_names=["CTCF", "SPI1"],
        chrom=[f"chr{i % 3}" for i in range(N)], start=np.arange(N) * 7, end=np.arange(N) * 7 + LENGTH,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """25 sequences are four blocks."""
    monkeypatch.setattr(prediction_files, "_AT_ONCE", 7)


def expected(model, data, output=None):
    forward = rcviz.predict(model, data, output=output)
    reverse = rcviz.predict(model, rcviz.reverse_complement(data.codes), output=output)
    return forward.ravel(), reverse.ravel()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("output", [None, "logit"])
def test_a_table_has_a_row_per_sequence_and_task(tmp_path, model, data, ending, output):
    path = tmp_path / f"out.{ending}"
    summary = rcviz.save_predictions(model, data, path, output=output, progress=False)
    table = pd.read_csv(path) if ending == "csv" else pd.read_parquet(path)
    forward, reverse = expected(model, data, output)
    assert table["chrom"].tolist() == np.repeat(data.table["chrom"], 2).tolist()
    assert table["start"].tolist() == np.repeat(np.arange(N) * 7, 2).tolist()
    assert table["task"].tolist() == ["CTCF", "SPI1"] * N
    np.testing.assert_array_equal(table["label"], data.labels.ravel())
    np.testing.assert_allclose(table["forward"], forward, rtol=1e-12)
    np.testing.assert_allclose(table["reverse"], reverse, rtol=1e-12)
    np.testing.assert_allclose(table["prediction"], (forward + reverse) / 2, rtol=1e-12)
    np.testing.assert_allclose(table["gap"], np.abs(forward - reverse), rtol=1e-9, atol=1e-15)
    assert summary["n"].tolist() == [N, N]
    by_task = table.groupby("task")
    np.testing.assert_allclose(summary["mean_prediction"], by_task["prediction"].mean(), rtol=1e-12)
    np.testing.assert_allclose(summary["mean_gap"], by_task["gap"].mean(), rtol=1e-9)
    np.testing.assert_allclose(summary["max_gap"], by_task["gap"].max(), rtol=1e-12)


def test_a_bed_file_is_bed6_with_more_columns(tmp_path, model, data):
    """bioframe reads it, and so does the reader of peaks: with the prediction as signal and without summits."""
    path = tmp_path / "out.bed"
    rcviz.save_predictions(model, data, path, progress=False)
    header, *lines = path.read_text().splitlines()
    assert header.split("\t")[:6] == ["#chrom", "start", "end", "name", "score", "strand"]
    table = bioframe.read_table(path, names=header.lstrip("#").split("\t"), comment="#")
    assert len(table) == len(lines) == 2 * N
    forward, reverse = expected(model, data)
    np.testing.assert_array_equal(table["score"], np.rint(500 * (forward + reverse)))
    np.testing.assert_allclose(table["prediction"], (forward + reverse) / 2, rtol=1e-12)
    assert table["name"][0] == f"chr0:0-{LENGTH}"
    peaks = rcviz.read_peaks(path)
    assert (peaks["summit"] == -1).all()
    np.testing.assert_allclose(peaks["signal"], table["prediction"])
    plain = rcviz.SequenceSet(data.codes)
    with pytest.raises(ValueError, match="needs coordinates"):
        rcviz.save_predictions(model, plain, tmp_path / "no.bed", progress=False)
    assert not (tmp_path / "no.bed").exists()


def test_files_are_read_while_they_are_predicted(tmp_path, model, data):
    data.save(tmp_path / "data.safetensors")
    data.to_fasta(tmp_path / "data.fa")
    names = ["CTCF", "SPI1"]
    rcviz.save_predictions(model, data, tmp_path / "a.csv", progress=False)
    rcviz.save_predictions(model, tmp_path / "data.safetensors", tmp_path / "b.csv", progress=False)
    rcviz.save_predictions(model, tmp_path / "data.fa", tmp_path / "c.csv", task_names=names, progress=False)
    first, second, third = (pd.read_csv(tmp_path / f"{name}.csv") for name in "abc")
    pd.testing.assert_frame_equal(first, second)
    shared = ["chrom", "start", "end", "task", "forward", "reverse", "gap"]
    pd.testing.assert_frame_equal(first[shared], third[shared])


def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path, model, data):
    with pytest.raises(ValueError, match=r"reads sequences of 40 bp, .* have 5: cut windows"):
        rcviz.save_predictions(model, ["ACGTA"], tmp_path / "a.csv", progress=False)
    with pytest.raises(ValueError, match=r"ending must be one of .csv, .bed, .parquet"):
        rcviz.save_predictions(model, data, tmp_path / "a.txt", progress=False)
    with pytest.raises(ValueError, match="expected 2 task_names"):
        rcviz.save_predictions(model, data.codes, tmp_path / "a.csv", task_names=["x"], progress=False)
    (tmp_path / "two.fa").write_text(f">a\n{'A' * LENGTH}\n>b\n{'A' * 9}\n")
    with pytest.raises(ValueError, match=r"two\.fa, line 3: record 'b' has 9 bp"):
        rcviz.save_predictions(model, tmp_path / "two.fa", tmp_path / "a.csv", progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["two.fa"]
