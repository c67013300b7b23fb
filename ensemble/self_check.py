"""What must hold on every machine and backend, checked in a second or two: the generator, the bits, a law.

A check takes an engine and returns what it saw in words; it raises AssertionError where the machine disagrees.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .arithmetic.random import philox, round_keys
from .backends.choice import choose
from .backends.program import Engine, Program
from .events import LeftBall, Never
from .grids import grid
from .landscapes import Quadratic, QuarticSaddle
from .noises import Gaussian, NoNoise
from .optimizers import Adam, GradientDescent
from .simulate import simulate
from .starts import NormalCloud, Point
from .statistics.laws import sgd_quadratic

RANDOM123 = (
    ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, 0xFFFFFFFFFFFFFFFF, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        0x299F31D0A4093822,
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
)
"""Random123's known answers for philox4x32-10: counter, key, words."""
LARGEST_Z = 5.0
"""A law holds within so many standard errors; the seed is fixed, so a healthy machine always passes."""


def words(engine: Engine, step: int, ids: NDArray[np.uint32], seed: int) -> NDArray[np.float64]:
    """The generator's words for blocks 0 and 1, read back from uniforms in float64, (ids, 8)."""
    parts = {
        "landscape": Quadratic(1.0, dim=8),
        "optimizer": GradientDescent(0.1),
        "noise": NoNoise(),
        "event": Never(),
    }
    program = Program((parts,), 8, len(ids), 0, np.dtype(np.float64), "precise", seed, 1, True)
    uniforms: NDArray[np.float64] = engine.to_numpy(engine.uniforms(program, step, 0, ids))
    return uniforms * 2.0**32 - 0.5


def generator(engine: Engine) -> str:
    """Random123's answers, and the specification's words for other counters and keys."""
    for counter, key, answer in RANDOM123:
        if tuple(int(w) for w in philox(*counter, round_keys(key))) != answer:
            raise AssertionError(f"the specification gives other words than Random123 for counter {counter}")
    if tuple(words(engine, 0, np.zeros(1, np.uint32), 0)[0, :4]) != RANDOM123[0][2]:
        raise AssertionError("other words than Random123's known answer")
    ids = np.arange(1000, dtype=np.uint32) * np.uint32(4_294_967)
    if not np.array_equal(words(engine, 77, ids, 2**63 + 5), words(choose("numpy")[0], 77, ids, 2**63 + 5)):
        raise AssertionError("other words than the specification's")
    return "Random123's known answers"


def small_run(backend: str, math: str, dtype: str) -> xr.Dataset:
    """A run that uses tables, state, noise, an event and the reduction tree."""
    dataset: xr.Dataset = simulate(
        landscape=QuarticSaddle(dim=11, unstable=2),
        optimizer=Adam(lr=grid(0.01, 0.03)),
        noise=Gaussian(sigma=0.1),
        start=NormalCloud(scale=0.01),
        event=LeftBall(radius=0.7),
        instances=100,
        steps=100,
        seed=3,
        backend=backend,
        math=math,
        dtype=dtype,
        progress=False,
    ).dataset
    return dataset


def bits(engine: Engine) -> str:
    """``math="precise"`` gives the bits of the specification."""
    ours, theirs = (small_run(name, "precise", "float64") for name in (engine.name, "numpy"))
    for name in ("event_step", "x"):
        if ours[name].to_numpy().tobytes() != theirs[name].to_numpy().tobytes():
            raise AssertionError(f"{name} differs from the specification's")
    events = int((ours["event"] > 0).sum())
    return f"the bits of numpy; {events} of {ours['event'].size} instances had the event"


def law(engine: Engine) -> str:
    """SGD on a quadratic is an AR(1) process: its mean and variance after 20 steps are known exactly."""
    n, steps = 4000 if engine.name == "numpy" else 40_000, 20
    run = simulate(
        landscape=Quadratic([1.0, 3.0]),
        optimizer=GradientDescent(lr=0.2),
        noise=Gaussian(sigma=0.5),
        start=Point(1.0),
        instances=n,
        steps=steps,
        backend=engine.name,
        progress=False,
    )
    x = run.dataset["x"].to_numpy().astype(np.float64)
    z: list[float] = []
    for k, h in enumerate((1.0, 3.0)):
        mean, variance = sgd_quadratic(h, 0.2, 0.5, 1.0, steps)
        z.append(float((x[:, k].mean() - mean) / np.sqrt(variance / n)))
        z.append(float((x[:, k].var(ddof=1) / variance - 1.0) / np.sqrt(2.0 / (n - 1))))
    worst = max(map(abs, z))
    if not worst <= LARGEST_Z:
        raise AssertionError(f"moments of SGD on a quadratic are off by {worst:.1f} standard errors")
    return f"moments of SGD on a quadratic; largest |z| {worst:.1f} over {n:,} instances"


CHECKS: dict[str, Callable[[Engine], str]] = {"generator": generator, "precise": bits, "law": law}
