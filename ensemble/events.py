"""Events: predicates asked after each update; the first step at which one holds is recorded. Twins in ``kernels/events.cuh``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .landscapes.base import Landscape
from .part import POSITIVE, Part, number, vector
from .vec import Array, dot, total

__all__ = ["Below", "Crossed", "Event", "LeftBall", "LeftSlab", "Never"]


@dataclass(frozen=True)
class Event(Part):
    """A predicate on the iterate. ``stop=False`` (where a class offers it) labels and lets the instance go on."""

    stops: ClassVar[bool] = True

    def check(self, x: Array, landscape: Landscape, now: Any) -> Array:
        """The label that holds at ``x`` (instances, dim): int32 (instances,), 0 where none does."""
        raise TypeError(f"{type(self).__name__} does not say when it happens; define check(self, x, landscape, now).")


def _label(holds: Array) -> Array:
    return holds[:, 0].astype(np.int32)


@dataclass(frozen=True)
class Never(Event):
    """No event: every instance runs to the horizon."""

    def check(self, x: Array, landscape: Landscape, now: Any) -> Array:
        return np.zeros(x.shape[0], dtype=np.int32)


@dataclass(frozen=True)
class LeftBall(Event):
    """The iterate has left the ball: ``|x - center| >= radius``, compared as squares."""

    radius: float = number(domain=POSITIVE)
    center: Any = vector(0.0)

    def constants(self) -> Mapping[str, float]:
        return {"radius_squared": self.radius**2}

    def check(self, x: Array, landscape: Landscape, now: Any) -> Array:
        away = x - self.center
        return _label(total(away * away) >= self.radius_squared)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Crossed(Event):
    """The iterate has crossed a hyperplane: ``normal . x >= offset``."""

    normal: Any = vector()
    offset: float = number(0.0)

    def check(self, x: Array, landscape: Landscape, now: Any) -> Array:
        return _label(dot(x, self.normal * np.ones_like(x)) >= self.offset)


@dataclass(frozen=True)
class LeftSlab(Event):
    """The iterate has left the slab between two parallel hyperplanes: ``|normal . x| >= half_width``.

    With ``normal`` along an unstable direction this is the exit that one-dimensional laws speak of, at any dimension.
    """

    normal: Any = vector()
    half_width: float = number(domain=POSITIVE)

    def check(self, x: Array, landscape: Landscape, now: Any) -> Array:
        return _label(np.abs(dot(x, self.normal * np.ones_like(x))) >= self.half_width)


@dataclass(frozen=True)
class Below(Event):
    """The landscape's value has reached the level: ``f(x) <= value``."""

    value: float = number()

    def check(self, x: Array, landscape: Landscape, now: Any) -> Array:
        return _label(landscape.value(x) <= self.value)
