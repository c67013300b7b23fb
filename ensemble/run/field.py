"""Field: one landscape at any points, evaluated by the engine that ran an ensemble."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..backends.choice import choose
from ..backends.numpy import seen_by_kernel
from ..backends.program import Engine, Program
from ..checks.first_use import first_use
from ..classes import in_library
from ..events import Never
from ..landscapes.base import Landscape
from ..noises import NoNoise
from ..optimizers import GradientDescent
from ..part import Part, nested
from ..sweep import drawn_in
from ..words import told
from .engines import engine_for
from .experiment import Experiment
from .outcome import Outcome
from .pace import Pace
from .progress import Interrupt, Reporter

SHORTEST, LONGEST = 32, 8192
"""Steps of a descent between two looks at the gradient: doubled from look to look, so that results are the same anywhere."""


@dataclass(frozen=True, eq=False)
class Field:
    """Values, gradients and Hessian-vector products of one landscape at a batch of points.

    Points are arrays (points, dim) of the engine's own library ``xp``, in ``dtype``: :meth:`place` brings them there and
    :meth:`fetch` back. ``t`` is the step, for landscapes that change with time.
    """

    landscape: Landscape
    engine: Engine
    dtype: str = "float64"
    math: str = "precise"
    t: int = 0

    @property
    def xp(self) -> Any:
        return self.engine.xp

    def here(self) -> AbstractContextManager[Any]:
        """Where several GPUs are: within it the engine's own is current, as operations on its arrays want."""
        return self.engine.here()

    @property
    def dim(self) -> int:
        return self.landscape.dimension

    def place(self, a: NDArray[Any]) -> Any:
        """An array of NumPy, for the engine, in the field's dtype."""
        return self.engine.to_device(np.ascontiguousarray(a, dtype=self.dtype))

    def fetch(self, a: Any) -> NDArray[Any]:
        """An array of the engine, for NumPy."""
        return self.engine.to_numpy(a)

    def values(self, x: Any) -> Any:
        """f(x), (points,)."""
        return self._look(x, "value")

    def gradients(self, x: Any) -> Any:
        """The gradient, (points, dim)."""
        return self._look(x, "gradient")

    def gradient_norms(self, x: Any) -> Any:
        """The gradient's norm, (points,)."""
        return self._look(x, "gradient_norm")

    def products(self, x: Any, v: Any) -> Any:
        """The Hessian at x times v, (points, dim)."""
        return self._look(x, "product", v)

    def diagonals(self, x: Any) -> Any:
        """The Hessian's diagonal, (points, dim), by the landscape's own NumPy form."""
        landscape: Any = seen_by_kernel([self.landscape], None, np.dtype(self.dtype), self.dim)
        with np.errstate(all="ignore"):
            return self.place(landscape.hessian_diagonal(self.fetch(x), SimpleNamespace(t=self.t)))

    def descend(
        self,
        x: Any,
        lr: float,
        steps: int,
        gradient_tolerance: float,
        reporter: Reporter | None = None,
        offset: int = 0,
        interrupt: Interrupt | None = None,
    ) -> tuple[Any, NDArray[np.int64]]:
        """Gradient descent without noise from x, until the gradient's norm is at most ``gradient_tolerance``.

        Looked at now and then, so a point may go some steps further; ``reporter`` is told of each look, as of the step
        ``offset`` later. An ``interrupt`` ends it where it is. Returns the points (points, dim), NaN where they diverged, and
        the steps taken (points,).
        """
        with self.here():
            return self._descend(x, lr, steps, gradient_tolerance, reporter, offset, interrupt)

    def _descend(
        self,
        x: Any,
        lr: float,
        steps: int,
        gradient_tolerance: float,
        reporter: Reporter | None,
        offset: int,
        interrupt: Interrupt | None,
    ) -> tuple[Any, NDArray[np.int64]]:
        engine, xp = self.engine, self.xp
        program = self._program(len(x), lr)
        engine.prepare(program)
        state = engine.new_state(program)
        state.x[:] = x
        taken = np.zeros(len(x), dtype=np.int64)
        reached, stretch, pace = 0, SHORTEST, Pace(1, LONGEST, engine.watched)
        while True:
            norm = engine.observe(program, state.x, ("gradient_norm",), self.t)["gradient_norm"]
            active = xp.flatnonzero((norm > gradient_tolerance) & (state.diverged_step < 0)).astype(np.int32)
            if not active.size:
                reached = steps
            if reporter:
                diverged = int(xp.count_nonzero(state.diverged_step >= 0))
                reporter.update(offset + reached, active.size, len(x) - active.size - diverged, diverged)
            if reached == steps or (interrupt and interrupt.asked):
                return state.x, taken
            last = min(steps, reached + stretch)
            while reached < last and not (interrupt and interrupt.asked):
                end, began = min(last, reached + pace.steps), time.perf_counter()
                engine.advance(program, state, active, reached + 1, end)
                pace.took(end - reached, time.perf_counter() - began, active.size, active.size)
                reached = end
            taken[self.fetch(active)] = reached
            stretch = min(2 * stretch, LONGEST)

    def _points(self, name: str, given: Any) -> Any:
        """Points as the kernels read them: anything else would be read beyond its end."""
        given = given if hasattr(given, "dtype") else self.place(given)
        if given.ndim != 2 or given.shape[1] != self.dim:
            raise ValueError(f"{name} of shape {given.shape} was given; give an array (points, {self.dim}).")
        return given if given.dtype == self.dtype else given.astype(self.dtype)

    def _look(self, x: Any, quantity: str, direction: Any = None) -> Any:
        with self.here():
            x = self._points("x", x)
            if direction is not None:
                direction = self._points("v", direction)
        if direction is not None and direction.shape != x.shape:
            raise ValueError(f"v of shape {direction.shape} was given; give the shape of x, {x.shape}.")
        return self.engine.observe(self._program(len(x)), x, (quantity,), self.t, direction)[quantity]

    def _program(self, points: int, lr: float = 1.0) -> Program:
        parts = {
            "landscape": self.landscape,
            "optimizer": GradientDescent(lr=lr),
            "noise": NoNoise(),
            "event": Never(),
        }
        return Program(
            configurations=(parts,),
            dim=self.dim,
            instances=points,
            first_instance=0,
            dtype=np.dtype(self.dtype),
            math=self.math,
            seed=0,
            check_every=1,
            paired=True,
        )


