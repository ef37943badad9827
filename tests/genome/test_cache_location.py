"""A cache that cannot be written is replaced by a temporary folder, with one sentence."""

import os
import subprocess
import sys

import platformdirs
import pytest

from rcviz._core.files import DiskFullError, atomic_write
from rcviz.genome import cache, cache_location
from rcviz.genome.fasta import Genome


@pytest.fixture(autouse=True)
def no_temporary_folder_yet(monkeypatch):
    monkeypatch.setattr(cache_location, "_temporary", None)


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(">chr1\nACGTACGT\n")
    return path


def no_folder(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RCVIZ_CACHE", str(tmp_path / "file" / "cache"))


def read_only(tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir(mode=0o555)
    monkeypatch.setenv("RCVIZ_CACHE", str(tmp_path / "cache"))
    access = os.access  # an administrator may write to any folder
    monkeypatch.setattr(os, "access", lambda path, mode: os.path.basename(path) != "cache" and access(path, mode))  # noqa: PTH119


def no_home(tmp_path, monkeypatch):
    monkeypatch.delenv("RCVIZ_CACHE")
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: f"~/.cache/{name}")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)


def full(tmp_path, monkeypatch):
    monkeypatch.setenv("RCVIZ_CACHE", str(tmp_path / "cache"))

    def write(path):
        if os.fspath(path).startswith(str(tmp_path / "cache")):
            raise DiskFullError(f"cannot write {path}: no space left on device")
        return atomic_write(path)

    monkeypatch.setattr(cache, "atomic_write", write)


@pytest.mark.parametrize(
    ("hinder", "reason"),
    [
        (no_folder, "not a directory"),
        (read_only, "it is read-only"),
        (no_home, "there is no home folder"),
        (full, "no space left on device"),
    ],
)
def test_another_folder_is_used_and_one_sentence_names_the_setting(tmp_path, genome, monkeypatch, hinder, reason):
    monkeypatch.chdir(tmp_path)
    hinder(tmp_path, monkeypatch)
    with pytest.warns(UserWarning, match=rf"cannot be written \({reason}\).*set RCVIZ_CACHE") as warned:
        opened = [Genome(genome), Genome(genome)]
    assert [each.read(["chr1"], [2], 4).tolist() for each in opened] == [[[2, 3, 0, 1]]] * 2
    assert len(warned) == 1
    assert "\n" not in str(warned[0].message)
    assert cache_location._temporary.stat().st_mode & 0o077 == 0
    assert len(list(cache_location._temporary.iterdir())) == 2
    assert not (tmp_path / "~").exists()


def test_what_a_read_only_cache_holds_is_used(tmp_path, genome, monkeypatch, recwarn):
    monkeypatch.setenv("RCVIZ_CACHE", str(tmp_path / "cache"))
    Genome(genome)
    read_only_now = cache_location.chosen_folder()
    monkeypatch.setattr(os, "access", lambda path, mode: path != read_only_now)
    assert Genome(genome).read(["chr1"], [2], 4).tolist() == [[2, 3, 0, 1]]
    assert list(recwarn) == []


def test_if_nothing_can_be_written_the_setting_is_named(tmp_path, genome, monkeypatch):
    no_folder(tmp_path, monkeypatch)

    def refused(**options):
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(cache_location.tempfile, "mkdtemp", refused)
    with pytest.raises(OSError, match="nor can a temporary folder be made: set RCVIZ_CACHE"):
        Genome(genome)


def test_the_temporary_folder_goes_with_the_process_that_made_it(tmp_path, genome):
    (tmp_path / "file").write_text("")
    (tmp_path / "temporary").mkdir()
    script = """
import os, sys
from rcviz.genome import cache_location
from rcviz.genome.fasta import Genome
genome = Genome(sys.argv[1])
child = os.fork()
if not child:
    sys.exit()
os.waitpid(child, 0)
assert cache_location._temporary.is_dir()
"""
    settings = {"RCVIZ_CACHE": str(tmp_path / "file" / "cache"), "TMPDIR": str(tmp_path / "temporary")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, genome],
        env=os.environ | settings,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("length", [225, 252])
def test_a_fasta_with_a_long_name_is_cached(tmp_path, genome, monkeypatch, length):
    monkeypatch.setenv("RCVIZ_CACHE", str(tmp_path / "cache"))
    long = genome.rename(tmp_path / ("x" * length + ".fa"))
    assert Genome(long).read(["chr1"], [2], 4).tolist() == [[2, 3, 0, 1]]
    assert len(list((tmp_path / "cache").iterdir())) == 2
