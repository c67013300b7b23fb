"""Records: what is written down along the way, and at which steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .landscapes.base import Landscape, StationaryPoint
from .plain import array_of_numbers, is_flag, is_whole
from .sweep import RESERVED, drawn_in, grids_of
from .words import told


class Quantity(NamedTuple):
    """What can be recorded: in words, in units, and what it has values for beside instances and steps."""

    long_name: str
    units: str
    dims: tuple[str, ...] = ()


MEASURED: dict[str, Quantity] = {
    "value": Quantity("f(x), without noise", "units of f"),
    "gradient_norm": Quantity("norm of the exact gradient", "units of f per unit of x"),
    "distance": Quantity("distance |x - point|", "units of x"),
}
"""What kernels measure at a point while they run."""
STEPS: dict[str, Quantity] = {
    "step_size": Quantity("step size |x(t) - x(t-1)|", "units of x"),
    "effective_rate": Quantity("effective rate", "units of x squared per unit of f"),
}
"""What follows from the iterates before and after a step."""
DERIVED: dict[str, Quantity] = STEPS | {
    "nearest": Quantity("number of the nearest stationary point", "1"),
    "nearest_index": Quantity("negative eigenvalues at the nearest stationary point", "1"),
    "layer_gradient_norm": Quantity("norm of the exact gradient in a layer", "units of f per unit of x", ("layer",)),
}
"""What follows from iterates, between launches."""
QUANTITIES: dict[str, Quantity] = MEASURED | {"x": Quantity("iterate", "units of x", ("coordinate",))} | DERIVED
"""Name -> what can be recorded."""
MOST_BINS = 10_000
"""Bins of a histogram at most."""


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


def _points(given: Any) -> tuple[StationaryPoint, ...] | None:
    """Stationary points, checked."""
    found = tuple(given) if isinstance(given, (list, tuple)) else ()
    if given is not None and (
        not all(isinstance(p, StationaryPoint) and is_whole(p.index, 0) for p in found)
        or (x := _numbers([p.x for p in found])) is None  # of one dimension
        or x.ndim != 2
        or not np.isfinite(x).all()
    ):
        raise ValueError(f"Record(points={told(given)}): give None, or what find_stationary_points returns.")
    return None if given is None else found


def _state(given: Any) -> tuple[str, ...]:
    """Names of an optimizer's vectors, checked as far as they can be without it."""
    names = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, (list, tuple)) else (None,)
    for name in names:
        words = name.split(".") if isinstance(name, str) else [""]
        if not all(word.isidentifier() for word in words) or name in QUANTITIES or name in RESERVED:
            raise ValueError(
                f"Record(state={told(given)}): give names of vectors that the optimizer keeps, such as ['m', 'v']."
            )
    return tuple(dict.fromkeys(names))


