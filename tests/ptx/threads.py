"""Threads of a launch, all at once: each has a program counter, and those of the lowest block of instructions that can go on do.

So warps converge again after a branch. ``shfl.sync``, ``vote.sync`` and ``bar.sync`` wait for whom they name; where that never
comes, that is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .approximate import NEAREST, Approximation
from .kinds import KINDS, PtxError, constant
from .memory import AccessError, Lanes, Memory, address
from .parser import SYNCHRONIZING, Instruction, Kernel
from .steps import Mask, Step, reader, step, writer

WARP = 32
AT_ONCE = 1 << 14
"""Threads that run together; the blocks of a larger launch run in turns."""
END = 1 << 30
"""The program counter of a thread that is done."""
UNSET = 0xFF


class Program:
    """A kernel whose blocks are functions of the threads."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.steps: list[list[tuple[Step, Instruction]]] = [
            [(step(kernel, i), i) for i in block if i.opcode not in ("bra", "ret", "exit", *SYNCHRONIZING)]
            for block in kernel.blocks
        ]
        self.waits = [block[0].opcode in SYNCHRONIZING for block in kernel.blocks]
        if any(i.guard for block, waits in zip(kernel.blocks, self.waits) if waits for i in block):
            raise PtxError(f"{kernel.name}: a barrier under a predicate is not known here")
        self.leaves = [self._leave(block[-1]) for block in kernel.blocks]
        self.globals: dict[str, NDArray[Any]] = {
            v.name: np.array([constant(value, v.kind) for value in v.values] or np.zeros(v.count), KINDS[v.kind])
            for v in kernel.globals.values()
        }

    def _leave(self, last: Instruction) -> tuple[int, Any] | None:
        """Where a block's last instruction goes, and the predicate that asks, if it is one that goes somewhere."""
        if last.opcode not in ("bra", "ret", "exit"):
            return None
        target = self.kernel.labels[last.operands[0]] if last.opcode == "bra" else END
        asked = reader(self.kernel, "!" * last.negated + last.guard, "pred") if last.guard else None
        return target, asked


