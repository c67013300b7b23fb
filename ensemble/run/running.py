"""Runs taken to their ends, together, and what there is when something ended them early."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..backends.crew import share
from ..backends.program import Engine, Program
from ..plain import flag, whole
from ..results.history import Piece, unchanged
from ..results.result import Result, make_result
from ..warned import warn_with
from .engines import engine_for
from .experiment import Experiment
from .given import MOST_STEPS, check_schedules
from .outcome import Outcome, standing
from .plan import Plan, plan_runs
from .progress import Interrupt
from .recording import recording_program
from .runs import Run

PREPARED_AT_ONCE = 4
"""Programs that are compiled at the same time."""
LOOKED_AT = frozenset({"value", "gradient_norm"})
"""Recorded quantities that a kernel of their own finds."""


class UnfinishedError(RuntimeError):
    """A run was ended by an error after some of it had been finished.

    ``result`` is the :class:`~ensemble.Result` of what was finished: instances that have reached the horizon, optimizers that were
    compared before; or, where no instance of an optimizer has, the steps that all had taken. It is as valid as any, says in its
    attributes what is missing, and its ``resume()`` does the rest. The error itself is the cause (``__cause__``). An error before
    anything was finished is raised as it is.
    """

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result


def carry_out(
    settings: Mapping[str, Experiment],
    ran: Mapping[str, Experiment],
    engine: Engine,
    plans: Mapping[str, Plan],
    options: dict[str, Any],
    show: bool | None,
    found: Mapping[str, Outcome],
    history: tuple[Piece, ...] = (),
    forced: str = "",
) -> Result:
    """Runs every setting to its horizon, or to where a signal or an error ends that.

    ``ran``: the settings as they are run, which may record at other steps. ``found``: what earlier runs found; ``history``: what
    those were; ``forced``: what has changed since.

    Raises:
        UnfinishedError: an error came after something had been finished.
    """
    before = {name: found[name] for name, setting in ran.items() if name in found and _goes_on(found[name], setting)}
    _prepare(ran, engine, plans, before)
    runs = {}
    for name, setting in ran.items():
        label = name or type(setting.optimizer).__name__
        runs[name] = Run(setting, engine, plans[name], label, before.get(name), options["keep_x"])
    late: Exception | None = None
    with Interrupt() as interrupt:
        try:
            while not interrupt.asked and (left := [run for run in runs.values() if not run.over]):
                min(left, key=lambda run: run.done).next_batch(
                    show, interrupt
                )  # so that all have about as many instances
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
    ended_by = interrupt.by if late is None else type(late).__name__
    missing = standing(settings, outcomes)
    goes_on = any(run.before is not None for run in runs.values())
    earlier = history if goes_on else ()
    result = make_result(dict(settings), outcomes, options, ended_by if missing else "", earlier, forced)
    words = [_of_starts_inside(outcomes, found), _of_underflow(settings, outcomes)]
    if missing and late is None:
        words.append(
            f"This run was ended early by {ended_by} ({missing}). Its result holds what there is; its resume() does the rest."
        )
    for text in filter(None, words):
        with contextlib.suppress(*[Warning] if late is not None else []):  # the error has the result, and comes first
            warn_with(result, text, stacklevel=4)
    if late is not None:
        raise UnfinishedError(
            f"{type(late).__name__} ({(str(late).splitlines() or [''])[0][:100]}) after part of the run was finished; missing: "
            f"{missing[:80]}. This error's .result holds what there is, and its resume() does the rest.",
            result,
        ) from late
    return result


def _goes_on(found: Outcome, setting: Experiment) -> bool:
    """Whether a run can go on from ``found``: what was not kept is computed again, the same bits."""
    vectors, integers = setting.optimizer.state_slots()
    kept = found.x.size and (found.vectors.size or not vectors) and (found.integers.size or not integers)
    return bool(kept) and not (found.summarised and found.instances < setting.instances)  # moments are of all, or none


def _prepare(
    settings: Mapping[str, Experiment], engine: Engine, plans: Mapping[str, Plan], earlier: Mapping[str, Outcome]
) -> None:
    """Compiles everything that will run, several programs at once: the last batch, too, which may be small."""
    work = []
    for name, setting in settings.items():
        looks = setting.record is not None and not LOOKED_AT.isdisjoint(setting.record.quantities)
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


def resumed(result: Result, steps: object, progress: object, force: object) -> Result:
    """Takes a result on to ``steps`` in total; see :meth:`Result.resume`."""
    options, found = result.options, result.outcomes
    show = None if progress is None else flag("progress", progress)
    reached = [o.reached for o in found.values()]
    missing = standing(result.settings, found)
    if steps is None:
        if not missing:
            raise ValueError(f"resume(steps=None): all that was asked is done; give steps beyond {max(reached)}.")
        settings = dict(result.settings)
    else:
        fewer = any(name not in found or found[name].instances < s.instances for name, s in result.settings.items())
        least = max(reached) if fewer else max(min(reached) + 1, max(reached))
        horizon = whole("steps", steps, max(1, least), MOST_STEPS)
        settings = {name: dataclasses.replace(s, steps=horizon) for name, s in result.settings.items()}
    forced = unchanged("resume", result, force)
    furthest = max(found.values(), key=lambda o: o.reached)
    ran = {name: _with_records_of(furthest, setting) for name, setting in settings.items()}
    for setting in settings.values():
        check_schedules(setting)
    engine, _ = engine_for(options["backend"], options["threads"], result.settings.values())
    plans = plan_runs(ran, engine, options["keep_x"])
    return carry_out(settings, ran, engine, plans, options, show, found, result.history, forced)


def _with_records_of(found: Outcome, setting: Experiment) -> Experiment:
    """The setting, recording where ``found`` was recorded, and after it where the setting says."""
    if setting.record is None or found.record_steps is None:
        return setting
    steps = setting.record.steps(setting.steps)
    at = np.concatenate([found.record_steps, steps[steps > found.reached]]).tolist()
    return dataclasses.replace(setting, record=dataclasses.replace(setting.record, at=at))
