"""What NVRTC makes of the kernels gives the bits of the NumPy specification, executed instruction by instruction."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import platform
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import test_device_vec as probe
from cubin import architectures
from device_runs import differences, program, run, same_bits
from parts import combined, covering, kinds
from test_device import CASES, WINDOWS, reference

import ensemble as en
from ensemble.backends import sources
from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.program import Program, State
from ensemble.optimizers import Adam, GradientDescent

from .approximate import NEAREST, Approximation
from .engine import PtxEngine, execute, text_of
from .parser import parse

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


@pytest.mark.parametrize(("dim", "lanes", "dtype", "streamed"), [(130, 32, "float64", False), (21, 4, "float32", True)])
def test_observed_quantities_have_the_bits_of_the_specification(
    dim: int, lanes: int, dtype: str, streamed: bool
) -> None:
    others = [{"landscape": en.Rosenbrock(dim=dim, a=0.5, b=7.0)}]
    p = program(en.Rosenbrock(dim=dim), GradientDescent(0.1), others=others, instances=5, dtype=dtype)
    x, v = np.random.default_rng(0).normal(size=(2, p.rows, dim)).astype(dtype)
    quantities = ("value", "gradient_norm", "gradient", "product")
    expected = NumpyEngine().observe(p, x, quantities, 0, v)
    found = engine(lanes, streamed=streamed).observe(p, x, quantities, 0, v)
    assert [q for q in quantities if not same_bits(found[q], expected[q])] == []


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


# ---- what the text holds


def forbidden(text: str) -> list[str]:
    """Instructions of a PTX text that round otherwise than IEEE 754's operations one by one."""
    return [
        i.text
        for kernel in parse(text).values()
        for i in kernel.instructions()
        if {"approx", "full", "sat"} & set(i.modifiers)
        or (i.opcode in ("fma", "mad") and {"f32", "f64"} & set(i.modifiers))
        or (
            i.opcode in ("add", "sub", "mul", "div", "sqrt", "rcp") and i.kinds[0][0] == "f" and "rn" not in i.modifiers
        )
    ]


@pytest.mark.usefixtures("builds")
def test_precise_code_approximates_nothing_and_fuses_nothing() -> None:
    for (name, lanes), how in FORMS.items():
        ptx, p = engine(lanes, **how), CASES[name].program
        assert forbidden(ptx.text(ptx.source(p, "advance"), "advance")) == [], name
    for name in OF_WINDOWS:
        ptx, p = engine(*WINDOWS[name].lanes, window=2), WINDOWS[name].program
        for entry in ptx.entries(p):
            assert forbidden(ptx.text(ptx.source(p, entry), entry)) == [], name


@pytest.mark.usefixtures("builds")
def test_fast_code_does_both_and_nothing_else() -> None:
    kept = set()
    for name, lanes in FAST:
        ptx = engine(lanes)
        found = forbidden(ptx.text(ptx.source(as_fast(CASES[name].program), "advance"), "advance"))
        kept |= {re.match(r"\S+", text)[0] for text in found}  # type: ignore[index]
    functions = {f"{name}.approx.ftz.f32" for name in ("lg2", "sin", "cos", "sqrt", "rcp")}
    assert functions <= kept <= functions | {"fma.rn.f64", "fma.rn.ftz.f32"}
    assert "fma.rn.f64" in kept


# ---- every part


def everything(dim: int) -> Iterator[dict[str, Any]]:
    """Every optimizer, noise and event, and every landscape there is."""
    yield from covering(dim)
    for landscape in kinds("landscape"):
        yield combined({"landscape": landscape, "optimizer": Adam, "noise": en.Gaussian, "event": en.Below}, dim, False)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("dim", "lanes", "how"),
    [
        (8, 1, {}),
        (21, 4, {}),
        (21, 4, {"streamed": True}),
        (64, None, {"processors": 132}),
        (70, 2, {"window": 2}),
        (300, 64, {}),
        (300, 64, {"streamed": True}),
    ],
)
def test_every_part_in_every_form_has_the_bits_of_the_specification(
    dim: int, lanes: int | None, how: dict[str, Any], dtype: str
) -> None:
    targets = ("compute_80", "compute_90")
    for k, parts in enumerate(everything(dim)):
        p = program(**parts, instances=5, dtype=dtype)
        expected = run(NumpyEngine(), p, 12, segment=5)
        ptx = engine(lanes, arch=targets[k % 2], **how)
        assert differences(run(ptx, p, 12, segment=5), expected) == [], parts
        for entry in ptx.entries(p):
            assert forbidden(ptx.text(ptx.source(p, entry), entry)) == [], parts
        observed(ptx, p)


def observed(ptx: PtxEngine, p: Program) -> None:
    x, v = np.random.default_rng(0).normal(size=(2, p.rows, p.dim)).astype(p.dtype)
    quantities = ("value", "gradient_norm", "gradient", "product")
    expected, found = NumpyEngine().observe(p, x, quantities, 0, v), ptx.observe(p, x, quantities, 0, v)
    assert [q for q in quantities if not same_bits(found[q], expected[q])] == [], p.configurations


@pytest.mark.parametrize("arch", ["compute_90", "newest"])
def test_a_division_by_a_constant_is_a_division(arch: str) -> None:
    """NVRTC 13 would multiply by 1 / 2000, for compute capability 10 and newer."""
    p = program(en.Griewank(dim=21), GradientDescent(0.1), instances=5, dtype="float32")
    x = np.random.default_rng(0).normal(size=(5, 21)).astype(np.float32)
    found, expected = (each.observe(p, x, ("gradient",), 0) for each in (engine(4, arch), NumpyEngine()))
    assert same_bits(found["gradient"], expected["gradient"])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_part_on_the_newest_target_has_the_bits_of_the_specification(dtype: str) -> None:
    wrong = []
    for parts in everything(21):
        p = program(**parts, instances=5, dtype=dtype)
        if differences(run(engine(4, "newest"), p, 12, segment=5), run(NumpyEngine(), p, 12, segment=5)):
            wrong.append(parts)
    assert wrong == []


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
