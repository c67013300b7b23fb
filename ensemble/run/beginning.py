"""Starts of any rows of a program, each with what its configuration or its instance has of the start's fields."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backends.draws import Draws
from ..backends.program import Engine, Program
from ..classes import in_library
from ..many import Many
from ..part import Part


def starts_of(engine: Engine, program: Program, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Where some rows begin, (rows, dim), drawn by an engine that has its arrays on the host."""
    many = program.many("start")
    if in_library(type(many.part)) and not many.part.at_once:  # type: ignore[attr-defined]
        return _together(engine, program, rows)
    apart = [rows]
    if not in_library(type(many.part)) and many.count > len(program.configurations):  # fields are single numbers there
        apart = list(rows[:, None])
    else:
        apart = np.split(rows, np.flatnonzero(np.diff(rows // program.instances)) + 1)
    return np.concatenate([_together(engine, program, some) for some in apart])


def _together(engine: Engine, program: Program, rows: NDArray[np.int64]) -> NDArray[Any]:
    many = program.of_rows("start", rows)
    one = all(all(v is c[0] for v in c) if c.dtype == object else (c == c[0]).all() for c in many.differing.values())
    start: Any = many.at(0) if one else as_columns(many, program.dim)
    ids = (program.first_instance + rows % program.instances).astype(np.uint32)
    offsets = rows // program.instances * program.stream_stride
    offset: Any = int(offsets[0]) if (offsets == offsets[0]).all() else offsets.astype(np.uint64)[:, None]
    return np.ascontiguousarray(start.draw(Draws(engine, program, ids, offset)))


def as_columns(many: Many, dim: int) -> Part:
    """A part whose fields hold, in float64, what each of many has: (count, 1), or (count, dim) where one is a vector."""
    seen = object.__new__(type(many.part))
    for f in fields(many.part):
        values = many.differing.get((f.name,))
        found: Any = getattr(many.part, f.name)
        if values is not None and values.dtype == object:
            found = np.stack([np.broadcast_to(np.asarray(v, dtype=np.float64), (dim,)) for v in values])
        elif values is not None:
            found = values[:, None]
        object.__setattr__(seen, f.name, found)
    return seen
