"""Atomic writing of files: a file is either complete or not written."""

import errno
import glob
import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_UNFINISHED, _COMPLETE = ".unfinished", ".complete"
_LOCK = ".lock"
_LONGEST_NAME = 255 - len(f"..12345678{_UNFINISHED}{_COMPLETE}")  # in bytes
_ATTRIBUTES = ("user.", "system.posix_acl_access")
_DISK_FULL_CODES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFullError(OSError):
    """The disk or a quota is full; a file that would have been replaced is not modified."""


def check_path(path: str | os.PathLike[str]) -> None:
    """Refuse a path that a file system or a file format cannot hold: not UTF-8, or with a null character.

    Raises
    ------
    ValueError
    """
    text = os.fsdecode(path)
    try:
        problem = "a null character" if "\0" in text else None
        text.encode()
    except UnicodeEncodeError:
        problem = "bytes that are not UTF-8"
    if problem:
        raise ValueError(f"the path {text!a} has {problem}: rename the file or its folder")


def shortened(name: str, longest: int) -> str:
    """Shorten a file's name of more than so many bytes, to its beginning and a digest."""
    encoded = name.encode()
    if len(encoded) <= longest:
        return name
    return f"{encoded[:40].decode(errors='ignore')}~{hashlib.sha256(encoded).hexdigest()[:16]}"


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
    try:
        real = _writable(target, f"{what} ")
    except OSError as error:
        raise ValueError(str(error)) from error
    for source in map(Path, inputs):
        if real == Path(os.path.realpath(source)) or (real.exists() and source.exists() and real.samefile(source)):
            raise ValueError(f"{what} {target} would overwrite {source}: choose another name")
    if real.exists() and not target.name.endswith(ending):
        raise ValueError(
            f"{target} exists and its name does not end in {ending}, so {what} does not replace it: choose another "
            f"name, or remove the file first"
        )


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path to write to; on success the file is moved to ``path``, on any error it is removed.

    The temporary path is in a hidden folder beside ``path``, in which libraries may create other files, and which is
    locked while this process lives. Temporary files of killed processes that were writing ``path`` are removed.

    A file that is replaced keeps its permissions and, where the system allows it, its owner; of a symbolic link, the
    file behind it is replaced.

    Raises
    ------
    FileNotFoundError
        When the folder does not exist.
    IsADirectoryError, PermissionError, OSError
        When the file is write-protected or not an ordinary file, such as a pipe or a device.
    DiskFullError
        When the disk or a quota is full.
    """
    target = _writable(Path(path))
    remove_unfinished(target.parent, target.name)
    try:
        with _folder_beside(target) as folder:
            temporary = folder / target.name
            temporary.touch()
            mode = stat.S_IMODE(temporary.stat().st_mode)
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.chmod(mode)  # some libraries create files that only the user can read
            if target.exists():
                _keep_attributes(target, temporary)
            _move(temporary, target)
    except DiskFullError:
        raise
    except Exception as error:
        code = _disk_full_code(error)
        if code is None:
            raise
        kept = ", and the existing file is not modified" if target.exists() else ""
        full = DiskFullError(
            f"cannot write {path}: {os.strerror(code).lower()}{kept}: free some space, or write to another disk"
        )
        full.errno = code
        raise full from error


def _writable(path: Path, what: str = "") -> Path:
    """Return the file behind symbolic links; raise if it cannot be created or must not be replaced."""
    check_path(path)
    real = Path(os.path.realpath(path))
    cannot = f"cannot write {what}{path}"
    try:
        status = real.stat()
    except (FileNotFoundError, NotADirectoryError):
        status = None
    except OSError as error:  # such as a name that is too long, or links in a circle
        raise type(error)(f"{cannot}: {os.strerror(error.errno or 0).lower()}; choose another name") from error
    if status is None and not real.parent.is_dir():
        raise FileNotFoundError(f"{cannot}: the folder {real.parent} does not exist; create it first")
    if status is not None:
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(f"{cannot}: it is a folder; choose a file name in a folder that exists")
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{cannot}: it is a {_kind_of(status.st_mode)}, not an ordinary file; choose another name")
        # The permissions count, also for an administrator, who may write to any file.
        if not status.st_mode & 0o222 or not os.access(real, os.W_OK):
            raise PermissionError(
                f"{cannot}: the existing file is write-protected; make it writable, or choose another name"
            )
    if not os.access(real.parent, os.W_OK | os.X_OK):
        raise PermissionError(f"{cannot}: the folder is read-only; choose another")
    return real


def _kind_of(mode: int) -> str:
    kinds = {stat.S_ISFIFO: "pipe", stat.S_ISSOCK: "socket", stat.S_ISCHR: "device", stat.S_ISBLK: "device"}
    return next((kind for test, kind in kinds.items() if test(mode)), "special file")


def _keep_attributes(old: Path, new: Path) -> None:
    """Give a new file the owner, group, permissions and access list of the file that it replaces."""
    status = old.stat()
    mode = stat.S_IMODE(status.st_mode)
    if hasattr(os, "chown"):
        try:
            os.chown(new, status.st_uid, status.st_gid)
        except OSError:  # only an administrator can give files away
            try:
                os.chown(new, -1, status.st_gid)
            except OSError:  # what members of another group may do is what everybody may
                mode = mode & ~0o070 | (mode & 0o007) << 3
    new.chmod(mode)
    if hasattr(os, "listxattr"):
        with suppress(OSError):
            for name in os.listxattr(old):
                if name.startswith(_ATTRIBUTES):
                    os.setxattr(new, name, os.getxattr(old, name))


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file, if it exists, and temporary files of killed processes that were writing it.

    Of a symbolic link, the file behind it is removed, as it was written.
    """
    target = Path(os.path.realpath(path))
    target.unlink(missing_ok=True)
    remove_unfinished(target.parent, target.name)


def remove_unfinished(folder: Path, name: str | None = None) -> None:
    """Remove temporary files of killed processes, for one file or a folder; not files that are being written."""
    pattern = f".{'*' if name is None else glob.escape(shortened(name, _LONGEST_NAME))}.{'?' * 8}{_UNFINISHED}*"
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
        folder = Path(
            tempfile.mkdtemp(dir=target.parent, prefix=f".{shortened(target.name, _LONGEST_NAME)}.", suffix=_UNFINISHED)
        )
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
        match = re.search(r"(?:\(os error |\bOs { code: )(\d+)", str(error))  # two versions of safetensors
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
