"""Genomes: windows read out of FASTA files of any size, as codes, without loading a chromosome.

pyfaidx makes the index; the bytes are read here. A handle of pyfaidx keeps its place in the file, so that workers who
share one read each other's sequence; nothing here keeps a place. Each call of :meth:`Genome.read` maps the file anew,
and what it touched is given back to the system when it returns.
"""

import gzip
import hashlib
import os
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from rcviz._files import written_whole
from rcviz.sequences.alphabet import CODE_OF_BYTE

_GZIP_MAGIC = b"\x1f\x8b"
_LINE_ENDS = b"\r\n"
_REGION = 1 << 25  # bytes mapped at a time: the system may count all of them as memory in use
_CODES = CODE_OF_BYTE.tobytes()
_SOFT_MASKED = bytes(ord("a") <= byte <= ord("z") for byte in range(256))

FastaPaths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


class _Record(NamedTuple):
    """Where one chromosome lies: in which file, from which byte, and how its lines are broken."""

    file: int
    length: int
    offset: int
    line_bases: int
    line_bytes: int


class Genome:
    """Chromosomes of one or several FASTA files.

    Parameters
    ----------
    fasta : path, or several
        Plain, gzipped or bgzipped, told by content; UCSC's one file per chromosome may be given as a list.
        A compressed file is unpacked once into :func:`cache_folder`. An index (``.fai``) beside the file is used when
        it is not older; otherwise one is kept in the cache, and nothing is written beside the file.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ImportError
        When pyfaidx is missing, saying what to install.
    ValueError
        When a file is empty, no FASTA, cut off or unevenly wrapped, or two records have one name.
    """

    def __init__(self, fasta: FastaPaths) -> None:
        self.paths = [Path(fasta)] if isinstance(fasta, str | os.PathLike) else [Path(path) for path in fasta]
        if not self.paths:
            raise ValueError("expected at least one FASTA file, got none")
        self._texts = [_as_text(path) for path in self.paths]
        self._stamps = [(text.stat().st_size, text.stat().st_mtime_ns) for text in self._texts]
        self._records: dict[str, _Record] = {}
        for file, (path, text) in enumerate(zip(self.paths, self._texts, strict=True)):
            for chrom, place in _index(path, text).items():
                if chrom in self._records:
                    raise ValueError(
                        f"{path} holds {chrom} again, which {self.paths[self._records[chrom].file]} holds already: "
                        f"give each chromosome once"
                    )
                self._records[chrom] = _Record(file, place.rlen, place.offset, place.lenc, place.lenb)

    def __repr__(self) -> str:
        return f"Genome({len(self._records):,} chromosomes, {sum(self.lengths.values()):,} bp)"

    @property
    def lengths(self) -> dict[str, int]:
        """Length of each chromosome in bp, in the order of the files."""
        return {chrom: record.length for chrom, record in self._records.items()}

    def read(self, chrom: Any, start: Any, width: int | np.integer) -> UInt8[np.ndarray, "n width"]:
        """Read windows ``[start, start + width)`` as codes; any letter outside ACGT is 4, lower case counts as upper.

        Parameters
        ----------
        chrom : sequence of n str
        start : int array (n,)
            Zero-based. May be called from any number of threads and processes at once.
        width : int
            In bp, the same for all.

        Raises
        ------
        ValueError
            When a chromosome is not there, a window leaves it, or a file has changed since it was indexed.
        """
        return self._read(chrom, start, width, _CODES)

    def soft_masked(self, chrom: Any, start: Any, width: int | np.integer) -> UInt8[np.ndarray, "n width"]:
        """Tell for the same windows which letters are lower case (1), as genomes mark repeats."""
        return self._read(chrom, start, width, _SOFT_MASKED)

    def _read(self, chrom: Any, start: Any, width: int | np.integer, table: bytes) -> np.ndarray:
        start = np.asarray(start, dtype=np.int64)
        files, first, n_bytes = self._spans(chrom, start, int(width))
        windows = np.empty((len(start), width), dtype=np.uint8)
        # Windows of one width differ in bytes only by the line ends they cross: in each region a few lengths.
        regions, group = np.unique(np.stack([files, first // _REGION, n_bytes]), axis=1, return_inverse=True)
        for which, (file, region, length) in enumerate(regions.T.tolist()):
            rows = np.flatnonzero(group == which)
            text = self._mapped(file, region * _REGION, _REGION + length)
            spans = np.lib.stride_tricks.sliding_window_view(text, length)[first[rows] - region * _REGION]
            letters = spans.tobytes().translate(table, _LINE_ENDS)
            if len(letters) != len(rows) * width:
                raise ValueError(f"{self.paths[file]} does not fit its index: delete {self._texts[file]}.fai")
            windows[rows] = np.frombuffer(letters, dtype=np.uint8).reshape(len(rows), width)
        return windows

    def _mapped(self, file: int, offset: int, size: int) -> np.ndarray:
        """Map a part of a file; a view, because slices of a memmap object are several times slower to make."""
        path, status = self._texts[file], self._texts[file].stat()
        if (status.st_size, status.st_mtime_ns) != self._stamps[file]:
            raise ValueError(f"{self.paths[file]} has changed since it was opened: open it again")
        size = min(size, status.st_size - offset)
        return np.memmap(path, dtype=np.uint8, mode="r", offset=offset, shape=(size,)).view(np.ndarray)

    def _spans(self, chrom: Any, start: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """File, first byte and number of bytes of each window."""
        import pandas as pd

        if width < 1:
            raise ValueError(f"width must be at least 1 bp, got {width}")
        which, names = pd.factorize(np.asarray(chrom, dtype=object))
        unknown = [name for name in names if name not in self._records]
        if unknown:
            raise ValueError(f"there is no chromosome {unknown[0]!r}: the FASTA has {', '.join(self._records)}")
        records = np.array([self._records[name] for name in names], dtype=np.int64).reshape(-1, len(_Record._fields))
        files, lengths, offset, line_bases, line_bytes = records[which].T
        outside = (start < 0) | (start + width > lengths)
        if outside.any():
            row = int(np.argmax(outside))
            raise ValueError(
                f"{names[which[row]]}:{start[row]}-{start[row] + width} leaves the chromosome of {lengths[row]:,} bp: "
                f"drop windows that do"
            )
        last = start + width - 1
        first_byte = offset + start // line_bases * line_bytes + start % line_bases
        last_byte = offset + last // line_bases * line_bytes + last % line_bases
        return files, first_byte, last_byte - first_byte + 1


def cache_folder() -> Path:
    """Folder for what can be made again: unpacked genomes, their indices, downloads.

    ``$RCVIZ_CACHE`` where it is set, else the system's place for caches (on Linux ``~/.cache/rcviz``).
    """
    import platformdirs

    folder = Path(os.environ.get("RCVIZ_CACHE") or platformdirs.user_cache_dir("rcviz"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _kept(path: Path, suffix: str) -> Path:
    """Name in the cache for what is made of a file; a file that changes gets another."""
    status = path.stat()
    key = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
    return cache_folder() / f"{path.name}.{hashlib.sha256(key.encode()).hexdigest()[:16]}{suffix}"


def _as_text(path: Path) -> Path:
    """Give a plain FASTA file: the file itself, or what a compressed one unpacks to."""
    with path.open("rb") as file:
        head = file.read(4096)
    if not head.startswith(_GZIP_MAGIC):
        _check_head(path, head)
        return path
    text = _kept(path, ".fa")
    if not text.exists():
        with written_whole(text) as temporary:
            _unpack(path, temporary)
            with temporary.open("rb") as file:
                _check_head(path, file.read(4096))
    return text


def _unpack(path: Path, target: Path) -> None:
    from tqdm.auto import tqdm

    with (
        path.open("rb") as raw,
        tqdm.wrapattr(raw, "read", total=path.stat().st_size, desc=f"unpacking {path.name}", delay=1) as watched,
        gzip.GzipFile(fileobj=watched) as packed,
        target.open("wb") as file,
    ):
        try:
            shutil.copyfileobj(packed, file, 1 << 20)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{path} is a truncated or damaged gzip file ({error}): copy it again") from error


def _check_head(path: Path, head: bytes) -> None:
    if not head.strip():
        raise ValueError(f"{path} is empty: expected FASTA records, '>name' and its sequence below")
    if head.startswith((b">", b";")):
        return
    line = next(line for line in head.split(b"\n") if line.strip())[:60].decode("ascii", "replace").strip()
    number = head[: head.index(head.strip()[:1])].count(b"\n") + 1
    if head.lstrip()[:1] == b"<":
        raise ValueError(f"{path}, line {number}: {line!r} opens an HTML page, not FASTA: download the file again")
    raise ValueError(f"{path}, line {number}: {line!r} is not FASTA, which starts with '>name': give a FASTA file")


def _index(path: Path, text: Path) -> dict[str, Any]:
    """Index a plain FASTA file, or read the index that is there."""
    try:
        from pyfaidx import Faidx, FastaIndexingError
    except ImportError as error:
        raise ImportError("reading genomes needs pyfaidx: install it with pip install 'rcviz[genome]'") from error

    beside = Path(f"{text}.fai")
    if not (beside.exists() and beside.stat().st_mtime_ns >= text.stat().st_mtime_ns):
        beside = _kept(text, ".fai")
    try:
        if not beside.exists():
            with written_whole(beside) as temporary:
                temporary.unlink()  # pyfaidx takes an empty index for a finished one
                Faidx(text, indexname=temporary).close()
        opened = Faidx(text, indexname=beside, rebuild=False)
    except (FastaIndexingError, ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be indexed ({error}): wrap every record evenly and name it once") from error
    opened.close()
    size = text.stat().st_size
    for chrom, record in opened.index.items():
        if record.lenc == 0 or record.rlen == 0:
            raise ValueError(f"{path}: record {chrom!r} has no sequence; remove it or fill it in")
        if record.offset + (record.rlen - 1) // record.lenc * record.lenb + (record.rlen - 1) % record.lenc >= size:
            raise ValueError(f"{beside} does not belong to {path}, which is shorter: delete the index")
    return dict(opened.index)
