"""Escape with a constant hazard: one rate per step, its interval, and whether the hazard is constant at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import chi2

from .intervals import modified_wilson
from .lifetimes import BoolArray, Group, IntArray, check_confidence, check_whole, read
from .survival import kaplan_meier

_BINS, _PER_BIN = 10, 5  # at most so many bins, each with at least so many expected events (Cochran 1954)
_DOUBT, _DISTANCE = 1e-3, 0.02  # "plainly not constant": significant *and* visible


def escape_rate(data: Any, *, label: int | None = None, confidence: float = 0.95, after: int = 0) -> xr.Dataset:
    """Fit the geometric law P(T > t) = (1 - p)^t to censored escape times and check that the hazard is constant.

    With D events in M instance-steps at risk the maximum likelihood estimate is p = D/M exactly, censoring included
    (Deemer & Votaw 1955, for the exponential). `rate` = -ln(1 - p) is the exponential law's, seen at whole steps:
    P(T > t) = exp(-rate t). Intervals: D of M is binomial up to where sampling stops, so Wilson's, modified for few events
    (Brown, Cai & DasGupta 2001; the exact ones of Clopper & Pearson 1934 cover up to 99 % of a nominal 95); D = 0 still
    bounds the rate from above. With `check_every` = k the trials are checks, each of k steps, and everything is converted
    to single steps; an event in a last, shorter interval before the horizon is left out with its exposure.

    Unlike in `survival`, an instance is at risk only while it runs: divergence and competing events end its exposure,
    so that p is the escape probability per step of a running instance. `after` (steps) leaves out the approach to the
    quasi-stationary state: only steps after it count.

    Check of the fit: `chi_square` = sum (O - E)^2/(E (1-p)) over up to 10 stretches of equal exposure with at least 5
    events expected in each, against chi2(bins - 1) (`goodness_pvalue`); `distance` = the largest
    |Kaplan-Meier - (1-p)^t| over the steps watched. `hazard_constant` is 0 ("plainly not constant") where
    goodness_pvalue < 0.001 and distance > 0.02, -1 where fewer than 10 events cannot tell, else 1.

    Returns over the configuration dimensions `probability`, `rate` (per step) and `mean` (1/p, steps), each with
    `_lower`, `_upper`; `events_total`, `exposure` (instance-steps), `diverged`, the check, and `no_events`.

    ValueError: confidence outside (0, 1); `after` negative; nobody at risk after it; event steps no check can have
    given; variables missing; no instances.
    """
    check_confidence(confidence)
    check_whole("after", after, 0, "the whole number of steps to leave out, 0 or more")
    lives = read(data, label)
    every, frame = lives.check_every, lives.frame
    skipped = -(-after // every)
    groups = [lives.group(number, stop=True) for number in range(len(lives))]
    tables = [checks_at_risk(group, ends, every, skipped) for group, ends in zip(groups, lives.horizon, strict=True)]
    events = np.array([float(np.count_nonzero(had)) for _, had in tables])
    trials = np.array([float(checks.sum()) for checks, _ in tables])
    if np.any(trials == 0):
        raise ValueError(f"no instance is at risk after step {skipped * every} in some group; give a smaller `after`")

    fit = np.array(modified_wilson(events, trials, confidence))
    with np.errstate(divide="ignore"):
        rate = -np.log1p(-fit) / every
        probability = -np.expm1(-rate)
        mean = 1.0 / probability[[0, 2, 1]]
    check = np.array([_goodness(c, had, p) for (c, had), p in zip(tables, fit[0], strict=True)])
    statistic, degrees, distance = check.T
    pvalue = chi2.sf(statistic, np.where(degrees > 0, degrees, np.nan))
    constant = np.where((pvalue < _DOUBT) & (distance > _DISTANCE), 0, 1)
    constant[np.isnan(pvalue)] = -1

    variables: dict[str, xr.Variable] = {}
    limits = f"{100 * confidence:g} %"
    for i, end in enumerate(("", "_lower", "_upper")):
        which = f"{end[1:]} {limits} limit of the " if end else ""
        variables |= {
            f"probability{end}": frame.variable(probability[i], f"{which}escape probability per step"),
            f"rate{end}": frame.variable(rate[i], f"{which}escape rate", "1/step"),
            f"mean{end}": frame.variable(mean[i], f"{which}mean escape time", "step"),
        }
    variables |= {
        "events_total": frame.variable(events.astype(np.int64), "events after `after`"),
        "exposure": frame.variable(trials * every, "instance-steps at risk", "step"),
        "diverged": frame.variable([group.diverged for group in groups], "instances that diverged"),
        "chi_square": frame.variable(statistic, "sum of (O-E)^2/(E(1-p)) over stretches of equal exposure"),
        "degrees": frame.variable(degrees.astype(np.int64), "degrees of freedom of chi_square"),
        "goodness_pvalue": frame.variable(pvalue, "P(chi2 >= chi_square) if the hazard is constant"),
        "distance": frame.variable(distance, "largest |Kaplan-Meier - geometric law|"),
        "hazard_constant": frame.variable(constant.astype(np.int8), "is the hazard constant"),
        "no_events": frame.variable(events == 0, "no events: the rate is bounded from above only"),
    }
    meanings = {"flag_values": [-1, 0, 1], "flag_meanings": "too_few_events plainly_not_constant consistent"}
    variables["hazard_constant"].attrs.update(meanings)
    empty, doubtful = int((events == 0).sum()), int((constant == 0).sum())
    notes = [f"no events in {empty} of {len(lives)} groups: mean_upper is infinite"] if empty else []
    notes += [f"the hazard is plainly not constant in {doubtful} of {len(lives)} groups"] if doubtful else []
    attrs = {
        "confidence": confidence,
        "label": "any" if label is None else int(label),
        "check_every": every,
        "after": skipped * every,
        "note": "; ".join(notes),
    }
    return frame.dataset(variables, attrs=attrs)


def checks_at_risk(group: Group, horizon: IntArray, every: int, skipped: int) -> tuple[IntArray, BoolArray]:
    """Return checks at risk after the first `skipped` ones and whether the last of them saw the event (instances,)."""
    partial = group.had & (group.time % every != 0)
    if np.any(partial & (group.time != horizon)):
        given = f"event_step {group.time[partial].min()} is no multiple of attrs['check_every']={every}"
        raise ValueError(f"{given}; give the interval between checks that the run really used")
    checks = group.time // every - skipped
    kept = checks > 0
    return checks[kept], (group.had & ~partial)[kept]


def _goodness(checks: IntArray, had: BoolArray, p: float) -> tuple[float, int, float]:
    """Return chi-square over stretches of equal exposure, its degrees of freedom, and the distance of the curves."""
    last = int(checks.max())
    curve = kaplan_meier(checks, had, last, 0.95)
    # Between two points the curve is flat and the law falls: the gap is largest at one of the ends.
    flat_to = np.append(curve.step[1:] - 1, last)
    gaps = [np.abs(curve.survival - (1.0 - p) ** step).max() for step in (curve.step, flat_to)]

    end, count = np.unique(checks, return_counts=True)
    risk = checks.size - np.append(0, np.cumsum(count)[:-1])
    grid, exposure = np.append(0, end), np.append(0.0, np.cumsum(risk * np.diff(end, prepend=0)))
    shares = np.linspace(0.0, exposure[-1], _BINS + 1)
    edges = np.unique(np.ceil(np.interp(shares, exposure, grid) - 1e-9))
    expected = p * np.interp(edges, grid, exposure)  # up to each edge
    kept = [0]
    for i in range(1, edges.size):
        if expected[i] - expected[kept[-1]] >= _PER_BIN and expected[-1] - expected[i] >= _PER_BIN:
            kept.append(i)
    seen = np.searchsorted(np.sort(checks[had]), np.append(edges[kept], last), side="right")
    observed, wanted = np.diff(seen), np.diff(np.append(expected[kept], expected[-1]))
    degrees = observed.size - 1
    if degrees < 1:
        return np.nan, 0, float(max(gaps))
    return float(np.sum((observed - wanted) ** 2 / (wanted * (1.0 - p)))), degrees, float(max(gaps))
