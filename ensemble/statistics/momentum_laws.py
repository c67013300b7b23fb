"""Laws of momentum: stationary variance on a quadratic, time to leave a quadratic saddle.

All three methods are x_{t+1} = p x_t + q x_{t-1} - s xi, xi ~ N(0, 1), on f = h x^2/2 (a saddle has h = -gamma), from v = 0:
heavy ball v <- beta v + g, x <- x - lr v has p = 1 + beta - lr h, q = -beta, s = lr sigma; averaged momentum,
v <- beta v + (1 - beta) g, is heavy ball at lr (1 - beta); Nesterov's method, with the gradient at the look-ahead point, has
p = (1 + beta)(1 - lr h), q = -beta (1 - lr h), s = lr sigma for the iterate (not the look-ahead point).
"""

from __future__ import annotations

import math

import numpy as np

from .exit_laws import require_positive


def require_momentum(beta: float) -> None:
    """Refuse what is no momentum."""
    if not 0 <= beta < 1:
        raise ValueError(f"beta={beta}; give 0 or more and less than 1")


def nesterov_variance(h: float, lr: float, sigma: float, beta: float) -> float:
    """Stationary variance of Nesterov's iterate: lr sigma^2 (1 + beta a)/(h (1 - beta a)(1 + (1 + 2 beta) a)), a = 1 - lr h.

    The variance of x_{t+1} = (1+beta) a x_t - beta a x_{t-1} - lr sigma xi, by the Yule-Walker equations of an AR(2) process
    (Box & Jenkins 1976, s3.2.4): (1-q) s^2 / ((1+q)((1-q)^2 - p^2)). ValueError where unstable (`nesterov_edge`).

    >>> round(nesterov_variance(h=2.0, lr=0.1, sigma=1.0, beta=0.9), 9)
    0.094797178
    """
    require_positive({"h": h, "lr": lr})
    require_momentum(beta)
    edge = (2.0 + 2.0 * beta) / ((1.0 + 2.0 * beta) * h)
    if not lr < edge:
        raise ValueError(f"lr={lr}: no stationary state; give a rate between 0 and the stability edge {edge:g}")
    a = 1.0 - lr * h
    return lr * sigma**2 * (1.0 + beta * a) / (h * (1.0 - beta * a) * (1.0 + (1.0 + 2.0 * beta) * a))


def heavy_ball_saddle_mean_asymptotic(lr: float, gamma: float, sigma: float, radius: float, beta: float) -> float:
    """Mean steps of heavy ball from 0 to |x| >= radius on -gamma x^2/2, for noise small against the radius.

    [ln(R/c) + (0.5772157 + ln 2)/2]/ln z + 1/2, c = lr sigma z/((z - w) sqrt(z^2 - 1)), where z > 1 > w are the roots of
    z^2 - (1 + beta + lr gamma) z + beta: a push of some step ago has grown to (z^(k+1) - w^(k+1))/(z - w), so x_t -> z^t c Z with
    Z ~ N(0, 1), E ln|Z| = -(Euler's constant + ln 2)/2, and 1/2 is for whole steps. beta = 0 is `saddle_exit_mean_asymptotic`.

    ValueError: lr, gamma, sigma or radius not positive, beta outside [0, 1).

    >>> round(heavy_ball_saddle_mean_asymptotic(lr=0.01, gamma=1.0, sigma=0.1, radius=1.0, beta=0.9), 3)
    79.604
    """
    require_positive({"lr": lr, "gamma": gamma, "sigma": sigma, "radius": radius})
    require_momentum(beta)
    return _passage(1.0 + beta + lr * gamma, -beta, lr * sigma, radius)


def averaged_momentum_saddle_mean_asymptotic(
    lr: float, gamma: float, sigma: float, radius: float, beta: float
) -> float:
    """The same for v <- beta v + (1-beta) g: heavy ball's at lr (1-beta). ValueError as there.

    >>> averaged_momentum_saddle_mean_asymptotic(0.1, 1.0, 0.1, 1.0, 0.5) == heavy_ball_saddle_mean_asymptotic(0.05, 1.0, 0.1, 1.0, 0.5)
    True
    """
    require_momentum(beta)
    return heavy_ball_saddle_mean_asymptotic(lr * (1.0 - beta), gamma, sigma, radius, beta)


def nesterov_saddle_mean_asymptotic(lr: float, gamma: float, sigma: float, radius: float, beta: float) -> float:
    """The same for Nesterov's method: z and w are the roots of z^2 - (1 + beta) a z + beta a, a = 1 + lr gamma.

    The look-ahead gradient is steeper on a saddle, so that the iterate leaves sooner than heavy ball's. ValueError as there.

    >>> round(nesterov_saddle_mean_asymptotic(lr=0.01, gamma=1.0, sigma=0.1, radius=1.0, beta=0.9), 3)
    76.535
    """
    require_positive({"lr": lr, "gamma": gamma, "sigma": sigma, "radius": radius})
    require_momentum(beta)
    a = 1.0 + lr * gamma
    return _passage((1.0 + beta) * a, -beta * a, lr * sigma, radius)


def _passage(p: float, q: float, s: float, radius: float) -> float:
    """Mean first t with |x_t| >= radius of x_{t+1} = p x_t + q x_{t-1} - s xi from 0, in the limit of small s."""
    larger = 0.5 * (p + math.sqrt(p * p + 4.0 * q))
    smaller = -q / larger
    size = s * larger / ((larger - smaller) * math.sqrt(larger**2 - 1.0))
    return (math.log(radius / size) + (np.euler_gamma + math.log(2.0)) / 2.0) / math.log(larger) + 0.5
