"""What a batch records: taken within its segments, into a ring of memory, and written down between them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backends.program import Engine, Program, Ring, State
from ..records import Record
from .experiment import Experiment
from .recorder import Recorder

SEPARATE = 8
"""So few recorded steps end a segment each: the program that records nothing takes them, and no other is compiled."""
PIECE = 1 << 18
"""Coordinates that Python handles at once where it looks at all of them: its temporaries then stay small."""


@dataclass(frozen=True)
class Room:
    """What fits into memory of what a batch records until the segment is over, and so where segments end at the latest.

    ``steps``: those recorded; ``places``: rows recorded; ``slots``: recorded steps that a segment may have. It is 0, and each of them
    ends a segment, where they are few, and where two slots would take more than
    :attr:`~ensemble.backends.program.Engine.ring_bytes`: of such ensembles a segment costs little beside a step; and where there are
    observables, which a kernel of their own finds.
    """

    steps: NDArray[np.int64]
    places: int
    slots: int
    shown: int
    """Bytes of a place in a slot."""
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
        shown, found = program.dim * item * ("x" in record.quantities), item * sum(q != "x" for q in record.names)
        slots = int(np.count_nonzero(steps > reached))
        if slots > SEPARATE and places and not record.observables and engine.records_within(program):
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
        """The recorded steps among first ... last."""
        return self.steps[np.searchsorted(self.steps, first) : np.searchsorted(self.steps, last, side="right")]

    def end(self, reached: int, last: int) -> int:
        """The last step of a segment that follows ``reached`` and would end at ``last``, were there room for all that it records."""
        full = int(np.searchsorted(self.steps, reached, side="right")) + max(self.slots, 1) - 1
        return min(last, int(self.steps[full])) if self.places and full < self.steps.size else last


def recording_program(setting: Experiment, program: Program, engine: Engine, reached: int) -> Program:
    """The program that runs where some of a batch may be recorded within segments."""
    return replace(program, recorded=Room.here(setting, program, engine, reached)[1].slots > 0)


class Recording:
    """Of some instances of every configuration; ``program``: that of theirs which does it."""

    def __init__(self, setting: Experiment, program: Program, engine: Engine, reached: int) -> None:
        self.engine = engine
        self.recorder: Recorder | None = None
        self._unwritten: Callable[[], None] | None = None
        self._buffers: dict[str, NDArray[Any]] = {}
        self.point: NDArray[Any] | None = None
        here, self.room = Room.here(setting, program, engine, reached)
        self.program = replace(program, recorded=self.room.slots > 0)
        if setting.record is None:
            return
        self.recorder = Recorder(setting.record, self.room.steps, here)
        self._shape = (len(program.configurations), here.size)
        self._here = engine.to_device(here)
        if setting.record.point is not None:
            self.point = np.broadcast_to(np.asarray(setting.record.point, dtype=program.dtype), (program.dim,))
        self._rows = (np.arange(self._shape[0])[:, None] * program.instances + here).reshape(-1)
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
        steps, found = room.within(first, last).astype(np.int32), {}
        for name in self.recorder.record.quantities:
            shape = (room.places, steps.size, *((self.program.dim,) if name == "x" else ()))
            if self.engine.on_host:
                if name not in self._buffers:
                    most = room.places * room.slots * (self.program.dim if name == "x" else 1)
                    self._buffers[name] = np.empty(most, dtype=self.program.dtype)
                found[name] = self._buffers[name][: math.prod(shape)].reshape(shape)
            else:  # the last segment's may still be read
                found[name] = self.engine.xp.empty(shape, dtype=self.program.dtype)
        return Ring(steps, self._places, found, self.point)

    def take(self, state: State, shown: Callable[[], Any], first: int, last: int, ring: Ring | None) -> None:
        """Records steps first ... last, after the segment that took them. ``shown``: what is shown of every row after ``last``."""
        steps = self.room.within(first, last)
        if self.recorder is None or not steps.size:
            return
        self.write()
        if ring is not None:
            self._freeze(ring, state, shown)
            self._note(steps, ring.found, state)
            return
        quantities, xp, dim = self.recorder.record.quantities, self.engine.xp, self.program.dim
        if not self.room.places:  # none of these instances
            empty = {q: xp.empty((0, dim) if q == "x" else 0, dtype=self.program.dtype) for q in quantities}
            empty |= {name: xp.empty(0, dtype=self.program.dtype) for name, _ in self.recorder.record.observables}
            self._note(steps, empty, state)
            return
        of_all = shown()
        x = self._recorded(of_all)
        found = self._measured(x, steps) | self._observed(x, steps)
        if "x" in quantities:
            found["x"] = x.copy() if x is of_all and not self.engine.on_host else x
        self._note(steps, found, state)

    def _recorded(self, array: Any) -> Any:
        """Of the rows that are recorded."""
        if self._shape[1] == self.program.instances:
            return array
        chosen = array.reshape(self._shape[0], self.program.instances, *array.shape[1:])[:, self._here]
        return chosen.reshape(-1, *array.shape[1:])

    def _measured(self, x: Any, steps: NDArray[Any]) -> dict[str, Any]:
        """What is recorded of points x (rows, dim), beside x, at each of the steps: (steps x rows,)."""
        assert self.recorder is not None
        wanted = tuple(q for q in self.recorder.record.quantities if q != "x")
        if not wanted:
            return {}
        found = self.engine.observe(
            self.program, x, wanted, steps.astype(np.int32), point=self.point, shared=steps.size > 1, rows=self._rows
        )
        return dict(found)

    def _observed(self, x: Any, steps: NDArray[Any]) -> dict[str, Any]:
        """The values of observables at points x (rows, dim), each (rows,)."""
        assert self.recorder is not None
        found = {}
        for name, landscape in self.recorder.record.observables:
            configurations = tuple({**c, "landscape": landscape} for c in self.program.configurations)
            beside = replace(self.program, configurations=configurations)
            found[name] = self.engine.observe(beside, x, ("value",), steps.astype(np.int32))["value"]
        return found

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

    def _note(self, steps: NDArray[np.int64], found: dict[str, Any], state: State) -> None:
        """Has what was found, of each place at each of the steps, written down."""
        recorder, engine, stop = self.recorder, self.engine, self.program.stop
        assert recorder is not None
        shape = (*self._shape, steps.size)
        found = {
            name: array.reshape(*shape, *((self.program.dim,) if name == "x" else ())) for name, array in found.items()
        }
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
