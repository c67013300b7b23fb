"""Events: predicates asked after each update; the first step at which one holds is recorded."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from .arithmetic.primitive import primitive
from .arithmetic.random import Random, Stream, round_keys
from .arithmetic.vec import Array, direction, dot, length, radius_to_compare, rescaled, total
from .landscapes.base import Landscape, StationaryPoint, listed_points
from .part import NOT_NEGATIVE, POSITIVE, Part, array, derived, inner, number, structure, vector
from .words import told

__all__ = [
    "AllOf",
    "AnyOf",
    "Below",
    "Crossed",
    "Event",
    "GradientBelow",
    "LeftBall",
    "LeftSlab",
    "NearMinimum",
    "Never",
    "Reported",
    "SecondOrderStationary",
]


@dataclass(frozen=True)
class Event(Part):
    """A predicate on the iterate. The first step at which it holds is recorded and ends the instance there.

    ``stop=False`` records the same step and label and lets the instance go on, to the horizon or until it diverges:
    ``LeftBall(1.0, stop=False)``. Where events are combined the outermost says whether to stop.
    """

    kernel_header = "events.cuh"
    made_like = "an event, such as LeftBall(radius=1.0)"

    stop: bool = dataclasses.field(default=True, kw_only=True, repr=False, metadata={"kind": "outside"})

    @property
    def labels(self) -> int:
        """How many labels there are: 1 ... labels."""
        return 1

    def check(self, x: Array, landscape: Landscape, now: Any) -> Array:
        """The label that holds at ``x`` (instances, dim), 0 where none does: whole numbers, or a condition for a single label.

        Either (instances, 1), as ``total(x * x) >= 4`` is, or (instances,).
        """
        raise TypeError(f"{type(self).__name__} does not say when it happens; define check(self, x, landscape, now).")


@primitive
def as_labels(found: Array) -> Array:
    """What :meth:`Event.check` says as labels, int32 (instances,): it may be a condition, or (instances, 1)."""
    return np.asarray(found).reshape(len(found)).astype(np.int32, copy=False)


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
        return dict(zip(("scale", "radius_squared"), radius_to_compare(self.radius), strict=True))

    def check(self, x: Array, landscape: Landscape, now: Any) -> Array:
        seen: Any = self
        away = seen.scale * x - seen.scale * self.center
        return total(away * away) >= seen.radius_squared


@dataclass(frozen=True)
class Crossed(Event):
    """The iterate has crossed a hyperplane: ``normal . x >= offset``.

    ``normal`` has a number for each coordinate: ``Crossed((1, 0, 0), 0.5)`` says that the first of three has reached 0.5.
    """

    normal: Any = vector(one_for_all=False)
    offset: float = number(0.0)

    def check(self, x: Array, landscape: Landscape, now: Any) -> Array:
        return dot(self.normal, x) >= self.offset


@dataclass(frozen=True)
class LeftSlab(Event):
    """The iterate has left the slab between two parallel hyperplanes: ``|normal . x| >= half_width``.

    With ``normal`` along an unstable direction this is the exit that one-dimensional laws speak of, at any dimension.
    """

    normal: Any = vector(one_for_all=False)
    half_width: float = number(domain=POSITIVE)

    def check(self, x: Array, landscape: Landscape, now: Any) -> Array:
        return np.abs(dot(self.normal, x)) >= self.half_width


@dataclass(frozen=True)
class Below(Event):
    """The landscape's value has reached the level: ``f(x) <= value``."""

    value: float = number()

    def check(self, x: Array, landscape: Landscape, now: Any) -> Array:
        return landscape.value(x, now) <= self.value


