"""Copies of the tutorials to work in: updated with rcviz, but changed copies are never overwritten."""

import hashlib
import itertools
import json
from importlib.metadata import version
from pathlib import Path

from rcviz._core.files import atomic_write

FOLDER = "rcviz-tutorials"
RECORD = ".copied.json"
"""File beside the copies, with the digest of each tutorial when it was last copied."""


def copy_tutorials(target: Path) -> list[Path]:
    """Copy every tutorial of this rcviz into a folder.

    An unchanged copy is updated. A changed copy is kept; if the tutorial has changed in this rcviz, the new one is
    written beside it, once, with rcviz' version in its name.

    Returns
    -------
    list of Path
        Tutorials that were now written beside changed copies.
    """
    target.mkdir(exist_ok=True)
    copied = _recorded(target)
    source = _tutorials()
    beside = []
    for tutorial in sorted(source.rglob("*.ipynb")):
        name = tutorial.relative_to(source)
        content, copy = tutorial.read_bytes(), target / name
        new, before = _digest(content), copied.get(name.as_posix())
        now = _digest(copy.read_bytes()) if copy.exists() else None
        if now in (None, before) and now != new:
            _write(copy, content)
        elif now != new and before != new:
            other = _beside(copy, new)
            if not other.exists():
                _write(other, content)
                beside.append(other)
        copied[name.as_posix()] = new
    _write(target / RECORD, json.dumps(copied, indent=1, sort_keys=True).encode() + b"\n")
    return beside


def _tutorials() -> Path:
    package = Path(__file__).parents[1]
    in_checkout = package.parent / "notebooks"
    return in_checkout if (package.parent / "pyproject.toml").exists() else package / "notebooks"


def _recorded(target: Path) -> dict[str, str]:
    """Read the digests; none if the file is missing or damaged, so that every differing copy is taken as changed."""
    try:
        digests = json.loads((target / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    if not isinstance(digests, dict):
        return {}
    return {name: digest for name, digest in digests.items() if isinstance(digest, str)}


def _beside(copy: Path, digest: str) -> Path:
    """Choose a name with rcviz' version that is free, or whose file already has this content."""
    for number in itertools.count(1):
        path = copy.with_name(f"{copy.stem}.rcviz-{version('rcviz')}{'' if number == 1 else f'-{number}'}.ipynb")
        if not path.exists() or _digest(path.read_bytes()) == digest:
            break
    return path


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
