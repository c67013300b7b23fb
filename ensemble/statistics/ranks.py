"""Rank correlation that knows its ties, with an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau, norm

from .intervals import FEWEST
from .lifetimes import FloatArray

_PIECE = 1 << 22


@dataclass(frozen=True)
class RankCorrelation:
    """Kendall's tau-b with an interval, and the two-sided p of independence; NaN where there are too few values or all are tied."""

    tau: float
    lower: float
    upper: float
    pvalue: float
    n: int


def rank_correlation(x: FloatArray, y: FloatArray, confidence: float) -> RankCorrelation:
    """Kendall's (1945) tau-b of pairs (n,), both finite.

    The p is scipy's, of the variance that knows the ties. The interval is the normal one of Fisher's z, ``artanh tau``, with the
    variance of a U-statistic, 4 times that of each value's own mean sign (Hoeffding 1948), not that of independence: where the two
    are related that would be wrong.
    """
    seen = np.isfinite(x) & np.isfinite(y)
    x, y = x[seen], y[seen]
    n = int(x.size)
    if n < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return RankCorrelation(np.nan, np.nan, np.nan, np.nan, n)
    found = kendalltau(x, y)
    tau = float(found.statistic)
    own, pairs_x, pairs_y = np.empty(n), np.empty(n), np.empty(n)
    size = max(1, _PIECE // n)
    for a in range(0, n, size):
        sx, sy = np.sign(x[a : a + size, None] - x), np.sign(y[a : a + size, None] - y)
        own[a : a + size] = (sx * sy).sum(axis=1) / (n - 1)
        pairs_x[a : a + size], pairs_y[a : a + size] = (np.abs(s).sum(axis=1) / (n - 1) for s in (sx, sy))
    # of tau-b = E s_x s_y / sqrt(E |s_x| E |s_y|) each value's own part
    px, py = pairs_x.mean(), pairs_y.mean()
    influence = 2 * (own / np.sqrt(px * py) - tau * (pairs_x / px + pairs_y / py) / 2)
    error = float(influence.std(ddof=1)) / np.sqrt(n)
    if abs(tau) >= 1 or error == 0:
        return RankCorrelation(tau, tau, tau, float(found.pvalue), n)
    z, reach = np.arctanh(tau), float(norm.ppf(0.5 + confidence / 2)) * error / (1 - tau**2)
    return RankCorrelation(tau, float(np.tanh(z - reach)), float(np.tanh(z + reach)), float(found.pvalue), n)
