"""Laws an ensemble must reproduce, exact and asymptotic, as functions of plain numbers.

Conventions: x' = x - lr (f'(x) + sigma xi), xi ~ N(0, 1) per coordinate (a batch of size B divides sigma^2 by B); the
temperature is D = lr sigma^2 / 2 per unit of time lr*t; an exit is the first t >= 1 at which the predicate holds after
the update, and starts are not tested. Heavy ball is v <- beta v + g, x <- x - lr v.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad

from .descent_laws import (
    Tuning,
    adam_two_cycle,
    gradient_descent_tuning,
    heavy_ball_tuning,
    nesterov_tuning,
    octopus_stage_growth,
    polyak_lojasiewicz_bound,
    smooth_gradient_bound,
)
from .exit_laws import (
    ExitLaw,
    FloatArray,
    TimeLaw,
    exit_law,
    mean_first_passage,
    require_positive,
    saddle_exit,
)
from .field_laws import (
    gaussian_field_points,
    pspin_complexity,
    pspin_ground_state,
    pspin_index,
    pspin_points,
    pspin_threshold,
)
from .momentum_laws import (
    averaged_momentum_saddle_mean_asymptotic,
    heavy_ball_saddle_mean_asymptotic,
    nesterov_saddle_mean_asymptotic,
    nesterov_variance,
    require_momentum,
)
from .sign_laws import SignLaw, sign_descent_cycle, sign_descent_law
from .stable_laws import stable_exit_mean, stable_exit_mean_asymptotic
from .start_laws import BallStart, NormalStart, SphereStart, StartLaw, random_start_exit
from .stationary_laws import StationaryLaw, hessian_aligned_selection, kramers_mean, stationary_law
from .unstable_laws import ball_exit_mean_asymptotic, first_direction_exit

__all__ = [
    "BallStart",
    "ExitLaw",
    "JinConstants",
    "NormalStart",
    "SignLaw",
    "SphereStart",
    "StartLaw",
    "StationaryLaw",
    "TimeLaw",
    "Tuning",
    "adam_two_cycle",
    "averaged_momentum_saddle_mean_asymptotic",
    "averaged_momentum_variance",
    "ball_exit_mean_asymptotic",
    "double_well_mean",
    "double_well_mean_continuous",
    "double_well_mean_kramers",
    "exit_law",
    "first_direction_exit",
    "gaussian_field_points",
    "gradient_descent_edge",
    "gradient_descent_tuning",
    "heavy_ball_edge",
    "heavy_ball_saddle_mean_asymptotic",
    "heavy_ball_tuning",
    "heavy_ball_variance",
    "hessian_aligned_selection",
    "jin_constants",
    "kramers_mean",
    "mean_first_passage",
    "nesterov_edge",
    "nesterov_saddle_mean_asymptotic",
    "nesterov_tuning",
    "nesterov_variance",
    "octopus_stage_growth",
    "polyak_lojasiewicz_bound",
    "pspin_complexity",
    "pspin_ground_state",
    "pspin_index",
    "pspin_points",
    "pspin_threshold",
    "random_start_exit",
    "saddle_exit",
    "saddle_exit_mean_asymptotic",
    "sgd_correlation",
    "sgd_quadratic",
    "sgd_variance",
    "sign_descent_cycle",
    "sign_descent_law",
    "smooth_gradient_bound",
    "stable_exit_mean",
    "stable_exit_mean_asymptotic",
    "stationary_law",
]


# Quadratics, f = h x^2/2


def sgd_quadratic(h: float, lr: float, sigma: float, x0: float, t: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Exact mean and variance of SGD's iterate after t steps (the shape of t) from the point x0.

    E x_t = a^t x0, Var x_t = (lr sigma)^2 (1 - a^2t)/(1 - a^2), a = 1 - lr h: an AR(1) process; stable or not.
    ValueError: lr not positive, sigma or a t negative.

    >>> mean, variance = sgd_quadratic(h=2.0, lr=0.1, sigma=1.0, x0=1.0, t=20)
    >>> round(float(mean), 9), round(float(variance), 9)
    (0.011529215, 0.027774085)
    """
    require_positive({"lr": lr})
    steps = np.asarray(t, float)
    if sigma < 0 or np.any(steps < 0):
        raise ValueError(f"sigma={sigma}, smallest t={steps.min()}; give both 0 or more")
    a = 1.0 - lr * h
    # |a| = 1 is a random walk: the geometric sum is t.
    total = steps if abs(a) == 1.0 else (1.0 - a ** (2.0 * steps)) / (1.0 - a * a)
    return a**steps * x0, (lr * sigma) ** 2 * total


