"""Schedules: a number for every step. They become columns of the per-step tables and have no kernel twin.

Every schedule is a function of ``t`` = 1, 2, ..., the number of the step being taken; ``s = t - 1`` is the number of steps
already taken, which is what PyTorch's and optax's schedulers count, so the first step uses the initial value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .grids import Varied
from .part import (
    NOT_NEGATIVE,
    POSITIVE,
    Constant,
    Domain,
    FromFunction,
    Range,
    Schedule,
    Steps,
    array,
    flag,
    inner,
    number,
)
from .words import told

__all__ = [
    "AcceleratedMomentum",
    "Constant",
    "Cosine",
    "ExponentialDecay",
    "FromFunction",
    "InverseSqrt",
    "InverseTime",
    "LinearDecay",
    "OneCycle",
    "PerBatch",
    "Piecewise",
    "Schedule",
    "StepDecay",
    "WarmRestarts",
    "Warmup",
]


@dataclass(frozen=True)
class _Monotone(Schedule):
    """One that only rises or only falls."""

    def range(self, first: int, last: int) -> Range | None:
        begin, end = self(np.array([first, last], dtype=np.float64)).tolist()
        return min(begin, end), max(begin, end)


@dataclass(frozen=True)
class StepDecay(_Monotone):
    """``lr factor^floor(s / every)``: torch.optim.lr_scheduler.StepLR, optax.exponential_decay(staircase=True)."""

    lr: float = number(domain=NOT_NEGATIVE)
    factor: float = number(0.1, POSITIVE)
    every: float = number(1000.0, POSITIVE)

    def __call__(self, t: Steps) -> Steps:
        return self.lr * self.factor ** np.floor((t - 1) / self.every)


@dataclass(frozen=True)
class ExponentialDecay(_Monotone):
    """``lr factor^s``: torch.optim.lr_scheduler.ExponentialLR, optax.exponential_decay(transition_steps=1)."""

    lr: float = number(domain=NOT_NEGATIVE)
    factor: float = number(0.999, POSITIVE)

    def __call__(self, t: Steps) -> Steps:
        return self.lr * self.factor ** (t - 1)


@dataclass(frozen=True)
class InverseTime(_Monotone):
    """``lr / (1 + k s)``: the 1/t rate of stochastic approximation (Robbins and Monro 1951)."""

    lr: float = number(domain=NOT_NEGATIVE)
    k: float = number(1.0, NOT_NEGATIVE)

    def __call__(self, t: Steps) -> Steps:
        return self.lr / (1.0 + self.k * (t - 1))


@dataclass(frozen=True)
class InverseSqrt(_Monotone):
    """``lr / sqrt(t)``: the rate of AdaGrad's and AMSGrad's theorems (Reddi et al. 2018, theorem 4)."""

    lr: float = number(domain=NOT_NEGATIVE)

    def __call__(self, t: Steps) -> Steps:
        return self.lr / np.sqrt(t)


@dataclass(frozen=True)
class AcceleratedMomentum(_Monotone):
    """``(t - 2) / (t + r - 2)``, 0 at first: the momentum of Nesterov's method where nothing is known but that f is convex.

    Of :class:`~ensemble.Nesterov` at a rate of at most ``1/L``, L the smoothness: ``f(x_t) - f* <= 2 |x_0 - x*|^2 / (lr (t + 1)^2)`` for
    ``r = 3``. Nesterov (1983); Su, Boyd, Candes (2016), theorem 6, with ``k = t - 1`` (arXiv:1503.01243).
    """

    r: float = number(3.0, POSITIVE)

    def __call__(self, t: Steps) -> Steps:
        after = np.maximum(t, 2.0) - 2.0
        return after / (after + self.r)


@dataclass(frozen=True)
class LinearDecay(_Monotone):
    """From ``lr`` to ``final`` on a line over ``steps`` steps, then ``final``: optax.linear_schedule."""

    lr: float = number(domain=NOT_NEGATIVE)
    steps: float = number(domain=POSITIVE)
    final: float = number(0.0, NOT_NEGATIVE)

    def __call__(self, t: Steps) -> Steps:
        share = np.minimum((t - 1) / self.steps, 1.0)
        return self.lr + (self.final - self.lr) * share


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from ``lr`` to ``final`` over ``steps`` steps, then ``final``; a line from 0 over ``warmup`` steps before.

    Loshchilov and Hutter (2017), eq. 5, without restarts; torch.optim.lr_scheduler.CosineAnnealingLR(T_max=steps) and, with
    warm-up, optax.warmup_cosine_decay_schedule: ``steps`` counts the warm-up, and step 1 of a warm-up uses the value 0.
    """

    lr: float = number(domain=NOT_NEGATIVE)
    steps: float = number(domain=POSITIVE)
    warmup: float = number(0.0, NOT_NEGATIVE)
    final: float = number(0.0, NOT_NEGATIVE)

    def validate(self) -> None:
        if not isinstance(self.warmup, Varied) and not isinstance(self.steps, Varied) and self.warmup >= self.steps:
            raise ValueError(
                f"Cosine(steps={self.steps:g}, warmup={self.warmup:g}): give fewer steps of warm-up than steps in all."
            )

    def __call__(self, t: Steps) -> Steps:
        s = t - 1
        share = np.clip((s - self.warmup) / (self.steps - self.warmup), 0.0, 1.0)
        falling = self.final + (self.lr - self.final) * 0.5 * (1.0 + np.cos(np.pi * share))
        return np.where(s < self.warmup, self.lr * s / max(self.warmup, 1.0), falling)

    def range(self, first: int, last: int) -> Range | None:
        top = math.ceil(self.warmup)  # the last step of the warm-up
        ends = {first, last, *(t for t in (top, top + 1) if first < t < last)}
        values = self(np.array(sorted(ends), dtype=np.float64))
        return float(values.min()), float(values.max())


