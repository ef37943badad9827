"""Copies of the tutorials for a person to work in: what was changed is never overwritten, and what is new arrives."""

import hashlib
import itertools
import json
from importlib.metadata import version
from pathlib import Path

from rcviz._core.files import atomic_write

FOLDER = "rcviz-tutorials"
RECORD = ".copied.json"
"""Beside the copies: the digest of each tutorial as it was when it was last copied."""


def copy_tutorials(target: Path) -> list[Path]:
    """Bring every tutorial of this rcviz into a folder.

    A tutorial that is there as it was copied is brought up to date. One that was changed stays, and where this rcviz
    has another than it was copied from, that one goes beside it, once, with rcviz' version in its name.

    Returns
    -------
    list of Path
        What was put beside changed tutorials now.
    """
    target.mkdir(exist_ok=True)
    known = _recorded(target)
    source = _tutorials()
    beside = []
    for tutorial in sorted(source.rglob("*.ipynb")):
        name = tutorial.relative_to(source)
        content, copy = tutorial.read_bytes(), target / name
        new, before = _digest(content), known.get(name.as_posix())
        now = _digest(copy.read_bytes()) if copy.exists() else None
        if now in (None, before) and now != new:
            _write(copy, content)
        elif now != new and before != new:
            other = _beside(copy, new)
            if not other.exists():
                _write(other, content)
                beside.append(other)
        known[name.as_posix()] = new
    _write(target / RECORD, json.dumps(known, indent=1, sort_keys=True).encode() + b"\n")
    return beside


def _tutorials() -> Path:
    package = Path(__file__).parents[1]
    in_checkout = package.parent / "notebooks"
    return in_checkout if (package.parent / "pyproject.toml").exists() else package / "notebooks"


def _recorded(target: Path) -> dict[str, str]:
    """What was copied; nothing where the record is missing or damaged, so that all that differs counts as changed."""
    try:
        found = json.loads((target / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return (
        {name: digest for name, digest in found.items() if isinstance(digest, str)} if isinstance(found, dict) else {}
    )


def _beside(copy: Path, digest: str) -> Path:
    """A name with rcviz' version in it, which is free or holds this content already."""
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
