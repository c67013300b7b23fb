"""Functions with many minima, in any number of coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..algebra import absolute, at, dim, index, sqrt, where
from ..arithmetic.elementary import cos, exp, sin
from ..arithmetic.products import product
from ..arithmetic.vec import Array, total
from ..part import POSITIVE, number, structure
from .base import Box, Landscape, Picture, StationaryPoint, along_first, everywhere


@dataclass(frozen=True)
class Rastrigin(Landscape):
    """``f(x) = A dim + sum_k x_k^2 - A cos(2 pi x_k)``.

    Rastrigin (1974); for any dim Muehlenbein, Schomisch and Born (1991). Minimum 0 at 0, of curvature ``2 + 4 pi^2 A``; with A = 10
    there are 11^dim minima in [-5.12, 5.12]^dim.
    """

    dim: int = structure(2, low=1)
    A: float = number(10.0, POSITIVE)

    smooth_everywhere = True

    def value(self, x: Array, now: Any = None) -> Array:
        return total(x * x + self.A * (1.0 - cos(2.0 * math.pi * x)))

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        bend = everywhere(self._smoothness(), self.dim)
        return (StationaryPoint("minimum", everywhere(0.0, self.dim), 0.0, 0, bend),)

    def _smoothness(self) -> float:
        return 2 + 4 * math.pi**2 * self.A

    def _box(self) -> Box:
        return -5.12, 5.12

    def _picture(self) -> Picture:
        return (-5.12, 5.12), (-5.12, 5.12)


@dataclass(frozen=True)
class Ackley(Landscape):
    """``f(x) = -a exp(-b |x| / sqrt(dim)) - exp(mean_k cos(c x_k)) + a + e``.

    Ackley (1987); for any dim Baeck (1996). Minimum 0 at 0, where f has a kink like a cone's: the gradient there is taken as 0,
    and there is no smoothness constant.
    """

    dim: int = structure(2, low=1)
    a: float = number(20.0, POSITIVE)
    b: float = number(0.2, POSITIVE)
    c: float = number(2 * math.pi, POSITIVE)

    def _cone(self, x: Array) -> tuple[Array, Array, Array]:
        """|x| / sqrt(dim), a exp(-b r), and the factor that turns x into the cone's gradient: 0 at the tip."""
        r = sqrt(total(x * x) / dim(x))
        tall = self.a * exp(-self.b * r)
        with np.errstate(all="ignore"):
            pull = where(r > 0.0, tall * self.b / (dim(x) * r), 0.0)
        return r, tall, pull

    def _egg_box(self, x: Array) -> tuple[Array, Array]:
        """The cosines, and exp of their mean."""
        cosine = cos(self.c * x)
        return cosine, exp(total(cosine) / dim(x))

    def value(self, x: Array, now: Any = None) -> Array:
        return self.a - self._cone(x)[1] + (math.e - self._egg_box(x)[1])

    def gradient(self, x: Array, now: Any = None) -> Array:
        return self._cone(x)[2] * x + (self._egg_box(x)[1] * self.c / dim(x)) * sin(self.c * x)

    def _bends(self, x: Array) -> tuple[Array, Array, Array]:
        r, _, pull = self._cone(x)
        with np.errstate(all="ignore"):
            bend = where(r > 0.0, pull * (self.b + 1.0 / r) / (dim(x) * r), 0.0)
        return pull, bend, self._egg_box(x)[1] * self.c / dim(x)

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        pull, bend, egg = self._bends(x)
        cosine, sine = cos(self.c * x), sin(self.c * x)
        along, across = total(x * v), total(sine * v)
        cone = pull * v - (bend * along) * x
        return cone + (egg * self.c) * (cosine * v) - (egg * self.c / dim(x) * across) * sine

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        pull, bend, egg = self._bends(x)
        cosine, sine = cos(self.c * x), sin(self.c * x)
        return pull - bend * (x * x) + (egg * self.c) * cosine - (egg * self.c / dim(x)) * (sine * sine)

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        return (StationaryPoint("minimum", everywhere(0.0, self.dim), 0.0, 0),)

    def _box(self) -> Box:
        return -32.768, 32.768

    def _picture(self) -> Picture:
        return (-5.0, 5.0), (-5.0, 5.0)


