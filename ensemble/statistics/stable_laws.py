"""Exits under alpha-stable gradient noise: by single jumps, and exactly by the transfer operator.

One step is x' = x - lr (f'(x) + scale s), E exp(i t s) = exp(-|t|^alpha): alpha = 2 is the normal law with variance 2,
alpha = 1 Cauchy's. Tails fall as |s|^-alpha, so that the whole interval is within one jump's reach: the kernel is dense.
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
_PANEL = 3.0  # kernel widths in the panels of the first try
_MOST_NODES = 4_500  # a dense matrix of 160 MB
_TABLE = 600  # points of the table of a density that has no closed form


def stable_exit_mean(
    gradient: Gradient, lr: float, scale: float, alpha: float, lower: float, upper: float, x0: float
) -> float:
    """Mean number of steps to leave (lower, upper) from x0 under alpha-stable noise; first t >= 1 outside.

    Solves (I - K) m = 1 with the stable density as kernel on Gauss-Legendre panels, doubled until 1e-6 agrees (Nystrom's
    method). `gradient` maps (nodes,) to (nodes,). alpha 1 and 2 have closed densities, others a table good to about 1e-6
    (SciPy's levy_stable).

    ValueError: lr or scale not positive, alpha outside (0.5, 2], an empty or infinite interval, or one of so many widths
    lr*scale that more than 4,500 nodes are needed: then `stable_exit_mean_asymptotic` is right.
    """
    require_positive({"lr": lr, "scale": scale})
    if not 0.5 < alpha <= 2:
        raise ValueError(f"alpha={alpha}; give a number above 0.5 and at most 2")
    if not (lower < upper and math.isfinite(lower) and math.isfinite(upper) and math.isfinite(x0)):
        raise ValueError(f"lower={lower}, upper={upper}, x0={x0}; give finite numbers, lower < upper")
    width = lr * scale
    panels = max(2, math.ceil((upper - lower) / (_PANEL * width)))
    if 2 * panels * _NODES > _MOST_NODES:
        raise ValueError(
            f"the interval is {(upper - lower) / width:.3g} kernel widths lr*scale={width:.3g} wide and {_MOST_NODES} nodes do "
            "not resolve it; give a larger lr*scale, a shorter interval, or use stable_exit_mean_asymptotic"
        )
    density = _density(alpha, (upper - lower + abs(x0)) * 4.0 / width)
    before = math.inf
    while panels * _NODES <= _MOST_NODES:
        mean = _mean(gradient, lr, width, density, lower, upper, x0, panels)
        if abs(mean / before - 1.0) <= 1e-6:
            return mean
        before, panels = mean, 2 * panels
    raise ValueError(f"{_MOST_NODES} nodes do not give the mean to 1e-6; give a larger lr*scale or a smoother gradient")


def stable_exit_mean_asymptotic(lr: float, scale: float, alpha: float, radius: float) -> float:
    """Mean steps until |x| >= radius from a minimum at 0, for lr*scale << radius: (R/(lr s))^alpha / (2 C).

    C = Gamma(alpha) sin(pi alpha/2)/pi is the tail's constant, P(s > u) -> C u^-alpha (Samorodnitsky & Taqqu 1994,
    property 1.2.15): the first single jump that is long enough. It grows with the width to the power alpha and does not
    know the barrier's height (Imkeller & Pavlyukevich 2006; Simsekli, Sagun & Gurbuzbalaban 2019, arXiv:1901.06053). Cauchy
    noise: pi R/(2 lr s). It takes the iterate to be back at 0 between long jumps: 1/(lr f'') steps << the mean.

    ValueError: lr, scale or radius not positive, alpha outside (0, 2).
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


def _mean(
    gradient: Gradient,
    lr: float,
    width: float,
    density: Callable[[FloatArray], FloatArray],
    lower: float,
    upper: float,
    x0: float,
    panels: int,
) -> float:
    edge = np.linspace(lower, upper, panels + 1)
    unit, unit_weight = np.polynomial.legendre.leggauss(_NODES)
    half = np.diff(edge)[:, None] / 2
    node = ((edge[:-1, None] + edge[1:, None]) / 2 + half * unit).ravel()
    weight = (half * unit_weight).ravel()
    start = np.append(node, x0)
    image = start - lr * np.asarray(gradient(start), float)
    kernel = density((node - image[:, None]) / width) / width * weight
    once = np.linalg.solve(np.eye(node.size) - kernel[:-1], np.ones(node.size))
    return float(1.0 + kernel[-1] @ once)
