"""A run: one optimizer's ensemble taken through its segments by an engine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backends.numpy import seen_by_kernel, state_names
from .backends.program import ROLES, Engine, Program
from .grids import RESERVED, Sweep, sweep
from .pace import Pace
from .part import Part
from .progress import Interrupt, Reporter
from .records import Record, Recorder, summarise
from .starts import Source, Start
from .vec import lengths

FIRST_SEGMENT = 10_000_000
"""Coordinate-steps of the first segment, before it is known how fast the engine is; at most 32 steps."""
MEMORY_SHARE = 0.7
"""Share of the free memory that an ensemble may take."""


@dataclass(frozen=True)
class Setting:
    """Everything that decides a run's numbers."""

    landscape: Part
    optimizer: Part
    noise: Part
    start: Part
    event: Part
    instances: int
    first_instance: int
    steps: int
    seed: int
    dtype: str
    math: str
    check_every: int
    paired: bool
    record: Record | None

    def roles(self) -> dict[str, Part]:
        return {role: getattr(self, role) for role in ("landscape", "optimizer", "noise", "start", "event")}

    def sweep(self) -> Sweep:
        return sweep(self.roles(), RESERVED if self.record is None else RESERVED | set(self.record.quantities))

    def first_only(self, count: int) -> Setting:
        """The same of the first ``count`` instances: they do not know of the others."""
        record = self.record
        if record is not None and record.instances is not None:
            places = [int(p) for p in record.places(self.instances) if p < count]
            record = replace(record, instances=places) if places else None
        return replace(self, instances=count, record=record)

    def program(self, configurations: tuple[Mapping[str, Part], ...], first: int, count: int) -> Program:
        return Program(
            configurations=tuple({role: c[role] for role in ROLES} for c in configurations),
            dim=self.landscape.dimension,  # type: ignore[attr-defined]
            instances=count,
            first_instance=self.first_instance + first,
            dtype=np.dtype(self.dtype),
            math=self.math,
            seed=self.seed,
            check_every=self.check_every,
            paired=self.paired,
        )


@dataclass
class Outcome:
    """What a run found. Arrays are (configurations, instances, ...); ``reached`` is the last step taken."""

    reached: int
    x: NDArray[Any]
    vectors: NDArray[Any]
    integers: NDArray[Any]
    event_step: NDArray[np.int32]
    event: NDArray[np.int32]
    diverged_step: NDArray[np.int32]
    records: dict[str, NDArray[Any]] = field(default_factory=dict)
    record_steps: NDArray[np.int64] | None = None
    record_places: NDArray[np.int64] | None = None
    wall_time: float = 0.0
    segments: int = 0
    batches: int = 1
    started_inside: int = 0
    interrupted: bool = False
    device: dict[str, Any] = field(default_factory=dict)
    reported: NDArray[Any] | None = None
    """What is shown in place of x, where the optimizer averages."""

    @property
    def instances(self) -> int:
        return int(self.event_step.shape[1])

    def first_only(self, count: int) -> Outcome:
        """The same of the first ``count`` instances. Summaries stay those of all that were summarised."""
        found = _part_of(self, 0, count)
        if self.record_places is not None and not any(name.endswith("_n") for name in self.records):
            here = self.record_places < count
            found.record_places = self.record_places[here]
            found.records = {name: a[:, here] for name, a in self.records.items()} if here.any() else {}
            found.record_steps = self.record_steps if here.any() else None
        return found


@dataclass(frozen=True)
class Plan:
    """What a run will take: made by ``plan_only=True``, and before every run.

    ``bytes_needed``: memory of one batch, and of all results; ``coordinate_steps``: the most that can be taken.
    """

    backend: str
    configurations: int
    instances: int
    dim: int
    steps: int
    batches: int
    instances_per_batch: int
    bytes_needed: int
    bytes_available: int
    coordinate_steps: int


