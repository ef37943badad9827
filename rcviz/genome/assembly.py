"""Signs that peaks and FASTA are of different assemblies, said as warnings."""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_LENGTHS = {
    "hg19": {"chr1": 249_250_621, "chr21": 48_129_895, "chr22": 51_304_566},
    "hg38": {"chr1": 248_956_422, "chr21": 46_709_983, "chr22": 50_818_468},
    "mm10": {"chr1": 195_471_971},
    "mm39": {"chr1": 195_154_279},
}
_WORTH_A_WARNING = 0.1
_OF_THE_FASTA = ("missing_chromosome", "off_end", "unknown_bases")


def assembly_of(lengths: Mapping[str, int]) -> str | None:
    """Return the name of the assembly that has these chromosome lengths, of those that are known here."""
    named = {name if name.startswith("chr") else f"chr{name}": length for name, length in lengths.items()}
    for assembly, known in _LENGTHS.items():
        shared = [chrom for chrom in known if chrom in named]
        if shared and all(named[chrom] == known[chrom] for chrom in shared):
            return assembly
    return None


def warn_of_beyond_ends(tables: "Mapping[str, pd.DataFrame]", lengths: Mapping[str, int]) -> None:
    """Warn of regions that end behind the end of their chromosome, which are of another assembly."""
    for what, table in tables.items():
        beyond = table["end"].to_numpy() > table["chrom"].map(lengths).fillna(float("inf")).to_numpy()
        if beyond.any():
            first = table.loc[beyond].iloc[0]
            warnings.warn(
                f"{int(beyond.sum()):,} of {len(table):,} regions of {what} lie beyond the end of their chromosome, "
                f"such as {first['chrom']}:{first['start']}-{first['end']} of {lengths[first['chrom']]:,} bp"
                f"{_named(lengths)}: give the FASTA of the assembly in which they were called",
                UserWarning,
                stacklevel=3,
            )


def warn_of_dropped(counts: Mapping[str, int], lengths: Mapping[str, int]) -> None:
    """Warn if more than a tenth of the peaks were dropped because of the FASTA; chromosomes not asked for aside."""
    n_asked = counts["read"] - counts.get("other_chromosome", 0)
    dropped = {reason: counts.get(reason, 0) for reason in _OF_THE_FASTA}
    if sum(dropped.values()) > _WORTH_A_WARNING * n_asked:
        listed = ", ".join(f"{reason.replace('_', ' ')} {n:,}" for reason, n in dropped.items() if n)
        warnings.warn(
            f"{sum(dropped.values()):,} of {n_asked:,} peaks ({sum(dropped.values()) / n_asked:.0%}) are dropped "
            f"({listed}){_named(lengths)}: check that peaks and FASTA are of one assembly and that no chromosome is "
            f"missing",
            UserWarning,
            stacklevel=3,
        )


def _named(lengths: Mapping[str, int]) -> str:
    assembly = assembly_of(lengths)
    return f"; the FASTA has the lengths of {assembly}" if assembly else ""
