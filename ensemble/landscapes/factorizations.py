"""Problems of recovery: a matrix from its entries, a signal from magnitudes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike

from ..algebra import absolute, dim, index, where
from ..arithmetic.matrices import gram, gram_with, times, times_factor
from ..arithmetic.matrices import transpose as transposed
from ..arithmetic.vec import Array, dot, total
from ..part import array, data, structure
from ..plain import array_of_numbers
from ..words import told
from .base import Box, Landscape, StationaryPoint, everywhere, numbers
from .finite_sum import FiniteSum, checked_samples


@dataclass(frozen=True)
class MatrixFactorization(Landscape):
    """``f(U) = 1/4 |U U^T - M|_F^2`` with ``M = V V^T``: every saddle strict, every local minimum global.

    U is (size, rank), row by row in the coordinates: dim = size rank. ``factor`` is V (size, true_rank). Ge, Jin and Zheng (2017),
    arXiv:1704.00708; Li and others (2019), arXiv:1612.09296. Stationary points are ``Q_S sqrt(L_S)`` turned by any orthogonal
    matrix, S a choice of at most ``rank`` eigenvectors of M; listed is, for each k, the one with the k largest: index
    ``(rank - k) (rank of M - k)``, value a quarter of the sum of the other eigenvalues' squares. Values are sums of squared
    residuals, gradients come from rank x rank products: O(size rank^2 + size rank true_rank).
    """

    coordinates_per_lane = 8

    factor: Any = array()
    rank: int = structure(1, low=1)
    size: int | None = structure(None, low=1)
    true_rank: int | None = structure(None, low=1)

    @classmethod
    def random(cls, size: int = 20, rank: int = 3, true_rank: int | None = None, seed: int = 0) -> Self:
        """V with independent normal entries over sqrt(size), so that M's eigenvalues are near 1; ``true_rank`` None: ``rank``."""
        shape = (size, rank if true_rank is None else true_rank)
        return cls(np.random.default_rng(seed).normal(size=shape) / np.sqrt(size), rank=rank)

    @classmethod
    def of(cls, matrix: ArrayLike, rank: int) -> Self:
        """For a given M, symmetric and without negative eigenvalues.

        Raises:
            ValueError: M is not square, not symmetric, or has a negative eigenvalue.
        """
        m = np.asarray(matrix, dtype=np.float64)
        if m.ndim != 2 or m.shape[0] != m.shape[1] or not np.allclose(m, m.T):
            raise ValueError(f"MatrixFactorization.of(matrix of shape {m.shape}): give a symmetric matrix.")
        values, vectors = np.linalg.eigh(m)
        if values[0] < -1e-9 * max(1.0, abs(values[-1])):
            raise ValueError(
                f"MatrixFactorization.of: the matrix has eigenvalue {values[0]:g}; give one with none below 0."
            )
        kept = values > 1e-12 * max(values[-1], 1e-300)
        return cls(vectors[:, kept] * np.sqrt(values[kept]), rank=rank)

    def validate(self) -> None:
        if self.factor.ndim != 2 or 0 in self.factor.shape:
            raise ValueError(
                f"MatrixFactorization(factor of shape {self.factor.shape}): give V as (size, true_rank), or use "
                f"MatrixFactorization.random(size=20, rank=3) or .of(matrix, rank)."
            )
        size, columns = self.factor.shape
        if self.size not in (None, size) or self.true_rank not in (None, columns):
            raise ValueError(
                f"MatrixFactorization(size={self.size}, true_rank={self.true_rank}): factor is {self.factor.shape}; leave both out."
            )
        if self.rank > size:
            raise ValueError(
                f"MatrixFactorization(rank={self.rank}): M is {size} x {size}; give a rank of at most {size}."
            )
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "true_rank", columns)

    @property
    def dimension(self) -> int:
        return cast(int, self.size) * self.rank

    def _matrix(self, x: Array) -> Array:
        return x.reshape(x.shape[0], cast(int, self.size), self.rank)

    def _factor(self, x: Array) -> Array:
        return self.factor.astype(x.dtype)

    def value(self, x: Array, now: Any = None) -> Array:
        u, f = self._matrix(x), self._factor(x)
        squares = np.zeros_like(u)
        for k in range(u.shape[1]):
            ours = np.zeros_like(u[:, :, 0])
            for a in range(u.shape[2]):
                ours = ours + u[:, :, a] * u[:, k, a : a + 1]
            theirs = np.zeros(u.shape[1], dtype=x.dtype)
            for a in range(f.shape[1]):
                theirs = theirs + f[:, a] * f[k, a]
            rest = ours - theirs
            squares[:, :, 0] = squares[:, :, 0] + rest * rest
        return 0.25 * total(squares.reshape(x.shape))

    def gradient(self, x: Array, now: Any = None) -> Array:
        u, f = self._matrix(x), self._factor(x)
        return (times(u, gram(u, u, True)) - times_factor(f, gram_with(f, u))).reshape(x.shape)

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        u, d, f = self._matrix(x), self._matrix(v), self._factor(x)
        cross = gram(d, u)
        result = times(d, gram(u, u, True)) + times(u, cross + transposed(cross))
        return (result - times_factor(f, gram_with(f, d))).reshape(x.shape)

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        u, f = self._matrix(x), self._factor(x)
        inner = gram(u, u, True)
        rows, known = np.zeros_like(u[:, :, :1]), np.zeros_like(f[:, :1])
        for a in range(u.shape[2]):
            rows = rows + u[:, :, a : a + 1] * u[:, :, a : a + 1]
        for a in range(f.shape[1]):
            known = known + f[:, a : a + 1] * f[:, a : a + 1]
        own = np.stack([inner[:, a, a] for a in range(u.shape[2])], axis=1)[:, None, :]
        return (own + u * u + (rows - known[None])).reshape(x.shape)

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        values, vectors = np.linalg.eigh(self.factor @ self.factor.T)
        values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
        positive = int(np.sum(values > 1e-12 * max(values[0], 1e-300)))
        points = []
        for k in range(min(self.rank, positive) + 1):
            u = np.zeros((cast(int, self.size), self.rank))
            u[:, :k] = vectors[:, :k] * np.sqrt(values[:k])
            index, value = (self.rank - k) * (positive - k), float(np.sum(values[k:positive] ** 2)) / 4
            name = f"rank {k}" if index else "minimum"
            bend = numbers(np.repeat(-values, self.rank)) if k == 0 else None
            points.append(StationaryPoint(name, numbers(u), value, index, bend))
        return tuple(points)

    def _smoothness(self) -> float:
        # |Hessian| <= 3 |U|^2 + |M|, and |U|^2 is at most the sum of its squares.
        low, high = cast(tuple[float, float], self._box())
        return float(3 * self.dimension * max(low**2, high**2) + np.linalg.norm(self.factor, 2) ** 2)

    def _box(self) -> Box:
        return -1.0, 1.0


