"""The interpreter sees faults: each one planted in a text that runs well is an error there, or other bits than the specification's."""

from __future__ import annotations

import platform
from functools import cache

import numpy as np
import pytest
from device_runs import differences, run
from test_device import CASES

from ensemble.backends.numpy import NumpyEngine

from .engine import PtxEngine, execute
from .kinds import PtxError
from .mutants import MUTANTS
from .test_bits import check_primitives, text_of_primitives

pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the NVRTC wheel these tests use is for Linux x86-64",
)

WITHIN_A_WARP = (130, 8, "float32", False)
OF_FEW_BLOCKS = (21, 8, "float64", False)
IN_MEMORY = (130, 8, "float32", True)
PROGRAM, LANES, STEPS = CASES["saddle, 64 lanes"].program, 64, 10
PATIENCE = 3000


class Mutated(PtxEngine):
    """Runs a text of one's own."""

    mutant = ""

    def text(self, source: str, entry: str) -> str:
        return self.mutant or super().text(source, entry)


@cache
def engine() -> Mutated:
    made = Mutated(LANES)
    made.patience = PATIENCE
    return made


@cache
def across_warps() -> str:
    """The text of a program whose instances have two warps each."""
    ptx = PtxEngine(LANES)
    return ptx.text(ptx.source(PROGRAM, "advance"), "advance")


def caught_in_program(mutant: str) -> str:
    ptx = engine()
    ptx.mutant = mutant
    try:
        found = run(ptx, PROGRAM, STEPS)
    except PtxError as error:
        return str(error)
    return "other bits" if differences(found, run(NumpyEngine(), PROGRAM, STEPS)) else ""


def caught_in_probe(mutant: str, form: tuple[int, int, str, bool]) -> str:
    try:
        check_primitives(mutant, *form, patience=PATIENCE)
    except PtxError as error:
        return str(error)
    except AssertionError:
        return "other bits"
    return ""


def test_what_is_not_mutated_runs() -> None:
    assert caught_in_program(across_warps()) == ""
    for form in (WITHIN_A_WARP, OF_FEW_BLOCKS, IN_MEMORY):
        assert caught_in_probe(text_of_primitives(*form), form) == ""


@pytest.mark.parametrize(
    ("what", "said", "least"),
    [
        ("a barrier dropped", "no barrier between", 6),
        ("half of a warp's mask", "does not name itself", 12),
        ("a load a row too far", "outside every allocation|no barrier between", 12),
        ("a store to shared memory dropped", "read before it was written", 6),
    ],
)
def test_every_fault_in_a_program_is_caught(what: str, said: str, least: int) -> None:
    mutants = list(MUTANTS[what](across_warps()))
    assert len(mutants) >= least
    for k, mutant in enumerate(mutants):
        found = caught_in_program(mutant)
        assert any(each in found for each in said.split("|")), (what, k, found)


@pytest.mark.parametrize(
    ("what", "form", "said", "least"),
    [
        ("another shuffle distance", WITHIN_A_WARP, "other bits", 12),
        ("a store a row too far", OF_FEW_BLOCKS, "", 16),
        ("a predicate flipped", OF_FEW_BLOCKS, "", 16),
        ("a vector load off by one number", IN_MEMORY, "misaligned", 5),
    ],
)
def test_every_fault_in_the_primitives_is_caught(
    what: str, form: tuple[int, int, str, bool], said: str, least: int
) -> None:
    mutants = list(MUTANTS[what](text_of_primitives(*form)))
    assert len(mutants) >= least
    for k, mutant in enumerate(mutants):
        found = caught_in_probe(mutant, form)
        assert found, (what, k)
        assert said in found, (what, k, found)


def test_contraction_is_caught() -> None:
    case = CASES["kicks"]
    found = run(PtxEngine(8, extra=("--fmad=true",)), case.program, 3)
    assert differences(found, run(NumpyEngine(), case.program, 3)) != []


# ---- faults that no compiler makes of these kernels, by hand

