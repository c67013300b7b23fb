"""Intervals that several statistics share: of a share, of a median, and of anything by resampling instances."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincinv, ndtri
from scipy.stats import binom, t

from ..words import told
from .lifetimes import FloatArray, check_confidence, check_whole

CELLS = 4_000_000  # resampled instances held in memory at once
_MOST = 10_000_000  # resamples held in memory at once, as many numbers each as there are groups
FEWEST = 10  # below, intervals of skewed means and of percentiles mean nothing


def wilson(count: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return share, lower and upper limit of `count` out of `n`, in the shape of both together.

    Wilson 1927 (doi:10.1080/01621459.1927.10502953): the shares p with |p - count/n| <= z sqrt(p (1-p)/n), z the normal
    quantile of (1 + confidence)/2. Unlike count/n +- z sqrt(...) it stays in [0, 1] and means something at 0 and n.
    Nobody asked (n = 0): the share is NaN, the limits 0 and 1.

    ValueError: confidence outside (0, 1), a count below 0 or above its n.
    """
    check_confidence(confidence)
    k, total = np.broadcast_arrays(np.asarray(count, float), np.asarray(n, float))
    wrong = ~((k >= 0) & (k <= total))
    if wrong.any():
        raise ValueError(f"count={k[wrong][0]:g} of n={total[wrong][0]:g}; give counts from 0 to their n")
    z2 = float(ndtri(0.5 + confidence / 2)) ** 2
    with np.errstate(invalid="ignore"):
        share: FloatArray = k / total
    center = (k + z2 / 2) / (total + z2)
    half = np.sqrt(z2 * (k * (total - k) / np.maximum(total, 1.0) + z2 / 4)) / (total + z2)
    # The ends are exact, rounding is not: nothing seen leaves 0 possible, everything seen leaves 1 possible.
    lower = np.where(k == 0, 0.0, center - half)
    upper = np.where(k == total, 1.0, center + half)
    return share, lower, upper


