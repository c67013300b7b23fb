"""Exact shares of noisy descent in a sharp and in a flat minimum, and the slopes that their ratio tends to.

Two parabolas of equal depth, `ensemble.SharpFlat`. A step of SGD, x' = x - lr (f'(x) + sigma(x) xi), has a Gaussian
transfer operator: its powers are the shares at every step, its fixed point those of the long run (laws.stationary_law).
Adam divides by sqrt(v), which noise along the Hessian makes sqrt(h/B): it descends sqrt(B/h) f at the temperature lr/2
(Xie et al. 2022, arXiv:2006.15815), and decoupled decay w adds w x^2/2 to that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from exits.wells import panels
from numpy.typing import NDArray
from scipy.sparse import csr_array

import ensemble as en
from ensemble.statistics import laws

FloatArray = NDArray[np.float64]
WELLS = en.SharpFlat()  # sharp at -1, flat at 2, crossing at 0
OUTER = -4.0
"""Where the parabolas cross again: beyond it the flat one is the lower, but the way down leads to the sharp minimum."""
STARTS = {"sharp": -WELLS.sharp_at, "flat": WELLS.flat_at}
BARRIER = WELLS.barriers[0]


@dataclass(frozen=True)
class Noise:
    """White noise of size ``sigma``, or aligned noise of a ``batch``."""

    sigma: float | None = None
    batch: float | None = None

    def size(self, x: FloatArray) -> FloatArray:
        """sigma(x)."""
        if self.batch is None:
            return np.full(x.shape, self.sigma)
        return np.sqrt(np.where(on_sharp(x), WELLS.sharp, WELLS.flat) / self.batch)

    def __str__(self) -> str:
        return f"sigma {self.sigma:.4g}" if self.batch is None else f"batch {self.batch:.4g}"


def white(temperature: float, lr: float) -> Noise:
    """White noise of the temperature lr sigma^2 / 2."""
    return Noise(sigma=math.sqrt(2 * temperature / lr))


def on_sharp(x: FloatArray) -> NDArray[np.bool_]:
    """Whether the sharp parabola is the landscape at x."""
    return (x > OUTER) & (x < WELLS.crossing)


def slope(x: FloatArray) -> FloatArray:
    """f'(x)."""
    return np.where(on_sharp(x), WELLS.sharp * (x + WELLS.sharp_at), WELLS.flat * (x - WELLS.flat_at))


@cache
def stationary_ratio(lr: float, noise: Noise) -> float:
    """Mass of the flat well over that of the sharp one in the long run, exact."""
    mass = laws.stationary_law(slope, lr, noise.size, [OUTER, WELLS.crossing]).mass
    return float(mass[2] / (mass[0] + mass[1]))


@cache
def flat_shares(lr: float, noise: Noise, at: tuple[int, ...]) -> FloatArray:
    """P(x_t in the flat well) from the sharp and from the flat minimum, (2, steps): powers of the transfer operator."""
    node, weight = _nodes(lr, noise)
    starts = np.array(list(STARTS.values()))

    def moved(x: FloatArray) -> FloatArray:
        """Mass on the nodes one step after x, (points, nodes)."""
        width = (lr * noise.size(x))[:, None]
        z = (node - (x - lr * slope(x))[:, None]) / width
        return np.exp(-z * z / 2) / (width * math.sqrt(2 * math.pi)) * weight

    dense = moved(node)
    step = csr_array(np.where(dense > 1e-18 * weight, dense, 0.0).T)
    mass = moved(starts).T
    found, t = np.empty((2, len(at))), 1
    for k, wanted in enumerate(at):
        if wanted == 0:
            found[:, k] = 0.0, 1.0
            continue
        for _ in range(wanted - t):
            mass = step @ mass
        t = wanted
        if np.abs(mass.sum(axis=0) - 1).max() > 1e-9:
            raise ArithmeticError(f"the law at lr={lr}, {noise} has lost mass: {mass.sum(axis=0)}.")
        found[:, k] = mass[node > WELLS.crossing].sum(axis=0)
    return found


def _nodes(lr: float, noise: Noise) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes and weights on panels of four kernel widths, to nine spreads beyond both minima."""
    sizes = noise.size(np.array(list(STARTS.values()))).tolist()
    spreads = [math.sqrt(laws.sgd_variance(h, lr, s)) for h, s in zip((WELLS.sharp, WELLS.flat), sizes, strict=True)]
    reach = 9 * max(*spreads, *(lr * s for s in sizes))
    low, high = STARTS["sharp"] - reach, STARTS["flat"] + reach
    ends = sorted({low, max(low, OUTER), WELLS.crossing, high})
    rules = [panels(a, b, 4 * lr * min(sizes), nodes=16) for a, b in pairwise(ends)]
    node, weight = (np.concatenate(part) for part in zip(*rules, strict=True))
    return node, weight


def adam_slope(lr: float) -> float:
    """Slope of ln(flat : sharp) in sqrt(B) for Adam as lr -> 0."""
    return 2 * BARRIER / lr * (WELLS.flat**-0.5 - WELLS.sharp**-0.5)


def decay_law(batch: float, lr: float, decay: float) -> float:
    """What decoupled decay adds to Adam's ln(flat : sharp): springs w and sqrt(B h) in series, and narrower wells."""
    flat, sharp = math.sqrt(batch * WELLS.flat), math.sqrt(batch * WELLS.sharp)
    lifted = decay * (flat / (flat + decay) * WELLS.flat_at**2 - sharp / (sharp + decay) * WELLS.sharp_at**2) / lr
    return 0.5 * math.log((1 + decay / sharp) / (1 + decay / flat)) - lifted
