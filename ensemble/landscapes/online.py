"""Losses that change from step to step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arithmetic.random import Stream
from ..arithmetic.vec import Array, larger, smaller, total
from ..part import FRACTION, POSITIVE, number, structure
from .base import Box, Landscape


def _into_box(x: Array) -> Array:
    one = x.dtype.type(1)
    return larger(smaller(x, one), -one)


@dataclass(frozen=True)
class OnlineLinear(Landscape):
    """``f_t(x) = C sum_k x_k`` where t mod ``period`` = 1, else ``-small sum_k x_k``, on the box ``|x_k| <= 1``.

    Reddi, Kale and Kumar (2018), "On the convergence of Adam and beyond", arXiv:1904.09237: theorem 1 with C = 3 and period 3
    (C > 2), section 5 with C = 1010, small = 10 and period 101. While ``C > (period - 1) small`` the best fixed point is -1 in
    every coordinate; Adam goes to +1, AMSGrad to -1. The iterate is projected onto the box after every step. A point that is
    looked at without a step (``now`` is None) has the mean loss of a period.
    """

    pointwise = True

    dim: int = structure(1, low=1)
    period: int = structure(3, low=2)
    C: float = number(3.0, POSITIVE)
    small: float = number(1.0, POSITIVE)

    smooth_everywhere = True

    def _slope(self, now: Any) -> Any:
        if now is None:
            return (self.C - (self.period - 1) * self.small) / self.period
        return self.C if now.t % self.period == 1 else -self.small

    def value(self, x: Array, now: Any = None) -> Array:
        return self._slope(now) * total(x)

    def gradient(self, x: Array, now: Any = None) -> Array:
        return self._slope(now) * np.ones_like(x)

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        return np.zeros_like(x)

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        return np.zeros_like(x)

    def project(self, x: Array, now: Any = None) -> Array:
        return _into_box(x)

    def _smoothness(self) -> float:
        return 0.0

    def _box(self) -> Box:
        return -1.0, 1.0


@dataclass(frozen=True)
class StochasticLinear(Landscape):
    """``C sum_k x_k`` with ``probability``, else ``-small sum_k x_k``, on the box ``|x_k| <= 1``: :class:`OnlineLinear` in random order.

    Reddi, Kale and Kumar (2018), arXiv:1904.09237, theorem 3, and section 5 with C = 1010, small = 10 and probability 0.01. The
    value is the mean loss, ``(probability C - (1 - probability) small) sum_k x_k``; where its slope is positive the best point
    is -1 in every coordinate. Each step an instance draws one of the two losses from the minibatch stream, the same for every
    gradient in that step; a gradient that is looked at outside a step is the mean one.
    """

    pointwise = True

    dim: int = structure(1, low=1)
    C: float = number(1010.0, POSITIVE)
    small: float = number(10.0, POSITIVE)
    probability: float = number(0.01, FRACTION)

    smooth_everywhere = True

    def constants(self) -> Mapping[str, float]:
        return {"mean": self.probability * self.C - (1 - self.probability) * self.small}

    def value(self, x: Array, now: Any = None) -> Array:
        return self._known("mean") * total(x)

    def gradient(self, x: Array, now: Any = None) -> Array:
        random = getattr(now, "random", None)
        if random is None:
            return self._known("mean") * np.ones_like(x)
        large = random.uniform_of_instance(Stream.MINIBATCH) < self.probability
        return np.where(large, self.C, -self.small) * np.ones_like(x)

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        return np.zeros_like(x)

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        return np.zeros_like(x)

    def project(self, x: Array, now: Any = None) -> Array:
        return _into_box(x)

    def _smoothness(self) -> float:
        return 0.0

    def _box(self) -> Box:
        return -1.0, 1.0
