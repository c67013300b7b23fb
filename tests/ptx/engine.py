"""The device path on executed PTX: the sources, structs and launches of ``DeviceEngine``, compiled by NVRTC, interpreted."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any

import numpy as np
from cubin import compile_ptx
from numpy.typing import NDArray

from ensemble.backends import sources
from ensemble.backends.device import DeviceEngine
from ensemble.backends.program import Program

from . import threads as interpreter
from .approximate import NEAREST, Approximation
from .memory import Memory
from .memory import address as address_of
from .parser import parse

THREADS = 64
GUARD = 4096
"""Bytes before and behind every array that no thread may touch."""
PROGRAMS = 64
"""Programs that are kept: more than a test runs."""
UNSET = 0xFF
"""What memory is filled with that nobody has written: NaN."""


@cache
def text_of(source: str, arch: str, extra: tuple[str, ...] = ()) -> str:
    """PTX of a program's source."""
    return compile_ptx(source, sources.kernels(), arch, extra)


@lru_cache(maxsize=PROGRAMS)
def program_of(text: str, entry: str) -> interpreter.Program:
    with no_collection():
        return interpreter.Program(parse(text)[entry])


@contextmanager
def no_collection() -> Iterator[None]:
    """The garbage collector waits: it would go through a program's ten thousands of functions again and again as they are made."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def execute(
    text: str, entry: str, launch: Any, blocks: int, threads: int, arrays: Sequence[NDArray[Any]], **how: Any
) -> None:
    """Launches a kernel of a PTX text with a struct, which may point to ``arrays``."""
    with Memory() as memory:
        for array in arrays:
            memory.add(address_of(array), array.nbytes)  # type: ignore[arg-type]
        parameters = np.frombuffer(bytes(launch), np.uint8)
        interpreter.Launch(program_of(text, entry), blocks, threads, parameters, memory, **how).run()


class Arrays:
    """NumPy, whose new arrays lie between guards, and are known to be unwritten where nobody said what is in them."""

    def __init__(self) -> None:
        self.unset: dict[int, NDArray[np.uint8]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, shape: Any, dtype: Any = float) -> NDArray[Any]:
        array = self._guarded(shape, np.dtype(dtype))
        array.view(np.uint8)[...] = UNSET
        start = address_of(array)
        assert start is not None
        self.unset[start] = np.zeros(array.nbytes, np.uint8)
        weakref.finalize(array, self.unset.pop, start, None)
        return array

    def _guarded(self, shape: Any, dtype: np.dtype) -> NDArray[Any]:
        nbytes = int(np.prod(shape)) * dtype.itemsize
        room = np.zeros(nbytes + 2 * GUARD + 256, np.uint8)
        start = GUARD + -(address_of(room) or 0) % 256  # as a device's allocations
        return room[start : start + nbytes].view(dtype).reshape(shape)

    def copied(self, array: Any) -> NDArray[Any]:
        array = np.asarray(array)
        new = self._guarded(array.shape, array.dtype)
        new[...] = array
        return new

    def zeros(self, shape: Any, dtype: Any = float) -> NDArray[Any]:
        return self._guarded(shape, np.dtype(dtype))

    def full(self, shape: Any, value: Any, dtype: Any = None) -> NDArray[Any]:
        return self.copied(np.full(shape, value, dtype))

    def arange(self, *given: Any, **named: Any) -> NDArray[Any]:
        return self.copied(np.arange(*given, **named))

    def ascontiguousarray(self, array: Any, dtype: Any = None) -> NDArray[Any]:
        return self.copied(np.asarray(array, dtype))


class PtxEngine(DeviceEngine):
    """Runs programs as PTX for ``arch``. ``extra``: more options for NVRTC.

    ``approximation``: what the approximate functions of ``math="fast"`` give.
    """

    name = "ptx"

    def __init__(
        self,
        lanes: int | None,
        *,
        processors: int = 1,
        streamed: bool | None = None,
        window: int | None = None,
        team: int | None = None,
        arch: str = "compute_90",
        extra: tuple[str, ...] = (),
        approximation: Approximation = NEAREST,
    ) -> None:
        super().__init__(lanes, processors, streamed, window, team)
        self.xp: Any = Arrays()
        self.arch, self.extra, self.approximation = arch, extra, approximation
        self.patience = 10**7
        self._known: dict[int, tuple[int, int]] = {}

    def threads_per_block(self) -> int:
        return THREADS

    def text(self, source: str, entry: str) -> str:
        """The PTX that runs."""
        return text_of(source, self.arch, self.extra)

    def program(self, source: str, entry: str) -> interpreter.Program:
        """What runs."""
        return program_of(self.text(source, entry), entry)

    def prepare(self, program: Program, looks: bool = False) -> None:
        for entry in (*self.entries(program), *("observe",) * looks):
            self.program(self.source(program, entry), entry)

    def to_device(self, a: Any) -> Any:
        return self.xp.copied(a)

    def address(self, array: NDArray[Any]) -> int:
        """Known to launches as long as the array lives."""
        assert array.flags.c_contiguous
        start = address_of(array)
        assert start is not None
        self._known[id(array)] = start, array.nbytes
        weakref.finalize(array, self._known.pop, id(array), None)
        return start

    @contextmanager
    def _memory(self) -> Iterator[Memory]:
        """What a launch may access: the arrays that are known, each once."""
        with Memory() as memory:
            end = 0
            for start, nbytes in sorted(set(self._known.values()), key=lambda known: (known[0], -known[1])):
                if start + nbytes > end:
                    end = start + nbytes
                    memory.add(start, nbytes, written=self._written(start, nbytes))
            yield memory

    def _written(self, start: int, nbytes: int) -> NDArray[np.uint8] | None:
        """Which bytes of an array have been written: by kernels, or by the host since it was made."""
        written = self.xp.unset.get(start)
        if written is None:
            return None
        now = np.ctypeslib.as_array((np.ctypeslib.ctypes.c_uint8 * nbytes).from_address(start))
        written |= now != UNSET
        return written

    def launch(self, source: str, entry: str, blocks: int, threads: int, launch: NDArray[Any]) -> None:
        program = self.program(source, entry)
        parameters = np.frombuffer(launch.tobytes(), np.uint8)
        with self._memory() as memory:
            interpreter.Launch(program, blocks, threads, parameters, memory, self.approximation, self.patience).run()

    def wait(self) -> None:
        """A launch is over when it returns."""

    def describe(self, program: Program) -> dict[str, Any]:
        return {"device": "ptx", "lanes": self.group(program).lanes}

    def memory_available(self) -> int:
        return 1 << 30
