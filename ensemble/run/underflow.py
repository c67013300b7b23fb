"""Where arithmetic has ended a descent: coordinates that became too small for the precision and now stand still on a ridge.

A coordinate that waits at a saddle in a row of saddles shrinks by a factor at every step, and below the smallest normal number it is
either flushed to 0 or stays at a subnormal number that its own step, rounded, no longer changes: with x <- (1 + a) x a number of m
units is kept where ``m a <= 1/2``. When its turn to grow comes, its gradient moves it no more, in float64 (after about 1,022 halvings)
as in float32 (126). Coordinates above that end are no such case: they leave in some ``ln(1/x) / ln(1 + a)`` steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backends.numpy import NumpyEngine, seen_by_kernel
from ..backends.program import Program
from .beginning import starts_of

Rows = Callable[[int, int], NDArray[Any]]
AT_ONCE = 1 << 16
"""Coordinates that are looked at at once."""
LOOKED_AT, FEWEST, COORDINATES = 4096, 64, 1 << 21
"""Instances of a configuration whose curvature is looked at, at most and at least, and their coordinates in all: enough to notice
what happens to many, in less time than a few steps take."""


def flushed_to_zero(program: Program, x: Rows, ended: Rows, reached: int) -> int:
    """How many instances (of those looked at) arithmetic holds where the landscape would let them go.

    In such an instance a coordinate is below the smallest normal number of the precision, it did not start so, the slope along it is
    as small, and the Hessian's diagonal is negative there. Noise brings such a coordinate away again.

    Args:
        program: what ran.
        x: ``x(a, b)`` gives the final iterates of rows a to b, (b - a, dim).
        ended: which of rows a to b an event or divergence has ended, (b - a,): they are not looked at.
        reached: the last step taken.
    """
    tiny = np.finfo(program.dtype).tiny
    most = min(LOOKED_AT, max(FEWEST, COORDINATES // (program.dim * len(program.configurations))))
    count = 0
    for rows, at in _by_arrays(program, _some_small(x, ended, program, tiny, most)):
        owners, place = np.unique(rows // program.alike, return_inverse=True)
        landscape: Any = seen_by_kernel(program.many("landscape").taken(owners), place, program.dtype, program.dim)
        small, now = np.abs(at) < tiny, SimpleNamespace(t=reached)
        try:
            with np.errstate(all="ignore"):
                curvature, slope = landscape.hessian_diagonal(at, now), landscape.gradient(at, now)
        except TypeError:  # a landscape that does not say its Hessian
            return 0
        held = small & (curvature < 0) & (np.abs(slope) <= tiny * np.maximum(-curvature, 1.0))
        rows, held = rows[held.any(axis=1)], held[held.any(axis=1)]
        if rows.size:
            began = starts_of(NumpyEngine(), program, rows)
            count += int(np.count_nonzero((held & (np.abs(began) >= tiny)).any(axis=1)))
    return count


def _by_arrays(
    program: Program, some: Iterable[tuple[NDArray[np.int64], NDArray[Any]]]
) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
    """The same, each owner by itself where their arrays differ."""
    for rows, at in some:
        a = 0
        for own in program.by_arrays(rows):
            yield own, at[a : a + own.size]
            a += own.size


def _some_small(
    x: Rows, ended: Rows, program: Program, tiny: float, most: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
    """The first ``most`` rows of each configuration that go on with a coordinate below ``tiny``, and where they are."""
    taken = np.zeros(len(program.configurations), dtype=np.int64)
    piece, a = max(1, AT_ONCE // program.dim), 0
    while a < program.rows:
        b = min(a + piece, program.rows)
        here = x(a, b)
        tiniest = np.abs(here) < tiny
        if tiniest.any():  # one answer for all is much sooner found than one for each row
            small = np.flatnonzero(tiniest.any(axis=1) & ~ended(a, b))
            owner = (small + a) // program.instances
            rank = np.arange(small.size) - np.searchsorted(owner, owner) + taken[owner]
            taken += np.bincount(owner, minlength=taken.size)
            small = small[rank < most]
            if small.size:
                yield small + a, here[small]
        a = b
        if taken[(a - 1) // program.instances] >= most:  # the rest of this configuration is not looked at
            a = max(a, -(-a // program.instances) * program.instances)
