"""Laws and bounds of descent without noise: rates, bounds on convex-like functions, cycles, chains of saddles."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .exit_laws import FloatArray, require_positive


@dataclass(frozen=True)
class Tuning:
    """Rate and momentum that converge fastest, and `factor`: by how much |x| then shrinks in a step.

    >>> Tuning(lr=0.5, beta=0.0, factor=0.5).factor
    0.5
    """

    lr: float
    beta: float
    factor: float


def gradient_descent_tuning(smallest: float, largest: float) -> Tuning:
    """Best gradient descent on quadratics with curvatures from `smallest` to `largest`: lr = 2/(m+L), (k-1)/(k+1).

    k = L/m, m = `smallest`, L = `largest` (Nesterov 2004, theorem 2.1.15). ValueError: not 0 < smallest <= largest.

    >>> round(gradient_descent_tuning(smallest=1.0, largest=100.0).factor, 8)
    0.98019802
    """
    k = _condition(smallest, largest)
    return Tuning(2.0 / (smallest + largest), 0.0, (k - 1.0) / (k + 1.0))


def heavy_ball_tuning(smallest: float, largest: float) -> Tuning:
    """Best heavy ball there: lr = 4/(sqrt L + sqrt m)^2, beta = factor^2, factor (sqrt k - 1)/(sqrt k + 1).

    Polyak 1964. At both ends of the spectrum the roots are double: |x| falls like t factor^t. ValueError as above.

    >>> round(heavy_ball_tuning(smallest=1.0, largest=100.0).factor, 8)
    0.81818182
    """
    root = math.sqrt(_condition(smallest, largest))
    factor = (root - 1.0) / (root + 1.0)
    return Tuning(4.0 / (math.sqrt(largest) + math.sqrt(smallest)) ** 2, factor**2, factor)


def nesterov_tuning(smallest: float, largest: float) -> Tuning:
    """Best Nesterov's method there: lr = 4/(3L+m), beta = (s-2)/(s+2), factor 1 - 2/s with s = sqrt(3k+1).

    Lessard, Recht & Packard 2016 (arXiv:1408.3595), proposition 1. ValueError as above.

    >>> round(nesterov_tuning(smallest=1.0, largest=100.0).factor, 8)
    0.88472192
    """
    s = math.sqrt(3.0 * _condition(smallest, largest) + 1.0)
    return Tuning(4.0 / (3.0 * largest + smallest), (s - 2.0) / (s + 2.0), 1.0 - 2.0 / s)


def polyak_lojasiewicz_bound(mu: float, smoothness: float, t: ArrayLike) -> FloatArray:
    """Bound on (f(x_t) - f*)/(f(x_0) - f*) of gradient descent at lr = 1/smoothness: (1 - mu/smoothness)^t.

    For |grad f|^2/2 >= mu (f - f*) and an L-smooth f, convex or not (Polyak 1963; Karimi, Nutini & Schmidt 2016, theorem
    1, arXiv:1608.04636). A violated bound is a bug. Shape of t. ValueError: not 0 < mu <= smoothness, t negative.

    >>> polyak_lojasiewicz_bound(mu=1 / 32, smoothness=8.0, t=[0, 100]).round(6).tolist()
    [1.0, 0.676116]
    """
    _condition(mu, smoothness)
    return np.asarray((1.0 - mu / smoothness) ** _steps(t))


def smooth_gradient_bound(smoothness: float, gap: float, t: ArrayLike) -> FloatArray:
    """Bound on min over s < t of |grad f(x_s)|^2 for gradient descent at lr = 1/smoothness: 2 smoothness gap/t.

    `gap` >= f(x_0) - inf f; any smooth f, convex or not (Nesterov 2004, eq. 1.2.15). Infinite at t = 0. Shape of t.
    ValueError: smoothness not positive, gap or t negative.

    >>> smooth_gradient_bound(smoothness=2.0, gap=1.0, t=[0, 4]).tolist()
    [inf, 1.0]
    """
    require_positive({"smoothness": smoothness})
    steps = _steps(t)
    if not gap >= 0:
        raise ValueError(f"gap={gap}; give f(x_0) - inf f, at least 0")
    return np.divide(2.0 * smoothness * gap, steps, out=np.full(steps.shape, np.inf), where=steps > 0)


def adam_two_cycle(lr: float, beta1: float, eps: float, curvature: float) -> float:
    """Amplitude A of Adam's cycle x = A, -A, A, ... on curvature x^2/2: lr (1-beta1)/(2 (1+beta1)) - eps/curvature.

    On it the moments are settled: v = g^2 and m = g (1-beta1)/(1+beta1) of alternating sign, so that a step is
    lr (1-beta1)/(1+beta1) cA/(cA + eps) and must be 2A. It exists where A is positive; whether runs settle on it depends on
    beta2 too (unstable at Adam's defaults, stable at lr=.1, beta1=.2, beta2=.5).

    ValueError: lr or curvature not positive, eps negative, beta1 outside [0, 1), or no such cycle.

    >>> round(adam_two_cycle(lr=0.1, beta1=0.2, eps=1e-8, curvature=1.0), 6)
    0.033333
    """
    require_positive({"lr": lr, "curvature": curvature})
    if not 0 <= beta1 < 1 or not eps >= 0:
        raise ValueError(f"beta1={beta1}, eps={eps}; give beta1 from 0 to below 1 and eps at least 0")
    amplitude = lr * (1.0 - beta1) / (2.0 * (1.0 + beta1)) - eps / curvature
    if amplitude <= 0:
        raise ValueError(f"eps={eps} is too large for a cycle of lr={lr} at curvature={curvature}; give a smaller eps")
    return amplitude


def octopus_stage_growth(smoothness: float, gamma: float) -> float:
    """By what factor gradient descent's time grows from one saddle of the octopus to the next, at lr = 1/(4 smoothness).

    kappa = 1 + ln 2/ln(1 + gamma/(2 smoothness)). While one coordinate leaves its saddle, growing by 1 + gamma/(2 L) a
    step, the waiting ones halve, and have all that to make up (Du et al. 2017, arXiv:1705.10412, theorem 4.1: kappa^d
    steps for d saddles). ValueError: an argument not positive.

    >>> round(octopus_stage_growth(smoothness=1.0, gamma=1.0), 6)
    2.709511
    """
    require_positive({"smoothness": smoothness, "gamma": gamma})
    return 1.0 + math.log(2.0) / math.log1p(gamma / (2.0 * smoothness))


def _condition(smallest: float, largest: float) -> float:
    if not 0 < smallest <= largest or not math.isfinite(largest):
        raise ValueError(f"curvatures from {smallest} to {largest}; give 0 < smallest <= largest")
    return largest / smallest


def _steps(t: ArrayLike) -> FloatArray:
    steps = np.asarray(t, float)
    if np.any(~(steps >= 0)):
        raise ValueError(f"smallest t={np.min(steps)}; give 0 or more")
    return steps
