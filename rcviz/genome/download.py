"""Public files by address: resumed where a connection broke, unpacked, checked by their content, kept.

pooch keeps the folder: what is there and sound is not fetched again, and nothing appears under its name before its
checksum was right.
"""

import functools
import hashlib
import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Any

from rcviz._core.checks import brief, quoted
from rcviz._core.files import atomic_write
from rcviz._core.text_files import unpacked

RECORD = "checksums.json"
"""In the folder: the checksum of everything that was fetched, which is what a later fetch expects."""

_ATTEMPTS = 3  # in a row that bring no byte
_TIMEOUT = 30.0  # seconds without a byte
_CHUNK = 1 << 16
_UNSUSPECTED = 1 << 26  # bytes that a server may send, whatever the list says
_PARTIAL = ".part"
_UNPACKING = ".unpacking"
_OF_THE_SYSTEM = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}  # Windows
_KEYS = {"key", "url", "about", "size", "sha256"}


@dataclass(frozen=True)
class Source:
    """A gzipped file somewhere else.

    Attributes
    ----------
    key, about : str
        What it is called, and what it is.
    url : str
    size : int
        Of the unpacked content, in bytes; about.
    sha256 : str or None
        Of the unpacked content, where it is known.
    """

    key: str
    url: str
    about: str
    size: int
    sha256: str | None = None

    @property
    def name(self) -> str:
        """Under which it is kept, unpacked."""
        return self.url.rpartition("/")[2].removesuffix(".gz")


@dataclass(frozen=True)
class Fetched:
    """A file that is there now.

    Attributes
    ----------
    source : Source
    path : Path
    sha256 : str
        Of its content.
    from_cache : bool
        Whether the file was there already, whole; otherwise it was downloaded now.
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
    """Read a list of files: one that ships with rcviz, by name, or one's own, by path (``*.toml``).

    Raises
    ------
    FileNotFoundError, ValueError
        When there is no such list, or an entry is not one.
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
    """Check an entry of a list; what its address ends in becomes the name of a file, and must be no path."""
    if not isinstance(entry, dict) or not _KEYS - {"sha256"} <= set(entry) <= _KEYS:
        has = ", ".join(entry)[:200] if isinstance(entry, dict) else quoted(entry)
        raise ValueError(
            f"{where} has {has or 'nothing'}, expected key, url, about, size and, where it is known, sha256"
        )
    for key, value in entry.items():
        expected = "whole bytes" if key == "size" else "text"
        if not (type(value) is int and value >= 0 if key == "size" else isinstance(value, str)):
            raise ValueError(f"{where} has the {key} {quoted(value)}, expected {expected}")
    source = Source(**entry)
    if not re.fullmatch(r"https?://[^\s\\]+/\w[\w.+-]*\.gz", source.url, re.ASCII) or ".." in source.name:
        raise ValueError(f"{where} has the url {quoted(source.url)}, expected http(s) of a .gz file with a plain name")
    if source.name.lower() == RECORD or source.name.partition(".")[0].lower() in _OF_THE_SYSTEM:
        raise ValueError(f"{where} would be kept as {source.name}, which is taken; download it by hand")
    if source.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", source.sha256):
        raise ValueError(f"{where} has the sha256 {quoted(source.sha256)}, expected 64 digits 0-9, a-f")
    return source


def fetch(source: Source, folder: Path, *, progress: bool = True) -> Fetched:
    """Bring one file into a folder, unless it is there and sound.

    Parameters
    ----------
    source : Source
    folder : Path
        Made if it is not there. What broke off stays there as ``*.part``; the next call goes on from it.
    progress : bool
        Show a progress bar on standard error.

    Raises
    ------
    ImportError
        When pooch is missing, saying what to install.
    ConnectionError
        When the file cannot be had now: not found, or the connection broke off again and again.
    ValueError
        When what came is not what was expected. Nothing of it is kept.
    """
    try:
        import pooch
    except ImportError as error:
        raise ImportError('fetching needs pooch; run: pip install "rcviz[fetch]"') from error
    path = folder / source.name
    recorded = _read_record(folder).get(source.name)
    expected = source.sha256 or recorded
    pooch.get_logger().setLevel("ERROR")
    keeper = pooch.create(folder, base_url="", registry={source.name: expected}, urls={source.name: source.url})
    actions: list[str] = []

    def note(fname: str, action: str, pup: Any) -> str:
        actions.append(action)
        return fname

    download = functools.partial(_download, expected=expected, name=source.name, most=_most(source), progress=progress)
    keeper.fetch(source.name, processor=note, downloader=download)
    digest = str(pooch.file_hash(str(path)))
    if recorded != digest:
        _write_record(folder, source.name, digest)
    checksum = "listed" if source.sha256 else "recorded" if recorded else "new"
    return Fetched(source, path, digest, from_cache=actions[0] == "fetch", checksum=checksum)


