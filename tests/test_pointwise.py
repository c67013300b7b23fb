"""Parts of which it follows, or that say, that they treat every coordinate by itself do: windows of an instance may advance alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import numpy as np
import pytest
from device_runs import differences, program, run, same_bits
from emulated import COMPILERS, EmulatedEngine
from parts import combined, example, kinds, variants

from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.program import Program, State
from ensemble.backends.twins import pointwise, vectors_held
from ensemble.events import Never
from ensemble.landscapes import DoubleWell, QuarticSaddle, Rosenbrock
from ensemble.noises import AlphaStable, HessianAligned, StudentT
from ensemble.optimizers import (
    SAM,
    SGLD,
    Adadelta,
    Adai,
    Clip,
    GradientDescent,
    HeavyBall,
    Lion,
    PerturbedGD,
    SaddleFreeNewton,
)
from ensemble.part import Part, nested

KINDS = {
    role: [kind for kind in kinds(role) if pointwise(example(kind)) and kind is not HessianAligned]
    for role in ("landscape", "optimizer", "noise")
}
KINDS["noise"].append(HessianAligned)
CHANGED = 3  # a coordinate


def programs(dim: int, events: tuple[type[Part], ...] = (Never,)) -> Iterator[Program]:
    """Each pointwise part with some others; each landscape also where its curvature is asked."""
    lists = {role: cycle(some) for role, some in KINDS.items()}
    of_event = cycle(events)
    for i in range(max(len(some) for some in KINDS.values())):
        chosen = {role: next(some) for role, some in lists.items()}
        yield program(**combined({**chosen, "event": next(of_event)}, dim, i % 2 == 1), instances=5)
    for landscape in KINDS["landscape"]:
        chosen = {"landscape": landscape, "optimizer": SaddleFreeNewton, "noise": HessianAligned}
        parts = combined({**chosen, "event": next(of_event)}, dim, False)
        parts["optimizer"] = SaddleFreeNewton(lr=0.01, damping=150.0, smoothness=2000.0)  # no curvature is larger
        yield program(**parts, instances=5)


def ended(p: Program, shift: float) -> State:
    engine = NumpyEngine()
    state = engine.new_state(p)
    state.x[:] = 0.5 * engine.normals(p, 0, 1, np.arange(p.instances, dtype=np.uint32))
    state.x[:, CHANGED] += shift
    engine.advance(p, state, np.arange(p.rows, dtype=np.int32), 1, 6)
    return state


def felt(p: Program) -> tuple[bool, bool]:
    """Whether a coordinate that began elsewhere ends elsewhere, and whether any other does."""
    a, b = ended(p, 0.0), ended(p, 0.25)
    other = np.arange(p.dim) != CHANGED
    own, others = (
        not (same_bits(a.x[:, k], b.x[:, k]) and same_bits(a.vectors[..., k], b.vectors[..., k]))
        for k in (~other, other)
    )
    return own, others


def test_no_part_that_is_pointwise_couples_coordinates() -> None:
    seen = [(p, *felt(p)) for p in programs(6)]
    assert [p.configurations for p, _, others in seen if others] == []
    assert all(p.pointwise for p, *_ in seen)
    far = (AlphaStable, StudentT)  # whose jumps hide where one began
    small = [(p, own) for p, own, _ in seen if not any(isinstance(n, far) for n in nested(p.part("noise")))]
    unmoved = [p for p, own in small if not own and (ended(p, 0.0).diverged_step < 0).any()]  # what diverged is NaN
    still = {type(p.part("landscape")).__name__ for p in unmoved}
    assert still <= {"OnlineLinear", "StochasticLinear"}  # whose gradient is the same everywhere, on a box


def test_what_couples_coordinates_is_found() -> None:
    assert felt(program(Rosenbrock(dim=6), GradientDescent(0.01)))[1]
    assert felt(program(QuarticSaddle(dim=6), Clip(HeavyBall(0.01), 0.1)))[1]


def test_a_program_is_pointwise_where_all_of_it_is() -> None:
    assert program(QuarticSaddle(dim=6), HeavyBall(0.1)).pointwise
    assert not program(Rosenbrock(dim=6), HeavyBall(0.1)).pointwise
    assert not program(QuarticSaddle(dim=6), Clip(HeavyBall(0.1))).pointwise
    assert not program(DoubleWell(dim=6), PerturbedGD(lr=0.1, radius=0.5, g_thres=2.5, t_thres=5)).pointwise


def test_what_follows_from_a_step_is_what_was_said_by_hand() -> None:
    coupled = {
        type(p).__name__
        for role in ("optimizer", "noise")
        for k in kinds(role)
        for p in (example(k), *variants(k))
        if not pointwise(p)
    }
    assert coupled == {"Adai", "Armijo", "Clip", "LBFGS", "Muon", "Newton", "PerturbedGD", "SAM", "SteepestDescent"}
    held = {
        optimizer: vectors_held(optimizer) - len(optimizer.vectors)
        for optimizer in (Adai(), SGLD(0.1, 1.0), Lion(), Adadelta())
    }
    assert [*held.values()] == [1, 1, 0, 0]  # its gradient, while a sum is taken; its draws
    assert vectors_held(SAM(GradientDescent(0.1))) == 1  # the point where its second gradient is taken


@pytest.mark.slow
@pytest.mark.skipif(not COMPILERS, reason="no C++ compiler on PATH")
@pytest.mark.parametrize(("dim", "lanes", "dtype"), [(21, 2, "float64"), (64, 4, "float32")])
def test_windows_of_every_pointwise_part_have_the_bits_of_the_specification(dim: int, lanes: int, dtype: str) -> None:
    events = tuple(kinds("event"))
    engine = EmulatedEngine(lanes, window=2)
    every = [program(**p.configurations[0], instances=5, dtype=dtype, check_every=2) for p in programs(dim, events)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(engine.prepare, every))
    for p in every:
        assert engine.group(p).window == 2
        found, expected = run(engine, p, 12, segment=5), run(NumpyEngine(), p, 12, segment=5)
        assert differences(found, expected) == [], p.configurations
