"""A batch of an ensemble taken through its segments by an engine."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends.draws import Draws
from ..backends.numpy import NumpyEngine, seen_by_kernel, state_names
from ..backends.program import Engine, Program, Ring
from ..checks.start import LOOKED_AT, look_at_start
from ..classes import in_library
from ..events import Never, as_labels
from ..part import Part
from ..starts import Start
from ..sweep import Configurations
from .beginning import starts_of
from .experiment import Experiment
from .outcome import Outcome
from .pace import first_step, paces
from .progress import Interrupt, Reporter
from .recording import PIECE, Recording
from .underflow import flushed_to_zero

ROWS_AT_ONCE = 1 << 16
"""Rows that are drawn at once, at most."""
FEW_INSTANCES = 1024
"""Where configurations have no more, and starts of their own, starts are drawn in NumPy, all configurations together."""


class Batch:
    """Some instances of every configuration, from their starts or an earlier outcome to the horizon."""

    def __init__(
        self,
        setting: Experiment,
        program: Program,
        configurations: Configurations,
        engine: Engine,
        earlier: Outcome | None,
    ) -> None:
        reached = 0 if earlier is None else earlier.reached
        self.recording = Recording(setting, program, engine, reached)
        program = self.recording.program
        self.setting, self.program, self.engine = setting, program, engine
        self.configurations = configurations
        self.reached, self.wall_time, self.segments, self.started_inside = 0, 0.0, 0, 0
        self.state = engine.new_state(program)
        engine.prepare(program)
        if earlier is None:
            self._draw_starts()
            self._look_at_starts()
            self._count_started_inside()
        else:
            self._restore(earlier)
        self.recording.take(self.state, self._shown, self.reached, self.reached, None)
        self.sound, self.torn = self.reached, False
        """The last step that all have taken and that is recorded; whether an error left some of them beyond it."""

    # ---- beginning

    def _draw_starts(self) -> None:
        program, n, count = self.program, self.program.instances, len(self.configurations)
        many = program.many("start")
        first = many.part
        assert isinstance(first, Start)
        piece = n if first.at_once else min(ROWS_AT_ONCE, max(1, PIECE // program.dim))
        few = in_library(type(first)) and n <= FEW_INSTANCES
        alone = (program.paired or count == 1) and not many.differing
        if not alone and (
            few or many.count > count
        ):  # many configurations of few instances, or instances that have a start each
            for a in range(0, program.rows, piece):
                rows = np.arange(a, min(a + piece, program.rows))
                self.state.x[a : a + rows.size] = self.engine.to_device(starts_of(NumpyEngine(), program, rows))
            return
        for a in range(0, n, piece):
            b = min(a + piece, n)
            ids = np.arange(program.first_instance + a, program.first_instance + b, dtype=np.uint32)
            drawn: Any = None
            drawn_for: tuple[Part, int] | None = None
            for c in range(1 if alone else count):
                start, offset = many.at(c) if many.differing else first, c * program.stream_stride
                assert isinstance(start, Start)
                if drawn_for != (start, offset):
                    drawn = start.draw(Draws(self.engine, program, ids, offset))
                    drawn_for = (start, offset)
                self.state.x[c * n + a : c * n + b] = drawn
            if alone and count > 1:
                self.state.x.reshape(count, n, program.dim)[1:, a:b] = drawn

    def _look_at_starts(self) -> None:
        """Refuses starts at none of which a landscape of a user's own has a value."""
        program = self.program
        many = program.many("landscape")
        if in_library(type(many.part)):
            return
        each, seen = program.rows // many.count, set[Part]()
        for k in range(many.count):
            landscape = many.at(k)
            if landscape not in seen:
                seen.add(landscape)
                first = k * each
                x = self.engine.to_numpy(self.state.x[first : first + min(each, LOOKED_AT)])
                look_at_start(seen_by_kernel([landscape], None, program.dtype, program.dim), x)
            if len(seen) == LOOKED_AT:
                break

    def _count_started_inside(self) -> None:
        program, inside = self.program, 0
        if type(program.part("event")) is Never:
            return
        events, landscapes = program.many("event"), program.many("landscape")
        chunk = max(1, PIECE // program.dim)
        for a in range(0, program.rows, chunk):
            for rows in program.by_arrays(np.arange(a, min(a + chunk, program.rows))):
                owners, place = np.unique(rows // program.alike, return_inverse=True)
                event: Any = seen_by_kernel(events.taken(owners), place, program.dtype, program.dim)
                landscape: Any = seen_by_kernel(landscapes.taken(owners), place, program.dtype, program.dim)
                x = self.engine.to_numpy(self.state.x[rows[0] : rows[-1] + 1])
                with np.errstate(all="ignore"):
                    inside += int(np.count_nonzero(as_labels(event.check(x, landscape, None))))
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

    def _shown(self) -> Any:
        """What records and the final x show: the iterate, or the average that the optimizer reports."""
        state, optimizer = self.state, self.program.part("optimizer")
        path = optimizer.reported()  # type: ignore[attr-defined]
        if path is None or not self.reached:
            return state.x
        average = state.vectors[state_names(optimizer)[0].index(path)]
        average[state.diverged_step >= 0] = np.nan  # frozen: nothing reads it again
        return average

    # ---- along the way

    def _running(self) -> Any:
        """The rows that go on, in order: int32."""
        xp, state, rows = self.engine.xp, self.state, self.program.rows
        running = state.diverged_step < 0
        if self.program.stop:
            running &= state.event_step < 0
        count = int(xp.count_nonzero(running))
        if count == rows:
            return xp.arange(rows, dtype=np.int32)
        active, at = xp.empty(count, dtype=np.int32), 0
        for a in range(0, rows, PIECE):
            here = xp.flatnonzero(running[a : a + PIECE])
            active[at : at + here.size] = here + a
            at += here.size
        return active

    def run(
        self,
        reporter: Reporter,
        interrupt: Interrupt,
        segment_steps: int | None,
        until: int | None = None,
        between: Callable[[], None] | None = None,
    ) -> None:
        """Takes all to the horizon, to step ``until``, or to where an interrupt ends it; ``between`` is called after every segment."""
        try:
            self._run(reporter, interrupt, segment_steps, self.setting.steps if until is None else until, between)
        except Exception as error:
            frames = (frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__))
            self.torn = (
                self.reached > self.sound or Program.tables.__code__ not in frames
            )  # which are made before a segment
            raise

    def _run(
        self,
        reporter: Reporter,
        interrupt: Interrupt,
        segment_steps: int | None,
        horizon: int,
        between: Callable[[], None] | None,
    ) -> None:
        state, engine, xp, program = self.state, self.engine, self.engine.xp, self.program
        recording, pace = self.recording, paces(program, engine)
        while self.reached < horizon and not interrupt.asked:
            active, first = self._running(), self.reached + 1
            wanted = min(horizon, self.reached + (segment_steps or pace.steps)) if active.size else horizon
            last = recording.room.end(self.reached, wanted)
            ring = recording.ring(first, last)
            recording.begin(first, self._shown)
            began = time.perf_counter()

            def take(rows: Any, first: int = first, last: int = last, ring: Ring | None = ring) -> None:
                engine.advance(program, state, rows, first, last, recording.write, ring)

            if active.size and not self.segments and last == first:
                first_step(active, take)
            elif active.size:
                take(active)
            took = time.perf_counter() - began
            self.wall_time += took
            self.segments += 1
            finished = int(xp.count_nonzero(state.event_step >= 0))
            diverged = int(xp.count_nonzero(state.diverged_step >= 0))
            if active.size:
                left = program.rows - diverged - (finished if program.stop else 0)
                pace.took(last - self.reached, took, int(active.size), left)
            self.reached = last
            reporter.update(last, int(active.size), finished, diverged)
            recording.take(state, self._shown, first, last, ring)
            self.sound = last
            if between is not None:
                between()

    # ---- end

    def _ended(self, a: int, b: int) -> Any:
        """Which of rows a to b have come to their end: bool (b - a,), on the host."""
        ended = self.state.diverged_step[a:b] >= 0
        if self.program.stop:
            ended |= self.state.event_step[a:b] >= 0
        return self.engine.to_numpy(ended)

    def outcome(self, keep_x: bool) -> Outcome:
        """What was found; without ``keep_x`` the iterates and the optimizers' memory have no width."""
        self.recording.write()
        program, host, state = self.program, self.engine.to_numpy, self.state
        shape, kept, (vectors, integers) = (len(self.configurations), program.instances), program.dim, program.slots
        shown, reported = self._shown(), None
        flushed = flushed_to_zero(program, lambda a, b: host(state.x[a:b]), self._ended, self.reached)
        if keep_x:
            x, found_vectors, found_integers = host(state.x), host(state.vectors), host(state.integers)
            reported = None if shown is state.x else host(shown).reshape(*shape, kept)
        else:
            kept = integers = 0
            x, found_vectors = (
                np.empty((*n, 0), dtype=program.dtype) for n in ((program.rows,), (vectors, program.rows))
            )
            found_integers = np.empty((0, program.rows), dtype=program.integer_dtype)
        found = Outcome(
            reached=self.reached,
            x=x.reshape(*shape, kept),
            vectors=found_vectors.reshape(vectors, *shape, kept),
            integers=found_integers.reshape(integers, *shape),
            reported=reported,
            flushed=flushed,
            event_step=host(state.event_step).reshape(shape),
            event=host(state.event).reshape(shape),
            diverged_step=host(state.diverged_step).reshape(shape),
            wall_time=self.wall_time,
            segments=self.segments,
            inside=((program.instances, self.started_inside),),
            device=self.engine.describe(program),
        )
        recorder = self.recording.recorder
        if recorder is not None and recorder.taken:
            found.records = recorder.arrays()
            found.record_steps = np.array(recorder.taken, dtype=np.int64)
        return found
