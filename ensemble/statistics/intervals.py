"""Intervals that several statistics share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from .lifetimes import FloatArray, check_confidence


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
