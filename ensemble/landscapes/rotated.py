"""Any landscape in turned coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arithmetic.rotations import random_frame, rotate, rotate_back
from ..arithmetic.vec import Array, dot
from ..part import inner
from ..plain import is_whole
from ..words import told
from .base import Box, Landscape, Picture, StationaryPoint, derived_array, numbers
from .slopes import unconstrained


@dataclass(frozen=True)
class Rotated(Landscape):
    """``f(x) = base(R x)`` with a random orthogonal R, the same for the same ``seed`` and dimension.

    Gradient descent, heavy ball and Nesterov see no difference; methods with a rate for each coordinate (Adam and its kin)
    do. R is a product of random signs, butterflies and reflections: O(dim log dim), no dim x dim matrix; see
    :mod:`ensemble.arithmetic.rotations`. Cheapest where dim is a power of two. The Hessian's diagonal takes dim Hessian products.
    """

    base: Landscape = inner()
    seed: int = 0
    frame: Any = derived_array()

    def validate(self) -> None:
        unconstrained(self, self.base)
        if not is_whole(self.seed, 0):
            raise ValueError(f"Rotated(seed={told(self.seed)}): seed must be a whole number of at least 0.")
        object.__setattr__(self, "frame", random_frame(self.dimension, int(self.seed)))

    @property
    def coordinates_per_lane(self) -> int:  # type: ignore[override]
        return self.base.coordinates_per_lane

    @property
    def shared_points(self) -> int:  # type: ignore[override]
        return self.base.shared_points

    @property
    def dimension(self) -> int:
        return self.base.dimension

    @property
    def smooth_everywhere(self) -> bool:  # type: ignore[override]
        return self.base.smooth_everywhere

    def turned(self, x: ArrayLike) -> Array:
        """R x, for points (instances, dim)."""
        return rotate(np.asarray(x, dtype=np.float64), self.frame)

    def turned_back(self, y: ArrayLike) -> Array:
        """R^T y, for points (instances, dim): where a point of ``base`` lies here."""
        return rotate_back(np.asarray(y, dtype=np.float64), self.frame)

    def _frame(self, x: Array) -> Array:
        return self.frame.astype(x.dtype)

    def value(self, x: Array, now: Any = None) -> Array:
        return self.base.value(rotate(x, self._frame(x)), now)

    def gradient(self, x: Array, now: Any = None) -> Array:
        frame = self._frame(x)
        return rotate_back(self.base.gradient(rotate(x, frame), now), frame)

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        frame = self._frame(x)
        return rotate_back(self.base.hessian_product(rotate(x, frame), rotate(v, frame), now), frame)

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        frame = self._frame(x)
        y, diagonal = rotate(x, frame), np.empty_like(x)
        for i in range(x.shape[1]):
            e = np.zeros_like(x)
            e[:, i] = 1
            e = rotate(e, frame)
            diagonal[:, i : i + 1] = dot(e, self.base.hessian_product(y, e, now))
        return diagonal

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        return tuple(
            StationaryPoint(p.name, numbers(self.turned_back([p.x])), p.value, p.index, p.curvatures)
            for p in self.base.stationary_points()
        )

    def _smoothness(self) -> float | None:
        return self.base.smoothness if self.base.smooth_everywhere else None

    def _box(self) -> Box | None:
        return self.base.box

    def _picture(self) -> Picture | None:
        return self.base.picture
