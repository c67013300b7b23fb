"""Which minimum the instances ended in, and whether flat ones are taken more often than sharp ones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..landscapes.base import StationaryPoint, listed_points
from ..run.field import Field
from ..run.progress import Interrupt, Reporter
from ..warned import warn_with
from .lifetimes import FloatArray, check_whole
from .points import DENSE_DIM, check_flag, check_number, chunks, points_of

STATIONARY = "stationary"


@dataclass(frozen=True)
class Quenched:
    """Where descent without noise ended, from where the instances were: goes wherever a result goes for its points.

    `dataset` has over (configuration..., instance) `x` (..., coordinate), `final_value`, `gradient_norm`, `converged`
    and `descent_steps` taken; over the configuration dimensions `descent_lr`.
    """

    dataset: xr.Dataset
    made: tuple[Field, ...]
    """The fields that the descent ran on, one a configuration."""

    def fields(self, dtype: str = "float64") -> tuple[Field, ...]:
        """The landscape of every configuration, as a result's `fields`."""
        made = {field: Field(field.landscape, field.engine, dtype, field.math, field.t) for field in self.made}
        return tuple(made[field] for field in self.made)


def quench(
    data: Any,
    *,
    lr: float | None = None,
    steps: int = 10_000,
    gradient_tolerance: float = 1e-6,
    dtype: str = "float64",
    progress: bool | None = None,
) -> Quenched:
    """Take every instance from where it ended down to a stationary point, by gradient descent without noise.

    On the backend that ran the ensemble. `lr` None: 1/L of each configuration's landscape, L the smoothness that it
    states; up to 1/L descent never rises and, in one coordinate, never leaves the basin it is in; larger rates may jump.
    Descent of an instance ends when its gradient's norm is at most `gradient_tolerance` (looked at after 32, 96, 224, ...
    steps) or after `steps`. In float32 the norm has a floor of rounding; `dtype` is "float64" or "float32".
    `progress` shows a bar; None: on a terminal. Ctrl-C ends the descent where it is, with a warning and attrs["interrupted"] 1.

    Returns `.dataset` (see `Quenched`), over (configuration..., instance): `converged` says whether the tolerance was
    met, which at a boundary or on a slope without end it never is; NaN where an instance had diverged or does so now.

    ValueError: no result or no x kept; no lr where the landscape states no smoothness; every instance diverged.
    """
    if lr is not None:
        check_number("lr", lr, 0.0, np.inf, "the rate of descent, a number above 0, or None for 1/L")
    check_whole("steps", steps, 1, "a whole number of 1 to 2^31 - 2 steps", 2**31 - 2)
    check_number("gradient_tolerance", gradient_tolerance, 0.0, np.inf, "a norm above 0, such as 1e-6")
    if progress is not None:
        check_flag("progress", progress)
    points = points_of(data, dtype)
    rates = {field: _rate(field, lr) for field in points.fields}
    counts = dict.fromkeys(points.fields, 0)
    for field, found_there in zip(points.fields, points.found, strict=True):
        counts[field] += int(found_there.sum())
    batches = sum(1 for field, count in counts.items() for _ in chunks(count, 4 * field.dim))
    offsets = itertools.count(0, steps)
    reporter = Reporter(progress, "quench", steps * batches)

    def look(field: Field, x: FloatArray) -> dict[str, NDArray[Any]]:
        end, taken = np.empty(x.shape), np.empty(len(x), dtype=np.int64)
        value, norm = np.empty(len(x)), np.empty(len(x))
        for part in chunks(len(x), 4 * field.dim):
            start = field.place(x[part])
            at, taken[part] = field.descend(
                start, rates[field], steps, gradient_tolerance, reporter, next(offsets), interrupt
            )
            end[part] = field.fetch(at)
            value[part], norm[part] = field.fetch(field.values(at)), field.fetch(field.gradient_norms(at))
        return {
            "x": end,
            "final_value": value,
            "gradient_norm": norm,
            "converged": norm <= gradient_tolerance,
            "descent_steps": taken,
        }

    with Interrupt() as interrupt, reporter:
        found = points.each(look)
    words = {
        "x": ("where descent without noise ended", "units of x"),
        "final_value": ("f(x) there", "units of f"),
        "gradient_norm": ("norm of the exact gradient there", "units of f per unit of x"),
        "converged": ("whether the gradient is within the tolerance", "1"),
        "descent_steps": ("steps of descent, -1 where the instance had diverged", "steps"),
    }
    dataset = points.dataset(
        {name: (values, *words[name], ("coordinate",) if name == "x" else ()) for name, values in found.items()},
        gradient_tolerance=gradient_tolerance,
        most_steps=steps,
        dtype=dtype,
        interrupted=int(interrupt.asked),
    )
    dataset["descent_lr"] = points.frame.variable([rates[field] for field in points.fields], "rate of the descent")
    quenched = Quenched(dataset, points.fields)
    if interrupt.asked:
        ended = int(np.sum(found["converged"]))
        warn_with(
            quenched,
            f"quench was ended early by {interrupt.by}: {ended:,} of {found['converged'].size:,} instances have converged; call "
            f"it again for the others.",
            stacklevel=2,
        )
    return quenched


