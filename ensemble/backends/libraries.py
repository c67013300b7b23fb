"""Compiled libraries on disk: kept under the digest of their own bytes, and made again where a file is not what was written.

A library is code that this process will run, so it is loaded only from a folder and a file that are this user's and that nobody
else may write. The folders are tried in order: the cache folder, one for each user among the temporary files, one for this
process alone. Under each, ``<key>/<digest>.so``: the key says what was compiled and how, the digest what came of it.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import hashlib
import os
import shutil
import stat
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

Make = Callable[[Path], bytes]
"""Compiles in a folder given to it; the library's bytes. OSError: the folder was at fault."""

SCRATCH = "compiling-"
"""What the names of folders begin with in which something is being compiled."""
ABANDONED = 60.0
"""Seconds after which such a folder is swept if no process holds it."""


class LibraryError(RuntimeError):
    """Compiled libraries can be kept or loaded nowhere."""


def cache_folder() -> Path:
    """Where compiled libraries are kept: ``$ENSEMBLE_CACHE``, else the user's cache folder.

    Raises:
        OSError: the system knows no home of this user.
    """
    if given := os.environ.get("ENSEMBLE_CACHE"):
        return _absolute(given)
    try:
        home = Path.home()
    except RuntimeError as error:
        raise OSError("this user has no home folder") from error
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "descent-ensemble"
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if os.path.isabs(given) else home / ".cache") / "descent-ensemble"


@cache
def _absolute(given: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(given)))  # once: a later chdir does not move it


# ---- folders and files that are ours


def _make_folder(folder: Path) -> None:
    """Makes a folder and what is missing above it, for this user alone whatever the umask says."""
    if not folder.is_dir():
        if folder.parent != folder:
            _make_folder(folder.parent)
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)


def _check_owner(found: os.stat_result) -> None:
    """Raises PermissionError unless what was found is this user's, and nobody else may write it."""
    if found.st_uid != os.geteuid():
        raise PermissionError(f"it belongs to user {found.st_uid}, not to {os.geteuid()}")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"others may write it (mode {stat.S_IMODE(found.st_mode):04o})")


def _check_folder(folder: Path) -> None:
    found = os.stat(folder)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError("it is no folder")
    _check_owner(found)


def _for_this_user() -> Path:
    """A folder among the temporary files that later processes of this user find again."""
    folder = Path(tempfile.gettempdir()) / f"descent-ensemble-{os.geteuid()}"
    if folder.is_symlink():
        raise PermissionError("it is a link")
    return folder


_private: Path | None = None


def _for_this_process() -> Path:
    """A new folder among the temporary files, removed at exit by the process that made it."""
    global _private
    if _private is None or not _private.is_dir():
        _private = Path(tempfile.mkdtemp(prefix="descent-ensemble-"))
        atexit.register(_remove, _private, os.getpid())
    return _private


def _remove(folder: Path, maker: int) -> None:
    if os.getpid() == maker:  # not a forked child of it
        shutil.rmtree(folder, ignore_errors=True)


PLACES: tuple[Callable[[], Path], ...] = (cache_folder, _for_this_user, _for_this_process)


# ---- what is kept


def _read(path: Path) -> bytes:
    """What a file holds that is ours, or PermissionError."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise PermissionError("it is no regular file")
        _check_owner(found)
        return file.read()


def digest_of(content: bytes) -> str:
    """What a library is called by."""
    return hashlib.sha256(content).hexdigest()[:32]


def kept(folder: Path, key: str) -> Iterator[Path]:
    """The sound libraries of a key; others are removed."""
    if not folder.is_dir():
        return
    _check_folder(folder)
    under = folder / key
    if not under.is_dir():
        return
    _check_folder(under)
    for path in sorted(under.glob("*.so")):
        try:
            content = _read(path)
            sound = digest_of(content) == path.stem
        except OSError as error:
            sound = False
            if isinstance(error, PermissionError):
                say_once(f"{path} is not loaded, since {error}; it is compiled again.")
        if sound:
            yield path
        else:
            with contextlib.suppress(OSError):
                path.unlink()


def keep(folder: Path, scratch: Path, key: str, content: bytes) -> Path:
    """Puts a library into its place: whole, on the disk, and under its name only then."""
    under, written = folder / key, scratch / "library.so"
    _make_folder(under)
    _check_folder(under)
    with open(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    path = under / f"{digest_of(content)}.so"
    os.replace(written, path)
    _sync(under)
    return path


def _sync(folder: Path) -> None:
    there = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # some file systems have no such thing for folders
            os.fsync(there)
    finally:
        os.close(there)


# ---- where it is made


@contextlib.contextmanager
def scratch_in(folder: Path) -> Iterator[Path]:
    """A folder to compile in, gone afterwards; what processes left that died within is swept.

    Not ``tempfile.TemporaryDirectory``: a forked child would remove it at its exit while the parent compiles.
    """
    import fcntl  # no such thing on Windows, where nothing is compiled

    _make_folder(folder)
    _check_folder(folder)
    _sweep(folder)
    scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=folder))
    held = os.open(scratch, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a file system without locks: then nobody sweeps
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(held)


def _sweep(folder: Path) -> None:
    import fcntl

    for left in folder.glob(f"{SCRATCH}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime < ABANDONED:
                continue  # perhaps made just now, and not yet held
            held = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(held)


# ---- loading

_loaded: dict[str, ctypes.CDLL] = {}
_locks: dict[str, threading.Lock] = {}
_locks_lock = threading.Lock()
_loading = threading.RLock()
"""Held while the system's loader is at work: a process forked in its midst would have half a list of libraries."""


