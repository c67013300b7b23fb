"""Every part there is as NVRTC compiles it, executed: in every form, both precisions, both kinds of arithmetic, on several targets.

Parts are found by themselves. ``-m slow -k Adam`` runs those of one, ``-k "Adam and float32 and windows"`` one form of them.
The whole product would take hours: every part is run in every form, on one of the targets in turn, and on every target in one form;
in fast arithmetic in three of the forms.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from device_runs import differences, program, run, same_bits
from numpy.typing import NDArray
from parts import ROLES, combined, kinds, variants

import ensemble as en
from ensemble.backends.cpu import CpuEngine
from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.program import Engine, Program, State
from ensemble.part import Part

from .approximate import NEAREST, Approximation
from .contents import assert_precise, instructions, name_of
from .engine import PtxEngine
from .test_bits import as_fast, differently_observed, engine, texts_of
from .test_moves import ASKED

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        (platform.system(), platform.machine()) != ("Linux", "x86_64"),
        reason="the NVRTC wheel these tests use is for Linux x86-64",
    ),
]
needs_compiler = pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="no C++ compiler on PATH")

Parts = dict[str, Part]
Form = tuple[int, int | None, dict[str, Any]]
FORMS: dict[str, Form] = {
    "alone": (8, 1, {}),
    "lanes": (21, 4, {}),
    "streamed": (21, 4, {"streamed": True}),
    "chosen": (128, None, {"processors": 132}),
    "windows": (70, 2, {"window": 2}),
    "warps": (300, 64, {}),
    "streamed-warps": (300, 64, {"streamed": True}),
}
"""Coordinates, lanes (None: as many as suit) and how instances are held."""
TARGETS = ("compute_80", "compute_90", "newest")
WHOLE = "lanes"
"""The form in which every part is run on every target."""
POINTWISE = (en.Quadratic, en.DoubleWell, en.QuarticSaddle)
"""Landscapes beside which a pointwise rule is cut into windows."""
FAST_FORMS = ("lanes", "windows", "warps")
STEPS, SEGMENT = 8, 5
MOST_OF_GLASSES = 130
"""Coordinates: as many couplings as there are triples of them would take many minutes; more than 128 fill a second warp."""
SINGLE_STEPS = 4
TOLERANCE = 1e-5
"""Of the largest coordinate of a row before or after, in one step in float32 from where the specification is: the bounds of the approximate
functions, some 2^-22 of a normal number, and the roundings that fused operations leave out; about twice the most that was found."""

OF_ITS_OWN_SIZE = 1e-3
"""The same of what Adadelta remembers of its steps: each coordinate's is about the same, however small its gradient, and so has the
relative error of a gradient that is small beside the others."""


@cache
def combinations(dim: int) -> dict[str, Parts]:
    """Programs by the names of their parts: every landscape; every optimizer in all its variants, and with them all noises and events."""
    return dict(_named(dim))


def _named(dim: int) -> Iterator[tuple[str, Parts]]:
    for landscape in kinds("landscape"):
        yield _with_name(
            combined(
                {"landscape": landscape, "optimizer": en.Adam, "noise": en.Gaussian, "event": en.Below}, dim, False
            )
        )
    lists = {"landscape": POINTWISE, **{role: kinds(role) for role in ("optimizer", "noise", "event")}}
    for k, optimizer in enumerate(kinds("optimizer")):
        chosen = {role: some[k % len(some)] for role, some in lists.items()}
        parts = combined(chosen, dim, k % 2 == 1)
        yield _with_name(parts)
        for n, variant in enumerate(variants(optimizer, dim)):
            yield _with_name({**parts, "optimizer": variant}, f"variant{n + 1}")


def _with_name(parts: Parts, *more: str) -> tuple[str, Parts]:
    return "-".join((*(type(part).__name__ for part in parts.values()), *more)), parts


NAMES = list(combinations(8))


def in_turn(name: str, form: str) -> str:
    return TARGETS[(NAMES.index(name) + list(FORMS).index(form)) % len(TARGETS)]


def programs(forms: Iterable[str], whole: str = "") -> list[Any]:
    """(name, form, target), with ids."""
    return [
        pytest.param(name, form, target, id=f"{name}-{form}-{target}")
        for name in NAMES
        for form in forms
        for target in (TARGETS if form == whole else (in_turn(name, form),))
    ]


def made(name: str, form: str, dtype: str) -> Program:
    dim, _, _ = FORMS[form]
    if name.startswith(en.SphericalPSpin.__name__):
        dim = min(dim, MOST_OF_GLASSES)
    return program(**combinations(dim)[name], instances=5, dtype=dtype)


def engine_of(form: str, target: str, **more: Any) -> PtxEngine:
    _, lanes, how = FORMS[form]
    return engine(lanes, target, **how, **more)


def texts(ptx: PtxEngine, p: Program) -> list[str]:
    return [*texts_of(ptx, p), ptx.text(ptx.source(p, "observe"), "observe")]


def assert_known(text: str) -> None:
    """Every instruction has a test of its own."""
    assert {name_of(i) for i in instructions(text)} <= ASKED


def assert_same(ptx: PtxEngine, other: Engine, p: Program) -> None:
    assert differences(run(ptx, p, STEPS, segment=SEGMENT), run(other, p, STEPS, segment=SEGMENT)) == []
    assert differently_observed(ptx, other, p) == []


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "form", "target"), programs(FORMS, WHOLE))
def test_every_part_has_the_bits_of_the_specification(name: str, form: str, target: str, dtype: str) -> None:
    p, ptx = made(name, form, dtype), engine_of(form, target)
    if form == "windows":
        assert (ptx.group(p).windows(p.dim) > 1) == (p.pointwise and p.dim > 16)
    for text in texts(ptx, p):
        assert_precise(text)
        assert_known(text)
    assert_same(ptx, NumpyEngine(), p)


@needs_compiler
@pytest.mark.parametrize(("name", "form", "target"), programs(FAST_FORMS))
def test_every_part_in_fast_double_precision_has_the_bits_of_the_cpu(name: str, form: str, target: str) -> None:
    """Fused operations are all that it has of its own, the same on both: no tolerance."""
    p, ptx = as_fast(made(name, form, "float64")), engine_of(form, target)
    for text in texts(ptx, p):
        assert_known(text)
    assert_same(ptx, CpuEngine(), p)


def far(found: NDArray[Any], expected: NDArray[Any], before: NDArray[Any]) -> float:
    """The largest distance of a coordinate, relative to the largest of its row, before the step or after it."""
    if not found.size:
        return 0.0
    x, y, old = (array.astype(np.float64) for array in (found, expected, before))
    distance, size = np.abs(x - y).max(axis=-1), np.maximum(np.abs(y), np.abs(old)).max(axis=-1)
    return float((distance / np.where(size > 0, size, 1.0)).max())


def copied(one: Engine, p: Program, state: State) -> State:
    new = one.new_state(p)
    for name, array in new.arrays().items():
        array[...] = state.arrays()[name]
    return new


@pytest.mark.parametrize(("name", "form", "target"), programs(FAST_FORMS))
def test_a_step_of_every_part_in_fast_single_precision_stays_near_the_specification(
    name: str, form: str, target: str
) -> None:
    """One step at a time, each from where the specification is: signs and quotients would magnify what differs after some."""
    precise, reference = made(name, form, "float32"), NumpyEngine()
    p = as_fast(precise)
    for approximation in (NEAREST, Approximation(share=1.0, seed=1)):
        ptx = engine_of(form, target, approximation=approximation)
        for text in texts(ptx, p):
            assert_known(text)
        state = run(reference, precise, 0)
        for t in range(1, SINGLE_STEPS + 1):
            going = (state.diverged_step < 0) & ((state.event_step < 0) | (not p.stop))
            active = np.flatnonzero(going).astype(np.int32)
            if not len(active):
                break
            before, found = copied(reference, precise, state).arrays(), copied(ptx, p, state)
            ptx.advance(p, found, active, t, t)
            reference.advance(precise, state, active, t, t)
            for array in ("integers", "event_step", "event", "diverged_step"):
                assert same_bits(found.arrays()[array], state.arrays()[array]), (array, t)
            sound = state.diverged_step < 0
            for array in ("x", "vectors"):
                three = (of[array][..., sound, :] for of in (found.arrays(), state.arrays(), before))
                own = array == "vectors" and isinstance(p.part("optimizer"), en.Adadelta)
                assert far(*three) < (OF_ITS_OWN_SIZE if own else TOLERANCE), (array, t)


def test_every_part_that_a_step_may_hold_is_swept() -> None:
    swept = {type(part) for parts in combinations(21).values() for part in parts.values()}
    assert {kind for role in ("landscape", "optimizer", "noise", "event") for kind in kinds(role)} <= swept
    assert set(ROLES) == {
        "landscape",
        "optimizer",
        "noise",
        "event",
        "start",
        "schedule",
        "law",
    }  # the last three are the host's
    assert len(NAMES) == len(set(NAMES)) == len(list(_named(21)))
