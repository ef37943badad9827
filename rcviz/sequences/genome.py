"""Genomes: windows read out of FASTA files of any size, as codes, without loading a chromosome.

Letters and line ends are dealt with once: the first time a FASTA file is opened, its bases go into a cache, one byte
each, and a window is then a plain piece of that file. pyfaidx makes the index. Its handles keep a place in the file, so
that workers who share one read each other's sequence; nothing here keeps a place. Each call of :meth:`Genome.read` maps
what it needs anew, and gives it back to the system when it returns.
"""

import gzip
import hashlib
import os
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from jaxtyping import UInt8

from rcviz._files import written_whole
from rcviz.sequences.alphabet import CODE_OF_BYTE

_GZIP_MAGIC = b"\x1f\x8b"
_LINE_ENDS = b"\r\n"
_SOFT_MASKED = 8  # added to the code of a lower-case letter
_CODES = bytes(code + _SOFT_MASKED * (ord("a") <= byte <= ord("z")) for byte, code in enumerate(CODE_OF_BYTE.tolist()))
_CHUNK = 1 << 24
_REGION = 1 << 24  # bytes mapped at a time: the system may count all of them as memory in use

FastaPaths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


class _Record(NamedTuple):
    """Where one chromosome lies: in which file of codes, from which byte."""

    file: int
    length: int
    offset: int


