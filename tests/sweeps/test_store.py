"""A record is whole or absent, whatever else lies in the folder."""

import json
import threading

import numpy as np
import pytest

from rcviz.sweeps.store import FORMAT, Store, as_json

ID, OTHER = "0123456789abcdef", "fedcba9876543210"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "new" / "store")


def test_what_is_written_is_read(store):
    record = {"id": ID, "history": [1.5, None], "words": "β"}
    store.write(record)
    assert store.read(ID) == {"format": FORMAT, **record}
    assert [record["id"] for record in store.read_all()] == [ID]
    assert store.read(OTHER) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"format": "rcviz.sweep.run.v1", "id": "0123456789ab',
        '{"id": "0123456789abcdef"}',
        '{"format": "rcviz.sweep.run.v0", "id": "0123456789abcdef"}',
        json.dumps({"format": FORMAT, "id": OTHER}),
        "[1, 2]",
        "\x00\x01",
    ],
)
def test_half_written_and_foreign_files_are_not_records(store, content):
    (store.folder / f"{ID}.json").write_text(content)
    assert store.read(ID) is None
    assert store.read_all() == []
    store.write({"id": ID})
    assert store.read(ID) is not None


def test_other_files_are_left_alone(store):
    for name in ("notes.json", f".{ID}.json.x7f3", f"{ID}.failed.json", f"{ID}.checkpoint.safetensors"):
        (store.folder / name).write_text(json.dumps({"format": FORMAT, "id": ID}))
    assert store.read_all() == []


def test_a_record_that_exists_is_kept(store):
    store.write({"id": ID, "seconds": 1})
    store.write({"id": ID, "seconds": 2})
    assert store.read(ID)["seconds"] == 1


def test_success_removes_checkpoint_and_failure(store):
    store.write_failure({"id": ID, "error": "no memory"})
    store.checkpoint(ID).write_text("state")
    assert {path.name for path in store.folder.iterdir()} == {f"{ID}.failed.json", f"{ID}.checkpoint.safetensors"}
    store.write({"id": ID})
    assert [path.name for path in store.folder.iterdir()] == [f"{ID}.json"]


def test_what_killed_sweeps_left_is_removed(store):
    """Half-written files, and the checkpoint of a run that another sweep has finished meanwhile."""
    for name in (f".{ID}.json.abcd1234.unfinished", f".{OTHER}.checkpoint.safetensors.zy_x9876.unfinished"):
        (store.folder / name).mkdir()
        (store.folder / name / "half").write_text("{")
    store.write({"id": ID})
    for run in (ID, OTHER):
        store.checkpoint(run).write_text("state")
    store.tidy()
    assert {path.name for path in store.folder.iterdir()} == {f"{ID}.json", f"{OTHER}.checkpoint.safetensors"}


def test_numbers_that_json_does_not_have(store):
    content = {"a": np.float32(0.5), "b": (np.int64(2), float("nan")), "c": np.array([[True], [False]])}
    assert as_json(content) == {"a": 0.5, "b": [2, None], "c": [[True], [False]]}
    with pytest.raises(ValueError, match="JSON"):
        store.write({"id": ID, "loss": float("inf")})
    assert list(store.folder.iterdir()) == []


def test_a_reader_never_sees_a_part(store):
    """Written anew again and again, while another thread reads."""
    stop, seen = threading.Event(), []

    def read():
        while not stop.is_set():
            seen.append(store.read(ID))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(30):
        (store.folder / f"{ID}.json").unlink(missing_ok=True)
        store.write({"id": ID, "number": number, "long": list(range(5000))})
    while not any(record is not None for record in seen):
        pass
    stop.set()
    reader.join()
    assert all(record is None or len(record["long"]) == 5000 for record in seen)