def _renew() -> None:
    """In a forked child: whoever held a lock is not there. What was loaded is, and serves on."""
    global _locks_lock
    _locks_lock = threading.Lock()
    _locks.clear()
    _loading.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_loading.acquire, after_in_parent=_loading.release, after_in_child=_renew)


def load(key: str, make: Make) -> ctypes.CDLL:
    """The library of a key, loaded once for each process: from where it is kept, else made and kept.

    Raises:
        LibraryError: it can be kept and loaded nowhere.
    """
    with _locks_lock:
        lock = _locks.setdefault(key, threading.Lock())
    with lock:
        if key not in _loaded:
            _loaded[key] = _found(key, make)
        return _loaded[key]


def _found(key: str, make: Make) -> ctypes.CDLL:
    trouble: dict[str, OSError] = {}
    content = b""
    for making in (False, True):  # what is kept comes first: in the next folder only where there was trouble with one
        for place in PLACES if making else PLACES[:2]:  # the last is made where it is needed
            where = place_of(place)
            try:
                folder = place()
                library = _kept(folder, key)
                if library is None and making:
                    with scratch_in(folder) as scratch:
                        content = content or make(scratch)
                        library = _open(keep(folder, scratch, key, content))
                    trouble.pop(where, None)
            except OSError as error:
                trouble[where] = error
                continue
            if library is not None:
                return _said(library, folder, trouble)
            if not trouble:
                break
    reasons = "; ".join(f"{where}: {_reason(error)}" for where, error in trouble.items())
    raise LibraryError(
        f"backend='cpu' can keep compiled kernels in no folder ({reasons[:150]}). "
        f"Set $ENSEMBLE_CACHE to a folder of yours with room, or use backend='numpy'."
    )


def _kept(folder: Path, key: str) -> ctypes.CDLL | None:
    """The first library of a key that loads; None where none is kept. OSError: there are some, and none loads."""
    refused: OSError | None = None
    for path in kept(folder, key):
        try:
            return _open(path)
        except OSError as error:  # made on another system, or kept on one that executes no files
            refused = error
    if refused is not None:
        raise refused
    return None


def _open(path: Path) -> ctypes.CDLL:
    with _loading:
        try:
            return ctypes.CDLL(str(path))
        except OSError as error:
            raise OSError(str(error).removeprefix(f"{path}: ")) from error


def place_of(place: Callable[[], Path]) -> str:
    """The folder's path, or what it is called where it has none."""
    try:
        return str(place())
    except OSError as error:
        return f"the cache folder ({error})" if place is cache_folder else "the temporary files"


def _reason(error: OSError) -> str:
    return (error.strerror or str(error))[:100]


_told: set[str] = set()


def say_once(text: str) -> None:
    """Warns, once for each process, where this package was called."""
    if text not in _told:
        _told.add(text)
        level, frame = 1, sys._getframe()
        while frame.f_back and str(frame.f_globals.get("__name__")).startswith("ensemble."):
            level, frame = level + 1, frame.f_back
        warnings.warn(text, stacklevel=level)


def _said(library: ctypes.CDLL, folder: Path, trouble: dict[str, OSError]) -> ctypes.CDLL:
    """The library, and a word where it is not kept where it should be."""
    for where, error in list(trouble.items())[:1]:
        say_once(
            f"Compiled kernels are kept in {folder}, not in {where}: {_reason(error)[:60]}. Set $ENSEMBLE_CACHE to another."
        )
    return library
