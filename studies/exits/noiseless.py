"""Exact times of descent without noise from a start that is uniform in an interval: down a slope, and off a plateau.

Without noise a path is known from its start. Where a longer way always takes at least as long, all that the law of the
time needs is how far each number of steps reaches. On a slope of constant gradient that is a sum of known steps. On the
plateau f(x) = tanh(x^2/2), left where |x| <= 1, gradient descent is a map of x that grows, so that its inverse says
which starts arrive in t steps; sign descent goes down it in steps of one length; heavy ball's times are taken from a
grid of starts far finer than a sample can see.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from report import time_law

from ensemble.statistics.laws import TimeLaw

FloatArray = NDArray[np.float64]
FINE = 10_000  # starts of heavy ball


def times_to_cover(reached: FloatArray, low: float, high: float) -> TimeLaw:
    """Says the law of the first t with reached[t] >= d, for a distance d uniform between ``low`` and ``high``."""
    return time_law(np.clip((high - reached) / (high - low), 0.0, 1.0))


def steps_on_a_slope(steps: int, beta: float, rho: float, clip: float) -> dict[str, FloatArray]:
    """Says by optimizer how long steps 1, 2, ... are where the gradient is always 1, over the rate.

    ``beta`` is the momentum of heavy ball and Nesterov, ``rho`` RMSProp's memory, and gradients are clipped at
    ``clip`` < 1.
    """
    t = np.arange(1.0, steps)
    momentum, clipped = (1 - beta**t) / (1 - beta), np.full_like(t, clip)
    return dict.fromkeys(("GD", "Adam", "AMSGrad", "sign", "Lion"), np.ones_like(t)) | {
        "heavy ball": momentum,
        "Nesterov": momentum,
        "clipped norm": clipped,
        "clipped values": clipped,
        "RMSProp": 1 / np.sqrt(1 - rho**t),
        "AdaGrad": 1 / np.sqrt(t),
    }


def down_a_slope(steps: FloatArray, low: float, high: float) -> TimeLaw:
    """Says the law of the time to cover such a distance in steps of known lengths."""
    far = np.append(0.0, np.cumsum(steps))
    return times_to_cover(far[: np.searchsorted(far, high) + 1], low, high)


def sign_descent_off_the_plateau(lr: float, low: float, high: float) -> TimeLaw:
    """Says the law of sign descent's time until x <= 1 from a start uniform between ``low`` and ``high``."""
    return times_to_cover(lr * np.arange(0.0, (high - 1) / lr + 2), low - 1, high - 1)


def gradient_descent_off_the_plateau(lr: float, low: float, high: float) -> TimeLaw:
    """Says gradient descent's, by inverting its map from 1 on."""
    x, past = 1.0, [1.0]
    while x < high:
        y = x
        for _ in range(8):  # Newton: phi(x) = x - lr x sech^2(x^2/2) grows
            bend = 1 / math.cosh(x * x / 2) ** 2
            slope = 1 - lr * bend * (1 - 2 * x * x * math.tanh(x * x / 2))
            x -= (x - lr * x * bend - y) / slope
        past.append(x)
    return times_to_cover(np.array(past), low, high)


def heavy_ball_off_the_plateau(lr: float, beta: float, low: float, high: float) -> TimeLaw:
    """Says heavy ball's, until |x| <= 1, from a grid of starts."""
    x = low + (high - low) * (np.arange(FINE) + 0.5) / FINE
    v, tail = np.zeros_like(x), [1.0]
    inside = np.ones(x.size, bool)
    while inside.any():
        v = beta * v - lr * x / np.cosh(x * x / 2) ** 2
        x = x + v
        inside &= np.abs(x) > 1
        tail.append(float(inside.mean()))
    return time_law(np.array(tail))
