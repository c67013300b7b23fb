"""How fast do runs converge: a constant factor per step, a power of the step, or no longer at all?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .intervals import (
    ResampledMedians,
    check_resampling,
    median_interval,
    percentile_limits,
    resampled_counts,
    wilson,
)
from .lifetimes import BoolArray, FloatArray, IntArray, check_number, check_whole
from .recorded import Recorded, recorded

REGIMES = ("floor", "linear", "power", "undecided")  # codes 0 ... 3; -1 where there are too few points
_STRONG = 6.0  # a difference of BIC that Kass and Raftery (1995, s3.2) call strong evidence
_LEVELLING, _LEVELLED = 0.5, 0.25  # late slope over early slope, both in ln t
_POINTS, _HALF = 8, 3  # fewest points in a window and in each half of it


def convergence_rate(
    data: Any,
    quantity: str = "value",
    optimum: float = 0.0,
    *,
    since: int | None = None,
    until: int | None = None,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> xr.Dataset:
    """Fit the rate at which e(t) = quantity - optimum falls: for the median over instances, and for each instance.

    Two laws are fitted by least squares to ln e at the recorded steps of one window: linear convergence e ~ factor^t
    and a power law e ~ t^-exponent. Both have two parameters, so that the difference of their BIC (Schwarz 1978) and of
    their AIC is `evidence` = K ln(RSS_power/RSS_linear) over the K points. The regime is stated only on strong
    evidence, 6 or more (Kass & Raftery 1995):

    - floor: over the late half of the window (in ln t) the curve does not fall, or at less than a quarter of the slope in
      ln t that it had before, as SGD of constant rate does once it is at its noise level. "Before" is the early half, or
      all that comes before the step from which on a constant fits better (`levels_from`, strong evidence again);
    - linear, power: that law is better by 6 or more;
    - undecided: neither, or the late slope is between a quarter and a half of the one before. Neighbouring records of a
      noisy run are correlated, so evidence from one instance is somewhat overstated; of the median of many it is not
      noise but misfit that `residual` shows (root mean square of ln e about the better fit).

    The factor is that of the quantity: of f on a quadratic it is the square of that of |x|. `optimum` is the quantity's
    limit, such as f*. The window ends at `until`: the last recorded step, or the last before half of the instances have
    stopped, or before the median is within rounding of `optimum`; it begins at `since`: a tenth of that. The median is
    over all instances: those that diverged count as infinite, those that an event stopped keep their last value; each
    instance's own fit leaves out what comes after its event.

    Intervals: percentile bootstrap over instances (Efron 1979), the same window and regime; a resampled median jumps
    from value to value, so that for few instances they are too wide (at 100, 95 % intervals cover 97.5 to 98 %).
    `regime_stability` is the share of resamples in which the regime comes out the same. Of the instances: how many are
    in each regime with Wilson's interval, and the median factor of those called linear, the median exponent of those
    called power, with the exact interval by order statistics.

    Returns over the configuration dimensions: `regime` (flags), `factor` (per step) and `exponent` with `_lower`,
    `_upper` (both laws', whatever the regime), `evidence`, `residual`, `level` (geometric mean of e in the window, from
    `levels_from` on where there is such a step), `since`, `until`, `levels_from` (steps), `points`, `regime_stability`;
    over `regime_name` too `share` with limits; `instance_factor`, `instance_exponent`, `instance_regime`,
    `instance_evidence` (..., instance); `factor_of_linear`, `exponent_of_power` with limits; `n`, `diverged`.
    attrs["note"] says in words how many groups are in which regime.

    ValueError: quantity not recorded of instances; fewer than 10 instances; fewer than 8 records in the window or 3 in
    either half of it; a window of less than a factor 2 in steps; values below `optimum`; too few resamples.
    """
    found = recorded(data, quantity)
    check_resampling(found.ids.size, resamples, confidence, seed)
    check_number("optimum", optimum, f"the finite value that {quantity} converges to")
    for name, value in (("since", since), ("until", until)):
        if value is not None:
            check_whole(name, value, 1, "a recorded step of at least 1, or None")
    windows = [_window(found, number, quantity, optimum, since, until) for number in range(len(found.lives))]
    medians = [ResampledMedians(window.excess) for window in windows]
    drawn: list[list[FloatArray]] = [[] for _ in windows]
    for counts in resampled_counts(found.ids.size, resamples, seed):
        for collected, median in zip(drawn, medians, strict=True):
            collected.append(median(counts))
    whole = [_fits(np.median(w.excess, axis=0)[None], w, w.everyone) for w in windows]
    again = [_fits(np.concatenate(d), w, w.everyone) for d, w in zip(drawn, windows, strict=True)]
    each = [_fits(w.excess, w, w.running) for w in windows]
    return _dataset(found, windows, whole, again, each, confidence, resamples, seed, quantity, optimum)


@dataclass(frozen=True)
class _Window:
    """The records that are fitted: `step` (points,), `excess` (instances, points) = quantity - optimum.

    Below `resolution` the excess is rounding. `running` (instances, points) is where a value is news.
    """

    step: IntArray
    excess: FloatArray
    running: BoolArray
    resolution: float
    eps: float

    @property
    def everyone(self) -> BoolArray:
        return np.ones((1, self.step.size), bool)

    @property
    def late(self) -> BoolArray:
        return self.step >= np.sqrt(float(self.step[0]) * self.step[-1])


def _window(
    found: Recorded, number: int, quantity: str, optimum: float, since: int | None, until: int | None
) -> _Window:
    excess = found.curves(number) - optimum
    running = found.running(number)
    resolution = 8.0 * found.eps * abs(optimum) + found.tiny
    within = found.step <= found.lives.horizon[number].max()
    middle = np.median(excess[:, within], axis=0)
    step = found.step[within]
    if np.any(middle < -8.0 * resolution):
        low = float(np.min(middle)) + optimum
        raise ValueError(f"the median of {quantity} falls to {low:g}, below optimum={optimum:g}; give the true limit")
    arrived = middle <= resolution
    stopped = ~running[:, within] | ~np.isfinite(excess[:, within])
    good = (step >= 1) & ~arrived & (stopped.mean(axis=0) <= 0.5)
    good &= np.logical_and.accumulate(good | (step < 1))  # only up to the first that is not
    last = step[good].max(initial=0) if until is None else until
    first = -(-last // 10) if since is None else since
    kept = good & (step >= max(first, 1)) & (step <= last)
    chosen = step[kept]
    late = chosen >= np.sqrt(float(chosen[0]) * chosen[-1]) if chosen.size else kept[kept]
    fewest = min(np.count_nonzero(late), np.count_nonzero(~late))
    if chosen.size < _POINTS or fewest < _HALF:
        raise ValueError(
            f"{chosen.size} usable records of {quantity} lie in steps {first} to {last} ({fewest} in one half of "
            f"it in ln t), {_POINTS} and {_HALF} are needed: record more steps, or give a wider window by since= and until="
        )
    if chosen[-1] < 2 * chosen[0]:
        raise ValueError(
            f"the window from step {chosen[0]} to {chosen[-1]} is too narrow to tell a power from a factor; give "
            "since= and until= at least a factor 2 apart"
        )
    columns = np.flatnonzero(within)[kept]
    return _Window(chosen, excess[:, columns], running[:, columns], resolution, found.eps)


@dataclass(frozen=True)
class _Fits:
    """Fits of many curves at once, each array (curves,): slopes of ln e in t and in ln t, and what speaks for which."""

    per_step: FloatArray
    per_log: FloatArray
    evidence: FloatArray
    residual: FloatArray
    level: FloatArray
    levels_from: FloatArray
    regime: NDArray[np.int8]


def _line(y: FloatArray, mask: BoolArray, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return slope, residual sum of squares and that about the mean, of y (curves, points) against z (points,)."""
    n = np.maximum(mask.sum(axis=1), 1)[:, None]
    dz = np.where(mask, z - (mask * z).sum(axis=1, keepdims=True) / n, 0.0)
    dy = np.where(mask, y - np.where(mask, y, 0.0).sum(axis=1, keepdims=True) / n, 0.0)
    square = (dz * dz).sum(axis=1)
    slope = np.divide((dz * dy).sum(axis=1), square, out=np.zeros(len(dy)), where=square > 0)
    return slope, ((dy - slope[:, None] * dz) ** 2).sum(axis=1), (dy * dy).sum(axis=1)


