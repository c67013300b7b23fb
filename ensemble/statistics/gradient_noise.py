"""What the noise of minibatches is at a point: its covariance, beside the Hessian."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from ..landscapes.finite_sum import FiniteSum
from ..plain import array_of_numbers, one_of, whole
from ..words import told
from .lifetimes import FloatArray


def noise_covariance(landscape: Any, x: ArrayLike, batch: int = 1, *, order: str = "replacement") -> xr.Dataset:
    """Measure the covariance S of a batch's gradient at x, exactly, from the gradients of all samples in float64.

    With g_i the gradient of sample i's loss, ``S = 1/n sum_i (g_i - g)(g_i - g)^T / batch``; times ``(n - batch)/(n - 1)`` with
    ``order="no_replacement"``. Models to hold it against: :class:`~ensemble.Gaussian` has ``sigma^2 I``,
    :class:`~ensemble.HessianAligned` ``|H|/batch``. Points ``x`` (dim) or (points, dim).

    Returns over the points: ``trace`` (of S, gradient units squared), ``trace_hessian`` (Tr(H S): half of it times the squared rate
    is what the noise adds to the loss in a step), ``alignment`` (Tr(H S) / (|H|_F |S|_F): 1 where S is a multiple of H),
    ``hessian_trace``, ``gradient_norm``, and ``eigenvalues`` (dim) of S, from the largest down. Memory: samples x dim numbers.

    ValueError: no finite sum, or one with a grid; ``x`` of another dimension; a batch of more than n samples.
    """
    if not isinstance(landscape, FiniteSum):
        raise ValueError(f"landscape={told(landscape)}: give a FiniteSum, such as LeastSquares(A, y)")
    landscape._one_configuration("noise_covariance")
    dim, n = landscape.dimension, landscape.samples
    points = array_of_numbers(x)
    if points is None or points.ndim not in (1, 2) or points.shape[-1] != dim or not np.isfinite(points).all():
        raise ValueError(f"x={told(x)}: give a point of {dim} finite numbers, or points (points, {dim})")
    size = whole("batch", batch, 1, n)
    share = 1.0 / size
    if one_of("order", order, ("replacement", "no_replacement")) == "no_replacement":
        share *= (n - size) / max(1, n - 1)
    several = points.astype(float).reshape(-1, dim)
    rows = [_at(landscape, point, share) for point in several]
    found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    alone = points.ndim == 1
    dims: tuple[str, ...] = () if alone else ("point",)
    data = {
        name: ((*dims, "direction") if values.ndim == 2 else dims, values[0] if alone else values)
        for name, values in found.items()
    }
    attrs = {"samples": n, "batch": size, "order": order}
    return xr.Dataset(data, attrs=attrs)


def _at(landscape: FiniteSum, point: FloatArray, share: float) -> dict[str, Any]:
    n, dim = landscape.samples, landscape.dimension
    each = np.concatenate(
        [
            landscape.batch_gradient(np.broadcast_to(point, (len(some), dim)), some[:, None])
            for some in np.array_split(np.arange(n), -(-n * dim // (1 << 20)))
        ]
    )
    mean = landscape.gradient(point[None])[0]
    _, sizes, directions = np.linalg.svd(each - each.mean(axis=0), full_matrices=False)
    values = sizes**2 / n * share
    spread = np.zeros(dim)
    spread[: values.size] = values[:dim]
    hessian = landscape.hessian(point)
    with_hessian = float(np.einsum("k,ki,ij,kj->", values, directions, hessian, directions, optimize=True))
    scale = float(np.linalg.norm(hessian) * np.linalg.norm(values))
    return {
        "trace": float(values.sum()),
        "trace_hessian": with_hessian,
        "alignment": with_hessian / scale if scale else np.nan,
        "hessian_trace": float(np.trace(hessian)),
        "gradient_norm": float(np.linalg.norm(mean)),
        "eigenvalues": spread,
    }
