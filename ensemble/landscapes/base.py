"""Landscape: a function to descend, with its gradient and Hessian, and what is known of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..algebra import index, where
from ..arithmetic.vec import Array
from ..grids import Grid
from ..part import ANY, Part
from ..sweep import drawn_in, grids_of
from ..words import told

Bound = float | tuple[float, ...]
Box = tuple[Bound, Bound]
Picture = tuple[tuple[float, float], tuple[float, float]]


DERIVATIONS: dict[str, Callable[..., Array]] = {}
"""How a landscape's derivatives follow from its value (``tracing/derived.py`` fills it)."""


@dataclass(frozen=True)
class StationaryPoint:
    """A point where the gradient is zero.

    ``x`` (dim); ``index`` is the number of negative eigenvalues of the Hessian, ``curvatures`` (dim) are the eigenvalues
    where they are known in closed form; on a sphere (dim - 1), those along it.
    """

    name: str
    x: tuple[float, ...]
    value: float
    index: int
    curvatures: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Landscape(Part):
    """A function of ``dim`` coordinates. Every method takes points ``x`` (instances, dim).

    ``now`` holds the step for landscapes that change with time; it is None when a point is only looked at.
    """

    kernel_header = "landscapes/base.cuh"
    made_like = "a landscape, such as QuarticSaddle(dim=16)"

    smooth_everywhere: ClassVar[bool] = False
    """Whether ``smoothness`` holds on the whole space, and not on ``box`` alone."""

    coordinates_per_lane: ClassVar[int] = 16
    """How many float32 coordinates, of double as many registers in float64, a lane of a device has room for beside what the
    kernel twin works with. Landscapes that couple coordinates by many numbers at once say less."""

    shared_points: ClassVar[int] = 0
    """Points, all of whose coordinates every lane reads: they lie in the memory that a block shares, or an instance streams."""

    normals: ClassVar[int] = 0
    """Directions at each point that lead off the set that the landscape lives on, 1 on a sphere: the Hessian has as many zeros."""

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
        return self._derived("gradient", x, now)

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        """The Hessian at x times v, (instances, dim)."""
        return self._derived("hessian_product", x, v, now)

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        """The diagonal of the Hessian at x, (instances, dim)."""
        return self._derived("hessian_diagonal", x, now)

    def project(self, x: Array, now: Any = None) -> Array:
        """The point of the landscape's domain nearest to x, (instances, dim): x itself where there is no constraint."""
        return x

    def tangent(self, x: Array, v: Array) -> Array:
        """The part of v that leads along the landscape's domain at x, (instances, dim): v itself where there is no constraint."""
        return v

    def _known(self, name: str) -> Any:
        """One of ``constants()``: as a step has it, rounded, or of a part that is called outside of one."""
        own = self.__dict__
        return own[name] if name in own else self.constants()[name]

    def _derived(self, name: str, *arguments: Any) -> Array:
        """A derivative that the class does not say, from what it says."""
        if type(self).value is Landscape.value and type(self).gradient is Landscape.gradient:
            raise TypeError(
                f"{type(self).__name__} says neither its value nor its {name}; define value(self, x, now), from which all else follows."
            )
        if type(self).value is Landscape.value and name == "gradient":
            raise TypeError(f"{type(self).__name__} does not say its gradient; define value(self, x, now).")
        return DERIVATIONS[name](self, *arguments)

    # ---- what is known

    def stationary_points(self) -> tuple[StationaryPoint, ...]:
        """The stationary points known in closed form or to rounding, representatives where there are very many."""
        self._one_configuration("stationary_points()")
        return self._stationary_points()

    @property
    def smoothness(self) -> float | None:
        """A Lipschitz constant of the gradient: everywhere if ``smooth_everywhere``, else on ``box``; None: not known."""
        self._one_configuration("smoothness")
        return self._smoothness()

    @property
    def box(self) -> Box | None:
        """(low, high) of a natural box to start in, numbers for all coordinates or for each: ``UniformBox(*f.box)``."""
        self._one_configuration("box")
        return self._box()

    @property
    def picture(self) -> Picture | None:
        """((low, high), (low, high)) of the first two coordinates in a picture; None: the landscape has no natural one."""
        self._one_configuration("picture")
        return self._picture()

    @property
    def filters(self) -> NDArray[np.int64] | None:
        """Number of the filter (row of weights) that each coordinate belongs to, (dim); None: it has no layers."""
        return None

    @property
    def layer_of(self) -> NDArray[np.int64] | None:
        """Number of the layer that each coordinate belongs to, (dim); None: it has no layers."""
        return None

    def hessian(self, x: ArrayLike) -> NDArray[np.float64]:
        """The whole Hessian at one point x (dim), (dim, dim): for small dimensions."""
        point = np.asarray(x, dtype=np.float64)
        if point.shape != (self.dimension,):
            raise ValueError(f"hessian was given a point of shape {point.shape}; give ({self.dimension},).")
        identity = np.eye(self.dimension)
        return self.hessian_product(np.broadcast_to(point, identity.shape).copy(), identity)

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        return ()

    def _smoothness(self) -> float | None:
        return None

    def _box(self) -> Box | None:
        return None

    def _picture(self) -> Picture | None:
        return None

    def _one_configuration(self, asked: str) -> None:
        for path, grid in (*grids_of(self), *drawn_in(self)):
            name, whose = ".".join(path), "configuration" if isinstance(grid, Grid) else "instance"
            raise ValueError(
                f"{type(self).__name__}({name}={grid!r}).{asked}: every {whose} has its own; "
                f"ask a landscape with one number for {name}."
            )

    def _found(self, name: str, x: ArrayLike, index: int) -> StationaryPoint:
        """The stationary point that Newton's method finds from ``x`` (dim), with its value and curvatures."""
        point = np.asarray(x, dtype=np.float64)
        for _ in range(30):
            gradient = self.gradient(point[None])[0]
            step = np.linalg.lstsq(self.hessian(point), gradient, rcond=None)[0]
            point = point - step
            if np.abs(step).max() <= 1e-15 * max(1.0, np.abs(point).max()):
                break
        curvatures = np.linalg.eigvalsh(self.hessian(point))
        return StationaryPoint(name, numbers(point), float(self.value(point[None])[0, 0]), index, numbers(curvatures))

    def describe(self) -> dict[str, Any]:
        derived = {f.name for f in dataclasses.fields(self) if not f.init}
        return {name: value for name, value in super().describe().items() if name not in derived}


