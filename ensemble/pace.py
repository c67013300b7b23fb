"""How many steps the next segment takes."""

from __future__ import annotations

import math

SEGMENT_SECONDS = 0.2
"""How long a segment should take: short enough for Ctrl-C and a display's watchdog, long enough to cost little."""
OVERHEAD_SHARE = 0.05
"""A segment's fixed cost (reading and writing the state, new tables) should be no larger a share of it than this."""
LONGEST_SECONDS = 3.0
"""Where the fixed cost is large, segments grow to this and no further: then no watchdog's limit is near, and Ctrl-C waits."""
LEAVING = 0.2
"""Share of the running instances that may finish within a segment: until it ends their places are taken and not used."""
MOST_OVERHEAD = 0.1
"""The share that the fixed cost may have of a segment kept short for the sake of those that finish."""
LEAST_SECONDS = 0.01
"""Nor is it shorter than this for their sake: what is done between segments would count."""
GROWTH = 8.0
APART = 1.5
"""Two lengths tell the fixed cost where one is so many times the other; closer ones tell the noise of the clock."""


class Pace:
    """Chooses segment lengths from the times that the last two took.

    A segment costs ``fixed + steps * each`` for every instance that runs. Two segments of different length give both, and the
    fixed cost is kept until two others do; the length is then chosen so that a segment takes :data:`SEGMENT_SECONDS`, or longer
    where the fixed cost would be more than :data:`OVERHEAD_SHARE` of it, or shorter where instances finish so fast that more
    than :data:`LEAVING` of them would.
    """

    def __init__(self, first: int, most: int) -> None:
        self.steps, self.most = max(1, min(first, most)), max(1, most)
        self._before: tuple[int, float] | None = None
        self._fixed = 0.0

    def took(self, steps: int, seconds: float, began: int = 1, left: int = 1) -> None:
        """Takes note of a segment and chooses the next one's length.

        ``began``: instances that ran when it began; ``left``: when it was over.
        """
        took = 2 * seconds / (began + left)  # an instance that ran
        if self._before is not None and not 1 / APART < steps / self._before[0] < APART:
            slope = (took - self._before[1]) / (steps - self._before[0])
            if slope > 0:
                self._fixed = max(0.0, took - slope * steps)
        fixed, running = min(self._fixed, took), max(left, 1)
        each = max((took - fixed) / steps, 1e-9 / running)
        target = min(max(SEGMENT_SECONDS, running * fixed / OVERHEAD_SHARE), LONGEST_SECONDS) / running
        wanted = max(target - fixed, each) / each
        if left < began:
            few = LEAVING * steps / math.log(began / left) if left else 1.0
            least = max((1 / MOST_OVERHEAD - 1) * fixed, LEAST_SECONDS / running) / each
            wanted = min(wanted, max(few, least))
        if self._before is None and seconds > SEGMENT_SECONDS:
            wanted = 2 * steps  # a second length, to tell the fixed cost from the steps'
        self._before = (steps, took)
        self.steps = int(min(self.most, steps * GROWTH, max(1.0, steps / GROWTH, wanted)))
