"""The folder of the cache of genomes, and a temporary one where that cannot be written."""

import atexit
import os
import shutil
import tempfile
import warnings
from pathlib import Path

_ADVICE = "set RCVIZ_CACHE to a folder with room"
_temporary: Path | None = None


def chosen_folder() -> Path:
    """Return ``$RCVIZ_CACHE``, else rcviz' folder among the system's caches; it may not exist."""
    import platformdirs

    return Path(os.path.expanduser(os.environ.get("RCVIZ_CACHE") or platformdirs.user_cache_dir("rcviz")))  # noqa: PTH111


def cache_folder() -> Path:
    """Return the folder for genomes as codes and their indices; it may be deleted at any time.

    ``$RCVIZ_CACHE`` if it is set, else the system's folder for caches (on Linux ``~/.cache/rcviz``). If that cannot be
    written, a temporary folder, with a warning.
    """
    folder = chosen_folder()
    try:
        if folder.parts[:1] == ("~",):
            raise OSError("there is no home folder")
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OSError("it is read-only")
    except OSError as error:
        return temporary_folder((error.strerror or str(error)).lower())
    return folder


def temporary_folder(reason: str) -> Path:
    """Return a temporary folder that replaces the cache until this process ends; warn when it is made.

    Raises
    ------
    OSError
        If no temporary folder can be made either.
    """
    global _temporary
    if _temporary is not None and _temporary.is_dir():
        return _temporary
    problem = f"the cache folder {chosen_folder()} cannot be written ({reason})"
    try:
        _temporary = Path(tempfile.mkdtemp(prefix="rcviz_cache_"))
    except OSError as error:
        raise OSError(f"{problem}, nor can a temporary folder be made: {_ADVICE}") from error
    atexit.register(_remove, _temporary, os.getpid())
    warnings.warn(
        f"{problem}: genomes are kept in {_temporary} until this process ends; {_ADVICE}", UserWarning, stacklevel=2
    )
    return _temporary


def searched_folders() -> list[Path]:
    """Return folders in which an earlier call may have written, also those that are read-only now."""
    return [chosen_folder()] if _temporary is None else [chosen_folder(), _temporary]


def _remove(folder: Path, process: int) -> None:
    if os.getpid() == process:  # a forked child leaves it to its parent
        shutil.rmtree(folder, ignore_errors=True)
