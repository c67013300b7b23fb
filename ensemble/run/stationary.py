"""find_stationary_points: minima, saddles and maxima of a landscape, by Newton's method from many starts at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..backends.choice import choose
from ..checks.first_use import first_use
from ..classes import in_library
from ..landscapes.base import Landscape, StationaryPoint, numbers
from ..part import nested
from ..plain import array_of_numbers, is_number
from ..words import told
from .field import Field

MOST_DIM = 512
"""Coordinates up to which the whole Hessian is made at every point."""
STEPS = 200
"""Newton steps from a start, at most."""
TOLERANCE = 1e-9
"""A gradient is taken for zero below this share of the Hessian's size times the box's width."""
FLAT = 1e-7
"""A curvature below this share of the Hessian's usual size is taken for zero: it counts as neither up nor down."""
PROBES, REACH = 64, 1e-3
"""Directions in which the neighbourhood of a point without negative curvature is looked at where some are flat, and how far, as a
share of the box's width."""
NEAR, NEAR_SOFT, SOFT = 1e-5, 1e-2, 1e-4
"""Points nearer than this share of the box's width are one; and where a curvature is below ``SOFT`` times the usual size."""
HELD = 1 << 26
"""Bytes of Hessians held at once."""

Real = NDArray[np.float64]


def find_stationary_points(
    landscape: Landscape,
    box: ArrayLike | None = None,
    *,
    starts: int | ArrayLike = 1000,
    seed: int = 0,
    backend: str = "auto",
) -> tuple[StationaryPoint, ...]:
    """The stationary points of a landscape in a box that Newton's method finds from many starts, each once.

    From every start Levenberg and Marquardt's damped Newton steps (Marquardt 1963, doi:10.1137/0111030) on ``grad f = 0`` lead
    to stationary points of every index, with gradients and Hessians from the kernels, in float64. Where they end without a zero
    of the gradient, or outside the box, nothing is reported. Nothing says that all points were found: twice the starts that find
    no more are a good sign. Of a point with flat directions one of many is reported.

    Args:
        landscape: of at most 512 coordinates, with one value for every field.
        box: ``(low, high)``, numbers for all coordinates or one for each; None: the landscape's own ``box``.
            On a sphere starts are brought there, and points that lie opposite each other are two.
        starts: how many points of a Sobol sequence in the box, or the points themselves (points, dim).
        seed: of the Sobol sequence's scrambling.
        backend: ``"auto"``, ``"cuda"``, ``"cpu"`` or ``"numpy"``.

    Returns:
        Points by value from the lowest, named ``minimum 1``, ``saddle 1 of index 2``, ``maximum 1``, or ``degenerate saddle 1`` where
        no curvature is negative and yet lower values lie beside it; each with its value, its index and all curvatures. They are what
        ``NearMinimum.of(f, radius, points=...)``, ``NearStationary.of`` and ``statistics.nearest_minimum(result, points=...)`` take.

    Raises:
        ValueError: no box is known, or an argument is not what is asked for.
    """
    if not isinstance(landscape, Landscape):
        raise ValueError(
            f"find_stationary_points(landscape={told(landscape)}): give a landscape, such as Himmelblau()."
        )
    landscape._one_configuration("stationary points")
    dim = landscape.dimension
    if dim > MOST_DIM:
        raise ValueError(
            f"find_stationary_points: {type(landscape).__name__} has {dim} coordinates; give one of at most {MOST_DIM}."
        )
    low, high = _box(landscape, box, dim)
    at = _starts(starts, low, high, seed)
    at = landscape.project(at) if landscape.normals else at
    if not isinstance(backend, str) or backend not in ("auto", "cuda", "cpu", "numpy"):
        raise ValueError(f"find_stationary_points(backend={told(backend)}): give 'auto', 'cuda', 'cpu' or 'numpy'.")
    engine, _ = choose(backend, None, [*nested(landscape)])
    if not all(in_library(type(part)) for part in nested(landscape)):
        first_use(landscape, landscape, "float64", engine)
    field = Field(landscape.at_dim(dim), engine)
    width = float((high - low).max())
    found = _search(field, at, width)
    inside = ((found >= low) & (found <= high)).all(axis=1)
    sizes = np.sqrt((_hessians(field, at[: min(64, len(at))]) ** 2).sum(axis=(1, 2)))
    sizes = sizes[np.isfinite(sizes)]
    bend = float(np.median(sizes)) if sizes.size else 0.0
    return _named(field, _apart(field, found[inside], SOFT * bend, width), FLAT * bend, width)


def refined(field: Field, x: Real) -> StationaryPoint | None:
    """The stationary point that Newton's method finds from one point (dim,); None: it ends at none."""
    width = max(1.0, float(np.abs(x).max()))
    found = _search(field, x[None].copy(), width)
    if not len(found):
        return None
    bend = float(np.sqrt((_hessians(field, found) ** 2).sum()))
    return _named(field, found, FLAT * bend, width)[0]


