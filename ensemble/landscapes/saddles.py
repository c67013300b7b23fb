"""Saddles: strict, and those that second-order conditions do not see."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

from ..algebra import at, index, where
from ..arithmetic.vec import Array, total
from ..part import NOT_NEGATIVE, POSITIVE, number, structure
from .base import Box, Landscape, Picture, StationaryPoint, along_first, everywhere

MOST_LISTED = 128
"""Stationary points are listed one by one up to so many."""


@dataclass(frozen=True)
class QuarticSaddle(Landscape):
    """``f(x) = sum_{k<unstable} (-gamma x_k^2/2 + x_k^4/4) + sum_{others} stiffness x_k^2/2``.

    A strict saddle of index ``unstable`` at 0 with ``2^unstable`` minima at ``x_k = +-sqrt(gamma)`` around it, each of value
    ``-unstable gamma^2/4``; there the unstable directions have curvature ``2 gamma``.
    """

    dim: int = structure(low=1)
    unstable: int = structure(1, low=0)
    gamma: float = number(1.0, POSITIVE)
    stiffness: float = number(1.0)

    def validate(self) -> None:
        if self.unstable > self.dim:
            raise ValueError(
                f"QuarticSaddle(dim={self.dim}, unstable={self.unstable}): give at most as many unstable directions as coordinates."
            )

    def _along(self, x: Array, unstable: Array, stable: Array) -> Array:
        """``unstable`` in the first coordinates, ``stable`` in the others."""
        return where(index(x) < self.unstable, unstable, stable)

    def value(self, x: Array, now: Any = None) -> Array:
        square = x * x
        return total(self._along(x, square * (0.25 * square - 0.5 * self.gamma), (0.5 * self.stiffness) * square))

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        k, rest, root = self.unstable, self.dim - self.unstable, math.sqrt(self.gamma)
        below = rest if self.stiffness < 0 else 0
        saddle = StationaryPoint(
            "saddle",
            everywhere(0.0, self.dim),
            0.0,
            k + below,
            everywhere(-self.gamma, k) + everywhere(self.stiffness, rest),
        )
        every = 2**k <= MOST_LISTED
        signs = itertools.product((1.0, -1.0), repeat=k) if every else iter([everywhere(1.0, k), everywhere(-1.0, k)])
        minima = [
            StationaryPoint(
                "minimum " + "".join("+" if s > 0 else "-" for s in sign) if every else f"minimum {sign[0]:+.0f}",
                tuple(s * root for s in sign) + everywhere(0.0, rest),
                -k * self.gamma**2 / 4,
                below,
                everywhere(2 * self.gamma, k) + everywhere(self.stiffness, rest),
            )
            for sign in signs
        ]
        return (saddle, *minima) if k else (saddle,)

    def _smoothness(self) -> float:
        reach = self._reach() ** 2
        return max(3 * reach - self.gamma, self.gamma, abs(self.stiffness))

    def _reach(self) -> float:
        return 1.5 * math.sqrt(self.gamma)

    def _box(self) -> Box:
        return -self._reach(), self._reach()

    def _picture(self) -> Picture:
        return (-self._reach(), self._reach()), (-self._reach(), self._reach())


@dataclass(frozen=True)
class MonkeySaddle(Landscape):
    """``f(x, y) = x^3 - 3 x y^2 + confinement/4 (x^2 + y^2)^2``.

    The monkey saddle with three ways down (Hilbert and Cohn-Vossen 1932, section 30), whose Hessian at 0 is zero: no
    second-order condition tells 0 from a minimum. ``confinement=0`` is the saddle alone, which has no lower bound; with
    ``confinement = c > 0`` there are minima at radius 3/c and angles pi/3, pi and 5 pi/3, of value ``-27/(4 c^3)`` and curvatures
    9/c (radial) and 27/c.
    """

    confinement: float = number(1.0, NOT_NEGATIVE)

    dim = 2

    def value(self, x: Array, now: Any = None) -> Array:
        a, b = at(x, 0), at(x, 1)
        square = a * a + b * b
        return a * (a * a - 3.0 * (b * b)) + (0.25 * self.confinement) * (square * square)

    def gradient(self, x: Array, now: Any = None) -> Array:
        a, b = at(x, 0), at(x, 1)
        pull = self.confinement * (a * a + b * b)
        return along_first(x, 3.0 * (a * a - b * b) + pull * a, pull * b - 6.0 * (a * b))

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        saddle = StationaryPoint("monkey saddle", (0.0, 0.0), 0.0, 0, (0.0, 0.0))
        c = self.confinement
        if not c:
            return (saddle,)
        minima = (
            StationaryPoint(
                f"minimum at {round(math.degrees(angle))} degrees",
                (3 / c * math.cos(angle), 3 / c * math.sin(angle)),
                -27 / (4 * c**3),
                0,
                (9 / c, 27 / c),
            )
            for angle in (math.pi / 3, math.pi, 5 * math.pi / 3)
        )
        return (saddle, *minima)

    def _reach(self) -> float:
        return 4 / self.confinement if self.confinement else 2.0

    def _smoothness(self) -> float:
        return 6 * math.sqrt(2) * self._reach() + 6 * self.confinement * self._reach() ** 2

    def _box(self) -> Box:
        return -self._reach(), self._reach()

    def _picture(self) -> Picture:
        return (-self._reach(), self._reach()), (-self._reach(), self._reach())


@dataclass(frozen=True)
class DegenerateSaddle(Landscape):
    """``f(x) = -x_0^4/4 + confinement x_0^6/6 + stiffness/2 sum_{k>=1} x_k^2``, of the kind ``x^2 - y^4``.

    At 0 the Hessian is diag(0, stiffness, ...): second-order stationary and yet no minimum. ``confinement=0`` leaves f without
    a lower bound; with ``confinement = c > 0`` there are minima at ``x_0 = +-1/sqrt(c)`` of value ``-1/(12 c^2)``, with curvature
    2/c along x_0.
    """

    dim: int = structure(2, low=1)
    stiffness: float = number(1.0, POSITIVE)
    confinement: float = number(1.0, NOT_NEGATIVE)

    def value(self, x: Array, now: Any = None) -> Array:
        square = x * x
        first = (square * square) * ((self.confinement / 6.0) * square - 0.25)
        return total(along_first(x, first, (0.5 * self.stiffness) * square))

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        rest = self.dim - 1
        stiff = everywhere(self.stiffness, rest)
        saddle = StationaryPoint("degenerate saddle", everywhere(0.0, self.dim), 0.0, 0, (0.0, *stiff))
        c = self.confinement
        if not c:
            return (saddle,)
        minima = (
            StationaryPoint(
                f"minimum {'+' if s > 0 else '-'}",
                (s / math.sqrt(c), *everywhere(0.0, rest)),
                -1 / (12 * c**2),
                0,
                (2 / c, *stiff),
            )
            for s in (1.0, -1.0)
        )
        return (saddle, *minima)

    def _reach(self) -> float:
        return 1.5 / math.sqrt(self.confinement) if self.confinement else 1.5

    def _smoothness(self) -> float:
        square = self._reach() ** 2
        lowest = 9 / (20 * self.confinement) if self.confinement else 0.0  # the second derivative's least value
        return max(abs(5 * self.confinement * square**2 - 3 * square), lowest, self.stiffness)

    def _box(self) -> Box:
        return -self._reach(), self._reach()

    def _picture(self) -> Picture:
        return (-self._reach(), self._reach()), (-1.5, 1.5)
