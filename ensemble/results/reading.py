"""The netCDF-4 inside of a file: looked at before it is read, for a file may come from anyone."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
import xarray as xr

from .files import UnreadableFileError, reason, shown

SQUEEZED = 1100
"""zlib makes numbers at most so many times smaller: a file that claims more holds none of them."""
_PLAIN = (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING)
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
_NETCDF = ("DIMENSION_LIST", "REFERENCE_LIST")
"""Attributes by which netCDF finds dimensions: references within the file."""


def read(path: Path, file: BinaryIO) -> xr.Dataset:
    """The dataset in an open file. Nothing outside the file is looked at, whatever the file says.

    Raises:
        UnreadableFileError: it is no netCDF-4 file, or holds what no file of ours does.
    """
    # Ctrl-C would raise inside HDF5, which reads through ``file``; only a main thread is interrupted.
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(_read, path, file).result()


def _read(path: Path, file: BinaryIO) -> xr.Dataset:
    try:
        size = os.fstat(file.fileno()).st_size
        shapes = looked_at(file, size)
        file.seek(0)
        with xr.open_dataset(file, engine="h5netcdf", phony_dims="access") as found:
            if sum(v.nbytes for v in found.variables.values()) > SQUEEZED * size:
                raise _ForeignError("its arrays are larger than what is in it")
            for name, variable in found.variables.items():
                if variable.shape != shapes.get(str(name), variable.shape):  # it would be filled up
                    raise _ForeignError(f"{name!r} has not the size of its dimensions")
            return found.load().drop_encoding()
    except MemoryError:
        raise
    except Exception as error:  # xarray, h5netcdf and h5py raise many kinds
        raise UnreadableFileError(
            f"load({shown(path)}): it cannot be read as netCDF ({reason(error)}). Give a file that Result.save wrote."
        ) from error


def looked_at(file: Any, size: int) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays in an open HDF5 file of ``size`` bytes.

    Raises:
        Exception: of some kind, where it holds what no file of ours does.
    """
    with h5py.File(file, "r") as inside:
        _look_at_attributes(inside)
        return {name: _look_at(inside, name, size) for name in inside}


class _ForeignError(Exception):
    """Something in the file that no file of ours holds."""


def _look_at(inside: h5py.File, name: str, size: int) -> tuple[int, ...]:
    """Refuses what could lead outside the file, or holds more than it; the shape of what may be read."""
    if not isinstance(inside.get(name, getlink=True), h5py.HardLink):
        raise _ForeignError(f"{name!r} is a link to somewhere else")
    if inside.get(name, getclass=True) is not h5py.Dataset:
        raise _ForeignError(f"{name!r} is not an array")
    found = inside[name]
    made = found.id.get_create_plist()
    if made.get_external_count():
        raise _ForeignError(f"{name!r} lies in another file")
    if made.get_layout() not in (h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED, h5py.h5d.COMPACT):
        raise _ForeignError(f"{name!r} is made of other arrays")
    if not {made.get_filter(k)[0] for k in range(made.get_nfilters())} <= _FILTERS:
        raise _ForeignError(f"{name!r} is packed in another way")
    if found.id.get_type().get_class() not in _PLAIN:
        raise _ForeignError(f"{name!r} holds neither numbers nor text")
    _look_at_attributes(found)
    if h5py.check_string_dtype(found.dtype) and found.size * size > 1 << 28:  # many may be one and the same, and long
        left = size
        for place in np.ndindex(found.shape):
            left -= len(found[place])
            if left < 0:
                raise _ForeignError(f"{name!r} is larger than the file")
    return tuple(found.shape)


def _look_at_attributes(thing: Any) -> None:
    for name in thing.attrs:
        found = h5py.h5a.open(thing.id, name.encode())
        kind, shape = found.get_type().get_class(), found.shape
        if name in _NETCDF:
            continue
        if kind not in _PLAIN or (kind == h5py.h5t.STRING and shape not in ((), (1,))):
            raise _ForeignError(f"the attribute {name!r} holds neither numbers nor a text")
