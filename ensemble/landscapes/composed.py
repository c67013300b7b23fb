"""Landscapes made of another: its value times a factor, and any function of its value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arithmetic.coordinates import as_coordinates
from ..arithmetic.primitive import Recorded
from ..arithmetic.vec import Array
from ..part import ANY, inner, number
from ..words import told
from .base import Box, Landscape, Picture, StationaryPoint
from .slopes import unconstrained

NOT_ZERO = type(ANY)(lambda v: v != 0, "a number other than 0")


@dataclass(frozen=True)
class _Outside(Landscape):
    """What a landscape around another takes from it."""

    @property
    def coordinates_per_lane(self) -> int:  # type: ignore[override]
        return int(self._base().coordinates_per_lane)

    @property
    def shared_points(self) -> int:  # type: ignore[override]
        return int(self._base().shared_points)

    @property
    def dimension(self) -> int:
        return self._base().dimension

    def validate(self) -> None:
        unconstrained(self, self._base())

    def _base(self) -> Landscape:
        base = self.base  # type: ignore[attr-defined]
        assert isinstance(base, Landscape)
        return base

    def _box(self) -> Box | None:
        return self._base().box

    def _picture(self) -> Picture | None:
        return self._base().picture


@dataclass(frozen=True)
class Scaled(_Outside):
    """``factor base(x)``: another landscape, steeper, flatter, or upside down where ``factor`` is below 0.

    Gradient descent at rate ``lr`` does on it what it does on ``base`` at rate ``factor lr``; Adam does the same on both, up to eps.
    """

    base: Landscape = inner()
    factor: float = number(domain=NOT_ZERO)

    def value(self, x: Array, now: Any = None) -> Array:
        return self.factor * self.base.value(x, now)

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        points = []
        for p in self.base.stationary_points():
            if self.factor < 0 and p.curvatures is None:
                continue  # how many curvatures turn negative is not known
            bend = None if p.curvatures is None else tuple(self.factor * c for c in p.curvatures)
            index = p.index if self.factor > 0 or bend is None else sum(c < 0 for c in bend)
            points.append(StationaryPoint(p.name, p.x, self.factor * p.value, index, bend))
        return tuple(points)

    def _smoothness(self) -> float | None:
        known = self.base.smoothness
        return None if known is None else abs(self.factor) * known


@dataclass(frozen=True)
class Composed(_Outside):
    """``outer(base(x))``: any function of a landscape's value, ``Composed(lambda f: np.log(1 + f), Rosenbrock(dim=8))``.

    ``outer`` takes a number and returns one, in NumPy or the algebra; its derivatives follow. Stationary points of ``base`` stay
    stationary; where ``outer`` rises they keep their index. A file keeps the function's name alone: a saved result can be read, and
    resumed or replayed where the landscape is given anew.
    """

    outer: Callable[[Any], Any]
    base: Landscape = inner()

    def validate(self) -> None:
        super().validate()
        if not callable(self.outer) and not isinstance(self.outer, str):
            raise ValueError(f"Composed(outer={told(self.outer)}): give a function of one number, such as np.tanh.")

    def value(self, x: Array, now: Any = None) -> Array:
        if isinstance(self.outer, str):
            raise ValueError(
                f"Composed(outer={told(self.outer)}): this is a function's name, which is all that a file keeps; run simulate "
                f"again with the function itself."
            )
        level = self.base.value(x, now)
        if isinstance(level, Recorded):
            return self.outer(level)
        return np.asarray(self.outer(as_coordinates(level)))