def modified_wilson(
    count: ArrayLike, n: ArrayLike, confidence: float = 0.95
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return share, lower and upper limit of `count` out of `n`, in the shape of both together.

    Brown, Cai & DasGupta 2001 (doi:10.1214/ss/1009213286), section 4.1: Wilson's interval, but up to 3 counts (2 where n
    is at most 50) the lower limit is at most l/n with P(Poisson(l) >= count) = 1 - confidence, and the upper limit
    likewise near n: where less than one count is expected, Wilson's own cover only 84 % of a nominal 95.

    The coverage of any interval of a count swings with the share. This one's, at 95 % of n > 50, is 93 to 97 where 10
    counts or more are expected, 92.8 to 97.9 from 2 on, and at least 92.7 below; of counts far below n more intervals lie
    too high than too low, at 5 expected 3.5 % against 1. Limits are good to rounding for n up to 1e12 and any count.

    ValueError: as in `wilson`.
    """
    share, lower, upper = wilson(count, n, confidence)
    k, total = np.broadcast_arrays(np.asarray(count, float), np.asarray(n, float))
    rest, few, size = total - k, np.where(total > 50, 3, 2), np.maximum(total, 1.0)
    least, left = (gammaincinv(np.clip(x, 1, 3), 1.0 - confidence) / size for x in (k, rest))
    lower = np.where((k > 0) & (k <= few), np.minimum(lower, least), lower)
    upper = np.where((rest > 0) & (rest <= few), np.maximum(upper, 1.0 - left), upper)
    return share, lower, upper


def median_interval(values: FloatArray, confidence: float) -> tuple[float, float, float]:
    """Return the median of values (n,) and its limits between order statistics; infinite values are as good as others.

    The number of values below the true median is binomial(n, 1/2), so the interval between the k-th smallest and the k-th
    largest misses it with probability 2 P(Bin < k), whatever the law (Thompson 1936). Between the largest k that misses
    at most 1 - confidence and k + 1, which misses more, the limits are interpolated (Hettmansperger & Sheather 1986,
    doi:10.1016/0167-7152(86)90021-0): with I = ((1 - confidence)/2 - P(Bin < k))/P(Bin = k) they are the fraction
    (n-k) I/(k + (n-2k) I) of the way inwards, which covers exactly where values fall off exponentially on either side.

    Nyblom 1992 (doi:10.1016/0167-7152(92)90076-H) finds little error elsewhere: 95 % intervals cover 93.5 to 95.5 % of
    normal, exponential, Cauchy, uniform and lognormal values from n = 6 on. Never less than between k + 1 and k + 1 (89 %
    at n = 10, 93.5 at 50), which two peaks with nothing between them, or ties, come near. Where one of two neighbours is
    infinite the outer is taken. Limits are infinite where n is too small for any (below 6 at 95 %), all NaN at n = 0; the
    median alone is NaN where it is halfway between the two infinities.
    """
    if values.size == 0:
        return np.nan, np.nan, np.nan
    ordered, n, tail = np.sort(values), values.size, (1.0 - confidence) / 2
    low, high = ordered[(n - 1) // 2], ordered[n // 2]
    with np.errstate(invalid="ignore"):
        middle = low if low == high else (low + high) / 2  # also where both are infinite
    k = int(binom.ppf(tail, n, 0.5))
    if k < 1:
        return float(middle), -np.inf, np.inf
    fewer, missed = binom.cdf([k - 1, k], n, 0.5)
    share = (tail - fewer) / (missed - fewer)
    inwards = (n - k) * share / (k + (n - 2 * k) * share)
    lower = _between(ordered[k - 1], ordered[k], inwards)
    return float(middle), lower, _between(ordered[n - k], ordered[n - k - 1], inwards)


def _between(outer: float, inner: float, share: float) -> float:
    """Return the point at that share of the way from outer to inner; outer where one of them is infinite."""
    if outer == inner or not (np.isfinite(outer) and np.isfinite(inner)):
        return float(outer)
    return float((1.0 - share) * outer + share * inner)


def mean_interval(values: FloatArray, confidence: float) -> tuple[float, float, float]:
    """Return the mean of finite values (n,), n at least 3, and its limits, corrected for skewness.

    Hall 1992 (doi:10.1111/j.2517-6161.1992.tb01872.x): T = (mean - mu)/sd is made symmetric to order 1/n by the monotone
    cubic W = T + g T^2/3 + g^2 T^3/27 + g/(6n), g the sample's skewness; the limits are mean - sd T(W) at W = +-q/sqrt(n)
    with Student's quantile q. Values without skewness get Student's interval. At n = 20, 95 % intervals cover 93 to 95 %
    for exponential, chi-square(1), lognormal(0.8) and normal values; 98 % where there are but two values, 30 to 70.
    """
    n, mean, sd = values.size, float(values.mean()), float(values.std(ddof=1))
    if sd == 0:
        return mean, mean, mean
    skew = float(np.mean(((values - mean) / values.std()) ** 3)) / np.sqrt(n)
    lower, upper = skewed_limits(mean, sd / np.sqrt(n), skew, n - 1, confidence)
    return mean, float(lower), float(upper)


def skewed_limits(
    estimate: ArrayLike, error: ArrayLike, skew: ArrayLike, degrees: float, confidence: float
) -> tuple[FloatArray, FloatArray]:
    """Return Hall's (1992) limits of estimates from their standard errors and own skewness, a sample mean's g/sqrt(n).

    W = T + skew T^2/3 + skew^2 T^3/27 + skew/6 of T = (estimate - truth)/error lies within Student's quantiles.
    """
    q = float(t.ppf(0.5 + confidence / 2, degrees))
    limits = []
    for end in (q, -q):
        w = end - np.asarray(skew) / 6
        # (cbrt(1 + skew w) - 1) 3/skew without its cancellation: a - 1 = (a^3 - 1)/(a^2 + a + 1).
        root = np.cbrt(1.0 + np.asarray(skew) * w)
        limits.append(np.asarray(np.asarray(estimate) - np.asarray(error) * 3.0 * w / (root * root + root + 1.0)))
    return limits[0], limits[1]


def check_resampling(n: int, resamples: int, confidence: float, seed: int) -> None:
    """Refuse what a percentile bootstrap cannot bear: few instances, few resamples for the confidence, a bad seed."""
    check_confidence(confidence)
    check_whole("seed", seed, 0, "a whole number of at least 0")
    check_resamples(resamples, confidence)
    if n < FEWEST:
        raise ValueError(f"{n} instances per group cannot bear a bootstrap; give at least {FEWEST}")


def check_resamples(resamples: int, confidence: float) -> None:
    """Refuse what is no number of resamples, or one that leaves fewer than 5 of them beyond a limit."""
    least = int(10.0 / (1.0 - confidence)) + 1
    most = max(_MOST, least)
    check_whole("resamples", resamples, 1, f"a whole number from {least} to {most}")
    if resamples < least:
        raise ValueError(f"resamples={resamples} are too few for confidence={confidence}; give {least}")
    if resamples > most:
        raise ValueError(f"resamples={told(resamples)} are too many to hold; give {least} to {most}")


def resampled_counts(n: int, resamples: int, seed: int | np.random.SeedSequence) -> Iterator[FloatArray]:
    """Yield, batch by batch, how often each of n instances is drawn in each resample: (batch, n), rows sum to n.

    Efron's (1979) bootstrap: n draws with replacement. At most 4 million counts are held at a time, and how many fit
    changes no count.
    """
    generator = np.random.default_rng(seed)
    batch = max(1, CELLS // n)
    for first in range(0, resamples, batch):
        size = min(batch, resamples - first)
        cell = generator.integers(n, size=(size, n))
        cell += n * np.arange(size)[:, None]
        yield np.bincount(cell.ravel(), minlength=size * n).reshape(size, n).astype(float)


def percentile_limits(drawn: FloatArray, confidence: float) -> tuple[FloatArray, FloatArray]:
    """Return lower and upper limit of drawn (resamples, ...) along the first axis; infinite draws are allowed."""
    tail = (1.0 - confidence) / 2
    lower = np.quantile(drawn, tail, axis=0, method="lower")
    return lower, np.quantile(drawn, 1.0 - tail, axis=0, method="higher")


class ResampledMedians:
    """Medians of columns under resampling of rows, for many rows.

    A resampled median lies within a few sqrt(n) ranks of the sample's. What is drawn below that band is counted by one
    matrix product, and only the band is searched: exact (the whole column is searched where the band misses).
    """

    def __init__(self, values: FloatArray) -> None:
        """`values` (n, columns), no NaN; infinite values are allowed."""
        self.values = values
        n = len(values)
        reach = int(4.0 * np.sqrt(n)) + 2
        self.first, last = max(0, n // 2 - reach), min(n, n // 2 + reach)
        self.order: NDArray[np.intp] = np.argsort(values, axis=0, kind="stable")
        self.band = self.order[self.first : last]
        below = np.zeros(values.shape)
        np.put_along_axis(below, self.order[: self.first], 1.0, axis=0)
        self.below = below

    def __call__(self, counts: FloatArray) -> FloatArray:
        """Return the medians (batch, columns) for counts (batch, n) that sum to n."""
        n, columns = self.values.shape
        found = np.empty((len(counts), columns))
        below = counts @ self.below
        middle = ((n - 1) // 2 + 1, n // 2 + 1)  # ranks from 1; the same twice where n is odd
        for j in range(columns):
            band = self.band[:, j]
            total = np.cumsum(counts[:, band], axis=1) + below[:, j, None]
            missed = (below[:, j] >= middle[0]) | (total[:, -1] < middle[1])
            found[:, j] = self._between(self.values[band, j], total, middle)
            if missed.any():
                whole = self.order[:, j]
                total = np.cumsum(counts[missed][:, whole], axis=1)
                found[missed, j] = self._between(self.values[whole, j], total, middle)
        return found

    @staticmethod
    def _between(ordered: FloatArray, total: FloatArray, middle: tuple[int, int]) -> FloatArray:
        low, high = (ordered[(total >= rank).argmax(axis=1)] for rank in middle)
        with np.errstate(invalid="ignore"):
            return np.where(low == high, low, (low + high) / 2)
