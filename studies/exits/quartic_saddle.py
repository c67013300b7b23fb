"""The quartic saddle: the setting in which optimizers leave it, and the laws of the time that this takes them.

On f(x) = -gamma x_1^2/2 + x_1^4/4 + sum_{k>1} x_k^2/2 the first coordinate never sees the others, so that T, the first
step with |x_1| >= EXIT, has a law in one dimension. Descent without noise is a map that grows on [0, EXIT], which is
inverted from there back to the starts that are still inside. SGD has the transfer operator of its step
(`ensemble.statistics.laws.exit_law`). Momentum is linear as long as noise matters, and later follows the unstable
manifold (Koenigs' linearisation gives the steps that it loses on it): its law is asymptotic in the noise.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import report
from scipy.special import erf

from ensemble.statistics import laws

LR, BETA, ADAM_LR = 0.05, 0.9, 1e-3
"""The rate of all but Adam, the momentum, and Adam's rate."""
CLOUD, KICK, SIGMA, EXIT = 1e-3, 1e-3, 1e-2, 0.25
"""Spread of random starts, radius of a kick, noise of the gradient, and |x_1| of those that are out."""


def escape_of_map(gamma: float, start: laws.StartLaw) -> laws.TimeLaw:
    """Returns the exact law of T without noise: x_1 moves by x + lr (gamma x - x^3), which grows on [0, 1/4]."""
    u, tail = EXIT, [1.0]
    while tail[-1] > 1e-15:
        target = u
        for _ in range(6):  # Newton's method from the right of the root of a concave function
            u -= (u + LR * (gamma * u - u**3) - target) / (1 + LR * (gamma - 3 * u**2))
        tail.append(float(start.within(np.array(u))))
    return report.time_law(np.array(tail))


@cache
def escape_with_noise(gamma: float, sigma: float) -> laws.TimeLaw:
    """Returns the exact law of T for SGD: the whole curve where it is drawn, to beyond the median elsewhere."""
    reach = 2.5 if (gamma, sigma) == (1.0, SIGMA) else 1.1
    steps = int(reach * laws.saddle_exit_mean_asymptotic(LR, gamma, sigma, EXIT)) + 40
    return laws.exit_law(lambda x: x**3 - gamma * x, LR, sigma, -EXIT, EXIT, 0.0, steps)


def escape_with_momentum(ahead: bool, gamma: float, sigma: float, lr: float = LR) -> laws.TimeLaw:
    """Returns the law of T for noise small against 1/4: all that matters of it falls where the saddle is quadratic.

    (x, v) moves by a matrix there and x -> lambda^t Z s; how far a path without noise lags behind its linear amplitude
    when it arrives at 1/4 (Koenigs' linearisation of the unstable manifold) is computed by following some.
    """
    a = lr * gamma
    keep = BETA * (1 + a) if ahead else BETA
    roots, vectors = np.linalg.eig(np.array([[1 + a, keep], [a, keep]]))
    k = int(np.argmax(roots))
    growth, along = float(roots[k]), vectors[1, k] / vectors[0, k]
    left = np.linalg.inv(vectors)[k] * vectors[0, k]
    amplitude = 1e-4 * EXIT * growth ** np.linspace(0, 1, 200)
    x, v = amplitude, along * amplitude
    seen = [(x, amplitude)]
    while x.min() < EXIT:
        y = x + BETA * v if ahead else x
        v = BETA * v + lr * (gamma * y - y**3)
        x, amplitude = x + v, amplitude * growth
        seen.append((x, amplitude))
    arrived, linear = (np.concatenate(column) for column in zip(*seen, strict=True))
    order = np.argsort(arrived)
    level = np.interp(EXIT, arrived[order], linear[order])
    t = np.arange(1, int((np.log(level / (lr * sigma)) + 36.0) / np.log(growth)))  # to P(T > t) of 1e-15
    spread = lr * sigma * abs(left.sum()) * np.sqrt((growth ** (2.0 * t) - 1) / (growth**2 - 1))
    return report.time_law(np.append(1.0, erf(level / (spread * np.sqrt(2)))))


def law_of(optimizer: str, dim: int, gamma: float, sigma: float) -> tuple[str, laws.TimeLaw | None]:
    """Returns what is known of the T of one of the six: "exact", "asymptotic" or "" and the law."""
    if optimizer == "GD":
        return "exact", escape_of_map(gamma, laws.NormalStart(CLOUD))
    if optimizer == "perturbed GD":
        return "exact", escape_of_map(gamma, laws.BallStart(KICK, dim))
    if optimizer == "SGD":
        return "exact", escape_with_noise(gamma, sigma)
    if optimizer in ("heavy ball", "Nesterov"):
        return "asymptotic", escape_with_momentum(optimizer == "Nesterov", gamma, sigma)
    return "", None