def sgd_correlation(h: float, lr: float, lag: int) -> float:
    """Stationary correlation of SGD's iterates `lag` steps apart: (1 - lr h)^lag. ValueError where unstable.

    >>> round(sgd_correlation(h=2.0, lr=0.1, lag=3), 9)
    0.512
    """
    _stable(lr, gradient_descent_edge(h))
    return (1.0 - lr * h) ** lag


def sgd_variance(h: float, lr: float, sigma: float) -> float:
    """Stationary variance of SGD: lr sigma^2 / (h (2 - lr h)), exact for every stable lr. ValueError where unstable.

    >>> round(sgd_variance(h=2.0, lr=0.1, sigma=1.0), 9)
    0.027777778
    """
    _stable(lr, gradient_descent_edge(h))
    return lr * sigma**2 / (h * (2.0 - lr * h))


def heavy_ball_variance(h: float, lr: float, sigma: float, beta: float) -> float:
    """Stationary variance of heavy ball: lr sigma^2 (1+beta) / (h (1-beta) (2(1+beta) - lr h)).

    From the discrete Lyapunov equation of (x, v) (Yaida 2019 has it to all orders). ValueError where unstable.

    >>> round(heavy_ball_variance(h=2.0, lr=0.1, sigma=1.0, beta=0.9), 9)
    0.263888889
    """
    _stable(lr, heavy_ball_edge(h, beta))
    return lr * sigma**2 * (1.0 + beta) / (h * (1.0 - beta) * (2.0 * (1.0 + beta) - lr * h))


def averaged_momentum_variance(h: float, lr: float, sigma: float, beta: float) -> float:
    """Stationary variance with v <- beta v + (1-beta) g: heavy ball's at lr (1-beta). ValueError where unstable.

    >>> round(averaged_momentum_variance(h=2.0, lr=1.0, sigma=1.0, beta=0.9), 9)
    0.263888889
    """
    return heavy_ball_variance(h, lr * (1.0 - beta), sigma, beta)


def gradient_descent_edge(h: float) -> float:
    """Largest stable rate of gradient descent: 2/h. ValueError: h not positive.

    >>> gradient_descent_edge(h=2.0)
    1.0
    """
    require_positive({"h": h})
    return 2.0 / h


def heavy_ball_edge(h: float, beta: float) -> float:
    """Largest stable rate of heavy ball: 2(1+beta)/h (Polyak 1964). ValueError: h not positive, beta outside [0, 1).

    >>> heavy_ball_edge(h=2.0, beta=0.5)
    1.5
    """
    require_positive({"h": h})
    require_momentum(beta)
    return 2.0 * (1.0 + beta) / h


def nesterov_edge(h: float, beta: float) -> float:
    """Largest stable rate of Nesterov's method: (2+2 beta)/((1+2 beta) h). ValueError as for heavy ball.

    The root -1 of z^2 - (1+beta)(1 - lr h) z + beta (1 - lr h).

    >>> nesterov_edge(h=2.0, beta=0.5)
    0.75
    """
    require_positive({"h": h})
    require_momentum(beta)
    return (2.0 + 2.0 * beta) / ((1.0 + 2.0 * beta) * h)


# Saddles, f = -gamma x^2/2


def saddle_exit_mean_asymptotic(lr: float, gamma: float, sigma: float, radius: float) -> float:
    """Mean steps from 0 to |x| >= radius, for noise small against the radius.

    [ln(R sqrt(a^2-1)/(lr sigma)) + (0.5772157 + ln 2)/2] / ln a + 1/2, a = 1 + lr gamma: x_t -> a^t Z lr sigma /
    sqrt(a^2-1) with Z ~ N(0, 1), E ln|Z| = -(Euler's constant + ln 2)/2, and 1/2 for whole steps. Compare
    `saddle_exit`, which is exact. ValueError: an argument not positive.

    >>> round(saddle_exit_mean_asymptotic(lr=0.05, gamma=1.0, sigma=1.0, radius=1.0), 3)
    51.575
    """
    require_positive({"lr": lr, "gamma": gamma, "sigma": sigma, "radius": radius})
    a = 1.0 + lr * gamma
    growth = math.log(radius * math.sqrt(a * a - 1.0) / (lr * sigma))
    return (growth + (np.euler_gamma + math.log(2.0)) / 2.0) / math.log(a) + 0.5


# The double well, f = (x^2-1)^2/4, from -1 until x >= 1; times in units of lr * steps


def double_well_mean(lr: float, temperature: float) -> float:
    """Mean of lr*T from -1 until x >= 1 on (x^2-1)^2/4, exact for the discrete process with sigma^2 = 2 D/lr.

    Transfer operator (`exit_law`); the simulator must meet this one. ValueError: lr or temperature not positive.

    >>> round(double_well_mean(lr=0.05, temperature=0.1), 3)
    65.916
    """
    require_positive({"lr": lr, "temperature": temperature})
    sigma = math.sqrt(2.0 * temperature / lr)
    return lr * mean_first_passage(lambda x: x**3 - x, lr, sigma, -math.inf, 1.0, -1.0)


