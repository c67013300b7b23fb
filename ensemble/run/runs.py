"""A run: one optimizer's ensemble taken through its batches by an engine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backends.program import Engine
from .batch import Batch
from .experiment import Experiment
from .outcome import Outcome
from .pace import TooLongError
from .plan import Memory, Plan
from .progress import Interrupt, Reporter, raised_by_handler
from .recorder import summarise

HALVINGS = 10
"""A batch that memory does not suffice for is halved so often, and then given up."""


def execute(
    setting: Experiment,
    engine: Engine,
    plan: Plan,
    progress: bool | None,
    label: str,
    before: Outcome | None = None,
    segment_steps: int | None = None,
) -> Outcome:
    """Runs a setting to its horizon, from the start or from ``before``; or to where an interrupt ends it."""
    run = Run(setting, engine, plan, label, before, segment_steps=segment_steps)
    with Interrupt() as interrupt:
        while not run.over and not (run.done and interrupt.asked):
            run.next_batch(progress, interrupt)
    return run.outcome()


class Run:
    """One optimizer's ensemble on its way: batch after batch, each the next instances from their start to the horizon.

    ``before``: what an earlier run found of the first instances, or of all; those go on from there. What an interrupt or an error
    leaves is the instances that have reached the horizon or, where the first batch has not, that batch at the step it came to: an
    ensemble is its instances' sum, and fewer of them are an ensemble too. Where an error struck some instances and not others, what
    all had done before is done again.

    ``between``: called after every segment and every batch, and may take :meth:`parts`. ``begun``: what those were; they go on, each
    from its own step.
    """

    def __init__(
        self,
        setting: Experiment,
        engine: Engine,
        plan: Plan,
        label: str = "",
        before: Outcome | None = None,
        keep_x: bool = True,
        segment_steps: int | None = None,
        begun: Sequence[Outcome] = (),
        between: Callable[[], None] | None = None,
    ) -> None:
        self.setting, self.engine, self.label, self.before, self.keep_x = setting, engine, label, before, keep_x
        self.segment_steps, self.between = segment_steps, between
        self.configurations = setting.sweep().parts
        self.planned = self.size = plan.instances_per_batch
        self._gathered = _Gathered(setting)
        self._at_work: tuple[Batch, Outcome | None] | None = None
        while begun and begun[0].reached == setting.steps:
            self._gathered.add(begun[0])
            begun = begun[1:]
        self._begun: list[tuple[int, Outcome]] = []
        self._begun_end = self.done
        for outcome in begun:
            self._begun.append((self._begun_end, outcome))
            self._begun_end += outcome.instances

    @property
    def done(self) -> int:
        """Instances of which there is an outcome."""
        return self._gathered.done

    @property
    def over(self) -> bool:
        return self.done == self.setting.instances

    def next_batch(self, show: bool | None, interrupt: Interrupt) -> None:
        """Runs the next instances: as many as were planned, or fewer where memory does not suffice or a step would take too long.

        Raises:
            MemoryError: it suffices for hardly any, with the numbers.
        """
        edge = self._earlier(self.done, 0)[1]
        while True:
            first, count = self.done, min(self.size, edge - self.done)
            fewer, why = self._tried(first, count, show, interrupt)
            self.engine.release_host()
            if not fewer:
                if self.between is not None and self._at_work is None and self._gathered.reached == self.setting.steps:
                    self.between()
                return
            if why:
                self.engine.release()  # here nothing holds on to the batch any longer
                if count == 1 or count < self.planned >> HALVINGS:
                    raise self._too_little(count, why)
            self.size = fewer

    def _earlier(self, first: int, count: int) -> tuple[Outcome | None, int]:
        """What was found before of some instances, and where what was found of the first of them ends."""
        for start, outcome in self._begun:
            if start <= first < start + outcome.instances:
                return outcome.part(first - start, count), start + outcome.instances
        if self.before is not None and first < self.before.instances:
            return self.before.part(first, count), self.before.instances
        return None, self.setting.instances

    def _tried(self, first: int, count: int, show: bool | None, interrupt: Interrupt) -> tuple[int, str]:
        """Runs a batch and keeps what it found; or says how many instances to try instead, and what there was no memory for."""
        try:
            with self.engine.here():
                found = self._ran(first, count, show, interrupt)
            if found.reached == self.setting.steps or not first:
                self._gathered.add(found)
                self._at_work = None
        except MemoryError as error:
            self._at_work = None
            return -(-count // 2), (str(error).splitlines() or ["no memory"])[0]
        except TooLongError as error:
            self._at_work = None
            return max(1, min(count // 2, int(error.share * count))), ""
        return 0, ""

    def parts(self) -> list[Outcome]:
        """What there is, to go on from: of instances that have reached the horizon, and of those under way, with their state."""
        found = [self._gathered.outcome()] if self.done else []
        if self._at_work is not None:
            batch, earlier = self._at_work
            found.append(self._outcome(batch, earlier, True))
        left = sum(outcome.instances for outcome in found)
        for start, outcome in self._begun:
            if start + outcome.instances > left:
                found.append(outcome.part(max(left - start, 0), outcome.instances))
        return found

    def _ran(self, first: int, count: int, show: bool | None, interrupt: Interrupt) -> Outcome:
        setting = self.setting
        earlier, _ = self._earlier(first, count)
        program = setting.program(self.configurations, first, count)
        shares = (first / setting.instances, count / setting.instances)
        with Reporter(show, self.label, setting.steps, *shares) as reporter:
            batch = Batch(setting, program, self.configurations, self.engine, earlier)
            self._at_work = (batch, earlier)
            try:
                batch.run(reporter, interrupt, self.segment_steps, between=self.between)
                if self.between is not None and batch.reached < setting.steps:
                    self.between()
            except (MemoryError, TooLongError):
                raise
            except Exception as error:
                begun = 0 if earlier is None else earlier.reached
                if self.between is None and not first and batch.sound > begun and not raised_by_handler(error):
                    with contextlib.suppress(Exception):  # the error that there is says what is wrong
                        if batch.torn:  # the same again, and no further
                            sound = batch.sound
                            batch = Batch(setting, program, self.configurations, self.engine, earlier)
                            batch.run(reporter, interrupt, self.segment_steps, sound)
                        if batch.reached > begun:
                            self._gathered.add(self._outcome(batch, earlier, self.keep_x))
                raise
        return self._outcome(batch, earlier, self.keep_x)

    def _outcome(self, batch: Batch, earlier: Outcome | None, keep_x: bool) -> Outcome:
        found = batch.outcome(keep_x)
        if earlier is not None and not earlier.summarised:
            found = _with_earlier_records(found, earlier)
        first = batch.program.first_instance - self.setting.first_instance
        if earlier is not None and first < self._begun_end:  # this run's own, and not an earlier one's
            found.wall_time += earlier.wall_time
            found.segments += earlier.segments
            found.inside = earlier.inside
        return found

    def _too_little(self, count: int, why: str) -> MemoryError:
        program = self.setting.program(self.configurations, 0, count)
        needed = Memory.of(self.setting, program, self.engine, self.keep_x, False).running(count)
        return MemoryError(
            f"a batch of {count} instances x {len(self.configurations)} configurations x {program.dim} coordinates, about "
            f"{needed / 2**20:.3g} MiB, found no memory ({why[:80]}); {self.planned} were planned, {self.done} are done. Take fewer "
            f"instances or configurations, record less, or keep_x=False."
        )

    def outcome(self) -> Outcome:
        """What was found so far: of the first :attr:`done` instances."""
        return finished(self._gathered.outcome(), self.setting, self.before)


class _Gathered:
    """The batches' outcomes in one, each put in its place as soon as it is there."""

    BY_INSTANCE = ("x", "reported", "event_step", "event", "diverged_step")
    BY_SLOT = ("vectors", "integers")

    def __init__(self, setting: Experiment) -> None:
        self.instances = setting.instances
        self.recorded = 0 if setting.record is None else setting.record.places(setting.instances).size
        self.done = self.done_recorded = self.parts = 0
        self.found: Outcome | None = None

    @property
    def reached(self) -> int:
        return -1 if self.found is None else self.found.reached

    def add(self, part: Outcome) -> None:
        """The next instances."""
        here = slice(self.done, self.done + part.instances)
        width = next((a.shape[1] for a in part.records.values()), 0)
        recorded = slice(self.done_recorded, self.done_recorded + width)
        inside = tuple((self.done + end, count) for end, count in part.inside)
        if part.instances == self.instances:
            self.found = part
        elif self.found is None:
            wide: dict[str, Any] = {n: _wide(getattr(part, n), 1, self.instances) for n in self.BY_INSTANCE}
            wide |= {n: _wide(getattr(part, n), 2, self.instances) for n in self.BY_SLOT}
            records: dict[str, Any] = {n: _wide(a, 1, self.recorded) for n, a in part.records.items()}
            self.found = replace(part, **wide, records=records)
        else:
            self.found.inside += inside
            self.found.wall_time += part.wall_time
            self.found.segments += part.segments
            self.found.flushed += part.flushed
        self.done, self.done_recorded, self.parts = here.stop, recorded.stop, self.parts + 1
        if self.found is part:
            return
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
            found = found.part(0, self.done)
            found.records = {n: a[:, : self.done_recorded] for n, a in found.records.items()}
        return found