def plan_run(setting: Setting, engine: Engine, keep_x: bool) -> Plan:
    """Cuts an ensemble into batches that fit, or refuses.

    Raises:
        MemoryError: it cannot fit, with the numbers.
    """
    configurations = setting.sweep().parts
    program = setting.program(configurations, 0, setting.instances)
    per_row, available = engine.bytes_per_row(program), int(MEMORY_SHARE * engine.memory_available())
    kept_row = (program.dim * program.dtype.itemsize if keep_x else 0) + 12
    if setting.record is not None:
        steps = setting.record.steps(setting.steps).size
        recorded = setting.record.places(setting.instances).size / setting.instances
        width = sum(program.dim if q == "x" else 1 for q in setting.record.quantities)
        kept_row += int(recorded * steps * width * program.dtype.itemsize)
    rows = program.rows
    results = rows * kept_row
    room = available - results
    count = min(setting.instances, room // (per_row * len(configurations)), (2**31 - 2) // len(configurations))
    if count < 1:
        raise MemoryError(
            f"{len(configurations)} configurations x {setting.instances} instances x {program.dim} coordinates need "
            f"{results / 2**30:.2f} GiB for results and at least {per_row * len(configurations) / 2**30:.2f} GiB to run; "
            f"{available / 2**30:.2f} GiB are free. Take fewer instances or configurations, record less, or keep_x=False."
        )
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
        bytes_needed=results + per_batch * len(configurations) * per_row,
        bytes_available=available,
        coordinate_steps=rows * program.dim * setting.steps,
    )


def execute(
    setting: Setting,
    engine: Engine,
    plan: Plan,
    progress: bool | None,
    label: str,
    before: Outcome | None = None,
    segment_steps: int | None = None,
    interrupt: Interrupt | None = None,
) -> Outcome:
    """Runs a setting to its horizon, from the start or from ``before``, batch by batch.

    After an interrupt the outcome is that of all instances to the step reached or, where there are several batches, of the
    first instances to the horizon: an ensemble is its instances' sum, and fewer of them are an ensemble too.
    """
    configurations = setting.sweep().parts
    parts: list[Outcome] = []
    watch = contextlib.nullcontext(interrupt) if interrupt else Interrupt()
    with watch as asking, Reporter(progress, label, setting.steps * plan.batches) as reporter:
        for b, first in enumerate(range(0, setting.instances, plan.instances_per_batch)):
            count = min(plan.instances_per_batch, setting.instances - first)
            program = setting.program(configurations, first, count)
            earlier = None if before is None else _part_of(before, first, count)
            batch = _Batch(setting, program, configurations, engine, earlier, first)
            batch.run(reporter, asking, b * setting.steps, segment_steps)
            if parts and batch.reached < setting.steps:
                break
            parts.append(batch.outcome())
            if asking.asked:
                break
    done = sum(p.instances for p in parts)
    if done < setting.instances:
        setting = setting.first_only(done)
        before = None if before is None else before.first_only(done)
        parts[-1].interrupted = True
    return _joined(parts, setting, before)


