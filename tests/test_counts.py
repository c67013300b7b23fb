"""What the kernels cost, counted from machine code without a GPU (``cubin.py`` says how), and printed as a table.

Instructions that one lane executes for one coordinate and one step, divergence watched; registers; how much of a
multiprocessor's 2,048 threads then fit. ``lanes`` is what the CUDA engine chooses for a large ensemble, or as said.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import cubin
import pytest
from cubin import Report, compile_cubin, report
from device_runs import program
from emulated import EmulatedEngine
from parts import covering

from ensemble import sources
from ensemble.backends.device import THREADS, Group
from ensemble.backends.program import Program
from ensemble.events import Below, Crossed, LeftBall, Never
from ensemble.landscapes import Landscape, Quadratic, QuarticSaddle, Rosenbrock
from ensemble.optimizers import Adam, GradientDescent, HeavyBall, Nesterov, Optimizer, PerturbedGD
from ensemble.part import Part

try:
    cubin._nvrtc(), cubin._wheel_file("bin/nvdisasm", "nvidia-cuda-nvdisasm")
except RuntimeError as error:
    pytest.skip(str(error), allow_module_level=True)

PROCESSORS = 132
LARGE = 1_000_000
# What runs once in an instance's life and not in each step: an event that hits writes the instance out, after taking the
# least of the lanes' first bad steps.
RARE = ("STG", "VIMNMX")


class Counted(EmulatedEngine):
    """Chooses like the CUDA engine on a device of 132 multiprocessors; nothing is run."""

    def __init__(self, lanes: int | None = None) -> None:
        super().__init__(lanes, THREADS, PROCESSORS)


@dataclass(frozen=True)
class Row:
    optimizer: Optimizer
    dim: int
    event: Part
    lanes: int | None = None
    limit: float | None = None  # instructions for a coordinate and a step

    def program(self) -> Program:
        return saddle(self.dim, self.optimizer, self.event)

    def __str__(self) -> str:
        at = "" if self.lanes is None else f" at {self.lanes} lanes"
        return f"{type(self.optimizer).__name__} {self.dim} {type(self.event).__name__}{at}"


def saddle(dim: int, optimizer: Optimizer, event: Part, dtype: str = "float32") -> Program:
    return program(QuarticSaddle(dim=dim), optimizer, event, instances=LARGE, dtype=dtype, math="fast")


LIMITED = [
    *(Row(Adam(), dim, Never(), limit=36) for dim in (16, 64, 256, 1024)),
    *(Row(Adam(), 16, Never(), lanes, limit=38) for lanes in (2, 4)),
    Row(Adam(), 1024, Never(), 128, limit=36),
    *(Row(Adam(), dim, LeftBall(1.0), limit=40) for dim in (16, 64, 256, 1024)),
    *(Row(Adam(), 16, LeftBall(1.0), lanes, limit=40) for lanes in (2, 4)),
    Row(Adam(), 1024, LeftBall(1.0), 128, limit=42),
    *(Row(GradientDescent(0.1), dim, Never(), limit=24) for dim in (64, 256)),
    *(Row(HeavyBall(0.1), dim, Never(), limit=25) for dim in (64, 256)),
]
LARGEST = [
    Row(Adam(), 8192, Never()),
    Row(Adam(), 8192, LeftBall(1.0)),
    Row(Adam(), 8192, Never(), 1024),
    Row(GradientDescent(0.1), 16384, Never(), 1024),
    Row(GradientDescent(0.1), 16384, LeftBall(1.0), 1024),
]


@cache
def counted(row: Row) -> tuple[Group, Report]:
    engine = Counted(row.lanes)
    machine_code = compile_cubin(engine.source(row.program(), "advance"), sources.kernels())
    return engine.group(row.program()), report(machine_code, cold=RARE)


def per_coordinate(row: Row) -> float:
    group, found = counted(row)
    return found.step.total * group.lanes / row.dim


def occupancy(group: Group, found: Report) -> float:
    """The share of 2,048 threads that fit 65,536 registers, handed out in blocks, by warps in units of 256."""
    warps = group.threads // 32
    by_registers = 65536 // (-(-found.registers * 32 // 256) * 256) // warps
    return min(by_registers, 32, 2048 // group.threads) * group.threads / 2048


@pytest.fixture(scope="module")
def all_counted() -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(counted, [*LIMITED, *LARGEST]))


def test_what_was_counted_is_printed(all_counted: None, printed: Callable[[str], None]) -> None:
    lines = ["", "sm_90, Gaussian noise on QuarticSaddle, float32, fast: a coordinate's step"]
    heading = f"{'optimizer':<16}{'dim':>6} {'event':<9}{'lanes':>6}{'instructions':>13}{'special':>8}{'limit':>6}"
    lines.append(heading + f"{'registers':>10}{'occupancy':>10}{'spilled':>8}")
    for row in [*LIMITED, *LARGEST]:
        group, found = counted(row)
        limit = "" if row.limit is None else f"{row.limit:g}"
        lines.append(
            f"{type(row.optimizer).__name__:<16}{row.dim:>6} {type(row.event).__name__:<9}{group.lanes:>6}"
            f"{per_coordinate(row):>13.2f}{found.step.special * group.lanes / row.dim:>8.2f}{limit:>6}"
            f"{found.registers:>10}{occupancy(group, found):>10.0%}{found.spill_stores + found.spill_loads:>8}"
        )
    printed("\n".join(lines))
    assert len(lines) == 3 + len(LIMITED) + len(LARGEST)


@pytest.mark.parametrize("row", LIMITED, ids=str)
def test_a_step_costs_no_more_instructions_than_stated(row: Row, all_counted: None) -> None:
    assert row.limit is not None
    assert per_coordinate(row) <= row.limit


@pytest.mark.parametrize("row", [*LIMITED, *LARGEST], ids=str)
def test_an_instance_stays_in_registers(row: Row) -> None:
    group, found = counted(row)
    assert found.spill_stores == found.spill_loads == found.local_memory == 0
    assert found.inner_loops == 0
    assert occupancy(group, found) >= 0.25


def test_the_engine_chooses_the_lanes_that_the_table_is_about() -> None:
    assert [counted(row)[0].lanes for row in LIMITED[:4]] == [1, 4, 16, 64]


@cache
def architectures() -> list[int]:
    """Every architecture that this NVRTC compiles for."""
    nvrtc, count = cubin._nvrtc(), ctypes.c_int()
    nvrtc.nvrtcGetNumSupportedArchs(ctypes.byref(count))
    found = (ctypes.c_int * count.value)()
    nvrtc.nvrtcGetSupportedArchs(found)
    return sorted(found)


EVERYTHING: list[tuple[Landscape, Optimizer, Part, str, tuple[str, ...]]] = [
    (QuarticSaddle(dim=64), Adam(), LeftBall(1.0), "float32", ("advance",)),
    (Rosenbrock(dim=130), Nesterov(0.1), Below(1.0), "float32", ("advance", "observe", "draw")),
    (Quadratic([1.0] * 6), PerturbedGD(0.1, 1.0, 1.0, 5), Crossed([1.0] * 6), "float64", ("advance",)),
]


@pytest.mark.parametrize("arch", sorted({80, 90, architectures()[-1]}))
def test_every_kernel_compiles_for_old_and_new_devices_and_keeps_out_of_local_memory(arch: int) -> None:
    for landscape, optimizer, event, dtype, entries in EVERYTHING:
        p = program(landscape, optimizer, event, instances=LARGE, dtype=dtype, math="fast")
        for entry in entries:
            found = report(compile_cubin(Counted().source(p, entry), sources.kernels(), f"sm_{arch}"), entry)
            assert found.local_memory == found.spill_stores == 0, (p, entry)


@pytest.mark.slow
@pytest.mark.parametrize("dim", [2, 21, 64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_part_compiles_for_the_device(dim: int, dtype: str) -> None:
    def compiled(parts: dict[str, Part]) -> bytes:
        p = program(**parts, instances=LARGE, dtype=dtype, math="fast")
        return compile_cubin(Counted().source(p, "advance"), sources.kernels())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(compiled, covering(dim)))
