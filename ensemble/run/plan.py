"""What a run will take, and how it is cut into batches that fit the memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from html import escape

from ..backends.memory import least_memory
from ..backends.program import TABLE_PIECE, Engine, Program
from ..records import Record
from .experiment import Experiment
from .pace import steps_at_most
from .recording import PIECE, Room, layers_of

MEMORY_SHARE = 0.7
"""Share of the free memory that an ensemble may take."""
OUTCOME = 12
"""Bytes of a row's event step, label and diverged step."""
DATASET = 17
"""Bytes of a row's wider event step, diverged step and status in the dataset."""
INSTANCE = 8
"""Bytes of an instance's id in the dataset; twice as many while xarray makes an index of it."""
SWEPT = 90
"""Bytes of a number of a grid while a result is made: in its coordinates, and in the text of its settings."""
TABLE_TEMPORARIES = 6 * 8 * TABLE_PIECE
"""Bytes of what a piece of a table is made of."""
DRAWN_AT_ONCE = 2
"""Arrays of :data:`~ensemble.run.recording.PIECE` coordinates that a start makes at once: those it has drawn, and those drawn before."""

FOLLOWS = 6
"""Arrays of as many coordinates that what follows from iterates is found from at once."""
DRAWN_APART = 6
"""The same where each row has a start of its own: those it is made of, too."""