HEAD = """
.version 8.0
.target sm_90
.address_size 64
.visible .entry probe(.param .u64 probe_param_0)
{
.reg .pred %p<3>; .reg .b32 %r<6>; .reg .b64 %rd<4>;
.shared .align 4 .b8 held[512];
mov.u32 %r1, %tid.x;
ld.param.u64 %rd1, [probe_param_0];
mul.wide.u32 %rd2, %r1, 4;
add.s64 %rd3, %rd1, %rd2;
mov.u32 %r2, held;
shl.b32 %r3, %r1, 2;
add.s32 %r3, %r2, %r3;
"""
FAULTS = {
    "lanes that part before a barrier": (
        "setp.lt.u32 %p1, %r1, 5; @%p1 bra L; bar.sync 0; L: vote.sync.any.pred %p2, %p1, -1;",
        "deadlock",
    ),
    "an endless loop": ("L: bra L;", "no end after"),
    "a write of all to one place": ("st.global.u32 [%rd1], %r1;", "after another thread's write"),
    "a read of what another wrote": (
        "st.global.u32 [%rd3], %r1; ld.global.u32 %r4, [%rd1];",
        "after another thread's write",
    ),
    "a write of what another read": (
        "ld.global.u32 %r4, [%rd1]; add.s32 %r4, %r4, 1; st.global.u32 [%rd3], %r4;",
        "after another thread's read",
    ),
    "shared memory never written": ("ld.shared.u32 %r4, [%r3];", "before it was written"),
    "shared memory of another block": ("st.shared.u32 [%r3+512], %r1;", "thread's or block's memory"),
    "half a number off": ("ld.global.u32 %r4, [%rd3+2];", "misaligned"),
    "a constant that is written": ("st.global.u32 [%rd3], %r1; ld.global.nc.u32 %r4, [%rd3];", "read as constant"),
    "a lane that has left is read": (
        "setp.gt.u32 %p1, %r1, 62; @%p1 ret; mov.u32 %r4, 31; shfl.sync.idx.b32 %r5|%p2, %r1, %r4, %r4, -1;",
        "takes no part",
    ),
}


def execute_by_hand(body: str, blocks: int = 1) -> np.ndarray:
    """What threads write into their own place of an array."""
    out = np.zeros(64 * blocks, np.uint32)
    parameters = np.array([out.ctypes.data], np.uint64).tobytes()
    execute(f"{HEAD}{body} ret; }}", "probe", parameters, blocks, 64, [out], patience=100)
    return out


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_made_by_hand_is_said(what: str) -> None:
    body, said = FAULTS[what]
    with pytest.raises(PtxError, match=said):
        execute_by_hand(body, blocks=2 if "another block" in what else 1)


def test_a_barrier_orders_what_lies_on_its_two_sides() -> None:
    body = "st.shared.u32 [%r3], %r1; bar.sync 0; xor.b32 %r4, %r3, 4; ld.shared.u32 %r5, [%r4]; st.global.u32 [%rd3], %r5;"
    assert (execute_by_hand(body) == np.arange(64) ^ 1).all()
    within = body.replace("bar.sync 0;", "bar.warp.sync -1;")
    assert (execute_by_hand(within) == np.arange(64) ^ 1).all()
    across = within.replace("%r3, 4;", "%r3, 128;")
    with pytest.raises(PtxError, match="no barrier between"):
        execute_by_hand(across)


def test_who_read_before_a_barrier_is_not_asked_about_after_it() -> None:
    read_by_the_neighbour = "st.shared.u32 [%r3], %r1; bar.warp.sync -1; xor.b32 %r4, %r3, 4; ld.shared.u32 %r5, [%r4];"
    own = "ld.shared.u32 %r4, [%r3]; st.shared.u32 [%r3], %r5; st.global.u32 [%rd3], %r5;"
    assert (execute_by_hand(f"{read_by_the_neighbour} bar.warp.sync -1; {own}") == np.arange(64) ^ 1).all()
    with pytest.raises(PtxError, match="written after another thread's read"):
        execute_by_hand(f"{read_by_the_neighbour} {own}")
