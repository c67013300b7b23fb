"""Exact exit times of gradient descent with symmetric alpha-stable noise on a parabola, by the transfer operator of its step.

x' = a x - s xi, a = 1 - lr h, s = lr scale, E exp(i t xi) = exp(-|t|^alpha), until |x| >= R. With K the step's kernel cut to (-R, R)
the mean time m(x) solves (I - K) m = 1. A stable density is narrow and has a long tail, so m, which is smooth, is taken linear between the
points of a mesh, and the density is integrated against it exactly, by its second antiderivative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.linalg import lu_factor, lu_solve
from scipy.special import gamma, ndtr

FloatArray = NDArray[np.float64]
SERIES_FROM = 30.0  # beyond, the tail's series; below, Zolotarev's integral


@dataclass(frozen=True)
class ExitTimes:
    """``mean`` and ``sd`` of T in steps."""

    mean: float
    sd: float


def tail_constant(alpha: float) -> float:
    """C with P(|xi| > u) -> C u^-alpha: 2 sin(pi alpha / 2) Gamma(alpha) / pi, 2/pi for Cauchy's law; 0 for the normal."""
    return 2 * math.sin(math.pi * alpha / 2) * float(gamma(alpha)) / math.pi


def single_jump(width: float, lr: float, scale: float, alpha: float) -> float:
    """Mean steps until one jump alone is as long as the width: (width / (lr scale))^alpha / C."""
    return (width / (lr * scale)) ** alpha / tail_constant(alpha)


def tail(z: FloatArray, alpha: float) -> FloatArray:
    """P(xi > z), z >= 0, 1 < alpha < 2: Zolotarev's integral (Nolan 1997) and the series of the tail (Bergstrom 1952)."""
    unit, weight = np.polynomial.legendre.leggauss(600)
    angle, weight = (unit + 1) * math.pi / 4, weight * math.pi / 4
    power = alpha / (alpha - 1)
    shape = (np.cos(angle) / np.sin(alpha * angle)) ** power * np.cos((alpha - 1) * angle) / np.cos(angle)
    near = np.sum(np.exp(-(np.minimum(z, SERIES_FROM)[:, None] ** power) * shape) * weight, axis=1) / math.pi
    far = sum(c * np.maximum(z, SERIES_FROM) ** (-alpha * k) for k, c in _series(alpha))
    return np.where(z < SERIES_FROM, near, far)


def _series(alpha: float) -> list[tuple[int, float]]:
    """Pairs k and c of the terms c z^(-alpha k) of P(xi > z)."""
    signs = ((k, (-1) ** (k + 1) * math.sin(math.pi * alpha * k / 2)) for k in range(1, 7))
    return [(k, s * float(gamma(alpha * k)) / math.factorial(k) / math.pi) for k, s in signs]


@cache
def _table(alpha: float) -> CubicSpline:
    """The integral of the tail from 0 to where the series begins."""
    z = np.linspace(0, 1, 1500) ** 2 * SERIES_FROM
    return CubicSpline(z, tail(z, alpha)).antiderivative()


def tail_integral(z: FloatArray, alpha: float) -> FloatArray:
    """The integral of P(xi > u) from 0 to z >= 0, alpha from 1 to 2."""
    if alpha == 1:
        return (z * np.arctan2(1.0, z) + np.log1p(z * z) / 2) / math.pi
    if alpha == 2:
        x = z / math.sqrt(2)
        return math.sqrt(2) * (x * ndtr(-x) + (1 - np.exp(-x * x / 2)) / math.sqrt(2 * math.pi))
    near = _table(alpha)(np.minimum(z, SERIES_FROM))
    far = np.maximum(z, SERIES_FROM)
    return near + sum(
        c / (1 - alpha * k) * (far ** (1 - alpha * k) - SERIES_FROM ** (1 - alpha * k)) for k, c in _series(alpha)
    )


def exit_times(alpha: float, scale: float, lr: float, curvature: float, width: float, points: int = 150) -> ExitTimes:
    """Law of the first t >= 1 with |x_t| >= width from 0, by meshes of 2 points + 1 and 4 points + 1."""
    halves = [
        _moments(alpha, lr * scale, 1 - lr * curvature, np.linspace(-width, width, 2 * k + 1))
        for k in (points, 2 * points)
    ]
    # The error falls with the square of the mesh: Richardson's extrapolation.
    mean, square = (4 * halves[1] - halves[0]) / 3
    return ExitTimes(float(mean), math.sqrt(square - mean**2))


def _moments(alpha: float, s: float, contraction: float, mesh: FloatArray) -> FloatArray:
    """E T and E T^2."""

    def kernel(x: FloatArray) -> FloatArray:
        """Integral of the density about contraction x against each hat of the mesh, (x, mesh)."""
        z = (mesh - contraction * x[:, None]) / s
        second = s * (np.maximum(z, 0.0) - tail_integral(np.abs(z), alpha))  # its second derivative is the density
        first = _below(z[:, [0, -1]], alpha)
        slope = np.diff(second, axis=1) / np.diff(mesh)
        return np.diff(slope, axis=1, prepend=first[:, :1], append=first[:, 1:])

    matrix, begin = kernel(mesh), kernel(np.zeros(1))[0]
    factors = lu_factor(np.eye(mesh.size) - matrix, check_finite=False)
    once = lu_solve(factors, np.ones(mesh.size))
    twice = lu_solve(factors, 1 + 2 * (matrix @ once))
    return np.array([1 + begin @ once, 1 + begin @ (2 * once + twice)])


def _below(z: FloatArray, alpha: float) -> FloatArray:
    """P(xi <= z)."""
    if alpha == 1:
        return np.asarray(np.arctan2(1.0, -z) / math.pi)
    size = np.abs(z)
    if alpha == 2:
        above = ndtr(-size / math.sqrt(2))
    else:
        far = sum(c * np.maximum(size, SERIES_FROM) ** (-alpha * k) for k, c in _series(alpha))
        above = np.where(size < SERIES_FROM, _table(alpha)(np.minimum(size, SERIES_FROM), 1), far)
    return np.where(z > 0, 1 - above, above)
