"""Variants of VCF files and tables, block by block, and the two sequences that each of them is compared in."""

import gzip
import os
import shutil
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rcviz._core.checks import check_table, quoted
from rcviz._core.shapes import Bool, UInt8
from rcviz._core.text_files import GZIP_MAGIC, check_file
from rcviz.genome.fasta import Genome
from rcviz.genome.intervals import first_names
from rcviz.sequences.alphabet import BASES, UNKNOWN, decode
from rcviz.sequences.annotations import toggle_chr

if TYPE_CHECKING:
    import pandas as pd

_AT_ONCE = 2048  # alleles of a block
_COLUMNS = ("chrom", "pos", "ref", "alt")
_LETTERS = frozenset("ACGTN")

REASONS = {
    "no_alternative": "no alternative allele (.)",
    "overlapping_deletion": "a deletion of another line (*)",
    "symbolic": "symbolic (<DEL>)",
    "breakend": "breakends",
    "other_letters": "letters other than A, C, G, T, N",
    "same_as_reference": "the same as the reference",
    "missing_chromosome": "chromosomes that the FASTA does not have",
    "longer_than_window": "alleles that do not fit between the middle of the window and its end",
    "off_end": "windows beyond the end of a chromosome",
    "unknown_reference": "N in the genome where the reference allele is",
}
"""Why alleles are left out, in the words of a warning."""


class Allele(NamedTuple):
    """One alternative allele of a variant; ``pos`` is 1-based, as in VCF."""

    chrom: str
    pos: int
    id: str
    ref: str
    alt: str


@dataclass
class VariantWindows:
    """Variants of a file or table as pairs of sequences.

    Attributes
    ----------
    source : path or DataFrame
    genome : Genome
    width : int
        In bp.
    counts : Counter
        Number of alleles that were read, left out for each of ``REASONS``, and kept.
    """

    source: Any
    genome: Genome
    width: int
    counts: Counter[str] = field(default_factory=Counter)

    def blocks(self) -> "Iterator[tuple[pd.DataFrame, UInt8[np.ndarray, 'n width'], UInt8[np.ndarray, 'n width']]]":
        """Yield alleles (chrom, pos, id, ref, alt), and their sequences with the reference and the alternative.

        A window is centred on the variant: ``[pos0 - width // 2, pos0 - width // 2 + width)`` for its first base at the
        0-based ``pos0``. An insertion or deletion shifts what is right of it; what is missing at the right end is
        read from the genome, what is too long is cut off there.
        """
        import pandas as pd

        lengths, chosen = self.genome.lengths, []
        for allele in alleles_of(self.source):
            self.counts["read"] += 1
            reason = self._reason(allele, lengths)
            if reason:
                self.counts[reason] += 1
                continue
            chosen.append(allele)
            if len(chosen) == _AT_ONCE:
                yield from self._block(pd.DataFrame(chosen))
                chosen = []
        if chosen:
            yield from self._block(pd.DataFrame(chosen))

    def _reason(self, allele: Allele, lengths: dict[str, int]) -> str:
        """Why an allele is left out; empty if it is not."""
        ref, alt = allele.ref, allele.alt
        if kind := _kind(ref, alt):
            return kind
        if allele.chrom not in lengths:
            other = toggle_chr(allele.chrom)
            if other in lengths:
                raise ValueError(
                    f"the variants name chromosome {quoted(allele.chrom)} but the FASTA has {other!r}: rename them, in "
                    f"a VCF with bcftools annotate --rename-chrs, in a table with table['chrom']"
                )
            return "missing_chromosome"
        if max(len(ref), len(alt)) > self.width - self.width // 2:
            return "longer_than_window"
        start = allele.pos - 1 - self.width // 2
        more = max(0, len(ref) - len(alt))
        return "off_end" if start < 0 or start + self.width + more > lengths[allele.chrom] else ""

    def _block(self, alleles: "pd.DataFrame") -> Iterator[Any]:
        middle, width = self.width // 2, self.width
        chrom, start = alleles["chrom"].to_numpy(dtype=object), alleles["pos"].to_numpy(dtype=np.int64) - 1 - middle
        refs, alts = ([_codes(text) for text in alleles[name]] for name in ("ref", "alt"))
        more = np.array([max(0, len(ref) - len(alt)) for ref, alt in zip(refs, alts, strict=True)])
        reference = np.empty((len(alleles), width), dtype=np.uint8)
        alternative = np.empty_like(reference)
        known = np.ones(len(alleles), dtype=bool)
        for extra in np.unique(more):
            rows = np.flatnonzero(more == extra)
            read = self.genome.read(chrom[rows], start[rows], width + int(extra))
            for row, bases in zip(rows.tolist(), read, strict=True):
                ref, alt = refs[row], alts[row]
                known[row] = self._agrees(alleles, row, ref, bases[middle : middle + len(ref)])
                reference[row] = bases[:width]
                parts = bases[:middle], alt, bases[middle + len(ref) :]
                alternative[row] = np.concatenate(parts)[:width]
        self.counts["unknown_reference"] += int((~known).sum())
        self.counts["kept"] += int(known.sum())
        if known.any():
            yield alleles[known].reset_index(drop=True), reference[known], alternative[known]

    @staticmethod
    def _agrees(alleles: "pd.DataFrame", row: int, ref: np.ndarray, bases: np.ndarray) -> bool:
        """Whether the genome is known where the reference allele is; refused if it has another base there."""
        both: Bool[np.ndarray, " n"] = (ref != UNKNOWN) & (bases != UNKNOWN)
        if (ref[both] != bases[both]).any():
            allele = alleles.iloc[row]
            raise ValueError(
                f"the reference allele of {quoted(allele['chrom'])}:{allele['pos']} is {quoted(allele['ref'])}, but "
                f"the FASTA has {quoted(decode(bases[None])[0])} there: give the FASTA that the variants were called "
                f"with, and positions that count from 1"
            )
        return not (bases == UNKNOWN).any()


