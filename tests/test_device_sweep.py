"""The device path over many programs: landscapes, optimizers, events, shapes, and every part that there is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from device_runs import differences, program, run
from emulated import COMPILERS, EmulatedEngine
from parts import covering

from ensemble.backends.cpu import CpuEngine
from ensemble.backends.cuda import CudaEngine
from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.program import Program
from ensemble.events import Below, Crossed, LeftBall, Never
from ensemble.landscapes import DoubleWell, Quadratic, QuarticSaddle, Rosenbrock
from ensemble.optimizers import Adam, GradientDescent, HeavyBall, Nesterov, PerturbedGD

emulated = pytest.mark.skipif(not COMPILERS, reason="no C++ compiler on PATH")
KICKS = PerturbedGD(lr=0.1, radius=0.5, g_thres=2.5, t_thres=5)


def sweep() -> Iterator[tuple[Program, int]]:
    rng = np.random.default_rng(7)
    for dim in (3, 10, 21, 64, 130, 257):
        landscapes: list[Any] = [QuarticSaddle(dim=dim), Rosenbrock(dim=dim, b=2.0), DoubleWell(dim=dim)]
        landscapes.append(Quadratic(rng.uniform(0.1, 2.0, dim)))
        for landscape in landscapes:
            for optimizer in (GradientDescent(0.02), HeavyBall(0.01), Nesterov(0.01), Adam(0.02), KICKS):
                events = [Never(), LeftBall(0.12 * dim**0.5), Crossed(rng.normal(size=dim), 0.3), Below(0.1 * dim)]
                event: Any = events[rng.integers(4)]
                dtype, math = ("float32", "float64")[rng.integers(2)], ("precise", "fast")[rng.integers(2)]
                every, instances = int(rng.integers(1, 4)), int(rng.integers(1, 30))
                lanes = 1 << int(rng.integers(0, max(1, (-(-dim // 4)).bit_length())))
                p = program(
                    landscape,
                    optimizer,
                    event,
                    others=[{"optimizer": optimizer.__class__(**{**optimizer.__dict__, "lr": 0.015})}],
                    instances=instances,
                    dtype=dtype,
                    math=math,
                    check_every=every,
                    paired=bool(rng.integers(2)),
                )
                yield p, lanes


@pytest.mark.slow
@emulated
def test_a_sweep_of_landscapes_optimizers_events_and_lanes() -> None:
    programs = list(sweep())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda item: EmulatedEngine(item[1]).prepare(item[0]), programs))
    for p, lanes in programs:
        expected = run(NumpyEngine() if p.math == "precise" else CpuEngine(), p, 25)
        found = run(EmulatedEngine(lanes), p, 25, segment=7)
        assert differences(found, expected) == [], (p, lanes)


@pytest.mark.slow
@emulated
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("dim", "lanes"), [(8, 1), (21, 4), (300, 64)])
def test_every_part_runs_on_the_device_path(dim: int, lanes: int, streamed: bool) -> None:
    engine = EmulatedEngine(lanes, streamed=streamed)
    programs = [program(**parts, instances=5) for parts in covering(dim)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(engine.prepare, programs))
    for p in programs:
        found, expected = run(engine, p, 12, segment=5), run(NumpyEngine(), p, 12)
        assert differences(found, expected) == [], p.configurations


SHARES = 8
"""Into so many tests programs are cut that are compiled one after another: processes share a device."""


@pytest.mark.gpu
@pytest.mark.parametrize("share", range(SHARES))
def test_the_sweep_on_a_gpu(share: int) -> None:
    for p, lanes in [*sweep()][share::SHARES]:
        if p.math == "precise":  # what is fast there is another arithmetic
            assert differences(run(CudaEngine(lanes=lanes), p, 25, segment=7), run(NumpyEngine(), p, 25)) == [], (
                p,
                lanes,
            )


@pytest.mark.gpu
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize(("dim", "lanes"), [(8, 1), (21, 4), (300, 64), (64, None)])
def test_every_part_runs_on_a_gpu(dim: int, lanes: int | None, share: int) -> None:
    engine = CudaEngine(lanes=lanes)
    for parts in [*covering(dim)][share::SHARES]:
        for dtype in ("float32", "float64"):
            p = program(**parts, instances=5, dtype=dtype)
            assert differences(run(engine, p, 12, segment=5), run(NumpyEngine(), p, 12)) == [], p.configurations
