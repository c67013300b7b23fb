"""Schedules held to what their field may be, at every step."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fields import Domain
from .words import told

EXACT = 1024
"""Steps that are evaluated together, where what is known of a schedule's range does not settle them."""
SPREAD = 64
"""Steps beyond the first :data:`EXACT` at which a schedule of unknown range is looked at before a run."""
MOST_LOOKS = 4096
"""Times that a schedule is asked for its range, at most, before a run."""

Bad = tuple[int, float]
"""A step, and the value there."""


def values_at(owner: str, path: str, schedule: Any, domain: Domain, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """A schedule's values at steps ``t`` (steps,).

    ValueError: one is not what the field may be; or they are no numbers, or not as many.
    """
    values = _evaluated(owner, path, schedule, t)
    bad = _first_bad(values, t, domain)
    if bad is not None:
        _refuse(owner, path, schedule, domain, bad)
    return values


def _evaluated(owner: str, path: str, schedule: Any, t: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        values = np.asarray(schedule(t))
    one_for_each = (
        values.ndim == t.ndim and values.shape[-1:] == t.shape[-1:]
    )  # of many schedules at once t is (1, steps)
    if not one_for_each or (t.ndim == 1 and values.shape != t.shape) or values.dtype.kind not in "iuf":
        given = f"{values.dtype} of shape {values.shape}"
        raise ValueError(
            f"{owner}({path}={told(schedule)}): gives {given} for {t.size} steps; return a number for each."
        )
    return values.astype(np.float64, copy=False)


def check_before(part: Any, steps: int, dtype: str) -> None:
    """Holds the schedules of a part to their fields and to what ``dtype`` holds over a whole run, where that takes no time.

    A schedule that says its range is settled; of any other the first steps and a few more are looked at.

    ValueError: a value is not what its field may be, or too large, or all are too small.
    """
    owner, held = type(part).__name__, np.finfo(dtype)
    for name, schedule, domain in _schedules(part, ""):
        for path, inside, its in (*_nested(schedule, name), (name, schedule, domain)):
            bad = _first_of_all(owner, path, inside, its, steps, float(held.max))
            if bad is None:
                bad = _lost(inside, steps, float(held.tiny))
            if bad is None:
                continue
            if not np.isfinite(bad[1]) or not its.holds(bad[1]):
                _refuse(owner, path, inside, its, bad)
            raise ValueError(
                f"{owner}({path}={told(inside)}): {path} is {bad[1]:g} at step {bad[0]:,}, and {dtype} holds 0 and {held.tiny:.3g} to "
                f"{held.max:.3g}; give another schedule" + (", or dtype='float64'." if dtype == "float32" else ".")
            )


def _lost(schedule: Any, steps: int, tiny: float) -> Bad | None:
    """The first value, where all are so small that the dtype loses them; what falls to 0 in time may."""
    found = schedule.range(1, steps)
    if found is None or not 0 < max(map(abs, found)) < tiny:
        return None
    return 1, float(schedule(np.ones(1))[0])


def _refuse(owner: str, path: str, schedule: Any, domain: Domain, bad: Bad) -> None:
    raise ValueError(
        f"{owner}({path}={told(schedule)}): {path} is {bad[1]:g} at step {bad[0]:,}; it must be {domain.words} at every step."
    )


def _schedules(part: Any, path: str) -> Iterator[tuple[str, Any, Domain]]:
    """(path, schedule, domain) of every scheduled field of a part and of those that it wraps."""
    for f in dataclasses.fields(part):
        kind, value = f.metadata.get("kind"), getattr(part, f.name)
        if kind == "scheduled" and callable(value):
            yield path + f.name, value, f.metadata["domain"]
        elif kind == "inner" and dataclasses.is_dataclass(value):
            yield from _schedules(value, f"{path}{f.name}.")


def _nested(schedule: Any, path: str) -> Iterator[tuple[str, Any, Domain]]:
    """(path, schedule, domain) of the schedules inside one, innermost first."""
    for f in dataclasses.fields(schedule):
        if f.metadata.get("kind") == "inner":
            inside = getattr(schedule, f.name)
            yield from _nested(inside, f"{path}.{f.name}")
            yield f"{path}.{f.name}", inside, f.metadata["domain"]


def _first_bad(values: NDArray[np.float64], t: NDArray[np.float64], domain: Domain) -> Bad | None:
    """A domain is an interval: all values lie in it where the least and the largest do."""
    if not values.size:
        return None
    low, high = float(values.min()), float(values.max())
    if np.isfinite(low) and np.isfinite(high) and domain.holds(low) and domain.holds(high):
        return None
    for step, value in zip(t.tolist(), values.tolist(), strict=True):
        if not np.isfinite(value) or not domain.holds(value):
            return int(step), value
    return None


def _first_of_all(owner: str, path: str, schedule: Any, domain: Domain, steps: int, most: float) -> Bad | None:
    """The first of steps 1 ... ``steps`` at which a value is not in ``domain`` or beyond ``most``, as far as that is looked for."""
    bounded = Domain(lambda v: domain.holds(v) and abs(v) <= most, domain.words)

    def looked_at(t: NDArray[np.float64]) -> Bad | None:
        return _first_bad(_evaluated(owner, path, schedule, t), t, bounded)

    waiting, looks = [(1, steps)], 0
    while waiting:
        first, last = waiting.pop()
        looks += 1
        if last - first < EXACT:
            bad = looked_at(np.arange(first, last + 1, dtype=np.float64))
            if bad is not None:
                return bad
            continue
        with np.errstate(all="ignore"):
            found = schedule.range(first, last)
        if found is None or looks > MOST_LOOKS:  # the rest is looked at when its steps come
            some = np.concatenate([np.arange(first, first + EXACT), np.geomspace(first + EXACT, last, SPREAD)])
            return looked_at(np.unique(np.minimum(some, last).astype(np.int64)).astype(np.float64))
        if not all(np.isfinite(v) and bounded.holds(v) for v in found):
            middle = (first + last) // 2
            waiting += [(middle + 1, last), (first, middle)]
    return None
