"""What a PTX text holds."""

from __future__ import annotations

import re

from .parser import Instruction, parse

ROUNDED = ("add", "sub", "mul", "div", "sqrt", "rcp")
APPROXIMATE = re.compile(r"\.(?:approx|full)\b|\bfma\.")
"""Whatever the parser makes of a text: no precise one holds this."""


def instructions(text: str) -> list[Instruction]:
    """All that an entry may execute, functions that it calls as well."""
    return [i for kernel in parse(text).values() for i in kernel.instructions()]


def name_of(i: Instruction) -> str:
    """The opcode and its modifiers."""
    return ".".join((i.opcode, *i.modifiers))


def _of_floats(i: Instruction) -> bool:
    return bool({"f32", "f64"} & set(i.modifiers))


def rounded(text: str) -> list[str]:
    """Instructions that round as IEEE 754's operations do."""
    return [i.text for i in instructions(text) if i.opcode in ROUNDED and _of_floats(i) and "rn" in i.modifiers]


def otherwise(text: str) -> list[str]:
    """Instructions that round otherwise than IEEE 754's operations one by one, or may: without a rounding, ptxas may fuse them."""
    return [
        i.text
        for i in instructions(text)
        if {"approx", "full", "sat"} & set(i.modifiers)
        or (_of_floats(i) and i.opcode in ("fma", "mad"))
        or (_of_floats(i) and i.opcode in ROUNDED and "rn" not in i.modifiers)
    ]


def assert_precise(text: str) -> None:
    """A text rounds every operation by itself, and does some that round."""
    assert otherwise(text) == []
    assert APPROXIMATE.findall(text) == []
    assert rounded(text)
