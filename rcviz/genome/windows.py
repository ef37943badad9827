"""Labelled windows from peaks and a genome, with a count of every window that was dropped (section 3.3)."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rcviz._core.changes import with_default_errors
from rcviz._core.checks import check_choice, check_positive, check_whole
from rcviz._core.files import check_target
from rcviz.genome.extraction import MemoryWriter, WindowExtractor
from rcviz.genome.fasta import FastaPaths, Genome
from rcviz.genome.intervals import (
    CandidateWindows,
    check_chromosome_names,
    check_chromosomes,
    first_names,
    overlaps,
    window_intervals,
)
from rcviz.genome.negatives import dinucleotide_shuffle, matched_windows
from rcviz.genome.peaks import read_peaks, strongest
from rcviz.sequences import storage
from rcviz.sequences.sequence_set import SequenceSet

if TYPE_CHECKING:
    import pandas as pd


_OVERLAPPING = ("keep", "drop_on_peak", "drop_on_window")
_MAX_NEGATIVES_PER_POSITIVE = 1000
_NEGATIVES = ("accessible", "gc_matched", "gc_and_repeats_matched", "shuffled", "none")


@with_default_errors
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
    """Cut labelled windows around the summits of peaks, and negatives to compare them with.

    Parameters
    ----------
    fasta : path or list of paths
        Plain, gzipped or bgzipped; see :class:`rcviz.genome.fasta.Genome`.
    peaks : path or DataFrame
        The positives: reproducible peaks; see :func:`rcviz.read_peaks`. The midpoint of a peak without summit is used.
    accessible : path or DataFrame, optional
        Accessible regions (DNase, ATAC); those that overlap neither a positive nor a relaxed peak are negatives.
    relaxed : path or DataFrame, optional
        Peaks called at a lenient threshold; regions overlapping these are excluded from the negatives.
    width : int
        In bp. A window around summit ``s`` is ``[s - width // 2, s - width // 2 + width)``.
    n_relaxed : int or None
        Use only this many relaxed peaks, those with the highest signal; None for all.
    chromosomes : str or sequence of str, optional
        Use only these chromosomes.
    negatives : {"accessible", "gc_matched", "gc_and_repeats_matched", "shuffled", "none"}, optional
        "accessible", the default if accessible regions are given; else "gc_matched": windows of the same chromosome
        with the GC content of the positives, away from all given peaks; "gc_and_repeats_matched": with the same share
        of soft-masked repeats, too; "shuffled": the positives, shuffled so that dinucleotide counts are kept.
    negatives_per_positive : float
        How many to draw or to shuffle; accessible regions are all used.
    overlapping : {"keep", "drop_on_peak", "drop_on_window"}
        Keep or drop a negative whose window overlaps a positive peak, or the window of a positive peak. The paper
        compares the accessible regions with the peaks, not the windows, and keeps such negatives.
    on_label_conflict : {"raise", "drop"}
        Raise an error for, or drop, a negative with the same sequence as a positive, on either strand.
    max_n_share : float
        Drop windows with a larger share of unknown bases.
    task_name : str, optional
        By default the name of the peak file.
    seed : int
        For drawing or shuffling negatives.
    out : path, optional
        Write the set to this file while it is cut, and map it into memory: for sets larger than memory.
    progress : bool
        Show a progress bar if it takes longer than a second.

    Returns
    -------
    SequenceSet
        Positives, then negatives, each in the order of their file. ``.summary()`` is Table 1; ``.provenance["counts"]``
        has how many positives and negatives were ``read``, dropped for each reason, and ``kept``.

    Raises
    ------
    ImportError
        When pyfaidx or bioframe is not installed.
    ValueError
        When a file is malformed (naming file and line), chromosomes are named differently in peaks and FASTA, no
        positives or no negatives are left, or a sequence would have both labels. Nothing is written then.

    Notes
    -----
    Windows are dropped for the first of these reasons that applies: ``other_chromosome`` (not asked for),
    ``missing_chromosome`` (not in the FASTA), ``overlapping_relaxed`` and ``overlapping_positive`` (peak on peak),
    ``off_end`` (extends beyond the chromosome), ``duplicated`` (same position as an earlier window),
    ``overlapping`` (see the parameter), ``unknown_bases``, ``label_conflict``. For negatives that are drawn, ``read``
    counts all candidates, and ``near_peaks`` and ``not_needed`` those that were not used.

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

    kind = negatives or ("gc_matched" if accessible is None else "accessible")
    check_positive("width", width)
    check_choice("overlapping", overlapping, _OVERLAPPING)
    check_choice("on_label_conflict", on_label_conflict, ("raise", "drop"))
    check_choice("negatives", kind, _NEGATIVES)
    if not 0 <= max_n_share < 1:
        raise ValueError(f"max_n_share must be at least 0 and below 1, got {max_n_share}")
    if not 0 < negatives_per_positive <= _MAX_NEGATIVES_PER_POSITIVE:
        raise ValueError(
            f"negatives_per_positive must be above 0 and at most {_MAX_NEGATIVES_PER_POSITIVE}, "
            f"got {negatives_per_positive}"
        )
    if n_relaxed is not None:
        check_positive("n_relaxed", n_relaxed)
    check_whole("seed", seed, 0)
    if kind == "accessible" and accessible is None:
        raise ValueError("negatives='accessible' needs accessible regions: give accessible=..., or choose 'gc_matched'")
    if kind != "accessible" and accessible is not None:
        raise ValueError(f"accessible regions are not used with negatives={kind!r}: leave out one of the two")
    if out is not None:
        paths = [fasta] if isinstance(fasta, str | os.PathLike) else list(fasta)
        inputs = [source for source in (peaks, accessible, relaxed) if isinstance(source, str | os.PathLike)]
        check_target(out, "the dataset", inputs=[*paths, *inputs])

    # All files are read and checked before anything is cut.
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
    if chromosomes is not None:
        chromosomes = [chromosomes] if isinstance(chromosomes, str) else list(chromosomes)
        check_chromosomes(chromosomes, genome.lengths)
    width, rng = int(width), np.random.default_rng(seed)

    positive = CandidateWindows(tables["peaks"], width)
    positive.drop_other_chromosomes(genome.lengths, chromosomes)
    positive.drop_off_end_and_duplicated(genome.lengths, width)
    n_drawn = max(1, round(negatives_per_positive * len(positive)))
    capacity = len(positive) + {"none": 0, "accessible": len(tables.get("accessible", ()))}.get(kind, n_drawn)

    opened: AbstractContextManager[MemoryWriter | storage.SequenceWriter]
    opened = (
        nullcontext(MemoryWriter(capacity, width)) if out is None else storage.open_writer(out, "SequenceSet", width)
    )
    with (
        opened as writer,
        tqdm(desc="cutting", unit=" windows", delay=1, disable=not progress) as bar,
    ):
        extractor = WindowExtractor(genome, width, writer.append, max_n_share=max_n_share, advance=bar.update)
        extractor.extract(positive, label=1)
        counts["positive"] = _checked_counts("positive", positive, genome)
        if kind != "none":
            n = max(1, round(negatives_per_positive * len(positive)))
            if kind == "accessible":
                negative = _accessible_unbound(tables, genome, width, chromosomes)
            elif kind == "shuffled":
                order = np.concatenate([np.arange(len(positive))] * (n // len(positive) + 1))[:n]
                negative = CandidateWindows(positive.table.iloc[order], width)
            else:
                negative = matched_windows(
                    genome,
                    positive.table,
                    n=n,
                    width=width,
                    avoid=_intervals_to_avoid(tables, positive, width),
                    match_repeats=kind == "gc_and_repeats_matched",
                    max_n_share=max_n_share,
                    rng=rng,
                )
            if overlapping != "keep" and kind != "shuffled":
                bound = tables["peaks"] if overlapping == "drop_on_peak" else window_intervals(positive.table, width)
                negative.drop("overlapping", overlaps(window_intervals(negative.table, width), bound))
            shuffled = kind == "shuffled"
            extractor.extract(
                negative,
                label=0,
                transform=(lambda codes: dinucleotide_shuffle(codes, seed=rng)) if shuffled else None,
                suffix=" shuffled" if shuffled else "",
                on_label_conflict=on_label_conflict,
            )
            counts["negative"] = _checked_counts("negative", negative, genome)
        writer.fields = extractor.fields() | {
            "task_names": [task_name or _task_name(peaks)],
            "provenance": {
                "source": "peak_windows",
                "fasta": [str(path) for path in genome.paths],
                **{what: None if source is None else _origin(source) for what, source in sources.items()},
                "width": width,
                "n_relaxed": n_relaxed,
                "chromosomes": chromosomes,
                "negatives": kind,
                "negatives_per_positive": None if kind in ("accessible", "none") else negatives_per_positive,
                "overlapping": overlapping,
                "on_label_conflict": on_label_conflict,
                "max_n_share": max_n_share,
                "seed": seed,
                "counts": counts,
            },
        }
    if isinstance(writer, MemoryWriter):
        return SequenceSet(writer.codes, **writer.fields)
    assert out is not None
    return SequenceSet.load(out, memory_map=True)


def _accessible_unbound(
    tables: "dict[str, pd.DataFrame]", genome: Genome, width: int, chromosomes: Sequence[str] | None
) -> CandidateWindows:
    """Select the accessible regions that overlap no peak (section 3.3)."""
    windows = CandidateWindows(tables["accessible"], width)
    windows.drop_other_chromosomes(genome.lengths, chromosomes)
    if "relaxed" in tables:
        windows.drop("overlapping_relaxed", overlaps(windows.table, tables["relaxed"]))
    windows.drop("overlapping_positive", overlaps(windows.table, tables["peaks"]))
    windows.drop_off_end_and_duplicated(genome.lengths, width)
    return windows


def _intervals_to_avoid(tables: "dict[str, pd.DataFrame]", positive: CandidateWindows, width: int) -> "pd.DataFrame":
    """Return all given peaks and the windows of the positives."""
    import pandas as pd

    peaks = [tables[what][["chrom", "start", "end"]] for what in ("peaks", "relaxed") if what in tables]
    return pd.concat([*peaks, window_intervals(positive.table, width)], ignore_index=True)


def _checked_counts(kind: str, windows: CandidateWindows, genome: Genome) -> dict[str, int]:
    """Return the counts of windows; an error if none are left."""
    counts = windows.counts | {"kept": len(windows)}
    if not counts["kept"]:
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in counts.items() if n)
        raise ValueError(
            f"no {kind} windows are left ({reasons}): check the files, the width and the chromosomes; those of the "
            f"FASTA are {first_names(genome.lengths)}"
        )
    return counts


def _origin(source: Any) -> str:
    return str(source) if isinstance(source, str | os.PathLike) else type(source).__name__


def _task_name(peaks: Any) -> str:
    return Path(peaks).name.split(".")[0] if isinstance(peaks, str | os.PathLike) else "bound"
