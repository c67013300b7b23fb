"""Lines through curves of ln e, many at once: a factor per step, a power of the step, or a level from some step on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import binom

from .lifetimes import BoolArray, FloatArray, IntArray

_STRONG = 6.0  # a difference of BIC that Kass and Raftery (1995, s3.2) call strong evidence
_LEVELLING, _LEVELLED = 0.5, 0.25  # late slope over early slope, both in ln t
POINTS, HALF = 8, 3  # fewest points in a window and in each half of it


@dataclass(frozen=True)
class Window:
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


@dataclass(frozen=True)
class Fits:
    """Fits of many curves at once, each array (curves,): slopes of ln e in t and in ln t, and what speaks for which."""

    per_step: FloatArray
    per_log: FloatArray
    evidence: FloatArray
    residual: FloatArray
    level: FloatArray
    levels_from: FloatArray
    regime: NDArray[np.int8]


def line(y: FloatArray, mask: BoolArray, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return slope, residual sum of squares and that about the mean, of y (curves, points) against z (points,)."""
    n = np.maximum(mask.sum(axis=1), 1)[:, None]
    dz = np.where(mask, z - (mask * z).sum(axis=1, keepdims=True) / n, 0.0)
    dy = np.where(mask, y - np.where(mask, y, 0.0).sum(axis=1, keepdims=True) / n, 0.0)
    square = (dz * dz).sum(axis=1)
    slope = np.divide((dz * dy).sum(axis=1), square, out=np.zeros(len(dy)), where=square > 0)
    return slope, ((dy - slope[:, None] * dz) ** 2).sum(axis=1), (dy * dy).sum(axis=1)


def fits(excess: FloatArray, window: Window, running: BoolArray) -> Fits:
    usable = running & np.isfinite(excess) & (excess > window.resolution)
    y = np.log(np.where(usable, excess, 1.0))
    t, log_t = window.step.astype(float), np.log(window.step)
    count = usable.sum(axis=1)
    # What rounding alone leaves: without it two exact fits would be told apart by their last bits.
    rounding = count * (4.0 * window.eps) ** 2
    per_step, by_step, _ = line(y, usable, t)
    per_log, by_log, _ = line(y, usable, log_t)
    with np.errstate(divide="ignore", invalid="ignore"):
        evidence = count * np.log((by_log + rounding) / (by_step + rounding))
        residual = np.sqrt(np.minimum(by_step, by_log) / count)

    halves = [usable & ~window.late, usable & window.late]
    (early, early_fall), (late, late_fall) = (_falling(y, half, t, log_t, window.eps) for half in halves)
    ratio = np.divide(late, early, out=np.ones(len(y)), where=(early_fall >= _STRONG) & (early < 0))
    bend, gain = _bend(y, usable, t, log_t, np.minimum(by_step, by_log), window.eps)
    index = np.arange(t.size)
    before, _, _ = line(y, usable & (index <= bend[:, None]), log_t)
    after, _, _ = line(y, usable & (index >= bend[:, None]), log_t)
    flatter = np.divide(after, before, out=np.ones(len(y)), where=(gain >= _STRONG) & (before < 0))
    ratio = np.minimum(ratio, flatter)
    floor = (late_fall <= 0) | (ratio < _LEVELLED)
    decided = (late_fall >= _STRONG) & (ratio >= _LEVELLING) & (np.abs(evidence) >= _STRONG)
    regime = np.where(floor, 0, np.where(~decided, 3, np.where(evidence > 0, 1, 2)))
    few = (count < POINTS) | (halves[0].sum(axis=1) < HALF) | (halves[1].sum(axis=1) < HALF)
    levelled = flatter < _LEVELLED
    kept = usable & (index >= np.where(levelled, bend, 0)[:, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.exp(np.where(kept, y, 0.0).sum(axis=1) / kept.sum(axis=1))
    slopes = [np.where(few, np.nan, slope) for slope in (per_step, per_log)]
    told = [np.where(few, np.nan, number) for number in (evidence, residual, level)]
    levels_from = np.where(levelled & ~few, t[bend], np.nan)
    return Fits(slopes[0], slopes[1], told[0], told[1], told[2], levels_from, np.where(few, -1, regime).astype(np.int8))


def _bend(
    y: FloatArray, mask: BoolArray, t: FloatArray, log_t: FloatArray, least: FloatArray, eps: float
) -> tuple[NDArray[np.intp], FloatArray]:
    """Return the index of the point from which on a constant follows a fall, by either law, and what BIC gains by it.

    The gain is over the better of the two laws without a bend, whose residual sum of squares is `least` (curves,).
    """
    bends = np.arange(2, t.size - HALF + 1)
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
        slope, rest, whole = line(y, mask, z)
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = count * np.log((whole + rounding) / (rest + rounding)) - np.log(count)
        best = np.where(slope < 0, np.fmax(best, gain), best)
    return slope, best


def slope_errors(window: Window) -> tuple[float, float]:
    """Return the standard errors of the slopes, in t and in ln t, of the median's ln e, by its influence function.

    The median of ln e at point k has the error s_k = (ln e_(n-c+1) - ln e_(c))/(2 z), between order statistics with
    c = (n+1)/2 - sqrt(n), rounded, and z the normal quantile of 1 - P(Bin(n, 1/2) < c) (Price & Bonett 2001), and instance i
    moves it by s_k sign(e_ik - median_k): so it moves the slope by their sum with the fit's weights, and the mean of its
    squares over i is the slope's variance, correlation along the curves included. Where e_(n-c+1) is infinite, the lower
    half counts twice.
    """
    n = len(window.excess)
    rank = max(1, int(np.floor((n + 1) / 2 - np.sqrt(n) + 0.5)))
    reach = float(ndtri(binom.sf(rank - 1, n, 0.5)))
    ordered = np.sort(window.excess, axis=0)
    middle = np.median(window.excess, axis=0)
    usable = np.isfinite(middle) & (middle > window.resolution)
    center = np.where(usable, middle, 1.0)
    low, high = (np.log(np.maximum(ordered[k], window.resolution)) for k in (rank - 1, n - rank))
    below, above = np.log(center) - low, high - np.log(center)
    error = np.where(usable, (below + np.where(np.isfinite(above), above, below)) / (2.0 * reach), 0.0)
    moved = error * np.sign(window.excess - center)
    found = []
    for z in (window.step.astype(float), np.log(window.step)):
        dz = np.where(usable, z - z[usable].mean(), 0.0) if usable.any() else np.full(z.size, np.nan)
        found.append(float(np.sqrt(np.mean((moved @ dz / (dz @ dz)) ** 2))))
    return found[0], found[1]
