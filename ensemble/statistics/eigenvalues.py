"""Eigenvalues of Hessians at many points at once, from Hessian-vector products alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import eigh_tridiagonal

from ..run.field import Field
from .lifetimes import MOST_WORK, BoolArray, FloatArray, check_whole
from .points import DENSE_DIM, Probes, check_flag, check_number, chunks, placed

_LOOKS = (2, 4, 8, 12, 16, 24, 32, 48, 64, 96)
"""Sizes of the Krylov space at which Ritz values are looked at; above, every 64."""
_SMALL = 16
"""Size up to which whole tridiagonal matrices are solved together, faster than one extreme pair after another."""


class Estimate(NamedTuple):
    """A number for each point, each (points,): `value`, NaN where it did not converge; its `error`; `converged`."""

    value: FloatArray
    error: FloatArray
    converged: BoolArray


class Eigenpair(NamedTuple):
    """An eigenvalue for each point, `value`, `error` and `converged` (points,) as in an estimate, and its eigenvector.

    `vector` (points, dim) has length 1 and its largest coordinate above 0; value and vector are NaN where it did not converge.
    """

    value: FloatArray
    error: FloatArray
    converged: BoolArray
    vector: FloatArray


def largest_eigenvalue(
    landscape: Any, x: Any, *, tolerance: float = 1e-8, iterations: int = 200, seed: int = 0, strict: bool = False
) -> Eigenpair:
    """Largest eigenvalue of the Hessian at points x (points, dim): how sharp a minimum is.

    Lanczos (1950, doi:10.6028/jres.045.026) from a random vector, with full reorthogonalisation, done twice; where the
    Krylov space closes it goes on from a new random vector, so that after dim steps all eigenvalues are there. Finally
    the residual `|H y - value y|` is measured with one more product: within it lies an eigenvalue (`error`), and a point
    is `converged` where it is at most `tolerance` times the largest |eigenvalue| seen. Up to dim = `iterations` the
    answer is that of the dense matrix, to rounding. Above, a random start could hide an eigenvalue that lies close to
    the one found: it is missed by more than e |H| with a probability of order tolerance/e (Kuczynski and Wozniakowski
    1992, doi:10.1137/0613066).

    `landscape` is a landscape (then looked at in float64 NumPy), or one of `result.fields()` (then on the backend that
    ran it, in the field's dtype; the tolerance is at least 16 sqrt(dim) of its rounding units).

    Returns `value`, `error` and `converged`, each (points,), and `vector` (points, dim); value and vector NaN where not converged.

    ValueError: with `strict`, where a point did not converge; no landscape; x of another shape or not finite.
    """
    return _extreme(landscape, x, 1.0, tolerance, iterations, seed, strict)


def smallest_eigenvalue(
    landscape: Any, x: Any, *, tolerance: float = 1e-8, iterations: int = 200, seed: int = 0, strict: bool = False
) -> Eigenpair:
    """Smallest eigenvalue of the Hessian at points x (points, dim): negative near a strict saddle.

    As `largest_eigenvalue`, at the other end of the spectrum, ValueError included. Its `vector` is the direction in which the
    saddle is left.
    """
    return _extreme(landscape, x, -1.0, tolerance, iterations, seed, strict)


def spectrum(landscape: Any, x: Any) -> FloatArray:
    """All eigenvalues of the Hessian at points x (points, dim), ascending: (points, dim).

    The whole Hessian from dim products (or the symmetric part of what they give), then LAPACK's symmetric solver.
    `landscape` as in `largest_eigenvalue`. Returns (points, dim), in units of f per unit of x squared.

    ValueError: more than 512 coordinates; no landscape; x of another shape or not finite.
    """
    field, points = placed(landscape, x)
    if field.dim > DENSE_DIM:
        raise ValueError(
            f"a landscape of dim {field.dim} was given, and all eigenvalues are found up to dim {DENSE_DIM}; take "
            f"largest_eigenvalue() and smallest_eigenvalue(), which need products alone"
        )
    found = np.empty(points.shape)
    for part in chunks(len(points), 3 * 8 * field.dim**2):
        found[part] = np.linalg.eigvalsh(hessians(field, points[part]))
    return found


def hessians(field: Field, x: FloatArray) -> FloatArray:
    """Return the Hessians at x (points, dim) from dim products each, made symmetric: (points, dim, dim)."""
    count, dim = x.shape
    at = np.repeat(x, dim, axis=0)
    unit = np.tile(np.eye(dim), (count, 1))
    h = field.fetch(field.products(field.place(at), field.place(unit))).astype(np.float64).reshape(count, dim, dim)
    return 0.5 * (h + h.transpose(0, 2, 1))


def _extreme(
    landscape: Any, x: Any, end: float, tolerance: float, iterations: int, seed: int, strict: bool
) -> Eigenpair:
    field, points = placed(landscape, x)
    check_flag("strict", strict)
    found = extreme_pairs(field, points, end, tolerance, iterations, seed)
    lost = int((~found.converged).sum())
    if strict and lost:
        raise ValueError(
            f"{lost} of {len(points)} eigenvalues did not converge in {iterations} iterations to a residual of "
            f"{tolerance:g} of the largest; give more iterations (dim is {field.dim}) or a larger tolerance"
        )
    there = found.converged[:, None]
    largest = np.take_along_axis(found.vector, np.abs(found.vector).argmax(axis=1)[:, None], axis=1)
    vector = np.where(there, np.where(largest < 0, -found.vector, found.vector), np.nan)
    return Eigenpair(np.where(found.converged, found.value, np.nan), found.error, found.converged, vector)


def extreme_pairs(
    field: Field, x: FloatArray, end: float, tolerance: float = 1e-8, iterations: int = 200, seed: int = 0
) -> Eigenpair:
    """Return the largest (`end` = 1) or smallest (-1) eigenvalues, with their eigenvectors.

    Where one did not converge, its value is the Ritz value: the eigenvalue lies at it or further out.
    """
    check_whole("iterations", iterations, 1, f"a whole number of 1 to {MOST_WORK} products for each point", MOST_WORK)
    check_number("tolerance", tolerance, 0.0, 1.0, "a relative residual between 0 and 1, such as 1e-8")
    steps = min(field.dim, iterations)
    unit = float(np.finfo(field.dtype).eps)
    tolerance = max(tolerance, 16.0 * unit * field.dim**0.5)
    value, error, converged = np.empty(len(x)), np.empty(len(x)), np.empty(len(x), dtype=bool)
    vectors = np.empty(x.shape)
    for part in chunks(len(x), 16 * steps * (field.dim + steps)):
        probes = Probes(seed, part.start, part.stop - part.start, field.dim)
        with field.here():
            value[part], error[part], converged[part], vectors[part] = _lanczos(
                field, x[part], end, tolerance, steps, probes
            )
    return Eigenpair(value, error, converged, vectors)


def _lanczos(
    field: Field, x: FloatArray, end: float, tolerance: float, steps: int, probes: Probes
) -> tuple[FloatArray, FloatArray, BoolArray, FloatArray]:
    """Return Ritz values, residuals, whether they are small (points,), and Ritz vectors (points, dim)."""
    count, dim = x.shape
    unit = float(np.finfo(field.dtype).eps)
    at = field.place(x)
    basis = field.xp.zeros((count, steps, dim), dtype=field.dtype)
    diagonal, side = np.zeros((count, steps)), np.zeros((count, steps))
    q = _normalised(field, field.place(probes.normal(0)))[0]
    scale = np.zeros(count)
    for m in range(steps):
        basis[:, m] = q
        w = field.products(at, q)
        diagonal[:, m] = field.fetch((w * q).sum(axis=1))
        w = _orthogonal(field, w, basis[:, : m + 1])
        q, length = _normalised(field, w)
        scale = np.maximum(scale, np.maximum(np.abs(diagonal[:, m]), length))
        closed = ~(length > 8.0 * unit * dim**0.5 * scale)
        side[:, m] = np.where(closed, 0.0, length)
        if m + 1 == steps or m + 1 in _LOOKS or (m + 1) % 64 == 0:
            ritz, weights = _ritz(diagonal[:, : m + 1], side[:, :m], end)
            seen = np.maximum(scale, np.abs(ritz))
            estimated = side[:, m] * np.abs(weights[:, -1])
            if m + 1 == steps or np.all(estimated <= 0.1 * tolerance * seen):
                break
        if closed.any():
            fresh = field.place(np.where(closed[:, None], probes.normal(m + 1), field.fetch(q)))
            fresh = _orthogonal(field, fresh, basis[:, : m + 1])
            q = _normalised(field, fresh)[0]
    y = _combined(field, field.place(weights), basis[:, : m + 1])
    rest = field.fetch(field.products(at, y)).astype(np.float64) - ritz[:, None] * field.fetch(y)
    residual = np.sqrt((rest * rest).sum(axis=1))
    return ritz, residual, residual <= tolerance * seen, field.fetch(y).astype(np.float64)


def _ritz(diagonal: FloatArray, side: FloatArray, end: float) -> tuple[FloatArray, FloatArray]:
    """Return the extreme eigenvalue of tridiagonal matrices (points,) and its vector (points, size)."""
    count, size = diagonal.shape
    which = size - 1 if end > 0 else 0
    if size <= _SMALL:
        t = np.zeros((count, size, size))
        index = np.arange(size)
        t[:, index, index] = diagonal
        t[:, index[1:], index[:-1]] = side  # eigh reads the lower triangle
        values, vectors = np.linalg.eigh(t)
        return values[:, which], vectors[:, :, which]
    value, vector = np.empty(count), np.empty((count, size))
    for k in range(count):
        found = eigh_tridiagonal(diagonal[k], side[k], select="i", select_range=(which, which), check_finite=False)
        value[k], vector[k] = found[0][0], found[1][:, 0]
    return value, vector


def _orthogonal(field: Field, w: Any, basis: Any) -> Any:
    """Return w (points, dim) without its part in the span of basis (points, size, dim), taken away twice."""
    for _ in range(2):
        w = w - _combined(field, _combined(field, w, basis.transpose(0, 2, 1)), basis)
    return w


def _combined(field: Field, a: Any, b: Any) -> Any:
    """Return sums of a (points, m) times b (points, m, n) over m: (points, n)."""
    if field.xp is np:
        return (a[:, None, :] @ b)[:, 0]
    return (a[:, :, None] * b).sum(axis=1)  # `@` on a device takes cuBLAS, which need not be installed


def _normalised(field: Field, w: Any) -> tuple[Any, FloatArray]:
    """Return w (points, dim) at length 1, zero where it is zero, and its lengths (points,)."""
    length = field.xp.sqrt((w * w).sum(axis=1))
    divisor = field.xp.where(length > 0, length, 1)
    return w / divisor[:, None], field.fetch(length).astype(np.float64)
