"""Methods that look for their rate along the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arithmetic.vec import Array, dot
from ..part import FRACTION, NOT_NEGATIVE, number, scheduled, structure
from .base import Gradient, Optimizer

__all__ = ["Armijo", "SteepestDescent"]


@dataclass(frozen=True)
class Armijo(Optimizer):
    """Gradient descent by backtracking: ``x <- x - a g``, a the first of ``lr, lr shrink, lr shrink^2, ...`` with enough descent.

    Enough is ``f(x - a g) <= f(x) - c a |g|^2``; Armijo (1966), Nocedal and Wright (2006), algorithm 3.1. Where none of ``trials`` has it,
    as where rounding hides what is left of f, the instance stays. f is the landscape's exact value, whatever noise the gradient has: one
    value for each trial, and each step begins at ``lr`` again. Never climbs, for rates however large: on a function of smoothness L it
    takes at least ``min(lr, 2 (1 - c) shrink / L)``. optax.scale_by_backtracking_linesearch(increase_factor=inf).
    """

    scratch = 2

    lr: Any = scheduled(1.0, NOT_NEGATIVE)
    c: float = number(1e-4, FRACTION)
    shrink: float = number(0.5, FRACTION)
    trials: int = structure(30, low=1)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        g = gradient(x)
        before, square = gradient.value(x), dot(g, g)
        rate = now.lr * np.ones_like(square)
        taken = np.zeros_like(square)
        for _ in range(self.trials):
            value = gradient.value(gradient.project(x - rate * g))
            enough = (taken == 0) & (value <= before - (self.c * rate) * square)
            taken = np.where(enough, rate, taken)
            if (taken > 0).all():
                break
            rate = self.shrink * rate
        return x - taken * g


@dataclass(frozen=True)
class SteepestDescent(Optimizer):
    """Gradient descent with the rate that ends lowest along the gradient: ``x <- x - a g``, a by Newton's method on the line.

    Cauchy (1847). ``iterations`` of Newton's method, each with a gradient and a Hessian-vector product: exact with one where f is
    quadratic, ``a = |g|^2 / g.H g``; a ratio of at most ``((k - 1)/(k + 1))^2`` of f - f* is then left after a step, k the condition
    number (Kantorovich 1948), and from the worst starts no less. Where the line curves down, the rate is ``lr`` at first, and then twice
    what it was while f falls along the line, else half of it.
    """

    lr: Any = scheduled(1.0, NOT_NEGATIVE)
    iterations: int = structure(1, low=1)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        g = gradient(x)
        with np.errstate(all="ignore"):
            curvature = dot(g, gradient.hessian_product(x, g))
            rate = np.where(curvature > 0, dot(g, g) / curvature, now.lr)
            for _ in range(self.iterations - 1):
                y = x - rate * g
                curvature = dot(g, gradient.hessian_product(y, g))
                fall = dot(g, gradient(y))
                elsewhere = rate * np.where(fall > 0, x.dtype.type(2), x.dtype.type(0.5))
                rate = np.where(curvature > 0, rate + fall / curvature, elsewhere)
        return x - rate * g
