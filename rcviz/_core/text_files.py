"""Text files as others made them: plain or gzipped, with any line ends, read a piece at a time.

A file may claim more than it is: no line and no unpacked file is taken into memory before its size is known to be one
that such files have.
"""

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

GZIP_MAGIC = b"\x1f\x8b"
BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")  # an empty block closes the file

LONGEST_LINE = 1 << 24
"""Characters; a window of sequence on one line takes up to a million."""

_PIECE = 1 << 20
_LONGEST_TEXT = 1 << 27  # of what is read whole, which are files of motifs
_UNSUSPECTED = 1 << 26  # bytes that may come out of a packed file of any size
_LARGEST_RATIO = 100  # DNA packs to a quarter or third, tables to a tenth; gzip's own limit is a thousandth


def check_file(path: str | os.PathLike[str]) -> None:
    """Refuse a path where there is nothing, or a folder."""
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no file {path}: check its name and folder")
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path} is a folder: give a file in it")


def check_bgzip_end(path: str | os.PathLike[str]) -> None:
    """Refuse a bgzip file that was cut between two of its blocks, where gzip itself notices nothing."""
    with Path(path).open("rb") as file:
        head = file.read(18)
        is_bgzip = head[:4] == BGZIP_END[:4] and head[12:16] == BGZIP_END[12:16]
        if is_bgzip:
            file.seek(-min(len(BGZIP_END), Path(path).stat().st_size), os.SEEK_END)
            if file.read() != BGZIP_END:
                raise ValueError(
                    f"{path} is a truncated bgzip file (the block that ends one is missing): copy or download it again"
                )


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a whole text file that cannot be large, telling gzip (and its blocked form, bgzip) by content."""
    pieces, n = [], 0
    for piece in _text(path):
        pieces.append(piece)
        n += len(piece)
        if n > _LONGEST_TEXT:
            raise ValueError(
                f"{path} holds more than {_LONGEST_TEXT >> 20} MB of text, which no file of motifs does: check that it "
                f"is the file you meant"
            )
    return "".join(pieces)


def read_lines(path: str | os.PathLike[str]) -> Iterator[str]:
    """Read a text file line by line, without line ends, telling gzip by content."""
    rest = ""
    for piece in _text(path):
        *lines, rest = (rest + piece).split("\n")
        yield from lines
        if len(rest) > LONGEST_LINE:
            raise ValueError(
                f"{path} has a line of more than {LONGEST_LINE:,} characters: check that it is the file you meant, or "
                f"break its lines"
            )
    if rest:
        yield rest


def unpacked(path: str | os.PathLike[str], packed: IO[bytes], size: int = _PIECE) -> Iterator[bytes]:
    """Unpack an opened gzip file in pieces; one that swells as nothing but a trap does is refused before it is out."""
    with gzip.GzipFile(fileobj=packed) as file:
        n = 0
        try:
            while piece := file.read(size):
                n += len(piece)
                if n > max(_UNSUSPECTED, _LARGEST_RATIO * packed.tell()):
                    raise ValueError(
                        f"{path} unpacks to more than {_LARGEST_RATIO} times its size, as no sequences or tables do: "
                        f"get it from a source that you trust, or unpack it yourself"
                    )
                yield piece
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(
                f"{path} is a truncated or damaged gzip file ({error}): copy or download it again"
            ) from error


def _text(path: str | os.PathLike[str]) -> Iterator[str]:
    """Decoded pieces of a file, with line feeds alone at the ends of lines."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")(), translate=True)
    try:
        for piece in _bytes(path):
            yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file ({error.reason}): check that it is the file you meant") from error


def _bytes(path: str | os.PathLike[str]) -> Iterator[bytes]:
    check_file(path)
    with Path(path).open("rb") as file:
        if file.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC):
            check_bgzip_end(path)
            yield from unpacked(path, file)
        else:
            while piece := file.read(_PIECE):
                yield piece
