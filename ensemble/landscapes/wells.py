"""Wells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..part import number, structure
from ..vec import Array, total
from .base import Landscape


@dataclass(frozen=True)
class DoubleWell(Landscape):
    """``f(x) = (x_0^2 - 1)^2/4 + stiffness/2 sum_{k>=1} x_k^2``.

    Minima at ``x_0 = +-1`` of value 0 and curvature 2 along x_0; a saddle of height 1/4 and curvature -1 at 0.
    """

    dim: int = structure(1, low=1)
    stiffness: float = number(1.0)

    def _along(self, x: Array, first: Array, others: Array) -> Array:
        return np.where(np.arange(x.shape[1]) < 1, first, others)

    def value(self, x: Array, now: Any = None) -> Array:
        rise = x * x - 1.0
        return total(self._along(x, 0.25 * (rise * rise), (0.5 * self.stiffness) * (x * x)))

    def gradient(self, x: Array, now: Any = None) -> Array:
        return self._along(x, (x * x - 1.0) * x, self.stiffness * x)

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        return self._along(x, (3.0 * (x * x) - 1.0) * v, self.stiffness * v)

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        return self._along(x, 3.0 * (x * x) - 1.0, self.stiffness * np.ones_like(x))