class _Batch:
    def __init__(
        self,
        setting: Setting,
        program: Program,
        configurations: tuple[dict[str, Part], ...],
        engine: Engine,
        earlier: Outcome | None,
        first: int,
    ) -> None:
        self.setting, self.program, self.engine = setting, program, engine
        self.configurations = configurations
        self.reached, self.wall_time, self.segments, self.started_inside = 0, 0.0, 0, 0
        self.state = engine.new_state(program)
        self.recorder: Recorder | None = None
        if setting.record is not None:
            record = setting.record
            places = record.places(setting.instances)
            here = places[(places >= first) & (places < first + program.instances)] - first
            self.recorder = Recorder(record, record.steps(setting.steps), here)
        engine.prepare(program)
        if earlier is None:
            self._draw_starts()
            self._count_started_inside()
        else:
            self._restore(earlier)
        self._record_now()

    # ---- beginning

    def _draw_starts(self) -> None:
        program, n = self.program, self.program.instances
        ids = np.arange(program.first_instance, program.first_instance + n, dtype=np.uint32)
        drawn: Any = None
        drawn_for: tuple[Part, int] | None = None
        for c, parts in enumerate(self.configurations):
            start, offset = parts["start"], c * program.stream_stride
            assert isinstance(start, Start)
            if drawn_for != (start, offset):
                drawn = start.draw(Source(self.engine, program, ids, offset))
                drawn_for = (start, offset)
            self.state.x[c * n : (c + 1) * n] = drawn

    def _count_started_inside(self) -> None:
        program, inside = self.program, 0
        chunk = max(1, 2_000_000 // program.dim)
        for c, parts in enumerate(program.configurations):
            if type(parts["event"]).__name__ == "Never":
                continue
            event: Any = seen_by_kernel([parts["event"]], None, program.dtype, program.dim)
            landscape: Any = seen_by_kernel([parts["landscape"]], None, program.dtype, program.dim)
            for a in range(c * program.instances, (c + 1) * program.instances, chunk):
                x = self.engine.to_numpy(self.state.x[a : min(a + chunk, (c + 1) * program.instances)])
                with np.errstate(all="ignore"):
                    inside += int(np.count_nonzero(event.check(x, landscape, None)))
        self.started_inside = inside

    def _restore(self, earlier: Outcome) -> None:
        state, to_device = self.state, self.engine.to_device
        rows, dim = self.program.rows, self.program.dim
        state.x[:] = to_device(earlier.x.reshape(rows, dim))
        state.vectors[:] = to_device(earlier.vectors.reshape(-1, rows, dim))
        state.integers[:] = to_device(earlier.integers.reshape(-1, rows))
        for name in ("event_step", "event", "diverged_step"):
            getattr(state, name)[:] = to_device(getattr(earlier, name).reshape(rows))
        self.reached = earlier.reached
        self.started_inside = earlier.started_inside

    def _shown(self) -> Any:
        """What records and the final x show: the iterate, or the average that the optimizer reports."""
        state, optimizer = self.state, self.program.part("optimizer")
        path = optimizer.reported()  # type: ignore[attr-defined]
        if path is None or not self.reached:
            return state.x
        average = state.vectors[state_names(optimizer)[0].index(path)].copy()
        average[state.diverged_step >= 0] = np.nan
        return average

    # ---- along the way

    def _record_now(self) -> None:
        if self.recorder is None or self.reached not in self.recorder.steps:
            return
        recorder, program, engine = self.recorder, self.program, self.engine
        shape = (len(self.configurations), program.instances)
        x = self._shown()
        wanted = tuple(q for q in recorder.record.quantities if q in ("value", "gradient_norm"))
        seen = engine.observe(program, x, wanted, self.reached) if wanted else {}

        def look(name: str) -> NDArray[Any]:
            if name == "x":
                return engine.to_numpy(x).reshape(*shape, program.dim)[:, recorder.places].copy()
            if name == "distance":
                point = np.broadcast_to(np.asarray(recorder.record.point, dtype=program.dtype), (program.dim,))
                away = x - engine.to_device(np.ascontiguousarray(point))[None, :]
                found = lengths(away, engine.xp)
            else:
                found = seen[name]
            return engine.to_numpy(found).reshape(shape)[:, recorder.places]

        event_step = engine.to_numpy(self.state.event_step).reshape(shape)[:, recorder.places]
        recorder.take(self.reached, look, (event_step >= 0) & (event_step < self.reached))

    def _stops(self, horizon: int) -> Iterator[int]:
        """Steps at which a segment must end: where something is recorded, and the horizon."""
        steps = [] if self.recorder is None else [int(s) for s in self.recorder.steps if s > self.reached]
        yield from steps
        if not steps or steps[-1] < horizon:
            yield horizon

    def run(self, reporter: Reporter, interrupt: Interrupt, offset: int, segment_steps: int | None) -> None:
        state, engine, xp, program = self.state, self.engine, self.engine.xp, self.program
        first = max(1, min(32, FIRST_SEGMENT // (program.rows * program.dim)))
        columns = max(1, len(program.column_names) * len(self.configurations))
        pace = Pace(first, max(32, 8_000_000 // columns))
        for stop in self._stops(self.setting.steps):
            while self.reached < stop and not interrupt.asked:
                running = state.diverged_step < 0
                if program.stop:
                    running &= state.event_step < 0
                active = xp.flatnonzero(running).astype(np.int32)
                last = min(stop, self.reached + (segment_steps or pace.steps))
                if active.size == 0:
                    last = stop
                began = time.perf_counter()
                engine.advance(program, state, active, self.reached + 1, last)
                took = time.perf_counter() - began
                self.wall_time += took
                self.segments += 1
                if active.size:
                    pace.took(last - self.reached, took)
                self.reached = last
                finished, diverged = int((state.event_step >= 0).sum()), int((state.diverged_step >= 0).sum())
                reporter.update(offset + last, int(active.size), finished, diverged)
            if self.reached == stop:
                self._record_now()
            if interrupt.asked:
                return

    # ---- end

    def outcome(self) -> Outcome:
        program, host = self.program, self.engine.to_numpy
        shape = (len(self.configurations), program.instances)
        found = Outcome(
            reached=self.reached,
            x=host(self.state.x).reshape(*shape, program.dim),
            vectors=host(self.state.vectors).reshape(-1, *shape, program.dim),
            integers=host(self.state.integers).reshape(-1, *shape),
            event_step=host(self.state.event_step).reshape(shape),
            event=host(self.state.event).reshape(shape),
            diverged_step=host(self.state.diverged_step).reshape(shape),
            wall_time=self.wall_time,
            segments=self.segments,
            started_inside=self.started_inside,
            interrupted=self.reached < self.setting.steps,
            device=self.engine.describe(program),
        )
        shown = self._shown()
        if shown is not self.state.x:
            found.reported = host(shown).reshape(*shape, program.dim)
        if self.recorder is not None and self.recorder.taken:
            found.records = self.recorder.arrays()
            found.record_steps = np.array(self.recorder.taken, dtype=np.int64)
        return found


def _part_of(outcome: Outcome, first: int, count: int) -> Outcome:
    here = slice(first, first + count)
    return replace(
        outcome,
        x=outcome.x[:, here],
        reported=None if outcome.reported is None else outcome.reported[:, here],
        vectors=outcome.vectors[:, :, here],
        integers=outcome.integers[:, :, here],
        event_step=outcome.event_step[:, here],
        event=outcome.event[:, here],
        diverged_step=outcome.diverged_step[:, here],
    )


def _joined(parts: list[Outcome], setting: Setting, before: Outcome | None) -> Outcome:
    found = parts[0]
    if len(parts) > 1:
        found = replace(
            found,
            x=np.concatenate([p.x for p in parts], axis=1),
            reported=None if found.reported is None else np.concatenate([p.reported for p in parts], axis=1),
            vectors=np.concatenate([p.vectors for p in parts], axis=2),
            integers=np.concatenate([p.integers for p in parts], axis=2),
            event_step=np.concatenate([p.event_step for p in parts], axis=1),
            event=np.concatenate([p.event for p in parts], axis=1),
            diverged_step=np.concatenate([p.diverged_step for p in parts], axis=1),
            records={k: np.concatenate([p.records[k] for p in parts], axis=1) for k in found.records},
            interrupted=any(p.interrupted for p in parts),
            wall_time=sum(p.wall_time for p in parts),
            segments=sum(p.segments for p in parts),
            started_inside=sum(p.started_inside for p in parts),
            batches=len(parts),
        )
    record = setting.record
    if record is not None:
        found.record_places = record.places(setting.instances)
        if record.summary and found.records:
            raw = found.records
            found.records = {k: v for n, a in raw.items() for k, v in summarise(n, a, record.quantiles).items()}
    else:
        found.records, found.record_steps = {}, None
    if before is not None:
        found = _with_earlier_records(found, before)
        found.wall_time += before.wall_time
        found.segments += before.segments
        found.started_inside = before.started_inside
    return found


def _with_earlier_records(found: Outcome, before: Outcome) -> Outcome:
    """Records of a resumed run: those taken before, then the new ones."""
    if before.record_steps is None or found.record_steps is None:
        if before.record_steps is not None:
            return replace(found, records=before.records, record_steps=before.record_steps)
        return found
    new = found.record_steps > before.reached
    axis = 1 if "value_n" in found.records or any(k.endswith("_n") for k in found.records) else 2
    records = {}
    for name, array in found.records.items():
        kept = np.take(array, np.flatnonzero(new), axis=axis)
        records[name] = np.concatenate([before.records[name], kept], axis=axis)
    return replace(found, records=records, record_steps=np.concatenate([before.record_steps, found.record_steps[new]]))
