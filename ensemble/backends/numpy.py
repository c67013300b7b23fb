"""The NumPy backend: the specification, in plain arrays. Chunks of instances stay in the cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arithmetic.coordinates import as_coordinates
from ..arithmetic.primitive import computed_in
from ..arithmetic.random import Random, Stream
from ..arithmetic.vec import dot, length
from ..classes import in_library
from ..events import as_labels
from ..many import Many
from ..part import Part, now_for, put_column
from .memory import available_memory
from .program import DIVERGED_BEYOND, ROLES, Engine, Meanwhile, Program, Ring, State, Steps

CHUNK_ELEMENTS = 32_768
"""Coordinates advanced together: a few such arrays fit the second-level cache."""
CHUNKS_HELD = 24
"""Arrays of a chunk's size that a step holds at once, with the wide words that its noise is made of."""
DROP_FINISHED = 0.1
"""Rows that have finished are dropped from a chunk once they are this share of it."""


def seen_by_kernel(parts: Sequence[Part] | Many, owner: NDArray[Any] | None, dtype: np.dtype[Any], dim: int) -> Part:
    """The part as a kernel sees it: numbers rounded to ``dtype``, constants as attributes.

    ``owner`` None: it is the first of ``parts``. Else ``owner`` (rows,) says which of them a row has, and what differs between
    them becomes a column (rows, 1) or (rows, dim).
    """
    many = parts if isinstance(parts, Many) else Many.of(parts if owner is not None else parts[:1])
    if owner is None:
        many, owner = many.taken(np.zeros(1, dtype=np.intp)), np.zeros(1, dtype=np.intp)
    return _seen(many, owner, dtype, dim)


def _seen(many: Many, owner: NDArray[Any], dtype: np.dtype[Any], dim: int) -> Part:
    part = many.part
    seen = object.__new__(type(part))
    own = not in_library(type(part))

    def column(values: Any) -> Any:
        if len(values) == 1 or many.count == 1:
            found: Any = np.asarray(values[0], dtype=dtype)
            found = found if found.ndim or own else found[()]
        elif values.dtype == object:
            made: dict[int, NDArray[Any]] = {}
            for v in values[owner]:
                made.setdefault(id(v), np.broadcast_to(np.asarray(v, dtype=dtype), (dim,)))
            found = np.stack([made[id(v)] for v in values[owner]])
        else:
            found = values.astype(dtype)[owner][:, None]
        return as_coordinates(found) if own else found

    for f in fields(part):
        kind = f.metadata.get("kind")
        if kind in ("number", "vector", "array"):
            object.__setattr__(seen, f.name, column(many.values(f.name)))
        elif kind == "inner":
            object.__setattr__(seen, f.name, _seen(many.inside(f.name), owner, dtype, dim))
        else:
            object.__setattr__(seen, f.name, getattr(part, f.name))
    for name, values in many.constants().items():
        object.__setattr__(seen, name, column(values))
    return seen


@dataclass(frozen=True)
class Gradient:
    """What an optimizer calls: the noisy gradient at a point; and the exact value and Hessian, for methods that use them."""

    landscape: Any
    noise: Any
    landscape_now: Any
    noise_now: Any

    def __call__(self, y: NDArray[Any]) -> NDArray[Any]:
        given = self.noise.gradient(y, self.landscape, self.noise_now)
        return self.noise.apply(y, given, self.landscape, self.noise_now)

    def value(self, y: NDArray[Any]) -> NDArray[Any]:
        return self.landscape.value(y, self.landscape_now)

    def hessian_product(self, y: NDArray[Any], v: NDArray[Any]) -> NDArray[Any]:
        return self.landscape.hessian_product(y, v, self.landscape_now)

    def project(self, y: NDArray[Any]) -> NDArray[Any]:
        return self.landscape.project(y, self.landscape_now)

    def hessian_diagonal(self, y: NDArray[Any]) -> NDArray[Any]:
        return self.landscape.hessian_diagonal(y, self.landscape_now)


