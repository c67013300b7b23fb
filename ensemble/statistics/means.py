"""The mean over instances of what was recorded, or of anything that each instance has one of, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import t

from ..plain import array_of_numbers, is_whole
from ..words import told
from .intervals import mean_interval
from .lifetimes import INSTANCE, check_confidence
from .recorded import SOME, recorded

FEWEST = 3
"""Values that an interval needs."""


def mean(
    data: Any, of: str | xr.DataArray, *, at: int | Sequence[int] | None = None, confidence: float = 0.95
) -> xr.Dataset:
    """Average over instances what was recorded along the way, what they ended with, or anything made of these.

    `of` is the name of a variable of the dataset over instances, such as "value" of `Record(["value"])`, "path" or the
    final "x"; the name of what was recorded as a summary; or an xarray.DataArray over "instance" made of the dataset,
    such as `(result.dataset["x"] ** 2).sum("coordinate")`. `at` are recorded steps, one or several; None: all. Means are
    of the `n` finite values, which those of instances that have diverged are not.

    Limits are Hall's (1992), corrected for skewness: 95 % intervals cover 93 to 95 % at n = 20 of exponential, chi-square
    and lognormal values. Of a summary, which has no third moment, they are Student's. Each is of one mean by itself:
    configurations are paired by default, and the difference of two has its own interval, of `paired_difference`.

    Returns over the dimensions of `of` but that of the instances: `mean`, `lower`, `upper` and `sd`, in its units, and `n`.
    Limits are NaN where fewer than 3 values are finite.

    ValueError: no such variable, one that is no real number of each instance, such as the censored `event_step`, for which
    there is `survival`; a step that was not recorded; a record without the values of finished instances; confidence
    outside (0, 1).
    """
    check_confidence(confidence)
    dataset = data if isinstance(data, xr.Dataset) else getattr(data, "dataset", None)
    if not isinstance(dataset, xr.Dataset):
        raise ValueError(f"data={told(data)}; give a result of simulate, compare or load, or its dataset")
    if isinstance(of, str) and of == "path" and "path" not in dataset and "x_variance" in dataset:
        of, summary = "x", True  # as a summary names it
    else:
        summary = isinstance(of, str) and of not in dataset and f"{of}_variance" in dataset
    if summary:
        parts = {part: _at(dataset[f"{of}_{part}"], at) for part in ("mean", "variance", "n")}
        like = parts["mean"]
        n = xr.broadcast(parts["n"], like)[0].transpose(*like.dims)
        center, sd, count = like.to_numpy().astype(float), np.sqrt(parts["variance"].to_numpy()), n.to_numpy()
        half = t.ppf(0.5 + confidence / 2, np.where(count >= FEWEST, count - 1, np.nan)) * sd / np.sqrt(count)
        lower, upper = center - half, center + half
        method, name = "Student's interval", like.attrs.get("long_name", of).removeprefix("mean of ")
    else:
        values, who = _values(dataset, data, of)
        values = _at(values, at).transpose(..., who)
        like = values.isel({who: 0}, drop=True)
        center, lower, upper, sd, count = _averaged(values, confidence)
        method = "corrected for skewness"
        name = values.attrs.get("long_name", values.name or "value")
    percent, units = f"{100 * confidence:g} %", like.attrs.get("units", "1")
    ours = {
        "mean": (center, f"mean of {name}", units),
        "lower": (lower, f"lower {percent} limit of the mean", units),
        "upper": (upper, f"upper {percent} limit of the mean", units),
        "sd": (sd, f"standard deviation of {name}", units),
        "n": (count, "instances with finite values", "1"),
    }
    like = like.rename({k: f"swept_{k}" for k in (*like.dims, *like.coords) if k in ours})
    variables = {
        key: (like.dims, numbers.reshape(like.shape), {"long_name": long_name, "units": unit})
        for key, (numbers, long_name, unit) in ours.items()
    }
    return xr.Dataset(variables, like.coords, {"confidence": confidence, "of": name, "interval": method})


def _values(dataset: xr.Dataset, data: Any, of: Any) -> tuple[xr.DataArray, str]:
    """Return what is averaged, and the dimension of its instances."""
    if isinstance(of, xr.DataArray):
        values = of
    elif isinstance(of, str) and of in dataset.data_vars:
        values = dataset[of]
        if "step" in values.dims:
            dims = {d for d in values.dims if d in (INSTANCE, SOME, "step")} | set(dataset["event_step"].dims)
            recorded(data, of, len(set(values.dims) - dims))  # refuses records without those that have finished
    else:
        known = [str(name) for name, v in dataset.data_vars.items() if v.dtype.kind == "f" and INSTANCE in v.dims]
        raise ValueError(
            f"of={told(of)}; give the name of a variable over instances ({', '.join(known) or 'there is none'}) or a DataArray"
        )
    who = next((dim for dim in (INSTANCE, SOME) if dim in values.dims), None)
    if who is None:
        raise ValueError(f"of={told(of)} has the dimensions {tuple(map(str, values.dims))}; give one over 'instance'")
    if values.dtype.kind not in "fb" and isinstance(of, str):
        advice = "survival(), which knows of censoring" if of == "event_step" else "shares() for how many"
        raise ValueError(f"of={told(of)} is no quantity but a whole number with a meaning; see {advice}")
    if values.dtype.kind not in "fiub" or not values.size:
        raise ValueError(f"of={told(of)} has {values.size} values of dtype {values.dtype}; give real numbers")
    return values, who


def _at(values: xr.DataArray, at: Any) -> xr.DataArray:
    """Keep the steps that are asked for."""
    if at is None:
        return values
    if "step" not in values.dims or "step" not in values.coords:
        raise ValueError(f"at={told(at)}, and what is averaged has no steps; leave it out")
    known = values["step"].to_numpy()
    asked = int(at) if is_whole(at) else array_of_numbers(at)
    steps = np.asarray(asked)
    if (
        asked is None
        or steps.ndim > 1
        or steps.dtype.kind not in "iu"
        or not steps.size
        or not np.isin(steps, known).all()
    ):
        raise ValueError(f"at={told(at)}; give steps that were recorded: {told(known.tolist())}")
    return values.sel(step=steps.tolist())


def _averaged(values: xr.DataArray, confidence: float) -> tuple[NDArray[Any], ...]:
    """Return mean, its limits, standard deviation and number, of the finite values along the last axis."""
    array = values.to_numpy()
    center, lower, upper, sd = (np.full(array.shape[:-1], np.nan) for _ in range(4))
    count = np.zeros(array.shape[:-1], np.int64)
    for place in np.ndindex(count.shape):
        numbers = array[place].astype(float)
        numbers = numbers[np.isfinite(numbers)]
        count[place] = numbers.size
        if numbers.size >= FEWEST:
            center[place], lower[place], upper[place] = mean_interval(numbers, confidence)
        elif numbers.size:
            center[place] = numbers.mean()
        if numbers.size > 1:
            sd[place] = numbers.std(ddof=1)
    return center, lower, upper, sd, count
