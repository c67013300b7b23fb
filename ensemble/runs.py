"""A run: one optimizer's ensemble taken through its batches by an engine."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backends.program import Engine
from .batch import Batch
from .plan import Plan
from .progress import Interrupt, Reporter
from .records import summarise
from .setting import Outcome, Setting


def execute(
    setting: Setting,
    engine: Engine,
    plan: Plan,
    progress: bool | None,
    label: str,
    before: Outcome | None = None,
    segment_steps: int | None = None,
    interrupt: Interrupt | None = None,
    keep_x: bool = True,
) -> Outcome:
    """Runs a setting to its horizon, from the start or from ``before``, batch by batch.

    After an interrupt the outcome is that of all instances to the step reached or, where there are several batches, of the
    first instances to the horizon: an ensemble is its instances' sum, and fewer of them are an ensemble too.
    """
    configurations = setting.sweep().parts
    gathered = _Gathered(setting, plan.batches)
    watch = contextlib.nullcontext(interrupt) if interrupt else Interrupt()
    with watch as asking, Reporter(progress, label, setting.steps * plan.batches) as reporter:
        for b, first in enumerate(range(0, setting.instances, plan.instances_per_batch)):
            count = min(plan.instances_per_batch, setting.instances - first)
            program = setting.program(configurations, first, count)
            earlier = None if before is None else before.part(first, count)
            batch = Batch(setting, program, configurations, engine, earlier, first)
            batch.run(reporter, asking, b * setting.steps, segment_steps)
            if gathered.done and batch.reached < setting.steps:
                break
            gathered.add(batch.outcome(keep_x))
            del batch  # before the next one takes its memory
            if asking.asked:
                break
    if gathered.done < setting.instances:
        setting = setting.first_only(gathered.done)
        before = None if before is None else before.first_only(gathered.done)
    return _finished(gathered.outcome(), setting, before)


class _Gathered:
    """The batches' outcomes in one, each put in its place as soon as it is there."""

    BY_INSTANCE = ("x", "reported", "event_step", "event", "diverged_step")
    BY_SLOT = ("vectors", "integers")

    def __init__(self, setting: Setting, batches: int) -> None:
        self.instances, self.batches = setting.instances, batches
        self.recorded = 0 if setting.record is None else setting.record.places(setting.instances).size
        self.done = self.done_recorded = self.parts = 0
        self.found: Outcome | None = None

    def add(self, part: Outcome) -> None:
        """The next instances."""
        here = slice(self.done, self.done + part.instances)
        width = next((a.shape[1] for a in part.records.values()), 0)
        recorded = slice(self.done_recorded, self.done_recorded + width)
        self.done, self.done_recorded, self.parts = here.stop, recorded.stop, self.parts + 1
        if self.batches == 1:
            self.found = part
            return
        if self.found is None:
            wide: dict[str, Any] = {n: _wide(getattr(part, n), 1, self.instances) for n in self.BY_INSTANCE}
            wide |= {n: _wide(getattr(part, n), 2, self.instances) for n in self.BY_SLOT}
            records: dict[str, Any] = {n: _wide(a, 1, self.recorded) for n, a in part.records.items()}
            self.found = replace(part, **wide, records=records)
        else:
            self.found.interrupted |= part.interrupted
            self.found.wall_time += part.wall_time
            self.found.segments += part.segments
            self.found.started_inside += part.started_inside
            self.found.flushed += part.flushed
        for n in self.BY_INSTANCE:
            if getattr(part, n) is not None:
                getattr(self.found, n)[:, here] = getattr(part, n)
        for n in self.BY_SLOT:
            getattr(self.found, n)[:, :, here] = getattr(part, n)
        for n, a in part.records.items():
            self.found.records[n][:, recorded] = a

    def outcome(self) -> Outcome:
        """All that was added."""
        assert self.found is not None
        found = replace(self.found, batches=self.parts)
        if self.done < self.instances:
            found = replace(found.part(0, self.done), interrupted=True)
            found.records = {n: a[:, : self.done_recorded] for n, a in found.records.items()}
        return found


def _wide(array: NDArray[Any] | None, axis: int, size: int) -> NDArray[Any] | None:
    """Room for ``size`` along one axis."""
    if array is None:
        return None
    return np.empty((*array.shape[:axis], size, *array.shape[axis + 1 :]), dtype=array.dtype)


def _finished(found: Outcome, setting: Setting, before: Outcome | None) -> Outcome:
    """With summaries in place of what they are of, and after what an earlier run found."""
    record = setting.record
    if record is not None:
        found.record_places = record.places(setting.instances)
        if record.summary and found.records:
            raw = found.records
            found.records = {k: v for n in list(raw) for k, v in summarise(n, raw.pop(n), record.quantiles).items()}
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