@dataclass(frozen=True)
class NearMinimum(Event):
    """Near point j of ``minima`` (points, dim), ``|x - minima_j| <= radius``: the label is the first such j, from 1."""

    minima: Any = array()
    radius: float = number(domain=POSITIVE)
    wells: int = derived()

    @classmethod
    def of(
        cls, landscape: Landscape, radius: float, *, points: Sequence[StationaryPoint] | None = None, stop: bool = True
    ) -> Self:
        """Near the minima that a landscape lists, in the order of its ``stationary_points()``.

        ``points``: those that :func:`ensemble.find_stationary_points` found, where the landscape lists none.

        Raises:
            ValueError: there is no minimum among them.
        """
        listed = listed_points(f"NearMinimum.of({type(landscape).__name__})", landscape, points)
        points = [p for p in listed if p.index == 0 and "saddle" not in p.name]
        if not points:
            raise ValueError(
                f"NearMinimum.of({type(landscape).__name__}): the landscape lists no minimum; give points=find_stationary_points(f), "
                f"or NearMinimum(minima, radius)."
            )
        return cls(np.array([p.x for p in points]), radius, stop=stop)

    def validate(self) -> None:
        if self.minima.ndim != 2 or 0 in self.minima.shape:
            raise ValueError(
                f"NearMinimum(minima of shape {self.minima.shape}): give an array (points, dim), such as [[-1.0, 0.0], [1.0, 0.0]]."
            )
        object.__setattr__(self, "wells", len(self.minima))

    @property
    def labels(self) -> int:
        return self.wells

    def at_dim(self, dim: int) -> Self:
        if self.minima.shape[1] != dim:
            raise ValueError(
                f"NearMinimum(minima of shape {self.minima.shape}): give {dim} numbers for each point, the landscape's dimension."
            )
        return super().at_dim(dim)

    def constants(self) -> Mapping[str, float]:
        return dict(zip(("scale", "radius_squared"), radius_to_compare(self.radius), strict=True))

    def check(self, x: Array, landscape: Landscape, now: Any) -> Array:
        seen: Any = self
        label = np.zeros(x.shape[0], dtype=np.int32)
        for k in range(self.wells - 1, -1, -1):
            away = seen.scale * x - seen.scale * self.minima[k]
            near = total(away * away) <= seen.radius_squared
            label = np.where(near[:, 0], np.int32(k + 1), label)
        return label


@dataclass(frozen=True)
class GradientBelow(Event):
    """The exact gradient, without noise, is small: ``|grad f(x)| <= eps``, compared as squares."""

    eps: float = number(domain=NOT_NEGATIVE)

    def constants(self) -> Mapping[str, float]:
        return dict(zip(("scale", "eps_squared"), radius_to_compare(self.eps), strict=True))

    def check(self, x: Array, landscape: Landscape, now: Any) -> Array:
        seen: Any = self
        g = seen.scale * landscape.gradient(x, now)
        return dot(g, g) <= seen.eps_squared


def _unit(v: Array) -> Array:
    """``v / |v|``; where v is zero, v."""
    v, size, _ = rescaled(v)
    return v / np.where(size > 0, size, v.dtype.type(1))


@dataclass(frozen=True)
class SecondOrderStationary(Event):
    """Second-order stationary: ``|grad f(x)| <= eps`` and ``lambda_min(Hessian) >= -sqrt(rho eps)``, both without noise.

    Nesterov and Polyak (2006); Jin et al. (2017), definition 3 (arXiv:1703.00887). ``rho`` is the Lipschitz constant of the
    Hessian. lambda_min is the Rayleigh quotient after ``iterations`` power steps on ``s - Hessian``, where s is the Hessian's
    size from as many power steps on itself, from a normal probe that is the same at every step and another for each instance: never
    below the true one, near it where ``iterations`` is several times ``s/sqrt(rho eps)``. It is found only where the gradient is
    small.
    """

    eps: float = number(domain=NOT_NEGATIVE)
    rho: float = number(domain=NOT_NEGATIVE)
    iterations: int = structure(20, low=1)
    scratch = 2

    def constants(self) -> Mapping[str, float]:
        scale, square = radius_to_compare(self.eps)
        return {"scale": scale, "eps_squared": square, "level": -float(np.sqrt(self.rho * self.eps))}

    def lowest(self, x: Array, landscape: Landscape, now: Any) -> Array:
        """The estimate of lambda_min at x, (instances, 1)."""
        if now is None:  # the point is only looked at: the probes of seed 0
            ids = np.arange(x.shape[0], dtype=np.uint64)[:, None]
            random = Random(round_keys(0), ids, np.uint64(0), 0, x.shape[1], x.dtype)
        else:
            random = dataclasses.replace(now.random, step=0)
        v, length_of_v = direction(random.normals(Stream.PROBE))
        v = v / length_of_v
        h = landscape.hessian_product(x, v, now)
        size = length(h)
        for _ in range(self.iterations):
            h = landscape.hessian_product(x, _unit(h), now)
            found = length(h)
            size = np.where(found > size, found, size)
        for _ in range(self.iterations):
            v = _unit(size * v - landscape.hessian_product(x, v, now))
        return dot(v, landscape.hessian_product(x, v, now))

    def check(self, x: Array, landscape: Landscape, now: Any) -> Array:
        seen: Any = self
        g = seen.scale * landscape.gradient(x, now)
        flat = dot(g, g) <= seen.eps_squared
        if not flat.any():
            return np.zeros(x.shape[0], dtype=np.int32)
        return flat & (self.lowest(x, landscape, now) >= seen.level)


