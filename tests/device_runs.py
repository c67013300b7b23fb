"""Programs, runs of them on any engine, and their comparison bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ensemble as en
from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.program import Engine, Program, State
from ensemble.events import Never
from ensemble.landscapes import Landscape
from ensemble.noises import Gaussian
from ensemble.optimizers import Optimizer
from ensemble.part import Part


def program(
    landscape: Landscape,
    optimizer: Optimizer,
    event: Part | None = None,
    noise: Part | None = None,
    *,
    others: Sequence[Mapping[str, Part]] = (),
    instances: int = 21,
    first_instance: int = 0,
    dtype: str = "float64",
    math: str = "precise",
    check_every: int = 1,
    paired: bool = True,
) -> Program:
    """A program of one configuration, and of ``others`` that differ from it in the parts named."""
    dim = landscape.dimension
    parts = {
        "landscape": landscape,
        "optimizer": optimizer.at_dim(dim),
        "noise": noise or Gaussian(sigma=0.3),
        "event": event or Never(),
    }
    return Program(
        configurations=(parts, *({**parts, **other} for other in others)),
        dim=dim,
        instances=instances,
        first_instance=first_instance,
        dtype=np.dtype(dtype),
        math=math,
        seed=0x123456789ABCDEF,
        check_every=check_every,
        paired=paired,
    )


def run(engine: Engine, p: Program, steps: int, segment: int | None = None, scale: float = 0.1) -> State:
    """Takes a program ``steps`` steps from a normal cloud, in segments; finished rows are left out of the next one."""
    state = engine.new_state(p)
    ids = np.arange(p.first_instance, p.first_instance + p.instances, dtype=np.uint32)
    cloud = NumpyEngine().normals(p, 0, 1, ids) * p.dtype.type(scale)
    state.x[:] = engine.to_device(np.tile(cloud, (len(p.configurations), 1)))
    reached = 0
    while reached < steps:
        last = min(steps, reached + (segment or steps))
        running = state.diverged_step < 0
        if p.stop:
            running &= state.event_step < 0
        active = engine.xp.flatnonzero(running).astype(np.int32)
        engine.advance(p, state, active, reached + 1, last)
        reached = last
    return State(**{name: engine.to_numpy(array) for name, array in state.arrays().items()})


def same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """The same numbers with the same signs of zero; one NaN is like another."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    bits = np.dtype(f"u{a.dtype.itemsize}")
    return bool(((a.view(bits) == b.view(bits)) | (np.isnan(a) & np.isnan(b))).all())


def differences(a: State, b: State) -> list[str]:
    """The arrays in which two states differ."""
    return [name for name, array in a.arrays().items() if not same_bits(array, b.arrays()[name])]


def ends_on_numpy_and_cpu(**given: Any) -> list[Any]:
    """Where an ensemble ends on both, in arithmetic that is the same on both."""
    given = {"noise": en.Gaussian(0.1), "start": en.NormalCloud(1.0), "instances": 30, "steps": 30} | given
    return [
        en.simulate(**given, progress=False, math="precise", backend=b).dataset["x"].to_numpy()
        for b in ("numpy", "cpu")
    ]
