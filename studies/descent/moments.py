"""Second moments of SGD on quadratics, exact at every step under every schedule of the rate.

On f = h x^2/2 a step is x' = (1 - lr h) x - lr sigma xi, so that E x_t^2 = (1 - lr_t h)^2 E x_(t-1)^2 + lr_t^2 sigma^2.
The mean m_t = (1 - 1/t) m_(t-1) + x_t/t of the iterates (Polyak and Juditsky 1992) is linear in the same noise, so that
E x_t^2, E x_t m_t and E m_t^2 together obey a recursion. All curvatures ``h`` (curvatures,) are taken at once, from one
point ``start`` in every coordinate; moments by step are (steps + 1, curvatures).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ensemble.statistics import laws

FloatArray = NDArray[np.float64]


def second_moments(h: FloatArray, lr: FloatArray, sigma: ArrayLike, start: float) -> FloatArray:
    """E x_t^2, for rates by step (steps,) and noise that is a number or goes by step, too."""
    found = np.full((lr.size + 1, h.size), start**2)
    for t, (rate, size) in enumerate(zip(lr, np.broadcast_to(sigma, lr.shape), strict=True)):
        found[t + 1] = (1 - rate * h) ** 2 * found[t] + (rate * size) ** 2
    return found


def averaged_moments(h: FloatArray, lr: FloatArray, sigma: float, start: float) -> FloatArray:
    """E m_t^2, m_t the mean of x_1 ... x_t, for rates by step (steps,)."""
    square, both, own = np.full(h.size, start**2), np.zeros(h.size), np.zeros(h.size)
    found = np.zeros((lr.size + 1, h.size))
    found[0] = start**2  # nothing is averaged yet: the start is shown
    for t, rate in enumerate(lr, start=1):
        keep, weight = 1 - rate * h, 1 / t
        square = keep**2 * square + (rate * sigma) ** 2
        carried = keep * both
        own = (1 - weight) ** 2 * own + 2 * weight * (1 - weight) * carried + weight**2 * square
        both = (1 - weight) * carried + weight * square
        found[t] = own
    return found


def best_moments(h: FloatArray, t: FloatArray, sigma: float, start: float) -> FloatArray:
    """What no schedule gets below after ``t`` (steps,) gradients: each adds h^2/sigma^2 to 1/E x^2 at most."""
    return 1 / (1 / start**2 + h**2 * t[:, None] / sigma**2)


def loss(h: FloatArray, squares: FloatArray) -> FloatArray:
    """E f of second moments (..., curvatures)."""
    return squares @ h / 2


def floor(h: FloatArray, lr: float, sigma: float) -> float:
    """E f where a constant rate ends: the stationary variances of all coordinates."""
    return sum(curvature * laws.sgd_variance(curvature, lr, sigma) for curvature in h) / 2
