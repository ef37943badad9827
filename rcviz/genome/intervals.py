"""Candidate windows, filtered step by step with a count of every one that is dropped, and overlaps of intervals."""

import os
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rcviz._core.shapes import Bool
from rcviz.genome.peaks import centers
from rcviz.sequences.annotations import toggle_chr

if TYPE_CHECKING:
    import pandas as pd


class CandidateWindows:
    """Windows around summits that are filtered step by step; each dropped one is counted once, under the reason.

    Attributes
    ----------
    table : DataFrame
        ``chrom``; ``start``, ``end`` and ``summit`` of the peak; ``window``, the start of its window.
    counts : dict of str to int
        ``read``, then one entry per reason, in order.
    """

    def __init__(self, peaks: "pd.DataFrame", width: int) -> None:
        self.table = peaks.assign(window=centers(peaks) - width // 2)
        self.counts = {"read": len(peaks)}

    def __len__(self) -> int:
        return len(self.table)

    def drop(self, reason: str, mask: Bool[np.ndarray, " n"]) -> None:
        """Drop the windows of a mask and count them."""
        self.counts[reason] = self.counts.get(reason, 0) + int(mask.sum())
        if mask.any():
            self.table = self.table.loc[~mask]

    def drop_other_chromosomes(self, lengths: dict[str, int], chromosomes: Sequence[str] | None) -> None:
        """Drop windows on chromosomes that were not asked for or are not in the FASTA."""
        if chromosomes is not None:
            self.drop("other_chromosome", ~self.table["chrom"].isin(list(chromosomes)).to_numpy())
        self.drop("missing_chromosome", ~self.table["chrom"].isin(list(lengths)).to_numpy())

    def drop_off_end_and_duplicated(
        self, lengths: dict[str, int], width: int, *, exclude: "pd.DataFrame | None" = None
    ) -> None:
        """Drop windows that extend beyond their chromosome, then those on excluded regions, then repeated ones."""
        window = self.table["window"].to_numpy()
        ends = self.table["chrom"].map(lengths).to_numpy(dtype=np.int64)
        self.drop("off_end", (window < 0) | (window + width > ends))
        if exclude is not None:
            self.drop("excluded", overlaps(window_intervals(self.table, width), exclude))
        self.drop("duplicated", self.table.duplicated(["chrom", "window"]).to_numpy())

    def keep_some(self, n: int, rng: np.random.Generator) -> None:
        """Keep ``n`` windows at random, in their order; warn if there are fewer."""
        if len(self) < n:
            warnings.warn(
                f"only {len(self):,} of {n:,} negatives are left of the accessible regions: use a smaller "
                f"negatives_per_positive",
                UserWarning,
                stacklevel=3,
            )
        chosen = np.zeros(len(self), dtype=bool)
        chosen[rng.permutation(len(self))[:n]] = True
        self.drop("not_needed", ~chosen)


def window_intervals(windows: "pd.DataFrame", width: int) -> "pd.DataFrame":
    """Return ``chrom``, ``start`` and ``end`` of the windows themselves."""
    return windows[["chrom"]].assign(start=windows["window"], end=windows["window"] + width)


def overlaps(intervals: "pd.DataFrame", others: "pd.DataFrame") -> Bool[np.ndarray, " n"]:
    """Return a mask of the intervals that share at least one base with any of the others."""
    try:
        import bioframe
    except ImportError as error:
        raise ImportError("comparing peaks needs bioframe: install it with pip install 'rcviz[genome]'") from error

    columns = ["chrom", "start", "end"]
    intervals = intervals[columns].reset_index(drop=True)
    others = others.loc[others["chrom"].isin(intervals["chrom"].unique()), columns]
    if intervals.empty or others.empty:  # bioframe refuses empty tables
        return np.zeros(len(intervals), dtype=bool)
    mask: np.ndarray = bioframe.count_overlaps(intervals, others)["count"].to_numpy() > 0
    return mask


def first_names(names: Iterable[str], n: int = 5) -> str:
    """List the first few names for an error message, and how many more there are."""
    listed = list(names)
    return ", ".join(listed[:n]) + (f" and {len(listed) - n:,} more" if len(listed) > n else "")


def check_chromosome_names(peaks: "pd.DataFrame", lengths: dict[str, int], what: str, source: Any = None) -> None:
    """Refuse names of which none is in the FASTA, or one differs only by "chr"; ``source`` is where peaks are from."""
    where = f"{source} ({what})" if isinstance(source, str | os.PathLike) else what
    names = [str(name) for name in peaks["chrom"].unique()]
    for name in names:
        other = toggle_chr(name)
        if name not in lengths and other in lengths:
            if other.startswith("chr"):  # names that have it already, and headers, stay as they are
                in_file = r"sed -E '/^(chr|#|track|browser)/!s/^/chr/'"
                in_table = f"'chr' + {what}.chrom.str.removeprefix('chr')"
            else:
                in_file, in_table = "sed 's/^chr//'", f"{what}.chrom.str.removeprefix('chr')"
            raise ValueError(
                f"{where} names chromosome {name!r} but the FASTA has {other!r}: "
                f"rename them, in the unpacked file with {in_file}, or in a table with "
                f"{what} = rcviz.read_peaks(path); {what}['chrom'] = {in_table}"
            )
    # Peaks of which none is left are refused later; a blacklist may have no region on few chromosomes.
    if what not in ("peaks", "exclude") and not any(name in lengths for name in names):
        raise ValueError(
            f"{where} names chromosomes {first_names(names)}, none of which the FASTA has; it has "
            f"{first_names(lengths)}: give the FASTA of the same assembly, or rename the chromosomes of one of them"
        )


def check_chromosomes(chromosomes: Sequence[str], lengths: dict[str, int]) -> None:
    """Refuse an empty selection of chromosomes, and names that the FASTA does not have."""
    if not chromosomes:
        raise ValueError("chromosomes is empty: leave it out to use all chromosomes")
    for name in chromosomes:
        other = toggle_chr(name)
        if name not in lengths and other in lengths:
            raise ValueError(f"chromosomes has {name!r} but the FASTA has {other!r}: write {other!r}")
        if name not in lengths:
            raise ValueError(f"chromosomes has {name!r}, but the FASTA has {first_names(lengths)}: choose from these")
