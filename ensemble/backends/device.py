"""What CUDA and its emulation in the tests share: the source of a program's kernels, and their launches."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ..events import Never
from ..part import nested
from .cpu import VECS_PER_PART, available_threads
from .groups import MOST_LANES, STREAMED_PER_PROCESSOR, THREADS, Group, group_of, power_of_two, streamed_group
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
from .layout import Layout, draw_dtype, launch_dtype, look_dtype, values_of
from .program import ROLES, Engine, Meanwhile, Program, Ring, State, Steps
from .teams import shares_normals, teams_of_ids
from .twins import vectors_held

SLICE_END = 16
"""Bytes at the end of a group's slice, where it says that the slice was too small (``kernels/base/streamed.cuh``)."""


def _never(program: Program) -> bool:
    """Whether no event is asked."""
    return type(program.part("event")) is Never


Method = TypeVar("Method", bound=Callable[..., Any])


def on_its_device(method: Method) -> Method:
    """A method runs on the engine's own device, and whatever raises within it, the device is done before that leaves: it may be at work
    in arrays that are freed then.
    """

    @wraps(method)
    def whole(self: DeviceEngine, *given: Any, **more: Any) -> Any:
        try:
            with self.here():
                return method(self, *given, **more)
        except BaseException:
            for _ in range(
                2
            ):  # an interrupt may strike the first; what the device itself says came first, or comes again
                with contextlib.suppress(BaseException):
                    self.wait()
            raise

    return cast(Method, whole)


