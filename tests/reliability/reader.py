"""A reader of files from strangers, and what is a fault of one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Reader(NamedTuple):
    """A reader: how a file for it is named, seeds that it accepts, a call, and whether its errors name the file."""

    file: str
    seeds: Callable[[Path], list[bytes]]
    read: Callable[[Path], Any]
    names_file: bool = True


def written(folder: Path, write: Callable[[Path], Any], name: str = "seed") -> bytes:
    path = folder / name
    write(path)
    return path.read_bytes()


MOST = 1500
"""Characters of a sentence; more is a file that speaks through the error."""


def judge(reader: Reader, path: Path) -> str | None:
    """Read a file; None for a correct result or a refusal in one sentence, else what went wrong."""
    try:
        reader.read(path)
    except (ValueError, OSError) as error:
        said = str(error)
        if isinstance(error, UnicodeError | json.JSONDecodeError):
            return f"raw {type(error).__name__}: {said[:200]}"
        if not said.strip() or "\n" in said.strip() or len(said) > MOST:
            return f"no sentence: {type(error).__name__}: {said[:300]!r}"
        if reader.names_file and path.name not in said and path.parent.name not in said:
            return f"the file is not named: {type(error).__name__}: {said[:300]}"
        return None
    except Exception as error:  # whatever else it is, it is a find
        return f"{type(error).__name__}: {str(error)[:300]}"
    return None
