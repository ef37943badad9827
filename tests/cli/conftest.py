"""Commands run in this process, and small files for them."""

import signal
import subprocess

import numpy as np
import pytest
from typer.testing import CliRunner

import rcviz
from rcviz.cli import app


@pytest.fixture
def run():
    """Run a command; whatever it prints on standard error, a traceback is a failure."""

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


@pytest.fixture
def refused(run):
    """Run a command that must end with a code, an empty standard output and one sentence; give the sentence."""

    def refused(*arguments, code=2):
        result = run(*arguments)
        assert result.exit_code == code, result.output
        assert result.stdout == ""
        lines = result.stderr.strip().splitlines()
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("rcviz: ")
        return lines[0].removeprefix("rcviz: ")

    return refused


@pytest.fixture
def work(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def calls(monkeypatch):
    """Commands that would have been started, by a stand-in that ends with code 3 after one interrupt."""
    made = []

    class Server:
        pid = 0

        def __init__(self, command):
            made.append(command)
            self.interrupted = False

        def wait(self):
            if not self.interrupted:
                self.interrupted = True
                raise KeyboardInterrupt
            return 3

        def poll(self):
            return 3

    monkeypatch.setattr(subprocess, "Popen", Server)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    return made


@pytest.fixture
def genome(work):
    """A FASTA file of two chromosomes of 30 kb, and its letters."""
    rng = np.random.default_rng(0)
    letters = {name: "".join(rng.choice(list("ACGT"), 30_000)) for name in ("chrA", "chrB")}
    lines = [
        f">{name}\n" + "\n".join(text[i : i + 50] for i in range(0, len(text), 50)) for name, text in letters.items()
    ]
    (work / "genome.fa").write_text("\n".join(lines) + "\n")
    return letters


@pytest.fixture
def peaks(work):
    """Twenty narrowPeak lines a chromosome, and one on a chromosome that the FASTA does not have."""
    places = [(chrom, 1000 * i) for chrom in ("chrA", "chrB") for i in range(1, 21)] + [("chrC", 5000)]
    lines = [f"{chrom}\t{start}\t{start + 300}\t.\t0\t.\t{start}\t-1\t-1\t120" for chrom, start in places]
    (work / "GATA1.narrowPeak").write_text("\n".join(lines) + "\n")
    return places


@pytest.fixture(scope="session")
def dataset(toy, tmp_path_factory):
    """120 sequences of 60 bp on three chromosomes with one task, which half of them have on each."""
    path = tmp_path_factory.mktemp("dataset") / "gata.safetensors"
    chrom = np.repeat(["chr1", "chr2", "chr3"], 40)
    data = rcviz.SequenceSet(
        toy.codes, toy.labels[:, 0], task_names=["GATA"], chrom=chrom, start=np.arange(120), end=np.arange(120) + 60
    )
    data.save(path)
    return path


@pytest.fixture(scope="session")
def values(toy, tmp_path_factory):
    """The same sequences with their number of G as the label, a value that may be 0 or 1."""
    path = tmp_path_factory.mktemp("values") / "counts.safetensors"
    chrom = np.repeat(["chr1", "chr2", "chr3"], 40)
    counts = (toy.codes == 2).sum(axis=1) % 9
    rcviz.SequenceSet(toy.codes, counts, task_names=["G"], chrom=chrom, label_kind="value").save(path)
    return path


SMALL = """
[model]
preset = "one_layer"
n_filters = 3
kernel_sizes = [7]
pool_size = 9

[train]
epochs = 3
batch_size = 20
samples_per_epoch = 80

[split]
train = "chr1"
valid = "chr2"
"""


@pytest.fixture
def small(work):
    """A configuration that trains in a moment."""
    path = work / "small.toml"
    path.write_text(SMALL)
    return path
