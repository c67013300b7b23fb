"""What NVRTC makes of the kernels gives the bits of the NumPy specification, executed instruction by instruction."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import platform
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import test_device_vec as probe
from cubin import architectures
from device_runs import differences, program, run, same_bits
from parts import example
from test_device import CASES, WINDOWS, reference

import ensemble as en
from ensemble.backends import sources
from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.program import Engine, Program, Ring, State
from ensemble.optimizers import Adam, GradientDescent

from .approximate import NEAREST, Approximation
from .contents import APPROXIMATE, assert_precise, instructions, name_of, otherwise
from .engine import PtxEngine, execute, text_of
from .test_moves import ASKED

pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the NVRTC wheel these tests use is for Linux x86-64",
)

# Lanes within a warp and across warps, in memory and in windows; both precisions.
PRIMITIVES = [(130, 8, "float32", False), (130, 64, "float64", False), (512, 128, "float32", True)]
FORMS = {
    ("saddle", 4): {},
    ("saddle, 64 lanes", 64): {"arch": "newest"},
    ("shifts across lanes", 32): {"arch": "compute_80"},
    ("shifts across warps", 64): {"streamed": True},
    ("kicks", 8): {},
    ("two steps from a block of each noise", 1): {},
    ("unpaired configurations", 4): {"streamed": True},
    ("divergence", 8): {},
}
OF_WINDOWS = ("of averages, aligned, for each coordinate", "diverging")
STEPS = 14
FAST = [("saddle", 4), ("shifts across warps", 64), ("kicks", 8)]
FAST_STEPS = 10
TOLERANCE = {"float32": 2e-5, "float64": 1e-13}
"""Of the largest coordinate of a row, after ``FAST_STEPS`` steps: the approximate functions' bounds, which are some 2^-22 of a normal
number, and the roundings that fused operations leave out."""


def as_fast(p: Program) -> Program:
    return dataclasses.replace(p, math="fast")


def newest() -> str:
    return f"compute_{architectures()[-1]}"


def engine(lanes: int | None, arch: str = "compute_90", **how: Any) -> PtxEngine:
    return PtxEngine(lanes, arch=newest() if arch == "newest" else arch, **how)


def shorter(name: str) -> tuple[Program, int, float]:
    case = CASES[name]
    return case.program, case.steps if name == "divergence" else min(case.steps, STEPS), case.scale


def text_of_primitives(dim: int, lanes: int, dtype: str, streamed: bool) -> str:
    """The probe of Vec's primitives as PTX."""
    text = probe.text_of(dim, lanes, dtype, streamed)
    return text_of(f"// kernels {sources.digest(('rows.cuh',))}\n{text}", "compute_90")


def check_primitives(text: str, dim: int, lanes: int, dtype: str, streamed: bool, patience: int = 10**6) -> None:
    """Holds a PTX text of the probe to the specification."""

    def launch(_: str, struct: ctypes.Structure, blocks: int, threads: int, arrays: Sequence[Any]) -> None:
        execute(text, "probe", struct, blocks, threads, arrays, patience=patience)

    probe.check(dim, lanes, dtype, streamed, launch)


