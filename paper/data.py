"""The sequences of an arm, and how they are divided into training, validation and test."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from paper.figures import SET_PER_SEED, TASKS_SEPARATE, Scale
from rcviz.motifs.simulated import simulate_motifs
from rcviz.sequences.examples import load_example
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.sequences.splits import Splits, split, split_by_chromosome

Chromosomes = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]

N_PER_MOTIF = {"paper": 10_000, "quick": 2_000}
STAND_INS: Mapping[str, Chromosomes] = {
    "chr1/chr17/rest": (("chr19", "chr20"), ("chr22",), ("chr21", "chrX", "chr17")),
    "rest/chr1/chr2": (("chr17", "chr19", "chr20", "chrX"), ("chr22",), ("chr21",)),
}
"""Train, validate and test where the paper's chromosomes are not in the data set."""

_PARTS = ("train", "valid", "test")
_SIMULATED = (0.4, 0.3, 0.3)  # section 3.2
_EXAMPLE = (0.7, 0.15, 0.15)
_MANY = 6  # so many chromosomes are listed by name


def load_splits(dataset: str, preset: str, *, scale: Scale, data: Path | None, seed: int = 0) -> tuple[Splits, str]:
    """Load and divide the sequences of an arm; a FileNotFoundError or ValueError if its file or chromosomes lack.

    Parameters
    ----------
    dataset, preset : str
        Of :class:`paper.figures.Shown`, there called `dataset` and `split`.
    scale : "paper" or "quick"
        "quick" takes fewer simulated sequences, and the bundled example in place of ChIP-seq data.
    data : path, optional
        Folder with ``CTCF.safetensors`` and so on, for ChIP-seq data at scale "paper".
    seed : int
        Of the sequences and of their division, for :data:`paper.figures.SET_PER_SEED`; the others have one data set.

    Returns
    -------
    Splits, str
        The parts, and a text on how they were divided; stand-ins for the paper's chromosomes are named as such.
    """
    if dataset in ("simulated", TASKS_SEPARATE, SET_PER_SEED):
        shuffle: Literal["tasks", "rows"] = "tasks" if dataset == TASKS_SEPARATE else "rows"
        seed = seed if dataset == SET_PER_SEED else 0
        simulated = simulate_motifs(n_per_motif=N_PER_MOTIF[scale], shuffle=shuffle, seed=seed)
        return _divide_at_random(simulated, _SIMULATED, seed)
    if scale == "quick":
        return _divide_at_random(load_example(dataset.lower()), _EXAMPLE)
    if data is None:
        raise ValueError(
            f"{dataset} at scale 'paper' needs a folder with {dataset}.safetensors, data=...: rcviz fetch downloads "
            f"the genome and the peaks, and rcviz windows makes the file from them"
        )
    path = data / f"{dataset}.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; make it with rcviz windows")
    sequences = SequenceSet.load(path, memory_map=True)
    present = list(dict.fromkeys(sequences.table.get("chrom", ())))
    chromosomes, stand_in = chromosomes_of(preset, present, path.name)
    train, valid, test = chromosomes
    parts = split_by_chromosome(sequences, train=train, valid=valid, test=test)
    words = ", ".join(
        f"{part} {'+'.join(names) if len(names) <= _MANY else 'the rest'}"
        for part, names in zip(_PARTS, chromosomes, strict=True)
        if names
    )
    return parts, f"{words} (stand-in)" if stand_in else words


def chromosomes_of(preset: str, present: list[str], file: str) -> tuple[Chromosomes, bool]:
    """Return the chromosomes of train, valid and test among those present, and whether they are stand-ins."""
    named = preset.split("/")
    rest = tuple(name for name in present if name not in named)
    if all(name == "rest" or name in present for name in named):
        train, valid, test = (rest if name == "rest" else (name,) for name in named)
        if train:
            return (train, valid, test), False
    train, valid, test = STAND_INS.get(preset, ((), (), ()))
    test = tuple(name for name in test if name in present)
    if not train or not test or not set(present).issuperset((*train, *valid)):
        raise ValueError(
            f"{file} has {', '.join(present) or 'no chromosomes'}, which allows neither the paper's division "
            f"({preset}: train, validate, test) nor its stand-in; make it from more chromosomes with rcviz windows"
        )
    return (train, valid, test), True


def _divide_at_random(sequences: SequenceSet, shares: tuple[float, float, float], seed: int = 0) -> tuple[Splits, str]:
    train, valid, test = shares
    parts = split(sequences, train=train, valid=valid, test=test, seed=seed)
    words = ", ".join(f"{share:.0%} {part}" for share, part in zip(shares, _PARTS, strict=True))
    return parts, f"at random, {words}"
