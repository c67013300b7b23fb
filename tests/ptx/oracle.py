"""PTX's arithmetic by its definition, on Python's exact numbers: one operand at a time, nothing of NumPy's."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

DIGITS = {"f32": (24, -126, 127), "f64": (53, -1022, 1023)}
"""Bits of the significand, and the exponents of the smallest and largest normal numbers."""


def bits_of(kind: str) -> int:
    return int(kind[1:])


def wrapped(value: int, kind: str) -> int:
    """As many low bits as the kind has, two's complement."""
    bits = bits_of(kind)
    value &= (1 << bits) - 1
    return value - (1 << bits) if kind[0] == "s" and value >> bits - 1 else value


def nearest(exact: Fraction, kind: str, sign: float = 1.0) -> float:
    """The nearest number of a kind, ties to even; ``sign`` is that of a zero."""
    digits, lowest, highest = DIGITS[kind]
    if exact == 0:
        return math.copysign(0.0, sign)
    side = 1 if exact > 0 else -1
    exponent = abs(exact).numerator.bit_length() - abs(exact).denominator.bit_length()
    if abs(exact) < Fraction(2) ** exponent:
        exponent -= 1
    unit = Fraction(2) ** (max(exponent, lowest) - digits + 1)
    found = round(exact / unit) * unit
    if abs(found) >= Fraction(2) ** (highest + 1):
        return side * math.inf
    return side * float(abs(found))


def flushed(value: float) -> float:
    return math.copysign(0.0, value) if abs(value) < 2.0**-126 else value


def rounded(plain: Callable[..., float], exact: Callable[..., Fraction], kind: str) -> Callable[..., float]:
    """An operation rounded once. ``plain``: the same in double, for what is not finite and for the sign of a zero."""

    def operation(*operands: float) -> float:
        try:
            double = plain(*operands)
        except ZeroDivisionError:
            return _divided_by_zero(*operands) if len(operands) == 2 else _divided_by_zero(1.0, *operands)
        return nearest(exact(*map(Fraction, operands)), kind, double) if all(map(math.isfinite, operands)) else double

    return operation


def _divided_by_zero(a: float, b: float) -> float:
    return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)


def fused(kind: str) -> Callable[..., float]:
    def operation(a: float, b: float, c: float) -> float:
        if not all(map(math.isfinite, (a, b, c))):
            product = a * b
            if math.isfinite(a) and math.isfinite(b):
                product = math.copysign(1.0, a) * math.copysign(1.0, b)  # finite, however large
            return product + c
        exact = Fraction(a) * Fraction(b) + Fraction(c)
        sign = math.copysign(1.0, a) * math.copysign(1.0, b)
        return nearest(exact, kind, sign if sign == math.copysign(1.0, c) else 1.0)

    return operation


def extreme(least: bool) -> Callable[[float, float], float]:
    """The other one where one is NaN; -0 is less than +0."""

    def operation(a: float, b: float) -> float:
        numbers = sorted((x for x in (a, b) if not math.isnan(x)), key=lambda x: (x, math.copysign(1.0, x)))
        return math.nan if not numbers else numbers[0 if least else -1]

    return operation


def extreme_of_numbers(least: bool) -> Callable[[float, float], float]:
    """NaN where one is NaN: ``.NaN``."""
    return lambda a, b: math.nan if math.isnan(a) or math.isnan(b) else extreme(least)(a, b)


def root(kind: str) -> Callable[[float], float]:
    """Rounded to double first: from there to float it is the nearest too, as double has more than twice the digits."""

    def operation(a: float) -> float:
        if a <= 0 or not math.isfinite(a):
            return math.nan if a < 0 else a
        return nearest(Fraction(math.sqrt(a)), kind)

    return operation


def to_integer(source: str, to: str) -> Callable[[float], int]:
    """Towards zero, clamped."""
    lowest, highest = (
        (-(1 << bits_of(to) - 1), (1 << bits_of(to) - 1) - 1) if to[0] == "s" else (0, (1 << bits_of(to)) - 1)
    )

    def operation(a: float) -> int:
        if math.isnan(a):
            return wrapped(1 << bits_of(to) - 1, to) if "64" in source + to else 0
        return max(lowest, min(highest, int(a))) if math.isfinite(a) else highest if a > 0 else lowest

    return operation


def quotient(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def shifted_right(a: int, by: int) -> int:
    return a >> by if by < 64 else -1 if a < 0 else 0


def funnel(side: str, mode: str) -> Callable[[int, int, int], int]:
    """PTX ISA, "shf": of the 64 bits of b and a."""

    def operation(a: int, b: int, c: int) -> int:
        n = c & 31 if mode == "wrap" else min(c, 32)
        return (b << n | a >> 32 - n) % 2**32 if side == "l" else (b << 32 - n | a >> n) % 2**32

    return operation


def inserted(a: int, b: int, position: int, length: int, bits: int) -> int:
    """PTX ISA's loop: bit by bit."""
    position, length = position & 0xFF, length & 0xFF
    for k in range(length):
        if position + k < bits and k < bits:
            b = b & ~(1 << position + k) | (a >> k & 1) << position + k
    return b


def permuted(a: int, b: int, chosen: int) -> int:
    """PTX ISA, "prmt" in its default mode: nibbles of ``chosen`` name bytes of {b, a}; their upper bit replicates the byte's sign."""
    source = a.to_bytes(4, "little") + b.to_bytes(4, "little")
    nibbles = [chosen >> 4 * k & 15 for k in range(4)]
    return int.from_bytes((source[n & 7] if n < 8 else 255 * (source[n & 7] > 127) for n in nibbles), "little")


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


def compared(name: str) -> Callable[[Any, Any], bool]:
    def unordered(a: Any, b: Any) -> bool:
        return math.isnan(a) or math.isnan(b)

    if name in ("nan", "num"):
        return lambda a, b: unordered(a, b) == (name == "nan")
    if name in COMPARISONS:
        return lambda a, b: not unordered(a, b) and COMPARISONS[name](a, b)
    return lambda a, b: unordered(a, b) or COMPARISONS[name[:-1]](a, b)


def source_lane(mode: str, lane: int, b: int, c: int) -> tuple[int, bool]:
    """The lane that ``shfl`` reads, and its predicate: PTX ISA's pseudocode."""
    b, segment, clamp = b & 31, c >> 8 & 31, c & 31
    highest, lowest = lane & segment | clamp & ~segment, lane & segment
    source, inside = {
        "up": lambda: (lane - b, lane - b >= highest),
        "down": lambda: (lane + b, lane + b <= highest),
        "bfly": lambda: (lane ^ b, lane ^ b <= highest),
        "idx": lambda: (lowest | b & ~segment, (lowest | b & ~segment) <= highest),
    }[mode]()
    return (source if inside else lane), inside
