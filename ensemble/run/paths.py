"""path_between: the path of least energy between two minima, and how high it leads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..backends.choice import choose
from ..checks.first_use import first_use
from ..classes import in_library
from ..landscapes.base import Landscape, StationaryPoint
from ..part import nested
from ..plain import array_of_numbers, is_real, is_whole
from ..words import told
from .field import Field
from .stationary import MOST_DIM, refined

Real = NDArray[np.float64]
POWER_STEPS, AGAIN = 12, 50
"""Hessian products by which the largest curvature along a path is estimated, and after how many steps again."""


@dataclass(frozen=True, eq=False)
class Path:
    """A path between two points: ``x`` (images, dim) at equal distances along it, and the values there, ``value`` (images,).

    ``barrier`` is how far the path rises above its first point, ``barrier_back`` above its last. ``saddle`` is the stationary point that
    Newton's method finds from the highest image, where that lies between the ends and the landscape has few enough coordinates;
    the barriers are then measured to it, else to the highest image. ``slope`` is the largest part of a gradient across the path, as
    a share of the largest gradient on it: 0 on a path of least energy, and with few images on a bent one that of the curve through
    them. ``steps`` were taken; ``converged`` says whether the images came to rest.
    """

    x: Real
    value: Real
    barrier: float
    barrier_back: float
    saddle: StationaryPoint | None
    slope: float
    steps: int
    converged: bool

    @property
    def length(self) -> float:
        """Of the path, along its images."""
        return float(np.sqrt((np.diff(self.x, axis=0) ** 2).sum(axis=1)).sum())

    def __repr__(self) -> str:
        end = "" if self.converged else ", not converged"
        return f"Path(barrier={self.barrier:g}, barrier_back={self.barrier_back:g}, length={self.length:g}, {len(self.x)} images{end})"


def path_between(
    a: StationaryPoint | ArrayLike,
    b: StationaryPoint | ArrayLike,
    landscape: Landscape | None = None,
    *,
    images: int = 33,
    steps: int = 5000,
    tolerance: float = 1e-3,
    through: ArrayLike | None = None,
    backend: str = "auto",
) -> Path:
    """The path of least energy from one minimum to another, by the string method, and its barrier.

    E, Ren and Vanden-Eijnden (2007), doi:10.1063/1.2720838: images along a curve descend by gradient steps, and after each are moved
    along the curve (a cubic spline) to equal distances. The ends stay. What is found is a path of least energy near the first
    curve, a straight line or that ``through`` a point: there may be others, and lower ones. Gradients come from the kernels, in
    float64; the rate is half the inverse of the largest curvature along the path.

    Args:
        a: a minimum, as ``find_stationary_points`` and ``stationary_points()`` give it, or a point (dim,).
        b: another.
        landscape: where they lie, with one value for every field.
        images: points of the path, from 5 on, the ends included.
        steps: at most so many.
        tolerance: the images are at rest where none moves faster than this share of the largest gradient on the path.
        through: a point (dim,) that the first curve leads through, where a straight line runs into something; None: none.
        backend: ``"auto"``, ``"cuda"``, ``"cpu"`` or ``"numpy"``.

    Raises:
        ValueError: points of another dimension, one and the same point, or another bad argument.
    """
    if not isinstance(landscape, Landscape):
        raise ValueError(f"path_between(landscape={told(landscape)}): give the landscape in which the minima lie.")
    landscape._one_configuration("a path")
    dim = landscape.dimension
    ends = [_point(name, given, dim) for name, given in (("a", a), ("b", b))]
    if through is not None:
        ends.insert(1, _point("through", through, dim))
    apart = np.sqrt((np.diff(ends, axis=0) ** 2).sum(axis=1))
    if (apart == 0).any():
        raise ValueError("path_between(a, b): they are one point; give two that differ.")
    if not is_whole(images, 5) or images > 10_000:
        raise ValueError(f"path_between(images={told(images)}): give a whole number from 5 to 10,000.")
    if not is_whole(steps, 1) or steps > 10**7:
        raise ValueError(f"path_between(steps={told(steps)}): give a whole number from 1 to 10,000,000.")
    if not is_real(tolerance) or not 0 < tolerance < 1:
        raise ValueError(f"path_between(tolerance={told(tolerance)}): give a number between 0 and 1.")
    if not isinstance(backend, str) or backend not in ("auto", "cuda", "cpu", "numpy"):
        raise ValueError(f"path_between(backend={told(backend)}): give 'auto', 'cuda', 'cpu' or 'numpy'.")
    engine, _ = choose(backend, None, [*nested(landscape)])
    if not all(in_library(type(part)) for part in nested(landscape)):
        first_use(landscape, landscape, "float64", engine)
    field = Field(landscape.at_dim(dim), engine)
    where = np.concatenate([[0.0], np.cumsum(apart)]) / apart.sum()
    x = _brought(landscape, _interpolated(where, np.array(ends), np.linspace(0, 1, images), linear=True))
    return _measured(field, *_string(field, x, steps, float(tolerance)))


def _point(name: str, given: Any, dim: int) -> Real:
    point = array_of_numbers(given.x if isinstance(given, StationaryPoint) else given)
    if point is None or point.shape != (dim,) or not np.isfinite(point).all():
        raise ValueError(f"path_between({name}={told(given)}): give a stationary point, or {dim} numbers.")
    return point.astype(np.float64)


def _brought(landscape: Landscape, x: Real) -> Real:
    """The points on the set where the landscape lives."""
    return np.asarray(landscape.project(x), dtype=np.float64)


def _interpolated(where: Real, x: Real, at: Real, linear: bool = False) -> Real:
    from scipy.interpolate import CubicSpline

    if linear:
        return np.stack([np.interp(at, where, column) for column in x.T], axis=1)
    return np.asarray(CubicSpline(where, x)(at))


def _distance(x: Real) -> Real:
    """How far along the curve each image is."""
    away = np.sqrt((np.diff(x, axis=0) ** 2).sum(axis=1))
    return np.concatenate([[0.0], np.cumsum(np.maximum(away, 1e-12 * away.max() + 1e-300))])


def _spaced(x: Real) -> Real:
    """The images at equal distances along the curve through them; the ends stay."""
    where = _distance(x)
    moved = _interpolated(where, x, np.linspace(0, where[-1], len(x)))
    moved[0], moved[-1] = x[0], x[-1]
    return moved


def _string(field: Field, x: Real, steps: int, tolerance: float) -> tuple[Real, float, int, bool]:
    """The images where they came to rest, the slope across the path that is left, the steps taken, and whether they rest."""
    rate, rest = 0.0, False
    for taken in range(steps + 1):
        g = np.asarray(field.fetch(field.gradients(field.place(x))), dtype=np.float64)
        if not np.isfinite(g).all():
            raise ValueError(
                "path_between: the gradient is not finite along the path; give minima that a curve can join, or through=."
            )
        if rest or taken == steps:
            break
        if taken % AGAIN == 0:
            rate = 0.5 / _curvature(field, x)
        moved = x - rate * g
        moved[0], moved[-1] = x[0], x[-1]
        before, x = x, _brought(field.landscape, _spaced(_brought(field.landscape, moved)))
        rest = bool(np.abs(x - before).max() <= tolerance * rate * np.sqrt((g**2).sum(axis=1)).max())
    return x, _across(x, g), taken, rest


def _across(x: Real, g: Real) -> float:
    """The largest part of a gradient that leads across the path, as a share of the largest gradient."""
    from scipy.interpolate import CubicSpline

    along = CubicSpline(_distance(x), x)(_distance(x)[1:-1], 1)
    along /= np.maximum(np.sqrt((along**2).sum(axis=1, keepdims=True)), 1e-300)
    inner = g[1:-1]
    rest = inner - (inner * along).sum(axis=1, keepdims=True) * along
    most = np.sqrt((g**2).sum(axis=1)).max()
    return float(np.sqrt((rest**2).sum(axis=1)).max() / most) if most > 0 else 0.0


def _curvature(field: Field, x: Real) -> float:
    """The largest curvature, up or down, along the path, about; by powers of the Hessian."""
    v = np.random.default_rng(0).normal(size=x.shape)
    size = np.ones(len(x))
    for _ in range(POWER_STEPS):
        v /= np.maximum(np.sqrt((v**2).sum(axis=1, keepdims=True)), 1e-300)
        v = np.asarray(field.fetch(field.products(field.place(x), field.place(v))), dtype=np.float64)
        size = np.sqrt((v**2).sum(axis=1))
    return max(float(size[np.isfinite(size)].max(initial=0.0)), 1e-12)


def _measured(field: Field, x: Real, slope: float, taken: int, rest: bool) -> Path:
    value = np.asarray(field.fetch(field.values(field.place(x))), dtype=np.float64)
    top = int(value.argmax())
    saddle = None
    if 0 < top < len(x) - 1 and field.dim <= MOST_DIM:
        step = float(np.sqrt(((x[1:] - x[:-1]) ** 2).sum(axis=1)).max())
        found = refined(field, x[top])
        if found is not None and np.sqrt(((np.array(found.x) - x[top]) ** 2).sum()) <= 2 * step and found.index >= 1:
            saddle = found
    height = float(value.max()) if saddle is None else saddle.value
    return Path(x, value, height - float(value[0]), height - float(value[-1]), saddle, slope, taken, rest)


__all__ = ["Path", "path_between"]
