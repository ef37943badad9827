"""Places on a genome: windows around summits, what overlaps what, and a count of every place that is dropped."""

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool

from rcviz.genome.peaks import centers
from rcviz.sequences.annotations import in_other_style

if TYPE_CHECKING:
    import pandas as pd


class Sieve:
    """Places that become fewer, each dropped one counted once under its reason.

    Attributes
    ----------
    places : DataFrame
        ``chrom``; ``start``, ``end`` and ``summit`` of the peak; ``window``, where its window starts.
    counts : dict of str to int
        ``read``, then one entry per reason, in order.
    """

    def __init__(self, peaks: "pd.DataFrame", width: int) -> None:
        self.places = peaks.assign(window=centers(peaks) - width // 2)
        self.counts = {"read": len(peaks)}

    def drop(self, reason: str, wrong: Bool[np.ndarray, " n"]) -> None:
        """Drop the places that a mask names."""
        self.counts[reason] = self.counts.get(reason, 0) + int(wrong.sum())
        if wrong.any():
            self.places = self.places.loc[~wrong]

    def drop_other_chromosomes(self, lengths: dict[str, int], chromosomes: Sequence[str] | None) -> None:
        """Drop what lies on chromosomes that nobody asked for, or that the FASTA has not."""
        if chromosomes is not None:
            self.drop("other_chromosome", ~self.places["chrom"].isin(list(chromosomes)).to_numpy())
        self.drop("missing_chromosome", ~self.places["chrom"].isin(list(lengths)).to_numpy())

    def drop_windows_off_the_end(self, lengths: dict[str, int], width: int) -> None:
        """Drop windows that leave their chromosome, then those that are there already."""
        window = self.places["window"].to_numpy()
        ends = self.places["chrom"].map(lengths).to_numpy(dtype=np.int64)
        self.drop("off_end", (window < 0) | (window + width > ends))
        self.drop("duplicated", self.places.duplicated(["chrom", "window"]).to_numpy())


def windows_of(places: "pd.DataFrame", width: int) -> "pd.DataFrame":
    """Intervals of the windows themselves, ``chrom``, ``start`` and ``end``."""
    return places[["chrom"]].assign(start=places["window"], end=places["window"] + width)


def overlaps(places: "pd.DataFrame", others: "pd.DataFrame") -> Bool[np.ndarray, " n"]:
    """Tell which intervals share at least one base with any of others."""
    try:
        import bioframe
    except ImportError as error:
        raise ImportError("comparing peaks needs bioframe: install it with pip install 'rcviz[genome]'") from error

    columns = ["chrom", "start", "end"]
    places = places[columns].reset_index(drop=True)
    others = others.loc[others["chrom"].isin(places["chrom"].unique()), columns]
    if places.empty or others.empty:  # bioframe takes no empty table
        return np.zeros(len(places), dtype=bool)
    mask: np.ndarray = bioframe.count_overlaps(places, others)["count"].to_numpy() > 0
    return mask


def some_of(names: Iterable[str], n: int = 5) -> str:
    """The first few names, for a sentence."""
    listed = list(names)
    return ", ".join(listed[:n]) + (f" and {len(listed) - n:,} more" if len(listed) > n else "")


def check_chromosome_names(peaks: "pd.DataFrame", lengths: dict[str, int], what: str, source: Any = None) -> None:
    """Refuse names that would be found if only they had a "chr" more or less; ``source`` is where they are from."""
    is_file = isinstance(source, str | os.PathLike)
    for name in peaks["chrom"].unique():
        other = in_other_style(name)
        if name not in lengths and other in lengths:
            longer = other.startswith("chr")
            in_table = f"'chr' + {what}.chrom" if longer else f"{what}.chrom.str.removeprefix('chr')"
            in_file = "sed 's/^/chr/'" if longer else "sed 's/^chr//'"
            raise ValueError(
                f"{f'{source} ({what})' if is_file else what} names chromosome {name!r} but the FASTA has {other!r}: "
                f"rename them, in the unpacked file with {in_file}, or in a table with "
                f"{what} = rcviz.read_peaks(path); {what}['chrom'] = {in_table}"
            )
