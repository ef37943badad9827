"""Atomic writing of files: a file is either complete or not written."""

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

_UNFINISHED, _COMPLETE = ".unfinished", ".complete"
_LOCK = ".lock"
_DISK_FULL_CODES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFullError(OSError):
    """The disk or a quota is full; a file that would have been replaced is not modified."""


def check_target(
    path: str | os.PathLike[str], what: str, *, inputs: Iterable[str | os.PathLike[str]] = (), ending: str = ""
) -> None:
    """Check before work starts that a file can be written, and that nothing else would be overwritten.

    Parameters
    ----------
    path
        File that will be written.
    what
        Description for the error, such as "the model".
    inputs
        Files that are read or also written, and must not be overwritten.
    ending
        An existing file is replaced only if its name has this ending: any other is probably something else.

    Raises
    ------
    ValueError
    """
    target = Path(path)
    if target.is_dir() or not target.parent.is_dir():
        raise ValueError(f"cannot write {what} {target}: choose a file name in a folder that exists")
    if not os.access(target.parent, os.W_OK):
        raise ValueError(f"cannot write {what} {target}: the folder is read-only; choose another")
    for source in map(Path, inputs):
        if target.resolve() == source.resolve() or (target.exists() and source.exists() and target.samefile(source)):
            raise ValueError(f"{what} {target} would overwrite {source}: choose another name")
    if target.exists() and not target.name.endswith(ending):
        raise ValueError(
            f"{target} exists and its name does not end in {ending}, so {what} does not replace it: choose another "
            f"name, or remove the file first"
        )


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path to write to; on success the file is moved to ``path``, on any error it is removed.

    The temporary path is in a hidden folder beside ``path``, in which libraries may create other files, and which is
    locked while this process lives. Temporary files of killed processes that were writing ``path`` are removed.

    Raises
    ------
    FileNotFoundError
        When the folder does not exist.
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
            temporary.chmod(0o666 & ~umask)  # some libraries create files that only the user can read
            _move(temporary, target)
    except DiskFullError:
        raise
    except Exception as error:
        code = _disk_full_code(error)
        if code is None:
            raise
        kept = ", and the existing file is not modified" if target.exists() else ""
        full = DiskFullError(
            f"cannot write {target}: {os.strerror(code).lower()}{kept}: free some space, or write to another disk"
        )
        full.errno = code
        raise full from error


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file, if it exists, and temporary files of killed processes that were writing it."""
    target = Path(path)
    target.unlink(missing_ok=True)
    remove_unfinished(target.parent, target.name)


def remove_unfinished(folder: Path, name: str | None = None) -> None:
    """Remove temporary files of killed processes, for one file or a folder; not files that are being written."""
    pattern = f".{'*' if name is None else glob.escape(name)}.{'?' * 8}{_UNFINISHED}*"
    for path in folder.glob(pattern):
        with suppress(OSError):  # such as a folder of another user, or a file system without locks
            is_folder = path.is_dir()
            lock = _lock(path / _LOCK, os.O_CREAT) if is_folder else _lock(path)
            if lock is not None:
                if is_folder:
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
                os.close(lock)


@contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """Create a hidden, locked folder, and remove it at the end."""
    lock = None
    while lock is None:  # repeated only if another process removes it before it is locked
        folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=_UNFINISHED))
        try:
            lock = _lock(folder / _LOCK, os.O_CREAT)
        except OSError:  # a file system without locks, where no process removes anything
            break
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _move(temporary: Path, target: Path) -> None:
    """Move a file to its name as the very last step; a process that is killed before has to write it again."""
    folder = temporary.parent
    complete = folder.with_name(f"{folder.name}{_COMPLETE}")
    lock = None
    with suppress(OSError):
        lock = _lock(temporary)
    try:
        temporary.rename(complete)
        shutil.rmtree(folder, ignore_errors=True)
        complete.replace(target)
    finally:
        complete.unlink(missing_ok=True)
        if lock is not None:
            os.close(lock)


def _lock(path: Path, flags: int = 0) -> int | None:
    """Lock a file until it is closed, which happens whenever the process ends.

    Returns None if another process has locked or removed the file; raises OSError where locks do not exist.
    """
    if sys.platform == "win32":
        raise OSError("file locks are not available on Windows")
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


def _disk_full_code(error: BaseException | None) -> int | None:
    """Return the system's error number if a write failed because the disk is full; some libraries give it as text."""
    while error is not None:
        match = re.search(r"\(os error (\d+)\)", str(error))
        code = error.errno if isinstance(error, OSError) else int(match[1]) if match else None
        if code in _DISK_FULL_CODES:
            return code
        error = error.__cause__ or error.__context__
    return None


def check_ending(path: str | os.PathLike[str], kinds: tuple[str, ...]) -> str:
    """Return the ending of a path; an error if it is not one of ``kinds`` or the folder does not exist."""
    ending = Path(path).suffix.lower()
    if ending not in kinds:
        raise ValueError(f"cannot write {os.fspath(path)!r}: its ending must be one of {', '.join(kinds)}")
    folder = Path(path).resolve().parent
    if not folder.is_dir():
        raise ValueError(f"the folder {folder} does not exist: create it first, or choose another")
    return ending
