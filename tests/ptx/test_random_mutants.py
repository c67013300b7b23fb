"""Instructions changed at random: each change is seen, or is shown to change nothing that comes of a run.

What no run sees is run again, with all that its threads decide and store written down: where that is the same as without the
change, the change is not reached, gives the same values, or is lost before anything depends on it (in a rounding, in a
comparison, in a number that is not asked for). Few others take another way to the same results: the long division for the
short one, another order of independent steps.
"""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from device_runs import differences, run
from test_device import CASES

from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.program import State

from . import threads as interpreter
from .engine import PtxEngine, no_collection
from .kinds import PtxError
from .parser import SYNCHRONIZING, Instruction, Kernel, parse
from .steps import Mask

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        (platform.system(), platform.machine()) != ("Linux", "x86_64"),
        reason="the NVRTC wheel these tests use is for Linux x86-64",
    ),
]

PROGRAMS = {"saddle, 64 lanes": 64, "kicks": 8, "shifts across lanes": 4}
STEPS, SEGMENT = 10, 7
MUTANTS = 60
PATIENCE = 3000
OTHERS = {
    "add": "sub", "sub": "add", "mul": "add", "min": "max", "max": "min", "and": "or", "or": "xor", "xor": "and",
    "shl": "shr", "shr": "shl", "eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "gt": "le", "le": "gt", "abs": "neg", "neg": "abs",
    "ltu": "geu", "geu": "ltu", "gtu": "leu", "leu": "gtu", "neu": "eq",
}  # fmt: skip
EXCHANGED = ("sub", "div", "setp", "selp", "shl", "shr")


def changes(i: Instruction) -> Iterator[tuple[str, Instruction | None]]:
    """What an instruction may be changed to; None: left out."""
    if i.opcode in ("bra", "ret", "exit"):
        if i.guard:
            yield "predicate negated", replace(i, negated=not i.negated)
        return
    if i.opcode in SYNCHRONIZING:
        return
    yield "left out", None
    if i.opcode in OTHERS and "wide" not in i.modifiers:
        modifiers = tuple(m for m in i.modifiers if m != "lo")
        if not (i.opcode == "mul" and modifiers[0][0] == "b"):
            yield "another opcode", replace(i, opcode=OTHERS[i.opcode], modifiers=modifiers)
    if i.opcode == "setp" and i.modifiers[0] in OTHERS:
        yield "another comparison", replace(i, modifiers=(OTHERS[i.modifiers[0]], *i.modifiers[1:]))
    if i.opcode in EXCHANGED:
        d, a, b, *rest = i.operands
        yield "operands exchanged", replace(i, operands=(d, b, a, *rest))
    for k, operand in enumerate(i.operands):
        if k and operand.lstrip("-").isdigit():
            yield (
                "a constant off by one",
                replace(i, operands=(*i.operands[:k], str(int(operand) + 1), *i.operands[k + 1 :])),
            )


@dataclasses.dataclass(frozen=True)
class Change:
    """At an instruction of a kernel."""

    block: int
    place: int
    what: str
    to: Instruction | None

    def applied(self, kernel: Kernel) -> Kernel:
        blocks = [list(block) for block in kernel.blocks]
        blocks[self.block][self.place] = self.to or Instruction("mov", ("pred",), ("_", "0"), text="nothing")
        return replace(kernel, blocks=blocks)


def chosen(kernel: Kernel, count: int, seed: int) -> list[Change]:
    every = [
        Change(block, place, what, to)
        for block, instructions in enumerate(kernel.blocks)
        for place, i in enumerate(instructions)
        for what, to in changes(i)
    ]
    return [every[k] for k in np.random.default_rng(seed).choice(len(every), count, replace=False)]


class Given(PtxEngine):
    """Runs a program of the interpreter's that is given."""

    given: interpreter.Program

    def program(self, source: str, entry: str) -> interpreter.Program:
        return self.given


def launched(engine: Given, kernel: Kernel, name: str) -> State:
    with no_collection():
        engine.given = interpreter.Program(kernel)
    return run(engine, CASES[name].program, STEPS, segment=SEGMENT, scale=CASES[name].scale)


def caught(engine: Given, kernel: Kernel, name: str) -> bool:
    try:
        found = launched(engine, kernel, name)
    except PtxError:
        return True
    return differences(found, expected(name)) != []


@cache
def expected(name: str) -> State:
    return run(NumpyEngine(), CASES[name].program, STEPS, scale=CASES[name].scale)


def deeds(engine: Given, kernel: Kernel, name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """All that threads store, and which blocks of instructions which of them run, in order, as one digest."""
    digest = hashlib.blake2b()
    block, store = interpreter.Threads._block, interpreter.Threads.store

    def ran(threads: Any, number: int, mask: Mask) -> Any:
        digest.update(f"{number}".encode() + (b"" if mask is None else mask.tobytes()))
        return block(threads, number, mask)

    def stored(threads: Any, space: str, at: Any, mask: Mask, offset: int, values: Any) -> None:
        digest.update((values if mask is None else values[mask]).tobytes())
        store(threads, space, at, mask, offset, values)

    with monkeypatch.context() as patched:
        patched.setattr(interpreter.Threads, "_block", ran)
        patched.setattr(interpreter.Threads, "store", stored)
        launched(engine, kernel, name)
    return digest.hexdigest()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_change_is_seen_or_changes_nothing_that_comes_of_it(
    name: str, monkeypatch: pytest.MonkeyPatch, printed: Callable[[str], None]
) -> None:
    engine = Given(PROGRAMS[name])
    engine.patience = PATIENCE
    kernel = parse(PtxEngine.text(engine, engine.source(CASES[name].program, "advance"), "advance"))["advance"]
    assert not caught(engine, kernel, name)
    plain = deeds(engine, kernel, name, monkeypatch)
    survivors = [change for change in chosen(kernel, MUTANTS, 1) if not caught(engine, change.applied(kernel), name)]
    others = [c for c in survivors if deeds(engine, c.applied(kernel), name, monkeypatch) != plain]
    assert len(survivors) < MUTANTS / 2
    for change in others:
        printed(
            f"{name}: another way to the same results: {change.what}: {kernel.blocks[change.block][change.place].text}"
        )
    assert len(others) <= MUTANTS // 10
