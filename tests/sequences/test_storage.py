"""A saved set comes back as it was, and any other file is refused."""

import os
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

import rcviz
from rcviz.sequences import storage
from rcviz.sequences.sequence_set import SequenceSet, SimulatedSet

FORMAT = {"format": "rcviz.sequences", "version": "1", "kind": "SequenceSet"}
CODES = np.zeros((3, 4), np.uint8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def contents(draw):
    n, length, n_tasks = draw(st.integers(0, 5)), draw(st.integers(1, 9)), draw(st.integers(0, 3))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    start = draw(st.none() | st.just(rng.integers(0, 2**40, n)))
    return {
        "codes": rng.integers(0, 5, (n, length)).astype(np.uint8),
        "labels": rng.choice([0, 1, np.nan], (n, n_tasks)) if n_tasks else None,
        "task_names": draw(st.lists(st.text(), min_size=n_tasks, max_size=n_tasks, unique=True)) if n_tasks else None,
        "names": draw(st.none() | st.lists(st.text(), min_size=n, max_size=n)),
        "chrom": draw(st.none() | st.just([f"chr{i}" for i in range(n)])),
        "start": start,
        "end": None if start is None else start + length,
        "provenance": draw(st.dictionaries(st.text(), json_values, max_size=3)),
    }


@given(contents())
def test_loading_gives_back_what_was_saved(tmp_path_factory, content):
    data = SequenceSet(**content)
    path = tmp_path_factory.mktemp("sets") / "data.safetensors"
    data.save(path)
    loaded = SequenceSet.load(path)
    assert type(loaded) is SequenceSet
    np.testing.assert_array_equal(loaded.codes, data.codes)
    np.testing.assert_array_equal(loaded.labels, data.labels)
    pd.testing.assert_frame_equal(loaded.table, data.table)
    assert (loaded.task_names, loaded.provenance) == (data.task_names, data.provenance)


def test_a_view_saves_as_what_it_shows(tmp_path):
    data = SequenceSet(np.arange(20, dtype=np.uint8).reshape(4, 5)[::2, ::-2] % 5)
    data.save(tmp_path / "x")
    np.testing.assert_array_equal(SequenceSet.load(tmp_path / "x").codes, data.codes)


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "data.safetensors"
    SequenceSet(CODES).save(path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("safetensors.numpy.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        SequenceSet(CODES[:1]).save(path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_a_missing_file_or_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        SequenceSet.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="create it first"):
        SequenceSet(CODES).save(tmp_path / "no" / "folder")
    for memory_map in (False, True):
        with pytest.raises(IsADirectoryError, match=f"{tmp_path.name} is a folder"):
            SequenceSet.load(tmp_path, memory_map=memory_map)


def test_the_same_set_gives_the_same_file(tmp_path):
    """Three entries of metadata have six orders: twelve files that agree by chance would be rare."""
    data = SequenceSet(CODES, [1, 0, 1], names=["a", "b", "\u03b3"], provenance={"b": 1, "a": [2]})
    fields = data._fields(slice(None))
    codes = fields.pop("codes")
    saved, blocks = set(), set()
    for _ in range(12):
        data.save(tmp_path / "x")
        saved.add((tmp_path / "x").read_bytes())
        with storage.open_writer(tmp_path / "y", "SequenceSet", data.length) as writer:
            writer.append(codes)
            writer.fields = fields
        blocks.add((tmp_path / "y").read_bytes())
    assert (len(saved), len(blocks)) == (1, 1)


@pytest.mark.parametrize("n_bytes", [0, 4, 60, -1])
def test_a_file_truncated_anywhere_is_refused(tmp_path, n_bytes):
    path = tmp_path / "data.safetensors"
    SequenceSet(CODES, [1, 0, 1]).save(path)
    path.write_bytes(path.read_bytes()[:n_bytes])
    for memory_map in (False, True):
        with pytest.raises(ValueError, match="not a safetensors file"):
            SequenceSet.load(path, memory_map=memory_map)


@pytest.mark.parametrize("content", [b"PK\x03\x04 a zip, not a set", b"\xff" * 64, b">chr1\nACGT\n"])
def test_other_kinds_of_files_are_refused(tmp_path, content):
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a safetensors file"):
        SequenceSet.load(path)


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        ({"codes": CODES}, None, r"of another format \(no format given\)"),
        ({"codes": CODES}, {**FORMAT, "format": "rcviz.model"}, r"of another format \('rcviz.model'\)"),
        ({"codes": CODES}, {**FORMAT, "version": "2"}, "format version '2' but this rcviz reads version 1"),
        ({"codes": CODES}, {**FORMAT, "kind": "Model"}, "has 'Model', expected a SequenceSet"),
        ({"labels": np.ones(3)}, FORMAT, "is damaged .*codes"),
        ({"codes": CODES + 9}, FORMAT, r"is damaged .*codes 0 to 4"),
        ({"codes": CODES.astype(np.int64)}, FORMAT, "is damaged .*uint8"),
        ({"codes": CODES, "labels": np.ones(5)}, FORMAT, r"is damaged .*one row for each of the 3"),
        ({"codes": CODES, "surprise": CODES}, FORMAT, "is damaged .*surprise"),
        ({"codes": CODES, "names.json": np.frombuffer(b"[1,", np.uint8)}, FORMAT, "names.json' is not JSON"),
        ({"codes": CODES, "sites.a": np.ones(2), "sites.b": np.ones(3)}, FORMAT, "columns differ in length"),
    ],
)
def test_invalid_contents_are_refused(tmp_path, tensors, metadata, message):
    path = tmp_path / "data.safetensors"
    save_file(tensors, path, metadata)
    with pytest.raises(ValueError, match=message) as raised:
        SequenceSet.load(path)
    assert str(path) in str(raised.value)


def test_a_plain_set_is_not_loaded_as_a_simulated_one(tmp_path):
    path = tmp_path / "data.safetensors"
    SequenceSet(CODES).save(path)
    with pytest.raises(ValueError, match="has 'SequenceSet', expected a SimulatedSet"):
        SimulatedSet.load(path)


@given(contents(), st.integers(1, 4))
def test_a_set_written_block_by_block_is_the_set_that_was_saved(tmp_path_factory, content, n_at_once):
    data = SequenceSet(**content)
    folder = tmp_path_factory.mktemp("sets")
    data.save(folder / "saved")
    fields = data._fields(slice(None))
    with storage.open_writer(folder / "blocks", "SequenceSet", data.length) as writer:
        codes = fields.pop("codes")
        for first in range(0, len(data), n_at_once):
            writer.append(codes[first : first + n_at_once])
        writer.fields = fields
    for loaded in (SequenceSet.load(folder / "blocks"), SequenceSet.load(folder / "blocks", memory_map=True)):
        np.testing.assert_array_equal(loaded.codes, data.codes)
        np.testing.assert_array_equal(loaded.labels, data.labels)
        pd.testing.assert_frame_equal(loaded.table, data.table)
        assert (loaded.task_names, loaded.provenance) == (data.task_names, data.provenance)


def test_a_mapped_set_stays_in_its_file(tmp_path):
    rng = np.random.default_rng(0)
    data = SequenceSet(rng.integers(0, 5, (50, 30)).astype(np.uint8), rng.integers(0, 2, 50))
    data.save(tmp_path / "x")
    mapped = SequenceSet.load(tmp_path / "x", memory_map=True)
    assert isinstance(mapped.codes.base, np.memmap)
    np.testing.assert_array_equal(mapped.subset([3, 1]).codes, data.codes[[3, 1]])
    assert np.shares_memory(mapped.subset(slice(10, 20)).codes, mapped.codes)
    mapped.save(tmp_path / "x")
    np.testing.assert_array_equal(mapped.codes, data.codes)
    np.testing.assert_array_equal(SequenceSet.load(tmp_path / "x").codes, data.codes)


def test_a_set_that_is_not_completed_leaves_nothing(tmp_path):
    with (
        pytest.raises(OSError, match="disk full"),
        storage.open_writer(tmp_path / "x", "SequenceSet", 4) as writer,
    ):
        writer.append(CODES)
        raise OSError("disk full")
    assert list(tmp_path.iterdir()) == []


def test_a_mapped_file_must_hold_codes(tmp_path):
    save_file({"labels": np.zeros((3, 1), np.float32)}, tmp_path / "x", FORMAT)
    with pytest.raises(ValueError, match=r"is damaged: .*codes"):
        SequenceSet.load(tmp_path / "x", memory_map=True)
    save_file({"codes": np.zeros((3, 4), np.float32)}, tmp_path / "x", FORMAT)
    with pytest.raises(ValueError, match=r"is damaged: .*codes"):
        SequenceSet.load(tmp_path / "x", memory_map=True)


def test_a_set_larger_than_memory_is_mapped_or_refused(tmp_path, monkeypatch):
    path = tmp_path / "data.safetensors"
    SequenceSet(CODES).save(path)
    monkeypatch.setattr(storage, "machine_memory", lambda: path.stat().st_size - 1)
    with pytest.raises(ValueError, match="larger than this machine's memory: load it with memory_map=True"):
        SequenceSet.load(path)
    np.testing.assert_array_equal(SequenceSet.load(path, memory_map=True).codes, CODES)
    monkeypatch.setattr(storage, "machine_memory", lambda: path.stat().st_size)
    np.testing.assert_array_equal(SequenceSet.load(path).codes, CODES)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize("kind", ["set", "mapped set", "model"])
def test_a_pipe_is_read_as_its_file(tmp_path, kind):
    data = rcviz.SequenceSet(np.arange(40, dtype=np.uint8).reshape(4, 10) % 4, [0, 1, 0, 1])
    model = rcviz.build_model(
        rcviz.ModelConfig.one_layer("revcomp", sequence_length=29, n_filters=2, kernel_sizes=(5,), pool_size=5)
    )
    file, pipe = tmp_path / "file", tmp_path / "pipe"
    data.save(file) if "set" in kind else rcviz.save_model(model, file)
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(file.read_bytes()))
    writer.start()
    if kind == "model":
        again = rcviz.load_model(pipe)
        assert all(torch.equal(part, again.state_dict()[name]) for name, part in model.state_dict().items())
    else:
        again = rcviz.SequenceSet.load(pipe, memory_map=kind == "mapped set")
        np.testing.assert_array_equal(again.codes, data.codes)
    writer.join()
