"""How many steps until a tolerance is met: times, their distribution over tolerances, and the expected running time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from ..words import told
from .intervals import FEWEST, wilson
from .lifetimes import (
    DIVERGED,
    BoolArray,
    FloatArray,
    IntArray,
    Lifetimes,
    check_confidence,
    check_number,
    numbers_in,
    read,
)
from .ratios import ratio_interval
from .recorded import Recorded, recorded

FATES = ("converged", "stuck", "diverged")


def time_to_tolerance(
    data: Any,
    tolerances: float | Sequence[float] | None = None,
    *,
    quantity: str = "value",
    optimum: float = 0.0,
    label: int | None = None,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Find when quantity - optimum is first at most each tolerance, and what runs and restarts of them cost.

    With `tolerances` the time is the first *recorded* step at which the tolerance is met: it is late by less than the
    gap between records there (`gap` is the largest that came before a time found). With None it is the step of the
    run's own event (`Below`, `GradientBelow`; of `label` only where one is given), exact to `check_every`; the one
    member of `tolerance` is then NaN.

    The expected running time is that of restarting until a run succeeds: ERT = (steps of all runs)/(successes) (Price
    1997; Hansen, Auger, Ros, Mersmann, Tusar, Brockhoff 2021, COCO, arXiv:1603.08785). A run costs its time if it
    succeeds, else the steps it took: to the horizon, to its divergence, to an event that stopped it. Its interval is
    adjusted empirical likelihood's (Chen, Variyath & Abraham 2008; see `ratio_interval`): of geometric times 93 to 97 % of
    the 95 % intervals hold the truth, more where about ten or fewer succeed (97 to 98 %, over 99 % of 3). The upper limit
    is infinite where so few succeed that none would be no surprise, and so is ERT itself where none did (attrs["note"]
    says so). In steps: multiply by the gradients a step takes to compare, say, SAM with gradient descent.

    `ecdf` is COCO's empirical distribution of running times, over instances and tolerances together: the share of all
    (instance, tolerance) pairs that were met by a step; `ecdf_each` that of each tolerance, with Wilson's interval.

    Returns over the configuration dimensions: `time` (..., tolerance, instance), -1 where never; `ecdf` (..., step),
    `ecdf_each` (..., tolerance, step) with `_lower`, `_upper`; `expected_running_time` with limits and `successes`
    (..., tolerance); `share` with `_lower`, `_upper` (..., tolerance, fate) of the runs that converged, got stuck (ran
    on or stopped without), diverged, by Wilson's interval; `n`, `gap`, `horizon`. (`plots.ecdf(found, "time")` draws
    it.)

    ValueError: tolerances not positive, not finite or repeated; quantity not recorded of instances; optimum not finite;
    fewer than 10 instances; `label` given with tolerances, or a quantity or an optimum without.
    """
    check_confidence(confidence)
    check_number("optimum", optimum, "the quantity's finite limit, such as f*")
    if tolerances is None:
        if optimum != 0.0 or quantity != "value":
            raise ValueError(
                f"quantity={told(quantity)} and optimum={told(optimum)} belong to tolerances; give tolerances, or leave both out"
            )
        lives = read(data, label)
        ids = np.arange(lives.instances)
        levels = np.array([np.nan])
        times = [_of_event(lives, number) for number in range(len(lives))]
        gaps = [lives.check_every - 1] * len(lives)
        source = "event"
    else:
        if label is not None:
            raise ValueError(f"label={told(label)} belongs to events; give tolerances or a label, not both")
        levels = _levels(tolerances)
        found = recorded(data, quantity)
        lives, ids, source = found.lives, found.ids, quantity
        times = [_of_records(found, number, optimum + levels) for number in range(len(lives))]
        gaps = [_gap(found.step, time) for time in times]
    if ids.size < FEWEST:
        raise ValueError(f"{ids.size} instances per group cannot bear an interval; give at least {FEWEST}")

    spent = [_spent(lives, number, time) for number, time in enumerate(times)]
    pairs = [zip(s, (time >= 0).astype(float), strict=True) for s, time in zip(spent, times, strict=True)]
    running = np.array([[ratio_interval(s, m, confidence) for s, m in rows] for rows in pairs])
    return _dataset(lives, ids, levels, np.array(times), running, np.array(gaps), confidence, source, optimum)


def _levels(tolerances: float | Sequence[float]) -> FloatArray:
    levels = np.atleast_1d(numbers_in(tolerances))
    fine = levels.ndim == 1 and levels.size and np.all(np.isfinite(levels)) and np.all(levels > 0)
    if not fine or np.unique(levels).size < levels.size:
        raise ValueError(f"tolerances={told(tolerances)}; give one positive number or several, each once")
    return levels


