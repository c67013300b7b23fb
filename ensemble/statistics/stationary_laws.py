"""Where noisy gradient descent stays in the long run: exact stationary laws in one dimension, and asymptotic ones.

One step is x' = x - lr (f'(x) + sigma(x) xi), xi ~ N(0, 1): a Gaussian kernel k(x, y) of width lr sigma(x) about
x - lr f'(x). The stationary density p solves p(y) = int p(x) k(x, y) dx. Integrals are Gauss-Legendre sums on panels a few
widths long, with panel ends where the gradient or the noise jumps; exact as far as twice the nodes give the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import csc_array, eye_array
from scipy.sparse.linalg import splu
from scipy.special import ndtr

from ..words import told
from .exit_laws import FloatArray, Gradient, noise_of, require_positive
from .lifetimes import IntArray

_NODES, _REACH, _PANEL = 16, 8.5, 6.0  # as in exit_laws
_MOST_NODES = 20_000
_TOLERANCE = 1e-9
_SMALL = 1e-10  # masses below are compared as if they were this large
_LEAK = 1e-13  # chance per step, in the stationary state, to leave the interval that stands for the line


@dataclass(frozen=True)
class StationaryLaw:
    """Stationary law of an iterate: `density` (nodes,) at `node` (nodes,), `weight` (nodes,) for integrals over it.

    `breaks` are the points between which `mass` is asked for; `error` is the largest change, when the nodes doubled, of
    these masses (relative to 1e-10 or more), of the mean, and of the variance, relative.

    >>> law = stationary_law(lambda x: 2.0 * x, lr=0.1, sigma=1.0)
    >>> round(float(law.weight @ law.density), 9)
    1.0
    """

    node: FloatArray
    weight: FloatArray
    density: FloatArray
    breaks: tuple[float, ...]
    mass: FloatArray
    mean: float
    variance: float
    error: float


def stationary_law(
    gradient: Gradient, lr: float, sigma: float | Gradient, breaks: Sequence[float] = (), *, around: float = 0.0
) -> StationaryLaw:
    """Exact stationary law of x' = x - lr (gradient(x) + sigma xi), by its transfer operator (Nystrom's method).

    `gradient` and, where it is no number, `sigma` map (nodes,) to (nodes,). `breaks` are where either jumps, such as the
    crossing of two parabolas; `mass` then holds the probabilities of the stretches that they cut the line into,
    (len(breaks) + 1,). The line is cut so far from `around` that the chance to leave the rest is below 1e-13 a step.
    Masses smaller than about 1e-13 times the mean number of steps between wells lose their digits: see `error`.

    ValueError: lr or sigma not positive, breaks that do not rise, a gradient that does not keep the iterate from running
    away, or more than 20,000 nodes needed.

    >>> law = stationary_law(lambda x: 2.0 * x, lr=0.1, sigma=1.0, breaks=[0.0])
    >>> round(law.variance, 9), law.mass.round(9).tolist()
    (0.027777778, [0.5, 0.5])
    """
    require_positive({"lr": lr})
    noise = noise_of(sigma)
    cuts = [float(b) for b in breaks]
    if any(not a < b for a, b in pairwise(cuts)) or not np.all(np.isfinite(cuts)):
        raise ValueError(f"breaks={list(breaks)}; give finite points in rising order")
    center = [around, *cuts]
    at = np.array(center)
    width = lr * float(np.max(noise(at)))
    reach = 8.0 * width
    while True:
        ends = (min(center) - reach, max(center) + reach)
        law, leak = _solved(gradient, lr, noise, ends, cuts, 1)
        if leak < _LEAK:
            break
        reach *= 1.3
    refine, before = 2, law
    while True:
        law, _ = _solved(gradient, lr, noise, ends, cuts, refine)
        error = max(
            float(np.max(np.abs(law.mass - before.mass) / np.maximum(law.mass, _SMALL))),
            abs(law.mean - before.mean),
            abs(law.variance / before.variance - 1.0),
        )
        # The first try is never the answer; where doubling helps no more, rounding is what is left.
        if error <= _TOLERANCE or (refine >= 8 and error <= 1e-6):
            return StationaryLaw(law.node, law.weight, law.density, law.breaks, law.mass, law.mean, law.variance, error)
        refine, before = 2 * refine, law


def hessian_aligned_selection(barrier: float, lr: float, sharp: float, flat: float) -> float:
    """Slope of ln(mass of the flat well/mass of the sharp one) in the batch size B, for noise sigma^2 = h/B; lr -> 0.

    (2 E/lr) (1/flat - 1/sharp) for wells of one depth, E = `barrier` below the top, curvatures `sharp` and `flat`: with
    temperature lr h/(2B) in a well its top is exp(-2 B E/(lr h)) of its bottom (Xie, Sato & Sugiyama 2021,
    arXiv:2002.03495; Jastrzebski et al. 2017). Finite lr: `stationary_law` with sigma(x) = sqrt(h(x)/B). White noise
    selects by the power sqrt(sharp/flat) only. ValueError: an argument not positive.

    >>> hessian_aligned_selection(barrier=0.5, lr=0.05, sharp=4.0, flat=1.0)
    15.0
    """
    require_positive({"barrier": barrier, "lr": lr, "sharp": sharp, "flat": flat})
    return 2.0 * barrier / lr * (1.0 / flat - 1.0 / sharp)


def kramers_mean(barrier: float, temperature: float, minimum: Sequence[float], saddle: Sequence[float]) -> float:
    """Mean time lr*T to cross a saddle in any dimension, for temperature << barrier: Eyring and Kramers.

    (2 pi/|l|) sqrt(|det H_saddle|/det H_minimum) exp(barrier/temperature), l the one negative eigenvalue at the saddle
    (Kramers 1940; Langer 1969; proved by Bovier, Eckhoff, Gayrard & Klein 2004, theorem 3.2), for
    dx = -grad f dt + sqrt(2 temperature) dW: SGD with lr -> 0 at temperature lr sigma^2/2, time lr per step. The time ends
    in the other well; where leaving means reaching the top itself it is half as long. `minimum` and `saddle` are the
    Hessian's eigenvalues there, (dim,) each.

    ValueError: barrier or temperature not positive, an eigenvalue of the minimum not positive, other than one negative
    eigenvalue at the saddle, different numbers of them.

    >>> round(kramers_mean(barrier=0.25, temperature=0.1, minimum=[2.0], saddle=[-1.0]), 3)
    54.125
    """
    require_positive({"barrier": barrier, "temperature": temperature})
    low, high = np.asarray(minimum, float), np.asarray(saddle, float)
    if low.ndim != 1 or low.shape != high.shape or not np.all(low > 0):
        raise ValueError(
            f"minimum={told(minimum)}, saddle={told(saddle)}; give all eigenvalues at both, positive at the minimum"
        )
    if np.sum(high < 0) != 1 or np.any(high == 0):
        raise ValueError(
            f"saddle={told(saddle)}; give the eigenvalues of a saddle with exactly one negative, none zero"
        )
    # Ratios in pairs: determinants of many dimensions leave the range of floats.
    log_ratio = float(np.sum(np.log(np.abs(high)) - np.log(low)))
    return 2.0 * math.pi / -float(high.min()) * math.exp(0.5 * log_ratio + barrier / temperature)


def _solved(
    gradient: Gradient, lr: float, noise: Gradient, ends: tuple[float, float], cuts: list[float], refine: int
) -> tuple[StationaryLaw, float]:
    """Return the law on the interval, its panels cut `refine` times finer, and the chance per step to leave."""
    node, weight, piece = _rule(lr, noise, (ends[0], *cuts, ends[1]), refine)
    image, width = node - lr * np.asarray(gradient(node), float), lr * np.asarray(noise(node), float)
    if not (np.all(np.isfinite(image)) and np.all(width > 0)):
        raise ValueError("the gradient is not finite or the noise not positive somewhere; give both on the whole line")
    first = np.searchsorted(node, image - _REACH * width)
    count = np.searchsorted(node, image + _REACH * width) - first
    row = np.repeat(np.arange(node.size), count)
    column = np.arange(row.size) - np.repeat(np.cumsum(count) - count - first, count)
    z = (node[column] - image[row]) / width[row]
    entry = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) / width[row] * weight[column]
    kernel = csc_array((entry, (row, column)), shape=(node.size, node.size))
    # (I - K') m = 0 with m = 1 at one node, whose own equation follows from the others; then scaled to add to 1.
    system = (eye_array(node.size) - kernel.T).tocsr()
    fixed = int(np.searchsorted(node, 0.5 * (ends[0] + ends[1])))
    for _ in range(2):  # once more from where the mass is
        others = np.delete(np.arange(node.size), fixed)
        right = -system[:, [fixed]].toarray()[others, 0]
        mass = np.insert(splu(system[others][:, others].tocsc(), permc_spec="NATURAL").solve(right), fixed, 1.0)
        fixed = int(np.argmax(np.abs(mass)))
    mass = mass / mass.sum()
    out = ndtr((ends[0] - image) / width) + ndtr((image - ends[1]) / width)
    mean = float(mass @ node)
    parts = np.array([float(mass[piece == k].sum()) for k in range(len(cuts) + 1)])
    law = StationaryLaw(
        node, weight, mass / weight, tuple(cuts), parts, mean, float(mass @ (node - mean) ** 2), math.inf
    )
    return law, float(np.abs(mass) @ out)


def _rule(lr: float, noise: Gradient, ends: tuple[float, ...], refine: int) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return nodes, weights and the number of each node's stretch: panels as wide as the noise within it allows."""
    unit, unit_weight = np.polynomial.legendre.leggauss(_NODES)
    nodes, weights, pieces = [], [], []
    for number, (a, b) in enumerate(pairwise(ends)):
        inside = np.linspace(a, b, 66)[1:-1]
        # A panel's functions are as smooth as the narrowest kernel that reaches into it, wherever that comes from.
        narrow = lr * min(float(np.min(noise(inside))), _narrowest(noise, ends))
        panels = refine * max(2, math.ceil((b - a) / (_PANEL * narrow)))
        if panels * _NODES > _MOST_NODES:
            raise ValueError(
                f"the stretch from {a:g} to {b:g} is {(b - a) / narrow:.3g} kernel widths wide and {_MOST_NODES} nodes do not "
                "resolve it: give a larger lr*sigma, or a gradient that keeps the iterate from running away"
            )
        edge = np.linspace(a, b, panels + 1)
        half = np.diff(edge)[:, None] / 2
        nodes.append(((edge[:-1, None] + edge[1:, None]) / 2 + half * unit).ravel())
        weights.append((half * unit_weight).ravel())
        pieces.append(np.full(nodes[-1].size, number))
    return np.concatenate(nodes), np.concatenate(weights), np.concatenate(pieces)


def _narrowest(noise: Gradient, ends: tuple[float, ...]) -> float:
    inside = np.concatenate([np.linspace(a, b, 66)[1:-1] for a, b in pairwise(ends)])
    return float(np.min(noise(inside)))