def _codes(letters: str) -> UInt8[np.ndarray, " n"]:
    return np.array([BASES.index(letter) if letter != "N" else UNKNOWN for letter in letters], dtype=np.uint8)


def warning_of_left_out(counts: Counter[str]) -> str:
    """Say how many alleles were left out, and why; empty if none was."""
    left_out = {reason: counts[reason] for reason in REASONS if counts[reason]}
    if not left_out:
        return ""
    listed = "; ".join(f"{n:,} {REASONS[reason]}" for reason, n in left_out.items())
    return f"{sum(left_out.values()):,} of {counts['read']:,} alleles are left out: {listed}"


def _kind(ref: str, alt: str) -> str:
    """Kind of an allele that is not a sequence of bases; empty for one that is."""
    if alt in ("", "."):
        return "no_alternative"
    if alt == "*":
        return "overlapping_deletion"
    if alt.startswith("<"):
        return "symbolic"
    if "[" in alt or "]" in alt or alt.startswith(".") or alt.endswith("."):
        return "breakend"
    if not ref or set(ref) - _LETTERS or set(alt) - _LETTERS:
        return "other_letters"
    return "same_as_reference" if ref == alt else ""


def alleles_of(source: Any) -> Iterator[Allele]:
    """Yield every alternative allele of a VCF file (plain, gzip, bgzip, or BCF) or of a table."""
    if isinstance(source, str | os.PathLike):
        yield from _alleles_of_file(Path(source))
        return
    yield from _alleles_of_table(source)


