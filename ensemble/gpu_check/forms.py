"""Every form that a kernel takes, small, against the bits of the NumPy specification: a step of ``gpu-check``.

``--quick``: each kind of form once. ``--no-pool``: every array is an allocation of its own, so that a sanitizer sees its ends.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backends.cuda import CudaEngine
from ..backends.numpy import NumpyEngine
from ..backends.program import Engine, Program, State
from ..events import Below, Crossed, LeftBall, Never
from ..landscapes import Landscape, QuarticSaddle, Rosenbrock
from ..noises import Gaussian
from ..optimizers import Adam, Nesterov, Optimizer, PerturbedGD
from ..part import Part

SEGMENTS = ((1, 1), (2, 4), (5, 9), (10, 12))
FAST_STEPS = 10
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}
"""Of the largest coordinate of a row after so many steps with ``math="fast"``: the hardware's functions are within some 2^-21."""


@dataclass(frozen=True)
class Form:
    """A program, and how a device shall hold its instances. ``quick``: of the few that say most."""

    name: str
    landscape: Landscape
    optimizer: Optimizer
    event: Part
    lanes: int | None = None
    streamed: bool | None = None
    window: int | None = None
    instances: int = 3
    check_every: int = 1
    quick: bool = False

    def engine(self) -> CudaEngine:
        return CudaEngine(lanes=self.lanes, streamed=self.streamed, window=self.window)

    def program(self, dtype: str, math: str = "precise") -> Program:
        parts = {
            "landscape": self.landscape,
            "optimizer": self.optimizer,
            "noise": Gaussian(sigma=0.3),
            "event": self.event,
        }
        return Program(
            configurations=(parts, parts),
            dim=self.landscape.dimension,
            instances=self.instances,
            first_instance=7,
            dtype=np.dtype(dtype),
            math=math,
            seed=0x123456789ABCDEF,
            check_every=self.check_every,
            paired=False,
        )


KICKS = PerturbedGD(lr=0.1, radius=0.5, g_thres=2.5, t_thres=5)
FORMS = (
    Form("1 lane", QuarticSaddle(dim=8), Adam(0.1), LeftBall(0.6), lanes=1),
    Form("4 lanes", QuarticSaddle(dim=16), Adam(0.1), LeftBall(0.6), lanes=4, instances=50),
    Form("32 lanes", Rosenbrock(dim=130, b=3.0), Nesterov(1e-3), Below(400.0), lanes=32),
    Form("64 lanes", Rosenbrock(dim=300, b=3.0), Nesterov(1e-3), Crossed([1.0] * 300, 9.0), lanes=64, quick=True),
    Form("kicks", QuarticSaddle(dim=21), KICKS, Never(), lanes=2),
    Form("streamed", Rosenbrock(dim=300, b=3.0), Adam(0.01), LeftBall(9.0), lanes=64, streamed=True),
    Form("windows", QuarticSaddle(dim=70), Adam(0.1), LeftBall(1.6), lanes=2, window=2, check_every=3, quick=True),
    Form("as chosen", Rosenbrock(dim=64), Adam(0.01), LeftBall(5.0)),
)
DTYPES = ("float32", "float64")


def starts(program: Program) -> NDArray[Any]:
    """Points (rows, dim) near 0."""
    ids = np.arange(program.instances, dtype=np.uint32)
    cloud = NumpyEngine().normals(program, 0, 1, ids) * program.dtype.type(0.1)
    return np.tile(cloud, (len(program.configurations), 1))


def same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """The same numbers with the same signs of zero; one NaN is like another."""
    same = (a == b) & (np.signbit(a) == np.signbit(b)) if a.dtype.kind == "f" else a == b
    return bool((same | ((a != a) & (b != b))).all())