def _wide(array: NDArray[Any] | None, axis: int, size: int) -> NDArray[Any] | None:
    """Room for ``size`` along one axis."""
    if array is None:
        return None
    return np.empty((*array.shape[:axis], size, *array.shape[axis + 1 :]), dtype=array.dtype)


def finished(found: Outcome, setting: Experiment, before: Outcome | None) -> Outcome:
    """What was gathered, with summaries in place of what they are of, and with what an earlier run took."""
    record = setting.record
    if record is not None:
        places = record.places(setting.instances)
        found.record_places = places[: np.searchsorted(places, found.instances)]
        if not found.record_places.size:
            found.records, found.record_steps = {}, None
        elif record.summary and found.records:
            raw = found.records
            edges = dict(record.histograms)
            found.records = {
                k: v for n in list(raw) for k, v in summarise(n, raw.pop(n), record.quantiles, edges.get(n)).items()
            }
    else:
        found.records, found.record_steps = {}, None
    if before is not None:
        if before.summarised:
            found = _with_earlier_records(found, before)
        found.wall_time += before.wall_time
        found.segments += before.segments
        of_both = min(found.instances, before.instances)
        found.inside = before.part(0, of_both).inside + tuple(i for i in found.inside if i[0] > of_both)
    return found


def _with_earlier_records(found: Outcome, before: Outcome) -> Outcome:
    """Records of a resumed run: those taken before, then the new ones."""
    if before.record_steps is None or found.record_steps is None:
        if before.record_steps is not None:
            return replace(found, records=before.records, record_steps=before.record_steps)
        return found
    new = found.record_steps > before.reached
    axis = 1 if found.summarised else 2
    records = {}
    for name, array in found.records.items():
        kept = np.take(array, np.flatnonzero(new), axis=axis)
        records[name] = np.concatenate([before.records[name], kept], axis=axis)
    return replace(found, records=records, record_steps=np.concatenate([before.record_steps, found.record_steps[new]]))
