"""Steps at which gradient descent passes the saddles of the octopus, one after another: a scalar map, whole numbers.

Du, Jin, Lee, Jordan, Singh and Poczos (2017), arXiv:1705.10412, section 4, at rate 1/(4L). The coordinate of a saddle
not yet reached is halved at every step, at its saddle it grows by 1 + gamma/(2L), and between tau and 2 tau it follows
the spline that joins two saddles, on which the curvature of the next coordinate turns from L to -gamma. A saddle is
passed at the first step with |x_j| >= 2 tau.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

GAMMA, TAU = 1.0, math.e
HALVINGS = {"float32": 126, "float64": 1022}  # of a number of size 1 that leave it normal
SUBNORMAL = 150  # that leave nothing of it in float32, subnormal numbers included


def passages(start: NDArray[np.float64], L: float, most: int = 10**12) -> NDArray[np.int64]:
    """The steps <= ``most`` at which descent at rate 1/(4L) passes the saddles, from ``start`` (dim,); -1 for later.

    The paper's step, coordinate by coordinate, with the size of those that wait as a logarithm: nothing underflows.
    """
    lr = 1 / (4 * L)
    u = Polynomial([-TAU, 1])
    bend = (
        Polynomial([0, 0, -GAMMA])
        + (10 * GAMMA - 14 * L) / (3 * TAU) * u**3
        + (5 * L - 3 * GAMMA) / (2 * TAU**2) * u**4
    )
    w = Polynomial([-2 * TAU, 1]) / TAU
    turn = -GAMMA - (L + GAMMA) * (10 * w**3 + 15 * w**4 + 6 * w**5)
    slope, turn_slope = bend.deriv(), turn.deriv()
    size, found, t = np.log(np.abs(start)), np.full(start.size, -1), 0
    for i in range(start.size):
        grown = math.log1p(2 * GAMMA * lr)
        wait = max(math.floor((math.log(TAU) - size[i]) / grown) + 1, 0)
        t, size[i], size[i + 1 :] = t + wait, size[i] + wait * grown, size[i + 1 :] - wait * math.log(2)
        a = math.exp(size[i])
        while a < 2 * TAU and t <= most:
            after = math.exp(2 * size[i + 1]) if i + 1 < start.size else 0.0
            size[i + 2 :] -= math.log(2)
            size[i + 1 : i + 2] += math.log(abs(1 - 2 * lr * turn(a)))
            a, t = a - lr * (slope(a) + turn_slope(a) * after), t + 1
        if t > most:
            break
        found[i] = t
    return found


def underflows(known: NDArray[np.int64], dtype: str) -> NDArray[np.bool_]:
    """Which of these ``passages`` come too late: the coordinate has been halved to a subnormal number by then."""
    return np.append(False, np.maximum.accumulate(known[:-1]) > HALVINGS[dtype])
