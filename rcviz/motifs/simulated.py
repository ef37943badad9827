"""Simulated sequences (section 3.2): instances of known motifs in random background, with their true sites."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from rcviz._core.checks import check_choice, check_positive, check_real, generator_of, shown
from rcviz.motifs.bundled import load_motif
from rcviz.motifs.motif import Motif
from rcviz.sequences.alphabet import reverse_complement
from rcviz.sequences.sequence_set import SimulatedSet

if TYPE_CHECKING:
    import pandas as pd

Shuffle = Literal["rows", "tasks"]

# Random placement without overlap gets stuck when instances cover about three quarters of the sequence.
_LARGEST_COVER = 0.7
_BASES_PER_BLOCK = 1 << 22


def simulate_motifs(
    motifs: Sequence[str | Motif] = ("GATA_known6", "ELF1_known2", "RXRA_known1"),
    *,
    n_per_motif: int = 10_000,
    length: int = 200,
    gc_content: float | int = 0.4,
    mean_instances: float | int = 2.0,
    max_instances: int = 3,
    rc_probability: float | int = 0.5,
    label_noise: float | int = 0.2,
    shuffle: Shuffle = "rows",
    seed: int | np.integer | np.random.Generator = 0,
) -> SimulatedSet:
    """Embed instances of motifs in random background (section 3.2); the defaults are the paper's.

    Parameters
    ----------
    motifs : sequence of str or Motif
        One task for each; names are loaded by :func:`load_motif`.
    n_per_motif : int
        Number of sequences with each motif.
    length : int
        In bp.
    gc_content : float
        Share of G and C in the background, both equally likely.
    mean_instances, max_instances : float, int
        The number of instances is drawn from a Poisson of this mean until it falls into 1 to the maximum:
        with 2 and 3, in 3/8, 3/8 and 1/4 of the sequences.
    rc_probability : float
        Probability that an instance is on the reverse strand.
    label_noise : float
        Share of the sequences, chosen at random, whose rows of labels are permuted among themselves; some keep
        their labels.
    shuffle : "rows" or "tasks"
        Permute whole rows, so that each sequence still has one positive label, or the labels of every task
        separately. The paper does not specify which; "rows" is our choice.
    seed : int or numpy Generator

    Returns
    -------
    SimulatedSet
        In random order. ``sites`` has every instance, ``clean_labels`` the labels before noise.

    Raises
    ------
    ValueError
        When a motif is unknown, given twice or too wide, or a number is out of range.

    Notes
    -----
    An instance is placed uniformly over all positions where it overlaps no earlier one, which is equivalent to drawing
    positions until one is free. If earlier instances leave no room, all instances of the sequence are placed again.

    Examples
    --------
    >>> import rcviz
    >>> simulated = rcviz.simulate_motifs(["GATA_known6", "MA0058.4"], n_per_motif=100, label_noise=0, seed=1)
    >>> simulated.task_names, len(simulated), simulated.length
    (('GATA_known6', 'MA0058.4'), 200, 200)
    """
    import pandas as pd

    if isinstance(motifs, str | Motif) or hasattr(motifs, "columns") or not isinstance(motifs, Iterable):
        raise ValueError(f"motifs must be a list of names or Motifs, got {shown(motifs)}: put them in a list")
    rng = generator_of(seed)
    loaded = [motif if isinstance(motif, Motif) else load_motif(motif) for motif in motifs]
    names = [motif.name for motif in loaded]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"motifs must have different names, one task for each, got {names}")
    check_choice("shuffle", shuffle, get_args(Shuffle))
    _check_ranges(
        loaded,
        n_per_motif=n_per_motif,
        length=length,
        mean_instances=mean_instances,
        max_instances=max_instances,
        shares={"gc_content": gc_content, "rc_probability": rc_probability, "label_noise": label_noise},
    )
    task = rng.permutation(np.repeat(np.arange(len(loaded)), n_per_motif))
    codes = np.empty((len(task), length), dtype=np.uint8)
    sites: list[pd.DataFrame] = []
    n_rows = max(1, _BASES_PER_BLOCK // length)
    for index, motif in enumerate(loaded):
        rows = np.flatnonzero(task == index)
        for block in np.split(rows, range(n_rows, len(rows), n_rows)):
            counts = _draw_counts(rng, len(block), mean_instances, max_instances)
            background = _draw_background(rng, len(block), length, gc_content)
            placed = _embed(rng, background, motif, counts, rc_probability)
            codes[block] = background
            sites.append(placed.assign(sequence=block[placed["sequence"]]))

    clean_labels = np.eye(len(loaded), dtype=np.float32)[task]
    labels = clean_labels.copy()
    shuffled = rng.choice(len(task), size=round(label_noise * len(task)), replace=False)
    if shuffle == "rows":
        labels[shuffled] = labels[rng.permutation(shuffled)]
    else:
        labels[shuffled] = rng.permuted(labels[shuffled], axis=0)
    return SimulatedSet(
        codes,
        labels,
        clean_labels=clean_labels,
        sites=pd.concat(sites).sort_values(["sequence", "start"]),
        task_names=names,
        provenance={
            "source": "simulate_motifs",
            "motifs": names,
            "n_per_motif": n_per_motif,
            "length": length,
            "gc_content": gc_content,
            "mean_instances": mean_instances,
            "max_instances": max_instances,
            "rc_probability": rc_probability,
            "label_noise": label_noise,
            "shuffle": shuffle,
            "seed": "numpy Generator" if isinstance(seed, np.random.Generator) else int(seed),
        },
    )


def _check_ranges(
    motifs: list[Motif],
    *,
    n_per_motif: int,
    length: int,
    mean_instances: float | int,
    max_instances: int,
    shares: dict[str, float | int],
) -> None:
    check_positive("n_per_motif", n_per_motif)
    check_positive("length", length)
    check_positive("max_instances", max_instances)
    for name, value in {"mean_instances": mean_instances, **shares}.items():
        check_real(name, value)
    if not 0 < mean_instances < math.inf:
        raise ValueError(f"mean_instances must be positive and finite, got {mean_instances}")
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must be between 0 and 1, got {share}: give a fraction, not a percentage")
    for motif in motifs:
        if motif.width > length:
            raise ValueError(
                f"motif {motif.name!r} is {motif.width} bp wide but length is {length}: use longer sequences"
            )
        if max_instances > 1 and max_instances * motif.width > _LARGEST_COVER * length:
            needed = math.ceil(max_instances * motif.width / _LARGEST_COVER)
            raise ValueError(
                f"{max_instances} instances of {motif.name!r} ({motif.width} bp) do not fit well into length {length} "
                f"without overlap: use length {needed} or more, or fewer max_instances"
            )


def _draw_counts(rng: np.random.Generator, n: int, mean: float | int, largest: int) -> np.ndarray:
    """Draw from a Poisson conditioned on 1 to ``largest``, which is equivalent to drawing until the number fits."""
    counts = np.arange(1, largest + 1)
    log_weight = counts * math.log(mean) - np.cumsum(np.log(counts))
    weight = np.exp(log_weight - log_weight.max())
    return rng.choice(counts, size=n, p=weight / weight.sum())


def _draw_background(rng: np.random.Generator, n: int, length: int, gc_content: float | int) -> np.ndarray:
    is_gc = rng.random((n, length), dtype=np.float32) < gc_content
    second = rng.integers(0, 2, (n, length), dtype=np.uint8)  # C or G, else A or T
    return np.where(is_gc, 1 + second, 3 * second)


def _embed(
    rng: np.random.Generator, codes: np.ndarray, motif: Motif, counts: np.ndarray, rc_probability: float | int
) -> "pd.DataFrame":
    """Write instances into the background ``codes`` and return their sites."""
    import pandas as pd

    starts = _place(rng, counts, motif.width, codes.shape[1])
    sequence, instance = np.nonzero(starts >= 0)
    start = starts[sequence, instance]
    emitted = motif.sample(len(start), seed=rng)
    reverse = rng.random(len(start)) < rc_probability
    emitted[reverse] = reverse_complement(emitted[reverse])
    codes[sequence[:, None], start[:, None] + np.arange(motif.width)] = emitted
    strand = np.where(reverse, "-", "+")
    columns = {"sequence": sequence, "motif": motif.name, "start": start, "end": start + motif.width, "strand": strand}
    return pd.DataFrame(columns)


def _place(rng: np.random.Generator, counts: np.ndarray, width: int, length: int) -> np.ndarray:
    """Choose non-overlapping starts, one instance after the other: (n, most instances), -1 if there is none."""
    positions = np.arange(length - width + 1)
    starts = np.full((len(counts), counts.max(initial=0)), -1)
    pending = np.arange(len(counts))
    while pending.size:
        free = np.ones((len(pending), len(positions)), dtype=bool)
        stuck = np.zeros(len(pending), dtype=bool)
        starts[pending] = -1
        for instance in range(starts.shape[1]):
            placing = np.flatnonzero((counts[pending] > instance) & ~stuck)
            n_before = free[placing].cumsum(axis=1, dtype=np.int32)
            n_free = n_before[:, -1]
            stuck[placing[n_free == 0]] = True
            placing, n_before, n_free = placing[n_free > 0], n_before[n_free > 0], n_free[n_free > 0]
            # The start is the free position that has exactly `rank` free ones to its left.
            rank = rng.integers(0, n_free)
            start = (n_before <= rank[:, None]).sum(axis=1)
            starts[pending[placing], instance] = start
            free[placing] &= np.abs(positions - start[:, None]) >= width
        pending = pending[stuck]
    return starts
