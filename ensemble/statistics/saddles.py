"""How many ways lead down: the index of where instances are, index against loss, second-order stationarity."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ..plain import array_of_numbers
from ..run.field import Field
from ..words import told
from .eigenvalues import extreme_pairs, spectrum
from .intervals import FEWEST, mean_interval, wilson
from .lifetimes import INSTANCE, MOST_WORK, BoolArray, FloatArray, Frame, check_confidence, check_whole
from .points import check_number, points_of
from .shares import OUTCOME, share_variables

STATIONARITY = ("second-order", "saddle", "moving", "unknown", "diverged")


def saddle_index(data: Any, *, tolerance: float = 1e-9) -> xr.Dataset:
    """Number of negative eigenvalues of the Hessian where the instances ended: 0 at minima, dim at maxima.

    All eigenvalues, from dim Hessian-vector products on the backend that ran the ensemble, in float64. One is negative
    below minus `tolerance` times the largest |eigenvalue| at its point, and flat (`flat_directions`) if it is not above
    `tolerance` times that either. `data` is a result, or what `quench` returned.

    Returns over (configuration..., instance) `saddle_index` and `flat_directions` (-1 where an instance diverged),
    `smallest_eigenvalue`, `largest_eigenvalue`, `final_value` and `gradient_norm` (NaN there); attrs["dim"].

    ValueError: more than 512 coordinates; no result or no x kept; every instance diverged.
    """
    check_number("tolerance", tolerance, 0.0, 1.0, "a share of the largest |eigenvalue|, such as 1e-9")
    points = points_of(data)

    def look(field: Field, x: FloatArray) -> dict[str, NDArray[Any]]:
        curvatures, at = spectrum(field, x), field.place(x)
        flat = tolerance * np.abs(curvatures).max(axis=1, keepdims=True)
        return {
            "saddle_index": (curvatures < -flat).sum(axis=1),
            "flat_directions": (np.abs(curvatures) <= flat).sum(axis=1),
            "smallest_eigenvalue": curvatures[:, 0],
            "largest_eigenvalue": curvatures[:, -1],
            "final_value": field.fetch(field.values(at)),
            "gradient_norm": field.fetch(field.gradient_norms(at)),
        }

    words = {
        "saddle_index": ("negative eigenvalues of the Hessian, -1 where diverged", "1"),
        "flat_directions": ("eigenvalues of the Hessian that are 0, -1 where diverged", "1"),
        "smallest_eigenvalue": ("smallest eigenvalue of the Hessian", "units of f per unit of x squared"),
        "largest_eigenvalue": ("largest eigenvalue of the Hessian", "units of f per unit of x squared"),
        "final_value": ("f(x), without noise", "units of f"),
        "gradient_norm": ("norm of the exact gradient", "units of f per unit of x"),
    }
    found = {name: (values, *words[name], ()) for name, values in points.each(look).items()}
    return points.dataset(found, tolerance=tolerance, dim=points.fields[0].dim)


def index_against_loss(found: Any, *, bins: int | ArrayLike = 20, confidence: float = 0.95) -> xr.Dataset:
    """Share of directions that lead down, against the loss: how saddles give way to minima on the way down.

    Bray and Dean 2007, arXiv:cond-mat/0611023 (random fields); Dauphin et al. 2014, arXiv:1406.2572 (networks). `found` is
    what `saddle_index` returned, of instances at stationary points for the plot to mean what theirs does (their
    `gradient_norm` says whether they are). `bins` is a number of bins of one width over all values, or their edges,
    ascending; the last bin holds its upper edge.

    Returns over the configuration dimensions and `bin`: `fraction`, the mean of index/dim, with `fraction_lower` and
    `fraction_upper`; `minima`, the share of index 0, with Wilson's `minima_lower` and `minima_upper`; `count`; over
    `bin` its `bin_lower` and `bin_upper` edges (units of f). Limits of the mean are Student's
    corrected for skewness (Hall 1992): of 95 % intervals 93 to 97 % hold the truth, up to 99 % where few indices differ,
    85 to 90 % where a few instances among many at 0 lead down in many ways. Where fewer than 10 instances or one and the
    same index bear no such interval, they are Wilson's of a share, which hold for any law on [0, 1] with that mean. NaN
    where a bin is empty; diverged instances are in none.

    ValueError: not what `saddle_index` returned; bins that are none; confidence outside (0, 1).
    """
    check_confidence(confidence)
    if not isinstance(found, xr.Dataset) or "saddle_index" not in found or "dim" not in found.attrs:
        raise ValueError(
            f"found={told(found)} ({type(found).__name__}) without indices; give what saddle_index() returned"
        )
    index = found["saddle_index"].transpose(..., INSTANCE)
    dims, shape = index.dims[:-1], index.shape[:-1]
    frame = Frame(dims, shape, {n: c for n, c in found.coords.items() if set(c.dims) <= set(dims)})
    value = found["final_value"].transpose(*index.dims).values.reshape(-1, index.shape[-1])
    number = index.values.reshape(value.shape)
    seen = (number >= 0) & np.isfinite(value)
    if not seen.any():
        raise ValueError("every instance diverged: no index to set against the loss")
    edges = _edges(bins, value[seen])
    place = np.searchsorted(edges, value, side="right") - 1
    place[value == edges[-1]] = edges.size - 2
    size = edges.size - 1
    down = number / found.attrs["dim"]
    table = np.array([[_bin(d[k], confidence) for k in _members(p, s, size)] for d, p, s in zip(down, place, seen)])
    count = table[:, :, 3].astype(np.int64)
    minima = wilson(table[:, :, 4], count, confidence)
    empty = count == 0
    percent = f"{100 * confidence:g} %"
    variables = {"count": frame.variable(count, "instances in the bin", "1", "bin")}
    for name, words, values in (
        ("fraction", "mean share of negative eigenvalues", table[:, :, :3].transpose(2, 0, 1)),
        ("minima", "share of instances without a negative eigenvalue", np.array(minima)),
    ):
        for end, row in zip(("", "_lower", "_upper"), values, strict=True):
            which = f"{end[1:]} {percent} limit of the " if end else ""
            variables[name + end] = frame.variable(np.where(empty, np.nan, row), which + words, "1", "bin")
    coords = {
        "bin": ("bin", (edges[:-1] + edges[1:]) / 2, {"long_name": "middle of the bin", "units": "units of f"}),
        "bin_lower": ("bin", edges[:-1], {"units": "units of f"}),
        "bin_upper": ("bin", edges[1:], {"units": "units of f"}),
    }
    return frame.dataset(variables, coords, {"confidence": confidence, "dim": found.attrs["dim"]})


def _edges(bins: Any, value: FloatArray) -> FloatArray:
    edges = array_of_numbers(bins)
    if edges is None or edges.ndim == 0:
        check_whole("bins", bins, 1, "a whole number from 1 to 10^6, or the edges of the bins, ascending", MOST_WORK)
        low, high = float(value.min()), float(value.max())
        if high <= low:  # one value: a bin around it
            low, high = low - 0.5 * max(abs(low), 1.0), high + 0.5 * max(abs(high), 1.0)
        return np.linspace(low, high, int(bins) + 1)
    if edges.dtype.kind not in "iuf" or edges.ndim != 1 or edges.size < 2 or not np.all(np.diff(edges) > 0):
        raise ValueError(f"bins={told(bins)}; give a whole number of at least 1, or the edges of the bins, ascending")
    return edges.astype(np.float64)


def _members(place: NDArray[np.intp], seen: BoolArray, size: int) -> list[NDArray[np.intp]]:
    """Return the instances of every bin."""
    inside = np.flatnonzero(seen & (place >= 0) & (place < size))
    ordered = inside[np.argsort(place[inside], kind="stable")]
    return np.split(ordered, np.searchsorted(place[ordered], np.arange(1, size)))


def _bin(down: FloatArray, confidence: float) -> tuple[float, float, float, int, int]:
    """Return mean, limits, number and number of zeros of shares `down` (members,)."""
    n, total = down.size, float(down.sum())
    spread = float(down.std(ddof=1)) if n > 1 else 0.0
    mean, lower, upper = (float(v) for v in wilson(min(total, n), n, confidence))
    if n >= FEWEST and spread > 0.0:
        _, lower, upper = mean_interval(down, confidence)
        lower, upper = max(0.0, lower), min(1.0, upper)
    return mean, lower, upper, n, int((down == 0).sum())


def second_order_stationarity(
    data: Any, *, gradient_tolerance: float, curvature_tolerance: float, confidence: float = 0.95
) -> xr.Dataset:
    """Share of the instances that ended at a second-order stationary point, and what became of the others.

    Nesterov and Polyak 2006 (doi:10.1007/s10107-006-0706-8); Jin et al. 2017, arXiv:1703.00887, definition 4: with
    `|g| <= gradient_tolerance` and smallest eigenvalue `>= -curvature_tolerance`; in their terms e and sqrt(rho e), rho
    a Lipschitz constant of the Hessian. Where the gradient is small and an eigenvalue lower, the instance is at a
    "saddle" (or a maximum); where it is not small, it is "moving"; "unknown" are those whose smallest eigenvalue did not
    converge (found by `smallest_eigenvalue`'s means) and is not known to be low. The eigenvalue is looked for where the gradient is small.

    Returns over the configuration dimensions and `outcome` ("second-order", "saddle", "moving", "unknown", "diverged"):
    `share`, `lower`, `upper` (Wilson), `count`; over the configuration dimensions `n`.

    ValueError: no result or no x kept; a tolerance that is not above 0; confidence outside (0, 1).
    """
    check_number("gradient_tolerance", gradient_tolerance, 0.0, np.inf, "a norm above 0")
    check_number("curvature_tolerance", curvature_tolerance, 0.0, np.inf, "a curvature above 0")
    check_confidence(confidence)
    points = points_of(data)

    def look(field: Field, x: FloatArray) -> dict[str, NDArray[Any]]:
        small = field.fetch(field.gradient_norms(field.place(x))) <= gradient_tolerance
        outcome = np.where(small, STATIONARITY.index("unknown"), STATIONARITY.index("moving"))
        if small.any():
            lowest = extreme_pairs(field, x[small], -1.0)
            saddle = lowest.value < -curvature_tolerance  # the eigenvalue is this or lower, converged or not
            outcome[small] = np.where(saddle, 1, np.where(lowest.converged, 0, outcome[small]))
        return {"outcome": outcome}

    outcome = points.each(look)["outcome"]
    outcome = np.where(outcome < 0, STATIONARITY.index("diverged"), outcome)
    count = np.stack([(outcome == k).sum(axis=1) for k in range(len(STATIONARITY))], axis=1)
    n = np.full(len(outcome), outcome.shape[1])
    variables = share_variables(points.frame, count, n, confidence, OUTCOME)
    attrs = {
        "confidence": confidence,
        "gradient_tolerance": gradient_tolerance,
        "curvature_tolerance": curvature_tolerance,
    }
    return points.frame.dataset(variables, {OUTCOME: list(STATIONARITY)}, attrs)
