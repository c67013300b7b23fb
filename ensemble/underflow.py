"""Where float32 has ended a descent: coordinates that were flushed to zero and now stand still on a ridge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backends.numpy import NumpyEngine, seen_by_kernel
from .backends.program import Program
from .starts import Source, Start

Rows = Callable[[int, int], NDArray[Any]]
AT_ONCE = 1 << 16
"""Coordinates that are looked at at once."""
LOOKED_AT = 4096
"""Instances of a configuration whose curvature is looked at: enough to notice what happens to many."""


def flushed_to_zero(program: Program, starts: Sequence[Start], x: Rows, reached: int) -> int:
    """How many instances (of those looked at) arithmetic holds where the landscape would let them go.

    In such an instance a coordinate is below the smallest normal float32, it did not start so, the slope along it is as small, and
    the Hessian's diagonal is negative there. Noise brings such a coordinate away again; without it no step ever will. Float64
    runs are not looked at.

    Args:
        program: what ran.
        starts: of each configuration.
        x: ``x(a, b)`` gives the final iterates of rows a to b, (b - a, dim).
        reached: the last step taken.
    """
    if program.dtype != np.float32:
        return 0
    tiny = np.finfo(program.dtype).tiny
    count, instances = 0, program.instances
    for c, parts in enumerate(program.configurations):
        rows, at = _some_small(lambda a, b, c=c: x(c * instances + a, c * instances + b), program, tiny)  # type: ignore[misc]
        if not rows.size:
            continue
        landscape: Any = seen_by_kernel([parts["landscape"]], None, program.dtype, program.dim)
        small, now = np.abs(at) < tiny, SimpleNamespace(t=reached)
        try:
            with np.errstate(all="ignore"):
                curvature, slope = landscape.hessian_diagonal(at, now), landscape.gradient(at, now)
        except TypeError:  # a landscape that does not say its Hessian
            continue
        held = small & (curvature < 0) & (np.abs(slope) <= tiny * np.maximum(-curvature, 1.0))
        rows, held = rows[held.any(axis=1)], held[held.any(axis=1)]
        ids = (program.first_instance + rows).astype(np.uint32)
        began = starts[c].draw(Source(NumpyEngine(), program, ids, c * program.stream_stride)) if rows.size else at[:0]
        count += int(np.count_nonzero((held & (np.abs(began) >= tiny)).any(axis=1)))
    return count


def _some_small(x: Rows, program: Program, tiny: float) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The first :data:`LOOKED_AT` instances with a coordinate below ``tiny``, and where they are."""
    rows, points, count = [np.empty(0, dtype=np.int64)], [np.empty((0, program.dim), dtype=program.dtype)], 0
    piece = max(1, AT_ONCE // program.dim)
    for a in range(0, program.instances, piece):
        here = x(a, min(a + piece, program.instances))
        tiniest = np.abs(here) < tiny
        if tiniest.any():  # one answer for all is much sooner found than one for each row
            small = np.flatnonzero(tiniest.any(axis=1))[: LOOKED_AT - count]
            rows.append(small + a)
            points.append(here[small])
            count += small.size
        if count == LOOKED_AT:
            break
    return np.concatenate(rows), np.concatenate(points)