def _rate(field: Field, lr: float | None) -> float:
    smoothness = field.landscape.smoothness if lr is None else None
    if lr is None and not smoothness:
        raise ValueError(
            f"{type(field.landscape).__name__} states no smoothness to take lr from; give lr, below 1 over the largest "
            f"curvature that the descent meets"
        )
    return float(lr) if lr is not None else 1.0 / float(smoothness or 1.0)


def nearest_minimum(
    data: Any, *, tolerance: float = 1e-3, points: Sequence[StationaryPoint] | None = None
) -> xr.Dataset:
    """Which of its landscape's stationary points each instance is at.

    `data` is a result, or what `quench` returned. The points are those that `landscape.stationary_points()` lists, saddles
    and maxima among them: of landscapes with very many, representatives alone. An instance is at the nearest one if that
    is within `tolerance` (units of x). `points`: those that `ensemble.find_stationary_points` found, instead of the landscape's own.

    Returns over (configuration..., instance) `minimum`, the number in the list, -1 where none is near or the instance
    diverged; `distance` to the nearest; and of the point it is at `minimum_value`, `minimum_curvature` (the largest
    eigenvalue of the Hessian) and `minimum_index` (negative eigenvalues; -1 where `minimum` is). The list itself is over (configuration...,
    stationary): `stationary_name`, `stationary_value`, `stationary_curvature`, `stationary_index` (-1 past the list's end).

    ValueError: a landscape lists no stationary point; no result or no x kept; every instance diverged.
    """
    check_number("tolerance", tolerance, 0.0, np.inf, "a distance above 0, in units of x")
    where = points_of(data)
    lists = {field: _listed(field, points) for field in where.fields}
    curvatures = {field: np.array([_largest_curvature(field, point) for point in lists[field]]) for field in lists}

    def look(field: Field, x: FloatArray) -> dict[str, NDArray[Any]]:
        nearest, distance = np.zeros(len(x), dtype=np.int64), np.full(len(x), np.inf)
        for number, point in enumerate(lists[field]):
            away = np.sqrt(((x - np.asarray(point.x)) ** 2).sum(axis=1))
            nearest[away < distance], distance = number, np.minimum(away, distance)
        at = distance <= tolerance
        value = np.array([point.value for point in lists[field]])[nearest]
        index = np.array([point.index for point in lists[field]], dtype=np.int64)[nearest]
        return {
            "minimum": np.where(at, nearest, -1),
            "distance": distance,
            "minimum_value": np.where(at, value, np.nan),
            "minimum_curvature": np.where(at, curvatures[field][nearest], np.nan),
            "minimum_index": np.where(at, index, -1),
        }

    words = {
        "minimum": ("number of the stationary point, -1 where none is near", "1"),
        "distance": ("distance to the nearest stationary point", "units of x"),
        "minimum_value": ("f at the stationary point", "units of f"),
        "minimum_curvature": ("largest eigenvalue of the Hessian there", "units of f per unit of x squared"),
        "minimum_index": ("negative eigenvalues of the Hessian there", "1"),
    }
    found = where.dataset(
        {name: (values, *words[name], ()) for name, values in where.each(look).items()}, tolerance=tolerance
    )
    if (paired := data.dataset.attrs.get("paired")) is not None:
        found.attrs["paired"] = paired
    most = max(len(points_listed) for points_listed in lists.values())

    def table(rows: list[list[Any]], filling: Any) -> NDArray[Any]:
        return np.array([[*row, *[filling] * (most - len(row))] for row in rows])

    each = [lists[field] for field in where.fields]
    listing = {
        "stationary_name": (table([[p.name for p in row] for row in each], ""), "name of the stationary point", "1"),
        "stationary_value": (table([[p.value for p in row] for row in each], np.nan), "f there", "units of f"),
        "stationary_curvature": (
            table([curvatures[field].tolist() for field in where.fields], np.nan),
            "largest eigenvalue of the Hessian there",
            "units of f per unit of x squared",
        ),
        "stationary_index": (table([[p.index for p in row] for row in each], -1), "negative eigenvalues there", "1"),
    }
    return found.assign({name: where.frame.variable(*given, STATIONARY) for name, given in listing.items()})


def _listed(field: Field, points: Sequence[StationaryPoint] | None) -> tuple[StationaryPoint, ...]:
    listed = listed_points("nearest_minimum", field.landscape, points)
    if not listed:
        raise ValueError(
            f"{type(field.landscape).__name__} lists no stationary point; give points=find_stationary_points(landscape, box)"
        )
    return listed


def _largest_curvature(field: Field, point: StationaryPoint) -> float:
    if point.curvatures is not None:
        return max(point.curvatures)
    if field.dim > DENSE_DIM:
        return np.nan
    return float(np.linalg.eigvalsh(field.landscape.hessian(point.x))[-1])
