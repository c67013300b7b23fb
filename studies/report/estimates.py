"""Estimates with 95 % intervals: of the mean in a recorded summary, of shares at two sides of a point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from ensemble import statistics


def mean_of_summary(runs: xr.Dataset, quantity: str) -> xr.Dataset:
    """The mean of a quantity in a ``Record(summary=True)``, by step: ``mean`` with limits, standard error, and n."""
    found = statistics.mean(runs, quantity)
    return found.assign(error=found["sd"] / np.sqrt(found["n"]), n=found["n"].max("step"))


def sides(x: xr.DataArray, boundary: float, names: Sequence[str], *, paired: bool = False) -> xr.Dataset:
    """Shares of the instances below and above a boundary, of ``x`` (..., instance), as ``statistics.shares`` has them.

    ``names`` are the two outcomes, the lower first; they are counted as if each were an event. ``paired``: whether
    configurations share their draws.
    """
    label = xr.where(x.transpose(..., "instance") > boundary, 2, 1).astype("int32")
    ones = xr.ones_like(label)
    lives = {"event_step": ones.astype("int64"), "event": label, "status": ones.astype("int8")}
    lives |= {"diverged_step": -ones.astype("int64"), "horizon": xr.DataArray(1)}
    found = statistics.shares(xr.Dataset(lives, attrs={"paired": int(paired)}), labels=[1, 2])
    return found.sel(outcome=["event 1", "event 2"]).assign_coords(outcome=list(names))
