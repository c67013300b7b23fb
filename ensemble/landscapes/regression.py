"""Losses of models that are linear in their parameters: means over samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..algebra import absolute, at, minimum, where
from ..arithmetic.vec import Array, dot
from ..part import POSITIVE, data, number, structure
from .base import Box, StationaryPoint, numbers
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

    def _box(self) -> Box:
        return -2.0, 2.0

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


@dataclass(frozen=True)
class Huber(_Regression):
    """``f(x) = 1/n sum_i h(dot(a_i, x) - y_i) + l2/2 |x|^2``, ``h(r) = r^2/2`` up to ``|r| = delta``, ``delta (|r| - delta/2)`` beyond.

    Huber (1964), "Robust estimation of a location parameter": a sample that is far off pulls with ``delta``, and no harder.
    """

    delta: float = number(1.0, POSITIVE)

    smooth_everywhere = True

    def loss(self, x: Array, sample: Any) -> Array:
        rest = dot(x, sample.row) - sample[-1]
        return where(
            absolute(rest) <= self.delta, 0.5 * (rest * rest), self.delta * (absolute(rest) - 0.5 * self.delta)
        )

    def _smoothness(self) -> float:
        return self._largest_curvature() + self.l2


@dataclass(frozen=True)
class Wilson(FiniteSum):
    """Least squares on which adaptive methods end where every fresh negative example is misjudged, and SGD where none is.

    Wilson and others (2017), arXiv:1705.08292, section 3.3. Sample i of label s = +-1 has the numbers ``(s, 1, 1)``, and then one
    feature of its own where s = 1, five where s = -1: dim = 3 + positive + 5 negative, more ``positive`` than ``negative``. From 0
    with the whole sum a method of diagonal scaling without eps stays on multiples of sign(A^T y) = (1, 1, 1, signs of the labels),
    which says +1 of every fresh example; gradient descent, SGD and momentum go to the interpolation of least length, which is right.
    """

    positive: int = structure(6, low=1)
    negative: int = structure(4, low=1)

    smooth_everywhere = True

    def validate(self) -> None:
        if self.positive <= self.negative:
            raise ValueError(
                f"Wilson(positive={self.positive}, negative={self.negative}): give more positive samples than negative ones."
            )
        rows, labels = self.data()
        self.samples_are(rows, labels)

    def data(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The rows (n, dim) and labels (n,), the positive ones first."""
        n = self.positive + self.negative
        labels = np.where(np.arange(n) < self.positive, 1.0, -1.0)
        rows = np.zeros((n, self.dimension))
        rows[:, 0], rows[:, 1:3] = labels, 1.0
        first = 3
        for i, label in enumerate(labels):
            last = first + (1 if label > 0 else 5)
            rows[i, first:last] = 1.0
            first = last
        return rows, labels

    @property
    def dimension(self) -> int:
        return 3 + self.positive + 5 * self.negative

    def loss(self, x: Array, sample: Any) -> Array:
        rest = dot(x, sample.row) - sample[-1]
        return 0.5 * (rest * rest)

    def errors(self, x: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether a fresh positive example, and whether a fresh negative one, is misjudged at each point x (..., dim)."""
        points = np.asarray(x)
        both = points[..., 1] + points[..., 2]
        return both + points[..., 0] <= 0, both - points[..., 0] >= 0

    def _smoothness(self) -> float:
        return float(np.linalg.norm(self.data()[0], 2) ** 2 / self.samples) + self.l2

    def _box(self) -> Box:
        return -2.0, 2.0


@dataclass(frozen=True)
class WuTwoMinima(FiniteSum):
    """``f_i(x) = min(x^2, c_i (x - 1)^2)`` in one dimension: two minima of one sharpness, of which SGD leaves the one at 1.

    Wu, Ma and E (2018), "How SGD selects the global minima in over-parameterized learning", section 2, with c = (0.1, 1.9). Where
    the mean of c is 1 both have the curvature 2, and gradient descent stays below lr = 1 at either. SGD with batch B stays in mean
    square near 1 while ``(1 - 2 lr)^2 + (2 lr)^2 var(c)/B < 1``: below ``lr = 2/3.62 = 0.5525`` for B = 1; near 0 below 1, whatever B.
    """

    curvatures: Any = data((0.1, 1.9))

    def validate(self) -> None:
        if self.curvatures.ndim != 1 or not self.curvatures.size or (self.curvatures <= 0).any():
            raise ValueError("WuTwoMinima(curvatures=...): give a list of numbers greater than 0.")
        self.samples_are(self.curvatures)

    @property
    def dimension(self) -> int:
        return 1

    def loss(self, x: Array, sample: Any) -> Array:
        p = at(x, 0)
        return minimum(p * p, sample[0] * ((p - 1.0) * (p - 1.0)))

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        bend = 2.0 + self.l2, 2.0 * float(self.curvatures.mean()) + self.l2
        if self.l2:
            return (StationaryPoint("minimum at 0", (0.0,), 0.0, 0, bend[:1]),)
        return (
            StationaryPoint("minimum at 0", (0.0,), 0.0, 0, bend[:1]),
            StationaryPoint("minimum at 1", (1.0,), 0.0, 0, bend[1:]),
        )

    def _box(self) -> Box:
        return -0.4, 1.4

    def _picture(self) -> tuple[tuple[float, float], tuple[float, float]]:
        return (-0.6, 1.8), (0.0, 1.0)
