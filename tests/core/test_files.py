"""Files are complete or do not exist."""

import os
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rcviz._core.files import DiskFullError, atomic_write, check_target, remove, remove_unfinished


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


def write(path, text="new"):
    with atomic_write(path) as temporary:
        temporary.write_text(text)


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path, monkeypatch):
    """Reading the umask means setting it, which other threads would notice."""
    script = "import os, sys; os.umask(0o027); from rcviz._core.files import atomic_write\n"
    script += "with atomic_write(sys.argv[1]) as temporary: os.umask = None; temporary.write_text('new')"
    subprocess.run([sys.executable, "-c", script, tmp_path / "result"], check=True)
    assert stat.S_IMODE((tmp_path / "result").stat().st_mode) == 0o640


class TestAFileThatIsReplaced:
    """It keeps what it was."""

    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755, 0o200])
    def test_permissions_are_kept(self, tmp_path, mode):
        path = tmp_path / "result"
        path.write_text("old")
        path.chmod(mode)
        modes = set()
        with atomic_write(path) as temporary:
            temporary.write_text("new")
            modes.add(stat.S_IMODE(temporary.parent.stat().st_mode) & 0o077)
        assert modes == {0}  # nobody else reads it earlier
        assert stat.S_IMODE(path.stat().st_mode) == mode
        path.chmod(0o600)
        assert path.read_text() == "new"

    def test_the_owner_is_kept_or_nobody_else_may_do_more(self, tmp_path, monkeypatch):
        path = tmp_path / "result"
        path.write_text("old")
        path.chmod(0o640)
        if os.geteuid() == 0:
            os.chown(path, 12345, 23456)
            write(path)
            assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)
            assert stat.S_IMODE(path.stat().st_mode) == 0o640

        def refused(*arguments):
            raise PermissionError

        monkeypatch.setattr(os, "chown", refused)
        write(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text() == "new"

    @pytest.mark.parametrize("exists", [True, False])
    def test_the_file_behind_a_link_is_written(self, tmp_path, exists):
        (tmp_path / "far").mkdir()
        (tmp_path / "near").mkdir()
        real, first, second = tmp_path / "far" / "real", tmp_path / "near" / "link", tmp_path / "link"
        first.symlink_to(Path("..") / "far" / "real")
        second.symlink_to(first)
        if exists:
            real.write_text("old")
            real.chmod(0o600)
        check_target(second, "the table")
        write(second)
        assert first.is_symlink()
        assert second.is_symlink()
        assert real.read_text() == second.read_text() == "new"
        assert not exists or stat.S_IMODE(real.stat().st_mode) == 0o600
        assert (names(tmp_path / "far"), names(tmp_path / "near")) == (["real"], ["link"])
        remove(second)
        assert not real.exists()
        assert second.is_symlink()

    def test_a_link_is_not_a_way_around_the_checks(self, tmp_path):
        (tmp_path / "genome.fa").write_text(">chr1")
        (tmp_path / "link.safetensors").symlink_to("genome.fa")
        with pytest.raises(ValueError, match=r"would overwrite .*genome\.fa"):
            check_target(tmp_path / "link.safetensors", "the dataset", inputs=[tmp_path / "genome.fa"])

    def special(self, folder, kind):
        path = folder / kind
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(os.fspath(path.relative_to(Path.cwd())))
        elif kind == "folder":
            path.mkdir()
        elif kind == "link to a device":
            path.symlink_to(os.devnull)
        elif kind == "loop":
            path.symlink_to("loop")
        else:
            path = Path(os.devnull)
        return path

    @pytest.mark.parametrize(
        ("kind", "word"),
        [
            ("pipe", "is a pipe"),
            ("socket", "is a socket"),
            ("folder", "is a folder"),
            ("device", "is a device"),
            ("link to a device", "is a device"),
            ("loop", "too many levels of symbolic links"),
        ],
    )
    def test_a_special_file_is_refused(self, tmp_path, monkeypatch, kind, word):
        monkeypatch.chdir(tmp_path)
        path = self.special(tmp_path, kind)
        before = path.lstat()
        with pytest.raises(ValueError, match=word):
            check_target(path, "the table")
        with pytest.raises(OSError, match=word):
            write(path)
        after = path.lstat()
        assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, before.st_size)

    def test_a_write_protected_file_is_refused(self, tmp_path):
        path = tmp_path / "result"
        path.write_text("old")
        path.chmod(0o444)
        with pytest.raises(ValueError, match=r"the table .*result: the existing file is write-protected"):
            check_target(path, "the table")
        with pytest.raises(PermissionError, match="write-protected"):
            write(path)
        assert path.read_text() == "old"
        assert stat.S_IMODE(path.stat().st_mode) == 0o444


@pytest.mark.parametrize("length", [224, 225, 226, 240, 255])
@pytest.mark.parametrize("letter", ["x", "\N{GREEK SMALL LETTER OMEGA}", "["])
def test_every_name_that_the_disk_takes_can_be_written(tmp_path, length, letter):
    width = len(letter.encode())
    path = tmp_path / ("y" * (length % width) + letter * (length // width))
    assert len(os.fsencode(path.name)) == length
    script = "import os, sys; from rcviz._core.files import atomic_write\n"
    script += "kept = atomic_write(sys.argv[1]); kept.__enter__(); "
    killed = subprocess.run([sys.executable, "-c", script + "os._exit(9)", path], check=False)
    assert killed.returncode == 9
    assert len(names(tmp_path)) == 1
    check_target(path, "the table")
    write(path)
    assert names(tmp_path) == [path.name]
    assert path.read_text() == "new"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("x" * 256, "file name too long"),
        ("latin\udce9", "not UTF-8"),  # a file's name in Latin-1, as Python gives it
        ("half\ud800", "not UTF-8"),  # half of a character
        ("a\0b", "null character"),
    ],
)
def test_a_name_that_cannot_be_is_refused_before_work(tmp_path, name, problem):
    with pytest.raises(ValueError, match=problem) as caught:
        check_target(tmp_path / name, "the table")
    str(caught.value).encode()  # can be printed
    with pytest.raises((ValueError, OSError), match=problem):
        write(tmp_path / name)
    assert names(tmp_path) == []


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
    of_files -= {"sweeps/machine.py", "_core/file_kinds.py", "convert/keras_files.py"}  # the kernel's; temporary copies
    of_files -= {"genome/variants.py"}  # a pipe
    assert [name for name in sorted(of_files) if "atomic_write" not in found[name]] == []
