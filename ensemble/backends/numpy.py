"""The NumPy backend: the specification, in plain arrays. Chunks of instances stay in the cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arithmetic.coordinates import as_coordinates
from ..arithmetic.primitive import computed_in
from ..arithmetic.random import Random, Stream
from ..arithmetic.vec import length
from ..classes import in_library
from ..events import as_labels
from ..part import Part, now_for, put_column
from .memory import available_memory
from .program import DIVERGED_BEYOND, ROLES, Engine, Meanwhile, Program, Ring, State, Steps

CHUNK_ELEMENTS = 32_768
"""Coordinates advanced together: a few such arrays fit the second-level cache."""
CHUNKS_HELD = 24
"""Arrays of a chunk's size that a step holds at once, with the wide words that its noise is made of."""
DROP_FINISHED = 0.1
"""Rows that have finished are dropped from a chunk once they are this share of it."""


def seen_by_kernel(parts: Sequence[Part], owner: NDArray[Any] | None, dtype: np.dtype[Any], dim: int) -> Part:
    """The part as a kernel sees it: numbers rounded to ``dtype``, constants as attributes.

    ``parts`` holds one part per configuration. ``owner`` None: they are all ``parts[0]``. Else ``owner`` (rows,) says which
    configuration a row belongs to, and what differs between configurations becomes a column (rows, 1) or (rows, dim).
    """
    first = parts[0]
    seen = object.__new__(type(first))
    own = not in_library(type(first))

    def column(values: Sequence[Any]) -> Any:
        arrays = [np.asarray(v, dtype=dtype) for v in values]
        if owner is None or all(np.array_equal(arrays[0], a) for a in arrays[1:]):
            found = arrays[0] if arrays[0].ndim or own else arrays[0][()]
        elif any(a.ndim for a in arrays):
            found = np.stack([np.broadcast_to(a, (dim,)) for a in arrays])[owner]
        else:
            found = np.array(arrays, dtype=dtype)[owner][:, None]
        return as_coordinates(found) if own else found

    for f in fields(first):
        kind, values = f.metadata.get("kind"), [getattr(p, f.name) for p in parts]
        if kind in ("number", "vector", "array"):
            object.__setattr__(seen, f.name, column(values))
        elif kind == "inner":
            object.__setattr__(seen, f.name, seen_by_kernel(values, owner, dtype, dim))
        else:
            object.__setattr__(seen, f.name, values[0])
    constants = [p.constants() for p in parts]
    for name in constants[0]:
        object.__setattr__(seen, name, column([c[name] for c in constants]))
    return seen


@dataclass(frozen=True)
class Gradient:
    """What an optimizer calls: the noisy gradient at a point; and the exact Hessian, for methods that use curvature."""

    landscape: Any
    noise: Any
    landscape_now: Any
    noise_now: Any

    def __call__(self, y: NDArray[Any]) -> NDArray[Any]:
        given = self.noise.gradient(y, self.landscape, self.noise_now)
        return self.noise.apply(y, given, self.landscape, self.noise_now)

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
        base, offset = Stream(stream & 0xFF), np.uint64(stream & ~0xFF)
        for a in range(0, ids.size, chunk):
            random = self._random(program, ids[a : a + chunk], offset)
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
        whole = program.instances >= chunk or program.arrays_differ
        if whole and len(program.configurations) > 1:
            edges = np.arange(1, len(program.configurations)) * program.instances
            groups = np.split(rows, np.searchsorted(rows, edges))
        with computed_in(program.dtype):
            for group in groups:
                for a in range(0, group.size, chunk):
                    self._advance_chunk(program, state, group[a : a + chunk], first, tables, ring)

    def _advance_chunk(
        self, program: Program, state: State, rows: NDArray[Any], first: int, tables: NDArray[Any], ring: Ring | None
    ) -> None:
        def views(rows: NDArray[Any]) -> tuple[dict[str, Any], NDArray[Any], Random]:
            configuration = rows // program.instances
            owner = None if configuration.size == 0 or configuration[0] == configuration[-1] else configuration
            chosen = program.configurations if owner is not None else (program.configurations[configuration[0]],)
            parts = {
                role: seen_by_kernel([c[role] for c in chosen], owner, program.dtype, program.dim) for role in ROLES
            }
            ids = program.first_instance + rows.astype(np.int64) % program.instances
            offset: Any = np.uint64(0)
            if not program.paired:
                offset = (configuration * program.stream_stride).astype(np.uint64).reshape(-1, 1)
            return parts, configuration, self._random(program, ids, offset)

        def now_of(role: str, configuration: NDArray[Any], t: int, random: Random) -> SimpleNamespace:
            now = now_for(program.part(role), SimpleNamespace(t=t, random=random))
            for k, (owner_role, path) in enumerate(program.column_names):
                if owner_role != role:
                    continue
                if tables.shape[0] == 1 or configuration[0] == configuration[-1]:
                    value = tables[0 if tables.shape[0] == 1 else configuration[0], t - first, k]
                else:
                    value = tables[configuration, t - first, k][:, None]
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
    ) -> dict[str, Any]:
        found: dict[str, list[NDArray[Any]]] = {name: [] for name in quantities}
        chunk, steps = max(1, self.chunk_elements // program.dim), np.atleast_1d(t)
        seen: list[Any] = [
            seen_by_kernel([parts["landscape"]], None, program.dtype, program.dim) for parts in program.configurations
        ]
        points = len(x) // (len(seen) * (1 if shared else steps.size))
        with np.errstate(all="ignore"), computed_in(program.dtype):
            for turn, (step, landscape) in enumerate(product(steps, seen)):
                k = turn % len(seen) if shared else turn
                for a in range(k * points, (k + 1) * points, chunk):
                    here = slice(a, min(a + chunk, (k + 1) * points))
                    seen_x = as_coordinates(x[here]) if program.has_own_parts else x[here]
                    along = None if direction is None else direction[here]
                    for name, value in look(landscape, seen_x, quantities, int(step), along, point):
                        found[name].append(np.asarray(value))
        return {name: np.concatenate(values) for name, values in found.items()}

    def describe(self, program: Program) -> dict[str, Any]:
        return {"device": "CPU", "numpy": np.__version__, "chunk_elements": self.chunk_elements}


def look(
    landscape: Any,
    x: NDArray[Any],
    quantities: Sequence[str],
    t: int,
    direction: NDArray[Any] | None = None,
    point: NDArray[Any] | None = None,
) -> list[tuple[str, NDArray[Any]]]:
    """The asked quantities at points ``x`` (instances, dim); ``x`` is one of them."""
    now, found = SimpleNamespace(t=t), []
    for name in quantities:
        if name == "value":
            found.append((name, landscape.value(x, now)[:, 0]))
        elif name == "product":
            found.append((name, landscape.hessian_product(x, direction, now)))
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
