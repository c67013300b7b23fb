"""A dataset as the bytes of a netCDF-4 file: HDF5 lays the file out in memory, and the arrays stay where they are.

HDF5 itself never touches the disk: an error while it writes there (a full disk) ends the process when the file is closed.
It writes its own structures into a sparse file in memory, told to give every array its place and to leave that empty;
:meth:`Image.blocks` then goes through the file from its first byte to its last.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import h5netcdf
import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .files import Named, reason
from .reading import looked_at

BLOCK = 1 << 22
"""Bytes handed on at once."""
_PAGE = 1 << 12
REBUILDING = ("format", "settings", "options", "outcomes", "history", "definitions")
"""Attributes by which a run is made again: they have checksums of their own."""


class _Sparse:
    """A file in memory that keeps the pages written to, with the methods that h5py asks of a file."""

    def __init__(self) -> None:
        self.pages: dict[int, bytearray] = {}
        self.size = self.place = 0

    def at(self, place: int, size: int) -> bytes:
        """The bytes from a place on, wherever the file is read or written next."""
        into = bytearray(size)
        self._copy(place, memoryview(into))
        return bytes(into)

    def read(self, size: int = -1) -> bytes:
        into = bytearray(max(0, self.size - self.place) if size < 0 else size)
        self.readinto(into)
        return bytes(into)

    def seek(self, offset: int, whence: int = 0) -> int:
        self.place = offset + (0, self.place, self.size)[whence]
        return self.place

    def tell(self) -> int:
        return self.place

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        for page, here, there in self._pages(self.place, len(view)):
            self.pages.setdefault(page, bytearray(_PAGE))[here] = view[there]
        self.place += len(view)
        self.size = max(self.size, self.place)
        return len(view)

    def readinto(self, into: Any) -> int:
        view = memoryview(into).cast("B")
        self._copy(self.place, view)
        self.place += len(view)
        return len(view)

    def _copy(self, place: int, into: memoryview) -> None:
        for page, here, there in self._pages(place, len(into)):
            found = self.pages.get(page)
            into[there] = bytes(there.stop - there.start) if found is None else found[here]

    def _pages(self, place: int, count: int) -> Iterator[tuple[int, slice, slice]]:
        """(page, where in it, where in the data) of ``count`` bytes from ``place`` on."""
        done = 0
        while done < count:
            page, begin = divmod(place + done, _PAGE)
            take = min(count - done, _PAGE - begin)
            yield page, slice(begin, begin + take), slice(done, done + take)
            done += take

    def find(self, wanted: bytes) -> int:
        """Where some bytes lie that were written; -1: nowhere."""
        pages = sorted(self.pages)
        first = 0
        while first < len(pages):
            last = first
            while last + 1 < len(pages) and pages[last + 1] == pages[last] + 1:
                last += 1
            found = b"".join(self.pages[page] for page in pages[first : last + 1]).find(wanted)
            if found >= 0:
                return pages[first] * _PAGE + found
            first = last + 1
        return -1

    def truncate(self, size: int | None = None) -> int:
        self.size = self.place if size is None else size
        return self.size

    def flush(self) -> None:
        pass


@dataclass
class Image:
    """The bytes of a file: its structures, and (offset, array) of what lies between them."""

    structures: _Sparse
    arrays: list[tuple[int, NDArray[Any]]]
    places: list[tuple[str, int, int]] = field(default_factory=list)
    """(name, offset, size) of every variable and attribute that has bytes of its own."""

    @property
    def size(self) -> int:
        return self.structures.size

    def blocks(self) -> Iterator[Any]:
        """All bytes in order, some at a time; a block is good until the next is asked for. Several may go through them at once."""
        place = 0
        for offset, array in [*sorted(self.arrays, key=lambda a: a[0]), (self.size, np.empty(0, np.uint8))]:
            while place < offset:
                found = self.structures.at(place, min(BLOCK, offset - place))
                place += len(found)
                yield found
            yield from _bytes(array)
            place = offset + array.nbytes

    def named(self) -> list[Named]:
        """What has a name, each with its bytes."""
        arrays = dict(self.arrays)

        def blocks(offset: int, size: int) -> Iterator[Any]:
            return _bytes(arrays[offset]) if offset in arrays else iter([self.structures.at(offset, size)])

        return [Named(name, offset, size, partial(blocks, offset, size)) for name, offset, size in self.places]


def _bytes(array: NDArray[Any]) -> Iterator[Any]:
    """The bytes of an array in C order, some at a time; a view is not copied as a whole."""
    if array.flags.c_contiguous:
        flat = array.reshape(-1).view(np.uint8)
        yield from (flat[a : a + BLOCK].data for a in range(0, flat.size, BLOCK))
    elif array.size:
        numbers = BLOCK // array.dtype.itemsize
        for piece in np.nditer(array, flags=["external_loop", "buffered"], order="C", buffersize=numbers):
            yield np.ascontiguousarray(piece).view(np.uint8).data


def image(dataset: xr.Dataset) -> Image:
    """The netCDF-4 file that holds a dataset.

    Raises:
        ValueError: a variable or an attribute that someone added has no form in netCDF.
    """
    # Ctrl-C would raise inside HDF5, which calls the methods above; only a main thread is interrupted.
    try:
        with ThreadPoolExecutor(1) as apart:
            return apart.submit(_laid_out, dataset).result()
    except MemoryError:
        raise
    except Exception as error:  # xarray, h5netcdf and h5py raise many kinds
        raise ValueError(
            f"save: the dataset cannot be written as netCDF ({reason(error)}); take out again what was added to it."
        ) from error


def _laid_out(dataset: xr.Dataset) -> Image:
    found = Image(_Sparse(), [])
    in_place = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    in_place.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    in_place.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    variables, attributes = xr.conventions.encode_dataset_coordinates(dataset.drop_encoding())
    variables, attributes = xr.conventions.cf_encoder(variables, attributes)
    with h5netcdf.File(found.structures, "w") as file:
        file.dimensions = dict(dataset.sizes)
        for name, variable in variables.items():
            values, attrs = np.asarray(variable.values), dict(variable.attrs)
            fill = attrs.pop("_FillValue", None)
            if values.dtype.kind in "OSU":
                made = file.create_variable(name, variable.dims, h5py.string_dtype(), data=values.astype(object))
            elif not values.ndim:
                made = file.create_variable(name, (), values.dtype, data=values, fillvalue=fill)
                if (offset := made._h5ds.id.get_offset()) is not None:
                    found.places.append((name, offset, values.nbytes))
            else:
                made = file.create_variable(name, variable.dims, values.dtype, fillvalue=fill, dcpl=in_place)
                offset = made._h5ds.id.get_offset()
                if values.size:
                    found.arrays.append((offset, values))
                    found.places.append((name, offset, values.nbytes))
            for key, value in attrs.items():
                made.attrs[key] = value
        for key, value in attributes.items():
            file.attrs[key] = value
    for key in REBUILDING:
        text = str(attributes.get(key, "")).encode()
        if text and (offset := found.structures.find(text)) >= 0:
            found.places.append((f"attribute {key}", offset, len(text)))
    found.structures.seek(0)
    looked_at(found.structures, found.size)  # what was added to it may have a form in netCDF that load refuses
    return found