def _download(url: str, output: str, pup: Any, *, expected: str | None, name: str, most: int, progress: bool) -> None:
    """Fetch what is missing of the packed file, then unpack it for pooch, which moves it to its place."""
    partial = Path(pup.abspath) / f".{name}{_PARTIAL}"
    # Not at once into pooch's file: it has another name every time, and a kill would leave it there, as large as a
    # genome; nor may others read it.
    unpacking = partial.with_name(f".{name}{_UNPACKING}")
    if partial.is_symlink():  # written through, it would change a file elsewhere
        partial.unlink()
    idle = 0
    while True:
        before = _size(partial)
        try:
            _receive(url, partial, name=name, most=most, progress=progress)
            break
        except ConnectionError as error:
            there = _size(partial)
            idle = 0 if there > before else idle + 1
            if isinstance(error, ConnectionRefusedError) or idle == _ATTEMPTS:
                kept = f"; {there:,} bytes are kept, and the same command goes on from there" if there else ""
                raise ConnectionError(f"{url} could not be fetched: {error}{kept}") from error
    try:
        digest = _unpack(partial, unpacking, url)
        if expected and digest != expected:
            raise ValueError(
                f"what {url} sent has another content than expected (sha256 {digest}, not {expected}); nothing was "
                f"kept: the file at this address was damaged or exchanged"
            )
        unpacking.replace(output)
    finally:
        partial.unlink(missing_ok=True)
        unpacking.unlink(missing_ok=True)


def _receive(url: str, partial: Path, *, name: str, most: int, progress: bool) -> None:
    """Append to the partial file what is missing; start anew where the server cannot begin in the middle.

    Raises
    ------
    ConnectionError
        When not all of it came, and what came stays; ConnectionRefusedError when the server will not send it.
    ValueError
        When far more came than the list says.
    """
    import requests
    import urllib3
    from tqdm.auto import tqdm

    start = _size(partial)
    # As it is, not packed once more on the way: only then do positions in it mean anything.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if start and response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                partial.unlink()  # as long as the file itself or longer, so that nothing can follow
                _receive(url, partial, name=name, most=most, progress=progress)
                return
            if response.status_code >= HTTPStatus.BAD_REQUEST:
                raise ConnectionRefusedError(f"the server answers {response.status_code} {response.reason}")
            resumed = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
            start = start if response.status_code == HTTPStatus.PARTIAL_CONTENT and resumed else 0
            length = response.headers.get("Content-Length")
            total = start + int(length) if length and length.isdecimal() else None
            with (
                partial.open("ab" if start else "wb") as file,
                tqdm(desc=name, total=total, initial=start, unit="B", unit_scale=True, disable=not progress) as bar,
            ):
                for chunk in response.raw.stream(_CHUNK, decode_content=False):
                    bar.update(file.write(chunk))
                    if file.tell() > most:
                        partial.unlink()
                        raise ValueError(
                            f"{url} sends more than {most:,} bytes, far more than the list says; nothing was kept: "
                            f"look at the address in a browser, and correct the size in the list if it is wrong"
                        )
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise ConnectionError(_reason(error)) from error


def _most(source: Source) -> int:
    """Bytes that a server may send: packed, a file is smaller than unpacked, and a list may say its size about."""
    return max(2 * source.size, _UNSUSPECTED)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: Exception) -> str:
    """The innermost of the reasons that a library wraps into each other."""
    inner: BaseException = error
    while inner.__cause__ or inner.__context__:
        inner = inner.__cause__ or inner.__context__ or inner
    return str(inner) or type(inner).__name__


def _unpack(packed: Path, target: Path, url: str) -> str:
    digest = hashlib.sha256()
    target.unlink(missing_ok=True)
    try:
        with packed.open("rb") as source, target.open("wb") as file:
            for chunk in unpacked(packed, source):
                digest.update(chunk)
                file.write(chunk)
    except ValueError as error:
        raise ValueError(
            f"what {url} sent cannot be unpacked ({brief(error)}); nothing was kept: try again later, or look at "
            f"the address in a browser"
        ) from error
    return digest.hexdigest()


def _read_record(folder: Path) -> dict[str, str]:
    path = folder / RECORD
    if not path.exists():
        return {}
    try:
        return {str(name): str(digest) for name, digest in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({brief(error)}): delete it, and checksums are recorded anew") from error


def _write_record(folder: Path, name: str, digest: str) -> None:
    record = {**_read_record(folder), name: digest}
    with atomic_write(folder / RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def choose(sources: Sequence[Source], keys: Sequence[str] | None) -> list[Source]:
    """Take the sources of these keys, or all."""
    known = {source.key: source for source in sources}
    unknown = [key for key in keys or [] if key not in known]
    if unknown:
        raise ValueError(f"there is no {', '.join(unknown)}: choose from {', '.join(known)}")
    return list(sources) if keys is None else [known[key] for key in keys]
