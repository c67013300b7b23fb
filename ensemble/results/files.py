"""Files on the disk: whole or not at all, with digests at the end, which netCDF readers do not look at.

The last line is the digest of all bytes before it, the line before that the checksums of what is in the file: of every variable and of
the attributes by which a run is made again, each with the place of its bytes. So damage has a name, and nobody needs to trust the
structure of a damaged file to find it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where a file that someone writes to cannot be removed anyway
    fcntl = None  # type: ignore[assignment]
from ..words import told

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SEAL = b"descent-ensemble sha256 "
_SEAL_SIZE = len(_SEAL) + 64 + 1
_TABLE = b"descent-ensemble checksums "
_TABLE_END = 1 + 64 + 1 + 16 + 1
"""After the table: its digest, how long it is, and a line's end."""
_BLOCK = 1 << 22


class UnreadableFileError(ValueError):
    """A file that cannot be read as a result: damaged, cut short, made by another program or by a later version."""


def checked_path(function: str, path: object) -> Path:
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path) or "\0" in str(path):
        raise TypeError(f"{function}(path={told(path)}): give the path of a file.")
    return Path(path)


def shown(path: Path) -> str:
    """A path as messages show it: a long one by its end."""
    text = str(path)
    return repr(text if len(text) <= 100 else f"...{text[-97:]}")


def reason(error: BaseException, most: int = 120) -> str:
    """Why, in one short line."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    line = str(said).splitlines()[0].removesuffix(".")
    return line if len(line) <= most else f"{line[: most - 3]}..."


# ---- writing


@dataclass(frozen=True)
class Named:
    """What has a name in a file: a stretch of its bytes."""

    name: str
    offset: int
    size: int
    blocks: Callable[[], Iterable[Any]]


def write_whole(
    path: Path, size: int, blocks: Callable[[], Iterable[Any]], named: Iterable[Named] = (), keep: str = ""
) -> None:
    """Puts a file of ``size`` bytes in its place, with its checksums and sealed, or leaves what is there.

    ``blocks()`` are the bytes, in order; gone through side by side by what writes them and by what takes their digest, which takes
    about as long, and neither waits for the other; so are those of what is ``named``. ``keep``: what an error says of what was not
    written.

    Raises:
        OSError: the place cannot be written.
    """

    def write(file: BinaryIO) -> None:
        total = hashlib.sha256()
        with _beside(
            lambda given_up: _update(total, blocks(), given_up), lambda given_up: _table(named, given_up)
        ) as done:
            for block in blocks():
                write_all(file, block)
            table = done()[1]
        total.update(table)
        write_all(file, table + _SEAL + total.hexdigest().encode() + b"\n")

    put_whole(path, write, size + _SEAL_SIZE, keep or "the result is still in memory")


def put_whole(path: Path, write: Callable[[BinaryIO], None], size: int, keep: str) -> None:
    """Puts a file of about ``size`` bytes in its place, or leaves what is there. It is written under a temporary name, flushed to the
    disk and renamed. A link is followed; a file that is replaced keeps its permissions. Temporary files of writers that were killed are
    swept.

    Raises:
        OSError: the place cannot be written.
    """
    asked, path = path, Path(os.path.realpath(path))
    try:
        before = _replaced(asked, path)
        sweep(path)
        file, part = _claimed(path, before)
        try:
            with file:
                write(file)
                if before is not None:
                    _like(file, part, before)
                os.fsync(file.fileno())
                if fcntl is not None:  # still locked: nobody takes it for a dead writer's
                    os.replace(part, path)
            if fcntl is None:
                os.replace(part, path)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise
    except OSError as error:
        if error.errno is None:  # ours
            raise
        failed = OSError(
            f"save({shown(asked)}): {size:,} bytes cannot be written there ({reason(error)}); give another place, {keep}."
        )
        failed.errno = error.errno
        raise failed from error
    _flush_folder(path.parent)


def _update(total: Any, blocks: Iterable[Any], given_up: threading.Event) -> None:
    for block in blocks:
        if given_up.is_set():
            break
        total.update(block)


def _table(named: Iterable[Named], given_up: threading.Event) -> bytes:
    """The line of checksums; empty where nothing has a name."""
    found = []
    for one in named:
        total = hashlib.sha256()
        _update(total, one.blocks(), given_up)
        found.append([one.name, one.offset, one.size, total.hexdigest()])
    if not found:
        return b""
    text = json.dumps(found).encode()
    return _TABLE + text + b" " + hashlib.sha256(text).hexdigest().encode() + b" %016d\n" % len(text)


@contextlib.contextmanager
def _beside(*works: Callable[[threading.Event], Any]) -> Iterator[Callable[[], list[Any]]]:
    """What waits for works that other threads do meanwhile; where this is left early, they are given up."""
    given_up = threading.Event()
    with ThreadPoolExecutor(len(works)) as beside:
        futures = [beside.submit(work, given_up) for work in works]
        try:
            yield lambda: [future.result() for future in futures]
        finally:
            given_up.set()


def _replaced(asked: Path, path: Path) -> os.stat_result | None:
    """What is in the place now; refuses what must not be replaced."""
    if not os.path.isdir(path.parent):
        raise OSError(f"save({shown(asked)}): the folder {shown(path.parent)} does not exist; make it first.")
    try:
        before = os.stat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(before.st_mode):
        raise OSError(f"save({shown(asked)}): this is a folder; give the name of a file in it.")
    if not stat.S_ISREG(before.st_mode):
        raise OSError(f"save({shown(asked)}): this is a device or a pipe; give the name of a file, new or old.")
    if not os.access(path, os.W_OK):
        raise OSError(f"save({shown(asked)}): the file there is read-only; give another name, or make it writable.")
    return before


def write_all(file: BinaryIO, block: Any) -> None:
    rest = memoryview(block)
    while len(rest):
        rest = rest[file.write(rest) :]


def _like(file: BinaryIO, part: Path, before: os.stat_result) -> None:
    """The owner, where that is allowed, and the permissions of the file that is replaced."""
    made = os.fstat(file.fileno())
    if hasattr(os, "chown") and (made.st_uid, made.st_gid) != (before.st_uid, before.st_gid):
        with contextlib.suppress(OSError):
            os.chown(part, before.st_uid, before.st_gid)
    os.chmod(part, stat.S_IMODE(before.st_mode) & 0o777)


def _flush_folder(folder: Path) -> None:
    """The new name too reaches the disk, where folders can be flushed."""
    with contextlib.suppress(OSError):
        there = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(there)
        finally:
            os.close(there)


# ---- temporary files: a living writer holds a lock on its own


def _begin(path: Path) -> str:
    """How the temporary names of a file begin."""
    return f".{os.fsencode(path.name)[:80].decode(errors='ignore')}."


def _claimed(path: Path, before: os.stat_result | None) -> tuple[Any, Path]:
    """A new temporary file beside ``path``, locked; closed to others while it will replace another."""
    while True:
        part = path.parent / f"{_begin(path)}{secrets.token_hex(4)}.part"
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(part, flags, 0o666 if before is None else 0o600), "wb", buffering=0)
        if _lock(file.fileno()) is not False and os.path.exists(part):
            return file, part
        file.close()  # someone swept it before it was locked


def _lock(descriptor: int) -> bool | None:
    """Whether the lock was had; None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def sweep(path: Path) -> None:
    """Removes the temporary files that writers of ``path`` left when they were killed."""
    path = Path(os.path.realpath(path))
    ours = re.compile(re.escape(_begin(path)) + r"[0-9a-f]{8}\.part")
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if ours.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    _remove_dead(entry.path)


