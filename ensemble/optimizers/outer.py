"""Wrappers that keep a second sequence of iterates beside that of the rule inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arithmetic.vec import Array
from ..fields import Domain
from ..part import FRACTION, POSITIVE, Part, inner, number, scheduled
from .base import Gradient, Optimizer, Passed
from .wrappers import Wrapper

__all__ = ["Lookahead", "ScheduleFree"]

_SHARE = Domain(lambda v: 0 < v <= 1, "a number greater than 0 and at most 1")
_PERIOD = Domain(lambda v: v >= 1 and v == np.floor(v), "a whole number of at least 1")


@dataclass(frozen=True)
class Lookahead(Wrapper):
    """Lookahead: k steps of the base, then back to a point on the way: ``slow <- slow + alpha (x - slow); x <- slow``.

    Zhang, Lucas, Hinton, Ba (2019), algorithm 1 (arXiv:1907.08610); optax.lookahead(sync_period=k, slow_step_size=alpha). The base
    keeps its memory. What is reported, and what events see, is the base's x, which is the slow point after every k-th step.
    """

    base: Optimizer = inner()
    period: float = number(6.0, _PERIOD)
    alpha: float = number(0.5, _SHARE)
    vectors = ("slow",)

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        return {"first": np.where(t == 1, 1.0, 0.0), "back": np.where(t % self.period == 0, 1.0, 0.0)}

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        slow = np.where(now.first > 0, x, state.slow)
        y = gradient.project(self.base.step(x, gradient, state.base, now.base))
        moved = slow + self.alpha * (y - slow)
        state.slow = np.where(now.back > 0, moved, slow)
        return np.where(now.back > 0, moved, y)


@dataclass(frozen=True)
class ScheduleFree(Wrapper):
    """Schedule-free learning: the base moves z, the gradient is taken between z and the mean x of all z, which is the iterate.

    Defazio, Yang, Mehta, Mishchenko, Khaled, Cutkosky (2024), eq. 1 (arXiv:2405.15682)::

        y = (1 - beta) z + beta x;   z <- the base's step from z, with the gradient at y
        x <- x + c (z - x),  c = w_t / (w_1 + ... + w_t)

    ``ScheduleFree(GradientDescent(lr))`` is schedule-free SGD, ``ScheduleFree(Adam(lr, beta1=0))`` schedule-free AdamW without
    decay: optax.contrib.schedule_free. The authors weigh step t by ``weight`` = the square of its rate, which matters where the base
    warms up; with a constant rate all weigh the same, the default. A decay in the base acts on z. Events see x, the averaged point.
    """

    base: Optimizer = inner()
    beta: Any = scheduled(0.9, FRACTION)
    weight: Any = scheduled(1.0, POSITIVE)
    vectors = ("z",)

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        first = np.where(t == 1, 1.0, 0.0)
        if not isinstance(self.weight, Part):
            return {"share": 1.0 / t, "first": first}
        each = self.weight(np.arange(1.0, t.max() + 1.0))  # type: ignore[operator]
        here = t.astype(np.int64) - 1
        return {"share": each[here] / np.cumsum(each)[here], "first": first}

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        z = np.where(now.first > 0, x, state.z)
        away = now.beta * (x - z)

        def between(p: Array) -> Array:
            return gradient(p + away)

        state.z = gradient.project(self.base.step(z, Passed(gradient, between), state.base, now.base))
        return x + now.share * (state.z - x)