@dataclass(frozen=True)
class Plan:
    """What a run will take: made by ``plan_only=True``, and before every run.

    ``bytes_needed``: the most memory that the ensemble takes at once, beyond the loaded library: on the device with ``cuda``,
    else all of it, results included; ``bytes_of_results``: what stays; ``bytes_available``: what it may take;
    ``coordinate_steps``, ``launches`` and ``seconds``: the most there can be, where events may end a run early. ``basis`` says what
    the seconds rest on. ``at_least``: on a GPU whose rates nobody has measured (``python -m ensemble gpu-check`` does), the seconds
    are what its instructions take, and launches come on top. ``streamed``: registers of a GPU do not suffice for an instance, whose
    state every step reads from memory and writes back: as fast as memory is, not as the instructions. Where every coordinate is
    treated by itself, only the steps at which the event is asked do; with :class:`~ensemble.events.Never`, none. ``team``: paired
    configurations that advance together, so that what they all see is drawn once; 1: each draws for itself. Only ``plan_only=True``
    estimates the last four.
    """

    backend: str
    configurations: int
    instances: int
    dim: int
    steps: int
    batches: int
    instances_per_batch: int
    bytes_needed: int
    bytes_of_results: int
    bytes_available: int
    coordinate_steps: int
    streamed: bool = False
    team: int = 1
    launches: int = 0
    seconds: float = field(default=math.nan, compare=False)  # NaN equals nothing, itself included
    basis: str = ""
    at_least: bool = False

    def __str__(self) -> str:
        lines = [
            f"{self.configurations} configurations x {self.instances:,} instances x {self.dim:,} coordinates, "
            f"{self.steps:,} steps on {self.backend}",
            f"memory    {_bytes(self.bytes_needed)} of {_bytes(self.bytes_available)}, {_bytes(self.bytes_of_results)} of results",
            f"batches   {self.batches} of {self.instances_per_batch:,} instances",
        ]
        if self.team > 1:
            lines.append(f"teams     {self.team} configurations of an instance advance together and draw once")
        if self.streamed:
            lines.append("state     in memory, through which steps stream: registers do not suffice")
        if self.basis:
            lines.append(f"launches  {self.launches:,} or fewer")
            time = _seconds(self.seconds)
            lines.append(
                f"time      {f'at least {time}, plus the launches' if self.at_least else f'{time} or less'}, "
                f"{self.coordinate_steps / self.seconds:.3g} coordinate-steps/s ({self.basis})"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The plan as notebooks show it."""
        first, *others = str(self).split("\n")
        cell = "style='text-align:left;padding:1px 12px 1px 0'"
        rows = (line.split(maxsplit=1) for line in others)
        body = "".join(
            f"<tr><td {cell}>{escape(name)}</td><td {cell}>{escape(words)}</td></tr>" for name, words in rows
        )
        return f"<div><b>Plan</b>: {escape(first)}</div><table>{body}</table>"


def _bytes(count: float) -> str:
    """With a unit that leaves one to four digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _seconds(count: float) -> str:
    """In seconds, minutes, hours or days."""
    for unit, most in (("s", 120), ("min", 60 * 120), ("h", 48 * 3600)):
        if count < most:
            return f"{count / (most / {'s': 120, 'min': 120, 'h': 48}[unit]):.3g} {unit}"
    return f"{count / 86400:.3g} days"


@dataclass(frozen=True)
class Memory:
    """Bytes that a setting's rows take at each stage."""

    program: Program
    engine: Engine
    state: int
    """Of a row that runs: the iterate, the optimizer's memory, what became of it."""
    kept: int
    """Of a row when its batch is over, without what was recorded of it."""
    final: int
    """Of a row in the result, without what was recorded of it."""
    recorded: float
    """Recorded of a row, on average."""
    setting: Experiment

    @classmethod
    def of(cls, setting: Experiment, program: Program, engine: Engine, keep_x: bool, stacked: bool) -> Memory:
        item, (vectors, integers) = program.dtype.itemsize, program.slots
        own = (1 + vectors) * program.dim * item + integers * program.integer_dtype.itemsize
        recorded, record = 0.0, setting.record
        if record is not None:
            width = sum(_sizes(record, program)) * item
            recorded = (
                record.places(setting.instances).size / setting.instances * record.steps(setting.steps).size * width
            )
        kept = OUTCOME + (own if keep_x else 0)
        shown = program.dim * item if keep_x else 0
        if not engine.on_host and program.part("optimizer").reported() is not None:  # type: ignore[attr-defined]
            kept += shown
        copied = shown + OUTCOME - 8 if stacked else 0  # several runs' arrays are put together in new ones
        return cls(program, engine, own + OUTCOME, kept, kept + DATASET + copied, recorded, setting)

    def running(self, instances: int) -> int:
        """While batches of so many instances run."""
        rows, all_rows = instances * len(self.program.configurations), self.program.rows
        program, item = self.program, self.program.dtype.itemsize
        apart = "start" in program.configurations[0] and program.starts_differ
        together = min(PIECE, (rows if apart or not program.paired else instances) * program.dim) * item
        drawn = (DRAWN_APART if apart else DRAWN_AT_ONCE + (not program.paired)) * together
        other = self.engine.other_bytes(self.program, rows, self.recorded > 0) + self._parts(instances)
        batch = rows * self.state + max(self._working(instances) + other, drawn)
        if not self.engine.on_host:
            return batch
        if instances < self.program.instances:  # beside what all batches leave
            return batch + int(all_rows * (self.kept + self.recorded) + rows * self.recorded)
        return batch + int(all_rows * self.recorded)

    def _parts(self, instances: int) -> int:
        """Of parts that differ from one another, and of their tables."""
        program, engine = replace(self.program, instances=instances), self.engine
        if program.owners == 1:
            return 0
        tables = 0
        if program.apart:
            steps = min(self.setting.steps, steps_at_most(program, engine))
            tables = engine.table_numbers(program) * steps * program.dtype.itemsize + TABLE_TEMPORARIES
        looked_at = self.setting.record is not None and "landscape" in program.drawn_roles  # by other structs
        return int(program.owners * engine.owner_bytes(program) * (2 if looked_at else 1)) + tables

    def _working(self, instances: int) -> int:
        """Beside the state, while steps are taken or what is recorded is looked at."""
        program, engine, record = self.program, self.engine, self.setting.record
        rows = instances * len(program.configurations)
        running = rows * engine.working_bytes(program)
        if record is None:
            return running
        recorded = min(record.places(self.setting.instances).size, instances)
        room = Room.of(record, self.setting.steps, 0, recorded, program, engine)
        beside = 0 if engine.on_host else room.found + room.shown  # on its way to the host
        gathered = program.dim * program.dtype.itemsize if recorded < instances or (beside and room.shown) else 0
        looking = room.places * (engine.looking_bytes(program) + room.found + gathered)
        if record.derived:
            looking += FOLLOWS * max(PIECE, room.places * program.dim) * program.dtype.itemsize
            looking += (
                max(room.slots, 1) * room.places * sum(_sizes(record, program, record.derived)) * program.dtype.itemsize
            )
        ring = room.slots * room.places
        running += ring * room.shown + max(ring, room.places) * beside + (4 * rows if ring else 0)
        return max(running, looking + ring * (room.shown + room.found))

    def arriving(self, instances: int) -> int:
        """On the host, beside results, while batches of so many instances run: what was recorded, on its way from a device."""
        record, item = self.setting.record, self.program.dtype.itemsize
        if self.engine.on_host or record is None:
            return 0
        recorded = min(record.places(self.setting.instances).size, instances)
        room = Room.of(record, self.setting.steps, 0, recorded, self.program, self.engine)
        points = room.places * max(room.slots, 1)
        sizes = [points * item * size for size in _sizes(record, self.program)]
        return self.engine.arrival_bytes([*sizes, room.places * 4] if record.survivors else sizes)

    def result(self) -> int:
        """Of the result, on the host."""
        return int(self.program.rows * (self.final + self.recorded)) + self.program.instances * INSTANCE

    def needed(self, instances: int) -> int:
        """The most at once, where the engine's memory is what counts."""
        if not self.engine.on_host:
            return self.running(instances)
        swept = SWEPT * sum(axis.size * len(axis.coordinates) for axis in self.setting.sweep().axes)
        return max(self.running(instances), self.result() + self.program.instances * INSTANCE + swept)


def _sizes(record: Record, program: Program, names: Sequence[str] | None = None) -> list[int]:
    """How many values each of what is recorded has of an instance at a step."""
    layers = layers_of(program)
    return [math.prod(record.sizes(name, program.dim, layers)) for name in (record.names if names is None else names)]


def plan_run(
    setting: Experiment, engine: Engine, keep_x: bool, beside: int | None = None, at_most: int | None = None
) -> Plan:
    """Cuts an ensemble into batches that fit, and that are no larger than is good, or refuses.

    ``beside``: bytes that the results of others will hold; ``at_most``: instances of a batch.

    Raises:
        MemoryError: it cannot fit, with the numbers.
    """
    configurations = setting.sweep().parts
    program = setting.program(configurations, 0, setting.instances)
    memory = Memory.of(setting, program, engine, keep_x, beside is not None)
    available = int(MEMORY_SHARE * engine.memory_available())
    host = available if engine.on_host else int(MEMORY_SHARE * engine.host_memory_available())
    results = memory.result() + (beside or 0)
    room = available - (beside or 0) if engine.on_host else available
    most = min(setting.instances, (2**31 - 2) // len(configurations))

    def fits(instances: int) -> bool:
        return memory.needed(instances) <= room and (engine.on_host or results + memory.arriving(instances) <= host)

    if results > host or not most or not fits(1):
        raise MemoryError(
            f"{len(configurations)} configurations x {setting.instances} instances x {program.dim} coordinates need "
            f"{results / 2**30:.2f} GiB for results and at least {memory.running(1) / 2**30:.2f} GiB to run; "
            f"{min(host, available) / 2**30:.2f} GiB are free{_limited_by(host)}. Take fewer instances or configurations, "
            f"record less, or keep_x=False."
        )
    count = most if fits(most) else _largest(fits, most)
    if engine.batch_coordinates is not None:
        near = max(1, engine.batch_coordinates // (len(configurations) * program.dim))
        if near < count and fits(near):
            count = near
    count = min(count, at_most or count)
    batches = -(-setting.instances // count)
    per_batch = -(-setting.instances // batches)
    return Plan(
        backend=engine.name,
        configurations=len(configurations),
        instances=setting.instances,
        dim=program.dim,
        steps=setting.steps,
        batches=batches,
        instances_per_batch=per_batch,
        bytes_needed=memory.needed(per_batch),
        bytes_of_results=memory.result(),
        bytes_available=room,
        coordinate_steps=program.rows * program.dim * setting.steps,
        streamed=engine.streams(program),
        team=engine.team(setting.program(configurations, 0, per_batch)),
    )


def _limited_by(host: int) -> str:
    """What is not the machine's own, where that is what leaves no more of the host's memory."""
    left, name = least_memory()
    return (
        f" under {name}"
        if name not in ("this machine", "a guess") and 0.5 * host < MEMORY_SHARE * left < 2 * host
        else ""
    )


def plan_runs(settings: dict[str, Experiment], engine: Engine, keep_x: bool) -> dict[str, Plan]:
    """A plan for each of several runs, whose results are all held at the end; all with batches of equally many instances."""
    if len(settings) == 1:
        return {name: plan_run(setting, engine, keep_x) for name, setting in settings.items()}
    sizes = {}
    for name, setting in settings.items():
        program = setting.program(setting.sweep().parts, 0, setting.instances)
        sizes[name] = Memory.of(setting, program, engine, keep_x, True).result()
    total = sum(sizes.values())
    beside = {name: total - size for name, size in sizes.items()}
    plans = {name: plan_run(setting, engine, keep_x, beside[name]) for name, setting in settings.items()}
    fewest = min(plan.instances_per_batch for plan in plans.values())
    if all(plan.instances_per_batch == fewest for plan in plans.values()):
        return plans
    return {name: plan_run(setting, engine, keep_x, beside[name], fewest) for name, setting in settings.items()}


def _largest(fits: Callable[[int], bool], most: int) -> int:
    """The most instances of a batch that fits: fewer than all, and at least 1."""
    low, high = 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