@dataclass(frozen=True)
class PhaseRetrieval(FiniteSum):
    """``f(x) = 1/(4 m) sum_i ((a_i . x)^2 - y_i)^2 + l2/2 |x|^2``: a real signal from magnitudes alone.

    ``sensing`` is A (m, dim), ``squares`` y (m); each measurement is a sample. Candes, Li and Soltanolkotabi (2015), arXiv:1407.1065,
    eq. 1.4, for real numbers; without spurious minima for m large enough: Sun, Qu and Wright (2018), arXiv:1602.06664. With
    ``y_i = (a_i . s)^2`` the global minima without l2 are s and -s, of value 0; ``signal`` says s where it is known. 0 is a maximum
    where l2 is small: the Hessian there is ``-1/m sum y_i a_i a_i^T + l2``.
    """

    sensing: Any = data()
    squares: Any = data()
    signal: tuple[float, ...] | None = None
    dim: int | None = None
    measurements: int | None = None

    @classmethod
    def random(cls, dim: int = 16, measurements: int = 128, seed: int = 0) -> Self:
        """Normal sensing vectors, and a signal uniform on the unit sphere."""
        draw = np.random.default_rng(seed)
        a, s = draw.normal(size=(measurements, dim)), draw.normal(size=dim)
        s = s / np.linalg.norm(s)
        return cls(a, (a @ s) ** 2, numbers(s))

    def validate(self) -> None:
        checked_samples("PhaseRetrieval", ("sensing", "squares"), self.sensing, self.squares)
        m, dim = self.sensing.shape
        if self.dim not in (None, dim) or self.measurements not in (None, m):
            raise ValueError(
                f"PhaseRetrieval(dim={told(self.dim)}, measurements={told(self.measurements)}): sensing is {m} x {dim}; give "
                f"those, or neither."
            )
        object.__setattr__(self, "dim", dim)
        object.__setattr__(self, "measurements", m)
        if self.signal is not None:
            given = array_of_numbers(self.signal)
            if given is None or given.ndim != 1:
                raise ValueError(f"PhaseRetrieval(signal={told(self.signal)}): give a list of numbers, or None.")
            if len(given) != self.dimension:
                raise ValueError(f"PhaseRetrieval(signal of {len(given)} numbers): give {self.dimension}, or None.")
            object.__setattr__(self, "signal", numbers(given))
        self.samples_are(self.sensing, self.squares)

    @property
    def dimension(self) -> int:
        return int(self.sensing.shape[1])

    def loss(self, x: Array, sample: Any) -> Array:
        p = dot(x, sample.row)
        rest = p * p - sample[-1]
        return 0.25 * (rest * rest)

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        weighted = self.sensing * self.squares[:, None]
        bend = np.linalg.eigvalsh(-(weighted.T @ self.sensing) / self.samples) + float(self.l2)
        origin = _origin(bend, float(np.mean(self.squares**2) / 4))
        if self.signal is None or self.l2:
            return (origin,)
        signal = np.asarray(self.signal)
        p = self.sensing @ signal
        bends = numbers(np.linalg.eigvalsh(2 * (self.sensing * (p**2)[:, None]).T @ self.sensing / p.size))
        return (
            origin,
            StationaryPoint("signal", numbers(signal), 0.0, 0, bends),
            StationaryPoint("minus signal", numbers(-signal), 0.0, 0, bends),
        )

    def _smoothness(self) -> float:
        reach = np.abs(self.sensing).sum(axis=1)  # of a . x on the box
        weight = np.maximum(3 * reach**2 - self.squares, self.squares)
        return float(np.linalg.norm((self.sensing * weight[:, None]).T @ self.sensing, 2) / len(weight) + self.l2)

    def _box(self) -> Box:
        return -1.0, 1.0


