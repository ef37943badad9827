"""Labelled windows from peaks and a genome, with a count of every window that was dropped (section 3.3)."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from rcviz._core.changes import with_default_errors
from rcviz._core.checks import check_choice, check_positive, check_whole
from rcviz._core.files import check_target
from rcviz.genome.assembly import warn_of_beyond_ends, warn_of_dropped
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
from rcviz.genome.peak_sets import (
    PeakSets,
    label_matrix,
    mean_of_bedgraph,
    paths_of,
    read_peak_sets,
    signal_matrix,
)
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
    peaks: Any,
    *,
    accessible: "str | os.PathLike[str] | pd.DataFrame | None" = None,
    relaxed: "str | os.PathLike[str] | pd.DataFrame | None" = None,
    width: int | np.integer = 1000,
    n_relaxed: int | np.integer | None = 150_000,
    chromosomes: Any = None,
    negatives: str | None = None,
    negatives_per_positive: float | int | None = None,
    min_replicates: int | np.integer = 1,
    exclude: "str | os.PathLike[str] | pd.DataFrame | None" = None,
    values: str | os.PathLike[str] | None = None,
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
    peaks : path or DataFrame, list, or dict of str to any of these
        The positives: reproducible peaks; see :func:`rcviz.read_peaks`. The midpoint of a peak without summit is used.
        A list holds replicates: the peaks of each that overlap none of an earlier one. A dict holds tasks by name: each
        window is labelled 1 in all tasks whose peaks it overlaps.
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
    negatives_per_positive : float, optional
        How many to draw or to shuffle, by default 1; of accessible regions by default all, otherwise so many at random.
    min_replicates : int
        Of a list of replicates, use only peaks that overlap peaks of this many of them, their own included.
    exclude : path or DataFrame, optional
        Regions that no window may overlap, such as ENCODE's blacklist.
    values : "signal" or path of a bedGraph, optional
        Make labels that are values, for a regression: the signal of the peaks (0 for negatives, which are by default
        "none" then), or the mean of a bedGraph over each window.
    overlapping : {"keep", "drop_on_peak", "drop_on_window"}
        Keep or drop a negative whose window overlaps a positive peak, or the window of a positive peak. The paper
        compares the accessible regions with the peaks, not the windows, and keeps such negatives.
    on_label_conflict : {"raise", "drop"}
        Raise an error for, or drop, a negative with the same sequence as a positive, on either strand.
    max_n_share : float
        Drop windows with a larger share of unknown bases.
    task_name : str, optional
        By default the name of the first peak file.
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

    Warns
    -----
    UserWarning
        When peaks lie beyond the ends of their chromosomes, as in another assembly, or more than a tenth of them is
        dropped because of the FASTA.

    Notes
    -----
    Windows are dropped for the first of these reasons that applies: ``other_chromosome`` (not asked for),
    ``missing_chromosome`` (not in the FASTA), ``overlapping_relaxed`` and ``overlapping_positive`` (peak on peak),
    ``off_end`` (extends beyond the chromosome), ``excluded``, ``duplicated`` (same position as an earlier window),
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

    is_signal = isinstance(values, str) and values == "signal"
    by_default = "none" if is_signal else "gc_matched"
    kind = negatives or (by_default if accessible is None else "accessible")
    check_positive("width", width)
    check_choice("overlapping", overlapping, _OVERLAPPING)
    check_choice("on_label_conflict", on_label_conflict, ("raise", "drop"))
    check_choice("negatives", kind, _NEGATIVES)
    check_positive("min_replicates", min_replicates)
    if not 0 <= max_n_share < 1:
        raise ValueError(f"max_n_share must be at least 0 and below 1, got {max_n_share}")
    if negatives_per_positive is not None and kind == "none":
        raise ValueError("negatives_per_positive is not used without negatives: leave it out")
    ratio = 1.0 if negatives_per_positive is None else negatives_per_positive
    if not 0 < ratio <= _MAX_NEGATIVES_PER_POSITIVE:
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
        inputs = [path for source in (peaks, accessible, relaxed, exclude) for path in paths_of(source)]
        inputs += [] if is_signal else paths_of(values)
        check_target(out, "the dataset", inputs=[*paths, *inputs])

    # All files are read and checked before anything is cut.
    sets = read_peak_sets(peaks, width=int(width), min_replicates=int(min_replicates), task_name=task_name)
    sources = {"accessible": accessible, "relaxed": relaxed, "exclude": exclude}
    tables = {what: read_peaks(source, what=what) for what, source in sources.items() if source is not None}
    tables = {"peaks": sets.all_peaks, **tables}
    counts: dict[str, dict[str, int]] = dict(sets.counts)
    if "relaxed" in tables:
        n_read = len(tables["relaxed"])
        tables["relaxed"] = strongest(tables["relaxed"], n_relaxed, what="relaxed")
        counts["relaxed"] = {"read": n_read, "kept": len(tables["relaxed"])}
    genome = Genome(fasta)
    for what, table in tables.items():
        check_chromosome_names(table, genome.lengths, what, {**sources, "peaks": peaks}[what])
    warn_of_beyond_ends(tables, genome.lengths)
    if chromosomes is not None:
        chromosomes = [chromosomes] if isinstance(chromosomes, str) else list(chromosomes)
        check_chromosomes(chromosomes, genome.lengths)
    width, rng = int(width), np.random.default_rng(seed)

    positive = CandidateWindows(sets.positives, width)
    positive.drop_other_chromosomes(genome.lengths, chromosomes)
    positive.drop_off_end_and_duplicated(genome.lengths, width, exclude=tables.get("exclude"))
    n_drawn = max(1, round(ratio * len(positive)))
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
        counts["positive"] = _checked_counts("positive", positive, genome, tables["peaks"])
        warn_of_dropped(counts["positive"], genome.lengths)
        if kind != "none":
            n = max(1, round(ratio * len(positive)))
            if kind == "accessible":
                negative = _accessible_unbound(tables, genome, width, chromosomes)
                if negatives_per_positive is not None:
                    negative.keep_some(n, rng)
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
            counts["negative"] = _checked_counts("negative", negative, genome, tables.get("accessible"))
        writer.fields = extractor.fields() | {
            **_labels(sets, positive, counts, width, negative if kind != "none" else None, values),
            "task_names": list(sets.tasks),
            "provenance": {
                "source": "peak_windows",
                "fasta": [str(path) for path in genome.paths],
                "peaks": sets.origin,
                **{what: None if source is None else _origin(source) for what, source in sources.items()},
                "min_replicates": int(min_replicates),
                "values": None if values is None else str(values),
                "width": width,
                "n_relaxed": n_relaxed,
                "chromosomes": chromosomes,
                "negatives": kind,
                "negatives_per_positive": negatives_per_positive if kind in ("accessible", "none") else ratio,
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
    windows.drop_off_end_and_duplicated(genome.lengths, width, exclude=tables.get("exclude"))
    return windows


def _labels(
    sets: PeakSets,
    positive: CandidateWindows,
    counts: dict[str, dict[str, int]],
    width: int,
    negative: CandidateWindows | None,
    values: str | os.PathLike[str] | None,
) -> dict[str, Any]:
    """Return the labels of positives and negatives, and their kind; negatives are 0 in all tasks."""
    n_negative = 0 if negative is None else len(negative)
    if values is None:
        of_positives = label_matrix(positive.table, sets, width)
        for name, n in zip(sets.tasks, of_positives.sum(axis=0), strict=True):
            if len(sets.tasks) > 1:
                counts.setdefault(name, {})["positive"] = int(n)
        zeros = np.zeros((n_negative, len(sets.tasks)), dtype=np.float32)
        return {"labels": np.concatenate([of_positives, zeros])}
    if isinstance(values, str) and values == "signal":
        signals = signal_matrix(positive.table, sets, width)
        zeros = np.zeros((n_negative, len(sets.tasks)), dtype=np.float32)
        return {"labels": np.concatenate([signals, zeros]), "label_kind": "value"}
    if len(sets.tasks) > 1:
        raise ValueError("values of a bedGraph are those of one task: give one set of peaks, and one bedGraph")
    tables = [positive.table] + ([] if negative is None else [negative.table])
    means = [mean_of_bedgraph(values, table, width) for table in tables]
    return {"labels": np.concatenate(means)[:, None], "label_kind": "value"}


def _intervals_to_avoid(tables: "dict[str, pd.DataFrame]", positive: CandidateWindows, width: int) -> "pd.DataFrame":
    """Return all given peaks, excluded regions, and the windows of the positives."""
    import pandas as pd

    peaks = [tables[what][["chrom", "start", "end"]] for what in ("peaks", "relaxed", "exclude") if what in tables]
    return pd.concat([*peaks, window_intervals(positive.table, width)], ignore_index=True)


def _checked_counts(
    kind: str, windows: CandidateWindows, genome: Genome, given: "pd.DataFrame | None"
) -> dict[str, int]:
    """Return the counts of windows; an error if none are left."""
    counts = windows.counts | {"kept": len(windows)}
    if not counts["kept"]:
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in counts.items() if n)
        named = "" if given is None else f", those of the regions {first_names(dict.fromkeys(given['chrom']))}"
        raise ValueError(
            f"no {kind} windows are left ({reasons}): check the files, the width and the chromosomes; those of the "
            f"FASTA are {first_names(genome.lengths)}{named}"
        )
    return counts


def _origin(source: Any) -> str:
    return str(source) if isinstance(source, str | os.PathLike) else type(source).__name__