@dataclass(frozen=True)
class Griewank(Landscape):
    """``f(x) = 1 + sum_k x_k^2 / 4000 - prod_k cos(x_k / sqrt(k))``, k from 1 to dim

    Griewank (1981). Minimum 0 at 0, of curvatures ``1/2000 + 1/k``. The product couples all coordinates; the products of all
    others are made by the reductions' tree, without division, and so hold where a cosine is 0.
    """

    dim: int = structure(2, low=1)

    smooth_everywhere = True

    def _angles(self, x: Array) -> tuple[Array, Array]:
        root = sqrt(index(x) + 1.0)
        return root, x / root

    def value(self, x: Array, now: Any = None) -> Array:
        _, angle = self._angles(x)
        return 1.0 + total(x * x) / 4000.0 - product(cos(angle))

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        bend = tuple(1 / 2000 + 1 / k for k in range(1, self.dim + 1))
        return (StationaryPoint("minimum", everywhere(0.0, self.dim), 0.0, 0, bend),)

    def _smoothness(self) -> float:
        return 1 / 2000 + math.fsum(1 / k for k in range(1, self.dim + 1))  # |d^2 prod / dx_i dx_j| <= 1 / sqrt(i j)

    def _box(self) -> Box:
        return -600.0, 600.0

    def _picture(self) -> Picture:
        return (-10.0, 10.0), (-10.0, 10.0)