def double_well_mean_continuous(temperature: float) -> float:
    """Mean first-passage time from -1 to 1 of dx = -f' dt + sqrt(2D) dW on (x^2-1)^2/4; the limit lr -> 0.

    (1/D) int_-1^1 e^(f(y)/D) int_-inf^y e^(-f(z)/D) dz dy (Gardiner 2009, s5.5.2). ValueError: temperature not
    positive.

    >>> round(double_well_mean_continuous(temperature=0.1), 3)
    66.269
    """
    require_positive({"temperature": temperature})

    def height(x: float) -> float:
        return (x * x - 1.0) ** 2 / 4.0

    # Where f is 45 D above the barrier the inner integrand is below 1e-19 of its peak.
    far = -math.sqrt(1.0 + 2.0 * math.sqrt(45.0 * temperature + 0.25))

    def inner(y: float) -> float:
        def integrand(z: float) -> float:
            return math.exp((height(y) - height(z)) / temperature)

        parts = [far, -1.0, y] if y > -1.0 else [far, y]
        return float(sum(quad(integrand, a, b, epsrel=1e-12, limit=200)[0] for a, b in pairwise(parts)))

    halves = [quad(inner, a, b, epsrel=1e-11, limit=200)[0] for a, b in ((-1.0, 0.0), (0.0, 1.0))]
    return float(sum(halves)) / temperature


def double_well_mean_kramers(temperature: float) -> float:
    """Kramers' (1940) mean time for (x^2-1)^2/4: 2 pi / sqrt(f''(-1) |f''(0)|) e^(1/(4D)), good for D << 1/4.

    ValueError: temperature not positive.

    >>> round(double_well_mean_kramers(temperature=0.1), 3)
    54.125
    """
    require_positive({"temperature": temperature})
    return 2.0 * math.pi / math.sqrt(2.0) * math.exp(0.25 / temperature)


# Perturbed gradient descent


@dataclass(frozen=True)
class JinConstants:
    """What perturbed gradient descent runs with: `lr`, `radius`, `g_thres`, `t_thres` are PerturbedGD's fields.

    `t_thres` (steps) is not rounded; `f_thres` is the decrease asked for within it; `chi` is the logarithmic factor.

    >>> jin_constants(10, 1.0, 1.0, 0.01, 1.0, 0.1, 1.0).f_thres > 0
    True
    """

    chi: float
    lr: float
    radius: float
    g_thres: float
    f_thres: float
    t_thres: float


def jin_constants(
    dim: int, smoothness: float, hessian_lipschitz: float, eps: float, c: float, delta: float, gap: float
) -> JinConstants:
    """Constants of perturbed gradient descent, Jin et al. 2017 (arXiv:1703.00887), algorithm 2.

    chi = 3 max{ln(d l Df/(c e^2 delta)), 4}, lr = c/l, r = sqrt(c) e/(chi^2 l), g_thres = sqrt(c) e/chi^2,
    f_thres = c sqrt(e^3/rho)/chi^3, t_thres = chi l/(c^2 sqrt(rho e)); l = `smoothness` (of the gradient), rho =
    `hessian_lipschitz`, e = `eps`, delta the probability of failure, Df = `gap` >= f(x_0) - min f.

    ValueError: an argument not positive, c above 1, delta of 1 or more.

    >>> found = jin_constants(dim=10, smoothness=1.0, hessian_lipschitz=1.0, eps=0.01, c=1.0, delta=0.1, gap=1.0)
    >>> round(found.chi, 3), found.lr
    (41.447, 1.0)
    """
    require_positive(
        {
            "dim": dim,
            "smoothness": smoothness,
            "hessian_lipschitz": hessian_lipschitz,
            "eps": eps,
            "c": c,
            "delta": delta,
            "gap": gap,
        }
    )
    if c > 1 or delta >= 1:
        raise ValueError(f"c={c}, delta={delta}; give c at most 1 and delta, a probability, below 1")
    chi = 3.0 * max(math.log(dim * smoothness * gap / (c * eps**2 * delta)), 4.0)
    return JinConstants(
        chi=chi,
        lr=c / smoothness,
        radius=math.sqrt(c) * eps / (chi**2 * smoothness),
        g_thres=math.sqrt(c) * eps / chi**2,
        f_thres=c * math.sqrt(eps**3 / hessian_lipschitz) / chi**3,
        t_thres=chi * smoothness / (c**2 * math.sqrt(hessian_lipschitz * eps)),
    )


def _stable(lr: float, edge: float) -> None:
    if not 0 < lr < edge:
        raise ValueError(f"lr={lr}: no stationary state; give a rate between 0 and the stability edge {edge:g}")
