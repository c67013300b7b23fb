"""How Python fills the structs that kernels read: C layout, field for field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arithmetic.random import ROUNDS
from ..part import Part
from .program import Program

POINTER = np.dtype(np.uint64)
SCRATCH = [("scratch", POINTER), ("scratch_bytes", np.int64)]


MEASURED = [(name, POINTER) for name in ("value", "gradient_norm", "distance", "point")]
"""``struct Measured`` of ``kernels/measure.cuh``."""
RECORDED = [
    ("recorded_steps", POINTER),
    ("recorded_places", POINTER),
    ("ring", POINTER),
    *MEASURED,
    ("slots", np.int64),
]
RECORDED_VECTORS = [("vector_ring", POINTER), ("places", np.int64), ("ring_vectors", np.uint64)]


def launch_dtype(real: np.dtype[Any], recorded: int = 0) -> np.dtype[Any]:
    """``struct Launch`` of ``kernels/advance.cuh``; ``recorded`` as :attr:`Program.recording` has it."""
    pointers = ["parameters", "tables", "active", "x", "vectors", "integers", "event_step", "event", "diverged_step"]
    return np.dtype(
        [(name, POINTER) for name in pointers]
        + [("rows", np.int64), ("table_stride", np.int64), ("count", np.int32)]
        + [("team", np.int32), ("together", np.int32), ("instances", np.int32)]
        + [("first_instance", np.uint32), ("stream_stride", np.uint32), ("alike", np.int32)]
        + [(name, np.int32) for name in ("first", "last", "check_every", "dim", "stop")]
        + [("bound", real), ("keys", np.uint32, (2 * ROUNDS,)), ("steady", POINTER), ("apart", POINTER)]
        + [("steady_columns", np.uint64), ("apart_columns", np.uint64)]
        + [*SCRATCH, *(RECORDED if recorded else []), *(RECORDED_VECTORS if recorded > 1 else [])],
        align=True,
    )


def draw_dtype() -> np.dtype[Any]:
    """``struct DrawLaunch`` of ``kernels/draw.cuh``."""
    return np.dtype(
        [("out", POINTER), ("instance", POINTER), ("count", np.int64), ("step", np.uint32), ("stream", np.uint32)]
        + [("dim", np.int32), ("what", np.int32), ("keys", np.uint32, (2 * ROUNDS,))],
        align=True,
    )


def look_dtype() -> np.dtype[Any]:
    """``struct LookLaunch`` of ``kernels/observe.cuh``."""
    return np.dtype(
        [(name, POINTER) for name in ("parameters", "active", "steps", "x", "direction")]
        + [*MEASURED, *((name, POINTER) for name in ("gradient", "product", "slope", "direction_length"))]
        + [("rows", np.int64), ("next_points", np.int64)]
        + [(name, np.int32) for name in ("count", "alike", "dim")]
        + SCRATCH,
        align=True,
    )


class Layout:
    """The struct of some roles' parts: ``width`` 0 for one value per field, else one for each instance of a tile."""

    def __init__(self, program: Program, roles: Sequence[str], width: int = 0, alignment: int = 0) -> None:
        self.real = program.dtype
        self.width = width
        self.alignment = alignment
        self.paths: dict[str, tuple[int, np.dtype[Any]]] = {}
        self._vectors = program.vector_paths
        offset, align = 0, 1
        for role in roles:
            size, own = self._struct(program.part(role), f"{role}.", 0, dry=True)
            offset = -(-offset // own) * own
            self._struct(program.part(role), f"{role}.", offset, dry=False)
            offset, align = offset + size, max(align, own)
        self.itemsize = -(-offset // align) * align
        self.align = align

    def _field(self, path: str, kind: str) -> tuple[np.dtype[Any], int]:
        pointer = kind == "array" or path in self._vectors
        base = POINTER if pointer else self.real
        if not self.width:
            return base, base.itemsize
        return np.dtype((base, (self.width,))), 8 if pointer else self.alignment

    def _struct(self, part: Part, prefix: str, start: int, dry: bool) -> tuple[int, int]:
        """Lays a part out from ``start`` on; its size and alignment, as a C++ compiler would."""
        offset, align = 0, 1
        members: list[tuple[str, str, Part | None]] = []
        for f in fields(part):
            kind = f.metadata.get("kind", "")
            if kind == "inner":
                members.append((f"{prefix}{f.name}.", kind, getattr(part, f.name)))
            elif kind in ("number", "vector", "array"):
                members.append((prefix + f.name, kind, None))
        members += [(prefix + name, "number", None) for name in part.constants()]
        for path, kind, nested in members:
            if nested is not None:
                size, own = self._struct(nested, path, 0, dry=True)
                offset = -(-offset // own) * own
                self._struct(nested, path, start + offset, dry)
            else:
                dtype, own = self._field(path, kind)
                size = dtype.itemsize
                offset = -(-offset // own) * own
                if not dry:
                    self.paths[path] = (start + offset, dtype)
            offset, align = offset + size, max(align, own)
        return max(-(-offset // align) * align, 1), align

    def fill(
        self,
        values: Mapping[str, NDArray[Any]],
        owner: NDArray[Any],
        out: NDArray[np.uint8] | None = None,
    ) -> NDArray[np.uint8]:
        """The structs, (n, itemsize) bytes, each field of struct i of owner(s) ``owner[i]``.

        ``owner`` is (n,), or (n, width) where the instances of a tile may differ; ``values[path]`` is (owners,), or (1,) where all
        have the same. ``out``: where to put them, zeroed.
        """
        n = owner.shape[0]
        raw = np.zeros((n, self.itemsize), dtype=np.uint8) if out is None else out.reshape(n, self.itemsize)
        for path, (offset, dtype) in self.paths.items():
            given = values[path]
            column = np.ascontiguousarray(
                given[owner] if given.size > 1 else np.broadcast_to(given, owner.shape), dtype=dtype.base
            )
            raw[:, offset : offset + dtype.itemsize] = column.reshape(n, -1).view(np.uint8)
        return raw


def values_of(
    program: Program, roles: Sequence[str], address: Callable[[NDArray[Any]], int], lanes: int = 1
) -> dict[str, NDArray[Any]]:
    """Every packed field of every owner, (owners,) or, of a role that all have the same, (1,); ``address`` stores an array and
    says where.

    Vectors are padded with zeros to as many blocks for each of ``lanes``: all of them read.
    """
    result: dict[str, NDArray[Any]] = {}
    stored: dict[bytes, int] = {}
    padded = -(-program.dim // (4 * lanes)) * 4 * lanes

    def place(array: NDArray[Any]) -> int:
        key = array.tobytes()
        if key not in stored:
            stored[key] = address(array)
        return stored[key]

    def coordinates(value: Any) -> NDArray[Any]:
        whole = np.zeros(padded, dtype=program.dtype)
        whole[: program.dim] = value
        return whole

    for role in roles:
        for path, kind, values in program.many(role).packed():
            full = f"{role}.{path}"
            if full in program.vector_paths or kind == "array":
                made = {
                    id(v): place(coordinates(v) if kind == "vector" else np.ascontiguousarray(v, dtype=program.dtype))
                    for v in values
                }
                result[full] = np.array([made[id(v)] for v in values], dtype=POINTER)
            else:
                result[full] = np.array(values, dtype=program.dtype)
    return result


def tiles_of(active: NDArray[Any], instances: int, width: int, mixed: bool) -> NDArray[np.int32]:
    """Rows, in order, in whole tiles (tiles, width), -1 where a tile is not full.

    No tile mixes configurations unless ``mixed``.
    """
    rows = np.asarray(active, dtype=np.int32)
    if mixed or not rows.size:
        edges = np.array([0, rows.size])
    else:
        configurations = np.arange(rows[0] // instances, rows[-1] // instances + 2, dtype=np.int64)
        edges = np.searchsorted(rows, (configurations * instances).astype(np.int32))  # of another type, rows are copied
        edges = edges[np.flatnonzero(np.diff(edges, append=rows.size + 1))]  # those with rows, and the end
    sizes = np.diff(edges)
    if not (sizes % width).any():
        return rows.reshape(-1, width)
    first = np.concatenate([[0], np.cumsum(-(-sizes // width))])
    tiles = np.full((int(first[-1]), width), -1, dtype=np.int32)
    flat = tiles.reshape(-1)
    moved = np.repeat(first[:-1] * width - edges[:-1], sizes)  # how far a row goes to its place
    flat[np.arange(rows.size) + moved] = rows
    return tiles
