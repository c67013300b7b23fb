"""Cliffs, plateaus, and a function that is not convex and yet easy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..algebra import absolute, at, where
from ..arithmetic.elementary import exp, log, sin, tanh
from ..arithmetic.vec import Array, total
from ..part import POSITIVE, inner, number, structure
from ..words import told
from .base import Box, Landscape, Picture, StationaryPoint, along_first, everywhere


@dataclass(frozen=True)
class Cliff(Landscape):
    """A gentle slope down to the foot of a steep wall.

    ``f(x) = -slope x_0 + (slope + wall) width log(1 + exp(x_0 / width)) + stiffness/2 sum_{k>=1} x_k^2``

    f falls with ``slope`` where x_0 < 0 and rises with ``wall`` where x_0 > 0; the turn is ``width`` wide. Convex, with one minimum
    at ``x_0 = width log(slope / wall)``. A step from the wall throws the iterate far back along the slope: the exploding gradient
    that clipping was made for (Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063, figure 6), and that Adam's bounded steps
    do not feel.
    """

    dim: int = structure(2, low=1)
    slope: float = number(1.0, POSITIVE)
    wall: float = number(100.0, POSITIVE)
    width: float = number(0.1, POSITIVE)
    stiffness: float = number(1.0)

    smooth_everywhere = True

    def _profile(self, x: Array) -> tuple[Array, Array, Array]:
        """Value, slope and curvature along x_0."""
        a = at(x, 0)
        z = a / self.width
        e = exp(-absolute(z))
        more = 1.0 / (1.0 + e)
        less = e * more
        jump = self.slope + self.wall
        soft = where(z > 0.0, z, 0.0) + log(1.0 + e)
        value = jump * self.width * soft - self.slope * a
        return value, jump * where(z > 0.0, more, less) - self.slope, jump / self.width * (more * less)

    def value(self, x: Array, now: Any = None) -> Array:
        return total(along_first(x, 0.0, (0.5 * self.stiffness) * (x * x))) + self._profile(x)[0]

    def gradient(self, x: Array, now: Any = None) -> Array:
        return along_first(x, self._profile(x)[1], self.stiffness * x)

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        return along_first(x, self._profile(x)[2] * v, self.stiffness * v)

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        return along_first(x, self._profile(x)[2], self.stiffness)

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        rest, jump = self.dim - 1, self.slope + self.wall
        a = self.width * math.log(self.slope / self.wall)
        value = jump * self.width * math.log1p(self.slope / self.wall) - self.slope * a
        bend = self.slope * self.wall / (jump * self.width)
        index = rest if self.stiffness < 0 else 0
        curvatures = (bend, *everywhere(self.stiffness, rest))
        return (StationaryPoint("minimum", (a, *everywhere(0.0, rest)), value, index, curvatures),)

    def _smoothness(self) -> float:
        stiff = abs(self.stiffness) if self.dim > 1 else 0.0
        return max((self.slope + self.wall) / (4 * self.width), stiff)

    def _box(self) -> Box:
        return -2.0, 2.0

    def _picture(self) -> Picture:
        return (-2.0, 1.0), (-1.5, 1.5)


@dataclass(frozen=True)
class Plateau(Landscape):
    """``height tanh(base(x) / height)``: any landscape, flat far from its valleys.

    Near values of 0 this is ``base``; where ``|base(x)|`` is many times ``height`` the gradient vanishes, in float64 exactly beyond
    19 times, in float32 beyond 9. Stationary points are those of ``base``, with the same indices, and the plateau itself.
    """

    base: Landscape = inner()
    height: float = number(1.0, POSITIVE)

    def validate(self) -> None:
        unconstrained(self, self.base)

    @property
    def coordinates_per_lane(self) -> int:  # type: ignore[override]
        return self.base.coordinates_per_lane

    @property
    def shared_points(self) -> int:  # type: ignore[override]
        return self.base.shared_points

    @property
    def dimension(self) -> int:
        return self.base.dimension

    def _level(self, x: Array, now: Any) -> tuple[Array, Array]:
        """The tanh, and its derivative."""
        level = tanh(self.base.value(x, now) / self.height)
        return level, 1.0 - level * level

    def value(self, x: Array, now: Any = None) -> Array:
        return self.height * self._level(x, now)[0]

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        points = []
        for p in self.base.stationary_points():
            level = math.tanh(p.value / self.height)
            slope = 1 - level**2
            bend = None if p.curvatures is None else tuple(slope * c for c in p.curvatures)
            points.append(StationaryPoint(p.name, p.x, self.height * level, p.index, bend))
        return tuple(points)

    def _box(self) -> Box | None:
        return self.base.box

    def _picture(self) -> Picture | None:
        return self.base.picture


def unconstrained(wrapper: Landscape, base: Landscape) -> None:
    """Raises unless ``base`` is a landscape on the whole space."""
    name = type(wrapper).__name__
    if not isinstance(base, Landscape):
        raise ValueError(f"{name}(base={told(base)}): base must be a landscape, such as Rosenbrock(dim=8).")
    if type(base).project is not Landscape.project:
        raise ValueError(
            f"{name}(base={type(base).__name__}(...)): {type(base).__name__} lives on a set and projects onto it, which {name} "
            f"does not carry over; give a landscape on the whole space, such as Rosenbrock(dim=8)."
        )


@dataclass(frozen=True)
class PolyakLojasiewicz(Landscape):
    """``f(x) = sum_k x_k^2 + 3 sin^2 x_k``: not convex, and yet gradient descent converges linearly from everywhere.

    Karimi, Nutini and Schmidt (2016), arXiv:1608.04636, section 2.2. ``|grad f|^2 >= 2 mu (f - f*)`` with ``mu = 1/32``
    (:attr:`pl_constant`), gradient Lipschitz with L = 8, curvatures from -4 to 8; the minimum 0 at 0 is the only stationary point.
    """

    dim: int = structure(1, low=1)

    smooth_everywhere = True

    @property
    def pl_constant(self) -> float:
        """The mu of the Polyak-Lojasiewicz inequality."""
        return 1 / 32

    def value(self, x: Array, now: Any = None) -> Array:
        s = sin(x)
        return total(x * x + 3.0 * (s * s))

    def gradient(self, x: Array, now: Any = None) -> Array:
        return 2.0 * x + 3.0 * sin(2.0 * x)

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        return (StationaryPoint("minimum", everywhere(0.0, self.dim), 0.0, 0, everywhere(8.0, self.dim)),)

    def _smoothness(self) -> float:
        return 8.0

    def _box(self) -> Box:
        return -10.0, 10.0

    def _picture(self) -> Picture:
        return (-5.0, 5.0), (-5.0, 5.0)
