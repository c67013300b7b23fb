"""The CPU backend: the kernel sources compiled for this machine, tiles of instances handed to threads."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..landscapes.finite_sum import FiniteSum
from ..noises import Noise, places
from ..part import nested
from . import compiler
from .complaints import explained
from .crew import share
from .launch import (
    advance_launch,
    draw_launch,
    look_launch,
    looked_at,
    point_of,
    program_source,
    roles_of,
    row_width,
    table_rows,
    twins_of,
    types_of,
)
from .layout import Layout, tiles_of, values_of
from .memory import available_memory
from .program import ROLES, Engine, Meanwhile, Program, Ring, State, Steps
from .teams import team_size, teams_of

STATIC_DIM = 8
"""Up to here the dimension is compiled in, above it is a run-time bound: one library for all larger dimensions."""
MOST_CHUNKS = 4
"""Of a finite sum's row that a kernel is made for: of longer ones, one library for all dimensions."""
VECS_PER_PART = 8
"""Vecs that a part may hold at once beyond x and its state (7 is the most that was found). An arena has room for so many of
each part, wrapped ones too, as if all held theirs together; memory that is never touched costs nothing."""

SUMS_AT_ONCE = 4
"""Trees of sums that are taken together (kernels/landscapes/finite_sum.cuh)."""
PIECE_BLOCKS = 16
"""Blocks of a draw that are drawn at once (``kernels/drawn.cuh``)."""
TOGETHER_BYTES = 1 << 14
"""Of what is drawn while a member of a team advances, about: half of the nearest cache."""
MOST_TOGETHER_BYTES = 1 << 20
"""The same, at most, where four steps take more than that: of the next cache."""

Call = Callable[[int, int, int, int], int]
"""The kernel for items ``a`` to before ``b`` with an arena's address and size: other than 0 where the arena is too small."""

DRAWS_AT_ONCE = 1 << 15
"""Random numbers drawn by one call, about: enough that the call itself costs nothing."""


