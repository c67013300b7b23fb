"""The textbook functions of two coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..algebra import at
from ..arithmetic.vec import Array
from .base import Box, Landscape, Picture, StationaryPoint


@dataclass(frozen=True)
class Himmelblau(Landscape):
    """``f(x, y) = (x^2 + y - 11)^2 + (x + y^2 - 7)^2``.

    Himmelblau (1972), problem 29. Four minima of value 0, one of them at (3, 2), four saddles and one maximum.
    """

    dim = 2

    def _terms(self, x: Array) -> tuple[Array, Array, Array, Array]:
        a, b = at(x, 0), at(x, 1)
        return a, b, a * a + b - 11.0, a + b * b - 7.0

    def value(self, x: Array, now: Any = None) -> Array:
        _, _, u, w = self._terms(x)
        return u * u + w * w

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        near = {
            "minimum 1": ((3.0, 2.0), 0),
            "minimum 2": ((-2.805118, 3.131312), 0),
            "minimum 3": ((-3.779310, -3.283186), 0),
            "minimum 4": ((3.584428, -1.848126), 0),
            "saddle 1": ((0.086678, 2.884255), 1),
            "saddle 2": ((-3.073026, -0.081353), 1),
            "saddle 3": ((-0.127961, -1.953715), 1),
            "saddle 4": ((3.385154, 0.073852), 1),
            "maximum": ((-0.270845, -0.923039), 2),
        }
        return tuple(self._found(name, x, index) for name, (x, index) in near.items())

    def _smoothness(self) -> float:
        return 334.0  # the second row's largest sum on the box, at (5, 5): 12 y^2 + 4 x - 26 + 4 |x + y|

    def _box(self) -> Box:
        return -5.0, 5.0

    def _picture(self) -> Picture:
        return (-5.0, 5.0), (-5.0, 5.0)


@dataclass(frozen=True)
class Beale(Landscape):
    """``f(x, y) = (1.5 - x + x y)^2 + (2.25 - x + x y^2)^2 + (2.625 - x + x y^3)^2``.

    Beale (1958). Minimum 0 at (3, 1/2), in a curved valley with steep corners; a saddle at (0, 1).
    """

    dim = 2

    def _terms(self, x: Array) -> tuple[Array, ...]:
        a, b = at(x, 0), at(x, 1)
        d1, d2, d3 = 1.0 - b, 1.0 - b * b, 1.0 - b * b * b
        return a, b, d1, d2, d3, 1.5 - a * d1, 2.25 - a * d2, 2.625 - a * d3

    def value(self, x: Array, now: Any = None) -> Array:
        *_, t1, t2, t3 = self._terms(x)
        return t1 * t1 + t2 * t2 + t3 * t3

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        return (
            self._found("minimum", (3.0, 0.5), 0),
            StationaryPoint("saddle", (0.0, 1.0), 14.203125, 1, (-27.75, 27.75)),
        )

    def _smoothness(self) -> float:
        # Every term at its largest on the box, |x| = |y| = 4.5, in rows of absolute values.
        r = 4.5
        d = [1 + r**k for k in (1, 2, 3)]
        t = [c + r * e for c, e in zip((1.5, 2.25, 2.625), d, strict=True)]
        turn = t[0] + 2 * r * t[1] + 3 * r**2 * t[2]
        bend = r * (1 + 4 * r**2 + 9 * r**4) + 2 * t[1] + 6 * r * t[2]
        cross = 2 * turn + 2 * r * (d[0] + 2 * r * d[1] + 3 * r**2 * d[2])
        return max(2 * sum(e * e for e in d), 2 * r * bend) + cross

    def _box(self) -> Box:
        return -4.5, 4.5

    def _picture(self) -> Picture:
        return (-4.5, 4.5), (-4.5, 4.5)


@dataclass(frozen=True)
class Booth(Landscape):
    """``f(x, y) = (x + 2 y - 7)^2 + (2 x + y - 5)^2``: a quadratic, with minimum 0 at (1, 3) and curvatures 2 and 18."""

    dim = 2
    smooth_everywhere: ClassVar[bool] = True

    def _terms(self, x: Array) -> tuple[Array, Array]:
        a, b = at(x, 0), at(x, 1)
        return a + 2.0 * b - 7.0, 2.0 * a + b - 5.0

    def value(self, x: Array, now: Any = None) -> Array:
        u, w = self._terms(x)
        return u * u + w * w

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        return (StationaryPoint("minimum", (1.0, 3.0), 0.0, 0, (2.0, 18.0)),)

    def _smoothness(self) -> float:
        return 18.0

    def _box(self) -> Box:
        return -10.0, 10.0

    def _picture(self) -> Picture:
        return (-10.0, 10.0), (-10.0, 10.0)
