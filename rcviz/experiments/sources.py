"""Where the sequences of an arm come from and how they are divided: what travels to a worker in their place."""

import dataclasses
import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rcviz.experiments.arms import TASKS_APART, Arm, Scale
from rcviz.motifs.simulated import Shuffle, simulate_motifs
from rcviz.sequences.examples import load_example
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.sequences.splits import Splits, split, split_by_chromosome
from rcviz.training.checkpoint import fingerprint

Chromosomes = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
Shares = tuple[float, float, float]

N_PER_MOTIF = {"paper": 10_000, "quick": 2_000}
STAND_INS: dict[str, Chromosomes] = {
    "chr1/chr17/rest": (("chr19", "chr20"), ("chr22",), ("chr21", "chrX", "chr17")),
    "rest/chr1/chr2": (("chr17", "chr19", "chr20", "chrX"), ("chr22",), ("chr21",)),
}
"""Train, validate, test where the paper's chromosomes are not in the dataset."""

_SIMULATED: Shares = (0.4, 0.3, 0.3)  # section 3.2
_EXAMPLE: Shares = (0.7, 0.15, 0.15)
_MANY = 6  # chromosomes, that are not listed in a sentence


@dataclass(frozen=True, kw_only=True)
class Source:
    """Sequences and their division into three.

    Attributes
    ----------
    kind : "simulated", "example" or "file"
    place : str
        Sequences per motif, name of the example, or path of the file.
    parts : three tuples of chromosomes, or three shares
        Train, validate, test.
    shuffle : "rows" or "tasks"
        Of simulated labels.
    stand_in : bool
        Whether the chromosomes are in place of the paper's.
    fingerprint : str
        Digest of sequences, labels and chromosomes; empty until known.
    """

    kind: Literal["simulated", "example", "file"]
    place: str
    parts: Chromosomes | Shares
    shuffle: Shuffle = "rows"
    stand_in: bool = False
    fingerprint: str = ""

    @property
    def sentence(self) -> str:
        """How the sequences are divided, in words; stand-ins are named as such."""
        if isinstance(self.parts[0], float):
            shares = zip(("train", "valid", "test"), self.parts, strict=True)
            return "at random, " + ", ".join(f"{share:.0%} {part}" for part, share in shares)
        told = ", ".join(
            f"{part} {'+'.join(names) if len(names) <= _MANY else 'the rest'}"
            for part, names in zip(("train", "valid", "test"), self.parts, strict=True)
            if isinstance(names, tuple) and names
        )
        return f"{told} (stand-in)" if self.stand_in else told


def source_of(arm: Arm, scale: Scale, data: Path | None) -> Source:
    """Find the sequences of an arm.

    Raises
    ------
    FileNotFoundError, ValueError
        When they are not there, or lack the chromosomes.
    """
    if arm.dataset in ("simulated", TASKS_APART):
        shuffle: Shuffle = "tasks" if arm.dataset == TASKS_APART else "rows"
        return _known(Source(kind="simulated", place=str(N_PER_MOTIF[scale]), parts=_SIMULATED, shuffle=shuffle))
    if scale == "quick":
        return _known(Source(kind="example", place=arm.dataset.lower(), parts=_EXAMPLE))
    if data is None:
        raise ValueError(
            f"{arm.figure} at scale 'paper' needs a folder with {arm.dataset}.safetensors, data=...: rcviz fetch gets "
            f"the genome and the peaks, and rcviz windows makes it of them"
        )
    path = data / f"{arm.dataset}.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"{arm.figure} needs {path}, which is not there: make it with rcviz windows")
    return _of_file(path.resolve(), arm.split)


def divided_as(split: str, parts: Sequence[Any]) -> bool:
    """Whether parts are what an arm's split may come to: the paper's chromosomes, their stand-ins, or shares."""
    if split == "random" or isinstance(parts[0], float):
        return split == "random" and isinstance(parts[0], float)
    given = [set(part) for part in parts]
    if all(name == "rest" or part == {name} for name, part in zip(split.split("/"), given, strict=True)):
        return True
    train, valid, test = STAND_INS.get(split, ((), (), ()))
    return given[:2] == [{*train}, {*valid}] and given[2] <= {*test}


def load_parts(source: Source, seed: int, fraction: float) -> Splits:
    """Read and divide the sequences, once in a process; the training set may be a share of it, drawn by seed."""
    parts = _parts(source)
    if fraction == 1:
        return parts
    return parts._replace(train=parts.train.subset(nested_subset(len(parts.train), fraction, seed)))


def nested_subset(n: int, fraction: float, seed: int) -> Any:
    """Places of a share of ``n`` sequences, in ascending order; a smaller share of a seed is part of a larger one."""
    order = np.random.default_rng([seed, n]).permutation(n)
    return np.sort(order[: max(1, round(fraction * n))])


@lru_cache(maxsize=8)
def _parts(source: Source) -> Splits:
    data = _whole(source)
    if source.fingerprint not in ("", _fingerprint(data)):
        raise ValueError(
            f"{source.place} holds other sequences on this machine than where the sweep was started; give all machines "
            f"the same files"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # leaks were told where the sweep was started
        return _divided(data, source)


@lru_cache(maxsize=8)
def _known(source: Source, *version: int) -> Source:
    """The source with its fingerprint; what is doubtful about the division is told here, once for a file's version."""
    data = _whole(source)
    _divided(data, source)
    return dataclasses.replace(source, fingerprint=_fingerprint(data))


def _whole(source: Source) -> SequenceSet:
    if source.kind == "simulated":
        return simulate_motifs(n_per_motif=int(source.place), shuffle=source.shuffle, seed=0)
    return load_example(source.place) if source.kind == "example" else SequenceSet.load(source.place, memory_map=True)


def _divided(data: SequenceSet, source: Source) -> Splits:
    train, valid, test = source.parts
    if isinstance(train, float):
        return split(data, train=train, valid=valid, test=test, seed=0)  # type: ignore[arg-type]
    return split_by_chromosome(data, train=train, valid=valid, test=test)  # type: ignore[arg-type]


def _of_file(path: Path, preset: str) -> Source:
    present = list(dict.fromkeys(SequenceSet.load(path, memory_map=True).table.get("chrom", ())))
    parts = _of_the_paper(present, preset)
    stand_in = parts is None
    if parts is None:
        train, valid, test = STAND_INS.get(preset, ((), (), ()))
        missing = [name for name in (*train, *valid) if name not in present]
        if missing or not train or not set(test) & set(present):
            raise ValueError(
                f"{path.name} has {', '.join(present) or 'no chromosomes'}, which allows neither the paper's division "
                f"({preset}: train, validate, test) nor its stand-in; make it of more chromosomes with rcviz windows"
            )
        parts = (train, valid, tuple(name for name in test if name in present))
    about = path.stat()
    source = Source(kind="file", place=str(path), parts=parts, stand_in=stand_in)
    return _known(source, about.st_mtime_ns, about.st_size)


def _of_the_paper(present: list[str], preset: str) -> Chromosomes | None:
    """Chromosomes of the paper's division, "rest" spelt out; None where they are not all there."""
    named = preset.split("/")
    if any(name not in ("rest", *present) for name in named):
        return None
    rest = tuple(name for name in present if name not in named)
    train, valid, test = (rest if name == "rest" else (name,) for name in named)
    return (train, valid, test) if train else None


def _fingerprint(data: SequenceSet) -> str:
    digest = hashlib.sha256(fingerprint(data).encode())
    digest.update("\n".join(data.table.get("chrom", ())).encode())
    return digest.hexdigest()
