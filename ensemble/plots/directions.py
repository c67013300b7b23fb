"""Planes to look at a landscape of many coordinates in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import LinearOperator, eigsh

from ..landscapes import Landscape
from ..words import told
from .arguments import are_numbers, holds, is_text

DENSE = 512
"""Coordinates up to which the whole Hessian is made."""
CHUNK = 1 << 22
"""Coordinates of points evaluated at once."""


@dataclass(frozen=True)
class Plane:
    """The points ``center + a directions[0] + b directions[1]``: ``center`` (dim), ``directions`` (2, dim), names of both."""

    center: NDArray[np.float64]
    directions: NDArray[np.float64]
    names: tuple[str, str] = ("a", "b")

    def __post_init__(self) -> None:
        for name, dimensions in (("center", 1), ("directions", 2)):
            value = getattr(self, name)
            if not holds(partial(are_numbers, dimensions=dimensions), value) or not np.isfinite(value).all():
                raise ValueError(
                    f"Plane({name}={told(value)}): give finite numbers, center (dim,) and directions (2, dim)."
                )
        if not holds(lambda v: len(v) == 2 and all(map(is_text, v)), self.names):
            raise ValueError(f"Plane(names={told(self.names)}): give two texts.")
        center, directions = np.asarray(self.center, float), np.asarray(self.directions, float)
        if center.ndim != 1 or directions.shape != (2, center.size) or not np.linalg.matrix_rank(directions) == 2:
            raise ValueError(
                f"Plane(...): center has shape {center.shape}, directions {directions.shape}; give (dim,) and (2, dim) of "
                f"two different directions."
            )
        object.__setattr__(self, "center", center)
        object.__setattr__(self, "directions", directions)

    @staticmethod
    def axes(dim: int, first: int = 0, second: int = 1, center: ArrayLike = 0.0) -> Plane:
        """Along two coordinates, counted from 0."""
        identity = np.eye(dim)
        names = tuple(f"$x_{{{k + 1}}}$" if k > 8 else f"$x_{k + 1}$" for k in (first, second))
        return Plane(
            np.broadcast_to(np.asarray(center, float), (dim,)), identity[[first, second]], (names[0], names[1])
        )

    @staticmethod
    def random(center: ArrayLike, seed: int = 0, filters: ArrayLike | None = None) -> Plane:
        """Two random directions: orthonormal, or normalised filter by filter.

        Li et al. (2018), arXiv:1712.09913, section 4: ``filters`` (dim) are numbers of the filters (rows of weights) that
        coordinates belong to; each filter of a direction is made as long as that of ``center``, so that pictures of
        networks whose weights differ in scale can be compared. The axes are then relative to the weights.
        """
        point = np.asarray(center, float)
        drawn = np.random.default_rng(seed).normal(size=(2, point.size))
        if filters is None:
            return Plane(point, np.linalg.qr(drawn.T)[0].T, ("first random direction", "second random direction"))
        number = np.asarray(filters)
        if number.shape != point.shape:
            raise ValueError(
                f"Plane.random: filters have shape {number.shape}; give a number for each of {point.size}."
            )
        for filter_number in np.unique(number):
            own = number == filter_number
            drawn[:, own] *= np.linalg.norm(point[own]) / np.linalg.norm(drawn[:, own], axis=1, keepdims=True)
        return Plane(point, drawn, ("first random direction, per filter", "second random direction, per filter"))

    @staticmethod
    def hessian(landscape: Landscape, center: ArrayLike) -> Plane:
        """The eigenvectors of the Hessian at ``center`` with the largest and the smallest eigenvalue."""
        point = np.asarray(center, float)
        dim = landscape.dimension
        if dim <= DENSE:
            matrix = landscape.hessian(point)
            values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        else:

            def product(v: NDArray[Any]) -> NDArray[Any]:
                return landscape.hessian_product(point[None], np.asarray(v, float).reshape(1, -1))[0]

            values, vectors = eigsh(
                LinearOperator((dim, dim), matvec=product, dtype=float), k=2, which="BE", v0=np.ones(dim)
            )
        names = tuple(f"eigenvector, h = {values[k]:.3g}" for k in (-1, 0))
        return Plane(point, vectors[:, [-1, 0]].T, (names[0], names[1]))

    @staticmethod
    def principal(tracks: ArrayLike, center: ArrayLike | None = None) -> Plane:
        """The plane in which paths (..., steps, dim) move most (Li et al. 2018, section 7), about their last points' mean."""
        points = np.asarray(tracks, float)
        last = points.reshape(-1, *points.shape[-2:])[:, -1].mean(axis=0)
        origin = last if center is None else np.asarray(center, float)
        _, size, vectors = np.linalg.svd(points.reshape(-1, points.shape[-1]) - origin, full_matrices=False)
        share = size**2 / np.sum(size**2)
        names = tuple(f"principal direction {k + 1}, {100 * share[k]:.2g} %" for k in (0, 1))
        return Plane(origin, vectors[:2], (names[0], names[1]))

    def points(self, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
        """Points of the landscape, (..., dim), at coordinates a and b."""
        return self.center + a[..., None] * self.directions[0] + b[..., None] * self.directions[1]

    def project(self, x: NDArray[Any]) -> NDArray[Any]:
        """Coordinates (..., 2) of the points of the plane nearest to x (..., dim)."""
        return (x - self.center) @ np.linalg.pinv(self.directions)

    def share(self, x: NDArray[Any]) -> float:
        """How much of the squared distance of points from ``center`` lies in the plane."""
        flat = x.reshape(-1, x.shape[-1])
        seen = self.project(flat) @ self.directions
        whole = float(np.nansum((flat - self.center) ** 2))
        return float(np.nansum(seen**2)) / whole if whole else 1.0


def values_at(landscape: Landscape, points: NDArray[Any]) -> NDArray[Any]:
    """F at points (..., dim), a piece at a time."""
    flat = points.reshape(-1, points.shape[-1])
    step = max(1, CHUNK // flat.shape[1])
    pieces = [np.asarray(landscape.value(flat[k : k + step])).reshape(-1) for k in range(0, len(flat), step)]
    return np.concatenate(pieces).reshape(points.shape[:-1])
