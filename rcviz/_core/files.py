"""Files are either whole or not there: what is written appears under its name in one step."""

import errno
import glob
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_UNFINISHED, _WHOLE = ".unfinished", ".whole"
_LOCK = ".lock"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFullError(OSError):
    """A file could not be written for want of room, and what it would have replaced is still there."""


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
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a name to write to; on success the file moves to ``path``, on any error the old one stays as it was.

    The name lies in a hidden folder beside ``path``, where libraries may put files of their own as well, and which a
    lock holds for as long as this process lives. What killed processes left of writing ``path`` is removed.

    Raises
    ------
    FileNotFoundError
        When there is no folder for the file.
    DiskFullError
        When the disk or a quota is full.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {target}: the folder {target.parent} does not exist; create it first")
    remove_unfinished(target.parent, target.name)
    try:
        with _folder_beside(target) as folder:
            temporary = folder / target.name
            temporary.touch()
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)  # some libraries make private files; this one is an ordinary one
            _move(temporary, target)
    except DiskFullError:
        raise
    except Exception as error:
        code = _without_room(error)
        if code is None:
            raise
        kept = ", and the file of that name is as it was" if target.exists() else ""
        full = DiskFullError(
            f"cannot write {target}: {os.strerror(code).lower()}{kept}; make room, or write to another place"
        )
        full.errno = code
        raise full from error


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file, if it is there, and what killed processes left of writing it."""
    target = Path(path)
    target.unlink(missing_ok=True)
    remove_unfinished(target.parent, target.name)


def remove_unfinished(folder: Path, name: str | None = None) -> None:
    """Remove what killed processes left of writing a file, or any file of a folder; what is being written stays."""
    pattern = f".{'*' if name is None else glob.escape(name)}.{'?' * 8}{_UNFINISHED}*"
    for left in folder.glob(pattern):
        with suppress(OSError):  # such as a folder of somebody else's, or a file system without locks
            is_folder = left.is_dir()
            lock = _lock(left / _LOCK, os.O_CREAT) if is_folder else _lock(left)
            if lock is not None:
                if is_folder:
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink()
                os.close(lock)


@contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """Make a hidden folder that nobody else removes, and remove it at the end."""
    lock = None
    while lock is None:  # only when another process takes it for left behind, before it is locked
        folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=_UNFINISHED))
        try:
            lock = _lock(folder / _LOCK, os.O_CREAT)
        except OSError:  # a file system without locks: nobody removes anything there
            break
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _move(temporary: Path, target: Path) -> None:
    """Give a file its name as the very last step: whoever is killed before it has to write again, and tidies then."""
    folder = temporary.parent
    whole = folder.with_name(f"{folder.name}{_WHOLE}")
    lock = None
    with suppress(OSError):
        lock = _lock(temporary)
    try:
        temporary.rename(whole)
        shutil.rmtree(folder, ignore_errors=True)
        whole.replace(target)
    finally:
        whole.unlink(missing_ok=True)
        if lock is not None:
            os.close(lock)


def _lock(path: Path, flags: int = 0) -> int | None:
    """Hold a file, and with it what it stands for, until it is closed, as it is by any end of a process.

    None when another process holds it or has removed it; OSError where there are no locks.
    """
    if sys.platform == "win32":
        raise OSError("files are not locked here")
    import fcntl

    try:
        lock = os.open(path, os.O_RDWR | flags, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), path.stat()):
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(lock)
        raise
    os.close(lock)
    return None


def _without_room(error: BaseException | None) -> int | None:
    """Give the system's number for want of room, where that is why a write failed; some libraries tell it in words."""
    while error is not None:
        told = re.search(r"\(os error (\d+)\)", str(error))
        code = error.errno if isinstance(error, OSError) else int(told[1]) if told else None
        if code in _NO_ROOM:
            return code
        error = error.__cause__ or error.__context__
    return None


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
