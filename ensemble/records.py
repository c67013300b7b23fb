"""Records: what is written down along the way, and at which steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .landscapes.base import Landscape
from .plain import array_of_numbers, is_flag, is_whole
from .sweep import RESERVED, drawn_in, grids_of
from .words import told

QUANTITIES: dict[str, tuple[str, str]] = {
    "value": ("f(x), without noise", "units of f"),
    "gradient_norm": ("norm of the exact gradient", "units of f per unit of x"),
    "distance": ("distance |x - point|", "units of x"),
    "x": ("iterate", "units of x"),
}
"""Name -> (long name, units) of what can be recorded."""


MOST_RECORDS = 10_000_000
"""Steps that are recorded at most."""


@dataclass(frozen=True)
class Spaced:
    """Steps that depend on the horizon; made by :func:`log_spaced` and :func:`lin_spaced`."""

    kind: str
    count: int

    def steps(self, horizon: int) -> NDArray[np.int64]:
        if self.kind == "log":
            points = np.geomspace(horizon, 1, self.count - 1)  # from the horizon, which is there however few they are
        else:
            points = np.linspace(0, horizon, self.count)
        return np.unique(np.concatenate([[0], np.rint(points)]).astype(np.int64))


def _count(name: str, count: object) -> int:
    if not is_whole(count, 2, MOST_RECORDS):
        raise ValueError(
            f"{name}(count={told(count)}): give a whole number of steps, at least 2 and at most {MOST_RECORDS:,}."
        )
    return int(count)  # type: ignore[call-overload]


def log_spaced(count: int) -> Spaced:
    """At most ``count`` steps: the start (0), then logarithmically from 1 to the horizon."""
    return Spaced("log", _count("log_spaced", count))


def lin_spaced(count: int) -> Spaced:
    """At most ``count`` steps: evenly from the start (0) to the horizon."""
    return Spaced("lin", _count("lin_spaced", count))


def _numbers(given: object) -> NDArray[np.float64] | None:
    """``given`` as an array of numbers, or None if it is none."""
    values = array_of_numbers(given)
    return None if values is None else values.astype(np.float64)


def _observables(given: Any) -> tuple[tuple[str, Landscape], ...]:
    """Names and landscapes, checked."""
    wanted = "give a mapping from names to landscapes, such as {'test_loss': network.on(*data.test)}"
    pairs = tuple(given.items()) if isinstance(given, Mapping) else given
    if not isinstance(pairs, (tuple, list)) or not all(isinstance(p, (tuple, list)) and len(p) == 2 for p in pairs):
        raise ValueError(f"Record(observables={told(given)}): {wanted}.")
    for name, landscape in pairs:
        if not isinstance(name, str) or not name.isidentifier() or name in QUANTITIES or name in RESERVED:
            raise ValueError(
                f"Record(observables=...): the name {told(name)} is no word, or has a meaning; give another."
            )
        if not isinstance(landscape, Landscape):
            raise ValueError(f"Record(observables={{{name!r}: {told(landscape)}}}): {wanted}.")
        for path, _ in grids_of(landscape):
            raise ValueError(f"Record(observables={{{name!r}: ...}}): its {'.'.join(path)} is a grid; give one number.")
        for path, _ in drawn_in(landscape):
            raise ValueError(f"Record(observables={{{name!r}: ...}}): its {'.'.join(path)} is drawn; give one number.")
    return tuple((name, landscape) for name, landscape in pairs)


def _whole_numbers(given: object) -> tuple[int, ...] | None:
    """``given``, whole numbers of at least 0, sorted and each once; None if it is anything else."""
    values = array_of_numbers(given)
    if values is not None and values.ndim == 1 and values.dtype.kind in "iu" and values.size and values.min() >= 0:
        return tuple(sorted(set(values.tolist())))
    return None


@dataclass(frozen=True)
class Record:
    """What to record, when, and of whom.

    Args:
        quantities: names out of ``value``, ``gradient_norm``, ``distance`` (to ``point``) and ``x``.
        at: steps, 0 for the start: :func:`log_spaced`, :func:`lin_spaced` or a list.
        instances: which instances: None for all, a number n for the first n, or a list of places (taken in rising order).
        summary: keep ensemble moments and quantiles in place of every instance: ``<name>_mean`` and ``<name>_variance``
            (step), ``<name>_quantile`` (step, quantile) and ``<name>_n`` (step), the number of instances with finite values
            behind them. Of ``x`` they are of each coordinate: ``x_mean`` and ``x_variance`` (step, coordinate),
            ``x_quantile`` (step, coordinate, quantile).
        quantiles: which quantiles a summary keeps.
        survivors: False: after its event an instance repeats its last value; True: it is NaN from then on.
        point: for ``distance``: one number or one for each coordinate.
        observables: other functions of the iterate, name -> landscape, whose values are recorded under their names: a function of
            one's own made by :func:`ensemble.landscape`, or a network's ``on(*data.test)`` and ``errors_on(*data.test)``, the loss
            and the errors on samples that it is not trained on. ``quantities`` may then be empty.

    Raises:
        ValueError: an unknown quantity, no step, a quantile outside [0, 1], or a field of another kind.
    """

    quantities: Sequence[str]
    at: Spaced | Sequence[int]
    instances: int | Sequence[int] | None = None
    summary: bool = False
    quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95)
    survivors: bool = False
    point: Any = 0.0
    observables: Any = ()

    def __post_init__(self) -> None:
        given = self.quantities
        names = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, (list, tuple)) else ()
        object.__setattr__(self, "observables", _observables(self.observables))
        if not (names or (self.observables and given in ((), []))) or not all(
            isinstance(name, str) and name in QUANTITIES for name in names
        ):
            raise ValueError(f"Record(quantities={told(given)}): give names out of {', '.join(QUANTITIES)}.")
        object.__setattr__(self, "quantities", tuple(dict.fromkeys(names)))
        for name in ("summary", "survivors"):
            if not is_flag(getattr(self, name)):
                raise ValueError(f"Record({name}={told(getattr(self, name))}): give True or False.")
        quantiles = _numbers(self.quantiles)
        if quantiles is None or quantiles.ndim != 1 or not ((quantiles >= 0) & (quantiles <= 1)).all():
            raise ValueError(f"Record(quantiles={told(self.quantiles)}): give a list of numbers from 0 to 1.")
        object.__setattr__(self, "quantiles", tuple(quantiles.tolist()))
        point = _numbers(self.point)
        if point is None or point.ndim > 1 or not np.isfinite(point).all():
            raise ValueError(f"Record(point={told(self.point)}): give one finite number, or one for each coordinate.")
        object.__setattr__(self, "point", point.item() if point.ndim == 0 else tuple(point.tolist()))
        if not isinstance(self.at, Spaced):
            steps = _whole_numbers(self.at)
            if steps is None:
                raise ValueError(
                    f"Record(at={told(self.at)}): give log_spaced(n), lin_spaced(n) or a list of steps from 0 on."
                )
            object.__setattr__(self, "at", steps)
        if self.instances is not None:
            lone = is_whole(self.instances)
            places = _whole_numbers([self.instances] if lone else self.instances)
            if not places or (lone and not places[0]):
                raise ValueError(
                    f"Record(instances={told(self.instances)}): give None for all, a number n of at least 1 for the first n, "
                    f"or a list of places from 0 on."
                )
            object.__setattr__(self, "instances", places[0] if lone else places)

    @property
    def names(self) -> tuple[str, ...]:
        """All that is recorded: quantities, then observables."""
        return (*self.quantities, *(name for name, _ in self.observables))

    def steps(self, horizon: int) -> NDArray[np.int64]:
        """The steps to record of a run to ``horizon``.

        Raises:
            ValueError: a listed step lies beyond the horizon.
        """
        if isinstance(self.at, Spaced):
            return self.at.steps(horizon)
        steps = np.array(self.at, dtype=np.int64)
        if steps[-1] > horizon:
            raise ValueError(
                f"Record(at=...): step {steps[-1]} lies beyond the horizon of {horizon} steps; raise steps=."
            )
        return steps

    def places(self, instances: int) -> NDArray[np.int64]:
        """Which of ``instances`` are recorded."""
        if self.instances is None:
            return np.arange(instances)
        if isinstance(self.instances, int):
            places = np.arange(self.instances)
        else:
            places = np.array(self.instances, dtype=np.int64)
        if places[-1] >= instances:
            raise ValueError(
                f"Record(instances={told(self.instances)}): place {places[-1]} was asked for, and the run has {instances} "
                f"instances; give places from 0 to {instances - 1}."
            )
        return places
