"""Exits under alpha-stable gradient noise: by single jumps, and exactly by the transfer operator.

One step is x' = x - lr (f'(x) + scale s), E exp(i t s) = exp(-|t|^alpha): alpha = 2 is the normal law with variance 2,
alpha = 1 Cauchy's. Tails fall as |s|^-alpha, so that the whole interval is within one jump's reach: the kernel is dense. It is also
narrow, where the mean exit time varies only near the ends: the time is a polynomial on panels that are a kernel's width at the ends
and wide within, and the kernel is integrated against it on finer panels around its peak (product integration; Atkinson 1997, s4.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import gamma
from scipy.stats import levy_stable

from .exit_laws import FloatArray, Gradient, require_positive

_NODES = 16  # Gauss-Legendre nodes in a panel
_PANEL = 3.0  # kernel widths: panels at the ends, and those near the kernel's peak
_LONGEST = 16  # panels within are at most the interval over this
_MOST_NODES = 4_500  # a dense matrix of 160 MB
_TABLE = 600  # points of the table of a density that has no closed form


def stable_exit_mean(
    gradient: Gradient, lr: float, scale: float, alpha: float, lower: float, upper: float, x0: float
) -> float:
    """Mean number of steps to leave (lower, upper) from x0 under alpha-stable noise; first t >= 1 outside.

    Solves (I - K) m = 1 with the stable density as kernel on Gauss-Legendre panels, halved until 1e-6 agrees. `gradient`
    maps (nodes,) to (nodes,). alpha 1 and 2 have closed densities, others a table good to about 1e-6
    (SciPy's levy_stable).

    ValueError: lr or scale not positive, alpha outside (0.5, 2], an empty or infinite interval, or a gradient that 4,500 nodes
    do not resolve.

    >>> round(stable_exit_mean(lambda x: x, lr=0.05, scale=0.05, alpha=1.0, lower=-1.0, upper=1.0, x0=0.0), 2)
    616.65
    """
    require_positive({"lr": lr, "scale": scale})
    if not 0.5 < alpha <= 2:
        raise ValueError(f"alpha={alpha}; give a number above 0.5 and at most 2")
    if not (lower < upper and math.isfinite(lower) and math.isfinite(upper) and math.isfinite(x0)):
        raise ValueError(f"lower={lower}, upper={upper}, x0={x0}; give finite numbers, lower < upper")
    width = lr * scale
    density = _density(alpha, (upper - lower + abs(x0)) * 4.0 / width)
    edges, before = _graded(lower, upper, width), math.inf
    while (edges.size - 1) * _NODES <= _MOST_NODES:
        mean = _mean(gradient, lr, width, density, edges, x0)
        if abs(mean / before - 1.0) <= 1e-6:
            return mean
        before, edges = mean, np.sort(np.concatenate([edges, (edges[1:] + edges[:-1]) / 2]))
    raise ValueError(f"{_MOST_NODES} nodes do not give the mean to 1e-6; give a larger lr*scale or a smoother gradient")


def stable_exit_mean_asymptotic(lr: float, scale: float, alpha: float, radius: float) -> float:
    """Mean steps until |x| >= radius from a minimum at 0, for lr*scale << radius: (R/(lr s))^alpha / (2 C).

    C = Gamma(alpha) sin(pi alpha/2)/pi is the tail's constant, P(s > u) -> C u^-alpha (Samorodnitsky & Taqqu 1994,
    property 1.2.15): the first single jump that is long enough. It grows with the width to the power alpha and does not
    know the barrier's height (Imkeller & Pavlyukevich 2006; Simsekli, Sagun & Gurbuzbalaban 2019, arXiv:1901.06053). Cauchy
    noise: pi R/(2 lr s). It takes the iterate to be back at 0 between long jumps: 1/(lr f'') steps << the mean.

    ValueError: lr, scale or radius not positive, alpha outside (0, 2).

    >>> round(stable_exit_mean_asymptotic(lr=0.05, scale=0.05, alpha=1.0, radius=1.0), 2)
    628.32
    """
    require_positive({"lr": lr, "scale": scale, "radius": radius})
    if not 0 < alpha < 2:
        raise ValueError(f"alpha={alpha}; give a number between 0 and 2 (the normal law at 2 has no such tail)")
    tail = float(gamma(alpha)) * math.sin(math.pi * alpha / 2.0) / math.pi
    return (radius / (lr * scale)) ** alpha / (2.0 * tail)


def _density(alpha: float, reach: float) -> Callable[[FloatArray], FloatArray]:
    """Return the density of s for |s| <= reach."""
    if alpha == 1.0:
        return lambda z: 1.0 / (math.pi * (1.0 + z * z))
    if alpha == 2.0:
        return lambda z: np.exp(-0.25 * z * z) / math.sqrt(4.0 * math.pi)
    u = np.linspace(0.0, math.asinh(reach), _TABLE)
    logarithm = CubicSpline(u, np.log(levy_stable.pdf(np.sinh(u), alpha, 0.0)), bc_type=((1, 0.0), "not-a-knot"))
    return lambda z: np.exp(logarithm(np.arcsinh(np.abs(z))))


def _graded(lower: float, upper: float, width: float) -> FloatArray:
    """Edges of panels that are a few widths long at the ends and double from there on."""
    half, longest = (upper - lower) / 2, (upper - lower) / _LONGEST
    at, length = [0.0], min(_PANEL * width, longest)
    while at[-1] + length < half:
        at.append(at[-1] + length)
        length = min(2.0 * length, longest)
    near = np.array(at)
    return np.concatenate([lower + near, upper - near[::-1]])


def _mean(
    gradient: Gradient,
    lr: float,
    width: float,
    density: Callable[[FloatArray], FloatArray],
    edges: FloatArray,
    x0: float,
) -> float:
    unit, unit_weight = np.polynomial.legendre.leggauss(_NODES)
    half, middle = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
    node = (middle[:, None] + half[:, None] * unit).ravel()
    start = np.append(node, x0)
    image = start - lr * np.asarray(gradient(start), float)
    kernel = density((node - image[:, None]) / width) / width * (half[:, None] * unit_weight).ravel()
    # Where a panel is longer than its distance to the peak, and than the peak is wide, its nodes miss what lies between them.
    far = np.abs(image[:, None] - middle) - half
    coarse = (far < 2.0 * half) & (2.0 * half > _PANEL * width)
    basis = np.linalg.inv(
        np.polynomial.legendre.legvander(unit, _NODES - 1)
    )  # values at the nodes -> Legendre coefficients
    for i, p in zip(*np.nonzero(coarse), strict=True):
        fine = _toward(edges[p], edges[p + 1], image[i], width)
        length = np.diff(fine)[:, None] / 2
        y = ((fine[1:] + fine[:-1])[:, None] / 2 + length * unit).ravel()
        mass = density((y - image[i]) / width) / width * (length * unit_weight).ravel()
        values = np.polynomial.legendre.legvander((y - middle[p]) / half[p], _NODES - 1) @ basis
        kernel[i, p * _NODES : (p + 1) * _NODES] = mass @ values
    once = np.linalg.solve(np.eye(node.size) - kernel[:-1], np.ones(node.size))
    return float(1.0 + kernel[-1] @ once)


def _toward(lower: float, upper: float, peak: float, width: float) -> FloatArray:
    """Edges that cut a panel ever finer toward the peak of the kernel, to a few widths."""
    nearest = min(max(peak, lower), upper)
    steps = (
        _PANEL * width * np.exp2(np.arange(0.0, math.log2(max((upper - lower) / (_PANEL * width), 1.0)) + 1.0))
        - _PANEL * width
    )
    cuts = np.concatenate([nearest - steps, nearest + steps])
    return np.unique(np.concatenate([[lower, upper], cuts[(cuts > lower) & (cuts < upper)]]))
