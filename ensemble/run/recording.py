"""What a batch records: taken within its segments, into a ring of memory, and written down between them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..backends.numpy import state_names
from ..backends.program import Engine, Program, Ring, State
from ..landscapes.base import Landscape
from ..records import Record
from .derived import Derived
from .experiment import Experiment
from .recorder import Recorder

SEPARATE = 8
"""So few recorded steps end a segment each: the program that records nothing takes them, and no other is compiled."""
MOST_VECTORS = 64
"""Vectors of an optimizer that a launch can be told of: a word has a bit for each. What a rule with more keeps is looked at between two."""
PIECE = 1 << 18
"""Coordinates that Python handles at once where it looks at all of them: its temporaries then stay small."""


@dataclass(frozen=True)
class Room:
    """What fits into memory of what a batch records until the segment is over, and so where segments end at the latest.

    ``steps``: those that are looked at: those recorded and, where steps are measured, those before them; ``places``: rows recorded;
    ``slots``: steps that a segment may look at. It is 0, and each of them ends a segment, where they are few, and where two slots would
    take more than :attr:`~ensemble.backends.program.Engine.ring_bytes`: of such ensembles a segment costs little beside a step.
    """

    steps: NDArray[np.int64]
    places: int
    slots: int
    shown: int
    """Bytes of a place in a slot: its x, where that or what follows from it is recorded, and the optimizer's vectors."""
    found: int
    """Bytes of what is found of it, beside its x."""

    @classmethod
    def of(
        cls, record: Record | None, horizon: int, reached: int, instances: int, program: Program, engine: Engine
    ) -> Room:
        """Of the rest of a run that has reached some step; ``instances``: those recorded of each configuration."""
        if record is None:
            return cls(np.empty(0, dtype=np.int64), 0, 0, 0, 0)
        steps, places, item = record.steps(horizon), instances * len(program.configurations), program.dtype.itemsize
        if record.of_steps:
            both = np.sort(np.concatenate([steps, steps[steps > 0] - 1]))
            steps = both[np.diff(both, prepend=-1) > 0]
        shown, found = program.dim * item * (shows_x(record) + len(record.state)), item * len(record.measured)
        slots = int(np.count_nonzero(steps > reached))
        told = max(_slots(record, program), default=0) < MOST_VECTORS
        if slots > SEPARATE and places and told and engine.records_within(program):
            slots = min(slots, engine.ring_bytes // (places * (shown + found)))
        else:
            slots = 0
        return cls(steps, places, slots if slots > 1 else 0, shown, found)

    @classmethod
    def here(
        cls, setting: Experiment, program: Program, engine: Engine, reached: int
    ) -> tuple[NDArray[np.int64], Room]:
        """Which of a batch's instances are recorded, and the room for that."""
        places, first = np.empty(0, dtype=np.int64), program.first_instance - setting.first_instance
        if setting.record is not None:
            places = setting.record.places(setting.instances) - first
            places = places[np.searchsorted(places, 0) : np.searchsorted(places, program.instances)]
        return places, cls.of(setting.record, setting.steps, reached, places.size, program, engine)

    def within(self, first: int, last: int) -> NDArray[np.int64]:
        """The steps looked at among first ... last."""
        return self.steps[np.searchsorted(self.steps, first) : np.searchsorted(self.steps, last, side="right")]

    def end(self, reached: int, last: int) -> int:
        """The last step of a segment that follows ``reached`` and would end at ``last``, were there room for all that it records."""
        full = int(np.searchsorted(self.steps, reached, side="right")) + max(self.slots, 1) - 1
        return min(last, int(self.steps[full])) if self.places and full < self.steps.size else last


def shows_x(record: Record) -> bool:
    """Whether the iterates of recorded steps are kept, at least until what follows from them is found."""
    return "x" in record.quantities or bool(record.derived)


def recording_program(setting: Experiment, program: Program, engine: Engine, reached: int) -> Program:
    """The program that runs where some of a batch may be recorded within segments."""
    return _recorded(setting, program, Room.here(setting, program, engine, reached)[1])


def _recorded(setting: Experiment, program: Program, room: Room) -> Program:
    if setting.record is None or not room.slots:
        return program
    return replace(program, recorded=True, recorded_vectors=tuple(sorted(set(_slots(setting.record, program)))))


def layers_of(program: Program) -> int:
    """Layers of a program's landscape; 0: it has none."""
    layer_of = cast(Landscape, program.part("landscape")).layer_of
    return 0 if layer_of is None else int(layer_of.max()) + 1


def _slots(record: Record, program: Program) -> tuple[int, ...]:
    """The slots of the optimizer's vectors that are recorded, in the record's order."""
    return record.slots(state_names(program.part("optimizer"))[0])


class Recording:
    """Of some instances of every configuration; ``program``: that of theirs which does it."""

    def __init__(self, setting: Experiment, program: Program, engine: Engine, reached: int) -> None:
        self.engine = engine
        self.recorder: Recorder | None = None
        self._unwritten: Callable[[], None] | None = None
        self._buffers: dict[str, NDArray[Any]] = {}
        self.point: NDArray[Any] | None = None
        here, self.room = Room.here(setting, program, engine, reached)
        self.program = _recorded(setting, program, self.room)
        if setting.record is None:
            return
        self._steps = setting.record.steps(setting.steps)
        self.recorder = Recorder(setting.record, self._steps, here)
        self._shape = (len(program.configurations), here.size)
        self._here = engine.to_device(here)
        if setting.record.point is not None:
            self.point = np.broadcast_to(np.asarray(setting.record.point, dtype=program.dtype), (program.dim,))
        self._rows = (np.arange(self._shape[0])[:, None] * program.instances + here).reshape(-1)
        self._slots = _slots(setting.record, program)
        self._derived = Derived(setting.record, program, engine, self._rows)
        self._before: Any = None
        if self.room.slots:
            of_row = np.full((self._shape[0], program.instances), -1, dtype=np.int32)
            of_row[:, here] = np.arange(self.room.places, dtype=np.int32).reshape(self._shape)
            self._places = engine.to_device(of_row.reshape(-1))

    def ring(self, first: int, last: int) -> Ring | None:
        """Where a segment puts what is recorded of it; None where that is looked at when it is over."""
        room = self.room
        if not room.slots:
            return None
        assert self.recorder is not None
        record, steps = self.recorder.record, room.within(first, last).astype(np.int32)
        of_x = (room.places, steps.size, self.program.dim)
        found = {name: self._memory(name, of_x[:2]) for name in record.measured}
        if shows_x(record):
            found["x"] = self._memory("x", of_x)
        kept = len(self.program.recorded_vectors)
        vectors = self._memory("vectors", (kept, *of_x)) if kept else None
        return Ring(steps, self._places, found, vectors, self.point)

    def _memory(self, name: str, shape: tuple[int, ...]) -> Any:
        """Room of a segment; on a host the same for all of them, as much as the longest needs."""
        if not self.engine.on_host:  # the last segment's may still be read
            return self.engine.xp.empty(shape, dtype=self.program.dtype)
        if name not in self._buffers:
            each = {"x": 1, "vectors": len(self.program.recorded_vectors)}
            most = self.room.places * self.room.slots * (each[name] * self.program.dim if name in each else 1)
            self._buffers[name] = np.empty(most, dtype=self.program.dtype)
        return self._buffers[name][: math.prod(shape)].reshape(shape)

    def begin(self, first: int, shown: Callable[[], Any]) -> None:
        """Keeps, before a segment's first step, the iterates that it begins at, where that step is measured."""
        if self.recorder is not None and self.room.places and self.recorder.record.of_steps:
            asked = self._steps[np.searchsorted(self._steps, first) :][:1] == first
            self._before = self._recorded(shown()).copy() if asked.any() else None

    def take(self, state: State, shown: Callable[[], Any], first: int, last: int, ring: Ring | None) -> None:
        """Records steps first ... last, after the segment that took them. ``shown``: what is shown of every row after ``last``."""
        if self.recorder is None:
            return
        steps = self._steps[np.searchsorted(self._steps, first) : np.searchsorted(self._steps, last, side="right")]
        if not steps.size:
            return
        self.write()
        record = self.recorder.record
        if not self.room.places:  # none of these instances
            sizes = {name: self.sizes(name) for name in record.names}
            empty = {n: self.engine.xp.empty((0, steps.size, *s), dtype=self.program.dtype) for n, s in sizes.items()}
            self._note(steps, empty, state)
        elif ring is not None:
            self._freeze(ring, state, shown)
            self._note(steps, self._found_in(ring, steps), state)
        else:
            of_all = shown()
            x = self._recorded(of_all)
            found = self._measured(x, steps) | {name: self._vector(state, k) for name, k in self._named_slots()}
            if record.derived:
                found |= self._follows(x, int(steps[0]))
            if "x" in record.quantities:
                found["x"] = x.copy() if x is of_all and not self.engine.on_host else x
            self._note(steps, found, state)

    def sizes(self, name: str) -> tuple[int, ...]:
        """How many values what is recorded under a name has of an instance at a step."""
        assert self.recorder is not None
        return self.recorder.record.sizes(name, self.program.dim, layers_of(self.program))

    def _named_slots(self) -> list[tuple[str, int]]:
        assert self.recorder is not None
        return list(zip(self.recorder.record.state, self._slots, strict=True))

    def _vector(self, state: State, slot: int) -> Any:
        """A vector of the optimizers, of the rows that are recorded; NaN of those that have diverged."""
        of_rows, diverged = self._recorded(state.vectors[slot]), self._recorded(state.diverged_step) >= 0
        return self.engine.xp.where(diverged[:, None], np.asarray(np.nan, dtype=self.program.dtype)[()], of_rows)

    def _found_in(self, ring: Ring, steps: NDArray[np.int64]) -> dict[str, Any]:
        """All that is recorded, of a ring that also holds what it follows from: (places, steps, ...)."""
        assert self.recorder is not None
        record, slots = self.recorder.record, np.searchsorted(ring.steps, steps)
        taken = slice(None) if slots.size == ring.steps.size else self.engine.to_device(slots)
        found = {name: ring.found[name][:, taken] for name in record.names if name in ring.found}
        order = self.program.recorded_vectors
        found |= {name: ring.vectors[order.index(slot)][:, taken] for name, slot in self._named_slots()}
        if record.derived:
            xp, places = self.engine.xp, self.room.places
            found |= {
                n: xp.empty((places, steps.size, *self.sizes(n)), dtype=self.program.dtype) for n in record.derived
            }
            piece = max(1, PIECE // (places * self.program.dim))
            for a in range(0, steps.size, piece):
                here = slots[a : a + piece]
                at = self._at(ring, here)
                before = self._at(ring, np.maximum(here - 1, 0)) if record.of_steps else None
                if before is not None and not here[0]:  # what the segment began at
                    before[0] = self._before
                for name, values in self._derived.found(at, before, ring.steps[here]).items():
                    found[name][:, a : a + here.size] = values.transpose(1, 0, *range(2, values.ndim))
        return found

    def _at(self, ring: Ring, slots: NDArray[np.int64]) -> Any:
        """What is shown at some slots of a ring: (slots, places, dim), a copy."""
        return self.engine.xp.ascontiguousarray(ring.found["x"][:, self.engine.to_device(slots)].transpose(1, 0, 2))

    def _follows(self, x: Any, step: int) -> dict[str, Any]:
        """What is derived from what is shown, x (places, dim), after a step."""
        before = None
        if self._derived.record.of_steps:
            before = self._before
            if not step or before is None:  # at step 0 nothing was before, nor is it known of a run that goes on
                before = self.engine.xp.full(x.shape, np.nan, dtype=self.program.dtype)
            before = before[None]
        return self._derived.found(x[None], before, np.array([step], dtype=np.int32))

    def _recorded(self, array: Any) -> Any:
        """Of the rows that are recorded."""
        if self._shape[1] == self.program.instances:
            return array
        chosen = array.reshape(self._shape[0], self.program.instances, *array.shape[1:])[:, self._here]
        return chosen.reshape(-1, *array.shape[1:])

    def _measured(self, x: Any, steps: NDArray[Any]) -> dict[str, Any]:
        """What is recorded of points x (rows, dim), beside x, at each of the steps: (steps x rows,)."""
        assert self.recorder is not None
        wanted = self.recorder.record.measured
        if not wanted:
            return {}
        found = self.engine.observe(
            self.program, x, wanted, steps.astype(np.int32), point=self.point, shared=steps.size > 1, rows=self._rows
        )
        return dict(found)

    def _freeze(self, ring: Ring, state: State, shown: Callable[[], Any]) -> None:
        """Gives those that have finished or diverged their last from then on."""
        xp, never = self.engine.xp, np.int32(np.iinfo(np.int32).max)
        diverged, event_step = self._recorded(state.diverged_step), self._recorded(state.event_step)
        ends = xp.where(diverged >= 0, diverged, never)
        if self.program.stop:
            ends = xp.where(event_step >= 0, event_step, ends)
        first = int(ends.min()) if self.room.places else never
        begin = int(np.searchsorted(ring.steps, first))
        if begin == ring.steps.size:
            return
        last = self._recorded(shown())
        vectors = [self._vector(state, slot) for slot in self.program.recorded_vectors]
        piece = max(1, PIECE // max(1, last.size))
        for a in range(begin, ring.steps.size, piece):
            b = min(a + piece, ring.steps.size)
            frozen = ends[:, None] <= self.engine.to_device(ring.steps[a:b])[None, :]
            for name, values in self._measured(last, ring.steps[a:b]).items():
                there = ring.found[name]
                there[:, a:b] = xp.where(frozen, values.reshape(b - a, -1).transpose(1, 0), there[:, a:b])
            if "x" in ring.found:
                x = ring.found["x"]
                x[:, a:b] = xp.where(frozen[:, :, None], last[:, None], x[:, a:b])
            for k, kept in enumerate(vectors):
                there = ring.vectors[k]
                there[:, a:b] = xp.where(frozen[:, :, None], kept[:, None], there[:, a:b])

    def _note(self, steps: NDArray[np.int64], found: dict[str, Any], state: State) -> None:
        """Has what was found, of each place at each of the steps, written down."""
        recorder, engine, stop = self.recorder, self.engine, self.program.stop
        assert recorder is not None
        shape = (*self._shape, steps.size)
        found = {name: array.reshape(*shape, *self.sizes(name)) for name, array in found.items()}
        if recorder.record.survivors:
            event_step = self._recorded(state.event_step).reshape(self._shape)
            found["event_step"] = event_step if engine.on_host else event_step.copy()
        fetched = engine.fetch(found)

        def note() -> None:
            arrays = fetched()
            event_step = arrays.pop("event_step", None)
            finished = None
            if event_step is not None and stop:
                finished = (event_step[..., None] >= 0) & (event_step[..., None] < steps)
            recorder.take(steps, arrays, finished)

        self._unwritten = note
        if engine.on_host:  # nothing is under way: what was found is the state itself
            self.write()

    # ---- what was found

    def write(self) -> None:
        """Writes down what was found when something was recorded last."""
        note, self._unwritten = self._unwritten, None
        if note is not None:
            note()
