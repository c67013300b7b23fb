"""The exact law of the time over the barrier of the double well (x^2-1)^2/4, from -1 until x >= 1.

T is the first step t >= 1 of x' = x - lr (x^3 - x + sigma xi) with x_t >= 1, sigma^2 = 2 D / lr at the temperature D.
Its law is that of the transfer operator of the step (`ensemble.statistics.laws.exit_law`). The means of lr T for small
rates and for small temperatures are `laws.double_well_mean_continuous` and `laws.double_well_mean_kramers`.
"""

from __future__ import annotations

import math
from functools import cache

from ensemble.statistics import laws


@cache
def crossing_time(lr: float, temperature: float, steps: int | None = None) -> laws.TimeLaw:
    """Returns the exact law of T, whose curve goes to beyond the median, or to ``steps``."""
    if steps is None:
        steps = int(0.8 * laws.double_well_mean(lr, temperature) / lr)
    return laws.exit_law(lambda x: x**3 - x, lr, math.sqrt(2 * temperature / lr), -math.inf, 1.0, -1.0, steps)
