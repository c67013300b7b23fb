"""Memory of a launch: what may be accessed, by whom, and what went wrong (``memory.cpp``)."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensemble.backends.compiler import library

FAULTS = (
    "outside every allocation",
    "misaligned",
    "in another thread's or block's memory",
    "read before it was written",
    "read after another thread's write, no barrier between",
    "written after another thread's read, no barrier between",
    "written after another thread's write, no barrier between",
    "read as constant, and written in this launch",
)
ATOMICS = ("add", "min", "max", "exch", "cas")


@cache
def _library() -> ctypes.CDLL:
    built = library(Path(__file__).with_name("memory.cpp").read_text())
    pointer, size, word = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
    built.memory_open.restype = pointer
    built.memory_close.argtypes = [pointer]
    built.memory_add.argtypes = [pointer, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64, word, pointer, word]
    built.memory_drop.argtypes = [pointer, ctypes.c_uint64]
    access = [pointer, pointer, pointer, pointer, size, size, size]
    built.gather.argtypes = [*access, word, word, pointer]
    built.scatter.argtypes = [*access, pointer]
    built.atomic.argtypes = [*access, word, word, pointer, pointer, pointer]
    for name in ("gather", "scatter", "atomic"):
        getattr(built, name).restype = size
    for name in ("fused32", "fused64"):
        getattr(built, name).argtypes, getattr(built, name).restype = [*[pointer] * 4, size], None
    return built


def address(array: NDArray[Any] | None) -> int | None:
    return None if array is None else array.__array_interface__["data"][0]


def fused(a: Any, b: Any, c: Any) -> Any:
    """``a b + c``, rounded once."""
    a, b, c = (np.ascontiguousarray(each) for each in np.broadcast_arrays(a, b, c))
    found = np.empty_like(a)
    function = _library().fused32 if a.dtype == np.float32 else _library().fused64
    function(address(a), address(b), address(c), address(found), a.size)
    return found


class Lanes(ctypes.Structure):
    """``struct Lanes`` of ``memory.cpp``: who makes it keeps the arrays of epochs alive."""

    _fields_ = (
        ("first", ctypes.c_int64),
        ("count", ctypes.c_int64),
        ("threads", ctypes.c_int64),
        ("block_epoch", ctypes.c_void_p),
        ("warp_epoch", ctypes.c_void_p),
        ("met_epoch", ctypes.c_void_p),
    )


class AccessError(Exception):
    """A lane's access is wrong: ``lane``, ``at`` and what it is."""

    def __init__(self, code: int, at: NDArray[np.uint64], offset: int) -> None:
        self.lane, what = divmod(code, 16)
        super().__init__(f"at {int(at[self.lane]) + offset:#x} {FAULTS[what]}")


class Memory:
    """The allocations that a launch may access. Close it after the launch."""

    def __init__(self) -> None:
        self._memory = _library().memory_open()

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        _library().memory_close(self._memory)

    def add(
        self,
        start: int,
        nbytes: int,
        *,
        each: int = 0,
        by_block: bool = False,
        written: NDArray[np.uint8] | None = None,
        watched: bool = True,
    ) -> None:
        """``each``: bytes of an owner, a thread or a block (``by_block``). ``written``: which bytes have been. ``watched``: for races."""
        _library().memory_add(self._memory, start, nbytes, each, by_block, address(written), watched)

    def drop(self, start: int) -> None:
        _library().memory_drop(self._memory, start)

    def load(
        self,
        lanes: Lanes,
        at: NDArray[np.uint64],
        mask: NDArray[Any] | None,
        offset: int,
        size: int,
        uniform: bool,
        constant: bool,
    ) -> NDArray[np.uint8]:
        """Bytes (lanes, size). ``uniform``: one address that all lanes read. Raises AccessError."""
        found = np.zeros((len(at), size), np.uint8)
        code = _library().gather(
            self._memory, ctypes.byref(lanes), address(at), address(mask), len(at), offset, size, uniform, constant, address(found)
        )  # fmt: skip
        if code >= 0:
            raise AccessError(code, at, offset)
        return found

    def store(
        self, lanes: Lanes, at: NDArray[np.uint64], mask: NDArray[Any] | None, offset: int, values: NDArray[np.uint8]
    ) -> None:
        """``values``: bytes (lanes, size). Raises AccessError."""
        code = _library().scatter(
            self._memory, ctypes.byref(lanes), address(at), address(mask), len(at), offset, values.shape[1], address(values)
        )  # fmt: skip
        if code >= 0:
            raise AccessError(code, at, offset)

    def change(
        self, lanes: Lanes, at: NDArray[np.uint64], mask: NDArray[Any] | None, offset: int, name: str, b: Any, c: Any
    ) -> Any:
        """An atomic operation on integers; the old values. Raises AccessError."""
        old = np.zeros_like(b)
        code = _library().atomic(
            self._memory, ctypes.byref(lanes), address(at), address(mask), len(at), offset, b.itemsize, b.dtype.kind == "i",
            ATOMICS.index(name), address(b), address(c), address(old),
        )  # fmt: skip
        if code >= 0:
            raise AccessError(code, at, offset)
        return old
