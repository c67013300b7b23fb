"""Two wells: symmetric, and a sharp one beside a flat one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..algebra import absolute, at, where
from ..arithmetic.elementary import exp, log
from ..arithmetic.vec import Array, total
from ..grids import Varied
from ..part import POSITIVE, number, structure
from .base import Box, Landscape, Picture, StationaryPoint, along_first, everywhere


@dataclass(frozen=True)
class DoubleWell(Landscape):
    """``f(x) = (x_0^2 - 1)^2/4 + stiffness/2 sum_{k>=1} x_k^2``.

    Minima at ``x_0 = +-1`` of value 0 and curvature 2 along x_0; a saddle of height 1/4 and curvature -1 at 0.
    """

    dim: int = structure(1, low=1)
    stiffness: float = number(1.0)

    def value(self, x: Array, now: Any = None) -> Array:
        rise = x * x - 1.0
        return total(along_first(x, 0.25 * (rise * rise), (0.5 * self.stiffness) * (x * x)))

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        rest = self.dim - 1
        below = rest if self.stiffness < 0 else 0
        stiff, zeros = everywhere(self.stiffness, rest), everywhere(0.0, rest)
        return (
            StationaryPoint("minimum -", (-1.0, *zeros), 0.0, below, (2.0, *stiff)),
            StationaryPoint("saddle", (0.0, *zeros), 0.25, 1 + below, (-1.0, *stiff)),
            StationaryPoint("minimum +", (1.0, *zeros), 0.0, below, (2.0, *stiff)),
        )

    def _smoothness(self) -> float:
        return max(11.0, abs(self.stiffness)) if self.dim > 1 else 11.0  # 3 x^2 - 1 at +-2

    def _box(self) -> Box:
        return -2.0, 2.0

    def _picture(self) -> Picture:
        return (-2.0, 2.0), (-2.0, 2.0)


@dataclass(frozen=True)
class SharpFlat(Landscape):
    """A sharp minimum at ``x_0 = -sharp_at`` and a flat one at ``x_0 = flat_at``: the smaller of two parabolas.

    ``f(x) = min(sharp (x_0 + sharp_at)^2/2 - sharp_depth, flat (x_0 - flat_at)^2/2 - flat_depth) + stiffness/2 sum_{k>=1} x_k^2``

    Curvature (``sharp``, ``flat``), distance from 0 and depth of each minimum are chosen separately. The parabolas meet between
    the minima at :attr:`crossing`, where f has a kink; :attr:`barriers` are its heights above the two minima. Selection between
    such minima: Xie, Sato and Sugiyama (2021), arXiv:2002.03495. :class:`SmoothSharpFlat` rounds the kink off.
    """

    dim: int = structure(1, low=1)
    sharp: float = number(4.0, POSITIVE)
    flat: float = number(1.0, POSITIVE)
    sharp_at: float = number(1.0)
    flat_at: float = number(2.0)
    sharp_depth: float = number(0.0)
    flat_depth: float = number(0.0)
    stiffness: float = number(1.0)

    def validate(self) -> None:
        fields = (self.sharp, self.flat, self.sharp_at, self.flat_at, self.sharp_depth, self.flat_depth)
        if any(isinstance(value, Varied) for value in fields):
            return
        apart, deeper = self.sharp_at + self.flat_at, self.sharp_depth - self.flat_depth
        if apart <= 0 or deeper >= self.sharp * apart**2 / 2 or -deeper >= self.flat * apart**2 / 2:
            raise ValueError(
                f"{type(self).__name__}(sharp={self.sharp}, flat={self.flat}, sharp_at={self.sharp_at}, flat_at={self.flat_at}, "
                f"sharp_depth={self.sharp_depth}, flat_depth={self.flat_depth}): one parabola swallows the other's minimum; "
                f"give minima further apart (sharp_at + flat_at > 0) or depths closer together."
            )

    @property
    def crossing(self) -> float:
        """Where between the minima the parabolas have the same height."""
        self._one_configuration("crossing")
        a, b = self.sharp_at, self.flat_at
        square, slope = (self.sharp - self.flat) / 2, self.sharp * a + self.flat * b
        level = (self.sharp * a**2 - self.flat * b**2) / 2 - self.sharp_depth + self.flat_depth
        root = math.sqrt(slope**2 - 4 * square * level)
        # At the crossing the first parabola overtakes the second: the root where 2 square x + slope > 0.
        return 2 * (0.0 - level) / (slope + root) if slope >= 0 else (root - slope) / (2 * square)

    @property
    def barriers(self) -> tuple[float, float]:
        """Height of the crossing above the sharp and above the flat minimum."""
        x = self.crossing
        return self.sharp * (x + self.sharp_at) ** 2 / 2, self.flat * (x - self.flat_at) ** 2 / 2

    def _parabolas(self, x: Array) -> tuple[Array, Array]:
        """Heights of both along x_0, each (instances, 1)."""
        u, w = at(x, 0) + self.sharp_at, at(x, 0) - self.flat_at
        return (0.5 * self.sharp) * (u * u) - self.sharp_depth, (0.5 * self.flat) * (w * w) - self.flat_depth

    def _lower(self, x: Array) -> Array:
        """The part of the value that x_0 has, (instances, 1)."""
        first, second = self._parabolas(x)
        return where(first < second, first, second)

    def value(self, x: Array, now: Any = None) -> Array:
        return total(along_first(x, 0.0, (0.5 * self.stiffness) * (x * x))) + self._lower(x)

    def _minima(self) -> tuple[StationaryPoint, StationaryPoint]:
        rest = self.dim - 1
        below = rest if self.stiffness < 0 else 0
        stiff, zeros = everywhere(self.stiffness, rest), everywhere(0.0, rest)
        return (
            StationaryPoint(
                "sharp minimum", (-self.sharp_at, *zeros), 0.0 - self.sharp_depth, below, (self.sharp, *stiff)
            ),
            StationaryPoint("flat minimum", (self.flat_at, *zeros), 0.0 - self.flat_depth, below, (self.flat, *stiff)),
        )

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        return self._minima()

    def _reach(self) -> float:
        return 2 * max(abs(self.sharp_at), abs(self.flat_at))

    def _box(self) -> Box:
        return -self._reach(), self._reach()

    def _picture(self) -> Picture:
        return (-self._reach(), self._reach()), (-self._reach(), self._reach())


@dataclass(frozen=True)
class SmoothSharpFlat(SharpFlat):
    """:class:`SharpFlat` with the soft minimum: ``-smoothing log(exp(-first/smoothing) + exp(-second/smoothing))`` along x_0.

    Between the minimum of the two parabolas and ``smoothing log 2`` below it; analytic. The minima and the saddle move a little
    and are given as Newton's method finds them from the two parabolas' own.
    """

    smoothing: float = number(0.1, POSITIVE)

    def _lower(self, x: Array) -> Array:
        first, second = self._parabolas(x)
        return where(first < second, first, second) - self.smoothing * log(1.0 + self._rarer(first, second))

    def _rarer(self, first: Array, second: Array) -> Array:
        """What the higher parabola weighs in the mixture next to the lower one."""
        return exp(-(absolute(first - second) / self.smoothing))

    def _along(self, x: Array) -> tuple[Array, Array]:
        """Slope and curvature along x_0, each (instances, 1): without differences of nearly equal weights."""
        first, second = self._parabolas(x)
        first_slope, second_slope = self.sharp * (at(x, 0) + self.sharp_at), self.flat * (at(x, 0) - self.flat_at)
        e = self._rarer(first, second)
        more = 1.0 / (1.0 + e)
        less = e * more
        in_sharp = first < second
        of_first, of_second = where(in_sharp, more, less), where(in_sharp, less, more)
        gap = first_slope - second_slope
        bend = of_first * self.sharp + of_second * self.flat - (of_first * of_second / self.smoothing) * (gap * gap)
        return of_first * first_slope + of_second * second_slope, bend

    def gradient(self, x: Array, now: Any = None) -> Array:
        return along_first(x, self._along(x)[0], self.stiffness * x)

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        return along_first(x, self._along(x)[1] * v, self.stiffness * v)

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        return along_first(x, self._along(x)[1], self.stiffness)

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        sharp, flat = self._minima()
        saddle = (self.crossing, *everywhere(0.0, self.dim - 1))
        found = (
            self._found("sharp minimum", sharp.x, sharp.index),
            self._found("saddle", saddle, sharp.index + 1),
            self._found("flat minimum", flat.x, sharp.index),
        )
        apart = all(
            sum(c < 0 for c in p.curvatures or ()) == p.index and abs(p.x[0] - near) < self._reach() / 4
            for p, near in zip(found, (sharp.x[0], saddle[0], flat.x[0]), strict=True)
        )
        return found if apart else ()  # so much smoothing that fewer than two minima are left

    def _smoothness(self) -> float:
        ends = (
            self.sharp * (s + self.sharp_at) - self.flat * (s - self.flat_at) for s in (-self._reach(), self._reach())
        )
        dip = max(gap**2 for gap in ends) / (4 * self.smoothing)
        stiff = abs(self.stiffness) if self.dim > 1 else 0.0
        return max(self.sharp, self.flat, dip - min(self.sharp, self.flat), stiff)
