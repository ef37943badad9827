"""Text files as others made them: plain or gzipped, with any line ends."""

import gzip
import os
import zlib
from pathlib import Path

GZIP_MAGIC = b"\x1f\x8b"
BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")  # an empty block closes the file


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
    """Read a whole text file, telling gzip (and its blocked form, bgzip) by content and not by name."""
    check_file(path)
    raw = Path(path).read_bytes()
    if raw.startswith(GZIP_MAGIC):
        check_bgzip_end(path)
        try:
            raw = gzip.decompress(raw)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise damaged_gzip(path, error) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file ({error}): check that it is the file you meant") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def damaged_gzip(path: str | os.PathLike[str], error: Exception) -> ValueError:
    """Say that a gzip file is not whole."""
    return ValueError(f"{path} is a truncated or damaged gzip file ({error}): copy or download it again")
