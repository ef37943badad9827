"""Text files, plain or gzipped and with any line ends, read in pieces.

Files may be malicious or damaged: lines and unpacked files that are far larger than expected are refused before they
fill the memory.
"""

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from rcviz._core.file_kinds import HEAD, check_is_text, regular_file
from rcviz._core.files import check_path

GZIP_MAGIC = b"\x1f\x8b"
BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")  # an empty block ends the file

LONGEST_LINE = 1 << 24
"""Maximum number of characters in a line; a window of sequence on one line has up to a million."""

_PIECE = 1 << 20
_LONGEST_TEXT = 1 << 27  # characters of a file that is read at once, which are motif files
_ALWAYS_ALLOWED = 1 << 26  # unpacked bytes that are allowed for a gzip file of any size
_LARGEST_RATIO = 100  # DNA is compressed 3 to 4 times, tables 10 times; the maximum of gzip is 1000 times


def check_file(path: str | os.PathLike[str]) -> None:
    """Refuse a path that does not exist, is a folder or is not UTF-8."""
    check_path(path)
    if not Path(path).exists():
        fix = "write /dev/stdin for standard input" if str(path) == "-" else "check its name and folder"
        raise FileNotFoundError(f"the file {path} does not exist: {fix}")
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path} is a folder: give a file")


def check_bgzip_end(path: str | os.PathLike[str]) -> None:
    """Refuse a bgzip file that was truncated between two blocks, which gzip itself does not notice."""
    with Path(path).open("rb") as file:
        head = file.read(18)
        is_bgzip = head[:4] == BGZIP_END[:4] and head[12:16] == BGZIP_END[12:16]
        if is_bgzip:
            file.seek(-min(len(BGZIP_END), Path(path).stat().st_size), os.SEEK_END)
            if file.read() != BGZIP_END:
                raise ValueError(
                    f"{path} is a truncated bgzip file (its last block is missing): copy or download it again"
                )


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a small text file at once; gzip and bgzip are recognised by content."""
    pieces, n = [], 0
    for piece in _text(path):
        pieces.append(piece)
        n += len(piece)
        if n > _LONGEST_TEXT:
            raise ValueError(
                f"{path} has more than {_LONGEST_TEXT >> 20} MB of text, far more than a motif file: check that it "
                f"is the right file"
            )
    return "".join(pieces)


def read_lines(path: str | os.PathLike[str]) -> Iterator[str]:
    """Read a text file line by line, without line ends; gzip is recognised by content."""
    rest = ""
    for piece in _text(path):
        *lines, rest = (rest + piece).split("\n")
        yield from lines
        if len(rest) > LONGEST_LINE:
            raise ValueError(
                f"{path} has a line of more than {LONGEST_LINE:,} characters: check that it is the right file, or "
                f"break its lines"
            )
    if rest:
        yield rest


def unpacked(path: str | os.PathLike[str], packed: IO[bytes], size: int = _PIECE) -> Iterator[bytes]:
    """Unpack an open gzip file in pieces; refuse one that expands far more than sequences or tables do."""
    with gzip.GzipFile(fileobj=packed) as file:
        n = 0
        try:
            while piece := file.read(size):
                n += len(piece)
                if n > max(_ALWAYS_ALLOWED, _LARGEST_RATIO * packed.tell()):
                    raise ValueError(
                        f"{path} unpacks to more than {_LARGEST_RATIO} times its size, far more than sequences or "
                        f"tables: get it from a trusted source, or unpack it yourself"
                    )
                yield piece
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(
                f"{path} is a truncated or damaged gzip file ({error}): copy or download it again"
            ) from error


def _text(path: str | os.PathLike[str]) -> Iterator[str]:
    """Decode a file in pieces, with line ends converted to line feeds."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")(), translate=True)
    try:
        for piece in _bytes(path):
            yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file ({error.reason}): check that it is the right file") from error


def _bytes(path: str | os.PathLike[str]) -> Iterator[bytes]:
    check_file(path)
    with regular_file(path) as regular, regular.open("rb") as file:
        if file.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC):
            check_bgzip_end(regular)
            pieces = unpacked(path, file)
        else:
            pieces = iter(lambda: file.read(_PIECE), b"")
        for number, piece in enumerate(pieces):
            if number == 0:
                check_is_text(path, piece[:HEAD])
            yield piece
