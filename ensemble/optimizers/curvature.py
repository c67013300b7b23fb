"""Methods that use the landscape's exact Hessian. Twins in ``kernels/optimizers/curvature.cuh``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..part import ANY, NOT_NEGATIVE, flag, number, scheduled, structure
from ..vec import Array, dot
from .base import Gradient, Optimizer

__all__ = ["Newton", "Preconditioned"]


@dataclass(frozen=True)
class Preconditioned(Optimizer):
    """Newton's step with the Hessian's diagonal: ``x <- x - lr g / (h + damping)``.

    ``absolute_values=True`` divides by ``|h| + damping``: the saddle-free form of Dauphin et al. (2014, arXiv:1406.2572), exact
    where the Hessian is diagonal; with False, the default, saddles attract as they do for Newton's method.
    """

    lr: Any = scheduled(1.0, NOT_NEGATIVE)
    damping: float = number(0.0, ANY)
    absolute_values: bool = flag(False)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        g = gradient(x)
        h = gradient.hessian_diagonal(x)
        h = (np.abs(h) if self.absolute_values else h) + self.damping
        return x - (now.lr * g) / h


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
