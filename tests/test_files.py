"""Files are whole or not there."""

import stat

import pytest

from rcviz._files import written_whole


def test_a_file_appears_at_once(tmp_path):
    path = tmp_path / "result"
    with written_whole(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent == tmp_path
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result"]


def test_an_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "result"
    path.write_text("old")
    with pytest.raises(RuntimeError), written_whole(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result"]


def test_the_file_is_an_ordinary_one(tmp_path):
    (tmp_path / "plain").write_text("")
    with written_whole(tmp_path / "result") as temporary:
        temporary.write_text("")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "result")}
    assert len(modes) == 1


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist; create it first"):
        written_whole(tmp_path / "nowhere" / "result").__enter__()
