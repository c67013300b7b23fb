"""Segment lengths: as long as Ctrl-C may wait, and long enough that a segment's own cost hardly counts."""

from __future__ import annotations

import numpy as np
import pytest

from ensemble.pace import LONGEST_SECONDS, OVERHEAD_SHARE, SEGMENT_SECONDS, Pace


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
    fixed, each = 0.03, 1e-3
    pace, _ = settled(fixed, each)
    assert fixed / (fixed + pace.steps * each) == pytest.approx(OVERHEAD_SHARE, rel=0.1)


def test_no_segment_keeps_an_interrupt_waiting_longer_than_it_must():
    pace, longest = settled(1.5, 0.01)
    assert 1.5 + pace.steps * 0.01 == pytest.approx(LONGEST_SECONDS, rel=0.05)
    assert longest < 1.5 * LONGEST_SECONDS


def test_steps_longer_than_the_longest_segment_are_taken_one_by_one():
    assert settled(0.0, 3.0)[0].steps <= 2


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