def listed_points(
    asked: str, landscape: Landscape, points: Sequence[StationaryPoint] | None
) -> tuple[StationaryPoint, ...]:
    """``points``, or those that the landscape lists.

    Raises:
        ValueError: what was given are no stationary points of as many coordinates.
    """
    if points is None:
        return landscape.stationary_points()
    given = tuple(points) if isinstance(points, (list, tuple)) else ()
    dim = landscape.dimension
    if not given or not all(isinstance(p, StationaryPoint) and len(p.x) == dim for p in given):
        raise ValueError(
            f"{asked}: points={told(points)}; give what find_stationary_points returns, points of {dim} coordinates."
        )
    return given


def derived_array() -> Any:
    """An array field that ``validate`` fills in from the others."""
    return dataclasses.field(
        default=0.0, init=False, repr=False, compare=False, metadata={"kind": "array", "domain": ANY}
    )


def numbers(values: ArrayLike) -> tuple[float, ...]:
    """The numbers of an array, in a tuple."""
    return tuple(float(v) for v in np.asarray(values, dtype=np.float64).ravel())


def everywhere(value: float, dim: int) -> tuple[float, ...]:
    """``value`` in each of ``dim`` coordinates."""
    return (float(value),) * dim


def along_first(x: Array, first: Array | float, others: Array | float) -> Array:
    """``first`` in coordinate 0, ``others`` elsewhere."""
    return where(index(x) < 1, first, others)
