"""Saddles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..part import POSITIVE, number, structure
from ..vec import Array, total
from .base import Landscape


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
        return np.where(np.arange(x.shape[1]) < self.unstable, unstable, stable)

    def value(self, x: Array, now: Any = None) -> Array:
        square = x * x
        return total(self._along(x, square * (0.25 * square - 0.5 * self.gamma), (0.5 * self.stiffness) * square))

    def gradient(self, x: Array, now: Any = None) -> Array:
        k = self.unstable
        result = self.stiffness * x
        head = x[:, :k]
        result[:, :k] = (head * head - self.gamma) * head
        return result

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        return self._along(x, (3.0 * (x * x) - self.gamma) * v, self.stiffness * v)

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        return self._along(x, 3.0 * (x * x) - self.gamma, self.stiffness * np.ones_like(x))