class Genome:
    """Chromosomes of one or several FASTA files.

    Parameters
    ----------
    fasta : path, or several
        Plain, gzipped or bgzipped, told by content; UCSC's one file per chromosome may be given as a list.
        Opened for the first time, a file is indexed (by the ``.fai`` beside it where that is not older) and its bases
        are kept in :func:`cache_folder`, one byte each; a file that changes is taken anew. Nothing is written beside
        it.

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
        self._codes: list[Path] = []
        self._records: dict[str, _Record] = {}
        for file, path in enumerate(self.paths):
            codes, lengths = _encoded(path)
            self._codes.append(codes)
            offset = 0
            for chrom, length in lengths.items():
                if chrom in self._records:
                    raise ValueError(
                        f"{path} holds {chrom} again, which {self.paths[self._records[chrom].file]} holds already: "
                        f"give each chromosome once"
                    )
                self._records[chrom] = _Record(file, length, offset)
                offset += length

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
            When a chromosome is not there, or a window leaves it.
        """
        windows = self._read(chrom, start, width)
        windows &= _SOFT_MASKED - 1
        return windows

    def soft_masked(self, chrom: Any, start: Any, width: int | np.integer) -> UInt8[np.ndarray, "n width"]:
        """Tell for the same windows which letters are lower case (1), as genomes mark repeats."""
        return self._read(chrom, start, width) // _SOFT_MASKED

    def _read(self, chrom: Any, start: Any, width: int | np.integer) -> np.ndarray:
        files, first = self._places(chrom, np.asarray(start, dtype=np.int64), int(width))
        windows = np.empty((len(first), width), dtype=np.uint8)
        regions, group = np.unique((files << 32) + first // _REGION, return_inverse=True)
        for which, (file, region) in enumerate(divmod(key, 1 << 32) for key in regions.tolist()):
            rows = np.flatnonzero(group == which)
            offset = region * _REGION
            size = min(_REGION + int(width), self._codes[file].stat().st_size - offset)
            # A view: slices of a memmap object are several times slower to make.
            bases = np.memmap(self._codes[file], dtype=np.uint8, mode="r", offset=offset, shape=(size,)).view(
                np.ndarray
            )
            windows[rows] = np.lib.stride_tricks.sliding_window_view(bases, int(width))[first[rows] - offset]
        return windows

    def _places(self, chrom: Any, start: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
        """File and first byte of each window."""
        import pandas as pd

        if width < 1:
            raise ValueError(f"width must be at least 1 bp, got {width}")
        which, names = pd.factorize(np.asarray(chrom, dtype=object))
        unknown = [name for name in names if name not in self._records]
        if unknown:
            raise ValueError(f"there is no chromosome {unknown[0]!r}: the FASTA has {', '.join(self._records)}")
        records = np.array([self._records[name] for name in names], dtype=np.int64).reshape(-1, len(_Record._fields))
        files, lengths, offset = records[which].T
        outside = (start < 0) | (start + width > lengths)
        if outside.any():
            row = int(np.argmax(outside))
            raise ValueError(
                f"{names[which[row]]}:{start[row]}-{start[row] + width} leaves the chromosome of {lengths[row]:,} bp: "
                f"drop windows that do"
            )
        return files, offset + start


def cache_folder() -> Path:
    """Folder for what can be made again: unpacked genomes, their indices, downloads.

    ``$RCVIZ_CACHE`` where it is set, else the system's place for caches (on Linux ``~/.cache/rcviz``).
    """
    import platformdirs

    folder = Path(os.environ.get("RCVIZ_CACHE") or platformdirs.user_cache_dir("rcviz"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _encoded(path: Path) -> tuple[Path, dict[str, int]]:
    """Give the file of codes of a FASTA file and the length of each record in it, made now or before."""
    status = path.stat()
    key = hashlib.sha256(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:16]
    codes, index = (cache_folder() / f"{path.name}.{key}{suffix}" for suffix in (".codes", ".fai"))
    if not (codes.exists() and index.exists()):
        with written_whole(codes) as temporary_codes, written_whole(index) as temporary_index:
            _encode(path, temporary_codes, temporary_index)
    lines = [line.split("\t") for line in index.read_text().splitlines()]
    return codes, {name: int(length) for name, length, *_ in lines}


def _encode(path: Path, codes: Path, index: Path) -> None:
    with path.open("rb") as file:
        is_packed = file.read(2) == _GZIP_MAGIC
    text = path
    if is_packed:
        text = codes.with_name(codes.name + ".text")
    try:
        if is_packed:
            _unpack(path, text)
        _check_head(path, text)
        records = _index(path, text, index)
        with text.open("rb") as source, codes.open("wb") as target:
            for chrom, record in records.items():
                _encode_record(path, chrom, record, source, target)
    finally:
        if is_packed:
            text.unlink(missing_ok=True)


def _encode_record(path: Path, chrom: str, record: Any, source: BinaryIO, target: BinaryIO) -> None:
    if record.rlen == 0:
        raise ValueError(f"{path}: record {chrom!r} has no sequence; remove it or fill it in")
    last = record.rlen - 1
    left = last // record.lenc * record.lenb + last % record.lenc + 1
    source.seek(record.offset)
    written = 0
    while left > 0:
        letters = source.read(min(_CHUNK, left))
        if not letters:
            break
        left -= len(letters)
        written += target.write(letters.translate(_CODES, _LINE_ENDS))
    if written != record.rlen:
        raise ValueError(f"{path} does not fit its index, {path}.fai: delete that")


def _unpack(path: Path, target: Path) -> None:
    from tqdm.auto import tqdm

    with (
        path.open("rb") as raw,
        tqdm.wrapattr(raw, "read", total=path.stat().st_size, desc=f"unpacking {path.name}", delay=1) as watched,
        gzip.GzipFile(fileobj=watched) as packed,
        target.open("wb") as file,
    ):
        try:
            shutil.copyfileobj(packed, file, _CHUNK)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{path} is a truncated or damaged gzip file ({error}): copy it again") from error


def _check_head(path: Path, text: Path) -> None:
    with text.open("rb") as file:
        head = file.read(4096)
    if not head.strip():
        raise ValueError(f"{path} is empty: expected FASTA records, '>name' and its sequence below")
    if head.startswith((b">", b";")):
        return
    number, line = next((n, line) for n, line in enumerate(head.split(b"\n"), start=1) if line.strip())
    got = line[:60].decode("ascii", "replace").strip()
    if got.startswith("<"):
        raise ValueError(f"{path}, line {number}: {got!r} opens an HTML page, not FASTA: download the file again")
    raise ValueError(f"{path}, line {number}: {got!r} is not FASTA, which starts with '>name': give a FASTA file")


def _index(path: Path, text: Path, index: Path) -> dict[str, Any]:
    """Index a plain FASTA file, or take the index beside it."""
    try:
        from pyfaidx import Faidx, FastaIndexingError
    except ImportError as error:
        raise ImportError("reading genomes needs pyfaidx: install it with pip install 'rcviz[genome]'") from error

    beside = Path(f"{text}.fai")
    if beside.exists() and beside.stat().st_mtime_ns >= text.stat().st_mtime_ns:
        shutil.copyfile(beside, index)
    else:
        index.unlink()  # pyfaidx takes an empty index for a finished one
    try:
        opened = Faidx(text, indexname=index, rebuild=False)
    except (FastaIndexingError, ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be indexed ({error}): wrap every record evenly and name it once") from error
    opened.close()
    return dict(opened.index)
