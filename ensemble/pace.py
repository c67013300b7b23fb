"""How many steps the next segment takes."""

from __future__ import annotations

SEGMENT_SECONDS = 0.2
"""How long a segment should take: short enough for Ctrl-C and a display's watchdog, long enough to cost little."""
OVERHEAD_SHARE = 0.05
"""A segment's fixed cost (reading and writing the state, new tables) should be no larger a share of it than this."""
LONGEST_SECONDS = 2.0
"""Where the fixed cost is large, segments grow to this and no further: then no watchdog's limit is near, and Ctrl-C waits."""
GROWTH = 8.0
APART = 1.5
"""Two lengths tell the fixed cost where one is so many times the other; closer ones tell the noise of the clock."""


class Pace:
    """Chooses segment lengths from the times that the last two took.

    A segment costs ``fixed + steps * each``. Two segments of different length give both, and the fixed cost is kept until two
    others do; the length is then chosen so that a segment takes :data:`SEGMENT_SECONDS`, or longer where the fixed cost would be
    more than :data:`OVERHEAD_SHARE` of it.
    """

    def __init__(self, first: int, most: int) -> None:
        self.steps, self.most = max(1, min(first, most)), max(1, most)
        self._before: tuple[int, float] | None = None
        self._fixed = 0.0

    def took(self, steps: int, seconds: float) -> None:
        """Takes note of a segment and chooses the next one's length."""
        if self._before is not None and not 1 / APART < steps / self._before[0] < APART:
            slope = (seconds - self._before[1]) / (steps - self._before[0])
            if slope > 0:
                self._fixed = max(0.0, seconds - slope * steps)
        fixed = min(self._fixed, seconds)
        each = max((seconds - fixed) / steps, 1e-9)
        target = min(max(SEGMENT_SECONDS, fixed / OVERHEAD_SHARE), LONGEST_SECONDS)
        wanted = max(target - fixed, each) / each
        if self._before is None and seconds > SEGMENT_SECONDS:
            wanted = 2 * steps  # a second length, to tell the fixed cost from the steps'
        self._before = (steps, seconds)
        self.steps = int(min(self.most, steps * GROWTH, max(1.0, steps / GROWTH, wanted)))
