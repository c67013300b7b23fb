"""Mean times between a sharp and a flat well in d dimensions: exact, for small rates, and for small temperatures besides.

The wells lie on an axis and are alike in all other directions: what matters is x_1 and the distance r of the others from the axis, and
isotropic noise moves the two by a law of their own, Gaussian in x_1 and Rice's in r. So every law here lives in a plane, at any d.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lu_factor, lu_solve
from scipy.optimize import brentq
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve
from scipy.special import ive

import ensemble as en

FloatArray = NDArray[np.float64]
SHARP, FLAT = 2.0, 0.5  # curvatures of the two wells, at -1 and 2; equally deep, they meet at 0
AT, SMOOTHING = (-1.0, 2.0), 0.25


@dataclass(frozen=True)
class Way:
    """From one of the wells over the barrier to the centre of the other, along ``side`` x_1 (1 or -1)."""

    name: str
    start: float
    end: float

    @property
    def side(self) -> float:
        return math.copysign(1.0, self.end - self.start)

    @property
    def curvature(self) -> float:
        return SHARP if self.start == AT[0] else FLAT


WAYS = (Way("out of the sharp well", *AT), Way("out of the flat well", *AT[::-1]))


def wells(dim: int) -> en.MultiWell:
    """The sharp and the flat well in ``dim`` dimensions."""
    return en.MultiWell([[x, *[0.0] * (dim - 1)] for x in AT], [SHARP, FLAT], 0.0, SMOOTHING)


def panels(low: float, high: float, width: float, nodes: int = 8) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes and weights on panels of at most ``width``."""
    edge = np.linspace(low, high, math.ceil((high - low) / width) + 1)
    unit, weight = np.polynomial.legendre.leggauss(nodes)
    half = np.diff(edge)[:, None] / 2
    return ((edge[:-1, None] + edge[1:, None]) / 2 + half * unit).ravel(), (half * weight).ravel()


def distance_density(r: FloatArray, center: FloatArray, s: float, k: int) -> FloatArray:
    """Density at r of |c + s z|, z standard normal in k dimensions, |c| = ``center`` > 0 (Rice's law, noncentral chi)."""
    order, inside = k / 2 - 1, r * center / s**2
    return r / s**2 * (r / center) ** order * np.exp(-(((r - center) / s) ** 2) / 2) * ive(order, inside)


def ends(way: Way, dim: int, temperature: float, width: float) -> tuple[float, float, float]:
    """Bounds of x_1 and of r that are practically never passed: 6 spreads beyond the wells, and some steps of the noise."""
    spread = [math.sqrt(temperature / h) for h in (SHARP, FLAT)]
    far = way.start - way.side * (6 * math.sqrt(temperature / way.curvature) + 2 * width)
    return min(far, way.end), max(far, way.end), (math.sqrt(dim - 1) + 5.5) * max(spread) + 2 * width


def exact(way: Way, dim: int, temperature: float, lr: float) -> tuple[float, float]:
    """Mean and sd of T, in steps: the transfer operator of a step in the plane of x_1 and r, cut at the way's end.

    (I - K) m = 1 and (I - K) q = 1 + 2 K m as in ensemble.statistics.exit_laws; K is a Gaussian density in x_1 times Rice's in r.
    """
    s = math.sqrt(2 * temperature * lr)
    left, right, far = ends(way, dim, temperature, s)
    (x, x_weight), (r, r_weight) = panels(left, right, 5 * s), panels(0.0, far, 5 * s)
    plane = wells(2)

    def kernel(points: FloatArray) -> FloatArray:
        image = points - lr * np.asarray(plane.gradient(points))
        along = np.exp(-(((x - image[:, :1]) / s) ** 2) / 2) / (s * math.sqrt(2 * math.pi)) * x_weight
        away = distance_density(r, np.maximum(np.abs(image[:, 1:]), 1e-9 * s), s, dim - 1) * r_weight
        return (along[:, :, None] * away[:, None, :]).reshape(len(points), -1)

    matrix = kernel(np.stack(np.meshgrid(x, r, indexing="ij"), axis=-1).reshape(-1, 2))
    first = kernel(np.array([[way.start, 0.0]]))[0]
    factors = lu_factor(np.eye(len(matrix)) - matrix, overwrite_a=True, check_finite=False)
    once = lu_solve(factors, np.ones(len(matrix)))
    twice = lu_solve(factors, 1 + 2 * (matrix @ once))
    mean = 1 + float(first @ once)
    return mean, math.sqrt(1 + float(first @ (2 * once + twice)) - mean**2)


