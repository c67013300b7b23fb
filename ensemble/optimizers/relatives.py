"""Relatives of Adam: other moments, other corrections, other denominators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arithmetic.vec import Array, larger
from ..part import FRACTION, NOT_NEGATIVE, number, scheduled
from ..schedules import at_steps, product_to
from .adaptive import quotient
from .base import Gradient, Optimizer

__all__ = ["AdaBelief", "Adamax", "NAdam", "RAdam"]


@dataclass(frozen=True)
class NAdam(Optimizer):
    """NAdam: Adam that looks ahead along its momentum, which grows from ``beta1 / 2`` to ``beta1``.

    Dozat (2016), algorithm 2, as torch.optim.NAdam computes it, with ``mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2)``::

        m <- beta1 m + (1 - beta1) g;   v <- beta2 v + (1 - beta2) g^2
        x <- x - lr ((1 - mu_t) g / (1 - mu_1 ... mu_t) + mu_{t+1} m / (1 - mu_1 ... mu_{t+1})) / (sqrt(v / (1 - beta2^t)) + eps)

    optax.nadam has no such growth. With ``eps = 0``: 0/0 is taken as 0.
    """

    lr: Any = scheduled(2e-3, NOT_NEGATIVE)
    beta1: float = number(0.9, FRACTION)
    beta2: float = number(0.999, FRACTION)
    eps: float = number(1e-8, NOT_NEGATIVE)
    momentum_decay: float = number(4e-3, NOT_NEGATIVE)
    vectors = ("m", "v")

    def constants(self) -> Mapping[str, float]:
        return {"gain1": 1.0 - self.beta1, "gain2": 1.0 - self.beta2}

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        if np.ndim(self.beta1) or np.ndim(self.momentum_decay):
            raise TypeError("one optimizer at a time: the product begins at step 1")
        s = np.arange(1.0, t.max() + 2.0)
        mu = self.beta1 * (1.0 - 0.5 * 0.96 ** (s * self.momentum_decay))
        product, here = np.cumprod(mu), t.astype(np.int64) - 1
        return {
            "of_gradient": (1.0 - mu[here]) / (1.0 - product[here]),
            "of_momentum": mu[here + 1] / (1.0 - product[here + 1]),
            "root_correction2": np.sqrt(1.0 / (1.0 - self.beta2**t)),
        }

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        seen: Any = self
        g = gradient(x)
        state.m = self.beta1 * state.m + seen.gain1 * g
        state.v = self.beta2 * state.v + seen.gain2 * (g * g)
        ahead = (now.lr * now.of_gradient) * g + (now.lr * now.of_momentum) * state.m
        return x - quotient(ahead, now.root_correction2 * np.sqrt(state.v) + self.eps, self.eps)


@dataclass(frozen=True)
class RAdam(Optimizer):
    """RAdam: Adam whose rate is rectified while its second moment rests on few steps; plain momentum in the very first.

    Liu, Jiang, He, Chen, Liu, Gao, Han (2020), algorithm 2 (arXiv:1908.03265), with ``rho = 2 / (1 - beta2) - 1`` and
    ``rho_t = rho - 2 t beta2^t / (1 - beta2^t)``::

        x <- x - lr m^ r_t / (sqrt(v^) + eps),  r_t^2 = (rho_t - 4)(rho_t - 2) rho / ((rho - 4)(rho - 2) rho_t),  where rho_t > threshold
        x <- x - lr m^                                                                                            elsewhere

    The same as torch.optim.RAdam, whose epsilon is added to sqrt(v) before the correction. With ``eps = 0``: 0/0 is taken as 0.
    """

    lr: Any = scheduled(1e-3, NOT_NEGATIVE)
    beta1: Any = scheduled(0.9, FRACTION)
    beta2: float = number(0.999, FRACTION)
    eps: float = number(1e-8, NOT_NEGATIVE)
    threshold: float = number(5.0, NOT_NEGATIVE)
    vectors = ("m", "v")

    def constants(self) -> Mapping[str, float]:
        return {"gain2": 1.0 - self.beta2}

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        power = self.beta2**t
        most = 2.0 / (1.0 - self.beta2) - 1.0
        length = most - 2.0 * t * power / (1.0 - power)
        sure = length > self.threshold
        n = np.where(sure, length, 5.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            square = (n - 4.0) * (n - 2.0) * most / ((most - 4.0) * (most - 2.0) * n)
        return {
            "gain1": 1.0 - at_steps(self.beta1, t),
            "correction1": 1.0 / (1.0 - product_to(self.beta1, t)),
            "rectified": np.where(sure, np.sqrt(np.where(sure, square, 0.0) * (1.0 - power)), 0.0),
        }

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        seen: Any = self
        g = gradient(x)
        state.m = now.beta1 * state.m + now.gain1 * g
        state.v = self.beta2 * state.v + seen.gain2 * (g * g)
        adapted = quotient(now.rectified * state.m, np.sqrt(state.v) + self.eps, self.eps)
        return x - (now.lr * now.correction1) * np.where(now.rectified > 0, adapted, state.m)


@dataclass(frozen=True)
class Adamax(Optimizer):
    """Adamax: Adam over the largest gradient of late: ``u <- max(beta2 u, |g| + eps); x <- x - lr m / ((1 - beta1^t) u)``.

    Kingma and Ba (2015), algorithm 2 (arXiv:1412.6980), with epsilon where torch.optim.Adamax and optax.adamax put it.
    With ``eps = 0``: 0/0 is taken as 0.
    """

    lr: Any = scheduled(2e-3, NOT_NEGATIVE)
    beta1: Any = scheduled(0.9, FRACTION)
    beta2: Any = scheduled(0.999, FRACTION)
    eps: float = number(1e-8, NOT_NEGATIVE)
    vectors = ("m", "u")

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        return {"gain1": 1.0 - at_steps(self.beta1, t), "correction1": 1.0 / (1.0 - product_to(self.beta1, t))}

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        g = gradient(x)
        state.m = now.beta1 * state.m + now.gain1 * g
        state.u = larger(now.beta2 * state.u, np.abs(g) + self.eps)
        return x - quotient((now.lr * now.correction1) * state.m, state.u, self.eps)


@dataclass(frozen=True)
class AdaBelief(Optimizer):
    """AdaBelief: Adam whose denominator is the spread of gradients around their running mean, not their size.

    Zhuang, Tang, Ding, Tatikonda, Dvornek, Papademetris, Duncan (2020), algorithm 2 (arXiv:2010.07468)::

        m <- beta1 m + (1 - beta1) g;   v <- beta2 v + (1 - beta2) (g - m)^2
        x <- x - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t) + eps_root) + eps)

    The same as optax.adabelief; the paper adds eps to v in every step instead of once inside the root. A coordinate whose gradients
    are all alike takes large steps: v is 0 there but for what ``eps_root`` adds. With ``eps = 0``: 0/0 is taken as 0.
    """

    lr: Any = scheduled(1e-3, NOT_NEGATIVE)
    beta1: Any = scheduled(0.9, FRACTION)
    beta2: Any = scheduled(0.999, FRACTION)
    eps: float = number(1e-16, NOT_NEGATIVE)
    eps_root: float = number(1e-16, NOT_NEGATIVE)
    vectors = ("m", "v")

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        return {
            "gain1": 1.0 - at_steps(self.beta1, t),
            "gain2": 1.0 - at_steps(self.beta2, t),
            "correction1": 1.0 / (1.0 - product_to(self.beta1, t)),
            "correction2": 1.0 / (1.0 - product_to(self.beta2, t)),
        }

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        g = gradient(x)
        state.m = now.beta1 * state.m + now.gain1 * g
        apart = g - state.m
        state.v = now.beta2 * state.v + now.gain2 * (apart * apart)
        below = np.sqrt(now.correction2 * state.v + self.eps_root) + self.eps
        return x - quotient((now.lr * now.correction1) * state.m, below, self.eps)