def advanced(engine: Engine, program: Program, segments: tuple[tuple[int, int], ...]) -> Iterator[State]:
    """An ensemble's state after every segment, on the host; those that have come to their end are left out of the next."""
    state = engine.new_state(program)
    with engine.here():
        state.x[:] = engine.to_device(starts(program))
    for first, last in segments:
        running = (engine.to_numpy(state.diverged_step) < 0) & (engine.to_numpy(state.event_step) < 0)
        engine.advance(program, state, engine.to_device(np.flatnonzero(running).astype(np.int32)), first, last)
        yield State(**{name: engine.to_numpy(array).copy() for name, array in state.arrays().items()})


def difference(engine: Engine, program: Program) -> str:
    """Where an engine first does otherwise than the specification; empty: nowhere."""
    both = (advanced(each, program, SEGMENTS) for each in (engine, NumpyEngine()))
    for (first, last), ours, theirs in zip(SEGMENTS, *both, strict=True):
        for name, array in theirs.arrays().items():
            if not same_bits(ours.arrays()[name], array):
                return f"in steps {first} to {last}, {name} has other bits than the specification's"
    return ""


def unlike(engine: Engine, program: Program, quantities: tuple[str, ...]) -> Iterator[str]:
    """What an engine observes or draws otherwise than the specification."""
    x = starts(program)
    theirs, ours = (
        NumpyEngine().observe(program, x, quantities, 1),
        engine.observe(program, engine.to_device(x), quantities, 1),
    )
    for name in quantities:
        if not same_bits(engine.to_numpy(ours[name]), theirs[name]):
            yield f"{name} is observed otherwise"
    ids = np.arange(5, 300, 7, dtype=np.uint32)
    for draw in ("normals", "uniforms"):
        drawn = [each.to_numpy(getattr(each, draw)(program, 0, 257, ids)) for each in (engine, NumpyEngine())]
        if not same_bits(*drawn):
            yield f"{draw} are drawn otherwise"


def deviation(engine: Engine, program: Program) -> float:
    """Of ``math="fast"`` from the specification: the largest of a coordinate, relative to the largest one of its row."""
    program = replace(program, configurations=tuple({**c, "event": Never()} for c in program.configurations))
    whole = ((1, FAST_STEPS),)
    (fast,), (precise,) = (
        advanced(engine, replace(program, math="fast"), whole),
        advanced(NumpyEngine(), program, whole),
    )
    x, y = fast.x.astype(np.float64), precise.x.astype(np.float64)
    return float((np.abs(x - y).max(axis=1) / np.abs(y).max(axis=1)).max())


def checked(form: Form, dtype: str) -> dict[str, Any]:
    """A form in one precision: how the device holds it, and what is wrong with it (empty: nothing)."""
    began = time.perf_counter()
    row: dict[str, Any] = {"form": form.name, "dtype": dtype, "wrong": ""}
    try:
        engine, program = form.engine(), form.program(dtype)
        wrong = [difference(engine, program)]
        wrong += unlike(engine, program, ("value", "gradient_norm"))
        about = engine.describe(program)
        row |= {name: about[name] for name in ("lanes", "threads", "streamed", "windows", "registers", "local_memory")}
        if form.quick:
            row["fast"] = deviation(engine, program)
            if not row["fast"] < TOLERANCE[dtype]:
                wrong.append(f"with math='fast' coordinates are off by {row['fast']:.2g}, beyond {TOLERANCE[dtype]:g}")
        row["wrong"] = "; ".join(filter(None, wrong))
    except Exception as error:  # whatever a device does is what is asked here
        row["wrong"] = f"{type(error).__name__}: {str(error)[:300]}"
    return row | {"seconds": round(time.perf_counter() - began, 3)}


def main(arguments: list[str]) -> int:
    if "--no-pool" in arguments:
        CudaEngine().xp.cuda.set_allocator(None)
    quick, wrong = "--quick" in arguments, 0
    forms = [form for form in FORMS if form.quick or not quick]
    for number, (form, dtype) in enumerate((form, dtype) for form in forms for dtype in DTYPES):
        if quick and number % 3:  # one precision of each
            continue
        row = checked(form, dtype)
        wrong += bool(row["wrong"])
        print(json.dumps(row), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