def _check_inner(part: Event, name: str) -> None:
    """Refuses an event that would say by itself whether to stop."""
    given = getattr(part, name)
    if not given.stop:
        raise ValueError(
            f"{type(part).__name__}({name}={told(given)} with stop=False): the outermost event says whether to stop; "
            f"give {type(part).__name__}(..., stop=False)."
        )


@dataclass(frozen=True)
class _Two(Event):
    def validate(self) -> None:
        for name in ("first", "second"):
            _check_inner(self, name)

    @classmethod
    def each(cls, *events: Event, stop: bool = True) -> Any:
        """Of any number of events, nested from the left."""
        if not events:
            raise ValueError(f"{cls.__name__}.each() was given no event; give one or more.")
        whole = events[0]
        for event in events[1:]:
            whole = cls(whole, event)  # type: ignore[call-arg, arg-type]
        return whole if stop else dataclasses.replace(whole, stop=stop)

    def _both(self, x: Array, landscape: Landscape, now: Any) -> tuple[Array, Array]:
        both: Any = self
        first, second = (None, None) if now is None else (now.first, now.second)
        a = as_labels(both.first.check(x, landscape, first))
        return a, as_labels(both.second.check(x, landscape, second))


@dataclass(frozen=True)
class AnyOf(_Two):
    """Either of two events. The label is the first's; where only the second holds, its label after those of the first.

    ``AnyOf.each(a, b, c)`` labels them 1, 2, 3 where each has one label; ties go to the lowest.
    """

    first: Event = inner()
    second: Event = inner()
    labels_of_first: int = derived()

    def validate(self) -> None:
        super().validate()
        object.__setattr__(self, "labels_of_first", self.first.labels)

    @property
    def labels(self) -> int:
        return self.first.labels + self.second.labels

    def check(self, x: Array, landscape: Landscape, now: Any) -> Array:
        a, b = self._both(x, landscape, now)
        return np.where(a != 0, a, np.where(b != 0, b + np.int32(self.labels_of_first), b))


@dataclass(frozen=True)
class AllOf(_Two):
    """Two events at the same step. The label is the first's: ``AllOf(NearMinimum.of(f, 0.1), GradientBelow(1e-3))``."""

    first: Event = inner()
    second: Event = inner()

    @property
    def labels(self) -> int:
        return self.first.labels

    def check(self, x: Array, landscape: Landscape, now: Any) -> Array:
        a, b = self._both(x, landscape, now)
        return np.where(b != 0, a, np.int32(0))


@dataclass(frozen=True)
class Reported(Event):
    """An event of the point that the optimizer reports, ``Average``'s or ``EMA``'s mean: ``Reported(Below(1e-3))``.

    Other events see the iterate. Where the optimizer averages nothing the two are one, so that methods with and without
    averaging can be compared by one event.
    """

    event: Event = inner()

    def validate(self) -> None:
        _check_inner(self, "event")

    @property
    def labels(self) -> int:
        return self.event.labels

    def check(self, x: Array, landscape: Landscape, now: Any) -> Array:
        if now is None:  # a start is only looked at: nothing has been averaged
            return self.event.check(x, landscape, None)
        return self.event.check(now.shown, landscape, now.event)