# ---- what is given


def _box(landscape: Landscape, box: Any, dim: int) -> tuple[Real, Real]:
    given = landscape.box if box is None else box
    if given is None:
        raise ValueError(
            f"find_stationary_points({type(landscape).__name__}): the landscape names no box; give box=(low, high), such as (-2.0, 2.0)."
        )
    wanted = f"give (low, high), numbers or {dim} for each coordinate, low below high"
    if not isinstance(given, (tuple, list, np.ndarray)) or len(given) != 2:
        raise ValueError(f"find_stationary_points(box={told(box)}): {wanted}.")
    ends = []
    for end in given:
        array = array_of_numbers(end)
        if array is None or array.shape not in ((), (dim,)) or not np.isfinite(array).all():
            raise ValueError(f"find_stationary_points(box={told(box)}): {wanted}.")
        ends.append(np.broadcast_to(array.astype(np.float64), (dim,)))
    if not (ends[0] < ends[1]).all():
        raise ValueError(f"find_stationary_points(box={told(box)}): {wanted}.")
    return ends[0], ends[1]


def _starts(starts: Any, low: Real, high: Real, seed: Any) -> Real:
    dim = len(low)
    if is_number(starts) and float(starts).is_integer() and 1 <= starts <= 10**6:
        if not is_number(seed) or not float(seed).is_integer() or not 0 <= seed < 2**64:
            raise ValueError(f"find_stationary_points(seed={told(seed)}): give a whole number from 0 to 2^64 - 1.")
        from scipy.stats import qmc

        count = int(starts)
        unit = qmc.Sobol(dim, seed=np.random.default_rng(int(seed))).random_base2(max(1, (count - 1).bit_length()))[
            :count
        ]
        return low + unit * (high - low)
    points = array_of_numbers(starts)
    if points is None or points.ndim != 2 or points.shape[1] != dim or not len(points) or not np.isfinite(points).all():
        raise ValueError(
            f"find_stationary_points(starts={told(starts)}): give how many, from 1 to 1,000,000, or points (points, {dim})."
        )
    return points.astype(np.float64)


# ---- the search


def _hessians(field: Field, x: Real) -> Real:
    """(points, dim, dim), from dim products each, made symmetric."""
    count, dim = x.shape
    unit = np.tile(np.eye(dim), (count, 1))
    h = field.fetch(field.products(field.place(np.repeat(x, dim, axis=0)), field.place(unit))).reshape(count, dim, dim)
    return np.asarray(0.5 * (h + h.transpose(0, 2, 1)), dtype=np.float64)


def _gradients(field: Field, x: Real) -> Real:
    return np.asarray(field.fetch(field.gradients(field.place(x))), dtype=np.float64)


