"""Faults planted in PTX text, one in each mutant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

Mutants = Callable[[str], Iterator[str]]


def _each(pattern: str, change: Callable[[re.Match[str]], str]) -> Mutants:
    """Mutants of a text: one for each place that the pattern finds, changed alone."""

    def mutants(text: str) -> Iterator[str]:
        for found in re.finditer(pattern, text):
            yield text[: found.start()] + change(found) + text[found.end() :]

    return mutants


def _value(text: str, register: str) -> int:
    """The constant that a register holds."""
    match = re.search(rf"mov\.b?u?32\s+{re.escape(register)}, (-?\d+);", text)
    assert match is not None, register
    return int(match[1])


SHUFFLE = r"(shfl\.sync\.\w+\.b32\s+[^,]+,[^,]+,\s*)([^,]+)(,[^,]+,\s*)([^,;]+);"


def other_distances(text: str) -> Iterator[str]:
    """Shuffles from a lane twice as far, or half."""
    for found in re.finditer(SHUFFLE, text):
        if "bfly" in found[0]:
            by = found[2].strip()
            distance = _value(text, by) if by.startswith("%") else int(by)
            other = 2 * distance if distance < 16 else distance // 2
            yield text[: found.start()] + f"{found[1]}{other}{found[3]}{found[4]};" + text[found.end() :]


def _farther(operands: str, by: int) -> Mutants:
    """Accesses of memory ``by`` bytes beyond."""
    return _each(rf"({operands}\[%rd\d+)(?:\+(-?\d+))?\]", lambda found: f"{found[1]}+{int(found[2] or 0) + by}]")


ROW = 1024
"""Bytes; more than a row of the probes has."""
MUTANTS: dict[str, Mutants] = {
    "a barrier dropped": _each(r"bar(?:rier)?\.sync\s+0;", lambda _: ""),
    "half of a warp's mask": _each(SHUFFLE, lambda found: f"{found[1]}{found[2]}{found[3]}65535;"),
    "another shuffle distance": other_distances,
    "a load a row too far": _farther(r"ld\.global\.[\w.]+\s+[^\[;]+", ROW),
    "a store a row too far": _farther(r"st\.global\.[\w.]+\s+", ROW),
    "a vector load off by one number": _farther(r"ld\.[\w.]*v[24]\.f\d\d\s+[^\[;]+", 4),
    "a predicate flipped": _each(r"@(!?)(%p\d+)\s+bra", lambda found: f"@{'' if found[1] else '!'}{found[2]} bra"),
    "a store to shared memory dropped": _each(r"st\.shared\.[^;]+;", lambda _: ""),
}
