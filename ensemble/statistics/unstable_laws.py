"""Laws of saddles with several unstable directions, all of curvature -gamma: the first that leaves, and their common norm."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import digamma

from ..plain import is_whole
from .exit_laws import TimeLaw, require_positive, require_steps, saddle_exit

_NEGLIGIBLE = 1e-18


def first_direction_exit(
    lr: float, gamma: float, sigma: float, radius: float, directions: int, steps: int, start_scale: float = 0.0
) -> TimeLaw:
    """Exact law of the first t >= 1 at which one of k = `directions` coordinates has |x_j| >= radius: a cube is left.

    The coordinates are independent, so P(T > t) is the k-th power of `saddle_exit`'s survival; mean and sd by summing the whole
    tail. Starts are 0, or N(0, start_scale^2) in each coordinate. Times in steps.

    ValueError: lr, gamma, sigma or radius not positive, directions below 1, start_scale or steps negative.

    >>> law = first_direction_exit(lr=0.05, gamma=1.0, sigma=1.0, radius=1.0, directions=4, steps=50)
    >>> round(law.mean, 4), law.median
    (32.9065, 32)
    """
    require_positive({"gamma": gamma})
    require_steps(steps)
    _require_directions(directions)
    longest = max(steps, 64)
    while True:
        alone = saddle_exit(lr, gamma, sigma, radius, longest, start_scale=start_scale).survival
        survival = alone**directions
        if survival[-1] < _NEGLIGIBLE:
            break
        longest *= 2
    mean = float(survival.sum())
    square = float(np.sum((2.0 * np.arange(survival.size) + 1.0) * survival))
    return TimeLaw(survival[: steps + 1], mean, math.sqrt(max(square - mean**2, 0.0)), int(np.argmax(survival <= 0.5)))


def ball_exit_mean_asymptotic(lr: float, gamma: float, sigma: float, radius: float, directions: int) -> float:
    """Mean steps from 0 until the norm of k = `directions` unstable coordinates is radius or more; noise small against it.

    [ln(R sqrt(a^2-1)/(lr sigma)) - (digamma(k/2) + ln 2)/2]/ln a + 1/2, a = 1 + lr gamma: |x_t| -> a^t lr sigma/sqrt(a^2-1) times a
    chi variable of k degrees of freedom, whose logarithm has the mean (digamma(k/2) + ln 2)/2 (Johnson, Kotz & Balakrishnan 1994,
    s18.3). k = 1 is `saddle_exit_mean_asymptotic`. Stable coordinates add about lr sigma^2/2 each over their curvature to |x|^2.

    ValueError: lr, gamma, sigma or radius not positive, directions below 1.

    >>> round(ball_exit_mean_asymptotic(lr=0.1, gamma=1.0, sigma=1e-3, radius=1.0, directions=3), 3)
    85.121
    """
    require_positive({"lr": lr, "gamma": gamma, "sigma": sigma, "radius": radius})
    _require_directions(directions)
    a = 1.0 + lr * gamma
    growth = math.log(radius * math.sqrt(a * a - 1.0) / (lr * sigma))
    return (growth - (float(digamma(directions / 2.0)) + math.log(2.0)) / 2.0) / math.log(a) + 0.5


def _require_directions(directions: int) -> None:
    if not is_whole(directions, 1):
        raise ValueError(f"directions={directions!r}; give a whole number of unstable coordinates, at least 1")
