"""Valleys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..algebra import dim, index, where
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
        return where(index(x) < dim(x) - 1, term, 0.0)

    def value(self, x: Array, now: Any = None) -> Array:
        rise, gap = shift(x, 1) - x * x, self.a - x
        return total(self._but_last(x, self.b * (rise * rise) + gap * gap))

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
