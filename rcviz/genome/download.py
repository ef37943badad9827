"""Public files, downloaded by pooch: unpacked, compared with their checksums, recorded.

pooch keeps the folder. A file that is there and has the right checksum is not downloaded again, a failed download is
tried again, and nothing appears under a file's name before its checksum was right. What pooch cannot do is done here:
which files there are, unpacking with a limit, and the record of checksums that are in no list.
"""

import functools
import json
import re
import stat
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import IO, Any

from rcviz._core.checks import brief, quoted
from rcviz._core.files import atomic_write, check_target, remove_unfinished
from rcviz._core.text_files import unpacked

RECORD = "checksums.json"
"""A file in the folder with the checksum of everything that was fetched; a later fetch expects the same."""

_RETRIES = 2
_TIMEOUT = 30.0  # seconds without a byte
_CHUNK = 1 << 16
_SMALLEST_LIMIT = 1 << 26  # bytes that a server may send, whatever size the list gives
_RESERVED_NAMES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}  # Windows
_KEYS = {"key", "url", "about", "size", "sha256"}


@dataclass(frozen=True)
class Source:
    """A gzipped file on a server.

    Attributes
    ----------
    key, about : str
        Short name, and a description.
    url : str
    size : int
        Approximate size of the unpacked content, in bytes.
    sha256 : str or None
        Checksum of the unpacked content, if known.
    """

    key: str
    url: str
    about: str
    size: int
    sha256: str | None = None

    @property
    def name(self) -> str:
        """Name of the unpacked file in the folder."""
        return self.url.rpartition("/")[2].removesuffix(".gz")


@dataclass(frozen=True)
class Fetched:
    """A file that has been fetched.

    Attributes
    ----------
    source : Source
    path : Path
    sha256 : str
        Checksum of its content.
    from_cache : bool
        Whether the complete file was there already; otherwise it was downloaded now.
    checksum : "listed", "recorded" or "new"
        What the content was compared with: the checksum in the list, the one recorded at the first download, or
        nothing yet: then this download's checksum is recorded.
    """

    source: Source
    path: Path
    sha256: str
    from_cache: bool
    checksum: str


def read_sources(collection: str = "gm12878") -> list[Source]:
    """Read a list of files: the one that ships with rcviz, by name, or your own, by path (``*.toml``).

    Raises
    ------
    FileNotFoundError, ValueError
        When there is no such list, or an entry is malformed.
    """
    bundled = files("rcviz") / "data" / f"{collection}.toml"
    path = Path(collection)
    if path.suffix != ".toml" and not bundled.is_file():
        raise ValueError(f"there is no collection {collection!r}: give gm12878, or the path of a list (*.toml)")
    listed = path if path.suffix == ".toml" else bundled
    try:
        entries = tomllib.loads(listed.read_text(encoding="utf-8")).get("file", [])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{collection} is not TOML: {brief(error)}") from error
    if not entries or not isinstance(entries, list):
        raise ValueError(f"{collection} lists no files: expected [[file]] entries, as in rcviz/data/gm12878.toml")
    sources = [_source(f"{collection}: entry {number}", entry) for number, entry in enumerate(entries, start=1)]
    for what, values in (("key", [s.key for s in sources]), ("file name", [s.name.lower() for s in sources])):
        double = next((value for value in values if values.count(value) > 1), None)
        if double is not None:
            raise ValueError(f"{collection}: two entries have the {what} {quoted(double)}; give each its own")
    return sources


def _source(where: str, entry: Any) -> Source:
    """Check an entry of a list; the last part of its url becomes the name of a file, so it must be a plain name."""
    if not isinstance(entry, dict) or not _KEYS - {"sha256"} <= set(entry) <= _KEYS:
        has = ", ".join(entry)[:200] if isinstance(entry, dict) else quoted(entry)
        raise ValueError(f"{where} has {has or 'nothing'}, expected key, url, about, size and, if known, sha256")
    for key, value in entry.items():
        expected = "a whole number of bytes" if key == "size" else "text"
        if not (type(value) is int and value >= 0 if key == "size" else isinstance(value, str)):
            raise ValueError(f"{where} has the {key} {quoted(value)}, expected {expected}")
    source = Source(**entry)
    if not re.fullmatch(r"https?://[^\s\\]+/\w[\w.+-]*\.gz", source.url, re.ASCII) or ".." in source.name:
        raise ValueError(f"{where} has the url {quoted(source.url)}, expected http(s) of a .gz file with a plain name")
    if source.name.lower() == RECORD or source.name.partition(".")[0].lower() in _RESERVED_NAMES:
        raise ValueError(f"{where} would be saved as {source.name}, a reserved name; download it by hand")
    if source.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", source.sha256):
        raise ValueError(f"{where} has the sha256 {quoted(source.sha256)}, expected 64 digits 0-9, a-f")
    return source


