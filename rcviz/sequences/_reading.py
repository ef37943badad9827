"""Text files as others made them: plain or gzipped, with any line ends."""

import gzip
import os
import zlib
from pathlib import Path

_GZIP_MAGIC = b"\x1f\x8b"


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a whole text file, telling gzip (and its blocked form, bgzip) by content and not by name."""
    raw = Path(path).read_bytes()
    if raw.startswith(_GZIP_MAGIC):
        try:
            raw = gzip.decompress(raw)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{path} is a truncated or damaged gzip file ({error}): copy it again") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file ({error}): check that it is the file you meant") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")
