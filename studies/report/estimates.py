"""Means of recorded summaries with intervals of 95 %."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ensemble import statistics


def mean_of_summary(runs: xr.Dataset, quantity: str) -> xr.Dataset:
    """The mean of a quantity in a ``Record(summary=True)``, by step: ``mean`` with limits, standard error, and n."""
    found = statistics.mean(runs, quantity)
    return found.assign(error=found["sd"] / np.sqrt(found["n"]), n=found["n"].max("step"))
