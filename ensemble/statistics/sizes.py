"""How many instances are enough: for an interval as narrow as is wanted, or to see a difference that is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, isfinite
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import nct, t

from ..plain import array_of_numbers, is_flag, is_number
from ..words import told
from .intervals import wilson
from .lifetimes import check_confidence

MOST = 1 << 53
"""Instances that are counted exactly."""


def instances_for_interval(
    half_width: float, *, share: float | None = None, sd: float | None = None, confidence: float = 0.95
) -> int:
    """Count the instances whose interval is at most `half_width` to either side.

    Of a `share`, about as large as is said, Wilson's interval (1927), that of `shares`; take 0.5 where nothing is known of
    it. Of a mean of values with standard deviation `sd`, as a pilot run tells, Student's: half = t sd/sqrt(n) with n - 1
    degrees of freedom. `half_width` has the units of the share or the mean. For times cut at a horizon `sd` is that of
    min(T, horizon).

    Returns the least such number.

    ValueError: neither or both of `share` and `sd`, a half width that is not positive or needs more than 2^53 instances, a
    share outside [0, 1], a confidence outside (0, 1).
    """
    check_confidence(confidence)
    _positive("half_width", half_width, "a positive number, in the units of what is estimated")
    _one_of(share=share, sd=sd)
    if share is not None:
        _probability("share", share, closed=True)
        p = float(share)

        def half(n: int) -> float:
            _, lower, upper = wilson(p * n, n, confidence)
            return float(max(upper - p, p - lower))

        return _least(lambda n: half(n) <= half_width, 1)
    _positive("sd", sd, "the standard deviation of one instance's value, positive")
    assert sd is not None
    return _least(lambda n: float(t.ppf(0.5 + confidence / 2, n - 1)) * sd / np.sqrt(n) <= half_width, 2)


def instances_for_power(
    power: float = 0.8,
    *,
    difference: float | None = None,
    sd: float | None = None,
    paired: bool = True,
    shares: Sequence[float] | None = None,
    hazard_ratio: float | None = None,
    observed: float = 1.0,
    confidence: float = 0.95,
) -> int:
    """Count the instances of each of two groups with which a two-sided test sees what is there, with probability `power`.

    One of three is said. `difference` of two means, in the units of `sd`: for `paired` groups, whose instances share starts
    and noise, `sd` is that of the instances' own differences and the test Student's on them; else it is that within a
    group, and the test Student's of two samples; power is of the noncentral t law. `shares`, two of them, of independent
    groups: Pearson's test of two proportions, n = (q sqrt(2 m (1 - m)) + z sqrt(p1 (1 - p1) + p2 (1 - p2)))^2/(p1 - p2)^2,
    m their mean (Fleiss 1981). `hazard_ratio` of independent groups: the log-rank test, 4 (q + z)^2/ln(ratio)^2 events in
    both together (Schoenfeld 1981, doi:10.1093/biomet/68.1.316), of which `observed` is the share of instances that have
    theirs before the horizon. q and z are the normal quantiles of (1 + confidence)/2 and `power`.

    Returns one whole number: the least over all that suffice, of instances in each group.

    ValueError: none or several of `difference`, `shares` and `hazard_ratio`; `sd` without a difference or the other way
    round; shares that are equal; a ratio of 1; numbers outside their range; more than 2^53 instances.
    """
    check_confidence(confidence)
    _probability("power", power)
    _one_of(difference=difference, shares=shares, hazard_ratio=hazard_ratio)
    if not is_flag(paired):
        raise ValueError(f"paired={told(paired)}; give True or False")
    _probability("observed", observed, closed=True)
    if (sd is None) != (difference is None):
        raise ValueError(f"sd={told(sd)} with difference={told(difference)}; give both or neither")
    q, z = float(ndtri(0.5 + confidence / 2)), float(ndtri(power))
    if shares is not None:
        return _whole(_of_shares(shares, q, z))
    if hazard_ratio is not None:
        _positive("hazard_ratio", hazard_ratio, "a positive ratio other than 1")
        if hazard_ratio == 1 or observed == 0:
            raise ValueError(
                f"hazard_ratio={told(hazard_ratio)} with observed={told(observed)}; give a ratio other than 1 and a share above 0"
            )
        events = 4.0 * (max(q + z, 0.0) / np.log(hazard_ratio)) ** 2
        return _whole(events / (2.0 * observed))
    if not is_number(difference) or difference == 0:
        raise ValueError(f"difference={told(difference)}; give a number other than 0, in the units of sd")
    _positive("sd", sd, "a positive standard deviation, in the units of difference")
    assert difference is not None
    assert sd is not None
    size = abs(float(difference)) / float(sd)

    def seen(n: int) -> bool:
        degrees, moved = (n - 1, size * np.sqrt(n)) if paired else (2 * n - 2, size * np.sqrt(n / 2))
        edge = t.ppf(0.5 + confidence / 2, degrees)
        found = nct.sf(edge, degrees, moved) + nct.cdf(-edge, degrees, moved)
        return bool(found >= power) if isfinite(found) else moved > edge + max(z, 0.0)  # far out, where nct gives up

    return _least(seen, 2)


def _of_shares(shares: Any, q: float, z: float) -> float:
    numbers = array_of_numbers(shares)
    if (
        numbers is None
        or numbers.shape != (2,)
        or not ((numbers >= 0) & (numbers <= 1)).all()
        or numbers[0] == numbers[1]
    ):
        raise ValueError(f"shares={told(shares)}; give two different shares from 0 to 1")
    p = numbers.astype(float)
    m = p.mean()
    root = q * np.sqrt(2 * m * (1 - m)) + z * np.sqrt((p * (1 - p)).sum())
    return float(max(root, 0.0) ** 2 / (p[0] - p[1]) ** 2)


def _least(enough: Callable[[int], bool], low: int) -> int:
    """Return the least n from `low` on that is enough, where more than enough is."""
    high = low
    while not enough(high):
        if high >= MOST:
            raise ValueError("more than 2^53 instances would be needed; give a wider interval or a larger difference")
        low, high = high + 1, min(2 * high, MOST)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def _whole(n: float) -> int:
    if not n <= MOST:
        raise ValueError("more than 2^53 instances would be needed; give a larger difference")
    return max(1, ceil(n))


def _one_of(**given: Any) -> None:
    if sum(value is not None for value in given.values()) != 1:
        said = ", ".join(f"{name}={told(value)}" for name, value in given.items())
        raise ValueError(f"{said}; give exactly one of {', '.join(given)}")


def _positive(name: str, value: object, wanted: str) -> None:
    if not is_number(value) or not float(value) > 0:  # type: ignore[arg-type]
        raise ValueError(f"{name}={told(value)}; give {wanted}")


def _probability(name: str, value: object, closed: bool = False) -> None:
    inside = is_number(value) and (0 <= float(value) <= 1 if closed else 0 < float(value) < 1)  # type: ignore[arg-type]
    if not inside:
        raise ValueError(f"{name}={told(value)}; give a number {'from 0 to 1' if closed else 'between 0 and 1'}")