def fetch(source: Source, folder: Path, *, progress: bool = True) -> Fetched:
    """Download one file into a folder, unless it is already there with the right checksum.

    Parameters
    ----------
    source : Source
    folder : Path
        Created if it does not exist.
    progress : bool
        Show a progress bar on standard error.

    Raises
    ------
    ImportError
        When pooch is not installed.
    ConnectionError
        When the server does not send the file, or the connection fails, three times in a row.
    ValueError
        When the content is damaged or has another checksum than expected. It is deleted.
    """
    try:
        import pooch
        import requests
    except ImportError as error:
        raise ImportError('fetching needs pooch; run: pip install "rcviz[fetch]"') from error
    path = folder / source.name
    if path.exists() and not path.is_file():
        check_target(path, "the file")
    recorded = _read_record(folder).get(source.name)
    pooch.get_logger().setLevel("ERROR")
    manager = pooch.create(
        folder,
        base_url="",
        registry={source.name: source.sha256 or recorded},
        urls={source.name: source.url},
        retry_if_failed=_RETRIES,
    )
    actions: list[str] = []

    def note(fname: str, action: str, pup: Any) -> str:
        actions.append(action)
        return fname

    download = functools.partial(_download, target=path, limit=max(2 * source.size, _SMALLEST_LIMIT), progress=progress)
    remove_unfinished(folder)
    mode = path.stat().st_mode if path.exists() and not path.is_symlink() else None
    try:
        manager.fetch(source.name, processor=note, downloader=download)
    except requests.RequestException as error:
        raise ConnectionError(
            f"{source.url} could not be fetched ({brief(error)}): run the same command again later; "
            f"complete files are not downloaded again"
        ) from error
    if mode is not None:
        path.chmod(stat.S_IMODE(mode))
    digest = str(pooch.file_hash(str(path)))
    if recorded != digest:
        _write_record(folder, source.name, digest)
    checksum = "listed" if source.sha256 else "recorded" if recorded else "new"
    return Fetched(source, path, digest, from_cache=actions[0] == "fetch", checksum=checksum)


def _download(url: str, output: str, pup: Any, *, target: Path, limit: int, progress: bool) -> None:
    """Download for pooch and unpack into its temporary file, which it compares with the checksum and then renames."""
    import pooch

    # "identity": a server that packs .gz files once more would be unpacked once only.
    download = pooch.HTTPDownloader(
        progressbar=progress, chunk_size=_CHUNK, timeout=_TIMEOUT, headers={"Accept-Encoding": "identity"}
    )
    check_target(target, "the file")
    with tempfile.TemporaryFile(dir=pup.abspath) as packed:  # without a name: a killed process leaves nothing
        download(url, _LimitedFile(packed, url, limit), pup)
        packed.seek(0)
        Path(output).unlink(missing_ok=True)  # pooch makes one that only the user can read
        with atomic_write(output) as temporary, temporary.open("wb") as file:
            for piece in unpacked(url, packed):
                file.write(piece)


class _LimitedFile:
    """A file with a size limit, for data from a server."""

    def __init__(self, file: IO[bytes], url: str, limit: int) -> None:
        self._file, self._url, self._limit = file, url, limit
        self.flush = file.flush

    def write(self, chunk: bytes) -> int:
        if self._file.tell() + len(chunk) > self._limit:
            raise ValueError(
                f"{self._url} sends more than {self._limit:,} bytes, far more than the size in the list: open the "
                f"url in a browser, and correct the list if its size is wrong"
            )
        return self._file.write(chunk)


def _read_record(folder: Path) -> dict[str, str]:
    path = folder / RECORD
    if not path.exists():
        return {}
    try:
        return {str(name): str(digest) for name, digest in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({brief(error)}): delete it, and checksums are recorded again") from error


def _write_record(folder: Path, name: str, digest: str) -> None:
    record = {**_read_record(folder), name: digest}
    with atomic_write(folder / RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def choose(sources: Sequence[Source], keys: Sequence[str] | None) -> list[Source]:
    """Return the sources with these keys; all if there are none given."""
    by_key = {source.key: source for source in sources}
    unknown = [key for key in keys or [] if key not in by_key]
    if unknown:
        raise ValueError(f"there is no {', '.join(unknown)}: choose from {', '.join(by_key)}")
    return list(sources) if keys is None else [by_key[key] for key in keys]