def _remove_dead(part: str) -> None:
    if fcntl is None:
        os.unlink(part)
        return
    there = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if _lock(there):
            os.unlink(part)
    finally:
        os.close(there)


# ---- reading


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A sealed file, checked and open: whoever replaces it meanwhile, one file is read.

    Raises:
        FileNotFoundError, OSError: there is no such file, or it cannot be read.
        UnreadableFileError: it is not, byte for byte, what :func:`write_whole` closed.
    """
    sweep(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"load({shown(path)}): there is no such file; give one that Result.save wrote."
        ) from None
    except OSError as error:
        raise OSError(f"load({shown(path)}): it cannot be opened ({reason(error)}); give a file to read.") from error
    kind = os.fstat(descriptor)
    if not stat.S_ISREG(kind.st_mode):
        os.close(descriptor)
        raise OSError(f"load({shown(path)}): this is not a file; give one that Result.save wrote.")
    with os.fdopen(descriptor, "rb") as file:
        try:
            _check_seal(path, file, kind.st_size)
        except OSError as error:
            raise OSError(f"load({shown(path)}): it cannot be read ({reason(error)}).") from error
        file.seek(0)
        yield file


def _check_seal(path: Path, file: BinaryIO, size: int) -> None:
    first = file.read(len(_SIGNATURE))
    file.seek(max(0, size - _SEAL_SIZE))
    found = file.read()
    remedy = "Give a file that Result.save wrote."
    if first != _SIGNATURE:
        raise UnreadableFileError(f"load({shown(path)}): this is not a netCDF-4 file. {remedy}")
    if not found.startswith(_SEAL):
        raise UnreadableFileError(
            f"load({shown(path)}): the seal at its end is missing: it was cut short, or another program wrote it. "
            f"{remedy} Other netCDF files open with xarray.open_dataset."
        )
    if found[len(_SEAL) : -1] != _digest(file, 0, size - _SEAL_SIZE).encode():
        raise UnreadableFileError(
            f"load({shown(path)}): the file is damaged: {_damaged(file, size)} not match their checksum. {remedy}"
        )


def _digest(file: BinaryIO, offset: int, size: int) -> str:
    total = hashlib.sha256()
    file.seek(offset)
    while size > 0 and (block := file.read(min(size, _BLOCK))):
        total.update(block)
        size -= len(block)
    return total.hexdigest()


def seal_of(path: Path) -> str:
    """The digest that the end of a sealed file says; its bytes are not looked at.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _SEAL_SIZE))
        return file.read()[len(_SEAL) : -1].decode(errors="replace")


def checksums(file: BinaryIO, size: int) -> list[tuple[str, int, int, str]] | None:
    """(name, offset, size, SHA-256) of what has a name in a sealed file; None: it keeps none, or they are damaged."""
    end = size - _SEAL_SIZE
    with contextlib.suppress(ValueError, OSError):
        file.seek(end - _TABLE_END)
        digest, length = file.read(_TABLE_END).split()
        file.seek(end - _TABLE_END - int(length) - len(_TABLE))
        begin, text = file.read(len(_TABLE)), file.read(int(length))
        if begin == _TABLE and hashlib.sha256(text).hexdigest().encode() == digest:
            return [(name, offset, count, said) for name, offset, count, said in json.loads(text)]
    return None


def _damaged(file: BinaryIO, size: int) -> str:
    """What in a damaged file is not what was written, in words that "do not" follows."""
    known = checksums(file, size)
    if known is None:
        return "its bytes do"
    wrong = [name for name, offset, count, digest in known if _digest(file, offset, count) != digest]
    if not wrong:
        return "the bytes of its structure, or of its seal, do"
    return f"the bytes of {', '.join(map(repr, wrong[:3]))}{f' and {len(wrong) - 3} more' if len(wrong) > 3 else ''} do"
