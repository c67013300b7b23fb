"""Optimizers. Twins in ``kernels/optimizers.cuh``, fields in the same order.

``step(x, gradient, state, now)`` returns the new iterate (instances, dim). ``gradient`` is a function of a point: methods
that look ahead or evaluate twice have the same shape as plain ones. ``now`` holds ``t`` (1, 2, ...), the scheduled rate
``now.lr``, the part's other tables by name and ``now.random``. ``state`` starts at 0. Every operation is elementwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .elementary import pow as power
from .part import COUNT, FRACTION, NOT_NEGATIVE, POSITIVE, Part, number, scheduled
from .random import Stream
from .vec import Array, dot

__all__ = ["Adam", "GradientDescent", "HeavyBall", "Nesterov", "Optimizer", "PerturbedGD"]

Gradient = Callable[[Array], Array]


@dataclass(frozen=True)
class Optimizer(Part):
    """A rule that turns gradients into steps."""

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        """The new iterate (instances, dim); ``state`` is changed in place."""
        raise TypeError(f"{type(self).__name__} does not say its step; define step(self, x, gradient, state, now).")


@dataclass(frozen=True)
class GradientDescent(Optimizer):
    """Gradient descent; with gradient noise, SGD: ``x <- x - lr g``.

    Robbins and Monro (1951). Stable on ``h x^2/2`` for ``lr < 2/h``.
    """

    lr: Any = scheduled(domain=NOT_NEGATIVE)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        return x - now.lr * gradient(x)


@dataclass(frozen=True)
class HeavyBall(Optimizer):
    """Momentum in velocity form: ``v <- beta v - lr g; x <- x + v``.

    Polyak (1964), eq. 9. The current rate enters the velocity, so a schedule acts at once on new gradients and not on the
    old velocity; PyTorch's SGD(momentum) multiplies the whole velocity by the current rate: the same path at a constant rate.
    Stable on ``h x^2/2`` for ``lr < 2 (1 + beta)/h``.
    """

    lr: Any = scheduled(domain=NOT_NEGATIVE)
    beta: float = number(0.9, FRACTION)
    vectors = ("v",)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        state.v = self.beta * state.v - now.lr * gradient(x)
        return x + state.v


@dataclass(frozen=True)
class Nesterov(Optimizer):
    """Nesterov's momentum with the true look-ahead: ``v <- beta v - lr grad(x + beta v); x <- x + v``.

    Nesterov (1983), in the form of Sutskever et al. (2013), eq. 3-4. The gradient is evaluated at the look-ahead point with
    the same step's noise; x is the iterate, not the look-ahead point. PyTorch logs the shifted iterate ``x + beta v``.
    Stable on ``h x^2/2`` for ``lr < (2 + 2 beta)/((1 + 2 beta) h)``.
    """

    lr: Any = scheduled(domain=NOT_NEGATIVE)
    beta: float = number(0.9, FRACTION)
    vectors = ("v",)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        ahead = x + self.beta * state.v
        state.v = self.beta * state.v - now.lr * gradient(ahead)
        return x + state.v


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam with bias correction, epsilon outside the root.

    Kingma and Ba (2015), algorithm 1 (arXiv:1412.6980)::

        m <- beta1 m + (1 - beta1) g;   v <- beta2 v + (1 - beta2) g^2
        x <- x - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    The same as torch.optim.Adam and optax.adam. In each coordinate a step is at most about ``lr``.
    """

    lr: Any = scheduled(1e-3, NOT_NEGATIVE)
    beta1: float = number(0.9, FRACTION)
    beta2: float = number(0.999, FRACTION)
    eps: float = number(1e-8, NOT_NEGATIVE)
    vectors = ("m", "v")

    def constants(self) -> Mapping[str, float]:
        return {"gain1": 1.0 - self.beta1, "gain2": 1.0 - self.beta2}

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        return {"correction1": 1.0 / (1.0 - self.beta1**t), "correction2": 1.0 / (1.0 - self.beta2**t)}

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        g = gradient(x)
        state.m = self.beta1 * state.m + self.gain1 * g  # type: ignore[attr-defined]
        state.v = self.beta2 * state.v + self.gain2 * (g * g)  # type: ignore[attr-defined]
        return x - ((now.lr * now.correction1) * state.m) / (np.sqrt(now.correction2 * state.v) + self.eps)


def ball(now: Any, stream: Stream, radius: Any) -> Array:
    """Points (instances, dim) uniform in the ball of ``radius`` around 0: a normal direction, a d-th root for the length."""
    z = now.random.normals(stream)
    u = now.random.uniform_of_instance(stream)
    exponent = u.dtype.type(1) / u.dtype.type(z.shape[1])
    length = radius * power(u, np.broadcast_to(exponent, u.shape))
    return (length / np.sqrt(dot(z, z))) * z


@dataclass(frozen=True)
class PerturbedGD(Optimizer):
    """Perturbed gradient descent.

    Jin, Ge, Netrapalli, Kakade, Jordan (2017), algorithm 2 (arXiv:1703.00887): when the gradient that the optimizer sees has
    ``|g| <= g_thres`` and no perturbation happened in the last ``t_thres`` steps, x is first moved to a point uniform in the
    ball of ``radius`` around it (never multiplied by ``lr``); then ``x <- x - lr g`` with the gradient at the moved point.
    The paper's stopping rule is an event. Its constants are ``ensemble.statistics.laws.jin_constants``.
    """

    lr: Any = scheduled(domain=NOT_NEGATIVE)
    radius: float = number(domain=POSITIVE)
    g_thres: float = number(domain=NOT_NEGATIVE)
    t_thres: float = number(domain=COUNT)
    integers = ("quiet_until",)

    def constants(self) -> Mapping[str, float]:
        return {"g_thres_squared": self.g_thres**2}

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        g = gradient(x)
        kick = (dot(g, g) <= self.g_thres_squared) & (state.quiet_until < now.t)  # type: ignore[attr-defined]
        if kick.any():
            x = np.where(kick, x + ball(now, Stream.PERTURBATION, self.radius), x)
            until = np.asarray(self.t_thres).astype(state.quiet_until.dtype) + state.quiet_until.dtype.type(now.t)
            state.quiet_until = np.where(kick, until, state.quiet_until)
            g = gradient(x)
        return x - now.lr * g
