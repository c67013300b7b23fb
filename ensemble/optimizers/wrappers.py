"""Wrappers on any optimizer: ``Clip(Average(Adam()))``.

A wrapper acts on the gradient handed down (:class:`Clip`, :class:`ClipValue`, :class:`L2`, :class:`SAM`), on the result
handed up (:class:`WeightDecay`) or on what is reported (:class:`Average`, :class:`EMA`). Clipping acts on the noisy
gradient; coupled decay enters where it is nested: ``Clip(L2(Adam()))`` adds the decay after clipping, ``L2(Clip(Adam()))``
before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arithmetic.vec import Array, larger, rescaled, smaller
from ..part import FRACTION, NOT_NEGATIVE, POSITIVE, WHOLE, inner, number, scheduled
from ..schedules import at_steps, product_to
from .base import Gradient, Optimizer, Passed

__all__ = ["EMA", "L2", "SAM", "Average", "Clip", "ClipValue", "WeightDecay"]


@dataclass(frozen=True)
class Wrapper(Optimizer):
    """An optimizer around another, its ``base``."""

    def reported(self) -> str | None:
        path = self.base.reported()  # type: ignore[attr-defined]
        return None if path is None else f"base.{path}"


@dataclass(frozen=True)
class Clip(Wrapper):
    """Gradient clipping by norm: ``g <- g min(1, norm/|g|)``.

    Pascanu, Mikolov, Bengio (2013), algorithm 1. torch.nn.utils.clip_grad_norm_ divides by ``|g| + 1e-6``;
    optax.clip_by_global_norm does not.
    """

    base: Optimizer = inner()
    norm: Any = scheduled(1.0, POSITIVE)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        def clipped(y: Array) -> Array:
            g, size, unit = rescaled(gradient(y))
            with np.errstate(divide="ignore"):
                return np.where(size * unit > now.norm, now.norm / size, unit) * g

        return self.base.step(x, Passed(gradient, clipped), state.base, now.base)


@dataclass(frozen=True)
class ClipValue(Wrapper):
    """Gradient clipping by value: every coordinate of g to [-limit, limit]. torch.nn.utils.clip_grad_value_, optax.clip."""

    base: Optimizer = inner()
    limit: Any = scheduled(1.0, POSITIVE)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        def clipped(y: Array) -> Array:
            return larger(smaller(gradient(y), now.limit), -now.limit)

        return self.base.step(x, Passed(gradient, clipped), state.base, now.base)


@dataclass(frozen=True)
class L2(Wrapper):
    """L2 regularisation, weight decay coupled: ``g <- g + weight_decay x``. torch's ``weight_decay`` of SGD and Adam.

    For plain gradient descent the same as :class:`WeightDecay`; with momentum or adaptive scaling it is not.
    """

    base: Optimizer = inner()
    weight_decay: Any = scheduled(1e-2, NOT_NEGATIVE)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        def decayed(y: Array) -> Array:
            return gradient(y) + now.weight_decay * y

        return self.base.step(x, Passed(gradient, decayed), state.base, now.base)


@dataclass(frozen=True)
class WeightDecay(Wrapper):
    """Decoupled weight decay: ``x <- base's step - lr weight_decay x``, with its own (scheduled) ``lr``.

    Loshchilov and Hutter (2019). Give ``lr`` the base's rate for torch's and optax's convention, 1 for a decay that no rate
    multiplies.
    """

    base: Optimizer = inner()
    lr: Any = scheduled(1.0, NOT_NEGATIVE)
    weight_decay: Any = scheduled(1e-2, NOT_NEGATIVE)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        y = self.base.step(x, gradient, state.base, now.base)
        return y - (now.lr * now.weight_decay) * x


@dataclass(frozen=True)
class SAM(Wrapper):
    """Sharpness-aware minimization: the gradient is taken at ``x + rho g/|g|``.

    Foret, Kleiner, Mobahi, Neyshabur (2021), algorithm 1 (arXiv:2010.01412). Both gradients of a step see the same noise.
    """

    base: Optimizer = inner()
    rho: Any = scheduled(0.05, NOT_NEGATIVE)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        def worst(y: Array) -> Array:
            g, size, _ = rescaled(gradient(y))
            with np.errstate(divide="ignore"):
                reach = np.where(size > 0, now.rho / size, x.dtype.type(0))
            return gradient(y + reach * g)

        return self.base.step(x, Passed(gradient, worst), state.base, now.base)


@dataclass(frozen=True)
class _Averaged(Wrapper):
    vectors = ("mean",)

    def reported(self) -> str | None:
        return "mean"

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        base: Any = self.base  # type: ignore[attr-defined]
        y = gradient.project(base.step(x, gradient, state.base, now.base))
        state.mean = state.mean + now.weight * (y - state.mean)
        return y


@dataclass(frozen=True)
class Average(_Averaged):
    """Polyak-Ruppert averaging: reports the mean of the iterates x_1 ... x_t, or of those past step ``after``.

    Polyak and Juditsky (1992). The dynamics are the base's; records and the final x show the mean, events see x.
    """

    base: Optimizer = inner()
    after: float = number(0.0, WHOLE)

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        return {"weight": 1.0 / np.maximum(t - self.after, 1.0)}


@dataclass(frozen=True)
class EMA(_Averaged):
    """Exponential moving average of the iterates, bias-corrected: ``(1 - beta) sum_s beta^(t-s) x_s / (1 - beta^t)``.

    Kingma and Ba (2015), section 7.2 (arXiv:1412.6980). The correction is in the weight of the newest iterate,
    ``(1 - beta)/(1 - beta^t)``, so step 1 reports x_1. The dynamics are the base's; records and the final x show the average,
    events see x.
    """

    base: Optimizer = inner()
    beta: Any = scheduled(0.999, FRACTION)

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        return {"weight": (1.0 - at_steps(self.beta, t)) / (1.0 - product_to(self.beta, t))}
