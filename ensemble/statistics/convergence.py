"""How fast do runs converge: a constant factor per step, a power of the step, or no longer at all?"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from scipy.special import ndtri

from .falls import HALF, POINTS, Fits, Window, fits, slope_errors
from .intervals import (
    ResampledMedians,
    check_resampling,
    median_interval,
    resampled_counts,
    wilson,
)
from .lifetimes import FloatArray, check_number, check_whole
from .recorded import Recorded, recorded

REGIMES = ("floor", "linear", "power", "undecided")  # codes 0 ... 3; -1 where there are too few points


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

    Intervals: normal, slope -+ z sd, where sd^2 is the mean over instances of (sum_k w_k s_k sign(e_k - median_k))^2: the
    median's influence function (Hampel 1974) through the fit's weights w_k, with the standard error s_k of the median of
    ln e by order statistics (Price & Bonett 2001, doi:10.1080/00949650108812071); from those below it alone where those
    above have diverged. On ten laws of the instances, skewed, heavy-tailed and white noise among them, 95 % intervals
    cover 93 to 97 % at 20, 100 and 1,000 instances; but at 20, where e's logarithm is white Cauchy noise, 98 %, and where
    it has two separate clusters, 40 to 60, 91 %. `regime_stability` is the share of bootstrap resamples of the instances
    (Efron 1979) in which the regime comes out the same, in the same window. Of the instances: how many are
    in each regime with Wilson's interval, and the median factor of those called linear, the median exponent of those
    called power, with the interval between order statistics (Hettmansperger & Sheather 1986).

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
    errors = [slope_errors(window) for window in windows]
    whole = [fits(np.median(w.excess, axis=0)[None], w, w.everyone) for w in windows]
    again = [fits(np.concatenate(d), w, w.everyone) for d, w in zip(drawn, windows, strict=True)]
    each = [fits(w.excess, w, w.running) for w in windows]
    return _dataset(found, windows, whole, errors, again, each, confidence, resamples, seed, quantity, optimum)


def _window(
    found: Recorded, number: int, quantity: str, optimum: float, since: int | None, until: int | None
) -> Window:
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
    if chosen.size < POINTS or fewest < HALF:
        raise ValueError(
            f"{chosen.size} usable records of {quantity} lie in steps {first} to {last} ({fewest} in one half of "
            f"it in ln t), {POINTS} and {HALF} are needed: record more steps, or give a wider window by since= and until="
        )
    if chosen[-1] < 2 * chosen[0]:
        raise ValueError(
            f"the window from step {chosen[0]} to {chosen[-1]} is too narrow to tell a power from a factor; give "
            "since= and until= at least a factor 2 apart"
        )
    columns = np.flatnonzero(within)[kept]
    return Window(chosen, excess[:, columns], running[:, columns], resolution, found.eps)


def _dataset(
    found: Recorded,
    windows: list[Window],
    whole: list[Fits],
    errors: list[tuple[float, float]],
    again: list[Fits],
    each: list[Fits],
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
    half = float(ndtri(0.5 + confidence / 2)) * np.array(errors)
    slopes = np.array([[f.per_step[0], f.per_log[0]] for f in whole])
    ends = {
        "factor": np.exp([slopes - half, slopes + half])[..., 0],
        "exponent": -np.array([slopes + half, slopes - half])[..., 1],
    }
    for name, words, of, code, law in laws:
        variables[name] = frame.variable([of(f)[0] for f in whole], f"{words} of the median")
        variables[f"instance_{name}"] = frame.variable([of(f) for f in each], words, "1", "instance")
        own = np.array([median_interval(of(f)[f.regime == code], confidence) for f in each])
        variables[f"{name}_of_{law}"] = frame.variable(own[:, 0], f"median {words} of the instances called {law}")
        for i, end in enumerate(("lower", "upper")):
            which = f"{end} {percent} limit of the "
            variables[f"{name}_{end}"] = frame.variable(ends[name][i], f"{which}{words}")
            variables[f"{name}_of_{law}_{end}"] = frame.variable(own[:, i + 1], f"{which}median {words}")
    counts = np.array([[np.sum(f.regime == code) for code in range(len(REGIMES))] for f in each])
    fitted = np.array([[np.sum(f.regime >= 0)] for f in each])
    for name, values in zip(("share", "share_lower", "share_upper"), wilson(counts, fitted, confidence), strict=True):
        variables[name] = frame.variable(values, "share of the instances fitted, by regime", "1", "regime_name")
    seen = [f"{REGIMES[code]} in {np.sum(regime == code)}" for code in range(len(REGIMES)) if np.any(regime == code)]
    coords = {"regime_name": list(REGIMES), "instance": found.ids}
    attrs = {
        "quantity": quantity,
        "optimum": optimum,
        "confidence": confidence,
        "resamples": resamples,
        "seed": seed,
        "note": f"the median's regime: {', '.join(seen)} of {regime.size} groups",
    }
    return frame.dataset(variables, coords, attrs)