def _of_event(lives: Lifetimes, number: int) -> IntArray:
    """Return (1, instances): the step of the event, -1 where none."""
    group = lives.group(number)
    return np.where(group.had, group.time, -1)[None]


def _of_records(found: Recorded, number: int, levels: FloatArray) -> IntArray:
    """Return (levels, instances): the first recorded step at or below each level, -1 where none."""
    values = found.curves(number)
    values[:, found.step > found.lives.horizon[number].max()] = np.inf
    low = np.minimum.accumulate(np.where(np.isnan(values), np.inf, values), axis=1)
    met: list[BoolArray] = [low <= level for level in levels]
    return np.array([np.where(m[:, -1], found.step[m.argmax(axis=1)], -1) for m in met])


def _gap(step: IntArray, time: IntArray) -> int:
    """Return the largest distance from a time found to the record before it, less the one step that is certain."""
    index = np.searchsorted(step, time[time > step[0]])
    return int((step[index] - step[index - 1]).max(initial=1)) - 1


def _spent(lives: Lifetimes, number: int, time: IntArray) -> FloatArray:
    """Return the steps that each run took (tolerances, instances): to its time, or to its end without."""
    lost = _lost(lives)[number]
    ended = lives.group(number, stop=True).time
    if lives.goes_on:
        ended = np.where(lost, lives.diverged_step[number] - 1, lives.horizon[number])
    # The step in which it diverged was taken too.
    return np.where(time >= 0, time, ended + lost).astype(float)


def _lost(lives: Lifetimes) -> BoolArray:
    """Return whose run divergence ended (groups, instances)."""
    return (lives.status == DIVERGED) & (lives.goes_on | (lives.event_step < 0))


def _dataset(
    lives: Lifetimes,
    ids: IntArray,
    levels: FloatArray,
    times: IntArray,
    running: FloatArray,
    gaps: IntArray,
    confidence: float,
    source: str,
    optimum: float,
) -> xr.Dataset:
    frame, n, percent = lives.frame, ids.size, f"{100 * confidence:g} %"
    successes = (times >= 0).sum(axis=2)
    steps = np.unique(np.append(times[times >= 0], [0, *lives.horizon.max(axis=1)]))
    sorted_times = np.sort(np.where(times >= 0, times, np.iinfo(np.int64).max), axis=2)
    solved = np.array([[np.searchsorted(t, steps, side="right") for t in group] for group in sorted_times])
    each = wilson(solved, n, confidence)
    lost = _lost(lives)
    diverged = ((times < 0) & lost[:, None]).sum(axis=2)
    fates = np.stack([successes, n - successes - diverged, diverged], axis=2)
    share = wilson(fates, n, confidence)

    variables = {
        "time": frame.variable(times, "first step at which the tolerance is met", "step", "tolerance", "instance"),
        "ecdf": frame.variable(
            solved.mean(axis=1) / n, "share of (instance, tolerance) pairs met by the step", "1", "step"
        ),
        "successes": frame.variable(successes, "runs that met the tolerance", "1", "tolerance"),
        "n": frame.variable(np.full(len(lives), n), "instances"),
        "gap": frame.variable(gaps, "steps by which a time may be late: records are that far apart", "step"),
    }
    variables["horizon"] = frame.variable(lives.horizon.max(axis=1), "last step watched", "step")
    variables["time"].attrs["note"] = "-1: not met"
    ends = zip(("", "_lower", "_upper"), np.moveaxis(running, -1, 0), each, share, strict=True)
    for end, ratio, curve, part in ends:
        which = f"{end[1:]} {percent} limit of the " if end else ""
        variables |= {
            f"expected_running_time{end}": frame.variable(
                ratio, f"{which}expected steps to a success, with restarts", "step", "tolerance"
            ),
            f"ecdf_each{end}": frame.variable(curve, f"{which}share met by the step", "1", "tolerance", "step"),
            f"share{end}": frame.variable(part, f"{which}share of the runs", "1", "tolerance", "fate"),
        }
    empty = int(np.sum(successes == 0))
    attrs = {
        "quantity": source,
        "optimum": optimum,
        "confidence": confidence,
        "note": f"no success in {empty} of {successes.size} cases: the expected running time is infinite"
        if empty
        else "",
    }
    coords = {"tolerance": levels, "step": steps, "fate": list(FATES), "instance": ids}
    return lives.frame.dataset(variables, coords, attrs)
