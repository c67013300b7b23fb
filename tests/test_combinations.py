"""Random programs: landscape x optimizer x wrappers x noise x event x dim x dtype, the same bits however they are run.

``ENSEMBLE_COMBINATIONS=20 pytest tests/test_combinations.py`` draws so many, others each day; ``-m slow`` runs 200 fixed ones.
"""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import cubin
import pytest
from device_runs import program, run, same_bits
from emulated import COMPILERS, EmulatedEngine
from parts import example, kinds

from ensemble.backends import compiler, sources
from ensemble.backends.cpu import CpuEngine
from ensemble.backends.groups import THREADS
from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.program import Engine, Program
from ensemble.backends.twins import cpp_type

pytestmark = pytest.mark.skipif(not COMPILERS, reason="no C++ compiler on PATH")
DIMS = (1, 2, 3, 5, 8, 11, 16, 21, 40)
STEPS = 25
LARGE = 1_000_000


@dataclass(frozen=True)
class Combination:
    """A program, and the lanes that an instance takes where the device path is executed."""

    landscape: Any
    optimizer: Any
    noise: Any
    event: Any
    dtype: str
    check_every: int
    lanes: int

    def program(self, instances: int = 9, math: str = "precise") -> Program:
        return program(
            self.landscape, self.optimizer, self.event, self.noise,
            instances=instances, dtype=self.dtype, math=math, check_every=self.check_every,
        )  # fmt: skip

    def __str__(self) -> str:
        parts = (self.optimizer, self.landscape, self.noise, self.event)
        kinds_ = [cpp_type(p).replace(", ", ",").replace(" ", "") for p in parts]
        return "-".join([*kinds_, str(self.landscape.dimension), self.dtype])


def wraps(kind: type) -> bool:
    return any(f.metadata.get("kind") == "inner" for f in dataclasses.fields(kind))


def drawn(seed: object, count: int) -> Iterator[Combination]:
    """So many combinations, each as likely as another of its kind; the same ones for the same seed."""
    rng = random.Random(str(seed))
    wrappers = [k for k in kinds("optimizer") if wraps(k)]
    plain = [k for k in kinds("optimizer") if not wraps(k)]
    for _ in range(count):
        landscape = example(rng.choice(kinds("landscape")), rng.choice(DIMS), rng.random() < 0.5)
        dim, by_coordinate = landscape.dimension, rng.random() < 0.5
        optimizer = example(rng.choice(plain), dim, by_coordinate).at_dim(dim)
        for _ in range(rng.choice((0, 0, 1, 2, 3))):
            optimizer = dataclasses.replace(example(rng.choice(wrappers), dim, by_coordinate), base=optimizer)
        yield Combination(
            landscape, optimizer, example(rng.choice(kinds("noise")), dim, by_coordinate),
            event_of(rng, dim, by_coordinate), rng.choice(("float32", "float64")), rng.choice((1, 1, 3)),
            lanes_of(rng, -(-dim // 4)),
        )  # fmt: skip


def lanes_of(rng: random.Random, blocks: int) -> int:
    """As few as one; at the most one for each block, rounded up, where some may own none."""
    lanes = 1 << rng.randrange(blocks.bit_length())
    return lanes if 2 * lanes <= blocks or lanes == blocks else 2 * lanes


def event_of(rng: random.Random, dim: int, by_coordinate: bool, depth: int = 0) -> Any:
    """An event, whose own events are events of any kind as well."""
    kind = rng.choice([k for k in kinds("event") if depth < 2 or not wraps(k)])
    event = example(kind, dim, by_coordinate)
    inside = {
        f.name: event_of(rng, dim, by_coordinate, depth + 1)
        for f in dataclasses.fields(kind)
        if f.metadata.get("kind") == "inner"
    }
    return dataclasses.replace(event, **inside) if inside else event


@pytest.fixture(scope="module")
def in_a_hurry() -> Iterator[None]:
    """Programs are compiled without optimization: the bits do not depend on it."""
    flags = tuple("-O0" if flag == "-O3" else flag for flag in compiler.FLAGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiler, "FLAGS", flags)
        yield


def agree(engine: Engine, combination: Combination) -> bool:
    """Whether an engine gives NumPy's bits, in everything that means something."""
    p = combination.program()
    wanted, found = run(NumpyEngine(), p, STEPS, 10, scale=0.5), run(engine, p, STEPS, 7, scale=0.5)
    kept = wanted.diverged_step < 0
    for name, array in wanted.arrays().items():
        other = getattr(found, name)
        if name in ("vectors", "integers"):  # what diverged keeps no memory worth a bit
            array, other = array[:, kept], other[:, kept]
        assert same_bits(array, other), name
    return True


MOST_HELD = 28


def stays_in_registers(combination: Combination) -> bool:
    """Whether a large ensemble's kernel on an sm_90 device of 132 multiprocessors does, at the group size chosen for it.

    Four coordinates are the fewest that a lane holds: those of so many vectors as L-BFGS has in float64, and of rules around it, leave too
    little of its 255 registers.
    """
    chosen, p = EmulatedEngine(None, THREADS, 132), combination.program(LARGE, "fast")
    if p.registers_held > MOST_HELD:
        return True
    return cubin.report(cubin.compile_cubin(chosen.source(p, "advance"), sources.kernels())).local_memory == 0


@cache
def cpu_engine() -> CpuEngine:
    return CpuEngine(threads=1)


def prepared(combinations: list[Combination], on_device: bool) -> None:
    """Compiles two at a time."""

    def compile_(c: Combination) -> None:
        (EmulatedEngine(c.lanes) if on_device else cpu_engine()).prepare(c.program())

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compile_, combinations))


def has_nvrtc() -> bool:
    try:
        cubin._nvrtc(), cubin._wheel_file("bin/nvdisasm", "nvidia-cuda-nvdisasm")
    except RuntimeError:
        return False
    return True


TODAY = list(drawn(date.today().isoformat(), int(os.environ.get("ENSEMBLE_COMBINATIONS", "0"))))
ON_DEVICE = TODAY[::5]
"""Every fifth is run through the device path, which takes three times as long to compile."""


@pytest.mark.skipif(not TODAY, reason="ENSEMBLE_COMBINATIONS is not set")
def test_the_combinations_of_the_day_have_the_same_bits_on_numpy_and_cpu(in_a_hurry: None) -> None:
    rest = [c for c in TODAY if c not in ON_DEVICE]
    prepared(rest, on_device=False)
    for combination in rest:
        assert agree(cpu_engine(), combination), str(combination)


@pytest.mark.skipif(not TODAY, reason="ENSEMBLE_COMBINATIONS is not set")
def test_the_combinations_of_the_day_have_the_same_bits_on_the_device_path_and_stay_in_registers() -> None:
    prepared(ON_DEVICE, on_device=True)
    for combination in ON_DEVICE:
        assert agree(EmulatedEngine(combination.lanes), combination), str(combination)
        assert not has_nvrtc() or stays_in_registers(combination), str(combination)


FIXED = list(drawn("fixed", 200))


@pytest.mark.slow
@pytest.mark.parametrize("combination", FIXED, ids=str)
def test_many_combinations_have_the_same_bits_everywhere_and_stay_in_registers(
    in_a_hurry: None, combination: Combination
) -> None:
    assert agree(cpu_engine(), combination)
    assert agree(EmulatedEngine(combination.lanes), combination)
    assert not has_nvrtc() or stays_in_registers(combination)
