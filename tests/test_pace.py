"""Segment lengths: as long as Ctrl-C may wait, and long enough that a segment's own cost hardly counts."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from ensemble.run.estimate import _ended_early
from ensemble.run.pace import (
    LEAST_SECONDS,
    LONGEST_SECONDS,
    OVERHEAD_SHARE,
    SEGMENT_SECONDS,
    STEP_SECONDS,
    WATCHED_SECONDS,
    Pace,
    TooLongError,
    first_step,
)


def settled(fixed, each, first=1, most=10**9, segments=40):
    """The pace after so many segments that take ``fixed + steps * each`` seconds, and the longest that any took."""
    pace, longest = Pace(first, most), 0.0
    for _ in range(segments):
        took = fixed + pace.steps * each
        longest = max(longest, took)
        pace.took(pace.steps, took)
    return pace, longest


@pytest.mark.parametrize("each", [1e-7, 1e-5, 1e-3, 0.05])
def test_segments_that_cost_nothing_themselves_take_a_fifth_of_a_second(each):
    pace, longest = settled(0.0, each)
    assert pace.steps * each == pytest.approx(SEGMENT_SECONDS, rel=0.3)
    assert longest < 3 * SEGMENT_SECONDS


def test_segments_grow_until_their_own_cost_is_a_small_share():
    fixed, each = 0.02, 1e-3
    pace, _ = settled(fixed, each)
    assert fixed / (fixed + pace.steps * each) == pytest.approx(OVERHEAD_SHARE, rel=0.1)


@pytest.mark.parametrize("fixed", [0.0, 1e-4, 0.01, 0.1, 0.3])
@pytest.mark.parametrize("each", [1e-8, 1e-6, 1e-4, 0.01, 0.2, STEP_SECONDS])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_no_segment_keeps_an_interrupt_waiting_for_a_second(fixed, each, noise):
    """By a clock of its own, from the first segment on: on machines of every speed, with a clock that lies by a tenth."""
    rng, pace = np.random.default_rng(1), Pace(1, 10**9)
    for _ in range(200):
        took = (fixed + pace.steps * each) * rng.uniform(1 - noise, 1 + noise)
        assert took < 1.0
        pace.took(pace.steps, took)
    assert fixed + pace.steps * each > 0.9 * min(SEGMENT_SECONDS, LONGEST_SECONDS) - each


@pytest.mark.parametrize("fixed", [0.03, 0.3])
def test_where_their_own_cost_is_large_segments_take_most_of_a_second(fixed):
    pace, longest = settled(fixed, 0.001)
    assert fixed + pace.steps * 0.001 == pytest.approx(min(fixed / OVERHEAD_SHARE, LONGEST_SECONDS), rel=0.05)
    assert longest < 1.0


def test_where_it_is_more_than_that_it_is_half_of_what_they_take():
    pace, longest = settled(1.5, 0.01)
    assert 1.5 + pace.steps * 0.01 == pytest.approx(3.0, rel=0.05)
    assert longest < 3.2


@pytest.mark.parametrize("fixed", [0.0, 0.3, 1.5])
def test_no_kernel_is_long_where_a_watchdog_ends_long_ones(fixed):
    """Whatever the segment's own cost is, of which the kernel is no part."""
    pace, longest = Pace(1, 10**9, watched=True), 0.0
    for _ in range(40):
        longest = max(longest, pace.steps * 0.01)
        pace.took(pace.steps, fixed + pace.steps * 0.01)
    assert longest < 1.1 * WATCHED_SECONDS
    assert pace.steps * 0.01 > 0.9 * min(WATCHED_SECONDS, SEGMENT_SECONDS)


def test_steps_longer_than_the_longest_segment_are_taken_one_by_one():
    assert settled(0.0, 3.0)[0].steps <= 2


class Machine:
    """Takes a step of some rows, by a clock of its own that other processes sometimes stop for a while."""

    def __init__(self, each, call=0.0, pauses=()):
        self.now, self.each, self.call, self.pauses = 0.0, each, call, iter(pauses)
        self.slices = []

    def __call__(self, rows):
        self.slices.append(rows)
        self.now += self.call + rows.size * self.each + next(self.pauses, 0.0)

    def clock(self):
        return self.now


@pytest.mark.parametrize(
    ("each", "call"), [(1e-9, 0.0), (1e-9, 0.02), (1e-7, 0.001), (1e-7, 0.02), (1e-8, 0.1), (1e-8, 0.2)]
)
@pytest.mark.parametrize("pauses", [(), (0.5,), (0.05, 0.2, 0.0, 0.03)])
def test_the_first_step_is_taken_once_by_everyone_where_that_takes_no_time(each, call, pauses):
    rows, machine = np.arange(1_000_000, dtype=np.int32), Machine(each, call, pauses)
    first_step(rows, machine, machine.clock)
    assert np.array_equal(np.concatenate(machine.slices), rows)
    assert len(machine.slices) < 20


