"""Files on the disk: a netCDF-4 file followed by the digest of its bytes, which netCDF readers do not look at."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SEAL = b"descent-ensemble sha256 "
_SEAL_SIZE = len(_SEAL) + 64 + 1


def checked_path(function: str, path: object) -> Path:
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise TypeError(f"{function}({path!r}): give the path of a file.")
    return Path(path)


def _digest(path: Path, size: int) -> bytes:
    total = hashlib.sha256()
    with open(path, "rb") as file:
        while size > 0 and (block := file.read(min(size, 1 << 22))):
            total.update(block)
            size -= len(block)
    return total.hexdigest().encode()


def seal(path: Path) -> None:
    """Appends the digest of a whole file and flushes it to the disk."""
    closing = _SEAL + _digest(path, path.stat().st_size) + b"\n"
    with open(path, "ab") as file:
        file.write(closing)
        file.flush()
        os.fsync(file.fileno())


def check_seal(path: Path) -> None:
    """Refuses a file that is not, byte for byte, what :func:`seal` closed."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        first = file.read(len(_SIGNATURE))
        file.seek(max(0, size - _SEAL_SIZE))
        found = file.read()
    remedy = "Give a file that Result.save wrote."
    if first != _SIGNATURE:
        raise ValueError(f"load({str(path)!r}): this is not a netCDF-4 file. {remedy}")
    if not found.startswith(_SEAL):
        raise ValueError(
            f"load({str(path)!r}): the seal at the end of the file is missing: it was cut short, or another program wrote it. "
            f"{remedy} Other netCDF files open with xarray.open_dataset."
        )
    if found[len(_SEAL) : -1] != _digest(path, size - _SEAL_SIZE):
        raise ValueError(f"load({str(path)!r}): the file is damaged: its bytes do not match their digest. {remedy}")
