"""What each arithmetic instruction computes, on arrays: PTX ISA, chapter "Instructions"."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .kinds import KINDS, PtxError, is_float
from .memory import fused
from .parser import Instruction

SMALLEST_NORMAL = {"f32": np.float32(2.0**-126), "f64": np.float64(2.0**-1022)}
Function = Callable[..., Any]


@dataclass(frozen=True)
class Operation:
    """A function of operands read as ``sources`` whose value is a ``result``."""

    function: Function
    sources: tuple[str, ...]
    result: str


def operation(instruction: Instruction) -> Operation:
    """What an instruction computes. PtxError: it is not known here, or one of its modifiers."""
    make = _MADE.get(instruction.opcode)
    known = _KNOWN.get(instruction.opcode, frozenset()) | KINDS.keys()
    if make is None or not known.issuperset(instruction.modifiers) or not instruction.kinds:
        raise PtxError(f"not known here: {instruction.text}")
    made = make(instruction, instruction.kinds[0])
    return _flushing(made) if "ftz" in instruction.modifiers else made


def flush(value: Any) -> Any:
    """Subnormal floats as zeros of their sign."""
    small = np.abs(value) < SMALLEST_NORMAL["f32"]
    return np.where(small, np.copysign(np.float32(0), value), value) if np.any(small) else value


def _flushing(plain: Operation) -> Operation:
    floats = [kind == "f32" for kind in plain.sources]

    def function(*operands: Any) -> Any:
        value = plain.function(*(flush(v) if each else v for v, each in zip(operands, floats, strict=True)))
        return flush(value) if plain.result == "f32" else value

    return Operation(function, plain.sources, plain.result)


# ---- integers


def wide(kind: str) -> np.dtype:
    return np.dtype(f"{KINDS[kind].kind}{2 * KINDS[kind].itemsize}")


def _upper_half(a: Any, b: Any) -> Any:
    """The upper 64 of the 128 bits of a product."""
    a, b = np.asarray(a), np.asarray(b)
    bits = 2**32 - 1
    (low, high), (other_low, other_high) = ((n & n.dtype.type(bits), n >> n.dtype.type(32)) for n in (a, b))
    carried = (low.astype(np.uint64) * other_low.astype(np.uint64) >> np.uint64(32)).astype(a.dtype)
    cross = high * other_low + carried  # the signed upper part times at most 2^32 - 1, plus less than 2^32: it fits
    other = low * other_high + (cross & a.dtype.type(bits))
    return high * other_high + (cross >> a.dtype.type(32)) + (other >> a.dtype.type(32))


def _product(i: Instruction, kind: str) -> Operation:
    if is_float(kind):
        return Operation(operator.mul, (kind, kind), kind)
    if "wide" in i.modifiers:
        to = wide(kind)
        result = kind[0] + str(8 * to.itemsize)
        return Operation(lambda a, b: np.asarray(a).astype(to) * np.asarray(b).astype(to), (kind, kind), result)
    if "hi" in i.modifiers:
        if KINDS[kind].itemsize == 8:
            return Operation(_upper_half, (kind, kind), kind)
        to, half = wide(kind), wide(kind).type(8 * KINDS[kind].itemsize)
        return Operation(
            lambda a, b: (np.asarray(a).astype(to) * np.asarray(b).astype(to) >> half).astype(KINDS[kind]),
            (kind, kind),
            kind,
        )
    return Operation(operator.mul, (kind, kind), kind)


def _product_sum(i: Instruction, kind: str) -> Operation:
    if is_float(kind):
        return Operation(fused, (kind,) * 3, kind)
    product = _product(i, kind)
    return Operation(lambda a, b, c: product.function(a, b) + c, (kind, kind, product.result), product.result)


def quotient(a: Any, b: Any) -> Any:
    """Towards zero. By zero: all bits, as NVIDIA's division gives; PTX leaves it open."""
    a, b = np.broadcast_arrays(a, b)
    zero = b == 0
    by = np.where(zero, b.dtype.type(1), b)
    whole = a // by
    whole = whole + ((whole * by != a) & ((a < 0) != (by < 0)))  # // goes down
    return np.where(zero, ~np.zeros_like(whole), whole).astype(a.dtype)


def remainder(a: Any, b: Any) -> Any:
    return a - quotient(a, b) * b


def shifted(a: Any, by: Any, left: bool) -> Any:
    """Beyond the width: zeros, or the sign."""
    dtype, by = np.asarray(a).dtype, np.asarray(by)
    bits = 8 * dtype.itemsize
    beyond, within = by >= bits, np.minimum(by, bits - 1).astype(dtype)
    value = a << within if left else a >> within
    return value if dtype.kind == "i" and not left else np.where(beyond, dtype.type(0), value)


