"""The cache of genomes: FASTA files as codes, one byte per base, written when a file is first used.

Files are first normalised to what pyfaidx can index: unpacked, without a byte order mark or blank lines at the end.
The index is always made here and kept beside the codes: a .fai beside the FASTA file may belong to another file.
"""

import codecs
import errno
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from rcviz._core.checks import quoted
from rcviz._core.file_kinds import HEAD, check_is_text, regular_file
from rcviz._core.files import DiskFullError, atomic_write, shortened
from rcviz._core.text_files import GZIP_MAGIC, check_bgzip_end, check_file, unpacked
from rcviz.genome.cache_location import cache_folder, searched_folders, temporary_folder
from rcviz.sequences.alphabet import CODE_OF_BYTE
from rcviz.sequences.fasta import MOSTLY_AMBIGUOUS, first_invalid, invalid_nucleotides, non_bases

SOFT_MASKED = 8  # added to the code of a lower-case letter
_CODES = bytes(code + SOFT_MASKED * (ord("a") <= byte <= ord("z")) for byte, code in enumerate(CODE_OF_BYTE.tolist()))
_LINE_ENDS = b"\r\n"
_CHUNK = 1 << 24
_HEAD = 1 << 12
_MAX_BLANK = 1 << 24  # bytes of blank lines between two records
_MAX_LINE = 1 << 29  # pyfaidx reads whole lines; the longest human chromosome has half as many bases
_WORTH_SAYING = 1_000_000  # bytes
_VERSION = "encoding 2"  # part of the key: files of an earlier version of rcviz are not reused
_LONGEST_NAME = 200  # bytes of a FASTA file's name in the names of its files in the cache
_TEXT = "text"
_PYFAIDX_UNPACKS = (".gz", ".bgz", ".bz2", ".zip")  # by the ending of the name, not by content


def encoded_fasta(path: Path) -> tuple[Path, dict[str, int]]:
    """Return the file of codes of a FASTA file and the length of each record; both are cached."""
    check_file(path)
    if not path.is_file():  # a pipe has neither a size nor a date
        with regular_file(path) as copy, copy.open("rb") as file:
            return _encoded(copy, f"{_VERSION} {hashlib.file_digest(file, 'sha256').hexdigest()}")
    status = path.stat()
    return _encoded(path, f"{_VERSION} {path.resolve()} {status.st_size} {status.st_mtime_ns}")


def _encoded(path: Path, identity: str) -> tuple[Path, dict[str, int]]:
    name = f"{shortened(path.name, _LONGEST_NAME)}.{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    codes, index = next(filter(_are_files, _cached(name)), None) or _written(path, name)
    lines = [line.split("\t") for line in index.read_text().splitlines()]
    return codes, {name: int(length) for name, length, *_ in lines}


def _cached(name: str) -> Iterator[tuple[Path, Path]]:
    """Yield codes and index in each folder in which they may be."""
    for folder in searched_folders():
        yield folder / f"{name}.codes", folder / f"{name}.fai"


def _are_files(paths: tuple[Path, Path]) -> bool:
    return all(map(os.path.isfile, paths))


def _written(path: Path, name: str) -> tuple[Path, Path]:
    """Write codes and index into the cache, or into a temporary folder if its disk is full."""
    try:
        return _encode_into(cache_folder(), path, name)
    except DiskFullError as error:
        folder = temporary_folder(os.strerror(error.errno or errno.ENOSPC).lower())
    try:
        return _encode_into(folder, path, name)
    except DiskFullError as error:
        raise DiskFullError(f"{error}; RCVIZ_CACHE chooses the folder of the cache") from error


def _encode_into(folder: Path, path: Path, name: str) -> tuple[Path, Path]:
    codes, index = folder / f"{name}.codes", folder / f"{name}.fai"
    with (
        atomic_write(codes) as temporary_codes,
        atomic_write(index) as temporary_index,
        _normalised(path, temporary_codes.with_name(_TEXT)) as text,
    ):
        _encode(path, text, temporary_codes, temporary_index)
    size = codes.stat().st_size
    if size >= _WORTH_SAYING:
        from tqdm.auto import tqdm

        tqdm.write(
            f"{path.name} is kept as codes in {codes} ({size / 1e6:,.0f} MB), so that it is parsed once; RCVIZ_CACHE "
            f"chooses another folder, which may be deleted at any time",
            file=sys.stderr,
        )
    return codes, index


