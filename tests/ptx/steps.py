"""Instructions as functions of the threads: operands are read, values written where a mask says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .arithmetic import operation
from .kinds import KINDS, PtxError, constant
from .memory import ATOMICS
from .parser import Instruction, Kernel, split

if TYPE_CHECKING:
    from .threads import Threads

Mask = NDArray[np.bool_] | None
"""The threads that an instruction is for, (threads,); None: all."""
Step = Callable[["Threads", Mask], None]
Read = Callable[["Threads"], Any]
Write = Callable[["Threads", Any, Mask], None]
SPECIAL = {"%tid.x": "tid", "%ntid.x": "ntid", "%ctaid.x": "ctaid", "%nctaid.x": "nctaid", "%laneid": "lane"}
SPACES = ("global", "shared", "local", "param", "const")
WITHOUT_EFFECT = ("nanosleep", "membar", "fence")
_ADDRESS = re.compile(r"\[\s*(%?[\w$.]+)\s*(?:\+\s*(-?\d+))?\s*\]")


def step(kernel: Kernel, instruction: Instruction) -> Step:
    """What an instruction does to the threads. PtxError: it is not known here."""
    try:
        action = _action(kernel, instruction)
        if not instruction.guard:
            return action
        guard = reader(kernel, "!" * instruction.negated + instruction.guard, "pred")
    except (KeyError, IndexError, AttributeError) as error:
        raise PtxError(f"{kernel.name}: not known here: {instruction.text}") from error

    def guarded(threads: Threads, mask: Mask) -> None:
        chosen = np.broadcast_to(guard(threads), threads.shape)
        chosen = chosen if mask is None else chosen & mask
        if chosen.any():
            action(threads, None if chosen.all() else chosen)

    return guarded


def _action(kernel: Kernel, i: Instruction) -> Step:
    if i.opcode in ("ld", "ldu"):
        return _load(kernel, i)
    if i.opcode == "st":
        return _store(kernel, i)
    if i.opcode in ("atom", "red"):
        return _atomic(kernel, i)
    if i.opcode == "cvta":
        if not {"global", "local"} & set(i.modifiers):  # generic addresses are those of global and of local memory
            raise PtxError(f"not known here: {i.text}")
        return _computed(kernel, i.operands, lambda a: a, ("u64",), "u64")
    if i.opcode in WITHOUT_EFFECT:
        return lambda threads, mask: None
    if i.opcode == "mov" and any(operand.startswith("{") for operand in i.operands):
        return _packed(kernel, i)
    if "approx" in i.modifiers:
        if set(i.modifiers) != {"approx", "ftz", "f32"}:
            raise PtxError(f"not known here: {i.text}")
        read, write, opcode = reader(kernel, i.operands[1], "f32"), writer(kernel, i.operands[0], "f32"), i.opcode
        return lambda threads, mask: write(threads, threads.approximation.value(opcode, read(threads)), mask)
    what = operation(i)
    return _computed(kernel, i.operands, what.function, what.sources, what.result)


def _computed(
    kernel: Kernel, operands: tuple[str, ...], function: Callable[..., Any], sources: tuple[str, ...], result: str
) -> Step:
    reads = [reader(kernel, operand, kind) for operand, kind in zip(operands[1:], sources, strict=True)]
    write = writer(kernel, operands[0], result)
    return lambda threads, mask: write(threads, function(*[read(threads) for read in reads]), mask)


# ---- operands


def reader(kernel: Kernel, operand: str, kind: str) -> Read:
    """The value of an operand, of ``kind``: (threads,), or a scalar where it is the same for all."""
    dtype = KINDS[kind]
    if operand.startswith("!"):
        inner = reader(kernel, operand[1:], kind)
        return lambda threads: ~inner(threads)
    if operand in kernel.registers:
        number, own = kernel.registers[operand]
        convert = _conversion(KINDS[own], dtype)

        if convert is None:
            return lambda threads: threads.registers[number]
        return lambda threads: convert(threads.registers[number])
    if operand in SPECIAL:
        name = SPECIAL[operand]
        return lambda threads: np.asarray(getattr(threads, name)).astype(dtype)[()]
    if operand.startswith("%"):
        raise PtxError(f"{operand} is not known here")
    if operand[0].isdigit() or operand[0] == "-":
        value = constant(operand, kind)
        return lambda threads: value
    name, _, offset = operand.partition("+")
    where, distance = name.strip(), int(offset or 0)
    return lambda threads: (threads.symbol(where) + np.uint64(distance)).astype(dtype)


def writer(kernel: Kernel, operand: str, kind: str) -> Write:
    """Puts values of ``kind`` into a register, in the threads of a mask."""
    if operand == "_":
        return lambda threads, value, mask: None
    number, own = kernel.registers[operand]
    convert = _conversion(KINDS[kind], KINDS[own])

    def write(threads: Threads, value: Any, mask: Mask) -> None:
        if convert is not None:
            value = convert(value)
        if mask is not None:
            value = np.where(mask, value, threads.registers[number])
        threads.registers[number] = value

    return write


def _conversion(source: np.dtype, to: np.dtype) -> Callable[[Any], Any] | None:
    """The same bits as another type; wider ones filled with the sign, where there is one."""
    if source == to:
        return None
    if source.itemsize == to.itemsize and "b" not in (source.kind, to.kind):
        return lambda value: value.view(to)
    if "f" in (source.kind, to.kind) or "b" in (source.kind, to.kind):
        raise PtxError(f"{source} is read as {to}")
    return lambda value: value.astype(np.dtype(f"{source.kind}{to.itemsize}")).view(to)


def _packed(kernel: Kernel, i: Instruction) -> Step:
    """``mov`` between a register and several that it consists of, the lowest bits first."""
    kind, whole = i.kinds[0], np.dtype(f"u{KINDS[i.kinds[0]].itemsize}")
    apart = 0 if i.operands[0].startswith("{") else 1
    names = split(i.operands[apart].strip("{}"))
    bits = 8 * whole.itemsize // len(names)
    part, shifts = f"b{bits}", [whole.type(bits * k) for k in range(len(names))]
    if apart == 0:
        read, writes = reader(kernel, i.operands[1], f"u{kind[1:]}"), [writer(kernel, name, part) for name in names]

        def unpack(threads: Threads, mask: Mask) -> None:
            value = read(threads)
            for write, shift in zip(writes, shifts, strict=True):
                write(threads, (value >> shift).astype(KINDS[part]), mask)

        return unpack
    write, reads = writer(kernel, i.operands[0], f"b{kind[1:]}"), [reader(kernel, name, part) for name in names]

    def pack(threads: Threads, mask: Mask) -> None:
        value = whole.type(0)
        for read, shift in zip(reads, shifts, strict=True):
            value = value | read(threads).astype(whole) << shift
        write(threads, value, mask)

    return pack


# ---- memory


def _address(kernel: Kernel, operand: str) -> tuple[Read, int]:
    name, offset = _ADDRESS.fullmatch(operand).groups()  # type: ignore[union-attr]
    return reader(kernel, name, "u64"), int(offset or 0)


def _space(i: Instruction) -> str:
    return next((modifier for modifier in i.modifiers if modifier in SPACES), "generic")


def _vector(i: Instruction, operand: str) -> list[str]:
    count = next((int(modifier[1:]) for modifier in i.modifiers if modifier in ("v2", "v4")), 1)
    names = split(operand.strip("{} "))
    if len(names) != count:
        raise PtxError(f"not known here: {i.text}")
    return names


def _load(kernel: Kernel, i: Instruction) -> Step:
    kind, space, fixed = i.kinds[-1], _space(i), "nc" in i.modifiers
    dtype = KINDS[kind]
    writes = [writer(kernel, name, kind) for name in _vector(i, i.operands[0])]
    at, offset = _address(kernel, i.operands[1])

    def load(threads: Threads, mask: Mask) -> None:
        found = threads.load(space, at(threads), mask, offset, dtype.itemsize * len(writes), fixed).view(dtype)
        for k, write in enumerate(writes):
            write(threads, found[0, k] if len(found) < threads.shape[0] else np.ascontiguousarray(found[:, k]), mask)

    return load


def _store(kernel: Kernel, i: Instruction) -> Step:
    kind, space = i.kinds[-1], _space(i)
    dtype = KINDS[kind]
    reads = [reader(kernel, name, kind) for name in _vector(i, i.operands[1])]
    at, offset = _address(kernel, i.operands[0])

    def store(threads: Threads, mask: Mask) -> None:
        values = np.empty((*threads.shape, len(reads)), dtype)
        for k, read in enumerate(reads):
            values[:, k] = read(threads)
        threads.store(space, at(threads), mask, offset, values.view(np.uint8))

    return store


def _atomic(kernel: Kernel, i: Instruction) -> Step:
    kind, space = i.kinds[-1], _space(i)
    name = next((modifier for modifier in i.modifiers if modifier in ATOMICS), "")
    if not name or KINDS[kind].kind == "f" or space == "shared":
        raise PtxError(f"not known here: {i.text}")
    operands = i.operands if i.opcode == "atom" else ("_", *i.operands)
    write, (at, offset) = writer(kernel, operands[0], kind), _address(kernel, operands[1])
    reads = [reader(kernel, operand, kind) for operand in (operands[2], operands[-1])]

    def change(threads: Threads, mask: Mask) -> None:
        b, c = (np.ascontiguousarray(np.broadcast_to(read(threads), threads.shape)) for read in reads)
        write(threads, threads.change(space, at(threads), mask, offset, name, b, c), mask)

    return change
