"""Valleys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arithmetic.vec import Array, shift, total
from ..part import POSITIVE, number, structure
from .base import Box, Landscape, Picture, StationaryPoint, numbers


@dataclass(frozen=True)
class Rosenbrock(Landscape):
    """The chained Rosenbrock function, ``f(x) = sum_{i<dim-1} b (x_{i+1} - x_i^2)^2 + (a - x_i)^2``.

    Rosenbrock (1960) for dim 2. With a = 1 the global minimum is 0 at (1, ..., 1), at the end of a curved valley.
    """

    dim: int = structure(2, low=2)
    a: float = number(1.0)
    b: float = number(100.0, POSITIVE)

    def _but_last(self, x: Array, term: Array) -> Array:
        term[:, -1] = 0
        return term

    def _but_first(self, x: Array, term: Array) -> Array:
        term[:, 0] = 0
        return term

    def value(self, x: Array, now: Any = None) -> Array:
        rise, gap = shift(x, 1) - x * x, self.a - x
        return total(self._but_last(x, self.b * (rise * rise) + gap * gap))

    def gradient(self, x: Array, now: Any = None) -> Array:
        before = shift(x, -1)
        from_next = -4.0 * self.b * (x * (shift(x, 1) - x * x)) - 2.0 * (self.a - x)
        from_before = (2.0 * self.b) * (x - before * before)
        return self._but_last(x, from_next) + self._but_first(x, from_before)

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        ahead = (12.0 * (x * x) - 4.0 * shift(x, 1)) * self.b * v - 4.0 * self.b * (x * shift(v, 1)) + 2.0 * v
        behind = (2.0 * self.b) * v - 4.0 * self.b * (shift(x, -1) * shift(v, -1))
        return self._but_last(x, ahead) + self._but_first(x, behind)

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        ahead = (12.0 * (x * x) - 4.0 * shift(x, 1)) * self.b + 2.0
        return self._but_last(x, ahead) + self._but_first(x, 2.0 * self.b * np.ones_like(x))

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        if self.dim > 2 and self.a not in (0.0, 1.0):
            return ()  # (a, a^2, a^4, ...) is the end of the valley, but only for these a a minimum
        x = tuple(self.a ** (2**k) for k in range(self.dim)) if self.dim == 2 else (self.a,) * self.dim
        bend = numbers(np.linalg.eigvalsh(self.hessian(x)))
        return (StationaryPoint("minimum", x, 0.0, 0, bend),)

    def _smoothness(self) -> float:
        return (
            74 * self.b + 2
        )  # Gershgorin at |x_k| = 2: (12 x^2 + 4 |x| + 2) b + 2 on the diagonal, 4 b |x| beside it, twice

    def _box(self) -> Box:
        return -2.0, 2.0

    def _picture(self) -> Picture:
        return (-2.0, 2.0), (-1.0, 3.0)
