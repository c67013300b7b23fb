"""How many steps the next segment takes."""

from __future__ import annotations

SEGMENT_SECONDS = 0.2
"""How long a segment should take: short enough for Ctrl-C and a display's watchdog, long enough to cost little."""
OVERHEAD_SHARE = 0.1
"""A segment's fixed cost (reading and writing the state, new tables) should be no larger a share of it than this."""
LONGEST_SECONDS = 2.0
"""Where the fixed cost is large, segments grow to this and no further: then no watchdog's limit is near, and Ctrl-C waits."""
GROWTH = 8.0


class Pace:
    """Chooses segment lengths from the times that the last two took.

    A segment costs ``fixed + steps * each``. Two segments of different length give both; the length is then chosen so that a
    segment takes :data:`SEGMENT_SECONDS`, or longer where the fixed cost would be more than :data:`OVERHEAD_SHARE` of it.
    """

    def __init__(self, first: int, most: int) -> None:
        self.steps, self.most = max(1, min(first, most)), max(1, most)
        self._before: tuple[int, float] | None = None

    def took(self, steps: int, seconds: float) -> None:
        """Takes note of a segment and chooses the next one's length."""
        each = seconds / steps
        if self._before is not None and self._before[0] != steps:
            slope = (seconds - self._before[1]) / (steps - self._before[0])
            if 0 < slope < each:
                each = slope
        fixed = max(0.0, seconds - each * steps)
        target = min(max(SEGMENT_SECONDS, fixed / OVERHEAD_SHARE), LONGEST_SECONDS)
        wanted = max(target - fixed, each) / max(each, 1e-9)
        self._before = (steps, seconds)
        self.steps = int(min(self.most, steps * GROWTH, max(1.0, steps / GROWTH, wanted)))
        if self.steps == steps and fixed == 0.0 and seconds > SEGMENT_SECONDS:
            self.steps = max(1, steps * 2)  # a second length, to tell the fixed cost from the steps'
