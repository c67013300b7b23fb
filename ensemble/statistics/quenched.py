"""Averages over disorder: what instances in one random landscape share is one observation, however many they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ..words import told
from .intervals import FEWEST, mean_interval
from .lifetimes import INSTANCE, check_confidence


def quenched(values: Any, over: str, *, confidence: float = 0.95) -> xr.Dataset:
    """The mean over random landscapes of a mean over instances, with an interval whose unit is the landscape and not the instance.

    Instances in one landscape are alike: an interval from all of them at once would be too narrow by the square root of how many
    there are. Each landscape's mean is one observation; the interval is Hall's (1992), corrected for skewness. `values` is an
    xarray.DataArray, such as `result.dataset["value"]`, with the dimension `over` that the swept seed has.

    Returns over the remaining dimensions `mean`, `lower`, `upper`; `between`, the standard deviation of landscapes' means, what of it
    finitely many instances bring about taken off; `within`, that of instances in a landscape (0 where there is one
    instance); `landscapes`, how many have a finite mean. NaN where these are fewer than 10.

    ValueError: no DataArray, no such dimension, or fewer than 10 landscapes.
    """
    check_confidence(confidence)
    if not isinstance(values, xr.DataArray):
        raise ValueError(f'quenched(values={told(values)}): give a DataArray, such as result.dataset["value"].')
    if not isinstance(over, str) or over not in values.dims or over == INSTANCE:
        dims = [str(d) for d in values.dims if d != INSTANCE]
        raise ValueError(
            f"quenched(over={told(over)}): values has the dimensions {dims}; give the one of the landscape's seed."
        )
    if values.sizes[over] < FEWEST:
        raise ValueError(
            f"quenched: {values.sizes[over]} landscapes cannot bear an interval; give at least {FEWEST}: seed=grid(range(20))."
        )
    if values.dtype.kind not in "iufb":
        raise ValueError(f"quenched(values of dtype {values.dtype}): give numbers.")
    numbers = values.astype(float)
    inside = INSTANCE in numbers.dims
    each = numbers.mean(INSTANCE) if inside else numbers
    spread = numbers.var(INSTANCE, ddof=1) if inside and numbers.sizes[INSTANCE] > 1 else xr.zeros_like(each)
    per = spread / numbers.sizes[INSTANCE] if inside else spread
    table = xr.apply_ufunc(
        _interval, each, kwargs={"confidence": confidence}, input_core_dims=[[over]], output_core_dims=[["end"]]
    )
    percent = f"{100 * confidence:g} %"
    name = values.attrs.get("long_name", values.name or "value")
    found = {"mean": table.isel(end=0), "lower": table.isel(end=1), "upper": table.isel(end=2)}
    found["between"] = np.sqrt((each.var(over, ddof=1) - per.mean(over)).clip(min=0.0))
    found["within"] = np.sqrt(spread.mean(over))
    found["landscapes"] = each.count(over)
    said = {
        "mean": f"mean over landscapes of {name}",
        "lower": f"lower {percent} limit of the mean",
        "upper": f"upper {percent} limit of the mean",
        "between": "standard deviation between landscapes",
        "within": "standard deviation within a landscape",
        "landscapes": "landscapes with a finite mean",
    }
    units = values.attrs.get("units", "1")
    for key, text in said.items():
        found[key].attrs = {"long_name": text, "units": "1" if key == "landscapes" else units}
    return xr.Dataset(found, attrs={"confidence": confidence, "over": over})


def _interval(each: Any, confidence: float) -> Any:
    """Mean and limits along the last axis, of its finite values: (..., 3)."""
    out = np.full((*each.shape[:-1], 3), np.nan)
    for place in np.ndindex(each.shape[:-1]):
        seen = each[place][np.isfinite(each[place])]
        if seen.size >= FEWEST:
            out[place] = mean_interval(seen, confidence)
    return out
