"""Rates beside what the counted instructions allow: a step of ``gpu-check``, whose results later plans use.

``--quick``: two rates. ``--one DIM``: launches of Adam, for a profiler.
"""

from __future__ import annotations

import datetime
import json
import sys
import time
from typing import Any

import numpy as np

from ..backends import measured
from ..backends.choice import choose
from ..backends.cost import ceiling, named
from ..backends.program import Program
from ..events import Never
from ..landscapes import QuarticSaddle
from ..noises import Gaussian
from ..optimizers import Adam, GradientDescent, HeavyBall, Optimizer

OPTIMIZERS = (Adam(1e-3), HeavyBall(1e-3), GradientDescent(1e-3))
DIMS = (16, 1024, 2, 64, 20_000)
SECONDS = 0.4
"""How long the launch is that counts: short enough for a display's watchdog."""
FIRST, ROUNDS = 1 << 14, 5
"""Coordinates of a first launch, and how many there are at most until one is as long as that."""
MOST_INSTANCES, MOST_STEPS, LEAST_STEPS = 4_000_000, 100_000, 8
FILLS = 16
"""So many times what a device holds at once there is to do."""


def took(engine: Any, optimizer: Optimizer, dim: int, dtype: str, instances: int, steps: int) -> float:
    """Seconds that a launch takes so many instances so many steps, in the fast arithmetic and with nothing asked of them."""
    parts = {
        "landscape": QuarticSaddle(dim=dim),
        "optimizer": optimizer,
        "noise": Gaussian(sigma=0.01),
        "event": Never(),
    }
    program = Program((parts,), dim, instances, 0, np.dtype(dtype), "fast", 0, 1, True)
    engine.prepare(program)
    state, active = engine.new_state(program), engine.to_device(np.arange(instances, dtype=np.int32))
    engine.advance(program, state, active, 1, 1)  # what only a first launch does
    began = time.perf_counter()
    engine.advance(program, state, active, 2, 1 + steps)
    return max(time.perf_counter() - began, 1e-6)


def rate(engine: Any, optimizer: Optimizer, dim: int, dtype: str) -> dict[str, Any]:
    """Coordinate-steps/s of a launch that is long enough to say, and their share of the ceiling."""
    most = max(1, min(MOST_INSTANCES, FILLS * engine.trial_coordinates // dim))
    instances, steps = max(1, min(most, FIRST // dim)), LEAST_STEPS
    for _ in range(ROUNDS):
        seconds = took(engine, optimizer, dim, dtype, instances, steps)
        reached = instances * dim * steps / seconds
        if seconds > SECONDS / 2:
            break
        wanted = reached * SECONDS
        instances = int(max(1, min(most, wanted / (dim * 64))))
        steps = int(max(LEAST_STEPS, min(MOST_STEPS, wanted / (instances * dim))))
    allowed = ceiling(optimizer, dim, engine.thread_instructions())
    return {
        "optimizer": named(optimizer),
        "dim": dim,
        "dtype": dtype,
        "instances": instances,
        "steps": steps,
        "seconds": round(seconds, 3),
        "rate": reached,
        "share": None if allowed is None else reached / allowed,
    }


def main(arguments: list[str]) -> int:
    engine: Any = choose("cuda")[0]
    if "--one" in arguments:
        dim = int(arguments[arguments.index("--one") + 1])
        for _ in range(3):
            took(engine, Adam(1e-3), dim, "float32", 16_000_000 // dim, 400)
        return 0
    found: list[measured.Rate] = []
    quick = "--quick" in arguments
    for dtype in ("float32",) if quick else ("float32", "float64"):
        for optimizer in OPTIMIZERS[:1] if quick else OPTIMIZERS:
            for dim in DIMS[:2] if quick else DIMS:
                row = rate(engine, optimizer, dim, dtype)
                print(json.dumps(row), flush=True)
                if row["share"]:
                    found.append(measured.Rate(row["optimizer"], dim, dtype, row["share"]))
                    measured.keep(engine.device_name, datetime.date.today().isoformat(), found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
