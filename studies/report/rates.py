"""Rows of rates: fitted factors and exponents with intervals, and the theorem beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ensemble.report.words import Row, Table, interval

from .escapes import places
from .means import with_limits

FloatArray = NDArray[np.float64]


def rate_rows(found: xr.Dataset, fixed: Row, theorem: Mapping[str, str]) -> list[dict[str, Any]]:
    """A row for every configuration of what `statistics.convergence_rate` found.

    ``theorem`` is by optimizer, "" for all others.
    """
    names = dict(enumerate(found["regime"].attrs["flag_meanings"].split(), start=-1))
    rows = []
    for place in places(found["regime"]):
        one = found.isel(place)
        row: dict[str, Any] = dict(fixed) | {d: one[d].item() for d in place} | {"n": int(one["n"])}
        row |= {"regime": names[int(one["regime"])]}
        row |= {"theorem": theorem.get(row.get("optimizer", ""), theorem.get("", ""))}
        row |= with_limits(one, "factor") | with_limits(one, "exponent")
        row |= {key: int(one[key]) for key in ("since", "until")} | {"stability": float(one["regime_stability"])}
        rows.append(row)
    return rows


def power_row(x: FloatArray, exponent: float, error: float, fixed: Row, theorem: str) -> dict[str, Any]:
    """A row for an exponent with its standard error, fitted over configurations ``x``."""
    row = dict(fixed) | {"regime": "power", "theorem": theorem, "exponent": exponent}
    row |= {"exponent_lower": exponent - 1.96 * error, "exponent_upper": exponent + 1.96 * error}
    return row | {"since": float(x[0]), "until": float(x[-1])}


def rate_table(rows: Sequence[Row], names: Sequence[str]) -> Table:
    """What pages show of such rows, under the columns ``names`` first."""
    lines = []
    for row in rows:
        cells = [interval(row, key) if row.get(key) is not None else "" for key in ("factor", "exponent")]
        lines.append([row[name] for name in names] + [row["regime"], *cells, row["theorem"]])
    return [*names, "regime", "factor per step [95 %]", "exponent [95 %]", "theorem"], lines


def power(x: FloatArray, samples: FloatArray) -> tuple[float, float]:
    """Exponent p of mean ~ x^p and its error, by least squares on samples (points, instances) that are paired."""
    mean = samples.mean(axis=1)
    weight = slope_weights(np.log(x))
    spread = np.cov(samples) / samples.shape[1] / np.outer(mean, mean)
    variance = max(weight @ spread @ weight, 0.0)  # where the power is exact, rounding may leave it below 0
    return float(weight @ np.log(mean)), float(np.sqrt(variance))


def slope_weights(x: FloatArray) -> FloatArray:
    """Returns the weights w of the least-squares slope: w @ y for y at ``x``, with the standard error |w * error|."""
    away = x - x.mean()
    return away / np.sum(away**2)


def weighted_slope(x: FloatArray, y: FloatArray, error: FloatArray) -> tuple[float, float]:
    """Least squares: the slope of a line through points (x, y) with independent standard errors, and its own error."""
    weight = error**-2
    middle = (weight * x).sum() / weight.sum()
    spread = (weight * (x - middle) ** 2).sum()
    return float((weight * (x - middle) * y).sum() / spread), 1 / math.sqrt(spread)
