"""Is the logarithm of the escape rate a straight line in the inverse temperature, and how high is the barrier?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy.stats import chi2, t

from ..words import told
from .escape import checks_at_risk, escape_rate
from .intervals import FEWEST
from .lifetimes import BoolArray, FloatArray, IntArray, check_confidence, check_whole, numbers_in, read

_FEWEST = 3  # a straight line through two points always fits


def arrhenius(
    data: Any,
    dim: str,
    temperature: ArrayLike | None = None,
    *,
    time_per_step: ArrayLike = 1.0,
    after: int = 0,
    label: int | None = None,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Fit ln(rate) = ln(prefactor) - barrier/temperature to the escape rates along `dim`, and say how well it fits.

    Arrhenius 1889; Kramers 1940. The rates are those of `escape_rate` (geometric law, censoring included): p = D/M from
    D events in M steps at risk after step `after`, rate = -ln(1-p)/time_per_step. The line is fitted by least squares
    weighted with D, as the variance of ln(rate) is close to 1/D. SGD on a landscape has temperature lr sigma^2/2 per
    unit of time lr*t: give `temperature` (members of `dim`), by default the coordinate of `dim`, and time_per_step = lr
    where the rate changes too.

    Intervals: Student's, from the instances' influence on the line (Hampel 1974), through the rates and through the weights.
    Where attrs["paired"] is 1 an instance is one of all temperatures, so that what they share is counted once, else each
    temperature has its own. Of 95 % intervals of the barrier 93 to 97 % hold the truth from 20 instances on; of the
    prefactor too, down to 87 % of 20 and 91 % of 50 where paired runs are censored at several temperatures.
    Goodness of fit: `chi_square` = r' C^-1 r against chi2(temperatures - 2), with r the residuals of the generalised
    least squares line and C the covariance of the ln(rate), between temperatures where they are paired, from the
    instances' influence on them. A small `goodness_pvalue` says that the line, or a constant hazard, is
    wrong.

    Returns over the other configuration dimensions `barrier` (units of temperature) and `log_prefactor` with `_lower`,
    `_upper`, `chi_square`, `degrees`, `goodness_pvalue`; over `dim` too `rate` with `_lower`, `_upper` (as there, per
    unit of time; `plots.arrhenius` draws them), `log_rate`, `log_rate_error`, `fit` (of log_rate), `events_total`;
    coordinate `temperature`.

    ValueError: fewer than 3 temperatures, or some not positive or the same; no events at one of them, or all at the first
    check; no attrs["paired"]; fewer than 10 instances; nobody at risk after `after`.
    """
    check_whole("after", after, 0, "the whole number of steps to leave out, 0 or more")
    lives = read(data, label)
    frame = lives.frame
    table = frame.members(dim)
    check_confidence(confidence)
    if lives.instances < FEWEST:
        raise ValueError(f"{lives.instances} instances per group cannot bear an interval; give at least {FEWEST}")
    if lives.paired is None:
        raise ValueError(
            "attrs['paired'] is missing; set it to 1 if instance i is the same draw in all groups, else to 0"
        )
    kelvin = _temperatures(frame.names(dim) if temperature is None else temperature, dim, table.shape[1])
    duration = numbers_in(time_per_step)
    fine = np.all(duration > 0) and np.all(np.isfinite(duration))
    if duration.ndim > 1 or duration.size not in (1, kelvin.size) or not fine:
        raise ValueError(
            f"time_per_step={told(time_per_step)}; give a positive number, or one for each member of {told(dim)}"
        )
    every, skipped = lives.check_every, -(-after // lives.check_every)
    sets = []
    for number in range(len(lives)):
        sets.append(
            _Trials.of(*checks_at_risk(lives.group(number, stop=True), lives.horizon[number], every, 0), skipped)
        )
    for row in table:
        for member, number in enumerate(row):
            if sets[number].had.sum() == 0:
                where = f"temperature {kelvin[member]:g} ({dim}={frame.names(dim)[member]})"
                raise ValueError(f"no events at {where}: its rate has no logarithm; run longer or leave it out")
            if sets[number].had.sum() == sets[number].checks.sum():
                where = f"temperature {kelvin[member]:g} ({dim}={frame.names(dim)[member]})"
                raise ValueError(f"all escape at the first check at {where}: its rate is not finite; leave it out")
    unit = duration * every
    fits = [_fit([sets[k] for k in row], kelvin, unit, bool(lives.paired), confidence) for row in table]

    rest, percent = frame.without(dim), f"{100 * confidence:g} %"
    variables = {}
    for i, (name, words, units) in enumerate(
        (
            ("log_prefactor", "ln of the rate at infinite temperature", "1"),
            ("barrier", "barrier", "units of temperature"),
        )
    ):
        for j, end in enumerate(("", "_lower", "_upper")):
            which = f"{end[1:]} {percent} limit of the " if end else ""
            variables[name + end] = rest.variable([f.line[j][i] for f in fits], f"{which}{words}", units)
    degrees = kelvin.size - 2
    statistic = np.array([f.chi_square for f in fits])
    variables |= {
        "chi_square": rest.variable(statistic, "squared residuals in units of their covariance"),
        "degrees": rest.variable(np.full(len(fits), degrees), "degrees of freedom of chi_square"),
        "goodness_pvalue": rest.variable(
            chi2.sf(statistic, degrees), "P(chi2 >= chi_square) if ln(rate) is a line in 1/T"
        ),
        "log_rate": rest.variable([f.log_rate for f in fits], "ln of the escape rate", "1", dim),
        "log_rate_error": rest.variable([f.error for f in fits], "standard error of log_rate", "1", dim),
        "fit": rest.variable([f.fitted for f in fits], "ln of the rate by the line", "1", dim),
        "events_total": rest.variable([[sets[k].had.sum() for k in row] for row in table], "events", "1", dim),
    }
    alone = escape_rate(data, label=label, confidence=confidence, after=after)
    for end in ("", "_lower", "_upper"):
        which = f"{end[1:]} {percent} limit of the " if end else ""
        rate = alone[f"rate{end}"].values.reshape(-1)[table] / duration
        variables[f"rate{end}"] = rest.variable(rate, f"{which}escape rate", "per unit of time", dim)
    coords = {
        dim: frame.names(dim),
        "temperature": (dim, kelvin, {"long_name": "temperature", "units": "units of f"}),
    }
    method = "influence of instances, paired" if lives.paired else "influence of instances, independent"
    attrs = {"method": method, "confidence": confidence, "after": skipped * every}
    return rest.dataset(variables, coords, attrs, dim)


def _temperatures(given: ArrayLike, dim: str, members: int) -> FloatArray:
    kelvin = numbers_in(given)
    if kelvin.shape != (members,) or np.any(~(kelvin > 0)) or np.any(~np.isfinite(kelvin)):
        raise ValueError(
            f"temperature={told(given)}; give a positive number for each of the {members} members of {told(dim)}"
        )
    if np.unique(kelvin).size < max(members, _FEWEST):
        raise ValueError(
            f"{np.unique(kelvin).size} different temperatures along {told(dim)}; a line and its fit need {_FEWEST} or more, each once"
        )
    return kelvin


@dataclass(frozen=True)
class _Trials:
    """Of each instance (instances,): whether it had the event, and the checks it was at risk, after the ones skipped."""

    had: FloatArray
    checks: FloatArray

    @classmethod
    def of(cls, checks: IntArray, had: BoolArray, skipped: int) -> _Trials:
        kept = np.maximum(checks - skipped, 0)
        if not kept.any():
            raise ValueError("no instance is at risk after the steps left out in some group; give a smaller `after`")
        return cls((had & (kept > 0)).astype(float), kept.astype(float))


@dataclass(frozen=True)
class _Fit:
    """`line` holds (estimate, lower, upper) of (log_prefactor, barrier); the others (temperatures,)."""

    line: tuple[FloatArray, FloatArray, FloatArray]
    chi_square: float
    log_rate: FloatArray
    error: FloatArray
    fitted: FloatArray


def _fit(
    sets: list[_Trials],
    kelvin: FloatArray,
    unit: FloatArray,
    paired: bool,
    confidence: float,
) -> _Fit:
    had, checks = (
        np.stack([getattr(s, name) for s in sets], axis=1) for name in ("had", "checks")
    )  # (instances, members)
    inverse, n = 1.0 / kelvin, len(had)
    events, trials = had.sum(axis=0), checks.sum(axis=0)
    p = events / trials
    log_rate = np.log(-np.log1p(-p) / unit)
    bend = p / ((1.0 - p) * -np.log1p(-p))  # d ln(rate)/d ln(p)
    influence = bend * (had - p * checks) / events
    covariance = influence.T @ influence
    if not paired:
        covariance = np.diag(np.diag(covariance))
    inverse_covariance = np.linalg.pinv(covariance, hermitian=True)
    design = np.stack([np.ones_like(inverse), -inverse], axis=1)
    best = np.linalg.lstsq(
        design.T @ inverse_covariance @ design, design.T @ inverse_covariance @ log_rate, rcond=None
    )[0]
    residual = log_rate - design @ best

    # Weighted least squares, its coefficients' derivatives by the rates and by the weights: the events.
    weight = events / events.sum()
    center = float(weight @ inverse)
    away = inverse - center
    toward = np.stack([1.0 - center * away / (weight @ away**2), -away / (weight @ away**2)])  # (line, members)
    line = (toward * weight) @ log_rate
    by_weight = toward * (log_rate - design @ line) / events.sum()
    own = (toward * weight)[:, None] * influence + by_weight[:, None] * (had - events / n)  # (line, instances, members)
    if paired:
        own = own.sum(axis=2, keepdims=True)
    margin = float(t.ppf(0.5 + confidence / 2, n - 1)) * np.sqrt((own**2).sum(axis=(1, 2)) * n / (n - 1))
    statistic = float(residual @ inverse_covariance @ residual)
    return _Fit((line, line - margin, line + margin), statistic, log_rate, np.sqrt(np.diag(covariance)), design @ line)