@pytest.mark.parametrize("each", [1e-6, 1e-4, 0.01, 0.3])
@pytest.mark.parametrize("pauses", [(), (0.05, 0.2, 0.0, 0.03)])
def test_fewer_are_taken_together_where_a_step_of_all_would_take_long(each, pauses):
    rows, machine = np.arange(1_000_000, dtype=np.int32), Machine(each, 0.001, pauses)
    with pytest.raises(TooLongError) as error:
        first_step(rows, machine, machine.clock)
    assert max(slice.size for slice in machine.slices) * each < 1.01 * LONGEST_SECONDS
    taken = error.value.share * rows.size * each
    assert taken <= 1.01 * STEP_SECONDS / 2
    assert taken > 0.4 * STEP_SECONDS / 2 or pauses
    again = Machine(each, 0.001)
    few = rows[: max(1, int(error.value.share * rows.size))]
    first_step(few, again, again.clock)
    assert np.array_equal(np.concatenate(again.slices), few)


def test_one_that_takes_long_by_itself_is_taken_all_the_same():
    machine = Machine(5.0)
    first_step(np.arange(1), machine, machine.clock)
    assert len(machine.slices) == 1


def lasting(law, running, each, steps, fixed=0.0):
    """Segments of an ensemble of which the share law(t) runs at step t: (first step, steps, share that ran when it ended)."""
    pace, reached, found = Pace(1, 10**9), 0, []
    while reached < steps and law(reached) * running > 1:
        taken = min(pace.steps, steps - reached)
        began, left = (int(running * law(t)) for t in (reached, reached + taken))
        ran = running * np.mean([law(t) for t in np.linspace(reached, reached + taken, 50)])
        found.append((reached, taken, left / began))
        pace.took(taken, ran * (fixed + taken * each), began, left)
        reached += taken
    return found


LAWS = {
    "a constant hazard": lambda t: np.exp(-t / 5_000),
    "a heavy tail": lambda t: 1 / np.sqrt(1 + t / 50),
}


@pytest.mark.parametrize("law", LAWS)
def test_segments_end_before_many_instances_have_finished(law):
    found = lasting(LAWS[law], 10**6, 1e-10, 20_000)
    shares = [left for first, _, left in found if first > 500 and LAWS[law](first) > 0.1]  # while they are many
    assert len(shares) >= 5
    assert min(shares) > 0.7
    assert np.median(shares) < 0.9  # and no sooner


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("running", [10**4, 10**6])
def test_there_are_no_more_of_them_than_planned(law, running):
    steps, each = 20_000, 1e-4 / running
    planned = len(lasting(lambda t: 1.0, running, each, steps))
    segments = len(lasting(LAWS[law], running, each, steps))
    assert planned < segments <= planned + _ended_early(SimpleNamespace(rows=running), 1e-4 * steps)


def test_they_are_not_so_short_that_their_own_cost_counts():
    each, running = 1e-6, 10_000
    for _, steps, _ in lasting(LAWS["a heavy tail"], running, each, 20_000, fixed=2e-5)[5:-1]:
        assert steps * each > 4 * 2e-5
    for first, steps, _ in lasting(LAWS["a constant hazard"], 100, 1e-7, 20_000)[5:-1]:
        assert steps * 100 * LAWS["a constant hazard"](first) * each > 0.5 * LEAST_SECONDS


def test_tables_that_fit_bound_a_segment():
    assert settled(0.0, 1e-7, most=1_000)[0].steps == 1_000


def test_a_noisy_clock_changes_little():
    rng, pace, lengths = np.random.default_rng(0), Pace(1, 10**9), []
    for _ in range(200):
        pace.took(pace.steps, (0.005 + pace.steps * 1e-4) * rng.uniform(0.9, 1.1))
        lengths.append(pace.steps)
    assert min(lengths[10:]) > 1_000  # 1,950 where no clock lies
    assert max(lengths[10:]) < 4_000


def test_a_slower_machine_gets_shorter_segments():
    pace, _ = settled(0.0, 1e-5)
    before = pace.steps
    for _ in range(20):
        pace.took(pace.steps, pace.steps * 1e-3)
    assert pace.steps * 1e-3 == pytest.approx(SEGMENT_SECONDS, rel=0.3)
    assert pace.steps < before