@dataclass(frozen=True)
class Launch:
    """``parameters``: their bytes. ``memory``: what they point to. ``patience``: blocks of instructions that may run in turn."""

    program: Program
    blocks: int
    threads: int
    parameters: NDArray[np.uint8]
    memory: Memory
    approximation: Approximation = NEAREST
    patience: int = 10**7

    def run(self) -> None:
        """PtxError: the program does what it must not."""
        kernel = self.program.kernel
        if self.threads > kernel.most_threads:
            raise PtxError(
                f"{kernel.name}: {self.threads} threads in a block, and it is made for {kernel.most_threads}"
            )
        if len(self.parameters) != kernel.parameters.nbytes:
            raise PtxError(f"{kernel.name}: {len(self.parameters)} bytes of parameters, not {kernel.parameters.nbytes}")
        for array in (self.parameters, *self.program.globals.values()):
            self.memory.add(address(array), max(1, array.nbytes), watched=False)  # type: ignore[arg-type]
        together = max(1, AT_ONCE // self.threads)
        for first in range(0, self.blocks, together):
            Threads(self, first, min(together, self.blocks - first)).run()


class Threads:
    """The threads of some blocks of a launch, and what they hold: a value (threads,) for each register, or one for all."""

    def __init__(self, launch: Launch, first: int, blocks: int) -> None:
        self.launch, self.program, self.kernel = launch, launch.program, launch.program.kernel
        self.approximation = launch.approximation
        self.blocks, self.of_block = blocks, launch.threads
        self.shape = (blocks * launch.threads,)
        # All bits until they are written, NaN of floats: compilers read such registers where the value is of no account.
        self.registers: list[Any] = [
            KINDS[kind].type(True) if kind == "pred" else np.frombuffer(b"\xff" * 8, KINDS[kind])[0]
            for _, kind in self.kernel.registers.values()
        ]
        number = np.arange(self.shape[0])
        self.block, within = np.divmod(number, launch.threads)
        self.tid, self.ctaid = within.astype(np.uint32), (first + self.block).astype(np.uint32)
        self.ntid, self.nctaid = np.uint32(launch.threads), np.uint32(launch.blocks)
        self.lane = self.tid % np.uint32(WARP)
        # Warps as rows of 32 lanes; of threads that fill none the lanes beyond are nobody's.
        warps_of_block = -(-launch.threads // WARP)
        self.place = self.block * warps_of_block * WARP + within
        self.warps = blocks * warps_of_block
        self.member = np.full(self.warps * WARP, -1)
        self.member[self.place] = number
        self.block_epoch, self.warp_epoch, self.met_epoch = epochs = np.zeros((3, *self.shape), np.int32)
        self.lanes = Lanes(first * launch.threads, *self.shape, launch.threads, *(address(each) for each in epochs))
        self._held: list[tuple[NDArray[Any], NDArray[Any], int]] = []
        self.shared = self._memory(self.kernel.shared.nbytes, blocks)
        self.local = self._memory(self.kernel.local.nbytes, *self.shape)
        self.left = launch.patience

    def _memory(self, each: int, owners: int) -> NDArray[np.uint64]:
        """The address of each thread's ``each`` bytes, or of its block's, in memory that nobody has written.

        A thread may read its own all the same, as it may registers: compilers do where the value is of no account, and it is NaN.
        """
        if not each:
            return np.zeros(self.shape, np.uint64)
        stride = -(-each // 16) * 16
        held, written = np.full(stride * owners + 16, UNSET, np.uint8), np.zeros(stride * owners, np.uint8)
        start = -(-address(held) // 16) * 16  # type: ignore[operator]
        by_block = owners == self.blocks
        self.launch.memory.add(
            start, stride * owners, each=stride, by_block=by_block, written=written if by_block else None
        )
        self._held.append((held, written, start))
        return (start + stride * (self.block if by_block else np.arange(owners))).astype(np.uint64)

    @cached_property
    def everyone(self) -> NDArray[np.bool_]:
        return np.ones(self.shape, bool)

    # ---- memory

    def symbol(self, name: str) -> Any:
        """A variable's address; of shared memory the offset in it."""
        kernel = self.kernel
        if name in kernel.parameters.offsets:
            return np.uint64(address(self.launch.parameters) + kernel.parameters.offsets[name])  # type: ignore[operator]
        if name in kernel.shared.offsets:
            return np.uint64(kernel.shared.offsets[name])
        if name in kernel.local.offsets:
            return self.local + np.uint64(kernel.local.offsets[name])
        if name in self.program.globals:
            return np.uint64(address(self.program.globals[name]))
        raise PtxError(f"{name} is not declared")

    def _at(self, space: str, at: Any) -> NDArray[np.uint64]:
        if space == "shared":
            at = at + self.shared
        return np.ascontiguousarray(np.broadcast_to(at, self.shape), dtype=np.uint64)

    def load(self, space: str, at: Any, mask: Mask, offset: int, size: int, constant: bool) -> NDArray[np.uint8]:
        if np.ndim(at) == 0 and mask is None and space != "shared":
            one = np.full(1, at, np.uint64)
            return self.launch.memory.load(self.lanes, one, None, offset, size, True, constant)
        return self.launch.memory.load(self.lanes, self._at(space, at), mask, offset, size, False, constant)

    def store(self, space: str, at: Any, mask: Mask, offset: int, values: NDArray[np.uint8]) -> None:
        self.launch.memory.store(self.lanes, self._at(space, at), mask, offset, values)

    def change(self, space: str, at: Any, mask: Mask, offset: int, name: str, b: Any, c: Any) -> Any:
        return self.launch.memory.change(self.lanes, self._at(space, at), mask, offset, name, b, c)

    # ---- running

    def run(self) -> None:
        try:
            with np.errstate(all="ignore"):
                self._run()
        finally:
            for _, _, start in self._held:
                self.launch.memory.drop(start)

    def _run(self) -> None:
        counters: Any = 0  # of each thread, or one number where all that are alive are together
        alive = self.everyone
        while True:
            block, mask = (counters, alive) if isinstance(counters, int) else self._next(counters)
            following = self._block(block, None if mask.all() else mask)
            if isinstance(counters, int) and isinstance(following, int):
                counters = following
            else:
                counters = np.where(mask, following, np.where(alive, counters, END))
                alive = counters < END
                lowest = int(counters.min())
                if (counters[alive] == lowest).all():
                    counters = lowest
            if isinstance(counters, int) and counters == END:
                return

    def _next(self, counters: NDArray[np.int64]) -> tuple[int, NDArray[np.bool_]]:
        """The lowest block with threads that may run it, and these."""
        waiting = {}
        for block in np.unique(counters[counters < END]).tolist():
            here = counters == block
            if not self.program.waits[block]:
                return block, here
            ready = self._ready(self.kernel.blocks[block][0], here, counters < END)
            if ready.any():
                return block, ready
            waiting[self.kernel.blocks[block][0].text] = int(here.sum())
        raise PtxError(f"{self.kernel.name}: deadlock: threads wait for ever at {waiting}")

    def _block(self, block: int, mask: Mask) -> Any:
        """Runs a block; the block that follows, for each thread."""
        instruction = self.kernel.blocks[block][0]
        self.left -= 1
        if self.left < 0:
            raise PtxError(f"{self.kernel.name}: no end after {self.launch.patience} blocks of instructions")
        try:
            if self.program.waits[block]:
                self._synchronize(instruction, mask)
                return block + 1
            for action, instruction in self.program.steps[block]:  # noqa: B007
                action(self, mask)
        except PtxError as error:
            raise PtxError(f"{self.kernel.name}: {instruction.text}: {error}") from None
        except AccessError as fault:
            where = f"thread {fault.lane % self.of_block} of block {int(self.ctaid[fault.lane])}"
            raise PtxError(f"{self.kernel.name}: {instruction.text}: {where}: {fault}") from None
        leave = self.program.leaves[block]
        if leave is None:
            return block + 1
        target, asked = leave
        if asked is None:
            return target
        goes = asked(self)
        some = goes if mask is None or np.ndim(goes) == 0 else goes[mask]
        if np.all(some):
            return target
        return np.where(goes, target, block + 1) if np.any(some) else block + 1

    # ---- warps and barriers

    def _by_warp(self, mask: NDArray[np.bool_]) -> NDArray[np.uint32]:
        """A mask as bits, a word for each warp."""
        placed = np.zeros(self.warps * WARP, bool)
        placed[self.place] = mask
        return np.packbits(placed.reshape(-1, WARP), axis=1, bitorder="little").view("<u4")[:, 0]

    def _of_warp(self, words: NDArray[Any]) -> NDArray[Any]:
        """A word of each warp, for each thread."""
        return words[self.place // WARP]

    def _named(self, i: Instruction) -> NDArray[np.uint32]:
        """The lanes that an instruction's last operand names."""
        return np.broadcast_to(reader(self.kernel, i.operands[-1], "u32")(self), self.shape)

    def _ready(self, i: Instruction, here: NDArray[np.bool_], alive: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if i.opcode == "activemask":
            return here
        if _of_block(i):
            waited = np.bincount(self.block[alive & ~here], minlength=self.blocks) == 0
            return here & waited[self.block]
        missing = self._of_warp(self._by_warp(alive & ~here))
        return here & ((self._named(i) & missing) == 0)

    def _synchronize(self, i: Instruction, mask: Mask) -> None:
        everyone = self.everyone if mask is None else mask
        if i.opcode == "activemask":
            writer(self.kernel, i.operands[0], "u32")(self, self._of_warp(self._by_warp(everyone)), mask)
            return
        self.met_epoch[everyone] += 1
        if _of_block(i):
            if i.operands != ("0",):
                raise PtxError("barriers of some threads, or with a number, are not known here")
            self.block_epoch[everyone] += 1
            self.warp_epoch[everyone] += 1
            return
        if (~(self._named(i) >> self.lane) & 1)[everyone].any():
            raise PtxError("a thread does not name itself")
        if i.opcode in ("bar", "barrier"):
            self.warp_epoch[everyone] += 1
        elif i.opcode == "vote":
            self._vote(i, everyone, mask)
        else:
            self._shuffle(i, everyone, mask)

    def _vote(self, i: Instruction, everyone: NDArray[np.bool_], mask: Mask) -> None:
        asked = reader(self.kernel, i.operands[1], "pred")(self)
        named = self._named(i)
        true = self._of_warp(self._by_warp(asked & everyone)) & named
        false = self._of_warp(self._by_warp(~asked & everyone)) & named
        found = {"any": true != 0, "all": false == 0, "ballot": true}[i.modifiers[1]]
        writer(self.kernel, i.operands[0], i.kinds[-1])(self, found, mask)

    def _shuffle(self, i: Instruction, everyone: NDArray[np.bool_], mask: Mask) -> None:
        """``shfl.sync.mode.b32 d|p, a, b, c, mask``: PTX ISA, "Data Movement and Conversion Instructions: shfl.sync"."""
        found, _, valid = i.operands[0].partition("|")
        a, b, c = (np.broadcast_to(reader(self.kernel, o, "u32")(self), self.shape) for o in i.operands[1:4])
        lane, by, clamp, segment = (v.astype(np.int64) for v in (self.lane, b & 31, c & 31, c >> 8 & 31))
        low, high = lane & segment, lane & segment | clamp & ~segment
        source, inside = {
            "up": lambda: (lane - by, lane - by >= high),
            "down": lambda: (lane + by, lane + by <= high),
            "bfly": lambda: (lane ^ by, lane ^ by <= high),
            "idx": lambda: (low | by & ~segment, low | by & ~segment <= high),
        }[i.modifiers[1]]()
        source = np.where(inside, source, lane)
        taken = self.member[self.place // WARP * WARP + source]
        unnamed = (self._named(i) >> source.astype(np.uint32) & 1) == 0
        if (~everyone[taken] | (taken < 0) | unnamed)[everyone].any():
            raise PtxError("reads a lane that takes no part")
        writer(self.kernel, found, "b32")(self, a[taken], mask)
        if valid:
            writer(self.kernel, valid, "pred")(self, inside, mask)


def _of_block(i: Instruction) -> bool:
    return i.opcode in ("bar", "barrier") and "warp" not in i.modifiers
