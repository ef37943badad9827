"""The jobs that are killed, each called as a user would, and the files that they read."""

import gzip
from pathlib import Path

import numpy as np
import torch

import rcviz

INPUTS = "in"
"""The folder of the files that jobs read."""

SMALL = """
[model]
preset = "one_layer"
n_filters = 3
kernel_sizes = [7]
pool_size = 9

[train]
epochs = 6
batch_size = 20
samples_per_epoch = 1200

[split]
train = "chr1"
valid = "chr2"
"""


def command(*arguments):
    from rcviz.cli import app

    app([str(argument) for argument in arguments], standalone_mode=False)


def fit():
    """Training of a network with dropout, with a checkpoint that stays; then the weights and the history."""
    data = rcviz.SequenceSet.load(f"{INPUTS}/gata.safetensors")
    network = rcviz.build_model(
        rcviz.ModelConfig.one_layer("revcomp", n_filters=3, sequence_length=60, pool_size=9, kernel_sizes=(7,))
    )
    model = torch.nn.Sequential(torch.nn.Dropout(0.2), network)
    config = rcviz.TrainConfig(
        epochs=6, batch_size=20, samples_per_epoch=600, learning_rate=0.01, augmentation="revcomp"
    )
    history = rcviz.fit(model, data, data, config, progress=False, checkpoint="run.checkpoint.safetensors")
    rcviz.save_model(network, "model.safetensors")
    history.save("history.json")


def train():
    command("train", f"{INPUTS}/gata.safetensors", "--out", "model.safetensors", "--config", f"{INPUTS}/small.toml")


def windows():
    """Windows of a compressed genome, whose codes go into a cache first; then a part of them, saved."""
    genome, peaks = f"{INPUTS}/genome.fa.gz", f"{INPUTS}/GATA1.narrowPeak"
    command("windows", "--fasta", genome, "--peaks", peaks, "--negatives", "shuffled", "windows.safetensors")
    rcviz.SequenceSet.load("windows.safetensors").subset(slice(0, 50)).save("part.safetensors")


def sweep(n_jobs=1):
    """Two networks with two seeds each."""
    parts = rcviz.split(rcviz.SequenceSet.load(f"{INPUTS}/gata.safetensors"), train=0.5, valid=0.25, test=0.25)
    training = rcviz.TrainConfig(epochs=3, batch_size=20, samples_per_epoch=300)
    size = {"sequence_length": 60, "kernel_sizes": (7,), "pool_size": 9}
    arms = {
        name: rcviz.Arm(model=rcviz.ModelConfig.one_layer(name, n_filters=3, **size), training=training)
        for name in ("revcomp", "standard")
    }
    result = rcviz.sweep(arms, parts, seeds=2, store="store", n_jobs=n_jobs, progress=False)
    rcviz.save_table(result.test, "scores.csv")


def sweep_of_two():
    """The same with two runs at a time, in processes of their own."""
    sweep(2)


def exports(seed=2, *, slow=False):
    from reliability.writers import SLOW, WRITERS, Things

    things = Things(seed)
    for name, write in WRITERS.items():
        if slow or name not in SLOW:
            write(things, Path(name))


def older_exports():
    exports(1)


def all_exports():
    exports(slow=True)


def inspect():
    """A page and a notebook about a trained model."""
    model, data = f"{INPUTS}/model.safetensors", f"{INPUTS}/gata.safetensors"
    command("inspect", model, data, "--html", "page.html")


JOBS = {
    "fit with a checkpoint": fit,
    "rcviz train": train,
    "rcviz windows": windows,
    "rcviz.sweep": sweep,
    "exports over older files": exports,
}
LONG = {"rcviz.sweep, two at a time": sweep_of_two, "all exports": all_exports, "rcviz inspect": inspect}
QUICK = 5
"""Kills of each of the other jobs for one kill of these, which take longer."""
BEFORE = {"exports over older files": older_exports}
"""Work that is done in the folder before, and not killed."""


def prepare(folder):
    """Write the files that jobs read."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    letters = {name: "".join(rng.choice(list("ACGT"), 200_000)) for name in ("chrA", "chrB")}
    with gzip.open(folder / "genome.fa.gz", "wt") as file:
        for name, text in letters.items():
            file.write(f">{name}\n" + "\n".join(text[at : at + 50] for at in range(0, len(text), 50)) + "\n")
    peaks = [(chrom, 1500 * number) for chrom in letters for number in range(1, 120)]
    lines = [f"{chrom}\t{start}\t{start + 300}\t.\t0\t.\t{start}\t-1\t-1\t120" for chrom, start in peaks]
    (folder / "GATA1.narrowPeak").write_text("\n".join(lines) + "\n")
    (folder / "small.toml").write_text(SMALL)
    codes = rng.integers(0, 4, (120, 60), dtype=np.uint8)
    codes[::2, 20:26] = rcviz.encode(["GATAAG"])[0]
    chrom = np.repeat(["chr1", "chr2", "chr3"], 40)
    data = rcviz.SequenceSet(
        codes, np.arange(120) % 2 == 0, task_names=["GATA"], chrom=chrom, start=np.arange(120), end=np.arange(120) + 60
    )
    data.save(folder / "gata.safetensors")
    config = rcviz.ModelConfig.one_layer("revcomp", n_filters=3, sequence_length=60, kernel_sizes=(7,), pool_size=9)
    rcviz.save_model(rcviz.build_model(config), folder / "model.safetensors")
