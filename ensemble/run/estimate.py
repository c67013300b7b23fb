"""How long a planned run will take, and in how many launches."""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np

from ..backends.cost import ceiling
from ..backends.measured import share
from ..backends.program import Engine, Program
from .batch import Batch
from .experiment import Experiment
from .pace import LEAST_SECONDS, LEAVING, paces
from .plan import Plan
from .recording import Room

TRIAL_SECONDS = 0.05
"""How long a trial must run to be believed."""


def estimated(plan: Plan, setting: Experiment, engine: Engine) -> Plan:
    """The plan with its time and launches: the most that there can be, where events may end a run early.

    On a GPU the time comes of the instructions counted for the optimizer, where it was counted and instances stay in registers: of the
    share of their ceiling that was measured on this device, else of the ceiling itself, which is the least. Elsewhere a few instances run
    for :data:`TRIAL_SECONDS`, and the rest is assumed to run as fast.
    """
    configurations = setting.sweep().parts
    program = setting.program(configurations, 0, plan.instances_per_batch)
    allowed = engine.thread_instructions()
    rate, at_least, basis = None, False, ""
    if allowed is not None and not plan.streamed:
        rate, at_least, basis = _of_instructions(program, engine, allowed)
    if rate is None:
        with engine.here():
            rate, basis = _tried(setting, engine, plan.instances_per_batch), "a trial of a few instances"
    seconds = plan.coordinate_steps / rate
    asked = setting.steps // program.check_every * engine.launches_to_ask(program)
    each = seconds / plan.batches / setting.steps
    launches = plan.batches * (
        _launches(setting, program, engine, each) + _ended_early(program, setting.steps * each) + asked
    )
    return dataclasses.replace(plan, seconds=seconds, launches=launches, basis=basis, at_least=at_least)


def _of_instructions(program: Program, engine: Engine, allowed: float) -> tuple[float | None, bool, str]:
    """Coordinate-steps/s of a GPU, whether that is the most there can be, and what it rests on; None where nothing says."""
    optimizer = program.part("optimizer")
    most = ceiling(optimizer, program.dim, allowed, engine.team(program))
    if most is None:
        return None, False, ""
    found = share(engine.device_name, optimizer, program.dim, program.dtype.name)
    if found is not None:
        return found[0] * most, False, f"rates measured on this device, {found[1]}"
    return (most, True, "the ceiling of counted instructions") if program.dtype == np.float32 else (None, False, "")


def _tried(setting: Experiment, engine: Engine, most: int) -> float:
    """Coordinate-steps/s of a few instances of the setting, ``most`` at most."""
    configurations = setting.sweep().parts
    per = max(1, engine.trial_coordinates // (len(configurations) * setting.landscape.dimension))  # type: ignore[attr-defined]
    few = dataclasses.replace(setting, instances=min(most, per), record=None)
    batch = Batch(few, few.program(configurations, 0, few.instances), configurations, engine, None)
    active = np.arange(batch.program.rows, dtype=np.int32)
    reached, length, most = 0, 1, paces(batch.program, engine).most
    while True:
        began = time.perf_counter()
        engine.advance(batch.program, batch.state, active, reached + 1, reached + length)
        took = time.perf_counter() - began
        reached += length
        if took > TRIAL_SECONDS or length == most or reached + min(2 * length, most) > setting.steps:
            break
        length = min(2 * length, most)
    ends = [engine.to_numpy(a) for a in (batch.state.event_step, batch.state.diverged_step)]
    stopped = (ends[0] > 0) & batch.program.stop
    taken = np.where(stopped, np.clip(ends[0] - (reached - length), 0, length), length)
    return max(int(taken.sum()), 1) * batch.program.dim / max(took, 1e-9)


def _launches(setting: Experiment, program: Program, engine: Engine, each: float) -> int:
    """Segments of a batch whose steps take ``each`` seconds and that ends where there is no room for more that is recorded."""
    pace, reached, launches, settled = paces(program, engine), 0, 0, 0
    places = 0 if setting.record is None else min(setting.record.places(setting.instances).size, program.instances)
    room = Room.of(setting.record, setting.steps, 0, places, program, engine)
    while reached < setting.steps:
        before = pace.steps
        taken = room.end(reached, min(reached + pace.steps, setting.steps)) - reached
        pace.took(taken, taken * each)
        reached, launches = reached + taken, launches + 1
        settled = settled + 1 if pace.steps == before else 0
        if settled > 2:  # so are all that follow until there is no room
            more = (room.end(reached, setting.steps) - reached) // pace.steps
            reached, launches = reached + more * pace.steps, launches + more
    return launches


def _ended_early(program: Program, seconds: float) -> int:
    """Segments of a batch that there can be beside those, since segments end before many instances have finished.

    Until one is left a share of :data:`~ensemble.run.pace.LEAVING` can finish so many times; half of it, where fewer do than before.
    None of these segments is shorter than :data:`~ensemble.run.pace.LEAST_SECONDS`.
    """
    return math.ceil(min(2 * math.log(program.rows) / LEAVING, seconds / LEAST_SECONDS))
