"""Devices, streams and events: which of the devices is a thread's current one, and copies that arrive when they are waited for."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

PROCESSORS = 1
CLOCK = 1_000
"""In kHz: what an interpreter reaches."""
MEMORY = 1 << 30
CLOCK_RATE, KERNEL_EXEC_TIMEOUT = 13, 17


class CUDARuntimeError(RuntimeError):
    """What CUDA says."""


class _Threads(threading.local):
    """The devices that a thread has entered."""

    def __init__(self) -> None:
        self.entered = [0]


_threads = _Threads()


def current() -> int:
    """The thread's current device."""
    return _threads.entered[-1]


def count() -> int:
    return int(os.environ.get("STANDIN_DEVICES", "1"))


def _attribute(number: int, device: int) -> int:
    return {CLOCK_RATE: CLOCK, KERNEL_EXEC_TIMEOUT: int(os.environ.get("STANDIN_TIMEOUT", "0"))}[number]


def _properties(device: int) -> dict[str, Any]:
    return {"name": os.environ.get("STANDIN_NAME", "a stand-in").encode(), "multiProcessorCount": PROCESSORS}


runtime = SimpleNamespace(
    CUDARuntimeError=CUDARuntimeError,
    getDeviceCount=count,
    getDevice=current,
    getDeviceProperties=_properties,
    deviceGetAttribute=_attribute,
    runtimeGetVersion=lambda: 13000,
    driverGetVersion=lambda: 13000,
)


class Device:
    """A device by its number; the thread's current one."""

    def __init__(self, number: int | None = None) -> None:
        self.id = current() if number is None else int(number)
        if not 0 <= self.id < count():
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def __enter__(self) -> Device:
        _threads.entered.append(self.id)
        return self

    def __exit__(self, *_: object) -> None:
        _threads.entered.pop()

    def use(self) -> None:
        _threads.entered[-1] = self.id

    @property
    def mem_info(self) -> tuple[int, int]:
        return MEMORY, MEMORY

    @property
    def compute_capability(self) -> str:
        return "90"


class Event:
    """A place in a stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self.behind = stream, list(stream.pending)

    @property
    def done(self) -> bool:
        return not any(work in self.stream.pending for work in self.behind)

    def synchronize(self) -> None:
        for work in self.behind:
            self.stream.finish(work)


class Stream:
    """Work of a device in its order. Kernels are over when their launch returns; copies when somebody waits for them."""

    def __init__(self, non_blocking: bool = False) -> None:
        self.device = current()
        self.pending: list[Callable[[], None]] = []

    def record(self) -> Event:
        self._check()
        return Event(self)

    def wait_event(self, event: Event) -> None:
        self._check()
        event.synchronize()

    def synchronize(self) -> None:
        for work in list(self.pending):
            self.finish(work)

    def copy(self, to: ctypes.c_void_p, start: int, nbytes: int, keep: Any) -> None:
        """Enqueues a copy of ``nbytes`` from ``start``, which ``keep`` keeps alive."""
        self._check()
        ctypes.memset(to, 0xFF, nbytes)

        def work() -> None:
            assert keep is not None
            ctypes.memmove(to, start, nbytes)

        self.pending.append(work)

    def finish(self, work: Callable[[], None]) -> None:
        if work in self.pending:
            self.pending.remove(work)
            work()

    def _check(self) -> None:
        if self.device != current():
            raise CUDARuntimeError(f"cudaErrorInvalidResourceHandle: a stream of device {self.device} on {current()}")


def set_allocator(allocator: Any = None) -> None:
    """Every array is an allocation of its own already."""


_streams: dict[int, Stream] = {}


def get_current_stream() -> Stream:
    """The current device's own stream."""
    return _streams.setdefault(current(), Stream())
