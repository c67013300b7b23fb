"""What became of the instances: the share of every outcome, or of those that meet a condition, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..words import told
from .intervals import wilson
from .lifetimes import DIVERGED, INSTANCE, MOST_WORK, Frame, IntArray, check_confidence, check_whole, read

OUTCOME = "outcome"


def shares(
    data: Any,
    *,
    labels: Sequence[int] | None = None,
    where: Mapping[str, xr.DataArray] | None = None,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Share of the instances that each event ended, that ran to the horizon, and that diverged; or that meet conditions.

    Everyone has one outcome, so shares add to 1. Each has Wilson's interval (1927): of a share by itself, in its own
    configuration. The shares of one configuration are not independent of each other, nor are those of paired
    configurations (attrs["paired"] = 1): whether two intervals overlap is no test of a difference.

    `data` is a dataset with `event_step` (configuration..., instance), `event`, `status`, `diverged_step`, `horizon`,
    or an object that carries one. `labels` are the events to list; None: those that any instance had. A label listed
    and never seen has share 0 and an upper limit.

    `where` are conditions of one's own, name -> booleans over the configurations and `instance`, such as
    `{"right": result.dataset["x"].isel(coordinate=0) > 0}`: then these are the outcomes, each counted by itself, and they
    need not exclude each other. What has diverged has coordinates that are NaN, of which every comparison but != is false.
    Conditions on what was recorded have further dimensions, such as `step`, and so have their shares.

    Returns over the configuration dimensions and `outcome` ("censored", "event 1", ..., "diverged"): `share`, `lower`,
    `upper`, `count`; over the configuration dimensions `n`. The coordinate `label` (outcome) is 0 for censored and -1
    for diverged; conditions have none.

    ValueError: confidence outside (0, 1), variables missing, no instances, an event of a label that is not listed, both
    `labels` and `where`, a condition that is no array of booleans over the data's dimensions.
    """
    check_confidence(confidence)
    lives = read(data)
    if where is not None:
        if labels is not None:
            raise ValueError(f"labels={told(labels)} and where={told(where)}; give one of them")
        if further := _further(lives.frame, where):
            return _along(further, data, where, confidence)
        count = np.stack([_met(lives.frame, name, met, lives.instances) for name, met in _conditions(where)], axis=1)
        n = np.full(len(lives), lives.instances)
        variables = share_variables(lives.frame, count, n, confidence, OUTCOME)
        return lives.frame.dataset(variables, {OUTCOME: list(where)}, {"confidence": confidence})
    fired = lives.event_step > 0
    seen = np.unique(lives.event[fired]).tolist()
    listed = seen if labels is None else _labels(labels, seen)
    code = np.where(fired, lives.event, np.where(lives.status == DIVERGED, -1, 0))
    codes = [0, *listed, -1]
    names = ["censored", *(f"event {label}" for label in listed), "diverged"]
    count = np.stack([(code == k).sum(axis=1) for k in codes], axis=1)
    n = np.full(len(lives), lives.instances)
    variables = share_variables(lives.frame, count, n, confidence, OUTCOME)
    coords = {OUTCOME: names, "label": (OUTCOME, np.array(codes), {"long_name": "event's label"})}
    return lives.frame.dataset(variables, coords, {"confidence": confidence})


def _conditions(where: Any) -> list[tuple[str, xr.DataArray]]:
    wanted = "a mapping from names to booleans over instances, such as {'right': result.dataset['x'][..., 0] > 0}"
    if not isinstance(where, Mapping) or not where or not all(isinstance(name, str) for name in where):
        raise ValueError(f"where={told(where)}; give {wanted}")
    for name, met in where.items():
        if not isinstance(met, xr.DataArray) or met.dtype.kind != "b":
            kind = f"of dtype {met.dtype}" if isinstance(met, xr.DataArray) else type(met).__name__
            raise ValueError(f"where={{{name!r}: {told(met)}}} is {kind}; give {wanted}")
    return list(where.items())


def _further(frame: Frame, where: Any) -> str:
    """Name a dimension of all conditions that is none of the data's configurations nor `instance`; empty: there is none."""
    known = {*map(str, frame.dims), INSTANCE}
    each = [[str(d) for d in met.dims if d not in known] for _, met in _conditions(where)]
    return next((d for d in each[0] if all(d in dims for dims in each)), "")


def _along(dim: str, data: Any, where: Mapping[str, xr.DataArray], confidence: float) -> xr.Dataset:
    """Return the shares at every place along a further dimension, which comes last but for the outcomes."""
    sizes = {name: met.sizes[dim] for name, met in where.items()}
    if len(set(sizes.values())) > 1 or not min(sizes.values()):
        raise ValueError(f"where={{...}} has conditions of sizes {sizes} along {told(dim)}; give one size for all")
    first = next(iter(where.values()))
    places = [
        shares(data, where={name: met.isel({dim: k}, drop=True) for name, met in where.items()}, confidence=confidence)
        for k in range(first.sizes[dim])
    ]
    along = (
        first[dim].rename(None).drop_vars([c for c in first[dim].coords if c != dim]) if dim in first.coords else dim
    )
    found = xr.concat(
        places, along, data_vars=["share", "lower", "upper", "count"], coords="minimal", compat="override"
    )
    return found.transpose(..., dim, OUTCOME)


def _met(frame: Frame, name: str, met: xr.DataArray, instances: int) -> IntArray:
    """Count in each group those that meet a condition."""
    sizes = dict(zip(map(str, frame.dims), frame.shape, strict=True)) | {INSTANCE: instances}
    if {str(d): n for d, n in met.sizes.items()} != sizes:
        raise ValueError(
            f"where={{{name!r}: ...}} has the sizes {dict(met.sizes)}, and the data {sizes}; give one of each"
        )
    return met.transpose(*frame.dims, INSTANCE).to_numpy().reshape(-1, instances).sum(axis=1)


def share_variables(frame: Frame, count: IntArray, n: IntArray, confidence: float, dim: str) -> dict[str, xr.Variable]:
    """Return share, limits and count (groups, members of `dim`) out of n (groups,), as variables."""
    share, lower, upper = wilson(count, n[:, None], confidence)
    percent = f"{100 * confidence:g} %"
    return {
        "share": frame.variable(share, "share of the instances", "1", dim),
        "lower": frame.variable(lower, f"lower {percent} limit of the share", "1", dim),
        "upper": frame.variable(upper, f"upper {percent} limit of the share", "1", dim),
        "count": frame.variable(count, "instances", "1", dim),
        "n": frame.variable(n, "instances of which these are shares"),
    }


def _labels(labels: Any, seen: list[int]) -> list[int]:
    wanted = "event labels (1, 2, ...), each once, or None to list those that were seen"
    listing = isinstance(labels, (list, tuple, range, np.ndarray)) and np.ndim(labels) == 1
    if not listing or not 0 < len(labels) <= MOST_WORK:
        raise ValueError(f"labels={told(labels)}; give {wanted}")
    for label in labels:
        check_whole("labels", label, 1, wanted)
    listed: NDArray[np.int64] = np.asarray(labels, dtype=np.int64)
    if np.unique(listed).size < listed.size or not set(seen) <= set(listed.tolist()):
        raise ValueError(f"labels={told(labels)}, and events were {seen}; give {wanted}")
    return listed.tolist()
