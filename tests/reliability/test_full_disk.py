"""A full disk gives one clear error and leaves the old file; with space again, the same call works."""

import resource
import subprocess
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
from reliability.writers import SLOW, WRITERS, Things
from typer.testing import CliRunner

import rcviz
from rcviz._core.files import DiskFullError

# Older versions of NumPy leave an archive open that could not be written.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in.*ZipFile.__del__")

SIZE = 4 << 20
REASON = r"(no space left on device|file too large)"


class SmallDisk:
    """A folder on a small file system of its own, which can be filled."""

    def __init__(self, folder):
        self.folder = folder

    @contextmanager
    def full(self):
        filler = self.folder / "filler"
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 16, 1):
                with pytest.raises(OSError, match="No space left"):
                    while True:
                        file.write(bytes(size))
        try:
            yield
        finally:
            filler.unlink()


class Limit:
    """An ordinary folder, and a limit of the system on the size of files."""

    def __init__(self, folder):
        self.folder = folder

    @contextmanager
    def full(self):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module", params=["small disk", "limit"])
def disk(request, tmp_path_factory):
    """A small file system; where none may be mounted, the limit replaces it, so that nothing is skipped."""
    folder = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder)]
    if request.param == "limit" or subprocess.run(mount, capture_output=True, check=False).returncode:
        yield Limit(folder)
        return
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def place(disk):
    """A folder of a test on the disk."""
    import shutil

    folder = disk.folder / "work"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def things():
    return Things(1), Things(2)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


QUICK = [name for name in WRITERS if name not in (*SLOW, "0123456789abcdef.json")]


@pytest.mark.parametrize("name", QUICK)
def test_the_old_file_stays(disk, place, things, name):
    write = WRITERS[name]
    write(things[0], place / name)
    before = files(place)
    with disk.full(), pytest.raises(DiskFullError, match=REASON):
        write(things[1], place / name)
    assert files(place) == before
    write(things[1], place / name)
    assert files(place).keys() == before.keys()
    assert files(place) != before


@pytest.mark.parametrize("name", SLOW)
def test_the_old_file_of_slow_writers_stays(tmp_path, things, name):
    (tmp_path / name).write_text("old")
    with Limit(tmp_path).full(), pytest.raises(DiskFullError):
        WRITERS[name](things[1], tmp_path / name)
    assert files(tmp_path) == {name: b"old"}


def test_a_record_is_not_there_or_whole(disk, place, things):
    """A record that is there is never written over, so that this has no old file."""
    (name,) = (name for name in WRITERS if name == "0123456789abcdef.json")
    with disk.full(), pytest.raises(DiskFullError, match=rf"{name}: {REASON}"):
        WRITERS[name](things[0], place / name)
    assert files(place) == {}
    WRITERS[name](things[0], place / name)
    assert files(place).keys() == {name}


def test_training_keeps_its_checkpoint_and_goes_on_from_there(disk, place, toy, make_model, same_weights):
    config = rcviz.TrainConfig(epochs=4, batch_size=20, samples_per_epoch=40, learning_rate=0.05)
    whole, model = make_model(), make_model()
    expected = rcviz.fit(whole, toy, toy, config, progress=False)
    epochs = rcviz.train_epochs(model, toy, toy, config, checkpoint=place / "run")
    next(epochs)
    next(epochs)
    before = files(place)
    with disk.full(), pytest.raises(DiskFullError, match=rf"run: {REASON}"):
        next(epochs)
    assert files(place) == before
    again = make_model()
    resumed = rcviz.fit(again, toy, toy, config, progress=False, checkpoint=place / "run")
    assert resumed.table.to_dict("list") == expected.table.to_dict("list")
    assert same_weights(again.state_dict(), whole.state_dict())


def test_a_genome_that_does_not_fit_into_the_cache(disk, place, tmp_path, monkeypatch):
    """It goes into a temporary folder; the limit is that of all folders."""
    from rcviz.genome import cache_location
    from rcviz.genome.fasta import Genome

    monkeypatch.setattr(cache_location, "_temporary", None)
    monkeypatch.setenv("RCVIZ_CACHE", str(place))
    (tmp_path / "genome.fa").write_text(">chrA\n" + "ACGT" * 5000 + "\n")
    refused = pytest.raises(DiskFullError, match=rf"genome\.fa\..*: {REASON}")
    outcome = refused if isinstance(disk, Limit) else nullcontext()
    with disk.full(), pytest.warns(UserWarning, match="RCVIZ_CACHE"), outcome:
        assert Genome(tmp_path / "genome.fa").lengths == {"chrA": 20_000}
    assert files(place) == {}
    assert Genome(tmp_path / "genome.fa").lengths == {"chrA": 20_000}


def test_a_command_says_it_in_one_line(disk, place, toy):
    from rcviz.cli import app

    chrom = np.repeat(["a", "b", "c"], 40)
    rcviz.SequenceSet(toy.codes, toy.labels[:, 0], task_names=["GATA"], chrom=chrom).save(place / "set")
    (place / "small.toml").write_text(
        '[model]\npreset = "one_layer"\nn_filters = 3\nkernel_sizes = [7]\npool_size = 9\n'
    )
    arguments = ["train", place / "set", "--out", place / "m.safetensors", "--config", place / "small.toml"]
    arguments += ["--train", "a", "--valid", "b", "--epochs", 1]
    before = files(place)
    with disk.full():
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 2, result.output
    assert result.stderr.splitlines()[-1].startswith(f"rcviz: cannot write {place / 'm.checkpoint.safetensors'}: ")
    assert "Traceback" not in result.stderr
    assert files(place) == before