def _search(field: Field, at: Real, width: float) -> Real:
    """Where the starts lead, of those that end at a zero of the gradient."""
    size = max(1, HELD // (8 * 3 * field.dim**2))
    return np.concatenate([_chunk(field, at[a : a + size], width) for a in range(0, len(at), size)])


def _chunk(field: Field, x: Real, width: float) -> Real:
    with np.errstate(all="ignore"):
        g = _gradients(field, x)
        usable = np.isfinite(g).all(axis=1)
        x, g = x[usable], g[usable]
        damping = np.full(len(x), 1e-3)
        done = np.zeros(len(x), dtype=bool)
        open_ = np.arange(len(x))
        for _ in range(STEPS):
            if not open_.size:
                break
            h = _hessians(field, x[open_])
            scale = np.sqrt((h * h).sum(axis=(1, 2)))
            here, size = g[open_], np.sqrt((g[open_] ** 2).sum(axis=1))
            flat = size <= TOLERANCE * np.maximum(scale, 1e-300) * width
            tried = x[open_] - _damped(_stiffened(field, x[open_], h, scale), here, damping[open_] * scale)
            if field.landscape.normals:
                tried = field.landscape.project(tried)
            there = _gradients(field, tried)
            lower = np.sqrt((there**2).sum(axis=1))
            better = np.isfinite(there).all(axis=1) & (lower < size)
            moved = open_[better]
            x[moved], g[moved] = tried[better], there[better]
            damping[open_] = np.where(better, damping[open_] * 0.1, damping[open_] * 10.0)
            damping[damping < 1e-14] = 0.0
            damping[open_[~better]] = np.maximum(damping[open_[~better]], 1e-12)
            ended = flat & (~better | (lower > 0.5 * size))  # at rounding: no step makes it smaller
            done[open_[ended | (flat & (size == 0))]] = True
            lost = (damping[open_] > 1e8) | ~np.isfinite(h).all(axis=(1, 2))
            done[open_[lost & flat]] = True
            open_ = open_[~(done[open_] | lost)]
        if open_.size:  # out of steps, but there
            h = _hessians(field, x[open_])
            size = np.sqrt((g[open_] ** 2).sum(axis=1))
            done[open_[size <= TOLERANCE * np.sqrt((h * h).sum(axis=(1, 2))) * width]] = True
    return x[done]


def _stiffened(field: Field, x: Real, h: Real, size: Real) -> Real:
    """The Hessians of a landscape on a sphere with a curvature of ``size`` (points,) along x, where they are 0: no step leads there."""
    if not field.landscape.normals:
        return h
    out = x / np.sqrt((x * x).sum(axis=1, keepdims=True))
    return h + size[:, None, None] * out[:, :, None] * out[:, None, :]


def _curvatures(field: Field, x: Real) -> tuple[Real, Real]:
    """Eigenvalues (points, n) and directions (points, dim, n) of Hessians; on a sphere without the one that leads off it."""
    h = _hessians(field, x)
    if not field.landscape.normals:
        found = np.linalg.eigh(h)
        return found[0], found[1]
    # far above all others, which it leaves as they are
    values, vectors = np.linalg.eigh(_stiffened(field, x, h, 2.0 * np.sqrt((h * h).sum(axis=(1, 2))) + 1.0))
    return values[:, :-1], vectors[:, :, :-1]


def _damped(h: Real, g: Real, damping: Real) -> Real:
    """The step that solves ``(H^2 + damping^2) p = H g``: Newton's where nothing is damped, down |grad f| where much is."""
    values, vectors = np.linalg.eigh(np.where(np.isfinite(h), h, 0.0))
    along = np.einsum("nij,ni->nj", vectors, g)
    gain = values / np.maximum(values**2 + (damping**2)[:, None], 1e-300)
    return np.einsum("nij,nj->ni", vectors, gain * along)


def _apart(field: Field, x: Real, least: float, width: float) -> Real:
    """Points that are different: where a direction is all but flat, Newton's method ends near a point and not at it."""
    x = _distinct(x, NEAR * width)
    if not len(x):
        return x
    size = max(1, HELD // (8 * 3 * field.dim**2))
    bends = [np.abs(_curvatures(field, x[a : a + size])[0]).min(axis=1) for a in range(0, len(x), size)]
    soft = np.concatenate(bends) <= least
    slopes = np.sqrt((_gradients(field, x[soft]) ** 2).sum(axis=1)) if soft.any() else np.empty(0)
    return np.concatenate([x[~soft], _distinct(x[soft][np.argsort(slopes)], NEAR_SOFT * width)])


def _distinct(x: Real, near: float) -> Real:
    """One of those that lie within ``near`` of each other."""
    if not len(x):
        return x
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    pairs = cKDTree(x).query_pairs(near, output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(x), len(x)))
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    return x[first]


def _named(field: Field, x: Real, least: float, width: float) -> tuple[StationaryPoint, ...]:
    """The points by value, those of one value by place. Curvatures up to ``least`` are flat."""
    if not len(x):
        return ()
    values = _values(field, x)
    points: list[StationaryPoint] = []
    counted: dict[str, int] = {}
    for k in np.lexsort((*np.round(x, 9).T[::-1], np.round(values, 9))):
        curvatures, vectors = (found[0] for found in _curvatures(field, x[k : k + 1]))
        index = int((curvatures < -least).sum())
        flat = np.abs(curvatures) <= least
        kind = "minimum" if index == 0 else "maximum" if index == len(curvatures) else "saddle"
        if (
            kind == "minimum"
            and flat.any()
            and _lower_beside(field, x[k], values[k], (curvatures, vectors), flat, width)
        ):
            kind = "degenerate saddle"
        counted[kind] = counted.get(kind, 0) + 1
        name = f"{kind} {counted[kind]}" + (f" of index {index}" if kind == "saddle" else "")
        points.append(StationaryPoint(name, numbers(x[k] + 0.0), float(values[k]) + 0.0, index, numbers(curvatures)))
    return tuple(points)


def _values(field: Field, x: Real) -> Real:
    return np.asarray(field.fetch(field.values(field.place(x))), dtype=np.float64)


def _lower_beside(field: Field, x: Real, value: float, pair: tuple[Real, Real], flat: Any, width: float) -> bool:
    """Whether the function falls along directions without curvature, or along a curve that touches one.

    ``pair``: curvatures (dim) and their directions (dim, dim). Steps along the flat ones are followed by a Newton step in the others.
    """
    curvatures, vectors = pair
    mixed = np.random.default_rng(0).normal(size=(PROBES, int(flat.sum())))
    along = (mixed / np.sqrt((mixed**2).sum(axis=1, keepdims=True))) @ vectors[:, flat].T
    beside = np.concatenate([x + REACH * width * along, x - REACH * width * along])
    steep = _gradients(field, beside) @ vectors[:, ~flat]
    beside = beside - (steep / curvatures[~flat]) @ vectors[:, ~flat].T
    return bool((_values(field, beside) < value - 64 * np.finfo(np.float64).eps * max(1e-6, abs(value))).any())


__all__ = ["find_stationary_points"]