@contextmanager
def _normalised(path: Path, copy: Path) -> Iterator[Path]:
    """Yield the FASTA file as text that pyfaidx can index: the file itself, or a temporary copy."""
    from tqdm.auto import tqdm

    with path.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(-min(_HEAD, path.stat().st_size), os.SEEK_END)
        tail = file.read()
    is_packed = head.startswith(GZIP_MAGIC)
    if not is_packed:
        check_is_text(path, head[:HEAD])
    is_normal = not (
        head.startswith(codecs.BOM_UTF8)
        or _has_bare_returns(head)
        or len(tail) - len(tail.rstrip()) > len(_LINE_ENDS)
        or path.name.lower().endswith(_PYFAIDX_UNPACKS)
    )
    bar = {"total": path.stat().st_size, "desc": f"unpacking {path.name}", "delay": 1}
    try:
        if is_packed:
            check_bgzip_end(path)
            with path.open("rb") as source, tqdm.wrapattr(source, "read", **bar) as monitored:
                _copy_normalised(path, unpacked(path, monitored, _CHUNK), copy)
        elif not is_normal:
            with path.open("rb") as source:
                _copy_normalised(path, _pieces(source), copy)
        yield path if is_normal and not is_packed else copy
    finally:
        copy.unlink(missing_ok=True)


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    while piece := source.read(_CHUNK):
        yield piece


def _copy_normalised(path: Path, pieces: Iterable[bytes], copy: Path) -> None:
    """Copy text without byte order mark and blank end, with line feeds only; line numbers stay the same."""
    with copy.open("wb") as target:
        has_bare_returns, is_first, blank = False, True, b""
        for piece in pieces:
            if is_first:
                piece = piece.removeprefix(codecs.BOM_UTF8)
                has_bare_returns, is_first = _has_bare_returns(piece[:_HEAD]), False
            if has_bare_returns:
                piece = piece.replace(b"\r", b"\n")
            written = piece.rstrip()
            if written:
                target.write(blank + written)
                blank = b""
            blank += piece[len(written) :]
            if len(blank) > _MAX_BLANK:
                raise ValueError(f"{path} has {_MAX_BLANK >> 20} MB of blank lines in a row: remove them")
        target.write(b"\n")


def _has_bare_returns(head: bytes) -> bool:
    return b"\r" in head and b"\n" not in head


def _encode(path: Path, text: Path, codes: Path, index: Path) -> None:
    _check_head(path, text)
    _check_lines(path, text)
    records = _indexed(path, text, index)
    with text.open("rb") as source, codes.open("wb") as target:
        for chrom, record in records.items():
            _encode_record(path, text, chrom, record, source, target)


def _check_head(path: Path, text: Path) -> None:
    with text.open("rb") as file:
        head = file.read(_HEAD)
    if not head.strip():
        raise ValueError(f"{path} is empty: expected FASTA records, '>name' and its sequence below")
    number, line = next((n, line) for n, line in enumerate(head.split(b"\n"), start=1) if line.strip())
    if line.startswith((b">", b";")):
        return
    got = line[:60].decode("ascii", "replace").strip()
    if got.startswith("<"):
        raise ValueError(f"{path}, line {number}: {got!r} opens an HTML page, not FASTA: download the file again")
    raise ValueError(f"{path}, line {number}: {got!r} is not FASTA: expected '>name'")


def _check_lines(path: Path, text: Path) -> None:
    """Refuse a line that would not fit into memory."""
    length = 0
    with text.open("rb") as file:
        for piece in _pieces(file):
            end = piece.find(b"\n")
            if length + (len(piece) if end < 0 else end) > _MAX_LINE:
                raise ValueError(
                    f"{path} has a line of more than {_MAX_LINE:,} characters: wrap its records, as "
                    f"samtools faidx or seqtk seq -l 60 write them"
                )
            length = length + len(piece) if end < 0 else len(piece) - piece.rfind(b"\n") - 1


