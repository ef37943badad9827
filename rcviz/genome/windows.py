"""Peaks and a genome made into labelled windows, with a count of every window that was not taken (section 3.3)."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rcviz._core.checks import check_choice, check_positive, check_whole
from rcviz._core.files import check_target
from rcviz.genome.extraction import Cutter, SetInMemory
from rcviz.genome.fasta import FastaPaths, Genome
from rcviz.genome.intervals import Sieve, check_chromosome_names, overlaps, some_of, windows_of
from rcviz.genome.negatives import dinucleotide_shuffle, matched_windows
from rcviz.genome.peaks import read_peaks, strongest
from rcviz.sequences import storage
from rcviz.sequences.annotations import in_other_style
from rcviz.sequences.sequence_set import SequenceSet

if TYPE_CHECKING:
    import pandas as pd


_OVERLAPPING = ("keep", "drop_on_peak", "drop_on_window")
_MOST_NEGATIVES = 1000
_NEGATIVES = ("accessible", "gc_matched", "gc_and_repeats_matched", "shuffled", "none")


def peak_windows(
    fasta: FastaPaths,
    peaks: "str | os.PathLike[str] | pd.DataFrame",
    *,
    accessible: "str | os.PathLike[str] | pd.DataFrame | None" = None,
    relaxed: "str | os.PathLike[str] | pd.DataFrame | None" = None,
    width: int | np.integer = 1000,
    n_relaxed: int | np.integer | None = 150_000,
    chromosomes: Any = None,
    negatives: str | None = None,
    negatives_per_positive: float | int = 1.0,
    overlapping: str = "keep",
    on_label_conflict: str = "raise",
    max_n_share: float | int = 0.0,
    task_name: str | None = None,
    seed: int | np.integer = 0,
    out: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> SequenceSet:
    """Cut labelled windows around the summits of peaks, and negatives to learn them against.

    Parameters
    ----------
    fasta : path, or several
        Plain, gzipped or bgzipped; see :class:`rcviz.genome.fasta.Genome`.
    peaks : path or DataFrame
        The positives: reproducible peaks; see :func:`rcviz.read_peaks`. A peak without summit counts by its midpoint.
    accessible : path or DataFrame, optional
        Accessible regions (DNase, ATAC); those that overlap neither a positive peak nor a relaxed one are negatives.
    relaxed : path or DataFrame, optional
        Peaks called at a lenient threshold. What only may be bound is no negative.
    width : int
        In bp. An even window around summit ``s`` is ``[s - width // 2, s - width // 2 + width)``.
    n_relaxed : int or None
        How many of the relaxed peaks count, by signal; None for all.
    chromosomes : str or sequence of str, optional
        The only ones to take.
    negatives : {"accessible", "gc_matched", "gc_and_repeats_matched", "shuffled", "none"}, optional
        By default "accessible" where there are accessible regions, else "gc_matched": windows of the same chromosome
        with the positives' GC content (and share of soft-masked repeats), away from all peaks given. "shuffled":
        the positives themselves with their bases in another order and every dinucleotide count kept.
    negatives_per_positive : float
        How many to draw or to shuffle; accessible regions are all taken.
    overlapping : {"keep", "drop_on_peak", "drop_on_window"}
        What becomes of a negative whose window overlaps a positive peak, or the window of one. The rule of the paper
        compares accessible regions with peaks, not windows, and keeps it.
    on_label_conflict : {"raise", "drop"}
        What becomes of a negative whose sequence, on either strand, is that of a positive.
    max_n_share : float
        Windows with a larger share of unknown bases are dropped.
    task_name : str, optional
        By default the name of the file of peaks.
    seed : int
        Of negatives that are drawn or shuffled.
    out : path, optional
        Write the set there while it is cut, and map it into memory from there: for sets larger than memory.
    progress : bool
        Show a progress bar when it takes longer than a second.

    Returns
    -------
    SequenceSet
        Positives, then negatives, each in the order of their file. ``.summary()`` is Table 1; ``.provenance["counts"]``
        tells for positives and negatives how many were ``read`` and why some were not ``kept``.

    Raises
    ------
    ImportError
        When pyfaidx or bioframe is missing, saying what to install.
    ValueError
        When a file is not what it should be (naming file and line), chromosomes are named differently in peaks and
        FASTA, no positive or no negative is left, or a window would have both labels. Nothing is written then.

    Notes
    -----
    Each count names windows dropped for that reason and no earlier one: ``other_chromosome`` (not asked for),
    ``missing_chromosome`` (not in the FASTA), ``overlapping_relaxed`` and ``overlapping_positive`` (peak on peak),
    ``off_end`` (leaves the chromosome), ``duplicated`` (an earlier window lies there), ``overlapping`` (see
    there), ``unknown_bases``, ``label_conflict``. Windows that are drawn count as read when they are
    looked at; they are dropped as ``near_peaks`` and ``not_needed`` as well.

    Examples
    --------
    >>> import rcviz
    >>> windows = rcviz.peak_windows(
    ...     "genome.fa", "peaks.narrowPeak", accessible="open.narrowPeak", width=200, progress=False
    ... )
    >>> len(windows.positives()), len(windows.negatives())
    (7, 6)
    """
    from tqdm.auto import tqdm

    check_positive("width", width)
    check_choice("overlapping", overlapping, _OVERLAPPING)
    check_choice("on_label_conflict", on_label_conflict, ("raise", "drop"))
    kind = negatives or ("gc_matched" if accessible is None else "accessible")
    check_choice("negatives", kind, _NEGATIVES)
    if kind == "accessible" and accessible is None:
        raise ValueError("negatives='accessible' needs accessible regions: give accessible=..., or choose 'gc_matched'")
    if not 0 <= max_n_share < 1 or not 0 < negatives_per_positive <= _MOST_NEGATIVES:
        raise ValueError(
            f"max_n_share must be at least 0 and below 1 and negatives_per_positive above 0 and at most "
            f"{_MOST_NEGATIVES}, got {max_n_share} and {negatives_per_positive}"
        )
    if n_relaxed is not None:
        check_positive("n_relaxed", n_relaxed)
    check_whole("seed", seed, 0)
    if kind != "accessible" and accessible is not None:
        raise ValueError(f"accessible regions are of no use with negatives={kind!r}: leave one of the two away")
    if out is not None:
        paths = [fasta] if isinstance(fasta, str | os.PathLike) else list(fasta)
        given = [source for source in (peaks, accessible, relaxed) if isinstance(source, str | os.PathLike)]
        check_target(out, "the dataset", inputs=[*paths, *given])

    # Every file is read and found sound before anything is cut.
    sources = {"peaks": peaks, "accessible": accessible, "relaxed": relaxed}
    tables = {what: read_peaks(source, what=what) for what, source in sources.items() if source is not None}
    counts: dict[str, dict[str, int]] = {}
    if "relaxed" in tables:
        n_read = len(tables["relaxed"])
        tables["relaxed"] = strongest(tables["relaxed"], n_relaxed, what="relaxed")
        counts["relaxed"] = {"read": n_read, "kept": len(tables["relaxed"])}
    genome = Genome(fasta)
    for what, table in tables.items():
        check_chromosome_names(table, genome.lengths, what, sources[what])
    on = None if chromosomes is None else [chromosomes] if isinstance(chromosomes, str) else list(chromosomes)
    for name in on or ():
        other = in_other_style(name)
        if name not in genome.lengths and other in genome.lengths:
            raise ValueError(f"chromosomes names {name!r} but the FASTA has {other!r}: write {other!r}")
        if name not in genome.lengths:
            raise ValueError(f"chromosomes names {name!r}, which the FASTA lacks; it has {some_of(genome.lengths)}")
    if on is not None and not on:
        raise ValueError("chromosomes names none: leave it away to take all")
    width, rng = int(width), np.random.default_rng(seed)

    positive = Sieve(tables["peaks"], width)
    positive.drop_other_chromosomes(genome.lengths, on)
    positive.drop_windows_off_the_end(genome.lengths, width)
    n_drawn = max(1, round(negatives_per_positive * len(positive.places)))
    capacity = len(positive.places) + {"none": 0, "accessible": len(tables.get("accessible", ()))}.get(kind, n_drawn)

    with (
        _target(out, capacity, width) as target,
        tqdm(desc="cutting", unit=" windows", delay=1, disable=not progress) as bar,
    ):
        cutter = Cutter(genome, width, target.append, max_n_share=max_n_share, advance=bar.update)
        cutter.cut(positive, label=1)
        counts["positive"] = _kept("positive", positive, genome)
        if kind != "none":
            n = max(1, round(negatives_per_positive * len(positive.places)))
            if kind == "accessible":
                negative = _unbound(tables, genome, width, on)
            elif kind == "shuffled":
                order = np.concatenate([np.arange(len(positive.places))] * (n // len(positive.places) + 1))[:n]
                negative = Sieve(positive.places.iloc[order], width)
            else:
                negative = matched_windows(
                    genome,
                    positive.places,
                    n=n,
                    width=width,
                    avoid=_avoided(tables, positive, width),
                    match_repeats=kind == "gc_and_repeats_matched",
                    max_n_share=max_n_share,
                    rng=rng,
                )
            if overlapping != "keep" and kind != "shuffled":
                bound = tables["peaks"] if overlapping == "drop_on_peak" else windows_of(positive.places, width)
                negative.drop("overlapping", overlaps(windows_of(negative.places, width), bound))
            shuffled = kind == "shuffled"
            cutter.cut(
                negative,
                label=0,
                change=(lambda codes: dinucleotide_shuffle(codes, seed=rng)) if shuffled else None,
                suffix=" shuffled" if shuffled else "",
                on_label_conflict=on_label_conflict,
            )
            counts["negative"] = _kept("negative", negative, genome)
        target.fields = cutter.fields() | {
            "task_names": [task_name or _name_of(peaks)],
            "provenance": {
                "source": "peak_windows",
                "fasta": [str(path) for path in genome.paths],
                **{what: None if source is None else _origin(source) for what, source in sources.items()},
                "width": width,
                "n_relaxed": n_relaxed,
                "chromosomes": on,
                "negatives": kind,
                "negatives_per_positive": None if kind in ("accessible", "none") else negatives_per_positive,
                "overlapping": overlapping,
                "on_label_conflict": on_label_conflict,
                "max_n_share": max_n_share,
                "seed": seed,
                "counts": counts,
            },
        }
    if isinstance(target, SetInMemory):
        return SequenceSet(target.codes, **target.fields)
    assert out is not None
    return SequenceSet.load(out, memory_map=True)


def _target(
    out: str | os.PathLike[str] | None, capacity: int, width: int
) -> AbstractContextManager[SetInMemory | storage.GrowingSet]:
    if out is None:
        return nullcontext(SetInMemory(capacity, width))
    return storage.written_while_growing(out, "SequenceSet", width)


def _unbound(tables: "dict[str, pd.DataFrame]", genome: Genome, width: int, chromosomes: Sequence[str] | None) -> Sieve:
    """Accessible regions that nothing binds, as far as the peaks know (section 3.3)."""
    sieve = Sieve(tables["accessible"], width)
    sieve.drop_other_chromosomes(genome.lengths, chromosomes)
    if "relaxed" in tables:
        sieve.drop("overlapping_relaxed", overlaps(sieve.places, tables["relaxed"]))
    sieve.drop("overlapping_positive", overlaps(sieve.places, tables["peaks"]))
    sieve.drop_windows_off_the_end(genome.lengths, width)
    return sieve


def _avoided(tables: "dict[str, pd.DataFrame]", positive: Sieve, width: int) -> "pd.DataFrame":
    """Every peak that is known, and the windows of the positives."""
    import pandas as pd

    peaks = [tables[what][["chrom", "start", "end"]] for what in ("peaks", "relaxed") if what in tables]
    return pd.concat([*peaks, windows_of(positive.places, width)], ignore_index=True)


def _kept(kind: str, sieve: Sieve, genome: Genome) -> dict[str, int]:
    counts = sieve.counts | {"kept": len(sieve.places)}
    if not counts["kept"]:
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in counts.items() if n)
        raise ValueError(
            f"no {kind} window is left ({reasons}): check the files, the width, and the chromosomes; the FASTA's "
            f"are called {some_of(genome.lengths)}"
        )
    return counts


def _origin(source: Any) -> str:
    return str(source) if isinstance(source, str | os.PathLike) else type(source).__name__


def _name_of(peaks: Any) -> str:
    return Path(peaks).name.split(".")[0] if isinstance(peaks, str | os.PathLike) else "bound"
