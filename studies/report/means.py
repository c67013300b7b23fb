"""Means and shares over instances with limits of 95 %: as columns of a row, and as curves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ensemble.report.checks import Z95
from ensemble.statistics.intervals import mean_interval, wilson

FloatArray = NDArray[np.float64]


def mean_columns(column: str, sample: ArrayLike) -> dict[str, float]:
    """The mean of a sample and its limits, corrected for skewness; NaN where one of it is."""
    numbers = np.asarray(sample, float).ravel()
    three = mean_interval(numbers, 0.95) if np.isfinite(numbers).all() else (math.nan,) * 3
    return {column + end: value for end, value in zip(("", "_lower", "_upper"), three, strict=True)}


def error_of(row: dict[str, Any], column: str) -> float:
    """The standard error that the limits of a column stand for."""
    return float(row[f"{column}_upper"] - row[f"{column}_lower"]) / (2 * Z95)


def mean_row(sample: ArrayLike, law: float = math.nan) -> dict[str, Any]:
    """Columns of the mean of a sample: ``seen`` with its limits, ``law`` beside it, ``n``."""
    return {**mean_columns("seen", sample), "law": law, "n": np.size(sample)}


def seen_row(seen: float, error: float, law: float, n: int) -> dict[str, Any]:
    """The same columns of a number with its standard error."""
    half = Z95 * error
    return {"seen": seen, "seen_lower": seen - half, "seen_upper": seen + half, "law": law, "n": n}


def share_row(count: int, n: int, law: float) -> dict[str, Any]:
    """The same columns of a share, ``count`` of ``n``, with Wilson's limits."""
    seen, lower, upper = (float(one[0]) for one in wilson(np.array([count]), np.array([n]), 0.95))
    return {"seen": seen, "seen_lower": lower, "seen_upper": upper, "law": law, "n": n}


def with_limits(found: xr.Dataset, name: str, column: str = "") -> dict[str, float]:
    """Columns of ``name`` of one configuration with ``_lower`` and ``_upper``, under the name ``column`` if given."""
    return {(column or name) + end: float(found[name + end]) for end in ("", "_lower", "_upper")}


def banded(x: ArrayLike, mean: FloatArray, error: FloatArray) -> tuple[FloatArray, ...]:
    """A curve with limits out of means and their standard errors, as :func:`ensemble.plots.curves` takes it."""
    return np.asarray(x, float), mean, mean - Z95 * error, mean + Z95 * error


def mean_curve(x: ArrayLike, samples: FloatArray) -> tuple[FloatArray, ...]:
    """The curve of the means of samples (points, instances)."""
    return banded(x, samples.mean(axis=1), samples.std(axis=1, ddof=1) / math.sqrt(samples.shape[1]))
