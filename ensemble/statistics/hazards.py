"""Does the chance to escape change along the way? The hazard in stretches of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from ..plain import array_of_numbers, is_whole
from ..words import told
from .escape import checks_at_risk
from .intervals import modified_wilson
from .lifetimes import FloatArray, IntArray, check_confidence, read

_MOST = 1_000_000  # stretches that anybody looks at


def hazard(
    data: Any, bins: int | Sequence[int] = 10, *, label: int | None = None, confidence: float = 0.95
) -> xr.Dataset:
    """Estimate the discrete hazard, P(T = t | T >= t), in stretches of steps: an actuarial life table.

    Cutler & Ederer 1958, with exact exposure in place of their half: D events in M instance-steps at risk within a
    stretch give D/M, the maximum likelihood estimate of a hazard constant there, with Wilson's interval, modified for few
    events (Brown, Cai & DasGupta 2001); D = 0 still bounds it from above. As in `escape_rate` an instance is at risk only while it
    runs, and with `check_every` = k the trials are checks, converted to single steps.

    `bins` is a number of stretches with about equally many events each, all groups together (fewer where events tie), or
    their ends in steps: [0, 10, 100] are the steps 1 ... 10 and 11 ... 100.

    Returns over the configuration dimensions and `bin`: `hazard` per step with `_lower`, `_upper`, `events`, `exposure`
    (instance-steps); the coordinates `first` and `last` (bin) are the steps of a stretch. NaN and no limits but 0 and 1
    where nobody is at risk.

    ValueError: confidence outside (0, 1); bins no number of at least 1, or ends that do not rise from 0 or more in
    multiples of `check_every`; event steps no check can have given; variables missing; no instances.
    """
    check_confidence(confidence)
    lives = read(data, label)
    every, frame = lives.check_every, lives.frame
    groups = [lives.group(number, stop=True) for number in range(len(lives))]
    tables = [checks_at_risk(group, ends, every, 0) for group, ends in zip(groups, lives.horizon, strict=True)]
    last = int(lives.horizon.max()) // every
    ends = _ends(bins, np.concatenate([checks[had] for checks, had in tables]), last, every)

    events = np.array([np.histogram(checks[had], ends + 0.5)[0] for checks, had in tables], float)
    trials = np.array([np.diff(_watched(checks, ends)) for checks, _ in tables], float)
    with np.errstate(divide="ignore"):
        limits = modified_wilson(events, trials, confidence)
        single: list[FloatArray] = [-np.expm1(np.log1p(-p) / every) for p in limits]

    percent = f"{100 * confidence:g} %"
    variables = {
        "events": frame.variable(events.astype(np.int64), "events in the stretch", "1", "bin"),
        "exposure": frame.variable((trials * every).astype(np.int64), "instance-steps at risk", "step", "bin"),
    }
    for end, values in zip(("", "_lower", "_upper"), single, strict=True):
        which = f"{end[1:]} {percent} limit of the " if end else ""
        variables[f"hazard{end}"] = frame.variable(values, f"{which}chance per step at risk", "1/step", "bin")
    steps = {"units": "step"}
    coords = {
        "first": ("bin", ends[:-1] * every + 1, {"long_name": "first step of the stretch", **steps}),
        "last": ("bin", ends[1:] * every, {"long_name": "last step of the stretch", **steps}),
    }
    attrs = {"confidence": confidence, "label": "any" if label is None else int(label), "check_every": every}
    return frame.dataset(variables, coords, attrs)


def _watched(checks: IntArray, ends: IntArray) -> IntArray:
    """Return the checks at which all together were at risk up to each of the ends."""
    rising = np.sort(checks)
    until = np.concatenate([[0], np.cumsum(rising, dtype=np.int64)])
    over = np.searchsorted(rising, ends, side="right")
    return until[over] + ends * (rising.size - over)


def _ends(bins: Any, events: IntArray, last: int, every: int) -> IntArray:
    """Return the ends of the stretches in checks, rising."""
    wanted = f"a number of stretches from 1 to {_MOST}, or their ends in rising steps, multiples of {every}"
    if is_whole(bins):
        if not 1 <= int(bins) <= _MOST:
            raise ValueError(f"bins={told(bins)}; give {wanted}")
        if events.size == 0:
            return np.array([0, last])
        between = np.quantile(events, np.arange(1, int(bins)) / int(bins), method="inverted_cdf")
        return np.unique(np.concatenate([[0], between, [last]]).astype(np.int64))
    ends = array_of_numbers(bins)
    fine = ends is not None and ends.ndim == 1 and ends.size > 1 and ends.dtype.kind in "iu"
    if ends is None or not fine or ends[0] < 0 or np.any(np.diff(ends) <= 0) or np.any(ends % every):
        raise ValueError(f"bins={told(bins)}; give {wanted}")
    return ends.astype(np.int64) // every
