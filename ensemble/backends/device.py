"""What CUDA and its emulation in the tests share: how an instance is spread over lanes, the source, the launches."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import sources
from .launch import advance_launch, draw_launch, look_launch, roles_of, table_rows, types_of
from .layout import Layout, draw_dtype, launch_dtype, look_dtype, values_of
from .program import Engine, Program, State

COORDINATES_PER_LANE = 16
"""Four blocks: enough independent work to hide latencies, few enough for their state to stay in registers. Landscapes may want
fewer (``Landscape.coordinates_per_lane``)."""
KEPT_PER_LANE = 64
"""Registers of a lane that x and the optimizer's vectors may fill; as many again serve one step."""
MOST_LANES = 1024
"""Threads that a block may have, and so an instance; in float64 half of that: 64 registers are too few to compute in."""
KEPT_AT_MOST_LANES = 28
"""The same as ``KEPT_PER_LANE`` where 1024 lanes share the registers: 64 each. Counted, not guessed:
``tests/test_counts.py`` holds every optimizer at its largest dimension to no spill."""
THREADS = 128
"""Threads in a block whose groups fit a warp."""
THREADS_PER_PROCESSOR = 256
"""Where fewer would run, instances are spread over more lanes: two warps for each of a processor's four schedulers."""


@dataclass(frozen=True)
class Group:
    """The threads that hold one instance (``lanes``), and those of a block."""

    lanes: int
    threads: int

    def blocks(self, instances: int) -> int:
        """Thread blocks for so many instances."""
        return -(-instances * self.lanes // self.threads)


def group_of(program: Program, processors: int) -> Group:
    """How many lanes an instance takes on a device of so many multiprocessors. Results do not depend on it.

    Enough that no registers spill, which tests hold it to; where there are no more lanes to take, since dim is small, landscapes
    that need much at once may (``Landscape.coordinates_per_lane``).

    Raises:
        ValueError: the state of one instance does not fit the registers of a block.
    """
    blocks = -(-program.dim // 4)
    most = MOST_LANES // (program.dtype.itemsize // 4)
    kept = program.registers_held
    per_lane, wanted = COORDINATES_PER_LANE, program.landscape.coordinates_per_lane
    if wanted < per_lane:
        per_lane = max(4, wanted // (program.dtype.itemsize // 4))
    while per_lane > 4 and per_lane * kept > KEPT_PER_LANE:
        per_lane //= 2
    lanes = min(_power_of_two(-(-program.dim // per_lane)), most, _power_of_two(blocks + 1) // 2)
    if program.dim > most_coordinates(program):
        raise ValueError(
            f"backend='cuda' keeps an instance in the registers of one thread block: dim={program.dim} with "
            f"{type(program.part('optimizer')).__name__} in {program.dtype} is more than the "
            f"{most_coordinates(program)} coordinates that fit. Take a smaller dim, float32, or "
            f"backend='cpu'."
        )
    while 2 * lanes <= min(blocks, most) and program.rows * lanes < processors * THREADS_PER_PROCESSOR:
        lanes *= 2
    return Group(lanes, max(lanes, THREADS) if lanes <= 32 else lanes)


def most_coordinates(program: Program) -> int:
    """The largest dimension whose state stays in the registers of one block."""
    per_lane = COORDINATES_PER_LANE
    while per_lane > 2 and per_lane * program.registers_held > KEPT_AT_MOST_LANES:
        per_lane //= 2
    return per_lane * MOST_LANES


def _power_of_two(n: int) -> int:
    """The smallest power of two that is at least n."""
    return 1 << (n - 1).bit_length()


class DeviceEngine(Engine):
    """Runs programs whose instances are held by groups of lanes.

    ``lanes``: threads for one instance, a power of two (None: as many as suit the program). ``processors``: how many
    multiprocessors there are to fill.
    """

    def __init__(self, lanes: int | None, processors: int) -> None:
        if lanes is not None and (lanes < 1 or lanes > MOST_LANES or lanes & (lanes - 1)):
            raise ValueError(f"lanes={lanes} was given; give a power of two from 1 to {MOST_LANES}, or None.")
        self._lanes = lanes
        self._processors = processors

    # ---- what a device adds

    @abstractmethod
    def address(self, array: Any) -> int:
        """Where an array of ``xp`` starts, for the kernel."""

    @abstractmethod
    def launch(self, source: str, entry: str, blocks: int, threads: int, launch: NDArray[Any]) -> None:
        """Runs a kernel with ``launch`` passed by value; over when this returns."""

    # ---- programs

    def group(self, program: Program) -> Group:
        """The lanes and threads that a program runs with."""
        if self._lanes is None:
            return group_of(program, self._processors)
        lanes = min(self._lanes, _power_of_two(-(-program.dim // 4) + 1) // 2)
        return Group(lanes, max(lanes, self.threads_per_block()) if lanes <= 32 else lanes)

    def threads_per_block(self) -> int:
        """Threads of a block whose groups fit a warp."""
        return THREADS

    def source(self, program: Program, entry: str) -> str:
        """The text of one of a program's kernels: ``advance``, ``observe`` or ``draw``."""
        group = Group(1, THREADS) if entry == "draw" else self.group(program)
        launch = {"advance": launch_dtype(program.dtype), "observe": look_dtype(), "draw": draw_dtype()}[entry]
        macros = {
            "DIM": 4 if entry == "draw" else program.dim,
            "LANES": group.lanes,
            "THREADS": group.threads,
            "DOUBLE": int(program.dtype == np.float64),
            "FAST": 0 if entry == "draw" else int(program.math == "fast"),
            "PARTS_BYTES": Layout(program, roles_of(entry)).itemsize,
            "LAUNCH_BYTES": launch.itemsize,
        }
        return sources.program_source(types_of(program, entry), macros, entry)

    # ---- running

    def _structs(self, program: Program, entry: str, kept: Kept) -> int:
        """Puts the parts' structs, one per configuration, on the device."""
        roles = roles_of(entry)
        values = values_of(program, roles, kept.place)
        return kept.place(Layout(program, roles).fill(values, np.arange(len(program.configurations))))

    def advance(self, program: Program, state: State, active: Any, first: int, last: int) -> None:
        count = len(active)
        if not count:
            return
        kept, group = Kept(self), self.group(program)
        tables = table_rows(program, first, last)
        addresses = {
            "parameters": self._structs(program, "advance", kept),
            "tables": kept.place(tables),
            "active": kept.keep(self.xp.ascontiguousarray(self.to_device(active), dtype=np.int32)),
            **{name: self.address(array) for name, array in state.arrays().items()},
        }
        launch = advance_launch(program, addresses, tables, count, first, last)
        self.launch(self.source(program, "advance"), "advance", group.blocks(count), group.threads, launch)

    def observe(
        self, program: Program, x: Any, quantities: tuple[str, ...], t: int, direction: Any = None
    ) -> dict[str, Any]:
        rows, group, kept = program.rows, self.group(program), Kept(self)
        shapes = {"value": (rows,), "gradient_norm": (rows,), "gradient": x.shape, "product": x.shape}
        found = {name: self.xp.empty(shapes[name], dtype=program.dtype) for name in quantities}
        addresses = {
            "parameters": self._structs(program, "observe", kept),
            "active": kept.keep(self.xp.arange(rows, dtype=np.int32)),
            "x": kept.keep(self.xp.ascontiguousarray(x)),
            **{name: self.address(array) for name, array in found.items()},
        }
        if direction is not None:
            addresses["direction"] = kept.keep(self.xp.ascontiguousarray(self.to_device(direction)))
        launch = look_launch(program, addresses, rows, t)
        self.launch(self.source(program, "observe"), "observe", group.blocks(rows), group.threads, launch)
        return found

    def _draw(self, program: Program, step: int, stream: int, ids: NDArray[np.uint32], what: int) -> Any:
        kept = Kept(self)
        out = self.xp.empty((len(ids), program.dim), dtype=program.dtype)
        addresses = {"out": self.address(out), "instance": kept.place(np.ascontiguousarray(ids, dtype=np.uint32))}
        launch = draw_launch(program, addresses, len(ids), step, stream, what)
        blocks = -(-len(ids) * -(-program.dim // 4) // THREADS)
        if blocks:
            self.launch(self.source(program, "draw"), "draw", blocks, THREADS, launch)
        return out

    def normals(self, program: Program, step: int, stream: int, ids: NDArray[np.uint32]) -> Any:
        return self._draw(program, step, stream, ids, 0)

    def uniforms(self, program: Program, step: int, stream: int, ids: NDArray[np.uint32]) -> Any:
        return self._draw(program, step, stream, ids, 1)


class Kept:
    """Arrays on the device that must outlive a launch."""

    def __init__(self, engine: DeviceEngine) -> None:
        self.engine = engine
        self.arrays: list[Any] = []

    def keep(self, array: Any) -> int:
        """Keeps an array of the device; its address."""
        self.arrays.append(array)
        return self.engine.address(array)

    def place(self, array: NDArray[Any]) -> int:
        """Copies an array to the device and keeps it; its address."""
        return self.keep(self.engine.to_device(np.ascontiguousarray(array)))
