"""A schedule is held to what its field may be, and to what the dtype holds, at every step: as the same constant is."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import tracemalloc

import numpy as np
import pytest
from bad_calls import RUN, complaint
from parts import ROLES, all_kinds, example, kinds

import ensemble as en
from ensemble.held import check_before

SCHEDULED = [
    (kind, f) for kind in all_kinds() for f in dataclasses.fields(kind) if f.metadata.get("kind") == "scheduled"
]
NAMES = [f"{kind.__name__}.{f.name}" for kind, f in SCHEDULED]
MOST_STEPS = 2**31 - 2


def role_of(kind):
    return next(role for role, (_, base) in ROLES.items() if issubclass(kind, base))


def outside(field):
    holds = field.metadata["domain"].holds
    return [math.nan, math.inf, -math.inf, *(v for v in (-1.0, 0.0, 1.0, 2.0) if not holds(v))]


def inside(field):
    return next(v for v in (0.01, 0.5, 1.0, 3.0) if field.metadata["domain"].holds(v))


def run_of(kind, field, schedule, **arguments):
    good = example(kind, dim=3)
    given = {f.name: getattr(good, f.name) for f in dataclasses.fields(kind) if f.init}
    return en.simulate(**RUN | {role_of(kind): kind(**given | {field.name: schedule})} | arguments)


@pytest.mark.parametrize(("kind", "field"), SCHEDULED, ids=NAMES)
def test_a_schedule_that_leaves_its_field_is_refused_with_field_value_and_step(kind, field):
    good = inside(field)
    run_of(kind, field, lambda t: good)
    for bad in outside(field):
        message = complaint(lambda bad=bad: run_of(kind, field, lambda t: bad if t >= 17 else good))
        assert message.startswith(f"{kind.__name__}({field.name}="), message
        assert f"{field.name} is {bad:g} at step 17" in message, message
        assert field.metadata["domain"].words in message, message
        assert len(message) <= 300, message


@pytest.mark.parametrize(("kind", "field"), SCHEDULED, ids=NAMES)
def test_a_constant_schedule_is_refused_where_the_number_is(kind, field):
    for value, dtype in ((0.0, "float64"), (0.3, "float32"), (1e-60, "float32"), (1e39, "float32"), (1e39, "float64")):
        found = []
        for given in (value, en.Constant(value)):
            try:
                run_of(kind, field, given, dtype=dtype, steps=2, instances=1)
                found.append("runs")
            except ValueError:
                found.append("refused")
        assert found[0] == found[1], (value, dtype)


def test_cases_of_closed_forms_and_the_first_step_at_which_they_leave():
    noise = {"noise": en.HessianAligned(en.LinearDecay(64, 100)), "steps": 300}
    assert "batch is 0 at step 101" in complaint(lambda: en.simulate(**RUN | noise))
    rise = {"optimizer": en.GradientDescent(en.ExponentialDecay(0.1, 1.5)), "steps": 3000}
    first = next(t for t in range(1, 3000) if 0.1 * 1.5 ** (t - 1) > float(np.finfo(np.float32).max))
    assert f"at step {first}" in complaint(lambda: en.simulate(**RUN | rise))
    late = {"noise": en.HessianAligned(en.LinearDecay(64, 2e9)), "steps": MOST_STEPS}
    assert "at step 2,000,000,001" in complaint(lambda: en.simulate(**RUN | late))
    inner = {"noise": en.Gaussian(en.PerBatch(1.0, en.LinearDecay(64, 20)))}
    assert "sigma.batch is 0 at step 21" in complaint(lambda: en.simulate(**RUN | inner))
    wrapped = {"optimizer": en.Clip(en.GradientDescent(lambda t: 5.0 - t))}
    assert "base.lr is -1 at step 6" in complaint(lambda: en.simulate(**RUN | wrapped))
    assert "after must be a whole number" in complaint(lambda: en.Average(en.Adam(), after=5.5))


def test_a_longer_run_holds_its_schedules_to_the_longer_horizon():
    result = en.simulate(**RUN | {"optimizer": en.GradientDescent(en.LinearDecay(0.1, 50)), "noise": en.HessianAligned(
        en.LinearDecay(64, 100))})  # fmt: skip
    assert result.resume(40).dataset["horizon"] == 40
    assert "batch is 0 at step 101" in complaint(lambda: result.resume(400))


def test_a_function_that_turns_bad_late_is_caught_before_the_segment_that_would_use_it():
    good = en.simulate(**RUN | {"optimizer": en.GradientDescent(lambda t: 0.1), "steps": 9000})
    (setting,) = good.settings.values()
    late = dataclasses.replace(setting, optimizer=en.GradientDescent(lambda t: math.nan if t == 7001 else 0.1))
    program = late.program(late.sweep().parts, 0, 2)
    assert program.tables(1025, 7000).shape[1] == 7000 - 1024
    assert "lr is nan at step 7,001" in complaint(lambda: program.tables(6990, 7100))


def test_what_a_function_raises_and_what_is_no_number_is_said_in_one_line():
    for bad, words in ((lambda t: 1 / (t - 3), "at step 3"), (lambda t: None, "at step 1"), (lambda t: "x", "step 1")):
        message = complaint(lambda bad=bad: en.simulate(**RUN | {"optimizer": en.GradientDescent(bad)}))
        assert words in message
        assert "return a number" in message

    @dataclasses.dataclass(frozen=True)
    class Short(en.Schedule):
        def __call__(self, t):
            return t[:1]

    message = complaint(lambda: en.simulate(**RUN | {"optimizer": en.GradientDescent(Short())}))
    assert "return a number for each" in message


def test_a_number_derived_from_a_schedule_that_the_dtype_does_not_hold_is_refused():
    tiny = {"noise": en.HessianAligned(lambda t: 1e-39 if t == 5 else 1.0)}
    assert "step 5" in complaint(lambda: en.simulate(**RUN | tiny))
    en.simulate(**RUN | tiny | {"dtype": "float64"})


def schedules():
    """One of every kind, each with several numbers."""
    made = [
        *(en.Cosine(0.3, steps, warmup, 0.1) for steps, warmup in ((50, 0), (50, 7.5), (400, 30), (0.5, 0.2))),
        *(en.Warmup(after, 20.5) for after in (0.2, en.ExponentialDecay(0.3, 0.98), en.Cosine(0.3, 60, 5))),
        *(en.PerBatch(0.7, batch) for batch in (3.0, en.LinearDecay(8, 40, 2), en.Warmup(64.0, 9))),
        en.ExponentialDecay(0.1, 1.01), en.StepDecay(0.1, 2.0, 33), en.LinearDecay(0.0, 70, 0.5), en.InverseTime(0.1, 0.0),
    ]  # fmt: skip
    return [*made, *(example(kind) for kind in kinds("schedule"))]


@pytest.mark.parametrize("schedule", schedules(), ids=repr)
def test_the_range_that_a_schedule_says_is_that_of_its_values(schedule):
    t = np.arange(1.0, 301.0)
    values = schedule(t)
    for first, last in ((1, 300), (1, 1), (2, 9), (5, 60), (51, 52), (101, 300)):
        found = schedule.range(first, last)
        if isinstance(schedule, en.FromFunction):
            assert found is None
            continue
        here = values[first - 1 : last]
        assert found[0] <= here.min() * (1 + 1e-15)
        assert found[1] >= here.max() * (1 - 1e-15)
        assert found[0] >= 0 or here.min() < 0


def test_horizons_of_two_thousand_million_steps_take_no_time_and_no_memory():
    """No timing is asserted, but what is looked at: a thousandth of a thousandth of the steps."""
    looked_at = []

    @dataclasses.dataclass(frozen=True)
    class Watched(en.Schedule):
        of: en.Schedule

        def __call__(self, t):
            looked_at.append(t.size)
            return self.of(t)

        def range(self, first, last):
            looked_at.append(2)
            return self.of.range(first, last)

    tracemalloc.start()
    for schedule in schedules():
        with contextlib.suppress(ValueError):  # one that grows without end
            check_before(en.GradientDescent(Watched(schedule)), MOST_STEPS, "float64")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(looked_at) < 2000 * len(schedules())
    assert most < 4e6
