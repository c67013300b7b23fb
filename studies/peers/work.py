"""The work every contestant does, and the shape of a contestant.

One instance starts at `start * z` and takes `steps` steps of Adam or heavy ball on `gradient(x) + sigma * z`, with
normals of full precision; the first step at which one of its coordinates is not finite or beyond `BOUND` is kept.
The unit of everything measured is the coordinate-step: `instances * dim * steps`.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

BOUND = 1e18
CHUNK = 131_072
"""Coordinates a skilled user gives one core at a time: measured, the best of 2,048 to 131,072 in NumPy and PyTorch."""


@dataclass(frozen=True)
class Work:
    """One ensemble: `instances` optimizers in `dim` coordinates.

    `landscape` is "QuarticSaddle" (`-x_0^2/2 + x_0^4/4 + sum_{k>0} x_k^2/2`) or "Rosenbrock"
    (`sum_k 100 (x_{k+1} - x_k^2)^2 + (1 - x_k)^2`), or one of a user's own (`own.py`); `optimizer` is "Adam" or "HeavyBall".
    """

    landscape: str
    optimizer: str
    instances: int
    dim: int
    dtype: str = "float32"
    sigma: float = 0.1
    start: float = 0.1
    batch: int = 0
    """Samples of a batch; 0 where there are none (`sums.py`)."""

    @property
    def lr(self) -> float:
        """The rate: Adam's default; of SGD on data 0.05; for heavy ball a tenth of Rosenbrock's stability edge at its minimum."""
        return {"Adam": 1e-3, "SGD": 0.05}.get(self.optimizer, 4e-4)

    @property
    def label(self) -> str:
        batch = f", batch {self.batch}" if self.batch else ""
        return f"{self.instances:,} x {self.dim:,} {self.landscape}, {self.optimizer}{batch}, {self.dtype}"

    def with_instances(self, instances: int) -> "Work":
        return replace(self, instances=instances)

    def parts(self, at_least: int) -> list[int]:
        """Sizes of equal chunks of instances: at least `at_least` of them, each near `CHUNK` coordinates."""
        count = max(at_least, round(self.instances * self.dim / CHUNK))
        return [part for part in split(self.instances, count) if part]


CELLS = (("Rosenbrock", 65_536, 2), ("QuarticSaddle", 4_096, 64), ("QuarticSaddle", 512, 1_024))
OPTIMIZERS = ("Adam", "HeavyBall")


def cells(dtypes: list[str]) -> list[Work]:
    """The three cells for both optimizers in each precision."""
    return [Work(name, rule, n, dim, d) for d in dtypes for name, n, dim in CELLS for rule in OPTIMIZERS]


def own(quick: bool) -> list[Work]:
    """Adam on three functions of a user's own."""
    scale = 4 if quick else 1
    sizes = (("valley", 65_536, 2), ("chain", 4_096, 64), ("mixture", 4_096, 32))
    return [Work(name, "Adam", n // scale, dim) for name, n, dim in sizes]


class Outcome(NamedTuple):
    """What a run leaves: `x` (instances, dim) and the number of diverged instances."""

    x: np.ndarray
    diverged: int


Run = Callable[[int], Outcome]
"""A prepared run: takes a seed, does the whole work from fresh starts, returns when the result is on the host."""


@dataclass(frozen=True)
class Contestant:
    """A way of doing the work: `prepare(work, steps)` compiles what can be compiled and returns the run."""

    name: str
    prepare: Callable[[Work, int], Run]
    family: str


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def split(total: int, count: int) -> list[int]:
    """`total` as `count` integers that differ by at most one."""
    return [total // count + (k < total % count) for k in range(count)]


def joined(outcomes: list[Outcome]) -> Outcome:
    """The outcome of chunks run apart."""
    return Outcome(np.concatenate([o.x for o in outcomes]), sum(o.diverged for o in outcomes))


def host(x: Any, first_bad: Any, axis: int) -> Outcome:
    """An outcome from arrays with the coordinates along `axis`."""
    x = np.asarray(x)
    return Outcome(x.T if axis == 0 else x, int(np.count_nonzero(np.asarray(first_bad) >= 0)))