@dataclass(frozen=True)
class StyblinskiTang(Landscape):
    """``f(x) = 1/2 sum_k x_k^4 - 16 x_k^2 + 5 x_k``.

    Styblinski and Tang (1990). Each coordinate has a deep minimum at -2.90353403 (f = -39.1661657, f'' = 34.58306), a shallow one
    at 2.74680277 (f = -25.0294467, f'' = 29.26955) and a maximum at 0.15673126. All 3^dim combinations are listed up to
    dim 4; above, those with one kind in all coordinates.
    """

    dim: int = structure(2, low=1)

    def value(self, x: Array, now: Any = None) -> Array:
        square = x * x
        return total(0.5 * (square * (square - 16.0) + 5.0 * x))

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        # 4 x^3 - 32 x + 5 = 0 by Viete: x = 2 sqrt(8/3) cos(angle + 2 pi k/3)
        size = 2 * math.sqrt(8 / 3)
        angle = math.acos(-5 / 8 / (8 / 3) ** 1.5) / 3
        shallow, deep, top = (size * math.cos(angle + 2 * math.pi * k / 3) for k in range(3))
        kinds = {"deep": deep, "shallow": shallow, "top": top}
        names = list(kinds)
        if self.dim <= 4:
            choices = [
                tuple(names[(code // 3**k) % 3] for k in reversed(range(self.dim))) for code in range(3**self.dim)
            ]
        else:
            choices = [(name,) * self.dim for name in names]
        points = []
        for choice in choices:
            x = tuple(kinds[name] for name in choice)
            bend = tuple(6 * v * v - 16 for v in x)
            value = math.fsum((v**4 - 16 * v**2 + 5 * v) / 2 for v in x)
            points.append(StationaryPoint(" ".join(choice), x, value, choice.count("top"), bend))
        return tuple(points)

    def _smoothness(self) -> float:
        return 134.0  # 6 x^2 - 16 at +-5

    def _box(self) -> Box:
        return -5.0, 5.0

    def _picture(self) -> Picture:
        return (-5.0, 5.0), (-5.0, 5.0)


@dataclass(frozen=True)
class Levy(Landscape):
    """``f(x) = sin^2(pi w_0) + sum_{k<dim-1} (w_k-1)^2 (1 + 10 sin^2(pi w_k + 1)) + (w_last-1)^2 (1 + sin^2(2 pi w_last))``.

    ``w = 1 + (x - 1)/4``. Levy and Montalvo (1985) in the form of Laguna and Marti (2005). Minimum 0 at (1, ..., 1).
    """

    coordinates_per_lane = 8

    dim: int = structure(2, low=1)

    def _terms(self, x: Array) -> tuple[Array, ...]:
        """Rise w - 1; of the second factor 1 + height sin^2(angle): height, rate of the angle, its sine and cosine."""
        last = index(x) == dim(x) - 1
        rise = 0.25 * (x - 1.0)
        height, rate = where(last, 1.0, 10.0).astype(x.dtype), where(last, 2.0, 1.0).astype(x.dtype)
        angle = (math.pi * rate) * (1.0 + rise) + where(last, 0.0, 1.0).astype(x.dtype)
        return rise, height, rate, sin(angle), cos(angle)

    def _angle_of_first(self, x: Array) -> Array:
        """``pi w_0``."""
        return math.pi * (1.0 + 0.25 * (at(x, 0) - 1.0))

    def value(self, x: Array, now: Any = None) -> Array:
        rise, height, _, s, _ = self._terms(x)
        head = sin(self._angle_of_first(x))
        return total(along_first(x, head * head, 0.0) + (rise * rise) * (1.0 + height * (s * s)))

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        inner = [1 / 16 * 2 * (1 + 10 * math.sin(1 + math.pi) ** 2)] * (self.dim - 1) + [1 / 8]
        bend = (inner[0] + math.pi**2 / 8, *inner[1:])
        return (StationaryPoint("minimum", everywhere(1.0, self.dim), 0.0, 0, bend),)

    def _smoothness(self) -> float:
        reach = 11 / 4  # of w - 1 on the box
        middle = 22 + 40 * math.pi * reach + 20 * math.pi**2 * reach**2
        last = 4 + 8 * math.pi * reach + 8 * math.pi**2 * reach**2
        return max(middle if self.dim > 1 else 0.0, last) / 16 + math.pi**2 / 8

    def _box(self) -> Box:
        return -10.0, 10.0

    def _picture(self) -> Picture:
        return (-10.0, 10.0), (-10.0, 10.0)


@dataclass(frozen=True)
class Schwefel(Landscape):
    """``f(x) = 418.9828872724337 dim - sum_k x_k sin(sqrt(|x_k|))``.

    Schwefel (1981), problem 2.26. In [-500, 500]^dim the minimum is 0 at x_k = 420.9687463599820, far from the next best; outside
    the box f has no lower bound. The second derivative has a pole at 0 and is taken as 0 there: no smoothness constant.
    """

    dim: int = structure(2, low=1)

    def value(self, x: Array, now: Any = None) -> Array:
        return total(418.9828872724337 - x * sin(sqrt(absolute(x))))

    def gradient(self, x: Array, now: Any = None) -> Array:
        r = sqrt(absolute(x))
        return -sin(r) - 0.5 * (r * cos(r))

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        r = sqrt(absolute(x))
        with np.errstate(all="ignore"):
            bend = (r * sin(r) - 3.0 * cos(r)) / (4.0 * r)
        return where(x > 0.0, bend, where(x < 0.0, -bend, 0.0))

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        return self.hessian_diagonal(x) * v

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        root = 20.517522909941686  # of tan(r) = -r/2
        bend = (root * math.sin(root) - 3 * math.cos(root)) / (4 * root)
        return (StationaryPoint("minimum", everywhere(root**2, self.dim), 0.0, 0, everywhere(bend, self.dim)),)

    def _box(self) -> Box:
        return -500.0, 500.0

    def _picture(self) -> Picture:
        return (-500.0, 500.0), (-500.0, 500.0)
