"""The interval of a ratio of two means over the same instances, such as the steps spent for each success."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.stats import f as fisher

from .lifetimes import FloatArray


def ratio_interval(spent: FloatArray, met: FloatArray, confidence: float) -> tuple[float, float, float]:
    """Return sum(spent)/sum(met) of values (n,), n at least 2, and its limits; all infinite where nothing was met.

    `spent` is not negative, `met` is 0 or 1. The limits are the ratios r for which u = spent - r met may have the mean 0:
    adjusted empirical likelihood (Owen 1988, doi:10.1093/biomet/75.2.237; Chen, Variyath & Abraham 2008,
    doi:10.1198/106186008X321068), the n values joined by their mean's negative, so that each r has a likelihood. Twice the
    logarithm of the likelihood ratio is set against F(1, n-1), Owen's (2001, s3.3) calibration for small n. The upper limit
    is infinite where so few met that none at all would be no surprise: up to 3 of 10, 1 of 20 at 95 %.
    """
    successes = float(met.sum())
    if successes == 0:
        return np.inf, np.inf, np.inf
    n = spent.size
    (s, m), count = np.unique(np.stack([spent, met]), axis=1, return_counts=True)
    weight = count.astype(float)
    ratio = float(spent.sum()) / successes
    if ratio == 0 or np.all(s == ratio * m):
        return ratio, ratio, ratio
    most = float(fisher.ppf(confidence, 1, n - 1))

    def excess(a: float, b: float) -> float:
        return _twice_log_ratio(a * s - b * m, weight) - most

    # Below the estimate u = spent - r met, above it u/r, which has a limit where r has none.
    lower = brentq(lambda r: excess(1.0, r), 0.0, ratio) if excess(1.0, 0.0) > 0 else 0.0
    if excess(0.0, 1.0) <= 0:
        return ratio, float(lower), np.inf
    return ratio, float(lower), 1.0 / float(brentq(lambda r: excess(r, 1.0), 0.0, 1.0 / ratio, xtol=1e-14 / ratio))


def _twice_log_ratio(u: FloatArray, weight: FloatArray) -> float:
    """Return -2 ln of the largest likelihood with mean 0 over the largest, for u (values,) seen so often and -mean(u)."""
    n = float(weight.sum())
    mean = float(weight @ u) / n
    if abs(mean) <= 1e-15 * float(np.abs(u).max()):
        return 0.0
    values, count = np.append(u, -mean), np.append(weight, 1.0)
    # Each probability 1/((n+1) (1 + l u)) is at most 1: that is where the root l of sum u/(1 + l u) lies.
    share = 1.0 / (n + 1.0) - 1.0
    ends = share / float(values.max()), share / float(values.min())
    root = brentq(lambda at: float(count @ (values / (1.0 + at * values))), *ends)
    return 2.0 * float(count @ np.log1p(root * values))