def _indexed(path: Path, text: Path, index: Path) -> dict[str, Any]:
    try:
        from pyfaidx import Faidx, FastaIndexingError
    except ImportError as error:
        raise ImportError("reading genomes needs pyfaidx: install it with pip install 'rcviz[genome]'") from error

    index.unlink()  # pyfaidx would use an empty index as it is
    try:
        faidx = Faidx(text, indexname=index)
    except (FastaIndexingError, ValueError, RuntimeError) as error:
        if problem := _layout_problem(text):
            raise ValueError(f"{path}, {problem}") from error
        raise ValueError(
            f"{path} cannot be indexed ({error}): use lines of one length in each record, one kind of line ends and "
            f"no blank lines"
        ) from error
    faidx.close()
    return dict(faidx.index)


def _layout_problem(text: Path) -> str | None:
    """Find why a file cannot be indexed: a name that is missing or repeated, or lines of different lengths."""
    line_of_name: dict[bytes, int] = {}
    width = shorter = None
    is_blank = False
    with text.open("rb") as file:
        for number, line in enumerate(file, start=1):
            letters = line.rstrip(_LINE_ENDS)
            if line.startswith(b">"):
                name = next(iter(line[1:].split()), b"")
                if not name:
                    return f"line {number}: a record has no name: write one after '>'"
                if name in line_of_name:
                    shown = name.decode("utf-8", "replace")
                    return (
                        f"line {number}: {quoted(shown)} is also the name of the record at line {line_of_name[name]}: "
                        f"give each record its own name"
                    )
                line_of_name[name] = number
                width = shorter = None
            elif width is None:
                width = len(letters) if line_of_name else None
            elif len(letters) > width or (shorter and letters):
                return (
                    f"line {shorter or number}: its length differs from the lines above it: "
                    f"use lines of one length in each record, without blank lines"
                )
            elif len(letters) < width:
                if is_blank and not letters:
                    return f"line {number}: there are blank lines between two records: remove them"
                shorter = shorter or number
            is_blank = not letters
    return None


def _encode_record(path: Path, text: Path, chrom: str, record: Any, source: BinaryIO, target: BinaryIO) -> None:
    def invalid_record(problem: str, at: int) -> ValueError:
        return ValueError(f"{path}, line {_line_at(source, at)}: record {quoted(chrom)} {problem}")

    if record.rlen == 0:
        raise invalid_record("has no sequence: remove it or fill it in", record.offset - 1)
    last = record.rlen - 1
    left = last // record.lenc * record.lenb + last % record.lenc + 1
    source.seek(record.offset)
    n_written = n_bases = n_ambiguous = 0
    while left > 0:
        letters = source.read(min(_CHUNK, left))
        if not letters:
            break
        left -= len(letters)
        n = target.write(letters.translate(_CODES, _LINE_ENDS))
        n_others, ambiguous = non_bases(letters)
        if invalid := invalid_nucleotides(ambiguous):
            # After a line that is too long, the letters may be those of the next header.
            if problem := _layout_problem(text):
                raise ValueError(f"{path}, {problem}")
            raise invalid_record(invalid, source.tell() - len(letters) + first_invalid(letters))
        n_written += n
        n_bases += n - n_others
        n_ambiguous += len(ambiguous)
    if n_written != record.rlen:
        raise ValueError(f"{path} changed while it was being read: wait until it is complete, then open it again")
    if n_ambiguous > n_bases:
        raise invalid_record(MOSTLY_AMBIGUOUS, record.offset)


def _line_at(source: BinaryIO, position: int) -> int:
    """Return the number of the line that contains a byte."""
    source.seek(0)
    number = 1
    while position > 0 and (piece := source.read(min(_CHUNK, position))):
        position -= len(piece)
        number += piece.count(b"\n")
    return number