@dataclass(frozen=True)
class MatrixSensing(FiniteSum):
    """``f(U) = 1/(4 m) sum_i (|U^T a_i|^2 - y_i)^2 + l2/2 |U|^2``: a matrix U U^T from m of its quadratic forms.

    ``sensing`` is A (m, size), ``squares`` y (m); each measurement is a sample. U is (size, rank), column by column in the coordinates:
    dim = size rank. Quadratic sensing: Chen, Chi and Goldsmith (2015), arXiv:1310.0807; from small random starts gradient descent finds
    U: Li, Ma, Chen and Chi (2019), arXiv:1802.06286. With ``rank=1`` it is :class:`PhaseRetrieval`, and beside
    :class:`MatrixFactorization`, which sees all entries, it has a sample to draw. ``factor`` (size, true rank) is U where it is known:
    then every ``factor @ Q`` with orthogonal Q is a global minimum without l2, of value 0.
    """

    sensing: Any = data()
    squares: Any = data()
    rank: int = structure(1, low=1)
    factor: tuple[tuple[float, ...], ...] | None = None

    @classmethod
    def random(cls, size: int = 8, rank: int = 2, measurements: int = 96, seed: int = 0) -> Self:
        """Normal sensing vectors, and U with independent normal entries over sqrt(size)."""
        draw = np.random.default_rng(seed)
        a, u = draw.normal(size=(measurements, size)), draw.normal(size=(size, rank)) / np.sqrt(size)
        return cls(a, ((a @ u) ** 2).sum(axis=1), rank, tuple(map(numbers, u)))

    def validate(self) -> None:
        checked_samples("MatrixSensing", ("sensing", "squares"), self.sensing, self.squares)
        size = self.sensing.shape[1]
        if self.rank > size:
            raise ValueError(
                f"MatrixSensing(rank={self.rank}): the matrix is {size} x {size}; give a rank of at most {size}."
            )
        if self.factor is not None:
            given = array_of_numbers(self.factor)
            if given is None or given.ndim != 2 or len(given) != size or not 0 < given.shape[1] <= self.rank:
                raise ValueError(
                    f"MatrixSensing(factor={told(self.factor)}): give {size} rows of 1 to {self.rank} numbers, or None."
                )
            object.__setattr__(self, "factor", tuple(map(numbers, given)))
        self.samples_are(np.tile(self.sensing, (1, self.rank)), self.squares)

    @property
    def dimension(self) -> int:
        return int(self.sensing.shape[1]) * self.rank

    def loss(self, x: Array, sample: Any) -> Array:
        size, columns, products = dim(x) / self.rank, index(x), x * sample.row
        squares = []
        for k in range(self.rank):
            inside = absolute(columns - (size * (k + 0.5) - 0.5)) < 0.5 * size
            z = total(where(inside, products, 0.0))
            squares.append(z * z)
        whole = squares[0]
        for more in squares[1:]:
            whole = whole + more
        rest = whole - sample[-1]
        return 0.25 * (rest * rest)

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        weighted = self.sensing * self.squares[:, None]
        bend = np.repeat(np.linalg.eigvalsh(-(weighted.T @ self.sensing) / self.samples) + float(self.l2), self.rank)
        origin = _origin(bend, float(np.mean(self.squares**2) / 4))
        if self.factor is None or self.l2:
            return (origin,)
        u = np.zeros((self.sensing.shape[1], self.rank))
        u[:, : len(self.factor[0])] = self.factor
        z = (
            self.sensing @ u
        )  # (m, rank): of value 0 the Hessian is twice the mean of its products with the sensing vectors
        rows = (z[:, :, None] * self.sensing[:, None]).reshape(self.samples, -1)
        bends = numbers(np.linalg.eigvalsh(2 * rows.T @ rows / self.samples))
        return origin, StationaryPoint("factor", numbers(u.T.ravel()), 0.0, 0, bends)

    def _smoothness(self) -> float:
        reach = self.rank * np.abs(self.sensing).sum(axis=1) ** 2  # of |U^T a|^2 on the box
        weight = np.maximum(3 * reach - self.squares, self.squares)
        return float(np.linalg.norm((self.sensing * weight[:, None]).T @ self.sensing, 2) / len(weight) + self.l2)

    def _box(self) -> Box:
        return -1.0, 1.0


def _origin(bend: Array, value: float) -> StationaryPoint:
    """What 0 is, of the curvatures there."""
    below = int(np.sum(bend < 1e-12 * bend.min())) if bend.min() < 0 else 0
    name = "maximum" if below == bend.size else "minimum" if bend.min() > 0 else "origin"
    return StationaryPoint(name, everywhere(0.0, bend.size), value, below, numbers(bend))
