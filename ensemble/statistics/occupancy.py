"""Are flat minima taken more often than sharp ones? Shares of minima against their curvature."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri

from ..words import told
from .lifetimes import INSTANCE, FloatArray, Frame, IntArray, check_confidence
from .minima import STATIONARY
from .shares import share_variables

_FEWEST = 10  # below, a normal interval of a mean means nothing


def occupancy_against_sharpness(found: Any, *, confidence: float = 0.95) -> xr.Dataset:
    """Share of the instances in each minimum against its curvature, and the power of curvature that shares go with.

    `found` is what `nearest_minimum` returned. Minima are the stationary points of index 0 that it lists; `elsewhere` are
    instances at saddles, at no listed point, or diverged. Shares are of all instances, with Wilson's intervals.

    `exponent` is b in "share proportional to curvature^-b" among the instances in minima: b > 0 where flat ones are
    preferred, 1/2 for Gibbs' law with wells of one depth in one coordinate. It is the maximum likelihood estimate of that
    family (b with `sum_m p_m(b) ln h_m` the instances' mean ln h), its interval from the variance of ln h over the
    instances, so that it holds whether or not the law does. NaN where fewer than 10 instances are in minima, or all of
    them in the flattest or all in the sharpest: attrs["note"] counts them.

    Every interval is of one configuration, whose instances are independent; it holds for paired configurations as for
    others. Differences between paired configurations have narrower ones than these suggest.

    Returns over the configuration dimensions and `minimum`: `share`, `lower`, `upper`, `count`, `minimum_curvature`,
    `minimum_value`, `minimum_name`; over the configuration dimensions `n`, `elsewhere`, `exponent`, `exponent_lower`, `exponent_upper`.

    ValueError: not what `nearest_minimum` returned; fewer than two minima of different and positive curvature.
    """
    check_confidence(confidence)
    needed = ("minimum", "stationary_curvature", "stationary_index")
    if not isinstance(found, xr.Dataset) or any(name not in found for name in needed):
        raise ValueError(
            f"found={told(found)} ({type(found).__name__}) without minima; give what nearest_minimum() returned"
        )
    dims = found["minimum"].dims[:-1]
    shape = tuple(found.sizes[d] for d in dims)
    frame = Frame(dims, shape, {n: c for n, c in found.coords.items() if set(c.dims) <= set(dims)})
    index = found["stationary_index"].values.reshape(-1, found.sizes[STATIONARY])
    curvature = found["stationary_curvature"].values.reshape(index.shape)
    is_minimum = index == 0
    for row, minimum in zip(curvature, is_minimum, strict=True):
        h = row[minimum]
        if h.size < 2 or not np.all(h > 0) or np.unique(h).size < 2:
            raise ValueError(
                f"the minima listed have curvatures {h.tolist()}: nothing to set shares against; give a landscape that "
                f"lists at least two minima of different curvature above 0"
            )
    columns = np.flatnonzero(is_minimum.any(axis=0))
    at = found["minimum"].values.reshape(len(index), found.sizes[INSTANCE])
    count = np.stack([(at == k).sum(axis=1) for k in columns], axis=1) * is_minimum[:, columns]
    n = np.full(len(index), found.sizes[INSTANCE])
    tail = float(ndtri(0.5 + confidence / 2))
    fits = np.array(
        [_exponent(c[m], np.log(h[m]), tail) for c, h, m in zip(count, curvature[:, columns], is_minimum[:, columns])]
    )
    percent = f"{100 * confidence:g} %"
    words = "power of 1/curvature that shares of minima go with"
    variables = share_variables(frame, count, n, confidence, "minimum") | {
        "minimum_curvature": frame.variable(
            np.where(is_minimum, curvature, np.nan)[:, columns],
            "largest eigenvalue of the Hessian",
            "units of f per unit of x squared",
            "minimum",
        ),
        "minimum_value": _column(found, "stationary_value", columns, frame, "f at the minimum", "units of f"),
        "minimum_name": _column(found, "stationary_name", columns, frame, "name of the minimum", "1"),
        "elsewhere": frame.variable(n - count.sum(axis=1), "instances in no listed minimum"),
        "exponent": frame.variable(fits[:, 0], words),
        "exponent_lower": frame.variable(fits[:, 1], f"lower {percent} limit of the {words}"),
        "exponent_upper": frame.variable(fits[:, 2], f"upper {percent} limit of the {words}"),
    }
    lost = int(np.isnan(fits[:, 0]).sum())
    note = f"no exponent in {lost} of {len(fits)} configurations: too few in minima, or all at one end" if lost else ""
    coords = {"minimum": columns}
    return frame.dataset(variables, coords, {"confidence": confidence, "note": note})


def _column(
    found: xr.Dataset, name: str, columns: NDArray[np.intp], frame: Frame, long_name: str, units: str
) -> xr.Variable:
    values = found[name].values.reshape(-1, found.sizes[STATIONARY])[:, columns]
    return frame.variable(values, long_name, units, "minimum")


def _exponent(count: IntArray, log_curvature: FloatArray, tail: float) -> tuple[float, float, float]:
    """Return b of p_m = exp(-b y_m)/Z for counts and y = ln h (minima,), and its limits."""
    n = int(count.sum())
    mean = float(count @ log_curvature) / max(n, 1)
    low, high = log_curvature.min(), log_curvature.max()
    seen = log_curvature[count > 0]
    if n < _FEWEST or np.all(seen == low) or np.all(seen == high):
        return np.nan, np.nan, np.nan

    def moments(b: float) -> tuple[float, float]:
        power = -b * log_curvature
        weight = np.exp(power - power.max())
        weight /= weight.sum()
        center = float(weight @ log_curvature)
        return center, float(weight @ (log_curvature - center) ** 2)

    reach = 1.0
    while moments(reach)[0] > mean or moments(-reach)[0] < mean:
        reach *= 2.0
    b = float(brentq(lambda b: moments(b)[0] - mean, -reach, reach))
    spread = float(count @ (log_curvature - mean) ** 2) / (n - 1)
    margin = tail * np.sqrt(spread / n) / moments(b)[1]
    return b, b - margin, b + margin