def reversed_bits(a: Any) -> Any:
    dtype = np.asarray(a).dtype
    octets = np.atleast_1d(np.asarray(a)).astype(dtype.newbyteorder(">")).view(np.uint8)
    turned = np.packbits(np.unpackbits(octets).reshape(-1, 8 * dtype.itemsize)[:, ::-1])
    return turned.view(dtype.newbyteorder(">")).astype(dtype).reshape(np.shape(a))


def funnel(low: Any, high: Any, by: Any, left: bool, clamp: bool) -> Any:
    """32 of the 64 bits of two words, shifted: the upper ones to the left, the lower ones to the right."""
    both = np.asarray(high).astype(np.uint64) << np.uint64(32) | np.asarray(low).astype(np.uint64)
    by = (np.minimum(by, np.uint32(32)) if clamp else np.asarray(by) & np.uint32(31)).astype(np.uint64)
    return ((both << by) >> np.uint64(32) if left else both >> by).astype(np.uint32)


def inserted(a: Any, b: Any, position: Any, length: Any) -> Any:
    """``b`` with the low ``length`` bits of ``a`` put at ``position``."""
    dtype = np.asarray(b).dtype
    position, length = np.asarray(position) & np.uint32(0xFF), np.asarray(length) & np.uint32(0xFF)
    mask = shifted(~shifted(~dtype.type(0), length, left=True), position, left=True)
    return b & ~mask | shifted(a, position, left=True) & mask


def permuted(a: Any, b: Any, chosen: Any) -> Any:
    """Four of the bytes of two words, each chosen by four bits: its number, and whether its sign takes its place."""
    both = np.asarray(b).astype(np.uint64) << np.uint64(32) | np.asarray(a).astype(np.uint64)
    found = np.uint32(0)
    for k in range(4):
        which = np.asarray(chosen) >> np.uint32(4 * k)
        byte = (both >> (np.uint64(8) * (which & np.uint32(7)).astype(np.uint64))).astype(np.uint32) & np.uint32(0xFF)
        byte = np.where(which & np.uint32(8), (byte >> np.uint32(7)) * np.uint32(0xFF), byte)
        found = found | byte << np.uint32(8 * k)
    return found


# ---- comparisons and choices

_ORDERED: dict[str, Function] = {
    **{name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
}
_LOGIC: dict[str, Function] = {"and": operator.and_, "or": operator.or_, "xor": operator.xor}


def _unordered(a: Any, b: Any) -> Any:
    return np.isnan(a) | np.isnan(b)


def comparison(name: str, kind: str) -> Function:
    """Of floats plain names are false where one is NaN, those that end in u true."""
    if not is_float(kind):
        return _ORDERED[name]
    if name in ("nan", "num"):
        return _unordered if name == "nan" else lambda a, b: ~_unordered(a, b)
    if name in _ORDERED:
        return lambda a, b: _ORDERED[name](a, b) & ~_unordered(a, b)
    return lambda a, b: _ORDERED[name[:-1]](a, b) | _unordered(a, b)


def _compared(i: Instruction, kind: str) -> Operation:
    plain = comparison(i.modifiers[0], kind)
    for name, logic in _LOGIC.items():
        if name in i.modifiers:
            return Operation(lambda a, b, c, logic=logic: logic(plain(a, b), c), (kind, kind, "pred"), "pred")
    return Operation(plain, (kind, kind), "pred")


def extreme(a: Any, b: Any, least: bool) -> Any:
    """Of floats: the other one where one is NaN; -0 is less than +0."""
    value = np.fmin(a, b) if least else np.fmax(a, b)
    return np.where(a == b, np.where(np.signbit(a) == least, a, b), value)


def _extreme(i: Instruction, kind: str) -> Operation:
    least = i.opcode == "min"
    if "NaN" in i.modifiers:
        plain = partial(extreme, least=least)
        return Operation(lambda a, b: np.where(_unordered(a, b), a.dtype.type(np.nan), plain(a, b)), (kind, kind), kind)
    function = partial(extreme, least=least) if is_float(kind) else np.minimum if least else np.maximum
    return Operation(function, (kind, kind), kind)


# ---- conversions

_ROUNDED: dict[str, Function] = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}