def _fits(excess: FloatArray, window: _Window, running: BoolArray) -> _Fits:
    usable = running & np.isfinite(excess) & (excess > window.resolution)
    y = np.log(np.where(usable, excess, 1.0))
    t, log_t = window.step.astype(float), np.log(window.step)
    count = usable.sum(axis=1)
    # What rounding alone leaves: without it two exact fits would be told apart by their last bits.
    rounding = count * (4.0 * window.eps) ** 2
    per_step, by_step, _ = _line(y, usable, t)
    per_log, by_log, _ = _line(y, usable, log_t)
    with np.errstate(divide="ignore", invalid="ignore"):
        evidence = count * np.log((by_log + rounding) / (by_step + rounding))
        residual = np.sqrt(np.minimum(by_step, by_log) / count)

    halves = [usable & ~window.late, usable & window.late]
    (early, early_fall), (late, late_fall) = (_falling(y, half, t, log_t, window.eps) for half in halves)
    ratio = np.divide(late, early, out=np.ones(len(y)), where=(early_fall >= _STRONG) & (early < 0))
    bend, gain = _bend(y, usable, t, log_t, np.minimum(by_step, by_log), window.eps)
    index = np.arange(t.size)
    before, _, _ = _line(y, usable & (index <= bend[:, None]), log_t)
    after, _, _ = _line(y, usable & (index >= bend[:, None]), log_t)
    flatter = np.divide(after, before, out=np.ones(len(y)), where=(gain >= _STRONG) & (before < 0))
    ratio = np.minimum(ratio, flatter)
    floor = (late_fall <= 0) | (ratio < _LEVELLED)
    decided = (late_fall >= _STRONG) & (ratio >= _LEVELLING) & (np.abs(evidence) >= _STRONG)
    regime = np.where(floor, 0, np.where(~decided, 3, np.where(evidence > 0, 1, 2)))
    few = (count < _POINTS) | (halves[0].sum(axis=1) < _HALF) | (halves[1].sum(axis=1) < _HALF)
    levelled = flatter < _LEVELLED
    kept = usable & (index >= np.where(levelled, bend, 0)[:, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.exp(np.where(kept, y, 0.0).sum(axis=1) / kept.sum(axis=1))
    slopes = [np.where(few, np.nan, slope) for slope in (per_step, per_log)]
    told = [np.where(few, np.nan, number) for number in (evidence, residual, level)]
    levels_from = np.where(levelled & ~few, t[bend], np.nan)
    return _Fits(
        slopes[0], slopes[1], told[0], told[1], told[2], levels_from, np.where(few, -1, regime).astype(np.int8)
    )


def _bend(
    y: FloatArray, mask: BoolArray, t: FloatArray, log_t: FloatArray, least: FloatArray, eps: float
) -> tuple[NDArray[np.intp], FloatArray]:
    """Return the index of the point from which on a constant follows a fall, by either law, and what BIC gains by it.

    The gain is over the better of the two laws without a bend, whose residual sum of squares is `least` (curves,).
    """
    bends = np.arange(2, t.size - _HALF + 1)
    z = np.concatenate(
        [np.minimum(c, c[bends, None]) for c in ((t - t[0]) / np.ptp(t), (log_t - log_t[0]) / np.ptp(log_t))]
    )
    weight, count = mask.astype(float), np.maximum(mask.sum(axis=1), 1)[:, None]
    centered = np.where(mask, y - np.where(mask, y, 0.0).sum(axis=1, keepdims=True) / count, 0.0)
    # Sums by matrix products, all bends at once: good to 1e-15 of the total, which is added for safety.
    square = weight @ (z * z).T - (weight @ z.T) ** 2 / count
    whole = (centered * centered).sum(axis=1, keepdims=True)
    rest = whole * (1.0 + 1e-14) - np.divide(
        (centered @ z.T) ** 2, square, out=np.zeros(square.shape), where=square > 1e-12
    )
    chosen = rest.argmin(axis=1)
    best = np.take_along_axis(rest, chosen[:, None], axis=1)[:, 0]
    rounding = count[:, 0] * (4.0 * eps) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = count[:, 0] * np.log((least + rounding) / (np.maximum(best, 0.0) + rounding)) - np.log(count[:, 0])
    return bends[chosen % bends.size], gain


def _falling(
    y: FloatArray, mask: BoolArray, t: FloatArray, log_t: FloatArray, eps: float
) -> tuple[FloatArray, FloatArray]:
    """Return the slope in ln t and the difference of BIC for a fall, by either law, against a constant."""
    count = mask.sum(axis=1)
    rounding = count * (4.0 * eps) ** 2
    best = np.full(len(y), -np.inf)
    for z in (t, log_t):
        slope, rest, whole = _line(y, mask, z)
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = count * np.log((whole + rounding) / (rest + rounding)) - np.log(count)
        best = np.where(slope < 0, np.fmax(best, gain), best)
    return slope, best


def _dataset(
    found: Recorded,
    windows: list[_Window],
    whole: list[_Fits],
    again: list[_Fits],
    each: list[_Fits],
    confidence: float,
    resamples: int,
    seed: int,
    quantity: str,
    optimum: float,
) -> xr.Dataset:
    frame, percent = found.frame, f"{100 * confidence:g} %"
    regime = np.array([fit.regime[0] for fit in whole])
    steady = [np.mean(draws.regime == fit.regime[0]) for draws, fit in zip(again, whole, strict=True)]
    meanings = {"flag_values": [-1, 0, 1, 2, 3], "flag_meanings": "too_few_points " + " ".join(REGIMES)}
    variables = {
        "regime": frame.variable(regime, "how the median converges"),
        "regime_stability": frame.variable(steady, "share of resamples with that regime"),
        "evidence": frame.variable([f.evidence[0] for f in whole], "BIC of the power law minus that of the factor"),
        "residual": frame.variable([f.residual[0] for f in whole], "rms deviation of ln e from the better fit"),
        "level": frame.variable([f.level[0] for f in whole], "geometric mean of e in the window", found.units),
        "levels_from": frame.variable([f.levels_from[0] for f in whole], "step from which the median is level", "step"),
        "since": frame.variable([w.step[0] for w in windows], "first step of the window", "step"),
        "until": frame.variable([w.step[-1] for w in windows], "last step of the window", "step"),
        "points": frame.variable([w.step.size for w in windows], "records in the window"),
        "n": frame.variable([len(w.excess) for w in windows], "instances"),
        "diverged": frame.variable(
            [g.diverged for g in map(found.lives.group, range(len(windows)))], "diverged instances"
        ),
        "instance_regime": frame.variable([f.regime for f in each], "how the instance converges", "1", "instance"),
        "instance_evidence": frame.variable([f.evidence for f in each], "BIC difference", "1", "instance"),
    }
    for name in ("regime", "instance_regime"):
        variables[name].attrs |= meanings
    laws: tuple[tuple[str, str, Any, int, str], ...] = (
        ("factor", "factor per step", lambda f: np.exp(f.per_step), 1, "linear"),
        ("exponent", "exponent of the power law", lambda f: -f.per_log, 2, "power"),
    )
    for name, words, of, code, law in laws:
        limits = [percentile_limits(of(draws), confidence) for draws in again]
        variables[name] = frame.variable([of(f)[0] for f in whole], f"{words} of the median")
        variables[f"instance_{name}"] = frame.variable([of(f) for f in each], words, "1", "instance")
        own = np.array([median_interval(of(f)[f.regime == code], confidence) for f in each])
        variables[f"{name}_of_{law}"] = frame.variable(own[:, 0], f"median {words} of the instances called {law}")
        for i, end in enumerate(("lower", "upper")):
            which = f"{end} {percent} limit of the "
            variables[f"{name}_{end}"] = frame.variable([pair[i] for pair in limits], f"{which}{words}")
            variables[f"{name}_of_{law}_{end}"] = frame.variable(own[:, i + 1], f"{which}median {words}")
    counts = np.array([[np.sum(f.regime == code) for code in range(len(REGIMES))] for f in each])
    fitted = np.array([[np.sum(f.regime >= 0)] for f in each])
    for name, values in zip(("share", "share_lower", "share_upper"), wilson(counts, fitted, confidence), strict=True):
        variables[name] = frame.variable(values, "share of the instances fitted, by regime", "1", "regime_name")
    seen = [f"{REGIMES[code]} in {np.sum(regime == code)}" for code in range(len(REGIMES)) if np.any(regime == code)]
    coords = {**frame.coords, "regime_name": list(REGIMES), "instance": found.ids}
    attrs = {
        "quantity": quantity,
        "optimum": optimum,
        "confidence": confidence,
        "resamples": resamples,
        "seed": seed,
        "note": f"the median's regime: {', '.join(seen)} of {regime.size} groups",
    }
    return xr.Dataset(variables, coords, attrs)