def continuous(way: Way, dim: int, temperature: float, columns: int = 300, lines: int = 150) -> float:
    """Mean of lr T as lr -> 0: D div(w grad u) = -w with w = r^(d-2) exp(-f/D), u = 0 at the end; finite volumes."""
    left, right, far = ends(way, dim, temperature, 0.0)
    dx, dr = (right - left) / columns, far / lines
    x, r = left + (np.arange(columns) + 0.5) * dx, (np.arange(lines) + 0.5) * dr
    plane, number = wells(2), np.arange(columns * lines).reshape(columns, lines)

    def height(x: FloatArray, r: FloatArray) -> FloatArray:
        """F / D - (d - 2) log r at all places, without the axis, where nothing crosses."""
        points = np.stack(np.meshgrid(x, r, indexing="ij"), axis=-1)
        f = np.asarray(plane.value(points.reshape(-1, 2))).reshape(points.shape[:2])
        return f / temperature - (dim - 2) * np.log(r)

    here = height(x, r)
    rows, columns_of, entries = [], [], []
    for one, two, face, step in (
        (number[:-1], number[1:], height(x[:-1] + dx / 2, r), dx),
        (number[:, :-1], number[:, 1:], height(x, r[:-1] + dr / 2), dr),
    ):
        for i, j in ((one.ravel(), two.ravel()), (two.ravel(), one.ravel())):
            flow = temperature / step**2 * np.exp(here.ravel()[i] - face.ravel())
            rows += [i, i]
            columns_of += [j, i]
            entries += [-flow, flow]
    edge = number[-1] if way.side > 0 else number[0]
    wall = np.exp(here.ravel()[edge] - height(np.array([way.end]), r)[0])
    rows.append(edge)
    columns_of.append(edge)
    entries.append(2 * temperature / dx**2 * wall)
    place = (np.concatenate(rows), np.concatenate(columns_of))
    matrix = coo_array((np.concatenate(entries), place), shape=(number.size, number.size)).tocsc()
    time = spsolve(matrix, np.ones(number.size)).reshape(columns, lines)
    return float(np.interp(way.start, x, time[:, 0]))


@cache
def eyring_kramers(way: Way, dim: int, temperature: float) -> float:
    """Mean of lr T, from the curvatures at the minimum and at the saddle between the wells: along the axis and across."""
    plane = wells(2)

    def slope(x: float) -> float:
        return float(plane.gradient(np.array([[x, 0.0]]))[0, 0])

    minimum = brentq(slope, way.start - 0.1, way.start + 0.1)
    saddle = brentq(slope, -0.5, 0.5)
    points = np.array([[minimum, 0.0], [saddle, 0.0]])
    (well, well_across), (down, across) = np.asarray(
        plane.hessian_diagonal(points)
    )  # the Hessian is diagonal on the axis
    low, high = np.asarray(plane.value(points)).ravel()
    prefactor = 2 * math.pi / math.sqrt(-down * well) * (across / well_across) ** ((dim - 1) / 2)
    return float(prefactor * math.exp((high - low) / temperature))


def at_zero(ratio: Callable[[float], float], unit: float) -> float:
    """Returns the limit D -> 0 of a ratio of laws, 1 + a D + b D^2 + ..., from D = 2, 3 and 4 units."""
    return 6 * ratio(2 * unit) - 8 * ratio(3 * unit) + 3 * ratio(4 * unit)