@dataclass(frozen=True)
class WarmRestarts(Schedule):
    """Half a cosine from ``lr`` to ``final`` again and again: over ``first`` steps, then over ``factor`` times as many each time.

    Loshchilov and Hutter (2017), eq. 5 (arXiv:1608.03983); torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(T_0=first,
    T_mult=factor, eta_min=final).
    """

    lr: float = number(domain=NOT_NEGATIVE)
    first: float = number(domain=POSITIVE)
    factor: float = number(1.0, Domain(lambda v: v >= 1, "a number of at least 1"))
    final: float = number(0.0, NOT_NEGATIVE)

    def __call__(self, t: Steps) -> Steps:
        s = t - 1
        if self.factor == 1:
            share = s % self.first / self.first
        else:
            turn = np.floor(np.log1p(s / self.first * (self.factor - 1)) / np.log(self.factor))
            for _ in range(2):  # rounding may have put a restart into the turn before it, or after
                begin = self.first * (self.factor**turn - 1) / (self.factor - 1)
                length = self.first * self.factor**turn
                turn = turn + (s >= begin + length) - (s < begin)
            begin = self.first * (self.factor**turn - 1) / (self.factor - 1)
            share = (s - begin) / (self.first * self.factor**turn)
        return self.final + (self.lr - self.final) * 0.5 * (1.0 + np.cos(np.pi * share))

    def range(self, first: int, last: int) -> Range | None:
        return min(self.lr, self.final), max(self.lr, self.final)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up to ``lr`` over a share ``rise`` of ``steps`` steps, then down, both along half a cosine.

    Smith and Topin (2018, arXiv:1708.07120), as torch.optim.lr_scheduler.OneCycleLR(max_lr=lr, total_steps=steps, pct_start=rise) has
    it: from ``lr / start`` to ``lr`` to ``lr / (start final)``, which it keeps after the last step.
    """

    lr: float = number(domain=NOT_NEGATIVE)
    steps: float = number(1000.0, POSITIVE)
    rise: float = number(0.3, Domain(lambda v: 0 < v < 1, "a number between 0 and 1"))
    start: float = number(25.0, POSITIVE)
    final: float = number(1e4, POSITIVE)

    def validate(self) -> None:
        if not isinstance(self.steps, Varied) and not isinstance(self.rise, Varied) and self.rise * self.steps <= 1:
            raise ValueError(
                f"OneCycle(steps={self.steps:g}, rise={self.rise:g}): fewer than two steps rise; give more steps, or a larger rise."
            )

    def __call__(self, t: Steps) -> Steps:
        s, low = t - 1, self.lr / self.start
        top = self.rise * self.steps - 1.0
        up, down = np.clip(s / top, 0.0, 1.0), np.clip((s - top) / (self.steps - 1.0 - top), 0.0, 1.0)
        rising = self.lr + (low - self.lr) / 2.0 * (1.0 + np.cos(np.pi * up))
        end = low / self.final
        falling = end + (self.lr - end) / 2.0 * (1.0 + np.cos(np.pi * down))
        return np.where(s <= top, rising, falling)

    def range(self, first: int, last: int) -> Range | None:
        low = self.lr / self.start
        return min(low, low / self.final, self.lr), max(low, low / self.final, self.lr)


@dataclass(frozen=True)
class Piecewise(Schedule):
    """``values`` (values,), each from the step after one of ``at`` (values - 1,) steps on: the first until then, the last for ever.

    ``s = t - 1`` steps taken: the value changes where s reaches a boundary, as in torch.optim.lr_scheduler.MultiStepLR and
    optax.piecewise_constant_schedule. ``line=True``: on a line from value to value, the first at s = 0 (optax.join_schedules of
    linear_schedule); then ``at`` says where each value after the first is reached.
    """

    values: Any = array()
    at: Any = array()
    line: bool = flag(False)

    def validate(self) -> None:
        if self.values.ndim != 1 or self.at.ndim != 1 or self.values.size != self.at.size + 1:
            raise ValueError(
                f"Piecewise(values={told(self.values)}, at={told(self.at)}): give a list of values, and one step fewer than those."
            )
        if (np.diff(self.at, prepend=0) <= 0).any():
            raise ValueError(f"Piecewise(at={told(self.at)}): give steps above 0 that rise.")

    def __call__(self, t: Steps) -> Steps:
        s = t - 1
        if self.line:
            return np.interp(s, np.concatenate([[0.0], self.at]), self.values)
        found: Steps = self.values[np.searchsorted(self.at, s, side="right")]
        return found

    def range(self, first: int, last: int) -> Range | None:
        return float(self.values.min()), float(self.values.max())


@dataclass(frozen=True)
class Warmup(Schedule):
    """``after`` multiplied by ``min(1, t / steps)``: from 1/steps of it to all of it, a line over ``steps`` steps.

    ``after`` goes on counting from the first step; torch.optim.lr_scheduler.LinearLR(start_factor=1/steps, total_iters=steps-1)
    chained with the scheduler of ``after``.
    """

    after: Schedule = inner()
    steps: float = number(domain=POSITIVE)

    def __call__(self, t: Steps) -> Steps:
        return self.after(t) * np.minimum(1.0, t / self.steps)

    def range(self, first: int, last: int) -> Range | None:
        after = self.after.range(first, last)
        if after is None:
            return None
        products = [value * min(1.0, t / self.steps) for value in after for t in (first, last)]
        return min(products), max(products)


@dataclass(frozen=True)
class PerBatch(Schedule):
    """``sigma / sqrt(batch)``, the noise of a minibatch whose size a schedule gives: ``Gaussian(PerBatch(1.0, batch))``.

    A batch that grows by the factor by which the rate would have been cut leaves the effective temperature ``lr sigma^2 / (2
    batch)`` the same: Smith, Kindermans, Ying and Le (2018, arXiv:1711.00489).
    """

    sigma: float = number(domain=NOT_NEGATIVE)
    batch: Schedule = inner(domain=POSITIVE)

    def __call__(self, t: Steps) -> Steps:
        size = self.batch(t)
        if not (size > 0).all():
            raise ValueError(
                f"PerBatch(batch={told(self.batch)}): the batch is {size.min():g}; give a size above 0 at every step."
            )
        return self.sigma / np.sqrt(size)

    def range(self, first: int, last: int) -> Range | None:
        batch = self.batch.range(first, last)
        return (
            None if batch is None or not batch[0] > 0 else (self.sigma / batch[1] ** 0.5, self.sigma / batch[0] ** 0.5)
        )


def at_steps(value: Any, t: Steps) -> Steps:
    """What a scheduled field holds at steps ``t``: a number at all of them, or a schedule's values."""
    if isinstance(value, Schedule):
        return value(t)
    return np.full(np.broadcast_shapes(t.shape, np.shape(value)), value, dtype=np.float64)


def product_to(value: Any, t: Steps) -> Steps:
    """The product of a scheduled field's values at steps 1 to ``t``.

    Raises:
        TypeError: of schedules of several parts at once: the product begins at step 1.
    """
    if not isinstance(value, Schedule):
        return np.asarray(value**t)
    if t.ndim > 1:
        raise TypeError("one part at a time: the product begins at step 1")
    products = np.cumprod(value(np.arange(1.0, float(t.max()) + 1.0)))
    return np.asarray(products[t.astype(np.int64) - 1])