@pytest.fixture(scope="module")
def builds() -> None:
    """All programs of the default suite compiled, several at once."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = [pool.submit(text_of_primitives, *each) for each in PRIMITIVES]
        done += [pool.submit(engine(lanes, **how).prepare, CASES[n].program) for (n, lanes), how in FORMS.items()]
        done += [pool.submit(engine(*WINDOWS[n].lanes, window=2).prepare, WINDOWS[n].program) for n in OF_WINDOWS]
        done += [pool.submit(engine(lanes).prepare, as_fast(CASES[n].program)) for n, lanes in FAST]
        for each in done:
            each.result()


@pytest.mark.usefixtures("builds")
@pytest.mark.parametrize(("dim", "lanes", "dtype", "streamed"), PRIMITIVES)
def test_primitives_have_the_bits_of_the_specification(dim: int, lanes: int, dtype: str, streamed: bool) -> None:
    check_primitives(text_of_primitives(dim, lanes, dtype, streamed), dim, lanes, dtype, streamed)


@pytest.mark.usefixtures("builds")
@pytest.mark.parametrize(("name", "lanes"), FORMS)
def test_programs_have_the_bits_of_the_specification(name: str, lanes: int) -> None:
    p, steps, scale = shorter(name)
    found = run(engine(lanes, **FORMS[name, lanes]), p, steps, segment=11, scale=scale)
    assert differences(found, run(NumpyEngine(), p, steps, scale=scale)) == []


@pytest.mark.usefixtures("builds")
@pytest.mark.parametrize("name", OF_WINDOWS)
def test_windows_have_the_bits_of_the_specification(name: str) -> None:
    case = WINDOWS[name]
    p = dataclasses.replace(case.program, check_every=3)
    windows = engine(*case.lanes, window=2)
    assert windows.group(p).windows(p.dim) > 1
    assert "check" in windows.entries(p)
    found = run(windows, p, case.steps, segment=11, scale=case.scale)
    assert differences(found, run(NumpyEngine(), p, case.steps, segment=11, scale=case.scale)) == []


def test_a_team_has_the_bits_of_the_specification() -> None:
    """Four rates, of which one diverges; events at steps of their own, and teams formed again of what is left."""
    case = CASES["saddle"].program
    rates = [{"optimizer": GradientDescent(rate)} for rate in (0.3, 1.9, 40.0)]
    parts = case.configurations[0] | {"optimizer": GradientDescent(0.1)}
    p = dataclasses.replace(case, configurations=(parts, *(parts | other for other in rates)))
    one = engine(4, team=4)
    assert one.team(p) == 4
    found = run(one, p, STEPS, segment=6)
    assert differences(found, run(NumpyEngine(), p, STEPS, segment=6)) == []


def observed(one: Engine, p: Program) -> dict[str, Any]:
    x, v = np.random.default_rng(0).normal(size=(2, p.rows, p.dim)).astype(p.dtype)
    return one.observe(p, x, ("value", "gradient_norm", "gradient", "product"), 0, v)


def differently_observed(ptx: PtxEngine, other: Engine, p: Program) -> list[str]:
    found, expected = observed(ptx, p), observed(other, p)
    return [quantity for quantity in found if not same_bits(found[quantity], expected[quantity])]


# Neighbours, products over all coordinates, of which new targets would make divisions multiplications, arrays and matrices.
LOOKED_AT = [
    (en.Rosenbrock, 32, "float64", {}),
    (en.Rosenbrock, 4, "float32", {"streamed": True}),
    (en.Griewank, 4, "float32", {}),
    (en.Griewank, 4, "float32", {"arch": "newest"}),
    (en.PhaseRetrieval, 4, "float64", {"arch": "compute_80"}),
    (en.DeepLinear, 1, "float32", {}),
]


@pytest.mark.parametrize(("kind", "lanes", "dtype", "how"), LOOKED_AT)
def test_observed_quantities_have_the_bits_of_the_specification(
    kind: Any, lanes: int, dtype: str, how: dict[str, Any]
) -> None:
    landscape = example(kind, 130 if lanes > 4 else 21)
    others = [{"landscape": dataclasses.replace(landscape, a=0.5)}] if kind is en.Rosenbrock else []
    p = program(landscape, GradientDescent(0.1), others=others, instances=5, dtype=dtype)
    assert differently_observed(engine(lanes, **how), NumpyEngine(), p) == []


@pytest.mark.parametrize("how", [{}, {"streamed": True}])
@pytest.mark.parametrize("vectors", [(), (1,), (0, 1)])
def test_what_is_recorded_within_a_launch_has_the_bits_of_the_specification(
    how: dict[str, Any], vectors: tuple[int, ...]
) -> None:
    p = program(
        en.QuarticSaddle(dim=21),
        en.EMA(en.HeavyBall(0.1)),
        en.LeftBall(1.0),
        instances=7,
        dtype="float32",
        check_every=3,
    )
    p = dataclasses.replace(p, recorded=True, recorded_vectors=vectors)
    steps, places = np.array([1, 4, 5, 10], np.int32), np.array([0, -1, 1, 2, -1, 3, 4], np.int32)
    recorded = []
    for each in (engine(2, **how), NumpyEngine()):
        state = run(each, dataclasses.replace(p, recorded=False, recorded_vectors=()), 0)
        state = State(**{name: each.to_device(array) for name, array in state.arrays().items()})
        room = {name: each.xp.zeros((5, 4), dtype=p.dtype) for name in ("value", "gradient_norm", "distance")}
        room["x"] = each.xp.zeros((5, 4, 21), dtype=p.dtype)
        of_vectors = each.xp.zeros((len(vectors), 5, 4, 21), dtype=p.dtype) if vectors else None
        ring = Ring(steps, each.to_device(places), room, of_vectors, np.linspace(-1, 1, 21).astype(p.dtype))
        each.advance(p, state, each.to_device(np.arange(7, dtype=np.int32)), 1, 11, ring=ring)
        recorded.append((room | {f"vector {slot}": of_vectors[k] for k, slot in enumerate(vectors)}, state))
    (found, ended), (expected, state) = recorded
    for name, values in expected.items():
        assert same_bits(found[name], values), name
        assert (
            0 < values[:, -1].reshape(5, -1).any(axis=1).sum() < 5
        )  # of those that have ended nothing more is written
    assert differences(ended, state) == []


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_draws_have_the_bits_of_the_specification(dtype: str) -> None:
    p = program(en.Quadratic(1.0, dim=10), GradientDescent(0.1), dtype=dtype, math="fast")
    ids = np.arange(5, 300, 7, dtype=np.uint32)
    for kind in ("normals", "uniforms"):
        assert same_bits(getattr(engine(1), kind)(p, 0, 257, ids), getattr(NumpyEngine(), kind)(p, 0, 257, ids)), kind


# ---- fast


def far(found: State, expected: State) -> float:
    """The largest distance of a coordinate, relative to the largest coordinate of its row; instances that run on alone."""
    both = (found.event_step == expected.event_step) & (expected.diverged_step < 0)
    assert both.mean() > 0.9
    x, y = found.x[both].astype(np.float64), expected.x[both].astype(np.float64)
    return float((np.abs(x - y).max(axis=1) / np.abs(y).max(axis=1)).max())


@pytest.mark.usefixtures("builds")
@pytest.mark.parametrize(("name", "lanes"), FAST)
def test_fast_arithmetic_stays_near_the_specification_wherever_its_functions_lie_within_their_bounds(
    name: str, lanes: int
) -> None:
    p, expected = as_fast(CASES[name].program), run(NumpyEngine(), CASES[name].program, FAST_STEPS)
    seen = {}
    for approximation in (NEAREST, Approximation(share=1.0, seed=1)):
        found = run(engine(lanes, approximation=approximation), p, FAST_STEPS, segment=7)
        seen[approximation.share] = far(found, expected)
        assert 0 < seen[approximation.share] < TOLERANCE[p.dtype.name]
    assert p.dtype == np.float64 or seen[1.0] > seen[0.0]


# ---- what the texts hold


def texts_of(ptx: PtxEngine, p: Program) -> list[str]:
    """Of all kernels of a program."""
    return [ptx.text(ptx.source(p, entry), entry) for entry in ptx.entries(p)]


def precise_texts() -> Iterator[str]:
    for (name, lanes), how in FORMS.items():
        yield from texts_of(engine(lanes, **how), CASES[name].program)
    for name in OF_WINDOWS:
        yield from texts_of(engine(*WINDOWS[name].lanes, window=2), WINDOWS[name].program)


def fast_texts() -> Iterator[str]:
    for name, lanes in FAST:
        yield from texts_of(engine(lanes), as_fast(CASES[name].program))


@pytest.mark.usefixtures("builds")
def test_precise_code_approximates_nothing_and_fuses_nothing() -> None:
    for text in precise_texts():
        assert_precise(text)


@pytest.mark.usefixtures("builds")
def test_fast_code_does_both_and_nothing_else() -> None:
    kept = set()
    for text in fast_texts():
        kept |= {of.split()[0] for of in otherwise(text)}
        assert APPROXIMATE.search(text)
        with pytest.raises(AssertionError):
            assert_precise(text)
    functions = {f"{name}.approx.ftz.f32" for name in ("lg2", "sin", "cos", "sqrt", "rcp")}
    assert functions <= kept <= functions | {"fma.rn.f64", "fma.rn.ftz.f32"}
    assert "fma.rn.f64" in kept


@pytest.mark.parametrize(
    "line",
    ["fma.rn.f64 %fd9, %fd1, %fd2, %fd3;", "add.f64 %fd9, %fd1, %fd2;", "div.full.ftz.f32 %f9, %f1, %f2;", "sqrt.approx.ftz.f32 %f9, %f1;",
     "mad.rn.f32 %f9, %f1, %f2, %f3;", "add.sat.rn.f32 %f9, %f1, %f2;", "div.approx.f32 %f9, %f1, %f2;"],
)  # fmt: skip
def test_an_operation_that_rounds_otherwise_is_seen_in_precise_code(line: str) -> None:
    text = next(precise_texts())
    with pytest.raises(AssertionError):
        assert_precise(text.replace("ret;", f"{line}\nret;", 1))


@pytest.mark.usefixtures("builds")
def test_every_instruction_of_the_kernels_has_a_test_of_its_own() -> None:
    """Against what PTX ISA says of it, on random operands."""
    found = {name_of(i) for text in (*precise_texts(), *fast_texts()) for i in instructions(text)}
    found |= {name_of(i) for form in PRIMITIVES for i in instructions(text_of_primitives(*form))}
    assert len(found) > 100
    assert found - ASKED == set()


# ---- more


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["compute_80", "newest"])
@pytest.mark.parametrize(("name", "lanes"), [(name, lanes) for name, case in CASES.items() for lanes in case.lanes])
def test_every_case_has_the_bits_of_the_specification(name: str, lanes: int, arch: str) -> None:
    case = CASES[name]
    for streamed in (False, True):
        found = run(engine(lanes, arch, streamed=streamed), case.program, case.steps, segment=11, scale=case.scale)
        assert differences(found, reference(name)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", WINDOWS)
def test_every_window_has_the_bits_of_the_specification(name: str) -> None:
    case = WINDOWS[name]
    for every in (1, 3):
        p = dataclasses.replace(case.program, check_every=every)
        found = run(engine(*case.lanes, window=2), p, case.steps, segment=11, scale=case.scale)
        assert differences(found, run(NumpyEngine(), p, case.steps, segment=11, scale=case.scale)) == []


@pytest.mark.slow
@pytest.mark.parametrize("landscape", [en.QuarticSaddle, en.Rosenbrock])
def test_instances_beyond_registers_have_the_bits_of_the_specification(landscape: Any) -> None:
    p = program(landscape(dim=9001), Adam(0.01), en.LeftBall(11.0), instances=5, dtype="float32", check_every=2)
    assert differences(run(engine(None, processors=132), p, 30, segment=11), run(NumpyEngine(), p, 30)) == []
