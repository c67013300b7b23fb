"""Losses of models that are linear in their parameters: means over samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..arithmetic.vec import Array, dot
from ..part import data
from .base import StationaryPoint, numbers
from .finite_sum import FiniteSum, checked_samples


@dataclass(frozen=True)
class _Regression(FiniteSum):
    """A loss of the prediction ``z = dot(x, a_i)`` of a sample."""

    A: Any = data()
    y: Any = data()

    def validate(self) -> None:
        checked_samples(type(self).__name__, ("A", "y"), self.A, self.y)
        self.samples_are(self.A, self.y)

    @property
    def dimension(self) -> int:
        return int(self.A.shape[1])

    @classmethod
    def random(cls, samples: int = 40, dim: int = 6, noise: float = 0.1, seed: int = 0) -> Self:
        """Normal rows, and ``y = A w + noise`` for normal w."""
        draw = np.random.default_rng(seed)
        a, w = draw.normal(size=(samples, dim)), draw.normal(size=dim)
        return cls(a, a @ w + noise * draw.normal(size=samples))

    def _largest_curvature(self) -> float:
        """Of ``|A x|^2 / 2n``."""
        return float(np.linalg.norm(self.A, 2) ** 2 / self.samples)


@dataclass(frozen=True)
class LeastSquares(_Regression):
    """``f(x) = 1/(2n) |A x - y|^2 + l2/2 |x|^2``: linear regression; A (n, dim), y (n,).

    The loss of one sample is ``(dot(a_i, x) - y_i)^2 / 2``. The Hessian is ``A^T A / n + l2`` everywhere.
    """

    smooth_everywhere = True

    def loss(self, x: Array, sample: Any) -> Array:
        rest = dot(x, sample.row) - sample[-1]
        return 0.5 * (rest * rest)

    def solution(self) -> Array:
        """The minimiser of the smallest length, (dim,)."""
        n, dim = self.A.shape
        found: Array = np.linalg.lstsq(
            np.vstack([self.A, np.sqrt(n * self.l2) * np.eye(dim)]), np.append(self.y, np.zeros(dim)), rcond=None
        )[0]
        return found

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        bend = np.linalg.eigvalsh(self.A.T @ self.A / self.samples) + self.l2
        if bend[0] <= 1e-12 * bend[-1]:
            return ()  # a whole plane of minima
        x = self.solution()
        return (StationaryPoint("minimum", numbers(x), float(self.value(x[None])[0, 0]), 0, numbers(bend)),)

    def _smoothness(self) -> float:
        return self._largest_curvature() + self.l2
