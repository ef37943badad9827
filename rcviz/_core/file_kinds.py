"""Files that are not text, by their first bytes, with the tool that opens them; and pipes, which are read once."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HEAD = 512
"""Number of first bytes by which a file is recognised."""

_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive: unpack it first, for example with unzip {path}"),
    (b"BZh", "compressed with bzip2: unpack it first, with bunzip2 -k {path}"),
    (b"\xfd7zXZ\0", "compressed with xz: unpack it first, with xz -dk {path}"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first, with zstd -d {path}"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first, for example with 7z x {path}"),
    (b"\x43\x27\x41\x1a", "a genome in the 2bit format: convert it with twoBitToFa {path} genome.fa"),
    (b"\x1a\x41\x27\x43", "a genome in the 2bit format: convert it with twoBitToFa {path} genome.fa"),
    (b"\xeb\xf2\x89\x87", "a bigBed file: convert it with bigBedToBed {path} peaks.bed"),
    (b"\x87\x89\xf2\xeb", "a bigBed file: convert it with bigBedToBed {path} peaks.bed"),
    (b"\x26\xfc\x8f\x88", "a bigWig file: convert it with bigWigToBedGraph {path} signal.bedGraph"),
    (b"\x88\x8f\xfc\x26", "a bigWig file: convert it with bigWigToBedGraph {path} signal.bedGraph"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a workbook of Excel: save it there as tab-separated text"),
    (b"BAM\1", "a BAM file, aligned reads: call peaks first"),
    (b"CRAM", "a CRAM file, aligned reads: call peaks first"),
    (b"\x89HDF", "an HDF5 file"),
    (b"PAR1", "a Parquet file: read it with pandas.read_parquet and pass the DataFrame"),
    (b"%PDF", "a PDF"),
)
_UTF_16 = "text in UTF-16: convert it with iconv -f UTF-16 -t UTF-8 {path} > text.txt"
_WORKBOOK = "a workbook of Excel: save it there as tab-separated text"


def check_is_text(path: str | os.PathLike[str], head: bytes) -> None:
    """Refuse a file whose first bytes, unpacked if it was gzipped, show that it is something else than UTF-8 text."""
    kind = next((kind for magic, kind in _KINDS if head.startswith(magic)), None)
    if kind is not None and head.startswith(b"PK") and (b"xl/" in head or b"[Content_Types].xml" in head):
        kind = _WORKBOOK
    # A byte order mark, or text of which every other byte is zero.
    if (
        head.startswith((b"\xff\xfe", b"\xfe\xff"))
        or (head[1::2] and not any(head[1::2]))
        or (len(head) > 1 and not any(head[::2]))
    ):
        kind = _UTF_16
    if kind is not None:
        raise ValueError(f"{path} is not a text file but {kind.format(path=path)}")


@contextmanager
def regular_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the path, or for a pipe that of a temporary copy, which can be read twice and in any order."""
    source = Path(path)
    if source.is_file() or not source.exists() or source.is_dir():
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="rcviz_pipe_") as folder:
        copy = Path(folder) / "pipe"
        with source.open("rb") as pipe, copy.open("wb") as target:
            shutil.copyfileobj(pipe, target)
        try:
            yield copy
        except ValueError as error:
            if str(copy) not in str(error):
                raise
            raise ValueError(str(error).replace(str(copy), str(source))) from error
