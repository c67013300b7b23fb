"""Methods that use the landscape's exact Hessian."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arithmetic.vec import Array, dot
from ..grids import Varied
from ..part import ANY, NOT_NEGATIVE, POSITIVE, flag, number, scheduled, structure
from ..words import told
from .base import Gradient, Optimizer

__all__ = ["Newton", "Preconditioned", "SaddleFreeNewton"]

SHORTFALL = 0.1
"""What a saddle-free step may lack of ``g / damping`` along a direction without curvature."""


@dataclass(frozen=True)
class Preconditioned(Optimizer):
    """Newton's step with the Hessian's diagonal: ``x <- x - lr g / (h + damping)``.

    ``absolute_values=True`` divides by ``|h| + damping``: the saddle-free form of Dauphin et al. (2014, arXiv:1406.2572), exact
    where the Hessian is diagonal; with False, the default, saddles attract as they do for Newton's method. 0/0 is taken as 0.
    """

    lr: Any = scheduled(1.0, NOT_NEGATIVE)
    damping: float = number(0.0, ANY)
    absolute_values: bool = flag(False)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        g = gradient(x)
        h = gradient.hessian_diagonal(x)
        h = (np.abs(h) if self.absolute_values else h) + self.damping
        return x - (now.lr * g) / np.where(g == 0, x.dtype.type(1), h)


@dataclass(frozen=True)
class Newton(Optimizer):
    """Newton's method: ``x <- x - lr p`` with ``(H + damping) p = g`` by conjugate residuals.

    Stiefel (1955); ``iterations`` of them, each one Hessian-vector product: exact (to rounding) with as many as the Hessian
    has distinct eigenvalues. The Hessian may have eigenvalues of both signs.
    """

    scratch = 4

    lr: Any = scheduled(1.0, NOT_NEGATIVE)
    damping: float = number(0.0, ANY)
    iterations: int = structure(8, low=1)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        zero = x.dtype.type(0)
        r = gradient(x)
        p, d = zero * r, r
        h_r = gradient.hessian_product(x, r) + self.damping * r
        h_d = h_r
        r_h_r = dot(r, h_r)
        with np.errstate(all="ignore"):
            for _ in range(self.iterations):
                square = dot(h_d, h_d)
                rate = np.where(square > 0, r_h_r / square, zero)
                p = p + rate * d
                r = r - rate * h_d
                h_r = gradient.hessian_product(x, r) + self.damping * r
                following = dot(r, h_r)
                turn = np.where(np.abs(r_h_r) > 0, following / r_h_r, zero)
                d = r + turn * d
                h_d = h_r + turn * h_d
                r_h_r = following
        return x - now.lr * p


@dataclass(frozen=True)
class SaddleFreeNewton(Optimizer):
    """Saddle-free Newton: ``x <- x - lr |H|^-1 g`` with the whole Hessian, ``|H|`` taken as ``sqrt(H^2 + damping^2)``.

    Dauphin et al. (2014, arXiv:1406.2572), whose Krylov space is here a fixed polynomial: Legendre's generating function,
    ``(h^2 + damping^2)^(-1/2) = (2 sqrt(r) / smoothness) sum_k r^k P_k(1 - 2 h^2 / smoothness^2)`` with
    ``r = exp(-2 asinh(damping / smoothness))``, cut after k = ``iterations``, each two Hessian-vector products. No eigenvalue
    of H may exceed ``smoothness``, such as the landscape's own, in absolute value: beyond it the sum grows without bound.
    Within it the sum is off by at most ``r^(iterations + 1) / damping``, so much at h = 0, where more than a tenth is refused
    (relatively, too, no h tried was worse than 0), and always positive (Fejer's inequality): a step never climbs.
    """

    pointwise = True

    scratch = 4

    lr: Any = scheduled(domain=NOT_NEGATIVE)
    damping: float = number(domain=POSITIVE)
    smoothness: float = number(domain=POSITIVE)
    iterations: int = structure(16, low=1)

    def validate(self) -> None:
        if isinstance(self.damping, Varied) or isinstance(self.smoothness, Varied):
            return  # each configuration is looked at by itself
        decay = 2.0 * math.asinh(self.damping / self.smoothness)
        short = math.exp(-(self.iterations + 1) * decay)
        if short > SHORTFALL:
            enough = "" if decay < 1e-9 else f"iterations of at least {math.ceil(-math.log(SHORTFALL) / decay) - 1} or "
            least = 1.01 * self.smoothness * math.sinh(-math.log(SHORTFALL) / (2 * self.iterations + 2))
            raise ValueError(
                f"SaddleFreeNewton(damping={told(self.damping)}, smoothness={told(self.smoothness)}, "
                f"iterations={self.iterations}): along curvature 0 the step would be {short:.0%} short of g / damping; "
                f"give {enough}a damping of at least {least:.3g}."
            )

    def constants(self) -> Mapping[str, float]:
        decay = math.asinh(self.damping / self.smoothness)
        return {
            "ratio": math.exp(-2.0 * decay),
            "ratio_squared": math.exp(-4.0 * decay),
            "bend": 2.0 / self.smoothness / self.smoothness,
            "scale": 2.0 * math.exp(-decay) / self.smoothness,
        }

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        seen: Any = self
        one, two = x.dtype.type(1), x.dtype.type(2)
        q = gradient(x)  # r^k P_k g
        before, total = x.dtype.type(0) * q, q
        for k in range(self.iterations):
            share = one / x.dtype.type(k + 1)
            y = q - seen.bend * gradient.hessian_product(x, gradient.hessian_product(x, q))
            y = (seen.ratio * (two - share)) * y - (seen.ratio_squared * (one - share)) * before
            before, q = q, y
            total = total + q
        return x - now.lr * (seen.scale * total)
