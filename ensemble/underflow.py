"""Where float32 has ended a descent: coordinates that were flushed to zero and now stand still on a ridge."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backends.numpy import NumpyEngine, seen_by_kernel
from .runs import Outcome, Setting
from .starts import Source, Start

LOOKED_AT = 4096
"""Instances of a configuration whose curvature is looked at: enough to notice what happens to many."""


def flushed_to_zero(setting: Setting, outcome: Outcome) -> int:
    """How many instances (of those looked at) arithmetic holds where the landscape would let them go.

    In such an instance a coordinate is below the smallest normal float32, it did not start so, the slope along it is as small, and
    the Hessian's diagonal is negative there. Noise brings such a coordinate away again; without it no step ever will. Float64
    runs are not looked at.
    """
    if setting.dtype != "float32":
        return 0
    configurations = setting.sweep().parts
    program = setting.program(configurations, 0, outcome.instances)
    tiny = np.finfo(program.dtype).tiny
    count = 0
    for c, parts in enumerate(configurations):
        small: NDArray[np.bool_] = np.abs(outcome.x[c]) < tiny
        rows = np.flatnonzero(small.any(axis=1))[:LOOKED_AT]
        if not rows.size:
            continue
        landscape: Any = seen_by_kernel([parts["landscape"]], None, program.dtype, program.dim)
        x, now = outcome.x[c][rows], SimpleNamespace(t=outcome.reached)
        try:
            with np.errstate(all="ignore"):
                curvature, slope = landscape.hessian_diagonal(x, now), landscape.gradient(x, now)
        except TypeError:  # a landscape that does not say its Hessian
            continue
        held = small[rows] & (curvature < 0) & (np.abs(slope) <= tiny * np.maximum(-curvature, 1.0))
        rows, held = rows[held.any(axis=1)], held[held.any(axis=1)]
        start = parts["start"]
        assert isinstance(start, Start)
        ids = (program.first_instance + rows).astype(np.uint32)
        began = start.draw(Source(NumpyEngine(), program, ids, c * program.stream_stride)) if rows.size else x[:0]
        count += int(np.count_nonzero((held & (np.abs(began) >= tiny)).any(axis=1)))
    return count
