"""Landscape: a function to descend, with its gradient and Hessian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..part import Part
from ..vec import Array


@dataclass(frozen=True)
class Landscape(Part):
    """A function of ``dim`` coordinates. Every method takes points ``x`` (instances, dim).

    ``now`` holds the step for landscapes that change with time; it is None when a point is only looked at.
    """

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        dim = getattr(self, "dim", None)
        if dim is None:
            raise ValueError(f"{type(self).__name__} has no dimension; give dim.")
        return int(dim)

    def value(self, x: Array, now: Any = None) -> Array:
        """f(x), (instances, 1)."""
        raise TypeError(f"{type(self).__name__} does not say its value; define value(self, x, now).")

    def gradient(self, x: Array, now: Any = None) -> Array:
        """The gradient at x, (instances, dim)."""
        raise TypeError(f"{type(self).__name__} does not say its gradient; define gradient(self, x, now).")

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        """The Hessian at x times v, (instances, dim)."""
        raise TypeError(f"{type(self).__name__} does not say its Hessian; define hessian_product(self, x, v, now).")

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        """The diagonal of the Hessian at x, (instances, dim)."""
        raise TypeError(f"{type(self).__name__} does not say its Hessian; define hessian_diagonal(self, x, now).")
