"""Files are complete or do not exist."""

import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rcviz._core.files import DiskFullError, atomic_write, remove, remove_unfinished


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_appears_at_once(tmp_path):
    path = tmp_path / "result"
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent.parent == tmp_path
        (temporary.parent / ".tmpx").write_text("as some libraries make beside what they write")
    assert path.read_text() == "new"
    assert names(tmp_path) == ["result"]


def test_an_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "result"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["result"]


def test_the_file_is_an_ordinary_one(tmp_path):
    (tmp_path / "plain").write_text("")
    with atomic_write(tmp_path / "result") as temporary:
        temporary.write_text("")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "result")}
    assert len(modes) == 1


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist; create it first"):
        atomic_write(tmp_path / "nowhere" / "result").__enter__()


class TestWhatKilledProcessesLeave:
    """It goes when the file is written again, and what another process is at work on stays."""

    @pytest.fixture
    def left(self, tmp_path):
        """Names that a killed process, one at each of two files, left in the folder."""
        script = """
import os, sys
from rcviz._core.files import atomic_write
kept = []
for name in ("result", "other[1]"):
    kept.append(atomic_write(os.path.join(sys.argv[1], name)))
    kept[-1].__enter__().write_text("half")
os._exit(9)
"""
        assert subprocess.run([sys.executable, "-c", script, tmp_path], check=False).returncode == 9
        found = names(tmp_path)
        assert len(found) == 2
        assert all(name.startswith(".") for name in found)
        return found

    def test_it_goes_when_the_file_is_written_again(self, tmp_path, left):
        with atomic_write(tmp_path / "result") as temporary:
            temporary.write_text("new")
        assert names(tmp_path) == sorted([next(name for name in left if "other" in name), "result"])

    @pytest.mark.parametrize("step", ["rename", "rmdir", "replace"])
    def test_once_a_file_has_its_name_nothing_is_left(self, tmp_path, step):
        """Killed just before the last steps, the new file is not there yet, and writing it again tidies."""
        script = """
import os, pathlib, sys
from rcviz._core.files import atomic_write
where, step = sys.argv[1:]
owner = os if step == "rmdir" else pathlib.Path
with atomic_write(os.path.join(where, "result")) as temporary:
    temporary.write_text("new")
    setattr(owner, step, lambda *arguments, **options: os._exit(9))
"""
        (tmp_path / "result").write_text("old")
        killed = subprocess.run([sys.executable, "-c", script, tmp_path, step], check=False)
        assert killed.returncode == 9
        assert (tmp_path / "result").read_text() == "old"
        assert len(names(tmp_path)) > 1
        with atomic_write(tmp_path / "result") as temporary:
            temporary.write_text("new")
        assert names(tmp_path) == ["result"]

    def test_it_goes_with_the_file(self, tmp_path, left):
        (tmp_path / "other[1]").write_text("whole")
        remove(tmp_path / "other[1]")
        assert names(tmp_path) == [name for name in left if "result" in name]

    def test_it_goes_from_a_folder(self, tmp_path, left):
        (tmp_path / ".result.own").mkdir()
        (tmp_path / ".result.original.bak").write_text("of somebody else")
        remove_unfinished(tmp_path)
        assert names(tmp_path) == [".result.original.bak", ".result.own"]

    def test_what_is_being_written_stays(self, tmp_path):
        with atomic_write(tmp_path / "result") as first:
            first.write_text("first")
            with atomic_write(tmp_path / "result") as second:
                second.write_text("second")
            assert (tmp_path / "result").read_text() == "second"
            remove_unfinished(tmp_path)
            assert first.read_text() == "first"
        assert (tmp_path / "result").read_text() == "first"
        assert names(tmp_path) == ["result"]

    def test_without_locks_nothing_is_removed(self, tmp_path, left, monkeypatch):
        import fcntl

        def none(*arguments):
            raise OSError("no locks on this file system")

        monkeypatch.setattr(fcntl, "flock", none)
        with atomic_write(tmp_path / "result") as temporary:
            temporary.write_text("new")
        assert names(tmp_path) == sorted([*left, "result"])


def test_an_error_that_is_not_for_want_of_room_is_the_librarys_own(tmp_path):
    with pytest.raises(PermissionError, match="not yours"), atomic_write(tmp_path / "result"):
        raise PermissionError("not yours")


def test_a_full_disk_is_reported_once(tmp_path):
    """As where a file and its index are written together."""
    with (
        pytest.raises(DiskFullError, match=r"^cannot write .*/index: no space left on device: free some space"),
        atomic_write(tmp_path / "codes"),
        atomic_write(tmp_path / "index"),
    ):
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert names(tmp_path) == []


def test_whoever_writes_files_writes_them_whole():
    writes = re.compile(
        r"\.(write_text|write_bytes|to_csv|to_parquet)\(|\.open\(\"[wxra]b?\+|\.open\(\"[wxa]|copyfile|savez|save_file\(|onnx\.save_model\("
    )
    root = Path(__file__).parents[2] / "rcviz"
    found = {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*.py")}
    of_files = {name for name, text in found.items() if writes.search(text)}
    assert len(of_files) > 15
    of_files.remove("sweeps/machine.py")  # a switch of the kernel's
    assert [name for name in sorted(of_files) if "atomic_write" not in found[name]] == []