class NumpyEngine(Engine):
    """Runs programs in array NumPy. Always the arithmetic of ``math="precise"``."""

    name = "numpy"
    batch_coordinates = 1 << 21

    def __init__(self, chunk_elements: int = CHUNK_ELEMENTS) -> None:
        self.chunk_elements = chunk_elements

    def prepare(self, program: Program, looks: bool = False) -> None:
        """Nothing to compile."""

    def other_bytes(self, program: Program, rows: int, looks: bool = True) -> int:
        chunk = max(1, self.chunk_elements // program.dim)
        return CHUNKS_HELD * min(rows, chunk) * program.dim * program.dtype.itemsize

    def memory_available(self) -> int:
        return available_memory()

    def _random(self, program: Program, ids: NDArray[Any], offset: Any) -> Random:
        drawn = as_coordinates if program.has_own_parts else np.asarray
        return Random(program.keys, ids.astype(np.uint64).reshape(-1, 1), offset, 0, program.dim, program.dtype, drawn)

    def normals(self, program: Program, step: int, stream: int, ids: NDArray[np.uint32]) -> Any:
        return self._draws(program, step, stream, ids, Random.normals)

    def uniforms(self, program: Program, step: int, stream: int, ids: NDArray[np.uint32]) -> Any:
        return self._draws(program, step, stream, ids, Random.uniforms)

    def _draws(
        self,
        program: Program,
        step: int,
        stream: int,
        ids: NDArray[Any],
        draw: Callable[[Random, Stream], NDArray[Any]],
    ) -> NDArray[Any]:
        out = np.empty((ids.size, program.dim), dtype=program.dtype)
        chunk = max(1, self.chunk_elements // program.dim)
        words = np.asarray(stream, dtype=np.uint64)  # of each instance where it is (ids, 1)
        base, offset = Stream(int(words.flat[0]) & 0xFF), words & ~np.uint64(0xFF)
        for a in range(0, ids.size, chunk):
            random = self._random(program, ids[a : a + chunk], offset[a : a + chunk] if offset.ndim else offset)
            random.step = step
            out[a : a + chunk] = draw(random, base)
        return out

    def advance(
        self,
        program: Program,
        state: State,
        active: Any,
        first: int,
        last: int,
        meanwhile: Meanwhile | None = None,
        ring: Ring | None = None,
    ) -> None:
        if not len(active):
            return
        tables = program.tables(first, last)
        chunk = max(1, self.chunk_elements // program.dim)
        rows = np.asarray(active)
        groups = [rows]
        if (program.alike >= chunk or program.arrays_differ) and program.owners > 1:
            edges = np.arange(1, program.owners) * program.alike
            groups = np.split(rows, np.searchsorted(rows, edges))
        with computed_in(program.dtype):
            for group in groups:
                for a in range(0, group.size, chunk):
                    self._advance_chunk(program, state, group[a : a + chunk], first, tables, ring)

    def _advance_chunk(
        self, program: Program, state: State, rows: NDArray[Any], first: int, tables: NDArray[Any], ring: Ring | None
    ) -> None:
        def views(rows: NDArray[Any]) -> tuple[dict[str, Any], NDArray[Any], Random]:
            owner = rows // program.alike
            chosen, place = np.unique(owner, return_inverse=True)
            parts = {
                role: seen_by_kernel(program.many(role).taken(chosen), place, program.dtype, program.dim)
                for role in ROLES
            }
            ids = program.first_instance + rows.astype(np.int64) % program.instances
            offset: Any = np.uint64(0)
            if not program.paired:
                offset = (rows // program.instances * program.stream_stride).astype(np.uint64).reshape(-1, 1)
            return parts, owner, self._random(program, ids, offset)

        steady = {place: values.astype(program.dtype) for place, values in program.steady.items()}

        def now_of(role: str, owner: NDArray[Any], t: int, random: Random) -> SimpleNamespace:
            now = now_for(program.part(role), SimpleNamespace(t=t, random=random))
            for k, (owner_role, path) in enumerate(program.column_names):
                if owner_role != role:
                    continue
                values = steady[k] if k in steady else tables[:, t - first, k]
                if values.size == 1 or owner[0] == owner[-1]:
                    value = values[0 if values.size == 1 else owner[0]]
                else:
                    value = values[owner][:, None]
                put_column(now, path, value)
            return now

        optimizer = program.part("optimizer")
        names, whole = state_names(optimizer)
        as_seen = as_coordinates if program.has_own_parts else np.asarray
        x = as_seen(state.x[rows])
        kept: dict[str, NDArray[Any]] = {n: as_seen(state.vectors[k, rows]) for k, n in enumerate(names)}
        kept |= {n: state.integers[k, rows][:, None] for k, n in enumerate(whole)}
        event_step, event = state.event_step[rows], state.event[rows]
        bad_step = np.full(rows.size, -1, dtype=np.int32)
        open_ = np.ones(rows.size, dtype=bool)
        parts, configuration, random = views(rows)
        memory = nested_state(optimizer, kept)

        def write_out(which: NDArray[Any]) -> None:
            at = rows[which]
            state.x[at] = x[which]
            current = flat_state(optimizer, memory)
            for k, n in enumerate(names):
                state.vectors[k, at] = current[n][which]
            for k, n in enumerate(whole):
                state.integers[k, at] = current[n][which, 0]
            state.event_step[at], state.event[at] = event_step[which], event[which]

        slots = {} if ring is None else {int(t): slot for slot, t in enumerate(ring.steps)}
        with np.errstate(all="ignore"):
            for t in range(first, first + tables.shape[1]):
                random.step = t
                nows = {role: now_of(role, configuration, t, random) for role in ROLES}
                nows["noise"].landscape = nows["landscape"]
                gradient = Gradient(parts["landscape"], parts["noise"], nows["landscape"], nows["noise"])
                x = parts["optimizer"].step(x, gradient, memory, nows["optimizer"])
                x = parts["landscape"].project(x, nows["landscape"])
                within = np.abs(x) <= DIVERGED_BEYOND
                if not within.all():  # one number for all is much sooner found than one for each row
                    bad_step[~within.all(axis=1) & (bad_step < 0)] = t
                if ring is not None and t in slots:
                    places = ring.places[rows]
                    shown = reported(optimizer, memory, x)
                    for name, values in look(parts["landscape"], shown, tuple(ring.found), t, point=ring.point):
                        ring.found[name][places[places >= 0], slots[t]] = values[places >= 0]
                    current = flat_state(optimizer, memory) if program.recorded_vectors else {}
                    for k, slot in enumerate(program.recorded_vectors):
                        ring.vectors[k][places[places >= 0], slots[t]] = current[names[slot]][places >= 0]
                if t % program.check_every == 0:
                    nows["event"].shown = reported(optimizer, memory, x)
                    label = as_labels(parts["event"].check(x, parts["landscape"], nows["event"]))
                    hit = (label != 0) & open_ & (bad_step < 0) & (event_step < 0)
                    if hit.any():
                        event_step[hit], event[hit] = t, label[hit]
                        if program.stop:
                            write_out(hit)
                            open_ &= ~hit
                            left = int(open_.sum())
                            if not left:
                                return
                            if left <= (1 - DROP_FINISHED) * open_.size:
                                kept = {n: a[open_] for n, a in flat_state(optimizer, memory).items()}
                                rows, x, bad_step = rows[open_], x[open_], bad_step[open_]
                                event_step, event = event_step[open_], event[open_]
                                open_ = np.ones(left, dtype=bool)
                                parts, configuration, random = views(rows)
                                memory = nested_state(optimizer, kept)
        diverged = open_ & (bad_step > 0)
        x = np.where(diverged[:, None], np.asarray(np.nan, dtype=x.dtype), x)
        write_out(open_)
        state.diverged_step[rows[diverged]] = bad_step[diverged]

    def observe(
        self,
        program: Program,
        x: Any,
        quantities: tuple[str, ...],
        t: Steps,
        direction: Any = None,
        point: NDArray[Any] | None = None,
        shared: bool = False,
        rows: NDArray[Any] | None = None,
    ) -> dict[str, Any]:
        found: dict[str, list[NDArray[Any]]] = {name: [] for name in quantities}
        chunk, steps = max(1, self.chunk_elements // program.dim), np.atleast_1d(t)
        points = len(x) if shared else len(x) // steps.size
        owners, many = program.owners_of(points, rows), program.many("landscape")
        apart = program.alike >= chunk or program.arrays_differ
        edges = np.flatnonzero(np.diff(owners)) + 1 if apart else np.empty(0, dtype=np.intp)
        with np.errstate(all="ignore"), computed_in(program.dtype):
            for k, step in enumerate(steps):
                for group in np.split(np.arange(points), edges):
                    for a in range(0, group.size, chunk):
                        of_step = group[a : a + chunk]
                        here = of_step if shared else of_step + k * points
                        chosen, place = np.unique(owners[of_step], return_inverse=True)
                        landscape: Any = seen_by_kernel(many.taken(chosen), place, program.dtype, program.dim)
                        seen_x = as_coordinates(x[here]) if program.has_own_parts else x[here]
                        along = None if direction is None else direction[here]
                        for name, value in look(landscape, seen_x, quantities, int(step), along, point):
                            found[name].append(np.broadcast_to(value, (here.size, *np.shape(value)[1:])))
        return {name: np.concatenate(values) for name, values in found.items()}

    def describe(self, program: Program) -> dict[str, Any]:
        return {"device": "CPU", "numpy": np.__version__, "chunk_elements": self.chunk_elements}


def look(
    landscape: Any,
    x: NDArray[Any],
    quantities: Sequence[str],
    t: int,
    direction: Any = None,
    point: NDArray[Any] | None = None,
) -> list[tuple[str, NDArray[Any]]]:
    """The asked quantities at points ``x`` (instances, dim); ``x`` is one of them."""
    now, found = SimpleNamespace(t=t), []
    for name in quantities:
        if name == "value":
            found.append((name, landscape.value(x, now)[:, 0]))
        elif name == "product":
            found.append((name, landscape.hessian_product(x, direction, now)))
        elif name == "slope":
            found.append((name, dot(landscape.gradient(x, now), direction)[:, 0]))
        elif name == "direction_length":
            found.append((name, length(direction)[:, 0]))
        elif name == "distance":
            found.append((name, length(x - np.asarray(point, dtype=x.dtype))[:, 0]))
        elif name == "x":
            found.append((name, x))
        else:
            g = landscape.gradient(x, now)
            found.append((name, g if name == "gradient" else length(g)[:, 0]))
    return found


def state_names(part: Part, prefix: str = "") -> tuple[list[str], list[str]]:
    """Paths of the vectors and of the whole numbers that a part and those it wraps keep, in the kernel's order."""
    vectors, integers = [prefix + n for n in part.vectors], [prefix + n for n in part.integers]
    for f in fields(part):
        if f.metadata.get("kind") == "inner":
            more = state_names(getattr(part, f.name), f"{prefix}{f.name}.")
            vectors, integers = vectors + more[0], integers + more[1]
    return vectors, integers


def nested_state(part: Part, kept: Mapping[str, NDArray[Any]], prefix: str = "") -> SimpleNamespace:
    """The state as ``step`` sees it: its own arrays by name, a wrapped part's under the wrapping field's name."""
    state = SimpleNamespace(**{n: kept[prefix + n] for n in (*part.vectors, *part.integers)})
    for f in fields(part):
        if f.metadata.get("kind") == "inner":
            setattr(state, f.name, nested_state(getattr(part, f.name), kept, f"{prefix}{f.name}."))
    return state


def flat_state(part: Part, state: SimpleNamespace, prefix: str = "") -> dict[str, NDArray[Any]]:
    """The inverse of :func:`nested_state`."""
    flat = {prefix + n: getattr(state, n) for n in (*part.vectors, *part.integers)}
    for f in fields(part):
        if f.metadata.get("kind") == "inner":
            flat |= flat_state(getattr(part, f.name), getattr(state, f.name), f"{prefix}{f.name}.")
    return flat


def reported(optimizer: Any, memory: SimpleNamespace, x: NDArray[Any]) -> NDArray[Any]:
    """What an optimizer reports in place of the iterate ``x``, from its state as ``step`` sees it."""
    path = optimizer.reported()
    if path is None:
        return x
    found: Any = memory
    for name in path.split("."):
        found = getattr(found, name)
    return found