def seen_in_step(part: Part, dim: int) -> Any:
    """The part as a step sees it, in float64: vectors as arrays of ``dim``, constants as attributes."""
    return seen_by_kernel([part.at_dim(dim)], None, np.dtype(np.float64), dim)


def fields_of(
    settings: Mapping[str, Experiment], outcomes: Mapping[str, Outcome], options: Mapping[str, Any], dtype: str
) -> tuple[Field, ...]:
    """The field of every configuration, in the dataset's order; the same object where landscapes are equal."""
    engine, _ = engine_for(options["backend"], options["threads"], settings.values())
    made: dict[tuple[Part, int], Field] = {}
    fields = []
    for name in outcomes:
        setting = settings[name]
        many = setting.sweep().parts.many("landscape")
        for path, value in drawn_in(many.part):
            raise ValueError(
                f"fields(): every instance has a landscape of its own, whose {'.'.join(path)} is {value!r}; make a landscape with "
                f"one number there."
            )
        for k in range(many.count if many.differing else 1):
            landscape = cast(Landscape, many.at(k))
            key = landscape, outcomes[name].reached
            if key not in made:
                made[key] = Field(landscape, engine, dtype, setting.math, outcomes[name].reached)
            fields += [made[key]] * (1 if many.differing else many.count)
    return tuple(fields)


def field_of(given: Any) -> Field:
    """The field itself, or a landscape's in float64 NumPy.

    Raises:
        ValueError: neither was given, or a landscape with a grid.
    """
    if isinstance(given, Field):
        return given
    if not isinstance(given, Landscape):
        raise ValueError(f"landscape={told(given)}: give a landscape, or one of a result's fields()")
    given._one_configuration("its Hessian")
    engine, _ = choose("numpy")
    if not all(in_library(type(part)) for part in nested(given)):
        first_use(given, given, "float64", engine)
    return Field(given.at_dim(given.dimension), engine)
