"""Quadratic functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..grids import Grid
from ..part import structure, vector
from ..vec import Array, total
from .base import Landscape


@dataclass(frozen=True)
class Quadratic(Landscape):
    """``f(x) = 1/2 sum_k h_k x_k^2`` with curvatures h of any sign.

    ``curvature`` is one number for each coordinate, or one for all with ``dim`` given. The Hessian is diag(h); 0 is the only
    stationary point where no h is 0, its index the number of negative h.
    """

    curvature: Any = vector()
    dim: int | None = structure(None, low=1)

    def validate(self) -> None:
        given = self.curvature.values if isinstance(self.curvature, Grid) else (self.curvature,)
        lengths = {len(v) for v in given if isinstance(v, tuple)}
        if len(lengths) > 1:
            raise ValueError(f"Quadratic(curvature=...): the lists have lengths {sorted(lengths)}; give one length.")
        if self.dim is None:
            if not lengths:
                raise ValueError(
                    f"Quadratic(curvature={self.curvature!r}): one number fixes no dimension; give dim as well, "
                    f"or a list with one curvature per coordinate."
                )
            object.__setattr__(self, "dim", lengths.pop())
        elif lengths and lengths != {self.dim}:
            raise ValueError(
                f"Quadratic(dim={self.dim}): the curvature list has {lengths.pop()} numbers; give {self.dim}, or leave dim out."
            )

    def _h(self, x: Array) -> Array:
        return np.asarray(self.curvature, dtype=x.dtype)

    def value(self, x: Array, now: Any = None) -> Array:
        return total((0.5 * (self._h(x) * x)) * x)

    def gradient(self, x: Array, now: Any = None) -> Array:
        return self._h(x) * x

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        return self._h(x) * v

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        return self._h(x) * np.ones_like(x)
