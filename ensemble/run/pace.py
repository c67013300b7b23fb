"""How many steps the next segment takes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from ..backends.program import Engine, Program

SEGMENT_SECONDS = 0.2
"""How long a segment should take: short enough for Ctrl-C and a display's watchdog, long enough to cost little."""
OVERHEAD_SHARE = 0.05
"""A segment's fixed cost (reading and writing the state, new tables) should be no larger a share of it than this."""
LONGEST_SECONDS = 0.8
"""Where the fixed cost is large, segments grow to this and no further: a noisy clock then keeps them below a second. Only where the
fixed cost is more than half of it do they take twice that cost."""
LEAVING = 0.2
"""Share of the running instances that may finish within a segment: until it ends their places are taken and not used."""
MOST_OVERHEAD = 0.1
"""The share that the fixed cost may have of a segment kept short for the sake of those that finish."""
LEAST_SECONDS = 0.01
"""Nor is it shorter than this for their sake: what is done between segments would count."""
GROWTH = 8.0
APART = 1.5
"""Two lengths tell the fixed cost where one is so many times the other; closer ones tell the noise of the clock."""

STEP_SECONDS = 0.25
"""A step of all instances that would take longer is too long for a segment: then fewer are run together."""
SURE_SECONDS, SURE_TIMES = 0.05, 3
"""How long some instances must take it, and so many after them, before it is believed that all would take too long: by the fastest,
since a first call costs more than its step, and on a busy machine any one call may wait."""


WATCHED_SECONDS = 1.0
"""A kernel of a GPU whose display has a watchdog is no longer than this: after two to five seconds the system ends it."""

TABLE_NUMBERS = 1_000_000
"""Numbers in the tables of one segment, about: a few MB while they are made."""
MOST_TABLE_NUMBERS = 16_000_000
"""The most there may be, where so many configurations are swept that fewer would be a segment of less than 32 steps."""
CALLS_OWN = 0.6
"""Where more instances take so much less each, most of the time is the call's own: nothing follows for all of them."""


class TooLongError(Exception):
    """A step of all instances would take too long; ``share`` of them would do."""

    def __init__(self, share: float) -> None:
        super().__init__(f"a step takes {STEP_SECONDS / share / 2:.3g} s")
        self.share = share


def first_step(rows: Any, take: Callable[[Any], None], clock: Callable[[], float] = time.perf_counter) -> None:
    """Has ``rows`` take one step: one first, and more and more of them as long as it seems that all would take too long.

    Raises:
        TooLongError: all would take longer than :data:`STEP_SECONDS`. Some have then taken the step.
    """
    done, few, slow, each = 0, 1, 0, math.inf
    while done < rows.size:
        here = rows[done : done + few]
        began = clock()
        take(here)
        took, before = clock() - began, each
        done, each = done + here.size, min(each, took / here.size)
        if each * rows.size <= STEP_SECONDS:
            few = rows.size - done
        elif took < SURE_SECONDS:
            few, slow = 4 * few, 0
        elif each < CALLS_OWN * before:
            few, slow = max(1, min(4 * few, int(LONGEST_SECONDS / each))), 0
        elif (slow := slow + 1) == SURE_TIMES and done < rows.size:
            raise TooLongError(STEP_SECONDS / (each * rows.size) / 2)


class Pace:
    """Chooses segment lengths from the times that the last two took.

    A segment costs ``fixed + steps * each`` for every instance that runs. Two segments of different length give both, and the
    fixed cost is kept until two others do; the length is then chosen so that a segment takes :data:`SEGMENT_SECONDS`, or longer
    where the fixed cost would be more than :data:`OVERHEAD_SHARE` of it, or shorter where instances finish so fast that more
    than :data:`LEAVING` of them would. ``watched``: its steps take no longer than :data:`WATCHED_SECONDS`, whatever its fixed cost.
    """

    def __init__(self, first: int, most: int, watched: bool = False) -> None:
        self.steps, self.most, self.watched = max(1, min(first, most)), max(1, most), watched
        self._before: tuple[int, float] | None = None
        self._fixed, self._told = 0.0, False

    def took(self, steps: int, seconds: float, began: int = 1, left: int = 1) -> None:
        """Takes note of a segment and chooses the next one's length.

        ``began``: instances that ran when it began; ``left``: when it was over.
        """
        took = 2 * seconds / (began + left)  # an instance that ran
        if self._before is not None and not 1 / APART < steps / self._before[0] < APART:
            self._told = True
            slope = (took - self._before[1]) / (steps - self._before[0])
            if slope > 0:
                self._fixed = max(0.0, took - slope * steps)
        fixed, running = min(self._fixed, took), max(left, 1)
        each = max((took - fixed) / steps, 1e-9 / running)
        longest = max(LONGEST_SECONDS, 2 * running * fixed) / running
        if self.watched:
            longest = min(longest, WATCHED_SECONDS / running + fixed)
        target = min(max(SEGMENT_SECONDS / running, fixed / OVERHEAD_SHARE), longest)
        wanted = max(target - fixed, each) / each
        if (
            wanted > steps and took < longest
        ):  # however wrong the fixed cost is, more steps take at most so many times as long
            wanted = min(wanted, steps * longest / took)
        if left < began:
            few = LEAVING * steps / math.log(began / left) if left else 1.0
            least = max((1 / MOST_OVERHEAD - 1) * fixed, LEAST_SECONDS / running) / each
            wanted = min(wanted, max(few, least))
        if not self._told and (self._before is None or 2 * seconds <= LONGEST_SECONDS) and wanted < 2 * steps:
            wanted = 2 * steps  # a second length, to tell the fixed cost from the steps'
        self._before = (steps, took)
        self.steps = int(min(self.most, steps * GROWTH, max(1.0, steps / GROWTH, wanted)))


def steps_at_most(program: Program, engine: Engine) -> int:
    """Steps of a segment, at most: so many that their tables stay small."""
    numbers = engine.table_numbers(program)
    return max(1, TABLE_NUMBERS // numbers, min(32, MOST_TABLE_NUMBERS // numbers))


def paces(program: Program, engine: Engine) -> Pace:
    """The lengths of a program's segments."""
    return Pace(1, steps_at_most(program, engine), engine.watched)
