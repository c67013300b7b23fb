"""Datasets of escape times with a known law, as a run would return them."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.stats import chi2
from statsmodels.stats.proportion import proportion_confint


def runs(
    time,
    horizon,
    *,
    dims=("instance",),
    coords=None,
    paired=0,
    check_every=1,
    event=None,
    diverged_step=None,
):
    """Return the dataset of runs with first passage at `time`, watched to the horizon (scalar or DataArray)."""
    time = np.asarray(time, np.int64)
    horizon = xr.DataArray(horizon) if not isinstance(horizon, xr.DataArray) else horizon
    limit = horizon.broadcast_like(xr.DataArray(time, dims=dims)).transpose(*dims).values
    step = np.where(time <= limit, time, -1)
    lost = np.full(time.shape, -1) if diverged_step is None else np.asarray(diverged_step)
    step = np.where((lost > 0) & (step >= lost), -1, step)
    label = (step > 0).astype(np.int32) if event is None else np.where(step > 0, event, 0).astype(np.int32)
    status = np.where(step > 0, 1, np.where(lost > 0, 2, 0)).astype(np.int8)
    return xr.Dataset(
        {
            "event_step": (dims, step),
            "event": (dims, label),
            "status": (dims, status),
            "diverged_step": (dims, lost.astype(np.int64)),
            "horizon": horizon.astype(np.int64),
        },
        coords=coords,
        attrs={"check_every": check_every, "paired": paired},
    )


def curves(values, step, *, dims=("instance",), event_step=None, diverged_step=None, paired=1, name="value", **coords):
    """Return the dataset of runs that recorded `values` (..., instances, steps) and saw the events given."""
    values = np.asarray(values)
    shape, horizon = values.shape[:-1], int(np.max(step))
    time = np.full(shape, horizon + 1) if event_step is None else np.where(event_step, event_step, horizon + 1)
    data = runs(time, horizon, dims=dims, coords=coords, diverged_step=diverged_step, paired=paired)
    attrs = {"long_name": name, "units": "units of f"}
    return data.assign({name: ((*dims, "step"), values, attrs)}).assign_coords(step=np.asarray(step))


FEW_AND_MANY = [
    (5, 20, 100),
    (5, 50, 10),
    (5, 200, 100),
    (5, 1000, 10),
    (20, 50, 10),
    (20, 200, 100),
    (20, 1000, 10),
    (200, 1000, 10),
]
"""Expected events, instances and horizons, for intervals of rates."""


def geometric(p, shape, seed=0):
    return np.random.default_rng(seed).geometric(p, shape)


def brown_cai_dasgupta(count, n):
    """Return the 95 % limits of count of n, more than 50, as their paper has them: chi-square quantiles for few counts."""
    lower, upper = proportion_confint(count, n, method="wilson")
    few, rest = 1 <= count <= 3, 1 <= n - count <= 3
    return chi2.ppf(0.05, 2 * count) / (2 * n) if few else lower, 1 - chi2.ppf(0.05, 2 * (n - count)) / (
        2 * n
    ) if rest else upper


def covers(found, name, truth):
    """Return the share of intervals that hold the truth."""
    return float(((found[f"{name}_lower"] <= truth) & (truth <= found[f"{name}_upper"])).mean())
