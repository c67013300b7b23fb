"""A struct tried beside its Python: a few instances, step by step, in a child process that may crash or never return."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import mmap
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cpu import CpuEngine, aligned
from .layout import Layout
from .numpy import NumpyEngine, state_names
from .program import ROLES, Engine, Program, State

SECONDS = 10
"""Of the processor's time, in whole numbers. A struct that has not returned by then never will: it has a few instances and a step
to do. A busy machine may take far longer over them."""
PATIENCE = 30
"""So many times as long is waited for one that takes no processor's time either."""
SEGMENTS = ((1, 1), (2, 2), (3, 3), (4, 6))
"""Launches of a trial, first and last step: a difference is found where it begins, and steps within one launch are seen too."""


class TrialError(RuntimeError):
    """A struct crashed, or did not return."""


def in_child(work: Callable[[], int]) -> int:
    """What ``work`` returns, from a fork of this process.

    It may write to shared memory alone, and call nothing but a kernel: whatever locks other threads held stay closed.

    Raises:
        TrialError: it crashed, or was ended after :data:`SECONDS`.
    """
    import resource  # not on Windows, where nothing is compiled for the CPU

    told = shared((2,), np.int32)  # whether it is done, and with what: others may wait for our children, too
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads: the child calls one function and ends
        child = os.fork()
    if not child:
        try:
            faulthandler.disable()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is what the child is for
            signal.signal(signal.SIGXCPU, signal.SIG_DFL)
            most = resource.getrlimit(resource.RLIMIT_CPU)[1]
            resource.setrlimit(
                resource.RLIMIT_CPU, (SECONDS if most == resource.RLIM_INFINITY else min(SECONDS, most), most)
            )
            told[1] = work()
            told[0] = 1
        finally:
            os._exit(0)
    endless = TrialError(f"does not return within {SECONDS} s: does a loop not end?")
    start, pause = time.monotonic(), 1e-4
    try:
        while (status := _ended(child)) is None:
            if time.monotonic() > start + PATIENCE * SECONDS:
                raise endless
            time.sleep(pause := min(2 * pause, 0.02))
    except BaseException:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        raise
    if not told[0]:
        by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        if by == signal.SIGXCPU or (by is None and time.monotonic() >= start + SECONDS):
            raise endless
        raise TrialError(
            f"crashes ({signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else 'no reason given'})"
        )
    return int(told[1])


def _ended(child: int) -> int | None:
    """How a child ended, as far as the system says; None: it runs."""
    try:
        found, status = os.waitpid(child, os.WNOHANG)
    except ChildProcessError:  # where SIGCHLD is ignored, or another has waited for it
        return 0
    return status if found else None


def shared(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Zeros that a child writes and this process reads."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, max(1, size)), dtype=dtype, count=int(np.prod(shape))).reshape(shape)


class _Guarded:
    """A compiled library whose kernel runs in a child."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._library, name)
        return _guarded(function) if name == "advance" else function


def _guarded(function: Any) -> Any:
    def call(*arguments: int) -> int:
        function.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_longlong]
        return in_child(lambda: int(function(*arguments)))

    return call


class TrialEngine(CpuEngine):
    """The cpu engine, each launch in a child; its state lies in shared memory.

    ``quick``: compiled in half the time, to run a few instances for a few steps; the bits are the same.
    """

    def __init__(self, width: int | None = None, quick: bool = False) -> None:
        super().__init__(1, width)
        self.options = ("-O0",) if quick else ()

    def _library(self, program: Program, entry: str) -> Any:
        return _Guarded(super()._library(program, entry))

    def _run(self, count: int, arena_bytes: int, call: Callable[[int, int, int, int], int], *alive: Any) -> None:
        arena = aligned(arena_bytes)
        if call(0, count, arena.ctypes.data, arena.size):
            raise TrialError(
                "holds more vectors at once than there is room for; raise ensemble.backends.cpu.VECS_PER_PART"
            )

    def new_state(self, program: Program) -> State:
        usual = super().new_state(program)
        arrays = {name: shared(array.shape, array.dtype) for name, array in usual.arrays().items()}
        for name, array in usual.arrays().items():
            arrays[name][...] = array
        return State(**arrays)

    def sizes(self, program: Program) -> Iterator[str]:
        """What is wrong with the sizes of the program's structs."""
        library = super()._library(program, "advance")
        mixed = (self.width(program), self._alignment(program)) if self.mixed(program) else ()
        there, here = library.size_of_parts(), Layout(program, ROLES, *mixed).itemsize
        if there != here:
            yield f"its struct is {there - here:+} bytes off: give the numbers of the class, then those of constants(), in order"
        arena, counts = aligned(self._arena_bytes(program)), shared((2,), np.int32)
        library.state_slots.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_longlong, ctypes.c_void_p]
        in_child(lambda: library.state_slots(program.dim, arena.ctypes.data, arena.size, counts.ctypes.data) or 0)
        for found, wanted, what in zip(counts.tolist(), program.slots, ("vectors", "integers"), strict=True):
            if found != wanted:
                yield f"its State::each visits {found} {what}, and the class names {wanted}"


def difference(program: Program, engine: Engine, x: NDArray[Any], vectors: NDArray[Any] | None = None) -> str:
    """Where an engine first does otherwise than NumPy from points ``x`` (rows, dim), in words; empty: nowhere.

    ``vectors``: what the optimizer keeps at the start, (slots, rows, dim).
    """
    program = replace(program, math="precise")
    rows, states = np.arange(program.rows, dtype=np.int32), []
    engines = (NumpyEngine(), engine)
    for each in engines:
        states.append(each.new_state(program))
        with each.here():
            states[-1].x[:] = each.to_device(x)
            if vectors is not None:
                states[-1].vectors[:] = each.to_device(vectors)
    for first, last in SEGMENTS:
        for each, state in zip(engines, states, strict=True):
            on_host = each.to_numpy
            running = on_host(state.diverged_step) < 0
            if program.stop:
                running &= on_host(state.event_step) < 0
            each.advance(program, state, each.to_device(rows[running]), first, last)
        here, there = ({n: engines[k].to_numpy(a) for n, a in states[k].arrays().items()} for k in range(2))
        if found := _unlike(program, here, there):
            return f"in step {first}{f' to {last}' if last > first else ''}, {found}"
    return ""


def _unlike(program: Program, here: dict[str, NDArray[Any]], there: dict[str, NDArray[Any]]) -> str:
    names = state_names(program.part("optimizer"))
    kept = here["diverged_step"] < 0
    for array in ("event_step", "event", "diverged_step", "x", "vectors", "integers"):
        a, b = here[array], there[array]
        same = (a == b) | ((a != a) & (b != b))
        if array in ("vectors", "integers"):
            same |= ~(kept[None, :, None] if array == "vectors" else kept[None, :])
        if same.all():
            continue
        at = tuple(int(k) for k in np.argwhere(~same)[0])
        slot = names[0 if array == "vectors" else 1][at[0]] if array in ("vectors", "integers") else ""
        row, rest = (at[1], at[2:]) if slot else (at[0], at[1:])
        what = (f"state.{slot}" if slot else array) + (f"[{rest[0]}]" if rest else "")
        return f"instance {row}: {what} is {b[at]!s} and not {a[at]!s}"
    return ""
