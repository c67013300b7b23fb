"""Quadratic functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from ..arithmetic.vec import Array, in_type_of, total
from ..grids import Grid
from ..part import structure, vector
from ..words import told
from .base import Box, Landscape, Picture, StationaryPoint, everywhere, numbers


@dataclass(frozen=True)
class Quadratic(Landscape):
    """``f(x) = 1/2 sum_k h_k x_k^2`` with curvatures h of any sign.

    ``curvature`` is one number for each coordinate, or one for all with ``dim`` given. The Hessian is diag(h); 0 is the only
    stationary point where no h is 0, its index the number of negative h.
    """

    curvature: Any = vector()
    dim: int | None = structure(None, low=1)

    smooth_everywhere: ClassVar[bool] = True

    @classmethod
    def bowl(cls, dim: int = 2) -> Self:
        """``sum_k x_k^2``: the round bowl, in two dimensions ``x^2 + y^2``."""
        return cls(2.0, dim=dim)

    @classmethod
    def ravine(cls, ratio: float = 5.0) -> Self:
        """``x^2 + ratio y^2``: a ravine along x."""
        return cls((2.0, 2.0 * ratio))

    @classmethod
    def cross_ravine(cls, ratio: float = 10.0) -> Self:
        """``1/2 (ratio x^2 + y^2)``: a ravine along y."""
        return cls((float(ratio), 1.0))

    @classmethod
    def spectrum(cls, dim: int, condition: float, largest: float = 1.0) -> Self:
        """Curvatures from ``largest / condition`` up to ``largest``, evenly spaced in the logarithm.

        Raises:
            ValueError: fewer than two coordinates, or a condition number below 1.
        """
        if dim < 2 or not condition >= 1 or not largest > 0:
            raise ValueError(
                f"Quadratic.spectrum(dim={dim}, condition={condition}, largest={largest}): give dim >= 2, condition >= 1 and "
                f"largest > 0."
            )
        return cls(tuple(np.geomspace(largest / condition, largest, dim)))

    def validate(self) -> None:
        given = self.curvature.values if isinstance(self.curvature, Grid) else (self.curvature,)
        lengths = {len(v) for v in given if isinstance(v, tuple)}
        if len(lengths) > 1:
            raise ValueError(f"Quadratic(curvature=...): the lists have lengths {sorted(lengths)}; give one length.")
        if self.dim is None:
            if not lengths:
                raise ValueError(
                    f"Quadratic(curvature={told(self.curvature)}): one number fixes no dimension; give dim as well, "
                    f"or a list with one curvature per coordinate."
                )
            object.__setattr__(self, "dim", lengths.pop())
        elif lengths and lengths != {self.dim}:
            raise ValueError(
                f"Quadratic(dim={self.dim}): the curvature list has {lengths.pop()} numbers; give {self.dim}, or leave dim out."
            )

    def _h(self, x: Array) -> Array:
        return in_type_of(x, self.curvature)

    def value(self, x: Array, now: Any = None) -> Array:
        return total((0.5 * (self._h(x) * x)) * x)

    def _curvatures(self) -> tuple[float, ...]:
        return numbers(np.broadcast_to(np.asarray(self.curvature, dtype=np.float64), (self.dimension,)))

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        h = self._curvatures()
        index = sum(v < 0 for v in h)
        name = "saddle" if 0 < index < len(h) else "maximum" if index else "minimum"
        return (StationaryPoint(name, everywhere(0.0, len(h)), 0.0, index, h),)

    def _smoothness(self) -> float:
        return max(abs(v) for v in self._curvatures())

    def _box(self) -> Box:
        return -1.0, 1.0

    def _picture(self) -> Picture:
        return (-1.5, 1.5), (-1.5, 1.5)