class DeviceEngine(Engine):
    """Runs programs whose instances are held by groups of lanes.

    ``lanes``: threads for one instance, a power of two (None: as many as suit the program). ``processors``: how many
    multiprocessors there are to fill. ``streamed``: whether instances lie in memory and not in registers (None: where registers
    do not suffice). ``window``: blocks of a lane, for programs whose instances may be cut into windows (0: none are; None: where
    registers do not suffice). ``team``: paired configurations that a group of ``lanes`` advances together (None: one, or where lanes are
    not given as many as suit the program). Results depend on none of them.
    """

    def __init__(
        self,
        lanes: int | None,
        processors: int,
        streamed: bool | None = None,
        window: int | None = None,
        team: int | None = None,
    ) -> None:
        if lanes is not None and (lanes < 1 or lanes > MOST_LANES or lanes & (lanes - 1)):
            raise ValueError(f"lanes={lanes} was given; give a power of two from 1 to {MOST_LANES}, or None.")
        if window is not None and (window < 0 or window & (window - 1)):
            raise ValueError(f"window={window} was given; give a power of two of blocks, 0 for none, or None.")
        if window and streamed:
            raise ValueError(
                f"streamed=True and window={window} were given; give one of them: windows lie in registers."
            )
        self._lanes = lanes
        self._processors = processors
        self._streamed = streamed
        self._window = window
        self._team = team

    # ---- what a device adds

    @abstractmethod
    def address(self, array: Any) -> int:
        """Where an array of ``xp`` starts, for the kernel."""

    @abstractmethod
    def launch(self, source: str, entry: str, blocks: int, threads: int, launch: NDArray[Any]) -> None:
        """Starts a kernel with ``launch`` passed by value; over when ``wait`` returns."""

    @abstractmethod
    def wait(self) -> None:
        """Waits for what was launched."""

    # ---- programs

    def group(self, program: Program) -> Group:
        """The lanes and threads that a program runs with."""
        if (self, "group") not in program.kept:
            program.kept[self, "group"] = self._group(program)
        group: Group = program.kept[self, "group"]
        return group

    def _group(self, program: Program) -> Group:
        group = group_of(program, self._processors)
        window = group.window if self._window is None else self._window
        if self._streamed is not None or not program.pointwise:
            window = 0
        streamed = self._streamed if self._streamed is not None else not window and (group.streamed or group.window > 0)
        if self._lanes is not None:
            group = self._of_lanes(program, self._lanes)
            if self._team and not program.recorded and program.dim > 2 and shares_normals(program):
                group = replace(group, team=self._team)
        elif streamed and group.window:
            group = streamed_group(program)
        return replace(group, streamed=streamed, window=window, team=1 if streamed or window else group.team)

    def _of_lanes(self, program: Program, most: int) -> Group:
        lanes = min(most, power_of_two(-(-program.dim // 4)))
        return Group(lanes, max(lanes, self.threads_per_block()) if lanes <= 32 else lanes)

    def _whole(self, program: Program) -> Group:
        """The same for kernels that look at whole instances: where windows of them advance, they lie in memory."""
        group = self.group(program)
        if not group.window:
            return group
        whole = streamed_group(program)
        return replace(self._of_lanes(program, self._lanes or whole.lanes), streamed=True)

    def group_of_entry(self, program: Program, entry: str) -> Group:
        """The lanes and threads of one of a program's kernels."""
        return {"draw": Group(1, THREADS), "advance": self.group(program)}.get(entry) or self._whole(program)

    def entries(self, program: Program) -> tuple[str, ...]:
        """The kernels that advance a program: where its windows do, the event is asked by another."""
        return ("advance", "check") if self.group(program).window and not _never(program) else ("advance",)

    def threads_per_block(self) -> int:
        """Threads of a block whose groups fit a warp."""
        return THREADS

    def source(self, program: Program, entry: str) -> str:
        """The text of one of a program's kernels: ``advance``, ``check``, ``observe`` or ``draw``."""
        if (self, entry, "source") not in program.kept:
            program.kept[self, entry, "source"] = self._source(program, entry)
        source: str = program.kept[self, entry, "source"]
        return source

    def _source(self, program: Program, entry: str) -> str:
        group = self.group_of_entry(program, entry)
        launch_of = launch_dtype(program.dtype, program.recording)
        launch = {"advance": launch_of, "check": launch_of, "observe": look_dtype(), "draw": draw_dtype()}[entry]
        macros = {
            "DIM": 4 if entry == "draw" else program.dim,
            "LANES": group.lanes,
            "THREADS": group.threads,
            "DOUBLE": int(program.dtype == np.float64),
            "FAST": 0 if entry == "draw" else int(program.math == "fast"),
            "PARTS_BYTES": Layout(program, roles_of(entry)).itemsize,
            "LAUNCH_BYTES": launch.itemsize,
        }
        if entry == "check":
            macros["REPORTS"] = int(program.part("optimizer").reported() is not None)  # type: ignore[attr-defined]
        if entry == "advance" and program.no_epsilon:
            macros["NO_EPSILON"] = 1
        if program.recorded and entry in ("advance", "check"):
            macros["RECORDED"] = program.recording
        if program.steady and entry in ("advance", "check"):
            macros["STEADY"] = 1
        few = program.pointwise and not vectors_held(program.part("event"))
        macros["QUARTER"] = int(entry == "advance" and few)  # others may need more registers
        if group.streamed:
            macros["STREAMED"] = 1
        if group.window:
            macros["WINDOW"] = group.window
        if group.team > 1 and entry == "advance":
            macros["TEAM"] = group.team
        return program_source(types_of(program, entry), macros, entry, twins_of(program, entry))

    def team(self, program: Program) -> int:
        return self.group(program).team

    # ---- instances in memory

    def streams(self, program: Program) -> bool:
        group = self.group(program)
        return group.streamed or (group.window > 0 and not _never(program))

    def launches_to_ask(self, program: Program) -> int:
        return 2 if "check" in self.entries(program) else 0  # up to where it is asked, and the question

    def at_once(self, program: Program) -> int:
        """Instances that run at once where they stream: what fills the device, and no more, since each takes a slice."""
        return max(1, self._processors * STREAMED_PER_PROCESSOR // self._whole(program).lanes)

    def slice_bytes(self, program: Program) -> int:
        """Memory of a group whose instance streams: room for every vector that its parts may hold at once, as on the CPU."""
        lanes, item = self._whole(program).lanes, program.dtype.itemsize
        blocks, block = -(-program.dim // 4), -(-min(program.dim, 4) * item // 16) * 16
        vector, trees = -(-blocks // lanes) * lanes * block, 2 * power_of_two(blocks) * block
        parts = sum(sum(1 for _ in nested(program.part(role))) for role in ROLES)
        return (1 + program.slots[0] + VECS_PER_PART * parts) * vector + trees + SLICE_END

    def other_bytes(self, program: Program, rows: int, looks: bool = True) -> int:
        group = self._whole(program)
        if not group.streamed or not (looks or self.streams(program)):
            return 0
        return group.slices(min(rows, self.at_once(program))) * self.slice_bytes(program)

    def records_within(self, program: Program) -> bool:
        group = self.group(
            program
        )  # where an instance fills a whole block's registers, measuring it there would spill some
        return not group.window and group.lanes < 1024

    # ---- running

    def finish(self, *launched: Rows) -> None:
        """Waits for what was launched.

        RuntimeError: its parts held more vectors than there was memory for.
        """
        self.wait()
        if any(rows.overran() for rows in launched):
            raise RuntimeError(
                f"backend={self.name!r}: the parts of this program hold more vectors at once than the {VECS_PER_PART} for each "
                f"part that there is room for; raise ensemble.backends.cpu.VECS_PER_PART, or use backend='numpy'."
            )

    def _structs(self, program: Program, entry: str, owners: NDArray[Any] | None = None) -> int:
        """Puts the parts' structs on the device, one per owner or for each of ``owners``, once for a program; where they are."""
        before: tuple[Kept, NDArray[Any] | None, int] | None = program.kept.get((self, entry, "structs"))
        if before is not None and (owners is None or (before[1] is not None and np.array_equal(before[1], owners))):
            return before[2]
        roles, group, own = roles_of(entry), self.group(program), Kept(self)
        values = values_of(
            program, roles, own.place, max(group.lanes * max(group.window, 1), self._whole(program).lanes)
        )
        structs = Layout(program, roles).fill(values, np.arange(program.owners) if owners is None else owners)
        program.kept[self, entry, "structs"] = own, owners, own.place(structs)
        return self._structs(program, entry, owners)

    def _steady(self, program: Program) -> int:
        """Puts the numbers that are the same at every step on the device, once for a program; where they are."""
        if (self, "steady") not in program.kept:
            own = Kept(self)
            program.kept[self, "steady"] = own, own.place(program.steady_row(row_width(program)))
        made: tuple[Kept, int] = program.kept[self, "steady"]
        return made[1]

    @on_its_device
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
        count = len(active)
        if not count:
            return
        kept = Kept(self)
        active = self.xp.ascontiguousarray(self.to_device(active), dtype=np.int32)
        if self.team(program) > 1:
            teams = teams_of_ids(program, active, self.team(program), self.xp)
            active, count = teams.reshape(-1), teams.size
        tables = table_rows(program, first, last, available_threads())
        addresses = {
            "parameters": self._structs(program, "advance"),
            "tables": kept.place(tables),
            **({"steady": self._steady(program)} if program.steady else {}),
            **{name: self.address(array) for name, array in state.arrays().items()},
        }
        if ring is not None:
            addresses |= {
                "recorded_steps": kept.place(ring.ahead()),
                "point": kept.place(point_of(program, ring.point, self.group(program).lanes)),
                **{name: self.address(array) for name, array in ring.arrays().items()},
            }
        launch = advance_launch(program, addresses, tables, count, first, last, ring)
        rows = {entry: Rows(self, program, entry, active) for entry in self.entries(program)}
        begin, row = first, tables.shape[2] * tables.itemsize
        for end in self._ends(program, first, last):
            launch["first"], launch["last"], launch["tables"] = begin, end, addresses["tables"] + (begin - first) * row
            for entry, of_entry in rows.items():
                if entry == "advance" or end % program.check_every == 0:
                    of_entry.launch(launch)
            begin = end + 1
        if meanwhile is not None:
            meanwhile()
        self.finish(*rows.values())
        if self.group(program).window:
            state.x[active[state.diverged_step[active] >= 0]] = np.nan

    def _ends(self, program: Program, first: int, last: int) -> list[int]:
        """The last steps of launches: of windows those at which the event is asked, and the last of all."""
        if "check" not in self.entries(program):
            return [last]
        every = program.check_every
        return sorted({*range(-(-first // every) * every, last + 1, every), last})

    @on_its_device
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
        steps, kept = np.atleast_1d(np.asarray(t, dtype=np.int32)), Kept(self)
        points = len(x) if shared else len(x) // steps.size
        found = {n: self.xp.empty(looked_at(n, points * steps.size, program.dim), program.dtype) for n in quantities}
        arrays = {"x": self.xp.ascontiguousarray(x), **found}
        if direction is not None:
            arrays["direction"] = self.xp.ascontiguousarray(self.to_device(direction))
        addresses = {"steps": kept.place(steps), **{name: kept.keep(array) for name, array in arrays.items()}}
        by_point = program.alike < program.instances
        addresses["parameters"] = self._structs(
            program, "observe", program.owners_of(points, rows) if by_point else None
        )
        addresses["point"] = kept.place(point_of(program, point, self._whole(program).lanes))
        alike = 1 if by_point else points // len(program.configurations)
        launch = look_launch(addresses, points, points, alike, program.dim, shared)
        looking = Rows(self, program, "observe", self.xp.arange(points, dtype=np.int32))
        if looking.scratch is None:
            looking.launch(launch, steps.size)
        else:  # there is memory for the instances of one slot at most
            of_slot = {"steps": steps.itemsize, **{n: a.nbytes // steps.size for n, a in arrays.items()}}
            if shared:
                of_slot["x"] = 0
            for slot in range(steps.size):
                for name, size in of_slot.items():
                    launch[name] = addresses[name] + slot * size
                looking.launch(launch)
        self.finish(looking)
        return found

    @on_its_device
    def _draw(self, program: Program, step: int, stream: int, ids: NDArray[np.uint32], what: int) -> Any:
        kept = Kept(self)
        out = self.xp.empty((len(ids), program.dim), dtype=program.dtype)
        addresses = {"out": self.address(out), "instance": kept.place(np.ascontiguousarray(ids, dtype=np.uint32))}
        launch = draw_launch(program, addresses, len(ids), step, stream, what)
        blocks = -(-len(ids) * -(-program.dim // 4) // THREADS)
        if blocks:
            self.launch(self.source(program, "draw"), "draw", blocks, THREADS, launch)
        self.finish()
        return out

    def normals(self, program: Program, step: int, stream: int, ids: NDArray[np.uint32]) -> Any:
        return self._draw(program, step, stream, ids, 0)

    def uniforms(self, program: Program, step: int, stream: int, ids: NDArray[np.uint32]) -> Any:
        return self._draw(program, step, stream, ids, 1)


class Rows:
    """A kernel of a program, over the rows listed in ``active``, launched once or again and again.

    Where instances stream, in rounds of as many rows as have a slice of memory.
    """

    def __init__(self, engine: DeviceEngine, program: Program, entry: str, active: Any) -> None:
        group = engine.group_of_entry(program, entry)
        self.engine, self.entry, self.threads = engine, entry, group.threads
        self.source = engine.source(program, entry)
        team = group.team if entry == "advance" else 1
        most = engine.at_once(program) if group.streamed else len(active)
        self.rounds = [active[first : first + most] for first in range(0, len(active), most)]
        self.blocks = [group.blocks(len(rows) * group.windows(program.dim) // team) for rows in self.rounds]
        self.slice_bytes = engine.slice_bytes(program) if group.streamed else 0
        self.scratch: Any = None
        if group.streamed:
            slices = group.slices(len(self.rounds[0]))
            self.scratch = engine.xp.empty((slices, self.slice_bytes), dtype=np.uint8)
            self.scratch[:, -SLICE_END:] = 0

    def launch(self, launch: NDArray[Any], slots: int = 1) -> None:
        """Starts the kernel for all rows, with this struct; ``slots``: so many times side by side."""
        if self.scratch is not None:
            launch["scratch"], launch["scratch_bytes"] = self.engine.address(self.scratch), self.slice_bytes
        for rows, blocks in zip(self.rounds, self.blocks, strict=True):
            launch["active"], launch["count"] = self.engine.address(rows), len(rows)
            self.engine.launch(self.source, self.entry, blocks * slots, self.threads, launch)

    def overran(self) -> bool:
        """Whether an instance took more memory than its slice."""
        return self.scratch is not None and bool(self.scratch[:, -SLICE_END:].any())


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
