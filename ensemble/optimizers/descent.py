"""Plain descent, momentum, and methods that explore."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arithmetic.elementary import pow as power
from ..arithmetic.random import Stream
from ..arithmetic.vec import Array, direction, dot, radius_to_compare, sign
from ..part import COUNT, FRACTION, NOT_NEGATIVE, POSITIVE, flag, number, scheduled
from ..schedules import at_steps
from .base import Gradient, Optimizer

__all__ = ["SGLD", "GradientDescent", "HeavyBall", "Lion", "Momentum", "Nesterov", "PerturbedGD", "SignSGD"]


@dataclass(frozen=True)
class GradientDescent(Optimizer):
    """Gradient descent; with gradient noise, SGD: ``x <- x - lr g``.

    Robbins and Monro (1951). Stable on ``h x^2/2`` for ``lr < 2/h``. torch.optim.SGD, optax.sgd.
    """

    lr: Any = scheduled(domain=NOT_NEGATIVE)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        return x - now.lr * gradient(x)


@dataclass(frozen=True)
class HeavyBall(Optimizer):
    """Momentum in velocity form: ``v <- beta v - lr g; x <- x + v``.

    Polyak (1964), eq. 9. The current rate enters the velocity, so a schedule acts on new gradients at once and not on the
    old velocity; torch.optim.SGD(momentum) multiplies the whole velocity by the current rate: the same path at a constant
    rate. Stable on ``h x^2/2`` for ``lr < 2 (1 + beta)/h``.
    """

    lr: Any = scheduled(domain=NOT_NEGATIVE)
    beta: Any = scheduled(0.9, FRACTION)
    vectors = ("v",)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        state.v = now.beta * state.v - now.lr * gradient(x)
        return x + state.v


@dataclass(frozen=True)
class Momentum(Optimizer):
    """Momentum in averaged form: ``v <- beta v + (1 - beta) g; x <- x - lr v``.

    The same path as :class:`HeavyBall` at rate ``lr (1 - beta)``. The rate multiplies outside, so a schedule rescales the
    whole velocity at once: torch.optim.SGD(momentum=beta, dampening=beta), but for its first step, which takes all of g.
    """

    lr: Any = scheduled(domain=NOT_NEGATIVE)
    beta: Any = scheduled(0.9, FRACTION)
    vectors = ("v",)

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        return {"gain": 1.0 - at_steps(self.beta, t)}

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        state.v = now.beta * state.v + now.gain * gradient(x)
        return x - now.lr * state.v


@dataclass(frozen=True)
class Nesterov(Optimizer):
    """Nesterov's momentum with the true look-ahead: ``v <- beta v - lr grad(x + beta v); x <- x + v``.

    Nesterov (1983), in the form of Sutskever et al. (2013), eq. 3-4. The gradient is evaluated at the look-ahead point with
    the same step's noise; x is the iterate, not the look-ahead point. ``shifted=True`` is torch.optim.SGD(nesterov=True) and
    optax.sgd(nesterov=True): ``v <- beta v + g(x); x <- x - lr (g + beta v)``, whose x is the look-ahead point of the true
    form. Stable on ``h x^2/2`` for ``lr < (2 + 2 beta)/((1 + 2 beta) h)``.
    """

    lr: Any = scheduled(domain=NOT_NEGATIVE)
    beta: Any = scheduled(0.9, FRACTION)
    shifted: bool = flag(False)
    vectors = ("v",)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        if self.shifted:
            g = gradient(x)
            state.v = now.beta * state.v + g
            return x - now.lr * (g + now.beta * state.v)
        ahead = x + now.beta * state.v
        state.v = now.beta * state.v - now.lr * gradient(ahead)
        return x + state.v


LAST_STEP = 2**31 - 1
"""No run has so many steps."""


@dataclass(frozen=True)
class SignSGD(Optimizer):
    """Sign descent: ``x <- x - lr sign(g)``, sign(0) = 0.

    Bernstein et al. (2018), algorithm 1 (arXiv:1802.04434); optax.sign_sgd. Adam with beta1 = beta2 = eps = 0.
    """

    lr: Any = scheduled(domain=NOT_NEGATIVE)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        g = gradient(x)
        return x - now.lr * sign(g)


@dataclass(frozen=True)
class Lion(Optimizer):
    """Lion: ``x <- x - lr (sign(beta1 v + (1 - beta1) g) + weight_decay x); v <- beta2 v + (1 - beta2) g``.

    Chen et al. (2023), algorithm 2 (arXiv:2302.06675); optax.lion, whose weight decay defaults to 1e-3.
    """

    lr: Any = scheduled(1e-4, NOT_NEGATIVE)
    beta1: Any = scheduled(0.9, FRACTION)
    beta2: Any = scheduled(0.99, FRACTION)
    weight_decay: Any = scheduled(0.0, NOT_NEGATIVE)
    vectors = ("v",)

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        return {"gain1": 1.0 - at_steps(self.beta1, t), "gain2": 1.0 - at_steps(self.beta2, t)}

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        g = gradient(x)
        direction = now.beta1 * state.v + now.gain1 * g
        state.v = now.beta2 * state.v + now.gain2 * g
        return (x - (now.lr * now.weight_decay) * x) - now.lr * sign(direction)


@dataclass(frozen=True)
class SGLD(Optimizer):
    """Stochastic gradient Langevin dynamics: ``x <- x - lr g + sqrt(2 lr temperature) z``.

    Welling and Teh (2011), eq. 4, with their epsilon = 2 lr. Without gradient noise, and as lr -> 0, x is distributed like
    ``exp(-f/temperature)``. The noise is not multiplied by ``lr`` again.
    """

    lr: Any = scheduled(domain=NOT_NEGATIVE)
    temperature: Any = scheduled(domain=NOT_NEGATIVE)

    def columns(self, t: NDArray[np.float64], prefix: str = "") -> Any:
        found = dict(super().columns(t, prefix))
        yield f"{prefix}lr", found[f"{prefix}lr"]
        yield f"{prefix}spread", np.sqrt(2.0 * found[f"{prefix}lr"] * found[f"{prefix}temperature"])

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        return (x - now.lr * gradient(x)) + now.spread * now.random.normals(Stream.PERTURBATION)


def ball(now: Any, stream: Stream, radius: Any) -> Array:
    """Points (instances, dim) uniform in the ball of ``radius`` around 0: a normal direction, a d-th root for the length."""
    z = now.random.normals(stream)
    u = now.random.uniform_of_instance(stream)
    exponent = u.dtype.type(1) / u.dtype.type(z.shape[1])
    length = radius * power(u, np.broadcast_to(exponent, u.shape))
    z, size = direction(z)
    return (length / size) * z


@dataclass(frozen=True)
class PerturbedGD(Optimizer):
    """Perturbed gradient descent.

    Jin, Ge, Netrapalli, Kakade, Jordan (2017), algorithm 2 (arXiv:1703.00887): when the gradient that the optimizer sees has
    ``|g| <= g_thres`` and no perturbation happened in the last ``t_thres`` steps, x is first moved to a point uniform in the
    ball of ``radius`` around it (never multiplied by ``lr``); then ``x <- x - lr g`` with the gradient at the moved point.
    The paper's stopping rule is an event. Its constants are ``ensemble.statistics.laws.jin_constants``.
    """

    scratch = 3

    lr: Any = scheduled(domain=NOT_NEGATIVE)
    radius: float = number(domain=POSITIVE)
    g_thres: float = number(domain=NOT_NEGATIVE)
    t_thres: float = number(domain=COUNT)
    integers = ("quiet_until",)

    def constants(self) -> Mapping[str, float]:
        return dict(zip(("g_scale", "g_thres_squared"), radius_to_compare(self.g_thres), strict=True))

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        g = gradient(x)
        seen: Any = self
        scaled = seen.g_scale * g
        kick = (dot(scaled, scaled) <= seen.g_thres_squared) & (state.quiet_until < now.t)
        if kick.any():
            x = np.where(kick, x + ball(now, Stream.PERTURBATION, self.radius), x)
            wait = np.minimum(np.asarray(self.t_thres).astype(np.int64), LAST_STEP - now.t)  # their sum fits 32 bits
            until = (now.t + wait).astype(state.quiet_until.dtype)
            state.quiet_until = np.where(kick, until, state.quiet_until)
            g = gradient(x)
        return x - now.lr * g