def _alleles_of_table(table: Any) -> Iterator[Allele]:
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        raise ValueError(f"variants must be the path of a VCF or a DataFrame, got {type(table).__name__}")
    check_table(table, list(_COLUMNS), "variant")
    if twice := [name for name in (*_COLUMNS, "id") if list(table.columns).count(name) > 1]:
        raise ValueError(f"expected each column once, got {twice[0]} several times")
    ids = table["id"] if "id" in table else ["."] * len(table)
    for row, (chrom, pos, ref, alts, name) in enumerate(zip(*(table[column] for column in _COLUMNS), ids, strict=True)):
        if pd.isna(chrom) or not isinstance(chrom, str | int | np.integer):
            raise ValueError(f"chrom must be the name of a chromosome, got {chrom!r:.100} in row {row}")
        for text in (ref, alts):
            if not isinstance(text, str):
                raise ValueError(f"ref and alt must be text, such as A or ACG, got {text!r:.100} in row {row}")
        for alt in alts.split(","):
            label = "." if pd.isna(name) else str(name)
            yield Allele(str(chrom), _whole(pos, row), label, ref.strip().upper(), _upper(alt.strip()))


def _whole(pos: Any, row: int) -> int:
    """Position as a whole number; tables with missing values hold them as floats."""
    whole = isinstance(pos, int | np.integer) and not isinstance(pos, bool)
    if not (whole or (isinstance(pos, float | np.floating) and float(pos).is_integer())) or pos < 1:
        raise ValueError(f"pos must be a whole number from 1 on, as in VCF, got {pos!r:.100} in row {row}")
    return int(pos)


def _upper(alt: str) -> str:
    return alt if alt.startswith("<") or "[" in alt or "]" in alt else alt.upper()


def _alleles_of_file(path: Path) -> Iterator[Allele]:
    try:
        import pysam
    except ImportError as error:
        raise ImportError(
            "reading VCF needs pysam: pip install 'rcviz[variants]'; or pass a table with columns chrom, pos, ref, alt"
        ) from error
    check_file(path)
    with _quiet(pysam):
        try:
            # Genotypes are not parsed: a file with many samples is read as fast as one without.
            with _opened(path) as source, pysam.VariantFile(source, drop_samples=True) as file:
                for record in file:
                    for alt in record.alts or (".",):
                        yield Allele(
                            record.chrom, record.pos, record.id or ".", (record.ref or "").upper(), _upper(alt)
                        )
        except (TypeError, LookupError, RuntimeError) as error:  # what pysam raises of damaged files and of pipes
            raise ValueError(f"{path} cannot be read as VCF: check that it is one") from error
        except (ValueError, OSError) as error:
            raise ValueError(f"{path} cannot be read as VCF ({error}): check that it is complete") from error


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Path of a file that htslib reads itself, or a pipe of one that is gzipped and not bgzipped, where it seeks."""
    with path.open("rb") as file:
        head = file.read(18)
    if not head.startswith(GZIP_MAGIC) or (head[3] & 4 and head[12:14] == b"BC"):
        yield os.fspath(path)
        return
    problems: list[Exception] = []
    read_end, write_end = os.pipe()

    def unpack() -> None:
        try:
            with os.fdopen(write_end, "wb") as pipe, gzip.open(path) as packed:
                shutil.copyfileobj(packed, pipe, 1 << 20)
        except BrokenPipeError:  # nobody reads any further
            pass
        except (OSError, EOFError, zlib.error) as error:
            problems.append(error)

    thread = threading.Thread(target=unpack, daemon=True)
    thread.start()
    try:
        with os.fdopen(read_end, "rb") as pipe:
            yield pipe
    finally:
        thread.join()
    if problems:
        raise OSError(f"damaged gzip file: {problems[0]}")


@contextmanager
def _quiet(pysam: Any) -> Iterator[None]:
    """Keep htslib from writing remarks about headers to standard error."""
    before = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(before)


def check_known_chromosomes(counts: Counter[str], genome: Genome) -> None:
    """Refuse variants of which none is left; the error says why."""
    if counts["kept"]:
        return
    if not counts["read"]:
        raise ValueError("there are no variants: the file or table is empty")
    has = first_names(genome.lengths)
    raise ValueError(f"no variant is left: {warning_of_left_out(counts)}; the FASTA has the chromosomes {has}")
