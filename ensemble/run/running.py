"""Runs taken to their ends, together, and what there is when something ended them early."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..backends.crew import share
from ..backends.program import Engine, Program
from .experiment import Experiment
from .outcome import Outcome
from .plan import Plan
from .progress import Interrupt
from .recording import recording_program
from .runs import Run

PREPARED_AT_ONCE = 4
"""Programs that are compiled at the same time."""
LOOKED_AT = frozenset({"value", "gradient_norm"})
"""Recorded quantities that a kernel of their own finds."""


@dataclass(frozen=True)
class Ended:
    """Runs that have come to their ends, or to where they were ended: what was found of each, equally many instances of all.

    ``by``: the signal or the error's name that ended them, if one did; ``late``: that error. ``goes_on``: whether any went on from
    what had been found before, and did not begin again. ``words``: what to warn of.
    """

    outcomes: dict[str, Outcome]
    by: str
    late: Exception | None
    goes_on: bool
    words: tuple[str, ...]


def taken(
    settings: Mapping[str, Experiment],
    engine: Engine,
    plans: Mapping[str, Plan],
    keep_x: bool,
    show: bool | None,
    found: Mapping[str, Outcome],
) -> Ended:
    """Takes every experiment to its horizon, or to where a signal or an error ends that, once some of it is finished.

    ``found``: what earlier runs found.
    """
    before = {
        name: found[name] for name, setting in settings.items() if name in found and goes_on(found[name], setting)
    }
    prepare(settings, engine, plans, before)
    runs = {}
    for name, setting in settings.items():
        label = name or type(setting.optimizer).__name__
        runs[name] = Run(setting, engine, plans[name], label, before.get(name), keep_x)
    late: Exception | None = None
    begun = bool(
        found
    )  # an interrupt may come before anything has: then the first batch ends at its first step, a result
    with Interrupt() as interrupt:
        try:
            while not (begun and interrupt.asked) and (left := [run for run in runs.values() if not run.over]):
                min(left, key=lambda run: run.done).next_batch(
                    show, interrupt
                )  # so that all have about as many instances
                begun = True
        except Exception as error:
            late = error
    if late is not None and not any(run.done for run in runs.values()):
        raise late
    outcomes = {}
    for name, run in runs.items():
        there = [outcome for outcome in (found.get(name), run.outcome() if run.done else None) if outcome is not None]
        if there:
            outcomes[name] = max(there, key=lambda o: (o.instances * o.reached, o.instances, o is not found.get(name)))
    count = min(outcome.instances for outcome in outcomes.values())
    outcomes = {name: o if o.instances == count else o.first_only(count) for name, o in outcomes.items()}
    by = interrupt.by if late is None else type(late).__name__
    words = warnings_of(settings, outcomes, found)
    return Ended(outcomes, by, late, any(run.before is not None for run in runs.values()), words)


def warnings_of(
    settings: Mapping[str, Experiment], outcomes: Mapping[str, Outcome], found: Mapping[str, Outcome]
) -> tuple[str, ...]:
    """What to warn of that was found and is not in what earlier runs ``found``."""
    return tuple(filter(None, (_of_starts_inside(outcomes, found), _of_underflow(settings, outcomes))))


def goes_on(found: Outcome, setting: Experiment) -> bool:
    """Whether a run can go on from ``found``: what was not kept is computed again, the same bits."""
    vectors, integers = setting.optimizer.state_slots()
    kept = found.x.size and (found.vectors.size or not vectors) and (found.integers.size or not integers)
    return bool(kept) and not (found.summarised and found.instances < setting.instances)  # moments are of all, or none


def prepare(
    settings: Mapping[str, Experiment], engine: Engine, plans: Mapping[str, Plan], earlier: Mapping[str, Outcome]
) -> None:
    """Compiles everything that will run, several programs at once: the last batch, too, which may be small."""
    work = []
    for name, setting in settings.items():
        record = setting.record
        looks = record is not None and not LOOKED_AT.union(record.derived).isdisjoint(record.names)
        size, reached = plans[name].instances_per_batch, earlier[name].reached if name in earlier else 0
        wanted: dict[tuple[int, bool], Program] = {}
        for first in range(0, setting.instances, size):
            count = min(size, setting.instances - first)
            program = recording_program(setting, setting.program(setting.sweep().parts, first, count), engine, reached)
            wanted.setdefault((count, program.recorded), program)
        work += [(program, looks) for program in wanted.values()]
    share(work, [lambda each: engine.prepare(*each)] * min(len(work), PREPARED_AT_ONCE))


def _of_starts_inside(outcomes: Mapping[str, Outcome], found: Mapping[str, Outcome]) -> str:
    inside = sum(o.started_inside for o in outcomes.values())
    if inside <= sum(o.started_inside for o in found.values()):
        return ""
    return (
        f"{inside} of {sum(o.event_step.size for o in outcomes.values())} starts already satisfy the event. Starts are "
        f"not tested: their event is recorded at the first step after which it holds."
    )


def _of_underflow(settings: Mapping[str, Experiment], outcomes: Mapping[str, Outcome]) -> str:
    count = sum(outcome.flushed for outcome in outcomes.values())
    if not count:
        return ""
    dtype = next(iter(settings.values())).dtype
    later = ', or dtype="float64", which ends later' if dtype == "float32" else ""
    return (
        f"In {count} instances or more a coordinate was flushed to 0 where the landscape curves down: {dtype} ends at "
        f"{np.finfo(dtype).tiny:.3g}, and no step moves it again. That is arithmetic, not optimization; give a little noise, "
        f"such as noise=Gaussian(1e-6), or PerturbedGD{later}."
    )


def with_records_of(found: Outcome, setting: Experiment) -> Experiment:
    """The setting, recording where ``found`` was recorded, and after it where the setting says."""
    if setting.record is None or found.record_steps is None:
        return setting
    steps = setting.record.steps(setting.steps)
    at = np.concatenate([found.record_steps, steps[steps > found.reached]]).tolist()
    return dataclasses.replace(setting, record=dataclasses.replace(setting.record, at=at))
