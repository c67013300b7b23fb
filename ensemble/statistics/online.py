"""What an online learner lost against the best fixed point in hindsight: regret."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from ..landscapes.base import Landscape
from ..run.field import seen_in_step
from ..words import told
from .configurations import alike, configurations
from .intervals import skewed_limits
from .lifetimes import FloatArray, check_confidence, numbers_in
from .recorded import check_landscape, recorded

_FAR = 1e30  # so far downhill that a box sends it to the corner where a linear loss is least


def regret(data: Any, landscape: Landscape, best: ArrayLike | None = None, *, confidence: float = 0.95) -> xr.Dataset:
    """Regret of runs on losses that change with the step, R_T = sum_{t<=T} f_t(x_t) - min_x sum_{t<=T} f_t(x).

    Zinkevich 2003; Reddi, Kale & Kumar 2018, s2 (arXiv:1904.09237). x_t is the point chosen before f_t is seen: the one
    recorded at step t-1, so that Record("x", at=range(T)) gives R_1 ... R_T. Average regret R_T/T tends to 0 for a learner
    that works. `best` (dim) is the point to compare with; None: for linear losses on a box (`OnlineLinear`,
    `StochasticLinear`, smoothness 0) it is found for every T, the corner against the summed gradient. A loss that is drawn at
    random is looked at in the mean (pseudo-regret). `landscape` is the one the runs had, with its grids.

    Returns over the configuration dimensions `regret` and `average_regret` (..., instance, round), `mean` of the latter
    over instances with Student's interval corrected for skewness (Hall 1992), `mean_lower`, `mean_upper` (..., round): of
    95 % intervals 93 to 97 % hold the truth from 20 instances on, 92 to 98 of 10. The coordinate `round` is T. An instance
    that diverged has NaN from there on, and so has the mean.

    ValueError: x not recorded at every step from 0; another landscape's dimension, or other grids than the runs'; `best`
    not finite, of another dimension or outside the domain; None where losses are not linear or their domain has no end;
    confidence outside (0, 1).
    """
    check_confidence(confidence)
    found = recorded(data, "path", dims=1)
    if not np.array_equal(found.step, np.arange(found.step.size)):
        raise ValueError(
            "a sum over rounds needs x at every step from 0 on; record it with Record('x', at=range(steps))"
        )
    dim, rounds = found.values.shape[3], found.step.size
    check_landscape(landscape, dim)
    x = found.values.astype(float)
    total: FloatArray = np.empty((*x.shape[:2], rounds))
    for parts, groups in alike(configurations(data, found.frame, landscape=landscape)):
        total[groups] = _regret(parts["landscape"], x[groups], best)
    average = total / np.arange(1, rounds + 1)
    mean, (lower, upper) = average.mean(axis=1), _limits(average, confidence)

    frame, percent = found.frame, f"{100 * confidence:g} %"
    variables = {
        "regret": frame.variable(total, "regret", "units of f", "instance", "round"),
        "average_regret": frame.variable(average, "regret per round", "units of f", "instance", "round"),
        "mean": frame.variable(mean, "mean regret per round", "units of f", "round"),
    }
    for end, values in (("lower", lower), ("upper", upper)):
        words = f"{end} {percent} limit of the mean regret per round"
        variables[f"mean_{end}"] = frame.variable(values, words, "units of f", "round")
    coords = {"round": np.arange(1, rounds + 1), "instance": found.ids}
    return frame.dataset(variables, coords, {"confidence": confidence})


def _regret(landscape: Any, x: FloatArray, best: ArrayLike | None) -> FloatArray:
    """Return R_T (groups, instances, rounds) of points x (groups, instances, rounds, dim) on one configuration's losses."""
    rounds, dim = x.shape[2:]
    losses = seen_in_step(landscape, dim)
    point = _point(landscape, losses, best, dim)
    lost = np.zeros(x.shape[:3])
    least = np.zeros(rounds)
    slope, offset, fixed = np.zeros((1, dim)), 0.0, 0.0
    origin = np.zeros((1, dim))
    for t in range(1, rounds + 1):
        now = SimpleNamespace(t=t)
        lost[:, :, t - 1] = losses.value(x[:, :, t - 1].reshape(-1, dim), now).reshape(x.shape[:2])
        if point is None:
            slope = slope + losses.gradient(origin, now)
            offset += float(losses.value(origin, now)[0, 0])
            corner = losses.project(-_FAR * slope)
            if np.any(np.abs(corner[slope != 0]) >= 1.0 + 1e6):
                raise ValueError(f"{type(landscape).__name__} has no bounded domain: no point is best; give best=")
            least[t - 1] = offset + float(np.sum(slope * np.where(slope == 0, 0.0, corner)))
        else:
            fixed += float(losses.value(point, now)[0, 0])
            least[t - 1] = fixed
    return np.asarray(np.cumsum(lost, axis=2) - least)


def _limits(values: FloatArray, confidence: float) -> tuple[FloatArray, FloatArray]:
    """Return the limits (groups, rounds) of means of values (groups, instances, rounds): NaN for a single instance."""
    n, mean = values.shape[1], values.mean(axis=1)
    if n == 1:
        return np.full(mean.shape, np.nan), np.full(mean.shape, np.nan)
    sd = values.std(axis=1)
    third = np.mean((values - mean[:, None]) ** 3, axis=1)
    skew = np.divide(third, sd**3, out=np.zeros(sd.shape), where=sd > 0) / np.sqrt(n)
    return skewed_limits(mean, sd / np.sqrt(n - 1), skew, n - 1, confidence)


def _point(landscape: Any, losses: Any, best: ArrayLike | None, dim: int) -> FloatArray | None:
    if best is None:
        if landscape.smoothness != 0.0:
            raise ValueError(
                f"the losses of {type(landscape).__name__} are not linear; give best=, the point to compare with"
            )
        return None
    point = numbers_in(best)
    if point.shape not in ((), (dim,)) or not np.all(np.isfinite(point)):
        raise ValueError(f"best={told(best)}; give one finite number, or one for each of the {dim} coordinates")
    place = np.broadcast_to(point, (1, dim)).copy()
    nearest = losses.project(place)
    if np.any(np.abs(nearest - place) > 1e-12 * np.maximum(np.abs(place), 1.0)):
        raise ValueError(
            f"best={told(best)} lies outside the domain of {type(landscape).__name__}; give a point the runs may have, such "
            f"as {told(nearest[0].tolist())}"
        )
    return place
