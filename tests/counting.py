"""What the kernels cost, counted from machine code without a GPU; ``cubin.py`` says how.

Instructions that one lane executes for one coordinate and one step, divergence watched; registers; how much of a
multiprocessor's 2,048 threads then fit. ``lanes`` is what the CUDA engine chooses for a large ensemble, or as said.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

from cubin import Report, compile_cubin, report
from device_runs import program
from emulated import EmulatedEngine
from parts import example, kinds

from ensemble.backends import sources
from ensemble.backends.cost import named
from ensemble.backends.groups import THREADS, Group, most_coordinates
from ensemble.backends.program import Program
from ensemble.events import Never
from ensemble.landscapes import QuarticSaddle
from ensemble.optimizers import GradientDescent, Optimizer
from ensemble.part import Part

PROCESSORS = 132
LARGE = 1_000_000
# What runs once in an instance's life and not in each step: an event that hits writes the instance out, after taking the
# least of the lanes' first bad steps. And what the kernels mark so themselves (``seldom`` in kernels/base/lengths.cuh).
RARE = ("STG", "VIMNMX", "NANOSLEEP")
DIMS = (16, 64)


class Counted(EmulatedEngine):
    """Chooses like the CUDA engine on a device of 132 multiprocessors; nothing is run."""

    def __init__(self, lanes: int | None = None) -> None:
        super().__init__(lanes, THREADS, PROCESSORS)


def saddle(dim: int, optimizer: Optimizer, event: Part, dtype: str = "float32") -> Program:
    return program(QuarticSaddle(dim=dim), optimizer, event, instances=LARGE, dtype=dtype, math="fast")


@dataclass(frozen=True)
class Row:
    optimizer: Optimizer
    dim: int
    event: Part = Never()
    lanes: int | None = None
    limit: float | None = None  # instructions for a coordinate and a step

    def program(self) -> Program:
        return saddle(self.dim, self.optimizer, self.event)

    def __str__(self) -> str:
        at = "" if self.lanes is None else f" at {self.lanes} lanes"
        return f"{named(self.optimizer)} {self.dim} {type(self.event).__name__}{at}"


@cache
def _report(source: str, depth: int) -> Report:
    return report(compile_cubin(source, sources.kernels()), cold=RARE, depth=depth)


def counted(row: Row) -> tuple[Group, Report]:
    engine = Counted(row.lanes)
    return engine.group(row.program()), _report(engine.source(row.program(), "advance"), 0)


def _trips(row: Row, of_step: int, of_inner: int) -> int:
    """A step with every trip of a loop in it, where the optimizer says how many there are."""
    return of_step + (getattr(row.optimizer, "iterations", 1) - 1) * of_inner


def instructions(row: Row) -> float:
    """For a coordinate and a step."""
    group, found = counted(row)
    inner = _report(Counted(row.lanes).source(row.program(), "advance"), 1).step.total if found.inner_loops else 0
    return _trips(row, found.step.total, inner) * group.lanes / row.dim


def special(row: Row) -> float:
    """Special functions for a coordinate and a step."""
    group, found = counted(row)
    inner = _report(Counted(row.lanes).source(row.program(), "advance"), 1).step.special if found.inner_loops else 0
    return _trips(row, found.step.special, inner) * group.lanes / row.dim


def occupancy(row: Row) -> float:
    """The share of 2,048 threads that fit 65,536 registers, handed out in blocks, by warps in units of 256."""
    group, found = counted(row)
    return share_of_threads(group.threads, found.registers)


def share_of_threads(threads: int, registers: int) -> float:
    """Of a multiprocessor's, where each of them takes so many registers and a block has so many threads."""
    by_registers = 65536 // (-(-registers * 32 // 256) * 256) // (threads // 32)
    return min(by_registers, 32, 2048 // threads) * threads / 2048


def optimizers(dim: int) -> list[Optimizer]:
    """One of every kind; wrappers around gradient descent."""
    found = []
    for kind in kinds("optimizer"):
        one = example(kind, dim)
        inside = [f.name for f in dataclasses.fields(kind) if f.metadata.get("kind") == "inner"]
        found.append(dataclasses.replace(one, **dict.fromkeys(inside, GradientDescent(0.01))))
    return sorted(found, key=named)


def has_one_cost(optimizer: Optimizer) -> bool:
    """Whether its sizes have defaults: what a step of :class:`Muon` takes depends on its matrices."""
    sizes = [f for f in dataclasses.fields(optimizer) if f.metadata.get("kind") == "structure"]
    return all(f.default is not dataclasses.MISSING for f in sizes)


def every_optimizer() -> list[Row]:
    """The rows of the committed table."""
    return [Row(optimizer, dim) for dim in DIMS for optimizer in optimizers(dim) if has_one_cost(optimizer)]


def largest() -> list[Row]:
    """Every optimizer at the largest dimension whose state stays in registers."""
    return [
        Row(optimizer, dim)
        for optimizer in optimizers(16)
        for dim in [most_coordinates(saddle(16, optimizer, Never()))]
    ]


def count_all(rows: Iterable[Row]) -> None:
    """Compiles and counts, several at once."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(counted, rows))
