"""Files are either whole or not there: what is written appears under its name in one step."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def check_target(
    path: str | os.PathLike[str], what: str, *, inputs: Iterable[str | os.PathLike[str]] = (), ending: str = ""
) -> None:
    """Refuse, before work starts, a name where nothing can be written or where something else would be lost.

    Parameters
    ----------
    path
        What will be written.
    what
        What it is, as in "the model".
    inputs
        Files that are read, or written as well; none of them may be written over.
    ending
        A file that exists is replaced only where its name ends so: any other is likely to be something else.

    Raises
    ------
    ValueError
    """
    target = Path(path)
    if target.is_dir() or not target.parent.is_dir():
        raise ValueError(f"cannot write {what} {target}: give a file name in a folder that exists")
    if not os.access(target.parent, os.W_OK):
        raise ValueError(f"cannot write {what} {target}: the folder is read-only; choose another")
    for source in map(Path, inputs):
        if target.resolve() == source.resolve() or (target.exists() and source.exists() and target.samefile(source)):
            raise ValueError(f"{what} {target} would be written over {source}; give it another name")
    if target.exists() and not target.name.endswith(ending):
        raise ValueError(
            f"{target} exists and is not replaced by {what}, as its name does not end in {ending}; give another name, "
            f"or remove the file first"
        )


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; on success move it there, on any error leave the old file as it was."""
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {target}: the folder {target.parent} does not exist; create it first")
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes private files; this one is an ordinary one
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def check_ending(path: str | os.PathLike[str], kinds: tuple[str, ...]) -> str:
    """Return a path's ending, one of those known, before anything is computed or written."""
    ending = Path(path).suffix.lower()
    if ending not in kinds:
        raise ValueError(
            f"cannot tell what to write into {os.fspath(path)!r}: its ending must be one of {', '.join(kinds)}"
        )
    folder = Path(path).resolve().parent
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}; make it first, or name another")
    return ending
