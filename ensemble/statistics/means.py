"""The mean over instances of what was recorded, or of anything that each instance has one of, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..plain import array_of_numbers, is_whole
from ..words import told
from .intervals import skewed_limits
from .lifetimes import INSTANCE, FloatArray, check_confidence
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
        whole, _ = xr.broadcast(parts["n"], parts["mean"])
        n = whole.transpose(*parts["mean"].dims)
        like, skew = parts["mean"], np.zeros(n.shape)
        center, sd, count = like.to_numpy().astype(float), np.sqrt(parts["variance"].to_numpy()), n.to_numpy()
        method, name = "Student's interval", like.attrs.get("long_name", of).removeprefix("mean of ")
    else:
        values, who = _values(dataset, data, of)
        values = _at(values, at).transpose(..., who)
        like = values.isel({who: 0}, drop=True)
        center, sd, skew, count = _moments(values)
        method = "corrected for skewness"
        name = values.attrs.get("long_name", values.name or "value")
    lower, upper = _limits(center, sd, skew, count, confidence)
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


def _moments(values: xr.DataArray) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.int64]]:
    """Return mean, standard deviation, own skewness of the mean, and number, of the finite values along the last axis."""
    array = values.to_numpy()
    shape = array.shape[:-1]
    center, sd, skew = (np.full(shape, np.nan) for _ in range(3))
    count = np.zeros(shape, np.int64)
    for place in np.ndindex(shape):
        numbers = array[place].astype(float)
        numbers = numbers[np.isfinite(numbers)]
        n = count[place] = numbers.size
        if not n:
            continue
        center[place] = numbers.mean()
        if n > 1:
            away = numbers - center[place]
            sd[place] = np.sqrt(np.sum(away * away) / (n - 1))
            size = np.abs(away).max()  # cubes of what is small or large are none
            second = np.mean((away / size) ** 2) if size > 0 else 1.0
            skew[place] = np.mean((away / size) ** 3) / second**1.5 / np.sqrt(n) if size > 0 else 0.0
    return center, sd, skew, count


def _limits(
    center: FloatArray, sd: FloatArray, skew: FloatArray, count: NDArray[np.int64], confidence: float
) -> tuple[FloatArray, FloatArray]:
    lower, upper = (np.full(center.shape, np.nan) for _ in range(2))
    for n in np.unique(count[count >= FEWEST]).tolist():
        these = count == n
        error = sd[these] / np.sqrt(n)
        lower[these], upper[these] = skewed_limits(center[these], error, skew[these], n - 1, confidence)
    return lower, upper
