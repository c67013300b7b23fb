"""Allocations: on a device, between guards, and on the host, pinned, which a pool keeps and rounds up."""

from __future__ import annotations

import weakref
from collections import Counter, defaultdict
from typing import Any

import numpy as np
from ptx.engine import GUARD, UNSET
from ptx.memory import Memory, address

from .cuda import MEMORY, current

ALIGNED = 256
"""As CUDA's allocations are."""
ONES = b"\x01" * 16


class Block:
    """Bytes on the current device, between guards; ``written``: which of them somebody has written, None: all."""

    def __init__(self, nbytes: int, known: bool) -> None:
        self.device, self.nbytes = current(), nbytes
        if POOL.used_bytes() + nbytes > MEMORY:
            raise MemoryError(f"Out of memory allocating {nbytes:,} bytes")
        room = np.full(nbytes + 2 * GUARD + ALIGNED, UNSET, np.uint8)
        start = GUARD + -(address(room) or 0) % ALIGNED
        self.bytes = room[start : start + nbytes]
        self.start = address(self.bytes) or 0
        self.written = None if known else np.zeros(nbytes, np.uint8)
        BLOCKS[self.device].add(self)
        MADE[self.device] += 1

    def mark(self, view: np.ndarray, key: Any) -> None:
        """Notes that ``view[key]``, a view of these bytes, has been written."""
        if self.written is not None and view.size:
            offset = (address(view) or 0) - self.start
            shadow = np.ndarray(view.shape, view.dtype, self.written.data, offset, view.strides)
            shadow[key] = np.frombuffer(ONES, view.dtype, 1)[0]


BLOCKS: dict[int, weakref.WeakSet[Block]] = defaultdict(weakref.WeakSet)
"""Of each device, what lives."""
MADE: Counter[int] = Counter()
"""How many were made on each device."""


def memory_of_device() -> Memory:
    """What a launch on the current device may access."""
    memory = Memory()
    for block in list(BLOCKS[current()]):
        if block.nbytes:
            memory.add(block.start, block.nbytes, written=block.written)
    return memory


class Pool:
    """The memory of devices: nothing is kept that nobody holds."""

    def used_bytes(self) -> int:
        return sum(block.nbytes for block in list(BLOCKS[current()]))

    def free_bytes(self) -> int:
        return 0

    def free_all_blocks(self) -> None:
        """Nothing is kept."""


class PinnedPool:
    """Pinned memory of the host: powers of two of bytes, kept for whoever asks next until all are freed."""

    def __init__(self) -> None:
        self.used = self.kept = self.most = 0

    def empty(self, shape: Any, dtype: Any = float) -> np.ndarray:
        nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        rounded = max(512, 1 << max(0, nbytes - 1).bit_length())
        array = np.empty(shape, dtype)
        self.kept -= min(self.kept, rounded)
        self.used += rounded
        self.most = max(self.most, self.used + self.kept)
        weakref.finalize(array, self._back, rounded)
        return array

    def _back(self, nbytes: int) -> None:
        self.used -= nbytes
        self.kept += nbytes

    def free_all_blocks(self) -> None:
        self.kept = 0


POOL = Pool()
PINNED = PinnedPool()