def to_integer(value: Any, rounded: Function, dtype: np.dtype) -> Any:
    """Of floats: clamped to the integers there are; NaN is 0, but the highest bit alone from or to 64 bits."""
    value = np.asarray(value)
    bounds, whole = np.iinfo(dtype), rounded(value.astype(np.float64))
    beyond = 2.0 ** (bounds.bits - (dtype.kind == "i"))  # the first float that is too large
    inside = (whole >= bounds.min) & (whole < beyond)
    found = np.where(inside, whole, 0).astype(dtype)
    found = np.where(
        whole >= beyond, dtype.type(bounds.max), np.where(whole < bounds.min, dtype.type(bounds.min), found)
    )
    highest = bounds.min if dtype.kind == "i" else 1 << bounds.bits - 1
    return np.where(np.isnan(value), dtype.type(highest if 8 in (value.itemsize, dtype.itemsize) else 0), found)


def _converted(i: Instruction, _: str) -> Operation:
    to, source = i.kinds
    dtype = KINDS[to]
    rounding = next((m for m in i.modifiers if m in _ROUNDED), None)
    if is_float(source) and not is_float(to):
        if rounding is None:
            raise PtxError(f"no rounding: {i.text}")
        return Operation(lambda a: to_integer(a, _ROUNDED[rounding], dtype), (source,), to)
    if rounding is not None:
        return Operation(lambda a: _ROUNDED[rounding](a).astype(dtype), (source,), to)
    return Operation(lambda a: np.asarray(a).astype(dtype)[()], (source,), to)


# ---- the table


def _plain(function: Function, operands: int) -> Callable[[Instruction, str], Operation]:
    return lambda i, kind: Operation(function, (kind,) * operands, kind)


def _sum(i: Instruction, kind: str) -> Operation:
    return Operation(operator.add if i.opcode == "add" else operator.sub, (kind, kind), kind)


def _shift(i: Instruction, kind: str) -> Operation:
    return Operation(partial(shifted, left=i.opcode == "shl"), (kind, "u32"), kind)


def _funnel(i: Instruction, kind: str) -> Operation:
    if kind != "b32" or i.modifiers[0] not in ("l", "r") or i.modifiers[1] not in ("wrap", "clamp"):
        raise PtxError(f"not known here: {i.text}")
    left, clamp = i.modifiers[0] == "l", i.modifiers[1] == "clamp"
    return Operation(partial(funnel, left=left, clamp=clamp), ("u32",) * 3, "u32")


def _quotient(i: Instruction, kind: str) -> Operation:
    return Operation(operator.truediv if is_float(kind) else quotient, (kind, kind), kind)


def _negated(i: Instruction, kind: str) -> Operation:
    return Operation(np.negative if is_float(kind) else lambda a: KINDS[kind].type(0) - a, (kind,), kind)


_MADE: dict[str, Callable[[Instruction, str], Operation]] = {
    "abs": _plain(np.abs, 1),
    "add": _sum,
    "and": _plain(operator.and_, 2),
    "bfi": lambda i, kind: Operation(inserted, (kind, kind, "u32", "u32"), kind),
    "brev": _plain(reversed_bits, 1),
    "copysign": _plain(lambda sign, size: np.copysign(size, sign), 2),
    "cvt": _converted,
    "div": _quotient,
    "fma": _plain(fused, 3),
    "mad": _product_sum,
    "max": _extreme,
    "min": _extreme,
    "mov": _plain(lambda a: a, 1),
    "mul": _product,
    "neg": _negated,
    "not": _plain(operator.invert, 1),
    "or": _plain(operator.or_, 2),
    "prmt": lambda i, kind: Operation(permuted, ("u32",) * 3, "u32"),
    "rcp": lambda i, kind: Operation(lambda a: KINDS[kind].type(1) / a, (kind,), kind),
    "rem": _plain(remainder, 2),
    "selp": lambda i, kind: Operation(lambda a, b, p: np.where(p, a, b), (kind, kind, "pred"), kind),
    "setp": _compared,
    "shf": _funnel,
    "shl": _shift,
    "shr": _shift,
    "sqrt": _plain(np.sqrt, 1),
    "sub": _sum,
    "xor": _plain(operator.xor, 2),
}
_ROUNDS = frozenset({"rn", "ftz"})
_KNOWN: dict[str, frozenset[str]] = {
    **dict.fromkeys(("add", "sub", "div", "fma", "rcp", "sqrt"), _ROUNDS),
    **dict.fromkeys(("abs", "neg"), frozenset({"ftz"})),
    **dict.fromkeys(("min", "max"), frozenset({"ftz", "NaN"})),
    "mul": _ROUNDS | {"lo", "hi", "wide"},
    "mad": _ROUNDS | {"lo", "wide"},
    "cvt": _ROUNDS | _ROUNDED.keys(),
    "shf": frozenset({"l", "r", "wrap", "clamp"}),
    "setp": frozenset({"ftz", "nan", "num"}) | _LOGIC.keys() | {name + u for name in _ORDERED for u in ("", "u")},
}
OPCODES = frozenset(_MADE)