def _histograms(given: Any, names: Sequence[str], summary: bool) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """Names and edges, checked."""
    pairs = tuple(given.items()) if isinstance(given, Mapping) else given
    wanted = (
        "give a mapping from what is recorded to the edges of its bins, such as {'value': np.geomspace(1e-6, 1, 31)}"
    )
    if not isinstance(pairs, (tuple, list)) or not all(isinstance(p, (tuple, list)) and len(p) == 2 for p in pairs):
        raise ValueError(f"Record(histograms={told(given)}): {wanted}.")
    found = []
    for name, edges in pairs:
        if name not in names:
            raise ValueError(
                f"Record(histograms={{{told(name)}: ...}}): it is not recorded; give names out of {', '.join(names)}."
            )
        values = _numbers(edges)
        if (
            values is None
            or values.ndim != 1
            or not 2 <= values.size <= MOST_BINS + 1
            or not np.isfinite(values).all()
            or not (np.diff(values) > 0).all()
        ):
            raise ValueError(
                f"Record(histograms={{{name!r}: {told(edges)}}}): give the edges of at least one bin and at most {MOST_BINS:,}, "
                f"finite numbers that rise."
            )
        found.append((name, tuple(values.tolist())))
    if found and not summary:
        raise ValueError("Record(histograms=...): they are summaries; give summary=True too.")
    return tuple(dict(found).items())


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
        quantities: names out of

            - ``value``, ``gradient_norm``, ``distance`` (to ``point``) and ``x``;
            - ``step_size``: the length ``|x(t) - x(t-1)|``, NaN at step 0 and 0 once an instance has stopped;
            - ``effective_rate``: ``-(x(t) - x(t-1)) . g / |g|^2`` where g is the exact gradient at ``x(t-1)``: the learning rate of a
              gradient descent that goes as far along it; a learning rate's, or of noisy gradients its mean, where steps are ``-lr g``;
            - ``nearest``, ``nearest_index``: which of ``points`` is nearest, its place among them, and how many negative eigenvalues
              the Hessian has there: 0 at a minimum;
            - ``layer_gradient_norm`` (step, layer): the gradient's norm in each layer of a network.
        at: steps, 0 for the start: :func:`log_spaced`, :func:`lin_spaced` or a list.
        instances: which instances: None for all, a number n for the first n, or a list of places (taken in rising order).
        summary: keep ensemble moments and quantiles in place of every instance: ``<name>_mean`` and ``<name>_variance``
            (step), ``<name>_quantile`` (step, quantile) and ``<name>_n`` (step), the number of instances with finite values
            behind them. Of ``x`` they are of each coordinate: ``x_mean`` and ``x_variance`` (step, coordinate),
            ``x_quantile`` (step, coordinate, quantile); of an optimizer's vectors and of layers likewise.
        quantiles: which quantiles a summary keeps.
        histograms: name -> edges of bins, of what a summary shall count too: ``<name>_histogram`` (step, ``<name>_bin``), how many
            instances lie in each; as ``numpy.histogram`` has it the last bin has both its edges, and what lies outside of all is in none.
        survivors: False: after its event an instance repeats its last value; True: it is NaN from then on.
        point: for ``distance``: one number or one for each coordinate.
        points: for ``nearest``: what :func:`ensemble.find_stationary_points` found; None: those that the landscape lists.
        state: vectors that the optimizer keeps, by name, such as ``["m", "v"]`` of Adam: as it keeps them, before any correction of
            their bias, (step, coordinate). One that a wrapped optimizer keeps may be told from another by its path: ``"base.m"``.
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
    state: Any = ()
    points: Any = None
    histograms: Any = ()

    def __post_init__(self) -> None:
        given = self.quantities
        names = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, (list, tuple)) else ()
        object.__setattr__(self, "observables", _observables(self.observables))
        object.__setattr__(self, "state", _state(self.state))
        object.__setattr__(self, "points", _points(self.points))
        for name, _ in self.observables:
            if name in self.state:
                raise ValueError(
                    f"Record(observables={{{name!r}: ...}}, state={told(self.state)}): give it another name."
                )
        if not (names or ((self.observables or self.state) and given in ((), []))) or not all(
            isinstance(name, str) and name in QUANTITIES for name in names
        ):
            raise ValueError(f"Record(quantities={told(given)}): give names out of {', '.join(QUANTITIES)}.")
        object.__setattr__(self, "quantities", tuple(dict.fromkeys(names)))
        for name in ("summary", "survivors"):
            if not is_flag(getattr(self, name)):
                raise ValueError(f"Record({name}={told(getattr(self, name))}): give True or False.")
        object.__setattr__(self, "histograms", _histograms(self.histograms, self.names, self.summary))
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
        """All that is recorded: quantities, then the optimizer's vectors, then observables."""
        return (*self.quantities, *self.state, *(name for name, _ in self.observables))

    @property
    def measured(self) -> tuple[str, ...]:
        """What of it kernels measure while they run."""
        return tuple(name for name in self.quantities if name in MEASURED)

    @property
    def derived(self) -> tuple[str, ...]:
        """What of it follows from iterates."""
        return tuple(name for name in self.names if name in DERIVED or name in dict(self.observables))

    @property
    def of_steps(self) -> bool:
        """Whether some of it asks for the iterate before a step, too."""
        return not STEPS.keys().isdisjoint(self.quantities)

    def quantity(self, name: str) -> Quantity:
        """What is recorded under a name."""
        if name in QUANTITIES:
            return QUANTITIES[name]
        return (
            Quantity(f"the optimizer's {name}", "", ("coordinate",))
            if name in self.state
            else Quantity(name.replace("_", " "), "")
        )

    def sizes(self, name: str, dim: int, layers: int) -> tuple[int, ...]:
        """How many values it has of an instance at a step."""
        return tuple({"coordinate": dim, "layer": layers}[d] for d in self.quantity(name).dims)

    def slots(self, kept: Sequence[str]) -> tuple[int, ...]:
        """Which of the vectors ``kept`` by an optimizer, paths such as ``base.m``, are recorded: one for each of ``state``.

        Raises:
            ValueError: none has that name, or several have.
        """
        found = []
        for name in self.state:
            places = [k for k, path in enumerate(kept) if path == name] or [
                k for k, path in enumerate(kept) if path.endswith(f".{name}")
            ]
            if len(places) != 1:
                several = " or ".join(repr(kept[k]) for k in places)
                known = f"give names out of {', '.join(kept)}" if kept else "leave state= out"
                raise ValueError(
                    f"Record(state=[{name!r}]): "
                    + (f"give {several}." if places else f"the optimizer keeps no vector of that name; {known}.")
                )
            found.append(places[0])
        return tuple(found)

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
