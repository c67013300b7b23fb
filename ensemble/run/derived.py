"""What is recorded that follows from iterates: steps, the nearest stationary points, gradients by layer, observables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..backends.program import Engine, Program
from ..landscapes.base import Landscape
from ..records import Record


class Derived:
    """Finds it from points of some rows of a program. Sums are the kernels', in their order: the same bits on every engine."""

    def __init__(self, record: Record, program: Program, engine: Engine, rows: NDArray[Any]) -> None:
        self.record, self.program, self.engine, self.rows = record, program, engine, rows
        self._beside: dict[str, Program] = {}
        self._listed: tuple[NDArray[Any], NDArray[Any]] | None = None
        self._layers: NDArray[Any] | None = None

    def found(self, x: Any, before: Any, steps: NDArray[np.int32]) -> dict[str, Any]:
        """All that is asked for at points x (steps, rows, dim), ``before`` a step each: (steps, rows, ...) by name.

        ``before`` is NaN where nothing is; it is looked at for :attr:`Record.of_steps` alone.
        """
        asked = set(self.record.derived)
        found: dict[str, Any] = {}
        if asked & {"step_size", "effective_rate"}:
            found |= self._of_steps(x, before, steps, "effective_rate" in asked)
        if asked & {"nearest", "nearest_index"}:
            found |= self._nearest(x, steps)
        if "layer_gradient_norm" in asked:
            found["layer_gradient_norm"] = self._by_layer(x, steps)
        for name, landscape in self.record.observables:
            found[name] = self._observed(name, landscape, x, steps)
        return {name: values for name, values in found.items() if name in asked}

    def _look(self, x: Any, what: tuple[str, ...], steps: NDArray[np.int32], direction: Any = None) -> dict[str, Any]:
        dim, along = self.program.dim, None if direction is None else direction.reshape(-1, self.program.dim)
        found = self.engine.observe(self.program, x.reshape(-1, dim), what, steps, along, rows=self.rows)
        return {name: values.reshape(*x.shape[:2], *values.shape[1:]) for name, values in found.items()}

    def _of_steps(self, x: Any, before: Any, steps: NDArray[np.int32], rate: bool) -> dict[str, Any]:
        with np.errstate(invalid="ignore", divide="ignore"):
            step = x - before
            along = ("slope", "gradient_norm") if rate else ()
            looked = self._look(before, ("direction_length", *along), steps, step)
            found = {"step_size": looked["direction_length"]}
            if rate:
                found["effective_rate"] = -looked["slope"] / looked["gradient_norm"] / looked["gradient_norm"]
        return found

    def _nearest(self, x: Any, steps: NDArray[np.int32]) -> dict[str, Any]:
        xp, (points, index) = self.engine.xp, self._stationary()
        each = x.reshape(x.shape[0], points.shape[0], -1, self.program.dim)
        shape = each.shape[:3]
        least = xp.full(shape, np.inf, dtype=x.dtype)
        nearest, negative = (xp.full(shape, np.nan, dtype=x.dtype) for _ in range(2))
        place = self.engine.to_device
        for k in range(points.shape[1]):
            away = each - place(points[None, :, k, None])
            length = self._look(x, ("direction_length",), steps, away)["direction_length"].reshape(shape)
            closer = length < least  # where x is not finite none is
            least = xp.where(closer, length, least)
            nearest = xp.where(closer, xp.asarray(k, dtype=x.dtype), nearest)
            negative = xp.where(closer, place(index[None, :, k, None]), negative)
        return {"nearest": nearest.reshape(x.shape[:2]), "nearest_index": negative.reshape(x.shape[:2])}

    def _stationary(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Stationary points of each configuration and negative eigenvalues there: (configurations, points, dim) and (..., points).

        Where one has fewer than others they go on with NaN.
        """
        if self._listed is None:
            many, count = self.program.many("landscape"), len(self.program.configurations)
            if self.record.points is not None:
                lists = [self.record.points]
            else:
                lists = [cast(Landscape, part).stationary_points() for part in (many.at(k) for k in range(many.count))]
            size = (len(lists), max(map(len, lists)))
            points, index = np.full((*size, self.program.dim), np.nan), np.full(size, np.nan)
            for c, listed in enumerate(lists):
                points[c, : len(listed)] = [point.x for point in listed]
                index[c, : len(listed)] = [point.index for point in listed]
            dtype, whole = self.program.dtype, (count, *size[1:])
            self._listed = (
                np.broadcast_to(points, (*whole, self.program.dim)).astype(dtype),
                np.broadcast_to(index, whole).astype(dtype),
            )
        return self._listed

    def _by_layer(self, x: Any, steps: NDArray[np.int32]) -> Any:
        xp = self.engine.xp
        if self._layers is None:
            layer_of = cast(Landscape, self.program.part("landscape")).layer_of
            assert layer_of is not None
            self._layers = np.equal.outer(np.arange(layer_of.max() + 1), layer_of)
        gradient = self._look(x, ("gradient",), steps)["gradient"]
        none = xp.zeros((), dtype=x.dtype)
        found = xp.empty((*x.shape[:2], len(self._layers)), dtype=x.dtype)
        for k, layer in enumerate(self._layers):
            within = xp.where(self.engine.to_device(layer), gradient, none)
            found[:, :, k] = self._look(x, ("direction_length",), steps, within)["direction_length"]
        return found

    def _observed(self, name: str, landscape: Landscape, x: Any, steps: NDArray[np.int32]) -> Any:
        if name not in self._beside:
            configurations = tuple({**c, "landscape": landscape} for c in self.program.configurations)
            self._beside[name] = replace(self.program, configurations=configurations)
        found = self.engine.observe(self._beside[name], x.reshape(-1, self.program.dim), ("value",), steps)
        return found["value"].reshape(x.shape[:2])