class CpuEngine(Engine):
    """Runs programs with compiled kernels.

    ``threads``: how many (None: as many as the process may use). ``width``: instances in a tile, a power of two (None: a
    vector's worth, two in one or two dimensions). Results do not depend on either.
    """

    name = "cpu"
    batch_coordinates = 1 << 22
    options: tuple[str, ...] = ()
    """More options of the compiler."""

    def __init__(self, threads: int | None = None, width: int | None = None) -> None:
        compiler.check()
        self.threads = threads or available_threads()
        self._width = width

    # ---- choices

    def width(self, program: Program) -> int:
        if self._width:
            return self._width
        vector_bytes = 64 if compiler.has_wide_vectors() else 32
        vectors = 2 if program.dim <= 2 else 1  # a chain of few coordinates leaves room for another beside it: measured
        return vectors * vector_bytes // program.dtype.itemsize

    def mixed(self, program: Program) -> bool:
        """Whether tiles may mix rows of different parts: only where those that have the same cannot fill one, and all of them have the
        same arrays.
        """
        return program.alike < self.width(program) and program.owners > 1 and not program.arrays_differ

    def team(self, program: Program) -> int:
        return team_size(program, program.rows, self.width(program), self.threads)

    def _teams(self, program: Program, active: NDArray[Any]) -> NDArray[np.int32]:
        """Those of the rows; of all rows, made once."""
        made: NDArray[np.int32] | None = program.kept.pop((self, "teams"), None)
        if made is None or len(active) < program.rows:
            made = teams_of(program, active, self.width(program), self.threads, self.mixed(program))
        if len(active) == program.rows:
            program.kept[self, "teams"] = made
        return made

    def owner_bytes(self, program: Program) -> float:
        item, (_, packed) = program.dtype.itemsize, program.differing
        if not self.mixed(program):
            return super().owner_bytes(program) + packed * item + Layout(program, ROLES).itemsize
        tiled = Layout(program, ROLES, self.width(program), self._alignment(program))
        steady = row_width(program) * item if program.steady_places else 0
        return super().owner_bytes(program) + packed * item + tiled.itemsize / self.width(program) + steady

    def table_numbers(self, program: Program) -> int:
        return (
            len(program.apart) * program.owners
            if self.mixed(program) and program.apart
            else super().table_numbers(program)
        )

    def _alignment(self, program: Program) -> int:
        vector_bytes = 64 if compiler.has_wide_vectors() else 32
        return min(self.width(program) * program.dtype.itemsize, vector_bytes)

    def _macros(self, program: Program, mixed: bool) -> dict[str, int]:
        return {
            "DIM": program.dim if program.dim <= STATIC_DIM else 0,
            "WIDTH": self.width(program),
            "DOUBLE": int(program.dtype == np.float64),
            "FAST": int(program.math == "fast"),
            "MIXED": int(mixed),
            "CHUNKS": self._chunks(program),
        }

    def _chunks(self, program: Program) -> int:
        """Vectors' worths of numbers in a row of a finite sum, where few enough for kernels/landscapes/own_rows.cuh; else 0."""
        vector = self._alignment(program) // program.dtype.itemsize
        chunks = -(-program.dim // vector)
        return chunks if isinstance(program.part("landscape"), FiniteSum) and chunks <= MOST_CHUNKS else 0

    # ---- programs

    def source(self, program: Program, entry: str) -> str:
        """The text of one of a program's kernels: ``advance``, ``observe`` or ``draw``."""
        macros = self._macros(program, self.mixed(program))
        if entry == "advance" and program.recorded:
            macros["RECORDED"] = program.recording
        if entry == "draw":
            macros |= {"DIM": 0, "FAST": 0, "MIXED": 0}
        if entry == "advance" and program.no_epsilon:
            macros["NO_EPSILON"] = 1
        return program_source(types_of(program, entry), macros, entry, twins_of(program, entry))

    def _library(self, program: Program, entry: str) -> ctypes.CDLL:
        if (self, entry, "library") not in program.kept:
            program.kept[self, entry, "library"] = self._made(program, entry)
        library: ctypes.CDLL = program.kept[self, entry, "library"]
        return library

    def _made(self, program: Program, entry: str) -> ctypes.CDLL:
        try:
            library = compiler.library(self.source(program, entry), *self.options)
        except RuntimeError as error:
            raise explained(error) from error
        for name in ("size_of_parts", "size_of_launch"):
            if hasattr(library, name):
                getattr(library, name).restype = ctypes.c_longlong
        return library

    def prepare(self, program: Program, looks: bool = False) -> None:
        entries = ("advance", "observe", "draw") if looks else ("advance", "draw")
        share(entries, [partial(self._library, program)] * min(len(entries), self.threads))

    def _check(self, library: ctypes.CDLL, launch: NDArray[Any], layout: Layout | None) -> None:
        if library.size_of_launch() != launch.itemsize:
            raise RuntimeError(f"struct size {library.size_of_launch()} in the kernel, {launch.itemsize} in Python.")
        if layout is not None and library.size_of_parts() != layout.itemsize:
            raise RuntimeError(f"struct size {library.size_of_parts()} in the kernel, {layout.itemsize} in Python.")

    # ---- memory

    def _arena_bytes(self, program: Program, members: int = 1) -> int:
        """What a thread works in: the vectors of its team's members and of their parts, and what they draw."""
        kept = self._kept_bytes(program, members)
        if program.dim <= STATIC_DIM:
            return 64 + kept
        blocks = -(-program.dim // 4)
        vec = blocks * 4 * self.width(program) * program.dtype.itemsize
        tree = (1 << (blocks - 1).bit_length()) * self.width(program) * program.dtype.itemsize
        parts = sum(sum(1 for _ in nested(program.part(role))) for role in ROLES)
        own = members * (1 + program.slots[0]) + VECS_PER_PART * parts
        return own * vec + SUMS_AT_ONCE * tree + kept

    def _together(self, program: Program, members: int) -> int:
        """Steps that a member takes before the next, a power of two: what they draw should stay in cache beside the member's state.

        Of one that is alone: steps whose noise is drawn at once.
        """
        blocks = -(-program.dim // 4)
        if members == 1:
            return power_of_two_below(2 * PIECE_BLOCKS // blocks) if blocks < PIECE_BLOCKS else 1
        of_step = blocks * 4 * self.width(program) * program.dtype.itemsize
        return max(4 if 4 * of_step <= MOST_TOGETHER_BYTES else 1, power_of_two_below(TOGETHER_BYTES // of_step))

    def _kept_bytes(self, program: Program, members: int) -> int:
        """Room for what is drawn: ``Drawn`` of ``kernels/drawn.cuh``."""
        blocks, alone, noise = -(-program.dim // 4), members == 1, program.part("noise")
        assert isinstance(noise, Noise)
        steps = self._together(program, members)
        kept = steps * (min(blocks, PIECE_BLOCKS) if alone else blocks)
        marks = steps * (1 if alone else -(-blocks // PIECE_BLOCKS))
        each = kept * 4 * self.width(program) * program.dtype.itemsize + (marks * 8 + 63) // 64 * 64
        return (2 * places(noise) + 6) * each

    def working_bytes(self, program: Program) -> int:
        return super().working_bytes(program) + (8 if self.team(program) > 1 else 4)  # the tiles, and what makes them

    def looking_bytes(self, program: Program) -> int:
        return super().looking_bytes(program) + 4

    def other_bytes(self, program: Program, rows: int, looks: bool = True) -> int:
        members = team_size(program, rows, self.width(program), self.threads)
        teams = -(-rows // (self.width(program) * members))
        return min(self.threads, teams) * self._arena_bytes(program, members)

    def memory_available(self) -> int:
        return available_memory()

    def _run(self, count: int, arena_bytes: int, call: Call, alive: Any) -> None:
        """Shares ``count`` items among threads: chunks are taken one after another until none is left.

        ``alive``: what the items read and write; every thread holds it while it is at work.
        """
        chunk = max(1, -(-count // (self.threads * 16)))

        def doer() -> Callable[[int], None]:
            arena = aligned(arena_bytes)

            def work(start: int, held: Any = alive) -> None:
                if call(start, min(start + chunk, count), arena.ctypes.data, arena.size):
                    raise RuntimeError(
                        f"backend='cpu': the parts of this program hold more vectors at once than the {VECS_PER_PART} for each "
                        f"part that there is room for; raise ensemble.backends.cpu.VECS_PER_PART, or use backend='numpy'."
                    )

            return work

        share(range(0, count, chunk), [doer() for _ in range(min(self.threads, -(-count // chunk)))])

    # ---- running

    def _layout(self, program: Program, entry: str) -> tuple[Layout, dict[str, NDArray[Any]], list[NDArray[Any]]]:
        """The layout of the parts' structs, what every owner has in them, and the arrays that they point to: made once."""
        if (self, entry) not in program.kept:
            arrays: list[NDArray[Any]] = []

            def address(array: NDArray[Any]) -> int:
                # A vector that crosses two lines of the cache takes both.
                place = aligned(array.nbytes).view(array.dtype)
                place[:] = array.ravel()
                arrays.append(place)
                return int(place.ctypes.data)

            roles = roles_of(entry)
            tiled = (self.width(program), self._alignment(program)) if self.mixed(program) else ()
            program.kept[self, entry] = Layout(program, roles, *tiled), values_of(program, roles, address), arrays
        made: tuple[Layout, dict[str, NDArray[Any]], list[NDArray[Any]]] = program.kept[self, entry]
        return made

    def _structs(
        self, program: Program, entry: str, tiles: NDArray[np.int32], owners: NDArray[Any] | None
    ) -> tuple[NDArray[np.uint8], list[NDArray[Any]], Layout]:
        """The parts' structs, the arrays that they point to, and their layout.

        Made once, and again where tiles that mix owners have changed. ``owners``: of each row; None: of those of the program.
        """
        layout, values, arrays = self._layout(program, entry)
        owner = np.arange(program.owners) if owners is None else owners
        if self.mixed(program):
            rows = _rows_of(tiles)
            owner = rows // program.alike if owners is None else owners[rows]
        before: tuple[NDArray[Any], NDArray[np.uint8]] | None = program.kept.get((self, entry, "structs"))
        if before is not None and np.array_equal(before[0], owner):
            return before[1], arrays, layout
        before = program.kept[self, entry, "structs"] = None  # both need not be there at once
        structs = aligned(len(owner) * layout.itemsize)
        layout.fill(values, owner, structs)
        program.kept[self, entry, "structs"] = owner, structs
        return structs, arrays, layout

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
        library = self._library(program, "advance")
        teams = self._teams(program, active)
        tiles, members = teams.reshape(-1, teams.shape[2]), teams.shape[1]
        structs, kept, layout = self._structs(program, "advance", tiles, None)
        arrays = {"parameters": structs, "active": tiles, **state.arrays()}
        if self.mixed(program) and program.apart:
            owners = _rows_of(tiles) // program.alike
            arrays["apart"] = program.tables_by_tile(owners, first, last, self.threads)
            tables = table_rows(program.first_owner, first, last, 1)
        else:
            tables = table_rows(program, first, last, self.threads)
        arrays["tables"] = tables
        if program.steady:
            if "steady" not in program.kept:
                program.kept["steady"] = program.steady_row(row_width(program))
            arrays["steady"] = program.kept["steady"]
        if ring is not None:
            arrays |= {"recorded_steps": ring.ahead(), "point": point_of(program, ring.point), **ring.arrays()}
        launch = advance_launch(program, _addresses(arrays), tables, tiles.size, first, last, ring)
        launch["team"], launch["together"] = members, self._together(program, members)
        self._check(library, launch, layout)
        self._run(len(teams), self._arena_bytes(program, members), _tile_call(library.advance, launch), (arrays, kept))

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
        steps = np.atleast_1d(np.asarray(t, dtype=np.int32))
        points = len(x) if shared else len(x) // steps.size
        by_point = program.alike < program.instances and not self.mixed(program)
        alike = 1 if by_point else points // len(program.configurations)
        library = self._library(program, "observe")
        tiles = tiles_of(np.arange(points, dtype=np.int32), alike, self.width(program), self.mixed(program))
        structs, kept, layout = self._structs(
            program, "observe", tiles, program.owners_of(points, rows) if by_point or self.mixed(program) else None
        )
        found = {n: np.empty(looked_at(n, points * steps.size, program.dim), program.dtype) for n in quantities}
        arrays: dict[str, NDArray[Any]] = {"parameters": structs, "active": tiles, "steps": steps, **found}
        arrays |= {"x": np.ascontiguousarray(x), "point": point_of(program, point)}
        if direction is not None:
            arrays["direction"] = np.ascontiguousarray(direction)
        launch = look_launch(_addresses(arrays), tiles.size, points, alike, program.dim, shared)
        self._check(library, launch, layout)
        count = len(tiles) * steps.size
        self._run(count, self._arena_bytes(program), _tile_call(library.observe, launch), (arrays, kept))
        return found

    def _draw(self, program: Program, step: int, stream: int, ids: NDArray[np.uint32], what: int) -> NDArray[Any]:
        library = self._library(program, "draw")
        ids = np.ascontiguousarray(ids, dtype=np.uint32)
        out = np.empty((ids.size, program.dim), dtype=program.dtype)
        launch = draw_launch(program, _addresses({"out": out, "instance": ids}), ids.size, step, stream, what)
        self._check(library, launch, None)
        function = library.draw
        function.argtypes = [ctypes.c_void_p, ctypes.c_longlong, ctypes.c_longlong]
        per = -(-DRAWS_AT_ONCE // program.dim // 64) * 64

        def call(a: int, b: int, arena: int, size: int) -> int:
            return int(function(launch.ctypes.data, a * per, min(b * per, ids.size)) or 0)

        self._run(-(-ids.size // per), 0, call, (out, ids))
        return out

    def normals(self, program: Program, step: int, stream: int, ids: NDArray[np.uint32]) -> Any:
        return self._draw(program, step, stream, ids, 0)

    def uniforms(self, program: Program, step: int, stream: int, ids: NDArray[np.uint32]) -> Any:
        return self._draw(program, step, stream, ids, 1)

    def describe(self, program: Program) -> dict[str, Any]:
        return {
            "device": compiler.processor().split(" fpu ")[0].strip() or "CPU",
            "compiler": compiler.compiler_version(),
            "threads": self.threads,
            "tile_width": self.width(program),
            "team": self.team(program),
            "mixed_tiles": self.mixed(program),
        }


def _tile_call(function: Any, launch: NDArray[Any]) -> Call:
    function.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_longlong]
    return lambda a, b, arena, size: function(launch.ctypes.data, a, b, arena, size)


def _rows_of(tiles: NDArray[np.int32]) -> NDArray[np.int32]:
    """The rows of tiles, with one of the tile's where a lane has none; of a tile without any, the first of all."""
    rows: NDArray[np.int32] = np.where(tiles >= 0, tiles, tiles.max(axis=1, keepdims=True)).clip(0)
    return rows


def _addresses(arrays: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    return {name: int(array.ctypes.data) for name, array in arrays.items()}


def aligned(size: int) -> NDArray[np.uint8]:
    """Zeroed bytes that start on a cache line."""
    raw = np.zeros(size + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


def power_of_two_below(n: int) -> int:
    """The largest power of two that is at most n, or 1."""
    return 1 << max(n, 1).bit_length() - 1


def available_threads() -> int:
    """Processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
